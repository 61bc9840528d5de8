//! Cases that are meant to differ, each with its reason.

use std::collections::BTreeMap;

use crate::tally::Tally;

/// Reasons by the name of the case.
#[derive(Debug)]
pub(crate) struct Exceptions(BTreeMap<String, String>);

/// Lines of `name: reason`; empty lines and those that begin with `#` say nothing. What begins with `kafka ` counts on a
/// real Kafka only. A name `topology/*` stands for all cases of a topology.
const FILE: &str = include_str!("../exceptions.txt");

const ON_KAFKA: &str = "kafka ";

impl Exceptions {
    /// The exceptions that this project names, on the test driver or on a real Kafka.
    pub(crate) fn read(is_kafka: bool) -> Result<Self, String> {
        let lines = FILE.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let lines = lines.filter_map(|line| match line.strip_prefix(ON_KAFKA) {
            Some(line) => is_kafka.then_some(line),
            None => Some(line),
        });
        let parse = |line: &str| {
            let (name, reason) = line.split_once(": ").ok_or_else(|| format!("exception without a reason: {line}"))?;
            Ok((name.to_owned(), reason.to_owned()))
        };
        lines.map(parse).collect::<Result<_, String>>().map(Self)
    }

    pub(crate) fn reason(&self, case: &str) -> Option<&str> {
        let named = self.0.iter().find(|(name, _)| stands_for(name, case));
        named.map(|(_, reason)| reason.as_str())
    }

    /// Exceptions that excused nothing.
    pub(crate) fn unused(&self, tally: &Tally) -> impl Iterator<Item = &String> {
        self.0.keys().filter(|name| !tally.excepted.iter().any(|case| stands_for(name, case)))
    }
}

fn stands_for(name: &str, case: &str) -> bool {
    match name.strip_suffix('*') {
        Some(topology) => case.starts_with(topology),
        None => name == case,
    }
}
