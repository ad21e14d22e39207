//! The mean, as if it were a divergence.

use crate::divergence::Divergence;

/// f*(s) = s: weights are those of the reference, and α + Σ p̂_i λ f*((ℓ_i − α)/λ) is the mean whatever α and λ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mean;

impl Divergence for Mean {
    fn name(&self) -> String {
        "mean".into()
    }
    fn f(&self, t: f64) -> f64 {
        if t == 1.0 { 0.0 } else { f64::INFINITY }
    }
    fn f_prime(&self, t: f64) -> f64 {
        if t > 1.0 {
            f64::INFINITY
        } else if t < 1.0 {
            f64::NEG_INFINITY
        } else {
            0.0
        }
    }
    fn conj(&self, s: f64) -> f64 {
        s
    }
    fn conj_prime(&self, _s: f64) -> f64 {
        1.0
    }
    fn conj_second(&self, _s: f64) -> f64 {
        0.0
    }
}
