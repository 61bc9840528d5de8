//! Texts made from a record: ids, verbs, the text of a time.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use crate::pointer::{Pointer, scalar_text};

/// How a text is made from a record. See `docs/guide/replay.md`, "Texts".
#[derive(Clone, Debug, PartialEq)]
pub struct TextSource {
    pub(crate) kind: TextKind,
    /// Other words for some results.
    pub(crate) rename: BTreeMap<String, String>,
    /// Stands in for a missing or empty result.
    pub(crate) default: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TextKind {
    Constant(String),
    Pointer(Pointer),
    Join { parts: Vec<TextSource>, separator: String, missing: MissingPart },
    Template(Vec<Piece>),
    FirstOf(Vec<TextSource>),
}

/// What a missing part makes of a join.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MissingPart {
    /// The whole text is missing.
    #[default]
    Absent,
    /// The part and its separator are left out.
    Skip,
    /// The part counts as an empty text.
    Empty,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    Literal(String),
    /// A field, filled up with zeros on the left to this many characters.
    Field(Pointer, usize),
}

/// The value at `pointer` is an array or an object where a text is needed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value at \"{pointer}\" is an array or an object, not a text: point at a field inside it")]
pub struct NotText {
    /// The pointer in question.
    pub pointer: String,
}

impl TextSource {
    pub(crate) fn new(kind: TextKind) -> Self {
        Self { kind, rename: BTreeMap::new(), default: None }
    }

    /// The text, where it is the same for every record.
    pub(crate) fn constant(&self) -> Option<String> {
        match &self.kind {
            TextKind::Constant(text) => Some(self.rename.get(text).unwrap_or(text).clone()),
            _ => None,
        }
    }

    /// The text; `None` where the record lacks it (missing, null or empty) and no default stands in.
    ///
    /// # Errors
    ///
    /// [`NotText`] for an array or an object.
    pub fn text<'v>(&'v self, record: &'v Value) -> Result<Option<Cow<'v, str>>, NotText> {
        let found = self.kind.text(record)?.filter(|text| !text.is_empty());
        let renamed = found.map(|text| match self.rename.get(&*text) {
            Some(other) => Cow::Borrowed(other.as_str()),
            None => text,
        });
        Ok(renamed.or_else(|| self.default.as_deref().map(Cow::Borrowed)))
    }
}

impl TextKind {
    fn text<'v>(&'v self, record: &'v Value) -> Result<Option<Cow<'v, str>>, NotText> {
        match self {
            Self::Constant(text) => Ok(Some(Cow::Borrowed(text))),
            Self::Pointer(pointer) => field(pointer, record),
            Self::Template(pieces) => fill(pieces, record),
            Self::Join { parts, separator, missing } => join(parts, separator, *missing, record),
            Self::FirstOf(sources) => {
                sources.iter().map(|source| source.text(record)).find_map(Result::transpose).transpose()
            }
        }
    }
}

fn field<'v>(pointer: &Pointer, record: &'v Value) -> Result<Option<Cow<'v, str>>, NotText> {
    let Some(value) = pointer.find(record) else { return Ok(None) };
    scalar_text(value).map(Some).ok_or_else(|| NotText { pointer: pointer.to_string() })
}

fn fill<'v>(pieces: &[Piece], record: &Value) -> Result<Option<Cow<'v, str>>, NotText> {
    let mut filled = String::new();
    for piece in pieces {
        match piece {
            Piece::Literal(text) => filled.push_str(text),
            Piece::Field(pointer, width) => match field(pointer, record)?.filter(|text| !text.is_empty()) {
                Some(text) => {
                    filled.extend(std::iter::repeat_n('0', width.saturating_sub(text.chars().count())));
                    filled.push_str(&text);
                }
                None => return Ok(None),
            },
        }
    }
    Ok(Some(Cow::Owned(filled)))
}

fn join<'v>(
    parts: &[TextSource],
    separator: &str,
    missing: MissingPart,
    record: &Value,
) -> Result<Option<Cow<'v, str>>, NotText> {
    let mut texts = Vec::with_capacity(parts.len());
    for part in parts {
        match (part.text(record)?, missing) {
            (Some(text), _) => texts.push(text),
            (None, MissingPart::Absent) => return Ok(None),
            (None, MissingPart::Skip) => {}
            (None, MissingPart::Empty) => texts.push(Cow::Borrowed("")),
        }
    }
    Ok((!texts.is_empty()).then(|| Cow::Owned(texts.join(separator))))
}

