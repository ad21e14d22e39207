//! The smooth maximum: value, weights and threshold together.
//!
//! ```text
//! smoothmax(u) = max over p in the simplex of  Σ p_i u_i − λ Σ η_i f(p_i/η_i)        (primal)
//!              = min over τ of  τ + λ Σ η_i f*((u_i − τ)/λ)                           (dual)
//! ```
//!
//! Its gradient in u is p, its Hessian diag(d) − d dᵀ/Σd with d_i = η_i (f*)''((u_i − τ)/λ)/λ.
//!
//! [`SmoothMax`] is the checked interface, for `f32` and `f64` and any finite numbers; [`smoothmax_into`] is one row
//! of a hot loop. The threshold is a closed form for `kl`, a selection for `cvar`, and else the root of Σ p_i = 1
//! by a Newton method kept inside a bracket, which stops at rounding level. `chi2` is piecewise linear, so there
//! it is an active-set method that ends exactly. From a cold start it takes 2 to 10 passes over the row, a few more
//! where most weights are at their cap; from the threshold of a similar row 2 to 4.

pub(crate) mod bisection;
mod evaluate;
pub(crate) mod reference;

use crate::divergence::Divergence;

pub use crate::divergence::{Row, Scratch, Smoothed};
pub use evaluate::{Certificate, Method, SmoothMax, SmoothMaximum};

/// The smooth maximum of one row of scores, for hot loops: nothing is checked and nothing is allocated once
/// `scratch` has grown to the row's length.
///
/// `u` are the scores (−∞ is allowed), `eta` the reference masses, used as they are; `eta_rest` is the mass of
/// atoms that were left out because their weight is 0 (see [`Divergence::negligible_below`]), for which the value
/// counts −λ·`eta_rest`·f(0). Together the masses are taken to sum to 1. `start` is a guess of the threshold, for
/// instance that of a row nearby. The weights go to `p` and sum to 1. All slices have one length.
///
/// ```
/// use fenchel::divergence::Kl;
/// use fenchel::smoothmax::{Scratch, smoothmax_into};
///
/// let (u, eta, mut p) = ([3.0, 1.0], [0.5, 0.5], [0.0; 2]);
/// let top = smoothmax_into(&Kl, &u, &eta, 0.0, 1.0, None, &mut p, &mut Scratch::default());
/// assert!((top.value - (0.5 * 3f64.exp() + 0.5 * 1f64.exp()).ln()).abs() < 1e-15);
/// assert!((p[0] / p[1] - 2f64.exp()).abs() < 1e-13);
/// ```
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

/// out = (diag(d) − d dᵀ/Σd) v, the product with the Hessian; 0 if Σd = 0.
///
/// out_i = d_i (v_i − Σ d_j v_j / Σ d_j), so constants map to 0 and the entries of `out` sum to 0 but for rounding.
pub fn hessian_product(d: &[f64], v: &[f64], out: &mut [f64]) {
    let total = crate::simd::sum(d);
    if total > 0.0 {
        // From the entry of v where d is largest: should it outweigh all others, v_i less the mean would cancel.
        let largest = (0..d.len()).fold(0, |at, i| if d[i] > d[at] { i } else { at });
        let from = v[largest];
        let mean = crate::divergence::pairwise(d.len(), |i| d[i] / total * (v[i] - from));
        for ((out, d), v) in out.iter_mut().zip(d).zip(v) {
            *out = if *d > 0.0 { d * ((v - from) - mean) } else { 0.0 };
        }
    } else {
        out.fill(0.0);
    }
}
