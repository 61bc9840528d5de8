//! Laws 1, 2 and 3 of `docs/semantics.md`, section 8, on random logs against the oracle.

use nowfold_core::time::Timestamp;
use nowfold_operators::answer::Answer;
use nowfold_operators::chain::Admission;
use nowfold_operators::feature::FeatureValue;
use nowfold_operators::features::FeatureQuery;

use crate::cases::{self, Case, RETENTION, SKEW, TOPIC_RETENTION, WINDOWS};
use crate::expect::expected;
use crate::oracle::Oracle;
use crate::support::{Random, Store, n_cases};

/// 100,000 cases in all; several suites share them.
const CASES: u64 = 100_000;

#[test]
fn law_1_answers_equal_a_naive_filter_over_all_admitted_events() {
    run(n_cases(CASES * 5 / 10), 1, cases::any, exact);
}

#[test]
fn law_2_order_repeats_restarts_and_pruning_change_no_byte() {
    run(n_cases(CASES * 3 / 10), 2, cases::orderless, orderless);
}

#[test]
fn law_3_a_replay_to_the_position_of_an_answer_gives_its_bytes_again() {
    run(n_cases(CASES / 10), 9, cases::any, replayed);
}

#[test]
fn a_window_does_not_depend_on_the_other_windows_asked() {
    run(n_cases(CASES / 10), 3, cases::any, windows_alone);
}

/// Runs a property on random cases; a failing one is made smaller before it is shown.
fn run(n: u64, suite: u64, make: fn(&mut Random) -> Case, property: fn(&Case, u64) -> Result<(), String>) {
    for number in 0..n {
        let seed = suite << 40 | number;
        let case = make(&mut Random(seed));
        if property(&case, seed).is_err() {
            let small = shrink(case, |case| property(case, seed).is_err());
            panic!("case {number}: {}\n{small:?}", property(&small, seed).unwrap_err());
        }
    }
}

/// Leaves out records and questions one by one as long as the case still fails.
fn shrink(mut case: Case, fails: impl Fn(&Case) -> bool) -> Case {
    let mut at = 0;
    while at < case.records.len() {
        let mut smaller = case.clone();
        smaller.records.remove(at);
        if fails(&smaller) { case = smaller } else { at += 1 }
    }
    for question in case.questions.clone() {
        let smaller = Case { questions: vec![question], ..case.clone() };
        if fails(&smaller) {
            return smaller;
        }
    }
    case
}

fn exact(case: &Case, seed: u64) -> Result<(), String> {
    let mut store = Store::new(&cases::config(case.dim), cases::features());
    let mut oracle = Oracle::new(RETENTION, SKEW, TOPIC_RETENTION, case.dim);
    for (number, (action, append)) in case.records.iter().enumerate() {
        let admission = store.apply_at(action, *append);
        same("outcome", &outcome(admission), &oracle.apply(action, *append))?;
        if number == case.records.len() / 2 && seed.is_multiple_of(4) {
            ask(&store, &oracle, case)?;
        }
        if number < 30 && seed.is_multiple_of(16) {
            // Reading makes partials, which the next records must not leave wrong.
            answer(&store, "a", case.questions[0].1);
            store.chains.verify()?;
        }
    }
    ask(&store, &oracle, case)?;
    store.chains.verify()
}

fn outcome(admission: Admission) -> (&'static str, u32) {
    let faults = match admission {
        Admission::Admitted { faults } => faults.bad_vector + faults.bad_number,
        _ => 0,
    };
    (admission.reason(), faults)
}

fn ask(store: &Store, oracle: &Oracle, case: &Case) -> Result<(), String> {
    for (actor, q) in &case.questions {
        let answer = answer(store, actor, *q);
        let visible = oracle.window(actor, None, i64::MIN, *q);
        same("found", &answer.envelope.found, &!visible.is_empty())?;
        let complete = WINDOWS.iter().all(|window| q - window >= oracle.floor());
        same("complete", &answer.envelope.complete, &complete)?;
        same(&format!("answer as of {q}"), &shown(&answer), &expected(oracle, actor, *q)?)?;
    }
    Ok(())
}

fn orderless(case: &Case, seed: u64) -> Result<(), String> {
    let replay = |records: &[(_, _)], prune: bool| {
        let mut store = Store::new(&cases::config(case.dim), cases::features());
        for (action, append) in records {
            store.apply_at(action, *append);
            if prune {
                store.chains.maintain(usize::MAX);
            }
        }
        store
    };
    let straight = replay(&case.records, false);
    let pruned = replay(&case.records, true);
    let mut shuffled = case.records.clone();
    Random(seed).shuffle(&mut shuffled);
    let shuffled = replay(&shuffled, false);
    let half = case.records.len() / 2;
    let resent: Vec<_> = case.records[..half].iter().chain(&case.records).cloned().collect();
    let resent = replay(&resent, false);
    for (name, other) in [("pruned", &pruned), ("shuffled", &shuffled), ("resent", &resent)] {
        other.chains.verify()?;
        same(name, &other.chains.digest(), &straight.chains.digest())?;
        for (actor, q) in &case.questions {
            same(name, &bytes(&answer(other, actor, *q)), &bytes(&answer(&straight, actor, *q)))?;
        }
    }
    Ok(())
}

