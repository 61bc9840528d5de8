//! Where an application runs, and how.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use nowfold_core::serde::{SchemaRegistry, SerdeEnv};
use nowfold_core::task::TaskIdle;
use nowfold_embedded::EmbeddedLog;
use nowfold_runtime::broker::Broker;
use nowfold_runtime::local::{Durability, LocalState};
use nowfold_runtime::{Guarantee, RuntimeConfig, RuntimeError, SystemClock};

use crate::error::Error;

/// Where an application runs, and how. Made by [`Config::embedded`], [`Config::kafka`] or [`Config::from_env`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Config {
    pub(crate) place: Place,
    /// URL of a Confluent-compatible Schema Registry; without one, Avro is written in single-object encoding.
    pub(crate) registry: Option<String>,
    /// Where the HTTP query server listens, if it does.
    pub(crate) http: Option<SocketAddr>,
    /// Who may erase actors over HTTP.
    #[cfg(feature = "serve")]
    pub(crate) http_token: Option<nowfold_serve::Token>,
    /// What `/metrics` answers, if anything.
    #[cfg(feature = "serve")]
    pub(crate) metrics: Option<Metrics>,
    /// Settings of the workers.
    pub(crate) runtime: RuntimeConfig,
    /// Where this process keeps what it needs for a quick restart.
    pub(crate) state_dir: Option<PathBuf>,
    /// What a crash of the machine may take of that.
    pub(crate) state_durability: Durability,
}

/// Renders metrics as Prometheus text.
#[cfg(feature = "serve")]
#[derive(Clone)]
pub(crate) struct Metrics(pub(crate) Arc<dyn Fn() -> String + Send + Sync>);

#[cfg(feature = "serve")]
impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

/// How the group on Kafka is kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupSettings {
    #[cfg(feature = "kafka")]
    pub(crate) protocol: nowfold_kafka::GroupProtocol,
    #[cfg(feature = "kafka")]
    pub(crate) instance_id: Option<String>,
    #[cfg(feature = "kafka")]
    pub(crate) session_timeout: Option<std::time::Duration>,
}

#[derive(Clone, Debug)]
pub(crate) enum Place {
    Embedded { log: Option<EmbeddedLog>, data_dir: Option<PathBuf> },
    Kafka { bootstrap: String, raw: BTreeMap<String, String>, group: GroupSettings },
    Open { broker: Arc<dyn Broker>, embedded: Option<EmbeddedLog> },
}

impl Config {
    /// On a log inside this process, with every source topic created. Its content is lost on exit, unless
    /// [`data_dir`](Self::data_dir) keeps it.
    pub fn embedded() -> Self {
        Self::at(Place::Embedded { log: None, data_dir: None })
    }

    /// On an embedded log that the caller has made, and may write to and read from.
    pub fn embedded_on(log: EmbeddedLog) -> Self {
        Self::at(Place::Embedded { log: Some(log), data_dir: None })
    }

    /// On Apache Kafka at `bootstrap`, a comma-separated list of `host:port`.
    pub fn kafka(bootstrap: impl Into<String>) -> Self {
        Self::at(Place::Kafka { bootstrap: bootstrap.into(), raw: BTreeMap::new(), group: GroupSettings::default() })
    }

    fn at(place: Place) -> Self {
        Self {
            place,
            registry: None,
            http: None,
            #[cfg(feature = "serve")]
            http_token: None,
            #[cfg(feature = "serve")]
            metrics: None,
            runtime: RuntimeConfig::default(),
            state_dir: None,
            state_durability: Durability::default(),
        }
    }

