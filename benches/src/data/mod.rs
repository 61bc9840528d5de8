//! The seeded input: 200,000 actors (Zipf 1.05) act on 20,000 objects (Zipf 1.0) with an embedding of 64 f32 each.

mod random;
mod world;
mod zipf;

use anyhow::Result;
use nowfold::core::serde::avro::{SchemaRef, fingerprint};
use nowfold::schemas::{ACTION_SCHEMA, Action, ActionCodec};

pub(crate) use random::Random;
pub(crate) use world::{DIM, Event, SPAN_MS, Schedule, World, actor_name, object_name, title};

/// Writes actions as they lie in a topic without a registry: nowfold's own schema in single-object encoding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encoder(SchemaRef);

impl Encoder {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(SchemaRef::Fingerprint(fingerprint(ACTION_SCHEMA)?)))
    }

    pub(crate) fn encode(self, action: &Action) -> Result<Vec<u8>> {
        Ok(ActionCodec::write(self.0, action)?)
    }
}
