//! Questions and answers in the store's terms.

use nowfold_core::time::{Timestamp, millisecs};
use nowfold_operators::answer::Answer;
use nowfold_operators::feature::{
    ActionRow, Feature, FeatureName, FeatureValue, Literal, MapKey, Normalize, WindowResult, all, any, attr, feature,
    not, window_label,
};
use nowfold_operators::features::{FeatureQuery, Features};
use nowfold_schemas::action::Attribute;

use super::question::{Aggregate, Ask, Comparison, Pool, Predicate, Question, Unit, Window};
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
pub(crate) fn got(answer: &Answer, number: usize, ask: &Ask, window: Window) -> Result<Got, String> {
    let name = name(number);
    let label = match ask.aggregate {
        Aggregate::Trend { denominator } => format!("{}/{}", label(window), label(denominator)),
        _ => label(window),
    };
    answer.window(&name, &label).map(read).map_err(|error| format!("{name} {label}: {error}"))
}

fn name(number: usize) -> String {
    format!("f{number}")
}

fn define(number: usize, ask: &Ask) -> Feature {
    let named = feature(name(number));
    let defined = match (&ask.aggregate, &ask.verbs) {
        (aggregate, Some(verbs)) if aggregate.weights().is_none() => {
            aggregated(named, aggregate).verbs(verbs.iter().copied())
        }
        (aggregate, _) => aggregated(named, aggregate),
    };
    let defined = match ask.aggregate {
        Aggregate::Trend { denominator } => {
            let numerator = *ask.windows.first().unwrap();
            let trend = feature(name(number)).trend(spell(numerator), spell(denominator));
            let trend = ask.verbs.iter().fold(trend, |trend, verbs| trend.verbs(verbs.iter().copied()));
            return ask.predicate.iter().fold(trend, |trend, predicate| trend.filter(condition(predicate)));
        }
        _ => defined,
    };
    let defined = ask.windows.iter().fold(defined, |feature, window| feature.window(spell(*window)));
    ask.predicate.iter().fold(defined, |feature, predicate| feature.filter(condition(predicate)))
}

fn aggregated(named: FeatureName, aggregate: &Aggregate) -> Feature {
    let distinct = |feature: Feature, by: &Option<&'static str>| by.iter().fold(feature, |f, by| f.distinct_by(*by));
    match aggregate {
        Aggregate::Count | Aggregate::Trend { .. } => named.count(),
        Aggregate::Exists => named.exists(),
        Aggregate::Recency => named.recency(),
        Aggregate::Rate => named.rate(),
        Aggregate::SessionCount { gap } => named.session_count(duration(*gap)),
        Aggregate::CountBy { path, cap } => named.count_by(*path).cap(*cap),
        Aggregate::DistinctCount { path, cap } => named.distinct_count(*path).cap(*cap),
        Aggregate::TopN { n, path } => named.top_n(*n, *path),
        Aggregate::RatioTop1 { path } => named.ratio_top1(*path),
        Aggregate::Listed { name, k, path, distinct_by } => distinct(listed(named, name, *k, path), distinct_by),
        Aggregate::Actions { limit, select, distinct_by } => {
            distinct(named.actions(select.iter().copied()).limit(*limit), distinct_by)
        }
        _ => computed(named, aggregate),
    }
}

fn listed(named: FeatureName, name: &str, k: usize, path: &str) -> Feature {
    match name {
        "last" => named.last(k, path),
        "first" => named.first(k, path),
        "last_value" => named.last_value(path),
        _ => named.first_value(path),
    }
}

/// Aggregates of numbers and vectors.
fn computed(named: FeatureName, aggregate: &Aggregate) -> Feature {
    match aggregate {
        Aggregate::Sum { path } => named.sum(*path),
        Aggregate::Mean { path } => named.mean(*path),
        Aggregate::WeightedMean { path, weights } => named.weighted_mean(*path, weights.iter().copied()),
        Aggregate::Min { path } => named.min(*path),
        Aggregate::Max { path } => named.max(*path),
        Aggregate::Spread { name, path } => match *name {
            "var_pop" => named.var_pop(*path),
            "var_sample" => named.var_sample(*path),
            "stddev_pop" => named.stddev_pop(*path),
            _ => named.stddev_sample(*path),
        },
        Aggregate::Quantile { p, path, cap } => named.quantile(*p, *path).cap(*cap),
        Aggregate::TopK { k, path } => named.top_k(*k, *path),
        Aggregate::By { name, path, by, cap, unit } => match *name {
            "sum_by" => named.sum_by(*path, *by).cap(*cap),
            "mean_by" => named.mean_by(*path, *by).cap(*cap),
            _ => normalized(named.vec_mean_by(*path, *by).cap(*cap), *unit),
        },
        Aggregate::Decay { name, path, half_life } => match *name {
            "decay_count" => named.decay_count(duration(*half_life)),
            "decay_sum" => named.decay_sum(*path, duration(*half_life)),
            _ => named.decay_mean(*path, duration(*half_life)),
        },
        Aggregate::Pool { pool, path, unit } => normalized(pooled(named, pool, path), *unit),
        Aggregate::Dispersion { path } => named.vec_dispersion(*path),
        other => panic!("{other:?} is not computed from numbers"),
    }
}

