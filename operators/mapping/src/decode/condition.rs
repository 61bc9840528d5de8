//! Conditions: one test or several of one field, and their combinations.

use serde_json::Number;

use super::text::pointer;
use crate::condition::{Condition, Scalar, Test};
use nowfold_strict::{Node, Section, Value};

/// A condition; an array of conditions holds when all of them do.
pub(super) fn condition(node: &Node<'_>) -> Option<Condition> {
    if node.value().is_array() {
        return node.each(condition).map(Condition::All);
    }
    let mut section = node.section()?;
    let parts = [
        section.get("all").map(|node| node.each(condition).map(Condition::All)),
        section.get("any").map(|node| node.each(condition).map(Condition::Any)),
        section.get("not").map(|node| condition(&node).map(|inner| Condition::Not(Box::new(inner)))),
        field(node, &mut section),
    ];
    section.finish();
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        return node
            .wrong("needs \"pointer\" with a test, such as is = \"null\", or one of \"all\", \"any\" and \"not\"");
    }
    let mut parts = parts.into_iter().collect::<Option<Vec<_>>>()?;
    if parts.len() == 1 { parts.pop() } else { Some(Condition::All(parts)) }
}

fn field(node: &Node<'_>, section: &mut Section<'_>) -> Option<Option<Condition>> {
    let at = section.get("pointer");
    let tests = tests(section);
    match (at, tests.is_empty()) {
        (None, true) => None,
        (None, false) => Some(node.wrong("has a test without a \"pointer\"")),
        (Some(_), true) => Some(node.wrong("needs a test beside \"pointer\", such as is = \"null\" or equals = \"x\"")),
        (Some(at), false) => {
            let tests: Option<Vec<_>> = tests.into_iter().collect();
            Some(pointer(&at).zip(tests).map(|(pointer, tests)| Condition::Field(pointer, tests)))
        }
    }
}

fn tests(section: &mut Section<'_>) -> Vec<Option<Test>> {
    let one = |node: Node<'_>, test: fn(Scalar) -> Test| scalar(&node).map(test);
    let many = |node: Node<'_>, test: fn(Vec<Scalar>) -> Test| node.each(scalar).map(test);
    let text = |node: Node<'_>, test: fn(String) -> Test| node.any_text().map(str::to_owned).map(test);
    let found = [
        section.get("is").map(|node| is(&node)),
        section.get("equals").map(|node| one(node, Test::Equals)),
        section.get("not_equals").map(|node| one(node, Test::NotEquals)),
        section.get("one_of").map(|node| many(node, Test::OneOf)),
        section.get("none_of").map(|node| many(node, Test::NoneOf)),
        section.get("prefix").map(|node| text(node, Test::Prefix)),
        section.get("suffix").map(|node| text(node, Test::Suffix)),
        section.get("contains").map(|node| one(node, Test::Contains)),
        section.get("greater").map(|node| one(node, Test::Greater)),
        section.get("at_least").map(|node| one(node, Test::AtLeast)),
        section.get("less").map(|node| one(node, Test::Less)),
        section.get("at_most").map(|node| one(node, Test::AtMost)),
    ];
    found.into_iter().flatten().collect()
}

fn is(node: &Node<'_>) -> Option<Test> {
    const KNOWN: [&str; 6] = ["null", "not-null", "empty", "not-empty", "true", "false"];
    if let Value::Bool(truth) = node.value() {
        return Some(Test::Equals(Scalar::Bool(*truth)));
    }
    match node.text()? {
        "null" => Some(Test::Null),
        "not-null" => Some(Test::NotNull),
        "empty" => Some(Test::Empty),
        "not-empty" => Some(Test::NotEmpty),
        "true" => Some(Test::Equals(Scalar::Bool(true))),
        "false" => Some(Test::Equals(Scalar::Bool(false))),
        other => node.unknown("test", other, &KNOWN),
    }
}

fn scalar(node: &Node<'_>) -> Option<Scalar> {
    match node.value() {
        Value::Text(text) => Some(Scalar::Text(text.clone())),
        Value::Bool(truth) => Some(Scalar::Bool(*truth)),
        Value::Integer(_) | Value::HugeInteger => node.integer().map(|number| Scalar::Number(number.into())),
        Value::Float(_) => node.number().and_then(Number::from_f64).map(Scalar::Number),
        _ => node.wrong(format!("must be a string, a number or a truth value, not {}", node.value().kind())),
    }
}
