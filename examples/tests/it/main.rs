//! The examples from outside: feeds of `replay`, real questions answered without any pipeline, and the binaries themselves.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails is a test that fails")]

mod feed;
mod guide;
mod oracle;
mod questions;
mod real_sets;
mod runs;
mod small;

use std::path::PathBuf;

/// The root of the workspace.
fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
