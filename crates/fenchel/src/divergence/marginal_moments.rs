//! Marginal moments (Chebyshev): noise of which only means and variances are known.

use std::sync::Arc;

use super::registry::{Entry, Parameter};
use super::solve::solve_by_newton;
use super::{Divergence, Mass, Row, Scratch, Smoothed, pairwise, sweep};
use crate::error::{Error, Result};

pub(super) const ENTRY: Entry = Entry {
    name: "marginal-moments",
    parameter: Parameter::Optional {
        symbol: "n",
        domain: "a number of at least 1, by default the number of atoms",
    },
    summary: "marginal moments (Chebyshev): the worst noise with given means and variances",
    examples: &["marginal-moments", "marginal-moments:5"],
    build: |n| {
        Ok(match n {
            None => Arc::new(MarginalMoments::automatic()),
            Some(n) => Arc::new(MarginalMoments::new(n)?),
        })
    },
};

/// f(t) = −√(t(n−t)) + t√(n−1) on \[0, n\], (f*)'(s) = (n/2)(1 + v/√(1+v²)) with v = s − √(n−1).
///
/// n is the number of atoms unless it is given. The automatic form takes it from
/// [`Divergence::for_atoms`]; a row solved without that counts its own atoms, and the scalar functions of
/// the automatic form are those of n = 2. Weights fall off like 1/s², so no atom's weight is ever negligible.
/// With one atom n = 1 and p = 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MarginalMoments {
    n: f64,
    automatic: bool,
}

impl MarginalMoments {
    /// For a given n, which need not be an integer.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless n is finite and at least 1.
    pub fn new(n: f64) -> Result<Self> {
        if !(n >= 1.0 && n.is_finite()) {
            return Err(Error::invalid("n of marginal-moments", n, "a finite number of at least 1"));
        }
        Ok(MarginalMoments { n, automatic: false })
    }

    /// n is to be the number of atoms.
    pub fn automatic() -> Self {
        MarginalMoments { n: 2.0, automatic: true }
    }

    /// For that many atoms.
    fn counted(atoms: usize) -> Self {
        MarginalMoments { n: atoms.max(1) as f64, automatic: false }
    }

    /// √(n−1).
    fn shift(&self) -> f64 {
        (self.n - 1.0).sqrt()
    }
}

/// 1 + v/w = 1/(w(w − v)), the latter without cancellation for v < 0, and 1/w, with w = √(1+v²).
#[inline(always)]
pub(crate) fn one_plus_ratio(v: f64) -> (f64, f64) {
    // |v| beyond 1e150 would overflow in v²; there the result is 1/(2v²) = 0 or 2 to rounding.
    let v = v.clamp(-1e150, 1e150);
    let w = (1.0 + v * v).sqrt();
    let far = w + v.abs();
    let small = 1.0 / (w * far);
    (if v < 0.0 { small } else { 2.0 - small }, small * far)
}

impl Divergence for MarginalMoments {
    fn name(&self) -> String {
        if self.automatic { ENTRY.name.into() } else { format!("{}:{}", ENTRY.name, self.n) }
    }
    fn f(&self, t: f64) -> f64 {
        if t < 0.0 || t > self.n {
            return f64::INFINITY;
        }
        // t√(n−1) − √(t(n−t)) = n√t (t − 1)/(√(t(n−1)) + √(n−t)): exact at t = 1.
        let below = (t * (self.n - 1.0)).sqrt() + (self.n - t).sqrt();
        if below > 0.0 { self.n * t.sqrt() * (t - 1.0) / below } else { 0.0 }
    }
    fn f_prime(&self, t: f64) -> f64 {
        if t > self.n {
            return f64::INFINITY;
        }
        self.shift() - 0.5 * (self.n - 2.0 * t) / (t.max(0.0) * (self.n - t)).sqrt()
    }
    fn f_prime_at_one(&self) -> f64 {
        0.5 * self.n / self.shift()
    }
    fn conj(&self, s: f64) -> f64 {
        let v = s - self.shift();
        let w = v.hypot(1.0);
        0.5 * self.n * if v < 0.0 { 1.0 / (w - v) } else { v + w }
    }
    fn conj_prime(&self, s: f64) -> f64 {
        if s == f64::NEG_INFINITY { 0.0 } else { 0.5 * self.n * one_plus_ratio(s - self.shift()).0 }
    }
    fn conj_second(&self, s: f64) -> f64 {
        let inverse = one_plus_ratio(s - self.shift()).1;
        0.5 * self.n * inverse * inverse * inverse
    }
    fn cap(&self) -> f64 {
        self.n
    }
    fn curvature(&self, t: f64) -> f64 {
        let inverse = 2.0 * (t * (self.n - t)).max(0.0).sqrt() / self.n;
        0.5 * self.n * inverse * inverse * inverse
    }
    fn lipschitz(&self) -> f64 {
        0.5 * self.n
    }
    fn clipped_lipschitz(&self, eta: f64) -> f64 {
        eta * self.curvature((1.0 / eta).min(0.5 * self.n))
    }
    fn self_concordance(&self) -> f64 {
        1.5
    }
    fn conj_excess(&self, y: f64) -> f64 {
        let one = 0.5 * (2.0 - self.n) / self.shift();
        let v = one + y;
        // v + √(1+v²) without cancellation.
        let grow = |v: f64| if v < 0.0 { 1.0 / (v.hypot(1.0) - v) } else { v.hypot(1.0) + v };
        y * (0.5 * self.n * (grow(v) + grow(one)) / (v.hypot(1.0) + one.hypot(1.0)) - 1.0)
    }
    fn power(&self) -> f64 {
        -0.5
    }
    fn for_atoms(&self, atoms: &[usize]) -> Option<Arc<dyn Divergence>> {
        self.automatic.then(|| Arc::new(Self::counted(atoms.len())) as Arc<dyn Divergence>)
    }
    fn weigh(&self, x: &[f64], eta: &[f64], theta: f64, p: &mut [f64]) -> Mass {
        let (half, shift) = (0.5 * self.n, theta + self.shift());
        sweep(x, eta, p, |_, x| {
            let (t, inverse) = one_plus_ratio(x - shift);
            (half * t, half * inverse * inverse * inverse)
        })
    }
    fn conj_sum(&self, x: &[f64], eta: &[f64], theta: f64) -> f64 {
        let shift = theta + self.shift();
        0.5 * self.n
            * pairwise(x.len(), |i| {
                // v + √(1+v²) without cancellation; where v² overflows it is 2v or 0.
                let v = x[i] - shift;
                let grow = (1.0 + v * v).sqrt() + v.abs();
                let value = if v < 0.0 {
                    1.0 / grow
                } else if grow.is_finite() {
                    grow
                } else {
                    2.0 * v
                };
                if eta[i] > 0.0 { eta[i] * value } else { 0.0 }
            })
    }
    fn solve(&self, row: &Row<'_>, start: Option<f64>, p: &mut [f64], scratch: &mut Scratch) -> Smoothed {
        if self.automatic {
            let atoms = row.eta.iter().filter(|eta| **eta > 0.0).count();
            return solve_by_newton(&Self::counted(atoms), row, start, p, scratch);
        }
        solve_by_newton(self, row, start, p, scratch)
    }
}
