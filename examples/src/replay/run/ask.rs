//! Asking a question: its features, ad hoc, as of its instant, of everything that is out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nowfold::core::names::TopicPartition;
use nowfold::operators::feature::{Feature, FeatureName, FeatureValue, WindowResult};
use nowfold::operators::position::Position;
use nowfold::prelude::*;
use nowfold::runtime::broker::Broker;
use serde_json::{Map, Value};

use super::args::Args;
use super::place::RawTopic;
use crate::replay::mapping::{CompiledMapping, QuestionMapping};
use crate::replay::questions::{Answer as Line, Question};

/// How long the pipeline may take to process what is out.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until every raw line that is out has been mapped and its actions are on their topics, and returns the ends of
/// these: an answer that includes them includes every line.
pub(super) fn settle(
    app: &Streams,
    raw: &RawTopic,
    args: &Args,
    mapping: &CompiledMapping,
) -> anyhow::Result<Position> {
    let broker = app.broker();
    let end = raw.end(broker.as_ref())?;
    let started = Instant::now();
    while committed(broker.as_ref(), app, raw)? < end {
        anyhow::ensure!(!app.state().is_final(), "{}", app.state());
        anyhow::ensure!(
            started.elapsed() < PATIENCE,
            "the pipeline has not processed {end} lines; it is {}",
            app.state()
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    let mut position = Position::new();
    for entry in mapping.actions() {
        let topic = args.named(entry.topic());
        let n_partitions = app.hub().with_store(entry.store(), |_, store| store.n_partitions)?;
        for partition in (0..n_partitions).map(|partition| TopicPartition::new(topic.as_str(), partition)) {
            let end = broker.watermarks(&partition)?.high;
            if end > 0 {
                position.advance(partition, end - 1);
            }
        }
    }
    Ok(position)
}

fn committed(broker: &dyn Broker, app: &Streams, raw: &RawTopic) -> anyhow::Result<i64> {
    let group = app.runtime().topology().app().to_owned();
    let committed = broker.committed(&group, std::slice::from_ref(raw.partition()))?;
    Ok(committed.into_iter().next().flatten().map_or(0, |committed| committed.offset))
}

/// Asks one question of a store that includes `position`.
pub(super) fn ask(
    app: &Streams,
    mapping: &CompiledMapping,
    question: &Question,
    position: &Position,
) -> anyhow::Result<Line> {
    let entry = mapping.actions().get(mapping.action_for(&question.actor_field)?).context("an entry of the mapping")?;
    let features = app.features(entry.store())?;
    let mut query = features.query(&question.actor).as_of(question.as_of()).at_least(position).wait_up_to(PATIENCE);
    query = query.select(&question.features);
    for feature in asked(question, mapping.questions()) {
        query = query.adhoc(feature);
    }
    let answer = query.get().with_context(|| format!("question {:?}", question.id))?;
    anyhow::ensure!(answer.envelope.complete, "question {:?}: the store's history is too short", question.id);
    line(&answer, question, mapping.questions()).with_context(|| format!("question {:?}", question.id))
}

/// The features of a question; numbers are named after their keys in `sum` and `mean`.
fn asked(question: &Question, names: &QuestionMapping) -> Vec<Feature> {
    let with = |feature: Feature| {
        let feature = feature.within(question.window());
        question.verb.iter().fold(feature, |feature, verb| feature.verb(verb))
    };
    let named = |name: String, of: fn(FeatureName, String) -> Feature, path: String| with(of(feature(name), path));
    let mut features = vec![
        with(feature("count").count()),
        with(feature("distinct_objects").distinct_count("object").cap(usize::MAX)),
        with(feature("last5_objects").last(5, "object")),
        with(feature("counts_by_verb").count_by("verb")),
    ];
    for (key, attribute) in &names.numbers {
        let path = format!("verb.{attribute}");
        features.push(named(format!("sum of {key}"), |name, path| name.sum(path), path.clone()));
        features.push(named(format!("mean of {key}"), |name, path| name.mean(path), path));
    }
    if let Some(embedding) = &names.embedding {
        features.push(named("avg_embedding".to_owned(), |name, path| name.mean(path), format!("object.{embedding}")));
    }
    features
}

fn line(answer: &Answer, question: &Question, names: &QuestionMapping) -> anyhow::Result<Line> {
    let mut line = Line {
        count: answer.count("count")?,
        distinct_objects: answer.count("distinct_objects")?,
        last5_objects: texts(answer.value("last5_objects")?),
        ..Line::default()
    };
    for (key, _) in &names.numbers {
        line.sum.insert(key.clone(), answer.number(&format!("sum of {key}"))?.unwrap_or(0.0));
        line.mean.insert(key.clone(), answer.number(&format!("mean of {key}"))?);
    }
    if names.embedding.is_some() {
        line.embedding_count = answer.used("avg_embedding")?;
        let mean = answer.vector("avg_embedding")?;
        line.avg_embedding = mean.map(|mean| mean.iter().map(|x| f64::from(*x)).collect());
    }
    for name in &question.features {
        line.features.insert(name.clone(), value_of(answer, name)?);
    }
    if question.verb.is_none() {
        line.counts_by_verb = Some(counts(answer.value("counts_by_verb")?));
    }
    Ok(line)
}

/// A feature's value; with several windows an object by their labels.
fn value_of(answer: &Answer, name: &str) -> anyhow::Result<Value> {
    let windows = &answer.feature(name)?.windows;
    if let [only] = windows.as_slice() {
        return Ok(serde_json::to_value(&only.value)?);
    }
    let labelled = |window: &WindowResult| Ok((window.label.to_string(), serde_json::to_value(&window.value)?));
    windows
        .iter()
        .map(labelled)
        .collect::<Result<Map<_, _>, serde_json::Error>>()
        .map(Value::Object)
        .map_err(Into::into)
}

fn texts(value: &FeatureValue) -> Vec<String> {
    let FeatureValue::List(items) = value else { return Vec::new() };
    let text = |item: &FeatureValue| match item {
        FeatureValue::Text(text) => text.to_string(),
        other => format!("{other:?}"),
    };
    items.iter().map(text).collect()
}

fn counts(value: &FeatureValue) -> BTreeMap<String, u64> {
    let FeatureValue::Map(counts) = value else { return BTreeMap::new() };
    counts.iter().map(|(key, n)| (key.to_string(), n)).collect()
}
