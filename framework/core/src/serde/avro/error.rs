//! Why bytes are not a datum.

use std::fmt;

use super::cursor::MAX_DEPTH;
use crate::serde::SerdeError;

/// Why the bytes are not a datum of the schema, in which field and at which byte. Boxed, so that results stay small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatumError(Box<Detail>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Detail {
    at: Option<usize>,
    field: String,
    reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    End,
    Varint,
    Length(i64),
    Items(u64),
    Bool(u8),
    Text,
    Index { index: i64, of: usize },
    Depth,
    LeftOver(usize),
    Other(String),
}

impl DatumError {
    #[cold]
    pub(super) fn new(at: Option<usize>, reason: Reason) -> Self {
        Self(Box::new(Detail { at, field: String::new(), reason }))
    }

    /// The same error, found within the field `name`.
    #[must_use]
    pub fn in_field(mut self, name: &str) -> Self {
        let inner = if self.0.field.is_empty() { String::new() } else { format!(".{}", self.0.field) };
        self.0.field = format!("{name}{inner}");
        self
    }

    /// The same error; it stands at byte `position` unless it says otherwise.
    #[must_use]
    pub(super) fn or_at(mut self, position: usize) -> Self {
        self.0.at.get_or_insert(position);
        self
    }
}

impl serde::de::Error for DatumError {
    fn custom<T: fmt::Display>(cause: T) -> Self {
        Self::new(None, Reason::Other(cause.to_string()))
    }
}

impl fmt::Display for DatumError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Detail { at, field, reason } = &*self.0;
        if !field.is_empty() {
            write!(f, "field {field}: ")?;
        }
        match reason {
            Reason::End => write!(f, "it ends too early"),
            Reason::Varint => write!(f, "a number is longer than 64 bits"),
            Reason::Length(len) => write!(f, "a length of {len} bytes is more than there are"),
            Reason::Items(n) => write!(f, "a block claims {n} items, more than its bytes can hold"),
            Reason::Bool(byte) => write!(f, "a boolean is {byte}"),
            Reason::Text => write!(f, "a string is not UTF-8"),
            Reason::Index { index, of } => write!(f, "a union or enum has no entry {index}, only {of}"),
            Reason::Depth => write!(f, "values nest deeper than {MAX_DEPTH} levels"),
            Reason::LeftOver(n) => write!(f, "{n} bytes are left over"),
            Reason::Other(cause) => f.write_str(cause),
        }?;
        at.map_or(Ok(()), |at| write!(f, " (byte {at})"))
    }
}

impl std::error::Error for DatumError {}

impl From<DatumError> for SerdeError {
    fn from(error: DatumError) -> Self {
        Self::invalid("Avro", error)
    }
}
