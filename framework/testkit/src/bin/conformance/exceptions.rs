//! Cases that are meant to differ, each with its reason.

use std::collections::BTreeMap;

use crate::tally::Tally;

/// Reasons by the name of the case.
#[derive(Debug)]
pub(crate) struct Exceptions(BTreeMap<String, String>);

/// Lines of `name: reason`; empty lines and those that begin with `#` say nothing.
const FILE: &str = include_str!("../../../conformance-exceptions.txt");

impl Exceptions {
    /// The exceptions that this project names.
    pub(crate) fn read() -> Result<Self, String> {
        let lines = FILE.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let parse = |line: &str| {
            let (name, reason) = line.split_once(": ").ok_or_else(|| format!("exception without a reason: {line}"))?;
            Ok((name.to_owned(), reason.to_owned()))
        };
        lines.map(parse).collect::<Result<_, String>>().map(Self)
    }

    pub(crate) fn reason(&self, case: &str) -> Option<&str> {
        self.0.get(case).map(String::as_str)
    }

    /// Exceptions that excused nothing.
    pub(crate) fn unused(&self, tally: &Tally) -> impl Iterator<Item = &String> {
        self.0.keys().filter(|name| !tally.excepted.contains(name))
    }
}
