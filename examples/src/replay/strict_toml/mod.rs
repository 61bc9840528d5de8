//! Reads a TOML document strictly and reports every problem at once, each with its line and a caret under it.
//!
//! A [`Section`] is a table whose known keys are asked for one by one; what nobody asked for is an unknown key, answered
//! with the nearest known one. Readers return `None` after a problem was noted, so one pass finds them all.

mod problem;
mod section;
mod suggest;

pub(crate) use problem::{Code, Problems};
pub(crate) use section::{Node, Section};
pub(crate) use suggest::nearest;

pub use problem::Report;

use toml::de::DeTable;

/// Reads `text`, named `file` in reports, with `read`.
pub(crate) fn read<T>(file: &str, text: &str, read: impl FnOnce(Section<'_>) -> Option<T>) -> Result<T, Report> {
    let problems = Problems::default();
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        problems.note(Code::Syntax, error.span().unwrap_or(0..0), error.message());
    }
    if problems.is_empty() {
        let value = read(Section::root(root.get_ref(), &problems));
        if let (Some(value), true) = (value, problems.is_empty()) {
            return Ok(value);
        }
    }
    Err(problems.report(file, text))
}
