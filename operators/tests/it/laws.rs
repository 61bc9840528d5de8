//! Laws 2 and 3 of `docs/semantics.md`, section 8, on random logs. Law 1 is in `against_oracle`.

use nowfold_core::time::{Timestamp, minutes};
use nowfold_operators::answer::Answer;
use nowfold_operators::position::Position;
use nowfold_schemas::action::Action;

use crate::differential::operations::BASE;
use crate::differential::question::Question;
use crate::differential::translate;
use crate::logs::Log;
use crate::support::{Random, Store, n_cases};

#[test]
fn law_2_order_repeats_restarts_and_pruning_change_no_byte() {
    run(n_cases(30_000), 2, |random| orderless(&Log::orderless(random), random));
}

#[test]
fn law_3_a_replay_to_the_position_of_an_answer_gives_its_bytes_again() {
    run(n_cases(10_000), 9, |random| replayed(&Log::any(random), random));
}

/// Runs a property on random numbers, and says which ones it failed on.
fn run(n: u64, suite: u64, property: impl Fn(&mut Random) -> Result<(), String>) {
    for number in 0..n {
        property(&mut Random(suite << 40 | number)).unwrap_or_else(|error| panic!("case {number}: {error}"));
    }
}

/// The state and the answers are those of the plain log whatever is done to it that may not matter.
fn orderless(log: &Log, random: &mut Random) -> Result<(), String> {
    let replay = |records: &[(Action, i64)], prune: bool| {
        let mut store = log.store();
        for (action, append) in records {
            store.apply_at(action, *append);
            if prune {
                store.chains.maintain(usize::MAX);
            }
        }
        store
    };
    let straight = replay(&log.records, false);
    let mut shuffled = log.records.clone();
    random.shuffle(&mut shuffled);
    let resent: Vec<_> = log.records[..log.records.len() / 2].iter().chain(&log.records).cloned().collect();
    let pruned = ("pruned", replay(&log.records, true));
    for (name, other) in [pruned, ("shuffled", replay(&shuffled, false)), ("resent", replay(&resent, false))] {
        other.chains.verify()?;
        same(name, &other.chains.digest(), &straight.chains.digest())?;
        for question in &log.questions {
            same(name, &bytes(&other, question)?, &bytes(&straight, question)?)?;
        }
    }
    Ok(())
}

fn replayed(log: &Log, random: &mut Random) -> Result<(), String> {
    let (mut live, mut given) = (log.store(), Vec::new());
    for (action, append) in &log.records {
        live.apply_at(action, *append);
        if random.one_in(4) {
            let question = random.pick(&log.questions);
            given.push((question, translate::ask(&live.features, question)?));
        }
    }
    for (question, served) in given {
        let last = served.envelope.position.iter().map(|(_, offset)| offset).next().unwrap_or(-1);
        let mut replay = log.store();
        for (action, append) in &log.records[..usize::try_from(last + 1).unwrap()] {
            replay.apply_at(action, *append);
        }
        let json = |answer: &Answer| serde_json::to_string(answer).unwrap();
        same("the replay's answer", &json(&translate::ask(&replay.features, question)?), &json(&served))?;
    }
    Ok(())
}

/// The answer's JSON, but for the position: a log with repeats is longer.
fn bytes(store: &Store, question: &Question) -> Result<String, String> {
    let mut answer: Answer = translate::ask(&store.features, question)?;
    answer.envelope.position = Position::new();
    Ok(serde_json::to_string(&answer).unwrap())
}

pub(crate) fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, want: &T) -> Result<(), String> {
    if got == want { Ok(()) } else { Err(format!("{what}: got {got:#?}\nwant {want:#?}")) }
}

#[test]
fn ties_in_time_and_sequence_go_by_the_bytes_of_the_id() {
    let t = Timestamp::from_millis(BASE);
    let mut store = Log::orderless(&mut Random(1)).store();
    for id in ["b", "B", "é", "a", "aa"] {
        assert!(store.apply_at(&Action::new("m", "apply", "o").at(t).id(id).sequence(1), BASE).is_admitted());
    }
    let listed = store.features.actions("m").within(minutes(1)).as_of(t).get().unwrap();
    let ids: Vec<_> = listed.actions.iter().map(|row| row.event_id.to_string()).collect();
    assert_eq!(ids, ["é", "b", "aa", "a", "B"]);
}
