//! The side of a group member that librdkafka talks to: its callbacks, and the thread that serves them.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use nowfold_core::names::TopicPartition;
use nowfold_runtime::broker::BrokerError;
use nowfold_runtime::membership::MembershipEvent;
use parking_lot::{Condvar, Mutex};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::{RDKafkaErrorCode as Code, RDKafkaRespErr};

use crate::client::{Context, Role};
use crate::error;
use crate::owned::Kind;
use crate::pump::{self, Bell, Counted};

/// The thread looks at the queue at least this often.
const IDLE: Duration = Duration::from_secs(1);

/// What the thread tells the member's owner.
pub(crate) enum News {
    /// Ownership changed. With a number the change waits for that number's release.
    Change(MembershipEvent, Option<u64>),
    /// The member can never work again.
    Failed(BrokerError),
}

/// Where the member and its owner meet.
pub(crate) struct Shared {
    pub(crate) group: String,
    state: Mutex<State>,
    changed: Condvar,
    max_poll_interval: Duration,
    pub(crate) bell: Arc<Bell>,
}

struct State {
    /// Changes that had to wait are numbered from 1: the newest, the newest released, the newest that is over.
    raised: u64,
    released: u64,
    over: u64,
    /// The change that waits is a loss: nothing may be committed any more.
    lost: bool,
    leaving: bool,
    /// When the owner last polled.
    polled: Instant,
    /// What the client said when a change was let go.
    refusal: Option<BrokerError>,
}

impl Shared {
    pub(crate) fn new(group: &str, max_poll_interval: Duration) -> Self {
        let (polled, refusal) = (Instant::now(), None);
        let state = State { raised: 0, released: 0, over: 0, lost: false, leaving: false, polled, refusal };
        let (state, bell) = (Mutex::new(state), Arc::new(Bell::default()));
        Self { group: group.into(), state, changed: Condvar::new(), max_poll_interval, bell }
    }

    pub(crate) fn fenced(&self, cause: impl Into<String>) -> BrokerError {
        BrokerError::Fenced { group: self.group.clone(), cause: cause.into() }
    }

    /// The owner polls: it is alive.
    pub(crate) fn polled(&self) {
        let mut state = self.state.lock();
        let stale = self.is_stale(&state);
        state.polled = Instant::now();
        if stale {
            self.bell.ring();
        }
    }

    /// Whether the owner has not polled for so long that the member stops polling, too. librdkafka then leaves the
    /// group when `max.poll.interval.ms` is over.
    fn is_stale(&self, state: &State) -> bool {
        state.polled.elapsed() > self.max_poll_interval / 10
    }

    /// Lets change `number` go, and waits until the client has taken it.
    pub(crate) fn release(&self, number: u64) -> Result<(), BrokerError> {
        let mut state = self.state.lock();
        if state.over >= number {
            return Err(self.fenced(self.held_too_long()));
        }
        state.released = number;
        self.changed.notify_all();
        let until = Instant::now() + self.max_poll_interval;
        while state.over < number {
            if self.changed.wait_until(&mut state, until).timed_out() {
                return Err(BrokerError::Unavailable {
                    operation: format!("give up partitions of group {:?}", self.group),
                    cause: "the Kafka client did not take it".into(),
                });
            }
        }
        state.refusal.take().map_or(Ok(()), Err)
    }

    /// Refuses commits while a loss waits, or when `held` was given up over its owner's head.
    pub(crate) fn check_not_fenced(&self, held: Option<u64>) -> Result<(), BrokerError> {
        let state = self.state.lock();
        if state.lost {
            return Err(self.fenced("the partitions were lost"));
        }
        if held.is_some_and(|number| state.over >= number) {
            return Err(self.fenced(self.held_too_long()));
        }
        Ok(())
    }

    fn held_too_long(&self) -> String {
        format!("revoked partitions were held for longer than {} s", self.max_poll_interval.as_secs())
    }

    pub(crate) fn leave(&self) {
        self.state.lock().leaving = true;
        self.changed.notify_all();
        self.bell.ring();
    }

    /// Announces a change and waits until it is released, for no longer than the group would wait; the number is given
    /// to `announce`.
    fn hold(&self, lost: bool, announce: impl FnOnce(u64)) {
        let mut state = self.state.lock();
        if state.leaving {
            return;
        }
        state.raised += 1;
        state.lost = lost;
        let number = state.raised;
        announce(number);
        let until = Instant::now() + self.max_poll_interval;
        while state.released < number && !state.leaving {
            if self.changed.wait_until(&mut state, until).timed_out() {
                tracing::error!(target: "nowfold_kafka", group = self.group, "{}", self.held_too_long());
                break;
            }
        }
    }

