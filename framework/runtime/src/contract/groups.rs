//! Groups: who owns what, and how it changes hands.

use std::time::{Duration, Instant};

use nowfold_core::names::TopicPartition;

use super::offsets::{commit_of, committed};
use super::support::{Member, assert_disjoint, create, eventually, ok, partitions, settle};
use crate::broker::Broker;

pub(super) fn single_member_gets_everything(broker: &dyn Broker, scratch: &str) {
    let one = create(broker, &format!("{scratch}-1"), 3, &[]);
    let two = create(broker, &format!("{scratch}-2"), 2, &[]);
    let all = partitions(&one, 3).into_iter().chain(partitions(&two, 2)).collect();
    let mut member = Member::join(broker, scratch, &[one, two]);
    settle(&mut [&mut member], &all, 5);
    assert!(member.lost.is_empty());
    member.leave();
}

pub(super) fn two_groups_get_everything_each(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, scratch, 2, &[]);
    let all = partitions(&topic, 2);
    let join = |name: &str| Member::join(broker, &format!("{scratch}-{name}"), std::slice::from_ref(&topic));
    let (mut one, mut other) = (join("one"), join("other"));
    settle(&mut [&mut one], &all, 2);
    settle(&mut [&mut other], &all, 2);
    one.leave();
    other.leave();
}

/// Joins one member that gets all of `n` partitions, then a second; returns them when the first holds a `Revoked`.
#[track_caller]
fn up_to_the_revocation(broker: &dyn Broker, scratch: &str, n: i32) -> (Member, Member) {
    let topic = create(broker, scratch, n, &[]);
    let mut first = Member::join(broker, scratch, std::slice::from_ref(&topic));
    settle(&mut [&mut first], &partitions(&topic, n), 1);
    let mut second = Member::join(broker, scratch, &[topic]);
    eventually("the first member is asked to give partitions up", || {
        second.poll();
        first.poll();
        assert!(second.owned.is_empty(), "every partition belongs to the first member");
        first.held.as_ref().is_some_and(|held| !held.is_empty()).then_some(())
    });
    (first, second)
}

pub(super) fn second_member_gets_partitions_only_after_release(broker: &dyn Broker, scratch: &str) {
    let (mut first, mut second) = up_to_the_revocation(broker, scratch, 4);
    let held = first.held.clone().unwrap_or_default();
    let until = Instant::now() + Duration::from_millis(500);
    while Instant::now() < until {
        second.poll();
        assert!(second.owned.is_disjoint(&held), "not released yet: {held:?}, owned by the second: {:?}", second.owned);
        first.poll();
    }
    let all = first.owned.clone();
    first.release();
    settle(&mut [&mut first, &mut second], &all, 2);
    assert_eq!((first.owned.len(), second.owned.len()), (2, 2), "four partitions for two members");
    assert!(first.lost.is_empty() && second.lost.is_empty(), "an orderly hand-over loses nothing");
    first.leave();
    second.leave();
}

pub(super) fn commit_between_revoked_and_release_is_taken(broker: &dyn Broker, scratch: &str) {
    let (mut first, mut second) = up_to_the_revocation(broker, scratch, 2);
    let held: Vec<TopicPartition> = first.held.clone().unwrap_or_default().into_iter().collect();
    let commits: Vec<_> = held.iter().map(|partition| commit_of(partition, 11, "handed over")).collect();
    ok(first.membership.commit(&commits), "committing what is being revoked");
    let all = first.owned.clone();
    first.release();
    settle(&mut [&mut first, &mut second], &all, 1);
    for partition in &held {
        assert_eq!(committed(broker, scratch, partition), Some((11, "handed over".into())));
    }
    first.leave();
    second.leave();
}

pub(super) fn leaving_hands_over_everything(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, scratch, 3, &[]);
    let all = partitions(&topic, 3);
    let join = || Member::join(broker, scratch, std::slice::from_ref(&topic));
    let (mut first, mut second) = (join(), join());
    settle(&mut [&mut first, &mut second], &all, 1);
    first.leave();
    settle(&mut [&mut second], &all, 3);
    second.leave();
    let mut third = join();
    settle(&mut [&mut third], &all, 3);
    third.leave();
}

pub(super) fn members_keep_what_they_have(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, scratch, 6, &[]);
    let all = partitions(&topic, 6);
    let join = || Member::join(broker, scratch, std::slice::from_ref(&topic));
    let mut first = join();
    settle(&mut [&mut first], &all, 6);
    let mut second = join();
    settle(&mut [&mut first, &mut second], &all, 3);
    let kept = first.owned.clone();
    let mut third = join();
    settle(&mut [&mut first, &mut second, &mut third], &all, 2);
    assert_disjoint(&[&mut first, &mut second, &mut third]);
    assert!(first.owned.is_subset(&kept), "a member that only gave up keeps the rest: {:?} of {kept:?}", first.owned);
    assert!(first.assigned.values().all(|&times| times == 1), "what stays is not assigned again: {:?}", first.assigned);
    [first, second, third].into_iter().for_each(Member::leave);
}
