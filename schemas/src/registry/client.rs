//! A Confluent-compatible Schema Registry over HTTP.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nowfold_core::serde::{SchemaRegistry, SerdeError};
use schema_registry_converter::blocking::schema_registry::{SrSettings, get_schema_by_id_and_type, post_schema};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{SchemaType, SuppliedSchema};

use super::failure;

/// Schemas and registrations that are remembered; all are forgotten together when there are more.
const REMEMBERED: usize = 1_024;

/// Where a registry is and how to call it.
#[derive(Clone)]
pub struct RegistrySettings {
    urls: Vec<String>,
    timeout: Duration,
    basic: Option<(String, Option<String>)>,
    token: Option<String>,
}

impl RegistrySettings {
    /// The registry at this URL, such as `http://localhost:8081`. Several URLs of one registry, separated by commas, are
    /// tried in order. `https` needs the cargo feature `registry-tls`.
    pub fn new(urls: &str) -> Self {
        let urls = urls.split(',').map(|url| url.trim().trim_end_matches('/').to_owned()).collect();
        Self { urls, timeout: Duration::from_secs(5), basic: None, token: None }
    }

    /// How long one call to one URL may take; 5 s by default.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sends this user and password.
    #[must_use]
    pub fn basic_auth(self, user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { basic: Some((user.into(), Some(password.into()))), ..self }
    }

    /// Sends this bearer token.
    #[must_use]
    pub fn bearer_token(self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self }
    }

    fn connect(&self) -> Result<SrSettings, SerdeError> {
        let unusable = |cause: String| SerdeError::RegistryUnavailable { cause };
        let Some((first, others)) = self.urls.split_first() else { return Err(unusable("no URL is given".into())) };
        if let Some(url) = self.urls.iter().find(|url| !is_usable(url)) {
            return Err(unusable(format!("{url} is not an http URL, or https without the cargo feature registry-tls")));
        }
        let mut builder = SrSettings::new_builder(first.clone());
        for url in others {
            builder.add_url(url.clone());
        }
        if let Some((user, password)) = &self.basic {
            builder.set_basic_authorization(user, password.as_deref());
        }
        if let Some(token) = &self.token {
            builder.set_token_authorization(token);
        }
        builder.set_timeout(self.timeout).build().map_err(|error| unusable(failure::sentence(&error)))
    }

    /// How long a caller waits: all URLs, and a second for those before it.
    fn patience(&self) -> Duration {
        let urls = u32::try_from(self.urls.len()).unwrap_or(1);
        self.timeout.saturating_mul(urls).saturating_add(Duration::from_secs(1))
    }
}

fn is_usable(url: &str) -> bool {
    url.starts_with("http://") || (url.starts_with("https://") && cfg!(feature = "registry-tls"))
}

impl From<&str> for RegistrySettings {
    fn from(urls: &str) -> Self {
        Self::new(urls)
    }
}

/// Secrets stay out.
impl fmt::Debug for RegistrySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistrySettings")
            .field("urls", &self.urls)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

type Job = Box<dyn FnOnce(&SrSettings) + Send>;

/// Fetches and registers schemas.
///
/// Calls run on a thread of the client's own, one after another, so that they are safe from within an asynchronous
/// runtime too; the caller's thread waits for the answer, at most the timeout for each URL and a second more. Answers are
/// remembered.
///
/// ```no_run
/// use std::sync::Arc;
/// use nowfold_core::serde::SerdeEnv;
/// use nowfold_schemas::registry::RegistryClient;
///
/// let registry = RegistryClient::new("http://localhost:8081")?;
/// let env = SerdeEnv { registry: Some(Arc::new(registry)) };
/// # Ok::<(), nowfold_core::serde::SerdeError>(())
/// ```
pub struct RegistryClient {
    settings: RegistrySettings,
    jobs: Mutex<Sender<Job>>,
    schemas: Remembered<u32, Arc<str>>,
    ids: Remembered<(String, String), u32>,
}

