//! One side of a join of two streams, at work.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::codec::Codec;
use super::join_waiting::{Clock, Place, Waiting};
use crate::names::StoreName;
use crate::processor::{ProcessError, Processor, ProcessorContext};
use crate::record::Record;
use crate::time::Timestamp;

/// What two records make, either of them `None` where the join pads.
pub(super) type Match<K, A, B, O> = Arc<dyn Fn(&K, Option<&A>, Option<&B>) -> Option<O> + Send + Sync>;

/// What a side of a join is made of.
pub(super) struct JoinParts<K, A, B, O> {
    pub(super) own: StoreName,
    pub(super) own_codec: Codec<K, A>,
    pub(super) other: StoreName,
    pub(super) other_codec: Codec<K, B>,
    pub(super) join: Match<K, A, B, O>,
    /// How far before and after a record of this side the other's may lie.
    pub(super) reach: (i64, i64),
    pub(super) is_left: bool,
    /// Whether records of this side are padded.
    pub(super) pads: bool,
    pub(super) waiting: Option<Waiting>,
}

impl<K, A, B, O> Clone for JoinParts<K, A, B, O> {
    fn clone(&self) -> Self {
        Self {
            own: self.own.clone(),
            own_codec: self.own_codec.clone(),
            other: self.other.clone(),
            other_codec: self.other_codec.clone(),
            join: self.join.clone(),
            reach: self.reach,
            is_left: self.is_left,
            pads: self.pads,
            waiting: self.waiting.clone(),
        }
    }
}

/// Joins the records of one side with those of the other.
pub(super) struct JoinSide<K, A, B, O> {
    parts: JoinParts<K, A, B, O>,
}

type Context<'c, 'n, 't, K, O> = &'c mut ProcessorContext<'n, 't, K, O>;

impl<K: Clone + 'static, A: Clone + 'static, B: 'static, O: 'static> JoinSide<K, A, B, O> {
    pub(super) fn new(parts: JoinParts<K, A, B, O>) -> Self {
        Self { parts }
    }

    fn send(
        &self,
        cx: Context<'_, '_, '_, K, O>,
        like: &Record<K, A>,
        (key, timestamp): (K, Timestamp),
        value: Option<O>,
    ) -> Result<(), ProcessError> {
        let Some(value) = value else { return Ok(()) };
        cx.forward(Record { key, value, timestamp, headers: like.headers.clone() })
    }

    /// The clock of both sides, moved on by this record.
    fn clock(&self, cx: Context<'_, '_, '_, K, O>, waiting: &Waiting, time: i64) -> Result<Clock, ProcessError> {
        let known = cx.key_value(waiting.store.as_str())?.get(&[])?;
        let known = known.as_ref().and_then(Clock::from_bytes);
        let mut clock = known.unwrap_or(Clock::START);
        clock.stream_time = clock.stream_time.max(time);
        Ok(clock)
    }

    fn keep(&self, cx: Context<'_, '_, '_, K, O>, waiting: &Waiting, clock: Clock) -> Result<(), ProcessError> {
        Ok(cx.key_value(waiting.store.as_str())?.put(Bytes::new(), clock.to_bytes())?)
    }

    /// Pads the waiting records that no match can come for any more.
    fn give_up(
        &self,
        cx: Context<'_, '_, '_, K, O>,
        record: &Record<K, A>,
        waiting: &Waiting,
        clock: &mut Clock,
    ) -> Result<(), ProcessError> {
        let (grace, stream_time) = (waiting.windows.grace, clock.stream_time);
        let open = |time: i64, is_left| time.wrapping_add(waiting.reach(is_left)).wrapping_add(grace) >= stream_time;
        let now = cx.wall_clock().as_millis();
        // With nothing waiting the sum wraps, and the look takes place and uses up its turn, as in Kafka Streams.
        if open(clock.min_time, self.parts.is_left) || now < clock.next_look {
            return Ok(());
        }
        (clock.next_look, clock.min_time) = (now.saturating_add(waiting.emit_every), i64::MAX);
        let all = (Bound::Excluded(Bytes::new()), Bound::Unbounded);
        let (mut left_open, mut right_open) = (false, false);
        for (at, value) in cx.key_value(waiting.store.as_str())?.range(all, usize::MAX)? {
            let Some(place) = Place::parse(&at).filter(|_| !(left_open && right_open)) else { break };
            clock.min_time = place.time;
            if open(place.time, place.is_left) {
                *(if place.is_left { &mut left_open } else { &mut right_open }) = true;
                continue;
            }
            cx.key_value(waiting.store.as_str())?.delete(&at)?;
            self.pad(cx, record, &place, &value)?;
        }
        Ok(())
    }

