//! Measures event chains and prints one JSON object per line: inserts, queries beside a writer, memory.
//!
//! Run with `cargo run --release -p nowfold-operators --example measure_chains`. Options, each as `name=value`:
//!
//! | option | default | |
//! |---|---|---|
//! | `only` | all | `insert`, `query` or `memory` |
//! | `actors` | 1,000,000 | with 5 events each, for `insert` and `memory` |
//! | `hot` | 100,000 | events of the heavy actor |
//! | `dim` | 64 | of the vectors |
//! | `texts` | 0 | short texts besides the vector in every event |
//! | `queries` | 20,000 | per row |
//! | `spread` | 100,000 | actors among which queries choose, a million events in all |
//! | `events` | 5, 500 and `hot` | of the actors queried |
//!
//! Inserts are given in CPU time of their thread, queries in wall time: other load on the machine shows in their tails.
//! Every row of `memory` is measured in a process of its own.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::disallowed_methods, reason = "a measuring program")]

mod events;
mod inserts;
mod meter;
mod options;
mod queries;
mod random;
mod resident;
mod store;

use options::Options;

fn main() {
    let options = Options::from_args();
    match &*options.only {
        "memory-row" => resident::row(&options),
        "memory" => resident::table(&options),
        "insert" => inserts::all(&options),
        "query" => queries::all(&options),
        _ => {
            inserts::all(&options);
            queries::all(&options);
            resident::table(&options);
        }
    }
}
