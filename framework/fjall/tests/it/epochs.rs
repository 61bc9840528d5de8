//! What an epoch holds, and who sees what when.

use std::fs;

use anyhow::Result;
use nowfold_core::names::StoreName;
use nowfold_core::state::KeyValueReader;
use nowfold_fjall::FjallMap;
use nowfold_runtime::local::LocalError;

use crate::support::{HOUR, KEY_VALUE, engine, epoch, open, take, text};
use nowfold_core::state::StoreKind;

#[test]
fn only_committed_epochs_are_there_after_a_crash() -> Result<()> {
    let dir = tempfile::tempdir()?;
    {
        let engine = engine();
        let mut stores = open(&engine, dir.path(), &[KEY_VALUE, KEY_VALUE])?;
        assert_eq!(stores.epoch(), None);
        let [mut a, mut b] = [0, 1].map(|i| take(stores.as_mut(), i));
        a.as_key_value().unwrap().put(text("k"), text("1"))?;
        b.as_key_value().unwrap().put(text("k"), text("one"))?;
        stores.commit(epoch(1))?;
        a.as_key_value().unwrap().put(text("k"), text("2"))?;
        b.as_key_value().unwrap().delete(b"k")?;
        assert_eq!(a.as_key_value().unwrap().get(b"k")?, Some(text("2")), "the task sees its writes at once");
    }
    let engine = engine();
    let mut stores = open(&engine, dir.path(), &[KEY_VALUE, KEY_VALUE])?;
    assert_eq!(stores.epoch(), Some(&epoch(1)));
    let [mut a, mut b] = [0, 1].map(|i| take(stores.as_mut(), i));
    assert_eq!(a.as_key_value().unwrap().get(b"k")?, Some(text("1")));
    assert_eq!(b.as_key_value().unwrap().get(b"k")?, Some(text("one")));
    Ok(())
}

#[test]
fn a_task_that_is_opened_again_finds_its_epoch_although_old_readers_live() -> Result<()> {
    let (dir, engine) = (tempfile::tempdir()?, engine());
    let mut stores = open(&engine, dir.path(), &[KEY_VALUE])?;
    let mut store = take(stores.as_mut(), 0);
    store.as_key_value().unwrap().put(text("k"), text("1"))?;
    stores.commit(epoch(1))?;
    store.as_key_value().unwrap().put(text("k"), text("aborted"))?;
    let reader = store.reader().downcast::<FjallMap>().unwrap();
    drop((stores, store));
    let mut again = open(&engine, dir.path(), &[KEY_VALUE])?;
    assert_eq!(again.epoch(), Some(&epoch(1)));
    assert_eq!(take(again.as_mut(), 0).as_key_value().unwrap().get(b"k")?, Some(text("1")));
    assert_eq!(reader.get(b"k")?, Some(text("aborted")), "who asked before sees what was there");
    Ok(())
}

#[test]
fn a_cleared_database_is_empty_and_has_no_epoch() -> Result<()> {
    let dir = tempfile::tempdir()?;
    {
        let engine = engine();
        let mut stores = open(&engine, dir.path(), &[KEY_VALUE])?;
        let mut store = take(stores.as_mut(), 0);
        store.as_key_value().unwrap().put(text("k"), text("1"))?;
        stores.commit(epoch(1))?;
        drop(store);
        stores.clear()?;
        assert_eq!(stores.epoch(), None);
    }
    let engine = engine();
    let mut stores = open(&engine, dir.path(), &[KEY_VALUE])?;
    assert_eq!(stores.epoch(), None);
    assert!(take(stores.as_mut(), 0).as_key_value().unwrap().is_empty()?);
    Ok(())
}

#[test]
fn a_store_is_given_out_once_and_only_when_it_is_planned() -> Result<()> {
    let (dir, engine) = (tempfile::tempdir()?, engine());
    let mut stores = open(&engine, dir.path(), &[KEY_VALUE, StoreKind::Session(HOUR)])?;
    assert!(stores.take(&StoreName::from("s1")).is_some_and(|mut store| store.as_session().is_some()));
    assert!(stores.take(&StoreName::from("s1")).is_none());
    assert!(stores.take(&StoreName::from("other")).is_none());
    Ok(())
}

#[test]
fn a_database_that_another_process_has_open_is_refused() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (one, two) = (engine(), engine());
    let _stores = open(&one, dir.path(), &[KEY_VALUE])?;
    let error = open(&two, dir.path(), &[KEY_VALUE]).err();
    assert!(matches!(error, Some(LocalError::InUse { .. })), "{error:?}");
    Ok(())
}

#[test]
fn a_key_that_is_too_long_for_the_disk_is_refused_with_the_way_out() -> Result<()> {
    let (dir, engine) = (tempfile::tempdir()?, engine());
    let mut stores = open(&engine, dir.path(), &[KEY_VALUE])?;
    let mut store = take(stores.as_mut(), 0);
    store.as_key_value().unwrap().put(text("k".repeat(65_000)), text("v"))?;
    let error = store.as_key_value().unwrap().put(text("k".repeat(65_001)), text("v")).unwrap_err().to_string();
    assert!(error.contains("in_memory") && error.contains("65001"), "{error}");
    stores.commit(epoch(1))?;
    Ok(())
}

#[test]
fn readers_see_one_state_while_epochs_are_written() -> Result<()> {
    let (dir, engine) = (tempfile::tempdir()?, engine());
    let mut stores = open(&engine, dir.path(), &[KEY_VALUE])?;
    let mut store = take(stores.as_mut(), 0);
    let reader = store.reader().downcast::<FjallMap>().unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut n = 0_u32;
            while !done.load(std::sync::atomic::Ordering::Relaxed) || n == 0 {
                // Each round puts "a" before "b", so "b" is never ahead.
                let pairs = reader.prefix(b"", usize::MAX).unwrap();
                let round = |key: &[u8]| {
                    let found = pairs.iter().find(|(found, _)| &found[..] == key);
                    found.map_or(0, |(_, value)| String::from_utf8_lossy(value).parse::<u32>().unwrap())
                };
                let (a, b) = (round(b"a"), round(b"b"));
                assert!(a == b || a == b + 1, "a is of round {a}, b of {b}");
                n += 1;
            }
        });
        for round in 1..=3_000_u32 {
            for key in ["a", "b"] {
                store.as_key_value().unwrap().put(text(key), text(round.to_string())).unwrap();
            }
            if round % 3 == 0 {
                stores.commit(epoch(u64::from(round))).unwrap();
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        reading.join().unwrap();
    });
    Ok(())
}

#[test]
fn a_directory_that_could_not_be_read_is_not_used_again() -> Result<()> {
    let dir = tempfile::tempdir()?;
    drop(open(&engine(), dir.path(), &[KEY_VALUE])?);
    fs::write(dir.path().join("damaged"), "a row cannot be read: a test says so")?;
    let error = open(&engine(), dir.path(), &[KEY_VALUE]).err();
    assert!(matches!(&error, Some(LocalError::Damaged { cause, .. }) if cause.contains("a test says so")), "{error:?}");
    Ok(())
}
