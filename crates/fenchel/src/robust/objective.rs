//! The objective of a linear model: value, gradient and Hessian.

use super::corner::modulus;
use super::design::{Design, scores_of};
use super::loss::{Loss, Slots};
use super::perturbation::{Push, Shift};
use super::risk::{Curvature, Risk, Worst};
use super::streamed::{Files, Page};
use crate::divergence::{Scratch, pairwise};
use crate::simd::{add_gram, axpy, dot, vectorize};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

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
    /// Empty where examples stay in their files, and their labels with them.
    pub labels: &'a [f64],
    pub eta: &'a [f64],
    pub loss: Arc<dyn Loss>,
    pub risk: Risk,
    pub penalty: Penalty,
    /// What loss, risk and penalty are rounded over; 0 where they are as they are.
    pub width: f64,
    /// Where examples may be moved; there is one score then, and they are in memory.
    pub shift: Option<Shift>,
}

/// The objective at a point, with room to work in.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    /// Scores × examples; one example after another. Where examples stay in their files these are not kept: they are found
    /// again with the examples, a block at a time.
    pub z: Vec<f64>,
    pub slope: Vec<f64>,
    pub curvature: Vec<f64>,
    pub losses: Vec<f64>,
    pub p: Vec<f64>,
    pub worst: Option<Worst>,
    /// Risk and penalty; infinite where a loss is not a finite number.
    pub value: f64,
    pub bend: Curvature,
    /// One an example where these may be moved.
    pub pushes: Vec<Push>,
    scratch: Scratch,
}

/// Gradient and Hessian; of the Hessian the lower triangle, row by row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub gradient: Vec<f64>,
    pub hessian: Vec<f64>,
    /// The terms of the gradient by their sizes: what it would be if none cancelled. Empty until [`Objective::measure`]d.
    pub size: Vec<f64>,
    /// a₀, Σ d_i (a_i − a₀) and Σ e_i (a_i − a₀), a_i the gradient of the loss of example i.
    pub origin: Vec<f64>,
    pub along: Vec<f64>,
    pub across: Vec<f64>,
}

/// The examples of a block, and their losses' derivatives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Derived<'b> {
    /// Column by column.
    pub x: &'b [f64],
    pub labels: &'b [f64],
    pub slope: &'b [f64],
    pub curvature: &'b [f64],
}

/// Room for examples that stay in their files.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub page: Page,
    z: Vec<f64>,
    slope: Vec<f64>,
    curvature: Vec<f64>,
    losses: Vec<f64>,
    pub room: Vec<f64>,
}

impl Reading {
    /// Reads a block and finds its losses at γ.
    fn derive(&mut self, objective: &Objective<'_>, b: usize, gamma: &[f64]) {
        let (n, k) = (objective.design.rows(b..b + 1).len(), objective.loss.scores());
        self.z.resize(n * k, 0.0);
        self.slope.resize(n * k, 0.0);
        self.curvature.resize(n * k * k, 0.0);
        self.losses.resize(n, 0.0);
        scores_of(objective.design.block(b, &mut self.page), gamma, k, &mut self.room, &mut self.z);
        let Reading { slope, curvature, losses, .. } = self;
        objective.loss.derive_all(&self.z, &self.page.labels, Slots { slope, curvature, losses });
    }
}

/// Sums of one task.
struct Sums {
    gradient: Vec<f64>,
    hessian: Vec<f64>,
    /// As in a [`Model`].
    along: Vec<f64>,
    across: Vec<f64>,
    size: Vec<f64>,
}

