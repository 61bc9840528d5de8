//! Texts that occur again and again, kept per thread, so that a decoded action shares them instead of allocating.
//!
//! They are kept per thread because a count that all threads share would be written by every worker for every record.
//! They are looked up by their bytes: what is found was checked to be UTF-8 when it came.

use std::cell::RefCell;
use std::sync::Arc;

use nowfold_core::serde::avro::{Cursor, DatumError};

/// Longer texts are not worth looking up.
const MAX_LEN: usize = 32;

/// The texts that the present thread knows.
#[derive(Default)]
pub(super) struct Interner {
    /// Texts of few distinct values: verbs and names of attributes.
    names: Table<256>,
    /// Texts that may be of few values: those of attributes.
    values: Table<1024>,
}

thread_local! {
    static INTERNER: RefCell<Interner> = RefCell::default();
}

impl Interner {
    /// Lends the interner of the present thread to `f`, which must not ask for it again.
    pub(super) fn with<T>(f: impl FnOnce(&mut Self) -> T) -> T {
        INTERNER.with_borrow_mut(f)
    }

    /// Reads a text that is a name.
    pub(super) fn read_name(&mut self, cursor: &mut Cursor<'_>) -> Result<Arc<str>, DatumError> {
        self.names.read(cursor)
    }

    /// Reads a text that is a value.
    pub(super) fn read_value(&mut self, cursor: &mut Cursor<'_>) -> Result<Arc<str>, DatumError> {
        self.values.read(cursor)
    }

    /// The shared form of a name.
    pub(super) fn name(&mut self, name: &Name) -> Arc<str> {
        self.names.share(&name.text, name.key)
    }

    /// The shared form of a name that is not known beforehand.
    pub(super) fn new_name(&mut self, name: &str) -> Arc<str> {
        self.names.share(name, Key::of(name.as_bytes()))
    }

    /// The shared form of a value.
    pub(super) fn value(&mut self, value: &str) -> Arc<str> {
        self.values.share(value, Key::of(value.as_bytes()))
    }
}

/// A text that is looked up again and again. The default is no text.
#[derive(Clone, Debug, Default)]
pub(super) struct Name {
    text: Box<str>,
    key: Option<Key>,
}

impl Name {
    pub(super) fn new(text: impl Into<Box<str>>) -> Self {
        let text = text.into();
        Self { key: Key::of(text.as_bytes()), text }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

/// A direct-mapped table of texts: one slot per hash, where the newest text stays. `SLOTS` is a power of two.
struct Table<const SLOTS: usize>(Box<[(Key, Arc<str>); SLOTS]>);

impl<const SLOTS: usize> Default for Table<SLOTS> {
    fn default() -> Self {
        Self(Box::new(std::array::from_fn(|_| (Key::default(), Arc::default()))))
    }
}

impl<const SLOTS: usize> Table<SLOTS> {
    #[inline]
    fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<Arc<str>, DatumError> {
        let start = cursor.clone();
        let key = Key::of(cursor.bytes()?);
        match key.and_then(|key| self.find(key)) {
            Some(known) => Ok(known.clone()),
            None => {
                *cursor = start;
                Ok(self.keep(cursor.text()?, key))
            }
        }
    }

    #[inline]
    fn share(&mut self, text: &str, key: Option<Key>) -> Arc<str> {
        match key.and_then(|key| self.find(key)) {
            Some(known) => known.clone(),
            None => self.keep(text, key),
        }
    }

    #[inline]
    fn find(&self, key: Key) -> Option<&Arc<str>> {
        self.0.get(key.slot(SLOTS)).filter(|(known, _)| *known == key).map(|(_, text)| text)
    }

    #[cold]
    fn keep(&mut self, text: &str, key: Option<Key>) -> Arc<str> {
        let shared: Arc<str> = text.into();
        if let Some(key) = key
            && let Some(slot) = self.0.get_mut(key.slot(SLOTS))
        {
            *slot = (key, shared.clone());
        }
        shared
    }
}

/// All bytes of a text of at most [`MAX_LEN`], so that equal keys mean equal texts. The default is that of no bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Key {
    words: [u64; 4],
    len: usize,
}

impl Key {
    #[inline]
    fn of(bytes: &[u8]) -> Option<Self> {
        (bytes.len() <= MAX_LEN).then(|| Self { words: words(bytes), len: bytes.len() })
    }

    #[inline]
    fn slot(self, slots: usize) -> usize {
        const K: u64 = 0x9e37_79b9_7f4a_7c15;
        let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(K).rotate_left(29);
        let hash = self.words.into_iter().fold(self.len as u64, mix);
        (hash >> 8) as usize % slots
    }
}

/// At most [`MAX_LEN`] bytes as words, which overlap where the length asks for it: equal words of equal lengths mean equal
/// bytes.
#[inline]
fn words(bytes: &[u8]) -> [u64; 4] {
    if let (Some(a), Some(b), Some(c), Some(d)) = (word(bytes, 0), word(bytes, 8), end(bytes, 16), end(bytes, 8)) {
        [a, b, c, d]
    } else if let (Some(a), Some(d)) = (word(bytes, 0), end(bytes, 8)) {
        [a, 0, 0, d]
    } else if let (Some(a), Some(d)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        [u64::from(u32::from_le_bytes(*a)), 0, 0, u64::from(u32::from_le_bytes(*d))]
    } else {
        [bytes.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte)), 0, 0, 0]
    }
}

/// The eight bytes from `at` on.
#[inline]
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|word| u64::from_le_bytes(*word))
}

/// The eight bytes that begin `before` bytes before the end.
#[inline]
fn end(bytes: &[u8], before: usize) -> Option<u64> {
    word(bytes, bytes.len().checked_sub(before)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_text_is_shared_and_long_text_is_not() {
        let mut interner = Interner::default();
        let (short, long) = (Name::new("embedding"), Name::new("x".repeat(MAX_LEN + 1)));
        assert!(Arc::ptr_eq(&interner.name(&short), &interner.new_name("embedding")));
        assert!(!Arc::ptr_eq(&interner.name(&long), &interner.name(&long)));
        assert_eq!(*interner.name(&long), *long.text);
        assert_eq!(&*interner.new_name(""), "");
    }

    #[test]
    fn colliding_texts_stay_themselves() {
        let mut interner = Interner::default();
        for i in 0..10_000 {
            let text = format!("value-{i}");
            assert_eq!(*interner.value(&text), *text);
        }
    }

    #[test]
    fn keys_tell_apart_any_two_texts() {
        for len in 0..=MAX_LEN {
            let text = vec![b'a'; len];
            for at in 0..len {
                let mut other = text.clone();
                other[at] = b'b';
                assert_ne!(Key::of(&text), Key::of(&other), "byte {at} of {len}");
                assert_ne!(Key::of(&text), Key::of(&text[..at]), "{at} and {len} bytes");
            }
            assert_eq!(Key::of(&text), Key::of(&text.clone()));
        }
        assert_ne!(Key::of(b"\0"), Key::of(b""));
        assert_eq!(Key::of(&[b'a'; MAX_LEN + 1]), None);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused_at_their_position() {
        let mut interner = Interner::default();
        let mut cursor = Cursor::new(b"\x04\xff\xff", 0);
        assert!(interner.read_value(&mut cursor).unwrap_err().to_string().contains("byte 0"));
    }
}
