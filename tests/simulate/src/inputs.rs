//! What is fed to the application, remembered for the models.

use std::collections::{BTreeMap, BTreeSet};

use nowfold_core::time::{Timestamp, hours};
use nowfold_testkit::sim::{Simulation, record};

/// Members and games.
const NAMES: u64 = 5;

/// A click as it is written: `id at amount`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Click {
    pub(crate) id: String,
    pub(crate) at: Timestamp,
    pub(crate) amount: u32,
}

impl Click {
    /// Reads what [`Self::text`] wrote; anything else is nonsense of the year 1970.
    pub(crate) fn parse(text: &str) -> Self {
        let mut words = text.split(' ');
        let id = words.next().unwrap_or_default().to_owned();
        let at = words.next().and_then(|at| at.parse().ok()).map_or(Timestamp::MIN, Timestamp::from_millis);
        Self { id, at, amount: words.next().and_then(|amount| amount.parse().ok()).unwrap_or(0) }
    }

    fn text(&self) -> String {
        format!("{} {} {}", self.id, self.at.as_millis(), self.amount)
    }
}

/// Everything that was fed.
#[derive(Debug)]
pub(crate) struct Inputs {
    begin: Timestamp,
    /// The game of each bet.
    pub(crate) bets: BTreeMap<String, String>,
    /// The clicks of each member; some were fed more than once, and count once.
    pub(crate) clicks: BTreeMap<String, BTreeSet<Click>>,
    /// Records in all.
    pub(crate) n_records: u64,
}

impl Inputs {
    pub(crate) fn new(begin: Timestamp) -> Self {
        Self { begin, bets: BTreeMap::new(), clicks: BTreeMap::new(), n_records: 0 }
    }

    /// The instant as of which features are asked for: every click is before it.
    pub(crate) fn begin(&self) -> Timestamp {
        self.begin
    }

    /// Feeds a bet or a click.
    pub(crate) fn feed(&mut self, sim: &Simulation) {
        if sim.below(2) == 0 { self.feed_bet(sim) } else { self.feed_click(sim) }
    }

    fn feed_bet(&mut self, sim: &Simulation) {
        let (id, game) = (format!("bet-{}", self.bets.len()), format!("game-{}", sim.below(NAMES)));
        sim.produce(record("bets", &id, game.clone(), sim.now()));
        self.bets.insert(id, game);
        self.n_records += 1;
    }

    /// A click of the last 20 hours, in no order; now and then twice, as from a source that tries again.
    fn feed_click(&mut self, sim: &Simulation) {
        let member = format!("member-{}", sim.below(NAMES));
        let back = hours(20).mul_f64(fraction(sim));
        let click = Click {
            id: format!("click-{}", self.n_records),
            at: self.begin.minus(back),
            amount: u32::try_from(sim.below(100)).unwrap_or(0),
        };
        for _ in 0..=u64::from(sim.below(8) == 0) {
            sim.produce(record("clicks", &member, click.text(), sim.now()));
            self.n_records += 1;
        }
        self.clicks.entry(member).or_default().insert(click);
    }

    /// A member, seen before or not.
    pub(crate) fn any_member(sim: &Simulation) -> String {
        format!("member-{}", sim.below(NAMES))
    }
}

fn fraction(sim: &Simulation) -> f64 {
    f64::from(u32::try_from(sim.below(1_000_000)).unwrap_or(0)) / 1e6
}
