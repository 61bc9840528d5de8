//! JSON pointers, split once.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

/// A JSON pointer (RFC 6901) such as `/user/id`; `""` is the whole record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    text: Box<str>,
    tokens: Box<[Token]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    name: Box<str>,
    index: Option<usize>,
}

impl Pointer {
    /// Splits a pointer.
    ///
    /// # Errors
    ///
    /// A sentence that goes on from the pointer's place, when the text neither is empty nor begins with `/`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.is_empty() && !text.starts_with('/') {
            return Err(format!("must be a JSON pointer, which begins with \"/\": did you mean \"/{text}\"?"));
        }
        Ok(Self { text: text.into(), tokens: text.split('/').skip(1).map(Token::new).collect() })
    }

    /// The value it points at; `None` where there is none, or where it is null.
    pub fn find<'v>(&self, record: &'v Value) -> Option<&'v Value> {
        let found = self.tokens.iter().try_fold(record, |value, token| match value {
            Value::Object(fields) => fields.get(&*token.name),
            Value::Array(items) => token.index.and_then(|index| items.get(index)),
            _ => None,
        })?;
        (!found.is_null()).then_some(found)
    }

    /// The field of the record that it begins with; `None` for the whole record.
    pub fn field(&self) -> Option<&str> {
        self.tokens.first().map(|token| &*token.name)
    }

    /// The pointer as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Token {
    fn new(text: &str) -> Self {
        let name = text.replace("~1", "/").replace("~0", "~").into_boxed_str();
        let plain = text == "0" || !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        Self { index: if plain { text.parse().ok() } else { None }, name }
    }
}

/// A scalar as text: a string as it is, a number or truth value as its JSON text; `None` for arrays and objects.
pub(crate) fn scalar_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(truth) => Some(Cow::Borrowed(if *truth { "true" } else { "false" })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn finds_what_serde_json_finds_but_never_null() {
        let record = json!({"a": {"b": [10, {"c": "x"}]}, "m~n": 1, "s/t": 2, "": 3, "01": 4, "nothing": null});
        for pointer in ["/a/b/0", "/a/b/1/c", "/m~0n", "/s~1t", "/", "/01", "/a/b/01", "/a/b/2", "/absent", ""] {
            assert_eq!(Pointer::parse(pointer).unwrap().find(&record), record.pointer(pointer), "{pointer}");
        }
        assert_eq!(Pointer::parse("/nothing").unwrap().find(&record), None);
    }

    #[test]
    fn proposes_the_pointer_that_was_meant() {
        assert!(Pointer::parse("user").unwrap_err().ends_with("did you mean \"/user\"?"));
    }

    #[test]
    fn numbers_become_their_json_text() {
        for (value, text) in [(json!(17850), "17850"), (json!(17850.0), "17850.0"), (json!(true), "true")] {
            assert_eq!(scalar_text(&value).as_deref(), Some(text));
        }
        assert_eq!(scalar_text(&json!([1])), None);
    }
}
