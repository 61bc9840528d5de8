//! Which attributes a writer's schema has: compiled once, so that reading knows every name beforehand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nowfold_core::serde::SerdeError;
use nowfold_core::serde::avro::{Node, NodeId, Plan};

use super::intern::Name;

/// Records within records are followed to this depth; deeper ones are skipped.
const MAX_NESTING: usize = 8;

/// All shapes of one schema together; what is beyond is skipped.
const MAX_SHAPES: usize = 4_096;

/// How many names of one set of attributes are ordered beforehand.
const MAX_RANKS: usize = 64;

/// Where attributes stand in a datum.
#[derive(Debug)]
pub(super) enum Shape {
    /// No attribute and no bytes: the null branch beside a record or map.
    Nothing,
    /// A value of the attribute that the shape is named after. Where the schema gives all names of the set, also the
    /// place of this one among them in order.
    Value(NodeId, Option<u8>),
    /// Something that is no attribute.
    Skip(NodeId),
    /// A record, each field with its full name.
    Fields(NodeId, Vec<(Name, Shape)>),
    /// A map, whose keys are names below the shape's name.
    Entries(NodeId, Box<Shape>),
    /// Branches of a union.
    Branches(Vec<Shape>),
}

impl Shape {
    /// Adds the names of all attributes; `false` when keys of maps are among them.
    fn collect_names(&self, name: &str, names: &mut BTreeSet<Box<str>>) -> bool {
        match self {
            Self::Nothing | Self::Skip(_) => true,
            Self::Value(..) => {
                names.insert(name.into());
                true
            }
            Self::Fields(_, fields) => fields.iter().all(|(name, shape)| shape.collect_names(name.as_str(), names)),
            Self::Branches(branches) => branches.iter().all(|branch| branch.collect_names(name, names)),
            Self::Entries(..) => false,
        }
    }

    fn rank(&mut self, name: &str, ranks: &BTreeMap<Box<str>, u8>) {
        match self {
            Self::Value(_, rank) => *rank = ranks.get(name).copied(),
            Self::Fields(_, fields) => fields.iter_mut().for_each(|(name, shape)| shape.rank(name.as_str(), ranks)),
            Self::Branches(branches) => branches.iter_mut().for_each(|branch| branch.rank(name, ranks)),
            Self::Nothing | Self::Skip(_) | Self::Entries(..) => {}
        }
    }
}

/// Compiles the shapes below a field that holds attributes.
pub(super) struct Shapes<'p> {
    plan: &'p Plan,
    left: usize,
}

impl<'p> Shapes<'p> {
    pub(super) const fn new(plan: &'p Plan) -> Self {
        Self { plan, left: MAX_SHAPES }
    }

    /// The shape of a whole set of attributes: a map, a record, or a union of these and null.
    pub(super) fn of_set(&mut self, field: &str, id: NodeId) -> Result<Shape, SerdeError> {
        let mut shape = self.of_root(field, id)?;
        let mut names = BTreeSet::new();
        if shape.collect_names("", &mut names) && names.len() <= MAX_RANKS {
            let ranks = names.into_iter().zip(0..).collect();
            shape.rank("", &ranks);
        }
        Ok(shape)
    }

    fn of_root(&mut self, field: &str, id: NodeId) -> Result<Shape, SerdeError> {
        match self.plan.node(id) {
            Node::Map(_) | Node::Record(_) => Ok(self.of(id, "", 0)),
            Node::Null => Ok(Shape::Nothing),
            Node::Union(branches) => {
                let branches: Result<_, _> = branches.iter().map(|branch| self.of_root(field, *branch)).collect();
                Ok(Shape::Branches(branches?))
            }
            _ => Err(SerdeError::invalid(
                "schema of actions",
                format_args!("field {field} holds attributes, so it must be a map or a record"),
            )),
        }
    }

    /// The shape of the node at `id`, whose attributes are called `name` or begin with it.
    fn of(&mut self, id: NodeId, name: &str, nesting: usize) -> Shape {
        if self.left == 0 || nesting > MAX_NESTING {
            return Shape::Skip(id);
        }
        self.left -= 1;
        match self.plan.node(id) {
            Node::Record(record) => {
                let field = |(field, node): &(Arc<str>, NodeId)| {
                    let name = join(name, field);
                    let shape = self.of(*node, &name, nesting + 1);
                    (Name::new(name), shape)
                };
                Shape::Fields(id, record.fields.iter().map(field).collect())
            }
            Node::Map(item) => Shape::Entries(id, Box::new(self.of(*item, "", nesting + 1))),
            Node::Union(branches) if branches.iter().any(|branch| !self.is_value(*branch)) => {
                Shape::Branches(branches.iter().map(|branch| self.of(*branch, name, nesting + 1)).collect())
            }
            _ if self.is_value(id) => Shape::Value(id, None),
            _ => Shape::Skip(id),
        }
    }

    /// Whether a value of this node is always one attribute.
    fn is_value(&self, id: NodeId) -> bool {
        match self.plan.node(id) {
            Node::Record(_) | Node::Map(_) => false,
            Node::Union(branches) => branches.iter().all(|branch| self.is_value(*branch)),
            Node::Array(item) => self.is_item(*item, &mut Vec::new()),
            _ => true,
        }
    }

    /// Whether a value of this node is always one entry of a list. `within` holds the arrays and records around it, which
    /// are taken to be: the question is whether anything in them is not.
    fn is_item(&self, id: NodeId, within: &mut Vec<NodeId>) -> bool {
        if within.contains(&id) {
            return true;
        }
        within.push(id);
        match self.plan.node(id) {
            Node::Map(_) => false,
            Node::Record(record) => match record.fields.as_slice() {
                [(_, only)] => self.is_item(*only, within),
                _ => false,
            },
            Node::Union(branches) => branches.iter().all(|branch| self.is_item(*branch, within)),
            Node::Array(item) => self.is_item(*item, within),
            _ => true,
        }
    }
}

/// `prefix.name`, or the one that is not empty.
pub(super) fn join(prefix: &str, name: &str) -> String {
    match (prefix, name) {
        ("", name) | (name, "") => name.to_owned(),
        (prefix, name) => format!("{prefix}.{name}"),
    }
}
