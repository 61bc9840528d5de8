//! One seed: instances that come, go, die and stand still while records are fed, and what must hold in the end.

use std::collections::BTreeMap;
use std::time::Duration;

use nowfold_core::names::TopicPartition;
use nowfold_operators::position::Position;
use nowfold_runtime::{Guarantee, RuntimeConfig};
use nowfold_testkit::sim::{Faults, Instance, SESSION_TIMEOUT, Simulation, config};

use crate::app::{self, APP, MOST_PARTITIONS};
use crate::blow::Blow;
use crate::features::{self, Seen};
use crate::inputs::Inputs;
use crate::outputs::{self, Rules};
use crate::verdict::{Outcome, Verdict};

/// Instances at one time.
const MOST: usize = 3;

/// How long the end may take, in simulated time: sessions and transactions run out, and all is processed again.
const PATIENCE: Duration = Duration::from_secs(120);

/// A bug on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    None,
    /// The application runs at-least-once where exactly-once was asked for: outputs come twice after some blows.
    #[cfg(test)]
    Careless,
}

/// Runs a seed.
pub(crate) fn run(seed: u64, bug: Bug) -> Outcome {
    let sim = Simulation::new(seed);
    let mut run = Run::new(&sim, seed, bug);
    run.rounds();
    run.settle();
    run.start_all_over();
    let (trace, (calls, switches)) = (sim.trace(), sim.counts());
    Outcome { trace, calls, switches, records: run.inputs.n_records, ..run.outcome }
}

struct Run<'a> {
    sim: &'a Simulation,
    bug: Bug,
    guarantee: Guarantee,
    partitions: i32,
    n_workers: usize,
    /// Whether members may be shut out of the group while they live. At-least-once, one that is and goes on may write
    /// rows that are older than what others have written since: counts are not checked then, all else is.
    may_fence: bool,
    /// Whether an instance that starts again has the name of one that ended, and so its transactional ids.
    keeps_names: bool,
    /// Whether instances have disks.
    has_disks: bool,
    inputs: Inputs,
    seen: Seen,
    /// What could be read when the instance of this name started.
    begun: BTreeMap<String, Position>,
    instances: Vec<Instance>,
    n_started: u64,
    outcome: Outcome,
}

impl<'a> Run<'a> {
    fn new(sim: &'a Simulation, seed: u64, bug: Bug) -> Self {
        let guarantee = if sim.below(2) == 0 { Guarantee::ExactlyOnce } else { Guarantee::AtLeastOnce };
        let partitions = i32::try_from(sim.below(u64::from(MOST_PARTITIONS.unsigned_abs()))).unwrap_or(0) + 1;
        app::create_topics(sim, partitions);
        let mut run = Self {
            sim,
            bug,
            guarantee,
            partitions,
            n_workers: usize::try_from(sim.below(2)).unwrap_or(0) + 1,
            may_fence: guarantee == Guarantee::ExactlyOnce || sim.below(2) == 0,
            keeps_names: sim.below(2) == 0,
            has_disks: sim.below(2) == 0,
            inputs: Inputs::new(sim.now()),
            seen: Seen::default(),
            begun: BTreeMap::new(),
            instances: Vec::new(),
            n_started: 0,
            outcome: Outcome {
                seed,
                story: vec![format!("{guarantee:?}, {partitions} partitions")],
                ..Outcome::default()
            },
        };
        for _ in 0..=sim.below(2) {
            run.start();
        }
        run
    }

    fn rounds(&mut self) {
        for _ in 0..4 + self.sim.below(8) {
            for _ in 0..self.sim.below(25) {
                self.inputs.feed(self.sim);
            }
            self.strike();
            for _ in 0..1 + self.sim.below(4) {
                self.sim.run_for(Duration::from_millis(self.sim.below(500)));
                self.inputs.feed(self.sim);
                self.ask();
            }
            self.bury();
        }
    }

    /// Does something bad, or nothing.
    fn strike(&mut self) {
        let blow = Blow::any(self.sim, self.may_fence);
        let n = u64::try_from(self.instances.len()).unwrap_or(0).max(1);
        let victim = usize::try_from(self.sim.below(n)).ok().and_then(|at| self.instances.get(at));
        let (random, name) = (Duration::from_millis(self.sim.below(1_500)), victim.map_or("-", Instance::name));
        let at_ms = self.sim.elapsed().as_millis();
        self.outcome.story.push(format!("{at_ms} ms: {blow:?} {name} {} ms", random.as_millis()));
        self.outcome.cycles += u64::from(blow != Blow::Nothing);
        match (blow, victim) {
            (Blow::DiesSoon, Some(victim)) => victim.crash_in(self.sim.below(400)),
            (Blow::Dies, Some(victim)) => victim.crash(),
            (Blow::Zombie, Some(victim)) => victim.stand_still(SESSION_TIMEOUT + random),
            (Blow::ZombieAtCommit, Some(victim)) => victim.stand_still_at_commit(SESSION_TIMEOUT + random),
            (Blow::StandsStill, Some(victim)) => victim.stand_still(random),
            (Blow::CutOff, Some(victim)) => victim.cut_off(random * 2),
            (Blow::BadNetwork, Some(victim)) => victim.set_faults(Faults::one_in(5 + self.sim.below(40))),
            (Blow::Closes, Some(victim)) => victim.ask_to_close(),
            (Blow::Expelled, _) => self.expel(),
            (Blow::AllExpelled, _) => _ = self.sim.log().faults().expel_all(APP),
            (Blow::BrokerAway, _) => self.instances.iter().for_each(|instance| instance.cut_off(random)),
            (Blow::Nothing, _) => {}
            _ if self.instances.len() < MOST => self.start(),
            _ => {}
        }
    }

