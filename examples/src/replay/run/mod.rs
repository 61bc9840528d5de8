//! `replay` at work: the log, the pipeline, the feed, the questions.

mod answers;
pub mod args;
mod ask;
mod features;
mod pipeline;
mod place;
mod restart;

use std::sync::Arc;
use std::time::Instant;

use nowfold::operators::feature::Feature;
use nowfold::prelude::*;

use answers::Answers;
use args::Args;
use place::RawTopic;

use super::Tally;
use super::feed::{FeedOptions, FeedPlan, Lines};
use super::mapping::CompiledMapping;
use super::questions::{Question, QuestionFile, Schedule};

/// Replays the feed and answers the questions.
///
/// # Errors
/// What is wrong with mapping, questions or feed, or why the pipeline stopped; the message says what to do.
pub fn run(args: &Args) -> anyhow::Result<()> {
    if let Some(line) = args.restart_at_line
        && !restart::is_child()
    {
        return restart::run_twice(args, line);
    }
    let started = Instant::now();
    let mapping = Arc::new(load(args)?);
    let features = features::load(args, &mapping)?;
    let questions = questions(args, &mapping, &features)?;
    let mut config = args.config();
    let broker = config.broker()?;
    place::create_topics(broker.as_ref(), args, &mapping)?;
    place::write_tables(broker.as_ref(), args, &mapping)?;
    let tally = Arc::new(Tally::new(&mapping));
    let app = Streams::start(pipeline::topology(args, &mapping, &features, &tally)?, config)?.wait_running()?;
    let raw = RawTopic::open(broker.as_ref(), args, &mapping)?;
    let mut replay =
        Replay { args, mapping: &mapping, app, raw, schedule: Schedule::new(questions), answers: Answers::open(args)? };
    let n_lines = replay.feed()?;
    replay.report(&tally, n_lines, started);
    replay.app.close()?;
    Ok(())
}

fn load(args: &Args) -> anyhow::Result<CompiledMapping> {
    let mapping = CompiledMapping::load(&args.mapping)?;
    Ok(match &args.mapped_dir {
        Some(dir) => mapping.with_data_dir(dir),
        None => mapping,
    })
}

/// The questions that fit the retention; the others are named.
fn questions(args: &Args, mapping: &CompiledMapping, features: &[Feature]) -> anyhow::Result<Vec<Question>> {
    let of_mapping = mapping.questions().file.as_ref().map(|file| mapping.resolve(file));
    let Some(file) = args.questions.clone().or(of_mapping) else { return Ok(Vec::new()) };
    let all = QuestionFile::load(&file)?.queries;
    let n = all.len();
    let mut fitting = Vec::with_capacity(n);
    for question in all {
        let retention = pipeline::retention(args, mapping, mapping.action_for(&question.actor_field)?);
        if question.retention_needed_with(features::reach(features, &question)?) <= retention {
            fitting.push(question);
        } else {
            eprintln!("question {:?} reaches back further than the retention and is left out", question.id);
        }
    }
    eprintln!("{} of {n} questions fit the retention", fitting.len());
    Ok(fitting)
}

struct Replay<'a> {
    args: &'a Args,
    mapping: &'a CompiledMapping,
    app: Streams,
    raw: RawTopic,
    schedule: Schedule,
    answers: Answers,
}

impl Replay<'_> {
    /// Sends the lines that are not out yet, asking each question when its lines are out. Returns the lines of the feed.
    fn feed(&mut self) -> anyhow::Result<u64> {
        let broker = self.app.broker();
        let n_out = self.raw.n_out(broker.as_ref())?;
        if n_out > 0 {
            eprintln!("{n_out} lines are out already; going on from there");
        }
        let lines = Lines::new(place::feed_files(self.args, self.mapping), self.mapping.feed().on_broken_line);
        let Args { shuffle_within, duplicate, seed, .. } = *self.args;
        let options = FeedOptions { shuffle_within, duplicate, seed };
        let mapping = self.mapping;
        let mut plan = FeedPlan::new(lines, |record| mapping.event_time(record), options);
        let mut n = 0;
        self.answer(0)?;
        for step in plan.by_ref() {
            let (step, was_out) = (step?, n < n_out);
            n += 1;
            let complete = step.complete_through;
            if !was_out {
                self.raw.send(step)?;
            }
            if n >= n_out {
                self.answer(complete)?;
                restart::die_at(self.args, n, &mut self.raw)?;
            }
        }
        self.answer(u64::MAX)?;
        self.raw.flush()?;
        ask::settle(&self.app, &self.raw, self.args, self.mapping)?;
        Ok(plan.stats().n_lines)
    }

    /// Answers every question whose lines are out.
    fn answer(&mut self, complete_through: u64) -> anyhow::Result<()> {
        let due = self.schedule.due(complete_through);
        let open: Vec<_> = due.into_iter().filter(|question| !self.answers.has(&question.id)).collect();
        if open.is_empty() {
            return Ok(());
        }
        self.raw.flush()?;
        let position = ask::settle(&self.app, &self.raw, self.args, self.mapping)?;
        for question in &open {
            let line = ask::ask(&self.app, self.mapping, question, &position)?;
            self.answers.write(&question.id, &line)?;
        }
        Ok(())
    }

    fn report(&self, tally: &Tally, n_lines: u64, started: Instant) {
        eprintln!("{n_lines} lines, {} answers, {:.1} s", self.answers.len(), started.elapsed().as_secs_f64());
        for (entry, counts) in tally.counts() {
            let counts: Vec<_> = counts.iter().map(|(what, n)| format!("{what} {n}")).collect();
            eprintln!("  {entry}: {}", counts.join(", "));
        }
    }
}
