//! The gate: no speed counts whose answers are wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use nowfold::Streams;
use nowfold::core::query::StoreHub;
use nowfold::core::time::Timestamp;
use nowfold::operators::chain::EventChains;

use crate::data::{DIM, World, actor_name};
use crate::topology::STORE;

/// The most active actors, and then every so many ranks.
const BUSIEST: usize = 20;
const EVERY: usize = 199;

/// Means are compared as f32 that were computed in f64 in another order.
const TOLERANCE: f64 = 1e-5;

/// What the first events of a world make of some actors, computed the obvious way.
struct Expected(BTreeMap<usize, Sums>);

#[derive(Clone)]
struct Sums {
    n: u64,
    sum: Vec<f64>,
}

impl Expected {
    fn of(world: &World, n: u64) -> Result<Self> {
        let mut actors: BTreeMap<_, Sums> = BTreeMap::new();
        for event in world.events().take(usize::try_from(n)?).filter(|event| is_watched(event.actor)) {
            let sums = actors.entry(event.actor).or_insert_with(|| Sums { n: 0, sum: vec![0.0; DIM] });
            sums.n += 1;
            for (sum, x) in sums.sum.iter_mut().zip(world.embedding(event.object)) {
                *sum += f64::from(*x);
            }
        }
        Ok(Self(actors))
    }
}

fn is_watched(rank: usize) -> bool {
    rank < BUSIEST || rank.is_multiple_of(EVERY)
}

/// Holds the store of a running application against the first `n` events of the world: how many it kept, and for about
/// a thousand actors the count and the mean embedding over all of them. Returns how many actors were compared.
pub(crate) fn check(app: &Streams, world: &World, n: u64) -> Result<usize> {
    let chains = chains(&app.hub())?;
    let kept: usize = chains.iter().map(|chains| chains.len()).sum();
    ensure!(kept as u64 == n, "the store keeps {kept} of {n} events: {:?}", chains.first().map(|c| c.counters()));
    let newest = chains.iter().map(|chains| chains.stream_time()).max().unwrap_or(Timestamp::MIN);
    let (features, expected) = (app.features(STORE)?, Expected::of(world, n)?);
    for (rank, sums) in &expected.0 {
        let answer = features.query(&actor_name(*rank)).as_of(newest).get()?;
        let count = answer.count("whole")?;
        ensure!(count == sums.n, "actor {rank} has {} events, the answer says {count}", sums.n);
        let mean = answer.vector("centre")?.context("a mean of something")?;
        let far = sums.sum.iter().zip(mean).any(|(sum, x)| (sum / sums.n as f64 - f64::from(*x)).abs() > TOLERANCE);
        ensure!(mean.len() == DIM && !far, "the mean embedding of actor {rank} is wrong");
    }
    Ok(expected.0.len())
}

/// The store's partitions that live here.
pub(crate) fn chains(hub: &StoreHub) -> Result<Vec<Arc<EventChains>>> {
    let readers = hub.with_store(STORE, |_, entry| {
        entry.partitions.values().map(|handle| handle.reader.clone()).collect::<Vec<_>>()
    })?;
    let chains = readers.into_iter().map(|reader| reader.downcast::<EventChains>().ok());
    chains.collect::<Option<_>>().context("the store does not hold event chains")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nowfold::runtime::RuntimeConfig;

    use super::*;
    use crate::place::Place;
    use crate::topology;

    #[test]
    fn passes_the_events_that_were_loaded_and_no_others() {
        let (world, place) = (World::new(1), Place::embedded().unwrap());
        place.load_actions("actions", &world, 2_000).unwrap();
        let topology = topology::materialize("gate", "actions").unwrap();
        let app = Streams::start(topology, place.config(RuntimeConfig::default())).unwrap();
        app.await_running(Duration::from_secs(60)).unwrap();
        assert!(check(&app, &world, 2_000).unwrap() > BUSIEST);
        assert!(check(&app, &world, 1_999).unwrap_err().to_string().contains("keeps 2000 of 1999"));
        let other = check(&app, &World::new(2), 2_000).unwrap_err().to_string();
        assert!(other.contains("the answer says"), "{other}");
        app.close().unwrap();
    }
}
