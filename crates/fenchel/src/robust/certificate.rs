//! How far the objective can be from its minimum, at most.

use super::design::scores_of;
use super::loss::{Kernel, Loss};
use super::newton::solve;
use super::objective::{Model, Objective, Penalty, State};
use super::perturbation::Push;
use super::risk::{Risk, Strength};
use crate::divergence::pairwise;
use crate::simd::{axpy, dot};
use rayon::prelude::*;

/// A lower bound of the objective with loss and risk as in `exact`, from a state of `objective`, which is the same or a smooth
/// one near it, at γ.
///
/// For any worst-case weights p and any slopes a of the losses
///
/// ```text
/// min over γ of Σ p_i ℓ_i(⟨γ, x_i⟩) + pen(γ) ≥ −Σ p_i ℓ_i*(a_i) − pen*(−Σ p_i a_i x_i),
/// ```
///
/// and less the price of p that is below the objective. Where a coefficient is not penalised Σ p_i a_i x_i has to be 0. At
/// the minimum p and a are the weights and slopes there; near it Newton's step δ predicts them: with w_i = a_i⟨δ, x_i⟩ and the
/// Hessian R of the risk, p' = p − Rw and p'a' = p'a − pℓ''⟨δ, x⟩. For these the sum is 0 but for rounding, which is counted
/// as if coefficients ten times as large were to be feared.
///
/// Where examples may be moved, ℓ̂_i ≥ a_i⟨γ, x_i⟩ − E[ℓ_i*(a)] + τ E[a²]/2 for any distribution of slopes of mean a_i, and
/// τ is a square of γ: the bound is that of a ridge of Σ p_i E[a²]/4κ besides the penalty.
pub(crate) fn lower_bound(
    objective: &Objective<'_>,
    exact: (&dyn Loss, &Risk),
    gamma: &[f64],
    state: &mut State,
) -> f64 {
    let parameters = gamma.len();
    let reach = state.value.abs().max(f64::MIN_POSITIVE);
    let mut model = Model::default();
    objective.differentiate(gamma, state, &mut model);
    objective.measure(gamma, state, &mut model);
    let mut residual = model.gradient.clone();
    let mut step = vec![0.0; parameters];
    let mut moved = Moved::new(objective, exact.0, gamma, state);
    // Again for what rounding, and damping where the Hessian is all but singular, have left.
    for _ in 0..3 {
        let Some(more) = [0.0, 1e-14, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4]
            .iter()
            .find_map(|damping| solve(&model, &residual, *damping, reach))
        else {
            moved.finish(state);
            return f64::NEG_INFINITY;
        };
        axpy(1.0, &more, &mut step);
        moved.predict(&model, &step, state);
        for j in 0..parameters {
            let (slope, curvature) = moved.penalty.derivatives(j, gamma[j]);
            residual[j] = moved.sums[j] + slope - curvature * step[j];
        }
        // Examples in files are not read again for nothing.
        let left = residual.iter().map(|r| r.abs()).sum::<f64>();
        if moved.is_streamed() && feared(gamma) * left <= 1e-11 * reach {
            break;
        }
    }
    let bound = moved.bound(exact, &model, &step, state);
    moved.finish(state);
    bound
}

/// Worst-case weights p and slopes a of the losses, moved by a step.
struct Moved<'a> {
    objective: &'a Objective<'a>,
    loss: &'a dyn Loss,
    gamma: &'a [f64],
    p: Vec<f64>,
    /// Not kept of examples in files.
    a: Vec<f64>,
    /// Of examples that are moved: slopes in τ, the losses after the step, and the penalty with what τ adds to it.
    pushes: Vec<f64>,
    kernel: Option<Kernel>,
    penalty: Penalty,
    /// Σ p_i a_i ⊗ x_i.
    sums: Vec<f64>,
    /// Σ p_i ℓ_i*(a_i), for examples in files.
    conjugates: f64,
}

