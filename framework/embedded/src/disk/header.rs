//! The first 16 bytes of every `.log` file: `NOWFOLD`, a letter for the kind, the format version (u32, little-endian)
//! and four bytes that are zero.

use std::path::Path;

use crate::error::OpenError;

/// The format that this version writes, and the newest it reads.
pub(super) const VERSION: u32 = 1;

/// Length of a header in bytes.
pub(super) const LEN: usize = 16;

const MAGIC: &[u8; 7] = b"NOWFOLD";

/// What a file's frames hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Records of a segment.
    Segment,
    /// Committed offsets.
    Offsets,
}

impl Kind {
    fn letter(self) -> u8 {
        match self {
            Self::Segment => b'S',
            Self::Offsets => b'G',
        }
    }

    /// The header of a file of this kind.
    pub(super) fn header(self) -> Vec<u8> {
        [MAGIC.as_slice(), &[self.letter()], &VERSION.to_le_bytes(), &[0; 4]].concat()
    }

    /// Checks the header at the start of `bytes`; `false` when a crash cut it short.
    pub(super) fn check(self, path: &Path, bytes: &[u8]) -> Result<bool, OpenError> {
        let own = self.header();
        if bytes.len() < LEN {
            return if own.starts_with(bytes) { Ok(false) } else { Err(foreign(path)) };
        }
        let (magic, rest) = bytes.split_at(MAGIC.len() + 1);
        if !own.starts_with(magic) {
            return Err(foreign(path));
        }
        let version = rest.first_chunk().map_or(0, |version| u32::from_le_bytes(*version));
        check_version(path, version).map(|()| true)
    }
}

fn foreign(path: &Path) -> OpenError {
    OpenError::Foreign { path: path.to_owned(), cause: "it has another header".into() }
}

/// Refuses formats that this version does not know.
pub(super) fn check_version(path: &Path, found: u32) -> Result<(), OpenError> {
    match found {
        VERSION => Ok(()),
        0 => Err(foreign(path)),
        _ => Err(OpenError::NewerFormat { path: path.to_owned(), found, supported: VERSION }),
    }
}
