//! What can be wrong with a request, apart from its question.

use axum::http::StatusCode;

/// What can be wrong with a request, apart from its question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("NF030 there is nothing at this path; see /openapi.json for what there is")]
    NoSuchPath,
    #[error("NF031 this path does not answer {method}; it answers {allowed}")]
    Method { method: String, allowed: &'static str },
    #[error("NF032 the request's {part} is longer than {limit} bytes; ask in several requests")]
    TooLong { part: Part, limit: usize },
    #[error(
        "NF033 the request took longer than {limit_ms} ms; send it in one go, and ask for less or with a shorter wait"
    )]
    TooSlow { limit_ms: u128 },
    #[error("NF034 {limit} requests are in progress, which is all this server takes; retry after 1 s")]
    Busy { limit: usize },
    #[error("NF035 the answer would be longer than {limit} bytes; ask for fewer actors, features or actions")]
    AnswerTooLong { limit: usize },
    #[error(
        "NF036 this server answers requests for localhost only, not for {host:?}; ask it by its loopback address, or start it with allow_remote_insecure()"
    )]
    ForeignHost { host: String },
    #[error("NF037 the application gave the server no topology; hand it over with App::topology")]
    NoTopology,
    #[error("NF025 the request does not show the server's secret; send it as Authorization: Bearer SECRET")]
    Unauthorized,
    #[error("NF039 this server reads only; give it a secret (NOWFOLD_HTTP_TOKEN) to let those who show it erase")]
    ReadOnly,
    #[error("NF038 the server failed at this request; see its log, and report it")]
    Internal,
}

/// A part of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Uri,
    Body,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Uri => "URI",
            Self::Body => "body",
        })
    }
}

impl Fault {
    /// The stable code, such as `NF030`.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NoSuchPath => "NF030",
            Self::Method { .. } => "NF031",
            Self::TooLong { .. } => "NF032",
            Self::TooSlow { .. } => "NF033",
            Self::Busy { .. } => "NF034",
            Self::AnswerTooLong { .. } => "NF035",
            Self::ForeignHost { .. } => "NF036",
            Self::NoTopology => "NF037",
            Self::Internal => "NF038",
            Self::Unauthorized => "NF025",
            Self::ReadOnly => "NF039",
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchPath | Self::NoTopology => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLong { part: Part::Uri, .. } => StatusCode::URI_TOO_LONG,
            Self::TooLong { part: Part::Body, .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::AnswerTooLong { .. } => StatusCode::BAD_REQUEST,
            Self::ForeignHost { .. } => StatusCode::MISDIRECTED_REQUEST,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::ReadOnly => StatusCode::FORBIDDEN,
        }
    }

    /// Whether the rest of the request is not worth reading.
    pub(crate) fn ends_connection(&self) -> bool {
        matches!(self, Self::TooLong { .. } | Self::TooSlow { .. })
    }
}
