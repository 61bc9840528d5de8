//! What `job-feed` prints: bars in place on a terminal, a line every five seconds otherwise.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use nowfold::operators::chain::EventChains;
use nowfold::prelude::*;
use nowfold::runtime::AppState;
use nowfold::runtime::broker::Broker;

use super::probe::Freshness;

const LINE_EVERY: Duration = Duration::from_secs(5);

pub(super) fn title(broker: &dyn Broker, volatile: bool) {
    let note = if volatile { ": data is lost on exit (keep it with --data-dir DIR)" } else { "" };
    println!("nowfold {}  job-feed   {}{note}", env!("CARGO_PKG_VERSION"), broker.describe());
}

/// Waits until the application runs, showing how far it is.
pub(super) fn wait_running(app: &Streams) -> anyhow::Result<()> {
    let bar = std::io::stdout().is_terminal().then(bar);
    let (started, mut printed) = (Instant::now(), Instant::now());
    while app.await_running(Duration::from_millis(100)).is_err() {
        let state = app.state();
        if let AppState::Failed { reason } = state {
            anyhow::bail!("{reason}");
        }
        match (&bar, progress(&state)) {
            (Some(bar), Some((done, total))) => {
                bar.set_length(total);
                bar.set_position(done);
                bar.set_message(state.name());
            }
            _ if printed.elapsed() >= LINE_EVERY => {
                println!("  {state}  {} s", started.elapsed().as_secs());
                printed = Instant::now();
            }
            _ => {}
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    Ok(())
}

fn bar() -> ProgressBar {
    let template = "  {msg:<11} [{bar:20}]  {human_pos} / {human_len}  {per_sec}  ETA {eta}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style.progress_chars("##-"))
}

fn progress(state: &AppState) -> Option<(u64, u64)> {
    match state {
        AppState::Restoring { done, total } => Some((*done, *total)),
        AppState::CatchingUp { remaining } => Some((0, *remaining)),
        _ => None,
    }
}

pub(super) fn ready(app: &Streams, connect: Duration, past: Duration, total: Duration) {
    let rest = total.saturating_sub(connect).saturating_sub(past);
    let [connect, past, rest, total] = [connect, past, rest, total].map(|step| step.as_secs_f64());
    println!("  store    activity  retention 97h  memory");
    println!("  ready    in {total:.1} s: connect {connect:.1}  write history {past:.1}  process it {rest:.1}");
    if let Some(address) = app.http_address() {
        println!("  metrics  http://{address}/metrics");
        println!("  try      curl '{address}/v1/actors/member-111/features?features=applied,counts'");
    }
}

/// The live line, until `ended`.
pub(super) fn live(app: &Streams, rate: u64, sent: &AtomicU64, freshness: &Freshness, ended: impl Fn() -> bool) {
    let terminal = std::io::stdout().is_terminal();
    let every = if terminal { Duration::from_secs(1) } else { LINE_EVERY };
    let (mut last, mut last_sent) = (Instant::now(), sent.load(Ordering::Relaxed));
    loop {
        let end = ended();
        if end || last.elapsed() >= every {
            let now_sent = sent.load(Ordering::Relaxed);
            #[expect(clippy::cast_precision_loss, reason = "shown with no decimals")]
            let per_second = (now_sent - last_sent) as f64 / last.elapsed().as_secs_f64().max(0.001);
            let line = line(app, per_second, rate, freshness);
            if terminal {
                print!("\r\x1b[K{line}")
            } else {
                println!("{line}")
            }
            let _ = std::io::Write::flush(&mut std::io::stdout());
            (last, last_sent) = (Instant::now(), now_sent);
        }
        if end {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    if terminal {
        println!();
    }
}

fn line(app: &Streams, per_second: f64, rate: u64, freshness: &Freshness) -> String {
    let (actors, bytes) = held(app);
    let fresh = freshness
        .percentiles()
        .map_or_else(String::new, |(p50, p99, n)| format!("  freshness p50 {p50:.1} ms p99 {p99:.1} ms ({n} probes)"));
    let lag = app.features("activity").ok().and_then(|features| features.of("member-1").ok());
    let lag = lag.map_or_else(|| "unknown".to_owned(), |answer| answer.lag().to_string());
    let megabytes = bytes / (1 << 20);
    format!("  live     in {per_second:.0}/s of {rate}  lag {lag}{fresh}  actors {actors}  state {megabytes} MB")
}

/// Actors and approximate bytes held by the store.
fn held(app: &Streams) -> (usize, usize) {
    let sums = app.hub().with_store("activity", |_, store| {
        let chains = store.partitions.values().filter_map(|partition| partition.reader.downcast_ref::<EventChains>());
        chains.fold((0, 0), |(actors, bytes), chains| (actors + chains.actors(), bytes + chains.bytes()))
    });
    sums.unwrap_or_default()
}
