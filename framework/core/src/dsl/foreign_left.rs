//! The left side of a foreign-key join: subscriptions go out, answers come in.

use std::sync::Arc;

use bytes::Bytes;

use super::change::Change;
use super::codec::Codec;
use super::foreign_message::{Answer, Instruction, Subscription, from_bytes, hash, to_bytes};
use super::join_foreign::Joiner;
use super::lookup::Lookup;
use crate::processor::{ProcessError, Processor, ProcessorContext};
use crate::record::{Headers, Record};
use crate::time::Timestamp;

/// Names the foreign key of a row.
pub(super) type Extract<K, V, K2> = Arc<dyn Fn(&K, &V) -> Option<K2> + Send + Sync>;

/// Subscribes the rows that change to the right rows of their foreign keys.
pub(super) struct Subscriber<K, V, K2, V2> {
    pub(super) left: Codec<K, V>,
    pub(super) right: Codec<K2, V2>,
    pub(super) foreign: Extract<K, V, K2>,
    pub(super) is_left: bool,
}

impl<K, V, K2, V2> Clone for Subscriber<K, V, K2, V2> {
    fn clone(&self) -> Self {
        let (left, right) = (self.left.clone(), self.right.clone());
        Self { left, right, foreign: self.foreign.clone(), is_left: self.is_left }
    }
}

impl<K: 'static, V: 'static, K2: 'static, V2: 'static> Subscriber<K, V, K2, V2> {
    fn foreign_key(&self, key: &K, value: Option<&V>) -> Result<Option<Bytes>, ProcessError> {
        let foreign = value.and_then(|value| (self.foreign)(key, value));
        Ok(foreign.map(|foreign| self.right.key(&foreign)).transpose()?.flatten())
    }

    /// What to tell whom: foreign keys and instructions, in order.
    fn messages(&self, old: Option<Bytes>, new: Option<Bytes>) -> Vec<(Option<Bytes>, Instruction)> {
        let moved = old.is_some() && old != new;
        if self.is_left {
            let forget = moved.then_some((old, Instruction::Forget));
            return forget.into_iter().chain([(new, Instruction::Answer)]).collect();
        }
        match (old, new) {
            (Some(old), Some(new)) if moved => {
                vec![(Some(old), Instruction::Forget), (Some(new), Instruction::Answer)]
            }
            (_, Some(new)) => vec![(Some(new), Instruction::AnswerIfFound)],
            (Some(old), None) => vec![(Some(old), Instruction::ForgetAndAnswer)],
            _ => Vec::new(),
        }
    }
}

impl<K: 'static, V: 'static, K2: 'static, V2: 'static> Processor<K, Change<V>, Option<Bytes>, Bytes>
    for Subscriber<K, V, K2, V2>
{
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, Option<Bytes>, Bytes>,
        record: Record<K, Change<V>>,
    ) -> Result<(), ProcessError> {
        let Record { key, value: Change { new, old, is_latest }, timestamp, headers } = record;
        if !is_latest || (new.is_none() && old.is_none()) {
            return Ok(());
        }
        let Some(primary) = self.left.key(&key)? else { return Ok(()) };
        let bytes = new.as_ref().map(|new| self.left.value(new)).transpose()?.flatten();
        let hash = bytes.as_ref().map(|bytes| hash(bytes));
        let (before, after) = (self.foreign_key(&key, old.as_ref())?, self.foreign_key(&key, new.as_ref())?);
        for (foreign, instruction) in self.messages(before, after) {
            let value = to_bytes(&Subscription { hash, instruction, primary: primary.clone() })?;
            cx.forward(Record { key: foreign, value, timestamp, headers: headers.clone() })?;
        }
        Ok(())
    }
}

/// Joins the rows that answers come for, unless they have changed since they asked.
pub(super) struct Resolver<K, V, K2, V2, O> {
    pub(super) left: Codec<K, V>,
    pub(super) right: Codec<K2, V2>,
    pub(super) rows: Arc<dyn Lookup<K, V>>,
    pub(super) join: Joiner<K, V, V2, O>,
}

impl<K, V, K2, V2, O> Clone for Resolver<K, V, K2, V2, O> {
    fn clone(&self) -> Self {
        let (left, right) = (self.left.clone(), self.right.clone());
        Self { left, right, rows: self.rows.clone(), join: self.join.clone() }
    }
}

impl<K: 'static, V: 'static, K2: 'static, V2: 'static, O: 'static> Resolver<K, V, K2, V2, O> {
    fn result(&self, key: &K, row: Option<&V>, answer: &Answer) -> Result<Option<O>, ProcessError> {
        let Some(row) = row else { return Ok(None) };
        let found = answer.row.as_ref().map(|bytes| self.right.read_value(bytes)).transpose()?;
        Ok((self.join)(key, row, found.as_ref()))
    }

    fn send(
        cx: &mut ProcessorContext<'_, '_, K, Option<O>>,
        (key, value): (K, Option<O>),
        (timestamp, headers): (Timestamp, Headers),
    ) -> Result<(), ProcessError> {
        cx.forward(Record { key, value, timestamp, headers })
    }
}

impl<K: 'static, V: 'static, K2: 'static, V2: 'static, O: 'static> Processor<Bytes, Bytes, K, Option<O>>
    for Resolver<K, V, K2, V2, O>
{
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, K, Option<O>>,
        record: Record<Bytes, Bytes>,
    ) -> Result<(), ProcessError> {
        let answer: Answer = from_bytes(&record.value)?;
        let key = self.left.read_key(&record.key)?;
        let row = self.rows.get(cx.raw(), &key, None)?.map(|row| row.value);
        let bytes = row.as_ref().map(|row| self.left.value(row)).transpose()?.flatten();
        if bytes.as_ref().map(|bytes| hash(bytes)) != answer.hash {
            cx.count("stale_answer");
            return Ok(());
        }
        let result = self.result(&key, row.as_ref(), &answer)?;
        Self::send(cx, (key, result), (record.timestamp, record.headers))
    }
}
