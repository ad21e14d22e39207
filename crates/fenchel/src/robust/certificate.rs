//! How far the objective can be from its minimum, at most.

use super::loss::Loss;
use super::newton::solve;
use super::objective::{Model, Objective, State};
use super::perturbation::Push;
use super::risk::{Risk, Strength};
use crate::divergence::pairwise;
use crate::simd::axpy;

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
    let (loss, risk) = exact;
    let (n, m, k) = (objective.labels.len(), objective.design.columns, objective.loss.scores());
    let parameters = m * k;
    let reach = state.value.abs().max(f64::MIN_POSITIVE);
    let mut model = Model::default();
    objective.differentiate(gamma, state, &mut model);
    objective.measure(gamma, state, &mut model);
    let mut residual = model.gradient.clone();
    let mut penalty = objective.penalty.clone();
    let mut kernel = None;
    let mut step = vec![0.0; parameters];
    let (mut p, mut a) = (state.p.clone(), state.slope.clone());
    let mut pushes: Vec<f64> = state.pushes.iter().map(|push| push.push).collect();
    // Again for what rounding, and damping where the Hessian is all but singular, have left.
    for _ in 0..3 {
        let Some(more) = [0.0, 1e-14, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4]
            .iter()
            .find_map(|damping| solve(&model, &residual, *damping, reach))
        else {
            return f64::NEG_INFINITY;
        };
        axpy(1.0, &more, &mut step);
        predict(objective, state, (gamma, &step), (&mut p, &mut a, &mut pushes));
        if let Some(shift) = &objective.shift {
            let there: Vec<f64> = gamma.iter().zip(&step).map(|(g, s)| g - s).collect();
            let there = shift.kernel(&there);
            a.iter_mut().zip(objective.labels).for_each(|(a, y)| *a = there.nearest(*a, *y));
            penalty =
                shift.carried(&objective.penalty, &p, |i| there.dual(a[i], objective.labels[i], pushes[i]).0);
            kernel = Some(there);
        }
        let sums = weighted(objective, &p, &a);
        for j in 0..parameters {
            let (slope, curvature) = penalty.derivatives(j, gamma[j]);
            residual[j] = sums[j] + slope - curvature * step[j];
        }
    }
    if !is_within(risk, &p, objective.eta) {
        return f64::NEG_INFINITY;
    }
    let mut sums = weighted(objective, &p, &a);
    // Slopes of all examples times less than 1 are slopes as well: what a coefficient's own penalty cannot carry.
    let shrink = (0..parameters)
        .filter(|j| penalty.ridge[*j] == 0.0 && penalty.lasso[*j] > 0.0)
        .fold(1.0_f64, |shrink, j| shrink.min(penalty.lasso[j] / sums[j].abs()));
    if shrink < 1.0 {
        let shrink = shrink * (1.0 - 4.0 * f64::EPSILON);
        a.iter_mut().for_each(|a| *a *= shrink);
        sums.iter_mut().for_each(|s| *s *= shrink);
    }
    if let (Some(shift), Some(kernel)) = (&objective.shift, &kernel) {
        penalty =
            shift.carried(&objective.penalty, &p, |i| kernel.dual(a[i], objective.labels[i], pushes[i]).0);
    }
    let largest = gamma.iter().fold(1.0_f64, |most, g| most.max(g.abs()));
    let paid: f64 = (0..parameters)
        .map(|j| {
            let free = objective.penalty.ridge[j] == 0.0 && objective.penalty.lasso[j] == 0.0;
            let feared = if free { 10.0 * largest * sums[j].abs() } else { f64::INFINITY };
            if penalty.ridge[j] == 0.0 && free { feared } else { feared.min(penalty.conjugate(j, sums[j])) }
        })
        .sum();
    let conjugate = |i: usize| match &kernel {
        Some(kernel) => kernel.dual(a[i], objective.labels[i], pushes[i]).1,
        None => loss.conjugate(&a[i * k..(i + 1) * k], objective.labels[i]),
    };
    let conjugates = pairwise(n, |i| if p[i] > 0.0 { p[i] * conjugate(i) } else { 0.0 });
    let mean = -conjugates - paid;
    let bound = match (risk.divergence(), risk.strength()) {
        (None, _) => mean,
        (Some(f), Strength::Penalty(lambda)) => {
            mean - lambda * (f.centred_penalty(&p, objective.eta) + f.f_at_one())
        }
        (Some(f), Strength::Radius(radius)) => {
            let divergence = f.centred_penalty(&p, objective.eta);
            if divergence > radius {
                // By convexity this much of the way from p̂ is inside; p̂ has the least losses at the least.
                let share = radius / divergence;
                let zero = vec![0.0; k];
                let least = pairwise(n, |i| -objective.eta[i] * loss.conjugate(&zero, objective.labels[i]));
                share * mean + (1.0 - share) * least
            } else {
                mean
            }
        }
    };
    if bound.is_nan() { f64::NEG_INFINITY } else { bound }
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
