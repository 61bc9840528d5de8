//! One member of a Kafka consumer group.

use std::fmt;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use nowfold_core::names::TopicName;
use nowfold_runtime::broker::BrokerError;
use nowfold_runtime::membership::{Generation, Membership, MembershipEvent, OffsetCommit};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

use crate::client;
use crate::committer::{self, Committer};
use crate::config::{GroupProtocol, KafkaConfig};
use crate::error;
use crate::member::{self, MemberConsumer, Membering, News, Shared};
use crate::pump;

/// How long a commit is tried again, from its first refusal on, while the group is between two generations.
const BETWEEN_GENERATIONS: Duration = Duration::from_secs(2);
/// Between two tries.
const RETRY: Duration = Duration::from_millis(20);

/// How often in a row a member that owns nothing joins anew after it was shut out.
const JOINS_ANEW: u32 = 3;

/// A member of a consumer group that fetches nothing.
///
/// Dropping it without [`Membership::leave`] leaves the group as well, in the background.
pub(crate) struct KafkaMembership {
    /// `None` once it leaves. Its thread and the member's own the only handles of the client; the last closes it.
    committer: Option<Committer>,
    /// The client, while its owners live.
    consumer: Weak<MemberConsumer>,
    shared: Arc<Shared>,
    news: Receiver<News>,
    /// Ends when the member is closed.
    closed: Receiver<()>,
    /// The number of the change that the owner has not released yet.
    held: Option<u64>,
    failed: Option<BrokerError>,
    origin: Origin,
    /// It has partitions, or had them a moment ago and was not told of a loss.
    owns: bool,
    /// How often it has joined anew since it last got partitions.
    joins: u32,
}

/// What a member joins with.
#[derive(Clone)]
struct Origin {
    config: KafkaConfig,
    topics: Vec<TopicName>,
}

impl KafkaMembership {
    pub(crate) fn join(config: &KafkaConfig, group: &str, topics: &[TopicName]) -> Result<Self, BrokerError> {
        let shared = Arc::new(Shared::new(group, config.max_poll_interval));
        let (sender, news) = mpsc::channel();
        let role = Membering { shared: Arc::clone(&shared), news: sender };
        let mut consumer: MemberConsumer = client::create(config, &settings(config, group), role)?;
        pump::ring_on_events(&mut consumer, &shared.bell);
        let consumer = Arc::new(consumer);
        let joining = || format!("join group {group:?}");
        let names: Vec<_> = topics.iter().map(TopicName::as_str).collect();
        consumer.subscribe(&names).map_err(|error| error::failed(joining(), &error))?;
        let (open, closed) = mpsc::channel::<()>();
        let committer = Committer::start(Arc::clone(&consumer), open.clone(), config.request_timeout)?;
        let (served, seen) = (Arc::clone(&shared), Arc::downgrade(&consumer));
        let serve = move || {
            member::serve(consumer, &served);
            drop(open);
        };
        let thread = std::thread::Builder::new().name("kafka-member".into()).spawn(serve);
        thread.map_err(|error| BrokerError::Fatal { operation: joining(), cause: error.to_string() })?;
        let origin = Origin { config: config.clone(), topics: topics.to_vec() };
        let (committer, held, failed, owns, joins) = (Some(committer), None, None, false, 0);
        Ok(Self { committer, consumer: seen, shared, news, closed, held, failed, origin, owns, joins })
    }

