//! `[[tables]]` entries.

use super::attribute::attributes;
use super::text::{Bare, source};
use super::{path, topic_name};
use crate::table::{Side, TableMapping};
use nowfold_strict::Node;

/// One entry; `actions` are the names of the `[[actions]]`.
pub(super) fn entry(actions: &[&str], node: &Node<'_>) -> Option<TableMapping> {
    let mut section = node.section()?;
    let name = section.required("name", topic_name);
    let file = section.required("file", path);
    let topic = section.maybe("topic", topic_name);
    let key = section.required("key", |node| source(node, Bare::Refused));
    let attributes = attributes(&mut section, "attributes");
    let enriches = section.required("enrich", side);
    let enriched = section.maybe("actions", |node| node.each(|name| index(actions, name)));
    section.finish();
    let name = name?;
    let mut enriched = enriched?.unwrap_or_else(|| (0..actions.len()).collect());
    enriched.sort_unstable();
    enriched.dedup();
    Some(TableMapping {
        topic: topic?.unwrap_or_else(|| name.clone()),
        name,
        file: file?,
        key: key?,
        attributes: attributes?,
        enriches: enriches?,
        actions: enriched,
    })
}

fn side(node: &Node<'_>) -> Option<Side> {
    match node.text()? {
        "actor" => Some(Side::Actor),
        "object" => Some(Side::Object),
        other => node.unknown("side", other, &["actor", "object"]),
    }
}

fn index(actions: &[&str], node: &Node<'_>) -> Option<usize> {
    let name = node.text()?;
    actions.iter().position(|known| *known == name).or_else(|| node.unknown("action", name, actions))
}
