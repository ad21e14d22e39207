//! A log-sum-exp that is fed bit by bit and merged across threads, files and machines.

use serde::{Deserialize, Serialize};

use super::accumulate::Accumulated;
use super::twofold::TwoFold;
use crate::simd::{Real, level};

/// log Σ e^{x_i} of numbers that arrive one by one, in slices, or as other states.
///
/// States with [`merge`](LogSumExp::merge) are a commutative monoid with the empty state as its unit, to
/// rounding: how a stream is cut into pieces, and in which order they meet, changes the value by a few units in
/// the last place of its condition. Terms may carry weights of either sign, w_i e^{x_i}; then the logarithm is
/// that of |Σ| and [`signed_value`](LogSumExp::signed_value) tells the sign.
///
/// ```
/// use fenchel::logspace::LogSumExp;
///
/// let mut left = LogSumExp::new();
/// left.extend(&[1000.0, 1000.0]);
/// let mut right = LogSumExp::new();
/// right.push(1000.0);
/// right.push(-1e300);
/// left.merge(&right);
/// assert_eq!(left.count(), 4);
/// assert!((left.value() - (1000.0 + 3f64.ln())).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(into = "Saved", from = "Saved")]
pub struct LogSumExp {
    sum: Accumulated,
    count: u64,
}

impl LogSumExp {
    /// The empty sum, whose value is −∞.
    pub fn new() -> Self {
        LogSumExp { sum: Accumulated::EMPTY, count: 0 }
    }

    /// Add e^x.
    pub fn push(&mut self, x: f64) {
        self.push_weighted(x, 1.0);
    }

    /// Add w e^x. A term of weight 0 is left out whatever x, but counted.
    pub fn push_weighted(&mut self, x: f64, w: f64) {
        self.count += 1;
        self.sum.merge(&Accumulated::one(x, w), 1.0);
    }

    /// Add e^x for every number of a slice; much faster than one by one.
    pub fn extend<T: Real>(&mut self, x: &[T]) {
        self.count += x.len() as u64;
        self.sum.merge(&Accumulated::of(level(), x, None, 1.0), 1.0);
    }

    /// Add another state.
    pub fn merge(&mut self, other: &LogSumExp) {
        self.count += other.count;
        self.sum.merge(&other.sum, 1.0);
    }

    /// How many terms were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// log Σ: −∞ if it is empty; NaN if a term was NaN or the sum is negative.
    pub fn value(&self) -> f64 {
        let (log, sign) = self.signed_value();
        if sign < 0.0 { f64::NAN } else { log }
    }

    /// (log |Σ|, the sign of Σ as 1, −1 or 0).
    pub fn signed_value(&self) -> (f64, f64) {
        self.sum.log_mean(1.0, 1.0)
    }

    /// log of the mean of e^{x_i} over all terms; NaN if there are none.
    pub fn log_mean(&self) -> f64 {
        if self.count == 0 {
            return f64::NAN;
        }
        let (log, sign) = self.sum.log_mean(1.0, self.count as f64);
        if sign < 0.0 { f64::NAN } else { log }
    }
}

impl Default for LogSumExp {
    fn default() -> Self {
        LogSumExp::new()
    }
}

impl<T: Real> Extend<T> for LogSumExp {
    fn extend<I: IntoIterator<Item = T>>(&mut self, numbers: I) {
        for x in numbers {
            self.push(x.to_f64());
        }
    }
}

impl FromIterator<f64> for LogSumExp {
    fn from_iter<I: IntoIterator<Item = f64>>(numbers: I) -> Self {
        let mut state = LogSumExp::new();
        Extend::extend(&mut state, numbers);
        state
    }
}

/// A state as it is saved: JSON has no infinities and no NaN, so these are cases of their own.
#[derive(Serialize, Deserialize)]
struct Saved {
    count: u64,
    sum: SavedSum,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SavedSum {
    /// Nothing was added, or only e^−∞.
    Zero,
    /// A term was +∞; the sum of the weights of such terms.
    Infinite(f64),
    /// A term was NaN.
    Nan,
    /// e^max·(lead + rest), each part as (sum, what it lost to rounding).
    Finite { max: f64, lead: (f64, f64), rest: (f64, f64) },
}

impl From<LogSumExp> for Saved {
    fn from(state: LogSumExp) -> Self {
        let Accumulated { max, lead, rest } = state.sum;
        let parts = [lead.hi, lead.lo, rest.hi, rest.lo];
        let sum = if parts.iter().any(|x| !x.is_finite()) {
            SavedSum::Nan
        } else if max == f64::NEG_INFINITY {
            SavedSum::Zero
        } else if max == f64::INFINITY {
            SavedSum::Infinite(lead.value())
        } else {
            SavedSum::Finite { max, lead: (lead.hi, lead.lo), rest: (rest.hi, rest.lo) }
        };
        Saved { count: state.count, sum }
    }
}

impl From<Saved> for LogSumExp {
    fn from(saved: Saved) -> Self {
        let nothing = Accumulated::EMPTY;
        let sum = match saved.sum {
            SavedSum::Zero => nothing,
            SavedSum::Nan => Accumulated { rest: TwoFold::new(f64::NAN, 0.0), ..nothing },
            SavedSum::Infinite(lead) => {
                Accumulated { max: f64::INFINITY, lead: TwoFold::new(lead, 0.0), ..nothing }
            }
            SavedSum::Finite { max, lead, rest } => {
                Accumulated { max, lead: TwoFold::new(lead.0, lead.1), rest: TwoFold::new(rest.0, rest.1) }
            }
        };
        LogSumExp { sum, count: saved.count }
    }
}
