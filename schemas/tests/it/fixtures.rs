//! Bytes of every schema that was ever released, which must be readable for ever.
//!
//! `tests/fixtures/action-vN.avsc` is the schema of version N and `action-vN.bin` a value in single-object encoding. A new
//! version of the schema gets new files; the old ones are never changed.

use std::path::{Path, PathBuf};

use nowfold_core::serde::avro::{SchemaRef, fingerprint};
use nowfold_schemas::{ACTION_SCHEMA, ActionCodec};

use crate::support::full_action;

/// The newest version.
const NEWEST: u32 = 1;

fn path(version: u32, kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/action-v{version}.{kind}"))
}

#[test]
fn newest_fixture_is_of_the_present_schema() {
    let stored = std::fs::read_to_string(path(NEWEST, "avsc")).unwrap();
    assert_eq!(
        fingerprint(&stored).unwrap(),
        fingerprint(ACTION_SCHEMA).unwrap(),
        "the schema has changed: add fixtures of version {} and raise NEWEST",
        NEWEST + 1
    );
}

#[test]
fn bytes_of_every_version_are_read() {
    for version in 1..=NEWEST {
        let schema = std::fs::read_to_string(path(version, "avsc")).unwrap();
        let bytes = std::fs::read(path(version, "bin")).unwrap();
        let codec = ActionCodec::new().with_schema(&schema).unwrap();
        assert_eq!(codec.read(&bytes).unwrap(), full_action(), "version {version}");
    }
}

/// Bytes on the wire do not change unless the schema does.
#[test]
fn newest_fixture_is_what_is_written_today() {
    let own = SchemaRef::Fingerprint(fingerprint(ACTION_SCHEMA).unwrap());
    assert_eq!(ActionCodec::write(own, &full_action()).unwrap(), std::fs::read(path(NEWEST, "bin")).unwrap());
}

/// Writes the files of the newest version, where they do not exist yet.
#[test]
#[ignore = "run by hand when the schema has a new version"]
fn write_fixtures_of_the_newest_version() {
    if !path(NEWEST, "bin").exists() {
        let own = SchemaRef::Fingerprint(fingerprint(ACTION_SCHEMA).unwrap());
        std::fs::create_dir_all(path(NEWEST, "bin").parent().unwrap()).unwrap();
        std::fs::write(path(NEWEST, "avsc"), ACTION_SCHEMA).unwrap();
        std::fs::write(path(NEWEST, "bin"), ActionCodec::write(own, &full_action()).unwrap()).unwrap();
    }
}
