//! The directory as a whole: its lock, its format, and what is of another origin.

use std::fs;

use anyhow::Result;
use nowfold_core::names::TopicPartition;
use nowfold_core::task::TaskId;
use nowfold_disk::StateDir;
use nowfold_runtime::local::{Durability, LocalError, LocalState, LogOrigin};

use crate::support::{LOGS, TASK, log, open, origin, records, replay};

#[test]
fn a_second_opening_is_refused_and_says_what_to_do() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let first = open(dir.path())?;
    let error = open(dir.path()).expect_err("the directory is open");
    assert!(matches!(error, LocalError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("NF150") && error.to_string().contains("NOWFOLD_STATE_DIR"), "{error}");
    let other = StateDir::open(dir.path(), "another-app", Durability::ProcessCrash)?;
    drop((first, other));
    open(dir.path())?;
    Ok(())
}

#[test]
fn a_directory_of_others_is_refused() -> Result<()> {
    let dir = tempfile::tempdir()?;
    fs::create_dir(dir.path().join("feed"))?;
    fs::write(dir.path().join("feed/thesis.txt"), "years of work")?;
    let error = open(dir.path()).expect_err("it is somebody's");
    assert!(matches!(error, LocalError::Foreign { .. }), "{error}");
    assert_eq!(fs::read_to_string(dir.path().join("feed/thesis.txt"))?, "years of work");
    Ok(())
}

#[test]
fn a_later_format_is_refused_and_left_alone() -> Result<()> {
    let dir = tempfile::tempdir()?;
    log(&open(dir.path())?)?.append(&records([0]), 1);
    let format = dir.path().join("feed/format");
    let of_now = fs::read_to_string(&format)?;
    fs::write(&format, "nowfold state directory, format 2\n")?;
    let error = open(dir.path()).expect_err("a later version wrote it");
    assert!(matches!(error, LocalError::NewerFormat { found: 2, supported: 1, .. }), "{error}");
    fs::write(&format, &of_now)?;
    let later = dir.path().join(LOGS).join("origin");
    fs::write(&later, fs::read_to_string(&later)?.replace("format 2", "format 9"))?;
    let error = log(&open(dir.path())?).err().map(|error| error.to_string());
    assert!(error.as_ref().is_some_and(|error| error.contains("format 9")), "{error:?}");
    for len in 0..of_now.len() - 1 {
        fs::write(&format, &of_now[..len])?;
        let error = open(dir.path()).expect_err("half a format says nothing");
        assert!(matches!(error, LocalError::Foreign { .. }), "{error}");
    }
    Ok(())
}

#[test]
fn the_copy_of_another_log_is_moved_aside() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let state = open(dir.path())?;
    let mut first = log(&state)?;
    first.append(&records(0..4), 4);
    first.flush();
    drop(first);
    let elsewhere = LogOrigin { log_id: "another log".to_owned(), ..origin() };
    let mut other = state.log(TASK, &elsewhere)?;
    assert_eq!((other.held(), replay(other.as_mut())?), (0..0, Vec::new()));
    assert!(dir.path().join("feed/0_2/aside/logs-actions/origin").exists());
    Ok(())
}

#[test]
fn segments_of_another_partition_are_moved_aside() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let state = open(dir.path())?;
    let other = TaskId { partition: 1, ..TASK };
    let of_other = LogOrigin { partition: TopicPartition::new("actions", 1), ..origin() };
    for mut copy in [log(&state)?, state.log(other, &of_other)?] {
        copy.append(&records(0..4), 4);
        copy.flush();
    }
    let segment = "00000000000000000000.seg";
    fs::copy(dir.path().join("feed/0_1/logs/actions").join(segment), dir.path().join(LOGS).join(segment))?;
    let mut copy = log(&state)?;
    assert_eq!((copy.held(), replay(copy.as_mut())?), (0..0, Vec::new()));
    assert!(dir.path().join("feed/0_2/aside/logs-actions").join(segment).exists());
    Ok(())
}

#[test]
fn the_longest_names_of_topics_fit() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let state = open(dir.path())?;
    let partition = TopicPartition::new("t".repeat(249), 2);
    let origin = LogOrigin { log_id: "a log".to_owned(), partition };
    let mut log = state.log(TASK, &origin)?;
    log.append(&records([0]), 1);
    log.flush();
    log.discard("a test wants it")?;
    Ok(())
}

#[cfg(unix)]
#[test]
fn others_may_read_nothing() -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir()?;
    let state = open(dir.path())?;
    let mut first = log(&state)?;
    first.append(&records([0]), 1);
    first.flush();
    let mut todo = vec![state.path().to_owned()];
    while let Some(path) = todo.pop() {
        let metadata = fs::metadata(&path)?;
        let (mode, expected) = (metadata.permissions().mode() & 0o777, if metadata.is_dir() { 0o700 } else { 0o600 });
        assert_eq!(mode, expected, "{}", path.display());
        if metadata.is_dir() {
            todo.extend(
                fs::read_dir(&path)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?,
            );
        }
    }
    Ok(())
}