    /// From the environment:
    ///
    /// | variable | meaning | without it |
    /// |---|---|---|
    /// | `NOWFOLD_BOOTSTRAP` | Kafka's address | the embedded log |
    /// | `NOWFOLD_REGISTRY` | URL of the Schema Registry | single-object encoding |
    /// | `NOWFOLD_DATA_DIR` | where the embedded log keeps its data | nowhere: lost on exit |
    /// | `NOWFOLD_STATE_DIR` | where this process keeps its state, for a quick restart | nowhere: every start reads the topics |
    /// | `NOWFOLD_HTTP` | address of the query server, such as `127.0.0.1:7070` | no server |
    /// | `NOWFOLD_GUARANTEE` | `at-least-once` or `exactly-once` | `at-least-once` |
    /// | `NOWFOLD_MAX_TASK_IDLE_MS` | how long a task waits for sources that are empty: see [`max_task_idle`](Self::max_task_idle) | `0` |
    /// | `NOWFOLD_MEMORY_BUDGET` | bytes that may be held on the way, such as `268435456` or `256m`: see [`memory_budget`](Self::memory_budget) | no limit |
    /// | `NOWFOLD_GROUP_PROTOCOL` | `classic`, or `consumer` (KIP-848) | `classic` |
    /// | `NOWFOLD_INSTANCE_ID` | static membership: this process's name | dynamic membership |
    /// | `NOWFOLD_ADVERTISE` | where others reach the query server, as `host:port` or URL | its own address |
    /// | `NOWFOLD_NUM_STANDBYS` | how many other processes keep a warm copy of each task's stores: see [`num_standbys`](Self::num_standbys) | `0` |
    /// | `NOWFOLD_RACK` | where this process stands, such as a zone | nowhere |
    /// | `NOWFOLD_ACCEPT_TOPOLOGY_CHANGE` | `1`: starts although state is left behind (NF126) | refuses |
    /// | `NOWFOLD_HTTP_TOKEN` | secret with which clients may erase actors | the server reads only |
    ///
    /// # Errors
    /// [`Error::Config`] when a variable cannot be read, naming it.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// Reads the variables of [`from_env`](Self::from_env) from somewhere else, such as a file of settings.
    ///
    /// ```
    /// # use nowfold::Config;
    /// let config = Config::from_variables(|name| (name == "NOWFOLD_HTTP").then(|| "127.0.0.1:7070".to_owned()))?;
    /// # let _ = config;
    /// assert!(Config::from_variables(|name| (name == "NOWFOLD_HTTP").then(|| "here".to_owned())).is_err());
    /// # Ok::<(), nowfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Config`] when a variable cannot be read, naming it.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let mut config = variable("NOWFOLD_BOOTSTRAP").map_or_else(Self::embedded, Self::kafka);
        config.registry = variable("NOWFOLD_REGISTRY");
        match (variable("NOWFOLD_DATA_DIR"), &config.place) {
            (Some(_), Place::Kafka { .. }) => {
                let cause =
                    "NOWFOLD_DATA_DIR keeps the embedded log, but NOWFOLD_BOOTSTRAP names a Kafka; unset one of them";
                return Err(Error::Config { cause: cause.to_owned() });
            }
            (Some(dir), _) => config = config.data_dir(dir),
            (None, _) => {}
        }
        config = variable("NOWFOLD_STATE_DIR").into_iter().fold(config, Self::state_dir);
        match variable("NOWFOLD_GUARANTEE").as_deref() {
            None | Some("at-least-once") => {}
            Some("exactly-once") => config = config.guarantee(Guarantee::ExactlyOnce),
            Some(other) => {
                let cause = format!("NOWFOLD_GUARANTEE={other:?} is neither \"at-least-once\" nor \"exactly-once\"");
                return Err(Error::Config { cause });
            }
        }
        if let Some(text) = variable("NOWFOLD_MAX_TASK_IDLE_MS") {
            let idle = text.parse().ok().and_then(TaskIdle::from_millis).ok_or_else(|| Error::Config {
                cause: format!("NOWFOLD_MAX_TASK_IDLE_MS={text:?} is neither -1 nor a number of milliseconds"),
            })?;
            config = config.max_task_idle(idle);
        }
        if let Some(text) = variable("NOWFOLD_MEMORY_BUDGET") {
            let bytes = bytes(&text).filter(|bytes| *bytes >= LEAST_BUDGET).ok_or_else(|| Error::Config {
                cause: format!(
                    "NOWFOLD_MEMORY_BUDGET={text:?} is not a number of bytes such as 268435456 or 256m, and at least 1m"
                ),
            })?;
            config = config.memory_budget(bytes);
        }
        if let Some(text) = variable("NOWFOLD_NUM_STANDBYS") {
            let n = text.parse().map_err(|_| Error::Config {
                cause: format!("NOWFOLD_NUM_STANDBYS={text:?} is not a number of processes, such as 1"),
            })?;
            config = config.num_standbys(n);
        }
        config = config.group_from(variable("NOWFOLD_GROUP_PROTOCOL"), variable("NOWFOLD_INSTANCE_ID"))?;
        if let Some(text) = variable("NOWFOLD_HTTP") {
            let address = text.parse().map_err(|_| Error::Config {
                cause: format!("NOWFOLD_HTTP={text:?} is not an address such as 127.0.0.1:7070"),
            })?;
            config.http = Some(address);
        }
        config.runtime.endpoint = variable("NOWFOLD_ADVERTISE");
        config.runtime.rack = variable("NOWFOLD_RACK");
        config.runtime.accept_topology_change = variable("NOWFOLD_ACCEPT_TOPOLOGY_CHANGE").as_deref() == Some("1");
        #[cfg(feature = "serve")]
        if let Some(token) = variable("NOWFOLD_HTTP_TOKEN") {
            config.http_token = Some(nowfold_serve::Token::new(token));
        }
        Ok(config)
    }

    /// Keeps the embedded log in this directory. No effect on Kafka.
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        if let Place::Embedded { data_dir, .. } = &mut self.place {
            *data_dir = Some(dir.into());
        }
        self
    }

    /// Keeps the state of this process's tasks in this directory, so that a restart reads only the tail of the topics: see
    /// the guide to the state directory. One process at a time may have it open. It may be deleted while none has: all of it
    /// comes back from the topics. Refused with an embedded log whose content is lost on exit.
    ///
    /// ```
    /// use nowfold::prelude::*;
    ///
    /// let config = Config::kafka("127.0.0.1:9092").state_dir("/var/lib/job-feed");
    /// ```
    pub fn state_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.state_dir = Some(dir.into());
        self
    }

    /// What a crash of the machine may take of the state directory: by default the last moments before it, which the
    /// restart reads from the topics.
    pub fn state_durability(mut self, durability: Durability) -> Self {
        self.state_durability = durability;
        self
    }

    /// Uses the Schema Registry at this URL.
    pub fn registry(mut self, url: impl Into<String>) -> Self {
        self.registry = Some(url.into());
        self
    }

    /// Serves queries over HTTP at this address. An address that is not loopback is refused: there is no authentication.
    pub fn http(mut self, address: SocketAddr) -> Self {
        self.http = Some(address);
        self
    }

    /// Where other processes and clients reach the query server, as `host:port` or URL, when that is not the address that
    /// it listens at: behind a proxy, say. Settings of the workers that are given later, with [`runtime`](Self::runtime),
    /// replace it.
    pub fn advertise(mut self, endpoint: impl Into<String>) -> Self {
        self.runtime.endpoint = Some(endpoint.into());
        self
    }

    /// Lets clients of the query server erase actors when they show this secret, as `Authorization: Bearer SECRET`. Without
    /// it the server reads only.
    #[cfg(feature = "serve")]
    pub fn http_token(mut self, token: impl Into<String>) -> Self {
        self.http_token = Some(nowfold_serve::Token::new(token));
        self
    }

    /// Serves metrics at `/metrics`, as `render` gives them: the binary installs the recorder, as with
    /// [`nowfold::serve::install_recorder`](nowfold_serve::install_recorder).
    #[cfg(feature = "serve")]
    pub fn metrics(mut self, render: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.metrics = Some(Metrics(Arc::new(render)));
        self
    }

    /// Sets a librdkafka property. No effect on the embedded log; those that nowfold owns are refused at the start.
    pub fn kafka_property(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        if let Place::Kafka { raw, .. } = &mut self.place {
            raw.insert(key.into(), value.into());
        }
        self
    }

    /// The name of this process that survives its restart, if it has one.
    #[cfg(feature = "kafka")]
    pub(crate) fn process_id(&self) -> Option<String> {
        match &self.place {
            Place::Kafka { group, .. } => group.instance_id.clone(),
            Place::Embedded { .. } | Place::Open { .. } => None,
        }
    }

    #[cfg(not(feature = "kafka"))]
    #[expect(clippy::unused_self, reason = "with Kafka, processes have names")]
    pub(crate) fn process_id(&self) -> Option<String> {
        None
    }

    /// Takes the group's settings of the environment.
    #[cfg(feature = "kafka")]
    fn group_from(mut self, protocol: Option<String>, instance: Option<String>) -> Result<Self, Error> {
        use nowfold_kafka::GroupProtocol;
        match protocol.as_deref() {
            None => {}
            Some("classic") => self = self.group_protocol(GroupProtocol::Classic),
            Some("consumer") => self = self.group_protocol(GroupProtocol::Consumer),
            Some(other) => {
                let cause = format!("NOWFOLD_GROUP_PROTOCOL={other:?} is neither \"classic\" nor \"consumer\"");
                return Err(Error::Config { cause });
            }
        }
        Ok(instance.into_iter().fold(self, Self::instance_id))
    }

    #[cfg(not(feature = "kafka"))]
    #[expect(clippy::unnecessary_wraps, reason = "with Kafka, the settings can be wrong")]
    fn group_from(self, _: Option<String>, _: Option<String>) -> Result<Self, Error> {
        Ok(self)
    }

    /// How the consumer group spreads its partitions: [`GroupProtocol::Classic`](nowfold_kafka::GroupProtocol::Classic)
    /// by default, or by the broker (KIP-848, brokers from 4.0 on). No effect on the embedded log.
    #[cfg(feature = "kafka")]
    pub fn group_protocol(mut self, protocol: nowfold_kafka::GroupProtocol) -> Self {
        if let Place::Kafka { group, .. } = &mut self.place {
            group.protocol = protocol;
        }
        self
    }

    /// Static membership (KIP-345): a name for this process, unique in its group, that survives its restart. A process
    /// that comes back within the session timeout gets its partitions again and nothing moves; one that is closed for
    /// good is noticed only when the session is over. Classic groups only: refused at the start with KIP-848, where a
    /// killed static member locks its successor out. No effect on the embedded log.
    ///
    /// Exactly-once, it is also the name under which a restarted process ends the transactions of the killed one.
    #[cfg(feature = "kafka")]
    pub fn instance_id(mut self, id: impl Into<String>) -> Self {
        if let Place::Kafka { group, .. } = &mut self.place {
            group.instance_id = Some(id.into());
        }
        self
    }

    /// After this long without a heartbeat a process counts as dead and its partitions move (classic groups; with
    /// KIP-848 this is the broker's setting). Default 12 s. No effect on the embedded log.
    #[cfg(feature = "kafka")]
    pub fn session_timeout(mut self, timeout: std::time::Duration) -> Self {
        if let Place::Kafka { group, .. } = &mut self.place {
            group.session_timeout = Some(timeout);
        }
        self
    }

    /// What a crash may do to results: see [`Guarantee`] and the guide to delivery. Also sets the commit interval to the
    /// guarantee's own: 500 ms at-least-once, 100 ms exactly-once. Settings of the workers that are given later, with
    /// [`runtime`](Self::runtime), replace both.
    ///
    /// ```
    /// use nowfold::prelude::*;
    ///
    /// let config = Config::kafka("127.0.0.1:9092").guarantee(Guarantee::ExactlyOnce);
    /// ```
    pub fn guarantee(mut self, guarantee: Guarantee) -> Self {
        let of_guarantee = match guarantee {
            Guarantee::AtLeastOnce => RuntimeConfig::default(),
            Guarantee::ExactlyOnce => RuntimeConfig::exactly_once(),
        };
        (self.runtime.guarantee, self.runtime.commit_interval) = (guarantee, of_guarantee.commit_interval);
        self
    }

    /// How long a task that reads several topics waits for those that are empty before it goes on with the others
    /// (`max.task.idle.ms`). By default it waits while the log holds more of them, and no longer. Settings of the workers
    /// that are given later, with [`runtime`](Self::runtime), replace it.
    ///
    /// ```
    /// use nowfold::prelude::*;
    ///
    /// let config = Config::embedded().max_task_idle(TaskIdle::UpTo(seconds(1)));
    /// ```
    pub fn max_task_idle(mut self, idle: TaskIdle) -> Self {
        self.runtime.max_task_idle = idle;
        self
    }

    /// How many bytes this process may hold on its way: records that were read and wait, rows in record caches, and what was
    /// written and is not known to be stored. Where they are used up, caches are emptied, what was written is committed, and
    /// reading pauses until there is room. At least 1 MiB is taken. The queues of a Kafka client and the caches of stores on
    /// disk are made smaller beside it: `docs/guide/memory.md`. Settings of the workers that are given later, with
    /// [`runtime`](Self::runtime), replace it.
    ///
    /// ```
    /// use nowfold::prelude::*;
    ///
    /// let config = Config::embedded().memory_budget(256 << 20);
    /// ```
    pub fn memory_budget(mut self, bytes: u64) -> Self {
        self.runtime.memory_budget = Some(bytes.max(LEAST_BUDGET));
        self
    }

    /// How many other processes keep a warm copy of each task's stores (`num.standby.replicas`), so that a task whose
    /// process dies goes on at once: see the guide to standbys. All processes of an application should have the same
    /// number. Settings of the workers that are given later, with [`runtime`](Self::runtime), replace it.
    ///
    /// ```
    /// use nowfold::prelude::*;
    ///
    /// let config = Config::kafka("127.0.0.1:9092").num_standbys(1);
    /// ```
    pub fn num_standbys(mut self, n: usize) -> Self {
        self.runtime.num_standbys = n;
        self
    }

    /// Settings of the workers.
    pub fn runtime(mut self, runtime: RuntimeConfig) -> Self {
        self.runtime = runtime;
        self
    }

    /// The log of this configuration, opened now: to create topics and write records before the application starts.
    /// [`Streams::start`](crate::Streams::start) then runs on the same one.
    ///
    /// # Errors
    /// When it cannot be opened or reached.
    pub fn broker(&mut self) -> Result<Arc<dyn Broker>, Error> {
        let (broker, embedded) = crate::streams::open(self)?;
        self.runtime.process_id = self.runtime.process_id.take().or_else(|| self.process_id());
        self.place = Place::Open { broker: broker.clone(), embedded };
        Ok(broker)
    }

    /// What serdes get to know: the registry, when there is one.
    ///
    /// # Errors
    /// When the registry's client cannot be made.
    pub fn serde_env(&self) -> Result<SerdeEnv, Error> {
        Ok(SerdeEnv { registry: self.registry.as_deref().map(registry).transpose()? })
    }

    /// Whether this is the embedded log without a data directory: what it holds is lost on exit.
    pub fn is_volatile(&self) -> bool {
        matches!(self.place, Place::Embedded { log: None, data_dir: None })
    }
}