fn replayed(case: &Case, seed: u64) -> Result<(), String> {
    let store = || Store::new(&cases::config(case.dim), cases::features());
    let (mut live, mut random) = (store(), Random(seed));
    let mut given = Vec::new();
    for (action, append) in &case.records {
        live.apply_at(action, *append);
        if random.one_in(4) {
            let (actor, q) = *random.pick(&case.questions);
            given.push((actor, q, answer(&live, actor, q)));
        }
    }
    for (actor, q, served) in given {
        let last = served.envelope.position.iter().map(|(_, offset)| offset).next().unwrap_or(-1);
        let mut replay = store();
        for (action, append) in &case.records[..usize::try_from(last + 1).unwrap()] {
            replay.apply_at(action, *append);
        }
        let json = |answer: &Answer| serde_json::to_string(answer).unwrap();
        same("the replay's answer", &json(&answer(&replay, actor, q)), &json(&served))?;
    }
    Ok(())
}

fn windows_alone(case: &Case, _: u64) -> Result<(), String> {
    let mut store = Store::new(&cases::config(case.dim), cases::features());
    for (action, append) in &case.records {
        store.apply_at(action, *append);
    }
    for (actor, q) in &case.questions {
        let together = answer(&store, actor, *q);
        for window in WINDOWS {
            let query = store.features.query(actor).as_of(Timestamp::from_millis(*q));
            let alone = cases::features_over(&[window]).into_iter().fold(query, FeatureQuery::adhoc).get().unwrap();
            for feature in &alone.features {
                let other = together.window(&feature.name, &feature.windows[0].label).unwrap();
                same(&feature.name, &feature.windows[0], other)?;
            }
        }
    }
    Ok(())
}

fn answer(store: &Store, actor: &str, q: i64) -> Answer {
    store.features.query(actor).as_of(Timestamp::from_millis(q)).get().unwrap()
}

/// The answer's JSON, but for the position: a log with repeats is longer.
fn bytes(answer: &Answer) -> String {
    let mut answer = answer.clone();
    answer.envelope.position = nowfold_operators::position::Position::new();
    serde_json::to_string(&answer).unwrap()
}

pub(crate) fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, want: &T) -> Result<(), String> {
    if got == want { Ok(()) } else { Err(format!("{what}: got {got:#?}\nwant {want:#?}")) }
}

/// One line per feature and window, floats by their bits.
pub(crate) fn shown(answer: &Answer) -> Vec<String> {
    let mut lines = Vec::new();
    for feature in &answer.features {
        for window in &feature.windows {
            let times = (window.oldest.map(Timestamp::as_millis), window.newest.map(Timestamp::as_millis));
            let (name, value) = (&feature.name, show(&window.value));
            lines.push(format!(
                "{name} {} = {value} used {} missing {} {times:?}",
                window.label, window.used, window.missing
            ));
        }
    }
    lines
}

fn show(value: &FeatureValue) -> String {
    match value {
        FeatureValue::None => "none".to_owned(),
        FeatureValue::Bool(x) => format!("{x}"),
        FeatureValue::Count(n) => format!("count {n}"),
        FeatureValue::Int(x) => format!("int {x}"),
        FeatureValue::Float(x) => format!("float {x} {:x}", x.to_bits()),
        FeatureValue::Text(text) => format!("text {text}"),
        FeatureValue::Vector(v) => format!("vector {:x?}", v.iter().map(|x| x.to_bits()).collect::<Vec<_>>()),
        FeatureValue::List(items) => format!("{:?}", items.iter().map(show).collect::<Vec<_>>()),
        FeatureValue::Map(map) => {
            format!(
                "{:?}",
                map.iter().map(|(key, n)| (format!("{key:?}"), n)).collect::<std::collections::BTreeMap<_, _>>()
            )
        }
        FeatureValue::Actions(rows) => {
            let row = |row: &nowfold_operators::feature::ActionRow| {
                (row.timestamp.as_millis(), row.event_id.to_string(), row.object.to_string(), show(&row.selected[0].1))
            };
            format!("{:?}", rows.iter().map(row).collect::<Vec<_>>())
        }
        other => panic!("{other:?} is not expected"),
    }
}
