//! What a reader's schema adds to a writer's: defaults of missing fields, aliases of fields, defaults of enums.
//!
//! Everything else that Avro's schema resolution asks for (reordered, dropped and promoted fields) comes from reading by
//! the writer's layout into a Rust type.

use std::collections::HashSet;
use std::iter;
use std::slice;
use std::sync::Arc;

use apache_avro::Schema;
use apache_avro::schema::{EnumSchema, RecordField};

use super::compile::Added;
use super::default::write_default;
use super::plan::{DefaultField, Node, NodeId, Plan};
use crate::serde::SerdeError;

/// Compiles `writer` and adds to its records what `reader` says about them.
pub(super) fn compile(writer: &Schema, reader: &Schema) -> Result<Plan, SerdeError> {
    let mut plan = Plan::compile(writer)?;
    let reader = plan.add(reader)?;
    let (writer, root) = (plan.root(), reader.root);
    Resolver { plan: &mut plan, reader, seen: HashSet::new() }.resolve(writer, root)?;
    Ok(plan)
}

struct Resolver<'p, 'r> {
    plan: &'p mut Plan,
    reader: Added<'r>,
    seen: HashSet<NodeId>,
}

impl Resolver<'_, '_> {
    fn resolve(&mut self, writer: NodeId, reader: NodeId) -> Result<(), SerdeError> {
        match self.plan.node(writer).clone() {
            Node::Union(branches) => branches.into_iter().try_for_each(|branch| self.resolve(branch, reader)),
            Node::Array(item) => self.resolve_items(item, reader),
            Node::Map(item) => self.resolve_items(item, reader),
            Node::Enum(symbols) => {
                self.resolve_enum(writer, &symbols, reader);
                Ok(())
            }
            Node::Record(record) if self.seen.insert(writer) => {
                let same_name = |node: &Node| matches!(node, Node::Record(other) if other.name == record.name);
                let any = |node: &Node| matches!(node, Node::Record(_));
                let reader = self.branch(reader, same_name).or_else(|| self.branch(reader, any));
                reader.map_or(Ok(()), |reader| self.resolve_record(writer, reader))
            }
            _ => Ok(()),
        }
    }

    fn resolve_items(&mut self, item: NodeId, reader: NodeId) -> Result<(), SerdeError> {
        let reader = self.branch(reader, |node| matches!(node, Node::Array(_) | Node::Map(_)));
        match reader.map(|id| self.plan.node(id)) {
            Some(&(Node::Array(reader) | Node::Map(reader))) => self.resolve(item, reader),
            _ => Ok(()),
        }
    }

    /// The reader's node itself, or the first branch of its union, that is wanted.
    fn branch(&self, reader: NodeId, wanted: impl Fn(&Node) -> bool) -> Option<NodeId> {
        let candidates = match self.plan.node(reader) {
            Node::Union(branches) => branches,
            _ => slice::from_ref(&reader),
        };
        candidates.iter().copied().find(|id| wanted(self.plan.node(*id)))
    }

    fn resolve_enum(&mut self, writer: NodeId, symbols: &[Arc<str>], reader: NodeId) {
        let reader = self.branch(reader, |node| matches!(node, Node::Enum(_)));
        let known = reader.and_then(|id| self.reader.enums.get(&id));
        if let Some(EnumSchema { symbols: known, default: Some(default), .. }) = known {
            let is_known = |symbol: &str| known.iter().any(|known| known == symbol);
            let read_as = |symbol: &Arc<str>| if is_known(symbol) { symbol.clone() } else { default.as_str().into() };
            self.plan.replace_symbols(writer, symbols.iter().map(read_as).collect());
        }
    }

    fn resolve_record(&mut self, writer: NodeId, reader: NodeId) -> Result<(), SerdeError> {
        let Some(schema) = self.reader.records.get(&reader).copied() else { return Ok(()) };
        let nodes = match self.plan.node(reader) {
            Node::Record(record) => record.fields.iter().map(|(_, node)| *node).collect(),
            _ => Vec::new(),
        };
        for (field, node) in schema.fields.iter().zip(nodes) {
            match self.rename(writer, field) {
                Some(written) => self.resolve(written, node)?,
                None => self.add_default(writer, field, node)?,
            }
        }
        Ok(())
    }

    /// The writer's field of the reader's name, or of one of its aliases, which is then renamed.
    fn rename(&mut self, writer: NodeId, reader: &RecordField) -> Option<NodeId> {
        let fields = &mut self.plan.record_mut(writer)?.fields;
        let mut names = iter::once(&reader.name).chain(&reader.aliases);
        let position = names.find_map(|name| fields.iter().position(|(written, _)| **written == **name))?;
        let (name, node) = fields.get_mut(position)?;
        *name = reader.name.as_str().into();
        Some(*node)
    }

    fn add_default(&mut self, writer: NodeId, field: &RecordField, node: NodeId) -> Result<(), SerdeError> {
        let Some(json) = &field.default else { return Ok(()) };
        let datum = write_default(self.plan, node, json).ok_or_else(|| {
            SerdeError::invalid("Avro schema", format_args!("the default of field {} is not of its type", field.name))
        })?;
        let default = DefaultField { name: field.name.as_str().into(), node, datum: datum.into() };
        if let Some(record) = self.plan.record_mut(writer) {
            record.defaults.push(default);
        }
        Ok(())
    }
}
