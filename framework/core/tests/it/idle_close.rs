//! Windows that close by wall clock when their input is idle, and what windowed operators know after a restart.

use std::time::Duration;

use nowfold_core::dsl::{Buffer, Emit, KGroupedStream, KTable, Late, StreamsBuilder};
use nowfold_core::names::TopicPartition;
use nowfold_core::record::{Headers, LogRecord, TimestampType};
use nowfold_core::serde::{Plain, SessionWindowed, TimeWindowed};
use nowfold_core::task::Task;
use nowfold_core::time::{Timestamp, millisecs, seconds};
use nowfold_core::topology::Topology;
use nowfold_core::window::{SessionWindows, SlidingWindows, TimeWindows, Windowed};
use nowfold_testkit::TestDriver;

use crate::support::{at, text};

type Counts = KTable<Windowed<String>, i64>;

fn grouped(app: &StreamsBuilder) -> KGroupedStream<String, String> {
    app.stream("in", text()).group_by_key("by-key", text())
}

fn write(counts: &Counts, windows: TimeWindows) {
    counts.to_stream("changes").to("out", TimeWindowed::new(Plain::<String, Option<i64>>::new(), windows));
}

/// Windows of 10 s with 2 s of grace that close after 5 s without input; late records on `late`.
fn tumbling(close: impl FnOnce(Counts, TimeWindows) -> Counts, emit: Emit) -> Topology {
    let (app, windows) = (StreamsBuilder::new("app"), TimeWindows::tumbling(seconds(10)).grace(seconds(2)));
    let (windowed, late) = grouped(&app).windowed(windows).late("late-ones");
    late.map_values("why", |_, late: Late<String>| late.value).to("late", text());
    let counts = windowed.emit(emit).close_when_idle(seconds(5)).count("counts");
    write(&close(counts, windows), windows);
    app.build().unwrap()
}

fn final_counts() -> Topology {
    tumbling(|counts, _| counts, Emit::OnClose { every: Duration::ZERO })
}

fn suppressed() -> Topology {
    let serdes = |windows| TimeWindowed::new(Plain::<String, i64>::new(), windows);
    tumbling(
        |counts, windows| counts.suppress_until_closed("final", Buffer::unbounded(), serdes(windows)),
        Emit::OnUpdate,
    )
}

/// Key, start in seconds and count of what was written since the last call.
fn read(driver: &TestDriver) -> Vec<(String, i64, i64)> {
    let windows = TimeWindows::tumbling(seconds(10));
    let pairs = driver.output("out", TimeWindowed::new(Plain::<String, Option<i64>>::new(), windows)).read_pairs();
    let entry =
        |(key, n): (Windowed<String>, Option<i64>)| (key.key, key.window.start.as_millis() / 1_000, n.unwrap_or(-1));
    pairs.into_iter().map(entry).collect()
}

fn row(key: &str, start: i64, n: i64) -> (String, i64, i64) {
    (key.to_owned(), start, n)
}

fn late(driver: &TestDriver) -> Vec<String> {
    driver.output("late", text()).read_pairs().into_iter().map(|(_, value)| value).collect()
}

/// A driver at 100 s whose records come with the time of its clock.
fn driver(topology: Topology) -> TestDriver {
    let driver = TestDriver::new(topology).starting_at(at(100_000));
    driver.process().unwrap();
    driver
}

fn pipe(driver: &TestDriver, key: &str, value: &str, time: Timestamp) {
    driver.input("in", text()).pipe(key, value, time).unwrap();
}

fn advance(driver: &TestDriver, n: u64) {
    driver.advance(seconds(n)).unwrap();
}

#[test]
fn windows_close_by_wall_clock_once_the_input_is_idle_and_what_comes_then_is_late() {
    for topology in [final_counts(), suppressed()] {
        let driver = driver(topology);
        pipe(&driver, "a", "1", at(101_000));
        pipe(&driver, "a", "2", at(102_000));
        pipe(&driver, "b", "3", at(103_000));
        advance(&driver, 11);
        assert_eq!(read(&driver), [], "111 s: the end of the window is passed, its grace is not");
        advance(&driver, 1);
        assert_eq!(read(&driver), [row("a", 100, 2), row("b", 100, 1)]);
        pipe(&driver, "a", "late", at(104_000));
        pipe(&driver, "a", "next", at(110_500));
        assert_eq!(late(&driver), ["late"]);
        assert_eq!(read(&driver), []);
        advance(&driver, 10);
        assert_eq!(read(&driver), [row("a", 110, 1)]);
    }
}

