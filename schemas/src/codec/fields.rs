//! Reads ids and numbers of an action from whatever type the writer gave them.

use std::sync::Arc;

use nowfold_core::serde::avro::{Cursor, DatumError, Node, NodeId, Plan};

/// An id or name: text as it is, numbers in decimal; `None` is null.
pub(super) enum Text<'a> {
    Borrowed(&'a str),
    Number(i64),
}

impl Text<'_> {
    pub(super) fn into_arc(self) -> Arc<str> {
        match self {
            Self::Borrowed("") => Arc::default(),
            Self::Borrowed(text) => text.into(),
            Self::Number(number) => number.to_string().into(),
        }
    }
}

/// Whether ids can be read from this node.
pub(super) fn is_text(plan: &Plan, id: NodeId) -> bool {
    match plan.node(id) {
        Node::Union(branches) => branches.iter().all(|branch| is_text(plan, *branch)),
        Node::Float | Node::Double | Node::Boolean | Node::Array(_) | Node::Map(_) | Node::Record(_) => false,
        Node::Null | Node::Int | Node::Long | Node::Bytes | Node::Text | Node::Fixed { .. } | Node::Enum(_) => true,
    }
}

/// Reads an id or name; `None` is null.
pub(super) fn text<'a, 'p: 'a, 'b: 'a>(
    plan: &'p Plan,
    id: NodeId,
    cursor: &mut Cursor<'b>,
) -> Result<Option<Text<'a>>, DatumError> {
    let node = match plan.node(id) {
        Node::Union(branches) => branch(plan, branches, cursor)?,
        node => node,
    };
    Ok(Some(match node {
        Node::Text | Node::Bytes => Text::Borrowed(cursor.text()?),
        Node::Int | Node::Long => Text::Number(cursor.long()?),
        Node::Enum(symbols) => Text::Borrowed(symbols.get(cursor.index(symbols.len())?).map_or("", |symbol| symbol)),
        Node::Fixed { size, .. } => {
            let bytes = cursor.fixed(*size)?;
            Text::Borrowed(std::str::from_utf8(bytes).map_err(|_| cursor.error("a fixed is not UTF-8"))?)
        }
        _ => return Ok(None),
    }))
}

/// Whether whole numbers can be read from this node.
pub(super) fn is_number(plan: &Plan, id: NodeId) -> bool {
    match plan.node(id) {
        Node::Union(branches) => branches.iter().all(|branch| is_number(plan, *branch)),
        node => matches!(node, Node::Null | Node::Int | Node::Long | Node::Float | Node::Double),
    }
}

/// Reads a whole number; `None` is null.
pub(super) fn number(plan: &Plan, id: NodeId, cursor: &mut Cursor<'_>) -> Result<Option<i64>, DatumError> {
    let node = match plan.node(id) {
        Node::Union(branches) => branch(plan, branches, cursor)?,
        node => node,
    };
    match node {
        Node::Int | Node::Long => cursor.long().map(Some),
        Node::Float => {
            let number = cursor.float()?.into();
            whole(number, cursor).map(Some)
        }
        Node::Double => {
            let number = cursor.double()?;
            whole(number, cursor).map(Some)
        }
        _ => Ok(None),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::float_cmp, reason = "the comparison finds what truncation changed")]
fn whole(number: f64, cursor: &Cursor<'_>) -> Result<i64, DatumError> {
    const END: f64 = 9_223_372_036_854_775_808.0;
    let whole = (-END..END).contains(&number) && number.trunc() == number;
    if whole { Ok(number as i64) } else { Err(cursor.error(format_args!("{number} is not a whole number"))) }
}

/// The branch of a union, which holds no unions itself.
fn branch<'p>(plan: &'p Plan, branches: &[NodeId], cursor: &mut Cursor<'_>) -> Result<&'p Node, DatumError> {
    let index = cursor.index(branches.len())?;
    Ok(branches.get(index).map_or(&Node::Null, |branch| plan.node(*branch)))
}
