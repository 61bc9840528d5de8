//! Writes actions in the layout of the schema in this crate. Tests hold that both agree.

use nowfold_core::serde::SerdeError;
use nowfold_core::serde::avro::{SchemaRef, put_long};

use super::attribute::MAX_ATTRIBUTES;
use crate::action::{Action, Attribute, Attributes, Op};

/// How deep lists may nest; readers go three levels of the schema down for each.
const MAX_LISTS: u32 = 16;

/// Branches of an attribute's union.
const NULL: i64 = 0;
const BOOLEAN: i64 = 1;
const LONG: i64 = 2;
const DOUBLE: i64 = 3;
const STRING: i64 = 4;
const BYTES: i64 = 5;
const ARRAY: i64 = 6;

pub(super) fn write(schema: SchemaRef, action: &Action) -> Result<Vec<u8>, SerdeError> {
    let mut out = Vec::with_capacity(size_hint(action));
    schema.write(&mut out);
    put_text(&action.actor, &mut out);
    put_attributes(&action.actor_attributes, &mut out)?;
    put_text(&action.verb, &mut out);
    put_attributes(&action.verb_attributes, &mut out)?;
    put_text(&action.object, &mut out);
    put_attributes(&action.object_attributes, &mut out)?;
    put_optional(action.timestamp.map(|time| time.as_millis()), &mut out);
    put_text(&action.event_id, &mut out);
    put_optional(action.sequence, &mut out);
    put_long(
        match action.op {
            Op::Act => 0,
            Op::Retract => 1,
            Op::Erase => 2,
        },
        &mut out,
    );
    Ok(out)
}

fn size_hint(action: &Action) -> usize {
    let attributes = [&action.actor_attributes, &action.verb_attributes, &action.object_attributes];
    let vectors = attributes
        .iter()
        .flat_map(|attributes| attributes.iter())
        .map(|(name, value)| name.len() + value.as_vector().map_or(24, |numbers| 8 + 4 * numbers.len()));
    64 + action.actor.len() + action.object.len() + action.event_id.len() + vectors.sum::<usize>()
}

fn put_attributes(attributes: &Attributes, out: &mut Vec<u8>) -> Result<(), SerdeError> {
    if attributes.len() > MAX_ATTRIBUTES {
        return Err(SerdeError::unwritable("Avro", format_args!("there are more than {MAX_ATTRIBUTES} attributes")));
    }
    if !attributes.is_empty() {
        put_len(attributes.len(), out);
        for (name, value) in attributes.iter() {
            put_text(name, out);
            put_attribute(value, out, 0)?;
        }
    }
    out.push(0);
    Ok(())
}

fn put_attribute(value: &Attribute, out: &mut Vec<u8>, lists: u32) -> Result<(), SerdeError> {
    match value {
        Attribute::Null => put_long(NULL, out),
        Attribute::Bool(value) => {
            put_long(BOOLEAN, out);
            out.push(u8::from(*value));
        }
        Attribute::Int(value) => {
            put_long(LONG, out);
            put_long(*value, out);
        }
        Attribute::Float(value) => {
            put_long(DOUBLE, out);
            out.extend(value.to_le_bytes());
        }
        Attribute::Text(value) => {
            put_long(STRING, out);
            put_text(value, out);
        }
        Attribute::Vector(numbers) => {
            put_long(BYTES, out);
            put_len(numbers.len() * 4, out);
            out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        }
        Attribute::List(items) => put_list(items, out, lists)?,
    }
    Ok(())
}

fn put_list(items: &[Attribute], out: &mut Vec<u8>, lists: u32) -> Result<(), SerdeError> {
    if lists == MAX_LISTS {
        return Err(SerdeError::unwritable("Avro", format_args!("lists nest deeper than {MAX_LISTS} levels")));
    }
    put_long(ARRAY, out);
    if !items.is_empty() {
        put_len(items.len(), out);
        items.iter().try_for_each(|item| put_attribute(item, out, lists + 1))?;
    }
    out.push(0);
    Ok(())
}

fn put_optional(value: Option<i64>, out: &mut Vec<u8>) {
    match value {
        None => put_long(0, out),
        Some(value) => {
            put_long(1, out);
            put_long(value, out);
        }
    }
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    put_len(text.len(), out);
    out.extend(text.as_bytes());
}

fn put_len(len: usize, out: &mut Vec<u8>) {
    put_long(i64::try_from(len).unwrap_or(i64::MAX), out);
}
