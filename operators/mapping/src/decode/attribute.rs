//! Attributes: a name, a pointer and a type.

use super::text::{Bare, KINDS, source, source_in};
use crate::attribute::{AttributeMapping, AttributeSource, AttributeType};
use crate::text::{TextKind, TextSource};
use nowfold_strict::{Node, Section};

const TYPES: [&str; 7] = ["auto", "number", "i64", "f64", "bool", "text", "vector"];

/// A table of attributes by name, in byte order of the names; empty without one.
pub(super) fn attributes(section: &mut Section<'_>, key: &'static str) -> Option<Vec<AttributeMapping>> {
    let Some(node) = section.get(key) else { return Some(Vec::new()) };
    let entries = node.section()?.entries();
    let read = entries
        .into_iter()
        .map(|(name, _, node)| Some(AttributeMapping { name: name.into(), source: attribute(&node)? }));
    read.collect::<Vec<_>>().into_iter().collect()
}

fn attribute(node: &Node<'_>) -> Option<AttributeSource> {
    if !node.value().is_table() {
        return source(node, Bare::Refused).map(|text| of_type(text, AttributeType::Auto));
    }
    let mut section = node.section()?;
    let text = source_in(&mut section);
    let kind = section.or("type", AttributeType::Auto, attribute_type);
    let dim = section.maybe("dim", dim);
    section.finish();
    let kind = match (kind?, dim?) {
        (AttributeType::Vector(_), dim) => AttributeType::Vector(dim),
        (_, Some(_)) => return node.wrong("has a \"dim\": that goes with type = \"vector\""),
        (kind, None) => kind,
    };
    let source = of_type(text?.or_else(|| node.wrong(KINDS))?, kind);
    if matches!(source, AttributeSource::Text(_)) && !matches!(kind, AttributeType::Text | AttributeType::Auto) {
        return node.wrong("is put together as a text: only a plain \"pointer\" can have another type");
    }
    Some(source)
}

fn dim(node: &Node<'_>) -> Option<usize> {
    let dim = usize::try_from(node.integer()?).ok().filter(|dim| *dim > 0);
    dim.or_else(|| node.wrong("must be at least 1"))
}

/// A plain pointer keeps the type of its value, anything else is a text.
fn of_type(text: TextSource, kind: AttributeType) -> AttributeSource {
    match text {
        TextSource { kind: TextKind::Pointer(pointer), rename, default: None } if rename.is_empty() => {
            AttributeSource::Value(pointer, kind)
        }
        text => AttributeSource::Text(text),
    }
}

fn attribute_type(node: &Node<'_>) -> Option<AttributeType> {
    Some(match node.text()? {
        "auto" => AttributeType::Auto,
        "number" => AttributeType::Number,
        "i64" => AttributeType::I64,
        "f64" => AttributeType::F64,
        "bool" => AttributeType::Bool,
        "text" => AttributeType::Text,
        "vector" => AttributeType::Vector(None),
        other => return node.unknown("type", other, &TYPES),
    })
}
