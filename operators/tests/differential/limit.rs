//! The oracle's limit of an actor's events: of all that came in time, seen or not, the newest in order stay.

/// Where an event stands among those of its actor: time, sequence, id.
pub(crate) type Spot = (i64, i64, String);

/// What the limit knows of one actor.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    pub(crate) actor: String,
    /// Where events stand that count: those that are here, and those that were retracted or replaced. In order.
    counted: Vec<Spot>,
    /// The newest that went.
    cut: Option<Spot>,
}

impl Limit {
    pub(crate) fn new(actor: &str) -> Self {
        Self { actor: actor.to_owned(), counted: Vec::new(), cut: None }
    }

    /// The time of the newest that went.
    pub(crate) fn cut(&self) -> Option<i64> {
        self.cut.as_ref().map(|spot| spot.0)
    }

    /// Whether one more would stay; otherwise it has gone.
    pub(crate) fn lets_in(&mut self, own: &Spot, cap: usize) -> bool {
        let fits = self.counted.len() < cap || self.counted.first().is_none_or(|oldest| oldest <= own);
        if !fits {
            self.cut = self.cut.take().max(Some(own.clone()));
        }
        fits
    }

    /// Counts an event; returns where those stand that have to go.
    pub(crate) fn count(&mut self, own: Spot, cap: usize) -> Vec<Spot> {
        self.counted.push(own);
        self.counted.sort();
        self.counted.dedup();
        let gone: Vec<Spot> = self.counted.drain(..self.counted.len().saturating_sub(cap)).collect();
        self.cut = self.cut.take().max(gone.last().cloned());
        gone
    }

    /// Counts an event that is not here, unless it is older than what went.
    pub(crate) fn count_unseen(&mut self, own: Spot, cap: usize) -> Vec<Spot> {
        if self.cut.as_ref().is_some_and(|cut| own <= *cut) { Vec::new() } else { self.count(own, cap) }
    }

    /// Forgets an event that went without a trace.
    pub(crate) fn forget(&mut self, spot: &Spot) {
        self.counted.retain(|other| other != spot);
    }

    /// Forgets everything up to `t`.
    pub(crate) fn forget_through(&mut self, t: i64) {
        self.counted.retain(|spot| spot.0 > t);
        self.cut = self.cut.take().filter(|spot| spot.0 > t);
    }
}
