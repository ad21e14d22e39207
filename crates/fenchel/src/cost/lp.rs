//! The p-norms and their powers.

use super::Cost;
use super::kernel::{self, Metric};
use super::l1::sign;
use super::pow::raise;
use super::real::Real;
use crate::measure::Soa;
use crate::simd::{self, Simd};
use crate::{Error, Result};

/// Atoms whose powers are held at a time.
const CHUNK: usize = 256;

/// (Σ |x_k − y_k|^p)^(r/p): the p-norm of the difference to the power r.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lp {
    p: f64,
    r: f64,
}

impl Lp {
    /// The p-norm.
    ///
    /// # Errors
    /// p below 1 or not finite (the ∞-norm is [`Linf`](super::Linf)).
    pub fn new(p: f64) -> Result<Self> {
        Self::raised(p, 1.0)
    }

    /// The p-norm to the power r; r = p takes no root at all.
    ///
    /// # Errors
    /// p below 1, r not above 0, or one of them not finite.
    pub fn raised(p: f64, r: f64) -> Result<Self> {
        if !(p.is_finite() && p >= 1.0) {
            return Err(Error::invalid("p", p, "a finite number of at least 1 (for the ∞-norm use linf)"));
        }
        if !(r.is_finite() && r > 0.0) {
            return Err(Error::invalid("power", r, "a finite number above 0"));
        }
        Ok(Self { p, r })
    }

    /// From Σ |x_k − y_k|^p to the cost.
    fn root(&self, sum: f64) -> f64 {
        if self.r == self.p { sum } else { sum.powf(self.r / self.p) }
    }

    /// out[s·n + i] = the cost, for either type.
    fn rows_of<T: Real>(&self, xs: &[T], atoms: &Soa<T>, out: &mut [T]) {
        let never = |_: &[f64], _: &[f64]| f64::NAN;
        match self.p {
            1.5 => kernel::rows::<T, Sum3Halves>(xs, atoms, out, never),
            3.0 => kernel::rows::<T, Sum3>(xs, atoms, out, never),
            4.0 => kernel::rows::<T, Sum4>(xs, atoms, out, never),
            _ => self.any_sums(xs, atoms, out),
        }
        if self.r != self.p {
            self.roots(xs, atoms, out);
        }
    }

    /// Σ_k |x_sk − y_ik|^p for every pair.
    fn any_sums<T: Real>(&self, xs: &[T], atoms: &Soa<T>, out: &mut [T]) {
        let (dim, n) = (atoms.dim().max(1), atoms.len().max(1));
        let mut powers = [T::ZERO; CHUNK];
        for (x, row) in xs.chunks_exact(dim).zip(out.chunks_exact_mut(n)) {
            row.fill(T::ZERO);
            for (k, x) in x.iter().enumerate() {
                for (sums, y) in row.chunks_mut(CHUNK).zip(atoms.coordinate(k).chunks(CHUNK)) {
                    let powers = &mut powers[..y.len()];
                    powers.iter_mut().zip(y).for_each(|(t, y)| *t = (*x - *y).abs());
                    raise(powers, self.p);
                    sums.iter_mut().zip(&*powers).for_each(|(sum, t)| *sum += *t);
                }
            }
        }
    }

    /// Turns sums into costs; sums that lost digits are computed again.
    fn roots<T: Real>(&self, xs: &[T], atoms: &Soa<T>, out: &mut [T]) {
        let (dim, n) = (atoms.dim().max(1), atoms.len().max(1));
        let mut lost = [false; CHUNK];
        for (x, row) in xs.chunks_exact(dim).zip(out.chunks_exact_mut(n)) {
            for (chunk, costs) in row.chunks_mut(CHUNK).enumerate() {
                let lost = &mut lost[..costs.len()];
                lost.iter_mut().zip(&*costs).for_each(|(l, sum)| *l = sum.left_safe_range());
                raise(costs, self.r / self.p);
                for (j, _) in lost.iter().enumerate().filter(|(_, lost)| **lost) {
                    let i = chunk * CHUNK + j;
                    let differences = (0..dim).map(|k| x[k].to_f64() - atoms.coordinate(k)[i].to_f64());
                    costs[j] = T::from_f64(self.of_differences(differences));
                }
            }
        }
    }

    fn of_differences(&self, differences: impl Iterator<Item = f64> + Clone) -> f64 {
        let sum: f64 = differences.clone().map(|d| d.abs().powf(self.p)).sum();
        if self.r == self.p || (sum > f64::SAFE.0 && sum < f64::SAFE.1) {
            return self.root(sum);
        }
        let largest = differences.clone().fold(0.0, |most: f64, d| most.larger(d.abs()));
        if largest == 0.0 || largest.is_infinite() {
            return largest;
        }
        let sum: f64 = differences.map(|d| (d.abs() / largest).powf(self.p)).sum();
        (largest * sum.powf(1.0 / self.p)).powf(self.r)
    }
}

/// One type an exponent, so that the loop over coordinates holds no call.
macro_rules! sum_of_powers {
    ($name:ident, $s:ident, $t:ident => $power:expr) => {
        struct $name;
        impl Metric for $name {
            #[inline(always)]
            fn step<T: simd::Real, S: Simd<T>>($s: S, sum: S::V, difference: S::V) -> S::V {
                let $t = $s.abs(difference);
                let (a, b) = $power;
                $s.fma(a, b, sum)
            }
        }
    };
}

sum_of_powers!(Sum3Halves, s, t => (t, s.sqrt(t)));
sum_of_powers!(Sum3, s, t => (s.mul(t, t), t));
sum_of_powers!(Sum4, s, t => (s.mul(t, t), s.mul(t, t)));

impl Cost for Lp {
    fn name(&self) -> String {
        if self.r == 1.0 { format!("lp:{}", self.p) } else { format!("lp:{}^{}", self.p, self.r) }
    }

    fn eval(&self, x: &[f64], y: &[f64]) -> f64 {
        self.of_differences(x.iter().zip(y).map(|(x, y)| x - y))
    }

    fn rows(&self, xs: &[f64], atoms: &Soa<f64>, out: &mut [f64]) {
        self.rows_of(xs, atoms, out);
    }

    fn rows_f32(&self, xs: &[f32], atoms: &Soa<f32>, out: &mut [f32]) {
        self.rows_of(xs, atoms, out);
    }

    fn degree(&self) -> Option<f64> {
        Some(self.r)
    }

    fn tangent(&self, x: &[f64], y: &[f64], slope: &mut [f64]) -> Option<f64> {
        if self.r < 1.0 {
            return None;
        }
        // In units of the largest difference, no power leaves the range of numbers.
        let largest = x.iter().zip(y).fold(0.0, |most: f64, (x, y)| most.larger((y - x).abs()));
        slope.fill(0.0);
        if largest == 0.0 {
            return Some(0.0);
        }
        let share = |(x, y): (&f64, &f64)| (y - x).abs() / largest;
        let norm = x.iter().zip(y).map(|pair| share(pair).powf(self.p)).sum::<f64>().powf(1.0 / self.p);
        let rate = self.r * (largest * norm).powf(self.r - 1.0);
        for (slope, (x, y)) in slope.iter_mut().zip(x.iter().zip(y)) {
            *slope = rate * sign(y - x) * (share((x, y)) / norm).powf(self.p - 1.0);
        }
        Some(self.eval(x, y))
    }

    fn translation_invariant(&self) -> bool {
        true
    }

    fn is_symmetric(&self) -> bool {
        true
    }
}
