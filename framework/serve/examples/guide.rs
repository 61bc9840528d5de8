//! The server that `docs/guide/queries.md` asks, on port 7070, or the one given: a handful of actions at an instant that
//! stands still, so that every answer reads as in the guide. Stop it with Ctrl-C.
//!
//! ```console
//! $ cargo run -p nowfold-serve --example guide
//! ```

#[expect(clippy::unwrap_used, reason = "the world is that of the tests, where failing is panicking")]
#[path = "../tests/it/world.rs"]
mod world;

use std::net::{Ipv4Addr, SocketAddr};

use nowfold_serve::{Server, install_recorder};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(7070), |port| port.parse())?;
    let app = world::World::guide().metrics(install_recorder()?);
    let server = Server::start(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), app)?;
    println!("listening on http://{}", server.address());
    loop {
        std::thread::park();
    }
}
