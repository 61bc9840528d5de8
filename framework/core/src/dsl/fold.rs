//! Count, reduce and aggregate as one thing: a function from a value and the result so far to the next result.

use std::sync::Arc;

/// Adds a value to the result so far.
pub(crate) type Add<K, V, A> = Arc<dyn Fn(&K, &V, Option<A>) -> Option<A> + Send + Sync>;

/// What an aggregation does. `None` as the result so far: there is none yet. `None` as the next result: the row is deleted.
pub(crate) struct Fold<K, V, A> {
    pub(crate) add: Add<K, V, A>,
    /// The result before the first value, where there is one: what a new row's change tells as the old value.
    pub(crate) init: Option<Arc<dyn Fn() -> A + Send + Sync>>,
}

impl<K, V, A> Clone for Fold<K, V, A> {
    fn clone(&self) -> Self {
        Self { add: self.add.clone(), init: self.init.clone() }
    }
}

/// What becomes of the results of two sessions that turn out to be one.
pub(crate) type Merge<K, A> = Arc<dyn Fn(&K, Option<A>, A) -> Option<A> + Send + Sync>;

/// Counts records.
pub(crate) fn count<K: 'static, V: 'static>() -> Fold<K, V, i64> {
    Fold { add: Arc::new(|_, _, n| Some(n.unwrap_or(0).wrapping_add(1))), init: Some(Arc::new(|| 0)) }
}

/// Takes the first value as it is and combines each further one with the result so far.
pub(crate) fn reduce<K: 'static, V: Clone + 'static, R: Into<Option<V>> + 'static>(
    reduce: Arc<impl Fn(V, &V) -> R + Send + Sync + 'static>,
) -> Fold<K, V, V> {
    Fold {
        add: Arc::new(move |_, value, result| match result {
            Some(result) => reduce(result, value).into(),
            None => Some(value.clone()),
        }),
        init: None,
    }
}

/// Begins with `init` and adds each value.
pub(crate) fn aggregate<K: 'static, V: 'static, A: 'static, R: Into<Option<A>> + 'static>(
    init: Arc<dyn Fn() -> A + Send + Sync>,
    add: impl Fn(&K, &V, A) -> R + Send + Sync + 'static,
) -> Fold<K, V, A> {
    let first = init.clone();
    let add = move |key: &K, value: &V, result: Option<A>| add(key, value, result.unwrap_or_else(|| first())).into();
    Fold { add: Arc::new(add), init: Some(init) }
}
