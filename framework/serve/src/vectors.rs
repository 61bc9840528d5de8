//! The form in which vectors are given.

use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nowfold_operators::explain::ExplainedWindow;
use nowfold_operators::feature::{ActionRow, FeatureResult, FeatureValue};
use serde::Deserialize;

/// The form in which vectors are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Vectors {
    /// A list of numbers.
    #[default]
    List,
    /// Little-endian f32, four bytes an element, in base64 with padding.
    Base64,
}

impl FromStr for Vectors {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "list" => Ok(Self::List),
            "base64" => Ok(Self::Base64),
            _ => Err(format!("{text:?} is not a form of vectors; write list or base64")),
        }
    }
}

impl Vectors {
    /// Puts the vectors of features into this form.
    pub(crate) fn write_features(self, features: &mut [FeatureResult]) {
        let windows = features.iter_mut().flat_map(|feature| &mut feature.windows);
        windows.for_each(|window| self.write(&mut window.value));
    }

    /// Puts the vectors of actions into this form.
    pub(crate) fn write_actions(self, actions: &mut [ActionRow]) {
        let selected = actions.iter_mut().flat_map(|action| &mut action.selected);
        selected.for_each(|(_, value)| self.write(value));
    }

    /// Puts the vectors of an explained window into this form.
    pub(crate) fn write_explained(self, window: &mut ExplainedWindow) {
        self.write(&mut window.result.value);
        self.write_actions(&mut window.events);
    }

    fn write(self, value: &mut FeatureValue) {
        if self == Self::List {
            return;
        }
        match value {
            FeatureValue::Vector(numbers) => *value = FeatureValue::Text(base64(numbers).into()),
            FeatureValue::List(items) => items.iter_mut().for_each(|item| self.write(item)),
            FeatureValue::Groups(groups) => groups.values_mut().for_each(|value| self.write(value)),
            FeatureValue::Actions(rows) => self.write_actions(rows),
            _ => {}
        }
    }
}

fn base64(numbers: &[f32]) -> String {
    let bytes: Vec<_> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn base64_is_little_endian_f32_wherever_a_vector_stands() {
        // As Python writes it: base64.b64encode(struct.pack("<2f", 0.5, -2.0))
        let text = FeatureValue::Text("AAAAPwAAAMA=".into());
        let vector = || FeatureValue::Vector(Arc::from([0.5_f32, -2.0]));
        let mut value = FeatureValue::List(vec![vector(), FeatureValue::Int(1)]);
        Vectors::Base64.write(&mut value);
        assert_eq!(value, FeatureValue::List(vec![text, FeatureValue::Int(1)]));
        let mut value = vector();
        Vectors::List.write(&mut value);
        assert_eq!(value, vector());
    }
}
