//! Random numbers that depend on the seed, the line and the purpose only: not on what was drawn before.

/// What a number is drawn for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// How long a line is delayed.
    Delay = 1,
    /// Whether a line is repeated.
    Repeat = 2,
    /// How long after the line its repeat comes.
    RepeatDelay = 3,
}

/// A number from all of `u64`, evenly.
pub(crate) fn draw(seed: u64, line: u64, purpose: Purpose) -> u64 {
    mix(mix(seed.wrapping_add(mix(purpose as u64))).wrapping_add(line))
}

/// A number below `bound`, evenly; 0 for a bound of 0.
pub(crate) fn draw_below(seed: u64, line: u64, purpose: Purpose, bound: u64) -> u64 {
    let scaled = (u128::from(draw(seed, line, purpose)) * u128::from(bound)) >> 64;
    u64::try_from(scaled).unwrap_or(bound)
}

/// Whether it happens, with a probability of `share`.
pub(crate) fn chance(seed: u64, line: u64, purpose: Purpose, share: f64) -> bool {
    const BITS: u32 = 53;
    #[expect(clippy::cast_precision_loss, reason = "at most 53 bits, all exact in f64")]
    let uniform = (draw(seed, line, purpose) >> (u64::BITS - BITS)) as f64 / (1_u64 << BITS) as f64;
    uniform < share
}

/// The output function of SplitMix64 (Steele, Lea and Flood, 2014) after one step.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixes_as_splitmix64_does() {
        // First outputs of the published generator for the states 0 and 1234567.
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix(1_234_567), 6_457_827_717_110_365_317);
    }

    #[test]
    fn draws_evenly_below_the_bound() {
        let mut counts = [0_u32; 10];
        for line in 0..10_000 {
            counts[usize::try_from(draw_below(7, line, Purpose::Delay, 10)).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
        assert_eq!(draw_below(7, 1, Purpose::Delay, 0), 0);
    }

    #[test]
    fn chances_meet_their_share_and_differ_by_seed_and_purpose() {
        let hits = |seed, purpose| (0..100_000).map(|line| chance(seed, line, purpose, 0.05)).collect::<Vec<_>>();
        let share = hits(1, Purpose::Repeat).iter().filter(|hit| **hit).count();
        assert!((4_700..5_300).contains(&share), "{share}");
        assert_ne!(hits(1, Purpose::Repeat), hits(2, Purpose::Repeat));
        assert_ne!(hits(1, Purpose::Repeat), hits(1, Purpose::Delay));
        assert!((0..1_000).all(|line| chance(1, line, Purpose::Repeat, 1.0) && !chance(1, line, Purpose::Repeat, 0.0)));
    }
}
