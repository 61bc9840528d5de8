//! Bytes of every format that was ever released, which must be readable for ever.
//!
//! `tests/fixtures/vN` is a state directory as format N left it. A new format gets a new directory; the old ones are never
//! changed. `docs/state-directory.md` says how one is added.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use nowfold_core::record::LogRecord;

use crate::support::{LOGS, copy_tree, log, open, records, replay};

/// The newest format.
const NEWEST: u32 = 2;

fn fixture(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/v{version}"))
}

/// Two segments: records with and without each of their parts, a block that holds none, and offsets that lie apart.
fn write(dir: &Path) -> Result<()> {
    let state = open(dir)?;
    let mut log = log(&state)?;
    log.begin(2);
    log.append(&records([2, 3, 5]), 7);
    log.flush();
    log.append(&[], 9);
    log.flush();
    log.append(&records([9, 10, 12, 14, 15]), 16);
    log.flush();
    log.append(&records([20, 21]), 22);
    log.flush();
    Ok(())
}

fn content() -> Vec<LogRecord> {
    records([2, 3, 5, 9, 10, 12, 14, 15, 20, 21])
}

/// The files below a directory by their paths in it, without the lock.
fn files(dir: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let (mut found, mut todo) = (BTreeMap::new(), vec![dir.to_owned()]);
    while let Some(at) = todo.pop() {
        for entry in fs::read_dir(at)? {
            let path = entry?.path();
            if path.is_dir() {
                todo.push(path);
            } else if path.file_name().is_some_and(|name| name != "lock") {
                found.insert(path.strip_prefix(dir)?.to_owned(), fs::read(&path)?);
            }
        }
    }
    Ok(found)
}

#[test]
fn what_is_written_today_is_the_newest_fixture() -> Result<()> {
    let dir = tempfile::tempdir()?;
    write(dir.path())?;
    let (today, stored) = (files(dir.path())?, files(&fixture(NEWEST))?);
    ensure!(stored.len() == 4, "a format, an origin and two segments: {:?}", stored.keys());
    ensure!(today == stored, "the bytes have changed: give them a new format number, and add fixtures of it");
    Ok(())
}

#[test]
fn directories_of_every_format_are_read_and_go_on() -> Result<()> {
    for version in 1..=NEWEST {
        let dir = tempfile::tempdir()?;
        copy_tree(&fixture(version), dir.path());
        let state = open(dir.path())?;
        let mut copy = log(&state)?;
        assert_eq!((copy.held(), replay(copy.as_mut())?), (2..22, content()), "format {version}");
        copy.append(&records([22, 25]), 26);
        copy.flush();
        drop((copy, state));
        let mut copy = log(&open(dir.path())?)?;
        let all = [content(), records([22, 25])].concat();
        assert_eq!((copy.held(), replay(copy.as_mut())?), (2..26, all), "format {version}");
        ensure!(!dir.path().join("feed/0_2/aside").exists(), "format {version} is moved aside");
        let origin = fs::read_to_string(dir.path().join(LOGS).join("origin"))?;
        ensure!(
            origin.starts_with(&format!("nowfold state, format {NEWEST}\n")),
            "an older nowfold refuses it: {origin}"
        );
    }
    Ok(())
}

/// So that tests of whole applications may make directories of the first format out of what is written today.
#[test]
fn the_first_format_differs_from_the_second_in_headers_alone() -> Result<()> {
    let mut second = files(&fixture(2))?;
    for (path, bytes) in &mut second {
        if path.ends_with("origin") {
            *bytes = String::from_utf8(std::mem::take(bytes))?.replacen("format 2", "format 1", 1).into_bytes();
        } else if path.extension().is_some_and(|extension| extension == "seg") {
            bytes[8..16].copy_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
        }
    }
    ensure!(second == files(&fixture(1))?, "they differ in more");
    Ok(())
}

#[test]
fn formats_that_never_were_are_not_read() -> Result<()> {
    let dir = tempfile::tempdir()?;
    copy_tree(&fixture(1), dir.path());
    let origin = dir.path().join(LOGS).join("origin");
    fs::write(&origin, fs::read_to_string(&origin)?.replace("format 1", "format 0"))?;
    ensure!(log(&open(dir.path())?)?.held() == (0..0), "it begins anew");
    ensure!(dir.path().join("feed/0_2/aside/logs-actions/origin").exists(), "what was there lies aside");
    Ok(())
}

/// Writes the directory of the newest format, where it does not exist yet.
#[test]
#[ignore = "run by hand when there is a new format"]
fn write_fixtures_of_the_newest_format() -> Result<()> {
    if !fixture(NEWEST).exists() {
        write(&fixture(NEWEST))?;
        fs::remove_file(fixture(NEWEST).join("feed/lock"))?;
    }
    Ok(())
}
