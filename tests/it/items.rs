//! Features of items: the same actions by object and by attribute, and undoings that reach them.

use std::sync::Arc;

use nowfold::core::record::{Headers, OutputRecord};
use nowfold::operators::{Features, ReKey};
use nowfold::prelude::*;
use nowfold::testkit::Input;

use super::support::h;

struct World {
    driver: TestDriver,
    actions: Input<Arc<str>, Action>,
}

/// Members' actions, and the same by job and by company in stores of their own.
fn world(by_object: ReKey) -> World {
    let app = StreamsBuilder::new("items");
    let log = app.actions("actions");
    let features = || {
        [
            feature("who").distinct_count("verb.actor").within(hours(24)),
            feature("n").count().within(hours(24)),
            feature("last").last(3, "verb.actor").within(hours(24)),
        ]
    };
    log.clone().materialize(Actions::named("members").features(features()));
    log.clone().re_key(by_object).through("by-object").materialize(Actions::named("jobs").features(features()));
    log.by_attribute("object.company")
        .through("by-company")
        .materialize(Actions::named("companies").features(features()));
    let driver = TestDriver::new(app.build().unwrap()).partitions("actions", 3).log_append_time("actions");
    let driver = driver.log_append_time("by-object").log_append_time("by-company");
    let driver = driver.starting_at(Timestamp::from_millis(h(100)));
    let actions = driver.input("actions", ActionCodec::new().pair());
    World { driver, actions }
}

impl World {
    fn pipe(&self, action: Action) {
        let now = self.driver.now();
        self.actions.pipe(action.actor.clone(), action, now).unwrap();
    }

    fn ask(&self, store: &str, actor: &str) -> Answer {
        Features::new(self.driver.hub(), self.driver.clock(), store).of(actor).unwrap()
    }

    fn n(&self, store: &str, actor: &str) -> u64 {
        self.ask(store, actor).count("n").unwrap()
    }

    fn erase(&self, actor: &str) {
        let (topic, timestamp) = ("actions".into(), self.driver.now());
        let key = Some(actor.to_owned().into());
        let record = OutputRecord { topic, partition: None, key, value: None, timestamp, headers: Headers::new() };
        self.driver.pipe_raw(record).unwrap();
    }
}

fn apply(member: &str, id: &str, job: &str) -> Action {
    Action::new(member, "apply", job).at_ms(h(99)).id(id).sequence(7).object_attribute("company", format!("{job}-inc"))
}

fn plain() -> ReKey {
    ReKey::by("object")
}

#[test]
fn an_item_knows_who_acted_on_it() {
    let world = world(plain());
    for member in ["ann", "bob", "cem"] {
        // The same id for every member: ids are unique within an actor only.
        world.pipe(apply(member, "1", "job"));
        world.pipe(apply(member, "1", "job"));
    }
    world.pipe(apply("ann", "2", "job"));
    let answer = world.ask("jobs", "job");
    assert_eq!((answer.count("n").unwrap(), answer.count("who").unwrap()), (4, 3));
    assert_eq!((world.n("members", "ann"), world.n("companies", "job-inc")), (2, 4));
    assert!(!world.ask("jobs", "ann").envelope.found);
}

#[test]
fn time_sequence_id_and_attributes_are_carried_over() {
    let world = world(plain());
    world.pipe(apply("ann", "e1", "job"));
    let features = Features::new(world.driver.hub(), world.driver.clock(), "jobs");
    let rows = features.actions("job").select(["verb.actor", "object.company", "object"]).get().unwrap();
    let [row] = rows.actions.as_slice() else { panic!("{rows:?}") };
    assert_eq!(row.timestamp.as_millis(), h(99));
    let codec = ActionCodec::new();
    let stored = world.driver.records("by-object");
    let action = codec.read(stored[0].record.value.as_ref().unwrap()).unwrap();
    assert_eq!((&*action.actor, &*action.event_id, action.sequence), ("job", "3:ann/e1", Some(7)));
    assert_eq!(action.object_attributes.get("company"), Some(&Attribute::from("job-inc")));
    assert_eq!(action.verb_attributes.get("actor"), Some(&Attribute::from("ann")));
}

#[test]
fn actions_without_the_attribute_are_left_out_and_those_with_a_list_go_to_each_item() {
    let world = world(plain());
    world.pipe(Action::new("ann", "apply", "job").at_ms(h(99)).id("1"));
    world.pipe(Action::new("ann", "apply", "job").at_ms(h(99)).id("2").object_attribute("company", vec!["a", "b"]));
    assert_eq!(world.driver.count("unkeyed"), 1);
    assert_eq!((world.n("companies", "a"), world.n("companies", "b"), world.n("jobs", "job")), (1, 1, 2));
}

