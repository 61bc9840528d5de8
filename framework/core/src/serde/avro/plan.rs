//! A writer's schema in the form that reading needs: references followed, logical types reduced to their base types.

use std::sync::Arc;

use apache_avro::Schema;

use super::compile::{Added, compile};
use super::cursor::Cursor;
use super::error::DatumError;
use crate::serde::SerdeError;

/// A compiled schema: a graph of [`Node`]s, which may be recursive.
#[derive(Clone, Debug)]
pub struct Plan {
    nodes: Vec<Node>,
    min_bytes: Vec<usize>,
    root: NodeId,
}

/// A node's place in its [`Plan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(pub(super) usize);

/// How the bytes of a value are laid out.
#[derive(Clone, Debug)]
pub enum Node {
    /// No bytes at all.
    Null,
    /// One byte, 0 or 1.
    Boolean,
    /// A zigzag varint of 32 bits.
    Int,
    /// A zigzag varint of 64 bits.
    Long,
    /// 4 bytes, little-endian.
    Float,
    /// 8 bytes, little-endian.
    Double,
    /// A length and that many bytes.
    Bytes,
    /// A length and that many bytes of UTF-8.
    Text,
    /// This many bytes.
    Fixed {
        /// The schema's full name.
        name: Arc<str>,
        /// How many bytes.
        size: usize,
    },
    /// The number of a symbol.
    Enum(Vec<Arc<str>>),
    /// Blocks of items.
    Array(NodeId),
    /// Blocks of text keys with items.
    Map(NodeId),
    /// The number of a branch, then the branch.
    Union(Vec<NodeId>),
    /// Fields one after another.
    Record(RecordNode),
}

/// A record's name and fields.
#[derive(Clone, Debug)]
pub struct RecordNode {
    /// The schema's name without its namespace.
    pub name: Arc<str>,
    /// The fields in the order of their bytes.
    pub fields: Vec<(Arc<str>, NodeId)>,
    /// Fields that the bytes lack and a reader's schema has a default for.
    pub(super) defaults: Vec<DefaultField>,
}

/// A field that is not in the bytes: its name, its type and its default as a datum.
#[derive(Clone, Debug)]
pub(super) struct DefaultField {
    pub(super) name: Arc<str>,
    pub(super) node: NodeId,
    pub(super) datum: Arc<[u8]>,
}

impl Plan {
    /// Compiles a schema.
    ///
    /// # Errors
    /// [`SerdeError::Invalid`] when a name is referred to but not defined.
    pub fn compile(schema: &Schema) -> Result<Self, SerdeError> {
        let mut plan = Self { nodes: Vec::new(), min_bytes: Vec::new(), root: NodeId(0) };
        plan.root = plan.add(schema)?.root;
        Ok(plan)
    }

    /// Adds the nodes of another schema; the root stays.
    pub(super) fn add<'s>(&mut self, schema: &'s Schema) -> Result<Added<'s>, SerdeError> {
        let added = compile(schema, &mut self.nodes);
        self.measure();
        added
    }

    pub(super) fn record_mut(&mut self, id: NodeId) -> Option<&mut RecordNode> {
        match self.nodes.get_mut(id.0) {
            Some(Node::Record(record)) => Some(record),
            _ => None,
        }
    }

    pub(super) fn replace_symbols(&mut self, id: NodeId, symbols: Vec<Arc<str>>) {
        if let Some(node) = self.nodes.get_mut(id.0) {
            *node = Node::Enum(symbols);
        }
    }

    /// The node of the whole datum.
    pub const fn root(&self) -> NodeId {
        self.root
    }

    /// The node at `id`.
    pub fn node(&self, id: NodeId) -> &Node {
        self.nodes.get(id.0).unwrap_or(&Node::Null)
    }

    /// The fewest bytes that a value of the node at `id` takes.
    pub fn min_bytes(&self, id: NodeId) -> usize {
        self.min_bytes.get(id.0).copied().unwrap_or(0)
    }

    /// Reads over a value of the node at `id`, `depth` levels down.
    ///
    /// # Errors
    /// [`DatumError`] when the bytes are no such value.
    pub fn skip(&self, cursor: &mut Cursor<'_>, id: NodeId, depth: u32) -> Result<(), DatumError> {
        match self.node(id) {
            Node::Null => {}
            Node::Boolean => drop(cursor.bool()?),
            Node::Int | Node::Long => drop(cursor.long()?),
            Node::Float => drop(cursor.fixed(4)?),
            Node::Double => drop(cursor.fixed(8)?),
            Node::Bytes | Node::Text => drop(cursor.bytes()?),
            Node::Fixed { size, .. } => drop(cursor.fixed(*size)?),
            Node::Enum(symbols) => drop(cursor.index(symbols.len())?),
            Node::Array(item) => self.skip_blocks(cursor, *item, false, depth)?,
            Node::Map(item) => self.skip_blocks(cursor, *item, true, depth)?,
            Node::Union(branches) => {
                let branch = cursor.index(branches.len())?;
                let branch = branches.get(branch).copied().unwrap_or(self.root);
                self.skip(cursor, branch, cursor.deeper(depth)?)?;
            }
            Node::Record(record) => {
                let depth = cursor.into_record(self.min_bytes(id), depth)?;
                for (_, field) in &record.fields {
                    self.skip(cursor, *field, depth)?;
                }
            }
        }
        Ok(())
    }

    fn skip_blocks(&self, cursor: &mut Cursor<'_>, item: NodeId, keyed: bool, depth: u32) -> Result<(), DatumError> {
        let depth = cursor.deeper(depth)?;
        let min_bytes = self.min_bytes(item) + usize::from(keyed);
        loop {
            let count = cursor.block(min_bytes)?;
            if count == 0 {
                return Ok(());
            }
            for _ in 0..count {
                if keyed {
                    cursor.bytes()?;
                }
                self.skip(cursor, item, depth)?;
            }
        }
    }

    /// Finds the fewest bytes of each node. It begins with none and each round only raises them, so that they are lower
    /// bounds after any round, also for recursive schemas.
    fn measure(&mut self) {
        const ROUNDS: usize = 16;
        self.min_bytes = vec![0; self.nodes.len()];
        for _ in 0..ROUNDS {
            let next: Vec<_> = self.nodes.iter().map(|node| self.least(node)).collect();
            if next == self.min_bytes {
                break;
            }
            self.min_bytes = next;
        }
    }

    fn least(&self, node: &Node) -> usize {
        const CAP: usize = 1 << 30;
        match node {
            Node::Null => 0,
            Node::Float => 4,
            Node::Double => 8,
            Node::Fixed { size, .. } => (*size).min(CAP),
            Node::Union(branches) => {
                1 + branches.iter().map(|branch| self.min_bytes(*branch)).min().unwrap_or(0).min(CAP)
            }
            Node::Record(record) => {
                record.fields.iter().map(|(_, field)| self.min_bytes(*field)).sum::<usize>().min(CAP)
            }
            Node::Boolean | Node::Int | Node::Long | Node::Bytes | Node::Text => 1,
            Node::Enum(_) | Node::Array(_) | Node::Map(_) => 1,
        }
    }
}
