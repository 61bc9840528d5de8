//! May this topology run beside the processes that run, and on the state that is there?

use std::collections::BTreeMap;
use std::time::Instant;

use nowfold_core::topology::{SubTopology, Topology, changelog_topic};

use super::super::error::RuntimeError;
use super::super::topics::Topics;
use super::message::TopologyRecord;
use super::view::View;

/// What a topology says of itself on the control topic.
pub(crate) fn record_of(topology: &Topology, topics: &Topics) -> TopologyRecord {
    let identity = topology.identity();
    let with_state = topology.subtopologies().iter().filter(|part| !part.stores.is_empty());
    let followed = with_state.flat_map(|part| &part.sources).map(|source| &source.topic);
    let partitions = followed.map(|topic| (topic.to_string(), topics.partitions(topic))).collect();
    TopologyRecord { fingerprint: identity.fingerprint(), lines: identity.lines().to_vec(), partitions }
}

/// Refuses a topology beside living processes of another one, and one that would leave state behind.
///
/// # Errors
/// [`RuntimeError::TopologyConflict`], [`RuntimeError::TopologyChanged`] unless the change is `accepted`.
pub(crate) fn check(
    app: &str,
    ours: &TopologyRecord,
    view: &View,
    accepted: bool,
    now: Instant,
) -> Result<(), RuntimeError> {
    let different = view.alive(now).filter(|(_, seen)| seen.record.fingerprint != ours.fingerprint);
    conflict(app, ours, view, different.map(|(id, _)| id))?;
    match view.topology().map(|before| losses(before, ours)) {
        Some(losses) if !losses.is_empty() && !accepted => {
            Err(RuntimeError::TopologyChanged { app: app.to_owned(), losses: losses.join("; ") })
        }
        _ => Ok(()),
    }
}

/// The same while it runs: of two processes that started at once, the one that came later gives way.
///
/// # Errors
/// [`RuntimeError::TopologyConflict`].
pub(crate) fn check_again(
    app: &str,
    ours: &TopologyRecord,
    me: &str,
    view: &View,
    now: Instant,
) -> Result<(), RuntimeError> {
    let Some(since) = view.process(me).map(|seen| seen.since) else { return Ok(()) };
    let earlier = view.alive(now).filter(|(_, seen)| seen.since < since && seen.record.fingerprint != ours.fingerprint);
    conflict(app, ours, view, earlier.map(|(id, _)| id))
}

fn conflict<'a>(
    app: &str,
    ours: &TopologyRecord,
    view: &View,
    others: impl Iterator<Item = &'a String>,
) -> Result<(), RuntimeError> {
    let place =
        |id: &String| view.process(id).and_then(|seen| seen.record.endpoint.clone()).unwrap_or_else(|| id.clone());
    let others: Vec<_> = others.map(place).collect();
    if others.is_empty() {
        return Ok(());
    }
    let differences = view.topology().map(|theirs| differences(&theirs.lines, &ours.lines)).unwrap_or_default();
    let differences =
        if differences.is_empty() { "the fingerprints differ".to_owned() } else { differences.join("; ") };
    Err(RuntimeError::TopologyConflict { app: app.to_owned(), others: others.join(", "), differences })
}

fn differences(theirs: &[String], ours: &[String]) -> Vec<String> {
    let missing = theirs.iter().filter(|line| !ours.contains(line)).map(|line| format!("they have \"{line}\""));
    let new = ours.iter().filter(|line| !theirs.contains(line)).map(|line| format!("this one has \"{line}\""));
    missing.chain(new).take(6).collect()
}

/// State that the new topology would not find again: stores that are gone or come back from elsewhere, and keys that
/// would lie in other partitions.
fn losses(before: &TopologyRecord, ours: &TopologyRecord) -> Vec<String> {
    let (stores, now) = (stores(&before.lines), stores(&ours.lines));
    let gone = stores.iter().filter_map(|(name, from)| match now.get(name) {
        None => Some(format!("store \"{name}\" is gone, its content stays behind")),
        Some(new) if new != from => {
            Some(format!("store \"{name}\" came back from its {from} and would come from {new}"))
        }
        Some(_) => None,
    });
    let moved = before.partitions.iter().filter_map(|(topic, n)| {
        let new = ours.partitions.get(topic).filter(|new| *new != n)?;
        Some(format!("topic \"{topic}\" had {n} partitions and has {new}, so keys have moved away from their state"))
    });
    gone.chain(moved).collect()
}

