//! The commutative monoid behind every log-sum-exp: (maximum, scaled sum).

use rayon::prelude::*;

use super::twofold::TwoFold;
use crate::simd::{self, BlockSum, Level, Real};

/// Numbers between two looks at the maximum: a block and the next one fit into the first-level cache.
const BLOCK: usize = 2048;
/// Numbers that one task sums. Fixed, so that the result does not depend on the number of threads.
pub(super) const CHUNK: usize = 32 * BLOCK;

/// Σ w_i e^{x_i/τ} as e^{max/τ}·(lead + rest), where `lead` is the weight of the entries at the maximum (their
/// number, without weights) and `rest` that of all others. The two are kept apart because the rest may be far
/// below the last place of the lead and still be all there is of the logarithm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accumulated {
    pub max: f64,
    pub lead: TwoFold,
    pub rest: TwoFold,
}

impl Accumulated {
    /// The sum of nothing.
    pub const EMPTY: Accumulated =
        Accumulated { max: f64::NEG_INFINITY, lead: TwoFold::ZERO, rest: TwoFold::ZERO };

    /// w e^{x/τ}.
    pub fn one(x: f64, w: f64) -> Accumulated {
        if w == 0.0 {
            Accumulated::EMPTY
        } else if x.is_nan() || w.is_nan() {
            Accumulated { rest: TwoFold::new(f64::NAN, 0.0), ..Accumulated::EMPTY }
        } else if x == f64::NEG_INFINITY {
            Accumulated::EMPTY
        } else {
            Accumulated { max: x, lead: TwoFold::new(w, 0.0), rest: TwoFold::ZERO }
        }
    }

    /// Add another sum of the same temperature 1/`scale`.
    pub fn merge(&mut self, other: &Accumulated, scale: f64) {
        if other.max == self.max {
            self.lead = self.lead.plus(other.lead);
            self.rest = self.rest.plus(other.rest);
        } else if other.max < self.max {
            self.rest = self.rest.plus(other.below(self.max, scale));
        } else {
            self.rest = other.rest.plus(self.below(other.max, scale));
            self.lead = other.lead;
            self.max = other.max;
        }
    }

    /// The whole sum in units of e^{max/τ} for a larger maximum.
    fn below(&self, max: f64, scale: f64) -> TwoFold {
        if self.max == f64::NEG_INFINITY {
            return self.rest; // 0, or NaN
        }
        self.lead.plus(self.rest).times_exp((self.max - max) * scale)
    }

    /// Add a block of slices.
    fn merge_block<T: Real>(&mut self, block: BlockSum<T>, x: &[T], w: Option<&[T]>, scale: f64) {
        if block.shift.is_finite() {
            let (lead, rest) =
                (TwoFold::new(block.lead.0, block.lead.1), TwoFold::new(block.rest.0, block.rest.1));
            self.merge(&Accumulated { max: block.shift.to_f64(), lead, rest }, scale);
        } else {
            // No finite maximum: nothing but infinities and NaN, or an infinite entry that outweighs all.
            for (i, x) in x.iter().enumerate() {
                let w = w.map_or(1.0, |w| w[i].to_f64());
                if !x.is_finite() || w.is_nan() {
                    self.merge(&Accumulated::one(x.to_f64(), w), scale);
                }
            }
        }
    }

    /// The sum of a slice, on this thread.
    fn of_chunk<T: Real>(level: Level, x: &[T], w: Option<&[T]>, scale: f64, next: &[T]) -> Accumulated {
        let mut sum = Accumulated::EMPTY;
        let scale_t = T::from_f64(scale);
        for start in (0..x.len()).step_by(BLOCK) {
            let end = x.len().min(start + BLOCK);
            let floor = T::from_f64(sum.max);
            let block = match w {
                None => {
                    let next = if end < x.len() { &x[end..] } else { next };
                    simd::log_sum_block(level, &x[start..end], scale_t, floor, next)
                }
                Some(w) => {
                    simd::weighted_log_sum_block(level, &x[start..end], &w[start..end], scale_t, floor)
                }
            };
            sum.merge_block(block, &x[start..end], w.map(|w| &w[start..end]), scale);
        }
        sum
    }

    /// The sum of a slice, its chunks on all threads, merged in their order.
    pub fn of<T: Real>(level: Level, x: &[T], w: Option<&[T]>, scale: f64) -> Accumulated {
        Accumulated::of_before(level, x, w, scale, &[])
    }

    /// The same, when `next` will be wanted after it.
    pub fn of_before<T: Real>(level: Level, x: &[T], w: Option<&[T]>, scale: f64, next: &[T]) -> Accumulated {
        if x.len() <= 2 * CHUNK {
            return Accumulated::of_chunk(level, x, w, scale, next);
        }
        let parts: Vec<Accumulated> = (0..x.len().div_ceil(CHUNK))
            .into_par_iter()
            .map(|i| {
                let range = i * CHUNK..x.len().min((i + 1) * CHUNK);
                let next = &x[range.end..];
                Accumulated::of_chunk(level, &x[range.clone()], w.map(|w| &w[range]), scale, next)
            })
            .collect();
        let mut sum = Accumulated::EMPTY;
        for part in &parts {
            sum.merge(part, scale);
        }
        sum
    }

    /// (log |Σ/(n·e^{max/τ})|, sign of Σ), for a finite maximum. Near Σ = n e^{max/τ} the difference from it is
    /// taken before the logarithm, where nothing is lost yet.
    pub fn ln_rest(&self, n: f64) -> (f64, f64) {
        let total = self.lead.plus(self.rest).value();
        let ratio = total.abs() / n;
        let sign = if total > 0.0 {
            1.0
        } else if total < 0.0 {
            -1.0
        } else {
            total // 0 or NaN
        };
        if !(0.5..=2.0).contains(&ratio) {
            return (ratio.ln(), sign);
        }
        let excess = self.lead.plus(TwoFold::new(-sign * n, 0.0)).plus(self.rest).value();
        ((sign * excess / n).ln_1p(), sign)
    }

    /// (τ log |Σ/n|, sign of Σ): −∞ and 0 for an empty sum, NaN if there was one.
    pub fn log_mean(&self, tau: f64, n: f64) -> (f64, f64) {
        if self.rest.hi.is_nan() || self.lead.hi.is_nan() {
            (f64::NAN, f64::NAN)
        } else if self.max == f64::NEG_INFINITY {
            (f64::NEG_INFINITY, 0.0)
        } else if self.max == f64::INFINITY {
            let total = self.lead.value();
            if total == 0.0 { (f64::NAN, f64::NAN) } else { (f64::INFINITY, total.signum()) }
        } else {
            let (ln, sign) = self.ln_rest(n);
            (self.max + tau * ln, sign)
        }
    }
}
