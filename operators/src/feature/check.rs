//! What can be wrong with a definition, apart from its paths.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use nowfold_core::query::QueryError;

use super::define::Feature;
use super::kind::Aggregate;
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
    let aggregate = &feature.aggregate;
    let fault = if feature.name.is_empty() {
        "has an empty name; give it one"
    } else if feature.verbs.as_ref().is_some_and(Vec::is_empty) {
        "lists no verb; leave .verbs() out for any"
    } else if feature.cap == Some(0) || (feature.cap.is_some() && aggregate.default_cap().is_none()) {
        "has a cap that does not apply; .cap(n) is for counts, sums and means by value, distinct_count and quantile, with \
         n >= 1"
    } else if feature.limit == Some(0) || (feature.limit.is_some() && !matches!(aggregate, Aggregate::Actions { .. })) {
        "has a limit that does not apply; .limit(n) is for actions, with n >= 1"
    } else if aggregate.weights().is_some() && feature.verbs.is_some() {
        "names verbs twice; a weighted mean takes them from its weights"
    } else if feature.distinct_by.is_some() && !aggregate.takes_distinct_by() {
        "has a distinct_by that does not apply; it is for first, last and actions"
    } else if feature.normalize.is_some() && !aggregate.takes_normalize() {
        "has a normalize that does not apply; it is for pooled vectors, such as vec_mean"
    } else if let Some(fault) = aggregate.fault() {
        fault
    } else {
        return check_shapes(feature);
    };
    Err(invalid(feature, fault))
}

/// What an aggregate asks of its windows and weights.
fn check_shapes(feature: &Feature) -> Result<(), QueryError> {
    let has_length = |window: &Window| window.length_ms().is_some();
    let is_weight = |weight: &(String, f64)| weight.1.is_finite();
    let fault = match (&feature.aggregate, feature.aggregate.weights()) {
        (Aggregate::Rate, _) if !feature.windows.iter().all(has_length) => {
            "asks for a rate in a window without a length; use a sliding or a tumbling window"
        }
        (Aggregate::Trend, _) if feature.windows.len() != 2 => {
            "compares two windows and takes no others; name them in trend()"
        }
        (_, Some(weights))
            if weights.is_empty()
                || weights.iter().map(|(verb, _)| verb).collect::<BTreeSet<_>>().len() < weights.len()
                || !weights.iter().all(is_weight) =>
        {
            "needs one finite weight for each of its verbs, such as [(\"apply\", 1.0)]"
        }
        _ => return Ok(()),
    };
    Err(invalid(feature, fault))
}

/// Parses a path.
pub(crate) fn parse(feature: &Feature, path: &str) -> Result<Path, QueryError> {
    path.parse::<Path>().map_err(|error| invalid(feature, &format!("is wrong: {error}")))
}

/// Parses the path of an attribute: `verb` and `object` are text.
pub(crate) fn parse_attribute(feature: &Feature, path: &str) -> Result<(Side, Arc<str>), QueryError> {
    match parse(feature, path)? {
        Path::Attribute(side, name) => Ok((side, name)),
        path => Err(invalid(
            feature,
            &format!("cannot compute with {path}, which is text; name an attribute such as object.price"),
        )),
    }
}

/// What joins late can be computed with; nothing else looks at it.
pub(crate) fn refuse_late(feature: &Feature, late: Option<&LateJoin>, path: &Path) -> Result<(), QueryError> {
    match path {
        Path::Attribute(Side::Object, name) if late.is_some_and(|late| late.has(name)) => {
            let cause = format!(
                "uses {path}, which joins late and is only there for numbers and vectors to compute with, such as sums and means; enrich \
                 with it at ingest"
            );
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
