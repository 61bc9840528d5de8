//! Law 5 of `docs/semantics.md`, section 8, on random logs: what an answer lacks, it says.

use std::sync::Arc;
use std::time::Duration;

use nowfold_core::query::{Lag, Progress, ProgressCell, QueryError, Readiness};
use nowfold_core::time::{Timestamp, millisecs, minutes};
use nowfold_operators::answer::{ActionsAnswer, Envelope};
use nowfold_operators::feature::{FeatureValue, feature};
use nowfold_schemas::action::{Action, Op};

use crate::differential::coverage::Coverage;
use crate::differential::model::Model;
use crate::differential::operations::{BASE, MINUTE, SKEW};
use crate::differential::question::{Aggregate, Ask, Question, Window};
use crate::differential::questions::LENGTHS;
use crate::differential::select::Selection;
use crate::differential::{translate, world};
use crate::laws::same;
use crate::logs::Log;
use crate::support::{Random, Store, n_cases};

/// Whether a case had anything to tell.
type Outcome = Result<bool, String>;

/// Runs a property on random numbers, and says which ones it failed on. One case in a hundred at least must tell something.
fn run(n: u64, suite: u64, property: fn(&mut Random) -> Outcome) {
    let case =
        |number| property(&mut Random(suite << 40 | number)).unwrap_or_else(|error| panic!("case {number}: {error}"));
    let n_telling = (0..n).filter(|number| case(*number)).count() as u64;
    assert!(n_telling > n / 100, "only {n_telling} of {n} cases tell anything");
}

/// A log as a broker appends it: append times only grow, an id has one content, and an undo comes after what it undoes.
fn appended_in_order(random: &mut Random) -> Log {
    let mut case = Log::orderless(random);
    let mut append = BASE;
    for number in 0..case.records.len() {
        append += i64::try_from(random.below(20)).unwrap() * MINUTE / 2;
        let before = i64::try_from(random.below(90)).unwrap() * MINUTE;
        let t = if random.one_in(10) { append + SKEW - before / 90 + MINUTE / 60 } else { append - before };
        let earlier = number.checked_sub(1).map(|last| case.records[random.index(last + 1)].0.clone());
        let (action, at) = &mut case.records[number];
        let is_new = *at > BASE;
        if let (true, Some(earlier)) = (random.one_in(6), earlier) {
            *action = if random.one_in(2) { Action { op: Op::Retract, ..earlier } } else { earlier };
        } else if is_new {
            *action = Action {
                timestamp: Some(Timestamp::from_millis(t)),
                event_id: format!("e{number}").into(),
                ..action.clone()
            };
        }
        *at = append;
    }
    case
}

/// The broker has deleted the first part of the log: an answer that calls itself complete is the one of the whole log.
fn knows_what_it_has_lost(random: &mut Random) -> Outcome {
    let log = appended_in_order(random);
    let n_lost = random.index(log.records.len());
    let (mut store, whole) = (log.store(), log.model(log.records.len()));
    let mut rest = Model::new(log.settings.clone());
    for (action, append) in &log.records[n_lost..] {
        store.apply_at(action, *append);
        rest.apply(action, *append);
    }
    rest.log_floor = if n_lost == 0 { i64::MIN } else { log.records[n_lost].1 + SKEW };
    store.progress.update(|progress| progress.log_floor = Timestamp::from_millis(rest.log_floor));
    let mut tells = false;
    for question in &log.questions {
        let question = Question { as_of: BASE + random.between(0, 400) * MINUTE, ..question.clone() };
        let answer = translate::ask(&store.features, &question)?;
        let world::Whole { complete, .. } = world::compare(&rest, &question, &answer, &mut Coverage::default())?;
        same("complete", &answer.envelope.complete, &complete)?;
        if complete {
            let compared = world::compare(&whole, &question, &answer, &mut Coverage::default());
            compared.map_err(|error| format!("complete answer as of {}: {error}", question.as_of))?;
            tells |= n_lost > 0 && answer.features.iter().any(|feature| feature.windows.iter().any(|w| w.used > 0));
        }
    }
    Ok(tells)
}

/// A progress as a worker may have left it.
fn any_progress(random: &mut Random, now: i64) -> Progress {
    let lag = match random.below(3) {
        0 => Lag::Unknown,
        1 => Lag::None,
        _ => Lag::Since(Timestamp::from_millis(now - i64::try_from(random.below(5_000)).unwrap() + 500)),
    };
    let restoring = Readiness::Restoring { done: random.below(10), total: 10 };
    Progress {
        readiness: if random.one_in(3) { restoring } else { Readiness::Running },
        restore_rate: None,
        applied: None,
        lag,
        lag_records: None,
        known_at: Timestamp::from_millis(now - [0, 1, 1_999, 2_000, 2_001, 60_000][random.index(6)]),
        log_floor: Timestamp::MIN,
    }
}

/// Milliseconds behind, and whether that is not known or no longer.
fn behind(progress: &Progress, now: i64) -> (Option<i64>, bool) {
    let lag = match progress.lag {
        Lag::Unknown => None,
        Lag::None => Some(0),
        Lag::Since(first) => Some((now - first.as_millis()).max(0)),
    };
    (lag, lag.is_none() || now - progress.known_at.as_millis() > 2_000)
}