/// Splits a template such as `{/channel}/{/page}`; `{{` and `}}` stand for one brace, `{/hhmm:04}` fills up with zeros.
pub(crate) fn template(text: &str) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut literal, mut rest) = (Vec::new(), String::new(), text);
    while let Some(at) = rest.find(['{', '}']) {
        literal.push_str(&rest[..at]);
        let (brace, after) = rest[at..].split_at(1);
        if let Some(doubled) = after.strip_prefix(brace) {
            literal.push_str(brace);
            rest = doubled;
        } else if let Some((inside, after)) = after.split_once('}').filter(|_| brace == "{") {
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(placeholder(inside)?);
            rest = after;
        } else {
            return Err("has a brace without its partner: write {{ or }} for a brace itself".to_owned());
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

fn placeholder(inside: &str) -> Result<Piece, String> {
    let width = inside.rsplit_once(":0").and_then(|(pointer, width)| Some((pointer, width.parse::<u8>().ok()?)));
    let (pointer, width) = width.map_or((inside, 0), |(pointer, width)| (pointer, usize::from(width)));
    Ok(Piece::Field(Pointer::parse(pointer)?, width))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pointer(text: &str) -> TextSource {
        TextSource::new(TextKind::Pointer(Pointer::parse(text).unwrap()))
    }

    fn check(source: &TextSource, record: Value, expected: Option<&str>) {
        assert_eq!(source.text(&record).unwrap().as_deref(), expected, "{source:?} of {record}");
    }

    #[test]
    fn a_pointer_gives_the_text_of_scalars_and_nothing_for_null_missing_or_empty() {
        let source = pointer("/id");
        check(&source, json!({"id": "x"}), Some("x"));
        check(&source, json!({"id": 17850}), Some("17850"));
        check(&source, json!({"id": false}), Some("false"));
        for record in [json!({"id": null}), json!({}), json!({"id": ""}), json!("text"), json!(null)] {
            check(&source, record, None);
        }
        assert_eq!(source.text(&json!({"id": [1]})).unwrap_err().pointer, "/id");
    }

    #[test]
    fn templates_fill_fields_pad_with_zeros_and_need_every_field() {
        let source = TextSource::new(TextKind::Template(template("{{{/a}}}-{/b:04}").unwrap()));
        check(&source, json!({"a": "x", "b": 517}), Some("{x}-0517"));
        check(&source, json!({"a": "x", "b": "12345"}), Some("{x}-12345"));
        check(&source, json!({"a": "x", "b": null}), None);
    }

    #[test]
    fn bad_templates_are_refused() {
        for text in ["{/a", "/a}", "{a}", "a } b"] {
            assert!(template(text).is_err(), "{text}");
        }
        assert_eq!(template("").unwrap(), []);
    }

    #[test]
    fn joins_treat_missing_parts_as_told() {
        for (missing, expected) in
            [(MissingPart::Absent, None), (MissingPart::Skip, Some("a|c")), (MissingPart::Empty, Some("a||c"))]
        {
            let parts = vec![pointer("/a"), pointer("/b"), pointer("/c")];
            let source = TextSource::new(TextKind::Join { parts, separator: "|".into(), missing });
            check(&source, json!({"a": "a", "c": "c"}), expected);
            check(&source, json!({"a": 1, "b": 2, "c": 3}), Some("1|2|3"));
        }
    }

    #[test]
    fn first_of_takes_the_first_that_is_there() {
        let source = TextSource::new(TextKind::FirstOf(vec![pointer("/a"), pointer("/b")]));
        check(&source, json!({"a": "", "b": "b"}), Some("b"));
        check(&source, json!({"a": "a", "b": "b"}), Some("a"));
        check(&source, json!({}), None);
    }

    #[test]
    fn renames_results_and_falls_back_on_the_default() {
        let mut source = pointer("/type");
        source.rename = [("PushEvent".to_owned(), "push".to_owned())].into();
        source.default = Some("other".to_owned());
        check(&source, json!({"type": "PushEvent"}), Some("push"));
        check(&source, json!({"type": "Fork"}), Some("Fork"));
        check(&source, json!({}), Some("other"));
    }
}
