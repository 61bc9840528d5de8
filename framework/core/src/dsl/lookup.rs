//! How operators read a table's rows: from its store, or computed from the tables above.

use std::sync::Arc;

use super::codec::Codec;
use crate::names::StoreName;
use crate::processor::ProcessError;
use crate::state::unstamp;
use crate::task::graph::NodeContext;
use crate::time::Timestamp;
use crate::window::Windowed;

/// A row as it is read.
#[derive(Clone, Debug)]
pub(crate) struct Row<V> {
    pub(crate) value: V,
    /// When it was last updated.
    pub(crate) timestamp: Timestamp,
}

/// Reads of a table, from a node that is connected to [`stores`](Self::stores).
pub(crate) trait Lookup<K, V>: Send + Sync {
    /// The row of `key`: as of `time` where the table is versioned, else the newest.
    fn get(&self, cx: &mut NodeContext<'_>, key: &K, time: Option<Timestamp>) -> Result<Option<Row<V>>, ProcessError>;

    /// The stores that are read.
    fn stores(&self) -> Vec<StoreName>;

    /// For how many milliseconds back rows can be read, when the table is versioned.
    fn history(&self) -> Option<i64> {
        None
    }
}

/// Rows in a timestamped key-value store.
pub(crate) struct KeyValueRows<K, V> {
    pub(crate) codec: Codec<K, V>,
    pub(crate) store: StoreName,
}

impl<K: 'static, V: 'static> Lookup<K, V> for KeyValueRows<K, V> {
    fn get(&self, cx: &mut NodeContext<'_>, key: &K, _: Option<Timestamp>) -> Result<Option<Row<V>>, ProcessError> {
        let Some(key) = self.codec.key(key)? else { return Ok(None) };
        let row = cx.key_value(self.store.as_str())?.get_stamped(&key)?;
        row.map(|(timestamp, bytes)| Ok(Row { value: self.codec.read_value(&bytes)?, timestamp })).transpose()
    }

    fn stores(&self) -> Vec<StoreName> {
        vec![self.store.clone()]
    }
}

/// Rows in a timestamped window store.
pub(crate) struct WindowRows<K, V> {
    pub(crate) codec: Codec<K, V>,
    pub(crate) store: StoreName,
}

impl<K: 'static, V: 'static> Lookup<Windowed<K>, V> for WindowRows<K, V> {
    fn get(
        &self,
        cx: &mut NodeContext<'_>,
        key: &Windowed<K>,
        _: Option<Timestamp>,
    ) -> Result<Option<Row<V>>, ProcessError> {
        let Some(bytes) = self.codec.key(&key.key)? else { return Ok(None) };
        let row = cx.window(self.store.as_str())?.get(&bytes, key.window.start)?;
        let row = row.as_ref().and_then(unstamp);
        row.map(|(timestamp, bytes)| Ok(Row { value: self.codec.read_value(&bytes)?, timestamp })).transpose()
    }

    fn stores(&self) -> Vec<StoreName> {
        vec![self.store.clone()]
    }
}

/// Rows in a session store; their time is the session's end.
pub(crate) struct SessionRows<K, V> {
    pub(crate) codec: Codec<K, V>,
    pub(crate) store: StoreName,
}

impl<K: 'static, V: 'static> Lookup<Windowed<K>, V> for SessionRows<K, V> {
    fn get(
        &self,
        cx: &mut NodeContext<'_>,
        key: &Windowed<K>,
        _: Option<Timestamp>,
    ) -> Result<Option<Row<V>>, ProcessError> {
        let Some(bytes) = self.codec.key(&key.key)? else { return Ok(None) };
        let row = cx.session(self.store.as_str())?.get(&bytes, key.window.start, key.window.end)?;
        let timestamp = key.window.end;
        row.map(|bytes| Ok(Row { value: self.codec.read_value(&bytes)?, timestamp })).transpose()
    }

    fn stores(&self) -> Vec<StoreName> {
        vec![self.store.clone()]
    }
}

/// Rows in a versioned store.
pub(crate) struct VersionedRows<K, V> {
    pub(crate) codec: Codec<K, V>,
    pub(crate) store: StoreName,
    pub(crate) history_ms: i64,
}

impl<K: 'static, V: 'static> Lookup<K, V> for VersionedRows<K, V> {
    fn get(&self, cx: &mut NodeContext<'_>, key: &K, time: Option<Timestamp>) -> Result<Option<Row<V>>, ProcessError> {
        let Some(key) = self.codec.key(key)? else { return Ok(None) };
        let store = cx.versioned(self.store.as_str())?;
        let version = match time {
            Some(time) => store.as_of(&key, time)?,
            None => store.latest(&key)?,
        };
        let row = |version: crate::state::Version| {
            Ok(Row { value: self.codec.read_value(&version.value)?, timestamp: version.from })
        };
        version.map(row).transpose()
    }

    fn stores(&self) -> Vec<StoreName> {
        vec![self.store.clone()]
    }

    fn history(&self) -> Option<i64> {
        Some(self.history_ms)
    }
}

/// Turns a row's value into another, or leaves the row out.
pub(crate) type RowMap<K, V, V2> = Arc<dyn Fn(&K, V) -> Option<V2> + Send + Sync>;

/// Rows computed from those of another table.
pub(crate) struct MappedRows<K, V, V2> {
    pub(crate) above: Arc<dyn Lookup<K, V>>,
    pub(crate) map: RowMap<K, V, V2>,
}

impl<K: 'static, V: 'static, V2: 'static> Lookup<K, V2> for MappedRows<K, V, V2> {
    fn get(&self, cx: &mut NodeContext<'_>, key: &K, time: Option<Timestamp>) -> Result<Option<Row<V2>>, ProcessError> {
        let row = self.above.get(cx, key, time)?;
        Ok(row.and_then(|row| Some(Row { value: (self.map)(key, row.value)?, timestamp: row.timestamp })))
    }

    fn stores(&self) -> Vec<StoreName> {
        self.above.stores()
    }

    fn history(&self) -> Option<i64> {
        self.above.history()
    }
}
