//! The objective of a linear model: value, gradient and Hessian.

use super::corner::modulus;
use super::design::Design;
use super::loss::{Derivatives, Loss};
use super::risk::{Curvature, Risk, Worst};
use crate::divergence::Scratch;
use crate::simd::{axpy, dot};
use rayon::prelude::*;
use std::sync::Arc;

/// Examples a task looks at, and at most so many tasks, each with a Hessian of its own.
const CHUNK: usize = 512;
const TASKS: usize = 64;

/// Σ_j ridge_j γ_j² + lasso_j |γ_j|, its corners rounded over `corner`.
#[derive(Debug, Clone)]
pub(crate) struct Penalty {
    pub ridge: Vec<f64>,
    pub lasso: Vec<f64>,
    pub corner: f64,
}

impl Penalty {
    pub(crate) fn value(&self, gamma: &[f64]) -> f64 {
        let of =
            |j: usize| self.ridge[j] * gamma[j] * gamma[j] + self.lasso[j] * modulus(gamma[j], self.corner).0;
        (0..gamma.len()).map(of).sum()
    }

    /// Slope and curvature at coordinate `j`.
    pub(crate) fn derivatives(&self, j: usize, gamma: f64) -> (f64, f64) {
        let (_, slope, curvature) = modulus(gamma, self.corner);
        (2.0 * self.ridge[j] * gamma + self.lasso[j] * slope, 2.0 * self.ridge[j] + self.lasso[j] * curvature)
    }

    /// The conjugate of ridge γ² + lasso |γ|, without rounded corners.
    pub(crate) fn conjugate(&self, j: usize, v: f64) -> f64 {
        let beyond = (v.abs() - self.lasso[j]).max(0.0);
        if beyond == 0.0 {
            0.0
        } else if self.ridge[j] > 0.0 {
            0.25 * beyond * beyond / self.ridge[j]
        } else {
            f64::INFINITY
        }
    }
}

/// What is minimised: the risk of the losses of a linear model, and a penalty. Parameters are those of one score after
/// another, each as many as the design has columns.
#[derive(Debug, Clone)]
pub(crate) struct Objective<'a> {
    pub design: &'a Design,
    pub labels: &'a [f64],
    pub eta: &'a [f64],
    pub loss: Arc<dyn Loss>,
    pub risk: Risk,
    pub penalty: Penalty,
}

/// The objective at a point, with room to work in.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    /// Scores × examples; one example after another.
    pub z: Vec<f64>,
    pub slope: Vec<f64>,
    pub curvature: Vec<f64>,
    pub losses: Vec<f64>,
    pub p: Vec<f64>,
    pub worst: Option<Worst>,
    /// Risk and penalty; infinite where a loss is not a finite number.
    pub value: f64,
    pub bend: Curvature,
    scratch: Scratch,
}

/// Gradient and Hessian; of the Hessian the lower triangle, row by row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub gradient: Vec<f64>,
    pub hessian: Vec<f64>,
    /// The terms of the gradient by their sizes: what it would be if none cancelled.
    pub size: Vec<f64>,
}

/// Sums of one task.
struct Sums {
    gradient: Vec<f64>,
    size: Vec<f64>,
    hessian: Vec<f64>,
    /// Σ d_i (a_i − a₀) and Σ e_i (a_i − a₀), a_i the gradient of the loss of example i.
    along: Vec<f64>,
    across: Vec<f64>,
}

