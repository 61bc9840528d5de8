//! The lines: one JSON object per measurement.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::meter::{Spent, peak_rss_bytes};

/// A pass of less than this says so in its notes: short passes of one loop differ by a factor of two and more.
const SHORT: Duration = Duration::from_secs(10);

/// One measurement.
#[derive(Debug, Serialize)]
pub(crate) struct Measurement {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    round: Option<usize>,
    /// Records passed, or questions answered.
    records: u64,
    wall_s: f64,
    cpu_s: f64,
    records_per_cpu_s: f64,
    records_per_s: f64,
    peak_rss_bytes: u64,
    seed: u64,
    /// What else was measured.
    #[serde(flatten)]
    figures: Map<String, Value>,
    settings: Map<String, Value>,
    notes: Vec<String>,
}

impl Measurement {
    /// A measurement of this process, which has spent `spent` on `records`.
    pub(crate) fn new(name: &'static str, records: u64, spent: Spent, seed: u64) -> Result<Self> {
        let (wall_s, cpu_s) = (spent.wall.as_secs_f64(), spent.cpu.as_secs_f64());
        let per = |seconds: f64| if seconds > 0.0 { rounded(records as f64 / seconds, 1.0) } else { 0.0 };
        Ok(Self {
            name,
            round: None,
            records,
            wall_s: rounded(wall_s, 1e3),
            cpu_s: rounded(cpu_s, 1e3),
            records_per_cpu_s: per(cpu_s),
            records_per_s: per(wall_s),
            peak_rss_bytes: peak_rss_bytes()?,
            seed,
            figures: Map::new(),
            settings: preloaded(),
            notes: Vec::new(),
        })
    }

    pub(crate) fn figure(mut self, name: &str, value: impl Serialize) -> Result<Self> {
        self.figures.insert(name.to_owned(), serde_json::to_value(value)?);
        Ok(self)
    }

    pub(crate) fn setting(mut self, name: &str, value: impl Serialize) -> Result<Self> {
        self.settings.insert(name.to_owned(), serde_json::to_value(value)?);
        Ok(self)
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Notes a pass that was too short to be trusted alone.
    pub(crate) fn note_if_short(self) -> Self {
        if self.wall_s >= SHORT.as_secs_f64() {
            return self;
        }
        self.note("shorter than 10 s: compare medians of several rounds only")
    }

    pub(crate) fn print(mut self, round: Option<usize>) -> Result<()> {
        self.round = round;
        println!("{}", serde_json::to_string(&self)?);
        Ok(())
    }
}

/// Libraries that stand in for the system's, such as another allocator, decide much of what is measured.
fn preloaded() -> Map<String, Value> {
    let libraries = std::env::var("LD_PRELOAD").ok().filter(|libraries| !libraries.is_empty());
    libraries.into_iter().map(|libraries| ("preloaded".to_owned(), Value::from(file_names(&libraries)))).collect()
}

/// The libraries of `LD_PRELOAD` without their directories.
fn file_names(libraries: &str) -> Vec<String> {
    let paths = libraries.split([':', ' ']).filter(|path| !path.is_empty());
    paths.map(|path| path.rsplit('/').next().unwrap_or(path).to_owned()).collect()
}

/// A ratio within one run, over its rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Ratio {
    name: &'static str,
    /// Whose records per CPU second are divided.
    of: String,
    /// By whose.
    to: String,
    median: f64,
    min: f64,
    max: f64,
    rounds: usize,
}

impl Ratio {
    /// The median and the extremes of what the rounds gave; `None` without rounds.
    pub(crate) fn of(of: &str, to: &str, mut ratios: Vec<f64>) -> Option<Self> {
        ratios.sort_by(f64::total_cmp);
        let (min, max) = (*ratios.first()?, *ratios.last()?);
        let middle = |at: usize| ratios.get(at).copied().unwrap_or(min);
        let median = f64::midpoint(middle((ratios.len() - 1) / 2), middle(ratios.len() / 2));
        let [median, min, max] = [median, min, max].map(|ratio| rounded(ratio, 1e3));
        Some(Self { name: "ratio", of: of.to_owned(), to: to.to_owned(), median, min, max, rounds: ratios.len() })
    }

    pub(crate) fn print(&self) -> Result<()> {
        println!("{}", serde_json::to_string(self)?);
        Ok(())
    }
}

/// A line for a measurement that was left out.
pub(crate) fn print_skipped(name: &str, why: &str) -> Result<()> {
    println!("{}", serde_json::to_string(&serde_json::json!({ "name": name, "skipped": why }))?);
    Ok(())
}

/// A number cut to what is worth printing: a multiple of `1 / per_unit`.
pub(crate) fn rounded(number: f64, per_unit: f64) -> f64 {
    (number * per_unit).round() / per_unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratio_gives_the_middle_and_both_ends() {
        let ratio = |ratios: &[f64]| Ratio::of("a", "b", ratios.to_vec()).map(|r| (r.median, r.min, r.max));
        assert_eq!(ratio(&[0.5, 0.25, 1.0]), Some((0.5, 0.25, 1.0)));
        assert_eq!(ratio(&[0.5, 1.0]), Some((0.75, 0.5, 1.0)));
        assert_eq!(ratio(&[]), None);
    }

    #[test]
    fn names_preloaded_libraries_without_their_places() {
        assert_eq!(file_names("/usr/lib/libjemalloc.so.2:libm.so.6"), ["libjemalloc.so.2", "libm.so.6"]);
    }

    #[test]
    fn a_line_is_one_flat_object() {
        let spent = Spent { wall: Duration::from_secs(2), cpu: Duration::from_secs(1) };
        let line = Measurement::new("w0", 10, spent, 1).unwrap().figure("bytes", 5).unwrap().note_if_short();
        let json = serde_json::to_value(&line).unwrap();
        assert_eq!((&json["bytes"], &json["records_per_cpu_s"]), (&Value::from(5), &Value::from(10.0)));
        assert!(json["notes"][0].as_str().unwrap().contains("shorter"));
    }
}
