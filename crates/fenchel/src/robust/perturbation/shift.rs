//! Moved examples in the objective of a linear model.

use super::Perturbation;
use crate::divergence::pairwise;
use crate::robust::design::{Design, scores_of};
use crate::robust::loss::{Kernel, Labels, Loss, Peak, Shape};
use crate::robust::objective::{Model, Objective, Penalty, State};
use crate::simd::axpy;
use crate::{Error, Result};
use rayon::prelude::*;

/// ℓ̂ depends on the score and on τ = v/2κ = Σ_j weight_j γ_j²/2κ, which all examples share.
#[derive(Debug, Clone)]
pub(crate) struct Shift {
    shape: Shape,
    labels: Labels,
    price: f64,
    /// (unit_j/scale_j)², 0 for the intercept.
    weights: Vec<f64>,
    /// Over which corners are rounded.
    width: f64,
}

/// What [`Peak`] has besides value, slope and curvature.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Push {
    pub push: f64,
    pub tilt: f64,
    pub tension: f64,
}

impl Shift {
    pub(crate) fn new(perturbation: &Perturbation, loss: &dyn Loss, design: &Design) -> Result<Self> {
        let Some(shape) = loss.shape() else {
            let expected = "a loss of one score that grows no faster than a square: squared, absolute, huber, quantile, \
                            logistic, hinge or smoothed-hinge";
            return Err(Error::invalid("loss for moved examples", loss.name(), expected));
        };
        perturbation.suit(design.scale.len())?;
        let mut weights = vec![0.0; design.columns];
        for (j, scale) in design.scale.iter().enumerate().filter(|(_, scale)| **scale > 0.0) {
            weights[j] = (perturbation.unit(j) / scale).powi(2);
        }
        Ok(Shift { shape, labels: loss.labels(), price: perturbation.price(), weights, width: 0.0 })
    }

    pub(crate) fn rounded(&self, width: f64) -> Self {
        Shift { width, ..self.clone() }
    }

    fn tau(&self, gamma: &[f64]) -> f64 {
        gamma.iter().zip(&self.weights).map(|(g, w)| w * g * g).sum::<f64>() / (2.0 * self.price)
    }

    /// ∇τ.
    pub(crate) fn gradient(&self, gamma: &[f64]) -> Vec<f64> {
        gamma.iter().zip(&self.weights).map(|(g, w)| g * (w / self.price)).collect()
    }

    /// Whether ℓ̂ has a corner at γ, or could have one with other coefficients.
    pub(crate) fn has_corner(&self, gamma: &[f64]) -> bool {
        self.shape.has_corner(self.tau(gamma))
    }

    pub(crate) fn may_have_corners(&self) -> bool {
        self.shape.has_corner(f64::MAX)
    }

    /// The unrounded loss at γ.
    pub(crate) fn kernel(&self, gamma: &[f64]) -> Kernel {
        Kernel::new(self.shape, self.labels, self.tau(gamma), 0.0)
    }

    /// How far an example of slope a is moved: |a| √v/2κ.
    pub(crate) fn distance(&self, gamma: &[f64], slope: f64) -> f64 {
        slope.abs() * (self.tau(gamma) / (2.0 * self.price)).sqrt()
    }

    /// Scores, losses and derivatives at γ; whether all losses with weight are finite.
    pub(crate) fn derive_all(&self, at: &Objective<'_>, gamma: &[f64], state: &mut State) -> bool {
        let height = at.design.height();
        let kernel = Kernel::new(self.shape, self.labels, self.tau(gamma), self.width);
        state.pushes.resize(at.labels.len(), Push::default());
        state
            .z
            .par_chunks_mut(height)
            .zip(state.slope.par_chunks_mut(height))
            .zip(state.curvature.par_chunks_mut(height))
            .zip(state.losses.par_chunks_mut(height))
            .zip(state.pushes.par_chunks_mut(height))
            .enumerate()
            .map_init(Vec::new, |room, (b, ((((z, slope), curvature), losses), pushes))| {
                scores_of(at.design.block(b), gamma, 1, room, z);
                let mut finite = true;
                for (r, z) in z.iter().enumerate() {
                    let i = b * height + r;
                    let Peak { value, slope: a, push, curvature: c, tilt, tension } =
                        kernel.at(*z, at.labels[i]);
                    (losses[r], slope[r], curvature[r]) = (value, a, c);
                    pushes[r] = Push { push, tilt, tension };
                    finite &= value.is_finite() || at.eta[i] == 0.0;
                }
                finite
            })
            .reduce(|| true, |a, b| a && b)
    }

    /// Adds what τ does to gradient and lower triangle of the Hessian on its own: Σ p_i push_i ∇τ and so on.
    pub(crate) fn add(&self, gamma: &[f64], state: &State, out: &mut Model) {
        let m = gamma.len();
        let t = self.gradient(gamma);
        let (push, tension) = (
            self.mean_push(&state.p, |i| state.pushes[i].push),
            self.mean_push(&state.p, |i| state.pushes[i].tension),
        );
        axpy(push, &t, &mut out.gradient);
        for j in 0..m {
            let row = &mut out.hessian[j * m..j * m + j + 1];
            row[j] += push * (self.weights[j] / self.price);
            axpy(tension * t[j], &t[..=j], row);
        }
    }

    fn mean_push(&self, p: &[f64], of: impl Fn(usize) -> f64 + Sync) -> f64 {
        pairwise(p.len(), |i| if p[i] > 0.0 { p[i] * of(i) } else { 0.0 })
    }

    /// Σ p_i push_i τ is a penalty on squares: with it as a ridge.
    pub(crate) fn carried(
        &self,
        penalty: &Penalty,
        p: &[f64],
        push: impl Fn(usize) -> f64 + Sync,
    ) -> Penalty {
        let mean = self.mean_push(p, push).max(0.0);
        let mut all = penalty.clone();
        axpy(0.5 * mean / self.price, &self.weights, &mut all.ridge);
        all
    }
}
