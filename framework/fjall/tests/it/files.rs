//! Every file of a database cut, altered or gone: what opens is exactly one of the epochs that were committed, or it says
//! that it is damaged and is not used. It never is anything else, and never panics.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use fjall::{Database, KeyspaceCreateOptions};
use nowfold_runtime::local::LocalError;

use crate::support::{KEY_VALUE, engine, epoch, open, take, text};

const EPOCHS: u64 = 5;

/// After this epoch the rows go from the journal into a table.
const FLUSHED: u64 = 2;

/// What the two stores hold in an epoch.
fn content(number: u64) -> [BTreeMap<String, String>; 2] {
    let mut stores = [BTreeMap::new(), BTreeMap::new()];
    for n in 1..=number {
        stores[0].insert("count".to_owned(), n.to_string());
        stores[0].insert(format!("key-{n}"), format!("value-{n}"));
        stores[1].insert("last".to_owned(), n.to_string());
        if n % 2 == 0 {
            stores[0].remove(&format!("key-{}", n - 1));
        }
    }
    stores
}

fn build(dir: &Path) -> Result<()> {
    for number in 1..=EPOCHS {
        let engine = engine();
        let mut stores = open(&engine, dir, &[KEY_VALUE, KEY_VALUE])?;
        for (i, wanted) in content(number).into_iter().enumerate() {
            let mut store = take(stores.as_mut(), i);
            let store = store.as_key_value().context("a key-value store")?;
            for (key, _) in store.prefix(b"", usize::MAX)? {
                if !wanted.contains_key(std::str::from_utf8(&key)?) {
                    store.delete(&key)?;
                }
            }
            for (key, value) in wanted {
                if store.get(key.as_bytes())?.as_deref() != Some(value.as_bytes()) {
                    store.put(text(key), text(value))?;
                }
            }
        }
        stores.commit(epoch(number))?;
        drop((stores, engine));
        if number == FLUSHED {
            let database = Database::builder(dir).worker_threads(1).open()?;
            database.keyspace("rows", KeyspaceCreateOptions::default)?.rotate_memtable_and_wait()?;
        }
    }
    Ok(())
}

/// A directory in memory. Files may end in many zeros that were never written.
#[derive(Clone)]
struct Image(BTreeMap<PathBuf, (Vec<u8>, u64)>);

impl Image {
    fn of(dir: &Path) -> Result<Self> {
        let (mut files, mut todo) = (BTreeMap::new(), vec![dir.to_owned()]);
        while let Some(at) = todo.pop() {
            for entry in fs::read_dir(at)? {
                let path = entry?.path();
                if path.is_dir() {
                    todo.push(path);
                    continue;
                }
                let len = fs::metadata(&path)?.len();
                let mut bytes = Vec::new();
                File::open(&path)?.take(1 << 20).read_to_end(&mut bytes)?;
                while bytes.last() == Some(&0) && bytes.len() as u64 > 0 && len > 1 << 20 {
                    bytes.pop();
                }
                files.insert(path.strip_prefix(dir)?.to_owned(), (bytes, len));
            }
        }
        Ok(Self(files))
    }

    fn write(&self, dir: &Path) -> Result<()> {
        for (path, (bytes, len)) in &self.0 {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().context("a parent")?)?;
            let mut file = File::create(path)?;
            file.write_all(bytes)?;
            file.set_len(*len)?;
        }
        Ok(())
    }
}

/// What became of a damaged directory.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    /// It is not used.
    Damaged,
    /// It holds this epoch; 0 is none.
    Epoch(u64),
}

