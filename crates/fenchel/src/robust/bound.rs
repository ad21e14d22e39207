//! What the objective cannot be below, from where passes or stochastic gradients have come to.
//!
//! Where nothing has corners the best coefficients are near enough to the minimum for a bound. Where there are corners the best
//! bound is that of a problem in which they are rounded, near its own minimum, and passes do not go there: Newton steps on
//! everything do, for the bound alone. Which width is the best depends on how many examples decide, so several are tried.

use super::certificate::lower_bound;
use super::linear::{Best, stage};
use super::newton::solve;
use super::objective::{Model, Objective, State};
use super::{Linear, Risk, Strength};
use crate::Result;
use crate::simd::dot;

/// Corners are rounded over these shares of the spread of the losses.
const SHARES: [f64; 7] = [0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4];
/// No width is below this share of the objective.
const LEAST: f64 = 1e-9;
/// Newton steps to a rounded problem's minimum, after a pass and in the end.
const STEPS: usize = 2;
const STEPS_IN_THE_END: usize = 6;
/// In the end, widths are tried on until a gap is this share of the objective.
const NEAR: f64 = 0.02;
/// What is added to a Hessian, and how much of a step is made, until the objective falls. Where losses change by many λ only a
/// small part of a step holds.
const DAMPING: [f64; 5] = [0.0, 1e-10, 1e-6, 1e-3, 1.0];
const LENGTHS: [f64; 5] = [1.0, 0.3, 0.1, 0.03, 0.01];
/// A step that promises less than this share of the objective is rounding.
const ROUNDING: f64 = 1e-14;

impl Linear<'_> {
    /// A lower bound after a pass, of one width where there are corners. With `is_there` the state is that of the best
    /// coefficients.
    pub(super) fn bound_after(
        &self,
        epoch: u32,
        exact: &Objective<'_>,
        spread: f64,
        state: &mut State,
        best: &mut Best,
        is_there: bool,
    ) -> Result<()> {
        if self.has_corners() {
            let share = SHARES[epoch as usize % SHARES.len()];
            return self.rounded_bound(exact, share * spread, STEPS, &mut None, state, best);
        }
        if !(is_there && self.design_is_streamed()) {
            exact.evaluate(&best.gamma, state);
        }
        if state.value.is_finite() {
            let gamma = best.gamma.clone();
            self.note(exact, exact, &gamma, state, best);
        }
        self.check_files()
    }

    /// The best bound of several widths, from the spread of the losses down until it gets worse.
    pub(super) fn bound_in_the_end(
        &self,
        exact: &Objective<'_>,
        spread: f64,
        state: &mut State,
        best: &mut Best,
    ) -> Result<()> {
        if !self.has_corners() {
            self.bound_after(0, exact, spread, state, best, false)?;
            if best.gap() < NEAR * best.objective.abs() {
                return Ok(());
            }
        }
        // Files are not read dozens of times for a bound that is near.
        let (steps, enough) =
            if self.design_is_streamed() { (STEPS, true) } else { (STEPS_IN_THE_END, false) };
        let mut last = f64::NEG_INFINITY;
        let mut near = None;
        for share in SHARES {
            let before = best.lower;
            best.lower = f64::NEG_INFINITY;
            self.rounded_bound(exact, share * spread, steps, &mut near, state, best)?;
            let bound = best.lower;
            best.lower = before.max(bound);
            if (bound < last || enough) && best.gap() < NEAR * best.objective.abs() {
                break;
            }
            last = bound;
        }
        Ok(())
    }

    /// The bound of the problem with corners rounded over `width`, a few steps nearer to its minimum than the best coefficients,
    /// or than those that a wider problem has led to, if they are better here.
    fn rounded_bound(
        &self,
        exact: &Objective<'_>,
        width: f64,
        steps: usize,
        near: &mut Option<Vec<f64>>,
        state: &mut State,
        best: &mut Best,
    ) -> Result<()> {
        let smooth = stage(exact, width.max(LEAST * best.objective.abs()).max(f64::MIN_POSITIVE));
        let mut gamma = best.gamma.clone();
        smooth.evaluate(&gamma, state);
        if let Some(near) = near.take() {
            let value = state.value;
            smooth.evaluate(&near, state);
            if state.value < value {
                gamma = near;
            } else {
                smooth.evaluate(&gamma, state);
            }
        }
        self.step_on(&smooth, steps, &mut gamma, state)?;
        if !state.value.is_finite() {
            return Ok(());
        }
        *near = Some(gamma.clone());
        let mut bound = lower_bound(&smooth, (&*exact.loss, self.risk()), &gamma, state);
        self.thin(exact, &smooth, &gamma, state, best);
        if bound == f64::NEG_INFINITY {
            smooth.evaluate(&gamma, state);
            self.check_files()?;
            bound = self.weighted_bound(exact, smooth, gamma, state)?;
        }
        self.check_files()?;
        best.lower = best.lower.max(bound);
        Ok(())
    }

    /// The bound of worst-case weights as they are, without a step predicted: the least mean with these weights, less their
    /// price. It is there where the other is not, and less tight.
    fn weighted_bound(
        &self,
        exact: &Objective<'_>,
        smooth: Objective<'_>,
        mut gamma: Vec<f64>,
        state: &mut State,
    ) -> Result<f64> {
        let weights = std::mem::take(&mut state.p);
        let price = match (self.risk().divergence(), self.risk().strength()) {
            (Some(f), Strength::Penalty(lambda)) => {
                lambda * (f.centred_penalty(&weights, exact.eta) + f.f_at_one())
            }
            (Some(f), Strength::Radius(radius)) if f.centred_penalty(&weights, exact.eta) > radius => {
                return Ok(f64::NEG_INFINITY);
            }
            _ => 0.0,
        };
        let mean = Risk::mean();
        let weighed = Objective { eta: &weights, risk: mean.clone(), ..smooth };
        weighed.evaluate(&gamma, state);
        self.step_on(&weighed, STEPS, &mut gamma, state)?;
        let bound = lower_bound(&weighed, (&*exact.loss, &mean), &gamma, state);
        state.worst = None;
        Ok(bound - price)
    }

    /// Newton steps, each damped until the objective does not rise; the state is where they lead. A full minimisation has a
    /// second state for trials, for which there is no room where examples stay in their files.
    fn step_on(
        &self,
        objective: &Objective<'_>,
        steps: usize,
        gamma: &mut [f64],
        state: &mut State,
    ) -> Result<()> {
        let mut model = Model::default();
        'step: for _ in 0..steps {
            self.check_files()?;
            let value = state.value;
            if !value.is_finite() {
                break;
            }
            objective.differentiate(gamma, state, &mut model);
            objective.measure(gamma, state, &mut model);
            let from = gamma.to_vec();
            for damping in DAMPING {
                let reach = value.abs().max(f64::MIN_POSITIVE);
                let Some(step) = solve(&model, &model.gradient, damping, reach) else { continue };
                if dot(&step, &model.gradient).abs() <= ROUNDING * value.abs() {
                    break;
                }
                for length in LENGTHS {
                    for ((to, from), step) in gamma.iter_mut().zip(&from).zip(&step) {
                        *to = from - length * step;
                    }
                    objective.evaluate(gamma, state);
                    if state.value <= value {
                        continue 'step;
                    }
                }
            }
            gamma.copy_from_slice(&from);
            objective.evaluate(gamma, state);
            break;
        }
        self.check_files()
    }
}