    fn over(&self, refusal: Option<BrokerError>) {
        let mut state = self.state.lock();
        state.over = state.raised;
        state.lost = false;
        state.refusal = refusal;
        self.changed.notify_all();
    }
}

/// The role of a group member.
pub(crate) struct Membering {
    pub(crate) shared: Arc<Shared>,
    pub(crate) news: Sender<News>,
}

impl Role for Membering {
    const NAME: &'static str = "member";
    const KIND: Kind = Kind::Consumer;
}

pub(crate) type MemberConsumer = BaseConsumer<Context<Membering>>;

impl Membering {
    fn tell(&self, news: News) {
        // Nobody listens any more once the owner has left.
        _ = self.news.send(news);
    }

    fn assigned(&self, consumer: &MemberConsumer, partitions: Vec<TopicPartition>) {
        if let Err(error) = consumer.incremental_assign(&TopicPartitionList::new()) {
            let operation = format!("take partitions of group {:?}", self.shared.group);
            return self.tell(News::Failed(error::failed(operation, &error)));
        }
        self.tell(News::Change(MembershipEvent::Assigned(partitions), None));
    }

    fn revoked(&self, consumer: &MemberConsumer, partitions: Vec<TopicPartition>) {
        let lost = consumer.assignment_lost();
        if !partitions.is_empty() {
            let change = if lost { MembershipEvent::Lost } else { MembershipEvent::Revoked };
            let change = change(partitions);
            self.shared.hold(lost, |number| self.tell(News::Change(change, Some(number))));
        }
        let answer = consumer.incremental_unassign(&TopicPartitionList::new());
        let operation = || format!("give up partitions of group {:?}", self.shared.group);
        self.shared.over(answer.err().map(|error| error::failed(operation(), &error)));
    }
}

impl ConsumerContext for Context<Membering> {
    /// Answers with an empty list whatever comes: this consumer must fetch nothing.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, err: RDKafkaRespErr, list: &mut TopicPartitionList) {
        self.served().count();
        let partitions = partitions(list);
        match err {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.role.assigned(consumer, partitions),
            _ => self.role.revoked(consumer, partitions),
        }
    }

    fn commit_callback(&self, _result: Result<(), KafkaError>, _offsets: &TopicPartitionList) {
        self.served().count();
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<TopicPartition> {
    list.elements().iter().map(|element| TopicPartition::new(element.topic(), element.partition())).collect()
}

/// Serves the member until it leaves, then closes it.
pub(crate) fn serve(consumer: Arc<MemberConsumer>, shared: &Shared) {
    let role = &consumer.context().role;
    loop {
        shared.bell.wait(IDLE.min(shared.max_poll_interval / 10));
        let state = shared.state.lock();
        let (leaving, stale) = (state.leaving, shared.is_stale(&state));
        drop(state);
        if leaving {
            break;
        }
        if !stale {
            pump::drain(&*consumer, |error| on_error(role, &error));
        }
    }
    drop(consumer);
}

fn on_error(role: &Membering, error: &KafkaError) {
    let group = &role.shared.group;
    let Some(code) = error::code(error) else { return };
    if error::is_fenced(code) {
        return role.tell(News::Failed(role.shared.fenced(code.to_string())));
    }
    if matches!(error, KafkaError::MessageConsumptionFatal(_)) || is_hopeless(code) {
        return role.tell(News::Failed(BrokerError::Fatal {
            operation: format!("be a member of group {group:?}"),
            cause: code.to_string(),
        }));
    }
    tracing::warn!(target: "nowfold_kafka", group, %error, "group member");
}

/// What will not go away by itself.
fn is_hopeless(code: Code) -> bool {
    matches!(
        code,
        Code::GroupAuthorizationFailed
            | Code::TopicAuthorizationFailed
            | Code::GroupMaxSizeReached
            | Code::InconsistentGroupProtocol
            | Code::InvalidGroupId
            | Code::InvalidSessionTimeout
            | Code::UnsupportedAssignor
            | Code::UnsupportedFeature
            | Code::UnsupportedVersion
    )
}
