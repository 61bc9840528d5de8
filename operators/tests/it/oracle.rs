//! An obvious model of `docs/semantics.md`: a list of events, filtered anew for every question. Shares no code with the store.

use std::collections::BTreeMap;

use nowfold_schemas::action::{Action, Attribute, Attributes, Op};

pub(crate) struct Oracle {
    pub(crate) retention: i64,
    pub(crate) skew: i64,
    pub(crate) topic_retention: i64,
    pub(crate) stream_time: Option<i64>,
    /// Every admitted event that was not undone, expired or not.
    pub(crate) events: Vec<Event>,
    retracted: Vec<(String, String, i64)>,
    erased: Vec<(String, i64, i64)>,
    /// Dimension of `object.vector` once known.
    pub(crate) dim: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) action: Action,
    pub(crate) t: i64,
}

impl Event {
    pub(crate) fn order(&self) -> (i64, i64, String) {
        (self.t, self.action.sequence.unwrap_or(0), self.action.event_id.to_string())
    }
}

impl Oracle {
    pub(crate) fn new(retention: i64, skew: i64, topic_retention: i64, dim: Option<usize>) -> Self {
        let (events, retracted, erased) = (Vec::new(), Vec::new(), Vec::new());
        Self { retention, skew, topic_retention, stream_time: None, events, retracted, erased, dim }
    }

    /// Events at or before this are gone.
    pub(crate) fn floor(&self) -> i64 {
        self.stream_time.map_or(i64::MIN, |t| t - self.retention)
    }

    /// Applies a record; says what became of it, and how many attributes were left out.
    pub(crate) fn apply(&mut self, action: &Action, append: i64) -> (&'static str, u32) {
        let (actor, id) = (action.actor.to_string(), action.event_id.to_string());
        let floor = self.floor();
        match action.op {
            Op::Retract => {
                let present = self.events.iter().position(|event| event.is(&actor, &id));
                let mut until = append + self.skew;
                let mut outcome = "orphan_retract";
                if let Some(at) = present {
                    let event = self.events.remove(at);
                    if event.t > floor {
                        until = until.max(event.t);
                        outcome = "retracted";
                    }
                }
                self.retracted.push((actor, id, until));
                return (outcome, 0);
            }
            Op::Erase => {
                let t = action.timestamp.map_or(append, |t| t.as_millis());
                if t > append + self.skew {
                    return ("future_quarantined", 0);
                }
                self.events.retain(|event| *event.action.actor != *actor || event.t > t);
                self.erased.push((actor, t, append));
                return ("erased", 0);
            }
            Op::Act => {}
        }
        let t = match action.timestamp.map(|t| t.as_millis()) {
            Some(t) if t > 0 => t,
            _ => return ("bad_timestamp", 0),
        };
        if t > append + self.skew {
            return ("future_quarantined", 0);
        }
        if t <= floor {
            return ("late_dropped", 0);
        }
        let after = Some(self.stream_time.map_or(t, |stream| stream.max(t)));
        if self.retracted.iter().any(|(a, i, until)| *a == actor && *i == id && *until > floor) {
            self.retracted.push((actor, id, t));
            self.stream_time = after;
            return ("retract_dropped", 0);
        }
        if self.erased.iter().any(|(a, e, at)| *a == actor && t <= *e && append <= at + self.topic_retention) {
            self.stream_time = after;
            return ("erase_dropped", 0);
        }
        if self.events.iter().any(|event| event.is(&actor, &id) && event.t > floor) {
            return ("duplicate", 0);
        }
        self.events.retain(|event| !event.is(&actor, &id));
        let mut action = action.clone();
        let faults = self.clean(&mut action.object_attributes);
        self.events.push(Event { action, t });
        self.stream_time = after;
        ("admitted", faults)
    }

    fn clean(&mut self, attributes: &mut Attributes) -> u32 {
        let before = attributes.len();
        let keep: Vec<_> =
            attributes.iter().map(|(n, v)| (n.clone(), v.clone())).filter(|(_, v)| self.fits(v)).collect();
        *attributes = keep.into_iter().collect();
        u32::try_from(before - attributes.len()).unwrap()
    }

    fn fits(&mut self, attribute: &Attribute) -> bool {
        match attribute {
            Attribute::Float(x) => x.is_finite(),
            Attribute::Vector(v) => {
                let fits =
                    !v.is_empty() && v.iter().all(|x| x.is_finite()) && self.dim.is_none_or(|dim| dim == v.len());
                if fits {
                    self.dim = Some(v.len());
                }
                fits
            }
            _ => true,
        }
    }

    /// Events of an actor in `(lower, q]` above the floor, with one of the verbs, in order.
    pub(crate) fn window(&self, actor: &str, verbs: Option<&[&str]>, lower: i64, q: i64) -> Vec<&Event> {
        let floor = self.floor();
        let mut events: Vec<&Event> = self.events.iter().collect();
        events.retain(|event| *event.action.actor == *actor && event.t > lower && event.t > floor && event.t <= q);
        events.retain(|event| verbs.is_none_or(|verbs| verbs.contains(&&*event.action.verb)));
        events.sort_by_key(|event| event.order());
        events
    }

