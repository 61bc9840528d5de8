//! `materialize`: the actions topic as per-actor event chains with registered features.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nowfold_core::dsl::{GlobalTable, KStream, StreamsBuilder};
use nowfold_core::failure::Stage;
use nowfold_core::names::StoreName;
use nowfold_core::processor::{ProcessError, Processor, ProcessorContext};
use nowfold_core::record::{Headers, LogRecord, Record};
use nowfold_core::state::{Changelog, StateStore, StoreError, StoreSpec};
use nowfold_core::task::Tally;
use nowfold_core::time::{Timestamp, millis};
use nowfold_core::topology::{PartitionCount, TopicBlueprint, TopicRequirement, TopicRole, TopologyFault};
use nowfold_schemas::action::{Action, Attributes};

use crate::actions_topic::{ActionLog, ActionStream, outlives};
use crate::chain::{Admission, Appended, ChainConfig, Dedup, EventChains, MemoryLimit, WhenFull};
use crate::feature::{Feature, FeatureFile, FeatureSet, LateJoin, Report};

/// A store of per-actor event chains to be made from an actions topic.
#[derive(Clone, Debug)]
#[must_use = "hand it to ActionLog::materialize"]
pub struct Actions {
    name: StoreName,
    config: ChainConfig,
    features: Vec<Feature>,
    late_records_to_dead_letters: bool,
    late: Option<LateJoin>,
}

impl Actions {
    /// A store of this name that keeps 97 hours: enough for windows of 96 h and the slack for reads.
    pub fn named(name: impl Into<StoreName>) -> Self {
        let config = ChainConfig::new(nowfold_core::time::hours(97));
        Self { name: name.into(), config, features: Vec::new(), late_records_to_dead_letters: false, late: None }
    }

