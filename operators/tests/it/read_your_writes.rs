//! Law 4 of `docs/semantics.md`, section 8, on random logs: an answer includes what it was asked to include, or there is none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nowfold_core::names::TopicPartition;
use nowfold_core::query::QueryError;
use nowfold_core::time::Timestamp;
use nowfold_operators::chain::Appended;
use nowfold_operators::features::{FeatureQuery, Features};
use nowfold_operators::position::Position;

use crate::cases::{self, Case, RETENTION, SKEW, TOPIC_RETENTION};
use crate::expect::expected;
use crate::laws::{same, shown};
use crate::oracle::Oracle;
use crate::support::{Random, Store, TOPIC, n_cases};

/// A log that is applied record by record, where offset and index are the same.
struct Feed {
    case: Case,
    store: Store,
    n_applied: AtomicUsize,
}

impl Feed {
    fn new(case: Case) -> Self {
        let store = Store::new(&cases::config(case.dim), cases::features());
        Self { case, store, n_applied: AtomicUsize::new(0) }
    }

    /// Applies up to `n` records more. The worker's own progress may or may not have been told yet.
    fn advance(&self, n: usize, tell: bool) {
        for _ in 0..n {
            let at = self.n_applied.load(Ordering::SeqCst);
            let Some((action, append)) = self.case.records.get(at) else { return };
            let offset = i64::try_from(at).unwrap();
            self.store.chains.apply(action, Appended::new(offset, Timestamp::from_millis(*append)));
            self.n_applied.store(at + 1, Ordering::SeqCst);
            if tell {
                self.store.progress.update(|progress| progress.applied = Some(offset));
            }
        }
    }

    fn n_applied(&self) -> i64 {
        i64::try_from(self.n_applied.load(Ordering::SeqCst)).unwrap()
    }

    /// The model after the records with offsets up to `last`.
    fn oracle(&self, last: i64) -> Oracle {
        let mut oracle = Oracle::new(RETENTION, SKEW, TOPIC_RETENTION, self.case.dim);
        let known = usize::try_from(last + 1).unwrap();
        for (action, append) in &self.case.records[..known] {
            oracle.apply(action, *append);
        }
        oracle
    }
}

fn position(offset: i64) -> Position {
    Position::new().with(TopicPartition::new(TOPIC, 0), offset)
}

/// Registered features, and the position that their answer must state and hold.
fn ask(query: FeatureQuery<'_>, feed: &Feed, actor: &str, q: i64, wanted: i64) -> Result<Option<i64>, String> {
    let answer = match query.as_of(Timestamp::from_millis(q)).at_least(&position(wanted)).get() {
        Ok(answer) => answer,
        Err(QueryError::Behind { applied, wanted: named, .. }) if applied.is_none_or(|at| at < wanted) => {
            same("the position that is missed", &named, &wanted)?;
            return Ok(None);
        }
        Err(error) => return Err(format!("{error:?}")),
    };
    let stated = answer.envelope.position.get(&TopicPartition::new(TOPIC, 0)).unwrap_or(-1);
    if stated < wanted {
        return Err(format!("asked for {wanted}, the answer states {stated}"));
    }
    same(&format!("answer at {stated}"), &shown(&answer), &expected(&feed.oracle(stated), actor, q)?)?;
    Ok(Some(stated))
}

/// While the question waits, the store moves on at a random pace: the outcome is known beforehand.
fn waits_for_its_position(random: &mut Random) -> Result<(), String> {
    let feed = Arc::new(Feed::new(cases::any(random)));
    let n = feed.case.records.len();
    feed.advance(random.index(n + 1), random.one_in(2));
    for (actor, q) in feed.case.questions.clone() {
        let wanted = i64::try_from(random.index(n + 2)).unwrap();
        let (wait_ms, per_pause, tell) = (random.below(4), random.index(4), random.one_in(2));
        let mover = feed.clone();
        let pause = Arc::new(move |_: Duration| mover.advance(per_pause, tell));
        let features = feed.store.features.clone().pausing_with(pause);
        let within_reach = feed.n_applied() + i64::try_from(wait_ms).unwrap() * i64::try_from(per_pause).unwrap();
        let expect_answer = wanted < within_reach.min(i64::try_from(n).unwrap());
        let query = features.query(actor).wait_up_to(Duration::from_millis(wait_ms));
        let stated = ask(query, &feed, actor, q, wanted)?;
        same("whether there is an answer", &stated.is_some(), &expect_answer)?;
        if let Some(stated) = stated {
            same("the position of a store that stands still", &stated, &(feed.n_applied() - 1))?;
        }
    }
    Ok(())
}

#[test]
fn law_4_an_answer_holds_every_record_up_to_the_position_asked_for() {
    for number in 0..n_cases(20_000) {
        let mut random = Random(4 << 40 | number);
        waits_for_its_position(&mut random).unwrap_or_else(|error| panic!("case {number}: {error}"));
    }
}

/// Readers on other threads ask for what the writer has just applied: it must be there without any wait.
#[test]
fn law_4_what_was_written_is_read_at_once_on_every_thread() {
    for number in 0..n_cases(20_000).div_ceil(200) {
        let mut random = Random(5 << 40 | number);
        let mut case = cases::any(&mut random);
        while case.records.len() < 60 {
            case.records.extend(cases::any(&mut random).records);
        }
        let feed = Feed::new(case);
        feed.advance(1, true);
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..2).map(|_| scope.spawn(|| read_on(&feed, &feed.store.features))).collect();
            while feed.n_applied() < i64::try_from(feed.case.records.len()).unwrap() {
                feed.advance(1, true);
            }
            readers.into_iter().for_each(|reader| reader.join().unwrap());
        });
    }
}

/// Asks until the log is applied to its end.
fn read_on(feed: &Feed, features: &Features) {
    let end = i64::try_from(feed.case.records.len()).unwrap();
    loop {
        let applied = feed.n_applied();
        for (actor, q) in &feed.case.questions {
            let stated = ask(features.query(actor), feed, actor, *q, applied - 1).unwrap();
            assert!(stated.is_some(), "offset {} is applied, but not seen", applied - 1);
        }
        if applied == end {
            return;
        }
    }
}
