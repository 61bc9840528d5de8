//! A naive oracle over mapped actions: a list, a filter, sums in f64. It shares no code with the feature store.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use nowfold::schemas::action::{Action, Attribute, Attributes};
use nowfold_examples::replay::feed::Lines;
use nowfold_examples::replay::mapping::{CompiledMapping, OnBrokenLine, Side};
use nowfold_examples::replay::questions::{Answer, Question};
use serde_json::Value;

/// Everything that was fed, by `[[actions]]` entry; and every table's rows by key.
pub(crate) struct Oracle<'m> {
    mapping: &'m CompiledMapping,
    actions: Vec<Vec<Action>>,
    seen: Vec<HashSet<(Arc<str>, Arc<str>)>>,
    tables: Vec<HashMap<String, Attributes>>,
    /// Records that were neither actions nor known to be none.
    pub(crate) n_rejects: u64,
}

impl<'m> Oracle<'m> {
    /// Reads the tables.
    pub(crate) fn new(mapping: &'m CompiledMapping) -> Self {
        let tables = mapping.tables().iter().map(|table| {
            let rows = Lines::new([mapping.resolve(table.file())], OnBrokenLine::Fail);
            let rows = rows.map(|line| line.unwrap().record.unwrap());
            rows.map(|row| (table.key(&row).unwrap().unwrap(), table.attributes(&row).0)).collect()
        });
        let n = mapping.actions().len();
        Self {
            mapping,
            actions: vec![vec![]; n],
            seen: vec![HashSet::new(); n],
            tables: tables.collect(),
            n_rejects: 0,
        }
    }

    /// Maps a line; a second action with the same actor and event id is a repeat.
    pub(crate) fn feed(&mut self, line: u64, record: &Value) {
        for (i, outcome) in self.mapping.map(line, record).enumerate() {
            match outcome {
                Err(_) => self.n_rejects += 1,
                Ok(mapped) => {
                    if let Some(action) = mapped.into_action()
                        && self.seen[i].insert((action.actor.clone(), action.event_id.clone()))
                    {
                        self.actions[i].push(action);
                    }
                }
            }
        }
    }

    /// How many different actions each entry has.
    pub(crate) fn n_actions(&self) -> Vec<usize> {
        self.actions.iter().map(Vec::len).collect()
    }

    pub(crate) fn answer(&self, question: &Question) -> Answer {
        let entry = self.mapping.action_for(&question.actor_field).unwrap();
        let oldest = question.as_of_ms - i64::try_from(question.window_ms).unwrap();
        let time = |action: &&Action| action.timestamp.unwrap().as_millis();
        let mut rows: Vec<&Action> = self.actions[entry].iter().collect();
        rows.retain(|a| *a.actor == *question.actor && question.verb.as_deref().is_none_or(|verb| *a.verb == *verb));
        rows.retain(|a| oldest < time(a) && time(a) <= question.as_of_ms);
        rows.sort_by_key(|a| (time(a), a.sequence));
        let vectors: Vec<_> = rows.iter().filter_map(|a| self.embedding(entry, a)).collect();
        let mut verbs = BTreeMap::<String, u64>::new();
        rows.iter().for_each(|a| *verbs.entry(a.verb.to_string()).or_default() += 1);
        Answer {
            count: rows.len() as u64,
            distinct_objects: rows.iter().map(|a| &a.object).collect::<BTreeSet<_>>().len() as u64,
            sum: self.numbers(|name| numbers(&rows, name).iter().sum::<f64>() + 0.0),
            mean: self.numbers(|name| mean(&numbers(&rows, name))),
            embedding_count: vectors.len() as u64,
            avg_embedding: vectors.first().map(|first| {
                let column = |i: usize| vectors.iter().map(|vector| f64::from(vector[i])).collect::<Vec<_>>();
                (0..first.len()).map(|i| mean(&column(i)).unwrap()).collect()
            }),
            last5_objects: rows.iter().rev().take(5).map(|a| a.object.to_string()).collect(),
            counts_by_verb: question.verb.is_none().then_some(verbs),
            features: std::collections::BTreeMap::new(),
        }
    }

    fn numbers<V>(&self, value: impl Fn(&str) -> V) -> BTreeMap<String, V> {
        let numbers = &self.mapping.questions().numbers;
        numbers.iter().map(|(shown, attribute)| (shown.clone(), value(attribute))).collect()
    }

    /// The object's embedding: from the record itself, or from a table.
    fn embedding(&self, entry: usize, action: &Action) -> Option<Arc<[f32]>> {
        let name = self.mapping.questions().embedding.as_ref()?;
        let tables = self.mapping.tables().iter().zip(&self.tables);
        let enriching =
            tables.filter(|(table, _)| table.enriches() == Side::Object && table.actions().contains(&entry));
        let mut found = enriching.filter_map(|(_, rows)| rows.get(&*action.object)?.get(name));
        match found.next_back().or_else(|| action.object_attributes.get(name)) {
            Some(Attribute::Vector(vector)) => Some(vector.clone()),
            _ => None,
        }
    }
}

fn numbers(rows: &[&Action], name: &str) -> Vec<f64> {
    let number = |action: &&Action| match action.verb_attributes.get(name) {
        Some(Attribute::Int(number)) => Some(*number as f64),
        Some(Attribute::Float(number)) => Some(*number),
        _ => None,
    };
    rows.iter().filter_map(number).collect()
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
