//! Fresh rolling features from Kafka, as of now.
//!
//! A stream-processing framework in the manner of Kafka Streams, and on it the operators that turn raw user events into
//! per-actor rolling features, read in microseconds. See the README for when to use it, and `docs/guide`.
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `kafka` | yes | Apache Kafka and the Schema Registry client; needs a C compiler and make |
//! | `serve` | yes | the HTTP query server |

mod config;
mod error;
pub mod prelude;
mod producer;
mod signals;
mod streams;

pub use config::Config;
pub use error::Error;
pub use producer::Producer;
pub use signals::end_flag;
pub use streams::Streams;

pub use nowfold_core as core;
pub use nowfold_embedded as embedded;
#[cfg(feature = "kafka")]
pub use nowfold_kafka as kafka;
pub use nowfold_operators as operators;
pub use nowfold_runtime as runtime;
pub use nowfold_schemas as schemas;
#[cfg(feature = "serve")]
pub use nowfold_serve as serve;
pub use nowfold_testkit as testkit;

/// The README's examples, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
