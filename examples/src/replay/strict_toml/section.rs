//! Tables and values of a document, read by expectation.

use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Code, Problems, Span};

/// A table whose keys are asked for one by one.
pub(crate) struct Section<'a> {
    place: String,
    span: Span,
    table: &'a DeTable<'a>,
    asked: Vec<&'static str>,
    problems: &'a Problems,
}

/// One value and where it stands.
#[derive(Clone)]
pub(crate) struct Node<'a> {
    place: String,
    value: &'a Spanned<DeValue<'a>>,
    problems: &'a Problems,
}

impl<'a> Section<'a> {
    /// The whole document.
    pub(crate) fn root(table: &'a DeTable<'a>, problems: &'a Problems) -> Self {
        Self { place: String::new(), span: 0..0, table, asked: Vec::new(), problems }
    }

    /// The value of a key, known from now on.
    pub(crate) fn get(&mut self, key: &'static str) -> Option<Node<'a>> {
        self.asked.push(key);
        self.table.get(key).map(|value| self.node(key, value))
    }

    /// The value of a key as `read` gives it: `Some(None)` without the key, `None` after a problem was noted.
    pub(crate) fn maybe<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Node<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        self.get(key).map_or(Some(None), |node| read(&node).map(Some))
    }

    /// Like [`Self::maybe`], with a value that stands in for a missing key.
    pub(crate) fn or<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Node<'a>) -> Option<T>,
    ) -> Option<T> {
        self.get(key).map_or(Some(default), |node| read(&node))
    }

    /// Like [`Self::maybe`], but a missing key is a problem.
    pub(crate) fn required<T>(&mut self, key: &'static str, read: impl FnOnce(&Node<'a>) -> Option<T>) -> Option<T> {
        let Some(node) = self.get(key) else {
            let message = format!("{} needs the key \"{key}\"", self.name());
            self.problems.note(Code::MissingKey, self.span.clone(), message);
            return None;
        };
        read(&node)
    }

    /// Every key with its value, for tables whose keys are the user's names. In byte order of the keys.
    pub(crate) fn entries(&self) -> Vec<(&'a str, Span, Node<'a>)> {
        let entries = self.table.iter();
        entries.map(|(key, value)| (key.get_ref().as_ref(), key.span(), self.node(key.get_ref(), value))).collect()
    }

    /// Notes a problem about the table itself.
    pub(crate) fn wrong(&self, message: impl fmt::Display) {
        self.problems.note(Code::BadValue, self.span.clone(), format!("{} {message}", self.name()));
    }

    /// Notes every key that nobody asked for.
    pub(crate) fn finish(self) {
        for (key, _) in self.table.iter().filter(|(key, _)| !self.asked.contains(&key.get_ref().as_ref())) {
            let place = if self.place.is_empty() { String::new() } else { format!(" in [{}]", self.place) };
            self.problems.unknown(Code::UnknownKey, key.span(), "key", key.get_ref(), &place, &self.asked);
        }
    }

    fn node(&self, key: &str, value: &'a Spanned<DeValue<'a>>) -> Node<'a> {
        let place = if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) };
        Node { place, value, problems: self.problems }
    }

    fn name(&self) -> String {
        if self.place.is_empty() { "the file".to_owned() } else { format!("[{}]", self.place) }
    }
}

impl<'a> Node<'a> {
    /// Where the value stands in the document.
    pub(crate) fn span(&self) -> Span {
        self.value.span()
    }

    /// The value as the parser saw it.
    pub(crate) fn value(&self) -> &'a DeValue<'a> {
        self.value.get_ref()
    }

    /// Notes that the value is wrong; the message goes on from the key's name.
    pub(crate) fn wrong<T>(&self, message: impl fmt::Display) -> Option<T> {
        self.problems.note(Code::BadValue, self.span(), format!("{} {message}", self.place));
        None
    }

    /// Notes that the value names something unknown, with the nearest known name.
    pub(crate) fn unknown<T>(&self, what: &str, name: &str, known: &[&str]) -> Option<T> {
        self.problems.unknown(Code::BadValue, self.span(), what, name, &format!(" at {}", self.place), known);
        None
    }

    fn expected<T>(&self, what: &str) -> Option<T> {
        self.wrong(format!("must be {what}, not {}", self.value().type_str()))
    }

    /// A string that is not empty.
    pub(crate) fn text(&self) -> Option<&'a str> {
        match self.any_text()? {
            "" => self.wrong("must not be empty"),
            text => Some(text),
        }
    }

    /// A string.
    pub(crate) fn any_text(&self) -> Option<&'a str> {
        self.value().as_str().or_else(|| self.expected("a string"))
    }

    /// A string that `parse` accepts; its error goes on from the key's name.
    pub(crate) fn parsed<T, E: fmt::Display>(&self, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let text = self.text()?;
        parse(text).map_or_else(|error| self.wrong(error), Some)
    }

    /// A whole number.
    pub(crate) fn integer(&self) -> Option<i64> {
        let number = self.value().as_integer().and_then(|n| i64::from_str_radix(n.as_str(), n.radix()).ok());
        number.or_else(|| self.expected("a whole number of 64 bits"))
    }

    /// A table.
    pub(crate) fn section(&self) -> Option<Section<'a>> {
        let Some(table) = self.value().as_table() else { return self.expected("a table") };
        Some(Section { place: self.place.clone(), span: self.span(), table, asked: vec![], problems: self.problems })
    }

    /// The string under this key of a table, if there is one; notes nothing.
    pub(crate) fn string_at(&self, key: &str) -> Option<&'a str> {
        self.value().as_table()?.get(key)?.get_ref().as_str()
    }

    /// The items of an array.
    pub(crate) fn items(&self) -> Option<Vec<Self>> {
        let Some(array) = self.value().as_array() else { return self.expected("an array") };
        let item = |value| Self { place: self.place.clone(), value, problems: self.problems };
        Some(array.iter().map(item).collect())
    }

    /// The items of an array as `read` gives them; a single value stands for an array of one.
    pub(crate) fn each<T>(&self, read: impl Fn(&Self) -> Option<T>) -> Option<Vec<T>> {
        let items = if self.value().is_array() { self.items()? } else { vec![self.clone()] };
        let read: Vec<_> = items.iter().map(read).collect();
        read.into_iter().collect()
    }
}
