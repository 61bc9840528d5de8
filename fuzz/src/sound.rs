//! A sound directory as files in memory, and one of its files damaged.

use std::fs;
use std::path::{Path, PathBuf};

use crate::framed_block;

/// With this bit, what is written behind the cut is a whole block of these bytes.
const WHOLE_BLOCK: u8 = 0x80;

/// Files by their path below a directory.
pub(crate) struct Sound(Vec<(PathBuf, Vec<u8>)>);

impl Sound {
    /// What `write` leaves in an empty directory.
    pub(crate) fn of(write: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary directory: {error}"));
        write(dir.path());
        let mut files = Vec::new();
        collect(dir.path(), dir.path(), &mut files).unwrap_or_else(|error| panic!("the sample: {error}"));
        files.sort();
        Self(files)
    }

    /// Writes the files to a directory, one of them damaged: the first byte chooses it, the next two an offset in it, and
    /// the rest is what stands from there on. False when there are not so many bytes.
    pub(crate) fn lay_out_damaged(&self, dir: &Path, data: &[u8]) -> bool {
        let [choice, high, low, rest @ ..] = data else { return false };
        let chosen = usize::from(choice & !WHOLE_BLOCK) % self.0.len();
        let rest = if choice & WHOLE_BLOCK == 0 { rest.to_vec() } else { framed_block::whole(rest) };
        for (at, (path, content)) in self.0.iter().enumerate() {
            let mut content = content.clone();
            if at == chosen {
                content.truncate(usize::from(u16::from_be_bytes([*high, *low])));
                content.extend_from_slice(&rest);
            }
            let path = dir.join(path);
            let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, content));
            written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        true
    }
}

fn collect(root: &Path, dir: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) -> std::io::Result<()> {
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
