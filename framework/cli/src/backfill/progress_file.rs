//! How far a backfill is, in a file beside it.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use nowfold_mapping::CompiledMapping;
use serde::{Deserialize, Serialize};

use super::args::Args;
use super::error::BackfillError;
use super::feed::Feed;
use super::target::Target;

/// What is sent, and what it was sent from and to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// The feed's name, which is part of ids.
    feed: String,
    /// CRC-32C of the mapping file.
    mapping: u32,
    /// The files in order.
    files: Vec<SentFile>,
    /// The topics, with the ends of their partitions when this was written.
    topics: Vec<SentTopic>,
    /// Every line up to this number is stored.
    pub(super) lines: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SentFile {
    path: PathBuf,
    bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SentTopic {
    topic: String,
    ends: Vec<i64>,
}

/// The file.
pub(super) struct ProgressFile(PathBuf);

impl ProgressFile {
    pub(super) fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where to begin: where the last run ended, if it was of the same backfill.
    pub(super) fn begin(
        &self,
        args: &Args,
        mapping: &CompiledMapping,
        feed: &Feed,
        target: &Target,
    ) -> anyhow::Result<Progress> {
        let fresh = Progress::new(args, mapping, feed, target)?;
        let Some(last) = self.read().filter(|_| !args.restart) else { return Ok(fresh) };
        let last = last.and_then(|last| fresh.continues(&last).map(|()| last));
        let last = last.map_err(|cause| BackfillError::OtherProgress { path: self.0.clone(), cause })?;
        if !fresh.still_holds(&last) {
            eprintln!("the topics do not hold any more what was sent before: beginning at the first line");
            return Ok(fresh);
        }
        Ok(Progress { lines: last.lines, ..fresh })
    }

    fn read(&self) -> Option<Result<Progress, String>> {
        let text = match std::fs::read(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => return Some(Err(error.to_string())),
        };
        Some(serde_json::from_slice(&text).map_err(|error| format!("it is not one ({error})")))
    }

    /// Replaces the file as a whole, so that a crash leaves the old one or the new one.
    pub(super) fn write(&self, progress: &Progress) -> Result<(), BackfillError> {
        let unwritable = |error: std::io::Error| BackfillError::ProgressUnwritable {
            path: self.0.clone(),
            cause: error.to_string(),
        };
        let beside = self.0.with_extension("json.new");
        let write = || {
            let mut file = File::create(&beside)?;
            file.write_all(&serde_json::to_vec_pretty(progress)?)?;
            file.sync_all()?;
            std::fs::rename(&beside, &self.0)
        };
        write().map_err(unwritable)
    }
}

impl Progress {
    fn new(args: &Args, mapping: &CompiledMapping, feed: &Feed, target: &Target) -> anyhow::Result<Self> {
        let file = |path: &PathBuf, bytes| {
            let path = path.canonicalize().with_context(|| path.display().to_string())?;
            Ok(SentFile { path, bytes })
        };
        let topic =
            |entry: &super::target::Entry| SentTopic { topic: entry.topic.to_string(), ends: entry.ends.clone() };
        Ok(Self {
            feed: mapping.feed().name.clone(),
            mapping: crc32c::crc32c(&args.mapping_text()?),
            files: feed.files().iter().map(|of| file(&of.path, of.bytes)).collect::<anyhow::Result<_>>()?,
            topics: target.entries.iter().map(topic).collect(),
            lines: 0,
        })
    }

    /// The same with more lines, and the present ends of the topics.
    pub(super) fn at_line(&self, lines: u64, ends: Vec<Vec<i64>>) -> Self {
        let topics = self.topics.iter().zip(ends).map(|(sent, ends)| SentTopic { topic: sent.topic.clone(), ends });
        Self { topics: topics.collect(), lines, ..self.clone() }
    }

    /// Whether this backfill may go on where `last` ended: files may only have grown at the end.
    fn continues(&self, last: &Self) -> Result<(), String> {
        if self.feed != last.feed {
            return Err(format!("that one is of the feed \"{}\", this one of \"{}\"", last.feed, self.feed));
        }
        if self.mapping != last.mapping {
            return Err("the mapping file has changed since; of actions sent twice the first form counts".to_owned());
        }
        let names =
            |progress: &Self| progress.topics.iter().map(|sent| sent.topic.clone()).collect::<Vec<_>>().join(", ");
        if names(self) != names(last) {
            return Err(format!("that one fills {}, this one {}", names(last), names(self)));
        }
        let n = last.files.len();
        for (index, sent) in last.files.iter().enumerate() {
            let now = self.files.get(index).filter(|now| now.path == sent.path);
            let Some(now) = now else { return Err(format!("file {} was {}", index + 1, sent.path.display())) };
            if now.bytes < sent.bytes || now.bytes > sent.bytes && index + 1 < n {
                return Err(format!("{} had {} bytes and has {} now", sent.path.display(), sent.bytes, now.bytes));
            }
        }
        Ok(())
    }

    /// Whether the topics still hold what `last` saw in them.
    fn still_holds(&self, last: &Self) -> bool {
        let holds = |(now, then): (&SentTopic, &SentTopic)| {
            now.ends.len() >= then.ends.len() && now.ends.iter().zip(&then.ends).all(|(now, then)| now >= then)
        };
        self.topics.iter().zip(&last.topics).all(holds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(files: &[(&str, u64)], ends: &[i64]) -> Progress {
        let file = |(path, bytes): &(&str, u64)| SentFile { path: (*path).into(), bytes: *bytes };
        Progress {
            feed: "f".into(),
            mapping: 1,
            files: files.iter().map(file).collect(),
            topics: vec![SentTopic { topic: "t".into(), ends: ends.to_vec() }],
            lines: 3,
        }
    }

    #[test]
    fn goes_on_when_the_last_file_has_grown_or_another_has_come() {
        let last = progress(&[("a", 10), ("b", 20)], &[5, 5]);
        for files in [&[("a", 10), ("b", 20)][..], &[("a", 10), ("b", 25)], &[("a", 10), ("b", 20), ("c", 1)]] {
            assert_eq!(progress(files, &[5, 5]).continues(&last), Ok(()));
        }
        for files in [&[("a", 10), ("b", 19)][..], &[("a", 11), ("b", 20)], &[("b", 20), ("a", 10)], &[("a", 10)]] {
            assert!(progress(files, &[5, 5]).continues(&last).is_err(), "{files:?}");
        }
        let other = Progress { mapping: 2, ..progress(&[("a", 10), ("b", 20)], &[5, 5]) };
        assert!(other.continues(&last).unwrap_err().starts_with("the mapping file has changed"));
    }

    #[test]
    fn a_topic_that_was_made_anew_does_not_hold_what_was_sent() {
        let last = progress(&[("a", 10)], &[5, 5]);
        for (ends, holds) in [(&[5, 5][..], true), (&[5, 9, 0], true), (&[5, 4], false), (&[9], false)] {
            assert_eq!(progress(&[("a", 10)], ends).still_holds(&last), holds, "{ends:?}");
        }
    }
}
