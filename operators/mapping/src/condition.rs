//! Conditions on a record: which verb it is, and whether it takes part at all.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use crate::pointer::{Pointer, scalar_text};

/// A condition on a record. See `docs/guide/replay.md`, "Conditions".
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Every one holds.
    All(Vec<Condition>),
    /// At least one holds.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// The value at the pointer passes every test.
    Field(Pointer, Vec<Test>),
}

/// A test of one value. A missing value is like null: it passes only `Null`, `Empty`, `NotEquals` and `NoneOf`.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// Null or missing.
    Null,
    /// Neither null nor missing.
    NotNull,
    /// Null, missing, or a string, array or object without content.
    Empty,
    /// Not `Empty`.
    NotEmpty,
    /// Equal to this.
    Equals(Scalar),
    /// Not equal to this.
    NotEquals(Scalar),
    /// Equal to one of these.
    OneOf(Vec<Scalar>),
    /// Equal to none of these.
    NoneOf(Vec<Scalar>),
    /// Its text begins so.
    Prefix(String),
    /// Its text ends so.
    Suffix(String),
    /// Its text has this in it, or the array has it as an item.
    Contains(Scalar),
    /// Greater than this.
    Greater(Scalar),
    /// Greater than or equal to this.
    AtLeast(Scalar),
    /// Less than this.
    Less(Scalar),
    /// Less than or equal to this.
    AtMost(Scalar),
}

/// What a value is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// Compared with the value's text, in byte order.
    Text(String),
    /// Compared with numbers, and with strings that hold one.
    Number(Number),
    /// Equal to a JSON truth value only.
    Bool(bool),
}

impl Condition {
    /// Whether it holds for the record.
    pub fn holds(&self, record: &Value) -> bool {
        match self {
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(record)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(record)),
            Self::Not(condition) => !condition.holds(record),
            Self::Field(pointer, tests) => {
                let value = pointer.find(record);
                tests.iter().all(|test| test.passes(value))
            }
        }
    }
}

impl Test {
    fn passes(&self, value: Option<&Value>) -> bool {
        match self {
            Self::Null => value.is_none(),
            Self::NotNull => value.is_some(),
            Self::Empty => is_empty(value),
            Self::NotEmpty => !is_empty(value),
            Self::NotEquals(scalar) => !value.is_some_and(|value| scalar.equals(value)),
            Self::NoneOf(scalars) => !value.is_some_and(|value| scalars.iter().any(|scalar| scalar.equals(value))),
            _ => value.is_some_and(|value| self.passes_present(value)),
        }
    }

    fn passes_present(&self, value: &Value) -> bool {
        match self {
            Self::Equals(scalar) => scalar.equals(value),
            Self::OneOf(scalars) => scalars.iter().any(|scalar| scalar.equals(value)),
            Self::Prefix(text) => scalar_text(value).is_some_and(|found| found.starts_with(text.as_str())),
            Self::Suffix(text) => scalar_text(value).is_some_and(|found| found.ends_with(text.as_str())),
            Self::Contains(scalar) => contains(value, scalar),
            Self::Greater(scalar) => scalar.order_of(value).is_some_and(Ordering::is_gt),
            Self::AtLeast(scalar) => scalar.order_of(value).is_some_and(Ordering::is_ge),
            Self::Less(scalar) => scalar.order_of(value).is_some_and(Ordering::is_lt),
            Self::AtMost(scalar) => scalar.order_of(value).is_some_and(Ordering::is_le),
            _ => false,
        }
    }
}

fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(fields)) => fields.is_empty(),
        Some(Value::Bool(_) | Value::Number(_)) => false,
    }
}

fn contains(value: &Value, scalar: &Scalar) -> bool {
    match (value, scalar) {
        (Value::Array(items), _) => items.iter().any(|item| scalar.equals(item)),
        (_, Scalar::Text(text)) => scalar_text(value).is_some_and(|found| found.contains(text.as_str())),
        _ => false,
    }
}

impl Scalar {
    fn equals(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Bool(truth), Value::Bool(found)) => truth == found,
            (Self::Bool(_), _) => false,
            _ => self.order_of(value) == Some(Ordering::Equal),
        }
    }

    /// How the value stands to this one; `None` when they cannot be compared.
    fn order_of(&self, value: &Value) -> Option<Ordering> {
        match self {
            Self::Text(text) => scalar_text(value).map(|found| (*found).cmp(text.as_str())),
            Self::Number(number) => order(&number_in(value)?, number),
            Self::Bool(_) => None,
        }
    }
}

