//! The answers' file: one JSON object a line, kept over a crash.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write};
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

use super::args::Args;
use super::restart;
use crate::replay::questions::Answer;

/// Where answers go, and which are there.
pub(super) struct Answers {
    out: Box<dyn Write>,
    ids: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

impl Answers {
    /// Opens the file; the second half of a broken run goes on where the first ended, a new run starts anew.
    pub(super) fn open(args: &Args) -> anyhow::Result<Self> {
        let Some(path) = &args.answers else {
            return Ok(Self { out: Box::new(std::io::stdout()), ids: BTreeSet::new() });
        };
        let goes_on = restart::goes_on(args);
        let lines = if goes_on { whole_lines(path)? } else { Vec::new() };
        let mut file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
        for (_, line) in &lines {
            writeln!(file, "{line}")?;
        }
        let ids = lines.into_iter().map(|(id, _)| id).collect();
        drop(file);
        let file = OpenOptions::new().append(true).open(path)?;
        Ok(Self { out: Box::new(file), ids })
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Writes one answer, whole.
    pub(super) fn write(&mut self, id: &str, answer: &Answer) -> anyhow::Result<()> {
        let line = answer.to_line(id)? + "\n";
        self.out.write_all(line.as_bytes())?;
        self.out.flush()?;
        self.ids.insert(id.to_owned());
        Ok(())
    }
}

/// The lines that a broken run left, without a torn one at the end.
fn whole_lines(path: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let Ok(file) = File::open(path) else { return Ok(Vec::new()) };
    let mut lines = Vec::new();
    for line in BufReader::new(file).lines() {
        let line = line?;
        if let Ok(Id { id }) = serde_json::from_str(&line) {
            lines.push((id, line));
        }
    }
    Ok(lines)
}
