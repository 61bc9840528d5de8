//! Values of features as JSON.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::value::{ActionRow, CountMap, FeatureValue, MapKey};
use crate::rfc3339::rfc3339;

impl Serialize for FeatureValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Count(n) => serializer.serialize_u64(*n),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Vector(vector) => serializer.collect_seq(vector.iter()),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(map) => map.serialize(serializer),
            Self::Ranked(values) => serializer.collect_seq(values.iter().map(|(key, n)| Ranked(key, *n))),
            Self::Groups(groups) => serialize_by_key(serializer, &groups.0),
            Self::Actions(rows) => {
                let mut list = serializer.serialize_seq(Some(rows.len()))?;
                for row in rows {
                    list.serialize_element(row)?;
                }
                list.end()
            }
        }
    }
}

/// The value as JSON, such as `{"apply":3}`, `0.5` or `null`.
impl fmt::Display for FeatureValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for CountMap {
    /// An object by the values as text, `null` and `other`. A text that reads like another key is given in quotes.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_by_key(serializer, &self.0)
    }
}

fn serialize_by_key<S: Serializer, V: Serialize>(serializer: S, entries: &[(MapKey, V)]) -> Result<S::Ok, S::Error> {
    let names: Vec<_> = entries.iter().map(|(key, _)| key.to_string()).collect();
    let mut uses = HashMap::new();
    names.iter().for_each(|name| *uses.entry(name.as_str()).or_insert(0) += 1);
    let mut map = serializer.serialize_map(Some(entries.len()))?;
    for ((key, value), name) in entries.iter().zip(&names) {
        match key {
            MapKey::Text(_) if uses.get(name.as_str()).is_some_and(|uses| *uses > 1) => {
                map.serialize_entry(&format!("{name:?}"), value)?;
            }
            _ => map.serialize_entry(name, value)?,
        }
    }
    map.end()
}

/// A value and its count.
struct Ranked<'a>(&'a MapKey, u64);

impl Serialize for Ranked<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("value", self.0)?;
        map.serialize_entry("count", &self.1)?;
        map.end()
    }
}

impl Serialize for MapKey {
    /// The value itself; `other` as that text.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Other => serializer.serialize_str("other"),
        }
    }
}

impl Serialize for ActionRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timestamp", &rfc3339(self.timestamp))?;
        map.serialize_entry("verb", &*self.verb)?;
        map.serialize_entry("object", &*self.object)?;
        map.serialize_entry("event_id", &*self.event_id)?;
        map.serialize_entry("sequence", &self.sequence)?;
        map.serialize_entry("selected", &Selected(&self.selected))?;
        map.end()
    }
}

struct Selected<'a>(&'a [(Arc<str>, FeatureValue)]);

impl Serialize for Selected<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(path, value)| (&**path, value)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::value::GroupMap;
    use super::*;

    #[test]
    fn ranked_values_are_a_list_and_groups_an_object() {
        let keys = [MapKey::Null, MapKey::Int(7), MapKey::Text("7".into()), MapKey::Text("x".into())];
        let ranked = FeatureValue::Ranked(keys.iter().cloned().zip([4, 3, 2, 1]).collect());
        let expected = json!([
            {"value": null, "count": 4}, {"value": 7, "count": 3}, {"value": "7", "count": 2}, {"value": "x", "count": 1}
        ]);
        assert_eq!(json!(ranked), expected);
        let groups = FeatureValue::Groups(GroupMap(
            keys.into_iter().zip([1.5, 2.5, 3.5, 4.5].map(FeatureValue::Float)).collect(),
        ));
        assert_eq!(json!(groups), json!({"null": 1.5, "7": 2.5, "\"7\"": 3.5, "x": 4.5}));
    }
}
