//! What a seed found.

use serde_json::{Value, json};

/// What is wrong, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Inputs without a result.
    pub(crate) lost: u64,
    /// Results too many, exactly-once.
    pub(crate) duplicated: u64,
    /// Features that are not those of the clicks.
    pub(crate) wrong_features: u64,
    /// Answers that are partial, or older than they may be.
    pub(crate) wrong_answers: u64,
    /// Stores that are not what they were, or not what their changelog says.
    pub(crate) wrong_state: u64,
    /// Instances that ended by themselves, or did not end.
    pub(crate) failed: u64,
    /// What was found, in words.
    pub(crate) words: Vec<String>,
}

impl Verdict {
    /// Whether nothing is wrong.
    pub(crate) fn is_clean(&self) -> bool {
        self.words.is_empty()
    }

    /// Counts another's findings, too.
    pub(crate) fn add(&mut self, other: &Self) {
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.wrong_features += other.wrong_features;
        self.wrong_answers += other.wrong_answers;
        self.wrong_state += other.wrong_state;
        self.failed += other.failed;
        self.words.extend(other.words.iter().cloned());
    }

    pub(crate) fn say(&mut self, words: String) {
        self.words.push(words);
    }
}

/// What became of a seed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) seed: u64,
    pub(crate) verdict: Verdict,
    /// What was done, in words.
    pub(crate) story: Vec<String>,
    /// Crashes, zombies, rebalances and other blows.
    pub(crate) cycles: u64,
    /// Records fed.
    pub(crate) records: u64,
    /// Queries that were answered, and checked, while all that went on.
    pub(crate) answers: u64,
    /// Outputs that came again, which at-least-once may do.
    pub(crate) repeated: u64,
    /// Sums up the run.
    pub(crate) trace: u64,
    pub(crate) calls: u64,
    pub(crate) switches: u64,
}

impl Outcome {
    /// Whether two runs did the same and found the same.
    pub(crate) fn is_the_same_as(&self, other: &Self) -> bool {
        self.trace == other.trace && self.verdict == other.verdict
    }
}

/// The closing line.
pub(crate) fn summary(outcomes: &[Outcome], took_s: f64) -> Value {
    let mut all = Verdict::default();
    outcomes.iter().for_each(|outcome| all.add(&outcome.verdict));
    let sum = |of: fn(&Outcome) -> u64| outcomes.iter().map(of).sum::<u64>();
    let failed: Vec<u64> =
        outcomes.iter().filter(|outcome| !outcome.verdict.is_clean()).map(|outcome| outcome.seed).collect();
    json!({
        "seeds": outcomes.len(),
        "cycles": sum(|outcome| outcome.cycles),
        "records": sum(|outcome| outcome.records),
        "lost": all.lost,
        "duplicated": all.duplicated,
        "wrong_features": all.wrong_features,
        "wrong_answers": all.wrong_answers,
        "wrong_state": all.wrong_state,
        "failed_instances": all.failed,
        "checked_answers": sum(|outcome| outcome.answers),
        "repeated_at_least_once": sum(|outcome| outcome.repeated),
        "broker_calls": sum(|outcome| outcome.calls),
        "failed_seeds": failed,
        "seconds": (took_s * 10.0).round() / 10.0,
    })
}
