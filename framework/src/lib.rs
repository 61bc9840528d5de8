//! Fresh rolling features from Kafka, as of now.
//!
//! A stream-processing framework in the manner of Kafka Streams, and on it the operators that turn raw user events into
//! per-actor rolling features, read in microseconds. The README says when to use it and when not, and what it promises.
//!
//! ```
//! use nowfold::operators::Features;
//! use nowfold::prelude::*;
//!
//! let app = StreamsBuilder::new("job-feed");
//! app.stream("clicks", Plain::<String, String>::new())
//!     .to_actions("standardize", |member, job| Action::new(member, "view", job).at_ms(1_000))
//!     .through("actions")
//!     .materialize(Actions::named("activity").features([feature("viewed").count().within(hours(24))]));
//!
//! // The driver runs a topology in a test's own thread, with a clock by hand; `Streams::start` runs it for real.
//! let driver = TestDriver::new(app.build()?).starting_at(Timestamp::from_millis(1_000));
//! driver.input("clicks", Plain::<String, String>::new()).pipe("member-111", "job-7", driver.now())?;
//!
//! let features = Features::new(driver.hub(), driver.clock(), "activity");
//! assert_eq!(features.of("member-111")?.count("viewed")?, 1);
//! driver.advance(hours(24))?;
//! assert_eq!(features.of("member-111")?.count("viewed")?, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`prelude`]: what a pipeline's file needs. [`Config`] says where it runs, [`Streams`] runs it.
//! - [`core::dsl`]: every operator. [`operators`]: actions, enrichment, event chains, features and answers.
//! - [`testkit`]: the driver above. `serve`: questions over HTTP.
//! - [`embedded`], `kafka` and [`runtime`]: the logs, and what runs on them.
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `fjall` | yes | generic stores in the state directory |
//! | `kafka` | yes | Apache Kafka and the Schema Registry client; needs a C compiler and make |
//! | `serve` | yes | the HTTP query server |

mod calls;
mod config;
mod erasures;
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
pub use nowfold_disk as disk;
pub use nowfold_embedded as embedded;
#[cfg(feature = "fjall")]
pub use nowfold_fjall as fjall;
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

/// The guide's examples, likewise.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guide/features-and-windows.md")]
struct FeaturesAndWindows;
