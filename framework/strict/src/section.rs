//! Tables and values of a document, read by expectation.

use std::fmt;

use crate::problem::{Code, Problems, Span};
use crate::value::{Field, Item, Value};

/// A table whose keys are asked for one by one.
#[derive(Debug)]
pub struct Section<'a> {
    place: String,
    span: Span,
    table: &'a [Field],
    asked: Vec<&'static str>,
    problems: &'a Problems,
}

/// One value and where it stands.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    place: String,
    item: &'a Item,
    problems: &'a Problems,
}

impl<'a> Section<'a> {
    /// The whole document; without any key where it is not a table.
    pub(crate) fn root(document: &'a Value, problems: &'a Problems) -> Self {
        let table = if let Value::Table(fields) = document { fields.as_slice() } else { &[] };
        Self { place: String::new(), span: 0..0, table, asked: Vec::new(), problems }
    }

    /// The value of a key, known from now on.
    pub fn get(&mut self, key: &'static str) -> Option<Node<'a>> {
        self.asked.push(key);
        let found = self.table.iter().find(|field| field.key == key);
        found.map(|field| self.node(key, &field.item))
    }

    /// The value of a key as `read` gives it: `Some(None)` without the key, `None` after a problem was noted.
    pub fn maybe<T>(&mut self, key: &'static str, read: impl FnOnce(&Node<'a>) -> Option<T>) -> Option<Option<T>> {
        self.get(key).map_or(Some(None), |node| read(&node).map(Some))
    }

    /// Like [`Self::maybe`], with a value that stands in for a missing key.
    pub fn or<T>(&mut self, key: &'static str, default: T, read: impl FnOnce(&Node<'a>) -> Option<T>) -> Option<T> {
        self.get(key).map_or(Some(default), |node| read(&node))
    }

    /// Like [`Self::maybe`], but a missing key is a problem.
    pub fn required<T>(&mut self, key: &'static str, read: impl FnOnce(&Node<'a>) -> Option<T>) -> Option<T> {
        let Some(node) = self.get(key) else {
            let message = format!("{} needs the key \"{key}\"", self.name());
            self.problems.note(Code::MissingKey, self.span.clone(), message);
            return None;
        };
        read(&node)
    }

    /// Every key with its value, for tables whose keys are the user's names. In byte order of the keys.
    pub fn entries(&self) -> Vec<(&'a str, Span, Node<'a>)> {
        let entry = |field: &'a Field| (field.key.as_str(), field.key_span.clone(), self.node(&field.key, &field.item));
        self.table.iter().map(entry).collect()
    }

    /// Notes a problem about the table itself.
    pub fn wrong(&self, message: impl fmt::Display) {
        self.problems.note(Code::BadValue, self.span.clone(), format!("{} {message}", self.name()));
    }

    /// Notes every key that nobody asked for.
    pub fn finish(self) {
        for field in self.table.iter().filter(|field| !self.asked.contains(&field.key.as_str())) {
            let place = if self.place.is_empty() { String::new() } else { format!(" in [{}]", self.place) };
            self.problems.unknown(Code::UnknownKey, field.key_span.clone(), "key", &field.key, &place, &self.asked);
        }
    }

    fn node(&self, key: &str, item: &'a Item) -> Node<'a> {
        let place = if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) };
        Node { place, item, problems: self.problems }
    }

    fn name(&self) -> String {
        if self.place.is_empty() { self.problems.document().to_owned() } else { format!("[{}]", self.place) }
    }
}

impl<'a> Node<'a> {
    /// Where the value stands in the document.
    pub fn span(&self) -> Span {
        self.item.span.clone()
    }

    /// The value.
    pub fn value(&self) -> &'a Value {
        &self.item.value
    }

    /// Where it stands, as problems name it: `actions.verb`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Notes that the value is wrong; the message goes on from the key's name.
    pub fn wrong<T>(&self, message: impl fmt::Display) -> Option<T> {
        self.problems.note(Code::BadValue, self.span(), format!("{} {message}", self.place));
        None
    }

    /// Notes that something is missing in the table that stands here.
    pub fn lacks<T>(&self, message: &str) -> Option<T> {
        self.problems.note(Code::MissingKey, self.span(), format!("[{}] {message}", self.place));
        None
    }

    /// Notes that the value names something unknown, with the nearest known name.
    pub fn unknown<T>(&self, what: &str, name: &str, known: &[&str]) -> Option<T> {
        self.problems.unknown(Code::BadValue, self.span(), what, name, &format!(" at {}", self.place), known);
        None
    }

    fn expected<T>(&self, what: &str) -> Option<T> {
        self.wrong(format!("must be {what}, not {}", self.value().kind()))
    }

    /// A string that is not empty.
    pub fn text(&self) -> Option<&'a str> {
        match self.any_text()? {
            "" => self.wrong("must not be empty"),
            text => Some(text),
        }
    }

    /// A string.
    pub fn any_text(&self) -> Option<&'a str> {
        self.value().as_str().or_else(|| self.expected("a string"))
    }

    /// A string that `parse` accepts; its error goes on from the key's name.
    pub fn parsed<T, E: fmt::Display>(&self, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let text = self.text()?;
        parse(text).map_or_else(|error| self.wrong(error), Some)
    }

    /// A whole number.
    pub fn integer(&self) -> Option<i64> {
        if let Value::Integer(n) = self.value() { Some(*n) } else { self.expected("a whole number of 64 bits") }
    }

    /// A finite number.
    pub fn number(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "numbers of configuration files: the nearest f64 is meant")]
        match self.value() {
            Value::Integer(n) => Some(*n as f64),
            Value::Float(n) if n.is_finite() => Some(*n),
            Value::Float(_) => self.wrong("must be a finite number"),
            _ => self.expected("a number"),
        }
    }

    /// True or false.
    pub fn truth(&self) -> Option<bool> {
        if let Value::Bool(truth) = self.value() { Some(*truth) } else { self.expected("true or false") }
    }

    /// A table.
    pub fn section(&self) -> Option<Section<'a>> {
        let Value::Table(table) = self.value() else { return self.expected("a table") };
        Some(Section { place: self.place.clone(), span: self.span(), table, asked: vec![], problems: self.problems })
    }

    /// The string under this key of a table, if there is one; notes nothing.
    pub fn string_at(&self, key: &str) -> Option<&'a str> {
        self.value().field(key)?.value.as_str()
    }

    /// The items of an array.
    pub fn items(&self) -> Option<Vec<Self>> {
        let Value::Array(items) = self.value() else { return self.expected("an array") };
        let node =
            |(index, item)| Self { place: self.problems.place_of_item(&self.place, index), item, ..self.clone() };
        Some(items.iter().enumerate().map(node).collect())
    }

    /// The items of an array as `read` gives them; a single value stands for an array of one.
    pub fn each<T>(&self, read: impl Fn(&Self) -> Option<T>) -> Option<Vec<T>> {
        let items = if self.value().is_array() { self.items()? } else { vec![self.clone()] };
        let read: Vec<_> = items.iter().map(read).collect();
        read.into_iter().collect()
    }
}
