//! Record caches in whole applications on the embedded log: fewer records, and the same last values, also after crashes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use nowfold::core::state::{KeyValueReader, MemoryMap, unstamp};
use nowfold::embedded::EmbeddedLog;
use nowfold::prelude::*;
use nowfold::runtime::broker::Broker;
use nowfold::runtime::{RuntimeConfig, Streams as Runtime, SystemClock};

use super::asynchronous::{at_least_once, lives, start};
use super::exactly_once::{await_outputs, config, create_topics, fill, outputs};
use super::support::until;

/// Counts by key, with a cache that a few rows fill, or with none.
pub(crate) fn counted(prefix: &str, max_bytes: usize) -> Topology {
    let app = StreamsBuilder::new(&format!("{prefix}-app"));
    app.stream(format!("{prefix}-in"), Plain::<String, String>::new())
        .group_by_key("by-key", Plain::new())
        .count(Materialized::named("counts").cached(max_bytes))
        .to_stream("changes")
        .to(format!("{prefix}-out"), Plain::<String, Option<i64>>::new());
    app.build().unwrap()
}

/// What was told of each key, in order.
pub(crate) fn told(broker: &dyn Broker, prefix: &str) -> BTreeMap<String, Vec<i64>> {
    let mut keys: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for record in outputs(broker, prefix) {
        let key = String::from_utf8(record.key.unwrap().to_vec()).unwrap();
        keys.entry(key).or_default().push(i64::from_be_bytes(record.value.unwrap()[..].try_into().unwrap()));
    }
    keys
}

/// How many records the stores have counted.
pub(crate) fn n_counted(app: &Runtime) -> i64 {
    let readers = app.hub().with_store("counts", |_, entry| {
        let readers = entry.partitions.values().map(|partition| partition.reader.clone());
        readers.filter_map(|reader| reader.downcast::<MemoryMap>().ok()).collect::<Vec<_>>()
    });
    let rows = readers.unwrap_or_default().into_iter().flat_map(|map| map.prefix(b"", usize::MAX).unwrap());
    rows.map(|(_, row)| i64::from_be_bytes(unstamp(&row).unwrap().1[..].try_into().unwrap())).sum()
}

pub(crate) fn last(told: &BTreeMap<String, Vec<i64>>) -> BTreeMap<String, i64> {
    told.iter().map(|(key, counts)| (key.clone(), counts.last().copied().unwrap())).collect()
}

#[test]
fn a_cache_tells_fewer_changes_and_the_same_last_values() {
    let n_told = [0, 1 << 20].map(|max_bytes| {
        let (log, prefix) = (EmbeddedLog::new(Arc::new(SystemClock)), format!("cached-{max_bytes}"));
        create_topics(&log, &prefix);
        let truth = fill(&log, &prefix, 2_000, 7);
        let config = RuntimeConfig { commit_interval: Duration::from_millis(200), batch: 500, ..at_least_once() };
        let app = start(Arc::new(log.clone()), counted(&prefix, max_bytes), config).unwrap();
        await_outputs(&log, &app, &prefix, 2_000);
        app.close().unwrap();
        let told = told(&log, &prefix);
        assert_eq!(last(&told), truth);
        told.values().map(Vec::len).sum::<usize>()
    });
    assert!(n_told[0] == 2_000 && n_told[1] < 1_000, "without and with a cache: {n_told:?}");
}

#[test]
fn a_close_in_order_tells_what_was_held_back() {
    let (log, prefix) = (EmbeddedLog::new(Arc::new(SystemClock)), "cached-close");
    create_topics(&log, prefix);
    let truth = fill(&log, prefix, 500, 7);
    let config = RuntimeConfig { commit_interval: Duration::from_secs(3_600), ..at_least_once() };
    let app = start(Arc::new(log.clone()), counted(prefix, 1 << 20), config).unwrap();
    until(Duration::from_secs(60), || app.state().to_string(), || n_counted(&app) == 500);
    assert!(outputs(&log, prefix).is_empty(), "no commit has told anything");
    app.close().unwrap();
    assert_eq!(last(&told(&log, prefix)), truth);
}

#[test]
fn exactly_once_a_process_that_dies_with_rows_held_back_counts_every_record_once() {
    for seed in 10..13 {
        let (log, prefix) = (EmbeddedLog::new(Arc::new(SystemClock)), format!("cached-{seed}"));
        let config = RuntimeConfig { transaction_timeout: Duration::from_millis(500), ..config() };
        let truth = lives(seed, &prefix, &log, &counted(&prefix, 1_500), &config);
        let told = told(&log, &prefix);
        assert_eq!(last(&told), truth, "seed {seed}");
        assert!(told.values().all(|counts| counts.is_sorted_by(|a, b| a < b)), "seed {seed}: {told:?}");
    }
}
