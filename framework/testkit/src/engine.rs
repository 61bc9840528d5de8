//! The driver's shell over tasks: what the runtime does with a broker, done here with logs in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use nowfold_core::failure::{Failure, TaskFailure, Verdict};
use nowfold_core::names::{Offset, TopicName, TopicPartition};
use nowfold_core::processor::ChangelogWrite;
use nowfold_core::query::StoreHub;
use nowfold_core::record::{Headers, LogRecord, OutputRecord};
use nowfold_core::serde::SerdeEnv;
use nowfold_core::task::{Effects, Processed, SourceStatus, Task, TaskId, TaskIdle};
use nowfold_core::time::Clock;
use nowfold_core::topology::{GlobalError, StartPolicy, Topology, changelog_topic};

use crate::ManualClock;
use crate::calls::PendingCalls;
use crate::log::Log;
use crate::publish;
use crate::topics::TopicSettings;

/// Everything that a driver owns. What a crash loses is `tasks`; the rest stands for the broker.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) topology: Topology,
    pub(crate) settings: TopicSettings,
    pub(crate) env: SerdeEnv,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) hub: Arc<StoreHub>,
    pub(crate) log: Log,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    pub(crate) blocked: BTreeMap<String, String>,
    pub(crate) started: bool,
    pub(crate) idle: TaskIdle,
    committed: BTreeMap<TopicPartition, Offset>,
    /// What tasks keep beside the committed offsets.
    notes: BTreeMap<TopicPartition, String>,
    globals: BTreeMap<TopicPartition, Offset>,
    pub(crate) tasks: Vec<Running>,
    pub(crate) calls: PendingCalls,
    failure: Option<TaskFailure>,
}

/// A task, where its readers stand, and what queries see of its stores.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) task: Task,
    pub(crate) readers: Vec<(TopicPartition, Offset)>,
    pub(crate) stores: Vec<publish::OpenStore>,
}

impl Engine {
    pub(crate) fn new(topology: Topology) -> Self {
        Self {
            topology,
            settings: TopicSettings::default(),
            env: SerdeEnv::default(),
            clock: Arc::default(),
            hub: Arc::default(),
            log: Log::default(),
            counts: BTreeMap::new(),
            blocked: BTreeMap::new(),
            started: false,
            idle: TaskIdle::default(),
            committed: BTreeMap::new(),
            notes: BTreeMap::new(),
            globals: BTreeMap::new(),
            tasks: Vec::new(),
            calls: PendingCalls::default(),
            failure: None,
        }
    }

    /// Creates topics and tasks once; later calls do nothing.
    pub(crate) fn start(&mut self) {
        if self.started {
            return;
        }
        self.started = true;
        self.settings.create(&self.topology, &mut self.log);
        let configured = self.topology.configure(&self.env);
        configured.unwrap_or_else(|error| panic!("a serde refuses the environment of the test: {error}"));
        publish::declare(&self.hub, &self.topology, &self.log);
        self.open();
        self.failure = self.begin_tasks().err();
        publish::update(self);
    }

    /// Lets every processor make its schedules before time moves.
    fn begin_tasks(&mut self) -> Result<(), TaskFailure> {
        let now = self.clock.now();
        for index in 0..self.tasks.len() {
            let Some(running) = self.tasks.get_mut(index) else { continue };
            running.task.process(now, 0)?;
            let (effects, id) = (running.task.take_effects(), running.task.id());
            self.append_effects(effects, id);
        }
        Ok(())
    }

    /// Opens tasks anew from the logs and the committed offsets, as after a crash, and processes what waits.
    pub(crate) fn reopen(&mut self) -> Result<(), TaskFailure> {
        self.tasks.drain(..).for_each(|running| publish::withdraw(&self.hub, &running));
        (self.failure, self.blocked) = (None, BTreeMap::new());
        self.calls.clear();
        self.globals.clear();
        self.open();
        self.run()
    }

    /// Appends a record from outside; it waits until the next [`run`](Self::run).
    #[track_caller]
    pub(crate) fn append(&mut self, record: OutputRecord) {
        let now = self.clock.now();
        self.log.append(record, now);
        publish::update(self);
    }

