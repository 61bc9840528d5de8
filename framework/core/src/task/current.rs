//! The record that a task is processing, and the ids of what is made of it.

use std::cell::OnceCell;
use std::fmt::Write as _;

use crate::names::TopicPartition;
use crate::record::{LogRecord, Origin, TimestampType};
use crate::time::Timestamp;

/// The header that carries the root origin and the index path through intermediate topics.
pub(crate) const ORIGIN_HEADER: &str = "nowfold-origin";

/// The present record.
pub(super) struct Current {
    pub(super) source: TopicPartition,
    pub(super) record: LogRecord,
    /// Found when first asked for: most records need none.
    origin: OnceCell<Root>,
    /// How many ids each node has made of the record.
    n_ids: Vec<(usize, u64)>,
}

/// Where the record's root stands, and whether it came through an intermediate topic.
struct Root {
    origin: Origin,
    inherited: bool,
}

impl Current {
    pub(super) fn nothing() -> Self {
        let source = TopicPartition::new("", 0);
        Self { source, record: LogRecord::empty(), origin: OnceCell::new(), n_ids: Vec::new() }
    }

    pub(super) fn begin(&mut self, source: &TopicPartition, record: LogRecord) {
        if self.source != *source {
            self.source = source.clone();
        }
        self.record = record;
        self.origin = OnceCell::new();
        self.n_ids.clear();
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.root().origin
    }

    /// The next id that `node` makes: `{root}/{i}`, or `{root}/{scope}.{i}`. Each node counts for itself, so that an id
    /// does not depend on what became of the record elsewhere, such as a lookup that found something this time.
    pub(super) fn next_id(&mut self, node: usize, scope: Option<&str>) -> String {
        let i = self.count(node);
        let mut id = self.root_path();
        let _ = match scope {
            Some(scope) => write!(id, "/{scope}.{i}"),
            None => write!(id, "/{i}"),
        };
        id
    }

    fn count(&mut self, node: usize) -> u64 {
        match self.n_ids.iter_mut().find(|(of, _)| *of == node) {
            Some((_, n)) => {
                *n += 1;
                *n - 1
            }
            None => {
                self.n_ids.push((node, 1));
                0
            }
        }
    }

    fn root_path(&self) -> String {
        match self.root() {
            Root { inherited: true, .. } => self.header().unwrap_or_default().to_owned(),
            Root { origin: Origin { source, offset, timestamp, .. }, .. } => {
                format!("{}/{}/{offset}/{}", source.topic, source.partition, timestamp.as_millis())
            }
        }
    }

    fn root(&self) -> &Root {
        self.origin.get_or_init(|| match self.header().and_then(parse_origin) {
            Some(origin) => Root { origin, inherited: true },
            None => Root { origin: self.own_origin(), inherited: false },
        })
    }

    fn header(&self) -> Option<&str> {
        let value = self.record.headers.last(ORIGIN_HEADER)?.value.as_ref()?;
        std::str::from_utf8(value).ok()
    }

    fn own_origin(&self) -> Origin {
        let LogRecord { offset, timestamp, timestamp_type, .. } = self.record;
        Origin { source: self.source.clone(), offset, timestamp, timestamp_type }
    }
}

/// Reads `{topic}/{partition}/{offset}/{timestamp}/{i}...`; topic names hold no slash.
fn parse_origin(path: &str) -> Option<Origin> {
    let mut parts = path.split('/');
    let source = TopicPartition::new(parts.next()?, parts.next()?.parse().ok()?);
    let offset = parts.next()?.parse().ok()?;
    let timestamp = Timestamp::from_millis(parts.next()?.parse().ok()?);
    parts.next()?;
    Some(Origin { source, offset, timestamp, timestamp_type: TimestampType::CreateTime })
}