#[test]
fn input_that_goes_on_keeps_windows_open() {
    let driver = driver(final_counts());
    for second in 0..20 {
        pipe(&driver, "a", "x", at(101_000));
        advance(&driver, 1);
        assert_eq!(read(&driver), [], "after {second} s");
    }
    advance(&driver, 3);
    assert_eq!(read(&driver), [], "idle for 4 s");
    advance(&driver, 1);
    assert_eq!(read(&driver), [row("a", 100, 20)]);
}

#[test]
fn stream_time_goes_on_by_records_when_they_are_ahead() {
    let driver = driver(final_counts());
    pipe(&driver, "a", "1", at(101_000));
    pipe(&driver, "b", "2", at(130_000));
    assert_eq!(read(&driver), [row("a", 100, 1)], "as without the option");
    advance(&driver, 20);
    assert_eq!(read(&driver), [], "the clock is behind stream time");
    pipe(&driver, "b", "3", at(131_000));
    assert_eq!(late(&driver), [""; 0]);
}

#[test]
fn an_operator_that_never_had_a_record_takes_old_ones() {
    let driver = driver(final_counts());
    advance(&driver, 60);
    pipe(&driver, "a", "old", at(1_000));
    assert_eq!(late(&driver), [""; 0]);
}

#[test]
fn a_restart_sends_no_window_again_and_late_records_stay_late() {
    for topology in [final_counts(), suppressed()] {
        let driver = driver(topology);
        pipe(&driver, "a", "1", at(101_000));
        advance(&driver, 30);
        assert_eq!(read(&driver), [row("a", 100, 1)]);
        driver.restart().unwrap();
        pipe(&driver, "a", "late", at(102_000));
        assert_eq!(late(&driver), ["late"]);
        advance(&driver, 30);
        assert_eq!(read(&driver), []);
    }
}

#[test]
fn a_window_that_was_open_at_a_restart_closes_when_the_input_stays_idle() {
    for topology in [final_counts(), suppressed()] {
        let driver = driver(topology);
        pipe(&driver, "a", "1", at(101_000));
        driver.restart().unwrap();
        advance(&driver, 30);
        assert_eq!(read(&driver), [row("a", 100, 1)]);
    }
}

#[test]
fn sessions_and_sliding_windows_close_on_idle_input_too() {
    let app = StreamsBuilder::new("app");
    let sessions = grouped(&app).sessions(SessionWindows::gap(seconds(10)));
    let counts = sessions.emit(Emit::on_close()).close_when_idle(seconds(5)).count("counts");
    let serdes = SessionWindowed::new(Plain::<String, Option<i64>>::new());
    counts.to_stream("changes").to("out", serdes.clone());
    let sessions = driver(app.build().unwrap());
    pipe(&sessions, "a", "1", at(101_000));
    advance(&sessions, 11);
    assert_eq!(sessions.output("out", serdes.clone()).read_pairs().len(), 0, "at its last instant, 111 s");
    advance(&sessions, 1);
    assert_eq!(sessions.output("out", serdes).read_pairs().len(), 1);

    let (app, windows) = (StreamsBuilder::new("app"), SlidingWindows::of(seconds(10)));
    let counts = grouped(&app).windowed(windows).emit(Emit::on_close()).close_when_idle(seconds(5)).count("counts");
    let serdes = TimeWindowed::new(Plain::<String, Option<i64>>::new(), windows);
    counts.to_stream("changes").to("out", serdes.clone());
    let sliding = driver(app.build().unwrap());
    pipe(&sliding, "a", "1", at(101_000));
    pipe(&sliding, "a", "2", at(103_000));
    advance(&sliding, 20);
    assert_eq!(sliding.output("out", serdes).read_pairs().len(), 3, "two that end with a record, one between them");
}

/// A task of the topology, at 100 s, after this note.
fn task(topology: &Topology, note: &str) -> Task {
    let mut task = Task::new(topology, &topology.subtopologies()[0], 0, |_| 1);
    task.begin(&TopicPartition::new("in", 0), 0, None);
    task.recall(note);
    task.process(at(100_000), 0).unwrap();
    task
}

