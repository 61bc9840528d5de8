//! What mapping files make of records.

use nowfold_core::dsl::StreamsBuilder;
use nowfold_core::serde::Plain;
use nowfold_core::time::{Timestamp, hours};
use nowfold_mapping::{AttributeType, CompiledMapping, Mapped, OnBrokenLine, Side};
use nowfold_operators::feature::{ActionSchema, AttributeKind};
use nowfold_operators::{EventIdentity, ToActions};
use nowfold_schemas::ActionCodec;
use nowfold_schemas::action::{Action, Attribute};
use nowfold_testkit::TestDriver;
use rstest::rstest;
use serde_json::{Value, json};

fn parse(text: &str) -> CompiledMapping {
    CompiledMapping::parse("test.toml", text).unwrap_or_else(|report| panic!("{report}"))
}

/// A mapping with one entry: `keys` replace or add to those of a minimal one.
fn entry(keys: &str) -> CompiledMapping {
    let minimal = [("actor", "\"/u\""), ("verb", "\"do\""), ("object", "\"/o\""), ("timestamp", "\"/t\"")];
    let given = |name: &str| keys.lines().any(|line| line.trim_start().starts_with(&format!("{name} =")));
    let rest = minimal.iter().filter(|(name, _)| !given(name)).map(|(name, value)| format!("{name} = {value}\n"));
    parse(&format!("[feed]\nname = \"f\"\n[[actions]]\nname = \"a\"\n{keys}\n{}", rest.collect::<String>()))
}

fn record(fields: Value) -> Value {
    let mut record = json!({"u": "ann", "o": "x1", "t": "2020-01-01T00:00:00Z"});
    record.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    record
}

fn outcome(mapping: &CompiledMapping, fields: Value) -> Result<Mapped, String> {
    mapping.map(7, &record(fields)).next().unwrap().map_err(|reject| reject.reason().to_owned())
}

fn action(mapping: &CompiledMapping, fields: Value) -> Action {
    outcome(mapping, fields).unwrap().into_action().unwrap()
}

#[test]
fn a_minimal_entry_gives_an_action_with_the_line_as_sequence_and_identity() {
    let expected = Action::new("ann", "do", "x1").at_ms(1_577_836_800_000).id("f:7").sequence(7);
    assert_eq!(action(&entry(""), json!({})), expected);
}

#[rstest]
#[case::pointer("actor = \"/u\"", json!({"u": 17850}), "17850")]
#[case::nested("actor = \"/a/0/id\"", json!({"a": [{"id": "x"}]}), "x")]
#[case::list("actor = [\"/u\", \"/o\"]", json!({}), "ann/x1")]
#[case::join("actor = { join = [\"/u\", \"/n\"], separator = \"|\" }", json!({"n": 2}), "ann|2")]
#[case::skip("actor = { join = [\"/u\", \"/n\", \"/o\"], missing = \"skip\" }", json!({}), "ann/x1")]
#[case::template("actor = \"{/u}@{/o}\"", json!({}), "ann@x1")]
#[case::template_from_slash("actor = \"/{/u}\"", json!({}), "/ann")]
#[case::explicit_pointer("actor = { pointer = \"/a{/b}\" }", json!({"a{": {"b}": "odd"}}), "odd")]
#[case::first_of("actor = { first_of = [\"/login\", \"/u\"] }", json!({"login": ""}), "ann")]
#[case::default("actor = { pointer = \"/login\", default = \"nobody\" }", json!({}), "nobody")]
#[case::renamed("actor = { pointer = \"/u\", rename = { ann = \"Ann\" } }", json!({}), "Ann")]
#[case::constant("actor = { constant = \"everybody\" }", json!({}), "everybody")]
fn actors_are_texts(#[case] keys: &str, #[case] fields: Value, #[case] expected: &str) {
    assert_eq!(&*action(&entry(keys), fields).actor, expected);
}

