//! Whether a plan exists, and how far regularisation can move the value.

use crate::divergence::Divergence;
use crate::error::{Error, Result};

/// ν must be absolutely continuous with respect to η, and within the divergence's cap.
pub(crate) fn check_feasible(f: &dyn Divergence, nu: &[f64], eta: &[f64]) -> Result<()> {
    let cap = f.cap();
    for (atom, (&nu, &eta)) in nu.iter().zip(eta).enumerate() {
        if nu > 0.0 && eta == 0.0 {
            let reason = format!("its weight is {nu}, but its reference weight is 0");
            return Err(Error::Infeasible { atom, reason });
        }
        // A density at the cap is feasible; rounding of the weights must not make it not.
        if nu > cap * eta * (1.0 + 1e-12) {
            let reason = format!(
                "its weight {nu} exceeds {cap} times its reference weight {eta}, the most that {} allows",
                f.name()
            );
            return Err(Error::Infeasible { atom, reason });
        }
    }
    Ok(())
}

/// λ max_i {η_i f(1/η_i) + f(0)(1 − η_i)}: W_λ exceeds W by at most this, if f(1) = 0; infinite where 1/η_i
/// exceeds the cap.
pub(crate) fn regularisation_gap(f: &dyn Divergence, eta: &[f64], lambda: f64) -> f64 {
    let at_zero = f.f_at_zero();
    eta.iter().fold(0.0_f64, |worst, &e| worst.max(e * f.f(1.0 / e) + at_zero * (1.0 - e))) * lambda
}