impl<'a> Moved<'a> {
    fn new(objective: &'a Objective<'a>, loss: &'a dyn Loss, gamma: &'a [f64], state: &mut State) -> Self {
        let streamed = objective.design.files().is_some();
        // Losses are not needed any more: their place is.
        let p = if streamed { std::mem::take(&mut state.losses) } else { state.p.clone() };
        let a = if streamed { Vec::new() } else { state.slope.clone() };
        Moved {
            objective,
            loss,
            gamma,
            p,
            a,
            pushes: state.pushes.iter().map(|push| push.push).collect(),
            kernel: None,
            penalty: objective.penalty.clone(),
            sums: Vec::new(),
            conjugates: f64::NAN,
        }
    }

    fn is_streamed(&self) -> bool {
        self.objective.design.files().is_some()
    }

    /// Gives room back.
    fn finish(self, state: &mut State) {
        if self.is_streamed() {
            state.losses = self.p;
        }
    }

    /// Weights and slopes after a step.
    fn predict(&mut self, model: &Model, step: &[f64], state: &State) {
        if self.is_streamed() {
            self.read(model, step, state, 1.0);
        } else {
            predict(self.objective, state, (self.gamma, step), (&mut self.p, &mut self.a, &mut self.pushes));
            if let Some(shift) = &self.objective.shift {
                let there: Vec<f64> = self.gamma.iter().zip(step).map(|(g, s)| g - s).collect();
                let there = shift.kernel(&there);
                let labels = self.objective.labels;
                self.a.iter_mut().zip(labels).for_each(|(a, y)| *a = there.nearest(*a, *y));
                self.kernel = Some(there);
                self.carry();
            }
            self.sums = weighted(self.objective, &self.p, &self.a);
        }
    }

    /// Multiplies slopes by a number below 1.
    fn shrink(&mut self, by: f64, model: &Model, step: &[f64], state: &State) {
        if self.is_streamed() {
            self.read(model, step, state, by);
        } else {
            self.a.iter_mut().for_each(|a| *a *= by);
            self.sums.iter_mut().for_each(|s| *s *= by);
            self.carry();
        }
    }

    /// The penalty that τ is with these slopes.
    fn carry(&mut self) {
        if let (Some(shift), Some(kernel)) = (&self.objective.shift, &self.kernel) {
            let (a, labels, pushes) = (&self.a, self.objective.labels, &self.pushes);
            let push = |i: usize| kernel.dual(a[i], labels[i], pushes[i]).0;
            self.penalty = shift.carried(&self.objective.penalty, &self.p, push);
        }
    }

    /// [`predict`] and [`weighted`] for examples in files: slopes live as long as their block.
    fn read(&mut self, model: &Model, step: &[f64], state: &State, by: f64) {
        let Moved { objective, loss, gamma, p, .. } = self;
        let (design, bend) = (objective.design, &state.bend);
        let (m, k, height) = (design.columns, objective.loss.scores(), design.height());
        let each = design.each(m * k);
        let of = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
        // Σ d_i w_i and Σ e_i w_i are known from Σ d_i a_i and Σ e_i a_i.
        let from = of(&model.origin, step);
        let mean = if bend.total > 0.0 { of(&model.along, step) / bend.total } else { 0.0 };
        let across = if bend.e.is_empty() { 0.0 } else { of(&model.across, step) / bend.spread };
        let parts: Vec<(Vec<f64>, f64)> = p
            .par_chunks_mut(each * height)
            .enumerate()
            .map(|(t, p)| {
                let mut reading = objective.reading(&(t * each..(t + 1) * each));
                let (mut sums, mut conjugates) = (vec![0.0; m * k], 0.0);
                let (mut moved, mut room) = (Vec::new(), Vec::new());
                let (mut a, mut terms, mut w) = (vec![0.0; k], vec![0.0; height], vec![0.0; height * k]);
                for (b, p) in p.chunks_mut(height).enumerate() {
                    let b = t * each + b;
                    let first = b * height;
                    let block = objective.at(b, gamma, state, &mut reading);
                    let n = p.len();
                    moved.resize(n * k, 0.0);
                    scores_of(block.x, step, k, &mut room, &mut moved);
                    for (r, p) in p.iter_mut().enumerate() {
                        let i = first + r;
                        let (slope, moved) = (&block.slope[r * k..(r + 1) * k], &moved[r * k..(r + 1) * k]);
                        *p = state.p[i];
                        if bend.d[i] > 0.0 {
                            let e = bend.e.get(i).map_or(0.0, |e| e * across);
                            *p -= bend.d[i] * ((of(slope, moved) - from) - mean) - e;
                        }
                        let share = if *p > 0.0 { state.p[i] / *p } else { 0.0 };
                        for (c, a) in a.iter_mut().enumerate() {
                            let row = (r * k + c) * k;
                            *a = by * (slope[c] - share * of(&block.curvature[row..row + k], moved));
                            w[c * n + r] = if *p > 0.0 { *p * *a } else { 0.0 };
                        }
                        terms[r] = if *p > 0.0 { *p * loss.conjugate(&a, block.labels[r]) } else { 0.0 };
                    }
                    for (sums, w) in sums.chunks_exact_mut(m).zip(w.chunks_exact(n)) {
                        sums.iter_mut().zip(block.x.chunks_exact(n)).for_each(|(sum, x)| *sum += dot(w, x));
                    }
                    conjugates += pairwise(n, |r| terms[r]);
                }
                (sums, conjugates)
            })
            .collect();
        self.sums = vec![0.0; m * k];
        parts.iter().for_each(|(sums, _)| axpy(1.0, sums, &mut self.sums));
        self.conjugates = parts.iter().map(|(_, conjugates)| conjugates).sum();
    }

