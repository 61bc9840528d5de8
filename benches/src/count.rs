//! The work whose instructions are counted: one function per kind, so that valgrind can count inside it alone.

use std::hint::black_box;

use anyhow::{Result, ensure};
use nowfold::core::time::Timestamp;
use nowfold::operators::chain::{Appended, EventChains};
use nowfold::schemas::{Action, ActionCodec};

use crate::options::{Options, Pass};
use crate::passes::{config, payloads};
use crate::place::now_ms;
use crate::query;

/// Records or questions of one count.
pub(crate) const N: u64 = 20_000;

/// Does the work of a pass once, in its own function.
pub(crate) fn run(pass: Pass, options: &Options) -> Result<()> {
    match pass {
        Pass::CountDecode => counted_decode(&ActionCodec::new(), &payloads(options.seed, N)?),
        Pass::CountInsert => {
            let (codec, appended) = (ActionCodec::new(), Timestamp::from_millis(now_ms()));
            let actions: Result<Vec<_>, _> =
                payloads(options.seed, N)?.iter().map(|payload| codec.read(payload)).collect();
            counted_insert(&EventChains::new(config()), &actions?, appended)
        }
        Pass::CountQuery5 => query::repeatedly(options.seed, 5, counted_query),
        _ => query::repeatedly(options.seed, 500, counted_query),
    }
}

#[inline(never)]
fn counted_decode(codec: &ActionCodec, payloads: &[Vec<u8>]) -> Result<()> {
    for payload in payloads {
        drop(black_box(codec.read(payload)?));
    }
    Ok(())
}

#[inline(never)]
fn counted_insert(chains: &EventChains, actions: &[Action], appended: Timestamp) -> Result<()> {
    for (offset, action) in (0_i64..).zip(actions) {
        ensure!(chains.apply(action, Appended::new(offset, appended)).is_admitted(), "record {offset} is refused");
    }
    Ok(())
}

#[inline(never)]
fn counted_query(ask: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    for _ in 0..N {
        ask()?;
    }
    Ok(())
}
