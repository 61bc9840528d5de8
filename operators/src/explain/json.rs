//! Explanations as JSON, with the names of the Rust types.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{ExplainedWindow, Explanation, PassedOver};
use crate::chain::Dropped;
use crate::feature::ActionRow;
use crate::rfc3339::rfc3339;

impl Serialize for Explanation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("actor", &*self.actor)?;
        map.serialize_entry("feature", &*self.feature)?;
        map.serialize_entry("windows", &Windows(&self.windows))?;
        map.serialize_entry("dropped", &self.dropped)?;
        self.envelope.serialize_into(&mut map)?;
        map.end()
    }
}

struct Windows<'a>(&'a [ExplainedWindow]);

impl Serialize for Windows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|window| (&*window.result.label, window)))
    }
}

impl Serialize for ExplainedWindow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("value", &self.result.value)?;
        map.serialize_entry("used", &self.result.used)?;
        map.serialize_entry("missing", &self.result.missing)?;
        map.serialize_entry("after", &rfc3339(self.after))?;
        map.serialize_entry("until", &rfc3339(self.until))?;
        map.serialize_entry("events", &self.events)?;
        map.serialize_entry("passed_over", &self.passed_over)?;
        map.serialize_entry("truncated", &self.truncated)?;
        map.end()
    }
}

impl Serialize for PassedOver {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ActionRow { timestamp, verb, object, event_id, sequence, .. } = &self.action;
        let mut map = serializer.serialize_map(Some(6))?;
        map.serialize_entry("reason", self.reason)?;
        map.serialize_entry("timestamp", &rfc3339(*timestamp))?;
        map.serialize_entry("verb", &**verb)?;
        map.serialize_entry("object", &**object)?;
        map.serialize_entry("event_id", &**event_id)?;
        map.serialize_entry("sequence", sequence)?;
        map.end()
    }
}

/// What is not known of an erased event is null.
impl Serialize for Dropped {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let known = |text: &'_ str| (!text.is_empty()).then(|| text.to_owned());
        let mut map = serializer.serialize_map(Some(8))?;
        map.serialize_entry("reason", self.reason)?;
        map.serialize_entry("timestamp", &self.timestamp.map(rfc3339))?;
        map.serialize_entry("event_id", &known(&self.event_id))?;
        map.serialize_entry("verb", &known(&self.verb))?;
        map.serialize_entry("object", &known(&self.object))?;
        map.serialize_entry("n", &self.n)?;
        map.serialize_entry("offset", &self.offset)?;
        map.serialize_entry("appended", &rfc3339(self.appended))?;
        map.end()
    }
}
