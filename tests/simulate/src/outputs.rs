//! What readers find in the end, held against a sequential model of the application.

use std::collections::BTreeMap;

use bytes::Bytes;
use nowfold_core::record::LogRecord;
use nowfold_core::state::{KeyValueReader, MemoryMap, unstamp};
use nowfold_testkit::sim::{Instance, Simulation};

use crate::app::CHANGELOG;
use crate::inputs::Inputs;
use crate::verdict::Verdict;

/// The last count of each game, as a store or a topic has it.
pub(crate) type Counts = BTreeMap<String, i64>;

/// What must hold of outputs and counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    /// Every output once, every count right.
    ExactlyOnce,
    /// Every output at least once, no count too low.
    AtLeastOnce,
    /// At-least-once with members that were shut out and went on: every output of a single record at least once.
    Fenced,
}

/// Holds `echo` and `totals` against the bets; says how many outputs came more than once.
pub(crate) fn check(sim: &Simulation, inputs: &Inputs, rules: Rules, verdict: &mut Verdict) -> u64 {
    let repeated = check_echo(sim, inputs, rules, verdict);
    if rules == Rules::Fenced { repeated } else { repeated + check_totals(sim, inputs, rules, verdict) }
}

fn check_echo(sim: &Simulation, inputs: &Inputs, rules: Rules, verdict: &mut Verdict) -> u64 {
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    for record in sim.all_records("echo") {
        let (bet, game) = (text(record.key.as_ref()), text(record.value.as_ref()));
        if inputs.bets.get(&bet) != Some(&game) {
            verdict.duplicated += 1;
            verdict.say(format!("echo holds {bet} of {game}, which nobody placed"));
        }
        *found.entry(bet).or_default() += 1;
    }
    let mut repeated = 0;
    for bet in inputs.bets.keys() {
        let n = found.get(bet).copied().unwrap_or(0);
        if n == 0 {
            verdict.lost += 1;
            verdict.say(format!("{bet} has no echo"));
        }
        repeated += n.saturating_sub(1);
        if n > 1 && rules == Rules::ExactlyOnce {
            verdict.duplicated += n - 1;
            verdict.say(format!("{bet} has {n} echoes"));
        }
    }
    repeated
}

fn check_totals(sim: &Simulation, inputs: &Inputs, rules: Rules, verdict: &mut Verdict) -> u64 {
    let mut totals: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for record in sim.all_records("totals") {
        totals.entry(text(record.key.as_ref())).or_default().push(number(record.value.as_ref()));
    }
    let (expected, mut repeated) = (expected_counts(inputs), 0);
    for (game, &n) in &expected {
        let found = totals.get(game).map_or(&[][..], Vec::as_slice);
        repeated += u64::try_from(found.len()).unwrap_or(0).saturating_sub(u64::try_from(n).unwrap_or(0));
        let last = found.last().copied().unwrap_or(0);
        if last < n {
            verdict.lost += u64::try_from(n - last).unwrap_or(0);
            verdict.say(format!("{game} has {n} bets and ends at {last}"));
        }
        if rules == Rules::ExactlyOnce && last >= n && !found.iter().copied().eq(1..=n) {
            verdict.duplicated += u64::try_from(last - n).unwrap_or(0).max(1);
            verdict.say(format!("the totals of {game} are {found:?}, not 1 to {n}"));
        }
    }
    for game in totals.keys().filter(|game| !expected.contains_key(*game)) {
        verdict.duplicated += 1;
        verdict.say(format!("there is a total of {game:?}, of which there is no bet"));
    }
    repeated
}

fn expected_counts(inputs: &Inputs) -> Counts {
    let mut counts = Counts::new();
    inputs.bets.values().for_each(|game| *counts.entry(game.clone()).or_default() += 1);
    counts
}

/// The counts in the stores of these instances; a game that two of them hold is a finding.
pub(crate) fn stored(instances: &[Instance], verdict: &mut Verdict) -> Counts {
    let mut counts = Counts::new();
    for hub in instances.iter().filter(|instance| !instance.is_over()).filter_map(Instance::hub) {
        let partitions = hub.with_store("counts", |_, entry| entry.partitions.clone()).unwrap_or_default();
        for (partition, handle) in partitions {
            let Ok(map) = handle.reader.clone().downcast::<MemoryMap>() else {
                verdict.say(format!("partition {partition} of the counts is no map"));
                continue;
            };
            for (key, value) in map.prefix(b"", usize::MAX).unwrap_or_default() {
                let (game, n) = (text(Some(&key)), unstamp(&value).map_or(-1, |(_, value)| number(Some(&value))));
                if counts.insert(game.clone(), n).is_some() {
                    verdict.wrong_state += 1;
                    verdict.say(format!("two stores hold {game}"));
                }
            }
        }
    }
    counts
}

/// Holds the stores against their changelog and the totals, whose last values they must be.
pub(crate) fn check_state(sim: &Simulation, inputs: &Inputs, instances: &[Instance], verdict: &mut Verdict) -> Counts {
    let counts = stored(instances, verdict);
    for topic in [CHANGELOG, "totals"] {
        let mut last = Counts::new();
        for record in sim.all_records(topic) {
            last.insert(text(record.key.as_ref()), number(record.value.as_ref()));
        }
        if last != counts && !inputs.bets.is_empty() {
            verdict.wrong_state += 1;
            verdict.say(format!("the stores hold {counts:?}, but {topic} ends with {last:?}"));
        }
    }
    counts
}

/// The text of a key or a value.
pub(crate) fn text(bytes: Option<&Bytes>) -> String {
    bytes.map_or_else(String::new, |bytes| String::from_utf8_lossy(bytes).into_owned())
}

fn number(bytes: Option<&Bytes>) -> i64 {
    bytes.and_then(|bytes| bytes.first_chunk().map(|bytes| i64::from_be_bytes(*bytes))).unwrap_or(-1)
}

/// Whether a record's offset is at most this.
pub(crate) fn is_up_to(offset: i64) -> impl Fn(&LogRecord) -> bool {
    move |record| record.offset <= offset
}
