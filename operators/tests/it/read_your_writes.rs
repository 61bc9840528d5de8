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

use crate::differential::coverage::Coverage;
use crate::differential::question::Question;
use crate::differential::{translate, world};
use crate::laws::same;
use crate::logs::Log;
use crate::support::{Random, Store, TOPIC, n_cases};

/// A log that is applied record by record, where offset and index are the same.
struct Feed {
    log: Log,
    store: Store,
    n_applied: AtomicUsize,
}

impl Feed {
    fn new(log: Log) -> Self {
        Self { store: log.store(), log, n_applied: AtomicUsize::new(0) }
    }

    /// Applies up to `n` records more. The worker's own progress may or may not have been told yet.
    fn advance(&self, n: usize, tell: bool) {
        for _ in 0..n {
            let at = self.n_applied.load(Ordering::SeqCst);
            let Some((action, append)) = self.log.records.get(at) else { return };
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
}

fn position(offset: i64) -> Position {
    Position::new().with(TopicPartition::new(TOPIC, 0), offset)
}

/// Asks for a position that the answer must state and hold.
fn ask(query: FeatureQuery<'_>, feed: &Feed, question: &Question, wanted: i64) -> Result<Option<i64>, String> {
    let query = translate::refine(query, question);
    let answer = match query.at_least(&position(wanted)).get() {
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
    let model = feed.log.model(usize::try_from(stated + 1).unwrap());
    let compared = world::compare(&model, question, &answer, &mut Coverage::default());
    compared.map_err(|error| format!("answer at {stated}: {error}"))?;
    Ok(Some(stated))
}

/// While the question waits, the store moves on at a random pace: the outcome is known beforehand.
fn waits_for_its_position(random: &mut Random) -> Result<(), String> {
    let feed = Arc::new(Feed::new(Log::any(random)));
    let n = feed.log.records.len();
    feed.advance(random.index(n + 1), random.one_in(2));
    for question in &feed.log.questions {
        let wanted = i64::try_from(random.index(n + 2)).unwrap();
        let (wait_ms, per_pause, tell) = (random.below(4), random.index(4), random.one_in(2));
        let mover = feed.clone();
        let pause = Arc::new(move |_: Duration| mover.advance(per_pause, tell));
        let features = feed.store.features.clone().pausing_with(pause);
        let within_reach = feed.n_applied() + i64::try_from(wait_ms).unwrap() * i64::try_from(per_pause).unwrap();
        let expect_answer = wanted < within_reach.min(i64::try_from(n).unwrap());
        let query = features.query(question.actor).wait_up_to(Duration::from_millis(wait_ms));
        let stated = ask(query, &feed, question, wanted)?;
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
        let mut log = Log::any(&mut random);
        while log.records.len() < 60 {
            log.records.extend(Log::any(&mut random).records);
        }
        let feed = Feed::new(log);
        feed.advance(1, true);
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..2).map(|_| scope.spawn(|| read_on(&feed, &feed.store.features))).collect();
            while feed.n_applied() < i64::try_from(feed.log.records.len()).unwrap() {
                feed.advance(1, true);
            }
            readers.into_iter().for_each(|reader| reader.join().unwrap());
        });
    }
}

/// Asks until the log is applied to its end.
fn read_on(feed: &Feed, features: &Features) {
    let end = i64::try_from(feed.log.records.len()).unwrap();
    loop {
        let applied = feed.n_applied();
        for question in &feed.log.questions {
            let stated = ask(features.query(question.actor), feed, question, applied - 1).unwrap();
            assert!(stated.is_some(), "offset {} is applied, but not seen", applied - 1);
        }
        if applied == end {
            return;
        }
    }
}
