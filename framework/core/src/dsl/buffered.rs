//! Records that a store holds back: values and headers as bytes (postcard).

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::processor::ProcessError;
use crate::record::{Header, Headers};
use crate::time::Timestamp;

/// A record held back.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Buffered {
    timestamp: i64,
    pub(super) new: Option<Bytes>,
    pub(super) old: Option<Bytes>,
    headers: Vec<(String, Option<Bytes>)>,
}

impl Buffered {
    pub(super) fn new(timestamp: Timestamp, new: Option<Bytes>, old: Option<Bytes>, headers: &Headers) -> Self {
        let headers = headers.iter().map(|header| (header.name.clone(), header.value.clone())).collect();
        Self { timestamp: timestamp.as_millis(), new, old, headers }
    }

    pub(super) fn timestamp(&self) -> Timestamp {
        Timestamp::from_millis(self.timestamp)
    }

    pub(super) fn headers(&self) -> Headers {
        self.headers.iter().map(|(name, value)| Header { name: name.clone(), value: value.clone() }).collect()
    }

    pub(super) fn to_bytes(&self) -> Result<Bytes, ProcessError> {
        Ok(postcard::to_stdvec(self)?.into())
    }

    pub(super) fn from_bytes(bytes: &Bytes) -> Result<Self, ProcessError> {
        Ok(postcard::from_bytes(bytes)?)
    }
}
