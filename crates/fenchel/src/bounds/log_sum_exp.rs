//! The safe log-partition functional against the plain one and against CVaR.
//!
//! F(φ) = log E e^φ, F_ρ(φ) = smoothmax of φ with the plain safe KL divergence. At a temperature λ both are
//! λF(φ/λ) and λF_ρ(φ/λ), and every argument and result here is in units of φ. From "Improved stochastic
//! optimization of LogSumExp" (2025), Propositions 2.4 to 2.7 and C.2, with constants made as sharp as their
//! proofs allow.

use super::Bracket;
use crate::error::{Error, Result};

fn check_rho(rho: f64) -> Result<()> {
    if rho > 0.0 && rho < 1.0 {
        Ok(())
    } else {
        Err(Error::invalid("rho", rho, "a number above 0 and below 1"))
    }
}

fn check_lambda(lambda: f64) -> Result<()> {
    if lambda > 0.0 && lambda.is_finite() {
        Ok(())
    } else {
        Err(Error::invalid("lambda", lambda, "a finite number above 0"))
    }
}

/// Where λF_ρ(φ/λ) lies, from F = λF(φ/λ) and `double` = λF(2φ/λ):
/// F + λ(ρ/2 − 4ρ e^{(double − 2F)/λ}) ≤ F_ρ ≤ F, for ρ ≤ ¼ e^{(2F − double)/λ} (Proposition 2.4 iii).
///
/// # Errors
/// [`Error::InvalidValue`] if λ or ρ is outside its domain or ρ above that limit.
pub fn safe_bracket_by_moment(log_partition: f64, double: f64, rho: f64, lambda: f64) -> Result<Bracket> {
    check_rho(rho)?;
    check_lambda(lambda)?;
    let exponent = (double - 2.0 * log_partition) / lambda;
    let limit = 0.25 * (-exponent).exp();
    if rho <= limit {
        let lower = log_partition + lambda * (0.5 * rho - 4.0 * rho * exponent.exp());
        Ok(Bracket { lower, upper: log_partition })
    } else {
        Err(Error::invalid("rho", rho, format!("at most {limit:.3e} for this bound")))
    }
}

/// Where λF_ρ(φ/λ) lies, from F = λF(φ/λ) and M ≥ sup φ: F − λρ e^{(M − F)/λ} ≤ F_ρ ≤ F, for ρ < e^{(F − M)/λ}
/// (Proposition 2.4 iv).
///
/// # Errors
/// [`Error::InvalidValue`] if λ or ρ is outside its domain or ρ not below that limit.
pub fn safe_bracket_by_maximum(log_partition: f64, maximum: f64, rho: f64, lambda: f64) -> Result<Bracket> {
    check_rho(rho)?;
    check_lambda(lambda)?;
    let exponent = (maximum - log_partition) / lambda;
    let limit = (-exponent).exp();
    if rho < limit {
        Ok(Bracket { lower: log_partition - lambda * rho * exponent.exp(), upper: log_partition })
    } else {
        Err(Error::invalid("rho", rho, format!("below {limit:.3e} for this bound")))
    }
}

/// Bouchard's quantity for n counted terms, inf over α of α − 1 + (1/ρ) Σ log(1 + ρ e^{a_i − α}), for ρ in (0, n).
///
/// It is log n + F_{ρ/n}(a) and lies between LSE(a) − ρ and LSE(a) (Proposition 2.5); ρ = 1 is Bouchard's bound.
///
/// # Errors
/// [`Error::Shape`] if there are no terms, [`Error::InvalidValue`] unless 0 < ρ < n, [`Error::NonFinite`] for a
/// term that is NaN or infinite.
pub fn bouchard(terms: &[f64], rho: f64) -> Result<f64> {
    let n = terms.len() as f64;
    if terms.is_empty() {
        return Err(Error::shape("terms", "at least one", 0));
    }
    if !(rho > 0.0 && rho < n) {
        return Err(Error::invalid(
            "rho",
            rho,
            format!("a number above 0 and below the number of terms, {n}"),
        ));
    }
    let safe = crate::divergence::SafeKl::new(rho / n)?;
    let mut smooth = crate::smoothmax::SmoothMax::new(std::sync::Arc::new(safe), 1.0)?;
    let mut weights = vec![0.0; terms.len()];
    Ok(smooth.evaluate(terms, &mut weights)?.value + n.ln())
}

/// Where log Σ e^{a_i} lies, given Bouchard's quantity for ρ: between it and it + ρ (Proposition 2.5).
///
/// # Errors
/// [`Error::InvalidValue`] unless ρ is finite and above 0.
pub fn bouchard_bracket(bouchard: f64, rho: f64) -> Result<Bracket> {
    if !(rho > 0.0 && rho.is_finite()) {
        return Err(Error::invalid("rho", rho, "a finite number above 0"));
    }
    Ok(Bracket { lower: bouchard, upper: bouchard + rho })
}

/// Where λF_ρ(φ/λ) lies, from the mean `cvar` of the largest fraction ρ of φ:
/// CVaR_ρ + λ(log ρ − 1) ≤ λF_ρ(φ/λ) ≤ CVaR_ρ + λ(log ρ − 1 + log(2)/ρ) (Proposition 2.6, with log 2 for 1).
///
/// # Errors
/// [`Error::InvalidValue`] if λ or ρ is outside its domain.
pub fn cvar_bracket(cvar: f64, rho: f64, lambda: f64) -> Result<Bracket> {
    check_rho(rho)?;
    check_lambda(lambda)?;
    let lower = cvar + lambda * (rho.ln() - 1.0);
    Ok(Bracket { lower, upper: lower + lambda * std::f64::consts::LN_2 / rho })
}

/// 4ρ: the generator of the safe KL divergence is that strongly convex, its conjugate 1/(4ρ)-smooth
/// (Proposition 2.7 with its best constant).
///
/// # Errors
/// [`Error::InvalidValue`] unless 0 < ρ < 1.
pub fn safe_strong_convexity(rho: f64) -> Result<f64> {
    check_rho(rho)?;
    Ok(4.0 * rho)
}

/// The smoothness constant of log(1 + e^ℓ) for an L-smooth ℓ ≥ ℓ*: 4L/3, or (4/3 − ℓ*/2)L if ℓ* < 0 (C.2).
///
/// # Errors
/// [`Error::InvalidValue`] unless L is finite and at least 0 and ℓ* is finite.
pub fn logistic_smoothness(smoothness: f64, lower_bound: f64) -> Result<f64> {
    if !(smoothness >= 0.0 && smoothness.is_finite()) {
        return Err(Error::invalid("smoothness", smoothness, "a finite number of at least 0"));
    }
    if !lower_bound.is_finite() {
        return Err(Error::invalid("lower bound", lower_bound, "a finite number"));
    }
    Ok((4.0 / 3.0 - 0.5 * lower_bound.min(0.0)) * smoothness)
}
