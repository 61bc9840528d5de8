//! The directory as a whole.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nowfold_core::task::TaskId;
use nowfold_runtime::local::{
    Durability, DurableStores, LocalError, LocalLog, LocalState, LogOrigin, StoreEngine, StoresPlan,
};

use crate::log::{Place, SegmentLog};
use crate::origin::{self, Fit, Origin};
use crate::{files, lock};

/// See [`StateDir::segment_bytes`].
const SEGMENT_BYTES: u64 = 64 << 20;

const FORMAT_LINE: &str = "nowfold state directory, format ";

/// The format of the directory as a whole; its parts have formats of their own.
const FORMAT: u32 = 1;

/// An open, locked state directory of one application.
///
/// ```text
/// DIR/APP/format                       which format the directory has, in words
/// DIR/APP/lock                         locked while a process has the directory open
/// DIR/APP/<task>/logs/<topic>/         the copy of an event log's partition
/// DIR/APP/<task>/stores/               the generic stores, as their engine keeps them
/// DIR/APP/<task>/aside/                what could not be used, the last of each
/// ```
#[derive(Debug)]
pub struct StateDir {
    dir: PathBuf,
    durability: Durability,
    segment_bytes: u64,
    engine: Option<Arc<dyn StoreEngine>>,
    /// Dropping it unlocks the directory.
    _lock: File,
}

impl StateDir {
    /// Opens the directory of `app` in `dir`; both are created when they do not exist.
    ///
    /// # Errors
    /// [`LocalError::InUse`] when another process has it open, [`LocalError::Foreign`] when it holds something else,
    /// [`LocalError::NewerFormat`], or when the operating system refuses.
    pub fn open(dir: impl AsRef<Path>, app: &str, durability: Durability) -> Result<Self, LocalError> {
        let dir = dir.as_ref().join(app);
        files::create_dir(&dir)?;
        let format = dir.join("format");
        let is_new = !format.exists();
        if is_new {
            refuse_foreign(&dir)?;
        }
        let lock = lock::lock(&dir)?;
        if is_new {
            files::replace(&format, &format!("{FORMAT_LINE}{}\n", FORMAT), durability)?;
        }
        check_format(&format)?;
        Ok(Self { dir, durability, segment_bytes: SEGMENT_BYTES, engine: None, _lock: lock })
    }

    /// Keeps the generic stores, too, in this engine. Without one they lie in memory.
    #[must_use]
    pub fn engine(mut self, engine: Arc<dyn StoreEngine>) -> Self {
        self.engine = Some(engine);
        self
    }

    /// About how large the files of an event log's copy are; 64 MiB by default. What the topic has let go of is dropped by
    /// whole files.
    #[must_use]
    pub fn segment_bytes(mut self, n: u64) -> Self {
        self.segment_bytes = n;
        self
    }

    /// The application's directory.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    fn task_dir(&self, task: TaskId) -> PathBuf {
        self.dir.join(task.to_string())
    }

    /// A directory whose content is of this origin, or empty. One of an older format is used, and is of the present one from
    /// now on: an older nowfold refuses it then.
    fn part(&self, dir: &Path, aside: &Path, origin: &Origin) -> Result<(), LocalError> {
        files::create_dir(dir)?;
        match origin::check(dir, origin)? {
            Fit::Same => return Ok(()),
            Fit::Absent => {}
            Fit::Older(format) => {
                tracing::info!(dir = %dir.display(), format, "local state of an older format is read and goes on");
            }
            Fit::Other(cause) => {
                files::move_aside(dir, aside, &cause)?;
                files::create_dir(dir)?;
            }
        }
        origin::write(dir, origin, self.durability)
    }
}

impl LocalState for StateDir {
    fn stores(&self, plan: &StoresPlan) -> Result<Option<Box<dyn DurableStores>>, LocalError> {
        let Some(engine) = &self.engine else { return Ok(None) };
        let task = self.task_dir(plan.task);
        let (dir, aside) = (task.join("stores"), task.join("aside").join("stores"));
        let origin = origin::of_stores(plan, engine.name());
        let open = || {
            self.part(&dir, &aside, &origin)?;
            let data = dir.join(engine.name());
            files::create_dir(&data)?;
            engine.open(&data, &plan.stores, self.durability)
        };
        match open() {
            Err(LocalError::Damaged { cause, .. }) => {
                files::move_aside(&dir, &aside, &cause)?;
                open().map(Some)
            }
            opened => opened.map(Some),
        }
    }

    fn log(&self, task: TaskId, origin: &LogOrigin) -> Result<Box<dyn LocalLog>, LocalError> {
        let (task, topic) = (self.task_dir(task), origin.partition.topic.as_str());
        let (dir, aside) = (task.join("logs").join(topic), task.join("aside").join(format!("logs-{topic}")));
        let origin = origin::of_log(origin);
        self.part(&dir, &aside, &origin)?;
        let (durability, segment_bytes) = (self.durability, self.segment_bytes);
        Ok(Box::new(SegmentLog::open(Place { dir, aside, origin, durability, segment_bytes })?))
    }
}

/// A directory without a format is only ours when it is empty, or when we died while creating it.
fn refuse_foreign(dir: &Path) -> Result<(), LocalError> {
    match files::names(dir)?.into_iter().find(|name| name != "lock" && name != "format.tmp") {
        None => Ok(()),
        Some(name) => {
            let cause = format!("it holds {name:?} but no file \"format\"");
            Err(LocalError::Foreign { path: dir.to_owned(), cause })
        }
    }
}

fn check_format(path: &Path) -> Result<(), LocalError> {
    let bytes = std::fs::read(path).map_err(LocalError::io("read", path))?;
    let text = String::from_utf8_lossy(&bytes);
    let format = text.strip_prefix(FORMAT_LINE).and_then(|rest| rest.trim_end().parse().ok());
    match format {
        Some(FORMAT) => Ok(()),
        Some(found) if found > FORMAT => {
            Err(LocalError::NewerFormat { path: path.to_owned(), found, supported: FORMAT })
        }
        _ => Err(LocalError::Foreign { path: path.to_owned(), cause: format!("it begins with {text:.40?}") }),
    }
}
