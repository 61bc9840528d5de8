//! `for_each`: the end of a stream in a function.

use std::sync::Arc;

use super::KStream;
use super::process::each;
use crate::record::Record;

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Calls `act` for each record and ends the stream. A record that is processed again is acted on again.
    pub fn for_each(self, name: &str, act: impl Fn(K, V) + Send + Sync + 'static) {
        let act = Arc::new(act);
        let _: KStream<(), ()> = self.then(name, true, move || {
            let act = act.clone();
            each(move |_, record: Record<K, V>| {
                act(record.key, record.value);
                Ok(())
            })
        });
    }
}
