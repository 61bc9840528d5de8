//! Mistakes in topologies: all of them at once, each with its code, its place and the next step.

use nowfold_core::dsl::{StreamsBuilder, Through};
use nowfold_core::processor::{ProcessError, Processor, ProcessorContext};
use nowfold_core::record::Record;
use nowfold_core::state::StoreSpec;
use nowfold_core::topology::{TopologyError, TopologyFault};

use crate::support::text;

struct Pass;

impl Processor<String, String, String, String> for Pass {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, String, String>,
        record: Record<String, String>,
    ) -> Result<(), ProcessError> {
        cx.forward(record)
    }
}

fn faults(make: impl FnOnce(&StreamsBuilder)) -> TopologyError {
    let app = StreamsBuilder::new("app");
    make(&app);
    app.build().unwrap_err()
}

#[test]
fn build_returns_every_fault_in_the_order_in_which_it_was_made() {
    let error = faults(|app| {
        let names = app.table("names", "names", text());
        app.state_store(StoreSpec::key_value("names"));
        app.stream("in", text())
            .filter("keep", |_, _| true)
            .filter("keep", |_, _| true)
            .select_key("rekey", |_, v| v.clone())
            .join_table("join", &names, |_, v, _| v)
            .process::<String, String, _>("pass", || Pass, &["nowhere"])
            .to("not a topic", text());
        let _ = app.stream("in", text());
    });
    let codes: Vec<_> = error.faults().iter().map(|fault| fault.to_string()[..5].to_owned()).collect();
    assert_eq!(codes, ["NF002", "NF001", "NF005", "NF006", "NF004", "NF003"]);
    let message = error.to_string();
    assert!(message.starts_with("the topology has 6 faults:\n  NF002 "), "{message}");
    for part in [
        "NF005 \"join\" joins on a key that \"rekey\" changed",
        "NF006 \"pass\" asks for store \"nowhere\"",
        "NF004 topic \"not a topic\" is not usable",
        "NF003 topic \"in\" is read twice",
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[test]
fn a_single_fault_stands_alone() {
    assert_eq!(faults(|_| ()).to_string(), TopologyFault::Empty.to_string());
}

#[test]
fn names_of_applications_topics_stores_and_operators_are_checked() {
    let long = "x".repeat(250);
    for name in ["", ".", "..", "a b", "a/b", "ü", long.as_str()] {
        let error = StreamsBuilder::new(name).build().unwrap_err();
        assert!(error.to_string().contains("application"), "{name:?}: {error}");
        let bad = |what| TopologyFault::BadName { what, name: name.to_owned() };
        let error = faults(|app| app.stream("in", text()).to(name, text()));
        assert!(error.faults().contains(&bad("topic")), "{name:?}: {error}");
        let error = faults(|app| app.stream("in", text()).filter(name, |_, _| true).to("out", text()));
        assert!(error.faults().contains(&bad("operator")), "{name:?}: {error}");
        let error = faults(|app| drop(app.table("in", name, text())));
        assert!(error.faults().contains(&bad("store")), "{name:?}: {error}");
        let error = faults(|app| drop(app.global_table(name, text())));
        assert!(error.faults().contains(&bad("topic")), "{name:?}: {error}");
    }
}

#[test]
fn a_topic_is_read_once_whatever_it_is_read_as() {
    let reads: [fn(&StreamsBuilder); 3] = [
        |app| drop(app.stream("in", text())),
        |app| drop(app.table("in", "store", text())),
        |app| drop(app.global_table("in", text())),
    ];
    for (i, first) in reads.iter().enumerate() {
        for (j, second) in reads.iter().enumerate().filter(|(j, _)| *j != i || i == 2) {
            let error = faults(|app| {
                app.stream("other", text()).for_each("end", |_, _| ());
                first(app);
                second(app);
            });
            let expected = TopologyFault::DuplicateSource { topic: "in".into() };
            assert!(error.faults().contains(&expected), "{i} then {j}: {error}");
        }
    }
}

#[test]
fn a_topic_between_mends_a_changed_key() {
    type Change = fn(crate::support::Texts) -> crate::support::Texts;
    let changes: [(&str, Change); 4] = [
        ("map", |s| s.map("change", |k, v| (v, k))),
        ("flat_map", |s| s.flat_map("change", |k, v| [(v, k)])),
        ("select_key", |s| s.select_key("change", |_, v| v.clone())),
        ("process", |s| s.process("change", || Pass, &[])),
    ];
    for (name, change) in changes {
        let build = |mend: bool| {
            let app = StreamsBuilder::new("app");
            let names = app.table("names", "names", text());
            let changed = change(app.stream("in", text())).map_values("later", |_, v| v);
            let merged = app.stream("other", text()).merge("both", changed);
            let [branch] = merged.split("parts").branch("all", |_, _| true).no_default_branch();
            let keyed = if mend { branch.through(Through::topic("mid"), text()) } else { branch };
            keyed.join_table("join", &names, |_, v, _| v).to("out", text());
            app.build()
        };
        let expected = TopologyFault::KeyChanged { node: "join".into(), changed_by: "change".into() };
        assert_eq!(build(false).unwrap_err().faults(), [expected], "{name}");
        assert!(build(true).is_ok(), "{name}");
    }
}

#[test]
fn streams_of_two_builders_do_not_mix() {
    let other = StreamsBuilder::new("other");
    let error = faults(|app| {
        let foreign = other.stream("x", text());
        app.stream("in", text()).merge("both", foreign).to("out", text());
    });
    assert_eq!(error.faults(), [TopologyFault::ForeignStream { node: "both".into() }]);
}

#[test]
fn names_that_follow_from_others_are_checked_too() {
    let error = faults(|app| {
        app.dead_letters("not a topic");
        app.stream("in", text()).for_each("end", |_, _| ());
    });
    assert_eq!(error.faults(), [TopologyFault::BadName { what: "topic", name: "not a topic".into() }]);
    let store = "s".repeat(240);
    let error = faults(|app| {
        app.state_store(StoreSpec::key_value(&store));
        let input = app.stream("in", text());
        input.process::<String, String, _>("pass", || Pass, &[&store]).for_each("end", |_, _| ());
    });
    assert_eq!(error.faults(), [TopologyFault::BadName { what: "topic", name: format!("app-{store}-changelog") }]);
}

#[test]
fn a_store_that_is_rebuilt_from_a_topic_must_live_where_the_topic_is_read() {
    use nowfold_core::state::{Changelog, MemoryKeyValue};
    let build = |read: &str, log: &str| {
        let app = StreamsBuilder::new("app");
        let changelog = Changelog::EventLog(log.into());
        app.state_store(StoreSpec::new("chain", changelog, || Box::new(MemoryKeyValue::new())));
        let input = app.stream(read, text());
        input.process::<String, String, _>("pass", || Pass, &["chain"]).for_each("end", |_, _| ());
        app.build()
    };
    assert!(build("in", "in").is_ok());
    let error = build("in", "other").unwrap_err();
    assert_eq!(error.faults(), [TopologyFault::UnreadChangelog { store: "chain".into(), topic: "other".into() }]);
}

#[test]
fn topologies_and_tasks_travel_between_threads() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    shared::<nowfold_core::topology::Topology>();
    sent::<nowfold_core::task::Task>();
}
