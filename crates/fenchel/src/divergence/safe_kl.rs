//! Safe Kullback–Leibler divergence: log-sum-exp whose weights cannot exceed η_i/ρ.

use std::sync::Arc;

use super::registry::{Entry, Parameter};
use super::sum::Tree;
use super::{Divergence, Mass, sweep};
use crate::error::{Error, Result};
use crate::simd;

pub(super) const ENTRY: Entry = Entry {
    name: "safe-kl",
    parameter: Parameter::Required { symbol: "rho", domain: "a number above 0 and below 1" },
    summary: "safe Kullback-Leibler: like kl with weights below 1/rho times the reference",
    examples: &["safe-kl:0.1", "safe-kl:0.9", "safe-kl:1e-6"],
    build: |rho| Ok(Arc::new(SafeKl::new(rho.unwrap_or(f64::NAN))?)),
};

pub(super) const CENTERED: Entry = Entry {
    name: "safe-kl-centered",
    parameter: Parameter::Required { symbol: "rho", domain: "a number above 0 and below 1" },
    summary: "safe Kullback-Leibler shifted so that constants are reproduced exactly",
    examples: &["safe-kl-centered:0.1", "safe-kl-centered:0.7", "safe-kl-centered:1e-4"],
    build: |rho| Ok(Arc::new(SafeKl::centered(rho.unwrap_or(f64::NAN))?)),
};

/// f(t) = t log t + 1 + ((1−ρt)/ρ) log(1−ρt) on \[0, 1/ρ\], (f*)'(s) = eˢ/(1 + ρeˢ).
///
/// f*(s) = log(1 + ρeˢ)/ρ − 1. The density p_i/η_i stays below 1/ρ; as ρ → 0 this is [`Kl`](super::Kl), from
/// below. f(1) > 0, so the smooth maximum of a constant c is c − λf(1); the centred form subtracts f(1) from f,
/// which changes neither weights nor threshold ("Improved stochastic optimization of LogSumExp", 2025).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SafeKl {
    rho: f64,
    /// Subtracted from f, added to f*.
    centre: f64,
    centered: bool,
}

impl SafeKl {
    /// The plain form, f(1) = 1 + ((1−ρ)/ρ) log(1−ρ).
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless 0 < ρ < 1.
    pub fn new(rho: f64) -> Result<Self> {
        if !(rho > 0.0 && rho < 1.0) {
            return Err(Error::invalid("rho of safe-kl", rho, "a number above 0 and below 1"));
        }
        Ok(SafeKl { rho, centre: 0.0, centered: false })
    }

    /// The centred form, f(1) = 0.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless 0 < ρ < 1.
    pub fn centered(rho: f64) -> Result<Self> {
        let plain = Self::new(rho)?;
        Ok(SafeKl { centre: plain.level(), centered: true, ..plain })
    }

    /// ρ.
    pub fn rho(&self) -> f64 {
        self.rho
    }

    /// 1 + ((1−ρ)/ρ) log(1−ρ) = ρ/2 + ρ²/6 + ρ³/12 + … = Σ ρᵏ/(k(k+1)), k ≥ 1.
    fn level(&self) -> f64 {
        if self.rho < 0.05 {
            let (mut sum, mut power) = (0.0, 1.0);
            for k in 1..16 {
                power *= self.rho;
                sum += power / f64::from(k * (k + 1));
            }
            sum
        } else {
            1.0 + (1.0 - self.rho) / self.rho * (-self.rho).ln_1p()
        }
    }
}

