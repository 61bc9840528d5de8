//! What happens to a member that the group gave up.

use nowfold_core::names::TopicPartition;

use super::offsets::{commit_of, committed};
use super::support::{Member, create, eventually, ok, partitions, settle};
use crate::broker::{Broker, BrokerError};

/// A member that the group expelled can commit nothing, hears what it lost, and comes back as a new member.
///
/// `expel` makes the broker expel every member of the group that it is given, and may take its time: a test hook, or
/// waiting until `max.poll.interval.ms` or the session timeout is over. The case polls no member meanwhile.
///
/// # Panics
/// When the broker does not show the behaviour.
pub fn expelled_member_is_fenced(broker: &dyn Broker, scratch: &str, expel: &dyn Fn(&str)) {
    let topic = create(broker, scratch, 2, &[]);
    let all = partitions(&topic, 2);
    let partition = TopicPartition { topic: topic.clone(), partition: 0 };
    let mut zombie = Member::join(broker, scratch, std::slice::from_ref(&topic));
    settle(&mut [&mut zombie], &all, 2);
    ok(zombie.membership.commit(&[commit_of(&partition, 1, "in time")]), "committing");

    expel(scratch);
    let mut heir = Member::join(broker, scratch, std::slice::from_ref(&topic));
    settle(&mut [&mut heir], &all, 2);
    ok(heir.membership.commit(&[commit_of(&partition, 5, "heir")]), "committing as the new owner");
    fenced_commit_is_refused(&mut zombie, &partition);
    assert_eq!(committed(broker, scratch, &partition), Some((5, "heir".into())), "a fenced commit changes nothing");

    eventually("the expelled member hears what it lost", || {
        zombie.poll();
        heir.drive();
        (zombie.lost == all).then_some(())
    });
    zombie.release();
    settle(&mut [&mut zombie, &mut heir], &all, 1);
    let kept = zombie.owned.first().cloned().unwrap_or(partition);
    ok(zombie.membership.commit(&[commit_of(&kept, 6, "back")]), "committing as a member again");
    zombie.leave();
    heir.leave();
}

#[track_caller]
fn fenced_commit_is_refused(zombie: &mut Member, partition: &TopicPartition) {
    match zombie.membership.commit(&[commit_of(partition, 2, "too late")]) {
        Err(error @ BrokerError::Fenced { .. }) => assert!(!error.is_retriable()),
        other => panic!("expected Fenced, got {other:?}"),
    }
}