    /// Σ p_i ℓ_i*(a_i).
    fn conjugates(&self) -> f64 {
        if self.is_streamed() {
            return self.conjugates;
        }
        let (k, labels) = (self.objective.loss.scores(), self.objective.labels);
        let conjugate = |i: usize| match &self.kernel {
            Some(kernel) => kernel.dual(self.a[i], labels[i], self.pushes[i]).1,
            None => self.loss.conjugate(&self.a[i * k..(i + 1) * k], labels[i]),
        };
        pairwise(self.p.len(), |i| if self.p[i] > 0.0 { self.p[i] * conjugate(i) } else { 0.0 })
    }

    /// What weights and slopes prove.
    fn bound(&mut self, exact: (&dyn Loss, &Risk), model: &Model, step: &[f64], state: &State) -> f64 {
        let (objective, (loss, risk), gamma) = (self.objective, exact, self.gamma);
        let parameters = gamma.len();
        if !is_within(risk, &self.p, objective.eta) {
            return f64::NEG_INFINITY;
        }
        // Slopes of all examples times less than 1 are slopes as well: what a coefficient's own penalty cannot carry.
        let shrink = (0..parameters)
            .filter(|j| self.penalty.ridge[*j] == 0.0 && self.penalty.lasso[*j] > 0.0)
            .fold(1.0_f64, |shrink, j| shrink.min(self.penalty.lasso[j] / self.sums[j].abs()));
        if shrink < 1.0 {
            self.shrink(shrink * (1.0 - 4.0 * f64::EPSILON), model, step, state);
        }
        let penalty: f64 = (0..parameters)
            .map(|j| {
                let free = objective.penalty.ridge[j] == 0.0 && objective.penalty.lasso[j] == 0.0;
                let rounding = if free { feared(gamma) * self.sums[j].abs() } else { f64::INFINITY };
                if free && self.penalty.ridge[j] == 0.0 {
                    rounding
                } else {
                    rounding.min(self.penalty.conjugate(j, self.sums[j]))
                }
            })
            .sum();
        let mean = -self.conjugates() - penalty;
        let bound = match (risk.divergence(), risk.strength()) {
            (None, _) => mean,
            (Some(f), Strength::Penalty(lambda)) => {
                mean - lambda * (f.centred_penalty(&self.p, objective.eta) + f.f_at_one())
            }
            (Some(f), Strength::Radius(radius)) => {
                let divergence = f.centred_penalty(&self.p, objective.eta);
                if divergence > radius {
                    // By convexity this much of the way from p̂ is inside; p̂ has the least losses at the least.
                    let share = radius / divergence;
                    let least = objective.least(loss);
                    share * mean + (1.0 - share) * least
                } else {
                    mean
                }
            }
        };
        if bound.is_nan() { f64::NEG_INFINITY } else { bound }
    }
}

/// How large coefficients are to be feared.
fn feared(gamma: &[f64]) -> f64 {
    10.0 * gamma.iter().fold(1.0_f64, |most, g| most.max(g.abs()))
}

