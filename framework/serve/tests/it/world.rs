//! A server in front of a small application, at an instant that stands still. The guide's examples ask it, too.

use std::sync::Arc;

use nowfold_core::dsl::StreamsBuilder;
use nowfold_core::query::StoreHub;
use nowfold_core::serde::{Nullable, Pair, Utf8};
use nowfold_core::time::{Timestamp, hours, minutes};
use nowfold_core::topology::Topology;
use nowfold_operators::{ActionSource, Actions, feature};
use nowfold_runtime::{AppState, StateCell};
use nowfold_schemas::ActionCodec;
use nowfold_schemas::action::Action;
use nowfold_serve::App;
use nowfold_testkit::{ManualClock, TestDriver};

/// The present: 2026-11-23T10:00:00.123Z.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_795_428_000_123);

/// An application that has read everything.
pub(crate) struct World {
    pub(crate) hub: Arc<StoreHub>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) topology: Topology,
}

impl World {
    /// One store, `activity`, over an actions topic of six partitions.
    pub(crate) fn new() -> Self {
        Self::of(&["activity"])
    }

    /// The application that `docs/guide/queries.md` asks.
    pub(crate) fn guide() -> App {
        let world = Self::new();
        world.app().topology(world.topology)
    }

    /// Stores of these names, all over the same topic.
    pub(crate) fn of(stores: &[&str]) -> Self {
        let app = StreamsBuilder::new("guide");
        let log = app.actions("actions");
        for store in stores {
            log.clone().materialize(Actions::named(store).retention(hours(97)).features([
                feature("applied").mean("object.embedding").verb("apply").within(hours(24)),
                feature("counts").count_by("verb").within([hours(1), hours(24), hours(96)]),
            ]));
        }
        let topology = app.build().unwrap();
        let driver = TestDriver::new(topology.clone()).partitions("actions", 6).log_append_time("actions");
        let driver = driver.starting_at(NOW);
        let input = driver.input::<Arc<str>, _>("actions", Pair::new(Utf8, Nullable(ActionCodec::new())));
        for (number, (actor, verb, object, age, embedding)) in HISTORY.iter().enumerate() {
            let action = Action::new(*actor, *verb, *object).at(NOW.minus(minutes(*age)));
            let action = action.id(format!("e{number}")).object_attribute("embedding", embedding.to_vec());
            input.pipe(*actor, action.object_attribute("title", format!("title of {object}")), NOW).unwrap();
        }
        Self { hub: driver.hub(), clock: driver.clock(), topology }
    }

    /// The application, running.
    pub(crate) fn app(&self) -> App {
        self.app_in(AppState::Running)
    }

    /// The application in any state.
    pub(crate) fn app_in(&self, state: AppState) -> App {
        App::new(self.hub.clone(), self.clock.clone(), Arc::new(StateCell::new(state)))
    }
}

type Event = (&'static str, &'static str, &'static str, u64, [f32; 2]);

/// Actor, verb, object, age in minutes, embedding; in the order of arrival.
const HISTORY: [Event; 8] = [
    ("member-111", "apply", "job-7", 30 * 60, [1.0, 1.0]),
    ("member-111", "view", "job-1", 50, [0.5, 0.25]),
    ("member-111", "apply", "job-1", 45, [0.5, 0.25]),
    ("member-222", "view", "job-3", 44, [0.0, 1.0]),
    ("member-111", "apply", "job-2", 5 * 60, [0.0, -0.5]),
    ("member-111", "view", "job-9", 2, [0.25, 0.0]),
    ("member-111", "apply", "job-3", 23 * 60, [-0.125, 0.0]),
    ("Åsa/Öl 42", "view", "job-1", 7, [0.5, 0.25]),
];
