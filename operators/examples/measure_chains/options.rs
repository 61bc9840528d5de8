//! What to measure.

/// Options as given, or their defaults.
pub(crate) struct Options {
    pub(crate) only: String,
    pub(crate) actors: u64,
    pub(crate) hot: u64,
    pub(crate) dim: usize,
    pub(crate) texts: u64,
    pub(crate) queries: usize,
    pub(crate) spread: u64,
    pub(crate) events: u64,
    /// For a row of `memory`: whether events take their vectors from a few.
    pub(crate) shared: bool,
}

impl Options {
    pub(crate) fn from_args() -> Self {
        let args: Vec<String> = std::env::args().skip(1).collect();
        let text = |name: &str| args.iter().find_map(|arg| arg.strip_prefix(name)?.strip_prefix('='));
        let number = |name: &str, default: u64| text(name).map_or(default, |value| value.parse().unwrap());
        Self {
            only: text("only").unwrap_or_default().to_owned(),
            actors: number("actors", 1_000_000),
            hot: number("hot", 100_000),
            dim: usize::try_from(number("dim", 64)).unwrap(),
            texts: number("texts", 0),
            queries: usize::try_from(number("queries", 20_000)).unwrap(),
            spread: number("spread", 100_000),
            events: number("events", 0),
            shared: number("shared", 0) == 1,
        }
    }

    /// Sizes of actors to query.
    pub(crate) fn sizes(&self) -> Vec<u64> {
        if self.events > 0 { vec![self.events] } else { vec![5, 500, self.hot] }
    }
}
