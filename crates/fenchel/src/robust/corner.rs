//! Corners rounded over a width: what is smoothed, and what bounds it.
//!
//! Both functions are at most width · log 2 below what they stand for, and their slopes are slopes of it. A width of 0 is the
//! corner itself, with any of its slopes and no curvature.

use std::f64::consts::LN_2;

/// |x| as w log cosh(x/w): value, slope, curvature.
pub(crate) fn modulus(x: f64, width: f64) -> (f64, f64, f64) {
    let size = x.abs();
    if width <= 0.0 {
        return (size, if x == 0.0 { 0.0 } else { x.signum() }, 0.0);
    }
    let tail = (-2.0 * size / width).exp();
    let slope = x.signum() * (1.0 - tail) / (1.0 + tail);
    // 1 − tanh² without cancellation.
    (size + width * (tail.ln_1p() - LN_2), slope, 4.0 * tail / ((1.0 + tail) * (1.0 + tail)) / width)
}

/// The conjugate of the rounded |x| at a slope, +∞ outside its domain.
pub(crate) fn modulus_conjugate(slope: f64, width: f64) -> f64 {
    // w times log 2 less the entropy of ((1 + a)/2, (1 − a)/2).
    if slope.abs() > 1.0 { f64::INFINITY } else { width * (LN_2 - entropy(0.5 * (1.0 + slope))) }
}

/// x₊ as w log(1 + e^{x/w}) less w log 2: value, slope, curvature.
pub(crate) fn ramp(x: f64, width: f64) -> (f64, f64, f64) {
    if width <= 0.0 {
        return (x.max(0.0), if x > 0.0 { 1.0 } else { 0.0 }, 0.0);
    }
    let (slope, bend) = logistic(x / width);
    (width * (softplus(x / width) - LN_2), slope, bend / width)
}

/// The conjugate of the rounded x₊ at a slope, +∞ outside its domain.
pub(crate) fn ramp_conjugate(slope: f64, width: f64) -> f64 {
    if (0.0..=1.0).contains(&slope) { width * (LN_2 - entropy(slope)) } else { f64::INFINITY }
}

/// log(1 + e^x).
pub(crate) fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// σ(x) = 1/(1 + e^{−x}) and σ'(x).
pub(crate) fn logistic(x: f64) -> (f64, f64) {
    let tail = (-x.abs()).exp();
    let small = tail / (1.0 + tail);
    (if x < 0.0 { small } else { 1.0 / (1.0 + tail) }, small / (1.0 + tail))
}

/// −b log b − (1 − b) log(1 − b), 0 ≤ b ≤ 1.
pub(crate) fn entropy(b: f64) -> f64 {
    let tail = |x: f64, log: f64| if x > 0.0 { -x * log } else { 0.0 };
    tail(b, b.ln()) + tail(1.0 - b, (-b).ln_1p())
}