/// The stores that come back after a restart, each with where from.
fn stores(lines: &[String]) -> BTreeMap<&str, &str> {
    let stores = lines.iter().filter_map(|line| line.split_once(" store ")?.1.split_once(' '));
    stores.filter(|(_, from)| *from != "unlogged").collect()
}

/// Refuses topics whose partitions do not fit those of the stores' changelogs: partitions were added, and the state of
/// the new ones has no place.
///
/// # Errors
/// [`RuntimeError::PartitionsChanged`].
pub(crate) fn check_changelogs(topology: &Topology, topics: &Topics) -> Result<(), RuntimeError> {
    topology.subtopologies().iter().try_for_each(|part| check_part(topology, part, topics))
}

fn check_part(topology: &Topology, part: &SubTopology, topics: &Topics) -> Result<(), RuntimeError> {
    let sources = part.sources.iter().map(|source| (topics.partitions(&source.topic), &source.topic));
    let Some((n, source)) = sources.max_by_key(|(n, _)| *n) else { return Ok(()) };
    for changelog in part.stores.iter().map(|store| changelog_topic(topology.app(), store)) {
        // 0 for a store that has none.
        let of_log = topics.partitions(&changelog);
        if of_log != 0 && of_log < n {
            let (app, topic) = (topology.app().to_owned(), source.clone());
            return Err(RuntimeError::PartitionsChanged { app, topic, n, changelog, of_log });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::super::host;
    use super::super::message::{Message, ProcessRecord};
    use super::super::view::tests::view;
    use super::*;

    fn topology(lines: &[&str], n: i32) -> TopologyRecord {
        let lines: Vec<_> = lines.iter().map(|line| (*line).to_owned()).collect();
        let partitions = BTreeMap::from([("in".to_owned(), n)]);
        TopologyRecord { fingerprint: lines.concat(), lines, partitions }
    }

    fn running(id: &str, topology: &TopologyRecord) -> Message {
        let fingerprint = topology.fingerprint.clone();
        let endpoint = Some(format!("{id}:7070"));
        Message::Process(id.to_owned(), Some(ProcessRecord { endpoint, fingerprint, ..ProcessRecord::default() }))
    }

    const COUNTS: [&str; 2] = ["0 source in string/string", "0 store counts changelog"];
    const TOTALS: [&str; 2] = ["0 source in string/string", "0 store totals changelog"];

    #[test]
    fn refuses_to_run_beside_living_processes_of_another_topology() {
        let (old, new, now) = (topology(&COUNTS, 4), topology(&TOTALS, 4), host::now());
        let running = view(&[(1, running("a", &old)), (1, Message::Topology(old.clone()))], now);
        let refused = check("app", &new, &running, true, now).unwrap_err().to_string();
        assert!(refused.starts_with("NF125") && refused.contains("a:7070") && refused.contains("counts"), "{refused}");
        assert!(check("app", &old, &running, false, now).is_ok());
        let later = now + std::time::Duration::from_secs(11);
        assert!(check("app", &new, &running, true, later).is_ok(), "the other one is dead by then");
    }

    #[test]
    fn refuses_to_leave_state_behind_unless_that_is_accepted() {
        let now = host::now();
        let of = |topology: &TopologyRecord| view(&[(1, Message::Topology(topology.clone()))], now);
        let before = of(&topology(&COUNTS, 4));
        let refused = check("app", &topology(&TOTALS, 4), &before, false, now).unwrap_err().to_string();
        assert!(refused.starts_with("NF126") && refused.contains("store \"counts\" is gone"), "{refused}");
        assert!(check("app", &topology(&TOTALS, 4), &before, true, now).is_ok());
        let more = ["0 source in string/string", "0 store counts changelog", "0 store totals changelog"];
        assert!(check("app", &topology(&more, 4), &before, false, now).is_ok(), "what is added loses nothing");
        let refused = check("app", &topology(&COUNTS, 6), &before, false, now).unwrap_err().to_string();
        assert!(refused.contains("had 4 partitions and has 6"), "{refused}");
        let unlogged = of(&topology(&["0 store counts unlogged"], 4));
        assert!(check("app", &topology(&TOTALS, 4), &unlogged, false, now).is_ok(), "it never came back anyway");
    }

    #[test]
    fn of_two_that_start_at_once_the_later_one_gives_way() {
        let (one, other, now) = (topology(&COUNTS, 4), topology(&TOTALS, 4), host::now());
        let both = view(&[(1, running("a", &one)), (1, running("b", &other))], now);
        assert!(check_again("app", &one, "a", &both, now).is_ok());
        assert!(check_again("app", &other, "b", &both, now).is_err());
    }
}
