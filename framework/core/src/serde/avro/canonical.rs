//! The parsing canonical form of an Avro schema and its fingerprint, as the Avro specification defines both.

use serde_json::{Map, Value};

use crate::serde::SerdeError;

const PRIMITIVES: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

/// CRC-64-AVRO of nothing, and its polynomial.
const EMPTY: u64 = 0xc15d_213a_a4d7_a795;

/// The CRC-64-AVRO fingerprint of a schema's parsing canonical form ("Schema Fingerprints" in the specification).
///
/// # Errors
/// When the text is not JSON.
pub fn fingerprint(schema: &str) -> Result<u64, SerdeError> {
    let json = serde_json::from_str(schema).map_err(|error| SerdeError::invalid("Avro schema", error))?;
    Ok(crc64(canonical(&json, "").as_bytes()))
}

fn crc64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(EMPTY, |crc, byte| {
        let mut low = (crc ^ u64::from(*byte)) & 0xff;
        for _ in 0..8 {
            low = (low >> 1) ^ if low & 1 == 1 { EMPTY } else { 0 };
        }
        (crc >> 8) ^ low
    })
}

/// The canonical form of a schema in the namespace `namespace`.
fn canonical(schema: &Value, namespace: &str) -> String {
    match schema {
        Value::String(name) => quoted(&full_name(name, namespace)),
        Value::Array(branches) => list(branches, |branch| canonical(branch, namespace)),
        Value::Object(schema) => canonical_object(schema, namespace),
        other => other.to_string(),
    }
}

fn canonical_object(schema: &Map<String, Value>, namespace: &str) -> String {
    let Some(Value::String(kind)) = schema.get("type") else {
        return schema.get("type").map_or_else(String::new, |inner| canonical(inner, namespace));
    };
    let mut parts = Vec::new();
    let mut inner_namespace = namespace;
    let name = schema.get("name").and_then(Value::as_str).map(|name| match schema.get("namespace") {
        Some(Value::String(own)) => full_name(name, own),
        _ => full_name(name, namespace),
    });
    match kind.as_str() {
        "record" | "error" | "enum" | "fixed" => {
            let name = name.as_deref().unwrap_or_default();
            inner_namespace = name.rsplit_once('.').map_or("", |(namespace, _)| namespace);
            parts.push(format!("\"name\":{}", quoted(name)));
            parts.push(format!("\"type\":{}", quoted(kind)));
        }
        "array" | "map" => parts.push(format!("\"type\":{}", quoted(kind))),
        _ => return quoted(&full_name(kind, namespace)),
    }
    push_children(&mut parts, schema, inner_namespace);
    format!("{{{}}}", parts.join(","))
}

fn push_children(parts: &mut Vec<String>, schema: &Map<String, Value>, namespace: &str) {
    if let Some(Value::Array(fields)) = schema.get("fields") {
        parts.push(format!("\"fields\":{}", list(fields, |field| canonical_field(field, namespace))));
    }
    if let Some(Value::Array(symbols)) = schema.get("symbols") {
        parts.push(format!("\"symbols\":{}", list(symbols, Value::to_string)));
    }
    for child in ["items", "values"] {
        if let Some(inner) = schema.get(child) {
            parts.push(format!("\"{child}\":{}", canonical(inner, namespace)));
        }
    }
    match schema.get("size") {
        Some(Value::String(size)) => parts.push(format!("\"size\":{}", size.trim_start_matches('0'))),
        Some(size) => parts.push(format!("\"size\":{size}")),
        None => {}
    }
}

fn canonical_field(field: &Value, namespace: &str) -> String {
    let name = field.get("name").and_then(Value::as_str).unwrap_or_default();
    let schema = field.get("type").map_or_else(String::new, |schema| canonical(schema, namespace));
    format!("{{\"name\":{},\"type\":{schema}}}", quoted(name))
}

fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() || PRIMITIVES.contains(&name) {
        name.to_owned()
    } else {
        format!("{namespace}.{name}")
    }
}

fn list(items: &[Value], each: impl Fn(&Value) -> String) -> String {
    format!("[{}]", items.iter().map(each).collect::<Vec<_>>().join(","))
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From `share/test/data/schema-tests.txt` of Apache Avro.
    #[test]
    fn fingerprints_agree_with_avros_test_vectors() {
        let cases = [
            (r#""null""#, 7_195_948_357_588_979_594_i64),
            (r#"{"type":"null"}"#, 7_195_948_357_588_979_594),
            (r#""boolean""#, -6_970_731_678_124_411_036),
            (r#"{"type":"fixed", "name":"foo", "size":15, "doc":"x", "aliases":["y"]}"#, 1_756_455_273_707_447_556),
            (
                r#"{"type":"record", "name":"PigValue", "fields":[{"name":"value", "default":null, "type":["null", "int", "long", "PigValue"]}]}"#,
                -1_759_257_747_318_642_341,
            ),
        ];
        for (schema, expected) in cases {
            assert_eq!(fingerprint(schema).unwrap().cast_signed(), expected, "{schema}");
        }
    }

    #[test]
    fn canonical_form_names_in_full_and_drops_what_does_not_matter() {
        let schema = r#"{"namespace":"a.b", "doc":"d", "type":"record", "name":"R", "fields":[
            {"name":"x", "type":{"type":"enum","name":"E","symbols":["A"]}, "order":"ignore"},
            {"name":"y", "type":["null","E"], "default":null, "custom":7},
            {"name":"z", "type":{"type":"long","logicalType":"timestamp-millis"}},
            {"name":"m", "type":{"type":"map","values":{"type":"fixed","name":"c.F","size":4}}}]}"#;
        let expected = concat!(
            r#"{"name":"a.b.R","type":"record","fields":[{"name":"x","type":{"name":"a.b.E","type":"enum","symbols":["A"]}},"#,
            r#"{"name":"y","type":["null","a.b.E"]},{"name":"z","type":"long"},"#,
            r#"{"name":"m","type":{"type":"map","values":{"name":"c.F","type":"fixed","size":4}}}]}"#
        );
        assert_eq!(canonical(&serde_json::from_str(schema).unwrap(), ""), expected);
    }

    #[test]
    fn broken_schema_text_is_an_error() {
        assert!(fingerprint("{").is_err());
        assert!(fingerprint("7").is_ok(), "any JSON has a form; whether it is a schema is the parser's to say");
    }
}
