//! Numbers of either kind, compared by their exact values.

use std::cmp::Ordering;

use super::path::Found;
use super::value::FeatureValue;
use crate::chain::Cell;

/// A whole number or a finite float.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    /// The number that a path led to, if it is one.
    pub(crate) fn of(found: Found<'_>) -> Option<Self> {
        match found {
            Found::Cell(Cell::Int(value)) => Some(Self::Int(value)),
            // Adding zero turns -0.0 into 0.0, so that equal numbers have equal bits.
            Found::Cell(Cell::Float(value)) => Some(Self::Float(value + 0.0)),
            _ => None,
        }
    }

    pub(crate) fn as_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    /// By value; a whole number and a float are equal where they are the same number.
    pub(crate) fn cmp_value(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(&b),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            (Self::Int(a), Self::Float(b)) => cmp_mixed(a, b),
            (Self::Float(a), Self::Int(b)) => cmp_mixed(b, a).reverse(),
        }
    }

    /// By value, then whole numbers before floats: a total order in which only equal numbers of one kind are equal.
    pub(crate) fn cmp_total(self, other: Self) -> Ordering {
        let kind = |number| matches!(number, Self::Float(_));
        self.cmp_value(other).then(kind(self).cmp(&kind(other)))
    }
}

impl From<Number> for FeatureValue {
    fn from(number: Number) -> Self {
        match number {
            Number::Int(value) => Self::Int(value),
            Number::Float(value) => Self::Float(value),
        }
    }
}

/// Two to the 63rd: the first float beyond i64.
const BEYOND: f64 = 9_223_372_036_854_775_808.0;

fn cmp_mixed(int: i64, float: f64) -> Ordering {
    if float >= BEYOND {
        return Ordering::Less;
    }
    if float < -BEYOND {
        return Ordering::Greater;
    }
    #[expect(clippy::cast_possible_truncation, reason = "within i64; the fraction is compared apart")]
    let whole = float.trunc() as i64;
    let fraction = float - float.trunc();
    int.cmp(&whole).then(0.0_f64.partial_cmp(&fraction).unwrap_or(Ordering::Equal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_and_floats_compare_exactly() {
        use Number::{Float, Int};
        use Ordering::{Equal, Greater, Less};
        let cases = [
            (Int(1), Float(1.0), Equal),
            (Int(1), Float(1.5), Less),
            (Int(-1), Float(-1.5), Greater),
            (Int(i64::MAX), Float(9_223_372_036_854_775_807.0), Less),
            (Int(9_007_199_254_740_993), Float(9_007_199_254_740_992.0), Greater),
            (Int(i64::MIN), Float(-9_223_372_036_854_775_808.0), Equal),
            (Int(i64::MIN), Float(f64::MIN), Greater),
            (Int(i64::MAX), Float(f64::MAX), Less),
        ];
        for (a, b, expected) in cases {
            assert_eq!(a.cmp_value(b), expected, "{a:?} {b:?}");
            assert_eq!(b.cmp_value(a), expected.reverse(), "{b:?} {a:?}");
        }
        assert_eq!(Int(1).cmp_total(Float(1.0)), Less);
    }
}
