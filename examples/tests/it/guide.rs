//! The guide says what the code does: its examples work, and it names every key.

use nowfold_examples::replay::mapping::CompiledMapping;
use nowfold_examples::replay::questions::Question;
use serde_json::{Value, json};

use crate::workspace;

fn guide() -> String {
    std::fs::read_to_string(workspace().join("docs/guide/replay.md")).unwrap()
}

/// The contents of every fenced block of this language.
fn blocks(language: &str) -> Vec<String> {
    let guide = guide();
    let fence = format!("```{language}\n");
    guide.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn its_mapping_maps_its_record() {
    let [mapping] = blocks("toml").try_into().unwrap();
    let mapping = CompiledMapping::parse("guide.toml", &mapping).unwrap();
    let guide = guide();
    let record = guide.split("such as `").nth(1).unwrap().split('`').next().unwrap();
    let record: Value = serde_json::from_str(record).unwrap();
    let action = mapping.map(1, &record).next().unwrap().unwrap().into_action().unwrap();
    assert_eq!((&*action.actor, &*action.verb, &*action.object), ("14527", "cancel", "D"));
    assert_eq!(action.timestamp.unwrap().as_millis(), 1_291_196_460_000);
    assert_eq!(mapping.questions().embedding.as_deref(), Some("embedding"));
}

#[test]
fn its_question_is_one() {
    let [question, answer] = blocks("json").try_into().unwrap();
    assert_eq!(serde_json::from_str::<Question>(&question).unwrap().feed_lines, Some(6_748));
    assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["count"], json!(71));
}

#[test]
fn it_names_every_key() {
    let entry = "name = \"a\"\nactor = \"/u\"\nverb = \"v\"\nobject = \"/o\"\ntimestamp = \"/t\"\n";
    let in_entry = |line: &str| {
        let key = line.split(' ').next().unwrap();
        let rest: String = entry.lines().filter(|other| !other.starts_with(key)).map(|l| format!("{l}\n")).collect();
        format!("[feed]\n[[actions]]\n{rest}{line}\n")
    };
    let strange = [
        "qqqqqqqq = 1\n".to_owned() + &in_entry("name = \"a\""),
        in_entry("name = \"a\"").replace("[feed]", "[feed]\nqqqqqqqq = 1"),
        in_entry("qqqqqqqq = 1"),
        in_entry("actor = { pointer = \"/u\", qqqqqqqq = 1 }"),
        in_entry("verb = { default = \"v\", qqqqqqqq = 1 }"),
        in_entry(
            "verb = { cases = [{ when = { pointer = \"/x\", is = \"null\" }, then = \"v\", qqqqqqqq = 1 }], default = \"v\" }",
        ),
        in_entry("where = { pointer = \"/x\", is = \"null\", qqqqqqqq = 1 }"),
        in_entry("event_id = { natural = [\"/a\"], qqqqqqqq = 1 }"),
        in_entry("timestamp = { pointer = \"/t\", qqqqqqqq = 1 }"),
        in_entry("verb_attributes = { n = { pointer = \"/n\", qqqqqqqq = 1 } }"),
        in_entry("name = \"a\"")
            + "[[tables]]\nname = \"t\"\nfile = \"f\"\nkey = \"/k\"\nenrich = \"actor\"\nqqqqqqqq = 1",
        in_entry("name = \"a\"") + "[questions]\nqqqqqqqq = 1",
    ];
    let guide = guide();
    for text in strange {
        let report = CompiledMapping::parse("g.toml", &text).unwrap_err().to_string();
        let known = report.split("known here: ").nth(1).unwrap_or_else(|| panic!("{report}")).lines().next().unwrap();
        for key in known.split(", ") {
            let forms = [format!("`{key}`"), format!("{key} = "), format!("[{key}]")];
            assert!(forms.iter().any(|form| guide.contains(form)), "{key} is not in the guide");
        }
    }
}