impl Divergence for SafeKl {
    fn name(&self) -> String {
        format!("{}:{}", if self.centered { CENTERED.name } else { ENTRY.name }, self.rho)
    }
    fn f(&self, t: f64) -> f64 {
        if t < 0.0 || t > self.cap() {
            return f64::INFINITY;
        }
        let left = 1.0 - self.rho * t;
        let entropy = if t > 0.0 { t * t.ln() } else { 0.0 };
        let other = if left > 0.0 { left / self.rho * (-self.rho * t).ln_1p() } else { 0.0 };
        if t > 0.0 { entropy + (1.0 - self.centre) + other } else { 1.0 - self.centre }
    }
    fn f_at_one(&self) -> f64 {
        if self.centered { 0.0 } else { self.level() }
    }
    fn f_prime(&self, t: f64) -> f64 {
        if t > self.cap() { f64::INFINITY } else { t.ln() - (-(self.rho * t).min(1.0)).ln_1p() }
    }
    fn conj(&self, s: f64) -> f64 {
        let z = s + self.rho.ln();
        let softplus = if z > 0.0 { z + (-z).exp().ln_1p() } else { (self.rho * s.exp()).ln_1p() };
        softplus / self.rho - (1.0 - self.centre)
    }
    fn conj_prime(&self, s: f64) -> f64 {
        if s > 0.0 { 1.0 / ((-s).exp() + self.rho) } else { s.exp() / (1.0 + self.rho * s.exp()) }
    }
    fn conj_second(&self, s: f64) -> f64 {
        let t = self.conj_prime(s);
        // 1 − ρt, without cancellation on the saturated side.
        let left = if s > 0.0 { (-s).exp() * t } else { 1.0 / (1.0 + self.rho * s.exp()) };
        t * left
    }
    fn cap(&self) -> f64 {
        1.0 / self.rho
    }
    fn negligible_below(&self) -> f64 {
        -60.0 * std::f64::consts::LN_2
    }
    fn curvature(&self, t: f64) -> f64 {
        (t * (1.0 - self.rho * t)).max(0.0)
    }
    fn lipschitz(&self) -> f64 {
        0.25 / self.rho
    }
    fn clipped_lipschitz(&self, eta: f64) -> f64 {
        eta * self.curvature((1.0 / eta).min(0.5 / self.rho))
    }
    fn self_concordance(&self) -> f64 {
        1.0
    }
    fn conj_excess(&self, y: f64) -> f64 {
        (self.rho * y.exp_m1()).ln_1p() / self.rho - y
    }
    fn prepare(&self, x: &[f64], z: &mut [f64]) -> bool {
        prepare_exponentials(x, z);
        true
    }
    fn weigh_prepared(&self, z: &[f64], eta: &[f64], theta: f64, p: &mut [f64]) -> Mass {
        // p/η = a/(1 + ρa) with a = e^{x − θ}: one exponential for the row, none for each atom.
        let scale = (-theta).exp();
        let rho = self.rho;
        sweep(z, eta, p, |_, z| {
            let a = (z * scale).min(1e300);
            let left = 1.0 / (1.0 + rho * a);
            let t = a * left;
            (t, t * left)
        })
    }
    fn conj_sum(&self, x: &[f64], eta: &[f64], theta: f64) -> f64 {
        // log(1 + e^s) = max(s, 0) + log(1 + e^{−|s|}), s = x − θ + log ρ, a block at a time.
        const BLOCK: usize = 256;
        let shift = self.rho.ln() - theta;
        let (mut s, mut above) = ([0.0; BLOCK], [0.0; BLOCK]);
        let mut total = Tree::<1>::new();
        for (x, eta) in x.chunks(BLOCK).zip(eta.chunks(BLOCK)) {
            let (s, above) = (&mut s[..x.len()], &mut above[..x.len()]);
            simd::vectorize(|| {
                for ((s, above), x) in s.iter_mut().zip(above.iter_mut()).zip(x) {
                    let z = x + shift;
                    (*s, *above) = (-z.abs(), z.max(0.0));
                }
            });
            let most = simd::dot(above, eta);
            simd::exp_into(s, above);
            simd::log1p_into(above, s);
            total.push([most + simd::dot(s, eta)]);
        }
        total.total()[0] / self.rho - (1.0 - self.centre) * simd::sum(eta)
    }
    fn conj_sum_prepared(&self, x: &mut [f64], z: &mut [f64], eta: &[f64], theta: f64) -> f64 {
        let scale = self.rho * (-theta).exp();
        simd::vectorize(|| x.iter_mut().zip(&*z).for_each(|(x, z)| *x = z * scale));
        simd::log1p_into(x, z);
        simd::dot(z, eta) / self.rho - (1.0 - self.centre) * simd::sum(eta)
    }
    fn cold_start(&self, z: &[f64], eta: &[f64]) -> f64 {
        log_mean_exp(z, eta)
    }
}

/// z_i = e^{x_i}; +∞ for atoms far above the anchor, which are at their cap.
pub(super) fn prepare_exponentials(x: &[f64], z: &mut [f64]) {
    simd::exp_into(x, z);
}

/// log Σ η_i z_i: the threshold of [`Kl`](super::Kl), which is near or above that of its capped relatives.
pub(super) fn log_mean_exp(z: &[f64], eta: &[f64]) -> f64 {
    simd::dot(z, eta).ln()
}
