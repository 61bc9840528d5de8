//! The engine: databases by directory, and the stores of a task in one of them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use nowfold_core::names::StoreName;
use nowfold_core::state::{StateStore, StoreKind};
use nowfold_runtime::local::{Durability, DurableStores, Epoch, LocalError, StoreEngine, StorePlan};
use parking_lot::Mutex;

use super::database::Database;
use super::key_value::FjallKeyValue;
use super::rows::{self, EPOCH, LINKS};
use super::session::FjallSession;
use super::table::Table;
use super::versioned::FjallVersioned;
use super::window::FjallWindow;

/// Memory in which each task's database keeps what it has read, unless told otherwise.
const CACHE_BYTES: u64 = 32 << 20;

/// fjall as the engine of the generic stores.
#[derive(Debug)]
pub struct FjallEngine {
    /// Open databases. A task that is opened again finds the one that readers of its old stores still hold.
    open: Mutex<HashMap<PathBuf, Weak<Database>>>,
    cache_bytes: u64,
}

impl FjallEngine {
    /// An engine whose databases, one for each task, cache 32 MiB each.
    pub fn new() -> Self {
        Self { open: Mutex::default(), cache_bytes: CACHE_BYTES }
    }

    /// Memory in which each task's database keeps what it has read from the disk.
    #[must_use]
    pub fn cache_bytes(mut self, n: u64) -> Self {
        self.cache_bytes = n;
        self
    }

    fn database(&self, dir: &Path, durability: Durability) -> Result<Arc<Database>, LocalError> {
        let open = &mut *self.open.lock();
        open.retain(|_, database| database.strong_count() > 0);
        if let Some(database) = open.get(dir).and_then(Weak::upgrade) {
            return Ok(database);
        }
        let database = Arc::new(Database::open(dir, durability, self.cache_bytes)?);
        open.insert(dir.to_owned(), Arc::downgrade(&database));
        Ok(database)
    }
}

impl Default for FjallEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl StoreEngine for FjallEngine {
    fn name(&self) -> &'static str {
        "fjall"
    }

    fn open(
        &self,
        dir: &Path,
        stores: &[StorePlan],
        durability: Durability,
    ) -> Result<Box<dyn DurableStores>, LocalError> {
        let database = self.database(dir, durability)?;
        let damaged = |cause: String| LocalError::Damaged { path: dir.to_owned(), cause };
        let stored = database.get(&EPOCH).map_err(damaged)?;
        let epoch =
            stored.map(|stored| Epoch::decode(&stored).ok_or_else(|| damaged("an epoch of no known form".into())));
        let epoch = epoch.transpose()?;
        if let Some(epoch) = &epoch {
            check_links(&database, epoch).map_err(damaged)?;
        }
        let mut tables = BTreeMap::new();
        for (plan, number) in stores.iter().zip(0_u16..) {
            let table = Table::open(database.clone(), plan.name.clone(), number);
            let table = table.map_err(|error| damaged(error.to_string()))?;
            tables.insert(plan.name.clone(), Opened { table: Arc::new(table), kind: plan.kind, is_taken: false });
        }
        let mut stores = FjallStores { database, epoch, tables };
        if stores.epoch.is_none() {
            // Rows without an epoch are of a clearing that was cut short.
            stores.clear()?;
        }
        Ok(Box::new(stores))
    }
}

/// Each epoch removes the link of the one before it. Another link beside its own, or none, shows that batches have
/// changed places: fjall's checksums do not cover their numbers.
fn check_links(database: &Database, epoch: &Epoch) -> Result<(), String> {
    let links = database.scan(&database.snapshot(), rows::beginning_with(Bytes::from_static(&LINKS)));
    let links = links.map(|link| link.map(|(key, _)| key)).collect::<Result<Vec<_>, _>>()?;
    if links == [rows::link(epoch.number)] {
        return Ok(());
    }
    Err(format!("the rows are not those of epoch {}: {} links are there", epoch.number, links.len()))
}

#[derive(Debug)]
struct FjallStores {
    database: Arc<Database>,
    epoch: Option<Epoch>,
    tables: BTreeMap<StoreName, Opened>,
}

#[derive(Debug)]
struct Opened {
    table: Arc<Table>,
    kind: StoreKind,
    is_taken: bool,
}

impl FjallStores {
    fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.values().map(|opened| &*opened.table)
    }
}

impl DurableStores for FjallStores {
    fn epoch(&self) -> Option<&Epoch> {
        self.epoch.as_ref()
    }

    fn take(&mut self, name: &StoreName) -> Option<Box<dyn StateStore>> {
        let opened = self.tables.get_mut(name).filter(|opened| !opened.is_taken)?;
        let table = opened.table.clone();
        let store: Box<dyn StateStore> = match opened.kind {
            StoreKind::KeyValue { timestamped } => Box::new(FjallKeyValue::new(table, timestamped)),
            StoreKind::Window(options) => Box::new(FjallWindow::new(table, options)),
            StoreKind::Session(retention) => Box::new(FjallSession::new(table, retention)),
            StoreKind::Versioned(history) => Box::new(FjallVersioned::new(table, history)),
            StoreKind::Custom => return None,
        };
        opened.is_taken = true;
        Some(store)
    }

    fn commit(&mut self, epoch: Epoch) -> Result<(), LocalError> {
        let frozen: Vec<_> = self.tables().flat_map(Table::freeze).collect();
        let epoch_row = (Bytes::from_static(&EPOCH), Some(Bytes::from(epoch.encode())));
        let before = self.epoch.as_ref().map(|before| (rows::link(before.number), None));
        let links = before.into_iter().chain([(rows::link(epoch.number), Some(Bytes::new()))]);
        match self.database.write(frozen.into_iter().chain(links).chain([epoch_row])) {
            Ok(()) => {
                self.tables().for_each(Table::written);
                self.epoch = Some(epoch);
                Ok(())
            }
            Err(error) => {
                self.tables().for_each(Table::refused);
                Err(error)
            }
        }
    }

    fn clear(&mut self) -> Result<(), LocalError> {
        let epoch_row = (Bytes::from_static(&EPOCH), None);
        self.database.write(std::iter::once(epoch_row))?;
        self.epoch = None;
        self.database.clear()?;
        self.tables().for_each(Table::cleared);
        Ok(())
    }
}
