//! Features and answers, held against the clicks and against the actions topic.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nowfold_core::names::TopicPartition;
use nowfold_core::query::QueryError;
use nowfold_core::record::LogRecord;
use nowfold_core::time::{Timestamp, hours};
use nowfold_operators::position::Position;
use nowfold_operators::{Answer, Features};
use nowfold_schemas::{ActionCodec, Attribute};
use nowfold_testkit::sim::{Instance, Simulation};

use crate::app::MOST_PARTITIONS;
use crate::inputs::{Click, Inputs};
use crate::outputs::is_up_to;
use crate::verdict::Verdict;

/// The three features of a member: clicks of the last hour, of the last 24 hours, and the sum of the latter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Values {
    n_1h: u64,
    n_24h: u64,
    sum_24h: f64,
}

impl Values {
    /// What clicks come to at an instant: windows are open at their older end and closed at the newer.
    fn of<'a>(clicks: impl Iterator<Item = &'a Click>, as_of: Timestamp) -> Self {
        let mut values = Self { n_1h: 0, n_24h: 0, sum_24h: 0.0 };
        for click in clicks.filter(|click| click.at <= as_of) {
            values.n_1h += u64::from(click.at > as_of.minus(hours(1)));
            if click.at > as_of.minus(hours(24)) {
                values.n_24h += 1;
                values.sum_24h += f64::from(click.amount);
            }
        }
        values
    }

    fn answered(answer: &Answer) -> Result<Self, QueryError> {
        Ok(Self {
            n_1h: answer.count("n-1h")?,
            n_24h: answer.count("n-24h")?,
            sum_24h: answer.number("sum-24h")?.unwrap_or(0.0),
        })
    }
}

/// What queries have seen of each partition: later ones may require that much.
#[derive(Debug, Default)]
pub(crate) struct Seen(Position);

/// The features of an instance, once it has started.
fn handle(sim: &Simulation, instance: &Instance) -> Option<Features> {
    let hub = instance.hub()?;
    Some(Features::new(hub, instance.clock(), "activity").pausing_with(sim.pause()))
}

/// The last actions that could be read when an instance started: what it answers must include them, for its stores are
/// whole before they answer.
pub(crate) fn readable(sim: &Simulation) -> Position {
    let mut position = Position::new();
    for partition in (0..MOST_PARTITIONS).map(|n| TopicPartition::new("actions", n)) {
        let last = sim.log().records(&partition).ok().and_then(|log| log.last().map(|record| record.offset));
        last.into_iter().for_each(|last| position.advance(partition.clone(), last));
    }
    position
}

/// Asks an instance about a member, and requires nothing, or all that was ever answered, or all that can be read; holds the answer against the log: it must be
/// that of the actions up to its position, or further.
pub(crate) fn ask(
    sim: &Simulation,
    inputs: &Inputs,
    instance: &Instance,
    begun: &Position,
    seen: &mut Seen,
    verdict: &mut Verdict,
) -> bool {
    let (member, as_of) = (Inputs::any_member(sim), inputs.begin());
    let Some(features) = handle(sim, instance) else { return false };
    let wait = Duration::from_millis(sim.below(300));
    let required = match sim.below(4) {
        0 => Position::new(),
        1 => seen.0.clone(),
        _ => readable(sim),
    };
    let asked = features.query(&member).as_of(as_of).at_least(&required).wait_up_to(wait).get();
    let answer = match asked {
        Ok(answer) => answer,
        Err(error) if error.is_retriable() => return false,
        Err(error) => {
            verdict.wrong_answers += 1;
            verdict.say(format!("{} cannot answer about {member}: {error}", instance.name()));
            return false;
        }
    };
    if let Err(words) = judge(sim, &member, as_of, [&required, begun], &answer) {
        verdict.wrong_answers += 1;
        verdict.say(format!("{} answered about {member}: {words}", instance.name()));
    }
    for (partition, offset) in answer.envelope.position.iter() {
        seen.0.advance(partition.clone(), offset);
    }
    true
}

fn judge(
    sim: &Simulation,
    member: &str,
    as_of: Timestamp,
    required: [&Position; 2],
    answer: &Answer,
) -> Result<(), String> {
    let Some((partition, at)) = answer.envelope.position.iter().next() else {
        return if answer.envelope.found { Err("something, at no position".to_owned()) } else { Ok(()) };
    };
    if let Some(wanted) = required.iter().filter_map(|it| it.get(partition)).find(|wanted| *wanted > at) {
        return Err(format!("of {partition} at {at}, but {wanted} was required"));
    }
    let found = Values::answered(answer).map_err(|error| error.to_string())?;
    let log = sim.records(partition);
    let prefixes = std::iter::once(at).chain(log.iter().map(|record| record.offset).filter(|offset| *offset > at));
    let mut expected = prefixes.map(|to| Values::of(logged(&log, member, to).iter(), as_of));
    let first = expected.next();
    if first == Some(found) || expected.any(|values| values == found) {
        return Ok(());
    }
    Err(format!("{found:?}, but the actions of {partition} up to {at} come to {first:?}"))
}

/// The clicks of a member in a log up to an offset, each once.
fn logged(log: &[LogRecord], member: &str, to: i64) -> BTreeSet<Click> {
    let codec = ActionCodec::new();
    let of_member = log.iter().filter(|record| is_up_to(to)(record));
    let of_member = of_member.filter(|record| record.key.as_deref() == Some(member.as_bytes()));
    let actions = of_member.filter_map(|record| codec.read(record.value.as_deref()?).ok());
    let clicks = actions.map(|action| {
        let amount = match action.verb_attributes.get("amount") {
            Some(Attribute::Int(amount)) => *amount,
            _ => 0,
        };
        Click {
            id: action.event_id.to_string(),
            at: action.timestamp.unwrap_or(Timestamp::MIN),
            amount: u32::try_from(amount).unwrap_or(0),
        }
    });
    clicks.collect()
}

/// The features of every member as these instances answer, as of several instants.
pub(crate) type All = BTreeMap<(String, Timestamp), Values>;

/// Asks for the features of every member, and holds them against the clicks that were fed.
pub(crate) fn check(sim: &Simulation, inputs: &Inputs, instances: &[Instance], verdict: &mut Verdict) -> All {
    let mut all = All::new();
    for (member, clicks) in &inputs.clicks {
        for back in [0, 5, 11] {
            let as_of = inputs.begin().minus(hours(back));
            let expected = Values::of(clicks.iter(), as_of);
            match answered(sim, instances, member, as_of) {
                Ok(found) => {
                    if found != expected {
                        verdict.wrong_features += 1;
                        verdict.say(format!("{member} as of {as_of} has {found:?}, not {expected:?}"));
                    }
                    all.insert((member.clone(), as_of), found);
                }
                Err(words) => {
                    verdict.wrong_features += 1;
                    verdict.say(format!("nobody answers about {member}: {words}"));
                }
            }
        }
    }
    all
}

fn answered(sim: &Simulation, instances: &[Instance], member: &str, as_of: Timestamp) -> Result<Values, String> {
    let mut why = "no instance".to_owned();
    for features in instances.iter().filter(|instance| !instance.is_over()).filter_map(|it| handle(sim, it)) {
        match features.query(member).as_of(as_of).get() {
            Ok(answer) => {
                if !answer.envelope.complete {
                    return Err("the answer is not complete".to_owned());
                }
                return Values::answered(&answer).map_err(|error| error.to_string());
            }
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}
