//! What can be wrong with a definition, apart from its paths.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use nowfold_core::query::QueryError;

use super::define::{Aggregate, Feature};
use super::late::LateJoin;
use super::path::Path;
use super::plan::Limits;
use super::window::Window;
use crate::chain::Side;

pub(crate) fn check_windows(limits: &Limits, feature: &Feature) -> Result<(), QueryError> {
    if feature.windows.is_empty() {
        return Err(invalid(feature, "has no window; add .within(hours(24))"));
    }
    if let Some(fault) = feature.windows.iter().find_map(Window::fault) {
        return Err(invalid(feature, &fault));
    }
    if feature.windows.iter().collect::<BTreeSet<_>>().len() < feature.windows.len() {
        return Err(invalid(feature, "names a window twice; name each once"));
    }
    let reach = feature.windows.iter().filter_map(Window::reach_ms).max().unwrap_or(0);
    let needed = Duration::from_millis(reach.unsigned_abs());
    if needed.saturating_add(limits.read_slack) > limits.retention {
        return Err(QueryError::WindowExceedsRetention {
            store: limits.store.clone(),
            feature: feature.name.clone(),
            needed,
            retention: limits.retention,
            read_slack: limits.read_slack,
        });
    }
    Ok(())
}

pub(crate) fn check_options(feature: &Feature) -> Result<(), QueryError> {
    let capped = matches!(feature.aggregate, Aggregate::CountBy { .. } | Aggregate::DistinctCount { .. });
    let limited = matches!(feature.aggregate, Aggregate::Actions { .. });
    let weighted = matches!(feature.aggregate, Aggregate::WeightedMean { .. });
    let listed = matches!(feature.aggregate, Aggregate::Last { .. } | Aggregate::Actions { .. });
    if feature.name.is_empty() {
        Err(invalid(feature, "has an empty name; give it one"))
    } else if feature.verbs.as_ref().is_some_and(Vec::is_empty) {
        Err(invalid(feature, "lists no verb; leave .verbs() out for any"))
    } else if feature.cap == Some(0) || (feature.cap.is_some() && !capped) {
        Err(invalid(feature, "has a cap that does not apply; .cap(n) is for count_by and distinct_count, with n >= 1"))
    } else if feature.limit == Some(0) || (feature.limit.is_some() && !limited) {
        Err(invalid(feature, "has a limit that does not apply; .limit(n) is for actions, with n >= 1"))
    } else if weighted && feature.verbs.is_some() {
        Err(invalid(feature, "names verbs twice; a weighted mean takes them from its weights"))
    } else if feature.distinct_by.is_some() && !listed {
        Err(invalid(feature, "has a distinct_by that does not apply; it is for last and actions"))
    } else {
        Ok(())
    }
}

pub(crate) fn check_weights(feature: &Feature, weights: &[(String, f64)]) -> Result<Vec<(Arc<str>, f64)>, QueryError> {
    let verbs: BTreeSet<_> = weights.iter().map(|(verb, _)| verb).collect();
    if weights.is_empty() || verbs.len() < weights.len() || !weights.iter().all(|(_, weight)| weight.is_finite()) {
        return Err(invalid(feature, "needs one finite weight for each of its verbs, such as [(\"apply\", 1.0)]"));
    }
    Ok(weights.iter().map(|(verb, weight)| (Arc::from(verb.as_str()), *weight)).collect())
}

/// Parses a path.
pub(crate) fn parse(feature: &Feature, path: &str) -> Result<Path, QueryError> {
    path.parse::<Path>().map_err(|error| invalid(feature, &format!("is wrong: {error}")))
}

/// Parses the path of an attribute: `verb` and `object` are text.
pub(crate) fn parse_attribute(feature: &Feature, path: &str) -> Result<(Side, Arc<str>), QueryError> {
    match parse(feature, path)? {
        Path::Attribute(side, name) => Ok((side, name)),
        path => {
            Err(invalid(feature, &format!("cannot sum {path}, which is text; name an attribute such as object.price")))
        }
    }
}

/// What joins late can be summed and averaged; nothing else looks at it.
pub(crate) fn refuse_late(feature: &Feature, late: Option<&LateJoin>, path: &Path) -> Result<(), QueryError> {
    match path {
        Path::Attribute(Side::Object, name) if late.is_some_and(|late| late.has(name)) => {
            let cause =
                format!("uses {path}, which joins late and can only be summed or averaged; enrich with it at ingest");
            Err(invalid(feature, &cause))
        }
        _ => Ok(()),
    }
}

/// Parses a path that may not join late.
pub(crate) fn parse_own(feature: &Feature, late: Option<&LateJoin>, path: &str) -> Result<Path, QueryError> {
    let path = parse(feature, path)?;
    refuse_late(feature, late, &path)?;
    Ok(path)
}

pub(crate) fn invalid(feature: &Feature, cause: &str) -> QueryError {
    QueryError::Invalid { cause: format!("feature {:?} {cause}", feature.name) }
}