/// Less would be used up by the records of one fetch.
const LEAST_BUDGET: u64 = 1 << 20;

/// A number of bytes, with `k`, `m` or `g` behind it for their multiples by 1,024.
fn bytes(text: &str) -> Option<u64> {
    let (number, shift) = match text.char_indices().last()? {
        (at, 'k' | 'K') => (text.get(..at)?, 10),
        (at, 'm' | 'M') => (text.get(..at)?, 20),
        (at, 'g' | 'G') => (text.get(..at)?, 30),
        _ => (text, 0),
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// Opens the state directory of `app`, if there is one.
pub(crate) fn local_state(config: &Config, app: &str) -> Result<Option<Arc<dyn LocalState>>, Error> {
    let Some(dir) = &config.state_dir else { return Ok(None) };
    if config.is_volatile() {
        let cause = format!(
            "the state directory {} is for one log, but the embedded log begins anew at every start; keep it with \
             NOWFOLD_DATA_DIR, or leave the state directory out",
            dir.display()
        );
        return Err(Error::Config { cause });
    }
    let state = nowfold_disk::StateDir::open(dir, app, config.state_durability).map_err(RuntimeError::from)?;
    #[cfg(feature = "fjall")]
    let state = state.engine(Arc::new(engine(config.runtime.memory_budget)));
    Ok(Some(Arc::new(state)))
}

/// The engine of stores on disk. Under a budget, what the database of each task has read takes a sixteenth of it at most.
#[cfg(feature = "fjall")]
fn engine(budget: Option<u64>) -> nowfold_fjall::FjallEngine {
    let engine = nowfold_fjall::FjallEngine::new();
    match budget {
        Some(budget) => engine.cache_bytes((budget / 16).min(32 << 20)),
        None => engine,
    }
}

/// The registry client for a URL.
#[cfg(feature = "kafka")]
fn registry(url: &str) -> Result<Arc<dyn SchemaRegistry>, Error> {
    Ok(Arc::new(nowfold_schemas::registry::RegistryClient::new(url)?))
}

#[cfg(not(feature = "kafka"))]
fn registry(url: &str) -> Result<Arc<dyn SchemaRegistry>, Error> {
    Err(Error::Config { cause: format!("schema registry {url} needs the feature `kafka`") })
}

/// The embedded log of a configuration.
pub(crate) fn embedded_log(log: Option<EmbeddedLog>, dir: Option<PathBuf>) -> Result<EmbeddedLog, Error> {
    let clock = Arc::new(SystemClock);
    match (log, dir) {
        (Some(log), _) => Ok(log),
        (None, Some(dir)) => Ok(EmbeddedLog::open(dir, clock)?),
        (None, None) => Ok(EmbeddedLog::new(clock)),
    }
}
