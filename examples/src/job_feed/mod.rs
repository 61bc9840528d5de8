//! `job-feed`: the main job of nowfold, whole: raw events, standard actions, enrichment, features, a ranker.

pub mod args;
mod feed;
mod moment;
mod probe;
pub mod ranker;
mod screen;
pub mod topology;
pub mod world;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Scope;
use std::time::{Duration, Instant};

use nowfold::prelude::*;
use nowfold::runtime::CloseReport;

use args::Args;
use probe::Freshness;
use topology::ACTIVITY;
use world::{Activity, World};

const JOBS: usize = 600;

/// Runs the example to its end.
///
/// # Errors
/// When the log cannot be reached or the application fails; the message says what to do.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let begun = Instant::now();
    let world = World::new(args.seed, JOBS, args.members);
    let mut config = args.config().metrics(nowfold::serve::install_recorder()?);
    let volatile = config.is_volatile();
    let broker = config.broker()?;
    screen::title(broker.as_ref(), volatile);
    let (connected, env) = (begun.elapsed(), config.serde_env()?);
    prepare(args, broker.as_ref(), &env, &world)?;
    let written = begun.elapsed();
    let app = Streams::start(topology::topology()?, config)?;
    screen::wait_running(&app)?;
    screen::ready(&app, connected, written - connected, begun.elapsed());
    let report = serve(args, app, &world, begun)?;
    println!("  {report}   bye");
    Ok(())
}

fn prepare(
    args: &Args,
    broker: &dyn nowfold::runtime::broker::Broker,
    env: &nowfold::core::serde::SerdeEnv,
    world: &World,
) -> anyhow::Result<()> {
    feed::create_topics(broker)?;
    if feed::has_history(broker)? {
        println!("  history  already in the log");
        return Ok(());
    }
    println!(
        "  source   {ACTIVITY}  {} partitions  seed={}  {} events of 96 h, then {} ev/s",
        feed::PARTITIONS,
        args.seed,
        args.history,
        args.rate
    );
    feed::write_past(broker, env, world, args.history, nowfold::runtime::SystemClock.now())
}

/// What the threads of the live part share.
struct Live {
    sent: AtomicU64,
    stop: AtomicBool,
    freshness: Freshness,
}

/// Sends live events, shows the moment that people remember, and keeps the live line until the end.
fn serve(args: &Args, app: Streams, world: &World, begun: Instant) -> anyhow::Result<CloseReport> {
    let live = Live { sent: AtomicU64::new(0), stop: AtomicBool::new(false), freshness: Freshness::default() };
    let stop = nowfold::end_flag()?;
    let until = args.seconds.map(|seconds| begun + Duration::from_secs(seconds));
    std::thread::scope(|scope| {
        let threads = spawn(scope, args, &app, world, &live)?;
        let shown = moment::show(&app, world);
        if shown.is_ok() {
            screen::live(&app, args.rate, &live.sent, &live.freshness, || {
                stop.load(Ordering::Relaxed)
                    || until.is_some_and(|until| Instant::now() >= until)
                    || app.state().is_final()
            });
        }
        live.stop.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().map_err(|_| anyhow::anyhow!("a thread of the generator panicked"))??;
        }
        shown
    })?;
    Ok(app.close()?)
}

type Threads<'s> = Vec<std::thread::ScopedJoinHandle<'s, anyhow::Result<()>>>;

fn spawn<'s>(
    scope: &'s Scope<'s, '_>,
    args: &'s Args,
    app: &'s Streams,
    world: &'s World,
    live: &'s Live,
) -> anyhow::Result<Threads<'s>> {
    let serdes = Json::<String, Activity>::new;
    let (events, probes) = (app.producer(ACTIVITY, serdes())?, app.producer(ACTIVITY, serdes())?);
    let (features, clock) = (app.features("activity")?, app.clock());
    let probing = clock.clone();
    Ok(vec![
        scope.spawn(move || feed::live(events, world, args.rate, &clock, &live.sent, &live.stop)),
        scope.spawn(move || probe::run(probes, &features, &probing, &live.freshness, &live.stop)),
    ])
}
