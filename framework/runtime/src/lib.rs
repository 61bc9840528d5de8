//! Workers, restore, commits and shutdown of nowfold, behind the ports [`broker::Broker`] and [`membership::Membership`].

pub mod broker;
#[cfg(feature = "contract")]
pub mod contract;
pub mod membership;
