//! Moved examples in the objective of a linear model.

use super::Perturbation;
use crate::divergence::pairwise;
use crate::robust::design::{Design, scores_of};
use crate::robust::loss::{Kernel, Labels, Loss, Peak, Shape};
use crate::robust::objective::{Model, Objective, Penalty, Reading, State};
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
        let n = at.labels.len();
        state.z.resize(n, 0.0);
        state.slope.resize(n, 0.0);
        state.curvature.resize(n, 0.0);
        state.pushes.resize(n, Push::default());
        state
            .z
            .par_chunks_mut(height)
            .zip(state.slope.par_chunks_mut(height))
            .zip(state.curvature.par_chunks_mut(height))
            .zip(state.losses.par_chunks_mut(height))
            .zip(state.pushes.par_chunks_mut(height))
            .enumerate()
            .map_init(Reading::default, |reading, (b, ((((z, slope), curvature), losses), pushes))| {
                scores_of(at.design.block(b, &mut reading.page), gamma, 1, &mut reading.room, z);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::divergence;
    use crate::measure::Rng;
    use crate::robust::certificate::lower_bound;
    use crate::robust::loss::{parse, registry};
    use crate::robust::{Examples, Risk, Strength};

    /// Gradients are differences of values, Hessians of gradients, on both sides of where corners begin; and whatever the
    /// point, a bound is below the value everywhere else.
    #[test]
    fn derivatives_and_bounds() {
        let mut rng = Rng::new(5);
        let (n, m) = (30, 4);
        let mut bounds = 0;
        for entry in registry() {
            let loss = parse(entry.name).unwrap();
            if loss.shape().is_none() {
                continue;
            }
            let x: Vec<f64> = (0..3 * n).map(|_| rng.normal()).collect();
            let y = (0..n)
                .map(|_| if loss.labels() == Labels::Sign { rng.normal().signum() } else { rng.normal() });
            let examples = Examples::new(3, x, y.collect()).unwrap();
            let design = Design::new(&examples, true);
            for (price, width) in [(0.02_f64, 0.3_f64), (0.2, 0.05), (3.0, 0.1), (3.0, 0.0), (0.05, 0.0)] {
                for (name, strength) in [
                    ("kl", Strength::Penalty(0.7)),
                    ("chi2", Strength::Radius(0.2)),
                    ("cvar:0.3", Strength::Penalty(1.0)),
                ] {
                    let perturbation =
                        Perturbation::new(price).unwrap().in_units(vec![1.0, 0.5, 0.0]).unwrap();
                    let risk = Risk::new(divergence::parse(name).unwrap(), strength).unwrap();
                    let objective = Objective {
                        design: &design,
                        labels: examples.labels(),
                        eta: examples.weights(),
                        loss: loss.clone(),
                        risk: risk.smoothed(width.max(0.01)),
                        penalty: Penalty {
                            ridge: vec![0.1; m],
                            lasso: vec![0.2, 0.0, 0.0, 0.0],
                            corner: 0.1,
                        },
                        width,
                        shift: Some(Shift::new(&perturbation, &*loss, &design).unwrap().rounded(width)),
                    };
                    let exact = Objective {
                        risk: risk.clone(),
                        penalty: Penalty { corner: 0.0, ..objective.penalty.clone() },
                        shift: objective.shift.as_ref().map(|shift| shift.rounded(0.0)),
                        ..objective.clone()
                    };
                    let at = |gamma: &[f64]| {
                        let (mut state, mut model) = (State::default(), Model::default());
                        objective.evaluate(gamma, &mut state);
                        objective.differentiate(gamma, &mut state, &mut model);
                        (state.value, model, state)
                    };
                    for size in [0.05, 0.3] {
                        let gamma: Vec<f64> =
                            (0..m).map(|_| size * price.sqrt().max(0.3) * rng.normal()).collect();
                        let mut state = State::default();
                        objective.evaluate(&gamma, &mut state);
                        if !state.value.is_finite() {
                            continue;
                        }
                        let (_, model, mut state) = at(&gamma);
                        let case = format!("{loss:?} {name} {price} {width} {gamma:?}");
                        let bound = lower_bound(&objective, (&*loss, &risk), &gamma, &mut state);
                        bounds += u32::from(bound.is_finite());
                        for _ in 0..40 {
                            let mut other = State::default();
                            let far = 10f64.powf(2.0 * rng.uniform() - 2.0);
                            let there: Vec<f64> = gamma.iter().map(|g| g + far * rng.normal()).collect();
                            exact.evaluate(&there, &mut other);
                            assert!(
                                bound <= other.value + 1e-12 * other.value.abs(),
                                "{case}: {bound} {}",
                                other.value
                            );
                        }
                        if width == 0.0 && entry.name != "squared" && entry.name != "logistic" {
                            continue;
                        }
                        let h = 1e-5;
                        for j in 0..m {
                            let (mut up, mut down) = (gamma.clone(), gamma.clone());
                            up[j] += h;
                            down[j] -= h;
                            let ((above, over, _), (below, under, _)) = (at(&up), at(&down));
                            let slope = (above - below) / (2.0 * h);
                            let exact = model.gradient[j];
                            assert!(
                                (slope - exact).abs() < 1e-6 * (1.0 + slope.abs()),
                                "{case} {j}: {slope} {exact}"
                            );
                            for i in 0..m {
                                let bend = (over.gradient[i] - under.gradient[i]) / (2.0 * h);
                                let exact = model.hessian[i.max(j) * m + i.min(j)];
                                let size = 1.0 + model.hessian[j * m + j] + model.hessian[i * m + i];
                                assert!((bend - exact).abs() < 1e-4 * size, "{case} {i} {j}: {bend} {exact}");
                            }
                        }
                    }
                }
            }
        }
        assert!(bounds > 100, "{bounds}");
    }
}
