//! The codec against `apache-avro`'s generic reader, over random schemas and data.
//!
//! The oracle takes the tree of values that `apache-avro` reads and turns it into an action by the table in the codec's
//! documentation, with the schema at hand; it shares no code with the codec.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use nowfold_schemas::{Action, ActionCodec, Attribute, Attributes};

use crate::support::encode;

const CASES: u64 = 3_000;

/// A schema as the generator sees it.
#[derive(Clone, Debug)]
enum Type {
    Plain(&'static str),
    Fixed(usize),
    Enum,
    Array(Box<Type>),
    Map(Box<Type>),
    Union(Vec<Type>),
    Record(Vec<(String, Type)>),
}

struct Random {
    state: u64,
    names: u32,
}

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.state >> 33).unwrap() % n
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn plain(&mut self) -> Type {
        const PLAIN: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "string", "bytes"];
        Type::Plain(PLAIN[self.below(PLAIN.len())])
    }

    fn any(&mut self, depth: usize) -> Type {
        match self.below(if depth == 0 { 6 } else { 12 }) {
            0 => Type::Fixed(self.below(9)),
            1 => Type::Enum,
            2..=5 => self.plain(),
            6 | 7 => Type::Array(Box::new(self.any(depth - 1))),
            8 => Type::Map(Box::new(self.any(depth - 1))),
            9 | 10 => self.union(depth - 1),
            _ => self.record(depth - 1),
        }
    }

    /// A union: at most one of each unnamed type, and no union within.
    fn union(&mut self, depth: usize) -> Type {
        let mut branches: BTreeMap<String, Type> = BTreeMap::new();
        for _ in 0..1 + self.below(4) {
            let branch = self.any(depth);
            let key = match &branch {
                Type::Plain(name) => (*name).to_owned(),
                Type::Array(_) => "array".into(),
                Type::Map(_) => "map".into(),
                Type::Union(_) => continue,
                named => format!("{}-{named:?}", branches.len()),
            };
            branches.insert(key, branch);
        }
        if branches.is_empty() { self.plain() } else { Type::Union(branches.into_values().collect()) }
    }

    fn record(&mut self, depth: usize) -> Type {
        Type::Record((0..self.below(4)).map(|i| (format!("f{i}"), self.any(depth))).collect())
    }

    fn id(&mut self) -> Type {
        match self.below(6) {
            0 => Type::Plain("long"),
            1 => Type::Enum,
            2 => Type::Union(vec![Type::Plain("null"), Type::Plain("string"), Type::Plain("int")]),
            _ => Type::Plain("string"),
        }
    }

    fn number(&mut self) -> Type {
        match self.below(4) {
            0 => Type::Plain("int"),
            1 => Type::Union(vec![Type::Plain("long"), Type::Plain("null")]),
            2 => Type::Plain("null"),
            _ => Type::Plain("long"),
        }
    }

    fn attributes(&mut self) -> Type {
        let set = if self.chance(50) { Type::Map(Box::new(self.any(3))) } else { self.record(3) };
        if self.chance(30) { Type::Union(vec![Type::Plain("null"), set]) } else { set }
    }

    /// A record that can hold actions: some fields, in any order, between others.
    fn action(&mut self) -> Vec<(String, Type)> {
        let mut fields: Vec<(String, Type)> =
            ["actor", "verb", "object"].map(|name| (name.to_owned(), self.id())).into();
        for name in ["timestamp", "sequence"] {
            if self.chance(70) {
                fields.push((name.into(), self.number()));
            }
        }
        if self.chance(50) {
            fields.push(("eventId".into(), self.id()));
        }
        for name in ["actorAttributes", "verbAttributes", "objectAttributes"] {
            if self.chance(70) {
                fields.push((name.into(), self.attributes()));
            }
        }
        for i in 0..self.below(3) {
            fields.push((format!("extra{i}"), self.any(3)));
        }
        for i in (1..fields.len()).rev() {
            fields.swap(i, self.below(i + 1));
        }
        fields
    }

    fn schema(&mut self, of: &Type) -> String {
        self.names += 1;
        let name = self.names;
        match of {
            Type::Plain(name) => format!("{name:?}"),
            Type::Fixed(size) => format!(r#"{{"type":"fixed","name":"N{name}","size":{size}}}"#),
            Type::Enum => format!(r#"{{"type":"enum","name":"N{name}","symbols":["A","B"]}}"#),
            Type::Array(item) => format!(r#"{{"type":"array","items":{}}}"#, self.schema(item)),
            Type::Map(item) => format!(r#"{{"type":"map","values":{}}}"#, self.schema(item)),
            Type::Union(branches) => {
                let branches: Vec<_> = branches.iter().map(|branch| self.schema(branch)).collect();
                format!("[{}]", branches.join(","))
            }
            Type::Record(fields) => {
                let mut text = String::new();
                for (field, of) in fields {
                    let schema = self.schema(of);
                    write!(text, r#"{}{{"name":"{field}","type":{schema}}}"#, if text.is_empty() { "" } else { "," })
                        .unwrap();
                }
                format!(r#"{{"type":"record","name":"N{name}","fields":[{text}]}}"#)
            }
        }
    }

    fn value(&mut self, of: &Type) -> Value {
        let n = i32::try_from(self.below(2_000_000)).unwrap() - 1_000_000;
        match of {
            Type::Plain("null") => Value::Null,
            Type::Plain("boolean") => Value::Boolean(n % 2 == 0),
            Type::Plain("int") => Value::Int(n),
            Type::Plain("long") => Value::Long(i64::from(n) << self.below(40)),
            Type::Plain("float") => Value::Float(n as f32 / 8.0),
            Type::Plain("double") => Value::Double(f64::from(n) / 3.0),
            Type::Plain("string") => {
                Value::String(["", "x", "größer", "a text of more than thirty-two bytes"][self.below(4)].into())
            }
            Type::Plain(_) => Value::Bytes((0..self.below(10)).map(|i| u8::try_from(i).unwrap()).collect()),
            Type::Fixed(size) => Value::Fixed(*size, vec![1; *size]),
            Type::Enum => {
                if self.chance(50) {
                    Value::Enum(0, "A".into())
                } else {
                    Value::Enum(1, "B".into())
                }
            }
            Type::Array(item) => Value::Array((0..self.below(4)).map(|_| self.value(item)).collect()),
            Type::Map(item) => {
                let entries = (0..self.below(4)).map(|i| (format!("k{i}"), self.value(item)));
                Value::Map(entries.collect::<HashMap<_, _>>())
            }
            Type::Union(branches) => {
                let branch = self.below(branches.len());
                Value::Union(u32::try_from(branch).unwrap(), Box::new(self.value(&branches[branch])))
            }
            Type::Record(fields) => {
                Value::Record(fields.iter().map(|(name, of)| (name.clone(), self.value(of))).collect())
            }
        }
    }
}

/// The oracle: an action from `apache-avro`'s tree of values.
fn expected(fields: &[(String, Type)], values: &Value) -> Action {
    let Value::Record(values) = values else { panic!() };
    let mut action = Action::default();
    for ((name, of), (_, value)) in fields.iter().zip(values) {
        match name.as_str() {
            "actor" => action.actor = id(value).into(),
            "verb" => action.verb = id(value).into(),
            "object" => action.object = id(value).into(),
            "eventId" => action.event_id = id(value).into(),
            "timestamp" => action.timestamp = number(value).map(nowfold_core::time::Timestamp::from_millis),
            "sequence" => action.sequence = number(value),
            "actorAttributes" => action.actor_attributes = set(of, value),
            "verbAttributes" => action.verb_attributes = set(of, value),
            "objectAttributes" => action.object_attributes = set(of, value),
            _ => {}
        }
    }
    action
}

fn id(value: &Value) -> String {
    match value {
        Value::Union(_, value) => id(value),
        Value::String(text) | Value::Enum(_, text) => text.clone(),
        Value::Long(n) => n.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Null => String::new(),
        other => panic!("{other:?}"),
    }
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Union(_, value) => number(value),
        Value::Long(n) => Some(*n),
        Value::Int(n) => Some(i64::from(*n)),
        _ => None,
    }
}

fn set(of: &Type, value: &Value) -> Attributes {
    let mut out = BTreeMap::new();
    match (of, value) {
        (_, Value::Union(_, value)) if **value == Value::Null => {}
        _ => flatten(of, value, "", &mut out),
    }
    out.into_iter().collect()
}

fn flatten(of: &Type, value: &Value, name: &str, out: &mut BTreeMap<String, Attribute>) {
    let join = |field: &str| if name.is_empty() { field.to_owned() } else { format!("{name}.{field}") };
    match (of, value) {
        (Type::Record(fields), Value::Record(values)) => {
            for ((field, of), (_, value)) in fields.iter().zip(values) {
                flatten(of, value, &join(field), out);
            }
        }
        (Type::Map(of), Value::Map(values)) => {
            for (key, value) in values {
                flatten(of, value, &join(key), out);
            }
        }
        (Type::Union(branches), Value::Union(i, value)) => {
            flatten(&branches[usize::try_from(*i).unwrap()], value, name, out);
        }
        (Type::Array(item), _) if !is_item(item) => {}
        _ => drop(out.insert(name.to_owned(), attribute(of, value))),
    }
}

fn is_item(of: &Type) -> bool {
    match of {
        Type::Map(_) => false,
        Type::Record(fields) => fields.len() == 1 && is_item(&fields[0].1),
        Type::Union(branches) => branches.iter().all(is_item),
        Type::Array(item) => is_item(item),
        _ => true,
    }
}

fn attribute(of: &Type, value: &Value) -> Attribute {
    match (of, value) {
        (_, Value::Null) => Attribute::Null,
        (_, Value::Boolean(value)) => Attribute::Bool(*value),
        (_, Value::Int(value)) => Attribute::Int(i64::from(*value)),
        (_, Value::Long(value)) => Attribute::Int(*value),
        (_, Value::Float(value)) => Attribute::Float(f64::from(*value)),
        (_, Value::Double(value)) => Attribute::Float(*value),
        (_, Value::String(text) | Value::Enum(_, text)) => Attribute::Text(text.as_str().into()),
        (_, Value::Bytes(bytes) | Value::Fixed(_, bytes)) => {
            let number = |chunk: &[u8]| chunk.try_into().map_or(f32::NAN, f32::from_le_bytes);
            Attribute::Vector(bytes.chunks(4).map(number).collect())
        }
        (Type::Array(item), Value::Array(values)) => match **item {
            Type::Plain("float") => {
                Attribute::Vector(values.iter().map(|v| if let Value::Float(x) = v { *x } else { panic!() }).collect())
            }
            #[expect(clippy::cast_possible_truncation, reason = "vectors are of f32")]
            Type::Plain("double") => Attribute::Vector(
                values.iter().map(|v| if let Value::Double(x) = v { *x as f32 } else { panic!() }).collect(),
            ),
            _ => Attribute::List(values.iter().map(|value| attribute(item, value)).collect()),
        },
        (Type::Union(branches), Value::Union(i, value)) => attribute(&branches[usize::try_from(*i).unwrap()], value),
        (Type::Record(fields), Value::Record(values)) => attribute(&fields[0].1, &values[0].1),
        other => panic!("{other:?}"),
    }
}

#[test]
fn codec_reads_what_apache_avro_reads_over_random_schemas() {
    let cases = std::env::var("NOWFOLD_DIFFERENTIAL_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(CASES);
    for seed in 0..cases {
        let mut random = Random { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), names: 0 };
        let fields = random.action();
        let schema = random.schema(&Type::Record(fields.clone()));
        let parsed = Schema::parse_str(&schema).unwrap_or_else(|error| panic!("seed {seed}: {schema}: {error}"));
        let codec =
            ActionCodec::new().with_schema(&schema).unwrap_or_else(|error| panic!("seed {seed}: {schema}: {error}"));
        for _ in 0..4 {
            let value = random.value(&Type::Record(fields.clone()));
            let bytes = encode(&schema, value);
            let tree = GenericDatumReader::builder(&parsed).build().unwrap().read_value(&mut &bytes[10..]).unwrap();
            let read = codec.read(&bytes).unwrap_or_else(|error| panic!("seed {seed}: {schema}: {bytes:?}: {error}"));
            // NaN is not equal to itself, its text is.
            assert_eq!(
                format!("{read:?}"),
                format!("{:?}", expected(&fields, &tree)),
                "seed {seed}: {schema}: {bytes:?}"
            );
            for len in 10..bytes.len() {
                drop(codec.read(&bytes[..len]));
            }
        }
    }
}
