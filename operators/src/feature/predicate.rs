//! Predicates: which actions a feature takes, by what they hold.

use std::sync::Arc;

/// A condition on one action, for [`Feature::filter`](super::Feature::filter).
///
/// Conditions are true, false or unknown, as in SQL; an action is taken where its condition is true. A comparison with
/// an attribute that the action lacks is unknown, and so is one with a value of another kind, such as text with a number;
/// `not` of unknown is unknown. Only [`is_null`](Attr::is_null) is always true or false. Whole numbers and floats
/// compare by their exact values, texts by their bytes; truth values are equal or not.
///
/// ```
/// use nowfold_core::time::hours;
/// use nowfold_operators::feature::{all, any, attr, feature, not};
///
/// let dear = all([attr("verb").eq("apply"), attr("object.price").gt(100)]);
/// let local = any([attr("object.country").is_in(["AT", "DE"]), attr("object.remote").eq(true)]);
/// let known = not(attr("object.country").is_null());
/// let spent = feature("spent").sum("object.price").filter(all([dear, local, known])).within(hours(24));
/// # let _ = spent;
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Predicate {
    /// Compares what a path leads to with a value.
    Compare {
        /// `actor`, `verb`, `object` or an attribute such as `object.price`.
        path: String,
        /// How.
        op: Comparison,
        /// With what.
        value: Literal,
    },
    /// Whether what a path leads to equals one of some values. Values of another kind are passed over; unknown when none
    /// is of its kind.
    In {
        /// As in [`Compare`](Self::Compare).
        path: String,
        /// At least one.
        values: Vec<Literal>,
    },
    /// Whether the action lacks what a path leads to.
    IsNull {
        /// As in [`Compare`](Self::Compare).
        path: String,
    },
    /// Whether all are true; false if any is false.
    All(Vec<Predicate>),
    /// Whether any is true; false if all are false.
    Any(Vec<Predicate>),
    /// The opposite; of unknown, unknown.
    Not(Box<Predicate>),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// Equal.
    Eq,
    /// Not equal, and of the same kind.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
}

/// A value that predicates compare with.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Literal {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number; must be finite.
    Float(f64),
    /// Text.
    Text(Arc<str>),
}

/// A path, waiting for what it is compared with.
#[derive(Clone, Debug)]
#[must_use]
pub struct Attr(String);

/// Begins a condition on what a path leads to: `actor` (its id), `verb`, `object`, or an attribute such as `object.price`.
pub fn attr(path: impl Into<String>) -> Attr {
    Attr(path.into())
}

/// True where all of these are.
pub fn all(predicates: impl IntoIterator<Item = Predicate>) -> Predicate {
    Predicate::All(predicates.into_iter().collect())
}

/// True where any of these is.
pub fn any(predicates: impl IntoIterator<Item = Predicate>) -> Predicate {
    Predicate::Any(predicates.into_iter().collect())
}

/// True where this is false.
pub fn not(predicate: Predicate) -> Predicate {
    Predicate::Not(Box::new(predicate))
}

impl Attr {
    /// Equals the value.
    pub fn eq(self, value: impl Into<Literal>) -> Predicate {
        self.compare(Comparison::Eq, value)
    }

    /// Is of the value's kind and differs from it.
    pub fn ne(self, value: impl Into<Literal>) -> Predicate {
        self.compare(Comparison::Ne, value)
    }

    /// Less than the value.
    pub fn lt(self, value: impl Into<Literal>) -> Predicate {
        self.compare(Comparison::Lt, value)
    }

    /// At most the value.
    pub fn le(self, value: impl Into<Literal>) -> Predicate {
        self.compare(Comparison::Le, value)
    }

    /// Greater than the value.
    pub fn gt(self, value: impl Into<Literal>) -> Predicate {
        self.compare(Comparison::Gt, value)
    }

    /// At least the value.
    pub fn ge(self, value: impl Into<Literal>) -> Predicate {
        self.compare(Comparison::Ge, value)
    }

    /// From `low` to `high`, both included.
    pub fn between(self, low: impl Into<Literal>, high: impl Into<Literal>) -> Predicate {
        all([self.clone().ge(low), self.le(high)])
    }

    /// Equals one of the values.
    pub fn is_in<L: Into<Literal>>(self, values: impl IntoIterator<Item = L>) -> Predicate {
        Predicate::In { path: self.0, values: values.into_iter().map(Into::into).collect() }
    }

    /// Is missing.
    pub fn is_null(self) -> Predicate {
        Predicate::IsNull { path: self.0 }
    }

    fn compare(self, op: Comparison, value: impl Into<Literal>) -> Predicate {
        Predicate::Compare { path: self.0, op, value: value.into() }
    }
}

macro_rules! literals {
    ($($type:ty => $variant:ident),+) => {$(
        impl From<$type> for Literal {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        }
    )+};
}

literals!(bool => Bool, i32 => Int, i64 => Int, u32 => Int, f64 => Float, &str => Text, String => Text, Arc<str> => Text);
