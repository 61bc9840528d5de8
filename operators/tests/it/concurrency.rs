//! Readers beside a writer that runs flat out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nowfold_core::names::TopicPartition;
use nowfold_core::time::{Timestamp, hours};
use nowfold_operators::answer::Answer;
use nowfold_operators::chain::{Appended, ChainConfig};
use nowfold_operators::feature::{FeatureValue, feature};
use nowfold_schemas::action::{Action, Attribute};

use crate::support::{HOUR, Random, Store, TOPIC};

/// Every third record is one of this actor.
const EVERY: i64 = 3;

/// A reader sees an actor before or after a record, never in between, and its position says after which record.
#[test]
fn readers_never_see_a_torn_actor() {
    let ones = |name: &str| feature(name).mean("object.ones").within([hours(1), hours(48)]);
    let store = Store::new(
        &ChainConfig::new(hours(97)),
        [
            feature("n").count().within(hours(48)),
            feature("sum").sum("object.one").within(hours(48)),
            feature("objects").distinct_count("object").cap(100_000).within(hours(48)),
            feature("newest").last(5, "verb.number").within(hours(48)),
            ones("ones"),
        ],
    );
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..3).map(|_| scope.spawn(|| read_until(&store, &done))).collect();
        write(&store, 60_000);
        done.store(true, Ordering::SeqCst);
        readers.into_iter().for_each(|reader| assert!(reader.join().unwrap() > 0));
    });
    assert_eq!(store.features.query("m").get().unwrap().count("n").unwrap(), 20_000);
    store.chains.verify().unwrap();
}

fn write(store: &Store, n: i64) {
    let mut random = Random(7);
    for offset in 0..n {
        let actor = if offset % EVERY == 0 { "m".to_owned() } else { format!("other-{}", random.below(1_000)) };
        let t = 999 * HOUR - i64::try_from(random.below(3_600_000)).unwrap();
        let action = Action::new(actor, ["apply", "view"][random.index(2)], format!("job-{offset}"))
            .at_ms(t)
            .id(format!("{offset}"))
            .object_attribute("one", Attribute::Int(1))
            .object_attribute("ones", Attribute::Vector([1.0; 8].into()))
            .verb_attribute("number", Attribute::Int(t));
        let appended = Appended::new(offset, Timestamp::from_millis(1_000 * HOUR));
        assert!(store.chains.apply(&action, appended).is_admitted());
    }
}

fn read_until(store: &Store, done: &AtomicBool) -> u64 {
    let mut n_read = 0;
    let mut before = 0;
    while !done.load(Ordering::SeqCst) {
        let answer = store.features.query("m").get().unwrap();
        before = check(&answer, before);
        n_read += 1;
    }
    n_read
}

/// Checks one answer against itself and returns its count.
fn check(answer: &Answer, before: u64) -> u64 {
    let n = answer.count("n").unwrap();
    let position = answer.envelope.position.get(&TopicPartition::new(TOPIC, 0));
    let expected = position.map_or(0, |offset| offset / EVERY + 1);
    assert_eq!(i64::try_from(n).unwrap(), expected, "the position is that of the answer: {position:?}");
    assert!(n >= before, "answers do not go back");
    assert_eq!(*answer.value("sum").unwrap(), FeatureValue::Int(i64::try_from(n).unwrap()));
    assert_eq!(answer.count("objects").unwrap(), n);
    let ones = answer.window("ones", "48h").unwrap();
    assert_eq!(ones.used, n);
    if n > 0 {
        assert_eq!(ones.value, FeatureValue::Vector([1.0; 8].into()));
        let FeatureValue::List(newest) = answer.value("newest").unwrap() else { panic!("not a list") };
        let newest: Vec<_> = newest.iter().map(|x| if let FeatureValue::Int(x) = x { *x } else { panic!() }).collect();
        assert!(newest.is_sorted_by(|a, b| a >= b), "{newest:?}");
        assert_eq!(newest.first(), answer.window("n", "48h").unwrap().newest.map(Timestamp::as_millis).as_ref());
    }
    n
}
