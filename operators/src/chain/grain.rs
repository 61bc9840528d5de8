//! When a sum of floats does not depend on the order of its terms.
//!
//! Where all terms are multiples of one power of two, and no sum of them reaches the 2^53-fold of it, f64 holds every sum
//! of any of them exactly: nothing is ever rounded, and any order gives the same bits. (A sum starts at 0.0, so zeros do not
//! differ either.) The sums of a block's embeddings are nearly always such: f32 has 29 bits less than f64, which make room
//! for some twenty powers of two between the terms. Sums of decimal fractions in f64 are not.

use super::cell::VectorRef;

/// Bounds of the terms of a sum: all are multiples of `2^low` and less than `2^high`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grain {
    low: i32,
    high: i32,
}

impl Default for Grain {
    /// Of no terms, or zeros.
    fn default() -> Self {
        Self { low: i32::MAX, high: i32::MIN }
    }
}

impl Grain {
    /// Takes in a finite term.
    pub(crate) fn add(&mut self, term: f64) {
        let bits = term.to_bits() & (u64::MAX >> 1);
        if bits == 0 {
            return;
        }
        let fraction = bits & ((1 << 52) - 1);
        let zeros = if fraction == 0 { 52 } else { fraction.trailing_zeros().cast_signed() };
        let exponent = i32::try_from(bits >> 52).unwrap_or(i32::MAX);
        self.take_in(exponent.max(1) - 1_023 - 52 + zeros, exponent - 1_022);
    }

    /// Takes in the elements of a vector, which are finite.
    pub(crate) fn add_vector(&mut self, vector: VectorRef<'_>) {
        let (smallest, largest) = vector.extent();
        if smallest <= largest {
            let exponent = |bits: u32| (bits >> 23).cast_signed();
            self.take_in(exponent(smallest).max(1) - 127 - 23, exponent(largest) - 126);
        }
    }

    /// Whether `n` such terms have the same sum in any order.
    pub(crate) fn is_exact(self, n: u64) -> bool {
        if self.low > self.high {
            return true;
        }
        let sum = self.high + (u64::BITS - n.leading_zeros()).cast_signed();
        sum - self.low <= 53 && sum <= 1_023
    }

    fn take_in(&mut self, low: i32, high: i32) {
        self.low = self.low.min(low);
        self.high = self.high.max(high);
    }
}

#[cfg(test)]
mod tests {
    use super::super::cell::Cell;
    use super::*;

    fn grain(terms: &[f64]) -> Grain {
        let mut grain = Grain::default();
        terms.iter().for_each(|term| grain.add(*term));
        grain
    }

    #[test]
    fn sums_that_no_order_rounds_are_exact() {
        let exact: [&[f64]; 5] = [
            &[],
            &[0.0, -0.0],
            &[0.5, -3.25, 1_000_000.0],
            &[1_125_899_906_842_623.0 / 4.0, 0.25],
            &[f64::MIN_POSITIVE, 3.0 * f64::MIN_POSITIVE],
        ];
        for terms in exact {
            assert!(grain(terms).is_exact(terms.len() as u64), "{terms:?}");
        }
        let rounded: [&[f64]; 5] =
            [&[0.1, 0.2], &[1e16, 1.0, -1e16], &[1.0, 2_f64.powi(-53)], &[1.0, 5e-324], &[f64::MAX, f64::MAX]];
        for terms in rounded {
            assert!(!grain(terms).is_exact(terms.len() as u64), "{terms:?}");
        }
    }

    #[test]
    fn every_exact_sum_is_the_same_backwards_and_forwards() {
        let mut random = fastrand::Rng::with_seed(5);
        let mut n_exact = 0;
        for _ in 0..20_000 {
            let spread = random.i32(0..60);
            let term = |random: &mut fastrand::Rng| (random.f32() - 0.5) * 2_f32.powi(random.i32(-spread..=0));
            let terms: Vec<f32> = (0..random.usize(1..70)).map(|_| term(&mut random)).collect();
            let (mut together, mut one_by_one) = (Grain::default(), Grain::default());
            let Cell::Vector(vector) = Cell::vector(&terms) else { panic!("no vector") };
            together.add_vector(vector);
            terms.iter().for_each(|term| one_by_one.add(f64::from(*term)));
            let n = terms.len() as u64;
            assert!(one_by_one.is_exact(n) || !together.is_exact(n));
            if one_by_one.is_exact(n) {
                n_exact += 1;
                let sum = |terms: &mut dyn Iterator<Item = &f32>| terms.fold(0.0, |sum, x| sum + f64::from(*x));
                let mut shuffled = terms.clone();
                random.shuffle(&mut shuffled);
                assert_eq!(sum(&mut terms.iter()).to_bits(), sum(&mut terms.iter().rev()).to_bits());
                assert_eq!(sum(&mut terms.iter()).to_bits(), sum(&mut shuffled.iter()).to_bits());
            }
        }
        assert!((4_000..16_000).contains(&n_exact), "{n_exact}");
    }
}