    /// The canonical sum of one attribute over a window: per verb, super-block by super-block and within one block by
    /// block, each newest first.
    pub(crate) fn canonical(&self, window: &[&Event], name: &str, weights: Option<&[(&str, f64)]>) -> Canonical {
        let mut by_verb: BTreeMap<Vec<u8>, Canonical> = BTreeMap::new();
        let Some(first) = window.first() else { return Canonical::default() };
        let verbs: std::collections::BTreeSet<_> = window.iter().map(|event| event.action.verb.to_string()).collect();
        for verb in verbs {
            let mut all: Vec<&Event> = self.events.iter().collect();
            all.retain(|event| event.action.actor == first.action.actor && *event.action.verb == *verb);
            all.sort_by_key(|event| event.order());
            let mut supers = vec![vec![Canonical::default()]];
            for event in all {
                let inside = window.iter().any(|other| other.order() == event.order());
                if let (true, Some(value)) = (inside, event.action.object_attributes.get(name)) {
                    supers.last_mut().unwrap().last_mut().unwrap().add(event.t, value);
                }
                let hash = hash(event.action.event_id.as_bytes());
                if hash & 4_095 == 0 {
                    supers.push(vec![Canonical::default()]);
                } else if hash & 63 == 0 {
                    supers.last_mut().unwrap().push(Canonical::default());
                }
            }
            let newest_first = |sums: &[Canonical]| {
                let mut total = Canonical::default();
                sums.iter().rev().for_each(|sum| total.merge(sum));
                total
            };
            let supers: Vec<_> = supers.iter().map(|blocks| newest_first(blocks)).collect();
            let sum = newest_first(&supers);
            by_verb.insert(verb.as_bytes().to_vec(), sum);
        }
        let mut total = Canonical::default();
        for (verb, sum) in &by_verb {
            match weights {
                None => total.merge(sum),
                Some(weights) => {
                    let weight = weights.iter().find(|(of, _)| of.as_bytes() == verb.as_slice()).unwrap().1;
                    total.merge(&sum.weighted(weight));
                    total.number_weight += weight.abs() * sum.number_times.len() as f64;
                    total.vector_weight += weight.abs() * sum.vector_times.len() as f64;
                }
            }
        }
        total
    }
}

impl Event {
    fn is(&self, actor: &str, id: &str) -> bool {
        *self.action.actor == *actor && *self.action.event_id == *id
    }
}

/// A sum with everything a mean needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Canonical {
    pub(crate) int: i128,
    pub(crate) float: f64,
    pub(crate) vector: Vec<f64>,
    pub(crate) number_times: Vec<i64>,
    pub(crate) n_floats: usize,
    pub(crate) vector_times: Vec<i64>,
    pub(crate) number_weight: f64,
    pub(crate) vector_weight: f64,
}

impl Canonical {
    fn add(&mut self, t: i64, value: &Attribute) {
        match value {
            Attribute::Int(x) => self.int += i128::from(*x),
            Attribute::Float(x) => {
                self.float += x;
                self.n_floats += 1;
            }
            Attribute::Vector(v) => {
                self.vector.resize(v.len(), 0.0);
                (0..v.len()).for_each(|i| self.vector[i] += f64::from(v[i]));
                self.vector_times.push(t);
            }
            _ => {}
        }
        if matches!(value, Attribute::Int(_) | Attribute::Float(_)) {
            self.number_times.push(t);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.int += other.int;
        self.float += other.float;
        if !other.vector.is_empty() {
            self.vector.resize(other.vector.len(), 0.0);
            (0..other.vector.len()).for_each(|i| self.vector[i] += other.vector[i]);
        }
        self.n_floats += other.n_floats;
        self.number_times.extend(&other.number_times);
        self.vector_times.extend(&other.vector_times);
    }

    fn weighted(&self, weight: f64) -> Self {
        let vector = self.vector.iter().map(|x| weight * x).collect();
        Self { int: 0, float: weight * (self.float + self.int as f64), vector, ..self.clone() }
    }
}

/// XXH64 with seed 0 for inputs of less than 32 bytes, written from its specification.
pub(crate) fn hash(input: &[u8]) -> u64 {
    const PRIME: [u64; 5] = [
        11_400_714_785_074_694_791,
        14_029_467_366_897_019_727,
        1_609_587_929_392_839_161,
        9_650_029_242_287_828_579,
        2_870_177_450_012_600_261,
    ];
    assert!(input.len() < 32);
    let mul = |a: u64, b: u64| u64::try_from(u128::from(a) * u128::from(b) % (1 << 64)).unwrap();
    let add = |a: u64, b: u64| u64::try_from((u128::from(a) + u128::from(b)) % (1 << 64)).unwrap();
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
    let mut acc = add(PRIME[4], input.len() as u64);
    let mut rest = input;
    while rest.len() >= 8 {
        acc ^= mul(mul(number(&rest[..8]), PRIME[1]).rotate_left(31), PRIME[0]);
        acc = add(mul(acc.rotate_left(27), PRIME[0]), PRIME[3]);
        rest = &rest[8..];
    }
    if rest.len() >= 4 {
        acc ^= mul(number(&rest[..4]), PRIME[0]);
        acc = add(mul(acc.rotate_left(23), PRIME[1]), PRIME[2]);
        rest = &rest[4..];
    }
    for byte in rest {
        acc ^= mul(u64::from(*byte), PRIME[4]);
        acc = mul(acc.rotate_left(11), PRIME[0]);
    }
    acc ^= acc >> 33;
    acc = mul(acc, PRIME[1]);
    acc ^= acc >> 29;
    acc = mul(acc, PRIME[2]);
    acc ^ (acc >> 32)
}