impl Objective<'_> {
    /// Value, losses, worst-case weights and derivatives of the losses at γ.
    pub(crate) fn evaluate(&self, gamma: &[f64], state: &mut State) {
        let (n, m, k) = (self.labels.len(), self.design.columns, self.loss.scores());
        state.z.resize(n * k, 0.0);
        state.slope.resize(n * k, 0.0);
        state.curvature.resize(n * k * k, 0.0);
        state.losses.resize(n, 0.0);
        state.p.resize(n, 0.0);
        let finite = state
            .z
            .par_chunks_mut(CHUNK * k)
            .zip(state.slope.par_chunks_mut(CHUNK * k))
            .zip(state.curvature.par_chunks_mut(CHUNK * k * k))
            .zip(state.losses.par_chunks_mut(CHUNK))
            .enumerate()
            .map(|(c, (((z, slope), curvature), losses))| {
                let mut finite = true;
                for (r, loss) in losses.iter_mut().enumerate() {
                    let i = c * CHUNK + r;
                    let x = &self.design.x[i * m..(i + 1) * m];
                    let z = &mut z[r * k..(r + 1) * k];
                    for (k, z) in z.iter_mut().enumerate() {
                        *z = dot(x, &gamma[k * m..(k + 1) * m]);
                    }
                    let at = Derivatives {
                        slope: &mut slope[r * k..(r + 1) * k],
                        curvature: &mut curvature[r * k * k..(r + 1) * k * k],
                    };
                    *loss = self.loss.derive(z, self.labels[i], at);
                    finite &= loss.is_finite() || self.eta[i] == 0.0;
                }
                finite
            })
            .reduce(|| true, |a, b| a && b);
        if !finite {
            (state.value, state.worst) = (f64::INFINITY, None);
            return;
        }
        let near = state.worst.take();
        let worst = self.risk.worst(&state.losses, self.eta, near.as_ref(), &mut state.p, &mut state.scratch);
        state.value = worst.value + self.penalty.value(gamma);
        state.worst = Some(worst);
    }

    /// Gradient and Hessian at the point evaluated last, which must have a finite value.
    pub(crate) fn differentiate(&self, gamma: &[f64], state: &mut State, out: &mut Model) {
        let (n, m, k) = (self.labels.len(), self.design.columns, self.loss.scores());
        let parameters = m * k;
        let State { slope, curvature, losses, p, worst, bend, .. } = state;
        if let Some(worst) = worst {
            self.risk.curvature(losses, self.eta, p, worst, bend);
        }
        let of = |i: usize, a: &mut [f64]| {
            let x = &self.design.x[i * m..(i + 1) * m];
            for (k, a) in a.chunks_exact_mut(m).enumerate() {
                for (a, x) in a.iter_mut().zip(x) {
                    *a = slope[i * slope.len() / n + k] * x;
                }
            }
        };
        // From the example whose weight bends most: should it outweigh all others, differences from the mean would cancel.
        let largest = (0..n).fold(0, |at, i| if bend.d[i] > bend.d[at] { i } else { at });
        let mut origin = vec![0.0; parameters];
        of(largest, &mut origin);
        let each = n.div_ceil(TASKS).max(CHUNK);
        let sums: Vec<Sums> = (0..n.div_ceil(each))
            .into_par_iter()
            .map(|task| {
                let mut sums = Sums {
                    gradient: vec![0.0; parameters],
                    size: vec![0.0; parameters],
                    hessian: vec![0.0; parameters * parameters],
                    along: vec![0.0; parameters],
                    across: vec![0.0; parameters],
                };
                let mut a = vec![0.0; parameters];
                for i in task * each..((task + 1) * each).min(n) {
                    if p[i] == 0.0 && bend.d[i] == 0.0 {
                        continue;
                    }
                    let x = &self.design.x[i * m..(i + 1) * m];
                    of(i, &mut a);
                    axpy(p[i], &a, &mut sums.gradient);
                    for (size, a) in sums.size.iter_mut().zip(&a) {
                        *size += p[i] * a.abs();
                    }
                    for row in 0..k {
                        for column in 0..=row {
                            let c = p[i] * curvature[i * k * k + row * k + column];
                            if c != 0.0 {
                                add_block(&mut sums.hessian, x, c, (row, column), parameters);
                            }
                        }
                    }
                    let d = bend.d[i];
                    if d > 0.0 {
                        axpy(-1.0, &origin, &mut a);
                        axpy(d, &a, &mut sums.along);
                        if let Some(e) = bend.e.get(i) {
                            axpy(*e, &a, &mut sums.across);
                        }
                        for r in 0..parameters {
                            let row = &mut sums.hessian[r * parameters..r * parameters + r + 1];
                            axpy(d * a[r], &a[..=r], row);
                        }
                    }
                }
                sums
            })
            .collect();
        let mut along = vec![0.0; parameters];
        let mut across = vec![0.0; parameters];
        out.gradient.clear();
        out.gradient.resize(parameters, 0.0);
        out.size.clear();
        out.size.resize(parameters, 0.0);
        out.hessian.clear();
        out.hessian.resize(parameters * parameters, 0.0);
        for sum in &sums {
            axpy(1.0, &sum.gradient, &mut out.gradient);
            axpy(1.0, &sum.size, &mut out.size);
            axpy(1.0, &sum.hessian, &mut out.hessian);
            axpy(1.0, &sum.along, &mut along);
            axpy(1.0, &sum.across, &mut across);
        }
        for (vector, total) in [(&along, bend.total), (&across, bend.spread)] {
            if total > 0.0 && (!std::ptr::eq(vector, &across) || !bend.e.is_empty()) {
                for r in 0..parameters {
                    let row = &mut out.hessian[r * parameters..r * parameters + r + 1];
                    axpy(-vector[r] / total, &vector[..=r], row);
                }
            }
        }
        for (j, gamma) in gamma.iter().enumerate() {
            let (slope, curvature) = self.penalty.derivatives(j, *gamma);
            out.gradient[j] += slope;
            out.size[j] += slope.abs();
            out.hessian[j * parameters + j] += curvature;
        }
    }
}

