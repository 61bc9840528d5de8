//! `to_actions`: any stream as a stream of standard actions.

use std::fmt;
use std::sync::Arc;

use nowfold_core::dsl::KStream;
use nowfold_core::failure::Stage;
use nowfold_core::processor::{ProcessError, Processor, ProcessorContext};
use nowfold_core::record::Record;
use nowfold_core::time::Timestamp;
use nowfold_schemas::action::Action;

use crate::actions_topic::ActionStream;

/// The longest actor in bytes of UTF-8: it is the key of the actions topic.
pub const MAX_ACTOR_BYTES: usize = 1_024;

/// What a mapping may return: one action, none, several, or a refusal with its reason.
pub trait IntoActions {
    /// Hands each action to `emit`, in order.
    ///
    /// # Errors
    /// The reason, when the mapping refuses the record.
    fn into_actions(self, emit: &mut dyn FnMut(Action)) -> Result<(), String>;
}

impl IntoActions for Action {
    fn into_actions(self, emit: &mut dyn FnMut(Action)) -> Result<(), String> {
        emit(self);
        Ok(())
    }
}

impl<T: IntoActions> IntoActions for Option<T> {
    fn into_actions(self, emit: &mut dyn FnMut(Action)) -> Result<(), String> {
        self.map_or(Ok(()), |actions| actions.into_actions(emit))
    }
}

impl<T: IntoActions> IntoActions for Vec<T> {
    fn into_actions(self, emit: &mut dyn FnMut(Action)) -> Result<(), String> {
        self.into_iter().try_for_each(|actions| actions.into_actions(emit))
    }
}

impl<T: IntoActions, E: fmt::Display> IntoActions for Result<T, E> {
    fn into_actions(self, emit: &mut dyn FnMut(Action)) -> Result<(), String> {
        self.map_err(|reason| reason.to_string())?.into_actions(emit)
    }
}

/// What to do with an action to which the mapping gave no event time (none, or zero and less).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingEventTime {
    /// Refuse it, counted as `bad_timestamp`.
    #[default]
    Refuse,
    /// Take the timestamp of the raw record.
    RecordTimestamp,
}

/// What identifies an action to which the mapping gave no event id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EventIdentity {
    /// The record it was made from: two equal records are two events.
    #[default]
    Record,
    /// What it says: actions of one actor with equal verb, object and event time are one event, however often the source
    /// sends them. The id is [`natural_key`].
    NaturalKey,
}

/// What stands in for what a mapping leaves out. Made from either of its parts, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActionDefaults {
    /// For the event time.
    pub missing_time: MissingEventTime,
    /// For the event id.
    pub identity: EventIdentity,
}

impl ActionDefaults {
    /// Identifies actions by what they say.
    #[must_use]
    pub fn natural_key(mut self) -> Self {
        self.identity = EventIdentity::NaturalKey;
        self
    }
}

impl From<MissingEventTime> for ActionDefaults {
    fn from(missing_time: MissingEventTime) -> Self {
        Self { missing_time, ..Self::default() }
    }
}

impl From<EventIdentity> for ActionDefaults {
    fn from(identity: EventIdentity) -> Self {
        Self { identity, ..Self::default() }
    }
}

/// The id of an action by what it says: `{event time in ms}/{bytes of the verb}/{verb}/{object}`. Together with the actor,
/// which is part of every event's identity, it tells apart any two actions that differ in one of these.
///
/// ```
/// # use nowfold_operators::natural_key;
/// # use nowfold_core::time::Timestamp;
/// assert_eq!(natural_key(Timestamp::from_millis(1_795_428_000_123), "apply", "job-1"), "1795428000123/5/apply/job-1");
/// ```
pub fn natural_key(timestamp: Timestamp, verb: &str, object: &str) -> String {
    format!("{}/{}/{verb}/{object}", timestamp.as_millis(), verb.len())
}

