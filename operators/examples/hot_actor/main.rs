//! Measures one actor with very many events that arrive in any order, and what the others of its partition notice of it.
//! Prints one JSON object per line.
//!
//! Run with `cargo run --release -p nowfold-operators --example hot_actor`. Options, each as `name=value`:
//!
//! | option | default | |
//! |---|---|---|
//! | `only` | all | `insert`, `query`, `others` or `explain` |
//! | `events` | 1,000,000 | of the actor |
//! | `store` | all | `plain`, `floats`, `vectors`, `capped` or `versions` |
//!
//! Means of inserts are CPU time of their thread; all else is wall time, so other load on the machine shows in the tails.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::disallowed_methods, reason = "a measuring program")]

mod actions;
mod inserts;
mod meter;
mod others;
mod queries;
mod store;

use actions::Kind;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| args.iter().find_map(|arg| arg.strip_prefix(name)?.strip_prefix('='));
    let events = option("events").map_or(1_000_000, |events| events.parse().unwrap());
    let wants = |option: Option<&str>, name: &str| option.is_none_or(|wanted| wanted == name);
    for kind in Kind::ALL.into_iter().filter(|kind| wants(option("store"), kind.name())) {
        let only = |what: &str| wants(option("only"), what);
        if only("insert") || only("query") || only("explain") {
            let (store, rest) = inserts::fill(kind, events);
            if only("query") {
                queries::at_rest(kind, &store, events);
                queries::after_late_events(kind, &store, &rest, events);
            }
            if only("explain") {
                queries::explained(kind, &store, events);
            }
        }
        if only("others") && kind == Kind::Vectors {
            others::beside_a_hot_actor(kind, events);
        }
    }
}
