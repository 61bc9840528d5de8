//! Actions and attributes as natural JSON, with the field names of the Avro schema.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::{Action, Attribute, Attributes, Op};

/// Null, booleans, numbers and text as such; vectors and lists as lists. JSON has no NaN or infinity: they become null.
impl Serialize for Attribute {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Vector(numbers) => serializer.collect_seq(numbers.iter()),
            Self::List(items) => serializer.collect_seq(items.iter()),
        }
    }
}

impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(name, value)| (&**name, value)))
    }
}

impl Serialize for Op {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Action", 10)?;
        fields.serialize_field("actor", &*self.actor)?;
        fields.serialize_field("actorAttributes", &self.actor_attributes)?;
        fields.serialize_field("verb", &*self.verb)?;
        fields.serialize_field("verbAttributes", &self.verb_attributes)?;
        fields.serialize_field("object", &*self.object)?;
        fields.serialize_field("objectAttributes", &self.object_attributes)?;
        fields.serialize_field("timestamp", &self.timestamp)?;
        fields.serialize_field("eventId", &*self.event_id)?;
        fields.serialize_field("sequence", &self.sequence)?;
        fields.serialize_field("op", &self.op)?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes;

    #[test]
    fn action_is_natural_json() {
        let mut action = Action::new("m-1", "apply", "job-7").at_ms(5).id("e1").sequence(2);
        action.object_attributes = attributes! {
            "embedding" => [0.5_f32, f32::NAN], "title" => "nurse", "remote" => true, "salary" => None::<f64>, "tags" => vec!["a"],
        };
        let expected = concat!(
            r#"{"actor":"m-1","actorAttributes":{},"verb":"apply","verbAttributes":{},"object":"job-7","#,
            r#""objectAttributes":{"embedding":[0.5,null],"remote":true,"salary":null,"tags":["a"],"title":"nurse"},"#,
            r#""timestamp":5,"eventId":"e1","sequence":2,"op":"ACT"}"#
        );
        assert_eq!(serde_json::to_string(&action).unwrap(), expected);
    }
}
