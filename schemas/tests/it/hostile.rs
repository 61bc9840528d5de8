//! Damaged and invented bytes: an error or an action, never a panic, and never more memory than the bytes justify.

use bytes::Bytes;
use nowfold_core::serde::avro::{SchemaRef, fingerprint, put_long};
use nowfold_core::serde::{Deserializer, SerdeEnv, SerdeError};
use nowfold_schemas::registry::FixedRegistry;
use nowfold_schemas::{ACTION_SCHEMA, ActionCodec};
use proptest::prelude::*;
use std::sync::Arc;

use crate::support::full_action;

fn header() -> Vec<u8> {
    let mut header = Vec::new();
    SchemaRef::Fingerprint(fingerprint(ACTION_SCHEMA).unwrap()).write(&mut header);
    header
}

fn written() -> Vec<u8> {
    ActionCodec::write(SchemaRef::Fingerprint(fingerprint(ACTION_SCHEMA).unwrap()), &full_action()).unwrap()
}

#[test]
fn every_truncation_and_any_tail_is_an_error() {
    let (codec, bytes) = (ActionCodec::new(), written());
    assert_eq!(codec.read(&bytes).unwrap(), full_action());
    for len in 0..bytes.len() {
        assert!(codec.read(&bytes[..len]).is_err(), "{len} bytes");
    }
    let error = codec.read(&[&bytes[..], &[0]].concat()).unwrap_err().to_string();
    assert!(error.contains("1 bytes are left over"), "{error}");
}

#[test]
fn errors_name_the_field_and_the_byte() {
    let codec = ActionCodec::new();
    let mut bytes = header();
    bytes.extend([2, b'a', 2, 2, b'k', 40]);
    let error = codec.read(&bytes).unwrap_err().to_string();
    assert_eq!(error, "not a valid Avro: field actorAttributes.k: a union or enum has no entry 20, only 7 (byte 15)");
}

#[test]
fn huge_lengths_and_counts_cost_nothing() {
    let codec = ActionCodec::new();
    for n in [1 << 20, 1 << 31, 1 << 60, i64::MAX, -(1 << 60), i64::MIN] {
        let mut text = header();
        put_long(n, &mut text);
        assert!(codec.read(&text).is_err(), "a text of {n} bytes");
        let mut map = header();
        map.extend([2, b'a']);
        put_long(n, &mut map);
        map.push(0);
        assert!(codec.read(&map).is_err(), "a map of {n} entries");
        let mut list = header();
        list.extend([2, b'a', 2, 2, b'k', 12]);
        put_long(n, &mut list);
        assert!(codec.read(&list).is_err(), "a list of {n} items");
    }
}

#[test]
fn too_many_attributes_are_refused_on_both_sides() {
    let with = |n: i32| {
        let mut action = nowfold_schemas::Action::new("a", "v", "o");
        action.object_attributes = (0..n).map(|i| (format!("{i:05}"), i)).collect();
        ActionCodec::write(SchemaRef::Fingerprint(fingerprint(ACTION_SCHEMA).unwrap()), &action)
    };
    assert_eq!(ActionCodec::new().read(&with(4_096).unwrap()).unwrap().object_attributes.len(), 4_096);
    assert!(with(4_097).unwrap_err().to_string().contains("more than 4096 attributes"));
    let mut bytes = header();
    bytes.extend([2, b'a']);
    put_long(500_000, &mut bytes);
    (0..500_000_u32).rev().for_each(|i| bytes.extend([&[8], &i.to_be_bytes().map(|b| b & 0x7f)[..], &[0]].concat()));
    let error = ActionCodec::new().read(&bytes).unwrap_err().to_string();
    assert!(error.contains("more than 4096 attributes"), "{error}");
}

#[test]
fn endless_lists_in_lists_are_an_error() {
    let mut bytes = header();
    bytes.extend([2, b'a', 2, 2, b'k']);
    bytes.extend([12, 2].repeat(1_000_000));
    let error = ActionCodec::new().read(&bytes).unwrap_err().to_string();
    assert!(error.contains("deeper than"), "{error}");
}

#[test]
fn foreign_framing_and_unknown_schemas_are_typed_errors() {
    let codec = ActionCodec::new();
    assert!(matches!(codec.read(b""), Err(SerdeError::Invalid { .. })));
    assert!(matches!(codec.read(br#"{"actor":"a"}"#), Err(SerdeError::Invalid { .. })));
    assert!(matches!(codec.read(b"\0\0\0\0\x07abc"), Err(SerdeError::UnknownSchema { id: 7, .. })));
    assert!(matches!(codec.read(b"\xc3\x0112345678abc"), Err(SerdeError::UnknownFingerprint { .. })));
    let registry = FixedRegistry::new().with_schema(8, r#""string""#).unwrap();
    nowfold_core::serde::Format::configure(&codec, &SerdeEnv { registry: Some(Arc::new(registry)) }).unwrap();
    assert!(matches!(codec.read(b"\0\0\0\0\x07abc"), Err(SerdeError::UnknownSchema { id: 7, .. })));
    let error = codec.read(b"\0\0\0\0\x08\x02a").unwrap_err().to_string();
    assert!(error.contains("not a record"), "{error}");
}

#[test]
fn null_value_is_an_error_of_the_codec() {
    let codec = ActionCodec::new();
    let null = Deserializer::deserialize_null(&codec, &"actions".into(), nowfold_core::serde::Part::Value);
    assert!(matches!(null, Err(SerdeError::Null { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn random_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let codec = ActionCodec::new();
        drop(codec.read(&body));
        drop(codec.read(&[header(), body.clone()].concat()));
        drop(Deserializer::<nowfold_schemas::Action>::deserialize(&codec, &"t".into(), &Bytes::from(body)));
    }

    /// Changed bytes that still read as an action read as the same one after writing it again.
    #[test]
    fn damaged_actions_never_panic(changes in proptest::collection::vec((10_usize..200, any::<u8>()), 1..6)) {
        let (codec, mut bytes) = (ActionCodec::new(), written());
        for (at, byte) in changes {
            let len = bytes.len() - 10;
            bytes[10 + at % len] = byte;
        }
        if let Ok(action) = codec.read(&bytes) {
            let own = SchemaRef::Fingerprint(fingerprint(ACTION_SCHEMA).unwrap());
            let again = codec.read(&ActionCodec::write(own, &action).unwrap()).unwrap();
            prop_assert_eq!(format!("{action:?}"), format!("{again:?}"));
        }
    }
}
