//! Attributes of actors, verbs and objects, with their types.

use std::sync::Arc;

use nowfold_schemas::action::{Attribute, Attributes};
use serde_json::{Number, Value};

use crate::condition::number_in;
use crate::pointer::{Pointer, scalar_text};
use crate::text::TextSource;

/// How one attribute is read from a record. See `docs/guide/replay.md`, "Attributes".
#[derive(Clone, Debug, PartialEq)]
pub struct AttributeMapping {
    pub(crate) name: Arc<str>,
    pub(crate) source: AttributeSource,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AttributeSource {
    Value(Pointer, AttributeType),
    Text(TextSource),
}

/// The type of an attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttributeType {
    /// As the JSON value has it: numbers as `Number`, an array of numbers as a vector, other arrays as lists.
    #[default]
    Auto,
    /// `I64` where the number is whole, else `F64`.
    Number,
    /// A whole number of 64 bits.
    I64,
    /// A number.
    F64,
    /// True or false.
    Bool,
    /// Text.
    Text,
    /// An embedding: f32 of this length, or of any length above 0.
    Vector(Option<usize>),
}

/// The value is not of the attribute's type; the attribute becomes null and is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongType;

impl AttributeMapping {
    /// The attribute's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its type; `Text` where it is put together from several fields.
    pub fn attribute_type(&self) -> AttributeType {
        match &self.source {
            AttributeSource::Value(_, kind) => *kind,
            AttributeSource::Text(_) => AttributeType::Text,
        }
    }

    /// The attribute; null where the record lacks it.
    pub(crate) fn read(&self, record: &Value) -> Result<Attribute, WrongType> {
        match &self.source {
            AttributeSource::Value(pointer, kind) => pointer.find(record).map_or(Ok(Attribute::Null), |v| kind.read(v)),
            AttributeSource::Text(source) => {
                let text = source.text(record).map_err(|_| WrongType)?;
                Ok(text.map_or(Attribute::Null, |text| Attribute::Text(text.into())))
            }
        }
    }
}

/// All of these attributes of a record, and how many of them had the wrong type and are null therefore.
pub(crate) fn read_all(mappings: &[AttributeMapping], record: &Value) -> (Attributes, u32) {
    let mut wrong = 0;
    let read = |mapping: &AttributeMapping| {
        let value = mapping.read(record).unwrap_or_else(|WrongType| {
            wrong += 1;
            Attribute::Null
        });
        (Arc::clone(&mapping.name), value)
    };
    (mappings.iter().map(read).collect(), wrong)
}

impl AttributeType {
    fn read(self, value: &Value) -> Result<Attribute, WrongType> {
        let blank = matches!(value, Value::String(text) if text.trim().is_empty());
        match self {
            Self::Auto => Ok(auto(value)),
            Self::Text => Ok(text(value)),
            _ if blank => Ok(Attribute::Null),
            Self::Number => number_in(value).and_then(|n| number(&n)).ok_or(WrongType),
            Self::I64 => number_in(value).and_then(|n| whole(&n)).map(Attribute::Int).ok_or(WrongType),
            Self::F64 => number_in(value).and_then(|n| float(&n)).map(Attribute::Float).ok_or(WrongType),
            Self::Bool => truth(value).map(Attribute::Bool).ok_or(WrongType),
            Self::Vector(dim) => vector(value, dim).map(Attribute::Vector).ok_or(WrongType),
        }
    }
}

fn auto(value: &Value) -> Attribute {
    match value {
        Value::Null => Attribute::Null,
        Value::Bool(truth) => Attribute::Bool(*truth),
        Value::Number(n) => number(n).unwrap_or_default(),
        Value::String(text) => Attribute::Text(text.as_str().into()),
        Value::Array(items) => match vector(value, None) {
            Some(vector) => Attribute::Vector(vector),
            None => Attribute::List(items.iter().map(auto).collect()),
        },
        Value::Object(_) => text(value),
    }
}

/// Arrays and objects as compact JSON.
fn text(value: &Value) -> Attribute {
    Attribute::Text(scalar_text(value).map_or_else(|| value.to_string().into(), Into::into))
}

fn number(number: &Number) -> Option<Attribute> {
    number.as_i64().map(Attribute::Int).or_else(|| float(number).map(Attribute::Float))
}

fn float(number: &Number) -> Option<f64> {
    number.as_f64().filter(|float| float.is_finite())
}

/// A whole number, also where it is written as a float; floats only as far as they are exact.
fn whole(number: &Number) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let from_float = || {
        let float = number.as_f64().filter(|float| float.trunc().total_cmp(float).is_eq() && float.abs() <= EXACT)?;
        #[expect(clippy::cast_possible_truncation, reason = "a whole number of at most 53 bits, as just checked")]
        Some(float as i64)
    };
    number.as_i64().or_else(from_float)
}

fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        Value::Number(number) => match number.as_i64()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
        _ => None,
    }
}

fn vector(value: &Value, dim: Option<usize>) -> Option<Arc<[f32]>> {
    let items = value.as_array().filter(|items| !items.is_empty() && dim.is_none_or(|dim| dim == items.len()))?;
    items.iter().map(component).collect()
}

fn component(value: &Value) -> Option<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "embeddings are f32: the nearest one is meant")]
    let component = value.as_f64()? as f32;
    component.is_finite().then_some(component)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn text(text: &str) -> Attribute {
        Attribute::Text(text.into())
    }

    fn vector(items: &[f32]) -> Attribute {
        Attribute::Vector(items.into())
    }

    #[rstest]
    #[case(AttributeType::Auto, json!(3), Attribute::Int(3))]
    #[case(AttributeType::Auto, json!(2.5), Attribute::Float(2.5))]
    #[case(AttributeType::Auto, json!(u64::MAX), Attribute::Float(1.844_674_407_370_955_2e19))]
    #[case(AttributeType::Auto, json!("3"), text("3"))]
    #[case(AttributeType::Auto, json!(true), Attribute::Bool(true))]
    #[case(AttributeType::Auto, json!([1, 0.5]), vector(&[1.0, 0.5]))]
    #[case(AttributeType::Auto, json!(["a", 1]), Attribute::List([text("a"), Attribute::Int(1)].into()))]
    #[case(AttributeType::Auto, json!([]), Attribute::List([].into()))]
    #[case(AttributeType::Auto, json!({"a": 1}), text(r#"{"a":1}"#))]
    #[case(AttributeType::Number, json!("7.25"), Attribute::Float(7.25))]
    #[case(AttributeType::Number, json!("-7"), Attribute::Int(-7))]
    #[case(AttributeType::Number, json!(" "), Attribute::Null)]
    #[case(AttributeType::I64, json!(6.0), Attribute::Int(6))]
    #[case(AttributeType::I64, json!(i64::MIN), Attribute::Int(i64::MIN))]
    #[case(AttributeType::F64, json!(6), Attribute::Float(6.0))]
    #[case(AttributeType::Bool, json!("TRUE"), Attribute::Bool(true))]
    #[case(AttributeType::Bool, json!(0), Attribute::Bool(false))]
    #[case(AttributeType::Text, json!(17850), text("17850"))]
    #[case(AttributeType::Text, json!(""), text(""))]
    #[case(AttributeType::Vector(Some(2)), json!([0.25, -1]), vector(&[0.25, -1.0]))]
    fn converts(#[case] kind: AttributeType, #[case] value: Value, #[case] expected: Attribute) {
        assert_eq!(kind.read(&value), Ok(expected));
    }

    #[rstest]
    #[case(AttributeType::Number, json!("many"))]
    #[case(AttributeType::Number, json!("inf"))]
    #[case(AttributeType::Number, json!(true))]
    #[case(AttributeType::I64, json!(2.5))]
    #[case(AttributeType::I64, json!(1e300))]
    #[case(AttributeType::F64, json!([1]))]
    #[case(AttributeType::Bool, json!(2))]
    #[case(AttributeType::Vector(None), json!([]))]
    #[case(AttributeType::Vector(None), json!([1, null]))]
    #[case(AttributeType::Vector(None), json!([1e300]))]
    #[case(AttributeType::Vector(Some(3)), json!([1, 2]))]
    fn refuses(#[case] kind: AttributeType, #[case] value: Value) {
        assert_eq!(kind.read(&value), Err(WrongType));
    }

    #[test]
    fn a_wrong_type_becomes_null_and_is_counted_while_null_is_just_null() {
        let attribute = |name: &str, kind| {
            let pointer = Pointer::parse(&format!("/{name}")).unwrap();
            AttributeMapping { name: name.into(), source: AttributeSource::Value(pointer, kind) }
        };
        let mappings = [
            attribute("a", AttributeType::F64),
            attribute("b", AttributeType::F64),
            attribute("c", AttributeType::F64),
        ];
        let (attributes, wrong) = read_all(&mappings, &json!({"a": "x", "b": null, "c": 1}));
        assert_eq!(wrong, 1);
        assert_eq!(attributes.get("a"), Some(&Attribute::Null));
        assert_eq!(attributes.get("b"), Some(&Attribute::Null));
        assert_eq!(attributes.get("c"), Some(&Attribute::Float(1.0)));
    }
}
