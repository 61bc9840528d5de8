//! Ranks with Zipf's weights.

use super::random::Random;

/// Ranks `0..n` with weight `1 / (rank + 1)^s`, by inverting the cumulative weights.
#[derive(Debug)]
pub(crate) struct Zipf(Vec<f64>);

impl Zipf {
    pub(crate) fn new(n: usize, s: f64) -> Self {
        let mut sum = 0.0;
        let cumulative = (1..=n).map(|rank| {
            sum += (rank as f64).powf(-s);
            sum
        });
        Self(cumulative.collect())
    }

    pub(crate) fn draw(&self, random: &mut Random) -> usize {
        let at = random.unit() * self.0.last().copied().unwrap_or(0.0);
        self.0.partition_point(|sum| *sum <= at).min(self.0.len().saturating_sub(1))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rank_weights_fall_by_the_exponent() {
        let (zipf, mut random) = (Zipf::new(1_000, 1.0), Random::new(3));
        let mut counts = vec![0_u32; 1_000];
        (0..200_000).for_each(|_| counts[zipf.draw(&mut random)] += 1);
        let ratio = f64::from(counts[0]) / f64::from(counts[9]);
        assert!((8.0..12.0).contains(&ratio), "rank 1 is drawn {ratio} times as often as rank 10");
    }
}
