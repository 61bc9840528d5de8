//! Re-keying: the same actions by object, or by any other part, for features of items.

mod keys;
mod memory;

use std::sync::Arc;
use std::time::Duration;

use nowfold_core::failure::Stage;
use nowfold_core::names::StoreName;
use nowfold_core::processor::{ProcessError, Processor, ProcessorContext};
use nowfold_core::record::Record;
use nowfold_core::state::StoreSpec;
use nowfold_core::time::Timestamp;
use nowfold_core::topology::TopologyFault;
use nowfold_schemas::action::{Action, Attribute, Op};

use crate::actions_topic::{ActionLog, ActionStream};
use crate::standardize::MAX_ACTOR_BYTES;
use keys::Part;
use memory::{Entry, Memory};

/// What actions are re-keyed by.
#[derive(Clone, Debug)]
#[must_use = "hand it to ActionLog::re_key"]
pub struct ReKey {
    path: String,
    remembering: Option<Duration>,
}

impl ReKey {
    /// By the object's id (`object`), the verb (`verb`), or an attribute such as `object.company`. Of a list, by each item.
    pub fn by(path: impl Into<String>) -> Self {
        Self { path: path.into(), remembering: None }
    }

    /// Keeps under which keys each action went out, for this long after its append, in a store with a changelog. Then
    /// every undoing reaches every key: a `RETRACT` that does not repeat the object or the attribute, or comes before its
    /// action, and an `ERASE` of the original actor, which becomes a `RETRACT` of each of the actor's actions. Costs two
    /// writes of about 100 bytes per action.
    pub fn remembering(mut self, retention: Duration) -> Self {
        self.remembering = Some(retention);
        self
    }

    /// The name of the node; its store is called so with `-keys`.
    fn node(&self) -> String {
        let legal = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
        format!("re-key-by-{}", self.path.chars().map(legal).collect::<String>())
    }
}

impl ActionLog {
    /// The same actions with the object as the actor, for features of items: who applied to this job in the last hour?
    ///
    /// Each action keeps its time, sequence, origin, verb, object and attributes, and has the one who acted as its attribute
    /// `verb.actor`. Since ids are unique within an actor only, its id becomes `{bytes of actor}:{actor}/{id}`: a repeat
    /// stays a repeat. Write the stream `through` a topic of its own, which keeps the contract of actions topics.
    ///
    /// A `RETRACT` goes where its own object or attribute leads, so it should repeat those of the action that it undoes.
    /// One without, and an `ERASE`, which names the original actor alone, cannot be re-keyed: they are counted
    /// (`unkeyed_retract`, `unkeyed_erase`) and go to the dead-letter topic, unless [`ReKey::remembering`] knows the keys.
    ///
    /// ```
    /// use nowfold_core::{dsl::StreamsBuilder, time::hours};
    /// use nowfold_operators::{ActionSource, Actions, feature};
    ///
    /// let app = StreamsBuilder::new("items");
    /// let actions = app.actions("actions");
    /// actions.clone().materialize(Actions::named("members"));
    /// actions.by_object().through("actions-by-object").materialize(
    ///     Actions::named("jobs").features([
    ///         feature("applicants").distinct_count("verb.actor").verb("apply").within(hours(24)),
    ///     ]),
    /// );
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn by_object(self) -> ActionStream {
        self.re_key(ReKey::by("object"))
    }

    /// The same actions by an attribute, such as `object.company`; as [`by_object`](Self::by_object). An action that lacks it
    /// is left out, counted as `unkeyed`.
    pub fn by_attribute(self, path: impl Into<String>) -> ActionStream {
        self.re_key(ReKey::by(path))
    }

    /// The same actions under other keys. See [`by_object`](Self::by_object).
    pub fn re_key(self, by: ReKey) -> ActionStream {
        let (builder, node) = (self.stream.builder(), by.node());
        let part = Part::parse(&by.path).unwrap_or_else(|message| {
            builder.fault(TopologyFault::Other { message: format!("re-keying by {:?}: {message}", by.path) });
            Part::Object
        });
        let memory = by.remembering.map(|retention| {
            let name = StoreName::from(format!("{node}-keys"));
            builder.state_store(StoreSpec::key_value(name.clone()));
            Memory::new(name, retention)
        });
        let stores: Vec<_> = memory.iter().map(|memory| memory.store().to_owned()).collect();
        let stores: Vec<_> = stores.iter().map(String::as_str).collect();
        let make = move || Rekey { part: part.clone(), memory: memory.clone() };
        ActionStream::new(self.stream.process(&node, make, &stores).dead_letters_by_default())
    }
}

struct Rekey {
    part: Part,
    memory: Option<Memory>,
}

type Context<'n, 't> = ProcessorContext<'n, 't, Arc<str>, Action>;

