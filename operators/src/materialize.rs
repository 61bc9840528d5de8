//! `materialize`: the actions topic as per-actor event chains with registered features.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use nowfold_core::dsl::{GlobalTable, StreamsBuilder};
use nowfold_core::failure::Stage;
use nowfold_core::names::StoreName;
use nowfold_core::processor::{ProcessError, Processor, ProcessorContext};
use nowfold_core::record::{LogRecord, Record};
use nowfold_core::state::{Changelog, StateStore, StoreError, StoreSpec};
use nowfold_core::task::Tally;
use nowfold_core::time::millis;
use nowfold_core::topology::{
    Expected, PartitionCount, TopicBlueprint, TopicRequirement, TopicRole, TopicRule, TopologyFault,
};
use nowfold_schemas::action::{Action, Attributes};

use crate::actions_topic::ActionLog;
use crate::chain::{Admission, Appended, ChainConfig, EventChains};
use crate::feature::{Feature, FeatureSet, LateJoin};

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

    /// Sends events that arrive too late to the dead-letter topic, instead of only counting them.
    pub fn late_records_to_dead_letters(mut self) -> Self {
        self.late_records_to_dead_letters = true;
        self
    }

    /// Joins attributes of objects when a question is asked, instead of keeping them with every action: an embedding of a
    /// thousand numbers is kept once for each object and not once for each action. The newest row counts, so the value
    /// may differ from the one at the time of the action; answers say `late_joined`. Only for sums and means.
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

    /// Registers features: they are checked when the topology is built, and answered by name.
    pub fn features(mut self, features: impl IntoIterator<Item = Feature>) -> Self {
        self.features.extend(features);
        self
    }
}

impl ActionLog {
    /// Makes the topic's actions into a store. The topic is the store's changelog: at every start the store is rebuilt by
    /// reading it from its beginning, which is idempotent.
    pub fn materialize(self, actions: Actions) {
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
        let make = move || Materialize { store: store.clone(), late_records_to_dead_letters };
        let _ = self.stream.process::<(), (), _>(&node, make, &[name.as_str()]);
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
        rules: vec![TopicRule {
            key: "retention.ms",
            expected: Expected::AtLeastMs(needed),
            code: "NF134",
            consequence: "actions would be deleted before the store has done with them",
        }],
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
}

impl Processor<Arc<str>, Option<Action>, (), ()> for Materialize {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, (), ()>,
        record: Record<Arc<str>, Option<Action>>,
    ) -> Result<(), ProcessError> {
        let appended = Appended::new(cx.source_record().1.offset, record.timestamp);
        let chains = &cx.store::<ChainStore>(self.store.as_str())?.0;
        let admission = match &record.value {
            None => chains.erase(&record.key, appended),
            Some(action) if action.actor != record.key => {
                let cause = format!("the record's key {:?} is not its actor {:?}", record.key, action.actor);
                return Err(ProcessError::new(cause));
            }
            Some(action) => chains.apply(action, appended),
        };
        self.report(cx, admission);
        Ok(())
    }
}

impl Materialize {
    fn report(&self, cx: &mut ProcessorContext<'_, '_, (), ()>, admission: Admission) {
        if let Admission::Admitted { faults } = admission {
            for (reason, n) in faults.by_reason() {
                cx.count_as(Tally::AttributeRejected, reason, n.into());
            }
        }
        match admission {
            Admission::Admitted { .. } | Admission::Retracted | Admission::OrphanRetract => {
                cx.count_as(Tally::Applied, admission.reason(), 1);
            }
            Admission::Erased { n } => cx.count_as(Tally::Applied, admission.reason(), n),
            _ => cx.count(admission.reason()),
        }
        let cause = match admission {
            Admission::FutureQuarantined => "the event's time lies too far after its append time",
            Admission::BadTimestamp => "the event has no usable time",
            Admission::MissingEventId => "the event has no id",
            Admission::MissingActor => "the event has no actor",
            Admission::LateDropped if self.late_records_to_dead_letters => {
                "the event is older than the store's retention"
            }
            _ => return,
        };
        cx.dead_letter(Stage::Admission, cause);
    }
}
