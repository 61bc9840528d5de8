//! Lines of files, and the order in which they go out.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use nowfold::core::time::{Timestamp, hours, millis};
use nowfold_examples::replay::feed::{FeedError, FeedOptions, FeedPlan, FeedStep, Lines};
use nowfold_examples::replay::mapping::OnBrokenLine;
use proptest::prelude::*;
use serde_json::Value;

fn write(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn texts(lines: &mut Lines) -> Vec<(u64, String)> {
    lines.map(Result::unwrap).map(|line| (line.number, String::from_utf8(line.bytes.to_vec()).unwrap())).collect()
}

#[test]
fn numbers_lines_over_plain_and_gzip_files_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let two_members = [gzip(b"{\"a\":3}\n"), gzip(b"{\"a\":4}")].concat();
    let files = [
        write(dir.path(), "1.jsonl", b"\xef\xbb\xbf{\"a\":1}\r\n\n  \n{\"a\":2}\n"),
        write(dir.path(), "packed.without.ending", &two_members),
        write(dir.path(), "empty.jsonl", b""),
        write(dir.path(), "5.jsonl", b"{\"a\":5}"),
    ];
    let mut lines = Lines::new(files, OnBrokenLine::Skip);
    let expected: Vec<_> = (1..=5).map(|n| (n, format!("{{\"a\":{n}}}"))).collect();
    assert_eq!(texts(&mut lines), expected);
    assert_eq!((lines.stats().n_lines, lines.stats().n_blank, lines.stats().n_broken), (5, 2, 0));
}

const BROKEN: &[u8] = b"{\"a\":1}\n\n{\"a\":\n\"\xff\"\n{\"a\":4}\n1e999\n";

#[test]
fn broken_lines_are_left_out_or_fed_but_counted_with_their_places() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "b.jsonl", BROKEN);
    for (on_broken, fed) in [(OnBrokenLine::Skip, vec![1, 4]), (OnBrokenLine::Feed, vec![1, 2, 3, 4, 5])] {
        let mut lines = Lines::new([file.clone()], on_broken);
        assert_eq!(lines.by_ref().map(|line| line.unwrap().number).collect::<Vec<_>>(), fed);
        let places: Vec<_> = lines.stats().broken.iter().map(|line| (line.number, line.line_of_file)).collect();
        assert_eq!((lines.stats().n_broken, places), (3, vec![(2, 3), (3, 4), (5, 6)]));
    }
}

#[test]
fn a_broken_line_ends_the_feed_where_the_mapping_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "b.jsonl", BROKEN);
    let error = Lines::new([file.clone()], OnBrokenLine::Fail).find_map(Result::err).unwrap();
    assert!(
        error.to_string().starts_with(&format!("{}:3: line 2 of the feed is not JSON: ", file.display())),
        "{error}"
    );
}

#[test]
fn missing_and_cut_files_are_errors_that_name_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut lines = Lines::new([dir.path().join("absent.jsonl")], OnBrokenLine::Skip);
    assert!(matches!(lines.next(), Some(Err(FeedError::Open { .. }))));
    let whole = gzip(&b"{\"a\":1}\n".repeat(10_000));
    let cut = write(dir.path(), "cut.gz", &whole[..whole.len() - 20]);
    let error = Lines::new([cut], OnBrokenLine::Skip).find_map(Result::err).unwrap();
    assert!(matches!(error, FeedError::Read { .. }), "{error}");
}

/// A feed of these event times in ms; `None` stands for a record without one.
fn steps(times: &[Option<i64>], options: FeedOptions) -> Vec<FeedStep> {
    let dir = tempfile::tempdir().unwrap();
    let text: String =
        times.iter().map(|time| time.map_or("{}\n".to_owned(), |t| format!("{{\"t\":{t}}}\n"))).collect();
    let lines = Lines::new([write(dir.path(), "f.jsonl", text.as_bytes())], OnBrokenLine::Skip);
    let event_time = |record: &Value| record["t"].as_i64().map(Timestamp::from_millis);
    let mut plan = FeedPlan::new(lines, event_time, options);
    let steps: Vec<_> = plan.by_ref().map(Result::unwrap).collect();
    assert_eq!(plan.complete_through(), times.len() as u64);
    steps
}

