//! The smooth maximum: value, weights and threshold together.

use crate::divergence::Divergence;

pub use crate::divergence::{Row, Scratch, Smoothed};

/// The smooth maximum of one row of scores, for hot loops: nothing is checked and nothing is allocated once
/// `scratch` has grown to the row's length.
///
/// `u` are the scores (−∞ is allowed), `eta` the reference masses, used as they are; `eta_rest` is the mass of
/// atoms that were left out because their weight is 0 (see [`Divergence::negligible_below`]), for which the value
/// counts −λ·`eta_rest`·f(0). Together the masses are taken to sum to 1. `start` is a guess of the threshold, for
/// instance that of a row nearby. The weights go to `p` and sum to 1. All slices have one length.
#[allow(clippy::too_many_arguments)] // One row of a hot loop, spelled out.
pub fn smoothmax_into(
    div: &dyn Divergence,
    u: &[f64],
    eta: &[f64],
    eta_rest: f64,
    lambda: f64,
    start: Option<f64>,
    p: &mut [f64],
    scratch: &mut Scratch,
) -> Smoothed {
    div.solve(&Row { u, eta, eta_rest, lambda }, start, p, scratch)
}

/// d_i = η_i (f*)''((u_i − τ)/λ)/λ: the Hessian of the smooth maximum is diag(d) − d dᵀ/Σd.
///
/// Where the weights are at hand [`curvature_of_weights`] is cheaper, and right also where τ has lost its digits
/// (λ far below the scores, Tsallis with q < 1).
pub fn curvature_into(
    div: &dyn Divergence,
    u: &[f64],
    eta: &[f64],
    threshold: f64,
    lambda: f64,
    d: &mut [f64],
) {
    for (i, d) in d.iter_mut().enumerate() {
        let s = (u[i] - threshold) / lambda;
        let second = div.marginal(i).map_or_else(|| div.conj_second(s), |own| own.conj_second(s));
        *d = if eta[i] > 0.0 { eta[i] * second / lambda } else { 0.0 };
    }
}

/// d_i = η_i/(λ f''(p_i/η_i)), the same as [`curvature_into`], from the weights.
pub fn curvature_of_weights(div: &dyn Divergence, p: &[f64], eta: &[f64], lambda: f64, d: &mut [f64]) {
    div.curvatures(p, eta, 1.0 / lambda, d);
}
