//! Enrichment at ingest: attributes of the entities acted on, from a global table.

use std::sync::Arc;
use std::time::Duration;

use nowfold_core::dsl::GlobalTable;
use nowfold_core::failure::Stage;
use nowfold_core::names::Offset;
use nowfold_core::processor::{ProcessError, Processor, ProcessorContext};
use nowfold_core::record::Record;
use nowfold_core::task::Tally;
use nowfold_core::time::{Timestamp, millis};
use nowfold_schemas::action::{Action, Attributes};

use crate::actions_topic::ActionStream;

/// What becomes of an action whose entity is not in the table; always counted as `join_miss`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingEntity {
    /// It goes on without the attributes.
    #[default]
    AdmitWithNull,
    /// It waits until the entity is there, at most this long from its first try, and then goes on without the attributes.
    /// The partition waits with it.
    WaitUpTo(Duration),
    /// It goes to the dead-letter topic.
    DeadLetter,
}

/// Which side of an action is enriched.
#[derive(Clone, Copy)]
enum Side {
    Actor,
    Object,
}

impl Side {
    fn key(self, action: &Action) -> &Arc<str> {
        match self {
            Self::Actor => &action.actor,
            Self::Object => &action.object,
        }
    }

    fn add(self, action: &mut Action, attributes: Attributes) {
        match self {
            Self::Actor => action.actor_attributes.extend(attributes),
            Self::Object => action.object_attributes.extend(attributes),
        }
    }
}

impl ActionStream {
    /// Adds attributes of the object from a global table under the object's id: the newest row at processing time.
    /// An action whose object is not in the table goes on without them, counted as `join_miss`.
    ///
    /// ```
    /// use nowfold_core::{dsl::StreamsBuilder, serde::{Json, Plain}};
    /// use nowfold_operators::ToActions;
    /// use nowfold_schemas::{Action, attributes};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Job { title: String }
    ///
    /// let app = StreamsBuilder::new("feed");
    /// let jobs = app.global_table("jobs", Json::<String, Job>::new());
    /// app.stream("views", Plain::<String, String>::new())
    ///     .to_actions("standardize", |member, job| Action::new(member, "view", job).at_ms(1))
    ///     .enrich_object("with-job", &jobs, |job| attributes! { "title" => job.title })
    ///     .through("actions");
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn enrich_object<V: Send + Sync + 'static>(
        self,
        name: &str,
        table: &GlobalTable<String, V>,
        attributes: impl Fn(&V) -> Attributes + Send + Sync + 'static,
    ) -> Self {
        self.enrich_object_or(name, table, MissingEntity::AdmitWithNull, attributes)
    }

    /// Like [`enrich_object`](Self::enrich_object), choosing what becomes of actions whose object is not in the table.
    pub fn enrich_object_or<V: Send + Sync + 'static>(
        self,
        name: &str,
        table: &GlobalTable<String, V>,
        missing: MissingEntity,
        attributes: impl Fn(&V) -> Attributes + Send + Sync + 'static,
    ) -> Self {
        self.enrich(name, Side::Object, table, missing, attributes)
    }

    /// Adds attributes of the actor from a global table under the actor's id.
    pub fn enrich_actor<V: Send + Sync + 'static>(
        self,
        name: &str,
        table: &GlobalTable<String, V>,
        attributes: impl Fn(&V) -> Attributes + Send + Sync + 'static,
    ) -> Self {
        self.enrich_actor_or(name, table, MissingEntity::AdmitWithNull, attributes)
    }

    /// Like [`enrich_actor`](Self::enrich_actor), choosing what becomes of actions whose actor is not in the table.
    pub fn enrich_actor_or<V: Send + Sync + 'static>(
        self,
        name: &str,
        table: &GlobalTable<String, V>,
        missing: MissingEntity,
        attributes: impl Fn(&V) -> Attributes + Send + Sync + 'static,
    ) -> Self {
        self.enrich(name, Side::Actor, table, missing, attributes)
    }

    fn enrich<V: Send + Sync + 'static>(
        self,
        name: &str,
        side: Side,
        table: &GlobalTable<String, V>,
        missing: MissingEntity,
        attributes: impl Fn(&V) -> Attributes + Send + Sync + 'static,
    ) -> Self {
        let (table, attributes) = (table.clone(), Arc::new(attributes));
        let make = move || Enrich { side, table: table.clone(), attributes: attributes.clone(), missing, waits: None };
        Self::new(self.into_stream().process(name, make, &[]))
    }
}

struct Enrich<V, F> {
    side: Side,
    table: GlobalTable<String, V>,
    attributes: Arc<F>,
    missing: MissingEntity,
    /// The record that waits for its entity, and until when.
    waits: Option<(Offset, Timestamp)>,
}

impl<V, F> Processor<Arc<str>, Action, Arc<str>, Action> for Enrich<V, F>
where
    V: Send + Sync + 'static,
    F: Fn(&V) -> Attributes + Send + Sync,
{
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, Arc<str>, Action>,
        mut record: Record<Arc<str>, Action>,
    ) -> Result<(), ProcessError> {
        let row = self.table.get_str(self.side.key(&record.value));
        match row {
            Some(row) => self.side.add(&mut record.value, (self.attributes)(&row)),
            None if !self.miss(cx, &record.value)? => return Ok(()),
            None => {}
        }
        cx.forward(record)
    }
}

impl<V, F> Enrich<V, F> {
    /// Whether an action without its entity goes on.
    fn miss(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, Arc<str>, Action>,
        action: &Action,
    ) -> Result<bool, ProcessError> {
        if let MissingEntity::WaitUpTo(limit) = self.missing
            && self.still_waits(cx.source_record().1.offset, cx.wall_clock(), limit)
        {
            return Err(ProcessError::wait(format!("entity {:?} is not in its table yet", self.side.key(action))));
        }
        if self.missing == MissingEntity::DeadLetter {
            cx.count("join_miss");
            cx.dead_letter(Stage::Process, &format!("entity {:?} is not in its table", self.side.key(action)));
            return Ok(false);
        }
        cx.count_as(Tally::AttributeRejected, "join_miss", 1);
        Ok(true)
    }

    fn still_waits(&mut self, offset: Offset, now: Timestamp, limit: Duration) -> bool {
        match self.waits {
            Some((waiting, until)) if waiting == offset => now < until,
            _ => {
                self.waits = Some((offset, Timestamp::from_millis(now.as_millis().saturating_add(millis(limit)))));
                !limit.is_zero()
            }
        }
    }
}
