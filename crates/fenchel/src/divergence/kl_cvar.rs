//! KL-regularised CVaR: softmax weights with a hard cap.

use std::sync::Arc;

use super::kl::kl_generator;
use super::registry::{Entry, Parameter};
use super::safe_kl::{log_mean_exp, prepare_exponentials};
use super::{Divergence, Mass, pairwise, sweep};
use crate::error::{Error, Result};

pub(super) const ENTRY: Entry = Entry {
    name: "kl-cvar",
    parameter: Parameter::Required { symbol: "alpha", domain: "a number above 0 and at most 1" },
    summary: "Kullback-Leibler with weights capped at 1/alpha times the reference (smoothed CVaR)",
    examples: &["kl-cvar:0.1", "kl-cvar:0.5", "kl-cvar:1"],
    build: |alpha| Ok(Arc::new(KlCvar::new(alpha.unwrap_or(f64::NAN))?)),
};

/// f(t) = t log t − t + 1 on \[0, 1/α\], (f*)'(s) = min(eˢ, 1/α).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KlCvar {
    alpha: f64,
}

impl KlCvar {
    /// Weights p_i ≤ η_i/α.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless 0 < α ≤ 1.
    pub fn new(alpha: f64) -> Result<Self> {
        if !(alpha > 0.0 && alpha <= 1.0) {
            return Err(Error::invalid("alpha of kl-cvar", alpha, "a number above 0 and at most 1"));
        }
        Ok(KlCvar { alpha })
    }

    /// α.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }
}

impl Divergence for KlCvar {
    fn name(&self) -> String {
        format!("{}:{}", ENTRY.name, self.alpha)
    }
    fn f(&self, t: f64) -> f64 {
        if t > self.cap() { f64::INFINITY } else { kl_generator(t) }
    }
    fn f_prime(&self, t: f64) -> f64 {
        if t > self.cap() { f64::INFINITY } else { t.ln() }
    }
    fn conj(&self, s: f64) -> f64 {
        let end = -self.alpha.ln();
        if s <= end { s.exp_m1() } else { (s - end + 1.0) / self.alpha - 1.0 }
    }
    fn conj_prime(&self, s: f64) -> f64 {
        s.exp().min(self.cap())
    }
    fn conj_second(&self, s: f64) -> f64 {
        if s < -self.alpha.ln() { s.exp() } else { 0.0 }
    }
    fn cap(&self) -> f64 {
        1.0 / self.alpha
    }
    fn negligible_below(&self) -> f64 {
        -60.0 * std::f64::consts::LN_2
    }
    fn curvature(&self, t: f64) -> f64 {
        // At the cap but for the rounding of p/η is at the cap.
        if t < self.cap() * (1.0 - 1e-13) { t } else { 0.0 }
    }
    fn lipschitz(&self) -> f64 {
        self.cap()
    }
    fn clipped_lipschitz(&self, eta: f64) -> f64 {
        (eta / self.alpha).min(1.0)
    }
    fn self_concordance(&self) -> f64 {
        1.0
    }
    fn conj_excess(&self, y: f64) -> f64 {
        let end = -self.alpha.ln();
        let below = y.min(end);
        below.exp_m1() - below + (1.0 / self.alpha - 1.0) * (y - below)
    }
    fn prepare(&self, x: &[f64], z: &mut [f64]) -> bool {
        prepare_exponentials(x, z);
        true
    }
    fn weigh_prepared(&self, z: &[f64], eta: &[f64], theta: f64, p: &mut [f64]) -> Mass {
        let scale = (-theta).exp();
        let cap = self.cap();
        sweep(z, eta, p, |_, z| {
            let t = z * scale;
            if t < cap { (t, t) } else { (cap, 0.0) }
        })
    }
    fn conj_sum_prepared(&self, x: &mut [f64], z: &mut [f64], eta: &[f64], theta: f64) -> f64 {
        let (scale, cap, end) = ((-theta).exp(), self.cap(), theta - self.alpha.ln());
        let (x, z) = (&*x, &*z);
        pairwise(eta.len(), |i| {
            let above = if x[i] > end { x[i] - end } else { 0.0 };
            eta[i] * (((z[i] * scale).min(cap) - 1.0) + cap * above)
        })
    }
    fn cold_start(&self, z: &[f64], eta: &[f64]) -> f64 {
        log_mean_exp(z, eta)
    }
}