impl Objective<'_> {
    /// Value, losses, worst-case weights and derivatives of the losses at γ.
    pub(crate) fn evaluate(&self, gamma: &[f64], state: &mut State) {
        let n = self.eta.len();
        state.losses.resize(n, 0.0);
        state.p.resize(n, 0.0);
        let finite = match (self.design.files(), &self.shift) {
            (Some(files), _) => self.read_losses(files, gamma, &mut state.losses),
            (None, Some(shift)) => shift.derive_all(self, gamma, state),
            (None, None) => self.derive_all(gamma, state),
        };
        if !finite {
            (state.value, state.worst) = (f64::INFINITY, None);
            return;
        }
        let near = state.worst.take();
        let worst = self.risk.worst(&state.losses, self.eta, near.as_ref(), &mut state.p, &mut state.scratch);
        if self.design.files().is_some() {
            state.scratch = Scratch::default();
        }
        state.value = worst.value + self.penalty.value(gamma);
        state.worst = Some(worst);
    }

    /// Losses of all examples with their derivatives; whether those that count are finite.
    fn derive_all(&self, gamma: &[f64], state: &mut State) -> bool {
        let (n, k, height) = (self.eta.len(), self.loss.scores(), self.design.height());
        state.z.resize(n * k, 0.0);
        state.slope.resize(n * k, 0.0);
        state.curvature.resize(n * k * k, 0.0);
        state
            .z
            .par_chunks_mut(height * k)
            .zip(state.slope.par_chunks_mut(height * k))
            .zip(state.curvature.par_chunks_mut(height * k * k))
            .zip(state.losses.par_chunks_mut(height))
            .enumerate()
            .map_init(Reading::default, |reading, (b, (((z, slope), curvature), losses))| {
                scores_of(self.design.block(b, &mut reading.page), gamma, k, &mut reading.room, z);
                let here = b * height..b * height + losses.len();
                self.loss.derive_all(z, &self.labels[here.clone()], Slots { slope, curvature, losses });
                self.count_finite(losses, here)
            })
            .reduce(|| true, |a, b| a && b)
    }

    /// Losses of all examples in files; whether those that count are finite.
    fn read_losses(&self, files: &Files, gamma: &[f64], losses: &mut [f64]) -> bool {
        let height = self.design.height();
        let blocks = (files.stride() / height).max(1);
        losses
            .par_chunks_mut(blocks * height)
            .enumerate()
            .map_init(Reading::default, |reading, (t, losses)| {
                let first = t * blocks;
                reading.page.reach(first * height + losses.len());
                losses.chunks_mut(height).enumerate().all(|(b, losses)| {
                    reading.derive(self, first + b, gamma);
                    losses.copy_from_slice(&reading.losses);
                    self.count_finite(losses, self.design.rows(first + b..first + b + 1))
                })
            })
            .reduce(|| true, |a, b| a && b)
    }

    /// Whether losses of these examples are finite, where they count.
    fn count_finite(&self, losses: &[f64], rows: Range<usize>) -> bool {
        losses.iter().zip(&self.eta[rows]).all(|(loss, eta)| loss.is_finite() || *eta == 0.0)
    }

    /// Room for a task over these blocks.
    pub(crate) fn reading(&self, blocks: &Range<usize>) -> Reading {
        Reading { page: self.design.page(blocks), ..Reading::default() }
    }

    /// A block, and what is known of it at γ, where `state` is.
    pub(crate) fn at<'b>(
        &'b self,
        b: usize,
        gamma: &[f64],
        state: &'b State,
        reading: &'b mut Reading,
    ) -> Derived<'b> {
        if self.design.files().is_some() {
            reading.derive(self, b, gamma);
            let Reading { page, slope, curvature, .. } = reading;
            return Derived { x: &page.x, labels: &page.labels, slope, curvature };
        }
        let (rows, k) = (self.design.rows(b..b + 1), self.loss.scores());
        Derived {
            x: self.design.block(b, &mut reading.page),
            labels: &self.labels[rows.clone()],
            slope: &state.slope[rows.start * k..rows.end * k],
            curvature: &state.curvature[rows.start * k * k..rows.end * k * k],
        }
    }

    /// Σ p̂_i (the least that loss i can be).
    pub(crate) fn least(&self, loss: &dyn Loss) -> f64 {
        let zero = vec![0.0; loss.scores()];
        let least =
            |i: usize, y: f64| if self.eta[i] > 0.0 { -self.eta[i] * loss.conjugate(&zero, y) } else { 0.0 };
        if self.design.files().is_none() {
            return pairwise(self.eta.len(), |i| least(i, self.labels[i]));
        }
        let parts = self.design.tasks(1, |blocks| {
            let mut page = self.design.page(&blocks);
            let each = blocks.map(|b| {
                self.design.block(b, &mut page);
                let first = self.design.rows(b..b + 1).start;
                pairwise(page.labels.len(), |r| least(first + r, page.labels[r]))
            });
            each.sum::<f64>()
        });
        parts.iter().sum()
    }

    /// Gradient and Hessian at the point evaluated last, which must have a finite value.
    pub(crate) fn differentiate(&self, gamma: &[f64], state: &mut State, out: &mut Model) {
        let (m, k) = (self.design.columns, self.loss.scores());
        let parameters = m * k;
        if let Some(worst) = &state.worst {
            self.risk.curvature(&state.losses, self.eta, &state.p, worst, &mut state.bend);
        }
        let bend = &state.bend;
        // From the example whose weight bends most: should it outweigh all others, differences from the mean would cancel.
        let largest = (0..bend.d.len()).fold(0, |at, i| if bend.d[i] > bend.d[at] { i } else { at });
        let t = self.shift.as_ref().map_or_else(Vec::new, |shift| shift.gradient(gamma));
        out.origin = self.gradient_of(largest, gamma, state, &t);
        let origin = &out.origin;
        let sums = self.design.tasks(2 * parameters * parameters, |blocks| {
            let mut room = Room::new(parameters, k, self.design.height());
            let mut reading = self.reading(&blocks);
            for b in blocks {
                let block = self.at(b, gamma, state, &mut reading);
                self.add_block(b, block, state, (origin, &t), &mut room);
                // Examples in files are not read twice.
                if self.design.files().is_some() {
                    self.add_sizes(b, block, state, &mut room.sums.size);
                }
            }
            room.sums
        });
        out.size.clear();
        for (vector, length) in [
            (&mut out.gradient, parameters),
            (&mut out.along, parameters),
            (&mut out.across, parameters),
            (&mut out.hessian, parameters * parameters),
        ] {
            vector.clear();
            vector.resize(length, 0.0);
        }
        for sum in &sums {
            axpy(1.0, &sum.gradient, &mut out.gradient);
            axpy(1.0, &sum.hessian, &mut out.hessian);
            axpy(1.0, &sum.along, &mut out.along);
            axpy(1.0, &sum.across, &mut out.across);
        }
        if self.design.files().is_some() {
            self.sum_sizes(gamma, sums.iter().map(|sum| &sum.size[..]), &mut out.size);
        }
        let spread = if bend.e.is_empty() { 0.0 } else { bend.spread };
        for (vector, total) in [(&out.along, bend.total), (&out.across, spread)] {
            if total > 0.0 {
                for r in 0..parameters {
                    let row = &mut out.hessian[r * parameters..r * parameters + r + 1];
                    axpy(-vector[r] / total, &vector[..=r], row);
                }
            }
        }
        for (j, gamma) in gamma.iter().enumerate() {
            let (slope, curvature) = self.penalty.derivatives(j, *gamma);
            out.gradient[j] += slope;
            out.hessian[j * parameters + j] += curvature;
        }
        if let Some(shift) = &self.shift {
            shift.add(gamma, state, out);
        }
    }

    /// Sizes of the terms of a gradient, for the point it was made at.
    pub(crate) fn measure(&self, gamma: &[f64], state: &State, out: &mut Model) {
        if !out.size.is_empty() {
            return;
        }
        let parts = self.design.tasks(gamma.len(), |blocks| {
            let mut size = vec![0.0; gamma.len()];
            let mut reading = self.reading(&blocks);
            for b in blocks {
                self.add_sizes(b, self.at(b, gamma, state, &mut reading), state, &mut size);
            }
            size
        });
        self.sum_sizes(gamma, parts.iter().map(|part| &part[..]), &mut out.size);
    }

    fn sum_sizes<'p>(&self, gamma: &[f64], parts: impl Iterator<Item = &'p [f64]>, out: &mut Vec<f64>) {
        *out = gamma.iter().enumerate().map(|(j, g)| self.penalty.derivatives(j, *g).0.abs()).collect();
        parts.for_each(|part| axpy(1.0, part, out));
    }

    /// What the examples of a block add to the sizes of the terms of a gradient.
    fn add_sizes(&self, b: usize, block: Derived<'_>, state: &State, size: &mut [f64]) {
        let (m, k, first) = (self.design.columns, self.loss.scores(), b * self.design.height());
        let rows = block.labels.len();
        let mut w = vec![0.0; rows];
        for (c, size) in size.chunks_exact_mut(m).enumerate() {
            for (r, (w, p)) in w.iter_mut().zip(&state.p[first..]).enumerate() {
                // What has no weight may have a slope that is infinite.
                *w = if *p > 0.0 { p * block.slope[r * k + c] } else { 0.0 };
            }
            for (size, x) in size.iter_mut().zip(block.x.chunks_exact(rows)) {
                *size += pairwise(rows, |r| (w[r] * x[r]).abs());
            }
        }
    }

    /// The gradient of one loss; t is that of τ, where examples may be moved.
    fn gradient_of(&self, i: usize, gamma: &[f64], state: &State, t: &[f64]) -> Vec<f64> {
        let (k, height) = (self.loss.scores(), self.design.height());
        let mut reading = Reading::default();
        let block = self.at(i / height, gamma, state, &mut reading);
        let r = i % height;
        let row = || block.x.iter().skip(r).step_by(block.labels.len());
        let mut gradient: Vec<f64> =
            (0..k).flat_map(|c| row().map(move |x| block.slope[r * k + c] * x)).collect();
        if !t.is_empty() {
            axpy(state.pushes[i].push, t, &mut gradient);
        }
        gradient
    }

    /// What the examples of a block add to the sums.
    fn add_block(
        &self,
        b: usize,
        block: Derived<'_>,
        state: &State,
        (origin, t): (&[f64], &[f64]),
        room: &mut Room,
    ) {
        let (m, k, first) = (self.design.columns, self.loss.scores(), b * self.design.height());
        let State { p, bend, pushes, .. } = state;
        let Derived { x: all, slope, curvature, .. } = block;
        let rows = block.labels.len();
        let Room { counting, x: kept, w, room, a, gram, tilted, sums } = room;
        counting.clear();
        counting.extend((first..first + rows).filter(|i| p[*i] > 0.0 || bend.d[*i] > 0.0));
        let n = counting.len();
        // Where few count, they are gathered.
        let x = if n == rows {
            all
        } else {
            kept.clear();
            for column in all.chunks_exact(rows) {
                kept.extend(counting.iter().map(|i| column[i - first]));
            }
            &kept[..]
        };
        if n == 0 {
            return;
        }
        let (w, room) = (&mut w[..n], &mut room[..n]);
        let parameters = m * k;
        // Scores bend together with τ.
        let bent = if t.is_empty() {
            x
        } else {
            tilted.clear();
            for (x, t) in x.chunks_exact(n).zip(t) {
                tilted.extend(x.iter().zip(&*counting).map(|(x, i)| x + pushes[*i].tilt * t));
            }
            &tilted[..]
        };
        for c in 0..k {
            fill(w, counting, |i| p[i] * slope[(i - first) * k + c]);
            let gradient = &mut sums.gradient[c * m..(c + 1) * m];
            gradient.iter_mut().zip(x.chunks_exact(n)).for_each(|(sum, x)| *sum += dot(w, x));
            for other in 0..=c {
                fill(w, counting, |i| p[i] * curvature[((i - first) * k + c) * k + other]);
                if w.iter().all(|w| *w == 0.0) {
                    continue;
                }
                let gram = &mut gram[..m * m];
                gram.fill(0.0);
                add_gram(bent, w, gram);
                for r in 0..m {
                    for j in 0..if c == other { r + 1 } else { m } {
                        sums.hessian[(c * m + r) * parameters + other * m + j] +=
                            gram[r.max(j) * m + r.min(j)];
                    }
                }
            }
        }
        fill(w, counting, |i| bend.d[i]);
        if w.iter().all(|w| *w == 0.0) {
            return;
        }
        a.resize(parameters * n, 0.0);
        for (c, a) in a.chunks_exact_mut(m * n).enumerate() {
            fill(room, counting, |i| slope[(i - first) * k + c]);
            vectorize(|| {
                for ((a, x), origin) in a.chunks_exact_mut(n).zip(x.chunks_exact(n)).zip(&origin[c * m..]) {
                    a.iter_mut().zip(x).zip(&*room).for_each(|((a, x), slope)| *a = slope * x - origin);
                }
            });
        }
        for (a, t) in a.chunks_exact_mut(n).zip(t) {
            a.iter_mut().zip(&*counting).for_each(|(a, i)| *a += pushes[*i].push * t);
        }
        sums.along.iter_mut().zip(a.chunks_exact(n)).for_each(|(sum, a)| *sum += dot(w, a));
        add_gram(a, w, &mut sums.hessian);
        if !bend.e.is_empty() {
            fill(w, counting, |i| bend.e[i]);
            sums.across.iter_mut().zip(a.chunks_exact(n)).for_each(|(sum, a)| *sum += dot(w, a));
        }
    }
}

