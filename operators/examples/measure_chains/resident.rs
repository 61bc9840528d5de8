//! Memory by size of the actors, each row in a process of its own.

use std::process::Command;

use super::inserts::fill;
use super::meter::resident_bytes;
use super::options::Options;

/// Events of a row, about.
const EVENTS: u64 = 1_000_000;

/// The store of `actors` with 5 events each, then stores of a million events by size of their actors.
pub(crate) fn table(options: &Options) {
    for shared in [false, true] {
        row_of(options, options.actors, 5, shared);
    }
    for events in [1, 5, 50, 500, 5_000, 100_000] {
        for shared in [false, true] {
            row_of(options, (EVENTS / events).max(1), events, shared);
        }
    }
}

fn row_of(options: &Options, actors: u64, events: u64, shared: bool) {
    let arguments = [
        "only=memory-row".to_owned(),
        format!("actors={actors}"),
        format!("events={events}"),
        format!("dim={}", options.dim),
        format!("texts={}", options.texts),
        format!("shared={}", u8::from(shared)),
    ];
    let status = Command::new(std::env::current_exe().unwrap()).args(arguments).status().unwrap();
    assert!(status.success(), "{actors} actors of {events} events: {status}");
}

/// Fills a store and compares what it says of its memory with what the process grew by.
pub(crate) fn row(options: &Options) {
    let before = resident_bytes();
    let (store, _) = fill(options, options.actors, options.events, options.shared);
    let resident = resident_bytes().saturating_sub(before);
    let memory = store.chains.memory();
    let n = options.actors * options.events;
    let parts: Vec<_> = memory.parts().iter().map(|(part, bytes)| format!(r#""{part}":{bytes}"#)).collect();
    println!(
        r#"{{"what":"memory","actors":{},"events_each":{},"vectors":"{}","resident":{resident},"total":{},"resident_per_event":{},"total_per_event":{},"estimate_per_event":{},"parts":{{{}}}}}"#,
        options.actors,
        options.events,
        if options.shared { "shared" } else { "own" },
        memory.total(),
        resident / n,
        memory.total() / n,
        store.chains.bytes() as u64 / n,
        parts.join(","),
    );
}
