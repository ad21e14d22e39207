//! A plan with exactly the right marginals, near one whose second marginal is off: scaling down the atoms
//! that have too much, and spreading what is taken away over those that have too little
//! (Altschuler, Weed, Rigollet 2017); among many atoms over those nearby ([`Mending`]), which costs little.

use super::mending::Mending;
use super::problem::{Frozen, is_entropic};
use super::row::RowSums;
use crate::simd;

/// What the rounded plan costs on its net.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rounded {
    /// Σ π c.
    pub(crate) cost: f64,
    /// At least Σ_j w_j D_f(p̃_j‖η); 0 for divergences that are not smooth, whose f is 0 in its domain.
    pub(crate) divergence: f64,
    /// Some row left the divergence's domain.
    pub(crate) outside: bool,
}

/// How to round the plan of potentials φ on a net, whose second marginal is q. With s_i = min(1, ν_i/q_i),
/// e_j = 1 − Σ_i s_i p_ji and g the shortfalls max(0, ν_i − q_i), normalised, the rounded plan is
/// p̃_ji = s_i p_ji + e_j g_i.
///
/// Its divergence is bounded by convexity: with a_j = s∘p_j/(1 − e_j),
/// D(p̃_j‖η) ≤ (1 − e_j) D(a_j‖η) + e_j D(g‖η). For KL, whose log(p_ji/η_i) is (u_ji − τ_j)/λ, that is
/// Σ_i s_i p_ji (log(p_ji/η_i) + log s_i) − (1 − e_j) log(1 − e_j) + e_j D(g‖η), and takes no logarithm an atom.
#[derive(Debug)]
pub(crate) struct Rounding<'a> {
    /// s.
    keep: Vec<f64>,
    /// φ_i + λ log s_i.
    lifted: Vec<f64>,
    /// g.
    spread: Vec<f64>,
    /// In place of g: where the mass of each atom goes.
    mending: Option<Mending<'a>>,
    /// D(g‖η), less the offset for KL.
    spread_divergence: f64,
    /// Σ η f(p/η) is KL's entropy and this.
    offset: f64,
    /// What is added to a divergence on the atoms: less the offset for KL, else what reference mass elsewhere costs.
    elsewhere: f64,
    lambda: f64,
    /// Largest weights within the cap; none where there is no cap.
    room: Option<Vec<f64>>,
    by_logarithms: bool,
}

/// A row of the plan to be rounded, on the atoms it was evaluated on.
pub(crate) struct Row<'a> {
    /// Number and weight of its sample, and the sample.
    pub(crate) number: usize,
    pub(crate) weight: f64,
    pub(crate) x: &'a [f64],
    /// Which atoms; none for all.
    pub(crate) index: Option<&'a [u32]>,
    pub(crate) phi: &'a [f64],
    pub(crate) eta: &'a [f64],
    /// Reference mass elsewhere.
    pub(crate) eta_rest: f64,
    pub(crate) scores: &'a [f64],
    pub(crate) sums: RowSums,
}

impl<'a> Rounding<'a> {
    /// What is taken away is spread over all atoms, for rows on all of them; or, with a key (seed and purpose) to draw by,
    /// goes to atoms nearby, at what it costs to a few drawn for every sample: right in expectation.
    pub(crate) fn new(
        problem: &'a Frozen,
        phi: &[f64],
        lambda: f64,
        q: &[f64],
        drawn: Option<(u64, u64)>,
    ) -> Self {
        let nu = &problem.nu;
        let keep: Vec<f64> = q.iter().zip(nu).map(|(q, v)| if q > v { v / q } else { 1.0 }).collect();
        let short: Vec<f64> = q.iter().zip(nu).map(|(q, v)| (v - q).max(0.0)).collect();
        let missing: f64 = short.iter().sum();
        let spread: Vec<f64> = short.iter().map(|s| if missing > 0.0 { s / missing } else { 0.0 }).collect();
        let by_logarithms = problem.is_smooth && is_entropic(&*problem.smooth);
        let offset = if by_logarithms { problem.eta.iter().sum::<f64>() - 1.0 } else { 0.0 };
        let elsewhere = if !problem.is_smooth {
            0.0
        } else if by_logarithms {
            -offset
        } else if problem.eta_rest > 0.0 {
            problem.eta_rest * problem.divergence.f_at_zero()
        } else {
            0.0
        };
        let mut spread_divergence = 0.0;
        if problem.is_smooth && missing > 0.0 {
            spread_divergence = problem.divergence.penalty(&spread, &problem.eta) + elsewhere;
        }
        let room: Vec<f64> = (problem.eta.iter().enumerate())
            .map(|(i, eta)| problem.generator(i).cap() * eta * (1.0 + 1e-12))
            .collect();
        Rounding {
            // The bound is below the logarithm of any number but 0.
            lifted: phi.iter().zip(&keep).map(|(phi, s)| phi + lambda * s.ln().max(-1e3)).collect(),
            keep,
            mending: drawn
                .filter(|_| missing > 0.0)
                .zip(problem.index.as_ref())
                .map(|(key, index)| Mending::new(problem, index, q, key)),
            spread,
            spread_divergence,
            offset,
            elsewhere,
            lambda,
            room: room.iter().any(|r| r.is_finite()).then_some(room),
            by_logarithms,
        }
    }

