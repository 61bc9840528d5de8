//! `[[actions]]` entries.

use super::attribute::attributes;
use super::condition::condition;
use super::text::{Bare, KINDS, source, source_in};
use super::time::time;
use super::topic_name;
use crate::action::{ActionMapping, VerbSource};
use crate::condition::Condition;
use crate::identity::EventId;
use crate::text::TextSource;
use nowfold_strict::Node;
use nowfold_strict::parse_duration;

/// One entry.
pub(super) fn entry(feed: &str, node: &Node<'_>) -> Option<ActionMapping> {
    let mut section = node.section()?;
    let name = section.required("name", topic_name);
    let topic = section.maybe("topic", topic_name);
    let store = section.maybe("store", topic_name);
    let retention = section.maybe("retention", |node| node.parsed(parse_duration));
    let filter = section.maybe("where", condition);
    let actor = section.required("actor", |node| source(node, Bare::Refused));
    let verb = section.required("verb", verb);
    let object = section.required("object", |node| source(node, Bare::Refused));
    let timestamp = section.required("timestamp", time);
    let event_id = section.or("event_id", EventId::Line, event_id);
    let actor_attributes = attributes(&mut section, "actor_attributes");
    let verb_attributes = attributes(&mut section, "verb_attributes");
    let object_attributes = attributes(&mut section, "object_attributes");
    section.finish();
    let name = name?;
    Some(ActionMapping {
        feed: feed.to_owned(),
        topic: topic?.unwrap_or_else(|| format!("{feed}-{name}")),
        store: store?.unwrap_or_else(|| name.clone()),
        name,
        retention: retention?,
        filter: filter?,
        actor: actor?,
        verb: verb?,
        object: object?,
        timestamp: timestamp?,
        event_id: event_id?,
        actor_attributes: actor_attributes?,
        verb_attributes: verb_attributes?,
        object_attributes: object_attributes?,
    })
}

fn verb(node: &Node<'_>) -> Option<VerbSource> {
    if !node.value().is_table() {
        return Some(VerbSource { cases: Vec::new(), otherwise: Some(source(node, Bare::Constant)?) });
    }
    let mut section = node.section()?;
    let cases = section.or("cases", Vec::new(), |node| node.each(case));
    let plain_default = section.maybe("default", |node| source(node, Bare::Constant));
    let text = source_in(&mut section);
    section.finish();
    let (cases, otherwise) = (cases?, text?.or(plain_default?));
    if cases.is_empty() && otherwise.is_none() {
        return node.wrong("needs \"cases\", a \"pointer\" (or another form of text), or a \"default\"");
    }
    Some(VerbSource { cases, otherwise })
}

fn case(node: &Node<'_>) -> Option<(Condition, TextSource)> {
    let mut section = node.section()?;
    let when = section.required("when", condition);
    let then = section.required("then", |node| source(node, Bare::Constant));
    section.finish();
    when.zip(then)
}

fn event_id(node: &Node<'_>) -> Option<EventId> {
    match node.value().as_str() {
        Some("line") => Some(EventId::Line),
        Some("log") => Some(EventId::Log),
        Some("natural") => Some(EventId::Natural),
        Some(text) if !text.starts_with('/') && !text.contains('{') => {
            node.unknown("event id", text, &["line", "log", "natural", "a pointer such as \"/id\""])
        }
        Some(_) => source(node, Bare::Refused).map(EventId::Record),
        None if node.value().is_table() => event_id_in(node),
        None => source(node, Bare::Refused).map(EventId::Record),
    }
}

/// `{ natural = [texts] }`, or a text in full.
fn event_id_in(node: &Node<'_>) -> Option<EventId> {
    let mut section = node.section()?;
    let natural = section.get("natural");
    let text = source_in(&mut section);
    section.finish();
    match (natural, text?) {
        (Some(natural), None) => parts(&natural).map(EventId::Parts),
        (None, Some(text)) => Some(EventId::Record(text)),
        (Some(natural), Some(_)) => natural.wrong("stands alone: leave out the other forms of text"),
        (None, None) => node.wrong(format!("{KINDS}, or \"natural\", the fields that make an event's identity")),
    }
}

fn parts(node: &Node<'_>) -> Option<Vec<TextSource>> {
    let parts = node.each(|part| source(part, Bare::Refused))?;
    if parts.is_empty() { node.wrong("needs at least one field, such as [\"/order\", \"/line\"]") } else { Some(parts) }
}