fn pooled(named: FeatureName, pool: &Pool, path: &str) -> Feature {
    match pool {
        Pool::Sum => named.vec_sum(path),
        Pool::Mean => named.vec_mean(path),
        Pool::Min => named.vec_min(path),
        Pool::Max => named.vec_max(path),
        Pool::DecayMean { half_life } => named.vec_decay_mean(path, duration(*half_life)),
        Pool::WeightedMean { weights } => named.vec_weighted_mean(path, weights.iter().copied()),
    }
}

fn normalized(feature: Feature, unit: Unit) -> Feature {
    match (unit.before, unit.after) {
        (false, false) => feature,
        (true, false) => feature.normalize(Normalize::Before),
        (false, true) => feature.normalize(Normalize::After),
        (true, true) => feature.normalize(Normalize::Both),
    }
}

fn spell(window: Window) -> nowfold_operators::feature::Window {
    type Spelled = nowfold_operators::feature::Window;
    match window {
        Window::Sliding { length, offset, end_excluded } => {
            let sliding = Spelled::sliding(duration(length)).offset(duration(offset));
            if end_excluded { sliding.end_excluded() } else { sliding }
        }
        Window::Last { n, within } => within.iter().fold(Spelled::last(n), |last, ms| last.within(duration(*ms))),
        Window::Tumbling { length, from, previous } => {
            let tumbling = Spelled::tumbling(duration(length)).aligned(duration(from));
            if previous { tumbling.previous() } else { tumbling }
        }
        Window::Session { gap } => Spelled::session(duration(gap)),
    }
}

/// The text form, by which the answer is found: `40m-offset-7m-end-excluded`.
fn label(window: Window) -> String {
    let of = |ms: i64| window_label(duration(ms));
    let when = |holds: bool, text: String| if holds { text } else { String::new() };
    match window {
        Window::Sliding { length, offset, end_excluded } => {
            let offset = when(offset != 0, format!("-offset-{}", of(offset)));
            of(length) + &offset + &when(end_excluded, "-end-excluded".to_owned())
        }
        Window::Last { n, within } => {
            format!("last-{n}") + &within.map_or(String::new(), |ms| format!("-within-{}", of(ms)))
        }
        Window::Tumbling { length, from, previous } => {
            let from = when(from != 0, format!("-from-{}", of(from)));
            format!("tumbling-{}", of(length)) + &from + &when(previous, "-previous".to_owned())
        }
        Window::Session { gap } => format!("session-{}", of(gap)),
    }
}

fn condition(predicate: &Predicate) -> nowfold_operators::feature::Predicate {
    let parts = |parts: &[Predicate]| parts.iter().map(condition).collect::<Vec<_>>();
    match predicate {
        Predicate::Is(path, comparison, value) => {
            let (attr, value) = (attr(*path), literal(value));
            match comparison {
                Comparison::Equal => attr.eq(value),
                Comparison::NotEqual => attr.ne(value),
                Comparison::Less => attr.lt(value),
                Comparison::AtMost => attr.le(value),
                Comparison::Greater => attr.gt(value),
                Comparison::AtLeast => attr.ge(value),
            }
        }
        Predicate::In(path, values) => attr(*path).is_in(values.iter().map(literal)),
        Predicate::IsNull(path) => attr(*path).is_null(),
        Predicate::All(all_of) => all(parts(all_of)),
        Predicate::Any(any_of) => any(parts(any_of)),
        Predicate::Not(part) => not(condition(part)),
    }
}

fn literal(value: &Attribute) -> Literal {
    match value {
        Attribute::Bool(x) => Literal::Bool(*x),
        Attribute::Int(x) => Literal::Int(*x),
        Attribute::Float(x) => Literal::Float(*x),
        Attribute::Text(text) => Literal::Text(text.clone()),
        other => panic!("{other:?} is no literal"),
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
        open: result.open,
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
        FeatureValue::Ranked(ranked) => Value::Map(ranked.iter().map(|(of, n)| (key(of), Value::Count(*n))).collect()),
        FeatureValue::Groups(map) => Value::Map(map.iter().map(|(of, part)| (key(of), value(part))).collect()),
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
