//! `group_by_key` and `group_by`: a stream whose equal keys meet, ready to be aggregated.

use super::KStream;
use super::codec::Codec;
use super::repartition::Repartition;
use super::sessions::SessionWindowedKStream;
use super::windowed::TimeWindowedKStream;
use crate::serde::Serdes;
use crate::window::{SessionWindows, Windows};

/// A stream grouped by its key. Clone it to aggregate it more than once.
#[must_use = "a grouped stream does nothing until it is aggregated"]
#[derive(Debug)]
pub struct KGroupedStream<K, V> {
    pub(super) stream: KStream<K, V>,
    pub(super) codec: Codec<K, V>,
}

impl<K: Clone + 'static, V: Clone + 'static> Clone for KGroupedStream<K, V> {
    fn clone(&self) -> Self {
        Self { stream: self.stream.clone(), codec: self.codec.clone() }
    }
}

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Groups the records by their key. Where the key was changed since the last topic, the stream goes through the
    /// internal topic `<application>-<name>-repartition` first. Records with a null key are dropped and counted as
    /// `null_key`.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain};
    /// let app = StreamsBuilder::new("hello-count");
    /// app.stream("lines", Plain::<(), String>::new())
    ///     .flat_map("words", |(), line| line.split(' ').map(|word| (word.to_owned(), ())).collect::<Vec<_>>())
    ///     .map_values("one", |_, ()| 1_i64)
    ///     .group_by_key("by-word", Plain::<String, i64>::new())
    ///     .count("counts")
    ///     .to_stream("changes")
    ///     .to("out", Plain::<String, Option<i64>>::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn group_by_key(
        self,
        name: impl Into<Repartition>,
        serdes: impl Serdes<K, V> + 'static,
    ) -> KGroupedStream<K, V> {
        let codec = Codec::new("", serdes);
        let stream = if self.key_changed_by.is_some() { self.repartition(name, codec.clone()) } else { self };
        KGroupedStream { stream, codec }
    }

    /// Gives each record a new key and groups by it, always by way of `<application>-<name>-repartition`.
    pub fn group_by<K2: 'static>(
        self,
        name: &str,
        select: impl Fn(&K, &V) -> K2 + Send + Sync + 'static,
        serdes: impl Serdes<K2, V> + 'static,
    ) -> KGroupedStream<K2, V> {
        self.select_key(&format!("{name}-select"), select).group_by_key(name, serdes)
    }
}

impl<K: 'static, V: 'static> KGroupedStream<K, V> {
    /// Aggregates within windows of time.
    pub fn windowed(self, windows: impl Into<Windows>) -> TimeWindowedKStream<K, V> {
        TimeWindowedKStream::new(self, windows.into())
    }

    /// Aggregates within sessions.
    pub fn sessions(self, windows: SessionWindows) -> SessionWindowedKStream<K, V> {
        SessionWindowedKStream::new(self, windows)
    }
}
