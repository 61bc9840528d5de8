//! How many of some ordered items come first.

/// Items that are counted one by one rather than halved again and again.
///
/// Where they are not in the cache, each step of a search by halves waits for memory, and knows only then which item it needs
/// next. Counting needs all of them, and they come in one go.
const COUNTED: usize = 128;

/// How many items are before something; those that are come first.
pub(crate) fn n_before<T>(items: &[T], is_before: impl Fn(&T) -> bool) -> usize {
    if items.len() > COUNTED {
        return items.partition_point(is_before);
    }
    items.iter().map(|item| usize::from(is_before(item))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_comes_first() {
        for n in [0, 1, COUNTED, COUNTED + 1, 10 * COUNTED] {
            let items: Vec<_> = (0..n).collect();
            for bound in [0, 1, n / 3, n] {
                assert_eq!(n_before(&items, |item| *item < bound), bound.min(n));
            }
        }
    }
}
