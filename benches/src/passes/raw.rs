//! The ceilings: what a client pays before any framework does anything.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context, Result};
use nowfold::schemas::ActionCodec;
use rdkafka::Message;
use rdkafka::message::BorrowedMessage;
use serde_json::{Map, Value};

use crate::meter::Meter;
use crate::options::{Options, Pass, need_bootstrap};
use crate::place::{Place, actions_topic};
use crate::raw::{self, RawReader, RawWriter, touch};
use crate::report::Measurement;

/// The topic that copies go to.
const COPY: &str = "nowfold-bench-copy";

/// W0: poll, sum every byte.
pub(crate) fn consume(options: &Options) -> Result<Measurement> {
    let (mut sum, mut bytes) = (0_u64, 0);
    let line = read(options, Pass::W0, |message| {
        sum = sum.wrapping_add(touch(message.key())).wrapping_add(touch(message.payload()));
        bytes += message.key_len() + message.payload_len();
        Ok(())
    })?;
    let mean = bytes as u64 / line.n_records.max(1);
    line.measurement.figure("checksum", sum)?.figure("bytes_per_record", mean)
}

/// W0d: W0 with nowfold's decoder into owned actions instead of the sum.
pub(crate) fn decode(options: &Options) -> Result<Measurement> {
    let codec = ActionCodec::new();
    let line = read(options, Pass::W0d, |message| {
        let payload = message.payload().context("an action is never null")?;
        drop(black_box(codec.read(payload)?));
        Ok(())
    })?;
    Ok(line.measurement)
}

/// W0c: W0, and every record produced to another topic.
pub(crate) fn copy(options: &Options) -> Result<Measurement> {
    copy_of("w0c", &actions_topic(options.records, options.seed), options)
}

/// The same over any topic.
pub(crate) fn copy_of(name: &'static str, topic: &str, options: &Options) -> Result<Measurement> {
    let bootstrap = need_bootstrap()?;
    let place = Place::kafka(&bootstrap, None)?;
    place.create_topic(COPY, &[])?;
    let mut sum = 0_u64;
    let meter = Meter::start()?;
    let (reader, mut writer) = (RawReader::open(&bootstrap, topic)?, RawWriter::open(&bootstrap)?);
    let n = reader.read(|message| {
        sum = sum.wrapping_add(touch(message.key())).wrapping_add(touch(message.payload()));
        writer.send(COPY, message)
    })?;
    writer.finish()?;
    let spent = meter.spent()?;
    place.delete_topic(COPY)?;
    let line = Measurement::new(name, n, spent, options.seed)?.figure("checksum", sum)?;
    line.setting("client", client_settings())?.setting("topic", topic).map(Measurement::note_if_short)
}

struct Line {
    measurement: Measurement,
    n_records: u64,
}

/// Reads the actions topic again and again until the pass is long enough, at least once.
fn read(options: &Options, pass: Pass, mut visit: impl FnMut(&BorrowedMessage<'_>) -> Result<()>) -> Result<Line> {
    let topic = actions_topic(options.records, options.seed);
    let (bootstrap, long_enough) = (need_bootstrap()?, Duration::from_secs(options.seconds));
    let meter = Meter::start()?;
    let reader = RawReader::open(&bootstrap, &topic)?;
    let (mut n_records, mut times) = (0, 0);
    while times == 0 || meter.elapsed() < long_enough {
        n_records += reader.read(&mut visit)?;
        times += 1;
    }
    let name = if pass == Pass::W0 { "w0" } else { "w0d" };
    let line = Measurement::new(name, n_records, meter.spent()?, options.seed)?;
    let line = line.setting("topic", topic)?.setting("times_read", times)?.setting("client", client_settings())?;
    Ok(Line { measurement: line.note_if_short(), n_records })
}

fn client_settings() -> Map<String, Value> {
    raw::SETTINGS.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect()
}
