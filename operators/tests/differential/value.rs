//! Values and answers as both sides put them, floats by their bits.

use std::fmt;

/// A float that equals only itself, bit for bit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bits(u64);

impl From<f64> for Bits {
    fn from(value: f64) -> Self {
        Self(value.to_bits())
    }
}

impl Bits {
    pub(crate) fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl fmt::Debug for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:x})", self.get(), self.0)
    }
}

/// A feature's value. Vectors hold what their f32 are in f64, which loses nothing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Count(u64),
    Int(i64),
    Float(Bits),
    Text(String),
    Vector(Vec<Bits>),
    List(Vec<Value>),
    /// Entries in order, keys as text with their kind.
    Map(Vec<(String, Value)>),
    /// Time, id, object and selected parts.
    Rows(Vec<(i64, String, String, Vec<Value>)>),
}

impl Value {
    /// A number, or nothing where the result is none.
    pub(crate) fn float(value: f64) -> Self {
        if value.is_finite() { Self::Float(value.into()) } else { Self::None }
    }

    /// A vector given as f32, or nothing where an element has left its range.
    #[expect(clippy::cast_possible_truncation, reason = "vectors are computed in f64 and given as f32")]
    pub(crate) fn vector(values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
        let fit = values.iter().all(|value| value.is_finite());
        if fit { Self::Vector(values.into_iter().map(|value| f64::from(value).into()).collect()) } else { Self::None }
    }
}

/// What the oracle expects of one feature in one window.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expected {
    pub(crate) value: Value,
    /// Times of the events used.
    pub(crate) used: Vec<i64>,
    pub(crate) missing: usize,
    /// The largest relative error that an approximation may have; 0 asks for the very bits.
    pub(crate) tolerance: f64,
    /// Whether expired events could not belong to it.
    pub(crate) complete: bool,
    /// Whether events that the limit took could.
    pub(crate) truncated: bool,
    pub(crate) open: Option<bool>,
}

/// What the store said.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) value: Value,
    pub(crate) used: u64,
    pub(crate) missing: u64,
    pub(crate) oldest: Option<i64>,
    pub(crate) newest: Option<i64>,
    pub(crate) error_bound: f64,
    pub(crate) open: Option<bool>,
}

impl Expected {
    pub(crate) fn exact(value: Value, used: Vec<i64>, missing: usize) -> Self {
        Self { value, used, missing, tolerance: 0.0, complete: true, truncated: false, open: None }
    }

    /// Says how an answer differs from what is expected, if it does.
    pub(crate) fn compare(&self, got: &Got) -> Result<(), String> {
        let used = (self.used.len() as u64, self.used.iter().min().copied(), self.used.iter().max().copied());
        let checks = [
            ("value", self.fits(got)),
            ("used, oldest, newest", used == (got.used, got.oldest, got.newest)),
            ("missing", self.missing as u64 == got.missing),
            ("open", self.open == got.open),
            ("error bound", (got.error_bound > 0.0) == (self.tolerance > 0.0) && got.error_bound <= self.tolerance),
        ];
        match checks.iter().find(|(_, holds)| !holds) {
            None => Ok(()),
            Some((what, _)) => Err(format!("{what} differs:\n   got {got:?}\n  want {self:?} ({used:?} used)")),
        }
    }

    /// An exact value equals; an approximation lies within the bound that its answer states.
    fn fits(&self, got: &Got) -> bool {
        let number = |value: &Value| match value {
            Value::Count(n) => Some(*n as f64),
            Value::Int(n) => Some(*n as f64),
            Value::Float(x) => Some(x.get()),
            _ => None,
        };
        match (number(&self.value), number(&got.value)) {
            // The bound is that of the estimate; turning it into a float may add a rounding.
            (Some(want), Some(got_value)) if self.tolerance > 0.0 => {
                (want - got_value).abs() <= (got.error_bound + 1e-12) * want.abs() + f64::MIN_POSITIVE
            }
            _ => self.value == got.value,
        }
    }
}
