//! The contract suite of the ports: what every [`Broker`] has to do, as runnable cases.
//!
//! An adapter's tests call [`run_all`], or each of [`CASES`] as a test of its own. The cases ask for nothing that a
//! Kafka broker does not give as well: they wait for conditions with a bound ([`PATIENCE`]) that lets a consumer group
//! take its seconds, and demand no order between partitions and no particular split of a group's partitions.
//!
//! A case creates its own topics and groups under the name that it is given; running a case twice on one broker
//! needs another name.

mod deleting;
mod fencing;
mod groups;
mod offsets;
mod reading;
mod support;
mod topics;
mod transactions;
mod writing;

use std::time::Duration;

use super::broker::Broker;

pub use fencing::expelled_member_is_fenced;

/// How long a case waits for anything before it fails: rebalances of a classic consumer group take seconds.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// One behaviour that a broker must show.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The behaviour, as a test would be named.
    pub name: &'static str,
    run: fn(&dyn Broker, &str),
}

impl Case {
    /// Runs the case. Its topics and groups start with `scratch` and the case's name.
    ///
    /// # Panics
    /// When the broker does not show the behaviour.
    pub fn run(&self, broker: &dyn Broker, scratch: &str) {
        (self.run)(broker, &format!("{scratch}-{}", self.name.replace('_', "-")));
    }
}

macro_rules! cases {
    ($($module:ident::$name:ident),* $(,)?) => {
        &[$(Case { name: stringify!($name), run: $module::$name }),*]
    };
}

/// Every case of the suite but [`expelled_member_is_fenced`], which needs the adapter's help.
pub const CASES: &[Case] = cases![
    topics::create_topic_is_idempotent,
    topics::create_topic_gives_partitions_and_config,
    topics::missing_topic_is_reported,
    topics::watermarks_follow_the_log,
    deleting::deletes_records_before_an_offset,
    deleting::deleting_what_is_deleted_changes_nothing,
    deleting::a_log_without_records_goes_on_where_it_was,
    writing::produces_and_reads_in_order,
    writing::keeps_nulls_headers_and_timestamps,
    writing::log_append_time_replaces_the_timestamp,
    writing::partitions_by_murmur2,
    writing::null_keys_land_somewhere,
    writing::too_large_record_is_refused,
    writing::compacted_topic_refuses_a_null_key,
    writing::arrives_without_a_flush,
    writing::producers_do_not_disturb_each_other,
    reading::reads_from_the_given_offset,
    reading::poll_returns_at_most_max,
    reading::readers_are_independent,
    reading::reports_offsets_out_of_range,
    reading::knows_the_end_of_the_log,
    reading::wakes_a_waiting_reader,
    offsets::watermarks_and_committed,
    offsets::commits_survive_members,
    offsets::commits_for_topics_not_subscribed,
    offsets::groups_have_offsets_of_their_own,
    groups::single_member_gets_everything,
    groups::two_groups_get_everything_each,
    groups::second_member_gets_partitions_only_after_release,
    groups::commit_between_revoked_and_release_is_taken,
    groups::leaving_hands_over_everything,
    groups::members_keep_what_they_have,
];

/// The cases of brokers with transactions.
pub const TRANSACTIONS: &[Case] = cases![
    transactions::transactions_are_read_once_committed,
    transactions::aborted_records_and_offsets_vanish,
    transactions::records_behind_an_open_transaction_wait_for_it,
    transactions::a_newer_producer_of_an_id_fences_the_older,
    transactions::offsets_of_a_member_that_left_are_refused,
    transactions::a_transaction_that_takes_too_long_is_aborted,
    transactions::many_small_transactions_follow_each_other,
    transactions::a_refused_record_leaves_the_rest_of_its_transaction,
];

/// Runs every case of [`CASES`]; `scratch` starts the name of every topic and group and must be new to the broker.
///
/// # Panics
/// With the first behaviour that the broker does not show.
pub fn run_all(broker: &dyn Broker, scratch: &str) {
    for case in CASES {
        case.run(broker, scratch);
    }
}
