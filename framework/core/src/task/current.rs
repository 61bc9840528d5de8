//! The record that a task is processing, and the ids of what is made of it.

use std::cell::OnceCell;
use std::fmt::Write as _;

use crate::names::{Offset, TopicPartition};
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
    /// Behind asynchronous operators: which of their calls the record has come through, as `/{operator}.{call}`.
    path: String,
    /// The source's number and the offset that stay uncommitted while calls of the record are under way.
    pin: Option<(usize, Offset)>,
}

/// Where a call of a record stands, so that what comes of it goes on as the record's own.
#[derive(Clone)]
pub(crate) struct Place {
    source: TopicPartition,
    record: LogRecord,
    path: String,
    pub(super) pin: Option<(usize, Offset)>,
}

/// Where the record's root stands, and whether it came through an intermediate topic.
struct Root {
    origin: Origin,
    inherited: bool,
}

impl Place {
    /// Bytes of the record that it keeps.
    pub(super) fn n_bytes(&self) -> usize {
        self.record.size_bytes()
    }
}

impl Current {
    pub(super) fn nothing() -> Self {
        let source = TopicPartition::new("", 0);
        Self {
            source,
            record: LogRecord::empty(),
            origin: OnceCell::new(),
            n_ids: Vec::new(),
            path: String::new(),
            pin: None,
        }
    }

    pub(super) fn begin(&mut self, source: &TopicPartition, record: LogRecord, pin: Option<(usize, Offset)>) {
        if self.source != *source {
            self.source = source.clone();
        }
        self.record = record;
        self.origin = OnceCell::new();
        self.n_ids.clear();
        self.path.clear();
        self.pin = pin;
    }

    /// Goes on with a record where a call of it was made.
    pub(super) fn resume(&mut self, place: &Place) {
        self.begin(&place.source, place.record.clone(), place.pin);
        self.path.push_str(&place.path);
    }

    /// The place of the next call that `node` makes of the record.
    pub(super) fn next_place(&mut self, node: usize, name: &str) -> Place {
        let call = self.count(node);
        let path = format!("{}/{name}.{call}", self.path);
        Place { source: self.source.clone(), record: self.record.clone(), path, pin: self.pin }
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
        let root = match self.root() {
            Root { inherited: true, .. } => self.header().unwrap_or_default().to_owned(),
            Root { origin: Origin { source, offset, timestamp, .. }, .. } => {
                format!("{}/{}/{offset}/{}", source.topic, source.partition, timestamp.as_millis())
            }
        };
        root + &self.path
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
