//! Deterministic tests of topologies: the same tasks as in production, over logs in memory and a clock driven by hand.
//!
//! ```
//! use nowfold_core::dsl::StreamsBuilder;
//! use nowfold_core::serde::Plain;
//! use nowfold_core::time::Timestamp;
//! use nowfold_testkit::TestDriver;
//!
//! let app = StreamsBuilder::new("shout");
//! app.stream("words", Plain::<String, String>::new())
//!     .map_values("upper", |_, word| word.to_uppercase())
//!     .to("loud-words", Plain::new());
//!
//! let driver = TestDriver::new(app.build()?);
//! let words = driver.input("words", Plain::<String, String>::new());
//! let loud = driver.output("loud-words", Plain::<String, String>::new());
//! words.pipe("k", "hello", Timestamp::from_millis(7))?;
//! assert_eq!(loud.read_pairs(), [("k".to_owned(), "HELLO".to_owned())]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`TestDriver`] has no threads and no network, so it finds faults of a topology, not those of a broker, a rebalance or
//! a clock. [`sim`] has all of these: it runs several instances of an application on the runtime of production, with
//! crashes, rebalances and a network that fails, and every run of a seed is the same.

mod calls;
mod clock;
pub mod contract;
mod dead_letter;
mod driver;
mod engine;
mod input;
mod log;
mod output;
mod publish;
pub mod sim;
mod topics;

pub use clock::ManualClock;
pub use dead_letter::DeadLetter;
pub use driver::TestDriver;
pub use input::Input;
pub use output::{Output, Stored};