/// Maps streams to standard actions.
pub trait ToActions<K, V> {
    /// Maps each record to standard actions and stamps what the mapping leaves out: without an `event_id` the action gets
    /// `{raw topic}/{partition}/{offset}/{timestamp}/{i}`, so that a record which is processed again is a repeat and not a
    /// second event; without a `sequence` it gets the offset of the raw record (`docs/semantics.md`, section 1).
    ///
    /// A refused record, an empty or over-long actor, and a missing event time are failures at the process stage: dead
    /// letters, unless the application's process handler says otherwise.
    ///
    /// ```
    /// use nowfold_core::{dsl::StreamsBuilder, serde::Plain};
    /// use nowfold_operators::ToActions;
    /// use nowfold_schemas::Action;
    ///
    /// let app = StreamsBuilder::new("visits");
    /// app.stream("pages", Plain::<String, String>::new())
    ///     .to_actions("standardize", |member, page| Action::new(member, "view", page).at_ms(1))
    ///     .through("actions");
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    fn to_actions<A: IntoActions>(self, name: &str, map: impl Fn(K, V) -> A + Send + Sync + 'static) -> ActionStream
    where
        Self: Sized,
    {
        self.to_actions_with(name, ActionDefaults::default(), map)
    }

    /// Like [`to_actions`](Self::to_actions), choosing what stands in for a missing event time and event id.
    ///
    /// ```
    /// use nowfold_core::{dsl::StreamsBuilder, serde::Plain};
    /// use nowfold_operators::{EventIdentity, ToActions};
    /// use nowfold_schemas::Action;
    ///
    /// let app = StreamsBuilder::new("visits");
    /// // The source sends some visits twice; they have no id of their own.
    /// app.stream("pages", Plain::<String, String>::new())
    ///     .to_actions_with("standardize", EventIdentity::NaturalKey, |member, page| {
    ///         Action::new(member, "view", page).at_ms(1)
    ///     })
    ///     .through("actions");
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    fn to_actions_with<A: IntoActions>(
        self,
        name: &str,
        defaults: impl Into<ActionDefaults>,
        map: impl Fn(K, V) -> A + Send + Sync + 'static,
    ) -> ActionStream;
}

impl<K: 'static, V: 'static> ToActions<K, V> for KStream<K, V> {
    fn to_actions_with<A: IntoActions>(
        self,
        name: &str,
        defaults: impl Into<ActionDefaults>,
        map: impl Fn(K, V) -> A + Send + Sync + 'static,
    ) -> ActionStream {
        let (map, defaults) = (Arc::new(map), defaults.into());
        let stream = self.process(name, move || Standardize { map: map.clone(), defaults }, &[]);
        ActionStream::new(stream.dead_letters_by_default())
    }
}

struct Standardize<F> {
    map: Arc<F>,
    defaults: ActionDefaults,
}

type Out<'n, 't> = ProcessorContext<'n, 't, Arc<str>, Action>;

impl<K: 'static, V: 'static, A, F> Processor<K, V, Arc<str>, Action> for Standardize<F>
where
    A: IntoActions,
    F: Fn(K, V) -> A + Send + Sync,
{
    fn process(&mut self, cx: &mut Out<'_, '_>, record: Record<K, V>) -> Result<(), ProcessError> {
        let (timestamp, headers) = (record.timestamp, record.headers);
        let mut actions = Vec::new();
        let mapped = (self.map)(record.key, record.value).into_actions(&mut |action| actions.push(action));
        mapped.map_err(|reason| ProcessError::new(format!("the mapping refused the record: {reason}")))?;
        for action in actions {
            match self.complete(cx, action, timestamp) {
                Ok(action) => {
                    cx.forward(Record {
                        key: action.actor.clone(),
                        value: action,
                        timestamp,
                        headers: headers.clone(),
                    })?;
                }
                Err(refusal) => {
                    cx.count(refusal.reason);
                    cx.dead_letter(Stage::Process, &refusal.cause);
                }
            }
        }
        Ok(())
    }
}

/// Why one action of a record is refused; its siblings go on.
struct Refusal {
    reason: &'static str,
    cause: String,
}

impl<F> Standardize<F> {
    fn complete(&self, cx: &mut Out<'_, '_>, mut action: Action, record: Timestamp) -> Result<Action, Refusal> {
        let stamp = cx.next_event_id();
        check_actor(&action.actor)?;
        let timestamp = self.event_time(&action, record)?;
        action.timestamp = Some(timestamp);
        if action.event_id.is_empty() {
            action.event_id = match self.defaults.identity {
                EventIdentity::Record => stamp.into(),
                EventIdentity::NaturalKey => natural_key(timestamp, &action.verb, &action.object).into(),
            };
        }
        action.sequence = action.sequence.or(Some(cx.origin().offset));
        Ok(action)
    }

    fn event_time(&self, action: &Action, record: Timestamp) -> Result<Timestamp, Refusal> {
        let given = action.timestamp.filter(|t| t.as_millis() > 0);
        let stand_in = (self.defaults.missing_time == MissingEventTime::RecordTimestamp).then_some(record);
        given.or(stand_in).ok_or_else(|| Refusal {
            reason: "bad_timestamp",
            cause: format!("the action has no usable event time ({:?})", action.timestamp),
        })
    }
}

fn check_actor(actor: &str) -> Result<(), Refusal> {
    if actor.is_empty() {
        return Err(Refusal { reason: "bad_actor", cause: "the action has an empty actor".to_owned() });
    }
    if actor.len() > MAX_ACTOR_BYTES {
        let cause = format!("the actor has {} bytes; at most {MAX_ACTOR_BYTES} are allowed", actor.len());
        return Err(Refusal { reason: "bad_actor", cause });
    }
    Ok(())
}
