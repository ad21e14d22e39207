//! A plan with exactly the right marginals, near one whose second marginal is off: scaling down the atoms
//! that have too much, and spreading what is taken away over those that have too little
//! (Altschuler, Weed, Rigollet 2017).

use super::evaluate::weigh_row;
use super::kernels::scores;
use super::net::Net;
use super::problem::{Frozen, is_entropic};
use crate::divergence::Scratch;
use crate::simd;
use rayon::prelude::*;

/// Chunks of samples, summed in their order.
const CHUNKS: usize = 64;

/// What the rounded plan costs on its net.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rounded {
    /// Σ π c.
    pub(crate) cost: f64,
    /// Σ_j w_j D_f(p̃_j‖η); 0 for divergences that are not smooth, whose f is 0 in its domain.
    pub(crate) divergence: f64,
}

/// Rounds the plan of `phi` on `net`, whose second marginal is `q`. With s_i = min(1, ν_i/q_i),
/// e_j = 1 − Σ_i s_i p_ji and g the shortfalls max(0, ν_i − q_i), normalised, the rounded plan is
/// p̃_ji = s_i p_ji + e_j g_i. None if it leaves the divergence's domain.
///
/// For KL, whose log(p_ji/η_i) is (u_ji − τ_j)/λ, no logarithm is taken: by convexity
/// D(p̃_j‖η) ≤ Σ_i s_i p_ji (log(p_ji/η_i) + log s_i) − (1 − e_j) log(1 − e_j) + e_j D(g‖η).
pub(crate) fn round(problem: &Frozen, net: &Net, phi: &[f64], lambda: f64, q: &[f64]) -> Option<Rounded> {
    let n = problem.atoms();
    let nu = &problem.nu;
    let keep: Vec<f64> = q.iter().zip(nu).map(|(q, v)| if q > v { v / q } else { 1.0 }).collect();
    let short: Vec<f64> = q.iter().zip(nu).map(|(q, v)| (v - q).max(0.0)).collect();
    let missing: f64 = short.iter().sum();
    let spread: Vec<f64> = short.iter().map(|s| if missing > 0.0 { s / missing } else { 0.0 }).collect();
    let room: Vec<f64> = (problem.eta.iter().enumerate())
        .map(|(i, eta)| problem.generator(i).cap() * eta * (1.0 + 1e-12))
        .collect();
    let capped = room.iter().any(|r| r.is_finite());
    let entropic = is_entropic(&*problem.smooth);
    let by_convexity = problem.is_smooth && entropic;
    // φ_i + λ log s_i; the bound is below the logarithm of any number but 0.
    let lifted: Vec<f64> = phi.iter().zip(&keep).map(|(phi, s)| phi + lambda * s.ln().max(-1e3)).collect();
    // Σ η f(p/η) is the entropy and this.
    let offset = problem.eta.iter().sum::<f64>() - 1.0;
    let spread_entropy =
        if by_convexity { problem.divergence.penalty(&spread, &problem.eta) - offset } else { 0.0 };
    let dim = problem.dim;
    let chunk = |c: usize| -> Option<(f64, f64)> {
        let mut costs = vec![0.0; n];
        let mut u = vec![0.0; n];
        let mut p = vec![0.0; n];
        let mut scratch = Scratch::default();
        let (mut cost, mut divergence) = (0.0, 0.0);
        for j in net.len * c / CHUNKS..net.len * (c + 1) / CHUNKS {
            problem.cost.rows(&net.points[j * dim..(j + 1) * dim], &problem.points, &mut costs);
            u.copy_from_slice(&costs);
            let top = scores(phi, &mut u);
            let row = weigh_row(
                problem,
                entropic,
                lambda,
                &u,
                top,
                &problem.eta,
                problem.eta_rest,
                &mut p,
                &mut scratch,
            );
            let mut kept = 0.0;
            for (p, s) in p.iter_mut().zip(&keep) {
                *p *= s * row.scale;
                kept += *p;
            }
            let weight = net.weight(j);
            let rest = (1.0 - kept).max(0.0);
            if by_convexity {
                let kept_cost = simd::dot(&p, &costs);
                let logs = (simd::dot(&p, &lifted) - kept_cost - kept * row.value) / lambda;
                cost += weight * (kept_cost + rest * simd::dot(&spread, &costs));
                let entropy = logs - kept * kept.max(f64::MIN_POSITIVE).ln() + rest * spread_entropy;
                divergence += weight * (entropy + offset);
                continue;
            }
            simd::axpy(rest, &spread, &mut p);
            if capped && p.iter().zip(&room).any(|(p, room)| p > room) {
                return None;
            }
            cost += weight * simd::dot(&p, &costs);
            if problem.is_smooth {
                divergence += weight * problem.divergence.penalty(&p, &problem.eta);
            }
        }
        Some((cost, divergence))
    };
    let parts: Vec<Option<(f64, f64)>> = (0..CHUNKS).into_par_iter().map(chunk).collect();
    let mut rounded = Rounded { cost: 0.0, divergence: 0.0 };
    if problem.is_smooth && problem.eta_rest > 0.0 {
        rounded.divergence = problem.eta_rest * problem.divergence.f_at_zero();
    }
    for part in parts {
        let (cost, divergence) = part?;
        rounded.cost += cost;
        rounded.divergence += divergence;
    }
    Some(rounded)
}
