//! The oracle's admission: `docs/semantics.md`, section 3, on plain lists.

use nowfold_schemas::action::{Action, Attribute, Op};

use super::events::Event;

/// Settings of a store, in milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) retention: i64,
    pub(crate) skew: i64,
    pub(crate) topic_retention: i64,
    /// Dimension of `object.vector`; else that of the first one.
    pub(crate) dim: Option<usize>,
}

/// Everything the oracle knows.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) settings: Settings,
    stream_time: Option<i64>,
    /// Events at or before this may be missing, since the log no longer has its beginning.
    pub(crate) log_floor: i64,
    /// Every admitted event that was not undone, expired or not.
    pub(crate) events: Vec<Event>,
    /// Actor, id, and the time until which the retraction is kept.
    retracted: Vec<(String, String, i64)>,
    /// Actor, erased time, append time.
    erased: Vec<(String, i64, i64)>,
    dim: Option<usize>,
}

/// What became of a record, and how many of its attributes were left out.
pub(crate) type Outcome = (&'static str, u32);

impl Model {
    pub(crate) fn new(settings: Settings) -> Self {
        let dim = settings.dim;
        Self {
            settings,
            stream_time: None,
            log_floor: i64::MIN,
            events: vec![],
            retracted: vec![],
            erased: vec![],
            dim,
        }
    }

    /// Events at or before this have expired.
    pub(crate) fn floor(&self) -> i64 {
        self.stream_time.map_or(i64::MIN, |t| t - self.settings.retention)
    }

    /// Events at or before this are invisible.
    pub(crate) fn read_floor(&self) -> i64 {
        self.floor().max(self.log_floor)
    }

    /// Applies a record that was appended at `append`.
    pub(crate) fn apply(&mut self, action: &Action, append: i64) -> Outcome {
        match action.op {
            Op::Retract => (self.retract(&action.actor, &action.event_id, append), 0),
            Op::Erase => (self.erase(&action.actor, action.timestamp.map_or(append, |t| t.as_millis()), append), 0),
            Op::Act => self.act(action, append),
        }
    }

    /// A record without a value is an erasure at its append time; so is `ERASE` without a time.
    pub(crate) fn erase(&mut self, actor: &str, t: i64, append: i64) -> &'static str {
        if t > append + self.settings.skew {
            return "future_quarantined";
        }
        self.events.retain(|event| event.actor != actor || event.t > t);
        self.erased.push((actor.to_owned(), t, append));
        "erased"
    }

    fn retract(&mut self, actor: &str, id: &str, append: i64) -> &'static str {
        let floor = self.floor();
        let mut until = append + self.settings.skew;
        let mut outcome = "orphan_retract";
        if let Some(at) = self.events.iter().position(|event| is(event, actor, id)) {
            let event = self.events.remove(at);
            if event.t > floor {
                until = until.max(event.t);
                outcome = "retracted";
            }
        }
        self.retracted.push((actor.to_owned(), id.to_owned(), until));
        outcome
    }

    fn act(&mut self, action: &Action, append: i64) -> Outcome {
        let (actor, id) = (&*action.actor, &*action.event_id);
        let floor = self.floor();
        let t = match action.timestamp.map(|t| t.as_millis()) {
            Some(t) if t > 0 => t,
            _ => return ("bad_timestamp", 0),
        };
        if t > append + self.settings.skew {
            return ("future_quarantined", 0);
        }
        if t <= floor {
            return ("late_dropped", 0);
        }
        let after = Some(self.stream_time.map_or(t, |stream| stream.max(t)));
        if self.retracted.iter().any(|(a, i, until)| a == actor && i == id && *until > floor) {
            self.retracted.push((actor.to_owned(), id.to_owned(), t));
            self.stream_time = after;
            return ("retract_dropped", 0);
        }
        let in_force = |at: i64| append <= at + self.settings.topic_retention;
        if self.erased.iter().any(|(a, erased, at)| a == actor && t <= *erased && in_force(*at)) {
            self.stream_time = after;
            return ("erase_dropped", 0);
        }
        if self.events.iter().any(|event| is(event, actor, id) && event.t > floor) {
            return ("duplicate", 0);
        }
        self.events.retain(|event| !is(event, actor, id));
        let (mut faults, dim) = (0, &mut self.dim);
        let event = Event::new(action, t, |_, value| {
            let fits = fits(value, dim);
            faults += u32::from(!fits);
            fits
        });
        self.events.push(event);
        self.stream_time = after;
        ("admitted", faults)
    }
}

fn is(event: &Event, actor: &str, id: &str) -> bool {
    event.actor == actor && event.id == id
}

/// Whether an attribute is kept. Only `object.vector` is a vector here, so one dimension is enough.
fn fits(attribute: &Attribute, dim: &mut Option<usize>) -> bool {
    match attribute {
        Attribute::Float(x) => x.is_finite(),
        Attribute::Vector(v) => {
            let fits = !v.is_empty() && v.iter().all(|x| x.is_finite()) && dim.is_none_or(|dim| dim == v.len());
            if fits {
                *dim = Some(v.len());
            }
            fits
        }
        _ => true,
    }
}
