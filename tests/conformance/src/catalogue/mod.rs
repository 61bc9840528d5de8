//! The topologies of the catalogue, by family.
//!
//! Two differences are deliberate, and the topologies say so by a filter. Kafka Streams drops null values on the stream
//! side of a join; here the type says whether there can be any, and the joiner sees them. Kafka Streams drops null keys
//! before a repartition topic unless a left join follows; here that is said at the repartition.

mod aggregations;
mod joins;
mod papi;
mod processors;
mod stateless;
mod stores;
mod tables;
mod ticks;
mod windows;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use nowfold_core::dsl::{KStream, KTable, StreamsBuilder};
use nowfold_core::serde::{Plain, SessionWindowed, TimeWindowed};
use nowfold_core::time::millisecs;
use nowfold_core::topology::{Topology, TopologyError};
use nowfold_core::window::{Windowed, Windows};
use serde_json::Value;

/// A key or a value: text or null.
pub(crate) type Text = Option<String>;
pub(crate) type Stream = KStream<Text, Text>;
pub(crate) type Params = BTreeMap<String, Value>;
/// Key, value and timestamp of a global table's rows.
pub(crate) type Rows = Box<dyn Fn() -> Vec<(String, String, i64)>>;

/// What values are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Text,
    Integer,
}

/// How a store's rows are read for the comparison.
pub(crate) enum StoreKind {
    Plain(Kind),
    Stamped(Kind),
    Window { kind: Kind, length: i64, stamped: bool },
    Session(Kind),
    Global { rows: Rows, stamped: bool },
}

/// How a sink's keys are read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SinkKey {
    Text,
    Windowed { length: i64 },
    Session,
}

/// How a sink's records are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sink {
    pub(crate) key: SinkKey,
    pub(crate) value: Kind,
}

impl Sink {
    pub(crate) const TEXT: Self = Self { key: SinkKey::Text, value: Kind::Text };

    /// How the records of a topic are read: text, unless `sinks` says otherwise.
    pub(crate) fn of(sinks: &[(String, Self)], topic: &str) -> Self {
        sinks.iter().find(|(name, _)| name == topic).map_or(Self::TEXT, |(_, sink)| *sink)
    }
}

