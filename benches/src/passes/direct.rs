//! Decoding and inserting by one thread from memory: what B costs without a log, a runtime or a broker.

use anyhow::{Context, Result};
use nowfold::core::time::{Timestamp, hours};
use nowfold::operators::chain::{Appended, ChainConfig, EventChains};
use nowfold::schemas::ActionCodec;

use crate::data::{DIM, Encoder, Schedule, World};
use crate::meter::Meter;
use crate::options::Options;
use crate::place::now_ms;
use crate::report::Measurement;

/// Every record decoded and applied, in order.
pub(crate) fn run(options: &Options) -> Result<Measurement> {
    let payloads = payloads(options.seed, options.records)?;
    let (codec, chains) = (ActionCodec::new(), EventChains::new(config()));
    let appended = Timestamp::from_millis(now_ms());
    let meter = Meter::start()?;
    for (offset, payload) in payloads.iter().enumerate() {
        let action = codec.read(payload)?;
        let admission = chains.apply(&action, Appended::new(i64::try_from(offset)?, appended));
        anyhow::ensure!(admission.is_admitted(), "record {offset} is {}", admission.reason());
    }
    let spent = meter.spent()?;
    let line = Measurement::new("direct", options.records, spent, options.seed)?;
    let line = line.figure("store_bytes", chains.bytes())?.figure("actors", chains.actors())?;
    Ok(line.setting("threads", 1)?.note_if_short().note("peak memory holds the input as well as the store"))
}

/// The store's settings, as B's.
pub(crate) fn config() -> ChainConfig {
    ChainConfig::new(hours(98)).vector_dim("object.embedding", DIM)
}

/// The first records of a world, encoded; the newest of them happens now.
pub(crate) fn payloads(seed: u64, n: u64) -> Result<Vec<Vec<u8>>> {
    let (world, encoder) = (World::new(seed), Encoder::new()?);
    let schedule = Schedule { n_events: n, end_ms: now_ms() };
    let take = usize::try_from(n).context("so many records do not fit in memory")?;
    world.events().take(take).map(|event| encoder.encode(&world.action(&event, schedule.time(&event)))).collect()
}
