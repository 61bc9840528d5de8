//! A simulated process, and what becomes of its calls.

use std::sync::Weak;
use std::time::Duration;

use super::faults::Faults;
use super::world::World;

/// What becomes of a call of the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrives, and so does its answer.
    Done,
    /// It arrives after this time.
    Late(Duration),
    /// It never arrives.
    RequestLost,
    /// It arrives, but its caller gets no answer.
    AnswerLost,
    /// The broker is away.
    Away,
    /// The caller's process is dead: nothing that it does has an effect.
    Dead,
}

/// A process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) world: Weak<World>,
    pub(crate) is_dead: bool,
    /// It stands still until then.
    pub(crate) paused_until: Duration,
    /// It stands still for so long in its next call of this name.
    pub(crate) stands_still_at: Option<(&'static str, Duration)>,
    /// It cannot reach the broker until then.
    pub(crate) away_until: Duration,
    /// It dies in the call after so many.
    pub(crate) calls_to_live: Option<u64>,
    pub(crate) faults: Faults,
}

impl Process {
    pub(crate) fn new(world: Weak<World>) -> Self {
        Self {
            world,
            is_dead: false,
            paused_until: Duration::ZERO,
            stands_still_at: None,
            away_until: Duration::ZERO,
            calls_to_live: None,
            faults: Faults::none(),
        }
    }

    /// It dies now; its threads run out without any effect.
    pub(crate) fn kill(&mut self) {
        (self.is_dead, self.paused_until) = (true, Duration::ZERO);
    }

    /// What becomes of the next call.
    pub(crate) fn fate(&mut self, what: &str, rng: &mut fastrand::Rng, now: Duration) -> Fate {
        if self.is_dead {
            return Fate::Dead;
        }
        if let Some((_, duration)) = self.stands_still_at.take_if(|(at, _)| *at == what) {
            self.paused_until = now + duration;
        }
        if let Some(left) = &mut self.calls_to_live {
            if *left == 0 {
                self.is_dead = true;
                // It dies before the call left it, or before the answer came.
                return if rng.bool() { Fate::Dead } else { Fate::AnswerLost };
            }
            *left -= 1;
        }
        if self.away_until > now { Fate::Away } else { self.faults.fate(rng) }
    }
}
