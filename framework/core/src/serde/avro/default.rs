//! A default of a schema, which is JSON, as a datum.

use serde_json::Value;

use super::plan::{Node, NodeId, Plan};

/// Writes `json` as a value of the node at `id`; `None` when it is not of that type.
pub(super) fn write_default(plan: &Plan, id: NodeId, json: &Value) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    write(plan, id, json, &mut out)?;
    Some(out)
}

fn write(plan: &Plan, id: NodeId, json: &Value, out: &mut Vec<u8>) -> Option<()> {
    match plan.node(id) {
        Node::Null => json.as_null()?,
        Node::Boolean => out.push(u8::from(json.as_bool()?)),
        Node::Int => put_long(json.as_i64().filter(|n| i32::try_from(*n).is_ok())?, out),
        Node::Long => put_long(json.as_i64()?, out),
        #[expect(clippy::cast_possible_truncation, reason = "the schema says that a float is meant")]
        Node::Float => out.extend((json.as_f64()? as f32).to_le_bytes()),
        Node::Double => out.extend(json.as_f64()?.to_le_bytes()),
        Node::Bytes => put_bytes(&code_points(json.as_str()?)?, out),
        Node::Text => put_bytes(json.as_str()?.as_bytes(), out),
        Node::Fixed { size, .. } => out.extend(code_points(json.as_str()?).filter(|bytes| bytes.len() == *size)?),
        Node::Enum(symbols) => {
            let index = symbols.iter().position(|symbol| Some(&**symbol) == json.as_str())?;
            put_long(i64::try_from(index).ok()?, out);
        }
        Node::Array(item) => write_array(plan, *item, json, out)?,
        Node::Map(item) => write_map(plan, *item, json, out)?,
        Node::Union(branches) => write_union(plan, branches, json, out)?,
        Node::Record(record) => {
            let json = json.as_object()?;
            record.fields.iter().try_for_each(|(name, field)| write(plan, *field, json.get(&**name)?, out))?;
        }
    }
    Some(())
}

fn write_array(plan: &Plan, item: NodeId, json: &Value, out: &mut Vec<u8>) -> Option<()> {
    let items = json.as_array()?;
    if !items.is_empty() {
        put_long(i64::try_from(items.len()).ok()?, out);
        items.iter().try_for_each(|json| write(plan, item, json, out))?;
    }
    out.push(0);
    Some(())
}

fn write_map(plan: &Plan, item: NodeId, json: &Value, out: &mut Vec<u8>) -> Option<()> {
    let entries = json.as_object()?;
    if !entries.is_empty() {
        put_long(i64::try_from(entries.len()).ok()?, out);
        for (key, json) in entries {
            put_bytes(key.as_bytes(), out);
            write(plan, item, json, out)?;
        }
    }
    out.push(0);
    Some(())
}

/// The default of a union is of its first branch; newer versions of the specification allow any.
fn write_union(plan: &Plan, branches: &[NodeId], json: &Value, out: &mut Vec<u8>) -> Option<()> {
    branches.iter().enumerate().find_map(|(index, branch)| {
        let datum = write_default(plan, *branch, json)?;
        put_long(i64::try_from(index).ok()?, out);
        out.extend(datum);
        Some(())
    })
}

/// Bytes are written in JSON as text of the code points 0 to 255.
fn code_points(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_long(i64::try_from(bytes.len()).unwrap_or(i64::MAX), out);
    out.extend(bytes);
}

/// Writes a zigzag varint, the form of ints, longs and lengths.
pub fn put_long(n: i64, out: &mut Vec<u8>) {
    let mut rest = ((n << 1) ^ (n >> 63)).cast_unsigned();
    loop {
        let low = (rest & 0x7f) as u8;
        rest >>= 7;
        if rest == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::super::cursor::Cursor;
    use super::*;

    #[test]
    fn longs_survive_the_round_trip() {
        for n in [0, -1, 1, 63, 64, -64, -65, i64::MIN, i64::MAX] {
            let mut out = Vec::new();
            put_long(n, &mut out);
            assert_eq!(Cursor::new(&out, 0).long().unwrap(), n);
        }
    }
}
