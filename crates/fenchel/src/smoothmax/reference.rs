//! Reference masses as they are used: checked, normalised, and a divergence that knows which atoms there are.

use crate::divergence::{Divergence, pairwise};
use crate::simd::Real;
use crate::{Error, Result};
use std::sync::Arc;

/// Masses that sum to 1, and the log of what they summed to. What is below the smallest normal number is 0.
///
/// # Errors
/// If there is none, if one is below 0, NaN or infinite, or all are 0; `what` is what they are called.
pub(crate) fn normalised<T: Real>(what: &str, masses: &[T]) -> Result<(Vec<f64>, f64)> {
    if masses.is_empty() {
        return Err(Error::shape(what, "at least one mass", 0));
    }
    let mut largest = 0.0_f64;
    for (i, mass) in masses.iter().map(|mass| mass.to_f64()).enumerate() {
        if !mass.is_finite() {
            return Err(Error::non_finite(what, i, mass));
        }
        if mass < 0.0 {
            return Err(Error::invalid(format!("{what}[{i}]"), mass, "a number of at least 0"));
        }
        largest = largest.max(mass);
    }
    if largest == 0.0 {
        return Err(Error::invalid(what, "0 everywhere", "positive for at least one atom"));
    }
    let mut eta: Vec<f64> = masses.iter().map(|mass| mass.to_f64() / largest).collect();
    let total = pairwise(eta.len(), |i| eta[i]);
    for mass in &mut eta {
        *mass /= total;
        if *mass < f64::MIN_POSITIVE {
            *mass = 0.0;
        }
    }
    Ok((eta, if largest == 1.0 { total.ln() } else { largest.ln() + total.ln() }))
}

/// The divergence for the atoms that have mass.
pub(crate) fn resolved(divergence: &Arc<dyn Divergence>, eta: &[f64]) -> Arc<dyn Divergence> {
    let atoms: Vec<usize> = (0..eta.len()).filter(|i| divergence.is_per_atom() || eta[*i] > 0.0).collect();
    divergence.for_atoms(&atoms).unwrap_or_else(|| divergence.clone())
}
