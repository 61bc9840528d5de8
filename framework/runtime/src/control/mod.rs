//! Discovery: a compacted topic of one partition, `<app>-control`, on which every process says what it is and which tasks
//! it has, and which every process reads to its end. Nothing depends on it but answers to "who has this key?" and the
//! check that all processes run the same topology: ownership is the group's affair.

mod check;
mod claims;
#[cfg(feature = "fuzz")]
pub(crate) mod invented;
mod message;
mod standby;
mod view;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nowfold_core::names::{Offset, StoreName, TopicName, TopicPartition};
use nowfold_core::query::{Elsewhere, StandbyPlace};
use nowfold_core::record::{Headers, LogRecord, OutputRecord};
use nowfold_core::task::TaskId;
use nowfold_core::time::Clock;
use parking_lot::Mutex;

use super::broker::{BrokerError, PartitionReader, Producer, TopicSpec};
use super::config::RuntimeConfig;
use super::error::RuntimeError;
use super::host;
use super::pace::Throttle;
use super::runner::Surroundings;
use super::signal::Signal;
use super::status::TaskTable;
pub(crate) use check::check_changelogs;
use claims::{Claims, Held};
use message::{Message, ProcessRecord, StandbyRecord, TopologyRecord};
use standby::StandbyClaims;
use view::View;

const BATCH: usize = 1_000;

/// How often the thread looks at its tasks.
const LOOK: Duration = Duration::from_millis(100);

/// A process is taken for dead after so many heartbeats that did not come.
const MISSED: u32 = 5;

/// How long one write may take before the thread reads on.
const WRITE: Duration = Duration::from_secs(1);

/// What other threads tell the one of the control topic.
#[derive(Debug, Default)]
pub(crate) struct Announcements {
    endpoint: Mutex<Option<String>>,
    changed: AtomicBool,
    stop: AtomicBool,
    signal: Arc<Signal>,
}

impl Announcements {
    /// Where queries are answered from now on.
    pub(crate) fn set_endpoint(&self, endpoint: String) {
        *self.endpoint.lock() = Some(endpoint);
        self.changed.store(true, Ordering::Relaxed);
        self.signal.call();
    }

    /// The process ends: it says so, and its thread ends.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.signal.call();
    }
}

/// The control topic of a process.
pub(crate) struct Control {
    around: Arc<Surroundings>,
    tasks: Arc<TaskTable>,
    clock: Arc<dyn Clock>,
    told: Arc<Announcements>,
    topic: TopicPartition,
    reader: Box<dyn PartitionReader>,
    producer: Box<dyn Producer>,
    view: View,
    claims: Claims,
    standby_claims: StandbyClaims,
    num_standbys: usize,
    heartbeat: Duration,
    me: String,
    ours: TopologyRecord,
    buffer: Vec<LogRecord>,
    trouble_said: Throttle,
    /// Who was found to own what, as last told to the queries.
    elsewhere: Elsewhere,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("topic", &self.topic).field("me", &self.me).finish_non_exhaustive()
    }
}

