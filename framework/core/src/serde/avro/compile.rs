//! From a parsed schema to the nodes of a [`Plan`](super::plan::Plan).

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{
    DecimalSchema, EnumSchema, FixedSchema, InnerDecimalSchema, Name, NamespaceRef, RecordSchema, UuidSchema,
};

use super::plan::{Node, NodeId, RecordNode};
use crate::serde::SerdeError;

/// A schema that was added to a plan, and where its nodes come from.
pub(super) struct Added<'s> {
    pub(super) root: NodeId,
    pub(super) records: HashMap<NodeId, &'s RecordSchema>,
    pub(super) enums: HashMap<NodeId, &'s EnumSchema>,
}

/// Adds the nodes of a schema to `nodes`.
pub(super) fn compile<'s>(schema: &'s Schema, nodes: &mut Vec<Node>) -> Result<Added<'s>, SerdeError> {
    let mut compiler = Compiler { nodes, names: HashMap::new(), records: HashMap::new(), enums: HashMap::new() };
    let root = compiler.node(schema, None)?;
    Ok(Added { root, records: compiler.records, enums: compiler.enums })
}

struct Compiler<'s, 'n> {
    nodes: &'n mut Vec<Node>,
    names: HashMap<Name, NodeId>,
    records: HashMap<NodeId, &'s RecordSchema>,
    enums: HashMap<NodeId, &'s EnumSchema>,
}

impl<'s> Compiler<'s, '_> {
    fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() - 1)
    }

    fn node(&mut self, schema: &'s Schema, namespace: NamespaceRef<'_>) -> Result<NodeId, SerdeError> {
        let node = match schema {
            Schema::Null => Node::Null,
            Schema::Boolean => Node::Boolean,
            Schema::Int | Schema::Date | Schema::TimeMillis => Node::Int,
            Schema::Long
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => Node::Long,
            Schema::Float => Node::Float,
            Schema::Double => Node::Double,
            Schema::Bytes
            | Schema::BigDecimal
            | Schema::Decimal(DecimalSchema { inner: InnerDecimalSchema::Bytes, .. })
            | Schema::Uuid(UuidSchema::Bytes) => Node::Bytes,
            Schema::String | Schema::Uuid(UuidSchema::String) => Node::Text,
            Schema::Fixed(fixed)
            | Schema::Duration(fixed)
            | Schema::Decimal(DecimalSchema { inner: InnerDecimalSchema::Fixed(fixed), .. })
            | Schema::Uuid(UuidSchema::Fixed(fixed)) => return Ok(self.fixed(fixed, namespace)),
            Schema::Enum(symbols) => return Ok(self.enumeration(symbols, namespace)),
            Schema::Array(array) => Node::Array(self.node(&array.items, namespace)?),
            Schema::Map(map) => Node::Map(self.node(&map.types, namespace)?),
            Schema::Union(union) => {
                let branches: Result<_, _> =
                    union.variants().iter().map(|branch| self.node(branch, namespace)).collect();
                Node::Union(branches?)
            }
            Schema::Record(record) => return self.record(record, namespace),
            Schema::Ref { name } => return self.reference(name, namespace),
        };
        Ok(self.push(node))
    }

    fn fixed(&mut self, fixed: &FixedSchema, namespace: NamespaceRef<'_>) -> NodeId {
        let name = fixed.name.fully_qualified_name(namespace).into_owned();
        let id = self.push(Node::Fixed { name: name.as_ref().into(), size: fixed.size });
        self.names.insert(name, id);
        id
    }

    fn enumeration(&mut self, schema: &'s EnumSchema, namespace: NamespaceRef<'_>) -> NodeId {
        let id = self.push(Node::Enum(schema.symbols.iter().map(|symbol| symbol.as_str().into()).collect()));
        self.names.insert(schema.name.fully_qualified_name(namespace).into_owned(), id);
        self.enums.insert(id, schema);
        id
    }

    fn record(&mut self, schema: &'s RecordSchema, namespace: NamespaceRef<'_>) -> Result<NodeId, SerdeError> {
        let name = schema.name.fully_qualified_name(namespace).into_owned();
        let id = self.push(Node::Null);
        self.names.insert(name.clone(), id);
        self.records.insert(id, schema);
        let mut fields = Vec::with_capacity(schema.fields.len());
        for field in &schema.fields {
            fields.push((field.name.as_str().into(), self.node(&field.schema, name.namespace())?));
        }
        if let Some(node) = self.nodes.get_mut(id.0) {
            *node = Node::Record(RecordNode { name: name.name().into(), fields, defaults: Vec::new() });
        }
        Ok(id)
    }

    fn reference(&mut self, name: &Name, namespace: NamespaceRef<'_>) -> Result<NodeId, SerdeError> {
        let name = name.fully_qualified_name(namespace);
        let known = self.names.get(name.as_ref()).copied();
        known.ok_or_else(|| SerdeError::invalid("Avro schema", format_args!("it uses {name} but does not define it")))
    }
}