    /// Takes a partition's owner out of the group.
    fn expel(&self) {
        let partition = i32::try_from(self.sim.below(u64::from(self.partitions.unsigned_abs()))).unwrap_or(0);
        let topics = ["bets", "clicks", "actions", "sim-by-game-repartition"];
        let topic = topics.get(usize::try_from(self.sim.below(4)).unwrap_or(0)).copied().unwrap_or("bets");
        self.sim.log().faults().expel_owner(APP, &TopicPartition::new(topic, partition));
    }

    fn start(&mut self) {
        self.n_started += 1;
        let names = ["a", "b", "c"];
        let free = names.into_iter().find(|name| self.instances.iter().all(|it| it.name() != *name));
        let name = match free {
            Some(name) if self.keeps_names => name.to_owned(),
            _ => format!("i{}", self.n_started),
        };
        let settings = RuntimeConfig {
            n_workers: self.n_workers,
            process_id: Some(name.clone()),
            default_partitions: self.partitions,
            ..config(self.guarantee_in_fact())
        };
        let topology = app::topology().unwrap_or_else(|error| panic!("{error}"));
        self.begun.insert(name.clone(), features::readable(self.sim));
        let start = if self.has_disks { Simulation::start_with_disk } else { Simulation::start };
        self.instances.push(start(self.sim, &name, topology, settings));
    }

    fn guarantee_in_fact(&self) -> Guarantee {
        match self.bug {
            Bug::None => self.guarantee,
            #[cfg(test)]
            Bug::Careless => Guarantee::AtLeastOnce,
        }
    }

    /// Forgets the dead, and most times has another in their place.
    fn bury(&mut self) {
        let n = self.instances.len();
        let verdict = &mut self.outcome.verdict;
        self.instances.iter().for_each(|instance| note_failure(instance, verdict));
        self.instances.retain(|instance| !instance.is_over());
        if self.instances.len() < n && self.sim.below(4) > 0 {
            self.start();
        }
    }

    /// What must hold of counts.
    fn rules(&self) -> Rules {
        match self.guarantee {
            Guarantee::ExactlyOnce => Rules::ExactlyOnce,
            Guarantee::AtLeastOnce if self.may_fence => Rules::Fenced,
            Guarantee::AtLeastOnce => Rules::AtLeastOnce,
        }
    }

    /// Asks every instance something.
    fn ask(&mut self) {
        for instance in &self.instances {
            let verdict = &mut self.outcome.verdict;
            let Some(begun) = self.begun.get(instance.name()) else { continue };
            let answered = features::ask(self.sim, &self.inputs, instance, begun, &mut self.seen, verdict);
            self.outcome.answers += u64::from(answered);
        }
    }

    /// Lets all go well, until the models agree or patience is over; what is wrong then is wrong. Then it must stay so.
    fn settle(&mut self) {
        self.instances.iter().for_each(Instance::heal);
        let end = self.sim.elapsed() + PATIENCE;
        while self.sim.elapsed() < end {
            self.bury();
            if self.instances.is_empty() {
                self.start();
            }
            self.sim.run_for(Duration::from_millis(200));
            let mut verdict = Verdict::default();
            check(self.sim, &self.inputs, self.rules(), &self.instances, &mut verdict);
            if verdict.is_clean() && !self.instances.iter().any(Instance::is_over) {
                break;
            }
        }
        self.sim.run_for(SESSION_TIMEOUT * 2);
        let (rules, verdict) = (self.rules(), &mut self.outcome.verdict);
        self.instances.iter().for_each(|instance| note_failure(instance, verdict));
        self.outcome.repeated = check(self.sim, &self.inputs, rules, &self.instances, verdict);
    }

    /// Everybody dies, and one instance starts from what is stored: all must be as it was.
    fn start_all_over(&mut self) {
        if !self.outcome.verdict.is_clean() {
            return;
        }
        let mut unused = Verdict::default();
        let before = outputs::stored(&self.instances, &mut unused);
        self.instances.drain(..).for_each(|instance| instance.crash());
        self.start();
        let (sim, inputs, rules, instances) = (self.sim, &self.inputs, self.rules(), &self.instances);
        sim.run_until(PATIENCE, || {
            let mut verdict = Verdict::default();
            check(sim, inputs, rules, instances, &mut verdict);
            verdict.is_clean() && (rules == Rules::Fenced || outputs::stored(instances, &mut verdict) == before)
        });
        let verdict = &mut self.outcome.verdict;
        check(sim, inputs, rules, instances, verdict);
        let after = outputs::stored(instances, verdict);
        if after != before && rules != Rules::Fenced {
            verdict.wrong_state += 1;
            verdict.say(format!("the stores held {before:?}, and {after:?} after the restart"));
        }
    }
}

/// All that must hold when nothing is left to do.
fn check(sim: &Simulation, inputs: &Inputs, rules: Rules, instances: &[Instance], verdict: &mut Verdict) -> u64 {
    let repeated = outputs::check(sim, inputs, rules, verdict);
    if rules != Rules::Fenced {
        outputs::check_state(sim, inputs, instances, verdict);
    }
    features::check(sim, inputs, instances, verdict);
    repeated
}

/// An instance that has started must go on, whatever happens to the broker. A start may fail.
fn note_failure(instance: &Instance, verdict: &mut Verdict) {
    if let Some(words) = instance.failure().filter(|_| instance.has_started() && !instance.was_killed()) {
        verdict.failed += 1;
        verdict.say(format!("instance {} ended: {words}", instance.name()));
    }
}
