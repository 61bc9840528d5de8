//! What happens to the instances of a seed.

use nowfold_testkit::sim::Simulation;

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    /// An instance dies in one of its next calls of the broker.
    DiesSoon,
    /// It dies now.
    Dies,
    /// It stands still until others have taken its work, and goes on.
    Zombie,
    /// The same, and it stands still within its next commit.
    ZombieAtCommit,
    /// It stands still for a while.
    StandsStill,
    /// It cannot reach the broker for a while.
    CutOff,
    /// Requests, answers and records of it are lost or late from now on.
    BadNetwork,
    /// It closes in order.
    Closes,
    /// The owner of some partition is expelled from the group.
    Expelled,
    /// So is everybody.
    AllExpelled,
    /// Nobody can reach the broker for a while.
    BrokerAway,
    /// One more instance starts.
    Starts,
    /// Nothing.
    Nothing,
}

impl Blow {
    /// Any of them; deaths are twice as likely as the others.
    pub(crate) fn any(sim: &Simulation, may_shut_out: bool) -> Self {
        let all = [
            Self::DiesSoon,
            Self::DiesSoon,
            Self::Dies,
            Self::Zombie,
            Self::ZombieAtCommit,
            Self::StandsStill,
            Self::CutOff,
            Self::BadNetwork,
            Self::Closes,
            Self::Expelled,
            Self::AllExpelled,
            Self::BrokerAway,
            Self::Starts,
            Self::Nothing,
        ];
        let blow = usize::try_from(sim.below(14)).ok().and_then(|n| all.get(n)).copied().unwrap_or(Self::Nothing);
        if blow.shuts_out() && !may_shut_out { Self::BadNetwork } else { blow }
    }

    /// Whether a member that lives may be out of its group after it.
    fn shuts_out(self) -> bool {
        matches!(
            self,
            Self::Zombie
                | Self::ZombieAtCommit
                | Self::StandsStill
                | Self::CutOff
                | Self::Expelled
                | Self::AllExpelled
                | Self::BrokerAway
        )
    }
}
