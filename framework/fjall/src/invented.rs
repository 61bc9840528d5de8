//! Rows that none of our stores wrote.

use std::path::Path;

use bytes::Bytes;
use nowfold_runtime::local::{Durability, Epoch, LocalError};

use super::database::Database;
use super::rows::{self, EPOCH};

/// Writes rows as they are to a new database, beside an epoch. For fuzzing.
///
/// # Errors
/// When fjall cannot write there.
pub fn write_rows(dir: &Path, rows: &[(Bytes, Bytes)], epoch: &Epoch) -> Result<(), LocalError> {
    let database = Database::open(dir, Durability::ProcessCrash, 1 << 20)?;
    let own = [(Bytes::from_static(&EPOCH), Bytes::from(epoch.encode())), (rows::link(epoch.number), Bytes::new())];
    let all = own.into_iter().chain(rows.iter().cloned());
    database.write(all.map(|(key, value)| (key, Some(value))))
}
