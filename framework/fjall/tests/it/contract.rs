//! The engines keep the contracts of their kinds of stores, in memory over the disk.

use std::cell::RefCell;

use nowfold_core::state::{StateStore, StoreKind};
use nowfold_fjall::{FjallEngine, FjallMap};
use nowfold_testkit::contract;

use crate::support::{KEY_VALUE, engine, open, take};

/// Gives empty stores, each in a directory of its own.
struct Maker {
    engine: FjallEngine,
    dir: tempfile::TempDir,
    n: RefCell<usize>,
}

impl Maker {
    fn new() -> Self {
        Self { engine: engine(), dir: tempfile::tempdir().unwrap(), n: RefCell::new(0) }
    }

    fn make(&self, kind: StoreKind) -> Box<dyn StateStore> {
        *self.n.borrow_mut() += 1;
        let dir = self.dir.path().join(self.n.borrow().to_string());
        take(open(&self.engine, &dir, &[kind]).unwrap().as_mut(), 0)
    }
}

#[test]
fn the_engine_is_a_key_value_store() {
    let maker = Maker::new();
    contract::key_value_store(
        || maker.make(KEY_VALUE),
        |reader| reader.downcast::<FjallMap>().map(|map| map as _).ok(),
    );
}

#[test]
fn the_engine_is_a_window_store() {
    let maker = Maker::new();
    contract::window_store(|options| maker.make(StoreKind::Window(options)));
}

#[test]
fn the_engine_is_a_session_store() {
    let maker = Maker::new();
    contract::session_store(|retention| maker.make(StoreKind::Session(retention)));
}

#[test]
fn the_engine_is_a_versioned_store() {
    let maker = Maker::new();
    contract::versioned_store(|history| maker.make(StoreKind::Versioned(history)));
}