/// A topology, and how its results are read.
pub(crate) struct Built {
    pub(crate) topology: Topology,
    pub(crate) stores: Vec<(&'static str, StoreKind)>,
    pub(crate) sinks: Vec<(String, Sink)>,
}

/// Why a topology was not built.
#[derive(Debug)]
pub(crate) enum BuildError {
    /// The catalogue has no such topology.
    Unknown,
    /// The types leave no way to say it.
    Impossible(&'static str),
    /// The builder refused it.
    Refused(TopologyError),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("the catalogue has no such topology"),
            Self::Impossible(what) => write!(f, "the types leave no way to say it: {what}"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

pub(crate) fn text() -> Plain<Text, Text> {
    Plain::new()
}

/// A topology under construction.
pub(crate) struct Plan<'a> {
    app: StreamsBuilder,
    params: &'a Params,
    stores: Vec<(&'static str, StoreKind)>,
    sinks: Vec<(String, Sink)>,
}

type Outcome = Result<(), BuildError>;
/// Adds the topology of a name, if it is of the family.
type Family = for<'p, 'n, 'a> fn(&'p mut Plan<'a>, &'n str) -> Outcome;

impl<'a> Plan<'a> {
    /// The topology of this name.
    pub(crate) fn build(name: &str, params: &'a Params) -> Result<Built, BuildError> {
        let app = StreamsBuilder::new("conformance");
        let mut plan = Self { app, params, stores: Vec::new(), sinks: Vec::new() };
        let families: [Family; 6] =
            [stateless::add, aggregations::add, windows::add, tables::add, joins::add, papi::add];
        for family in families {
            match family(&mut plan, name) {
                Err(BuildError::Unknown) => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    let topology = plan.app.build().map_err(BuildError::Refused)?;
                    return Ok(Built { topology, stores: plan.stores, sinks: plan.sinks });
                }
            }
        }
        Err(BuildError::Unknown)
    }

    fn flag(&self, name: &str) -> bool {
        self.params.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    fn int(&self, name: &str) -> i64 {
        self.params.get(name).and_then(Value::as_i64).unwrap_or(0)
    }

    fn word(&self, name: &str) -> &str {
        self.params.get(name).and_then(Value::as_str).unwrap_or("")
    }

    /// A parameter as a duration, which cannot be negative.
    fn ms(&self, name: &str) -> Result<Duration, BuildError> {
        u64::try_from(self.int(name)).map(millisecs).map_err(|_| BuildError::Impossible("a negative duration"))
    }

    fn input(&self, topic: &str) -> Stream {
        self.app.stream(topic, text())
    }

    fn table(&mut self, topic: &str, store: &'static str) -> KTable<Text, String> {
        self.stores.push((store, StoreKind::Stamped(Kind::Text)));
        self.app.table(topic, store, Plain::<Text, String>::new())
    }

    fn versioned(&self, topic: &str, store: &str) -> Result<KTable<Text, String>, BuildError> {
        let history = self.ms("history")?;
        Ok(self.app.versioned_table(topic, store, history, Plain::<Text, String>::new()))
    }

    fn counts(&mut self, table: &KTable<Text, i64>, topic: &str) {
        self.sinks.push((topic.to_owned(), Sink { key: SinkKey::Text, value: Kind::Integer }));
        table.to_stream(&format!("changes-{topic}")).to(topic, Plain::<Text, Option<i64>>::new());
    }

    fn texts(&mut self, table: &KTable<Text, String>, topic: &str) {
        table.to_stream(&format!("changes-{topic}")).to(topic, text());
    }

    fn windowed_counts(&mut self, table: &KTable<Windowed<Text>, i64>, windows: impl Into<Windows>) {
        let (windows, length) = spread(windows);
        self.sinks.push(("out".to_owned(), Sink { key: SinkKey::Windowed { length }, value: Kind::Integer }));
        table.to_stream("changes").to("out", TimeWindowed::new(Plain::<Text, Option<i64>>::new(), windows));
    }

    fn windowed_texts(&mut self, changes: KStream<Windowed<Text>, Text>, windows: impl Into<Windows>) {
        let (windows, length) = spread(windows);
        self.sinks.push(("out".to_owned(), Sink { key: SinkKey::Windowed { length }, value: Kind::Text }));
        changes.to("out", TimeWindowed::new(text(), windows));
    }

    fn session_counts(&mut self, table: &KTable<Windowed<Text>, i64>) {
        self.sinks.push(("out".to_owned(), Sink { key: SinkKey::Session, value: Kind::Integer }));
        table.to_stream("changes").to("out", SessionWindowed::new(Plain::<Text, Option<i64>>::new()));
    }

    fn session_texts(&mut self, changes: KStream<Windowed<Text>, Text>) {
        self.sinks.push(("out".to_owned(), Sink { key: SinkKey::Session, value: Kind::Text }));
        changes.to("out", SessionWindowed::new(text()));
    }

    fn window_store(&mut self, store: &'static str, kind: Kind, windows: impl Into<Windows>) {
        let (_, length) = spread(windows);
        self.stores.push((store, StoreKind::Window { kind, length, stamped: true }));
    }
}

/// The windows, and how far behind a window's start its end lies.
fn spread(windows: impl Into<Windows>) -> (Windows, i64) {
    let windows = windows.into();
    let length = match windows {
        Windows::Unlimited(_) => i64::MAX,
        Windows::Time(_) | Windows::Sliding(_) => windows.length_ms(),
    };
    (windows, length)
}

/// Text concatenation shows null as `null`.
fn show(value: &Text) -> String {
    value.clone().unwrap_or_else(|| "null".to_owned())
}

/// The first character; null for null or empty.
fn first(value: &Text) -> Text {
    value.as_ref()?.chars().next().map(String::from)
}

fn first_of(value: &str) -> Text {
    value.chars().next().map(String::from)
}

/// The foreign key: the part before the first `:`.
fn foreign_key(value: &str) -> Text {
    value.split_once(':').map(|(key, _)| key.to_owned())
}

fn join(left: Option<&str>, right: Option<&str>) -> String {
    format!("{}+{}", left.unwrap_or("null"), right.unwrap_or("null"))
}

fn start() -> String {
    "0".to_owned()
}

/// ADD.
fn add(sum: &str, value: &str) -> String {
    format!("{sum}+{value}")
}

/// SUB.
fn subtract(sum: &str, value: &str) -> String {
    format!("{sum}-{value}")
}

/// RED.
fn reduce(sum: &Text, value: &Text) -> Text {
    Some(format!("{},{}", show(sum), show(value)))
}

/// ADD, but `DEL` deletes.
fn add_or_delete(sum: &str, value: &Text) -> Option<String> {
    (value.as_deref() != Some("DEL")).then(|| add(sum, &show(value)))
}
