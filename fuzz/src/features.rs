//! Feature files, and the same features as JSON in a question.

use nowfold::core::time::hours;
use nowfold::operators::chain::ChainConfig;
use nowfold::operators::feature::{Feature, FeatureFile, FeatureSet, SpecLimits};

/// The text of a feature file in TOML, or the `adhoc` array of a question in JSON.
pub fn features(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let read = match serde_json::from_str(text) {
        Ok(json) => Feature::from_json("adhoc", &json, SpecLimits { values: 1_000, windows: 16, actions: 1_000 }),
        Err(_) => FeatureFile::parse("features.toml", text).map(FeatureFile::into_features),
    };
    match read {
        Ok(features) => drop(FeatureSet::compile("activity", &ChainConfig::new(hours(97)), features)),
        Err(report) => assert!(!report.problems().is_empty(), "refused without a reason"),
    }
}
