//! One feature: its name, aggregate and windows, and the keys that many aggregates take.

use nowfold_strict::{Node, Section, parse_duration};

use super::Grammar;
use super::options::{Options, count};
use super::paths::Wanted;
use crate::feature::check::check_options;
use crate::feature::kind::{Aggregate, Normalize};
use crate::feature::{Feature, FeatureValue, Window};

impl Grammar {
    /// One feature. Every key is read, also after another could not be.
    pub(super) fn feature(&self, entry: &Node<'_>) -> Option<Feature> {
        let mut section = entry.section()?;
        let name = section.required("name", Node::text);
        let aggregate_node = section.required("aggregate", |node| Some(node.clone()));
        let windows = self.windows(entry, &mut section);
        let aggregate = aggregate_node.as_ref().and_then(Node::text);
        let mut options = Options::read(entry, aggregate.unwrap_or_default(), &mut section);
        let built = aggregate_node.as_ref().map(|node| self.aggregate(name.unwrap_or("?"), node, &mut options));
        let built = built.flatten();
        if built.is_some() {
            options.finish();
        }
        let refined = self.refine(&mut section, built);
        section.finish();
        name?;
        let feature = refined?.windows(windows?);
        // What no single key can be blamed for, such as a trend of three windows.
        check_options(&feature).map_or_else(|error| entry.wrong(cause(&error.to_string())), |()| Some(feature))
    }

    /// `within`, one window or several, and `series`.
    fn windows(&self, entry: &Node<'_>, section: &mut Section<'_>) -> Option<Vec<Window>> {
        let within = section.maybe("within", |node| node.each(window));
        let series = section.maybe("series", series);
        let windows: Vec<_> = within?.unwrap_or_default().into_iter().chain(series?.unwrap_or_default()).collect();
        match windows.len() {
            0 => entry.lacks("needs the key \"within\", such as within = \"24h\""),
            n if n > self.most.windows => {
                entry.wrong(format!("has {n} windows; ask for at most {}", self.most.windows))
            }
            _ => Some(windows),
        }
    }

    fn refine(&self, section: &mut Section<'_>, built: Option<Feature>) -> Option<Feature> {
        let verbs = section.get("verbs").map(|node| self.verbs(&node, built.as_ref()));
        let filter = section.get("where").map(|node| self.predicate(&node));
        let takes_distinct = built.as_ref().is_none_or(|feature| feature.aggregate.takes_distinct_by());
        let distinct_by = section.get("distinct_by").map(|node| match takes_distinct {
            true => self.path(&node, Wanted::Anything),
            false => node.wrong("is for first, last and actions"),
        });
        let takes_normalize = built.as_ref().is_none_or(|feature| feature.aggregate.takes_normalize());
        let normalize = section.get("normalize").map(|node| match takes_normalize {
            true => normalize(&node),
            false => node.wrong("is for pooled vectors, such as vec_mean"),
        });
        let default = section.get("default").map(|node| value(&node));
        let cap = section.get("cap").map(|node| self.cap(&node, built.as_ref()));
        let limit = section.get("limit").map(|node| self.limit(&node, built.as_ref()));
        let mut feature = built?;
        feature.verbs = verbs.map_or(Some(None), |verbs| verbs.map(Some))?;
        feature.filter = filter.map_or(Some(None), |filter| filter.map(Some))?;
        feature.distinct_by = distinct_by.map_or(Some(None), |path| path.map(Some))?;
        feature.normalize = normalize.map_or(Some(None), |normalize| normalize.map(Some))?;
        feature.default = default.map_or(Some(None), |default| default.map(Some))?;
        feature.cap = cap.map_or(Some(None), |cap| cap.map(Some))?;
        feature.limit = limit.map_or(Some(None), |limit| limit.map(Some))?;
        Some(feature)
    }

    fn verbs(&self, node: &Node<'_>, built: Option<&Feature>) -> Option<Vec<String>> {
        if built.is_some_and(|feature| feature.aggregate.weights().is_some()) {
            return node.wrong("does not go with weights, which name the verbs");
        }
        let verbs = node.each(|verb| self.verb(verb))?;
        if verbs.is_empty() { node.wrong("must have at least one verb; leave it out for any") } else { Some(verbs) }
    }

    fn cap(&self, node: &Node<'_>, built: Option<&Feature>) -> Option<usize> {
        if built.is_some_and(|feature| feature.aggregate.default_cap().is_none()) {
            return node.wrong("is for counts, sums and means by value, distinct_count and quantile");
        }
        count(node, self.most.values)
    }

    fn limit(&self, node: &Node<'_>, built: Option<&Feature>) -> Option<usize> {
        if built.is_some_and(|feature| !matches!(feature.aggregate, Aggregate::Actions { .. })) {
            return node.wrong("is for actions");
        }
        count(node, self.most.actions)
    }
}

fn window(node: &Node<'_>) -> Option<Window> {
    let window = node.parsed(|text| text.parse::<Window>().map_err(|error| format!("is wrong: {error}")))?;
    match window.fault() {
        Some(fault) => node.wrong(format!("{} {fault}", node.value().as_str().unwrap_or_default())),
        None => Some(window),
    }
}

/// `{ window = "24h", step = "24h", count = 7 }`.
fn series(node: &Node<'_>) -> Option<Vec<Window>> {
    let mut section = node.section()?;
    let window = section.required("window", |node| node.parsed(parse_duration));
    let step = section.required("step", |node| node.parsed(parse_duration));
    let n = section.required("count", |node| count(node, 1_000));
    section.finish();
    Some(Window::series(window?, n?, step?))
}

fn normalize(node: &Node<'_>) -> Option<Normalize> {
    match node.text()? {
        "before" => Some(Normalize::Before),
        "after" => Some(Normalize::After),
        "both" => Some(Normalize::Both),
        other => node.unknown("choice", other, &["before", "after", "both"]),
    }
}

/// What stands for a value that is none.
fn value(node: &Node<'_>) -> Option<FeatureValue> {
    use nowfold_strict::Value;
    match node.value() {
        Value::Bool(truth) => Some(FeatureValue::Bool(*truth)),
        Value::Integer(n) => Some(FeatureValue::Int(*n)),
        Value::Float(_) => node.number().map(FeatureValue::Float),
        Value::Text(text) => Some(FeatureValue::Text(text.as_str().into())),
        Value::Array(_) => {
            #[expect(clippy::cast_possible_truncation, reason = "vectors are f32: the nearest one is meant")]
            let items = node.each(|item| item.number().map(|n| n as f32))?;
            Some(FeatureValue::Vector(items.into()))
        }
        _ => node.wrong("must be a number, a text, true, false or a list of numbers"),
    }
}

/// A query error without its code and the feature's name, which the place tells.
fn cause(message: &str) -> &str {
    message.split_once("\" ").map_or(message, |(_, cause)| cause)
}
