//! The keys of a feature that only some aggregates take.

use std::time::Duration;

use nowfold_strict::{Node, Section, parse_duration};

/// Every key that some aggregate takes for itself.
const KEYS: [&str; 8] = ["of", "by", "k", "p", "half_life", "gap", "weights", "select"];

/// Those that are there, each to be taken by the aggregate.
pub(super) struct Options<'n, 'a> {
    entry: &'n Node<'a>,
    aggregate: &'a str,
    there: Vec<(&'static str, Node<'a>)>,
}

impl<'n, 'a> Options<'n, 'a> {
    pub(super) fn read(entry: &'n Node<'a>, aggregate: &'a str, section: &mut Section<'a>) -> Self {
        let there = KEYS.into_iter().filter_map(|key| Some((key, section.get(key)?))).collect();
        Self { entry, aggregate, there }
    }

    /// Takes a key, if it is there.
    pub(super) fn take(&mut self, key: &str) -> Option<Node<'a>> {
        let place = self.there.iter().position(|(there, _)| *there == key)?;
        Some(self.there.swap_remove(place).1)
    }

    /// Takes a key that must be there.
    pub(super) fn required<T>(&mut self, key: &str, read: impl FnOnce(&Node<'a>) -> Option<T>) -> Option<T> {
        match self.take(key) {
            Some(node) => read(&node),
            None => self.entry.lacks(&format!("needs the key \"{key}\" for \"{}\"", self.aggregate)),
        }
    }

    /// Takes a number of things, or another where the key is not there.
    pub(super) fn number_or(&mut self, key: &str, default: usize, most: usize) -> Option<usize> {
        self.take(key).map_or(Some(default), |node| count(&node, most))
    }

    pub(super) fn duration(&mut self, key: &str) -> Option<Duration> {
        self.required(key, |node| {
            let duration = node.parsed(parse_duration)?;
            if duration.is_zero() { node.wrong("must be longer than nothing") } else { Some(duration) }
        })
    }

    /// Notes what the aggregate did not take.
    pub(super) fn finish(self) {
        for (_, node) in self.there {
            node.wrong::<()>(format!("does not go with the aggregate \"{}\"", self.aggregate));
        }
    }
}

/// A number of things: at least 1.
pub(super) fn count(node: &Node<'_>, most: usize) -> Option<usize> {
    match usize::try_from(node.integer()?) {
        Ok(0) | Err(_) => node.wrong("must be at least 1"),
        Ok(n) if n > most => node.wrong(format!("is {n}; ask for at most {most}")),
        Ok(n) => Some(n),
    }
}
