//! Sums and differences of two.

use std::f64::consts::LN_2;

use crate::simd::Real;

/// log(e^a + e^b), without overflow.
///
/// −∞ is the zero: `logaddexp(a, −∞) = a`. NaN if either is NaN.
///
/// ```
/// use fenchel::logspace::logaddexp;
/// assert_eq!(logaddexp(0.0, f64::NEG_INFINITY), 0.0);
/// assert!((logaddexp(1000.0, 1000.0) - (1000.0 + 2f64.ln())).abs() < 1e-12);
/// ```
pub fn logaddexp<T: Real>(a: T, b: T) -> T {
    if a == b {
        return T::from_f64(a.to_f64() + LN_2); // equal infinities too
    }
    if a.is_nan() || b.is_nan() {
        return T::NAN;
    }
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    T::from_f64(high.to_f64() + (low.to_f64() - high.to_f64()).exp().ln_1p())
}

/// log(e^a − e^b) for a ≥ b: −∞ where they are equal; NaN where a < b, where both are +∞, or where either is NaN.
///
/// log(1 − e^{−d}) is taken as log(−expm1(−d)) for d ≤ log 2 and as log1p(−e^{−d}) beyond, which keeps its
/// relative precision on both sides.
///
/// ```
/// use fenchel::logspace::{logaddexp, logsubexp};
/// let sum = logaddexp(3.0, 1.0);
/// assert!((logsubexp(sum, 3.0) - 1.0_f64).abs() < 1e-14);
/// assert_eq!(logsubexp(2.0, 2.0), f64::NEG_INFINITY);
/// ```
pub fn logsubexp<T: Real>(a: T, b: T) -> T {
    if a == b {
        return if a == T::INFINITY { T::NAN } else { T::NEG_INFINITY };
    }
    if a < b || a.is_nan() || b.is_nan() {
        return T::NAN;
    }
    if a == T::INFINITY || b == T::NEG_INFINITY {
        return a;
    }
    let d = a.to_f64() - b.to_f64();
    let log = if d <= LN_2 { (-(-d).exp_m1()).ln() } else { (-(-d).exp()).ln_1p() };
    T::from_f64(a.to_f64() + log)
}
