//! Hyperbolic divergence: exponential for large scores, linear for small ones, zero below a threshold.

use std::f64::consts::SQRT_2;
use std::sync::Arc;

use super::registry::{Entry, Parameter};
use super::safe_kl::prepare_exponentials;
use super::{Divergence, Mass, pairwise, sweep};

pub(super) const ENTRY: Entry = Entry {
    name: "hyperbolic",
    parameter: Parameter::None,
    summary: "hyperbolic cosine: exponential above a threshold, zero below it",
    examples: &["hyperbolic"],
    build: |_| Ok(Arc::new(Hyperbolic)),
};

/// asinh 1 = log(1 + √2).
const ASINH_1: f64 = 0.881_373_587_019_543;

/// f(t) = t asinh t − √(t²+1) + 1 + kt with k = √2 − 1 − asinh 1, (f*)'(s) = sinh((s−k)₊).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hyperbolic;

impl Hyperbolic {
    /// k, for which f(1) = 0.
    pub const K: f64 = SQRT_2 - 1.0 - ASINH_1;
}

impl Divergence for Hyperbolic {
    fn name(&self) -> String {
        ENTRY.name.into()
    }
    fn f(&self, t: f64) -> f64 {
        if t < 0.0 {
            return f64::INFINITY;
        }
        // √(t²+1) − 1 = t·(t/(√(t²+1) + 1)), in a form that neither cancels nor overflows.
        t * (t.asinh() - t / (t.hypot(1.0) + 1.0) + Self::K)
    }
    fn f_at_one(&self) -> f64 {
        0.0
    }
    fn f_prime(&self, t: f64) -> f64 {
        t.asinh() + Self::K
    }
    fn conj(&self, s: f64) -> f64 {
        let h = (0.5 * (s - Self::K).max(0.0)).sinh();
        2.0 * h * h
    }
    fn conj_prime(&self, s: f64) -> f64 {
        (s - Self::K).max(0.0).sinh()
    }
    fn conj_second(&self, s: f64) -> f64 {
        if s > Self::K { (s - Self::K).cosh() } else { 0.0 }
    }
    fn negligible_below(&self) -> f64 {
        Self::K
    }
    fn curvature(&self, t: f64) -> f64 {
        if t > 0.0 { t.hypot(1.0) } else { 0.0 }
    }
    fn clipped_lipschitz(&self, eta: f64) -> f64 {
        eta.hypot(1.0)
    }
    fn self_concordance(&self) -> f64 {
        1.0
    }
    fn conj_excess(&self, y: f64) -> f64 {
        // cosh(a + y) − cosh a − y with sinh a = 1, cosh a = √2.
        if y < -ASINH_1 {
            return 1.0 - SQRT_2 - y;
        }
        let h = (0.5 * y).sinh();
        2.0 * SQRT_2 * h * h + (y.sinh() - y)
    }
    fn prepare(&self, x: &[f64], z: &mut [f64]) -> bool {
        prepare_exponentials(x, z);
        true
    }
    fn weigh_prepared(&self, z: &[f64], eta: &[f64], theta: f64, p: &mut [f64]) -> Mass {
        let scale = (-theta - Self::K).exp();
        sweep(z, eta, p, |_, z| {
            let a = (z * scale).clamp(1.0, 1e300);
            let b = 1.0 / a;
            (0.5 * (a - b), if a > 1.0 { 0.5 * (a + b) } else { 0.0 })
        })
    }
    fn conj_sum_prepared(&self, _x: &mut [f64], z: &mut [f64], eta: &[f64], theta: f64) -> f64 {
        // cosh y − 1 = (a − 1)²/(2a) with a = eʸ.
        let scale = (-theta - Self::K).exp();
        pairwise(eta.len(), |i| {
            let a = (z[i] * scale).clamp(1.0, 1e300);
            eta[i] * ((a - 1.0) * (0.5 * (1.0 - 1.0 / a)))
        })
    }
    fn cold_start(&self, z: &[f64], eta: &[f64]) -> f64 {
        // sinh y ≤ eʸ/2 bounds the root from above; so does −f'(1), which is better when few atoms count.
        let exponential = pairwise(z.len(), |i| eta[i] * z[i]).ln() - std::f64::consts::LN_2 - Self::K;
        exponential.min(-self.f_prime_at_one())
    }
}
