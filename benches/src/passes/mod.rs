//! What one process measures: a pass.

mod direct;
mod dsl;
mod materialize;
mod pipeline;
mod raw;

use anyhow::Result;

pub(crate) use direct::{config, payloads};
pub(crate) use dsl::{load as load_texts, why_no_kafka_streams};
pub(crate) use pipeline::load as load_pipeline;

use crate::count;
use crate::freshness;
use crate::options::{Options, Pass};
use crate::query;

/// Runs a pass and prints its lines.
pub(crate) fn run(pass: Pass, options: &Options) -> Result<()> {
    match pass {
        Pass::W0 => raw::consume(options)?.print(options.round),
        Pass::W0d => raw::decode(options)?.print(options.round),
        Pass::W0c => raw::copy(options)?.print(options.round),
        Pass::W1 => materialize::on_kafka(options)?.print(options.round),
        Pass::W1e => materialize::embedded(options)?.print(options.round),
        Pass::Direct => direct::run(options)?.print(options.round),
        Pass::W2 => pipeline::embedded(options)?.print(options.round),
        Pass::W2k => pipeline::on_kafka(options)?.print(options.round),
        Pass::DslRaw => dsl::copy(options)?.print(options.round),
        Pass::DslMap | Pass::DslCount => dsl::run(pass, options)?.print(options.round),
        Pass::KsMap | Pass::KsCount => dsl::kafka_streams(pass, options),
        Pass::Query => query::run(options),
        Pass::Freshness => freshness::embedded(options),
        Pass::FreshnessKafka => freshness::on_kafka(options),
        Pass::CountDecode | Pass::CountInsert | Pass::CountQuery5 | Pass::CountQuery500 => count::run(pass, options),
    }
}