    /// Keeps events this long behind the newest one of their partition. Must exceed the longest window by the read slack.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.config =
            ChainConfig { retention, topic_retention: ChainConfig::new(retention).topic_retention, ..self.config };
        self
    }

    /// Quarantines events that lie further ahead of their append time than this. Default: 5 minutes.
    pub fn max_future_skew(mut self, skew: Duration) -> Self {
        self.config.max_future_skew = skew;
        self
    }

    /// Fixes the dimension of a vector attribute, such as `("object.embedding", 128)`.
    pub fn vector_dim(mut self, path: impl Into<String>, dim: usize) -> Self {
        self.config = self.config.vector_dim(path, dim);
        self
    }

    /// What to do with an event whose id its actor has already. Default: the first in the log wins.
    ///
    /// ```
    /// use nowfold_operators::{Actions, chain::Dedup};
    ///
    /// // A correction is sent again under the same event id, with a higher sequence.
    /// let actions = Actions::named("activity").dedup(Dedup::LatestWins);
    /// # let _ = actions;
    /// ```
    pub fn dedup(mut self, dedup: Dedup) -> Self {
        self.config.dedup = dedup;
        self
    }

    /// With [`Dedup::LatestWins`]: how much earlier a version's time may be than that of the version before it. Default: 1
    /// hour; events are remembered that much longer.
    pub fn version_span(mut self, span: Duration) -> Self {
        self.config.version_span = span;
        self
    }

    /// Keeps at most the `n` newest events of each actor, by the order of `docs/semantics.md`, section 1, whatever the
    /// order of arrival; at least 1. Retracted events and earlier versions count as well until they expire. Answers
    /// whose windows reach back to events that went say `truncated`, and are not `complete`. Default: no limit.
    pub fn max_events_per_actor(mut self, n: usize) -> Self {
        self.config.max_events_per_actor = Some(n.max(1));
        self
    }

    /// How many bytes each partition of the store may take in this process, as `docs/guide/memory.md` counts them, and what
    /// happens to the event that finds no room. Default: no limit.
    ///
    /// ```
    /// use nowfold_operators::{Actions, chain::WhenFull};
    ///
    /// let actions = Actions::named("activity").memory_limit(500 << 20, WhenFull::DropOldest);
    /// # let _ = actions;
    /// ```
    pub fn memory_limit(mut self, bytes: usize, when_full: WhenFull) -> Self {
        self.config.memory_limit = Some(MemoryLimit { bytes, when_full });
        self
    }

    /// How many of the latest events that were not kept are remembered to explain answers: per actor (default 32) and per
    /// partition (default 16,384). 0 remembers none.
    pub fn remember_drops(mut self, per_actor: usize, per_partition: usize) -> Self {
        (self.config.drops_per_actor, self.config.drops) = (per_actor, per_partition);
        self
    }

    /// Sends events that arrive too late to the dead-letter topic, instead of only counting them. See also
    /// [`Materialized::late`].
    pub fn late_records_to_dead_letters(mut self) -> Self {
        self.late_records_to_dead_letters = true;
        self
    }

    /// Joins attributes of objects when a question is asked, instead of keeping them with every action: an embedding of a
    /// thousand numbers is kept once for each object and not once for each action. The newest row counts, so the value
    /// may differ from the one at the time of the action; answers say `late_joined`. Only for aggregates of
    /// numbers and vectors.
    ///
    /// ```
    /// use nowfold_core::{dsl::StreamsBuilder, serde::Json, time::hours};
    /// use nowfold_operators::{ActionSource, Actions, feature};
    /// use nowfold_schemas::attributes;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Job { embedding: Vec<f32> }
    ///
    /// let app = StreamsBuilder::new("feed");
    /// let jobs = app.global_table("jobs", Json::<String, Job>::new());
    /// app.actions("actions").materialize(
    ///     Actions::named("activity")
    ///         .late_object(&jobs, ["embedding"], |job| attributes! { "embedding" => job.embedding })
    ///         .features([feature("applied").mean("object.embedding").verb("apply").within(hours(24))]),
    /// );
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn late_object<V: Send + Sync + 'static, N: AsRef<str>>(
        mut self,
        table: &GlobalTable<String, V>,
        names: impl IntoIterator<Item = N>,
        attributes: impl Fn(&V) -> Attributes + Send + Sync + 'static,
    ) -> Self {
        let table = table.clone();
        let lookup = move |object: &str| table.get_str(object).map(|row| attributes(&row));
        self.late = Some(LateJoin::new(names, Arc::new(lookup)));
        self
    }

    /// Registers the features of a feature file, given as its text (`docs/guide/feature-files.md`).
    ///
    /// ```
    /// use nowfold_operators::Actions;
    ///
    /// let text = "[[features]]\nname = \"counts\"\naggregate = \"count_by\"\nof = \"verb\"\nwithin = [\"1h\", \"24h\"]";
    /// let actions = Actions::named("activity").features_from(text)?;
    /// # let _ = actions;
    /// # Ok::<(), nowfold_operators::feature::Report>(())
    /// ```
    ///
    /// # Errors
    /// Every problem in the text, each with its line.
    pub fn features_from(self, text: &str) -> Result<Self, Report> {
        Ok(self.features(FeatureFile::parse("features", text)?.into_features()))
    }

    /// Registers features: they are checked when the topology is built, and answered by name.
    pub fn features(mut self, features: impl IntoIterator<Item = Feature>) -> Self {
        self.features.extend(features);
        self
    }
}

impl ActionLog {
    /// Makes the topic's actions into a store. The topic is the store's changelog: at every start the store is rebuilt by
    /// reading it from its beginning, which is idempotent.
    pub fn materialize(self, actions: Actions) -> Materialized {
        let builder = self.stream.builder();
        let Actions { name, config, features, late_records_to_dead_letters, late } = actions;
        let features = compile(&builder, &name, &config, late, features);
        builder.require(retention_requirement(&self, &config));
        let skew = config.max_future_skew;
        let log = Changelog::EventLog(self.topic.clone());
        let spec = StoreSpec::new(name.clone(), log, move || Box::new(ChainStore::new(config.clone())));
        builder.state_store(spec.queryable(Arc::new(features)).log_floor_slack(skew));
        let node = format!("materialize-{name}");
        let store = name.clone();
        let make = move || Materialize { store: store.clone(), late_records_to_dead_letters, taken: Taken::default() };
        Materialized { late: self.stream.process(&node, make, &[name.as_str()]) }
    }
}

