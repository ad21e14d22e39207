//! Newton's method for a smooth objective, damped where it has to be.

use super::objective::{Model, Objective, State};
use crate::simd::dot;
use nalgebra::{Cholesky, DMatrix, DVector};

/// A step is taken if it brings this share of what its slope promises.
const ARMIJO: f64 = 1e-4;

/// How a minimisation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The decrement is small enough.
    Done,
    /// No step lowers the objective: what is left is rounding.
    Rounding,
    /// Told to stop.
    Stopped,
}

/// Minimises from `gamma`, at which `state` was evaluated, until half the squared Newton decrement, a prediction of what is
/// left to gain, is at most `target`. `goes_on` is asked before every step. `other` is room for trials.
pub(crate) fn minimise(
    objective: &Objective<'_>,
    gamma: &mut [f64],
    (state, other): (&mut State, &mut State),
    target: f64,
    mut goes_on: impl FnMut() -> bool,
) -> End {
    let mut model = Model::default();
    let mut damping = 0.0_f64;
    let mut trial = gamma.to_vec();
    loop {
        objective.differentiate(gamma, state, &mut model);
        let mut tries = 0;
        let reach = state.value.abs().max(f64::MIN_POSITIVE);
        loop {
            if !goes_on() {
                return End::Stopped;
            }
            if damping > 0.0 && model.size.is_empty() {
                objective.measure(gamma, state, &mut model);
            }
            let Some(step) = solve(&model, &model.gradient, damping, reach) else {
                damping = (8.0 * damping).max(1e-12);
                tries += 1;
                if damping > 1e12 || tries > 60 {
                    return End::Rounding;
                }
                continue;
            };
            let slope = -dot(&step, &model.gradient);
            if damping <= 1e-6 && -0.5 * slope <= target || slope == 0.0 {
                return End::Done;
            }
            if let Some(share) = search(objective, gamma, &step, slope, state, &mut trial, other) {
                std::mem::swap(state, other);
                gamma.copy_from_slice(&trial);
                // Steps that had to be cut short say that the model holds less far.
                damping = if share == 1.0 { damping / 16.0 } else { damping };
                if damping < 1e-10 {
                    damping = 0.0;
                }
                break;
            }
            tries += 1;
            if -slope <= 1e-14 * state.value.abs() || tries > 60 {
                return End::Rounding;
            }
            damping = (16.0 * damping).max(1e-6);
        }
    }
}

/// A step length of at most 1 that lowers the objective; evaluated there.
fn search(
    objective: &Objective<'_>,
    gamma: &[f64],
    step: &[f64],
    slope: f64,
    state: &State,
    trial: &mut [f64],
    other: &mut State,
) -> Option<f64> {
    let mut share = 1.0;
    for _ in 0..12 {
        for ((t, g), s) in trial.iter_mut().zip(gamma).zip(step) {
            *t = g - share * s;
        }
        other.worst = state.worst;
        objective.evaluate(trial, other);
        let change = other.value - state.value;
        if change <= ARMIJO * share * slope {
            return Some(share);
        }
        // The minimum of the parabola through both values, not too far from here.
        let parabola = -0.5 * share * slope / (change / share - slope);
        share = if change.is_finite() { parabola.clamp(0.1 * share, 0.5 * share) } else { 0.1 * share };
    }
    None
}

/// (H + damping · diag D)⁻¹ g, H by its lower triangle; none if that is not positive definite.
///
/// D_j is the curvature natural to a coordinate: the square of the mean size of the loss's slopes in it, over the objective.
/// Where H has none, because losses are straight or one example has all weight, rounding in g would else decide.
pub(crate) fn solve(model: &Model, gradient: &[f64], damping: f64, reach: f64) -> Option<Vec<f64>> {
    let n = gradient.len();
    let hessian = &model.hessian;
    let curvature: Vec<f64> = (0..n)
        .map(|j| {
            hessian[j * n + j]
                + if damping > 0.0 { damping * model.size[j] * (model.size[j] / reach) } else { 0.0 }
        })
        .collect();
    scaled_solve(hessian, &curvature, gradient)
}

/// H⁻¹ g, H by its lower triangle but for its diagonal, which is `diagonal`; none if that is not positive definite.
pub(crate) fn scaled_solve(hessian: &[f64], diagonal: &[f64], gradient: &[f64]) -> Option<Vec<f64>> {
    let n = gradient.len();
    // In units that make the diagonal 1: coefficients may be of any size.
    let scale: Vec<f64> = diagonal.iter().map(|h| if *h > 0.0 { 1.0 / h.sqrt() } else { 0.0 }).collect();
    // A coordinate that changes nothing is left alone.
    let is_flat = |j: usize| scale[j] == 0.0 && gradient[j] != 0.0;
    if scale.iter().any(|s| !s.is_finite()) || (0..n).any(is_flat) {
        return None;
    }
    let scaled = DMatrix::from_fn(n, n, |i, j| {
        let (r, c) = (i.max(j), i.min(j));
        if i == j { 1.0 } else { hessian[r * n + c] * scale[r] * scale[c] }
    });
    let factor = Cholesky::new(scaled)?;
    let x = factor.solve(&DVector::from_fn(n, |i, _| gradient[i] * scale[i]));
    let x: Vec<f64> = (0..n).map(|i| x[i] * scale[i]).collect();
    x.iter().all(|x| x.is_finite()).then_some(x)
}
