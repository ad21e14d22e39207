//! Log-sum-exp of slices.

use super::accumulate::Accumulated;
use crate::simd::{Level, Real, level};
use crate::{Error, Result};

/// log Σ e^{x_i}.
///
/// Empty or all −∞: −∞. Any +∞: +∞. Any NaN: NaN. Finite numbers never overflow. Slices of more than 131,072
/// numbers are summed on all threads, with the same bits for any number of them.
///
/// ```
/// use fenchel::logspace::logsumexp;
/// assert_eq!(logsumexp(&[1000.0; 8]), 1000.0 + 8f64.ln());
/// assert_eq!(logsumexp::<f32>(&[]), f32::NEG_INFINITY);
/// ```
pub fn logsumexp<T: Real>(x: &[T]) -> T {
    logsumexp_at(level(), x)
}

/// [`logsumexp`] with the instructions of a level.
pub fn logsumexp_at<T: Real>(level: Level, x: &[T]) -> T {
    T::from_f64(Accumulated::of(level, x, None, 1.0).log_mean(1.0, 1.0).0)
}

/// τ log Σ e^{x_i/τ}, for a temperature τ > 0.
///
/// It lies between max x and max x + τ log n.
///
/// ```
/// use fenchel::logspace::logsumexp_temperature;
/// let soft: f64 = logsumexp_temperature(&[1.0, 2.0], 0.01)?;
/// assert!((soft - 2.0).abs() < 1e-12);
/// # Ok::<(), fenchel::Error>(())
/// ```
///
/// # Errors
/// If τ is not a finite number above 0.
pub fn logsumexp_temperature<T: Real>(x: &[T], tau: T) -> Result<T> {
    let tau = positive("temperature", tau)?;
    Ok(T::from_f64(Accumulated::of(level(), x, None, 1.0 / tau).log_mean(tau, 1.0).0))
}

/// log((1/n) Σ e^{x_i}); NaN for an empty slice. Exactly c if all numbers are c.
///
/// ```
/// use fenchel::logspace::logmeanexp;
/// assert_eq!(logmeanexp(&[-0.1; 1000]), -0.1);
/// ```
pub fn logmeanexp<T: Real>(x: &[T]) -> T {
    mean_of(x, 1.0)
}

/// τ log((1/n) Σ e^{x_i/τ}): between max x − τ log n and max x, tends to the maximum as τ → 0 and to the mean
/// as τ → ∞.
///
/// # Errors
/// If τ is not a finite number above 0.
pub fn logmeanexp_temperature<T: Real>(x: &[T], tau: T) -> Result<T> {
    Ok(mean_of(x, positive("temperature", tau)?))
}

fn mean_of<T: Real>(x: &[T], tau: f64) -> T {
    if x.is_empty() {
        return T::NAN;
    }
    T::from_f64(Accumulated::of(level(), x, None, 1.0 / tau).log_mean(tau, x.len() as f64).0)
}

/// log Σ w_i e^{x_i} for weights w_i ≥ 0. Entries of weight 0 are left out, whatever their score.
///
/// ```
/// use fenchel::logspace::logsumexp_weighted;
/// let log = logsumexp_weighted(&[800.0, 800.0, f64::INFINITY], &[0.25, 0.75, 0.0])?;
/// assert_eq!(log, 800.0);
/// # Ok::<(), fenchel::Error>(())
/// ```
///
/// # Errors
/// If the lengths differ, or a weight is negative, infinite or NaN.
pub fn logsumexp_weighted<T: Real>(x: &[T], weights: &[T]) -> Result<T> {
    check_weights(x, weights)?;
    if let Some(i) = weights.iter().position(|&w| w < T::ZERO) {
        return Err(Error::invalid(format!("weights[{i}]"), weights[i], "a number not below 0"));
    }
    Ok(T::from_f64(Accumulated::of_weighted(level(), x, weights, 1.0).log_mean(1.0, 1.0).0))
}

/// (log |S|, sign of S) of S = Σ w_i e^{x_i} for weights of either sign. The sign is 1, −1, or 0 with a logarithm
/// of −∞; both are NaN if a score of an entry with weight is NaN, or if infinite terms of both signs meet.
///
/// Where the terms cancel, the result is as uncertain as the scores make it: Σ|w_i|e^{x_i}/|S| times more than
/// without.
///
/// ```
/// use fenchel::logspace::logsumexp_signed;
/// let (log, sign) = logsumexp_signed(&[1000.0, 1001.0], &[1.0, -1.0])?;
/// assert_eq!(sign, -1.0);
/// assert!((log - (1000.0 + (1f64.exp() - 1.0).ln())).abs() < 1e-12);
/// # Ok::<(), fenchel::Error>(())
/// ```
///
/// # Errors
/// If the lengths differ, or a weight is infinite or NaN.
pub fn logsumexp_signed<T: Real>(x: &[T], weights: &[T]) -> Result<(T, T)> {
    check_weights(x, weights)?;
    let (log, sign) = Accumulated::of_weighted(level(), x, weights, 1.0).log_mean(1.0, 1.0);
    Ok((T::from_f64(log), T::from_f64(sign)))
}

fn check_weights<T: Real>(x: &[T], weights: &[T]) -> Result<()> {
    if x.len() != weights.len() {
        return Err(Error::shape("weights", format_args!("{} numbers", x.len()), weights.len()));
    }
    match weights.iter().position(|w| !w.is_finite()) {
        Some(i) => Err(Error::non_finite("weights", i, weights[i].to_f64())),
        None => Ok(()),
    }
}

/// The number as `f64` if it is finite and above 0.
pub(super) fn positive<T: Real>(name: &str, value: T) -> Result<f64> {
    if value > T::ZERO && value.is_finite() {
        Ok(value.to_f64())
    } else {
        Err(Error::invalid(name, value, "a finite number above 0"))
    }
}
