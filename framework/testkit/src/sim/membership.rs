//! A member of a group over a network that fails.

use std::time::Duration;

use nowfold_runtime::broker::BrokerError;
use nowfold_runtime::membership::{Generation, Membership, MembershipEvent, OffsetCommit};

use super::broker::{Link, dead};
use super::process::Fate;

/// How long a wait for news takes at least: a coordinator that looks every few milliseconds would fill a simulation with
/// nothing else.
const TURN: Duration = Duration::from_millis(25);

/// A member of a simulated process.
#[derive(Debug)]
pub(crate) struct SimMember {
    link: Link,
    inner: Box<dyn Membership>,
}

impl SimMember {
    pub(crate) fn new(link: Link, inner: Box<dyn Membership>) -> Self {
        Self { link, inner }
    }
}

impl Membership for SimMember {
    fn poll(&mut self, timeout: Duration) -> Result<Option<MembershipEvent>, BrokerError> {
        let is_heard = self.link.reaches("poll the group")?;
        if is_heard && let Some(event) = self.inner.poll(Duration::ZERO)? {
            return Ok(Some(event));
        }
        if !timeout.is_zero() {
            self.link.world.sleep(timeout.max(TURN));
        }
        Ok(None)
    }

    fn release(&mut self) -> Result<(), BrokerError> {
        let (link, inner) = (&self.link, &mut self.inner);
        link.call("release partitions", |_| inner.release())
    }

    fn commit(&mut self, offsets: &[OffsetCommit]) -> Result<(), BrokerError> {
        let (link, inner) = (&self.link, &mut self.inner);
        link.call("commit offsets", |_| inner.commit(offsets))
    }

    fn generation(&self) -> Result<Generation, BrokerError> {
        match self.link.world.call("generation") {
            Fate::Dead => Err(dead("take a generation")),
            _ => self.inner.generation(),
        }
    }

    fn leave(self: Box<Self>, timeout: Duration) -> Result<(), BrokerError> {
        let Self { link, inner } = *self;
        link.call("leave the group", |_| inner.leave(timeout))
    }
}
