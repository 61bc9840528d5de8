//! The builder of topologies.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use crate::failure::{Failure, FailureHandler, Verdict};
use crate::names::TopicName;
use crate::state::StoreSpec;
use crate::topology::graph::GraphBuilder;
use crate::topology::{TopicRequirement, Topology, TopologyError, TopologyFault};

/// Builds a [`Topology`]. Streams and tables keep a handle to the builder they came from.
///
/// ```
/// use nowfold_core::dsl::StreamsBuilder;
/// use nowfold_core::serde::Plain;
///
/// let app = StreamsBuilder::new("shout");
/// app.stream("words", Plain::<String, String>::new())
///     .map_values("upper", |_, word| word.to_uppercase())
///     .to("loud-words", Plain::new());
/// let topology = app.build()?;
/// assert!(topology.to_string().contains("Source: words (topics: [words])"));
/// # Ok::<(), nowfold_core::topology::TopologyError>(())
/// ```
#[derive(Clone)]
pub struct StreamsBuilder(pub(crate) Rc<RefCell<GraphBuilder>>);

impl StreamsBuilder {
    /// A builder for the application `app`: its consumer group, and the prefix of its internal topics.
    pub fn new(app: &str) -> Self {
        Self(Rc::new(RefCell::new(GraphBuilder::new(app))))
    }

    /// The application's id.
    pub fn app(&self) -> String {
        self.0.borrow().app.clone()
    }

    /// Adds a store for processors that name it.
    pub fn state_store(&self, spec: StoreSpec) -> &Self {
        self.0.borrow_mut().add_store(spec);
        self
    }

    /// States what is needed of a topic; requirements of one topic add up.
    pub fn require(&self, requirement: TopicRequirement) -> &Self {
        self.0.borrow_mut().require(requirement);
        self
    }

    /// Reports a mistake that `build` is to return; for operators outside this crate.
    pub fn fault(&self, fault: TopologyFault) -> &Self {
        self.0.borrow_mut().faults.push(fault);
        self
    }

    /// Decides about records that cannot be decoded. Default: dead letters on the way to actions, else the task stops.
    pub fn on_decode_error(&self, handler: impl Fn(&Failure<'_>) -> Verdict + Send + Sync + 'static) -> &Self {
        self.0.borrow_mut().handlers.decode = Some(shared(handler));
        self
    }

    /// Decides about records that a processor refuses. Default: dead letters on the way to actions, else the task stops.
    pub fn on_process_error(&self, handler: impl Fn(&Failure<'_>) -> Verdict + Send + Sync + 'static) -> &Self {
        self.0.borrow_mut().handlers.process = Some(shared(handler));
        self
    }

    /// Decides about results that cannot be encoded or that the broker refuses for good.
    /// Default: dead letters on the way to actions, else the task stops.
    pub fn on_produce_error(&self, handler: impl Fn(&Failure<'_>) -> Verdict + Send + Sync + 'static) -> &Self {
        self.0.borrow_mut().handlers.produce = Some(shared(handler));
        self
    }

    /// The topic for dead letters. Default: `<application>-dead-letters`, created when any may arise.
    pub fn dead_letters(&self, topic: impl Into<TopicName>) -> &Self {
        self.0.borrow_mut().dead_letter_topic = Some(topic.into());
        self
    }

    /// The topology.
    ///
    /// # Errors
    /// Everything that is wrong with it, each fault naming its node.
    pub fn build(self) -> Result<Topology, TopologyError> {
        let empty = GraphBuilder::new("taken");
        self.0.replace(empty).finish()
    }
}

fn shared(handler: impl Fn(&Failure<'_>) -> Verdict + Send + Sync + 'static) -> FailureHandler {
    std::sync::Arc::new(handler)
}

impl fmt::Debug for StreamsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamsBuilder").field("app", &self.app()).finish_non_exhaustive()
    }
}
