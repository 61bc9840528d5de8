//! The moment that people remember: a member applies to a job, and the ranking is another.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use nowfold::operators::feature::FeatureValue;
use nowfold::prelude::*;

use super::ranker::{Profile, Ranked};
use super::topology::ACTIVITY;
use super::world::{Activity, World};

const SHOWN: usize = 5;

/// Prints a member's features and ranking, lets the member apply to the fifth job of it, and prints them again.
pub(super) fn show(app: &Streams, world: &World) -> anyhow::Result<()> {
    let features = app.features("activity")?;
    let (member, before) = quiet_member(&features, world)?;
    let ranked = rank(&before, world)?;
    println!("\n  {member}: {} applied to in 24 h, as of now", before.used("applied")?);
    print_ranking(world, &ranked, &[]);
    let choice = ranked.last().context("there are no jobs to rank")?.job;
    let (after, took) = apply(app, &features, &member, choice)?;
    println!("\n  {member} applies to job-{choice}. {:.1} ms later:", took.as_secs_f64() * 1_000.0);
    let reordered = rank(&after, world)?;
    print_ranking(world, &reordered, &ranked);
    anyhow::ensure!(reordered != ranked, "the ranking did not change");
    println!();
    Ok(())
}

/// A member who applied to one to three jobs in the last 24 hours, so that one more matters.
fn quiet_member(features: &Features, world: &World) -> anyhow::Result<(String, Answer)> {
    for number in (world.n_members / 100).max(1)..=world.n_members {
        let member = format!("member-{number}");
        let answer = features.of(&member)?;
        if answer.envelope.found && (1..=3).contains(&answer.used("applied")?) {
            return Ok((member, answer));
        }
    }
    anyhow::bail!("no member applied to one to three jobs in 24 h; ask for more --history")
}

/// The best jobs that the member has not applied to.
fn rank(answer: &Answer, world: &World) -> anyhow::Result<Vec<Ranked>> {
    let FeatureValue::List(applied) = answer.value("applied_jobs")? else { anyhow::bail!("applied_jobs is no list") };
    let is_open = |job: &usize| !applied.contains(&FeatureValue::Text(format!("job-{job}").into()));
    let open = (0..world.jobs.len()).filter(is_open);
    Ok(Profile::of(answer)?.rank(&world.jobs, open, SHOWN))
}

/// Sends the application and asks until the features show it. Returns the answer and the time that took.
fn apply(app: &Streams, features: &Features, member: &str, job: usize) -> anyhow::Result<(Answer, Duration)> {
    let used = features.of(member)?.used("applied")?;
    let now = app.clock().now();
    let (id, job) = (format!("apply-{member}-{}", now.as_millis()), format!("job-{job}"));
    let event = Activity { id, member: member.to_owned(), job, kind: "apply".to_owned(), at_ms: now.as_millis() };
    let mut producer = app.producer(ACTIVITY, Json::<String, Activity>::new())?;
    let sent = Instant::now();
    producer.send(&event.member, &event, now)?;
    while sent.elapsed() < Duration::from_secs(30) {
        let answer = features.of(member)?;
        if answer.used("applied")? > used {
            return Ok((answer, sent.elapsed()));
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    anyhow::bail!("the application was not visible within 30 s; state: {}", app.state())
}

fn print_ranking(world: &World, ranked: &[Ranked], before: &[Ranked]) {
    for (place, Ranked { job, score }) in ranked.iter().enumerate() {
        let title = world.jobs.get(*job).map_or("", |job| &job.title);
        println!("    {}. {score:.3}  job-{job:<4} {title}{}", place + 1, moved(*job, place, before));
    }
}

fn moved(job: usize, place: usize, before: &[Ranked]) -> String {
    if before.is_empty() {
        return String::new();
    }
    match before.iter().position(|ranked| ranked.job == job) {
        Some(was) if was == place => String::new(),
        Some(was) => format!("   (was {})", was + 1),
        None => "   (new)".to_owned(),
    }
}
