//! One sample's row: its weights, and what it adds to the Hessian.

use super::evaluate::Context;
use super::kernels::runner_up;
use super::problem::Frozen;
use crate::divergence::{Row, Scratch};
use crate::simd;
use crate::smoothmax::curvature_of_weights;

/// One row's smooth maximum.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowSums {
    pub(crate) value: f64,
    /// Σ p_i u_i.
    pub(crate) linear: f64,
    pub(crate) threshold: f64,
    /// The factor by which the weights have to be scaled to sum to one.
    pub(crate) scale: f64,
}

/// The smooth maximum of scores `u` with maximum `top`; KL in place of the general solve where it is that.
#[inline]
#[expect(clippy::too_many_arguments, reason = "one row of a hot loop, spelled out")]
pub(crate) fn weigh_row(
    problem: &Frozen,
    entropic: bool,
    lambda: f64,
    u: &[f64],
    top: f64,
    eta: &[f64],
    eta_rest: f64,
    p: &mut [f64],
    scratch: &mut Scratch,
) -> RowSums {
    if top.is_nan() {
        // A cost that is not finite: whoever asked for the pass refuses it.
        p.fill(0.0);
        return RowSums { value: f64::NAN, linear: f64::NAN, threshold: f64::NAN, scale: 0.0 };
    }
    if entropic {
        let sum = simd::exp_weights(u, top, 1.0 / lambda, Some(eta), p);
        let value = top + lambda * sum.ln();
        RowSums { value, linear: simd::dot(p, u) / sum, threshold: value, scale: 1.0 / sum }
    } else {
        let s = problem.smooth.solve(&Row { u, eta, eta_rest, lambda }, None, p, scratch);
        RowSums { value: s.value, linear: simd::dot(p, u), threshold: s.threshold, scale: 1.0 }
    }
}

/// A runner-up this many λ or more below the top has no share in a row to speak of.
const ALONE: f64 = 3.0;

/// Adds a row of the Hessian, at λ, or where one atom has it all to itself at the strength at which the runner-up
/// comes in: samples between such atoms are few, and what they say of the boundary is nothing or too much.
/// Returns λ over that strength; the runner-up is then to be listed, in `tops` if there are any.
pub(super) fn hessian_row(
    context: &Context<'_>,
    u: &[f64],
    p: &[f64],
    sums: &RowSums,
    eta: &[f64],
    tops: &mut [f64],
    to: &mut Vec<f64>,
) -> f64 {
    let start = to.len();
    if !context.entropic {
        to.resize(start + p.len(), 0.0);
        let d = &mut to[start..];
        curvature_of_weights(&*context.problem.smooth, p, eta, context.lambda, d);
        d.iter_mut().for_each(|d| *d *= context.lambda);
        return 1.0;
    }
    let second = if context.want.runners_up { runner_up(u) } else { None };
    match second {
        Some((second, gap)) if gap > ALONE * context.lambda => {
            let share = ALONE * context.lambda / gap;
            to.resize(start + p.len(), 0.0);
            let d = &mut to[start..];
            let top = u[second] + gap;
            let sum = simd::exp_weights(u, top, share / context.lambda, Some(eta), d);
            d.iter_mut().for_each(|d| *d *= share / sum);
            if let Some(top) = tops.get_mut(second) {
                *top = top.max(0.0);
            }
            share
        }
        _ => {
            to.extend(p.iter().map(|p| p * sums.scale));
            1.0
        }
    }
}
