//! Windows of 1, 24 and 96 hours from one store, events that come late, and which events sit on a window's edge.
//!
//! Run `cargo run -p nowfold-examples --bin multi-window`. Expect the counts of one member as of an instant T and as of a
//! millisecond before it, why they differ, and what became of an event that was too late.

use std::time::Duration;

use nowfold::core::time::millisecs;
use nowfold::prelude::*;
use nowfold_examples::small;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Click {
    kind: String,
    at_ms: i64,
}

const MEMBER: &str = "member-111";
const MS: Duration = millisecs(1);

/// What the member did, by age at T, in the order of arrival: the newest first, so that all others come late.
const CLICKS: [(&str, Duration); 8] = [
    ("view", Duration::ZERO),
    ("save", hours(1)),
    ("view", hours(1).saturating_sub(MS)),
    ("apply", hours(24)),
    ("view", hours(24).saturating_sub(MS)),
    ("view", hours(30)),
    ("dismiss", hours(96)),
    // Older than what the store retains when it arrives.
    ("view", hours(98)),
];

fn topology() -> Result<Topology, TopologyError> {
    let app = StreamsBuilder::new("multi-window");
    let late =
        app.stream("window-clicks", Json::<String, Click>::new())
            .to_actions("standardize", |member, click| Action::new(member, click.kind, "").at_ms(click.at_ms))
            .through("window-actions")
            .materialize(
                Actions::named("activity")
                    .retention(hours(97))
                    .features([feature("counts").count_by("verb").within([hours(1), hours(24), hours(96)])]),
            )
            .late();
    late.into_stream().to("window-late-actions", ActionCodec::new().pair());
    app.build()
}

fn main() -> anyhow::Result<()> {
    let topology = topology()?;
    let Some(config) = small::config(&topology)? else { return Ok(()) };
    let app = Streams::start(topology, config)?.wait_running()?;

    let t = app.clock().now();
    let mut clicks = app.producer("window-clicks", Json::<String, Click>::new())?;
    for (kind, age) in CLICKS {
        let click = Click { kind: kind.to_owned(), at_ms: t.minus(age).as_millis() };
        clicks.send(&MEMBER.to_owned(), &click, t)?;
    }
    clicks.flush(seconds(10))?;

    let features = app.features("activity")?;
    // Events of one member arrive in order, so the last one was dropped only after all others were applied.
    let dropped = small::until(|| Ok(features.explain("counts", MEMBER).get()?.dropped.pop()))?;
    for (name, as_of) in [("T", t), ("T - 1 ms", t.minus(MS))] {
        println!("as of {name}");
        let answer = features.query(MEMBER).as_of(as_of).get()?;
        for window in &answer.feature("counts")?.windows {
            println!("{:>5}  {}", window.label, window.value);
        }
    }
    println!(
        "A window w as of T holds T - w < t <= T. The save, apply and dismiss are exactly 1, 24 and 96 hours old:"
    );
    println!("they have just left their windows, and were inside 1 ms ago. The view at T itself still lay ahead then.");
    println!("Only that view came in time. The others came late, and count as if they had not.");
    println!("One came too late ({}): a {} at T - 98h, beyond the retention of 97h.", dropped.reason, dropped.verb);
    app.close()?;
    Ok(())
}
