//! kill -9 in the middle, and the same command again.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::*;

/// Starts the command, kills it once it has noted more than `beyond` lines, and gives the lines that were noted.
pub(crate) fn kill_in_the_middle(mut command: std::process::Command, progress: &std::path::Path, beyond: u64) -> u64 {
    let mut child = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    let noted = || std::fs::read(progress).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    while noted().is_none_or(|progress| progress["lines"].as_u64() <= Some(beyond)) {
        assert!(started.elapsed() < Duration::from_secs(60), "no progress was noted");
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    noted().unwrap()["lines"].as_u64().unwrap()
}

#[test]
fn killed_and_run_again_it_goes_on_and_doubles_nothing() {
    let world = World::new();
    let progress = world.path("backfill-nycflights13.json");
    let options = [KEPT, &["--only", "plane"]].concat();
    let first =
        kill_in_the_middle(world.backfill(&mapping(), &[&options[..], &["--rate", "6000"]].concat()), &progress, 0);
    // And once more, while it goes on.
    let again = world.backfill(&mapping(), &[&options[..], &["--rate", "9000"]].concat());
    let second = kill_in_the_middle(again, &progress, first);
    assert!(first < second && second < N_LINES, "{first} {second}");
    let (out, _) = done(world.backfill(&mapping(), &options));
    assert!(out.contains(&format!(", {second} before")), "{out}");
    let app = store(world.config(), "planes", "flights-by-plane");
    assert!(check_questions(&app, "tailnum") > 10);
    app.close().unwrap();
}
