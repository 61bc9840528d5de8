//! Who keeps copies of whose tasks, and what processes say of theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use nowfold_core::partition::murmur2;
use nowfold_core::task::TaskId;
use nowfold_core::topology::Topology;

use super::super::standby::{SETTLED, StandbyStatus, can_be_copied};
use super::super::topics::Topics;
use super::message::{Message, StandbyRecord};
use super::view::View;

/// After so many heartbeats a lag that has changed is said again.
const BEATS: u32 = 5;

/// The `n` processes that keep a copy of a task: those with the highest score of task and name (rendezvous hashing), never
/// its owner. A process that comes takes over only copies that it scores best for, one that goes leaves only its own.
pub(crate) fn choose<'a>(
    task: TaskId,
    owner: Option<&str>,
    processes: impl Iterator<Item = (&'a str, &'a str)>,
    n: usize,
) -> Vec<&'a str> {
    let others = processes.filter(|(id, _)| Some(*id) != owner);
    let mut ranked: Vec<_> = others.map(|(id, name)| (score(task, name), id)).collect();
    ranked.sort_unstable_by(|a, b| b.cmp(a));
    ranked.into_iter().take(n).map(|(_, id)| id).collect()
}

/// The hash of Kafka's partitioner, once more over its own result: close names have unlike scores.
fn score(task: TaskId, name: &str) -> u32 {
    let first = murmur2(format!("{name}/{task}").as_bytes());
    murmur2(&first.to_be_bytes())
}

/// Tasks of which copies are of use, all partitions.
pub(crate) fn tasks(topology: &Topology, topics: &Topics) -> Vec<TaskId> {
    let parts = topology.subtopologies().iter().filter(|part| can_be_copied(topology, part));
    let of = |part: &nowfold_core::topology::SubTopology| {
        let n = part.sources.iter().map(|source| topics.partitions(&source.topic)).max().unwrap_or(0);
        let subtopology = part.id;
        (0..n).map(move |partition| TaskId { subtopology, partition })
    };
    parts.flat_map(of).collect()
}

/// What a process says of its copies.
#[derive(Debug, Default)]
pub(crate) struct StandbyClaims {
    said: BTreeMap<TaskId, (StandbyRecord, Instant)>,
}

impl StandbyClaims {
    /// What is to be written now: copies that are new, have caught up or fallen behind, or are gone; and now and then how
    /// far they are. Copies of processes that have ended are taken off the topic by whoever notices.
    pub(crate) fn due(
        &mut self,
        me: &str,
        view: &View,
        copies: Vec<StandbyStatus>,
        heartbeat: Duration,
        now: Instant,
    ) -> Vec<Message> {
        let here: BTreeSet<_> = copies.iter().map(|copy| copy.task).collect();
        let gone: Vec<_> = self.said.keys().filter(|id| !here.contains(id)).copied().collect();
        let mut due: Vec<_> = gone.iter().map(|id| Message::Standby(*id, me.to_owned(), None)).collect();
        gone.iter().for_each(|id| _ = self.said.remove(id));
        for copy in copies {
            let record = StandbyRecord { lag: copy.lag, position: copy.position };
            let is_due = self.said.get(&copy.task).is_none_or(|(said, at)| {
                let changed = *said != record && now.saturating_duration_since(*at) >= heartbeat * BEATS;
                changed || is_settled(said) != is_settled(&record)
            });
            if is_due {
                self.said.insert(copy.task, (record.clone(), now));
                due.push(Message::Standby(copy.task, me.to_owned(), Some(record)));
            }
        }
        due.extend(view.orphans(me).map(|(task, process)| Message::Standby(task, process.to_owned(), None)));
        due
    }

    /// What is to be written when the process ends.
    pub(crate) fn end(&self, me: &str) -> Vec<Message> {
        self.said.keys().map(|task| Message::Standby(*task, me.to_owned(), None)).collect()
    }
}

/// Whether a copy has caught up.
fn is_settled(record: &StandbyRecord) -> bool {
    record.lag.is_some_and(|lag| lag <= SETTLED)
}

