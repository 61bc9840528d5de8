//! Questions and answers in the store's terms.

use nowfold_core::time::{Timestamp, millisecs};
use nowfold_operators::answer::Answer;
use nowfold_operators::feature::{ActionRow, Feature, FeatureValue, MapKey, WindowResult, feature, window_label};
use nowfold_operators::features::{FeatureQuery, Features};

use super::question::{Aggregate, Ask, Question, Window};
use super::value::{Got, Value};

/// Asks the store.
pub(crate) fn ask(features: &Features, question: &Question) -> Result<Answer, String> {
    refine(features.query(question.actor), question).get().map_err(|error| error.to_string())
}

/// Adds the question to a query about its actor.
pub(crate) fn refine<'a>(query: FeatureQuery<'a>, question: &Question) -> FeatureQuery<'a> {
    let query = query.as_of(Timestamp::from_millis(question.as_of));
    question.asks.iter().enumerate().fold(query, |query, (number, ask)| query.adhoc(define(number, ask)))
}

/// The answer to one ask in one of its windows.
pub(crate) fn got(answer: &Answer, number: usize, window: Window) -> Result<Got, String> {
    let (name, label) = (name(number), label(window));
    answer.window(&name, &label).map(read).map_err(|error| format!("{name} {label}: {error}"))
}

fn name(number: usize) -> String {
    format!("f{number}")
}

fn define(number: usize, ask: &Ask) -> Feature {
    let named = feature(name(number));
    let defined = match &ask.aggregate {
        Aggregate::Count => named.count(),
        Aggregate::CountBy { path, cap } => named.count_by(*path).cap(*cap),
        Aggregate::Sum { path } => named.sum(*path),
        Aggregate::Mean { path } => named.mean(*path),
        Aggregate::WeightedMean { path, weights } => named.weighted_mean(*path, weights.iter().copied()),
        Aggregate::DistinctCount { path, cap } => named.distinct_count(*path).cap(*cap),
        Aggregate::Last { k, path } => named.last(*k, *path),
        Aggregate::Actions { limit, select } => named.actions(select.iter().copied()).limit(*limit),
    };
    let defined = match (&ask.aggregate, &ask.verbs) {
        (Aggregate::WeightedMean { .. }, _) | (_, None) => defined,
        (_, Some(verbs)) => defined.verbs(verbs.iter().copied()),
    };
    ask.windows.iter().fold(defined, |feature, window| match window {
        Window::Sliding { length } => feature.within(duration(*length)),
        _ => panic!("{window:?} is not offered"),
    })
}

fn label(window: Window) -> String {
    match window {
        Window::Sliding { length } => window_label(duration(length)),
        _ => panic!("{window:?} is not offered"),
    }
}

fn duration(ms: i64) -> std::time::Duration {
    millisecs(ms.unsigned_abs())
}

fn read(result: &WindowResult) -> Got {
    Got {
        value: value(&result.value),
        used: result.used,
        missing: result.missing,
        oldest: result.oldest.map(Timestamp::as_millis),
        newest: result.newest.map(Timestamp::as_millis),
        error_bound: result.error_bound,
    }
}

fn value(value_of: &FeatureValue) -> Value {
    match value_of {
        FeatureValue::None => Value::None,
        FeatureValue::Bool(x) => Value::Bool(*x),
        FeatureValue::Count(n) => Value::Count(*n),
        FeatureValue::Int(x) => Value::Int(*x),
        FeatureValue::Float(x) => Value::Float((*x).into()),
        FeatureValue::Text(text) => Value::Text(text.to_string()),
        FeatureValue::Vector(v) => Value::Vector(v.iter().map(|x| f64::from(*x).into()).collect()),
        FeatureValue::List(items) => Value::List(items.iter().map(value).collect()),
        FeatureValue::Map(map) => Value::Map(map.iter().map(|(of, n)| (key(of), Value::Count(n))).collect()),
        FeatureValue::Actions(rows) => Value::Rows(rows.iter().map(row).collect()),
        other => panic!("{other:?} is not known here"),
    }
}

fn key(key: &MapKey) -> String {
    match key {
        MapKey::Null => "null".to_owned(),
        MapKey::Bool(x) => format!("bool {x}"),
        MapKey::Int(x) => format!("int {x}"),
        MapKey::Float(x) => format!("float {x}"),
        MapKey::Text(text) => format!("text {text}"),
        MapKey::Other => "other".to_owned(),
        other => panic!("{other:?} is not known here"),
    }
}

fn row(row: &ActionRow) -> (i64, String, String, Vec<Value>) {
    let selected = row.selected.iter().map(|(_, part)| value(part)).collect();
    (row.timestamp.as_millis(), row.event_id.to_string(), row.object.to_string(), selected)
}
