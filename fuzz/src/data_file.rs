//! The files of the embedded log's data directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use nowfold::core::time::Timestamp;
use nowfold::embedded::EmbeddedLog;
use nowfold::testkit::ManualClock;
use tempfile::TempDir;

use crate::data_file::sample::{read_all, write_sample};

mod sample;

/// A data directory as files in memory: path below it, content.
type Files = Vec<(PathBuf, Vec<u8>)>;

/// The first byte chooses a file of a sound directory, the next two an offset in it, the rest is what stands from there
/// on. The directory opens and every record can be fetched, or an error says why not.
pub fn data_file(data: &[u8]) {
    let [file, high, low, rest @ ..] = data else { return };
    let Ok(dir) = tempfile::tempdir() else { return };
    lay_out(dir.path(), usize::from(*file), usize::from(u16::from_be_bytes([*high, *low])), rest);
    match EmbeddedLog::open(dir.path(), clock()) {
        Ok(log) => read_all(&log),
        Err(error) => assert!(!error.to_string().is_empty(), "refused without a reason"),
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::from_millis(1_000_000)))
}

fn lay_out(dir: &Path, chosen: usize, offset: usize, rest: &[u8]) {
    let files = sound();
    for (at, (path, content)) in files.iter().enumerate() {
        let mut content = content.clone();
        if at == chosen % files.len() {
            content.truncate(offset);
            content.extend_from_slice(rest);
        }
        let path = dir.join(path);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, content));
        written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

fn sound() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| {
        let dir: TempDir = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary directory: {error}"));
        write_sample(dir.path(), clock());
        let mut files = Files::new();
        collect(dir.path(), dir.path(), &mut files).unwrap_or_else(|error| panic!("the sample: {error}"));
        files.sort();
        files
    })
}

fn collect(root: &Path, dir: &Path, files: &mut Files) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else if let Ok(below) = path.strip_prefix(root) {
            files.push((below.to_owned(), fs::read(&path)?));
        }
    }
    Ok(())
}
