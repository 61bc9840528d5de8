//! Reads a TOML document, or a JSON one by the same grammar, strictly and reports every problem at once: in TOML with its
//! line and a caret under it, in JSON with the path of the value.
//!
//! A [`Section`] is a table whose known keys are asked for one by one; what nobody asked for is an unknown key, answered
//! with the nearest known one. Readers return `None` after a problem was noted, so one pass finds them all.

mod duration;
mod problem;
mod section;
mod suggest;
mod value;

pub use duration::parse_duration;
pub use problem::{Code, Problems, Report, Span};
pub use section::{Node, Section};
pub use suggest::nearest;
pub use value::{Field, Item, Value};

use toml::de::DeTable;

/// Reads TOML, named `file` in reports, with `read`.
///
/// # Errors
///
/// Every problem that the parser or `read` noted.
pub fn read<T>(file: &str, text: &str, read: impl FnOnce(Section<'_>) -> Option<T>) -> Result<T, Report> {
    let problems = Problems::default();
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        problems.note(Code::Syntax, error.span().unwrap_or(0..0), error.message());
    }
    if problems.is_empty() {
        let document = value::of_toml(root.get_ref());
        if let (Some(value), true) = (read(Section::root(&document, &problems)), problems.is_empty()) {
            return Ok(value);
        }
    }
    Err(problems.report(file, Some(text)))
}

/// Reads a JSON object with `read`, by the same grammar as [`read`] reads TOML. `name` names it in the report.
///
/// # Errors
///
/// Every problem that `read` noted, each with the path of its value instead of a line.
pub fn read_json<T>(
    name: &str,
    document: &serde_json::Value,
    read: impl FnOnce(Section<'_>) -> Option<T>,
) -> Result<T, Report> {
    let problems = Problems::of_json(name);
    if !document.is_object() {
        problems.note(Code::BadValue, 0..0, format!("{name} must be a JSON object"));
        return Err(problems.report(name, None));
    }
    let document = value::of_json(document, &mut 0).value;
    match read(Section::root(&document, &problems)) {
        Some(value) if problems.is_empty() => Ok(value),
        _ => Err(problems.report(name, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// `{ a = whole number, items = [ { n = number }, ... ] }`
    fn sum(mut root: Section<'_>) -> Option<f64> {
        let a = root.required("a", Node::integer);
        let items = root.or("items", vec![], |node| {
            node.each(|item| {
                let mut section = item.section()?;
                let n = section.required("n", Node::number);
                section.finish();
                n
            })
        });
        root.finish();
        let _ = a?;
        Some(items?.iter().sum())
    }

    #[test]
    fn toml_and_json_are_read_alike() {
        assert_eq!(read("x.toml", "a = 1\n[[items]]\nn = 1\n[[items]]\nn = 0.5", sum), Ok(1.5));
        assert_eq!(read_json("body", &json!({"a": 1, "items": [{"n": 1}, {"n": 0.5}]}), sum), Ok(1.5));
    }

    #[test]
    fn all_problems_of_a_json_document_come_at_once_with_their_paths() {
        let document = json!({"a": null, "b": 1, "items": [{"n": 1}, {"m": true}, {"n": u64::MAX}]});
        let report = read_json("the body", &document, sum).unwrap_err();
        let expected = [
            "NF103 a must be a whole number of 64 bits, not null",
            "NF101 unknown key \"b\"; did you mean \"a\"?",
            "NF102 [items[1]] needs the key \"n\"",
            "NF101 unknown key \"m\" in [items[1]]; did you mean \"n\"?",
            "NF103 items[2].n must be a number, not integer",
        ];
        assert_eq!(report.problems(), expected);
        assert!(report.to_string().ends_with("the body: 5 problems to mend"));
        let report = read_json("the body", &json!([1]), sum).unwrap_err();
        assert_eq!(report.problems()[0], "NF103 the body must be a JSON object");
    }

    #[test]
    fn toml_problems_show_their_line_with_carets() {
        let report = read("x.toml", "a = 1\nitemz = []\n", sum).unwrap_err();
        assert_eq!(
            report.problems(),
            ["NF101 x.toml:2: unknown key \"itemz\"; did you mean \"items\"?\n  |\n2 | itemz = []\n  | ^^^^^"]
        );
        let report = read("x.toml", "a = \n", sum).unwrap_err();
        assert!(report.problems()[0].starts_with("NF104 x.toml:1: "), "{report}");
    }
}