    fn pad(
        &self,
        cx: Context<'_, '_, '_, K, O>,
        record: &Record<K, A>,
        place: &Place,
        value: &Bytes,
    ) -> Result<(), ProcessError> {
        let key = self.parts.own_codec.read_key(&place.key)?;
        let result = if place.is_left == self.parts.is_left {
            (self.parts.join)(&key, Some(&self.parts.own_codec.read_value(value)?), None)
        } else {
            (self.parts.join)(&key, None, Some(&self.parts.other_codec.read_value(value)?))
        };
        self.send(cx, record, (key, Timestamp::from_millis(place.time)), result)
    }

    /// Joins the record with every match; tells whether there was one.
    fn find(&self, cx: Context<'_, '_, '_, K, O>, record: &Record<K, A>, key: &Bytes) -> Result<bool, ProcessError> {
        let (before, after) = self.parts.reach;
        let time = record.timestamp.as_millis();
        let from = Timestamp::from_millis(time.saturating_sub(before).max(0));
        let to = Timestamp::from_millis(time.saturating_add(after).max(0));
        let found = cx.window(self.parts.other.as_str())?.fetch(key, from, to)?;
        for (at, bytes) in &found {
            if let Some(waiting) = &self.parts.waiting {
                self.no_longer_waits(cx, waiting, *at, key)?;
            }
            let other = self.parts.other_codec.read_value(bytes)?;
            let result = (self.parts.join)(&record.key, Some(&record.value), Some(&other));
            self.send(cx, record, (record.key.clone(), record.timestamp.max(*at)), result)?;
        }
        Ok(!found.is_empty())
    }

    fn no_longer_waits(
        &self,
        cx: Context<'_, '_, '_, K, O>,
        waiting: &Waiting,
        at: Timestamp,
        key: &Bytes,
    ) -> Result<(), ProcessError> {
        let prefix = Place::prefix(at.as_millis(), !self.parts.is_left, key);
        let mut store = cx.key_value(waiting.store.as_str())?;
        let same = store.prefix(&prefix, usize::MAX)?.into_iter().filter(|(at, _)| at.len() == prefix.len() + 4);
        for (at, _) in same {
            store.delete(&at)?;
        }
        Ok(())
    }

    /// The record found no match: it is padded at once when it came too late for one, and waits otherwise.
    fn wait(
        &self,
        cx: Context<'_, '_, '_, K, O>,
        record: &Record<K, A>,
        key: &Bytes,
        (waiting, clock): (&Waiting, &mut Clock),
    ) -> Result<(), ProcessError> {
        let time = record.timestamp.as_millis();
        if time.saturating_add(self.parts.reach.1).max(0) < clock.stream_time {
            let result = (self.parts.join)(&record.key, Some(&record.value), None);
            return self.send(cx, record, (record.key.clone(), record.timestamp), result);
        }
        let Some(value) = self.parts.own_codec.value(&record.value)? else { return Ok(()) };
        clock.min_time = clock.min_time.min(time);
        clock.number = clock.number.wrapping_add(1);
        let at = [Place::prefix(time, self.parts.is_left, key), clock.number.to_be_bytes().to_vec()].concat();
        Ok(cx.key_value(waiting.store.as_str())?.put(at.into(), value)?)
    }

    fn join(&self, cx: Context<'_, '_, '_, K, O>, record: &Record<K, A>, key: &Bytes) -> Result<(), ProcessError> {
        let Some(waiting) = &self.parts.waiting else { return self.find(cx, record, key).map(|_| ()) };
        let mut clock = self.clock(cx, waiting, record.timestamp.as_millis())?;
        if record.timestamp.as_millis() == clock.stream_time {
            self.give_up(cx, record, waiting, &mut clock)?;
        }
        if !self.find(cx, record, key)? && self.parts.pads {
            self.wait(cx, record, key, (waiting, &mut clock))?;
        }
        self.keep(cx, waiting, clock)
    }
}

impl<K: Clone + 'static, A: Clone + 'static, B: 'static, O: 'static> Processor<K, A, K, O> for JoinSide<K, A, B, O> {
    fn process(&mut self, cx: &mut ProcessorContext<'_, '_, K, O>, record: Record<K, A>) -> Result<(), ProcessError> {
        if self.parts.own_codec.is_null(&record.value) {
            cx.count("null_value");
            return Ok(());
        }
        let Some(key) = self.parts.own_codec.key(&record.key)? else {
            if let Some(waiting) = &self.parts.waiting {
                let clock = self.clock(cx, waiting, record.timestamp.as_millis())?;
                self.keep(cx, waiting, clock)?;
            }
            if self.parts.pads {
                let result = (self.parts.join)(&record.key, Some(&record.value), None);
                return self.send(cx, &record, (record.key.clone(), record.timestamp), result);
            }
            cx.count("null_key");
            return Ok(());
        };
        self.join(cx, &record, &key)?;
        let value = self.parts.own_codec.value(&record.value)?;
        cx.window(self.parts.own.as_str())?.put(key, record.timestamp, value)?;
        Ok(())
    }
}
