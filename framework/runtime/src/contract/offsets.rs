//! Committed offsets: kept with their metadata, per group and partition.

use nowfold_core::names::{Offset, TopicPartition};

use super::support::{Member, create, fill, ok, partitions, settle};
use crate::broker::{Broker, Committed, Watermarks};
use crate::membership::OffsetCommit;

pub(super) fn commit_of(partition: &TopicPartition, offset: Offset, metadata: &str) -> OffsetCommit {
    OffsetCommit { partition: partition.clone(), offset, metadata: metadata.into() }
}

#[track_caller]
pub(super) fn committed(broker: &dyn Broker, group: &str, partition: &TopicPartition) -> Option<(Offset, String)> {
    let mut found = ok(broker.committed(group, std::slice::from_ref(partition)), "asking for committed offsets");
    assert_eq!(found.len(), 1, "one answer for one partition");
    found.pop().flatten().map(|Committed { offset, metadata }| (offset, metadata))
}

pub(super) fn watermarks_and_committed(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, scratch, 3, &[]);
    fill(broker, &topic, 5);
    let all = partitions(&topic, 3);
    let asked: Vec<_> = all.iter().rev().cloned().collect();
    assert_eq!(ok(broker.committed(scratch, &asked), "asking an unknown group"), [None, None, None]);

    let mut member = Member::join(broker, scratch, &[topic]);
    settle(&mut [&mut member], &all, 3);
    let [last, _, first] = asked.as_slice() else { panic!("three partitions") };
    let commits = [commit_of(first, 5, "up to the end"), commit_of(last, 0, "")];
    ok(member.membership.commit(&commits), "committing");
    let found = ok(broker.committed(scratch, &asked), "asking for committed offsets");
    let expected = [
        Some(Committed { offset: 0, metadata: String::new() }),
        None,
        Some(Committed { offset: 5, metadata: "up to the end".into() }),
    ];
    assert_eq!(found, expected, "in the order asked");
    assert_eq!(ok(broker.watermarks(first), "asking for watermarks"), Watermarks { low: 0, high: 5 });

    ok(member.membership.commit(&[commit_of(first, 2, "back")]), "committing an earlier offset");
    assert_eq!(
        committed(broker, scratch, first),
        Some((2, "back".into())),
        "the newest commit counts, not the highest"
    );
    ok(member.membership.commit(&[]), "committing nothing");
    member.leave();
}

pub(super) fn commits_survive_members(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, scratch, 1, &[]);
    fill(broker, &topic, 3);
    let all = partitions(&topic, 1);
    let partition = TopicPartition { topic: topic.clone(), partition: 0 };
    for offset in 1..3 {
        let mut member = Member::join(broker, scratch, std::slice::from_ref(&topic));
        settle(&mut [&mut member], &all, 1);
        ok(member.membership.commit(&[commit_of(&partition, offset, "m")]), "committing");
        member.leave();
        assert_eq!(committed(broker, scratch, &partition), Some((offset, "m".into())), "kept after the member left");
    }
}

pub(super) fn commits_for_topics_not_subscribed(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, &format!("{scratch}-subscribed"), 1, &[]);
    let other = create(broker, &format!("{scratch}-other"), 2, &[]);
    let mut member = Member::join(broker, scratch, std::slice::from_ref(&topic));
    settle(&mut [&mut member], &partitions(&topic, 1), 1);
    let partition = TopicPartition { topic: other, partition: 1 };
    ok(member.membership.commit(&[commit_of(&partition, 7, "co-partition")]), "committing for another topic");
    assert_eq!(committed(broker, scratch, &partition), Some((7, "co-partition".into())));
    member.leave();
}

pub(super) fn groups_have_offsets_of_their_own(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, scratch, 1, &[]);
    let partition = TopicPartition { topic: topic.clone(), partition: 0 };
    let (one, other) = (format!("{scratch}-one"), format!("{scratch}-other"));
    let mut member = Member::join(broker, &one, &[topic]);
    settle(&mut [&mut member], &partitions(&partition.topic, 1), 1);
    ok(member.membership.commit(&[commit_of(&partition, 1, "")]), "committing");
    assert_eq!(committed(broker, &one, &partition), Some((1, String::new())));
    assert_eq!(committed(broker, &other, &partition), None);
    member.leave();
}