/// Whatever the store and its sources know of their lag: the answer says it, or there is none.
fn says_how_far_behind_it_is(random: &mut Random) -> Outcome {
    let now = BASE + 1_000 * MINUTE;
    let store = Log::orderless(random).store();
    store.clock.set(now);
    let (own, fed) = (any_progress(random, now), (0..random.index(3)).map(|_| any_progress(random, now)));
    let fed: Vec<_> = fed.collect();
    store.progress.update(|progress| *progress = own);
    store.hub.set_sources(fed.iter().map(cell).collect());
    let max_lag = random.one_in(2).then(|| millisecs(random.below(5_000)));
    let query = max_lag.iter().fold(store.features.query("a"), |query, max| query.allow_stale(*max));
    let (lag, is_stale) = behind(&own, now);
    let restoring = own.readiness != Readiness::Running;
    // What is not known any more may have grown since.
    let unknown_for = if is_stale { now - own.known_at.as_millis() } else { 0 };
    let most = lag.map(|lag| lag.max(unknown_for).unsigned_abs());
    let allowed = most.zip(max_lag).is_some_and(|(most, max)| millisecs(most) <= max);
    let envelope = match query.get() {
        Ok(answer) => answer.envelope,
        Err(QueryError::Restoring { .. }) => {
            return same("a refusal", &(restoring, allowed), &(true, false)).map(|()| true);
        }
        Err(error) => return Err(error.to_string()),
    };
    let sources: Option<Vec<_>> = fed.iter().map(|progress| fresh_lag(progress, now)).collect();
    let source_lag = sources.map(|lags| lags.into_iter().max().unwrap_or(0));
    same("an answer while restoring", &(restoring && !allowed), &false)?;
    let Envelope { stale, lag_ms, source_lag_ms, .. } = envelope;
    let expected = (restoring || is_stale || source_lag.is_none(), lag, source_lag);
    same("stale, lag, source lag", &(stale, lag_ms, source_lag_ms), &expected).map(|()| true)
}

fn fresh_lag(progress: &Progress, now: i64) -> Option<i64> {
    match behind(progress, now) {
        (lag, false) => lag,
        _ => None,
    }
}

fn cell(progress: &Progress) -> Arc<ProgressCell> {
    let cell = ProgressCell::restoring();
    cell.update(|at| *at = *progress);
    Arc::new(cell)
}

/// Rows beyond the limit, and distinct values beyond those that are counted one by one.
fn says_what_it_cuts_or_estimates(random: &mut Random) -> Outcome {
    let log = Log::any(random);
    let (mut store, model) = (log.store(), log.model(log.records.len()));
    for (action, append) in &log.records {
        store.apply_at(action, *append);
    }
    let mut tells = false;
    for Question { actor, as_of: q, .. } in &log.questions {
        let window = *random.pick(&LENGTHS);
        let everything = Ask { windows: vec![], aggregate: Aggregate::Count, verbs: None, predicate: None };
        let sliding = Window::Sliding { length: window, offset: 0, end_excluded: false };
        let selection = Selection::new(&model, actor, &everything, sliding, *q);
        let events = selection.events();
        let (limit, cap) = (random.index(5) + 1, random.index(4) + 1);
        let length = millisecs(window.unsigned_abs());
        let listed = store.features.actions(actor).within(length).limit(limit).as_of(Timestamp::from_millis(*q));
        let listed = listed.get().map_err(|error| error.to_string())?;
        let ids: Vec<_> = events.iter().rev().take(limit).map(|event| event.id.clone()).collect();
        same("actions listed", &ids_of(&listed), &ids)?;
        let said = (listed.matched, listed.envelope.truncated);
        same("matched, truncated", &said, &(events.len() as u64, selection.truncated || events.len() > limit))?;
        let mut objects: Vec<_> = events.iter().map(|event| event.object.clone()).collect();
        objects.sort_unstable();
        objects.dedup();
        estimate(&store, actor, *q, length, cap, objects.len() as f64)?;
        tells |= events.len() > limit || objects.len() > cap;
    }
    Ok(tells)
}

fn ids_of(listed: &ActionsAnswer) -> Vec<String> {
    listed.actions.iter().map(|row| row.event_id.to_string()).collect()
}

fn estimate(store: &Store, actor: &str, q: i64, length: Duration, cap: usize, n: f64) -> Result<(), String> {
    let distinct = feature("objects").distinct_count("object").cap(cap).within(length);
    let query = store.features.query(actor).adhoc(distinct).as_of(Timestamp::from_millis(q));
    let answer = query.get().map_err(|error| error.to_string())?;
    let result = &answer.features[0].windows[0];
    let value = match result.value {
        FeatureValue::Count(n) => n as f64,
        FeatureValue::Float(x) => x,
        ref other => return Err(format!("{other:?} is no number")),
    };
    same("exactness", &(result.error_bound > 0.0), &(n > cap as f64))?;
    if (value - n).abs() > n * result.error_bound {
        return Err(format!("{value} of {n} is beyond the bound {}", result.error_bound));
    }
    Ok(())
}

#[test]
fn law_5_an_answer_called_complete_is_that_of_the_whole_log() {
    run(n_cases(20_000), 6, knows_what_it_has_lost);
}

#[test]
fn law_5_an_answer_states_its_lag_or_calls_itself_stale() {
    run(n_cases(20_000), 7, says_how_far_behind_it_is);
}

#[test]
fn law_5_rows_beyond_a_limit_and_estimates_are_announced() {
    run(n_cases(20_000), 8, says_what_it_cuts_or_estimates);
}

#[test]
fn law_5_a_window_beyond_the_retention_is_refused() {
    let store = Log::orderless(&mut Random(1)).store();
    for length in 1..=120 {
        let query = store.features.query("a").adhoc(feature("n").count().within(minutes(length)));
        let fits = length <= 90;
        assert_eq!(query.get().map_err(|error| error.code()).is_ok(), fits, "{length} minutes of 100, 10 are slack");
    }
}
