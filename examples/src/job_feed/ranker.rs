//! A ranker: scores candidate jobs against a member's features as of now.

use nowfold::prelude::*;

use super::world::Job;

/// A job and its score.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// The job's number.
    pub job: usize,
    /// Its score: the higher, the better.
    pub score: f32,
}

/// What the ranker knows of a member: the mean of what was applied to in the last 24 h, and the weighted taste of 96 h.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    applied: Option<Vec<f32>>,
    taste: Option<Vec<f32>>,
}

impl Profile {
    /// Takes the two vectors out of an answer.
    ///
    /// # Errors
    /// When the answer lacks the features.
    pub fn of(answer: &Answer) -> Result<Self, QueryError> {
        let vector = |name| answer.vector(name).map(|vector| vector.map(<[f32]>::to_vec));
        Ok(Self { applied: vector("applied")?, taste: vector("taste")? })
    }

    /// The best `n` of `candidates`, best first; equal scores by job number.
    pub fn rank(&self, jobs: &[Job], candidates: impl IntoIterator<Item = usize>, n: usize) -> Vec<Ranked> {
        let scored = candidates.into_iter().filter_map(|job| {
            let embedding = &jobs.get(job)?.embedding;
            Some(Ranked { job, score: self.score(embedding) })
        });
        let mut ranked: Vec<_> = scored.collect();
        ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.job.cmp(&b.job)));
        ranked.truncate(n);
        ranked
    }

    fn score(&self, embedding: &[f32]) -> f32 {
        let likeness = |vector: &Option<Vec<f32>>| vector.as_ref().map_or(0.0, |vector| cosine(vector, embedding));
        likeness(&self.applied) + 0.5 * likeness(&self.taste)
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let length = (dot(a, a) * dot(b, b)).sqrt();
    if length > 0.0 { dot(a, b) / length } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_what_is_like_the_applied_jobs_first() {
        let job = |embedding: [f32; 2]| Job { title: String::new(), embedding: embedding.to_vec() };
        let jobs = [job([1.0, 0.0]), job([0.0, 1.0]), job([0.7, 0.7])];
        let profile = Profile { applied: Some(vec![0.0, 2.0]), taste: None };
        let ranked: Vec<_> = profile.rank(&jobs, 0..3, 2).into_iter().map(|ranked| ranked.job).collect();
        assert_eq!(ranked, [1, 2]);
    }
}
