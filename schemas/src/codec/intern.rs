//! Texts that occur again and again, kept per thread, so that a decoded action shares them instead of allocating.

use std::cell::RefCell;
use std::sync::Arc;

/// Longer texts are not worth looking up.
const MAX_LEN: usize = 32;

/// A direct-mapped table of texts: one slot per hash, the newest text stays.
struct Table<const SLOTS: usize>([Option<Arc<str>>; SLOTS]);

thread_local! {
    static NAMES: RefCell<Table<256>> = const { RefCell::new(Table([const { None }; 256])) };
    static VALUES: RefCell<Table<1024>> = const { RefCell::new(Table([const { None }; 1024])) };
}

/// A text of few distinct values: a verb or the name of an attribute.
///
/// The tables are per thread: a shared count would be written by every worker for every record.
#[inline]
pub(super) fn name(text: &str) -> Arc<str> {
    if text.len() > MAX_LEN { text.into() } else { NAMES.with_borrow_mut(|names| names.get(text)) }
}

/// A text that may be one of few, such as an attribute's value.
#[inline]
pub(super) fn value(text: &str) -> Arc<str> {
    if text.len() > MAX_LEN { text.into() } else { VALUES.with_borrow_mut(|values| values.get(text)) }
}

impl<const SLOTS: usize> Table<SLOTS> {
    fn get(&mut self, text: &str) -> Arc<str> {
        let Some(slot) = self.0.get_mut(hash(text.as_bytes()) % SLOTS) else { return text.into() };
        match slot {
            Some(known) if **known == *text => known.clone(),
            _ => slot.insert(text.into()).clone(),
        }
    }
}

/// A cheap hash of at most [`MAX_LEN`] bytes. It decides about speed only.
fn hash(bytes: &[u8]) -> usize {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash.rotate_left(23) ^ word).wrapping_mul(K);
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words.iter().fold(bytes.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let last = rest.iter().fold(0, |last, byte| (last << 8) | u64::from(*byte));
    (mix(hash, last) >> 40) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_text_is_shared_and_long_text_is_not() {
        assert!(Arc::ptr_eq(&name("embedding"), &name("embedding")));
        let long = "x".repeat(MAX_LEN + 1);
        assert!(!Arc::ptr_eq(&name(&long), &name(&long)));
        assert_eq!(*name(&long), *long);
    }

    #[test]
    fn colliding_texts_stay_themselves() {
        for i in 0..10_000 {
            let text = format!("value-{i}");
            assert_eq!(*value(&text), *text);
        }
    }
}
