//! `where`: conditions on the actions that a feature takes.

use nowfold_strict::{Node, Section, Value};

use super::Grammar;
use super::paths::Wanted;
use super::schema::AttributeKind;
use crate::feature::{Comparison, Literal, Path, Predicate};

const COMPARISONS: [(&str, Comparison); 6] = [
    ("eq", Comparison::Eq),
    ("ne", Comparison::Ne),
    ("lt", Comparison::Lt),
    ("le", Comparison::Le),
    ("gt", Comparison::Gt),
    ("ge", Comparison::Ge),
];

impl Grammar {
    /// A condition; a list of conditions is true where all of them are.
    pub(super) fn predicate(&self, node: &Node<'_>) -> Option<Predicate> {
        if node.value().is_array() {
            return self.several(node).map(Predicate::All);
        }
        let mut section = node.section()?;
        let parts = [
            section.get("all").map(|node| self.several(&node).map(Predicate::All)),
            section.get("any").map(|node| self.several(&node).map(Predicate::Any)),
            section.get("not").map(|node| self.predicate(&node).map(|inner| Predicate::Not(Box::new(inner)))),
            self.tests(node, &mut section),
        ];
        section.finish();
        let mut parts: Vec<_> = parts.into_iter().flatten().collect();
        if parts.is_empty() {
            return node.wrong(
                "needs \"path\" with a test, such as { path = \"object.price\", gt = 100 }, or one of \"all\", \"any\" and \"not\"",
            );
        }
        if parts.len() == 1 {
            return parts.swap_remove(0);
        }
        parts.into_iter().collect::<Option<_>>().map(Predicate::All)
    }

    fn several(&self, node: &Node<'_>) -> Option<Vec<Predicate>> {
        let conditions = node.each(|node| self.predicate(node))?;
        if conditions.is_empty() { node.wrong("must have at least one condition") } else { Some(conditions) }
    }

    /// The tests of a path, all of which must be true.
    fn tests(&self, node: &Node<'_>, section: &mut Section<'_>) -> Option<Option<Predicate>> {
        let path_node = section.get("path");
        let path = path_node.as_ref().map(|node| self.path(node, Wanted::Anything));
        let kind = path.clone().flatten().and_then(|path| self.kind_of(&path)).unwrap_or(AttributeKind::Any);
        let path_text = path.clone().flatten().unwrap_or_default();
        let mut tests = Vec::new();
        for (key, op) in COMPARISONS {
            let compare = |value| Predicate::Compare { path: path_text.clone(), op, value };
            tests.extend(section.get(key).map(|node| literal(&node, kind).map(compare)));
        }
        tests.extend(section.get("between").map(|node| between(&node, &path_text, kind)));
        tests.extend(section.get("is_in").map(|node| one_of(&node, &path_text, kind)));
        tests.extend(section.get("is_null").map(|node| is_null(&node, &path_text)));
        match (path, tests.len()) {
            (None, 0) => None,
            (None, _) => Some(node.wrong("has a test without a \"path\"")),
            (Some(_), 0) => {
                Some(node.wrong("needs a test beside \"path\", such as eq = \"x\", gt = 1 or is_null = true"))
            }
            (Some(path), 1) => Some(path.and(tests.swap_remove(0))),
            (Some(path), _) => Some(path.and(tests.into_iter().collect::<Option<_>>().map(Predicate::All))),
        }
    }

    /// The kind of a path that was read without a problem.
    fn kind_of(&self, path: &str) -> Option<AttributeKind> {
        match path.parse::<Path>().ok()? {
            Path::Verb | Path::Object => Some(AttributeKind::Text),
            Path::Attribute(..) => self.schema.as_ref()?.kind(path),
        }
    }
}

/// A value of the kind that it is compared with; of another, the comparison would never be true.
fn literal(node: &Node<'_>, kind: AttributeKind) -> Option<Literal> {
    let value = match node.value() {
        Value::Bool(truth) => Literal::Bool(*truth),
        Value::Integer(n) => Literal::Int(*n),
        Value::Float(_) => Literal::Float(node.number()?),
        Value::Text(text) => Literal::Text(text.as_str().into()),
        other => return node.wrong(format!("must be a number, a text or a truth value, not {}", other.kind())),
    };
    let fits = match kind {
        AttributeKind::Any => true,
        AttributeKind::Number => matches!(value, Literal::Int(_) | Literal::Float(_)),
        AttributeKind::Text => matches!(value, Literal::Text(_)),
        AttributeKind::Bool => matches!(value, Literal::Bool(_)),
        AttributeKind::Vector | AttributeKind::List => false,
    };
    if fits { Some(value) } else { node.wrong(format!("is {}, but the path leads to {kind}", node.value().kind())) }
}

/// `[low, high]`, both included.
fn between(node: &Node<'_>, path: &str, kind: AttributeKind) -> Option<Predicate> {
    let ends = node.each(|end| literal(end, kind))?;
    let Ok([low, high]) = <[Literal; 2]>::try_from(ends) else { return node.wrong("must be [low, high]") };
    let compare = |op, value| Predicate::Compare { path: path.to_owned(), op, value };
    Some(Predicate::All(vec![compare(Comparison::Ge, low), compare(Comparison::Le, high)]))
}

fn one_of(node: &Node<'_>, path: &str, kind: AttributeKind) -> Option<Predicate> {
    let values = node.each(|value| literal(value, kind))?;
    if values.is_empty() {
        return node.wrong("must have at least one value");
    }
    Some(Predicate::In { path: path.to_owned(), values })
}

/// `true`: missing; `false`: there.
fn is_null(node: &Node<'_>, path: &str) -> Option<Predicate> {
    let null = Predicate::IsNull { path: path.to_owned() };
    Some(if node.truth()? { null } else { Predicate::Not(Box::new(null)) })
}
