//! The features of `--features`, checked against what the mapping gives.

use std::time::Duration;

use anyhow::Context as _;
use nowfold::operators::feature::{Feature, FeatureFile, Window};

use super::args::Args;
use crate::replay::mapping::CompiledMapping;
use crate::replay::questions::Question;

/// Reads the feature file, if there is one.
pub(super) fn load(args: &Args, mapping: &CompiledMapping) -> anyhow::Result<Vec<Feature>> {
    let Some(path) = &args.features else { return Ok(Vec::new()) };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the feature file {}; name an existing one with --features", path.display()))?;
    let file = FeatureFile::parse_for(&path.display().to_string(), &text, Some(&mapping.schema()))?;
    Ok(file.into_features())
}

/// How far the features that a question names reach back.
///
/// # Errors
/// When it names one that is not there.
pub(super) fn reach(features: &[Feature], question: &Question) -> anyhow::Result<Duration> {
    let mut longest = 0;
    for name in &question.features {
        let Some(feature) = features.iter().find(|feature| feature.name() == name) else {
            let known: Vec<_> = features.iter().map(Feature::name).collect();
            let known =
                if known.is_empty() { "none; name a file with --features".to_owned() } else { known.join(", ") };
            anyhow::bail!(
                "question {:?} names the feature {name:?}, which is not registered; there are {known}",
                question.id
            );
        };
        let windows = feature.all_windows().iter().filter_map(Window::reach_ms);
        longest = windows.fold(longest, i64::max);
    }
    Ok(Duration::from_millis(longest.unsigned_abs()))
}
