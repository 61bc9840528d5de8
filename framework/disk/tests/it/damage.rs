//! Files that are cut at every byte, altered, or gone: what comes back is a beginning of what was appended, never
//! anything else, and the topic gives the rest.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nowfold_core::names::Offset;

use crate::support::{LOGS, copy_tree, log, open, records, replay};

/// Offsets 3..27 of the topic, in blocks of two, over several segments.
fn build(dir: &Path) -> Result<()> {
    let state = open(dir)?;
    let mut log = log(&state)?;
    log.begin(3);
    for first in (3..27).step_by(2) {
        log.append(&records([first, first + 1]), first + 2);
        log.flush();
    }
    Ok(())
}

fn segments(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found: Vec<_> = fs::read_dir(dir.join(LOGS))?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    found.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    found.sort();
    ensure!(found.len() >= 3, "several segments are wanted: {found:?}");
    Ok(found)
}

/// Opens a damaged copy: it must hold a beginning of 3..27, in whole blocks, and go on from there. Returns where it ended.
fn check(dir: &Path) -> Result<Offset> {
    let end = {
        let state = open(dir)?;
        let mut log = log(&state)?;
        let found = replay(log.as_mut())?;
        let held = log.held();
        if found.is_empty() {
            // As the runtime does with an empty copy.
            log.begin(3);
        } else {
            ensure!(held.start == 3, "it begins at {}", held.start);
        }
        let end = log.held().end;
        ensure!(found == records(3..end), "up to {end} it gives {} records", found.len());
        log.append(&records(end..30), 30);
        log.flush();
        end
    };
    let state = open(dir)?;
    let mut log = log(&state)?;
    let found = replay(log.as_mut())?;
    ensure!(found == records(3..30) && log.held() == (3..30), "after going on from {end} it holds {:?}", log.held());
    Ok(end)
}

/// Damages a fresh copy of the directory and checks it.
fn damaged(built: &Path, file: &Path, damage: impl FnOnce(&Path) -> Result<()>) -> Result<Offset> {
    let dir = tempfile::tempdir()?;
    copy_tree(built, dir.path());
    damage(&dir.path().join(file.strip_prefix(built)?))?;
    check(dir.path())
}

fn cut(path: &Path, len: u64) -> Result<()> {
    Ok(OpenOptions::new().write(true).open(path)?.set_len(len)?)
}

#[test]
fn a_segment_cut_at_any_byte_ends_the_copy_at_a_whole_block() -> Result<()> {
    let built = tempfile::tempdir()?;
    build(built.path())?;
    assert_eq!(check_copy(built.path())?, 27, "undamaged, all is there");
    for file in segments(built.path())? {
        let mut last = 0;
        for len in 0..fs::metadata(&file)?.len() {
            let end = damaged(built.path(), &file, |path| cut(path, len));
            let end = end.with_context(|| format!("{} cut at {len}", file.display()))?;
            assert!(end >= last && end < 27, "{} cut at {len} ends at {end}", file.display());
            last = end;
        }
    }
    Ok(())
}

fn check_copy(built: &Path) -> Result<Offset> {
    let dir = tempfile::tempdir()?;
    copy_tree(built, dir.path());
    check(dir.path())
}

#[test]
fn an_altered_byte_anywhere_ends_the_copy_before_it() -> Result<()> {
    let built = tempfile::tempdir()?;
    build(built.path())?;
    for file in segments(built.path())? {
        for at in 0..usize::try_from(fs::metadata(&file)?.len())? {
            let end = damaged(built.path(), &file, |path| {
                let mut bytes = fs::read(path)?;
                bytes[at] ^= 0x10;
                Ok(fs::write(path, bytes)?)
            });
            let end = end.with_context(|| format!("byte {at} of {}", file.display()))?;
            assert!(end < 27, "byte {at} of {} is not missed", file.display());
        }
    }
    Ok(())
}

#[test]
fn bytes_behind_the_end_are_cut_off() -> Result<()> {
    let built = tempfile::tempdir()?;
    build(built.path())?;
    let last = segments(built.path())?.pop().context("a segment")?;
    let mut random = fastrand::Rng::with_seed(7);
    for n in [1, 7, 8, 9, 40, 5_000] {
        let rubbish: Vec<u8> =
            (0..n).map(|i| if n == 40 { 0 } else { random.u8(..).wrapping_add(u8::from(i == 0)) }).collect();
        let end = damaged(built.path(), &last, |path| {
            let mut bytes = fs::read(path)?;
            bytes.extend(&rubbish);
            Ok(fs::write(path, bytes)?)
        });
        assert_eq!(end?, 27, "{n} bytes");
    }
    Ok(())
}

#[test]
fn a_segment_that_is_gone_ends_the_copy_before_it() -> Result<()> {
    let built = tempfile::tempdir()?;
    build(built.path())?;
    let files = segments(built.path())?;
    for file in &files[1..] {
        let end = damaged(built.path(), file, |path| Ok(fs::remove_file(path)?))?;
        let base: Offset = file.file_stem().and_then(|stem| stem.to_str()).context("a name")?.parse()?;
        assert_eq!(end, base);
    }
    // Without the first, the copy begins later than the topic may, which the runtime compares.
    let dir = tempfile::tempdir()?;
    copy_tree(built.path(), dir.path());
    fs::remove_file(dir.path().join(files[0].strip_prefix(built.path())?))?;
    let state = open(dir.path())?;
    assert!(log(&state)?.held().start > 3);
    Ok(())
}

#[test]
fn a_segment_in_the_place_of_another_ends_the_copy() -> Result<()> {
    let built = tempfile::tempdir()?;
    build(built.path())?;
    let files = segments(built.path())?;
    let end = damaged(built.path(), &files[1], |path| Ok(fs::write(path, fs::read(&files[0])?).map(drop)?))?;
    let base: Offset = files[1].file_stem().and_then(|stem| stem.to_str()).context("a name")?.parse()?;
    assert_eq!(end, base);
    Ok(())
}

#[test]
fn an_origin_cut_at_any_byte_empties_the_copy() -> Result<()> {
    let built = tempfile::tempdir()?;
    build(built.path())?;
    let origin = built.path().join(LOGS).join("origin");
    for len in 0..fs::metadata(&origin)?.len() {
        let end = damaged(built.path(), &origin, |path| cut(path, len));
        assert_eq!(end.with_context(|| format!("cut at {len}"))?, 3);
    }
    Ok(())
}