#[test]
fn lines_go_out_as_they_stand_by_default() {
    let steps = steps(&[Some(5), None, Some(1)], FeedOptions::default());
    let order: Vec<_> = steps.iter().map(|step| (step.line, step.is_repeat, step.complete_through)).collect();
    assert_eq!(order, [(1, false, 1), (2, false, 2), (3, false, 3)]);
}

#[test]
fn a_feed_is_really_shuffled_and_repeated() {
    let times: Vec<_> = (0..2_000).map(|n| Some(n * 10_000)).collect();
    let steps = steps(&times, FeedOptions { shuffle_within: Some(hours(1)), duplicate: 0.05, seed: 9 });
    let firsts: Vec<_> = steps.iter().filter(|step| !step.is_repeat).map(|step| step.line).collect();
    let descents = firsts.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert!(descents > 500, "only {descents} lines out of order");
    let repeats = steps.len() - times.len();
    assert!((60..140).contains(&repeats), "{repeats} repeats of 2,000 lines");
}

#[test]
fn without_shuffling_lines_keep_their_order_and_repeats_come_within_an_hour() {
    let times: Vec<_> = (0..2_000).map(|n| Some(n * 10_000)).collect();
    let steps = steps(&times, FeedOptions { shuffle_within: None, duplicate: 0.5, seed: 1 });
    let firsts: Vec<_> = steps.iter().filter(|step| !step.is_repeat).map(|step| step.line).collect();
    assert_eq!(firsts, (1..=2_000).collect::<Vec<_>>());
    let mut newest = 0;
    for step in &steps {
        newest = newest.max(step.line);
        assert!(newest - step.line <= 360, "line {} is repeated after line {newest}", step.line);
    }
    assert!(steps.iter().any(|step| step.is_repeat && newest - step.line > 100));
}

prop_compose! {
    fn any_times()(times in prop::collection::vec(prop::option::weighted(0.9, 0_i64..20_000), 0..200)) -> Vec<Option<i64>> {
        times
    }
}

prop_compose! {
    fn any_options()(
        shuffle_ms in prop::option::of(0_u64..5_000), duplicate in prop::sample::select(vec![0.0, 0.05, 0.5, 1.0]), seed: u64,
    ) -> FeedOptions {
        FeedOptions { shuffle_within: shuffle_ms.map(Duration::from_millis), duplicate, seed }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_line_goes_out_once_and_repeats_come_after_it(times in any_times(), options in any_options()) {
        let mut out = BTreeMap::<u64, Vec<bool>>::new();
        for step in steps(&times, options) {
            out.entry(step.line).or_default().push(step.is_repeat);
        }
        prop_assert_eq!(out.keys().copied().collect::<Vec<_>>(), (1..=times.len() as u64).collect::<Vec<_>>());
        for repeats in out.values() {
            prop_assert!(*repeats == [false] || *repeats == [false, true]);
            prop_assert!(options.duplicate > 0.0 || repeats.len() == 1);
            prop_assert!(options.duplicate < 1.0 || repeats.len() == 2);
        }
    }

    #[test]
    fn no_line_that_is_out_earlier_is_later_by_the_bound(times in any_times(), options in any_options()) {
        let bound = millis(options.shuffle_within.unwrap_or_default());
        let stream_times: Vec<i64> = times.iter().scan(i64::MIN, |latest, time| {
            *latest = (*latest).max(time.unwrap_or(i64::MIN));
            Some(*latest)
        }).collect();
        let mut latest_out = i64::MIN;
        for step in steps(&times, options).iter().filter(|step| !step.is_repeat) {
            let own = usize::try_from(step.line).unwrap() - 1;
            let stream_time = stream_times[own];
            prop_assert!(
                latest_out <= stream_time.saturating_add((bound - 1).max(0)),
                "line {} of stream time {stream_time} goes out after an event of {latest_out}", step.line
            );
            latest_out = latest_out.max(times[own].unwrap_or(i64::MIN));
        }
    }

    #[test]
    fn complete_through_tells_exactly_which_lines_are_out(times in any_times(), options in any_options()) {
        let mut out = BTreeSet::new();
        for step in steps(&times, options) {
            out.insert(step.line);
            let complete = step.complete_through;
            prop_assert!((1..=complete).all(|line| out.contains(&line)));
            prop_assert!(!out.contains(&(complete + 1)), "line {} is out too", complete + 1);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_steps(times in any_times(), options in any_options()) {
        prop_assert_eq!(steps(&times, options), steps(&times, options));
    }
}
