//! The `[questions]` section.

use std::path::PathBuf;

use super::path;
use crate::attribute::AttributeType;
use crate::{ActionMapping, AttributeMapping, QuestionMapping, Side, TableMapping};
use nowfold_strict::Node;

/// The section as it is written. Names are resolved when the other sections are known.
#[derive(Default)]
pub(super) struct Questions<'a> {
    file: Option<PathBuf>,
    actor_fields: Vec<(String, Node<'a>)>,
    numbers: Option<Vec<(String, Node<'a>)>>,
    embedding: Option<Node<'a>>,
}

impl<'a> Questions<'a> {
    /// Reads the section.
    pub(super) fn read(node: &Node<'a>) -> Option<Self> {
        let mut section = node.section()?;
        let file = section.maybe("file", path);
        let actor_fields = section.or("actor_fields", Vec::new(), |node| by_name(node));
        let numbers = section.maybe("numbers", numbers);
        let embedding = section.get("embedding");
        section.finish();
        Some(Self { file: file?, actor_fields: actor_fields?, numbers: numbers?, embedding })
    }

    /// Looks its names up, and fills in what it leaves open.
    pub(super) fn resolve(self, actions: &[ActionMapping], tables: &[TableMapping]) -> Option<QuestionMapping> {
        let own_names = actions.iter().enumerate().map(|(index, entry)| (entry.name.clone(), index)).collect();
        let numbers = match self.numbers {
            None => Some(number_names(actions).into_iter().map(|name| (name.clone(), name)).collect()),
            Some(given) => named_numbers(actions, given),
        };
        let embedding = match self.embedding {
            None => Some(only_vector(actions, tables)),
            Some(node) => embedding(actions, tables, &node).map(Some),
        };
        let given = actor_fields(actions, self.actor_fields);
        let actor_fields = with_own_names(given?, own_names);
        Some(QuestionMapping { file: self.file, actor_fields, numbers: numbers?, embedding: embedding? })
    }
}

/// An entry's own name stands for it, unless the file gives that name to another.
fn with_own_names(mut given: Vec<(String, usize)>, own: Vec<(String, usize)>) -> Vec<(String, usize)> {
    for (name, index) in own {
        if !given.iter().any(|(taken, _)| *taken == name) {
            given.push((name, index));
        }
    }
    given
}

fn by_name<'a>(node: &Node<'a>) -> Option<Vec<(String, Node<'a>)>> {
    Some(node.section()?.entries().into_iter().map(|(name, _, node)| (name.to_owned(), node)).collect())
}

/// `["a", "b"]`, or a table from the name in the answers to the name of the verb attribute.
fn numbers<'a>(node: &Node<'a>) -> Option<Vec<(String, Node<'a>)>> {
    if node.value().is_table() {
        return by_name(node);
    }
    node.each(|node| Some((node.text()?.to_owned(), node.clone())))
}

fn actor_fields(actions: &[ActionMapping], given: Vec<(String, Node<'_>)>) -> Option<Vec<(String, usize)>> {
    let names: Vec<_> = actions.iter().map(|entry| entry.name.as_str()).collect();
    all(given, |(field, node)| {
        let name = node.text()?;
        let index = names.iter().position(|known| *known == name);
        Some((field, index.or_else(|| node.unknown("action", name, &names))?))
    })
}

fn named_numbers(actions: &[ActionMapping], given: Vec<(String, Node<'_>)>) -> Option<Vec<(String, String)>> {
    let known = names(actions.iter().flat_map(ActionMapping::verb_attributes));
    all(given, |(shown, node)| Some((shown, one_of("verb attribute", &known, &node)?)))
}

fn embedding(actions: &[ActionMapping], tables: &[TableMapping], node: &Node<'_>) -> Option<String> {
    one_of("object attribute", &names(object_attributes(actions, tables)), node)
}

fn one_of(what: &str, known: &[String], node: &Node<'_>) -> Option<String> {
    let name = node.text()?;
    let known: Vec<_> = known.iter().map(String::as_str).collect();
    if known.contains(&name) { Some(name.to_owned()) } else { node.unknown(what, name, &known) }
}

/// Reads every item, also after one that failed.
fn all<I, T>(items: Vec<I>, read: impl FnMut(I) -> Option<T>) -> Option<Vec<T>> {
    items.into_iter().map(read).collect::<Vec<_>>().into_iter().collect()
}

fn object_attributes<'m>(
    actions: &'m [ActionMapping],
    tables: &'m [TableMapping],
) -> impl Iterator<Item = &'m AttributeMapping> {
    let of_tables = tables.iter().filter(|table| table.enriches == Side::Object);
    let of_actions = actions.iter().flat_map(ActionMapping::object_attributes);
    of_actions.chain(of_tables.flat_map(TableMapping::attribute_mappings))
}

/// The object attribute that is declared to be a vector, if there is just one.
fn only_vector(actions: &[ActionMapping], tables: &[TableMapping]) -> Option<String> {
    let is_vector = |mapping: &&AttributeMapping| matches!(mapping.attribute_type(), AttributeType::Vector(_));
    let mut names = names(object_attributes(actions, tables).filter(is_vector));
    if names.len() == 1 { names.pop() } else { None }
}

/// The verb attributes that are declared to be numbers.
fn number_names(actions: &[ActionMapping]) -> Vec<String> {
    use AttributeType::{F64, I64, Number};
    let is_number = |mapping: &&AttributeMapping| matches!(mapping.attribute_type(), Number | I64 | F64);
    names(actions.iter().flat_map(ActionMapping::verb_attributes).filter(is_number))
}

/// Their names, each once, in order.
fn names<'m>(mappings: impl Iterator<Item = &'m AttributeMapping>) -> Vec<String> {
    let mut names: Vec<String> = mappings.map(|mapping| mapping.name().to_owned()).collect();
    names.sort_unstable();
    names.dedup();
    names
}
