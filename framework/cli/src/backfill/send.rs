//! The second pass: actions go out, and the progress is noted.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nowfold::Producer;
use nowfold::core::time::Clock as _;
use nowfold::runtime::SystemClock;
use nowfold::schemas::action::Action;
use nowfold_mapping::Mapped;

use super::Job;
use super::feed::Record;
use super::screen::Screen;
use super::survey::event_time;

/// Between two notes of the progress.
const BETWEEN_NOTES: Duration = Duration::from_secs(1);
const FLUSH: Duration = Duration::from_secs(60);

/// What a run has sent.
pub(super) struct Sent {
    n_lines: u64,
    sent_before: u64,
    actions: Vec<(String, u64)>,
    took: Duration,
}

/// Sends every line after those that were sent before.
pub(super) fn send(job: &Job<'_>, n_lines: u64) -> anyhow::Result<Sent> {
    let started = Instant::now();
    let mut sender = Sender::open(job)?;
    let mut screen = Screen::from("send", job.begin.lines, Some(n_lines));
    for record in job.feed.records(job.begin.lines) {
        let record = record.and_then(|record| sender.send(&record).map(|()| record.number));
        let number = record.with_context(|| sender.stopped())?;
        screen.at(number);
    }
    sender.note(n_lines).with_context(|| sender.stopped())?;
    screen.finish();
    let names = job.target.entries.iter().map(|entry| entry.topic.to_string());
    Ok(Sent {
        n_lines: n_lines.saturating_sub(job.begin.lines),
        sent_before: job.begin.lines,
        actions: names.zip(sender.n_actions).collect(),
        took: started.elapsed(),
    })
}

struct Sender<'a> {
    job: &'a Job<'a>,
    producers: Vec<Producer<Arc<str>, Action>>,
    n_actions: Vec<u64>,
    noted: u64,
    noted_at: Instant,
    pace: Pace,
}

impl<'a> Sender<'a> {
    fn open(job: &'a Job<'a>) -> anyhow::Result<Self> {
        let producers = job.target.entries.iter().map(|entry| job.target.producer(entry));
        Ok(Self {
            job,
            producers: producers.collect::<Result<_, _>>()?,
            n_actions: vec![0; job.target.entries.len()],
            noted: job.begin.lines,
            noted_at: Instant::now(),
            pace: Pace::new(job.args.rate),
        })
    }

    fn send(&mut self, record: &Record) -> anyhow::Result<()> {
        self.pace.wait();
        let job = self.job;
        let entries = job.target.entries.iter().zip(&mut self.producers).zip(&mut self.n_actions);
        for ((entry, producer), n_actions) in entries {
            let Some(mapping) = job.mapping.actions().get(entry.index) else { continue };
            let Ok(Mapped::Action { mut action, .. }) = mapping.map(record.number, &record.value) else { continue };
            if event_time(&action).is_none() {
                continue;
            }
            job.tables.enrich(entry.index, &mut action);
            producer.send(&action.actor.clone(), &action, SystemClock.now())?;
            *n_actions += 1;
        }
        if self.noted_at.elapsed() >= BETWEEN_NOTES {
            self.note(record.number)?;
        }
        Ok(())
    }

    /// Waits until all is stored, and notes that.
    fn note(&mut self, lines: u64) -> anyhow::Result<()> {
        self.producers.iter_mut().try_for_each(|producer| producer.flush(FLUSH))?;
        let ends = self.job.target.entries.iter().map(|entry| self.job.target.ends(entry));
        let progress = self.job.begin.at_line(lines, ends.collect::<anyhow::Result<_>>()?);
        self.job.progress.write(&progress)?;
        (self.noted, self.noted_at) = (lines, Instant::now());
        Ok(())
    }

    fn stopped(&self) -> String {
        format!("stopped; {} lines are sent for certain, and the same command goes on from there", self.noted)
    }
}

/// Holds a rate of lines, if there is one.
struct Pace {
    per_second: Option<u64>,
    started: Instant,
    n: u64,
}

impl Pace {
    fn new(per_second: Option<u64>) -> Self {
        Self { per_second, started: Instant::now(), n: 0 }
    }

    fn wait(&mut self) {
        let Some(per_second) = self.per_second.filter(|rate| *rate > 0) else { return };
        let due = Duration::from_millis(self.n.saturating_mul(1_000) / per_second);
        self.n += 1;
        std::thread::sleep(due.saturating_sub(self.started.elapsed()));
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_second = u128::from(self.n_lines) * 1_000 / self.took.as_millis().max(1);
        let took = self.took.as_secs_f64();
        write!(f, "sent {} lines in {took:.1} s ({per_second}/s), {} before", self.n_lines, self.sent_before)?;
        for (topic, n) in &self.actions {
            write!(f, "\n  {topic}: {n} actions")?;
        }
        Ok(())
    }
}
