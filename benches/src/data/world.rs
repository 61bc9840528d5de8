//! Actors, objects, and what the ones do to the others: the input of every measurement.

use std::sync::Arc;

use nowfold::core::time::Timestamp;
use nowfold::schemas::Action;

use super::random::Random;
use super::zipf::Zipf;

/// Elements of an embedding.
pub(crate) const DIM: usize = 64;
/// Event times rise over this long.
pub(crate) const SPAN_MS: i64 = 96 * 3_600_000;
/// Late events are late by up to this long.
const LATE_MS: u64 = 3_600_000;
const N_ACTORS: usize = 200_000;
const N_OBJECTS: usize = 20_000;

pub(crate) const VERBS: [&str; 4] = ["view", "save", "apply", "dismiss"];
const PLACES: [&str; 6] = ["de", "fr", "in", "us", "br", "jp"];
const DEVICES: [&str; 3] = ["web", "ios", "android"];
const TITLES: [&str; 5] = ["nurse", "software engineer", "accountant", "truck driver", "teacher"];
const CITIES: [&str; 6] = ["berlin", "paris", "pune", "new york", "recife", "osaka"];

/// Who may act, and what may be acted on.
#[derive(Debug)]
pub(crate) struct World {
    seed: u64,
    actors: Zipf,
    objects: Zipf,
    embeddings: Vec<Arc<[f32]>>,
    verbs: Vec<Arc<str>>,
}

/// One act, before it has texts and a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) number: u64,
    /// The actor's rank: 0 acts most often.
    pub(crate) actor: usize,
    pub(crate) verb: usize,
    pub(crate) object: usize,
    place: usize,
    device: usize,
    late_ms: i64,
}

/// When the events of a feed happen: rising to `end_ms`, over [`SPAN_MS`], one in twenty late.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pub(crate) n_events: u64,
    pub(crate) end_ms: i64,
}

impl World {
    /// 200,000 actors by Zipf 1.05, 20,000 objects by Zipf 1.0 with one embedding each.
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x00e1_eed5);
        let mut embedding = || (0..DIM).map(|_| random.signed_unit()).collect();
        Self {
            seed,
            actors: Zipf::new(N_ACTORS, 1.05),
            objects: Zipf::new(N_OBJECTS, 1.0),
            embeddings: (0..N_OBJECTS).map(|_| embedding()).collect(),
            verbs: VERBS.iter().map(|verb| Arc::from(*verb)).collect(),
        }
    }

    /// The events of this world in their order, without end.
    pub(crate) fn events(&self) -> impl Iterator<Item = Event> + '_ {
        let mut random = Random::new(self.seed);
        (0..).map(move |number| self.event(number, &mut random))
    }

    /// One event with the next random numbers.
    pub(crate) fn event(&self, number: u64, random: &mut Random) -> Event {
        let late = random.below(20) == 0;
        Event {
            number,
            actor: self.actors.draw(random),
            object: self.objects.draw(random),
            verb: random.index(VERBS.len()),
            place: random.index(PLACES.len()),
            device: random.index(DEVICES.len()),
            late_ms: if late { i64::try_from(random.below(LATE_MS)).unwrap_or(0) } else { 0 },
        }
    }

    /// The whole action that happens at `t`: attributes of all sides, an embedding of its own memory, and the event id
    /// that the stamping of raw records would give it.
    pub(crate) fn action(&self, event: &Event, t: Timestamp) -> Action {
        self.action_with(event, t, self.embedding(event.object).into())
    }

    /// Like [`Self::action`], with the embedding's memory shared among all actions on the object.
    pub(crate) fn action_sharing(&self, event: &Event, t: Timestamp) -> Action {
        self.action_with(event, t, self.embeddings.get(event.object).cloned().unwrap_or_default())
    }

    fn action_with(&self, event: &Event, t: Timestamp, embedding: Arc<[f32]>) -> Action {
        let Event { number, object, .. } = *event;
        let id = format!("clicks/{}/{}/{}/0", number % 4, number / 4, t.as_millis());
        Action::new(actor_name(event.actor), self.verb(event.verb), object_name(object))
            .at(t)
            .id(id)
            .sequence(i64::try_from(number).unwrap_or(i64::MAX))
            .actor_attribute("geo", pick(&PLACES, event.place))
            .verb_attribute("device", pick(&DEVICES, event.device))
            .object_attribute("company", format!("company-{:03}", object % 500))
            .object_attribute("embedding", embedding)
            .object_attribute("location", pick(&CITIES, object))
            .object_attribute("title", pick(&TITLES, object))
    }

    fn verb(&self, verb: usize) -> Arc<str> {
        self.verbs.get(verb).cloned().unwrap_or_default()
    }

    /// The embedding of an object.
    pub(crate) fn embedding(&self, object: usize) -> &[f32] {
        self.embeddings.get(object).map_or(&[], |embedding| embedding)
    }

    pub(crate) fn n_objects(&self) -> usize {
        self.objects.len()
    }
}

impl Schedule {
    pub(crate) fn time(&self, event: &Event) -> Timestamp {
        let part = i128::from(event.number + 1) * i128::from(SPAN_MS) / i128::from(self.n_events.max(1));
        let on_time = self.end_ms - SPAN_MS + i64::try_from(part).unwrap_or(SPAN_MS);
        Timestamp::from_millis(on_time - event.late_ms)
    }
}

pub(crate) fn actor_name(rank: usize) -> String {
    format!("{rank:08}")
}

pub(crate) fn object_name(object: usize) -> String {
    format!("job-{object:07}")
}

pub(crate) fn title(object: usize) -> &'static str {
    pick(&TITLES, object)
}

fn pick<'a>(from: &[&'a str], index: usize) -> &'a str {
    from.get(index % from.len().max(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use nowfold::schemas::ActionCodec;

    use super::*;

    #[test]
    fn a_seed_means_the_same_events() {
        let events = |seed| World::new(seed).events().take(1_000).collect::<Vec<_>>();
        assert_eq!(events(1), events(1));
        assert_ne!(events(1), events(2));
    }

    #[test]
    fn times_rise_over_the_span_and_one_in_twenty_is_late() {
        let (world, schedule) = (World::new(1), Schedule { n_events: 20_000, end_ms: SPAN_MS * 10 });
        let events: Vec<_> = world.events().take(20_000).collect();
        let times: Vec<_> = events.iter().map(|event| schedule.time(event).as_millis()).collect();
        let n_late = events.iter().filter(|event| event.late_ms > 0).count();
        assert!((800..1_200).contains(&n_late), "{n_late} late");
        assert!(times.iter().all(|t| (schedule.end_ms - SPAN_MS - 3_600_000..=schedule.end_ms).contains(t)));
        assert!(*times.iter().max().unwrap() > schedule.end_ms - 100_000, "the newest event is at the end");
    }

    #[test]
    fn event_ids_differ_and_actions_survive_their_encoding() {
        let (world, codec) = (World::new(1), ActionCodec::new());
        let schedule = Schedule { n_events: 1_000, end_ms: SPAN_MS * 10 };
        let actions: Vec<_> = world.events().take(1_000).map(|e| world.action(&e, schedule.time(&e))).collect();
        let ids: std::collections::BTreeSet<_> = actions.iter().map(|action| action.event_id.clone()).collect();
        assert_eq!(ids.len(), 1_000);
        let encoder = super::super::Encoder::new().unwrap();
        for action in &actions {
            let bytes = encoder.encode(action).unwrap();
            assert_eq!(codec.read(&bytes).unwrap(), *action);
        }
    }
}
