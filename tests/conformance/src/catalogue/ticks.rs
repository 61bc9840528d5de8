//! Processors that punctuate.

use std::ops::Bound;
use std::time::Duration;

use bytes::Bytes;
use nowfold_core::processor::{ProcessError, Processor, ProcessorContext};
use nowfold_core::record::Record;
use nowfold_core::state::unstamp;
use nowfold_core::task::{Punctuation, PunctuationClock};

use super::Text;
use super::processors::{bytes, text};

type Outcome = Result<(), ProcessError>;

/// Counts records per key, and at each firing sends the counts and forgets them.
pub(super) struct Ticks {
    interval: Duration,
    clock: PunctuationClock,
    cancel_after: i64,
    fired: i64,
}

impl Ticks {
    pub(super) const fn new(interval: Duration, clock: PunctuationClock, cancel_after: i64) -> Self {
        Self { interval, clock, cancel_after, fired: 0 }
    }
}

fn number(bytes: &Bytes) -> i64 {
    bytes.first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes))
}

impl Processor<Text, Text, Text, i64> for Ticks {
    fn init(&mut self, cx: &mut ProcessorContext<'_, '_, Text, i64>) -> Outcome {
        cx.schedule(self.interval, self.clock);
        Ok(())
    }

    fn process(&mut self, cx: &mut ProcessorContext<'_, '_, Text, i64>, record: Record<Text, Text>) -> Outcome {
        let Some(key) = record.key else { return Ok(()) };
        let mut store = cx.key_value("n")?;
        let n = store.get(key.as_bytes())?.as_ref().map_or(0, number) + 1;
        Ok(store.put(bytes(&key), Bytes::copy_from_slice(&n.to_be_bytes()))?)
    }

    fn punctuate(&mut self, cx: &mut ProcessorContext<'_, '_, Text, i64>, due: Punctuation) -> Outcome {
        let time = due.time;
        cx.forward(Record::new(Some("tick".to_owned()), time.as_millis(), time))?;
        for (key, n) in cx.key_value("n")?.range((Bound::Unbounded, Bound::Unbounded), usize::MAX)? {
            cx.forward(Record::new(Some(text(&key)), number(&n), time))?;
            cx.key_value("n")?.delete(&key)?;
        }
        self.fired += 1;
        if self.fired == self.cancel_after {
            cx.cancel(due.schedule);
        }
        Ok(())
    }
}

/// Deletes rows that were not written for a time.
pub(super) struct Ttl {
    pub(super) ttl: Duration,
    pub(super) interval: Duration,
}

impl Processor<Text, Text, Text, Text> for Ttl {
    fn init(&mut self, cx: &mut ProcessorContext<'_, '_, Text, Text>) -> Outcome {
        cx.schedule(self.interval, PunctuationClock::StreamTime);
        Ok(())
    }

    fn process(&mut self, cx: &mut ProcessorContext<'_, '_, Text, Text>, record: Record<Text, Text>) -> Outcome {
        let Some(key) = &record.key else { return Ok(()) };
        let mut store = cx.key_value("t")?;
        match &record.value {
            Some(value) => store.put_stamped(bytes(key), bytes(value), record.timestamp)?,
            None => store.delete(key.as_bytes())?,
        }
        cx.forward(record)
    }

    fn punctuate(&mut self, cx: &mut ProcessorContext<'_, '_, Text, Text>, due: Punctuation) -> Outcome {
        let rows = cx.key_value("t")?.range((Bound::Unbounded, Bound::Unbounded), usize::MAX)?;
        let oldest = due.time.minus(self.ttl);
        let old = rows.into_iter().filter(|(_, row)| unstamp(row).is_some_and(|(time, _)| time <= oldest));
        for (key, _) in old {
            cx.key_value("t")?.delete(&key)?;
            cx.forward(Record::new(Some(text(&key)), None, due.time))?;
        }
        Ok(())
    }
}
