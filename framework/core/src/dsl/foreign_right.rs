//! The right side of a foreign-key join: subscriptions are kept, and answered now and at every change.

use std::sync::Arc;

use bytes::Bytes;

use super::change::Change;
use super::codec::Codec;
use super::foreign_message::{Answer, Instruction, Subscription, from_bytes, subscription_key, to_bytes};
use super::lookup::Lookup;
use crate::names::StoreName;
use crate::processor::{ProcessError, Processor, ProcessorContext};
use crate::record::Record;
use crate::state::unstamp;

/// Keeps subscriptions, and answers them.
pub(super) struct Registrar<K2, V2> {
    pub(super) right: Codec<K2, V2>,
    pub(super) rows: Arc<dyn Lookup<K2, V2>>,
    pub(super) subscriptions: StoreName,
}

impl<K2, V2> Clone for Registrar<K2, V2> {
    fn clone(&self) -> Self {
        Self { right: self.right.clone(), rows: self.rows.clone(), subscriptions: self.subscriptions.clone() }
    }
}

impl<K2: 'static, V2: 'static> Processor<Option<Bytes>, Bytes, Bytes, Bytes> for Registrar<K2, V2> {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, Bytes, Bytes>,
        record: Record<Option<Bytes>, Bytes>,
    ) -> Result<(), ProcessError> {
        let Subscription { hash, instruction, primary } = from_bytes(&record.value)?;
        let forgets = matches!(instruction, Instruction::Forget | Instruction::ForgetAndAnswer);
        let mut found = None;
        if let Some(foreign) = &record.key {
            let at = subscription_key(foreign, &primary);
            let mut store = cx.key_value(self.subscriptions.as_str())?;
            if forgets {
                store.delete(&at)?;
            } else {
                store.put_stamped(at, record.value.clone(), record.timestamp)?;
                found = self.rows.get(cx.raw(), &self.right.read_key(foreign)?, None)?;
            }
        }
        let silent =
            instruction == Instruction::Forget || (instruction == Instruction::AnswerIfFound && found.is_none());
        if silent {
            return Ok(());
        }
        let timestamp = found.as_ref().map_or(record.timestamp, |row| row.timestamp.max(record.timestamp));
        let row = found.map(|row| self.right.value(&row.value)).transpose()?.flatten();
        let value = to_bytes(&Answer { hash, row })?;
        cx.forward(Record { key: primary, value, timestamp, headers: record.headers })
    }
}

/// Tells the subscribers of a right row that it changed.
pub(super) struct Changed<K2, V2> {
    pub(super) right: Codec<K2, V2>,
    pub(super) subscriptions: StoreName,
}

impl<K2, V2> Clone for Changed<K2, V2> {
    fn clone(&self) -> Self {
        Self { right: self.right.clone(), subscriptions: self.subscriptions.clone() }
    }
}

impl<K2: 'static, V2: 'static> Processor<K2, Change<V2>, Bytes, Bytes> for Changed<K2, V2> {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, Bytes, Bytes>,
        record: Record<K2, Change<V2>>,
    ) -> Result<(), ProcessError> {
        if !record.value.is_latest {
            return Ok(());
        }
        let Some(foreign) = self.right.key(&record.key)? else { return Ok(()) };
        let row = record.value.new.as_ref().map(|new| self.right.value(new)).transpose()?.flatten();
        let prefix = subscription_key(&foreign, &[]);
        for (_, stored) in cx.key_value(self.subscriptions.as_str())?.prefix(&prefix, usize::MAX)? {
            let Some((_, stored)) = unstamp(&stored) else { continue };
            let Subscription { hash, primary, .. } = from_bytes(&stored)?;
            let value = to_bytes(&Answer { hash, row: row.clone() })?;
            let (timestamp, headers) = (record.timestamp, record.headers.clone());
            cx.forward(Record { key: primary, value, timestamp, headers })?;
        }
        Ok(())
    }
}
