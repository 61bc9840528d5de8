//! Mistakes in mapping files: each has its place, its cause and what to write instead, and all come at once.

use nowfold_mapping::{CompiledMapping, MappingError};
use rstest::rstest;

const ENTRY: &str = "[[actions]]\nname = \"a\"\nactor = \"/u\"\nverb = \"v\"\nobject = \"/o\"\ntimestamp = \"/t\"\n";

fn problems(text: &str) -> Vec<String> {
    match CompiledMapping::parse("job.toml", text) {
        Ok(mapping) => panic!("no problem found, but {mapping:?}"),
        Err(report) => report.problems().to_vec(),
    }
}

/// The one problem of a text, without its excerpt.
fn problem(text: &str) -> String {
    let all = problems(text);
    let [one] = all.as_slice() else { panic!("{all:#?}") };
    one.lines().next().unwrap().to_owned()
}

#[test]
fn a_problem_is_shown_with_its_line_and_carets_under_it() {
    let text = format!("[feed]\nname = \"f\"\n{ENTRY}\tretentionn = \"97h\"\n");
    let expected = "NF101 job.toml:9: unknown key \"retentionn\" in [actions]; did you mean \"retention\"?
  |
9 | \tretentionn = \"97h\"
  | \t^^^^^^^^^^";
    assert_eq!(problems(&text), [expected]);
}

#[test]
fn all_problems_come_at_once_in_order_of_their_lines() {
    let text = format!(
        "dataa_dir = \"x\"\n[feed]\nfiles = 5\n{ENTRY}topic = \"a b\"\nwhere = {{ pointer = \"/x\" }}\n[[tables]]\nname = \"t\"\n[questions]\nembeding = \"e\"\n"
    );
    let report = CompiledMapping::parse("job.toml", &text).unwrap_err();
    let heads: Vec<_> = report.problems().iter().map(|problem| problem.split(": ").next().unwrap()).collect();
    let expected = [
        "NF101 job.toml:1",
        "NF103 job.toml:3",
        "NF103 job.toml:10",
        "NF103 job.toml:11",
        "NF102 job.toml:12",
        "NF102 job.toml:12",
        "NF102 job.toml:12",
        "NF101 job.toml:15",
    ];
    assert_eq!(heads, expected);
    assert!(report.to_string().ends_with("job.toml: 8 problems to mend"));
}

#[rstest]
#[case::no_feed(ENTRY, "NF102 job.toml:1: the file needs the key \"feed\"")]
#[case::no_actions("[feed]", "NF102 job.toml:1: the file needs the key \"actions\"")]
#[case::not_an_entry("actions = []\n[feed]", "NF103 job.toml:1: actions must have at least one entry")]
fn missing_parts_are_named(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(problem(text), expected);
}