/// A number of each example that counts.
#[inline]
fn fill(out: &mut [f64], counting: &[usize], of: impl Fn(usize) -> f64) {
    out.iter_mut().zip(counting).for_each(|(out, i)| *out = of(*i));
}

/// Sums of a task, and its room to work in.
struct Room {
    /// The examples of a block that have any weight, and their columns.
    counting: Vec<usize>,
    x: Vec<f64>,
    /// Weights, and those times a column.
    w: Vec<f64>,
    room: Vec<f64>,
    /// Gradients of losses less the origin, column by column.
    a: Vec<f64>,
    gram: Vec<f64>,
    /// Columns with what τ adds to them.
    tilted: Vec<f64>,
    sums: Sums,
}

impl Room {
    fn new(parameters: usize, k: usize, height: usize) -> Self {
        let m = parameters / k;
        Room {
            counting: Vec::with_capacity(height),
            x: Vec::with_capacity(m * height),
            w: vec![0.0; height],
            room: vec![0.0; height],
            a: Vec::with_capacity(parameters * height),
            gram: vec![0.0; m * m],
            tilted: Vec::new(),
            sums: Sums {
                gradient: vec![0.0; parameters],
                hessian: vec![0.0; parameters * parameters],
                along: vec![0.0; parameters],
                across: vec![0.0; parameters],
                size: vec![0.0; parameters],
            },
        }
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
                        width,
                        shift: None,
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
