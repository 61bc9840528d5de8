//! Sums in the canonical order of `docs/semantics.md`, section 4.

use nowfold_schemas::action::Attribute;

use super::events::{Cut, Event};
use super::select::Selection;

/// Something that can be added up.
pub(crate) trait Total: Default {
    fn merge(&mut self, other: &Self);
}

/// Numbers: whole ones exactly, floats as f64; and the times of the events that had one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) int: i128,
    pub(crate) float: f64,
    pub(crate) n_floats: usize,
    pub(crate) times: Vec<i64>,
}

/// Vectors, element by element; and the times of the events that had one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vectors {
    pub(crate) sum: Vec<f64>,
    pub(crate) times: Vec<i64>,
}

/// The totals of a window by verb, in byte order of the verbs: an event of the window adds itself through `add`; totals
/// of the blocks of a super-block are merged newest first, and so are those of the super-blocks.
pub(crate) fn by_verb<T: Total>(selection: &Selection<'_>, add: impl Fn(&mut T, &Event)) -> Vec<(String, T)> {
    let mut verbs: Vec<String> = selection.events().iter().map(|event| event.verb.clone()).collect();
    verbs.sort();
    verbs.dedup();
    let of = |verb: String| {
        let total = of_verb(selection, &verb, &add);
        (verb, total)
    };
    verbs.into_iter().map(of).collect()
}

/// The total over all verbs.
pub(crate) fn total<T: Total>(selection: &Selection<'_>, add: impl Fn(&mut T, &Event)) -> T {
    let mut total = T::default();
    by_verb(selection, add).iter().for_each(|(_, sum)| total.merge(sum));
    total
}

fn of_verb<T: Total>(selection: &Selection<'_>, verb: &str, add: &impl Fn(&mut T, &Event)) -> T {
    let mut supers: Vec<Vec<T>> = vec![vec![T::default()]];
    for (event, inside) in selection.flagged().filter(|(event, _)| event.verb == verb) {
        let blocks = supers.last_mut().unwrap();
        if inside {
            add(blocks.last_mut().unwrap(), event);
        }
        match event.cut {
            Cut::Nothing => {}
            Cut::Block => blocks.push(T::default()),
            Cut::SuperBlock => supers.push(vec![T::default()]),
        }
    }
    let supers: Vec<T> = supers.iter().map(|blocks| newest_first(blocks)).collect();
    newest_first(&supers)
}

fn newest_first<T: Total>(parts: &[T]) -> T {
    let mut total = T::default();
    parts.iter().rev().for_each(|part| total.merge(part));
    total
}

impl Numbers {
    pub(crate) fn add(&mut self, path: &str, event: &Event) {
        match event.attribute(path) {
            Some(Attribute::Int(x)) => self.int += i128::from(*x),
            Some(Attribute::Float(x)) => {
                self.float += x;
                self.n_floats += 1;
            }
            _ => return,
        }
        self.times.push(event.t);
    }

    pub(crate) fn sum(&self) -> f64 {
        self.float + self.int as f64
    }
}

impl Total for Numbers {
    fn merge(&mut self, other: &Self) {
        self.int += other.int;
        self.float += other.float;
        self.n_floats += other.n_floats;
        self.times.extend(&other.times);
    }
}

impl Vectors {
    pub(crate) fn add(&mut self, path: &str, event: &Event) {
        if let Some(Attribute::Vector(vector)) = event.attribute(path) {
            self.sum.resize(vector.len(), 0.0);
            (0..vector.len()).for_each(|i| self.sum[i] += f64::from(vector[i]));
            self.times.push(event.t);
        }
    }
}

impl Total for Vectors {
    fn merge(&mut self, other: &Self) {
        if !other.sum.is_empty() {
            self.sum.resize(other.sum.len(), 0.0);
        }
        (0..other.sum.len()).for_each(|i| self.sum[i] += other.sum[i]);
        self.times.extend(&other.times);
    }
}

/// One term for each event that has one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    pub(crate) sum: f64,
    pub(crate) times: Vec<i64>,
}

impl Terms {
    pub(crate) fn add(&mut self, t: i64, term: Option<f64>) {
        if let Some(term) = term {
            self.sum += term;
            self.times.push(t);
        }
    }
}

impl Total for Terms {
    fn merge(&mut self, other: &Self) {
        self.sum += other.sum;
        self.times.extend(&other.times);
    }
}

/// Vectors times their weights, and the sum of the weights.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weighed {
    pub(crate) sum: Vec<f64>,
    pub(crate) weight: f64,
    pub(crate) times: Vec<i64>,
}

impl Weighed {
    pub(crate) fn add(&mut self, t: i64, weight: f64, vector: Option<&[f64]>) {
        if let Some(vector) = vector {
            self.add_values(weight, vector);
            self.weight += weight;
            self.times.push(t);
        }
    }

    /// Adds a sum times a weight, which may be negative.
    pub(crate) fn merge_times(&mut self, other: &Self, weight: f64) {
        self.add_values(weight, &other.sum);
        self.weight += weight.abs() * other.weight;
        self.times.extend(&other.times);
    }

    fn add_values(&mut self, weight: f64, values: &[f64]) {
        if !values.is_empty() {
            self.sum.resize(values.len(), 0.0);
        }
        (0..values.len()).for_each(|i| self.sum[i] += weight * values[i]);
    }
}

impl Total for Weighed {
    fn merge(&mut self, other: &Self) {
        self.merge_times(other, 1.0);
    }
}
