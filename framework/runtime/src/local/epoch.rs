//! An epoch: how far the stores of a task were when they were last committed.

use nowfold_core::names::{Offset, StoreName, TopicPartition};
use nowfold_core::time::Timestamp;

/// How far the stores of a task are: the records up to `sources` are processed, and the changelogs up to `changelogs` are
/// contained. Stored with the stores' data in one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Counts the commits, from 1.
    pub number: u64,
    /// When it was committed, by the wall clock.
    pub committed_at: Timestamp,
    /// For each store with a changelog topic: one past the last record of it that the store contains.
    pub changelogs: Vec<(StoreName, Offset)>,
    /// The next offset of each source partition.
    pub sources: Vec<(TopicPartition, Offset)>,
}

/// The first byte of an encoded epoch.
const FORMAT: u8 = 1;

impl Epoch {
    /// The changelog position of a store.
    pub fn changelog(&self, store: &StoreName) -> Option<Offset> {
        self.changelogs.iter().find(|(name, _)| name == store).map(|(_, offset)| *offset)
    }

    /// The next offset of a source.
    pub fn source(&self, partition: &TopicPartition) -> Option<Offset> {
        self.sources.iter().find(|(found, _)| found == partition).map(|(_, offset)| *offset)
    }

    /// The stored form, little-endian: `format u8 | number u64 | committed_at i64 | n u32, n times (length u32, name |
    /// offset i64) | n u32, n times (length u32, topic | partition i32 | offset i64)`.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        out.extend(self.number.to_le_bytes());
        out.extend(self.committed_at.as_millis().to_le_bytes());
        out.extend(length(self.changelogs.len()));
        for (store, offset) in &self.changelogs {
            text(store.as_str(), &mut out);
            out.extend(offset.to_le_bytes());
        }
        out.extend(length(self.sources.len()));
        for (partition, offset) in &self.sources {
            text(partition.topic.as_str(), &mut out);
            out.extend(partition.partition.to_le_bytes());
            out.extend(offset.to_le_bytes());
        }
        out
    }

    /// Reads a stored form; `None` when it is of another format.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        let [format] = rest.take()?;
        if format != FORMAT {
            return None;
        }
        let number = u64::from_le_bytes(rest.take()?);
        let committed_at = Timestamp::from_millis(rest.offset()?);
        let n_changelogs = rest.length()?;
        let changelogs =
            (0..n_changelogs).map(|_| Some((rest.text()?.into(), rest.offset()?))).collect::<Option<_>>()?;
        let n_sources = rest.length()?;
        let source = |_| {
            let topic = rest.text()?;
            let partition = i32::from_le_bytes(rest.take()?);
            Some((TopicPartition::new(topic, partition), rest.offset()?))
        };
        let sources = (0..n_sources).map(source).collect::<Option<_>>()?;
        rest.0.is_empty().then_some(Self { number, committed_at, changelogs, sources })
    }
}

/// Names are at most a few hundred bytes, and a task has few of them.
fn length(n: usize) -> [u8; 4] {
    u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes()
}

fn text(text: &str, out: &mut Vec<u8>) {
    out.extend(length(text.len()));
    out.extend(text.as_bytes());
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.take()?)).ok()
    }

    fn offset(&mut self) -> Option<i64> {
        Some(i64::from_le_bytes(self.take()?))
    }

    fn text(&mut self) -> Option<&'a str> {
        let n = self.length()?;
        let (text, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch() -> Epoch {
        Epoch {
            number: 7,
            committed_at: Timestamp::from_millis(1_000),
            changelogs: vec![("counts".into(), 12), ("seen".into(), 0)],
            sources: vec![(TopicPartition::new("clicks", 3), 99)],
        }
    }

    #[test]
    fn an_epoch_reads_back_and_no_part_of_it_does() {
        let encoded = epoch().encode();
        assert_eq!(Epoch::decode(&encoded), Some(epoch()));
        (0..encoded.len()).for_each(|cut| assert_eq!(Epoch::decode(&encoded[..cut]), None, "cut at {cut}"));
        assert_eq!(Epoch::decode(&[&encoded[..], &[0]].concat()), None);
    }

    #[test]
    fn the_stored_form_of_format_1_does_not_change() {
        let hex: String = epoch().encode().iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = "010700000000000000e8030000000000000200000006000000636f756e74730c00000000000000\
                        040000007365656e00000000000000000100000006000000636c69636b73030000006300000000000000";
        assert_eq!(hex, expected);
    }

    #[test]
    fn another_format_is_not_misread() {
        let mut encoded = epoch().encode();
        encoded[0] = 2;
        assert_eq!(Epoch::decode(&encoded), None);
    }
}
