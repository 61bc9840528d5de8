//! A digest of what a partition holds, and a check of its inner order.

use std::fmt;

use nowfold_core::time::Timestamp;
use nowfold_schemas::action::Attribute;

use super::actor::{ActorState, Holding};
use super::block::StoredBlock;
use super::events::StoredChain;
use super::hash::xxh64;
use super::names::Names;
use super::partial::Partial;
use super::row::{EventId, Key, Row};
use super::store::EventChains;
use super::supers::Supers;
use super::view::Chain;

/// What a partition holds, in a few numbers: equal for equal sets of visible events, retracted ids, erasures and cuts in
/// force, whatever the order of arrival and whether or not expired events have been pruned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// The largest time of an admitted event.
    pub stream_time: Timestamp,
    /// Events that queries can see.
    pub n_events: u64,
    /// Hash over all of it.
    pub hash: u64,
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x} ({} events up to {})", self.hash, self.n_events, self.stream_time)
    }
}

impl EventChains {
    /// The digest of the present state. Reads every event; meant for tests and comparisons of replicas, at rest.
    pub fn digest(&self) -> Digest {
        let mark = self.mark();
        let floor = self.floor_of(mark);
        let names = self.names();
        let mut digest = Digest { stream_time: mark.stream_time, n_events: 0, hash: 0 };
        for stripe in self.stripes() {
            for (actor, state) in stripe.read().iter() {
                digest.add(actor, state, &names, floor);
            }
        }
        digest
    }

    /// Checks what the store promises itself: order, cuts, partials and counts.
    ///
    /// # Errors
    /// The first broken promise, in words.
    #[doc(hidden)]
    pub fn verify(&self) -> Result<(), String> {
        let mut n_events = 0;
        let names = self.names();
        for stripe in self.stripes() {
            for (actor, state) in stripe.read().iter() {
                n_events += verify_actor(state, &names).map_err(|broken| format!("actor {actor:?}: {broken}"))?;
            }
        }
        if n_events == self.len() { Ok(()) } else { Err(format!("{n_events} events, counted {}", self.len())) }
    }
}

impl Digest {
    fn add(&mut self, actor: &str, state: &ActorState, names: &Names, floor: i64) {
        let mut bytes = Vec::new();
        put(&mut bytes, actor.as_bytes());
        let prefix = bytes.len();
        for verb in state.view(names) {
            let mut events = verb.chain.iter().filter(|(key, _)| key.t > floor).peekable();
            if events.peek().is_some() {
                put(&mut bytes, verb.verb.as_bytes());
            }
            for (key, row) in events {
                put_event(&mut bytes, key, row, names);
                self.n_events += 1;
            }
        }
        if bytes.len() > prefix {
            self.hash = self.hash.wrapping_add(xxh64(&bytes));
        }
        if let Some(undo) = state.undo() {
            let (ids, erased) = undo.in_force(floor);
            for id in ids.map(str::as_bytes).chain(erased.map(i64::to_be_bytes).as_ref().map(|t| t.as_slice())) {
                bytes.truncate(prefix);
                put(&mut bytes, id);
                self.hash = self.hash.wrapping_add(xxh64(&bytes).rotate_left(1));
            }
            if let Some(cut) = undo.cut_in_force(floor) {
                bytes.truncate(prefix);
                bytes.extend_from_slice(&cut.t.to_be_bytes());
                bytes.extend_from_slice(&cut.sequence.to_be_bytes());
                put(&mut bytes, cut.id.as_bytes());
                self.hash = self.hash.wrapping_add(xxh64(&bytes).rotate_left(2));
            }
        }
    }
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
    bytes.extend_from_slice(part);
}

fn put_event(bytes: &mut Vec<u8>, key: Key, row: Row<'_>, names: &Names) {
    bytes.extend_from_slice(&key.t.to_be_bytes());
    bytes.extend_from_slice(&row.sequence().to_be_bytes());
    put(bytes, row.id().as_bytes());
    put(bytes, row.object().as_bytes());
    let mut cells: Vec<_> = row.cells().map(|(column, cell)| (names.name(column), cell)).collect();
    cells.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, cell) in cells {
        if let Some((side, name)) = name {
            put(bytes, side.as_str().as_bytes());
            put(bytes, name.as_bytes());
        }
        put_attribute(bytes, &cell.to_attribute());
    }
}

