//! What a query says about each feature.

use std::sync::Arc;

use nowfold_core::time::Timestamp;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::value::FeatureValue;
use crate::chain::Span;
use crate::rfc3339::rfc3339;

/// A feature's values, one for each of its windows.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureResult {
    /// The feature's name.
    pub name: Arc<str>,
    /// One per window, at least one: in the order given, or shortest first where all are plain sliding ones. A trend has one
    /// for both of its windows.
    pub windows: Vec<WindowResult>,
    /// Whether the attribute was looked up for this answer, in its newest version, instead of being kept with the events.
    pub late_joined: bool,
}

/// A feature's value in one window, and what it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowResult {
    /// The window, such as `24h`.
    pub label: Arc<str>,
    /// The value.
    pub value: FeatureValue,
    /// Actions that contributed.
    pub used: u64,
    /// Actions that lack the attribute: passed over, but for `count_by`, which counts them under null.
    pub missing: u64,
    /// Actions in the window that have one of the feature's verbs and pass its filter. More than used and missing together
    /// where not all are asked for; of a trend those of its second window.
    pub matched: u64,
    /// Time of the oldest action used.
    pub oldest: Option<Timestamp>,
    /// Time of the newest action used.
    pub newest: Option<Timestamp>,
    /// 0 when the value is exact; else the largest relative error to expect (three standard errors of an estimate).
    pub error_bound: f64,
    /// Whether something that belongs to the value was left out, such as groups beyond the cap.
    pub truncated: bool,
    /// Of sessions: whether another action could still join, since the question comes no later than the gap after the
    /// last one.
    pub open: Option<bool>,
}

impl FeatureResult {
    /// The last window: of plain sliding ones the longest, which holds all others.
    pub fn widest(&self) -> Option<&WindowResult> {
        self.windows.last()
    }

    /// Whether something that belongs to any of its values was left out.
    pub fn is_truncated(&self) -> bool {
        self.windows.iter().any(|window| window.truncated)
    }

    /// The window with this label.
    pub fn window(&self, label: &str) -> Option<&WindowResult> {
        self.windows.iter().find(|window| &*window.label == label)
    }
}

impl WindowResult {
    /// A result that used the actions of `span`.
    pub(crate) fn new(label: &Arc<str>, value: FeatureValue, span: Span, missing: u64, matched: u64) -> Self {
        let time = |t| (span.n > 0).then(|| Timestamp::from_millis(t));
        let (oldest, newest) = (time(span.oldest), time(span.newest));
        Self {
            label: label.clone(),
            value,
            used: span.n,
            missing,
            matched,
            oldest,
            newest,
            error_bound: 0.0,
            truncated: false,
            open: None,
        }
    }
}

/// `value` is the value itself with one window and a map by label with several; the other entries speak of the widest
/// window, `error_bound` of the worst.
impl Serialize for FeatureResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.windows.as_slice() {
            [only] => map.serialize_entry("value", &only.value)?,
            windows => map.serialize_entry("value", &ByLabel(windows))?,
        }
        if let Some(widest) = self.widest() {
            map.serialize_entry("used", &widest.used)?;
            map.serialize_entry("missing", &widest.missing)?;
            map.serialize_entry("oldest", &widest.oldest.map(rfc3339))?;
            map.serialize_entry("newest", &widest.newest.map(rfc3339))?;
            let bounds = self.windows.iter().map(|window| window.error_bound);
            serialize_bound(&mut map, bounds.fold(0.0, f64::max))?;
            if let Some(open) = widest.open {
                map.serialize_entry("open", &open)?;
            }
            if self.late_joined {
                map.serialize_entry("late_joined", &true)?;
            }
        }
        map.end()
    }
}

/// Exactness reads as `0`, not `0.0`.
fn serialize_bound<M: SerializeMap>(map: &mut M, bound: f64) -> Result<(), M::Error> {
    if bound > 0.0 { map.serialize_entry("error_bound", &bound) } else { map.serialize_entry("error_bound", &0) }
}

struct ByLabel<'a>(&'a [WindowResult]);

impl Serialize for ByLabel<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|window| (&*window.label, &window.value)))
    }
}