#[cfg(test)]
mod tests {
    use super::super::super::host;
    use super::super::view::tests::{TASK, process, view};
    use super::*;

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("process-{i}")).collect()
    }

    fn ids() -> impl Iterator<Item = TaskId> {
        (0..600).map(|i| TaskId { subtopology: i / 100, partition: i32::try_from(i % 100).unwrap() })
    }

    fn of<'a>(task: TaskId, owner: Option<&str>, names: &'a [String], n: usize) -> Vec<&'a str> {
        choose(task, owner, names.iter().map(|name| (name.as_str(), name.as_str())), n)
    }

    #[test]
    fn chooses_as_many_different_processes_as_there_are_and_never_the_owner() {
        let names = names(5);
        for task in ids() {
            for n in 0..7 {
                let chosen = of(task, Some("process-2"), &names, n);
                assert_eq!(chosen.len(), n.min(4));
                assert_eq!(chosen.iter().collect::<BTreeSet<_>>().len(), chosen.len());
                assert!(!chosen.contains(&"process-2"));
            }
        }
    }

    #[test]
    fn a_process_that_goes_moves_only_its_own_copies() {
        let names = names(6);
        let (mut moved, mut had) = (0, 0);
        for task in ids() {
            let before = of(task, Some("process-0"), &names, 2);
            let after = of(task, Some("process-0"), &names[..5], 2);
            had += usize::from(before.contains(&"process-5"));
            let kept = before.iter().filter(|it| after.contains(it)).count();
            moved += 2 - kept;
            assert!(before.contains(&"process-5") || before == after, "{before:?} {after:?}");
        }
        assert_eq!(moved, had);
    }

    #[test]
    fn copies_are_spread_evenly() {
        let names = names(6);
        let mut load = BTreeMap::<&str, usize>::new();
        for task in ids() {
            of(task, None, &names, 1).into_iter().for_each(|name| *load.entry(name).or_default() += 1);
        }
        assert!(load.values().all(|n| (70..130).contains(n)), "about 100 each: {load:?}");
    }

    #[test]
    fn a_chosen_one_that_becomes_the_owner_leaves_the_rest_as_it_was() {
        let names = names(5);
        for task in ids() {
            let all = of(task, None, &names, 5);
            let (first, rest) = all.split_first().unwrap();
            assert_eq!(of(task, Some(first), &names, 2), rest[..2]);
        }
    }

    fn copy(lag: u64) -> StandbyStatus {
        StandbyStatus { task: TASK, lag: Some(lag), position: BTreeMap::new() }
    }

    #[test]
    fn says_of_a_copy_that_it_is_new_has_caught_up_and_is_gone_at_once_and_else_rarely() {
        let (now, beat) = (host::now(), Duration::from_secs(2));
        let (nothing, mut claims) = (view(&[], now), StandbyClaims::default());
        let mut n_said =
            |copies, seconds| claims.due("me", &nothing, copies, beat, now + Duration::from_secs(seconds)).len();
        assert_eq!(n_said(vec![copy(SETTLED + 9)], 0), 1);
        assert_eq!(n_said(vec![copy(SETTLED + 5)], 1), 0);
        assert_eq!(n_said(vec![copy(SETTLED)], 1), 1);
        assert_eq!(n_said(vec![copy(7)], 2), 0);
        assert_eq!(n_said(vec![copy(7)], 11), 1);
        assert_eq!(n_said(vec![copy(7)], 30), 0, "nothing has changed");
        assert_eq!(n_said(Vec::new(), 31), 1);
        assert_eq!(n_said(Vec::new(), 32), 0);
    }

    #[test]
    fn copies_of_processes_that_have_ended_are_taken_off_the_topic() {
        let now = host::now();
        let standby = |name: &str| {
            let record = StandbyRecord { lag: None, position: BTreeMap::new() };
            Message::Standby(TASK, name.to_owned(), Some(record))
        };
        let both = view(&[(1, process("a", "a:1")), (1, standby("a")), (1, standby("gone"))], now);
        let due = StandbyClaims::default().due("me", &both, Vec::new(), Duration::from_secs(2), now);
        assert_eq!(due, [Message::Standby(TASK, "gone".to_owned(), None)]);
    }
}
