//! Which attributes a writer's schema has: compiled once, so that reading knows every name beforehand.

use std::sync::Arc;

use nowfold_core::serde::SerdeError;
use nowfold_core::serde::avro::{Node, NodeId, Plan};

/// Records within records are followed to this depth; deeper ones are skipped.
const MAX_NESTING: usize = 8;

/// All shapes of one schema together; what is beyond is skipped.
const MAX_SHAPES: usize = 4_096;

/// Where attributes stand in a datum.
#[derive(Debug)]
pub(super) enum Shape {
    /// No attribute and no bytes: the null branch beside a record or map.
    Nothing,
    /// A value of the attribute that the shape is named after.
    Value(NodeId),
    /// Something that is no attribute.
    Skip(NodeId),
    /// A record, each field with its full name.
    Fields(NodeId, Vec<(Box<str>, Shape)>),
    /// A map, whose keys are names below the shape's name.
    Entries(NodeId, Box<Shape>),
    /// Branches of a union.
    Branches(Vec<Shape>),
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
        match self.plan.node(id) {
            Node::Map(_) | Node::Record(_) => Ok(self.of(id, "", 0)),
            Node::Null => Ok(Shape::Nothing),
            Node::Union(branches) => {
                let branches: Result<_, _> = branches.iter().map(|branch| self.of_set(field, *branch)).collect();
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
                    (name.into_boxed_str(), shape)
                };
                Shape::Fields(id, record.fields.iter().map(field).collect())
            }
            Node::Map(item) => Shape::Entries(id, Box::new(self.of(*item, "", nesting + 1))),
            Node::Union(branches) if branches.iter().any(|branch| !self.is_value(*branch)) => {
                Shape::Branches(branches.iter().map(|branch| self.of(*branch, name, nesting + 1)).collect())
            }
            _ if self.is_value(id) => Shape::Value(id),
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