/// A store that was made from an actions topic, and what did not come into it.
#[derive(Debug)]
pub struct Materialized {
    late: KStream<Arc<str>, Action>,
}

/// The header of a late action with the reason: `late_dropped`.
pub const REASON_HEADER: &str = "nowfold-drop-reason";

/// The header of a late action with the time, in decimal milliseconds, up to which the store had let events expire.
pub const FLOOR_HEADER: &str = "nowfold-drop-floor";

impl Materialized {
    /// The actions that came too late for the store, as they were, with [`REASON_HEADER`] and [`FLOOR_HEADER`]: to be
    /// written to a topic of their own, or into a store that keeps longer.
    ///
    /// ```
    /// use nowfold_core::{dsl::StreamsBuilder, time::hours};
    /// use nowfold_operators::{ActionSource, Actions, feature};
    /// use nowfold_schemas::ActionCodec;
    ///
    /// let app = StreamsBuilder::new("feed");
    /// let late = app
    ///     .actions("actions")
    ///     .materialize(Actions::named("activity").features([feature("n").count().within(hours(24))]))
    ///     .late();
    /// late.into_stream().to("late-actions", ActionCodec::new().pair());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn late(self) -> ActionStream {
        ActionStream::from_stream(self.late)
    }
}

/// Compiles the features; those that do not fit are faults of the topology, and none is registered then.
fn compile(
    builder: &StreamsBuilder,
    store: &StoreName,
    config: &ChainConfig,
    late: Option<LateJoin>,
    features: Vec<Feature>,
) -> FeatureSet {
    let compiled = FeatureSet::compile_with(store.clone(), config, late, features);
    compiled.unwrap_or_else(|errors| {
        for error in errors.errors() {
            builder.fault(TopologyFault::Other { message: error.to_string() });
        }
        FeatureSet::none(store.clone(), config)
    })
}

/// The topic must outlive what the store keeps, by the skew and the longest downtime.
fn retention_requirement(log: &ActionLog, config: &ChainConfig) -> TopicRequirement {
    let needed = millis(config.topic_retention);
    let kept = needed.to_string();
    TopicRequirement {
        name: log.topic.clone(),
        role: TopicRole::Source,
        create: log
            .created_here
            .then(|| TopicBlueprint::new(PartitionCount::LargestOf(Vec::new()), &[("retention.ms", &kept)])),
        rules: vec![outlives(needed)],
    }
}

/// [`EventChains`] as a store of a task.
#[derive(Debug)]
pub struct ChainStore(Arc<EventChains>);

impl ChainStore {
    fn new(config: ChainConfig) -> Self {
        Self(Arc::new(EventChains::new(config)))
    }
}

impl StateStore for ChainStore {
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn reader(&self) -> Arc<dyn Any + Send + Sync> {
        self.0.clone()
    }

    /// Never called: the actions topic is the changelog, and comes through the processor.
    fn restore(&mut self, _: &LogRecord) -> Result<(), StoreError> {
        Ok(())
    }
}

struct Materialize {
    store: StoreName,
    late_records_to_dead_letters: bool,
    taken: Taken,
}

/// Events that the limits of the store had taken by now.
#[derive(Default)]
struct Taken {
    capped: u64,
    shed: u64,
}

type Late<'n, 't> = ProcessorContext<'n, 't, Arc<str>, Action>;

