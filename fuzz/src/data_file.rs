//! The files of the embedded log's data directory.

use std::sync::{Arc, OnceLock};

use nowfold::core::time::Timestamp;
use nowfold::embedded::EmbeddedLog;
use nowfold::testkit::ManualClock;

use crate::data_file::sample::{read_all, write_sample};
use crate::sound::Sound;

mod sample;

/// The first byte chooses a file of a sound directory, the next two an offset in it, the rest is what stands from there
/// on; with the highest bit of the first byte, as a whole block. The directory opens and every record can be fetched, or
/// an error says why not.
pub fn data_file(data: &[u8]) {
    static SOUND: OnceLock<Sound> = OnceLock::new();
    let sound = SOUND.get_or_init(|| Sound::of(|dir| write_sample(dir, clock())));
    let Ok(dir) = tempfile::tempdir() else { return };
    if !sound.lay_out_damaged(dir.path(), data) {
        return;
    }
    match EmbeddedLog::open(dir.path(), clock()) {
        Ok(log) => read_all(&log),
        Err(error) => assert!(!error.to_string().is_empty(), "refused without a reason"),
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::from_millis(1_000_000)))
}