    fn take(&mut self, news: News) -> Result<Option<MembershipEvent>, BrokerError> {
        match news {
            News::Change(change, number) => {
                self.held = number.or(self.held);
                if matches!(&change, MembershipEvent::Assigned(partitions) if !partitions.is_empty()) {
                    (self.owns, self.joins) = (true, 0);
                }
                self.owns &= !matches!(change, MembershipEvent::Lost(_));
                Ok(Some(change))
            }
            News::Failed(error @ BrokerError::Fenced { .. }) if !self.owns && self.joins < JOINS_ANEW => {
                tracing::warn!(target: "nowfold_kafka", %error, "a member that owns nothing was shut out; it joins anew");
                self.join_anew().map(|()| None)
            }
            News::Failed(error) => {
                self.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Takes another client. A static member whose session ended while the broker was away asks to join without a member
    /// id. What it had asked for before, such as a commit that waited for the coordinator, then arrives without one, too, and
    /// is answered as if another process had its instance id; librdkafka gives the client up for that.
    fn join_anew(&mut self) -> Result<(), BrokerError> {
        self.let_go();
        let joins = self.joins + 1;
        *self = Self::join(&self.origin.config, &self.shared.group, &self.origin.topics)?;
        self.joins = joins;
        Ok(())
    }

    fn refused(&self, code: Code) -> BrokerError {
        let operation = || format!("commit offsets of group {:?}", self.shared.group);
        if is_between_generations(code) {
            return BrokerError::Unavailable { operation: operation(), cause: code.to_string() };
        }
        if error::is_fenced(code) {
            return self.shared.fenced(code.to_string());
        }
        error::failed(operation(), &KafkaError::ConsumerCommit(code))
    }

    fn let_go(&mut self) {
        self.committer = None;
        self.shared.leave();
    }
}

impl Membership for KafkaMembership {
    fn poll(&mut self, timeout: Duration) -> Result<Option<MembershipEvent>, BrokerError> {
        self.shared.polled();
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        if self.held.is_some() {
            // News that came after a change which was given up over the owner's head waits for its release, too.
            std::thread::sleep(timeout);
            self.shared.polled();
            return Ok(None);
        }
        match self.news.recv_timeout(timeout) {
            Ok(news) => self.take(news),
            Err(RecvTimeoutError::Timeout) => {
                self.shared.polled();
                Ok(None)
            }
            Err(RecvTimeoutError::Disconnected) => Err(BrokerError::Fatal {
                operation: format!("be a member of group {:?}", self.shared.group),
                cause: "the thread that serves it has ended".into(),
            }),
        }
    }

    fn release(&mut self) -> Result<(), BrokerError> {
        self.committer.as_mut().map_or(Ok(()), Committer::settle)?;
        self.held.take().map_or(Ok(()), |number| self.shared.release(number))
    }

    /// Waits for the coordinator's answer, no longer than [`KafkaConfig::request_timeout`]. While the group is between
    /// two generations the commit is tried again for up to 2 s: until the next release nobody else can own what this
    /// member owns, so the newer generation is as good. A commit that is sent while the member joins anew waits on the
    /// broker for the end of that, and is then refused as one of the generation before.
    fn commit(&mut self, offsets: &[OffsetCommit]) -> Result<(), BrokerError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let list = committer::list(offsets)?;
        let mut refused_at = None;
        loop {
            self.shared.check_not_fenced(self.held)?;
            let answer = self.committer.as_mut().map_or(Ok(Ok(())), |committer| committer.commit(&list))?;
            let Err(code) = answer else { return Ok(()) };
            let tried_for = refused_at.get_or_insert_with(Instant::now).elapsed();
            if !is_between_generations(code) || tried_for >= BETWEEN_GENERATIONS {
                return Err(self.refused(code));
            }
            std::thread::sleep(RETRY);
        }
    }

    fn generation(&self) -> Result<Generation, BrokerError> {
        self.shared.check_not_fenced(self.held)?;
        let metadata = self.consumer.upgrade().and_then(|consumer| consumer.group_metadata());
        let group = &self.shared.group;
        let metadata = metadata.ok_or_else(|| self.shared.fenced("the client is not a member of its group"))?;
        Ok(Generation::new(group.clone(), Arc::new(metadata)))
    }

    /// A static member of a classic group does not leave: its partitions wait for its return until the session is over.
    fn leave(mut self: Box<Self>, timeout: Duration) -> Result<(), BrokerError> {
        self.let_go();
        match self.closed.recv_timeout(timeout) {
            Err(RecvTimeoutError::Timeout) => Err(BrokerError::Unavailable {
                operation: format!("leave group {:?}", self.shared.group),
                cause: format!("not done within {:.1} s; it goes on in the background", timeout.as_secs_f64()),
            }),
            _ => Ok(()),
        }
    }
}

impl Drop for KafkaMembership {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl fmt::Debug for KafkaMembership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaMembership")
            .field("group", &self.shared.group)
            .field("held", &self.held)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

/// Whether a commit is refused for its generation alone. For a member that the group gave up the loss follows at once
/// ([`Shared::check_not_fenced`]), and the client takes no part in a newer generation before that is released.
fn is_between_generations(code: Code) -> bool {
    matches!(code, Code::IllegalGeneration | Code::RebalanceInProgress | Code::StaleMemberEpoch)
}

fn settings(config: &KafkaConfig, group: &str) -> Vec<(&'static str, String)> {
    let mut settings = client::consumer_settings(group);
    settings.push(("max.poll.interval.ms", client::millis(config.max_poll_interval)));
    match config.group_protocol {
        GroupProtocol::Classic => {
            settings.push(("group.protocol", "classic".into()));
            settings.push(("partition.assignment.strategy", "cooperative-sticky".into()));
            settings.push(("session.timeout.ms", client::millis(config.session_timeout)));
            if !config.raw.contains_key("heartbeat.interval.ms") {
                // A rebalance takes one to two heartbeats.
                settings.push(("heartbeat.interval.ms", "1000".into()));
            }
        }
        GroupProtocol::Consumer => {
            settings.push(("group.protocol", "consumer".into()));
            settings.push(("group.remote.assignor", "uniform".into()));
        }
    }
    settings.extend(config.instance_id.iter().map(|id| ("group.instance.id", id.clone())));
    settings
}
