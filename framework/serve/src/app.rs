//! What the server answers from.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use nowfold_core::query::StoreHub;
use nowfold_core::time::Clock;
use nowfold_core::topology::Topology;
use nowfold_operators::erase::EraseLog;
use nowfold_runtime::StateCell;
use tokio::sync::Semaphore;

use crate::erase::Erasures;
use crate::limits::Limits;
use crate::memory_page::MemoryPage;
use crate::token::Token;

type Render = Arc<dyn Fn() -> String + Send + Sync>;

/// What the server answers from: the stores of an application, its clock and its state.
#[derive(Clone)]
#[must_use = "hand it to Server::start"]
pub struct App {
    pub(crate) hub: Arc<StoreHub>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) state: Arc<StateCell>,
    pub(crate) render: Option<Render>,
    pub(crate) topology: Option<Topology>,
    pub(crate) limits: Limits,
    pub(crate) remote: bool,
    pub(crate) erasures: Option<Erasures>,
}

impl App {
    /// An application's stores, clock and state.
    pub fn new(hub: Arc<StoreHub>, clock: Arc<dyn Clock>, state: Arc<StateCell>) -> Self {
        Self {
            hub,
            clock,
            state,
            render: None,
            topology: None,
            limits: Limits::default(),
            remote: false,
            erasures: None,
        }
    }

    /// Where `/metrics` takes the recorded metrics from, in the text format of Prometheus; see
    /// [`install_recorder`](crate::install_recorder). Without it `/metrics` shows the stores alone.
    pub fn metrics(mut self, render: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.render = Some(Arc::new(render));
        self
    }

    /// The topology that `/v1/topology` shows.
    pub fn topology(mut self, topology: Topology) -> Self {
        self.topology = Some(topology);
        self
    }

    /// What one client may take.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Lets clients that show `token` erase actors with `DELETE`; `log` writes the erasures. Without it the server reads only.
    pub fn erasures(mut self, log: EraseLog, token: Token) -> Self {
        self.erasures = Some(Erasures { log, token });
        self
    }

    /// Lets the server listen on an address that other machines reach, and answer requests for any host name.
    ///
    /// **Insecure**: there is no authentication and no encryption; whoever reaches the port reads every actor.
    pub fn allow_remote_insecure(mut self) -> Self {
        self.remote = true;
        self
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("hub", &self.hub).field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// An [`App`] that is being served.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) app: App,
    /// The server's own address, as answers name it.
    pub(crate) owner: Arc<str>,
    pub(crate) requests: Semaphore,
    pub(crate) memory: MemoryPage,
}

impl Shared {
    pub(crate) fn new(app: App, address: SocketAddr) -> Arc<Self> {
        let requests = Semaphore::new(app.limits.requests);
        Arc::new(Self { app, owner: Arc::from(address.to_string()), requests, memory: MemoryPage::default() })
    }
}
