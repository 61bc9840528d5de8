//! Rows of every format that was ever released, which must be readable for ever.
//!
//! `tests/fixtures/rows-vN.txt` holds the rows of a database as format N left them, one a line: key and value in
//! hexadecimal digits. The files of the database are fjall's own affair. A new format gets a new file; the old ones are
//! never changed. `docs/state-directory.md` says how one is added.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use nowfold_core::state::{StateStore, StoreKind, WindowOptions};
use nowfold_core::time::Timestamp;

use crate::support::{HOUR, KEY_VALUE, engine, epoch, open, take, text};

/// The newest format.
const NEWEST: u32 = 1;

fn fixture(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/rows-v{version}.txt"))
}

fn kinds() -> [StoreKind; 5] {
    let window = |duplicates| WindowOptions { retention_ms: 1_000_000, duplicates, timestamped: false };
    let [plain, duplicates] = [false, true].map(|duplicates| StoreKind::Window(window(duplicates)));
    [KEY_VALUE, plain, duplicates, StoreKind::Session(HOUR), StoreKind::Versioned(HOUR)]
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

/// Two epochs with every kind of row, and rows that the second one changes and removes.
fn write(dir: &Path) -> Result<()> {
    let engine = engine();
    let mut stores = open(&engine, dir, &kinds())?;
    let mut taken: Vec<_> = (0..kinds().len()).map(|i| take(stores.as_mut(), i)).collect();
    for round in [1, 2] {
        let value = |what: &str| text(format!("{what}-{round}"));
        let [rows, windows, duplicates, sessions, versions] = taken.as_mut_slice() else { unreachable!() };
        let rows = rows.as_key_value().context("a key-value store")?;
        rows.put(text("kept"), value("row"))?;
        rows.put(text(format!("of-{round}")), text(""))?;
        rows.delete(b"of-1")?;
        let windows = windows.as_window().context("a window store")?;
        windows.put(text("w"), at(-5 * round), Some(value("window")))?;
        windows.put(text("w"), at(60_000), Some(value("window")))?;
        let duplicates = duplicates.as_window().context("a window store")?;
        duplicates.put(text("d"), at(7), Some(value("duplicate")))?;
        let sessions = sessions.as_session().context("a session store")?;
        sessions.put(text("s"), at(3), at(9 * round), Some(value("session")))?;
        sessions.put(text("s"), at(3), at(9 * (round - 1)), None)?;
        let versions = versions.as_versioned().context("a versioned store")?;
        versions.put(text("v"), Some(value("version")), at(100 * round))?;
        versions.put(text("gone"), None, at(50))?;
        stores.commit(epoch(u64::try_from(round)?))?;
    }
    Ok(())
}

fn check(dir: &Path) -> Result<()> {
    let engine = engine();
    let mut stores = open(&engine, dir, &kinds())?;
    ensure!(stores.epoch() == Some(&epoch(2)), "{:?}", stores.epoch());
    let mut taken: Vec<Box<dyn StateStore>> = (0..kinds().len()).map(|i| take(stores.as_mut(), i)).collect();
    let [rows, windows, duplicates, sessions, versions] = taken.as_mut_slice() else { unreachable!() };
    let rows = rows.as_key_value().context("a key-value store")?.prefix(b"", usize::MAX)?;
    assert_eq!(rows, [(text("kept"), text("row-2")), (text("of-2"), text(""))]);
    let windows = windows.as_window().context("a window store")?.fetch(&text("w"), at(-100), at(100_000))?;
    let window = |start, value: &str| (at(start), text(value));
    assert_eq!(windows, [window(-10, "window-2"), window(-5, "window-1"), window(60_000, "window-2")]);
    let duplicates = duplicates.as_window().context("a window store")?.fetch(&text("d"), at(0), at(100))?;
    assert_eq!(duplicates, [window(7, "duplicate-1"), window(7, "duplicate-2")]);
    let sessions = sessions.as_session().context("a session store")?;
    assert_eq!(sessions.get(&text("s"), at(3), at(18))?, Some(text("session-2")));
    assert_eq!(sessions.get(&text("s"), at(3), at(9))?, None);
    let versions = versions.as_versioned().context("a versioned store")?;
    let as_of = |key: &[u8], time| Ok::<_, anyhow::Error>(versions.as_of(key, at(time))?.map(|version| version.value));
    assert_eq!((as_of(b"v", 150)?, as_of(b"v", 250)?), (Some(text("version-1")), Some(text("version-2"))));
    assert_eq!(as_of(b"gone", 60)?, None);
    Ok(())
}

fn raw(dir: &Path) -> Result<(Database, Keyspace)> {
    let database = Database::builder(dir).worker_threads(1).open()?;
    let rows = database.keyspace("rows", KeyspaceCreateOptions::default)?;
    Ok((database, rows))
}

fn rows_of(dir: &Path) -> Result<String> {
    let (_database, rows) = raw(dir)?;
    let mut text = String::new();
    for row in rows.iter() {
        let (key, value) = row.into_inner()?;
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        writeln!(text, "{}", format!("{} {}", hex(&key), hex(&value)).trim_end())?;
    }
    Ok(text)
}

fn bytes(hex: &str) -> Result<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?));
    pairs.collect()
}

#[test]
fn the_rows_that_are_written_today_are_the_newest_fixture() -> Result<()> {
    let dir = tempfile::tempdir()?;
    write(dir.path())?;
    let hint = "the rows have changed: give them a new format number, and add a fixture of it";
    assert_eq!(rows_of(dir.path())?, fs::read_to_string(fixture(NEWEST))?, "{hint}");
    check(dir.path())
}

#[test]
fn rows_of_every_format_are_read() -> Result<()> {
    for version in 1..=NEWEST {
        let dir = tempfile::tempdir()?;
        {
            let (_database, rows) = raw(dir.path())?;
            for line in fs::read_to_string(fixture(version))?.lines() {
                let (key, value) = line.split_once(' ').unwrap_or((line, ""));
                rows.insert(bytes(key)?, bytes(value)?)?;
            }
        }
        check(dir.path()).with_context(|| format!("format {version}"))?;
    }
    Ok(())
}

/// Writes the rows of the newest format, where there is no file of them yet.
#[test]
#[ignore = "run by hand when there is a new format"]
fn write_a_fixture_of_the_newest_format() -> Result<()> {
    if !fixture(NEWEST).exists() {
        let dir = tempfile::tempdir()?;
        write(dir.path())?;
        fs::create_dir_all(fixture(NEWEST).parent().context("a parent")?)?;
        fs::write(fixture(NEWEST), rows_of(dir.path())?)?;
    }
    Ok(())
}
