//! What is appended comes back.

use std::fs;

use anyhow::Result;

use crate::support::{LOGS, copy_tree, log, open, record, records, replay};

#[test]
fn a_copy_gives_back_what_was_appended_and_goes_on() -> Result<()> {
    let dir = tempfile::tempdir()?;
    {
        let state = open(dir.path())?;
        let mut log = log(&state)?;
        assert!(log.held().is_empty());
        log.begin(5);
        assert_eq!(replay(log.as_mut())?, []);
        log.append(&records([5, 6, 9]), 12);
        log.append(&records([12]), 13);
        log.flush();
        assert_eq!(log.held(), 5..13);
    }
    let state = open(dir.path())?;
    let mut again = log(&state)?;
    assert_eq!((again.held(), replay(again.as_mut())?), (5..13, records([5, 6, 9, 12])));
    again.append(&records([13, 14]), 15);
    again.flush();
    drop(again);
    let mut last = log(&state)?;
    assert_eq!((last.held(), replay(last.as_mut())?), (5..15, records([5, 6, 9, 12, 13, 14])));
    Ok(())
}

#[test]
fn what_was_not_flushed_is_read_from_the_topic_again() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let state = open(dir.path())?;
    let mut first = log(&state)?;
    first.append(&records([0, 1]), 2);
    first.flush();
    first.append(&records([2, 3]), 4);
    let copy = dir.path().join("crashed");
    copy_tree(&dir.path().join("feed"), &copy.join("feed"));
    let state = open(&copy)?;
    let mut crashed = log(&state)?;
    assert_eq!((crashed.held(), replay(crashed.as_mut())?), (0..2, records([0, 1])));
    Ok(())
}

#[test]
fn positions_without_records_are_kept() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let state = open(dir.path())?;
    let mut first = log(&state)?;
    first.append(&records([0]), 1);
    first.append(&[], 7);
    first.flush();
    first.append(&[], 9);
    first.flush();
    first.append(&records([9]), 10);
    first.flush();
    drop(first);
    let mut again = log(&state)?;
    assert_eq!((again.held(), replay(again.as_mut())?), (0..10, records([0, 9])));
    Ok(())
}

#[test]
fn whole_segments_are_dropped_with_the_topics_start() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let state = open(dir.path())?;
    let mut first = log(&state)?;
    for offset in 0..40 {
        first.append(&[record(offset)], offset + 1);
        first.flush();
    }
    assert!(first.has_grown(), "segments were completed");
    assert!(!first.has_grown(), "and that is said once");
    let files = || fs::read_dir(dir.path().join(LOGS)).map(|entries| entries.count());
    let before = files()?;
    first.forget_before(0);
    assert_eq!((first.held(), files()?), (0..40, before));
    first.forget_before(20);
    let start = first.held().start;
    assert!(start > 0 && start <= 20, "{start}");
    assert!(files()? < before);
    first.forget_before(1_000);
    let start = first.held().start;
    assert!((20..40).contains(&start), "the newest segment stays: {start}");
    drop(first);
    let mut again = log(&state)?;
    assert_eq!((again.held(), replay(again.as_mut())?), (start..40, records(start..40)));
    Ok(())
}

#[test]
fn a_discarded_copy_lies_aside_and_an_empty_one_begins() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let state = open(dir.path())?;
    let mut first = log(&state)?;
    first.append(&records(0..4), 4);
    first.flush();
    first.discard("it lacks what the topic holds")?;
    first.begin(50);
    assert_eq!(replay(first.as_mut())?, []);
    first.append(&records([50]), 51);
    first.flush();
    drop(first);
    let mut again = log(&state)?;
    assert_eq!((again.held(), replay(again.as_mut())?), (50..51, records([50])));
    let aside: Vec<_> = fs::read_dir(dir.path().join("feed/0_2/aside/logs-actions"))?.collect();
    assert_eq!(aside.len(), 2, "the segment and its origin");
    Ok(())
}
