//! Answers as JSON, no longer than the limit.

use std::io;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::fault::Fault;
use crate::problem::Problem;

/// A JSON text that is being written and stays within a limit.
#[derive(Debug)]
pub(crate) struct Text {
    bytes: Vec<u8>,
    limit: usize,
}

impl Text {
    pub(crate) fn new(limit: usize) -> Self {
        Self { bytes: Vec::with_capacity(4_096), limit }
    }

    /// Appends text as it is.
    pub(crate) fn push(&mut self, text: &str) -> Result<(), Problem> {
        io::Write::write_all(self, text.as_bytes()).map_err(|_| self.too_long())
    }

    /// Appends a value as JSON.
    pub(crate) fn push_json(&mut self, value: &impl Serialize) -> Result<(), Problem> {
        serde_json::to_writer(&mut *self, value).map_err(|error| match error.is_io() {
            true => self.too_long(),
            false => {
                tracing::error!(%error, "an answer could not be written as JSON");
                Fault::Internal.into()
            }
        })
    }

    fn too_long(&self) -> Problem {
        Fault::AnswerTooLong { limit: self.limit }.into()
    }
}

impl io::Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len().saturating_add(bytes.len()) > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl IntoResponse for Text {
    fn into_response(mut self) -> Response {
        // For the next prompt of a person at a terminal.
        self.bytes.push(b'\n');
        let json = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        (json, self.bytes).into_response()
    }
}

/// A whole answer.
pub(crate) fn json(value: &impl Serialize, limit: usize) -> Result<Response, Problem> {
    let mut text = Text::new(limit);
    text.push_json(value)?;
    Ok(text.into_response())
}