impl Control {
    /// Finds or creates the topic, reads it to its end, and checks that this topology may run.
    ///
    /// # Errors
    /// [`RuntimeError::TopologyConflict`], [`RuntimeError::TopologyChanged`]; when the broker refuses or does not answer.
    pub(crate) fn open(
        around: Arc<Surroundings>,
        tasks: Arc<TaskTable>,
        clock: Arc<dyn Clock>,
        config: &RuntimeConfig,
        me: String,
    ) -> Result<Self, RuntimeError> {
        let app = around.topology.app().to_owned();
        let topic = TopicPartition::new(TopicName::from(format!("{app}-control")), 0);
        let patience = config.connect_timeout;
        persist(patience, || around.broker.create_topic(&spec(&topic.topic)))?;
        let told = Arc::new(Announcements::default());
        *told.endpoint.lock() = config.endpoint.clone();
        let log = persist(patience, || around.broker.watermarks(&topic))?;
        let reader = around.broker.reader(&topic, log.low, told.signal.waker())?;
        let producer = around.broker.producer()?;
        let ours = check::record_of(&around.topology, &around.topics);
        let process = ProcessRecord {
            endpoint: config.endpoint.clone(),
            rack: config.rack.clone(),
            name: config.process_id.clone(),
            fingerprint: ours.fingerprint.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let claims = Claims::new(me.clone(), process, config.heartbeat_interval);
        let view = View::new(config.heartbeat_interval * MISSED);
        let (buffer, trouble_said) = (Vec::new(), Throttle::new(Duration::from_secs(5)));
        let elsewhere = Elsewhere::default();
        let mut control = Self {
            around,
            tasks,
            clock,
            told,
            topic,
            reader,
            producer,
            view,
            claims,
            standby_claims: StandbyClaims::default(),
            num_standbys: config.num_standbys,
            heartbeat: config.heartbeat_interval,
            me,
            ours,
            buffer,
            trouble_said,
            elsewhere,
        };
        control.catch_up(log.high, config.stall_timeout)?;
        control.enter(&app, config.accept_topology_change)?;
        Ok(control)
    }

    /// What other threads tell it.
    pub(crate) fn announcements(&self) -> Arc<Announcements> {
        self.told.clone()
    }

    fn catch_up(&mut self, until: Offset, stall: Duration) -> Result<(), RuntimeError> {
        let mut moved_at = host::now();
        while self.reader.position() < until {
            if self.read()? > 0 {
                moved_at = host::now();
            } else if host::since(moved_at) >= stall {
                let what = format!("reading {} up to {until}", self.topic);
                let cause = format!("it gives no record after {}", self.reader.position());
                return Err(RuntimeError::Stalled { what, waited_s: host::since(moved_at).as_secs(), cause });
            } else {
                self.told.signal.wait(LOOK);
            }
        }
        Ok(())
    }

    /// Checks the topology, and says under which one the application runs from now on.
    fn enter(&mut self, app: &str, accepted: bool) -> Result<(), RuntimeError> {
        // Who has been dead for long is told from the living by the topic's time, which stands still while nobody writes:
        // our own first words move it on.
        let now = host::now();
        let words = self.claims.due(&self.view, &[], now);
        self.say(words);
        let end = persist(WRITE * MISSED, || self.around.broker.watermarks(&self.topic))?.high;
        self.catch_up(end, WRITE * MISSED)?;
        let checked = check::check(app, &self.ours, &self.view, accepted, host::now());
        if checked.is_err() {
            self.say(vec![Message::Process(self.me.clone(), None)]);
        } else if self.view.topology() != Some(&self.ours) {
            self.say(vec![Message::Topology(self.ours.clone())]);
        }
        checked
    }

    /// The thread's body: reads, and says what has changed, until it is told to stop.
    ///
    /// # Errors
    /// [`RuntimeError::TopologyConflict`] when another process came first with another topology; when the broker refuses.
    pub(crate) fn follow(mut self) -> Result<(), RuntimeError> {
        while !self.told.stop.load(Ordering::Relaxed) {
            if self.step()? == 0 {
                self.told.signal.wait(LOOK);
            }
        }
        let mut last = self.standby_claims.end(&self.me);
        last.push(Message::Process(self.me.clone(), None));
        self.say(last);
        Ok(())
    }

    /// One turn; returns how many records were read.
    fn step(&mut self) -> Result<usize, RuntimeError> {
        let read = self.read()?;
        let now = host::now();
        if self.told.changed.swap(false, Ordering::Relaxed) {
            self.claims.process.endpoint = self.told.endpoint.lock().clone();
            self.claims.beat_now();
        }
        check::check_again(self.around.topology.app(), &self.ours, &self.me, &self.view, now)?;
        let held = self.held();
        let due = self.claims.due(&self.view, &held, now);
        self.say(due);
        self.follow_standbys(now);
        self.tell_queries(now);
        Ok(read)
    }

    /// Says which copies this process is to keep, and what it keeps.
    fn follow_standbys(&mut self, now: Instant) {
        let Some(standbys) = self.around.standbys.clone() else { return };
        let mine = self.tasks.ids();
        let tasks = standby::tasks(&self.around.topology, &self.around.topics).into_iter();
        let wanted = tasks.filter(|id| !mine.contains(id) && self.keeps_copy_of(*id, now)).collect();
        standbys.want(wanted);
        let due = self.standby_claims.due(&self.me, &self.view, standbys.copies(), self.heartbeat, now);
        self.say(due);
    }

    /// Whether this process is to keep a copy of a task that it does not have. One that it had last may stay: whoever has
    /// it now has not said so yet.
    fn keeps_copy_of(&self, id: TaskId, now: Instant) -> bool {
        let owner = self.view.task(id).map(|task| task.owner.as_str());
        if owner == Some(self.me.as_str()) {
            return true;
        }
        let name = |(id, seen): (&'_ String, &'_ view::Seen)| seen.record.name.clone().unwrap_or_else(|| id.clone());
        let alive: Vec<_> = self.view.alive(now).map(|seen| (seen.0.as_str(), name(seen))).collect();
        let alive = alive.iter().map(|(id, name)| (*id, name.as_str()));
        standby::choose(id, owner, alive, self.num_standbys).contains(&self.me.as_str())
    }

    fn read(&mut self) -> Result<usize, RuntimeError> {
        let n = match self.reader.poll(BATCH, &mut self.buffer) {
            Err(error @ BrokerError::OffsetOutOfRange { .. }) => return self.begin_again(&error),
            Err(error) if is_passing(&error) => {
                self.complain(&error);
                0
            }
            polled => polled?,
        };
        let now = host::now();
        for record in self.buffer.drain(..) {
            self.view.apply(&record, now);
        }
        Ok(n)
    }

    /// The topic was created again, or its start has moved on: it is read from there.
    fn begin_again(&mut self, error: &BrokerError) -> Result<usize, RuntimeError> {
        self.complain(error);
        let again = self.around.broker.watermarks(&self.topic);
        let again = again.and_then(|log| self.around.broker.reader(&self.topic, log.low, self.told.signal.waker()));
        match again {
            Ok(reader) => self.reader = reader,
            Err(error) if is_passing(&error) => self.complain(&error),
            Err(error) => return Err(error.into()),
        }
        Ok(0)
    }

    /// Writes. What is not stored is said again, since the topic does not show it.
    fn say(&mut self, messages: Vec<Message>) {
        if messages.is_empty() {
            return;
        }
        let timestamp = self.clock.now();
        for message in messages {
            let (key, value) = message.write();
            let (topic, partition) = (self.topic.topic.clone(), Some(self.topic.partition));
            let record = OutputRecord { topic, partition, key: Some(key), value, timestamp, headers: Headers::new() };
            if let Err(failure) = self.producer.send(record) {
                self.complain(&failure.error);
            }
        }
        match self.producer.flush(WRITE) {
            Ok(failures) => failures.into_iter().for_each(|failure| self.complain(&failure.error)),
            Err(error) => self.complain(&error),
        }
    }

    fn complain(&mut self, error: &BrokerError) {
        if self.trouble_said.is_due() {
            tracing::warn!(%error, topic = %self.topic, "other processes may not be told of this one for now");
        }
    }

    fn held(&self) -> Vec<Held> {
        let phases = self.tasks.phases();
        phases.into_iter().map(|(id, phase)| Held { id, state: phase.into(), position: self.position(id) }).collect()
    }

    /// The last applied offset of the topics that stores of a task follow.
    fn position(&self, id: TaskId) -> BTreeMap<String, Offset> {
        let part = self.around.topology.subtopologies().get(id.subtopology);
        let stores = part.map(|part| part.stores.as_slice()).unwrap_or_default();
        let applied = |store: &StoreName| {
            let read = |_: &StoreName, entry: &nowfold_core::query::StoreEntry| {
                let offset = entry.partitions.get(&id.partition)?.progress.get().applied?;
                Some((TopicPartition::new(entry.topic.clone(), id.partition).to_string(), offset))
            };
            self.around.hub.with_store(store.as_str(), read).ok().flatten()
        };
        stores.iter().filter_map(applied).collect()
    }

    /// Tells queries where the partitions of stores are that are not here, and where copies of them are.
    fn tell_queries(&mut self, now: Instant) {
        let mut elsewhere = Elsewhere::default();
        for part in self.around.topology.subtopologies().iter().filter(|part| !part.stores.is_empty()) {
            let n = part.sources.iter().map(|source| self.around.topics.partitions(&source.topic)).max().unwrap_or(0);
            for partition in 0..n {
                let id = TaskId { subtopology: part.id, partition };
                let owner = self.view.other_owner(id, &self.me, now).and_then(|owner| owner.endpoint.clone());
                let standbys = self.standbys_of(id, now);
                for store in &part.stores {
                    let owners = owner.iter().map(|owner| (partition, owner.clone()));
                    owners.for_each(|it| elsewhere.owners.entry(store.clone()).or_default().extend([it]));
                    if !standbys.is_empty() {
                        elsewhere.standbys.entry(store.clone()).or_default().insert(partition, standbys.clone());
                    }
                }
            }
        }
        if elsewhere != self.elsewhere {
            self.around.hub.set_elsewhere(elsewhere.clone());
            self.elsewhere = elsewhere;
        }
    }

    /// Where other processes keep copies of a task and answer queries, those that lack least first.
    fn standbys_of(&self, id: TaskId, now: Instant) -> Vec<StandbyPlace> {
        let copies = self.view.standbys(id, &self.me, now).into_iter();
        let place = |(process, copy): (&ProcessRecord, &StandbyRecord)| {
            Some(StandbyPlace { endpoint: process.endpoint.clone()?, lag: copy.lag })
        };
        let mut places: Vec<_> = copies.filter_map(place).collect();
        places.sort_by_key(|place| place.lag.unwrap_or(u64::MAX));
        places
    }
}

/// Whether the same may succeed later: also a topic that a broker does not know again yet.
fn is_passing(error: &BrokerError) -> bool {
    error.is_retriable() || matches!(error, BrokerError::UnknownTopic { .. })
}

/// Asks a broker that has just come back until it answers.
fn persist<T>(patience: Duration, mut ask: impl FnMut() -> Result<T, BrokerError>) -> Result<T, BrokerError> {
    let started = host::now();
    loop {
        match ask() {
            Err(error) if is_passing(&error) && host::since(started) < patience => host::sleep(LOOK),
            answer => return answer,
        }
    }
}

fn spec(topic: &TopicName) -> TopicSpec {
    let config = [
        ("cleanup.policy", "compact"),
        ("message.timestamp.type", "LogAppendTime"),
        ("segment.bytes", "4194304"),
        ("min.cleanable.dirty.ratio", "0.1"),
    ];
    let config = config.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    TopicSpec { name: topic.clone(), partitions: Some(1), config }
}