#[rstest]
#[case("actor = \"user\"", "actions.actor must be a JSON pointer, which begins with \"/\": did you mean \"/user\"?")]
#[case("actor = \"{user}\"", "actions.actor must be a JSON pointer, which begins with \"/\": did you mean \"/user\"?")]
#[case("actor = \"{/user\"", "actions.actor has a brace without its partner: write {{ or }} for a brace itself")]
#[case("actor = \"\"", "actions.actor must not be empty")]
#[case("actor = 5", "actions.actor must be a string, not integer")]
#[case(
    "actor = { separator = \"-\", pointer = \"/u\" }",
    "actions.actor.separator goes with \"join\", which is not there"
)]
#[case(
    "actor = { default = \"x\" }",
    "actions.actor needs one of \"pointer\", \"template\", \"join\", \"first_of\" and \"constant\""
)]
#[case(
    "actor = { pointer = \"/a\", constant = \"b\" }",
    "[actions.actor] needs one of \"pointer\", \"template\", \"join\", \"first_of\" and \"constant\", not several"
)]
#[case(
    "actor = { join = [\"/a\"], missing = \"skp\" }",
    "unknown choice \"skp\" at actions.actor.missing; did you mean \"skip\"?"
)]
#[case("verb = {}", "actions.verb needs \"cases\", a \"pointer\" (or another form of text), or a \"default\"")]
#[case("verb = { default = \"x\", cases = [{ then = \"y\" }] }", "[actions.verb.cases] needs the key \"when\"")]
#[case(
    "where = {}",
    "actions.where needs \"pointer\" with a test, such as is = \"null\", or one of \"all\", \"any\" and \"not\""
)]
#[case(
    "where = { pointer = \"/x\" }",
    "actions.where needs a test beside \"pointer\", such as is = \"null\" or equals = \"x\""
)]
#[case("where = { equals = 1 }", "actions.where has a test without a \"pointer\"")]
#[case(
    "where = { pointer = \"/x\", equals = 1979-05-27 }",
    "actions.where.equals must be a string, a number or a truth value, not datetime"
)]
#[case("where = { pointer = \"/x\", less = nan }", "actions.where.less must be a finite number")]
#[case(
    "timestamp = { pointer = \"/t\", format = \"epoch\" }",
    "unknown format \"epoch\" at actions.timestamp.format; did you mean \"epoch-s\"?"
)]
#[case(
    "timestamp = { pointer = \"/t\", format = \"%Y-%m-%d\" }",
    "actions.timestamp.format needs a \"zone\" beside it, such as \"UTC\" or \"America/New_York\": it has no offset of its own"
)]
#[case(
    "timestamp = { pointer = \"/t\", zone = \"Mars/Olympus\" }",
    "actions.timestamp.zone is no known time zone: \"Mars/Olympus\"; write one such as \"UTC\" or \"America/New_York\""
)]
#[case(
    "timestamp = { pointer = \"/t\", format = \"epoch-ms\", zone = \"UTC\" }",
    "actions.timestamp.zone says nothing here: time since the epoch has no zone"
)]
#[case("event_id = \"naturall\"", "unknown event id \"naturall\" at actions.event_id; did you mean \"natural\"?")]
#[case(
    "event_id = { natural = [] }",
    "actions.event_id.natural needs at least one field, such as [\"/order\", \"/line\"]"
)]
#[case(
    "event_id = { natural = [\"/a\"], pointer = \"/b\" }",
    "actions.event_id.natural stands alone: leave out the other forms of text"
)]
#[case("event_id = \"lines\"", "unknown event id \"lines\" at actions.event_id; did you mean \"line\"?")]
#[case(
    "retention = \"4 days\"",
    "actions.retention is no duration: \"4 days\"; write one such as \"97h\", \"1h 30m\", \"45s\" or \"500ms\""
)]
#[case(
    "verb_attributes = { n = { pointer = \"/n\", type = \"int\" } }",
    "unknown type \"int\" at actions.verb_attributes.n.type; did you mean \"i64\"?"
)]
#[case(
    "verb_attributes = { n = { pointer = \"/n\", dim = 2 } }",
    "actions.verb_attributes.n has a \"dim\": that goes with type = \"vector\""
)]
#[case(
    "verb_attributes = { n = { pointer = \"/n\", type = \"vector\", dim = 0 } }",
    "actions.verb_attributes.n.dim must be at least 1"
)]
#[case(
    "verb_attributes = { n = { template = \"{/n}\", type = \"f64\" } }",
    "actions.verb_attributes.n is put together as a text: only a plain \"pointer\" can have another type"
)]
fn mistakes_in_an_entry_say_what_to_write(#[case] line: &str, #[case] expected: &str) {
    let key = line.split(" =").next().unwrap();
    let rest: String = ENTRY.lines().filter(|other| !other.starts_with(key)).map(|line| format!("{line}\n")).collect();
    let shown = problem(&format!("[feed]\n{rest}{line}\n"));
    assert_eq!(shown.split_once(": ").unwrap().1, expected);
}

#[rstest]
#[case::name(ENTRY, "has the name \"a\", which an earlier entry has: give it another")]
#[case::topic(&ENTRY.replace("name = \"a\"", "name = \"b\"\ntopic = \"job-a\""), "has the topic \"job-a\", which an earlier entry has: give it another")]
#[case::store(&ENTRY.replace("name = \"a\"", "name = \"b\"\nstore = \"a\""), "has the store \"a\", which an earlier entry has: give it another")]
fn entries_have_names_topics_and_stores_of_their_own(#[case] second: &str, #[case] expected: &str) {
    let all = problems(&format!("[feed]\n{ENTRY}{second}"));
    assert!(all.iter().any(|problem| problem.contains(expected)), "{all:#?}");
}

#[rstest]
#[case(
    "[[tables]]\nname = \"t\"\nfile = \"f\"\nkey = \"/k\"\nenrich = \"object\"\nactions = [\"b\"]",
    "unknown action \"b\" at tables.actions; did you mean \"a\"?"
)]
#[case(
    "[questions]\nactor_fields = { user = \"aa\" }",
    "unknown action \"aa\" at questions.actor_fields.user; did you mean \"a\"?"
)]
#[case(
    "[questions]\nnumbers = [\"Quantity\"]",
    "unknown verb attribute \"Quantity\" at questions.numbers; there are none"
)]
#[case("[questions]\nembedding = \"e\"", "unknown object attribute \"e\" at questions.embedding; there are none")]
fn names_must_name_something(#[case] section: &str, #[case] expected: &str) {
    assert_eq!(problem(&format!("[feed]\n{ENTRY}{section}\n")).split_once(": ").unwrap().1, expected);
}

#[test]
fn what_is_no_toml_is_shown_where_it_stops_being_toml() {
    let all = problems("[feed]\nname = flights\n");
    assert!(all[0].starts_with("NF104 job.toml:2: "), "{all:#?}");
    assert!(all[0].ends_with("2 | name = flights\n  |        ^^^^^^^"), "{all:#?}");
}

#[test]
fn a_missing_file_is_named() {
    let error = CompiledMapping::load("/nowhere/m.toml".as_ref()).unwrap_err();
    assert!(matches!(error, MappingError::Unreadable { .. }));
    assert!(error.to_string().starts_with("the mapping file /nowhere/m.toml cannot be read: "), "{error}");
}