    /// Commits what is processed.
    pub(crate) fn commit(&mut self) {
        self.prepare_commit();
        for running in &mut self.tasks {
            let (offsets, note) = (running.task.offsets(), running.task.note());
            self.notes.extend(offsets.iter().map(|(at, _)| (at.clone(), note.clone())));
            self.committed.extend(offsets);
            running.task.committed();
        }
    }

    /// Sends out what record caches hold back.
    fn prepare_commit(&mut self) {
        let now = self.clock.now();
        for index in 0..self.tasks.len() {
            let Some(running) = self.tasks.get_mut(index) else { continue };
            let prepared = running.task.prepare_commit(now);
            let (effects, id) = (running.task.take_effects(), running.task.id());
            self.append_effects(effects, id);
            match prepared {
                Ok(Some(cause)) => _ = self.blocked.insert(id.to_string(), cause),
                Ok(None) => {}
                Err(failure) => self.failure = Some(failure),
            }
        }
    }

    pub(crate) fn committed(&self, at: &TopicPartition) -> Option<Offset> {
        self.committed.get(at).copied()
    }

    /// Processes everything that waits in any topic.
    pub(crate) fn run(&mut self) -> Result<(), TaskFailure> {
        self.start();
        let outcome = self.failure.clone().map_or(Ok(()), Err).and_then(|()| self.run_to_the_end());
        self.failure = outcome.clone().err();
        publish::update(self);
        outcome
    }

    fn run_to_the_end(&mut self) -> Result<(), TaskFailure> {
        self.blocked.clear();
        loop {
            self.apply_globals()?;
            let mut moved = false;
            for index in 0..self.tasks.len() {
                moved |= self.step(index)?;
            }
            if !moved || self.calls.is_drawn() {
                moved |= self.complete_call();
            }
            if !moved {
                return Ok(());
            }
        }
    }

    /// Brings one call to its end; tells whether one was.
    fn complete_call(&mut self) -> bool {
        let Some((task, id, output)) = self.calls.complete_one() else { return false };
        if let Some(owner) = self.tasks.iter_mut().find(|running| running.task.id() == task) {
            owner.task.complete(id, output);
        }
        true
    }

    /// Lets one task process one record; tells whether it did.
    fn step(&mut self, index: usize) -> Result<bool, TaskFailure> {
        let Some(running) = self.tasks.get_mut(index) else { return Ok(false) };
        running.fetch(&self.log);
        let processed = running.task.process(self.clock.now(), 1)?;
        let (effects, id) = (running.task.take_effects(), running.task.id());
        let has_effects = !effects.is_empty();
        self.append_effects(effects, id);
        match processed {
            Processed::Records(n) => Ok(n > 0 || has_effects),
            Processed::Blocked { taken, cause } => {
                self.blocked.insert(id.to_string(), cause);
                Ok(taken > 0)
            }
        }
    }

    fn append_effects(&mut self, mut effects: Effects, id: TaskId) {
        self.calls.add(id, std::mem::take(&mut effects.calls));
        self.calls.cancel(id, &effects.cancelled);
        for ((_, reason), n) in effects.take_counts() {
            *self.counts.entry(reason).or_default() += n;
        }
        let now = self.clock.now();
        let changelog = effects.changelog.into_iter().map(|write| changelog_record(&self.topology, write, id));
        let all = effects.outputs.into_iter().chain(effects.dead_letters).chain(changelog);
        all.for_each(|record| self.log.append(record, now));
    }

    fn open(&mut self) {
        let begun = self.topology.begin_globals();
        begun.unwrap_or_else(|error| panic!("a global store cannot begin: {error}"));
        for part in self.topology.subtopologies() {
            let n_tasks = part.sources.iter().filter_map(|source| self.log.n_partitions(&source.topic)).max();
            for partition in 0..n_tasks.unwrap_or(0) {
                let partitions_of = |topic: &TopicName| self.log.n_partitions(topic).unwrap_or(0);
                let mut task = Task::new(&self.topology, part, partition, partitions_of).idling(self.idle);
                restore_stores(&mut task, &self.log);
                let readers = self.begin_sources(&mut task);
                let stores = publish::open(&self.hub, &self.topology, part, &task, &self.log);
                self.tasks.push(Running { task, readers, stores });
            }
        }
    }