#[test]
fn a_retract_that_repeats_the_object_reaches_it_before_or_after() {
    let world = world(plain());
    world.pipe(apply("ann", "1", "job"));
    world.pipe(apply("ann", "1", "job").retract());
    world.pipe(apply("bob", "1", "job").retract());
    world.pipe(apply("bob", "1", "job"));
    world.pipe(apply("cem", "1", "job"));
    for (store, actor) in [("jobs", "job"), ("companies", "job-inc")] {
        assert_eq!((world.n(store, actor), world.ask(store, actor).count("who").unwrap()), (1, 1), "{store}");
    }
}

#[test]
fn what_cannot_be_re_keyed_goes_to_dead_letters() {
    let world = world(plain());
    world.pipe(apply("ann", "1", "job"));
    world.pipe(Action::new("ann", "", "").id("1").at_ms(h(99)).retract());
    world.erase("ann");
    // Neither by object nor by company.
    assert_eq!((world.driver.count("unkeyed_retract"), world.driver.count("unkeyed_erase")), (2, 2));
    assert_eq!(world.driver.dead_letters().len(), 4);
    assert_eq!((world.n("members", "ann"), world.n("jobs", "job")), (0, 1));
}

fn remembering() -> ReKey {
    plain().remembering(hours(97))
}

#[test]
fn a_memory_lets_bare_retracts_and_erasures_reach_every_item() {
    let world = world(remembering());
    let bare = |member: &str, id: &str| Action::new(member, "", "").id(id).at_ms(h(99)).retract();
    world.pipe(apply("ann", "1", "job-1"));
    world.pipe(apply("ann", "2", "job-2"));
    world.pipe(apply("annette", "1", "job-2"));
    world.pipe(bare("ann", "1"));
    assert_eq!((world.n("jobs", "job-1"), world.n("jobs", "job-2")), (0, 2));
    // Before its action: it stays out.
    world.pipe(bare("bob", "1"));
    world.pipe(apply("bob", "1", "job-1"));
    assert_eq!(world.n("jobs", "job-1"), 0);
    world.driver.restart().unwrap();
    world.erase("ann");
    assert_eq!(world.ask("jobs", "job-2").count("who").unwrap(), 1, "annette's stays");
    // An erasure is in force for what comes later, up to its time.
    world.pipe(apply("ann", "3", "job-2"));
    world.pipe(apply("ann", "4", "job-2").at_ms(h(100) + 60_000));
    world.driver.advance(minutes(1)).unwrap();
    assert_eq!(world.n("jobs", "job-2"), 2);
}

#[test]
fn a_crash_in_the_middle_loses_no_undoing() {
    let world = world(remembering());
    world.pipe(apply("ann", "1", "job"));
    world.driver.commit();
    world.erase("ann");
    world.driver.crash_before_commit().unwrap();
    world.driver.process().unwrap();
    assert_eq!((world.n("jobs", "job"), world.n("members", "ann")), (0, 0));
}

#[test]
fn a_memory_forgets_after_its_retention_and_no_earlier() {
    let world = world(plain().remembering(hours(2)));
    let erase_at = |minute: u64| {
        world.pipe(Action {
            op: nowfold::schemas::action::Op::Erase,
            ..Action::new("ann", "", "").at_ms(h(99) + 60_000)
        });
        world.driver.advance(minutes(minute)).unwrap();
    };
    // Erased twice: the second one counts for two hours of its own.
    erase_at(90);
    erase_at(90);
    world.pipe(apply("ann", "1", "job"));
    assert_eq!(world.n("jobs", "job"), 0, "after 1.5 h");
    world.driver.advance(hours(1)).unwrap();
    world.pipe(apply("bob", "1", "job"));
    world.pipe(apply("ann", "2", "job"));
    assert_eq!(world.ask("jobs", "job").count("who").unwrap(), 2, "forgotten after 2 h");
}

#[test]
fn a_wrong_path_is_a_fault_of_the_topology() {
    let app = StreamsBuilder::new("items");
    let _ = app.actions("actions").by_attribute("company").through("by-company");
    let error = app.build().unwrap_err().to_string();
    assert!(error.contains("\"company\" is not a path"), "{error}");
}
