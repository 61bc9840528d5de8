//! Sliding windows: `as_of - w < t <= as_of`.

use std::time::Duration;

use nowfold_core::time::label;

/// One window or several, as [`Feature::within`](super::Feature::within) takes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows(pub(crate) Vec<Duration>);

impl From<Duration> for Windows {
    fn from(window: Duration) -> Self {
        Self(vec![window])
    }
}

impl<const N: usize> From<[Duration; N]> for Windows {
    fn from(windows: [Duration; N]) -> Self {
        Self(windows.to_vec())
    }
}

impl From<Vec<Duration>> for Windows {
    fn from(windows: Vec<Duration>) -> Self {
        Self(windows)
    }
}

/// How a window is called in answers: in the largest unit up to hours that divides it, such as `1h`, `96h`, `90m`,
/// `45s` or `1500ms`.
pub fn window_label(window: Duration) -> String {
    label(window)
}

#[cfg(test)]
mod tests {
    use nowfold_core::time::{days, hours, millisecs, minutes, seconds};

    use super::*;

    #[test]
    fn labels_use_the_largest_unit_that_divides() {
        let cases = [
            (hours(1), "1h"),
            (days(4), "96h"),
            (minutes(90), "90m"),
            (seconds(45), "45s"),
            (millisecs(1_500), "1500ms"),
        ];
        for (window, label) in cases {
            assert_eq!(window_label(window), label);
        }
    }
}