impl RegistryClient {
    /// A client of this registry. Nothing is called yet.
    ///
    /// # Errors
    /// [`SerdeError::RegistryUnavailable`] when the settings cannot be used.
    pub fn new(settings: impl Into<RegistrySettings>) -> Result<Self, SerdeError> {
        let settings = settings.into();
        let (jobs, queue) = mpsc::channel();
        let (ready, is_ready) = mpsc::channel();
        let connecting = settings.clone();
        thread::Builder::new()
            .name("nowfold-registry".into())
            .spawn(move || work(&connecting, &ready, queue))
            .map_err(|error| SerdeError::RegistryUnavailable { cause: error.to_string() })?;
        is_ready.recv().unwrap_or_else(|_| Err(ended()))?;
        Ok(Self { settings, jobs: Mutex::new(jobs), schemas: Remembered::default(), ids: Remembered::default() })
    }

    /// Runs `call` on the client's thread and waits for its answer.
    fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&SrSettings) -> Result<T, SRCError> + Send + 'static,
    ) -> Result<Result<T, SRCError>, SerdeError> {
        let (answer, answered) = mpsc::channel();
        let job: Job = Box::new(move |settings| drop(answer.send(call(settings))));
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).send(job).map_err(|_| ended())?;
        answered.recv_timeout(self.settings.patience()).map_err(|error| match error {
            RecvTimeoutError::Timeout => SerdeError::RegistryUnavailable {
                cause: format!(
                    "{} did not answer within {:?}",
                    self.settings.urls.join(", "),
                    self.settings.patience()
                ),
            },
            RecvTimeoutError::Disconnected => ended(),
        })
    }
}

/// Connects, says so, and runs jobs until the client is dropped.
fn work(settings: &RegistrySettings, ready: &Sender<Result<(), SerdeError>>, jobs: Receiver<Job>) {
    match settings.connect() {
        Ok(connection) => {
            if ready.send(Ok(())).is_ok() {
                jobs.into_iter().for_each(|job| job(&connection));
            }
        }
        Err(error) => drop(ready.send(Err(error))),
    }
}

fn ended() -> SerdeError {
    SerdeError::RegistryUnavailable { cause: "the client's thread has ended".into() }
}

impl fmt::Debug for RegistryClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RegistryClient").field(&self.settings).finish()
    }
}

impl SchemaRegistry for RegistryClient {
    fn schema(&self, id: u32) -> Result<Arc<str>, SerdeError> {
        if let Some(schema) = self.schemas.get(&id) {
            return Ok(schema);
        }
        let answer = self.call(move |settings| get_schema_by_id_and_type(id, settings, SchemaType::Avro))?;
        let registered = answer.map_err(|error| failure::of_schema(id, &error))?;
        if let Some(reference) = registered.references.first() {
            let cause =
                format!("it refers to a schema of its own subject ({}), which is not supported", reference.name);
            return Err(SerdeError::UnknownSchema { id, cause });
        }
        let schema: Arc<str> = registered.schema.into();
        self.schemas.insert(id, schema.clone());
        Ok(schema)
    }

    fn register(&self, subject: &str, schema: &str) -> Result<u32, SerdeError> {
        let key = (subject.to_owned(), schema.to_owned());
        if let Some(id) = self.ids.get(&key) {
            return Ok(id);
        }
        let (subject, supplied) = (key.0.clone(), SuppliedSchema::new(None, SchemaType::Avro, key.1.clone()));
        let answer = self.call(move |settings| post_schema(settings, subject, supplied))?;
        let id = answer.map_err(|error| failure::of_registration(&key.0, &error))?.id;
        self.ids.insert(key, id);
        Ok(id)
    }
}

/// A small map behind a lock.
struct Remembered<K, V>(Mutex<HashMap<K, V>>);

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<K: Eq + Hash, V: Clone> Remembered<K, V> {
    fn get(&self, key: &K) -> Option<V> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn insert(&self, key: K, value: V) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= REMEMBERED {
            map.clear();
        }
        map.insert(key, value);
    }
}
