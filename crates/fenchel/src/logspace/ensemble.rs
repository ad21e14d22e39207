//! The canonical ensemble: log-sum-exp as thermodynamics.

use super::accumulate::Accumulated;
use super::slice::positive;
use crate::simd::{Real, level};
use crate::{Error, Result};

/// What the partition function Z = Σ g_i e^{−E_i/τ} knows about a system; Boltzmann's constant is 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ensemble {
    /// log Z.
    pub log_partition: f64,
    /// Free energy A = −τ log Z, in units of energy.
    pub free_energy: f64,
    /// Internal energy U, the mean of E, in units of energy.
    pub internal_energy: f64,
    /// Entropy S = (U − A)/τ, dimensionless.
    pub entropy: f64,
    /// Heat capacity C = Var(E)/τ², dimensionless.
    pub heat_capacity: f64,
}

/// The ensemble of states with energies E_i, each counted g_i ≥ 0 times (once if not given), at temperature τ > 0.
///
/// Everything is computed relative to the lowest energy, so that adding a constant to all energies changes
/// neither entropy nor heat capacity. States of energy +∞ are forbidden.
///
/// ```
/// use fenchel::logspace::ensemble;
/// let two_levels = ensemble(&[1000.0, 1001.0], None, 0.5)?;
/// let p = 1.0 / (1.0 + 2f64.exp());
/// assert!((two_levels.internal_energy - (1000.0 + p)).abs() < 1e-12);
/// assert!((two_levels.heat_capacity - 4.0 * p * (1.0 - p)).abs() < 1e-15);
/// # Ok::<(), fenchel::Error>(())
/// ```
///
/// # Errors
/// If τ is not a finite number above 0, an energy is NaN or −∞, a degeneracy is negative or not finite, their
/// number differs from that of the energies, or no allowed state is left.
pub fn ensemble<T: Real>(energies: &[T], degeneracies: Option<&[T]>, tau: T) -> Result<Ensemble> {
    let tau = positive("temperature", tau)?;
    if let Some(g) = degeneracies {
        if g.len() != energies.len() {
            return Err(Error::shape("degeneracies", format_args!("{} numbers", energies.len()), g.len()));
        }
        if let Some(i) = g.iter().position(|&g| g < T::ZERO || !g.is_finite()) {
            return Err(Error::invalid(format!("degeneracies[{i}]"), g[i], "a finite number not below 0"));
        }
    }
    if let Some(i) = energies.iter().position(|&e| e.is_nan() || e == T::NEG_INFINITY) {
        return Err(Error::invalid(format!("energies[{i}]"), energies[i], "a number above −∞"));
    }
    let scores: Vec<T> = energies.iter().map(|&e| -e).collect();
    let z = match degeneracies {
        None => Accumulated::of(level(), &scores, None, 1.0 / tau),
        Some(g) => Accumulated::of_weighted(level(), &scores, g, 1.0 / tau),
    };
    if z.max == f64::NEG_INFINITY {
        return Err(Error::invalid("energies", "without an allowed state", "finite for one state at least"));
    }
    // Moments of the excess over the lowest energy; the variance about the mean, in a second pass.
    let states = || {
        energies.iter().enumerate().filter(|(_, e)| e.is_finite()).map(|(i, e)| {
            let excess = e.to_f64() + z.max;
            let g = degeneracies.map_or(1.0, |g| g[i].to_f64());
            (if g == 0.0 { 0.0 } else { g * (-excess / tau).exp() }, excess)
        })
    };
    let total: f64 = states().map(|(w, _)| w).sum();
    let mean = states().map(|(w, e)| if w > 0.0 { w * e } else { 0.0 }).sum::<f64>() / total;
    let square = |e: f64| ((e - mean) / tau).powi(2);
    let variance = states().map(|(w, e)| if w > 0.0 { w * square(e) } else { 0.0 }).sum::<f64>() / total;
    let ln_rest = z.ln_rest(1.0).0;
    Ok(Ensemble {
        log_partition: z.max / tau + ln_rest,
        free_energy: -z.max - tau * ln_rest,
        internal_energy: mean - z.max,
        entropy: ln_rest + mean / tau,
        heat_capacity: variance,
    })
}