fn put_attribute(bytes: &mut Vec<u8>, attribute: &Attribute) {
    match attribute {
        Attribute::Null => bytes.push(0),
        Attribute::Bool(value) => bytes.extend_from_slice(&[1, u8::from(*value)]),
        Attribute::Int(value) => {
            bytes.push(2);
            bytes.extend_from_slice(&value.to_be_bytes());
        }
        Attribute::Float(value) => {
            bytes.push(3);
            bytes.extend_from_slice(&value.to_be_bytes());
        }
        Attribute::Text(text) => {
            bytes.push(4);
            put(bytes, text.as_bytes());
        }
        Attribute::Vector(vector) => {
            bytes.push(5);
            vector.iter().for_each(|x| bytes.extend_from_slice(&x.to_be_bytes()));
        }
        Attribute::List(items) => {
            bytes.push(6);
            items.iter().for_each(|item| put_attribute(bytes, item));
            bytes.push(7);
        }
    }
}

fn verify_actor(state: &ActorState, names: &Names) -> Result<usize, String> {
    let chains = state.view(names);
    if !chains.is_sorted_by(|a, b| a.verb < b.verb) {
        return Err("verbs are out of order".to_owned());
    }
    let mut n_events = 0;
    for own in &chains {
        let verb = own.verb;
        verify_order(own.chain).map_err(|broken| format!("verb {verb:?}: {broken}"))?;
        for (key, row) in own.chain.iter() {
            n_events += 1;
            if state.find(EventId::new(row.id())).is_none_or(|found| found.t != key.t) {
                return Err(format!("event {:?} is not found by its id", row.id()));
            }
        }
    }
    let ids = match state.holding() {
        Holding::Few(_) => None,
        Holding::Many(many) => {
            for own in many.chains() {
                verify_blocks(&own.chain).map_err(|broken| format!("verb {:?}: {broken}", own.verb))?;
            }
            many.ids()
        }
    };
    if n_events == state.n_events() && ids.is_none_or(|ids| ids.len() == n_events) {
        Ok(n_events)
    } else {
        Err("events are miscounted".to_owned())
    }
}

fn verify_order(chain: Chain<'_>) -> Result<(), String> {
    let events: Vec<_> = chain.iter().map(|(key, row)| row.order(key.t)).collect();
    if !events.is_sorted_by(|a, b| a < b) {
        return Err("events are out of order".to_owned());
    }
    let n_blocks = chain.blocks().len();
    for (number, block) in chain.blocks().numbered(0..n_blocks) {
        let is_cut: Vec<_> = block.events().map(|(_, row)| EventId::new(row.id()).is_cut()).collect();
        let (closed, before) = is_cut.split_last().ok_or("an empty chain is kept")?;
        if before.contains(&true) || (number + 1 < n_blocks && !closed) {
            return Err(format!("block {number} is cut wrongly"));
        }
    }
    Ok(())
}

fn verify_blocks(chain: &StoredChain) -> Result<(), String> {
    for (number, block) in chain.blocks().enumerate() {
        if block.known_partial().is_some_and(|partial| *partial != Partial::of(block.view().events())) {
            return Err(format!("block {number} has a wrong partial"));
        }
    }
    chain.view().supers().map_or(Ok(()), verify_supers)
}

fn verify_supers(supers: &Supers) -> Result<(), String> {
    let (mut first, n_supers) = (0, supers.as_slice().len());
    for (number, own) in supers.as_slice().iter().enumerate() {
        let blocks = own.blocks();
        let is_last = number + 1 == n_supers;
        let ends_well = blocks.split_last().is_some_and(|(last, before)| {
            (last.ends_super() || is_last) && !before.iter().any(StoredBlock::ends_super)
        });
        if own.first != first || !ends_well {
            return Err(format!("super-block {number} is cut wrongly"));
        }
        if !own.is_sound() {
            return Err(format!("super-block {number} has a wrong partial, or counts or finds its blocks wrongly"));
        }
        first += blocks.len();
    }
    if first < 2 { Err("a single block is in a super-block".to_owned()) } else { Ok(()) }
}
