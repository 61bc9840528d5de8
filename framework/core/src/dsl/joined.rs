//! The name of a stream's join, and how the stream comes to where it is joined.

use std::fmt;

use super::KStream;
use super::codec::Codec;
use super::repartition::Repartition;
use crate::serde::Serdes;
use crate::topology::TopologyFault;

/// The name of a join of a stream, and the serdes for its way there.
///
/// Where the stream's key was changed since the last topic, equal keys lie in different partitions. With serdes, the
/// stream then goes through the internal topic `<application>-<name>-repartition`, as in Kafka Streams; a name alone
/// refuses such a stream (NF005). A stream that kept its key is joined where it is, serdes or not.
///
/// ```
/// # use nowfold_core::{dsl::{Joined, StreamsBuilder}, serde::Plain};
/// let app = StreamsBuilder::new("greet");
/// let names = app.table("names", "names-store", Plain::<String, String>::new());
/// app.stream("visits", Plain::<(), String>::new())
///     .select_key("by-visitor", |_, line| line.split(' ').next().unwrap_or_default().to_owned())
///     .join_table(Joined::with("with-name", Plain::new()), &names, |_, line, name| format!("{name}: {line}"))
///     .to("log", Plain::<String, String>::new());
/// let topology = app.build()?;
/// assert!(topology.requirements().iter().any(|topic| topic.name.as_str() == "greet-with-name-repartition"));
/// # Ok::<(), nowfold_core::topology::TopologyError>(())
/// ```
pub struct Joined<K, V> {
    name: String,
    way: Option<Codec<K, V>>,
}

impl<K: 'static, V: 'static> Joined<K, V> {
    /// A join of this name, of a stream that may go through a topic in which it is written with `serdes`.
    pub fn with(name: impl Into<String>, serdes: impl Serdes<K, V> + 'static) -> Self {
        Self { name: name.into(), way: Some(Codec::new("", serdes)) }
    }

    /// The join's name, and the stream where its keys are: below a repartition if they were changed. Null keys are kept on
    /// the way where the join still has a use for them.
    pub(super) fn bring(self, stream: KStream<K, V>, keeps_null_keys: bool) -> (String, KStream<K, V>) {
        let stream = match (&stream.key_changed_by, self.way) {
            (None, _) => stream,
            (Some(_), Some(codec)) => stream.brought_by(&self.name, codec, keeps_null_keys),
            (Some(changed_by), None) => {
                let (node, changed_by) = (self.name.clone(), changed_by.to_string());
                stream.builder.fault(TopologyFault::KeyChanged { node, changed_by });
                stream
            }
        };
        (self.name, stream)
    }
}

impl<K: 'static, V: 'static> KStream<K, V> {
    /// The stream below `<application>-<name>-repartition` if its key was changed, else as it is.
    pub(super) fn brought_by(self, name: &str, codec: Codec<K, V>, keeps_null_keys: bool) -> Self {
        if self.key_changed_by.is_none() {
            return self;
        }
        let way = Repartition::named(name);
        self.repartition(if keeps_null_keys { way.keep_null_keys() } else { way }, codec)
    }
}

impl<K, V> From<&str> for Joined<K, V> {
    fn from(name: &str) -> Self {
        Self { name: name.to_owned(), way: None }
    }
}

impl<K, V> From<&String> for Joined<K, V> {
    fn from(name: &String) -> Self {
        Self::from(name.as_str())
    }
}

impl<K, V> From<String> for Joined<K, V> {
    fn from(name: String) -> Self {
        Self { name, way: None }
    }
}

impl<K, V> fmt::Debug for Joined<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined").field("name", &self.name).field("way", &self.way).finish()
    }
}