/// Adds c x xᵀ to the block of two scores, of which only the part on or below the diagonal is kept.
fn add_block(hessian: &mut [f64], x: &[f64], c: f64, (row, column): (usize, usize), parameters: usize) {
    let m = x.len();
    for (r, value) in x.iter().enumerate() {
        let until = if row == column { r + 1 } else { m };
        let at = (row * m + r) * parameters + column * m;
        axpy(c * value, &x[..until], &mut hessian[at..at + until]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::divergence;
    use crate::measure::Rng;
    use crate::robust::loss::{Labels, registry};
    use crate::robust::{Examples, Strength};

    /// Gradients are differences of values, Hessians differences of gradients: every loss, risks penalised, within a radius
    /// and rounded, with a penalty.
    #[test]
    fn derivatives_are_finite_differences() {
        let mut rng = Rng::new(1);
        let n = 40;
        for entry in registry() {
            let loss = crate::robust::loss::parse(entry.name).unwrap();
            let loss = loss.for_classes(3).unwrap_or(loss);
            for width in [0.3, 0.03] {
                let loss = loss.smoothed(width).unwrap_or_else(|| loss.clone());
                let x: Vec<f64> = (0..3 * n).map(|_| rng.normal()).collect();
                let y = (0..n).map(|i| match loss.labels() {
                    Labels::Sign => {
                        if rng.uniform() < 0.5 {
                            1.0
                        } else {
                            -1.0
                        }
                    }
                    Labels::Class | Labels::Count => (i % 3) as f64,
                    Labels::Real => rng.normal(),
                });
                let examples = Examples::new(3, x, y.collect()).unwrap();
                let design = Design::new(&examples, true);
                let parameters = 4 * loss.scores();
                for (name, strength) in [
                    ("kl", Strength::Penalty(0.7)),
                    ("kl", Strength::Radius(0.2)),
                    ("hyperbolic", Strength::Radius(0.5)),
                    ("tsallis:1.5", Strength::Penalty(0.4)),
                    ("cvar:0.1", Strength::Penalty(1.0)),
                    ("none", Strength::Penalty(1.0)),
                ] {
                    let objective = Objective {
                        design: &design,
                        labels: examples.labels(),
                        eta: examples.weights(),
                        loss: loss.clone(),
                        risk: Risk::new(divergence::parse(name).unwrap(), strength).unwrap().smoothed(width),
                        penalty: Penalty {
                            ridge: vec![0.3; parameters],
                            lasso: vec![0.2; parameters],
                            corner: width,
                        },
                    };
                    let gamma: Vec<f64> = (0..parameters).map(|_| 0.3 * rng.normal()).collect();
                    let at = |gamma: &[f64]| {
                        let (mut state, mut model) = (State::default(), Model::default());
                        objective.evaluate(gamma, &mut state);
                        objective.differentiate(gamma, &mut state, &mut model);
                        (state.value, model)
                    };
                    let (_, model) = at(&gamma);
                    let case = format!("{loss:?} {name} {strength:?} {width}");
                    for j in 0..parameters {
                        let h = 1e-5 * width;
                        let (mut up, mut down) = (gamma.clone(), gamma.clone());
                        up[j] += h;
                        down[j] -= h;
                        let ((above, slope_above), (below, slope_below)) = (at(&up), at(&down));
                        let slope = (above - below) / (2.0 * h);
                        assert!(
                            (slope - model.gradient[j]).abs() < 1e-6 * (1.0 + slope.abs()),
                            "{case}: {slope} {}",
                            model.gradient[j]
                        );
                        // Losses whose slope has a kink are left to the convergence of fits.
                        if entry.name == "huber" || entry.name == "smoothed-hinge" {
                            continue;
                        }
                        for i in 0..parameters {
                            let bend = (slope_above.gradient[i] - slope_below.gradient[i]) / (2.0 * h);
                            let exact = model.hessian[i.max(j) * parameters + i.min(j)];
                            let size = model.hessian[j * parameters + j] + model.hessian[i * parameters + i];
                            assert!(
                                (bend - exact).abs() < 1e-4 * (1.0 + size),
                                "{case}: {i} {j} {bend} {exact}"
                            );
                        }
                    }
                }
            }
        }
    }
}