impl Processor<Arc<str>, Option<Action>, Arc<str>, Action> for Materialize {
    fn process(&mut self, cx: &mut Late<'_, '_>, record: Record<Arc<str>, Option<Action>>) -> Result<(), ProcessError> {
        let appended = Appended::new(cx.source_record().1.offset, record.timestamp);
        let chains = cx.store::<ChainStore>(self.store.as_str())?.0.clone();
        let admission = match &record.value {
            None => chains.erase(&record.key, appended),
            Some(action) if action.actor != record.key => {
                let cause = format!("the record's key {:?} is not its actor {:?}", record.key, action.actor);
                return Err(ProcessError::new(cause));
            }
            Some(action) => chains.apply(action, appended),
        };
        if admission == Admission::Full {
            return Err(ProcessError::stop(no_room(&self.store, &chains)));
        }
        self.report(cx, admission, &chains);
        match record.value {
            Some(action) if admission == Admission::LateDropped => {
                let headers = with_reason(record.headers, admission, chains.floor());
                cx.forward(Record { key: record.key, value: action, timestamp: record.timestamp, headers })
            }
            _ => Ok(()),
        }
    }
}

/// Why the application stops at an event that finds no room, and what to do.
fn no_room(store: &StoreName, chains: &EventChains) -> String {
    let (bytes, events) = (chains.config().memory_limit.map_or(0, |limit| limit.bytes), chains.len());
    format!(
        "store {store:?} has no room for it: a partition may take {bytes} bytes and {events} events take them; raise the \
         limit (Actions::memory_limit), shorten the retention, run more processes with more partitions, or let the oldest \
         events go (WhenFull::DropOldest)"
    )
}

fn with_reason(mut headers: Headers, admission: Admission, floor: Timestamp) -> Headers {
    headers.push(REASON_HEADER, Some(Bytes::from_static(admission.reason().as_bytes())));
    headers.push(FLOOR_HEADER, Some(Bytes::from(floor.as_millis().to_string())));
    headers
}

impl Materialize {
    fn report(&mut self, cx: &mut Late<'_, '_>, admission: Admission, chains: &EventChains) {
        for (reason, n) in admission.faults().by_reason() {
            cx.count_as(Tally::AttributeRejected, reason, n.into());
        }
        match admission {
            Admission::Erased { n } => cx.count_as(Tally::Applied, admission.reason(), n),
            Admission::Admitted { .. }
            | Admission::Replaced { .. }
            | Admission::Retracted
            | Admission::OrphanRetract => {
                cx.count_as(Tally::Applied, admission.reason(), 1);
            }
            Admission::Capped | Admission::Shed => {}
            _ => cx.count(admission.reason()),
        }
        self.count_taken(cx, chains);
        if let Some(cause) = self.dead_letter_cause(admission, chains) {
            cx.dead_letter(Stage::Admission, &format!("{}: {cause}", admission.reason()));
        }
    }

    /// One event that comes in may make others go.
    fn count_taken(&mut self, cx: &mut Late<'_, '_>, chains: &EventChains) {
        let config = chains.config();
        if config.max_events_per_actor.is_none() && config.memory_limit.is_none() {
            return;
        }
        let counters = chains.counters();
        let all = [("capped", counters.capped, &mut self.taken.capped), ("shed", counters.shed, &mut self.taken.shed)];
        for (reason, now, before) in all {
            if now > *before {
                cx.count_as(Tally::Dropped, reason, now - *before);
                *before = now;
            }
        }
    }

    fn dead_letter_cause(&self, admission: Admission, chains: &EventChains) -> Option<String> {
        Some(match admission {
            Admission::FutureQuarantined => "the event's time lies too far after its append time".to_owned(),
            Admission::BadTimestamp => "the event has no usable time".to_owned(),
            Admission::MissingEventId => "the event has no id".to_owned(),
            Admission::MissingActor => "the event has no actor".to_owned(),
            Admission::LateDropped if self.late_records_to_dead_letters => {
                format!("the event is older than the store's retention, which has expired all up to {}", chains.floor())
            }
            _ => return None,
        })
    }
}