    /// Adds a row, whose weights `p` (up to the scale of its sums) it spoils. `y` is room for a point.
    pub(crate) fn add(
        &self,
        problem: &Frozen,
        row: &Row<'_>,
        p: &mut [f64],
        y: &mut Vec<f64>,
        to: &mut Rounded,
    ) {
        let n = p.len();
        let atom = |k: usize| row.index.map_or(k, |index| index[k] as usize);
        let (mut kept, mut kept_cost, mut lifted, mut spread_divergence) = (0.0, 0.0, 0.0, 0.0);
        let taken = |i: usize, p: f64| p * row.sums.scale * (1.0 - self.keep[i]);
        let rest: f64 = p.iter().enumerate().map(|(k, &p)| taken(atom(k), p)).sum();
        let spread_cost = match &self.mending {
            _ if rest <= 0.0 => 0.0,
            Some(mending) => {
                let taken = p.iter().enumerate().map(|(k, &p)| (atom(k), taken(atom(k), p)));
                spread_divergence =
                    taken.clone().map(|(i, mass)| mass * (mending.divergence(i) + self.elsewhere)).sum();
                mending.cost(problem, row.number, row.x, taken, rest, y)
            }
            None => {
                spread_divergence = rest * self.spread_divergence;
                (0..n).map(|k| self.spread[atom(k)] * (row.phi[k] - row.scores[k])).sum()
            }
        };
        for (k, p) in p.iter_mut().enumerate() {
            if *p == 0.0 {
                continue;
            }
            let i = atom(k);
            *p *= self.keep[i] * row.sums.scale;
            kept += *p;
            kept_cost += *p * (row.phi[k] - row.scores[k]);
            lifted += *p * self.lifted[i];
        }
        to.cost += row.weight * (kept_cost + rest * spread_cost);
        if self.by_logarithms {
            let logs = (lifted - kept_cost - kept * row.sums.value) / self.lambda;
            let entropy = logs - kept * kept.max(f64::MIN_POSITIVE).ln() + spread_divergence;
            let elsewhere =
                if problem.eta_rest > 0.0 { problem.eta_rest * problem.divergence.f_at_zero() } else { 0.0 };
            to.divergence += row.weight * (entropy + self.offset + elsewhere);
            return;
        }
        let elsewhere = if row.eta_rest > 0.0 { row.eta_rest * problem.divergence.f_at_zero() } else { 0.0 };
        if row.index.is_none() && self.mending.is_none() {
            // All of the row is there: no bound is needed.
            simd::axpy(rest, &self.spread, p);
            to.outside |= self.room.as_ref().is_some_and(|room| p.iter().zip(room).any(|(p, r)| p > r));
            if problem.is_smooth && !to.outside {
                to.divergence += row.weight * (problem.divergence.penalty(p, row.eta) + elsewhere);
            }
            return;
        }
        // The mixture may be within a cap where its parts are not.
        to.outside |= self.room.is_some();
        if problem.is_smooth && !to.outside {
            let mut divergence = spread_divergence;
            if kept > 0.0 {
                p.iter_mut().for_each(|p| *p /= kept);
                divergence += kept * (problem.divergence.penalty(p, row.eta) + elsewhere);
            }
            to.divergence += row.weight * divergence;
        }
    }
}
