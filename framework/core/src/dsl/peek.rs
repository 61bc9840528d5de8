//! `peek`: look at records as they pass.

use std::sync::Arc;

use super::KStream;
use super::process::each;
use crate::record::Record;

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Calls `look` for each record and passes it on unchanged. A record that is processed again is looked at again.
    pub fn peek(self, name: &str, look: impl Fn(&K, &V) + Send + Sync + 'static) -> Self {
        let look = Arc::new(look);
        self.then(name, false, move || {
            let look = look.clone();
            each(move |cx, record: Record<K, V>| {
                look(&record.key, &record.value);
                cx.forward(record)
            })
        })
    }
}