/// The value as a number: a JSON number, or a string that holds one.
pub(crate) fn number_in(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) => parse_number(text.trim()),
        _ => None,
    }
}

fn parse_number(text: &str) -> Option<Number> {
    let whole = text.parse::<i64>().ok().map(Number::from);
    whole.or_else(|| text.parse().ok().and_then(Number::from_f64))
}

/// Whole numbers compare exactly, others as f64.
fn order(a: &Number, b: &Number) -> Option<Ordering> {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn text(text: &str) -> Scalar {
        Scalar::Text(text.to_owned())
    }

    fn number(value: Value) -> Scalar {
        Scalar::Number(number_in(&value).unwrap())
    }

    #[rstest]
    #[case(Test::Null, &[json!(null)], &[json!(0), json!(""), json!(false)])]
    #[case(Test::NotNull, &[json!(0), json!("")], &[json!(null)])]
    #[case(Test::Empty, &[json!(null), json!(""), json!([]), json!({})], &[json!(0), json!(" "), json!(false)])]
    #[case(Test::NotEmpty, &[json!(0), json!("x")], &[json!(null), json!("")])]
    #[case(Test::Equals(text("C1")), &[json!("C1")], &[json!("c1"), json!(null), json!(["C1"])])]
    #[case(Test::Equals(text("5")), &[json!(5), json!("5")], &[json!(5.0)])]
    #[case(Test::Equals(number(json!(5))), &[json!(5), json!(5.0), json!("5")], &[json!("five"), json!(null), json!(true)])]
    #[case(Test::Equals(number(json!(i64::MAX))), &[json!(i64::MAX)], &[json!(i64::MAX - 1)])]
    #[case(Test::Equals(Scalar::Bool(true)), &[json!(true)], &[json!(false), json!("true"), json!(1), json!(null)])]
    #[case(Test::NotEquals(text("a")), &[json!("b"), json!(null)], &[json!("a")])]
    #[case(Test::OneOf(vec![text("a"), number(json!(1))]), &[json!("a"), json!(1)], &[json!("b"), json!(null)])]
    #[case(Test::NoneOf(vec![text("a"), text("b")]), &[json!("c"), json!(null)], &[json!("a"), json!("b")])]
    #[case(Test::Prefix("C".into()), &[json!("C536")], &[json!("536C"), json!(null), json!("")])]
    #[case(Test::Prefix("53".into()), &[json!(536)], &[json!(153)])]
    #[case(Test::Suffix("bot".into()), &[json!("robot")], &[json!("bots"), json!(null)])]
    #[case(Test::Contains(text("ob")), &[json!("robot"), json!(["ob"])], &[json!("rbt"), json!(["robot"]), json!(null)])]
    #[case(Test::Greater(number(json!(5))), &[json!(6), json!(5.1), json!("5.5")], &[json!(5), json!("x"), json!(null)])]
    #[case(Test::AtLeast(number(json!(5.0))), &[json!(5), json!(6)], &[json!(4.9)])]
    #[case(Test::Less(text("2013-07-01")), &[json!("2013-06-30")], &[json!("2013-07-01"), json!(null)])]
    #[case(Test::AtMost(number(json!(0))), &[json!(0), json!(-1)], &[json!(1), json!(null)])]
    fn passes_and_fails(#[case] test: Test, #[case] passing: &[Value], #[case] failing: &[Value]) {
        let condition = Condition::Field(Pointer::parse("/x").unwrap(), vec![test]);
        for value in passing {
            assert!(condition.holds(&json!({"x": value})), "{condition:?} should hold for {value}");
        }
        for value in failing {
            assert!(!condition.holds(&json!({"x": value})), "{condition:?} should not hold for {value}");
        }
    }

    #[test]
    fn a_missing_field_is_like_null() {
        for (test, expected) in [(Test::Null, true), (Test::NotNull, false), (Test::NotEquals(text("a")), true)] {
            assert_eq!(Condition::Field(Pointer::parse("/x").unwrap(), vec![test]).holds(&json!({})), expected);
        }
    }

    #[test]
    fn combines_all_any_and_not() {
        let yes = || Condition::Field(Pointer::parse("").unwrap(), vec![Test::NotNull]);
        let no = || Condition::Not(Box::new(yes()));
        for (condition, expected) in [
            (Condition::All(vec![yes(), yes()]), true),
            (Condition::All(vec![yes(), no()]), false),
            (Condition::Any(vec![no(), yes()]), true),
            (Condition::Any(vec![no(), no()]), false),
        ] {
            assert_eq!(condition.holds(&json!({})), expected, "{condition:?}");
        }
    }
}
