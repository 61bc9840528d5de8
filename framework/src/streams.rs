//! A running application on the embedded log or on Kafka.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nowfold_core::query::{QueryError, StoreHub};
use nowfold_core::serde::{Produced, SerdeEnv};
use nowfold_core::time::Clock;
use nowfold_core::topology::{TopicRole, Topology};
use nowfold_embedded::EmbeddedLog;
use nowfold_operators::Features;
use nowfold_runtime::broker::{Broker, TopicSpec};
use nowfold_runtime::executor::CallExecutor;
use nowfold_runtime::{AppState, CloseReport, Platform, SystemClock};

use crate::calls::TokioCalls;
use crate::config::{self, Config, Place};
use crate::erasures::EraseWriter;
use crate::error::Error;
use crate::producer::Producer;

/// A running application. Dropping it closes it.
///
/// Restoring and processing go on in threads; [`wait_running`](Self::wait_running) waits until the stores are whole and
/// the input that had gathered is processed.
pub struct Streams {
    inner: nowfold_runtime::Streams,
    broker: Arc<dyn Broker>,
    serdes: SerdeEnv,
    erasures: Arc<EraseWriter>,
    embedded: Option<EmbeddedLog>,
    #[cfg(feature = "serve")]
    server: Option<nowfold_serve::Server>,
}

impl Streams {
    /// Starts the application. On the embedded log, topics that others would own are created first. The calls of
    /// asynchronous operators run on the tokio runtime that this is called in, or else on one of the application's own.
    ///
    /// # Errors
    /// [`Error`] when the place cannot be reached, a topic is missing or has a setting that would lose state, or the query
    /// server cannot listen.
    pub fn start(topology: Topology, config: Config) -> Result<Self, Error> {
        let serdes = config.serde_env()?;
        let local = config::local_state(&config, topology.app())?;
        let (broker, embedded) = open(&config)?;
        if embedded.is_some() {
            create_foreign_topics(broker.as_ref(), &topology, config.runtime.default_partitions)?;
        }
        let platform = Platform { broker: broker.clone(), clock: Arc::new(SystemClock), serdes: serdes.clone() };
        let mut runtime = config.runtime.clone();
        runtime.process_id = runtime.process_id.or_else(|| config.process_id());
        let calls = topology.has_calls().then(TokioCalls::open).transpose()?;
        let calls = calls.map(|calls| Arc::new(calls) as Arc<dyn CallExecutor>);
        let inner = nowfold_runtime::Streams::start_with(topology, platform, runtime, local, calls)?;
        let erasures = EraseWriter::new(broker.clone(), serdes.clone(), inner.clock());
        let app = Self {
            inner,
            broker,
            serdes,
            erasures,
            embedded,
            #[cfg(feature = "serve")]
            server: None,
        };
        app.listen(&config)
    }

    #[cfg(feature = "serve")]
    fn listen(mut self, config: &Config) -> Result<Self, Error> {
        if let Some(address) = config.http {
            let app = nowfold_serve::App::new(self.inner.hub(), self.inner.clock(), self.inner.state_cell());
            let app = app.topology(self.inner.topology().clone());
            let app = match config.http_token.clone() {
                Some(token) => app.erasures(self.erasures.log(), token),
                None => app,
            };
            let app = match config.metrics.clone() {
                Some(metrics) => app.metrics(move || (metrics.0)()),
                None => app,
            };
            let server = nowfold_serve::Server::start(address, app)?;
            if config.runtime.endpoint.is_none() && !server.address().ip().is_unspecified() {
                self.inner.announce(server.address().to_string());
            }
            self.server = Some(server);
        }
        Ok(self)
    }

    #[cfg(not(feature = "serve"))]
    fn listen(self, config: &Config) -> Result<Self, Error> {
        match config.http {
            None => Ok(self),
            Some(address) => Err(Error::Config {
                cause: format!("serving at {address} needs the feature `serve`; add it, or leave out the address"),
            }),
        }
    }

    /// Waits until every store is whole and the input that had gathered is processed; without a limit.
    ///
    /// # Errors
    /// When the application failed on the way.
    pub fn wait_running(self) -> Result<Self, Error> {
        self.inner.await_running(Duration::MAX)?;
        Ok(self)
    }

    /// Waits until the application runs, at most `timeout`.
    ///
    /// # Errors
    /// When it failed, or takes longer.
    pub fn await_running(&self, timeout: Duration) -> Result<(), Error> {
        Ok(self.inner.await_running(timeout)?)
    }

    /// The features of a store, from any thread, never waiting for its worker. The handle also erases actors, by a record
    /// in the actions topic.
    ///
    /// # Errors
    /// [`QueryError::UnknownStore`].
    pub fn features(&self, store: &str) -> Result<Features, QueryError> {
        let (hub, clock) = (self.inner.hub(), self.inner.clock());
        hub.with_store(store, |name, _| {
            let features = Features::new(hub.clone(), clock, name.clone());
            features.pausing_with(Arc::new(std::thread::sleep)).erasing_with(self.erasures.log())
        })
    }