    /// Sets every source to where its policy begins; returns where the readers stand.
    fn begin_sources(&self, task: &mut Task) -> Vec<(TopicPartition, Offset)> {
        let sources = task.sources();
        let begin = |SourceStatus { partition, start, .. }: SourceStatus| {
            let (low, high) = self.log.watermarks(&partition);
            let committed = self.committed(&partition);
            let (position, replay_until) = match start {
                StartPolicy::Committed => (committed.unwrap_or(low).max(low), None),
                StartPolicy::Table => (low, committed.map(|offset| offset.min(high))),
                StartPolicy::EventLog => (low, Some(high)),
            };
            task.begin(&partition, position, replay_until);
            task.effects_from(&partition, committed.unwrap_or(low));
            task.recall(self.notes.get(&partition).map_or("", String::as_str));
            (partition, position)
        };
        sources.into_iter().map(begin).collect()
    }

    /// Brings global tables to the ends of their topics.
    fn apply_globals(&mut self) -> Result<(), TaskFailure> {
        let topics: Vec<_> =
            self.topology.global_topics().map(|(topic, name)| (topic.clone(), name.to_owned())).collect();
        for (topic, name) in topics {
            for partition in 0..self.log.n_partitions(&topic).unwrap_or(0) {
                self.apply_global(&TopicPartition { topic: topic.clone(), partition }, &name)?;
            }
        }
        Ok(())
    }

    fn apply_global(&mut self, at: &TopicPartition, table: &str) -> Result<(), TaskFailure> {
        let from = self.globals.get(at).copied().unwrap_or(0);
        for record in self.log.read(at, from).to_vec() {
            if let Err(error) = self.topology.apply_global(at, &record) {
                if error.is_retriable() {
                    self.blocked.insert(table.to_owned(), error.to_string());
                    return Ok(());
                }
                self.judge_global(at, table, &record, &error)?;
            }
            self.globals.insert(at.clone(), record.offset + 1);
        }
        Ok(())
    }

    /// A row that cannot be read is skipped, unless the decode handler says to fail.
    fn judge_global(
        &mut self,
        at: &TopicPartition,
        table: &str,
        record: &LogRecord,
        error: &GlobalError,
    ) -> Result<(), TaskFailure> {
        let cause = error.to_string();
        let failure = Failure { stage: error.stage, node: table, source: at, record, cause: &cause, attempt: 1 };
        if !matches!(self.topology.handlers().decide(&failure, Verdict::Skip), Verdict::Skip | Verdict::DeadLetter) {
            let (node, source_partition) = (table.to_owned(), at.clone());
            return Err(TaskFailure { stage: error.stage, node, source_partition, offset: record.offset, cause });
        }
        *self.counts.entry("global_decode").or_default() += 1;
        Ok(())
    }
}

impl Running {
    fn fetch(&mut self, log: &Log) {
        for (source, position) in &mut self.readers {
            let records = log.read(source, *position);
            let (_, end) = log.watermarks(source);
            self.task.add(source, records.iter().cloned());
            self.task.observe(source, end, Some(end));
            *position = end;
        }
    }
}

fn restore_stores(task: &mut Task, log: &Log) {
    let partition = task.id().partition;
    for (store, topic) in task.changelogs().to_vec() {
        for record in log.read(&TopicPartition { topic, partition }, 0) {
            let restored = task.restore(&store, record);
            restored.unwrap_or_else(|error| panic!("store {store} cannot be restored: {error}"));
        }
    }
}

fn changelog_record(topology: &Topology, write: ChangelogWrite, id: TaskId) -> OutputRecord {
    OutputRecord {
        topic: changelog_topic(topology.app(), &write.store),
        partition: Some(id.partition),
        key: Some(write.key),
        value: write.value,
        timestamp: write.timestamp,
        headers: Headers::new(),
    }
}
