//! The small examples: each runs without arguments, prints what its page says, and is drawn there as it is.

use std::process::Command;

use rstest::rstest;

use crate::workspace;

/// The section of `examples/README.md` about an example.
fn section(name: &str) -> String {
    let page = std::fs::read_to_string(workspace().join("examples/README.md")).unwrap();
    let heading = format!("## {name}\n");
    page.split(&heading).nth(1).unwrap_or_else(|| panic!("no {heading}")).split("\n## ").next().unwrap().to_owned()
}

/// The only fenced block of this language in the section of an example.
fn block(name: &str, language: &str) -> String {
    let section = section(name);
    let fence = format!("```{language}\n");
    section.split(&fence).nth(1).unwrap_or_else(|| panic!("no {fence}")).split("```").next().unwrap().to_owned()
}

fn printed(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Without the states that an application goes through: which of them are seen is chance.
fn without_states(printed: &str) -> String {
    let states = ["created", "connecting", "rebalancing", "restoring", "catching-up", "running", "restored"];
    let is_state = |line: &str| states.iter().any(|state| line.trim().starts_with(state));
    printed.lines().filter(|line| !is_state(line)).map(|line| format!("{line}\n")).collect()
}

#[rstest]
#[case::hello_count("hello-count", env!("CARGO_BIN_EXE_hello-count"))]
#[case::multi_window("multi-window", env!("CARGO_BIN_EXE_multi-window"))]
#[case::enrich_table("enrich-table", env!("CARGO_BIN_EXE_enrich-table"))]
#[case::custom_operator("custom-operator", env!("CARGO_BIN_EXE_custom-operator"))]
#[case::custom_store("custom-store", env!("CARGO_BIN_EXE_custom-store"))]
fn each_prints_what_its_page_says_and_is_drawn_there_as_it_is(#[case] name: &str, #[case] program: &str) {
    assert_eq!(printed(program, &["--mermaid"]), block(name, "mermaid"), "the topology of {name}");
    for arguments in [&[][..], &["--embedded"]] {
        let printed = printed(program, arguments);
        assert_eq!(without_states(&printed), without_states(&block(name, "text")), "the output of {name}");
    }
}

#[test]
fn the_custom_store_comes_back_from_its_changelog() {
    let printed = printed(env!("CARGO_BIN_EXE_custom-store"), &[]);
    let line = printed.lines().find_map(|line| line.strip_prefix("  restored from ")).unwrap();
    let n_records: u64 = line.split(' ').next().unwrap().parse().unwrap();
    // One for each of the 500 pages at least; how many more there are is up to compaction.
    assert!((500..=20_000).contains(&n_records), "{printed}");
}

#[test]
fn job_feed_is_drawn_as_it_is() {
    let topology = nowfold_examples::job_feed::topology::topology().unwrap();
    assert_eq!(topology.to_mermaid(), block("job-feed", "mermaid"));
}
