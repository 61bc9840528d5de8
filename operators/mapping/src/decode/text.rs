//! Texts: `"/pointer"`, `"{/a}-{/b}"`, `["/a", "/b"]`, or a table that says which.

use std::collections::BTreeMap;

use crate::pointer::Pointer;
use crate::text::{MissingPart, TextKind, TextSource, template};
use nowfold_strict::{Node, Section};

/// What a string that is neither a pointer nor a template stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bare {
    /// Itself.
    Constant,
    /// A slip: a pointer was meant.
    Refused,
}

/// What a table that tells a text must have.
pub(super) const KINDS: &str = "needs one of \"pointer\", \"template\", \"join\", \"first_of\" and \"constant\"";

/// A text.
pub(super) fn source(node: &Node<'_>, bare: Bare) -> Option<TextSource> {
    if node.value().is_table() {
        let mut section = node.section()?;
        let source = source_in(&mut section);
        section.finish();
        return source?.or_else(|| node.wrong(KINDS));
    }
    if node.value().is_array() {
        let parts = node.each(|part| source(part, Bare::Refused))?;
        return Some(TextSource::new(TextKind::Join {
            parts,
            separator: "/".to_owned(),
            missing: MissingPart::Absent,
        }));
    }
    short(node, bare).map(TextSource::new)
}

/// The string forms.
fn short(node: &Node<'_>, bare: Bare) -> Option<TextKind> {
    let text = node.text()?;
    let braced = if text.starts_with('/') { text.contains("{/") } else { text.contains('{') };
    if braced {
        return node.parsed(template).map(TextKind::Template);
    }
    if bare == Bare::Constant && !text.starts_with('/') {
        return Some(TextKind::Constant(text.to_owned()));
    }
    node.parsed(Pointer::parse).map(TextKind::Pointer)
}

/// The text that a table's own keys tell: `Some(None)` when none of them is there, `None` after a problem.
pub(super) fn source_in(section: &mut Section<'_>) -> Option<Option<TextSource>> {
    let kinds = [
        section.get("pointer").map(|node| node.any_text().and_then(|_| pointer(&node)).map(TextKind::Pointer)),
        section.get("template").map(|node| node.parsed(template).map(TextKind::Template)),
        section.get("constant").map(|node| node.any_text().map(str::to_owned).map(TextKind::Constant)),
        section.get("first_of").map(|node| node.each(|part| source(part, Bare::Refused)).map(TextKind::FirstOf)),
        join(section),
    ];
    let rename = section.or("rename", BTreeMap::new(), rename);
    let default = section.maybe("default", |node| node.any_text().map(str::to_owned));
    let mut kinds = kinds.into_iter().flatten();
    let Some(kind) = kinds.next() else { return rename.and(default).map(|_| None) };
    if kinds.next().is_some() {
        section.wrong(format!("{KINDS}, not several"));
        return None;
    }
    Some(Some(TextSource { kind: kind?, rename: rename?, default: default? }))
}

/// A pointer; `""` is the whole record.
pub(super) fn pointer(node: &Node<'_>) -> Option<Pointer> {
    Pointer::parse(node.any_text()?).map_or_else(|error| node.wrong(error), Some)
}

fn join(section: &mut Section<'_>) -> Option<Option<TextKind>> {
    let separator = section.get("separator");
    let missing = section.get("missing");
    let Some(parts) = section.get("join") else {
        let _: Option<()> = separator.or(missing)?.wrong("goes with \"join\", which is not there");
        return None;
    };
    let parts = parts.each(|part| source(part, Bare::Refused));
    let separator = separator.map_or(Some("/"), |node| node.any_text());
    let missing = missing.map_or(Some(MissingPart::Absent), |node| missing_part(&node));
    let whole = parts.zip(separator).zip(missing);
    Some(whole.map(|((parts, separator), missing)| TextKind::Join { parts, separator: separator.to_owned(), missing }))
}

fn missing_part(node: &Node<'_>) -> Option<MissingPart> {
    match node.text()? {
        "absent" => Some(MissingPart::Absent),
        "skip" => Some(MissingPart::Skip),
        "empty" => Some(MissingPart::Empty),
        other => node.unknown("choice", other, &["absent", "skip", "empty"]),
    }
}

fn rename(node: &Node<'_>) -> Option<BTreeMap<String, String>> {
    let entries = node.section()?.entries();
    let read = entries.into_iter().map(|(from, _, to)| to.any_text().map(|to| (from.to_owned(), to.to_owned())));
    read.collect::<Vec<_>>().into_iter().collect()
}