fn check(image: &Image) -> Result<Found> {
    let dir = tempfile::tempdir()?;
    image.write(dir.path())?;
    let engine = engine();
    let mut stores = match open(&engine, dir.path(), &[KEY_VALUE, KEY_VALUE]) {
        Ok(stores) => stores,
        Err(LocalError::Damaged { .. }) => return Ok(Found::Damaged),
        Err(error) => bail!("it is neither opened nor damaged: {error}"),
    };
    let number = stores.epoch().map_or(0, |epoch| epoch.number);
    ensure!(number == 0 || stores.epoch() == Some(&epoch(number)), "the epoch is {:?}", stores.epoch());
    for (i, wanted) in content(number).into_iter().enumerate() {
        let mut store = take(stores.as_mut(), i);
        let found = match store.as_key_value().context("a key-value store")?.prefix(b"", usize::MAX) {
            Ok(found) => found,
            Err(error) => {
                drop((stores, store, engine));
                let again = open(&crate::support::engine(), dir.path(), &[KEY_VALUE, KEY_VALUE]);
                ensure!(matches!(again, Err(LocalError::Damaged { .. })), "after {error} it is used again");
                return Ok(Found::Damaged);
            }
        };
        let wanted: Vec<_> = wanted.into_iter().map(|(key, value)| (text(key), text(value))).collect();
        ensure!(found == wanted, "store {i} of epoch {number} holds {found:?}");
    }
    Ok(Found::Epoch(number))
}

/// Damages one file in many ways, and counts what became of it.
fn damage(
    image: &Image,
    path: &Path,
    each: impl IntoIterator<Item = usize>,
    change: impl Fn(&mut (Vec<u8>, u64), usize),
) -> Result<BTreeMap<String, usize>> {
    let mut found = BTreeMap::new();
    for at in each {
        let mut damaged = image.clone();
        change(damaged.0.get_mut(path).context("the file")?, at);
        let outcome = check(&damaged).with_context(|| format!("{} at byte {at}", path.display()))?;
        *found.entry(format!("{outcome:?}")).or_default() += 1;
    }
    Ok(found)
}

/// Every byte where it is asked for, else every one of journals and some of other files.
fn step(path: &Path) -> usize {
    let all = std::env::var_os("NOWFOLD_EVERY_BYTE").is_some();
    if all || path.extension().is_some_and(|extension| extension == "jnl") { 1 } else { 41 }
}

fn image() -> Result<Image> {
    let dir = tempfile::tempdir()?;
    build(dir.path())?;
    let image = Image::of(dir.path())?;
    ensure!(check(&image)? == Found::Epoch(EPOCHS), "undamaged, the last epoch is there");
    Ok(image)
}

#[test]
fn a_file_cut_at_any_byte_gives_a_committed_epoch_or_is_not_used() -> Result<()> {
    let image = image()?;
    let mut outcomes = BTreeMap::new();
    for (path, (bytes, _)) in &image.0 {
        let cut = |file: &mut (Vec<u8>, u64), at| {
            file.0.truncate(at);
            file.1 = at as u64;
        };
        let found = damage(&image, path, (0..bytes.len()).step_by(step(path)), cut)?;
        outcomes.insert(path.clone(), found);
    }
    let journal = outcomes.iter().find(|(path, _)| path.extension().is_some_and(|extension| extension == "jnl"));
    let (_, journal) = journal.context("a journal")?;
    for number in FLUSHED..EPOCHS {
        ensure!(journal.contains_key(&format!("Epoch({number})")), "a cut journal gives {journal:?}");
    }
    Ok(())
}

#[test]
fn an_altered_byte_gives_a_committed_epoch_or_is_not_used() -> Result<()> {
    let image = image()?;
    for (path, (bytes, _)) in &image.0 {
        let step = if std::env::var_os("NOWFOLD_EVERY_BYTE").is_some() { 1 } else { 13 };
        damage(&image, path, (0..bytes.len()).step_by(step), |file, at| file.0[at] ^= 0x10)?;
    }
    Ok(())
}

#[test]
fn a_file_that_is_gone_gives_a_committed_epoch_or_is_not_used() -> Result<()> {
    let image = image()?;
    for path in image.0.keys() {
        let mut without = image.clone();
        without.0.remove(path);
        check(&without).with_context(|| format!("without {}", path.display()))?;
    }
    Ok(())
}
