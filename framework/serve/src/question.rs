//! The body of a question about several actors.

use std::collections::BTreeMap;

use nowfold_core::names::Offset;
use nowfold_core::time::Timestamp;
use nowfold_operators::feature::Feature;
use nowfold_operators::features::{Features, Metric};
use nowfold_operators::position::Position;
use serde::Deserialize;

use crate::adhoc;
use crate::app::Shared;
use crate::options::Options;
use crate::problem::Problem;
use crate::text;
use crate::timeline::Timeline;
use crate::vectors::Vectors;

/// A question about several actors.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) actors: Vec<String>,
    /// Names of registered features.
    pub(crate) features: Vec<String>,
    pub(crate) adhoc: Vec<Feature>,
    pub(crate) scores: Vec<Score>,
    /// Instants in order, in the place of one `as_of`.
    pub(crate) timeline: Option<Vec<Timestamp>>,
    pub(crate) options: Options,
}

/// Candidates to be scored against a feature's vector.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Score {
    pub(crate) feature: String,
    metric: ScoreMetric,
    pub(crate) candidates: Vec<Vec<f32>>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ScoreMetric {
    Dot,
    Cosine,
}

impl Score {
    pub(crate) fn metric(&self) -> Metric {
        match self.metric {
            ScoreMetric::Dot => Metric::Dot,
            ScoreMetric::Cosine => Metric::Cosine,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    actors: Vec<String>,
    #[serde(default)]
    features: Vec<String>,
    #[serde(default)]
    adhoc: Vec<serde_json::Value>,
    #[serde(default)]
    scores: Vec<Score>,
    timeline: Option<Timeline>,
    as_of: Option<Instant>,
    at_least: Option<BTreeMap<String, Offset>>,
    wait: Option<String>,
    max_lag: Option<String>,
    #[serde(default)]
    vectors: Vectors,
}

/// An instant in either form.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Instant {
    Millis(i64),
    Text(String),
}

impl Instant {
    pub(crate) fn read(&self) -> Result<Timestamp, String> {
        match self {
            Self::Millis(ms) => Ok(Timestamp::from_millis(*ms)),
            Self::Text(text) => text::instant(text),
        }
    }
}

impl Question {
    /// Reads the body and refuses more than the limits allow.
    pub(crate) fn read(body: &[u8], shared: &Shared, features: &Features) -> Result<Self, Problem> {
        let limits = &shared.app.limits;
        let body: Body = serde_json::from_slice(body)
            .map_err(|error| Problem::invalid(format!("the body cannot be read: {error}")))?;
        at_most("actors", body.actors.len(), limits.actors)?;
        at_most("adhoc features", body.adhoc.len(), limits.adhoc_features)?;
        let options = Options {
            as_of: field("as_of", body.as_of.map(|instant| instant.read()))?,
            at_least: field("at_least", body.at_least.map(position))?,
            wait: field("wait", body.wait.map(|wait| text::duration(&wait)))?.unwrap_or(limits.wait),
            max_lag: field("max_lag", body.max_lag.map(|lag| text::duration(&lag)))?,
            vectors: body.vectors,
        };
        let adhoc = adhoc::define(body.adhoc, limits)?;
        let most = limits.instants / body.actors.len().max(1);
        let timeline = field("timeline", body.timeline.map(|timeline| timeline.instants(most)))?;
        if timeline.is_some() && options.as_of.is_some() {
            return Err(Problem::invalid(
                "as_of goes with one instant and timeline with several; leave out one of them",
            ));
        }
        options.check(shared, features)?;
        Ok(Self { actors: body.actors, features: body.features, adhoc, scores: body.scores, timeline, options })
    }
}

fn at_most(what: &str, n: usize, most: usize) -> Result<(), Problem> {
    match n > most {
        true => Err(Problem::invalid(format!("{n} {what} in one request; ask for at most {most} at a time"))),
        false => Ok(()),
    }
}

fn field<T>(name: &str, value: Option<Result<T, String>>) -> Result<Option<T>, Problem> {
    value.transpose().map_err(|cause| Problem::invalid(format!("{name}: {cause}")))
}

/// A position as answers give it: `{"actions-5": 120394}`.
fn position(offsets: BTreeMap<String, Offset>) -> Result<Position, String> {
    let text: Vec<_> = offsets.into_iter().map(|(partition, offset)| format!("{partition}:{offset}")).collect();
    text.join(",").parse::<Position>().map_err(|error| error.to_string())
}
