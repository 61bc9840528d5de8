//! What holds for every aggregate in every kind of window, without an oracle: sums by rows equal those by partial sums,
//! nothing depends on what else is asked or on the order of arrival, and a timeline is as_of many times.

use nowfold_core::time::Timestamp;
use nowfold_operators::answer::Answer;
use nowfold_operators::feature::{Feature, Window, attr};
use nowfold_operators::position::Position;

use crate::catalog::every_aggregate;
use crate::laws::same;
use crate::logs::Log;
use crate::support::{Random, Store, n_cases};

const WINDOWS: [&str; 11] = [
    "7m",
    "40m",
    "90m",
    "40m-end-excluded",
    "40m-offset-7m",
    "7m-offset-40m-end-excluded",
    "last-5",
    "last-8-within-40m",
    "tumbling-40m",
    "tumbling-40m-from-7m-previous",
    "session-2m",
];

fn each(n: u64, suite: u64, property: fn(&Log, &mut Random) -> Result<(), String>) {
    for number in 0..n {
        let random = &mut Random(suite << 40 | number);
        property(&Log::orderless(random), random).unwrap_or_else(|error| panic!("case {number}: {error}"));
    }
}

/// Some aggregates in some windows.
fn some(random: &mut Random, n: usize) -> Vec<Feature> {
    let mut all = every_aggregate();
    random.shuffle(&mut all);
    all.truncate(n);
    all.into_iter().map(|feature| feature.windows(windows(random))).collect()
}

fn windows(random: &mut Random) -> Vec<Window> {
    let mut labels = WINDOWS;
    random.shuffle(&mut labels);
    labels.iter().take(1 + random.index(3)).map(|label| label.parse().unwrap()).collect()
}

fn filled(log: &Log) -> Store {
    let mut store = log.store();
    for (action, append) in &log.records {
        store.apply_at(action, *append);
    }
    store
}

fn ask(store: &Store, actor: &str, as_of: i64, features: &[Feature]) -> Answer {
    let query = store.features.query(actor).as_of(Timestamp::from_millis(as_of));
    let mut answer = features.iter().cloned().fold(query, |query, feature| query.adhoc(feature)).get().unwrap();
    answer.envelope.position = Position::new();
    answer
}

fn instants(log: &Log) -> impl Iterator<Item = (&'static str, i64)> {
    log.questions.iter().map(|question| (question.actor, question.as_of))
}

#[test]
fn values_by_rows_equal_those_by_partial_sums() {
    each(n_cases(6_000), 21, |log, random| {
        let store = filled(log);
        let all = ["7m", "40m", "90m"].map(|label| label.parse::<Window>().unwrap());
        let mut plain = every_aggregate();
        random.shuffle(&mut plain);
        plain.truncate(12);
        // What every event passes makes the evaluator look at them one by one.
        let filtered = |feature: Feature| feature.filter(attr("object").ne("")).windows(all);
        let by_rows: Vec<_> = plain.iter().cloned().map(filtered).collect();
        let by_sums: Vec<_> = plain.into_iter().map(|feature| feature.windows(all)).collect();
        for (actor, as_of) in instants(log) {
            same("answer", &ask(&store, actor, as_of, &by_rows), &ask(&store, actor, as_of, &by_sums))?;
        }
        Ok(())
    });
}

#[test]
fn a_value_does_not_depend_on_what_else_is_asked() {
    each(n_cases(3_000), 22, |log, random| {
        let store = filled(log);
        let together = some(random, 8);
        for (actor, as_of) in instants(log) {
            let answer = ask(&store, actor, as_of, &together);
            for (feature, result) in together.iter().zip(&answer.features) {
                let alone = ask(&store, actor, as_of, std::slice::from_ref(feature));
                same("alone", &alone.features[0], result)?;
            }
        }
        Ok(())
    });
}

#[test]
fn order_of_arrival_and_pruning_change_no_byte_of_any_value() {
    each(n_cases(6_000), 23, |log, random| {
        let mut shuffled = log.clone();
        random.shuffle(&mut shuffled.records);
        let (straight, other) = (filled(log), filled(&shuffled));
        other.chains.maintain(usize::MAX);
        let asked = some(random, 12);
        for (actor, as_of) in instants(log) {
            let json = |store| serde_json::to_string(&ask(store, actor, as_of, &asked)).unwrap();
            same("bytes", &json(&other), &json(&straight))?;
        }
        Ok(())
    });
}

#[test]
fn a_timeline_gives_what_as_of_gives_at_each_instant() {
    each(n_cases(1_000), 24, |log, random| {
        let store = filled(log);
        let asked = some(random, 6);
        let instants: Vec<_> = instants(log).map(|(_, as_of)| as_of).chain([0]).collect();
        for actor in ["a", "nobody"] {
            let query = asked.iter().cloned().fold(store.features.query(actor), |query, feature| query.adhoc(feature));
            let timeline = query.timeline(instants.iter().copied().map(Timestamp::from_millis)).unwrap();
            assert_eq!(timeline.len(), instants.len());
            for (mut answer, as_of) in timeline.into_iter().zip(&instants) {
                answer.envelope.position = Position::new();
                same("instant", &answer, &ask(&store, actor, *as_of, &asked))?;
            }
        }
        Ok(())
    });
}