fn add(task: &mut Task, end: i64) {
    let (source, headers) = (TopicPartition::new("in", 0), Headers::new());
    let (key, value, timestamp_type) = (Some("a".into()), Some("v".into()), TimestampType::CreateTime);
    task.add(&source, [LogRecord { offset: 0, key, value, timestamp: at(101_000), timestamp_type, headers }]);
    task.observe(&source, 1, Some(end));
    task.process(at(101_000), 10).unwrap();
}

#[test]
fn a_backlog_and_a_log_out_of_reach_are_not_idle_input() {
    let topology = final_counts();
    let source = TopicPartition::new("in", 0);
    let closes = |task: &mut Task, now: i64| {
        task.process(at(now), 10).unwrap();
        !task.take_effects().outputs.is_empty()
    };
    let mut one = task(&topology, "");
    add(&mut one, 7);
    assert!(!closes(&mut one, 200_000), "the log holds six more");
    one.observe(&source, 7, Some(7));
    one.out_of_reach(&source, true);
    assert!(!closes(&mut one, 210_000));
    one.out_of_reach(&source, false);
    assert!(closes(&mut one, 220_000));
}

#[test]
fn stream_time_survives_a_restart_without_the_option_too() {
    let windows = TimeWindows::tumbling(millisecs(10));
    let plain = |app: &StreamsBuilder| {
        let (windowed, late) = grouped(app).windowed(windows).late("late-ones");
        late.map_values("why", |_, late: Late<String>| late.value).to("late", text());
        write(&windowed.count("counts"), windows);
    };
    let sliding = |app: &StreamsBuilder| {
        let (windowed, late) = grouped(app).windowed(SlidingWindows::of(millisecs(10))).late("late-ones");
        late.map_values("why", |_, late: Late<String>| late.value).to("late", text());
        write(&windowed.count("counts"), windows);
    };
    let sessions = |app: &StreamsBuilder| {
        let (windowed, late) = grouped(app).sessions(SessionWindows::gap(millisecs(10))).late("late-ones");
        late.map_values("why", |_, late: Late<String>| late.value).to("late", text());
        write(&windowed.count("counts"), windows);
    };
    type Make<'a> = &'a dyn Fn(&StreamsBuilder);
    let kinds: [(&str, Make<'_>); 3] = [("tumbling", &plain), ("sliding", &sliding), ("sessions", &sessions)];
    for (name, make) in kinds {
        let app = StreamsBuilder::new("app");
        make(&app);
        let driver = TestDriver::new(app.build().unwrap());
        pipe(&driver, "b", "1", at(15));
        pipe(&driver, "a", "2", at(57));
        driver.restart().unwrap();
        pipe(&driver, "a", "3", at(49));
        pipe(&driver, "a", "late", at(30));
        assert_eq!(late(&driver).last().map(String::as_str), Some("late"), "{name}");
    }
}

#[test]
fn what_is_processed_again_after_a_crash_is_as_late_as_it_was() {
    let (app, windows) = (StreamsBuilder::new("app"), TimeWindows::tumbling(millisecs(10)));
    let (windowed, late_ones) = grouped(&app).windowed(windows).late("late-ones");
    late_ones.map_values("why", |_, late: Late<String>| late.value).to("late", text());
    write(&windowed.count("counts"), windows);
    let driver = TestDriver::new(app.build().unwrap());
    pipe(&driver, "a", "1", at(15));
    driver.commit();
    pipe(&driver, "a", "2", at(16));
    pipe(&driver, "a", "3", at(50));
    driver.crash_before_commit().unwrap();
    assert_eq!(late(&driver), [""; 0], "the third is not known to have come before");
    pipe(&driver, "a", "4", at(5));
    assert_eq!(late(&driver), ["4"]);
}

#[test]
fn a_note_tells_the_times_of_operators_and_nothing_else_is_taken_for_one() {
    let topology = final_counts();
    let mut one = task(&topology, "");
    assert_eq!(one.note(), "");
    add(&mut one, 1);
    let note = "nowfold-times-1 count-counts=101000";
    assert_eq!(one.note(), note);
    assert_eq!(task(&topology, note).note(), note, "it is kept until there is more to say");
    for other in ["", "2;AAAB", "nowfold-times-2 count-counts=7", "nowfold-times-1 =", "nowfold-times-1 count-counts=x"]
    {
        assert_eq!(task(&topology, other).note(), "", "{other:?}");
    }
}