/// Whether weights are in the domain of the risk, but for rounding.
fn is_within(risk: &Risk, p: &[f64], eta: &[f64]) -> bool {
    let Some(f) = risk.divergence() else { return true };
    let cap = |i: usize| f.marginal(i).map_or_else(|| f.cap(), |own| own.cap());
    let inside = |i: usize| {
        p[i] >= 0.0 && (p[i] == 0.0 || eta[i] > 0.0 && p[i] / eta[i] <= cap(i) * (1.0 + 8.0 * f64::EPSILON))
    };
    (0..p.len()).all(inside)
}

/// Weights p' and slopes a' at γ − δ, as the derivatives at γ have them; so with what slopes in τ are to be.
fn predict(
    objective: &Objective<'_>,
    state: &State,
    (gamma, step): (&[f64], &[f64]),
    (p, a, pushes): (&mut [f64], &mut [f64], &mut [f64]),
) {
    let k = objective.loss.scores();
    let mut moved = vec![0.0; a.len()];
    objective.design.scores(step, &mut moved);
    let t = objective.shift.as_ref().map(|shift| shift.gradient(gamma));
    // What τ moves by.
    let pushed = t.map_or(0.0, |t| t.iter().zip(step).map(|(t, s)| t * s).sum::<f64>());
    // First ℓ''⟨δ, x⟩ in a.
    let mut w = vec![0.0; p.len()];
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    for (i, (moved, a)) in moved.chunks_exact(k).zip(a.chunks_exact_mut(k)).enumerate() {
        // What has no weight may have a slope that is infinite.
        if state.p[i] > 0.0 || state.bend.d[i] > 0.0 {
            w[i] = dot(&state.slope[i * k..(i + 1) * k], moved);
            w[i] += state.pushes.get(i).map_or(0.0, |push| push.push * pushed);
        }
        for (r, a) in a.iter_mut().enumerate() {
            let row = (i * k + r) * k;
            *a = dot(&state.curvature[row..row + k], moved);
            *a += state.pushes.get(i).map_or(0.0, |push| state.curvature[row] * push.tilt * pushed);
        }
    }
    state.bend.apply(&w, p);
    for (i, (p, a)) in p.iter_mut().zip(a.chunks_exact_mut(k)).enumerate() {
        *p = state.p[i] - *p;
        let share = if *p > 0.0 { state.p[i] / *p } else { 0.0 };
        if let (Some(push), Some(Push { push: here, tilt, tension })) =
            (pushes.get_mut(i), state.pushes.get(i))
        {
            *push = here - share * (tilt * a[0] + tension * pushed);
        }
        for (a, slope) in a.iter_mut().zip(&state.slope[i * k..(i + 1) * k]) {
            *a = slope - share * *a;
        }
    }
}

/// Σ p_i a_i ⊗ x_i.
fn weighted(objective: &Objective<'_>, p: &[f64], a: &[f64]) -> Vec<f64> {
    let k = objective.loss.scores();
    objective.design.sums(k, |i, w| {
        // What has no weight may have a slope that is infinite.
        w.iter_mut().zip(&a[i * k..]).for_each(|(w, a)| *w = if p[i] > 0.0 { p[i] * a } else { 0.0 });
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::divergence;

    #[test]
    fn weights_outside_the_domain_prove_nothing() {
        let risk = |name: &str| Risk::new(divergence::parse(name).unwrap(), Strength::Penalty(1.0)).unwrap();
        let eta = [0.25, 0.25, 0.5, 0.0];
        // At the cap of 2, a little above it, below 0, where there is no reference.
        let cases: [([f64; 4], bool); 4] = [
            ([0.5, 0.1, 0.4, 0.0], true),
            ([0.5 + 1e-12, 0.1, 0.4, 0.0], false),
            ([0.4, -1e-18, 0.6, 0.0], false),
            ([0.4, 0.1, 0.4, 0.1], false),
        ];
        for (p, inside) in cases {
            assert_eq!(is_within(&risk("cvar:0.5"), &p, &eta), inside, "{p:?}");
        }
        assert!(is_within(&risk("kl"), &[1.0, 0.0, 0.0, 0.0], &eta));
    }
}
