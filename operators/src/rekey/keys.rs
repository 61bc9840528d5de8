//! Under which keys an action goes out.

use std::fmt;
use std::sync::Arc;

use nowfold_schemas::action::{Action, Attribute};

use crate::chain::Side;
use crate::feature::Path;

/// The part of an action that becomes its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Verb,
    Object,
    Attribute(Side, Arc<str>),
}

impl Part {
    pub(super) fn parse(path: &str) -> Result<Self, String> {
        match path.parse::<Path>().map_err(|error| error.to_string())? {
            Path::Verb => Ok(Self::Verb),
            Path::Object => Ok(Self::Object),
            Path::Attribute(side, name) => Ok(Self::Attribute(side, name)),
        }
    }

    /// The keys of an action, each once: of a list one for each item that has a text.
    pub(super) fn keys(&self, action: &Action) -> Vec<Arc<str>> {
        let attribute = match self {
            Self::Verb => return vec![action.verb.clone()].into_iter().filter(|verb| !verb.is_empty()).collect(),
            Self::Object => return vec![action.object.clone()].into_iter().filter(|id| !id.is_empty()).collect(),
            Self::Attribute(Side::Actor, name) => action.actor_attributes.get(name),
            Self::Attribute(Side::Verb, name) => action.verb_attributes.get(name),
            Self::Attribute(Side::Object, name) => action.object_attributes.get(name),
        };
        let mut keys: Vec<_> = match attribute {
            Some(Attribute::List(items)) => items.iter().filter_map(text).collect(),
            other => other.and_then(text).into_iter().collect(),
        };
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verb => f.write_str("verb"),
            Self::Object => f.write_str("object"),
            Self::Attribute(side, name) => write!(f, "{}.{name}", side.as_str()),
        }
    }
}

fn text(attribute: &Attribute) -> Option<Arc<str>> {
    match attribute {
        Attribute::Text(text) => Some(text.clone()),
        Attribute::Int(n) => Some(n.to_string().into()),
        Attribute::Bool(truth) => Some(truth.to_string().into()),
        Attribute::Float(n) => Some(n.to_string().into()),
        Attribute::Null | Attribute::Vector(_) | Attribute::List(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_have_a_text_and_lists_one_for_each_item() {
        let action = Action::new("a", "v", "o")
            .object_attribute("company", "acme")
            .object_attribute("level", 3)
            .object_attribute("skills", vec!["rust", "sql", "rust"])
            .object_attribute("embedding", [0.5_f32]);
        let keys = |path: &str| Part::parse(path).unwrap().keys(&action).iter().map(|key| key.to_string()).collect();
        let cases: [(&str, Vec<String>); 6] = [
            ("object", vec!["o".into()]),
            ("object.company", vec!["acme".into()]),
            ("object.level", vec!["3".into()]),
            ("object.skills", vec!["rust".into(), "sql".into()]),
            ("object.embedding", vec![]),
            ("object.absent", vec![]),
        ];
        for (path, expected) in cases {
            let found: Vec<String> = keys(path);
            assert_eq!(found, expected, "{path}");
        }
        assert!(Part::parse("company").is_err());
    }
}