    /// A producer of typed records for a topic.
    ///
    /// # Errors
    /// When the client or the serdes cannot be set up.
    pub fn producer<K: 'static, V: 'static>(
        &self,
        topic: &str,
        serdes: impl Produced<K, V> + 'static,
    ) -> Result<Producer<K, V>, Error> {
        Producer::open(self.broker.as_ref(), &self.serdes, topic, serdes)
    }

    /// The present state, with its cause.
    pub fn state(&self) -> AppState {
        self.inner.state()
    }

    /// The runtime underneath: tasks, state to wait for, topology, uptime.
    pub fn runtime(&self) -> &nowfold_runtime::Streams {
        &self.inner
    }

    /// Store partitions that live here.
    pub fn hub(&self) -> Arc<StoreHub> {
        self.inner.hub()
    }

    /// The application's clock.
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.inner.clock()
    }

    /// The log that the application runs on.
    pub fn broker(&self) -> Arc<dyn Broker> {
        self.broker.clone()
    }

    /// The embedded log, when the application runs on one.
    pub fn embedded_log(&self) -> Option<&EmbeddedLog> {
        self.embedded.as_ref()
    }

    /// Where the query server listens, if it does.
    #[cfg(feature = "serve")]
    pub fn http_address(&self) -> Option<std::net::SocketAddr> {
        self.server.as_ref().map(nowfold_serve::Server::address)
    }

    /// Processes what is buffered, stores and commits it, leaves the group, and returns how long each step took.
    ///
    /// # Errors
    /// When the application had failed before.
    pub fn close(self) -> Result<CloseReport, Error> {
        Ok(self.inner.close()?)
    }

    /// Runs until Ctrl-C or SIGTERM, or until the application fails, and closes.
    ///
    /// # Errors
    /// When the application failed.
    pub fn run_until_ctrl_c(self) -> Result<CloseReport, Error> {
        crate::signals::wait(&self.inner.state_cell())?;
        self.close()
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// Opens the log of a configuration.
pub(crate) fn open(config: &Config) -> Result<(Arc<dyn Broker>, Option<EmbeddedLog>), Error> {
    match &config.place {
        Place::Embedded { log, data_dir } => {
            let log = config::embedded_log(log.clone(), data_dir.clone())?;
            Ok((Arc::new(log.clone()), Some(log)))
        }
        Place::Kafka { bootstrap, raw, group } => {
            Ok((connect(bootstrap, within(raw, config.runtime.memory_budget), group)?, None))
        }
        Place::Open { broker, embedded } => Ok((broker.clone(), embedded.clone())),
    }
}

/// The settings of a Kafka client whose own queues leave room in a budget: a partition's records take a 64th of it and what
/// is to be sent a quarter, where that is less than by default and the user says nothing else.
fn within(raw: &BTreeMap<String, String>, budget: Option<u64>) -> BTreeMap<String, String> {
    let mut raw = raw.clone();
    if let Some(kbytes) = budget.map(|budget| budget / 1_024) {
        let mut at_most = |key: &str, kbytes: u64| _ = raw.entry(key.to_owned()).or_insert_with(|| kbytes.to_string());
        at_most("queued.max.messages.kbytes", (kbytes / 64).clamp(64, 4_096));
        at_most("queue.buffering.max.kbytes", (kbytes / 4).clamp(1_024, 65_536));
    }
    raw
}

#[cfg(feature = "kafka")]
fn connect(
    bootstrap: &str,
    raw: BTreeMap<String, String>,
    group: &config::GroupSettings,
) -> Result<Arc<dyn Broker>, Error> {
    let mut config = nowfold_kafka::KafkaConfig::new(bootstrap);
    config.raw = raw;
    (config.group_protocol, config.instance_id) = (group.protocol, group.instance_id.clone());
    config.session_timeout = group.session_timeout.unwrap_or(config.session_timeout);
    Ok(Arc::new(nowfold_kafka::Kafka::connect(config)?))
}

#[cfg(not(feature = "kafka"))]
fn connect(bootstrap: &str, _: BTreeMap<String, String>, _: &config::GroupSettings) -> Result<Arc<dyn Broker>, Error> {
    Err(Error::Config { cause: format!("Kafka at {bootstrap} needs the feature `kafka`") })
}

fn create_foreign_topics(broker: &dyn Broker, topology: &Topology, partitions: i32) -> Result<(), Error> {
    let foreign = topology.requirements().iter().filter(|topic| topic.create.is_none());
    for topic in foreign.filter(|topic| matches!(topic.role, TopicRole::Source | TopicRole::Sink)) {
        let settings = topic.rules.iter().map(|rule| (rule.key.to_owned(), rule.expected.remedy()));
        let spec = TopicSpec { name: topic.name.clone(), partitions: Some(partitions), config: settings.collect() };
        broker.create_topic(&spec)?;
    }
    Ok(())
}
