//! The first pass: what will become of every record, before anything is sent.

use std::collections::BTreeSet;
use std::fmt;

use nowfold::core::partition::partition_for_key;
use nowfold::core::time::{Clock as _, label, millis};
use nowfold::runtime::SystemClock;
use nowfold::schemas::action::Action;
use nowfold_mapping::{CompiledMapping, FeedStats, Mapped, Tally};
use serde_json::Value;

use super::Job;
use super::error::{BackfillError, UnknownColumn};
use super::feed::place;
use super::screen::Screen;
use super::target::Entry;

/// The default of stores: events further ahead of their append time are quarantined.
pub(super) const MAX_FUTURE_SKEW_MS: i64 = 5 * 60_000;

/// What the files hold beyond the lines that were sent before.
pub(super) struct Survey {
    /// Lines of the whole feed.
    pub(super) n_lines: u64,
    /// Lines that were sent before.
    sent_before: u64,
    stats: FeedStats,
    tally: Tally,
    entries: Vec<EntrySurvey>,
    /// Fields of the mapping that no record had.
    unseen: BTreeSet<String>,
    /// Fields of records, to propose from.
    seen: BTreeSet<String>,
}

/// What the store that reads an entry's topic will make of its actions.
struct EntrySurvey {
    index: usize,
    title: String,
    retention_ms: i64,
    retention: String,
    stream_times: Vec<i64>,
    n_actions: u64,
    n_late: u64,
    n_future: u64,
    n_expired: u64,
    /// Times that are no event times: 1970 and before.
    n_timeless: u64,
}

impl Survey {
    pub(super) fn take(job: &Job<'_>, screen: &mut Screen) -> anyhow::Result<Self> {
        let now = SystemClock.now().as_millis();
        let unseen = job.mapping.columns().into_keys().collect();
        let mut survey = Self {
            n_lines: 0,
            sent_before: job.begin.lines,
            stats: FeedStats::default(),
            tally: Tally::new(&job.mapping),
            entries: job.target.entries.iter().map(|entry| EntrySurvey::new(job, entry)).collect(),
            unseen,
            seen: BTreeSet::new(),
        };
        let mut records = job.feed.records(job.begin.lines);
        for record in records.by_ref() {
            let record = record?;
            survey.look(job, record.number, &record.value, now);
            screen.at(record.number);
        }
        survey.stats = records.stats();
        survey.n_lines = survey.stats.n_lines;
        Ok(survey)
    }

    fn look(&mut self, job: &Job<'_>, number: u64, record: &Value, now: i64) {
        if let (Value::Object(fields), false) = (record, self.unseen.is_empty()) {
            self.unseen.retain(|column| !fields.contains_key(column));
            fields.keys().filter(|name| !self.seen.contains(*name)).cloned().collect::<Vec<_>>().into_iter().for_each(
                |name| {
                    self.seen.insert(name);
                },
            );
        }
        for entry in &mut self.entries {
            let Some(mapping) = job.mapping.actions().get(entry.index) else { continue };
            let outcome = mapping.map(number, record);
            self.tally.count(entry.index, &outcome);
            if let Ok(Mapped::Action { action, .. }) = outcome {
                entry.look(&action, now);
            }
        }
    }

    /// Refuses a mapping that reads fields which no record has.
    pub(super) fn refuse_unknown_columns(&self, mapping: &CompiledMapping) -> Result<(), BackfillError> {
        let wanted = mapping.columns();
        let unknown = wanted.iter().filter(|(name, _)| self.unseen.contains(*name));
        let columns: Vec<_> = unknown
            .map(|(name, parts)| UnknownColumn::new(name, parts, self.seen.iter().map(String::as_str)))
            .collect();
        if columns.is_empty() || self.n_lines == 0 { Ok(()) } else { Err(BackfillError::UnknownColumns { columns }) }
    }
}

impl EntrySurvey {
    fn new(job: &Job<'_>, entry: &Entry) -> Self {
        let name = job.mapping.actions().get(entry.index).map_or("", |mapping| mapping.name());
        Self {
            index: entry.index,
            title: format!("{name} -> {}", entry.topic),
            retention_ms: millis(entry.retention),
            retention: label(entry.retention),
            stream_times: entry.stream_times.clone(),
            n_actions: 0,
            n_late: 0,
            n_future: 0,
            n_expired: 0,
            n_timeless: 0,
        }
    }

    /// Decides as admission does (`docs/semantics.md`, section 3), repeats aside.
    fn look(&mut self, action: &Action, now: i64) {
        let Some(t) = event_time(action) else {
            self.n_timeless += 1;
            return;
        };
        self.n_actions += 1;
        let n = i32::try_from(self.stream_times.len()).unwrap_or(i32::MAX);
        let partition = usize::try_from(partition_for_key(action.actor.as_bytes(), n)).unwrap_or(0);
        let Some(stream_time) = self.stream_times.get_mut(partition) else { return };
        if t > now.saturating_add(MAX_FUTURE_SKEW_MS) {
            self.n_future += 1;
            return;
        }
        if t <= stream_time.saturating_sub(self.retention_ms) {
            self.n_late += 1;
            return;
        }
        *stream_time = t.max(*stream_time);
        self.n_expired += u64::from(t <= now.saturating_sub(self.retention_ms));
    }
}

/// The time of an action that has one: after 1970.
pub(super) fn event_time(action: &Action) -> Option<i64> {
    action.timestamp.map(|t| t.as_millis()).filter(|t| *t > 0)
}

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FeedStats { n_blank, n_broken, broken, .. } = &self.stats;
        write!(
            f,
            "survey  {} lines, {} of them sent before, {n_blank} blank, {n_broken} broken",
            self.n_lines, self.sent_before
        )?;
        for line in broken.iter().take(5) {
            write!(f, "\n  broken  {}", place(line))?;
        }
        let counts = self.tally.counts();
        for entry in &self.entries {
            let counts = counts.get(entry.index).map(|(_, counts)| counts.iter());
            let counts: Vec<_> = counts.into_iter().flatten().map(|(what, n)| format!("{what} {n}")).collect();
            write!(
                f,
                "\n  {}: {}{entry}",
                entry.title,
                if counts.is_empty() { "nothing".into() } else { counts.join(", ") }
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for EntrySurvey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { n_actions, n_late, n_future, n_expired, n_timeless, retention, .. } = self;
        if *n_late > 0 {
            write!(
                f,
                "\n    late {n_late}: {n_late} of {n_actions} actions come {retention} or more after a newer one of their \
                 partition. A store of this retention drops them; name the files oldest first, or raise --retention with \
                 the store's"
            )?;
        }
        if *n_future > 0 {
            write!(
                f,
                "\n    future {n_future}: more than 5 minutes ahead of now. A store quarantines them; check the time's format and zone"
            )?;
        }
        if *n_timeless > 0 {
            write!(f, "\n    bad_timestamp {n_timeless}: 1970 or before, left out; check the time's format")?;
        }
        if *n_expired > 0 {
            write!(
                f,
                "\n    expired {n_expired}: {n_expired} of {n_actions} actions are older than {retention} by now. They \
                 can be asked about as of their time, until the first action of today comes to their partition"
            )?;
        }
        Ok(())
    }
}
