//! Which fields of a record a mapping reads: to tell a slip of the pen before anything is sent.

use std::collections::BTreeMap;

use crate::CompiledMapping;
use crate::action::ActionMapping;
use crate::attribute::{AttributeMapping, AttributeSource};
use crate::condition::Condition;
use crate::identity::EventId;
use crate::pointer::Pointer;
use crate::text::{Piece, TextKind, TextSource};

/// Top-level fields of records by name, with the parts of the mapping that read them, such as `plane.actor`.
pub type Columns = BTreeMap<String, Vec<String>>;

impl CompiledMapping {
    /// The top-level fields that its `[[actions]]` read. Pointers to the whole record and to items of an array are left out.
    pub fn columns(&self) -> Columns {
        let mut columns = Columns::new();
        for entry in &self.actions {
            entry.each_pointer(&mut |part, pointer| {
                let part = format!("{}.{part}", entry.name);
                let parts = pointer.field().map(|field| columns.entry(field.to_owned()).or_default());
                if let Some(parts) = parts.filter(|parts| !parts.contains(&part)) {
                    parts.push(part);
                }
            });
        }
        columns
    }
}

impl ActionMapping {
    fn each_pointer(&self, visit: &mut dyn FnMut(&str, &Pointer)) {
        self.filter.iter().for_each(|filter| of_condition(filter, &mut |pointer| visit("where", pointer)));
        of_text(&self.actor, &mut |pointer| visit("actor", pointer));
        for (when, then) in &self.verb.cases {
            of_condition(when, &mut |pointer| visit("verb", pointer));
            of_text(then, &mut |pointer| visit("verb", pointer));
        }
        self.verb.otherwise.iter().for_each(|text| of_text(text, &mut |pointer| visit("verb", pointer)));
        of_text(&self.object, &mut |pointer| visit("object", pointer));
        of_text(&self.timestamp.text, &mut |pointer| visit("timestamp", pointer));
        let identity = match &self.event_id {
            EventId::Record(text) => std::slice::from_ref(text),
            EventId::Parts(parts) => parts,
            EventId::Line | EventId::Log | EventId::Natural => &[],
        };
        identity.iter().for_each(|text| of_text(text, &mut |pointer| visit("event_id", pointer)));
        let sides = [
            ("actor_attributes", &self.actor_attributes),
            ("verb_attributes", &self.verb_attributes),
            ("object_attributes", &self.object_attributes),
        ];
        for (side, attributes) in sides {
            for attribute in attributes {
                of_attribute(attribute, &mut |pointer| visit(&format!("{side}.{}", attribute.name()), pointer));
            }
        }
    }
}

fn of_attribute(attribute: &AttributeMapping, visit: &mut dyn FnMut(&Pointer)) {
    match &attribute.source {
        AttributeSource::Value(pointer, _) => visit(pointer),
        AttributeSource::Text(text) => of_text(text, visit),
    }
}

fn of_text(text: &TextSource, visit: &mut dyn FnMut(&Pointer)) {
    match &text.kind {
        TextKind::Constant(_) => {}
        TextKind::Pointer(pointer) => visit(pointer),
        TextKind::Join { parts, .. } => parts.iter().for_each(|part| of_text(part, visit)),
        TextKind::FirstOf(parts) => parts.iter().for_each(|part| of_text(part, visit)),
        TextKind::Template(pieces) => {
            for piece in pieces {
                if let Piece::Field(pointer, _) = piece {
                    visit(pointer);
                }
            }
        }
    }
}

fn of_condition(condition: &Condition, visit: &mut dyn FnMut(&Pointer)) {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => parts.iter().for_each(|part| of_condition(part, visit)),
        Condition::Not(part) => of_condition(part, visit),
        Condition::Field(pointer, _) => visit(pointer),
    }
}
