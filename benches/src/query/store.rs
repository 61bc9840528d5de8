//! A store with actors of known sizes among many others, and what they must be answered with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use nowfold::core::names::{StoreName, TopicName};
use nowfold::core::query::{Lag, PartitionHandle, ProgressCell, Readiness, StoreHub};
use nowfold::core::time::{Clock, Timestamp, hours, millis};
use nowfold::operators::Features;
use nowfold::operators::chain::{Appended, EventChains};
use nowfold::operators::feature::FeatureSet;
use nowfold::runtime::SystemClock;
use nowfold::schemas::Action;

use super::Class;
use crate::data::{DIM, Event, Random, SPAN_MS, World};
use crate::passes::config;
use crate::topology::{STORE, nested_windows};

/// One partition of event chains that can be asked.
pub(super) struct Store {
    world: World,
    pub(super) classes: Vec<Class>,
    chains: Arc<EventChains>,
    hub: Arc<StoreHub>,
    /// Every question is about this instant; what is written later comes after it, so answers never change.
    pub(super) as_of: Timestamp,
    /// By class and actor: events in the last 1, 24 and 96 hours.
    counts: Vec<Vec<[u64; 3]>>,
    /// By class: what the embeddings of actor 0 sum up to in each window.
    sums: Vec<[Vec<f64>; 3]>,
    next_number: AtomicU64,
    n_filled: u64,
}

/// An event to be filled in: of a class and actor, or of the background.
struct Planned {
    t: i64,
    asked: Option<(usize, usize)>,
}

impl Store {
    /// A store with these actors, and `n_others` events of others.
    pub(super) fn fill(seed: u64, classes: &[Class], n_others: usize) -> Result<Self> {
        let as_of = SystemClock.now();
        let mut store = Self {
            world: World::new(seed),
            classes: classes.to_vec(),
            chains: Arc::new(EventChains::new(config())),
            hub: Arc::new(StoreHub::new()),
            as_of,
            counts: classes.iter().map(|class| vec![[0; 3]; class.n_actors]).collect(),
            sums: classes.iter().map(|_| std::array::from_fn(|_| vec![0.0; DIM])).collect(),
            next_number: AtomicU64::new(0),
            n_filled: 0,
        };
        store.publish()?;
        let mut random = Random::new(seed);
        for planned in planned(classes, n_others, as_of.as_millis(), &mut random) {
            let event = store.world.event(store.next_number(), &mut random);
            store.expect(&planned, &event);
            let t = Timestamp::from_millis(planned.t);
            store.apply(store.world.action(&event, t), event.number, t, planned.asked)?;
        }
        store.n_filled = store.next_number.load(Ordering::Relaxed);
        Ok(store)
    }

    /// Inserts an event after `as_of`, `per_ms` of them per millisecond of event time, for an asked actor or any other.
    pub(super) fn insert_later(&self, random: &mut Random, per_ms: u64, asked: Option<(usize, usize)>) -> Result<()> {
        let event = self.world.event(self.next_number(), random);
        let later = i64::try_from((event.number - self.n_filled) / per_ms)?;
        let t = Timestamp::from_millis(self.as_of.as_millis() + 1 + later);
        self.apply(self.world.action_sharing(&event, t), event.number, t, asked)
    }

    fn apply(&self, mut action: Action, number: u64, t: Timestamp, asked: Option<(usize, usize)>) -> Result<()> {
        if let Some((class, actor)) = asked {
            action.actor = actor_of(class, actor).into();
        }
        let admission = self.chains.apply(&action, Appended::new(i64::try_from(number)?, t));
        ensure!(admission.is_admitted(), "an event is {}", admission.reason());
        Ok(())
    }

    /// Numbers of events are the offsets of their records, and make their ids different.
    fn next_number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn features(&self) -> Features {
        Features::new(self.hub.clone(), Arc::new(SystemClock), STORE)
    }

    pub(super) fn n_events(&self) -> usize {
        self.chains.len()
    }

    /// Events of an actor in each window.
    pub(super) fn counts(&self, class: usize, actor: usize) -> Result<[u64; 3]> {
        let counts = self.counts.get(class).and_then(|actors| actors.get(actor));
        counts.copied().context("there is no such actor")
    }

    /// Sums of the embeddings of a class's actor 0 in each window.
    pub(super) fn sums(&self, class: usize) -> Result<&[Vec<f64>; 3]> {
        self.sums.get(class).context("there is no such class")
    }

    fn publish(&self) -> Result<()> {
        let (name, topic) = (StoreName::from(STORE), TopicName::from("actions"));
        let set = FeatureSet::compile(name.clone(), self.chains.config(), nested_windows())?;
        self.hub.declare(name.clone(), topic, 1, Arc::new(set));
        let progress = Arc::new(ProgressCell::restoring());
        progress.update(|progress| {
            (progress.readiness, progress.lag, progress.known_at) = (Readiness::Running, Lag::None, self.as_of);
        });
        self.hub.open(&name, 0, &PartitionHandle { reader: self.chains.clone(), progress });
        Ok(())
    }

    fn expect(&mut self, planned: &Planned, event: &Event) {
        let Some((class, actor)) = planned.asked else { return };
        for (window, length) in [hours(1), hours(24), hours(96)].into_iter().enumerate() {
            if planned.t <= self.as_of.as_millis() - millis(length) {
                continue;
            }
            let counts = self.counts.get_mut(class).and_then(|actors| actors.get_mut(actor));
            if let Some(n) = counts.and_then(|counts| counts.get_mut(window)) {
                *n += 1;
            }
            let sums = self.sums.get_mut(class).and_then(|sums| sums.get_mut(window)).filter(|_| actor == 0);
            for (sum, x) in sums.into_iter().flatten().zip(self.world.embedding(event.object)) {
                *sum += f64::from(*x);
            }
        }
    }
}

/// The name of an actor that is asked about.
pub(super) fn actor_of(class: usize, actor: usize) -> String {
    format!("asked-{class}-{actor:05}")
}

/// The events of all actors, spread evenly over the span up to `end`, in the order of their times.
fn planned(classes: &[Class], n_others: usize, end: i64, random: &mut Random) -> Vec<Planned> {
    let asked = classes.iter().enumerate().flat_map(|(number, class)| {
        (0..class.n_actors).flat_map(move |actor| std::iter::repeat_n(Some((number, actor)), class.n_events))
    });
    let all = asked.chain(std::iter::repeat_n(None, n_others));
    let t = |random: &mut Random| end - i64::try_from(random.below(SPAN_MS.unsigned_abs())).unwrap_or(0);
    let mut events: Vec<_> = all.map(|asked| Planned { t: t(random), asked }).collect();
    events.sort_by_key(|event| event.t);
    events
}