impl Processor<Arc<str>, Option<Action>, Arc<str>, Action> for Rekey {
    fn process(
        &mut self,
        cx: &mut Context<'_, '_>,
        record: Record<Arc<str>, Option<Action>>,
    ) -> Result<(), ProcessError> {
        let (appended, actor) = (record.timestamp, record.key.clone());
        if let Some(memory) = &self.memory {
            memory.forget(&mut memory.open(cx)?, appended)?;
        }
        match record.value.clone() {
            None => self.erase(cx, &record, &actor, appended),
            Some(action) if action.op == Op::Erase => {
                self.erase(cx, &record, &actor, action.timestamp.unwrap_or(appended))
            }
            Some(action) if action.op == Op::Retract => self.retract(cx, &record, &action),
            Some(action) => self.act(cx, &record, action),
        }
    }
}

impl Rekey {
    fn act(
        &self,
        cx: &mut Context<'_, '_>,
        record: &Record<Arc<str>, Option<Action>>,
        mut action: Action,
    ) -> Result<(), ProcessError> {
        let keys = self.usable(cx, self.part.keys(&action));
        if keys.is_empty() {
            cx.count("unkeyed");
            return Ok(());
        }
        if let Some(memory) = &self.memory {
            let entry = Entry { time: action.timestamp.unwrap_or(record.timestamp), keys: keys.clone() };
            if memory.admit(&mut memory.open(cx)?, &action, entry, record.timestamp)? {
                cx.count("retracted");
                return Ok(());
            }
        }
        action.sequence = action.sequence.or(Some(cx.source_record().1.offset));
        action.verb_attributes.insert("actor", Attribute::Text(action.actor.clone()));
        action.event_id = id(&action.actor, &action.event_id);
        keys.into_iter().try_for_each(|key| forward(cx, record, Action { actor: key, ..action.clone() }))
    }

    fn retract(
        &self,
        cx: &mut Context<'_, '_>,
        record: &Record<Arc<str>, Option<Action>>,
        action: &Action,
    ) -> Result<(), ProcessError> {
        let mut keys = self.usable(cx, self.part.keys(action));
        if let Some(memory) = &self.memory {
            keys.extend(memory.retract(&mut memory.open(cx)?, action, record.timestamp)?);
            keys.sort_unstable();
            keys.dedup();
        } else if keys.is_empty() {
            cx.count("unkeyed_retract");
            let cause =
                format!("the RETRACT of {:?} does not say {}, so it reaches no key", action.event_id, self.part);
            cx.dead_letter(Stage::Process, &cause);
        }
        let retract = Action { event_id: id(&action.actor, &action.event_id), ..action.clone() };
        keys.into_iter().try_for_each(|key| forward(cx, record, Action { actor: key, ..retract.clone() }))
    }

    fn erase(
        &self,
        cx: &mut Context<'_, '_>,
        record: &Record<Arc<str>, Option<Action>>,
        actor: &Arc<str>,
        until: Timestamp,
    ) -> Result<(), ProcessError> {
        let Some(memory) = &self.memory else {
            cx.count("unkeyed_erase");
            let cause = format!("the ERASE of {actor:?} cannot be re-keyed without a memory: see ReKey::remembering");
            cx.dead_letter(Stage::Process, &cause);
            return Ok(());
        };
        for (event_id, entry) in memory.erase(&mut memory.open(cx)?, actor, until, record.timestamp)? {
            let retract = Action::new("", "", "").at(entry.time).id(id(actor, &event_id)).retract();
            entry.keys.into_iter().try_for_each(|key| forward(cx, record, Action { actor: key, ..retract.clone() }))?;
        }
        Ok(())
    }

    /// The keys that an actions topic takes; others are counted.
    fn usable(&self, cx: &mut Context<'_, '_>, mut keys: Vec<Arc<str>>) -> Vec<Arc<str>> {
        let n = keys.len();
        keys.retain(|key| !key.is_empty() && key.len() <= MAX_ACTOR_BYTES);
        (keys.len()..n).for_each(|_| cx.count("bad_actor"));
        keys
    }
}

fn forward(
    cx: &mut Context<'_, '_>,
    record: &Record<Arc<str>, Option<Action>>,
    action: Action,
) -> Result<(), ProcessError> {
    let (timestamp, headers) = (record.timestamp, record.headers.clone());
    cx.forward(Record { key: action.actor.clone(), value: action, timestamp, headers })
}

/// An event's identity among those of all actors. An action without one stays without.
fn id(actor: &str, event_id: &str) -> Arc<str> {
    if event_id.is_empty() { "".into() } else { format!("{}:{actor}/{event_id}", actor.len()).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_different_actors_never_meet() {
        let pairs = [("a", "b/c"), ("a/b", "c"), ("a", "b:c"), ("1:a", "b")];
        let ids: std::collections::BTreeSet<_> = pairs.iter().map(|(actor, event)| id(actor, event)).collect();
        assert_eq!(ids.len(), pairs.len());
        assert_eq!(&*id("ann", "e1"), "3:ann/e1");
        assert_eq!(&*id("ann", ""), "");
    }
}
