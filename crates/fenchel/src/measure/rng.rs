//! Random numbers that depend on a key, not on who draws them.

use rand::TryRng;
use rand_distr::{Distribution, Exp1, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use std::convert::Infallible;

/// xoshiro256++ seeded by a key: see [`stream`].
///
/// It implements rand's generator traits, so every distribution of that ecosystem can draw from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rng(Xoshiro256PlusPlus);

impl Rng {
    /// A generator for `seed`; the same as `stream(seed, 0, 0)`.
    pub fn new(seed: u64) -> Self {
        stream(seed, 0, 0)
    }

    /// 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let Ok(bits) = self.0.try_next_u64();
        bits
    }

    /// Uniform on the open interval (0, 1): never 0 and never 1, spacing 2⁻⁵².
    #[inline]
    pub fn uniform(&mut self) -> f64 {
        open_unit(self.next_u64())
    }

    /// Uniform on 0, …, n − 1 without bias (Lemire 2019). `n` = 0 gives 0.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        let mut wide = u128::from(self.next_u64()) * u128::from(n);
        if (wide as u64) < n {
            let threshold = n.wrapping_neg() % n;
            while (wide as u64) < threshold {
                wide = u128::from(self.next_u64()) * u128::from(n);
            }
        }
        (wide >> 64) as u64
    }

    /// Puts items in random order, each order as likely as any other (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }

    /// Standard normal.
    #[inline]
    pub fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// Exponential with mean 1.
    #[inline]
    pub fn exponential(&mut self) -> f64 {
        Exp1.sample(&mut self.0)
    }
}

impl TryRng for Rng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.0.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0.try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.try_fill_bytes(bytes)
    }
}

/// The generator of block `block` of the draws made for `purpose` under `seed`.
///
/// Any block can be drawn without the blocks before it, by any thread, with the same result. Streams of
/// different keys are independent for all practical purposes: each of the three numbers goes through a
/// bijective mixer before the next one enters, so that neighbouring keys share nothing.
///
/// ```
/// use fenchel::measure::stream;
/// assert_eq!(stream(1, 2, 3).next_u64(), stream(1, 2, 3).next_u64());
/// assert_ne!(stream(1, 2, 3).next_u64(), stream(1, 2, 4).next_u64());
/// ```
pub fn stream(seed: u64, purpose: u64, block: u64) -> Rng {
    let mut state = mix(mix(mix(seed).wrapping_add(purpose)).wrapping_add(block));
    let mut key = [0u8; 32];
    for word in key.chunks_exact_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        word.copy_from_slice(&finish(state).to_le_bytes());
    }
    Rng(Xoshiro256PlusPlus::from_seed(key))
}

/// One step of SplitMix64 (Steele, Lea, Flood 2014): a bijection of the 64-bit words.
fn mix(word: u64) -> u64 {
    finish(word.wrapping_add(0x9e37_79b9_7f4a_7c15))
}

fn finish(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The middle of the cell of width 2⁻⁵² that the leading 52 bits name: exact, inside (0, 1).
#[inline]
pub(super) fn open_unit(bits: u64) -> f64 {
    const CELL: f64 = 1.0 / (1u64 << 52) as f64;
    ((bits >> 12) as f64 + 0.5) * CELL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_unit_stays_open_and_exact() {
        assert_eq!(open_unit(0), 2f64.powi(-53));
        assert_eq!(open_unit(u64::MAX), 1.0 - 2f64.powi(-53));
        assert_eq!(open_unit(1 << 63), 0.5 + 2f64.powi(-53));
    }

    #[test]
    fn neighbouring_streams_share_nothing() {
        let mut seen = std::collections::HashSet::new();
        for seed in 0..8 {
            for purpose in 0..8 {
                for block in 0..64 {
                    let mut rng = stream(seed, purpose, block);
                    assert!((0..4).all(|_| seen.insert(rng.next_u64())));
                }
            }
        }
    }

    #[test]
    fn every_order_is_as_likely() {
        // χ² with 5 degrees of freedom: above 30.9 with probability 1e-5.
        let mut rng = Rng::new(8);
        let mut counts = std::collections::HashMap::new();
        for _ in 0..60_000 {
            let mut items = [0, 1, 2];
            rng.shuffle(&mut items);
            *counts.entry(items).or_insert(0.0) += 1.0;
        }
        let chi2: f64 = counts.values().map(|c| (c - 1e4) * (c - 1e4) / 1e4).sum();
        assert!(counts.len() == 6 && chi2 < 30.9, "{counts:?}");
        rng.shuffle::<u8>(&mut []);
    }

    #[test]
    fn below_is_uniform() {
        // χ² with 6 degrees of freedom: above 33.1 with probability 1e-5.
        let mut rng = Rng::new(7);
        let mut counts = [0f64; 7];
        for _ in 0..70_000 {
            counts[rng.below(7) as usize] += 1.0;
        }
        let chi2: f64 = counts.iter().map(|c| (c - 1e4) * (c - 1e4) / 1e4).sum();
        assert!(chi2 < 33.1, "{chi2}");
        assert_eq!(rng.below(1), 0);
        assert_eq!(rng.below(0), 0);
    }
}
