//! Expiry by age and by size, whole segments at a time from the oldest on (Kafka's `UnifiedLog.deleteOldSegments`).

use nowfold_core::names::Offset;
use nowfold_core::time::Timestamp;
use nowfold_runtime::broker::BrokerError;

use super::Partition;
use super::segment::Segment;
use super::state::State;

impl Partition {
    /// Drops segments whose newest record is older than `retention.ms`, and the oldest ones above `retention.bytes`.
    /// The low watermark moves to the first segment left.
    pub(super) fn expire(&self, now: Timestamp) {
        if !self.config.deletes {
            return;
        }
        let dropped = {
            let mut state = self.state.lock();
            let mut dropped = self.take_too_old(&mut state, now);
            dropped.extend(self.take_too_much(&mut state));
            dropped
        };
        // Memory is freed and files are removed without the lock; a file that a crash leaves behind expires again.
        for segment in &dropped {
            self.remove_file(segment.base);
        }
    }

    /// Lets the log begin at `before`. Segments that end there or earlier go at once, what lies before it in the next one
    /// with that; with a data directory, a restart may show it until then.
    pub(crate) fn delete_before(&self, before: Offset) -> Result<(), BrokerError> {
        self.changing(|state| state.write_out(&self.id));
        let _only = self.cleaner.lock();
        let dropped: Vec<_> = {
            let mut state = self.state.lock();
            let (low, high) = (state.low(), state.readable_end());
            if before > high {
                let partition = self.id.clone();
                return Err(BrokerError::OffsetOutOfRange { partition, offset: before, low, high });
            }
            if before <= low {
                return Ok(());
            }
            state.start = before;
            // The active segment takes no more, so that it can go as a whole, now or later.
            if before > state.active.base
                && state.hidden_from.is_none()
                && let Err(error) = state.roll()
            {
                tracing::warn!(partition = %self.id, %error, "deleted records stay in memory: no new segment");
            }
            let n = state.closed.iter().take_while(|segment| segment.end <= before).count();
            state.closed.drain(..n).collect()
        };
        dropped.iter().for_each(|segment| self.remove_file(segment.base));
        Ok(())
    }

    fn take_too_old(&self, state: &mut State, now: Timestamp) -> Vec<Segment> {
        let Some(retention_ms) = self.config.retention_ms else { return Vec::new() };
        let too_old = |segment: &Segment| now.millis_since(segment.max_timestamp) > retention_ms;
        let mut dropped = take_oldest_while(state, too_old);
        let only_active = state.closed.is_empty() && state.hidden_from.is_none();
        if only_active && !state.active.is_empty() && too_old(&state.active) {
            match state.roll() {
                Ok(()) => dropped.extend(state.closed.pop_front()),
                Err(error) => tracing::warn!(partition = %self.id, %error, "expired records stay: no new segment"),
            }
        }
        dropped
    }

    fn take_too_much(&self, state: &mut State) -> Vec<Segment> {
        let Some(limit) = self.config.retention_bytes else { return Vec::new() };
        let mut excess = state.size_bytes().saturating_sub(limit);
        take_oldest_while(state, |segment| {
            let drops = segment.size_bytes <= excess;
            excess = excess.saturating_sub(segment.size_bytes);
            drops
        })
    }

    pub(super) fn remove_file(&self, base: i64) {
        if let Some(files) = &self.files
            && let Err(error) = files.remove(base)
        {
            tracing::warn!(partition = %self.id, base, %error, "an expired segment's file stays");
        }
    }
}

/// Takes closed segments from the oldest on while `drops` says so; never one that readers may not see yet. The first
/// segment may be empty after a compaction: it goes with the next one, since by itself nothing expires with it.
fn take_oldest_while(state: &mut State, mut drops: impl FnMut(&Segment) -> bool) -> Vec<Segment> {
    let end = state.readable_end();
    let n = state.closed.iter().take_while(|segment| segment.end <= end && drops(segment)).count();
    let only_empty = n == 1 && state.closed.front().is_some_and(Segment::is_empty);
    state.closed.drain(..if only_empty { 0 } else { n }).collect()
}
