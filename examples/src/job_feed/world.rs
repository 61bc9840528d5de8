//! The made-up world: jobs in fields of work, members with a taste, and what members do all day.
//!
//! Everything follows from the seed. Members are chosen by Zipf's law, activity follows the time of day, some events
//! arrive late, and some arrive twice under the same id.

use serde::{Deserialize, Serialize};

/// Dimension of a job's embedding.
pub const DIM: usize = 32;

const HOUR_MS: i64 = 3_600_000;

/// Activity by hour of the day (UTC), relative to the busiest.
const RHYTHM: [f64; 24] = [
    0.15, 0.10, 0.08, 0.08, 0.10, 0.18, 0.35, 0.60, 0.85, 0.95, 1.00, 0.95, 0.90, 0.95, 0.95, 0.90, 0.85, 0.80, 0.75,
    0.70, 0.60, 0.45, 0.30, 0.20,
];

const FIELDS: [&str; 12] = [
    "Backend Engineer",
    "Data Scientist",
    "Nurse",
    "Chef",
    "Carpenter",
    "Teacher",
    "Accountant",
    "Electrician",
    "Designer",
    "Pilot",
    "Gardener",
    "Translator",
];

const PLACES: [&str; 8] = ["Lisbon", "Oslo", "Lagos", "Lima", "Kyoto", "Perth", "Quito", "Riga"];

/// A job, as in the topic `jobs`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// What is sought, and where.
    pub title: String,
    /// What it is about: [`DIM`] numbers.
    pub embedding: Vec<f32>,
}

/// A raw event, as in the topic `member-activity`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Activity {
    /// The event's own id: the same again is a repeat.
    pub id: String,
    /// Who.
    pub member: String,
    /// To which job.
    pub job: String,
    /// `view`, `save`, `apply` or `dismiss`; `bot` for crawlers.
    pub kind: String,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// Jobs and members of one seed.
#[derive(Debug)]
pub struct World {
    seed: u64,
    /// Number of members.
    pub n_members: u64,
    /// Jobs by number; job 7 is `job-7`.
    pub jobs: Vec<Job>,
}

impl World {
    /// A world of `n_jobs` jobs and `n_members` members.
    pub fn new(seed: u64, n_jobs: usize, n_members: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let centres: Vec<Vec<f32>> = FIELDS.iter().map(|_| random_vector(&mut rng, 1.0)).collect();
        let jobs = (0..n_jobs).map(|i| job(i, &centres, &mut rng)).collect();
        Self { seed, n_members, jobs }
    }

    /// The field of work that a member comes from.
    pub fn field_of(&self, member: u64) -> usize {
        let mut rng = fastrand::Rng::with_seed(self.seed ^ member.wrapping_mul(0x9E37_79B9));
        rng.usize(0..FIELDS.len())
    }

    /// An endless, seeded stream of activity.
    pub fn activity(&self, stream: u64) -> ActivityStream<'_> {
        ActivityStream { world: self, rng: fastrand::Rng::with_seed(self.seed.wrapping_add(stream)), stream, n: 0 }
    }
}

fn job(i: usize, centres: &[Vec<f32>], rng: &mut fastrand::Rng) -> Job {
    let field = i % FIELDS.len();
    let noise = random_vector(rng, 0.45);
    let embedding = centres.get(field).into_iter().flatten().zip(noise).map(|(centre, noise)| centre + noise);
    let place = PLACES.get(rng.usize(0..PLACES.len())).copied().unwrap_or("anywhere");
    let name = FIELDS.get(field).copied().unwrap_or("Anything");
    Job { title: format!("{name}, {place}"), embedding: embedding.collect() }
}

fn random_vector(rng: &mut fastrand::Rng, scale: f32) -> Vec<f32> {
    (0..DIM).map(|_| (rng.f32() * 2.0 - 1.0) * scale).collect()
}

/// What members do, event by event.
#[derive(Debug)]
pub struct ActivityStream<'w> {
    world: &'w World,
    rng: fastrand::Rng,
    stream: u64,
    n: u64,
}

impl ActivityStream<'_> {
    /// The next event, at `at_ms`.
    pub fn next_at(&mut self, at_ms: i64) -> Activity {
        self.n += 1;
        let member = self.member();
        let job = self.job_for(member);
        let id = format!("e{}-{}", self.stream, self.n);
        Activity {
            id,
            member: format!("member-{member}"),
            job: format!("job-{job}"),
            kind: self.kind().to_owned(),
            at_ms,
        }
    }

    /// A time in the last `hours` before `now_ms`, more often in busy hours of the day.
    pub fn past_time(&mut self, now_ms: i64, hours: i64) -> i64 {
        loop {
            let at = now_ms - self.rng.i64(0..hours * HOUR_MS);
            let hour = usize::try_from(at.div_euclid(HOUR_MS).rem_euclid(24)).unwrap_or(0);
            if self.rng.f64() < RHYTHM.get(hour).copied().unwrap_or(1.0) {
                return at;
            }
        }
    }

    /// How late the next event is, in milliseconds: 5 % of them by up to an hour.
    pub fn lateness_ms(&mut self) -> i64 {
        if self.rng.f64() < 0.05 { self.rng.i64(0..HOUR_MS) } else { 0 }
    }

    /// Whether the last event is sent twice: 2 % are.
    pub fn repeats(&mut self) -> bool {
        self.rng.f64() < 0.02
    }

    /// Zipf's law with exponent 1, by the inverse of its continuous form.
    fn member(&mut self) -> u64 {
        #[expect(clippy::cast_precision_loss, reason = "fewer members than 2^53")]
        let n = self.world.n_members.max(2) as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and n")]
        let rank = n.powf(self.rng.f64()) as u64;
        rank.min(self.world.n_members)
    }

    /// Mostly a job of the member's own field.
    fn job_for(&mut self, member: u64) -> usize {
        if self.rng.f64() < 0.2 {
            return self.rng.usize(0..self.world.jobs.len());
        }
        let field = self.world.field_of(member);
        let of_field = self.world.jobs.len() / FIELDS.len();
        (self.rng.usize(0..of_field.max(1)) * FIELDS.len() + field).min(self.world.jobs.len().saturating_sub(1))
    }

    fn kind(&mut self) -> &'static str {
        match self.rng.u8(0..100) {
            0..=69 => "view",
            70..=81 => "save",
            82..=91 => "apply",
            92..=97 => "dismiss",
            _ => "bot",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_events() {
        let (a, b) = (World::new(42, 240, 1_000), World::new(42, 240, 1_000));
        let (mut a, mut b) = (a.activity(1), b.activity(1));
        for at in 0..1_000 {
            let (a, b) = (a.next_at(at), b.next_at(at));
            assert_eq!((a.member, a.job, a.kind), (b.member, b.job, b.kind));
        }
    }

    #[test]
    fn a_few_members_do_much() {
        let world = World::new(42, 240, 10_000);
        let mut stream = world.activity(0);
        let busiest = (0..10_000).filter(|_| stream.next_at(0).member == "member-1").count();
        assert!((500..1_100).contains(&busiest), "{busiest} of 10,000");
    }
}
