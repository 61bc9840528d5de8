//! What is wrong is told before anything is sent, with what to do.

use crate::support::*;

#[track_caller]
fn refused(options: &[&str], edit: impl Fn(&str) -> String) -> String {
    let world = World::new();
    let text = std::fs::read_to_string(mapping()).unwrap();
    let text = text.replace("[feed]", &format!("data_dir = {:?}\n[feed]", flights()));
    let mapping = world.write("m.toml", &edit(&text));
    fails(world.backfill(&mapping, options), 3)
}

#[test]
fn a_bad_mapping_is_shown_with_carets() {
    let err = refused(&[], |text| text.replace("actor = \"/carrier\"", "actor = \"carrier\"\nretension = \"1h\""));
    assert!(err.contains("NF103 "), "{err}");
    assert!(err.contains("did you mean \"/carrier\"?") && err.contains("^^^^^^^^^"), "{err}");
    assert!(err.contains("NF101 ") && err.contains("did you mean \"retention\"?"), "{err}");
}

#[test]
fn a_field_that_no_line_has_is_told() {
    let err = refused(&[], |text| text.replace("\"/dest\"\n# The", "\"/destt\"\n# The"));
    assert!(
        err.contains("NF140 ") && err.contains("\"/destt\", read by plane.object; did you mean \"/dest\"?"),
        "{err}"
    );
}

#[test]
fn ids_of_the_raw_log_are_refused() {
    let err = refused(&[], |text| text.replace("store = \"planes\"", "store = \"planes\"\nevent_id = \"log\""));
    assert!(err.starts_with("NF142 the mapping's entry \"plane\""), "{err}");
}

#[test]
fn one_topic_cannot_take_several_entries() {
    assert!(refused(&["--topic", "t"], str::to_owned).starts_with("NF145 "));
    let err = refused(&["--only", "planes"], str::to_owned);
    assert!(err.starts_with("NF146 ") && err.contains("did you mean \"plane\"?"), "{err}");
}

#[test]
fn missing_files_are_named() {
    let err = refused(&["absent.jsonl"], str::to_owned);
    assert!(err.starts_with("NF143 the file absent.jsonl cannot be read"), "{err}");
    assert!(refused(&[], |text| text.replace("files = [\"events.jsonl.gz\"]", "")).starts_with("NF144 "));
}

#[test]
fn progress_of_another_backfill_is_not_taken_for_its_own() {
    let world = World::new();
    let options = ["--only", "carrier", "--progress", "p.json"];
    done(world.backfill(&mapping(), &[&options[..], &["--retention", "9000h"]].concat()));
    let err = fails(world.backfill(&mapping(), &["--only", "plane", "--progress", "p.json"]), 3);
    assert!(err.starts_with("NF141 ") && err.contains("that one fills flights-by-carrier"), "{err}");
    world.write("p.json", "{");
    assert!(fails(world.backfill(&mapping(), &options), 3).starts_with("NF141 "));
}

#[test]
fn where_to_send_must_be_said_once() {
    let world = World::new();
    let mut command = nowfold(&world.dir);
    command.arg("backfill").arg("--mapping").arg(mapping());
    assert!(fails(command, 2).contains("--bootstrap"));
    let err = fails(world.backfill(&mapping(), &["--bootstrap", "127.0.0.1:9"]), 2);
    assert!(err.contains("cannot be used with"), "{err}");
}