#[rstest]
#[case(json!({"u": null}))]
#[case(json!({"u": ""}))]
fn a_record_without_an_actor_is_dropped_whatever_else_is_wrong_with_it(#[case] fields: Value) {
    assert_eq!(outcome(&entry(""), fields.clone()), Ok(Mapped::NoActor));
    let mut unmappable = fields;
    unmappable["t"] = json!("never");
    assert_eq!(outcome(&entry(""), unmappable), Ok(Mapped::NoActor));
}

const CASES: &str = "verb = { default = \"view\", cases = [
    { when = { pointer = \"/dep\", is = \"null\" }, then = \"cancel\" },
    { when = { any = [{ pointer = \"/n\", greater = 5 }, { pointer = \"/n\", equals = -1 }] }, then = \"many\" },
    { when = [{ pointer = \"/k\", prefix = \"C\" }, { not = { pointer = \"/k\", suffix = \"9\" } }], then = \"/k\" },
] }";

#[rstest]
#[case::constant("verb = \"view\"", json!({}), "view")]
#[case::field("verb = \"/kind\"", json!({"kind": "save"}), "save")]
#[case::renamed("verb = { pointer = \"/kind\", rename = { PushEvent = \"push\" }, default = \"other\" }", json!({"kind": "PushEvent"}), "push")]
#[case::absent("verb = { pointer = \"/kind\", default = \"other\" }", json!({}), "other")]
#[case::first_case(CASES, json!({"n": 9}), "cancel")]
#[case::second_case(CASES, json!({"dep": 0, "n": 9}), "many")]
#[case::either(CASES, json!({"dep": 0, "n": -1}), "many")]
#[case::case_with_a_field(CASES, json!({"dep": 0, "k": "C536"}), "C536")]
#[case::no_case(CASES, json!({"dep": 0, "k": "C539"}), "view")]
fn verbs_follow_the_first_case_that_holds(#[case] keys: &str, #[case] fields: Value, #[case] expected: &str) {
    assert_eq!(&*action(&entry(keys), fields).verb, expected);
}

#[rstest]
#[case::no_verb("verb = \"/kind\"", json!({}), "no_verb")]
#[case::no_case("verb = { cases = [{ when = { pointer = \"/k\", is = true }, then = \"yes\" }] }", json!({}), "no_verb")]
#[case::no_object("", json!({"o": null}), "no_object")]
#[case::no_time("", json!({"t": null}), "bad_timestamp")]
#[case::bad_time("", json!({"t": "soon"}), "bad_timestamp")]
#[case::object_as_actor("", json!({"u": {"id": 1}}), "not_text")]
#[case::long_actor("", json!({"u": "é".repeat(513)}), "actor_too_long")]
fn what_cannot_be_an_action_is_rejected_with_its_reason(
    #[case] keys: &str,
    #[case] fields: Value,
    #[case] reason: &str,
) {
    assert_eq!(outcome(&entry(keys), fields), Err(reason.to_owned()));
}

#[test]
fn an_object_may_be_empty_where_the_mapping_says_so() {
    let mapping = entry("object = { pointer = \"/o\", default = \"\" }");
    assert_eq!(&*action(&mapping, json!({"o": null})).object, "");
}

#[rstest]
#[case(json!({"bot": true}), true)]
#[case(json!({"bot": false}), false)]
#[case(json!({}), false)]
fn where_leaves_records_out_before_anything_else(#[case] fields: Value, #[case] is_filtered: bool) {
    let mapping = entry("where = { pointer = \"/bot\", not_equals = true }");
    assert_eq!(outcome(&mapping, fields) == Ok(Mapped::Filtered), is_filtered);
}

#[rstest]
#[case::line("event_id = \"line\"", "f:7", true)]
#[case::log("event_id = \"log\"", "", false)]
#[case::field("event_id = \"/id\"", "e1", true)]
#[case::several("event_id = \"{/id}:{/u}\"", "e1:ann", true)]
#[case::absent("event_id = \"/nothing\"", "f:7", true)]
#[case::what_it_says("event_id = \"natural\"", "1577836800000/2/do/x1", true)]
#[case::parts("event_id = { natural = [\"/id\", \"/nothing\", \"/o\"] }", "2:e1/-/2:x1", true)]
#[case::no_part("event_id = { natural = [\"/nothing\", \"/nobody\"] }", "f:7", true)]
#[case::in_full("event_id = { pointer = \"/nothing\", default = \"none\" }", "none", true)]
fn events_are_identified(#[case] keys: &str, #[case] expected: &str, #[case] identifies: bool) {
    let mapping = entry(keys);
    assert_eq!(&*action(&mapping, json!({"id": "e1"})).event_id, expected);
    assert_eq!(mapping.actions()[0].identifies_events(), identifies);
}

#[test]
fn natural_keys_are_equal_when_all_of_their_parts_are() {
    let mapping = entry("event_id = { natural = [\"/a\", \"/b\"] }");
    let id = |a: Value, b: Value| action(&mapping, json!({"a": a, "b": b})).event_id;
    let parts = [("x/y", "z"), ("x", "y/z"), ("x", ""), ("-", "z"), ("", "z"), ("1:x", "z")];
    let ids: std::collections::BTreeSet<_> = parts.iter().map(|(a, b)| id(json!(a), json!(b))).collect();
    assert_eq!(ids.len(), parts.len());
    assert_eq!(id(json!("x"), Value::Null), id(json!("x"), json!("")), "null, empty and absent are alike");
    assert_eq!(outcome(&mapping, json!({"a": {}})), Err("not_text".to_owned()));
}

#[test]
fn the_natural_key_is_the_one_that_a_live_pipeline_stamps() {
    let mapped = action(&entry("event_id = \"natural\""), json!({}));
    let app = StreamsBuilder::new("live");
    let _ = app
        .stream("in", Plain::<String, String>::new())
        .to_actions_with("standardize", EventIdentity::NaturalKey, |actor, object| {
            Action::new(actor, "do", object).at_ms(1_577_836_800_000)
        })
        .through("actions");
    let driver = TestDriver::new(app.build().unwrap());
    driver.input("in", Plain::<String, String>::new()).pipe("ann", "x1", Timestamp::from_millis(1)).unwrap();
    let record = driver.records("actions").remove(0).record;
    let stamped = ActionCodec::new().read(record.value.as_ref().unwrap()).unwrap();
    assert_eq!((&stamped.actor, &stamped.event_id), (&mapped.actor, &mapped.event_id));
}

#[test]
fn the_schema_has_every_attribute_and_the_verbs_where_they_are_all_told() {
    let attributes = "object_attributes = { title = \"{/t}\", embedding = { pointer = \"/e\", type = \"vector\" } }";
    let table = "[[tables]]\nname = \"t\"\nfile = \"f\"\nkey = \"/k\"\nenrich = \"actor\"\nattributes = { age = { pointer = \"/age\", type = \"i64\" } }";
    let expected = ActionSchema::new()
        .attribute("object.title", AttributeKind::Text)
        .attribute("object.embedding", AttributeKind::Vector)
        .attribute("actor.age", AttributeKind::Number);
    let of = |verb: &str| {
        let entry = format!("name = \"a\"\nactor = \"/u\"\nverb = {verb}\nobject = \"/o\"\ntimestamp = \"/t\"");
        parse(&format!("[feed]\n[[actions]]\n{entry}\n{attributes}\n{table}")).schema()
    };
    let cases = "{ cases = [{ when = { pointer = \"/x\", is = true }, then = \"buy\" }], default = \"view\" }";
    assert_eq!(of(cases), expected.clone().verbs(["buy", "view"]));
    assert_eq!(of("\"/kind\""), expected, "any verb where one comes from the record");
}

#[rstest]
#[case("timestamp = { pointer = \"/ms\", format = \"epoch-ms\" }", 1_372_669_620_000)]
#[case("timestamp = { pointer = \"/s\", format = \"epoch-s\" }", 1_372_669_620_250)]
#[case("timestamp = { pointer = \"/iso\" }", 1_372_669_620_000)]
#[case("timestamp = { pointer = \"/local\", zone = \"America/New_York\" }", 1_372_669_620_000)]
#[case(
    "timestamp = { join = [\"/day\", \"/hhmm\"], separator = \" \", format = \"%Y-%m-%d %H%M\", zone = \"UTC\" }",
    1_372_684_020_000
)]
#[case("timestamp = { template = \"{/day} {/h:02}:{/m:02}\", format = \"%F %R\", zone = \"UTC\" }", 1_372_655_220_000)]
fn times_are_read_in_every_form(#[case] keys: &str, #[case] expected_ms: i64) {
    let fields = json!({"ms": 1_372_669_620_000_u64, "s": 1_372_669_620.25, "iso": "2013-07-01T09:07:00Z",
        "local": "2013-07-01 05:07", "day": "2013-07-01", "hhmm": "1307", "h": 5, "m": 7});
    assert_eq!(action(&entry(keys), fields).timestamp.unwrap().as_millis(), expected_ms);
}

#[test]
fn attributes_have_their_types_and_missing_ones_are_null() {
    let mapping = entry("verb_attributes = { n = { pointer = \"/n\", type = \"f64\" }, gone = \"/gone\", bad = { pointer = \"/u\", type = \"i64\" } }
        object_attributes = { v = { pointer = \"/v\", type = \"vector\", dim = 2 }, whole = \"{/u}-{/o}\" }
        actor_attributes = { kind = { constant = \"human\", type = \"text\" } }");
    let Ok(Mapped::Action { action, n_wrong_attributes }) = outcome(&mapping, json!({"n": 3, "v": [1, 0.5]})) else {
        panic!()
    };
    assert_eq!(n_wrong_attributes, 1);
    assert_eq!(action.verb_attributes.get("n"), Some(&Attribute::Float(3.0)));
    assert_eq!(action.verb_attributes.get("gone"), Some(&Attribute::Null));
    assert_eq!(action.verb_attributes.get("bad"), Some(&Attribute::Null));
    assert_eq!(action.object_attributes.get("v"), Some(&Attribute::Vector([1.0, 0.5].into())));
    assert_eq!(action.object_attributes.get("whole"), Some(&Attribute::Text("ann-x1".into())));
    assert_eq!(action.actor_attributes.get("kind"), Some(&Attribute::Text("human".into())));
}

#[test]
fn names_that_are_left_out_follow_from_the_others() {
    let mapping = parse(
        "feed = { name = \"shop\", files = \"a.jsonl\" }
        [[actions]]
        name = \"buyer\"
        actor = \"/u\"
        verb = \"buy\"
        object = \"/o\"
        timestamp = \"/t\"
        verb_attributes = { price = { pointer = \"/p\", type = \"number\" }, note = \"/n\" }
        [[actions]]
        name = \"country\"
        topic = \"by-country\"
        store = \"countries\"
        retention = \"97h\"
        actor = \"/c\"
        verb = \"buy\"
        object = \"/o\"
        timestamp = \"/t\"
        [[tables]]
        name = \"products\"
        file = \"p.jsonl\"
        key = \"/id\"
        enrich = \"object\"
        attributes = { taste = { pointer = \"/e\", type = \"vector\" } }
        [[tables]]
        name = \"users\"
        file = \"u.jsonl\"
        key = \"/id\"
        enrich = \"actor\"
        actions = [\"buyer\"]
        [questions]
        actor_fields = { CustomerID = \"buyer\" }",
    );
    assert_eq!((mapping.feed().topic.as_str(), mapping.feed().on_broken_line), ("shop-raw", OnBrokenLine::Skip));
    let [buyer, country] = mapping.actions() else { panic!() };
    assert_eq!((buyer.topic(), buyer.store(), buyer.retention()), ("shop-buyer", "buyer", None));
    assert_eq!((country.topic(), country.store(), country.retention()), ("by-country", "countries", Some(hours(97))));
    let [products, users] = mapping.tables() else { panic!() };
    assert_eq!(
        (products.topic(), products.enriches(), products.actions()),
        ("products", Side::Object, [0, 1].as_slice())
    );
    assert_eq!((users.enriches(), users.actions()), (Side::Actor, [0].as_slice()));
    assert_eq!(products.attribute_mappings()[0].attribute_type(), AttributeType::Vector(None));
    let questions = mapping.questions();
    assert_eq!(questions.numbers, [("price".to_owned(), "price".to_owned())]);
    assert_eq!(questions.embedding.as_deref(), Some("taste"));
    for (field, index) in [("CustomerID", 0), ("buyer", 0), ("country", 1)] {
        assert_eq!(mapping.action_for(field), Ok(index));
    }
    let error = mapping.action_for("customerid").unwrap_err().to_string();
    assert!(error.contains("did you mean \"CustomerID\"?"), "{error}");
}

#[test]
fn numbers_may_have_other_names_in_answers() {
    let mapping = parse(
        "[feed]
        name = \"f\"
        [[actions]]
        name = \"a\"
        actor = \"/u\"
        verb = \"v\"
        object = \"/o\"
        timestamp = \"/t\"
        verb_attributes = { n = \"/n\" }
        [questions]
        numbers = { Quantity = \"n\" }",
    );
    assert_eq!(mapping.questions().numbers, [("Quantity".to_owned(), "n".to_owned())]);
}

#[test]
fn the_time_of_a_record_is_the_latest_that_any_entry_reads() {
    let mapping = parse(
        "[feed]
        name = \"f\"
        [[actions]]
        name = \"opened\"
        actor = \"/u\"
        verb = \"open\"
        object = \"/o\"
        timestamp = \"/opened\"
        [[actions]]
        name = \"closed\"
        actor = \"/u\"
        verb = \"close\"
        object = \"/o\"
        timestamp = \"/closed\"",
    );
    let time = |record: Value| mapping.event_time(&record).map(|time| time.as_millis());
    assert_eq!(time(json!({"opened": "1970-01-01T00:00:01Z", "closed": "1970-01-01T00:00:02Z"})), Some(2_000));
    assert_eq!(time(json!({"opened": "1970-01-01T00:00:01Z", "closed": null})), Some(1_000));
    assert_eq!(time(json!({})), None);
}

#[test]
fn paths_count_from_the_mapping_file_or_its_data_dir_or_another_one() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("m.toml");
    let entry =
        "[feed]\n[[actions]]\nname = \"a\"\nactor = \"/u\"\nverb = \"v\"\nobject = \"/o\"\ntimestamp = \"/t\"\n";
    std::fs::write(&file, entry).unwrap();
    let plain = CompiledMapping::load(&file).unwrap();
    assert_eq!(plain.feed().name, "m");
    assert_eq!(plain.resolve("x.jsonl".as_ref()), dir.path().join("x.jsonl"));
    std::fs::write(&file, format!("data_dir = \"data\"\n{entry}")).unwrap();
    let moved = CompiledMapping::load(&file).unwrap();
    assert_eq!(moved.resolve("x.jsonl".as_ref()), dir.path().join("data/x.jsonl"));
    assert_eq!(moved.with_data_dir("/other").resolve("x.jsonl".as_ref()), std::path::Path::new("/other/x.jsonl"));
}

#[test]
fn tells_which_fields_it_reads_and_for_what() {
    let keys = "object = { first_of = [\"/o/id\", \"{/a}-{/b}\"] }\nverb = { cases = [{ when = { not = { pointer = \"/v\", is = \"null\" } }, then = \"/w\" }], default = \"x\" }\nevent_id = \"/id\"\nverb_attributes = { n = \"/n\" }\nwhere = { pointer = \"/v\", is = \"not-null\" }";
    let columns = entry(keys).columns();
    let found: Vec<_> = columns.iter().map(|(field, parts)| format!("{field}: {}", parts.join(" "))).collect();
    let expected = [
        "a: a.object",
        "b: a.object",
        "id: a.event_id",
        "n: a.verb_attributes.n",
        "o: a.object",
        "t: a.timestamp",
        "u: a.actor",
        "v: a.where a.verb",
        "w: a.verb",
    ];
    assert_eq!(found, expected);
}
