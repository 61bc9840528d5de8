//! A document as it is read: values with their places, whatever it was written in.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::Span;

/// One value of a document.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Nothing; only JSON has it.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number of 64 bits.
    Integer(i64),
    /// Another number; may be infinite or NaN in TOML.
    Float(f64),
    /// A string.
    Text(String),
    /// A whole number that 64 bits do not hold.
    HugeInteger,
    /// A date or time of TOML.
    Datetime,
    /// An array.
    Array(Vec<Item>),
    /// A table, in byte order of its keys.
    Table(Vec<Field>),
}

/// A value and the bytes of the document where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) item: Item,
}

impl Value {
    /// What it is, in one word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Integer(_) | Self::HugeInteger => "integer",
            Self::Float(_) => "float",
            Self::Text(_) => "string",
            Self::Datetime => "datetime",
            Self::Array(_) => "array",
            Self::Table(_) => "table",
        }
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Whether it is a table.
    pub fn is_table(&self) -> bool {
        matches!(self, Self::Table(_))
    }

    /// Whether it is an array.
    pub fn is_array(&self) -> bool {
        matches!(self, Self::Array(_))
    }

    /// The value under a key of a table.
    pub(crate) fn field(&self, key: &str) -> Option<&Item> {
        let Self::Table(fields) = self else { return None };
        fields.iter().find(|field| field.key == key).map(|field| &field.item)
    }
}

/// A TOML table.
pub(crate) fn of_toml(table: &DeTable<'_>) -> Value {
    let field = |(key, value): (&Spanned<_>, &_)| field_of(key, value);
    Value::Table(table.iter().map(field).collect())
}

fn field_of(key: &Spanned<std::borrow::Cow<'_, str>>, value: &Spanned<DeValue<'_>>) -> Field {
    let item = Item { span: value.span(), value: value_of(value.get_ref()) };
    Field { key: key.get_ref().clone().into_owned(), key_span: key.span(), item }
}

fn value_of(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.clone().into_owned()),
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).map_or(Value::HugeInteger, Value::Integer),
        DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(truth) => Value::Bool(*truth),
        DeValue::Datetime(_) => Value::Datetime,
        DeValue::Array(items) => {
            let item = |item: &Spanned<DeValue<'_>>| Item { span: item.span(), value: value_of(item.get_ref()) };
            Value::Array(items.iter().map(item).collect())
        }
        DeValue::Table(table) => of_toml(table),
    }
}

/// A JSON value. It has no places: problems come in the order of the values.
pub(crate) fn of_json(value: &serde_json::Value, next: &mut usize) -> Item {
    *next += 1;
    let span = *next..*next;
    let value = match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Bool(*truth),
        serde_json::Value::Number(number) => match (number.as_i64(), number.is_u64()) {
            (Some(whole), _) => Value::Integer(whole),
            (None, true) => Value::HugeInteger,
            (None, false) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::Text(text.clone()),
        serde_json::Value::Array(items) => Value::Array(items.iter().map(|item| of_json(item, next)).collect()),
        serde_json::Value::Object(fields) => {
            let field = |(key, value): (&String, _)| {
                let item = of_json(value, next);
                Field { key: key.clone(), key_span: item.span.clone(), item }
            };
            Value::Table(fields.iter().map(field).collect())
        }
    };
    Item { span, value }
}
