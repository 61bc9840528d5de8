//! The oracle's admission: `docs/semantics.md`, section 3, on plain lists.

use nowfold_schemas::action::{Action, Attribute, Op};

use super::events::Event;
use super::limit::{Limit, Spot};

/// Settings of a store, in milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) retention: i64,
    pub(crate) skew: i64,
    pub(crate) topic_retention: i64,
    /// Dimension of `object.vector`; else that of the first one.
    pub(crate) dim: Option<usize>,
    /// Where the version with the highest sequence wins: by how much versions may differ in time.
    pub(crate) versions: Option<i64>,
    /// How many events an actor may have.
    pub(crate) cap: Option<usize>,
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
    limits: Vec<Limit>,
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
        let (events, limits, retracted, erased, dim) = (vec![], vec![], vec![], vec![], settings.dim);
        Self { settings, stream_time: None, log_floor: i64::MIN, events, limits, retracted, erased, dim }
    }

    /// Events at or before this have expired.
    pub(crate) fn floor(&self) -> i64 {
        self.stream_time.map_or(i64::MIN, |t| t - self.settings.retention)
    }

    /// Events at or before this are invisible.
    pub(crate) fn read_floor(&self) -> i64 {
        self.floor().max(self.log_floor)
    }

    /// Events at or before this do not matter any more, not even as versions of later ones.
    fn horizon(&self) -> i64 {
        self.floor().saturating_sub(self.settings.versions.unwrap_or(0))
    }

    /// The time of the newest event that the limit took from an actor, while that matters.
    pub(crate) fn cut_of(&self, actor: &str) -> Option<i64> {
        let cut = self.limits.iter().find(|limit| limit.actor == actor)?.cut();
        cut.filter(|t| *t > self.read_floor())
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
        self.limit(actor).forget_through(t);
        self.erased.push((actor.to_owned(), t, append));
        "erased"
    }

    fn retract(&mut self, actor: &str, id: &str, append: i64) -> &'static str {
        let floor = self.floor();
        let mut until = append + self.settings.skew;
        let mut outcome = "orphan_retract";
        if let Some(at) = self.position(actor, id) {
            let event = self.events.remove(at);
            if event.t > floor {
                until = until.max(event.t);
                outcome = "retracted";
            } else {
                self.limit(actor).forget(&spot_of(&event));
            }
        }
        self.retracted.push((actor.to_owned(), id.to_owned(), until));
        outcome
    }

    fn act(&mut self, action: &Action, append: i64) -> Outcome {
        let t = match action.timestamp.map(|t| t.as_millis()) {
            Some(t) if t > 0 => t,
            _ => return ("bad_timestamp", 0),
        };
        if t > append + self.settings.skew {
            return ("future_quarantined", 0);
        }
        if t <= self.horizon() {
            return ("late_dropped", 0);
        }
        let late = t <= self.floor();
        let spot = (t, action.sequence.unwrap_or(0), action.event_id.to_string());
        let outcome = self.undone(action, &spot, append).unwrap_or_else(|| self.meet(action, spot));
        if late { ("late_dropped", 0) } else { outcome }
    }

    /// A retraction or an erasure that keeps the event out.
    fn undone(&mut self, action: &Action, spot: &Spot, append: i64) -> Option<Outcome> {
        let (actor, id, floor) = (&*action.actor, &*action.event_id, self.floor());
        let in_force = |at: i64| append <= at + self.settings.topic_retention;
        let is_erased = self.erased.iter().any(|(a, erased, at)| a == actor && spot.0 <= *erased && in_force(*at));
        if self.retracted.iter().any(|(a, i, until)| a == actor && i == id && *until > floor) {
            self.retracted.push((actor.to_owned(), id.to_owned(), spot.0));
            self.advance(spot.0);
            if !is_erased {
                self.count_unseen(actor, spot.clone());
            }
            return Some(("retract_dropped", 0));
        }
        if is_erased {
            self.advance(spot.0);
            return Some(("erase_dropped", 0));
        }
        None
    }

    /// Compares the event with the one of the same id that is here, if there is one.
    fn meet(&mut self, action: &Action, spot: Spot) -> Outcome {
        let (actor, horizon) = (&*action.actor, self.horizon());
        let Some(at) = self.position(actor, &action.event_id) else { return self.admit(action, spot, "admitted") };
        let present = self.events[at].clone();
        if present.t <= horizon {
            self.events.remove(at);
            self.limit(actor).forget(&spot_of(&present));
            return self.admit(action, spot, "admitted");
        }
        if self.settings.versions.is_none() || spot.1 == present.sequence {
            return ("duplicate", 0);
        }
        if spot.1 < present.sequence {
            self.advance(spot.0);
            self.count_unseen(actor, spot);
            return ("duplicate", 0);
        }
        self.events.remove(at);
        if present.t <= self.floor() {
            self.limit(actor).forget(&spot_of(&present));
        }
        self.admit(action, spot, "replaced")
    }

    fn admit(&mut self, action: &Action, spot: Spot, outcome: &'static str) -> Outcome {
        self.advance(spot.0);
        let cap = self.settings.cap.unwrap_or(usize::MAX);
        if !self.limit(&action.actor).lets_in(&spot, cap) {
            return ("capped", 0);
        }
        let (mut faults, dim) = (0, &mut self.dim);
        let event = Event::new(action, spot.0, |_, value| {
            let fits = fits(value, dim);
            faults += u32::from(!fits);
            fits
        });
        self.events.push(event);
        let gone = self.limit(&action.actor).count(spot, cap);
        self.cut(&action.actor, &gone);
        (outcome, faults)
    }

    fn advance(&mut self, t: i64) {
        self.stream_time = Some(self.stream_time.map_or(t, |stream| stream.max(t)));
    }

    fn count_unseen(&mut self, actor: &str, spot: Spot) {
        if spot.0 > self.floor() {
            let cap = self.settings.cap.unwrap_or(usize::MAX);
            let gone = self.limit(actor).count_unseen(spot, cap);
            self.cut(actor, &gone);
        }
    }

    fn cut(&mut self, actor: &str, gone: &[Spot]) {
        self.events.retain(|event| event.actor != actor || !gone.contains(&spot_of(event)));
    }

    fn limit(&mut self, actor: &str) -> &mut Limit {
        let at = self.limits.iter().position(|limit| limit.actor == actor).unwrap_or_else(|| {
            self.limits.push(Limit::new(actor));
            self.limits.len() - 1
        });
        &mut self.limits[at]
    }

    fn position(&self, actor: &str, id: &str) -> Option<usize> {
        self.events.iter().position(|event| event.actor == actor && event.id == id)
    }
}

fn spot_of(event: &Event) -> Spot {
    (event.t, event.sequence, event.id.clone())
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
