//! What is kept beside committed offsets: how far the stream time of windowed operators had come.
//!
//! A note is text: `nowfold-times-1`, then `{operator}={milliseconds}` for each operator, separated by blanks. It is
//! committed with the offsets, so it never knows of a record whose outputs are not stored: what is processed again after a
//! crash is as late as it was. Kafka Streams keeps its partition times and last emissions in the same place.

use super::Task;

const FORMAT: &str = "nowfold-times-1";

/// What brokers take beside an offset, in bytes (`offset.metadata.max.bytes`).
const MOST: usize = 4_096;

impl Task {
    /// The note to commit with the offsets of [`offsets`](Self::offsets) or [`positions`](Self::positions); empty where
    /// there is nothing to keep, or too much.
    pub fn note(&self) -> String {
        let times = self.shared.times.iter().filter_map(|(node, time)| Some((&self.wiring.get(*node)?.name, time)));
        let parts: Vec<_> = times.map(|(name, time)| format!(" {name}={time}")).collect();
        let note = if parts.is_empty() { String::new() } else { format!("{FORMAT}{}", parts.concat()) };
        if note.len() <= MOST { note } else { String::new() }
    }

    /// Takes up a note that was committed with a source's offset. Call before the first [`process`](Self::process), for
    /// each source: the largest times win. Text of another form says nothing.
    pub fn recall(&mut self, note: &str) {
        let mut parts = note.split(' ');
        if parts.next() != Some(FORMAT) {
            return;
        }
        for (name, time) in parts.filter_map(|part| part.rsplit_once('=')) {
            if let Ok(time) = time.parse::<i64>() {
                let known = self.shared.recalled.entry(name.to_owned()).or_insert(time);
                *known = time.max(*known);
            }
        }
    }
}
