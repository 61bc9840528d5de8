//! Results that are sent once, at-least-once: a process may die in any call of the broker, and none is lost.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use nowfold_core::dsl::{Buffer, Emit, KStream, StreamJoined, StreamsBuilder};
use nowfold_core::names::TopicPartition;
use nowfold_core::serde::{Plain, SessionWindowed, TimeWindowed};
use nowfold_core::time::{Timestamp, millisecs, seconds};
use nowfold_core::topology::Topology;
use nowfold_core::window::{JoinWindows, SessionWindows, TimeWindows};
use nowfold_runtime::broker::Broker as _;
use nowfold_runtime::{AppState, Guarantee};
use nowfold_testkit::sim::{Simulation, config, record};

const PATIENCE: Duration = Duration::from_secs(60);

/// Calls of the broker within which a process dies.
const CALLS: u64 = 150;

const N_VISITS: i64 = 40;

fn visits(app: &StreamsBuilder) -> KStream<String, String> {
    app.stream("visits", Plain::<String, String>::new())
}

/// Windows of a second, sent when they are over.
fn windows() -> Topology {
    let (app, windows) = (StreamsBuilder::new("closing"), TimeWindows::tumbling(seconds(1)));
    visits(&app)
        .group_by_key("by-page", Plain::<String, String>::new())
        .windowed(windows)
        .emit(Emit::OnClose { every: Duration::ZERO })
        .count("counts")
        .to_stream("closed")
        .to("results", TimeWindowed::new(Plain::<String, Option<i64>>::new(), windows));
    app.build().unwrap()
}

fn sessions() -> Topology {
    let app = StreamsBuilder::new("closing");
    visits(&app)
        .group_by_key("by-page", Plain::<String, String>::new())
        .sessions(SessionWindows::gap(millisecs(300)))
        .emit(Emit::OnClose { every: Duration::ZERO })
        .count("counts")
        .to_stream("closed")
        .to("results", SessionWindowed::new(Plain::<String, Option<i64>>::new()));
    app.build().unwrap()
}

fn suppressed() -> Topology {
    let (app, windows) = (StreamsBuilder::new("closing"), TimeWindows::tumbling(seconds(1)));
    let serdes = || TimeWindowed::new(Plain::<String, i64>::new(), windows);
    visits(&app)
        .group_by_key("by-page", Plain::<String, String>::new())
        .windowed(windows)
        .count("counts")
        .suppress_until_closed("final", Buffer::unbounded(), serdes())
        .to_stream("closed")
        .to("results", TimeWindowed::new(Plain::<String, Option<i64>>::new(), windows));
    app.build().unwrap()
}

/// Windows of a second whose results are counted again in the same task.
fn counted_again() -> Topology {
    let (app, windows) = (StreamsBuilder::new("closing"), TimeWindows::tumbling(seconds(1)));
    let serdes = || TimeWindowed::new(Plain::<String, Option<i64>>::new(), windows);
    visits(&app)
        .group_by_key("by-page", Plain::<String, String>::new())
        .windowed(windows)
        .emit(Emit::OnClose { every: Duration::ZERO })
        .count("counts")
        .to_stream("closed")
        .group_by_key("by-window", serdes())
        .count("again")
        .to_stream("changes")
        .to("results", serdes());
    app.build().unwrap()
}

/// Visits that wait for an order, in vain.
fn joined() -> Topology {
    let app = StreamsBuilder::new("closing");
    let (visits, orders) = (visits(&app), app.stream("orders", Plain::<String, String>::new()));
    let within = StreamJoined::within(JoinWindows::of(millisecs(200)), Plain::new(), Plain::new());
    visits
        .left_join_stream("with-order", orders, within.emit_every(Duration::ZERO), |_, visit, order| {
            format!("{visit} {order:?}")
        })
        .to("results", Plain::<String, String>::new());
    app.build().unwrap()
}

/// The keys of all results, of a run in which the process dies in its `calls`-th call, or never.
fn results(topology: fn() -> Topology, seed: u64, calls: Option<u64>) -> BTreeSet<Bytes> {
    let sim = Simulation::new(seed);
    ["visits", "orders", "results"].iter().for_each(|topic| sim.create_topic(topic, 1));
    let mut app = sim.start("a", topology(), config(Guarantee::AtLeastOnce));
    assert!(sim.run_until(PATIENCE, || app.state() == AppState::Running));
    calls.into_iter().for_each(|calls| app.crash_in(calls));
    for i in 0..N_VISITS {
        let at = Timestamp::from_millis(1_767_225_600_000 + 170 * i);
        sim.produce(record("visits", &format!("page-{}", i / 3), "x", at));
        sim.run_for(Duration::from_millis(sim.below(15)));
    }
    sim.run_for(Duration::from_millis(400));
    if app.is_over() {
        app = sim.start("b", topology(), config(Guarantee::AtLeastOnce));
    }
    app.heal();
    let visits = [TopicPartition::new("visits", 0)];
    let committed = || sim.log().committed("closing", &visits).unwrap().pop().flatten().map(|it| it.offset);
    let is_done = || committed() == Some(N_VISITS);
    assert!(sim.run_until(PATIENCE, is_done), "{calls:?}: {} {:?}", app.state(), app.failure());
    sim.all_records("results").into_iter().filter_map(|record| record.key).collect()
}

#[track_caller]
fn loses_none(topology: fn() -> Topology) {
    let all = results(topology, 0, None);
    assert!(all.len() > 5, "{all:?}");
    for calls in 0..CALLS {
        let found = results(topology, calls, Some(calls));
        let lost: Vec<_> = all.difference(&found).collect();
        assert!(lost.is_empty(), "a process that died in call {calls} lost {lost:?}");
    }
}

#[test]
fn a_window_that_is_sent_on_close_is_not_lost_wherever_the_process_dies() {
    loses_none(windows);
}

#[test]
fn a_session_that_is_sent_on_close_is_not_lost_wherever_the_process_dies() {
    loses_none(sessions);
}

#[test]
fn a_suppressed_window_is_not_lost_wherever_the_process_dies() {
    loses_none(suppressed);
}

#[test]
fn what_counts_closed_windows_misses_none_wherever_the_process_dies() {
    loses_none(counted_again);
}

#[test]
fn a_row_without_a_partner_is_not_lost_wherever_the_process_dies() {
    loses_none(joined);
}
