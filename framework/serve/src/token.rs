//! The secret that lets a client write.

use std::fmt;
use std::hint::black_box;

use axum::http::{HeaderMap, header};

/// The secret that lets a client write. It is shown nowhere, and compared in a time that does not tell how much of it was right.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A secret; the longer the better. An empty one lets nobody in.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// Whether a request shows it, as `Authorization: Bearer SECRET`.
    pub(crate) fn admits(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
        let shown = shown.and_then(|shown| shown.split_at_checked(7)).filter(|(scheme, _)| is_bearer(scheme));
        shown.is_some_and(|(_, secret)| !self.0.is_empty() && same(secret, self.0.as_bytes()))
    }
}

fn is_bearer(scheme: &[u8]) -> bool {
    scheme.eq_ignore_ascii_case(b"bearer ")
}

/// Looks at every byte, wherever the first difference is.
fn same(shown: &[u8], secret: &[u8]) -> bool {
    let differences = shown.iter().zip(secret).fold(0, |all, (a, b)| black_box(all | (a ^ b)));
    shown.len() == secret.len() && differences == 0
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(secret: &str, shown: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, shown.parse().unwrap());
        Token::new(secret).admits(&headers)
    }

    #[test]
    fn admits_who_shows_the_secret_and_nobody_else() {
        assert!(admits("s3cret", "Bearer s3cret") && admits("s3cret", "bearer s3cret"));
        for shown in ["Bearer s3cre", "Bearer s3cret2", "Bearer S3cret", "Basic s3cret", "s3cret", "Bearer", "Bearer "]
        {
            assert!(!admits("s3cret", shown), "{shown}");
        }
        assert!(!admits("", "Bearer ") && !Token::new("x").admits(&HeaderMap::new()));
        assert_eq!(format!("{:?}", Token::new("s3cret")), "Token");
    }
}
