//! What the number of actions and the times of the oldest and newest one say: count, exists, recency, rate.

use super::super::kind::Aggregate;
use super::super::value::FeatureValue;
use super::sums::finite;
use crate::chain::Span;

const HOUR_MS: f64 = 3_600_000.0;

/// A value that needs no more than a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OfSpan {
    Count,
    Exists,
    Recency,
    Rate,
}

impl OfSpan {
    pub(crate) fn of(aggregate: &Aggregate) -> Option<Self> {
        Some(match aggregate {
            Aggregate::Count => Self::Count,
            Aggregate::Exists => Self::Exists,
            Aggregate::Recency => Self::Recency,
            Aggregate::Rate => Self::Rate,
            _ => return None,
        })
    }

    /// The value of a window with these actions.
    pub(crate) fn value(self, span: Span, as_of: i64, length_ms: Option<i64>) -> FeatureValue {
        match self {
            Self::Count => FeatureValue::Count(span.n),
            Self::Exists => FeatureValue::Bool(span.n > 0),
            Self::Recency if span.n == 0 => FeatureValue::None,
            Self::Recency => FeatureValue::Int(as_of.saturating_sub(span.newest)),
            Self::Rate => length_ms.map_or(FeatureValue::None, |ms| finite(span.n as f64 / (ms as f64 / HOUR_MS))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_spans() {
        let span = Span { n: 6, oldest: 100, newest: 900 };
        let value = |kind: OfSpan, span| kind.value(span, 1_000, Some(4 * 3_600_000));
        assert_eq!(value(OfSpan::Count, span), FeatureValue::Count(6));
        assert_eq!(value(OfSpan::Exists, span), FeatureValue::Bool(true));
        assert_eq!(value(OfSpan::Recency, span), FeatureValue::Int(100));
        assert_eq!(value(OfSpan::Rate, span), FeatureValue::Float(1.5));
        let empty =
            [OfSpan::Count, OfSpan::Exists, OfSpan::Recency, OfSpan::Rate].map(|kind| value(kind, Span::default()));
        let expected =
            [FeatureValue::Count(0), FeatureValue::Bool(false), FeatureValue::None, FeatureValue::Float(0.0)];
        assert_eq!(empty, expected);
    }
}
