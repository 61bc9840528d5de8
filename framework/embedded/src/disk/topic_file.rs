//! A topic's directory and its `topic.properties`: a first line with the version, then `name=value` lines.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use nowfold_core::names::TopicName;

use super::files;
use super::header::{VERSION, check_version};
use crate::error::OpenError;
use crate::options::Durability;
use crate::topic::TopicConfig;

const FIRST_LINE: &str = "nowfold topic, format ";
const FILE: &str = "topic.properties";

/// No topic's name: topic names hold no `~`.
const UNFINISHED: &str = "~unfinished";

/// The topics under `topics`; a directory whose creation was interrupted is removed.
pub(super) fn names(topics: &Path) -> Result<Vec<TopicName>, OpenError> {
    let mut names = files::names(topics).map_err(OpenError::io("list", topics))?;
    if names.iter().any(|name| name == UNFINISHED) {
        let path = topics.join(UNFINISHED);
        fs::remove_dir_all(&path).map_err(OpenError::io("remove", &path))?;
        names.retain(|name| name != UNFINISHED);
    }
    Ok(names.into_iter().map(TopicName::from).collect())
}

/// Creates a topic's directory: prepared under another name, so that it is there whole or not at all.
pub(super) fn create(
    dir: &Path,
    n_partitions: i32,
    settings: &BTreeMap<String, String>,
    durability: Durability,
) -> Result<(), OpenError> {
    let unfinished = dir.with_file_name(UNFINISHED);
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(OpenError::io("remove", &unfinished))?;
    }
    for partition in 0..n_partitions {
        let dir = unfinished.join(partition.to_string());
        files::create_dir(&dir).map_err(OpenError::io("create", &dir))?;
    }
    let mut text = format!("{FIRST_LINE}{VERSION}\npartitions={n_partitions}\n");
    for (name, value) in settings {
        _ = writeln!(text, "{name}={value}");
    }
    let file = unfinished.join(FILE);
    files::replace(&file, text.as_bytes(), durability).map_err(OpenError::io("write", &file))?;
    fs::rename(&unfinished, dir).map_err(OpenError::io("create", dir))?;
    files::sync_parent(dir, durability).map_err(OpenError::io("sync", dir))
}

/// A topic's number of partitions and its configuration.
pub(super) fn read(dir: &Path) -> Result<(i32, TopicConfig), OpenError> {
    let path = dir.join(FILE);
    let text = fs::read_to_string(&path).map_err(OpenError::io("read", &path))?;
    let foreign = |cause: String| OpenError::Foreign { path: path.clone(), cause };
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let version = first.strip_prefix(FIRST_LINE).and_then(|version| version.parse().ok());
    check_version(&path, version.ok_or_else(|| foreign(format!("it begins with {first:.40?}")))?)?;
    let mut settings: BTreeMap<_, _> = rest.lines().filter_map(|line| line.split_once('=')).map(owned).collect();
    let n_partitions = settings.remove("partitions").and_then(|n| n.parse().ok()).filter(|n| *n > 0);
    let n_partitions = n_partitions.ok_or_else(|| foreign("it names no number of partitions".into()))?;
    Ok((n_partitions, TopicConfig::new(&settings).map_err(foreign)?))
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
