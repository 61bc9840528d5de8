//! `docs/guide/queries.md`: every command of it runs, and prints what stands there.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::client::Client;
use crate::support::start;
use crate::world::World;

const GUIDE: &str = include_str!("../../../../docs/guide/queries.md");

#[test]
fn every_command_of_the_guide_prints_what_stands_there() {
    let server = start(World::guide());
    let examples = examples();
    assert!(examples.len() >= 15, "the guide's commands were not found: {examples:?}");
    for (command, expected) in examples {
        let printed = run(server.address(), &command);
        match (serde_json::from_str(&expected), serde_json::from_str(&printed)) {
            (Ok(expected), Ok(printed)) => {
                assert_eq!(without_accident(printed), without_accident(expected), "{command}");
            }
            _ => assert_eq!(printed.trim_end(), expected.trim_end(), "{command}"),
        }
    }
}

/// Commands with what they print.
fn examples() -> Vec<(String, String)> {
    let blocks = GUIDE.split("```console\n").skip(1).map(|block| block.split("```").next().unwrap());
    let commands = blocks.flat_map(|block| block.split("$ ").filter(|text| text.starts_with("curl ")));
    let mut examples = Vec::new();
    for text in commands {
        let (mut command, mut printed) = (String::new(), String::new());
        let mut goes_on = true;
        for line in text.lines() {
            let text = if goes_on { &mut command } else { &mut printed };
            text.push_str(line.strip_suffix('\\').unwrap_or(line));
            text.push('\n');
            // A body in quotes may have several lines.
            goes_on &= line.ends_with('\\') || command.matches('\'').count() % 2 == 1;
        }
        examples.push((command, printed));
    }
    examples
}

/// Does what curl does with these arguments; knows as many as the guide uses.
fn run(address: SocketAddr, command: &str) -> String {
    let (command, filter) = command.trim().split_once(" | grep ").unwrap_or((command.trim(), ""));
    let (mut target, mut body) = (String::new(), None);
    let mut words = words(command).into_iter().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "-s" => {}
            "-d" => body = words.next(),
            word => target = word.strip_prefix("127.0.0.1:7070").expect("an option that no test knows").to_owned(),
        }
    }
    let method = if body.is_some() { "POST" } else { "GET" };
    let printed = Client::connect(address).send(method, &target, body.as_deref()).text();
    printed.lines().filter(|line| line.contains(filter)).map(|line| format!("{line}\n")).collect()
}

/// Words of a command line, where single quotes hold blanks together.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, part) in command.split('\'').enumerate() {
        match number % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

/// Without what differs from run to run: the time taken and the port.
fn without_accident(mut json: Value) -> Value {
    match &mut json {
        Value::Object(object) => {
            for (name, value) in object {
                match name.as_str() {
                    "took_us" | "owner" => *value = json!(value.is_null()),
                    _ => *value = without_accident(value.take()),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = without_accident(item.take())),
        _ => {}
    }
    json
}
