//! Serdes for windowed keys, as Kafka Streams writes them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::{Consumed, Deserializer, Format, Produced, SerdeEnv, SerdeError, Serializer};
use crate::names::TopicName;
use crate::time::Timestamp;
use crate::window::{Window, Windowed, Windows};

/// Reads and writes keys of time and sliding windows: the inner key, then the window's start (8 bytes, big-endian
/// milliseconds). The end is not written; it follows from the windows.
///
/// ```
/// use nowfold_core::serde::{Plain, TimeWindowed};
/// use nowfold_core::time::minutes;
/// use nowfold_core::window::TimeWindows;
///
/// let serdes = TimeWindowed::new(Plain::<String, i64>::new(), TimeWindows::tumbling(minutes(1)));
/// # let _ = serdes;
/// ```
#[derive(Clone, Debug)]
pub struct TimeWindowed<S> {
    inner: Arc<S>,
    windows: Windows,
}

impl<S> TimeWindowed<S> {
    /// Keys and values of `inner`, in `windows`.
    pub fn new(inner: S, windows: impl Into<Windows>) -> Self {
        Self { inner: Arc::new(inner), windows: windows.into() }
    }
}

/// Reads and writes keys of sessions: the inner key, then the session's end and start (8 bytes each, big-endian).
#[derive(Clone, Debug)]
pub struct SessionWindowed<S>(Arc<S>);

impl<S> SessionWindowed<S> {
    /// Keys and values of `inner`.
    pub fn new(inner: S) -> Self {
        Self(Arc::new(inner))
    }
}

impl<S: Format> Format for TimeWindowed<S> {
    fn name(&self) -> Cow<'static, str> {
        format!("windowed-{}", self.inner.name()).into()
    }

    fn configure(&self, env: &SerdeEnv) -> Result<(), SerdeError> {
        self.inner.configure(env)
    }
}

impl<S: Format> Format for SessionWindowed<S> {
    fn name(&self) -> Cow<'static, str> {
        format!("session-{}", self.0.name()).into()
    }

    fn configure(&self, env: &SerdeEnv) -> Result<(), SerdeError> {
        self.0.configure(env)
    }
}

/// How the window stands behind the key.
#[derive(Clone, Copy)]
enum Suffix {
    Start(Windows),
    EndAndStart,
}

impl Suffix {
    fn len(self) -> usize {
        match self {
            Self::Start(_) => 8,
            Self::EndAndStart => 16,
        }
    }

    fn bytes(self, window: Window) -> Vec<u8> {
        let start = window.start.as_millis().to_be_bytes();
        match self {
            Self::Start(_) => start.to_vec(),
            Self::EndAndStart => [window.end.as_millis().to_be_bytes(), start].concat(),
        }
    }

    fn window(self, bytes: &[u8]) -> Option<Window> {
        let time = |bytes: &[u8]| Some(Timestamp::from_millis(i64::from_be_bytes(bytes.try_into().ok()?)));
        match self {
            Self::Start(windows) => Some(windows.at(time(bytes)?)),
            Self::EndAndStart => {
                let (end, start) = bytes.split_at_checked(8)?;
                Some(Window { start: time(start)?, end: time(end)? })
            }
        }
    }
}

struct KeyIn<K>(Arc<dyn Deserializer<K>>, Suffix);

impl<K: 'static> Deserializer<Windowed<K>> for KeyIn<K> {
    fn deserialize(&self, topic: &TopicName, bytes: &Bytes) -> Result<Windowed<K>, SerdeError> {
        let short = || SerdeError::invalid("windowed key", format!("{} bytes are too few", bytes.len()));
        let n = bytes.len().checked_sub(self.1.len()).ok_or_else(short)?;
        let window = bytes.get(n..).and_then(|suffix| self.1.window(suffix)).ok_or_else(short)?;
        Ok(Windowed { key: self.0.deserialize(topic, &bytes.slice(..n))?, window })
    }
}

struct KeyOut<K>(Arc<dyn Serializer<K>>, Suffix);

impl<K: 'static> Serializer<Windowed<K>> for KeyOut<K> {
    fn serialize(&self, topic: &TopicName, key: &Windowed<K>) -> Result<Option<Bytes>, SerdeError> {
        let Some(inner) = self.0.serialize(topic, &key.key)? else { return Ok(None) };
        Ok(Some([&inner[..], &self.1.bytes(key.window)].concat().into()))
    }

    fn partitioned_by<'b>(&self, key: &'b Bytes) -> &'b [u8] {
        let n = key.len().saturating_sub(self.1.len());
        key.get(..n).unwrap_or(key)
    }
}

impl<S> fmt::Debug for KeyIn<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyIn")
    }
}

/// The two pairs differ in the suffix only.
macro_rules! windowed_pair {
    ($pair:ident, |$this:ident| $inner:expr, $suffix:expr) => {
        impl<K: 'static, V: 'static, S: Consumed<K, V>> Consumed<Windowed<K>, V> for $pair<S> {
            fn key_deserializer(&self) -> Arc<dyn Deserializer<Windowed<K>>> {
                let $this = self;
                Arc::new(KeyIn($inner.key_deserializer(), $suffix))
            }

            fn value_deserializer(&self) -> Arc<dyn Deserializer<V>> {
                let $this = self;
                $inner.value_deserializer()
            }
        }

        impl<K: 'static, V: 'static, S: Produced<K, V>> Produced<Windowed<K>, V> for $pair<S> {
            fn key_serializer(&self) -> Arc<dyn Serializer<Windowed<K>>> {
                let $this = self;
                Arc::new(KeyOut($inner.key_serializer(), $suffix))
            }

            fn value_serializer(&self) -> Arc<dyn Serializer<V>> {
                let $this = self;
                $inner.value_serializer()
            }
        }
    };
}

windowed_pair!(TimeWindowed, |this| this.inner, Suffix::Start(this.windows));
windowed_pair!(SessionWindowed, |this| this.0, Suffix::EndAndStart);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serde::Plain;
    use crate::time::millisecs;
    use crate::window::TimeWindows;

    fn round_trip<S>(serdes: &S, window: Window) -> (Bytes, Windowed<String>)
    where
        S: Consumed<Windowed<String>, i64> + Produced<Windowed<String>, i64>,
    {
        let topic = TopicName::from("t");
        let key = Windowed { key: "ab".to_owned(), window };
        let bytes = serdes.key_serializer().serialize(&topic, &key).unwrap().unwrap();
        (bytes.clone(), serdes.key_deserializer().deserialize(&topic, &bytes).unwrap())
    }

    #[test]
    fn a_time_window_is_its_start_and_a_session_its_end_and_start() {
        let window = Window::from_millis(20, 30);
        let pair = Plain::<String, i64>::new();
        let (bytes, key) = round_trip(&TimeWindowed::new(pair, TimeWindows::tumbling(millisecs(10))), window);
        assert_eq!((&bytes[..], key.window), (&b"ab\0\0\0\0\0\0\0\x14"[..], window));
        let pair = Plain::<String, i64>::new();
        let (bytes, key) = round_trip(&SessionWindowed::new(pair), window);
        assert_eq!((&bytes[..], key.window), (&b"ab\0\0\0\0\0\0\0\x1e\0\0\0\0\0\0\0\x14"[..], window));
    }
}
