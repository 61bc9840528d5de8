//! Workers, restore, commits and shutdown of nowfold, behind the ports [`broker::Broker`] and [`membership::Membership`].

pub mod broker;
pub mod membership;
