//! The commutative monoid behind every log-sum-exp: (maximum, scaled sum).

use rayon::prelude::*;

use super::twofold::TwoFold;
use crate::simd::{self, Level, LogSumSink, PartialSum, Real};

/// Weighted numbers between two looks at the maximum.
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

    /// w e^x. Where the weight is beyond the limit its magnitude goes to the score, lest it swallow others.
    pub fn one(x: f64, w: f64) -> Accumulated {
        if w == 0.0 {
            Accumulated::EMPTY
        } else if x.is_nan() || w.is_nan() {
            Accumulated { rest: TwoFold::new(f64::NAN, 0.0), ..Accumulated::EMPTY }
        } else if x == f64::NEG_INFINITY {
            Accumulated::EMPTY
        } else if is_moderate(w, weight_limit::<f64>()) || w.is_infinite() {
            Accumulated { max: x, lead: TwoFold::new(w, 0.0), rest: TwoFold::ZERO }
        } else {
            Accumulated { max: x + w.abs().ln(), lead: TwoFold::new(w.signum(), 0.0), rest: TwoFold::ZERO }
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

    /// The sum of a slice, on this thread.
    fn of_chunk<T: Real>(level: Level, x: &[T], w: Option<&[T]>, scale: f64) -> Accumulated {
        let mut running = Running { sum: Accumulated::EMPTY, scale };
        let scale_t = T::from_f64(scale);
        match w {
            None => simd::log_sums(level, x, x.len(), scale_t, &mut running),
            Some(w) => {
                for (x, w) in x.chunks(BLOCK).zip(w.chunks(BLOCK)) {
                    let floor = T::from_f64(running.sum.max);
                    running.add(simd::weighted_log_sum(level, x, w, scale_t, floor));
                }
            }
        }
        running.sum
    }

    /// The sum of a slice, its chunks on all threads, merged in their order.
    ///
    /// Weights are taken with the scores' own e^{x/τ} and must be [moderate](is_moderate).
    pub fn of<T: Real>(level: Level, x: &[T], w: Option<&[T]>, scale: f64) -> Accumulated {
        if x.len() <= 2 * CHUNK {
            return Accumulated::of_chunk(level, x, w, scale);
        }
        let parts: Vec<Accumulated> = (0..x.len().div_ceil(CHUNK))
            .into_par_iter()
            .map(|i| {
                let range = i * CHUNK..x.len().min((i + 1) * CHUNK);
                Accumulated::of_chunk(level, &x[range.clone()], w.map(|w| &w[range]), scale)
            })
            .collect();
        let mut sum = Accumulated::EMPTY;
        for part in &parts {
            sum.merge(part, scale);
        }
        sum
    }

    /// The sum with any finite weights.
    pub fn of_weighted<T: Real>(level: Level, x: &[T], w: &[T], scale: f64) -> Accumulated {
        let limit = weight_limit::<T>();
        if w.iter().all(|w| *w == T::ZERO || is_moderate(w.to_f64(), limit)) {
            return Accumulated::of(level, x, Some(w), scale);
        }
        let mut sum = Accumulated::EMPTY;
        for (x, w) in x.iter().zip(w) {
            sum.merge(&Accumulated::one(x.to_f64() * scale, w.to_f64()), 1.0);
        }
        sum.max /= scale;
        sum
    }

    /// The log-sum-exps of rows of equal length that follow each other, on this thread.
    pub fn of_rows<T: Real>(level: Level, x: &[T], columns: usize, out: &mut [T]) {
        let mut rows = Rows { sum: Running { sum: Accumulated::EMPTY, scale: 1.0 }, out: out.iter_mut() };
        simd::log_sums(level, x, columns, T::ONE, &mut rows);
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

/// The largest weight that is summed as it is, and the inverse of the smallest: the fourth root of the largest
/// number. The product of a weight and an exponential that underflows is then negligible beside any other.
fn weight_limit<T: Real>() -> f64 {
    T::MAX.to_f64().sqrt().sqrt()
}

/// Whether a weight's magnitude lies between 1/limit and the limit.
fn is_moderate(w: f64, limit: f64) -> bool {
    (1.0 / limit..=limit).contains(&w.abs())
}

/// Parts of one sum.
struct Running {
    sum: Accumulated,
    scale: f64,
}

impl LogSumSink for Running {
    fn add(&mut self, part: PartialSum) {
        let (mut lead, rest) =
            (TwoFold::new(part.lead.0, part.lead.1), TwoFold::new(part.rest.0, part.rest.1));
        if part.shift == f64::NEG_INFINITY {
            lead = TwoFold::ZERO;
        }
        self.sum.merge(&Accumulated { max: part.shift, lead, rest }, self.scale);
    }

    fn end_row(&mut self) {}
}

/// Each row a sum of its own.
struct Rows<'a, T> {
    sum: Running,
    out: std::slice::IterMut<'a, T>,
}

impl<T: Real> LogSumSink for Rows<'_, T> {
    fn add(&mut self, part: PartialSum) {
        self.sum.add(part);
    }

    fn end_row(&mut self) {
        if let Some(out) = self.out.next() {
            *out = T::from_f64(self.sum.sum.log_mean(1.0, 1.0).0);
        }
        self.sum.sum = Accumulated::EMPTY;
    }
}
