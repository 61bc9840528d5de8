//! The HTTP query server: features and actions of an actor as of now, health and metrics.
//!
//! It answers from the stores that live in this process, in a thread of its own, and never waits for the workers that
//! fill them. One [`App`] says what to serve, one [`Server`] serves it until it is dropped. `docs/guide/queries.md`
//! shows every path with an example; `docs/errors.md` lists the codes of errors.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//! use std::sync::Arc;
//!
//! use nowfold_core::query::StoreHub;
//! use nowfold_runtime::{StateCell, SystemClock};
//! use nowfold_serve::{App, Server};
//!
//! let app = App::new(Arc::new(StoreHub::new()), Arc::new(SystemClock), Arc::new(StateCell::default()));
//! let server = Server::start("127.0.0.1:0".parse()?, app)?;
//!
//! let mut stream = TcpStream::connect(server.address())?;
//! stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
//! let mut answer = String::new();
//! stream.read_to_string(&mut answer)?;
//! assert!(answer.starts_with("HTTP/1.1 200 OK"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Security
//!
//! Nothing is written without [`App::erasures`], and then only for clients that show its [`Token`]. Reading has no
//! authentication, so the server listens on loopback addresses only, unless
//! [`App::allow_remote_insecure`] says otherwise, and then answers only requests that name such a host. Everything
//! that a client may take is bounded by [`Limits`]. No path lists actors, an unknown actor looks like one without
//! events, and actors appear in no metric and no log line.

mod actions;
mod adhoc;
mod answer;
mod app;
mod batch;
mod connection;
mod erase;
mod error;
mod explain;
mod fault;
mod features;
mod guard;
mod health;
mod limits;
mod memory_page;
mod metrics_page;
mod options;
mod params;
mod problem;
mod question;
mod routes;
mod server;
mod stores;
mod subject;
mod text;
mod timed_io;
mod timeline;
mod token;
mod topology;
mod vectors;

pub use app::App;
pub use error::ServeError;
pub use limits::Limits;
pub use metrics_page::install_recorder;
pub use server::Server;
pub use token::Token;
