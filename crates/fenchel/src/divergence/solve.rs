//! Weights, value and threshold of one row of scores.

use super::Divergence;
use super::root::find_root;
use super::sum::pairwise;
use crate::simd;

/// One smooth maximum to be taken: scores, reference masses, temperature.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Scores u_i; −∞ is an atom that cannot win.
    pub u: &'a [f64],
    /// Reference masses η_i ≥ 0, used as they are: together with `eta_rest` they are taken to sum to 1.
    pub eta: &'a [f64],
    /// Reference mass of atoms that were left out because their weight is 0.
    pub eta_rest: f64,
    /// Temperature λ > 0, in units of the scores.
    pub lambda: f64,
}

/// A smooth maximum. The weights are in the caller's buffer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Smoothed {
    /// max over p of Σ p_i u_i − λ Σ η_i f(p_i/η_i), from the dual side.
    pub value: f64,
    /// The dual minimiser τ. Where it is an interval, a point of it.
    pub threshold: f64,
    /// Passes over the row that the search for τ took.
    pub passes: u32,
    /// τ = anchor + λ·offset; the anchor is one of the scores. The pair keeps the digits that `threshold`
    /// loses when λ is far below the scores in size.
    pub anchor: f64,
    /// (τ − anchor)/λ.
    pub offset: f64,
    /// offset + s_max where f* ends at a finite s_max ([`Divergence::s_max`]), with the digits that `offset` loses when
    /// the threshold is close to that end (Tsallis with q < 1); else +∞.
    pub margin: f64,
}

/// Room for the work of [`Divergence::solve`]; grows to the longest row seen and is then reused.
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    pub(crate) x: Vec<f64>,
    pub(crate) z: Vec<f64>,
    pub(crate) order: Vec<u32>,
}

impl Scratch {
    /// Scratch that need not grow for rows of up to `n` scores.
    pub fn with_capacity(n: usize) -> Self {
        let mut scratch = Scratch::default();
        scratch.reserve(n);
        scratch
    }

    pub(crate) fn reserve(&mut self, n: usize) {
        if self.x.len() < n {
            self.x.resize(n, 0.0);
            self.z.resize(n, 0.0);
            self.order.resize(n, 0);
        }
    }
}

/// Largest score among the atoms with reference mass, with the first atom that has it.
pub(crate) fn top(u: &[f64], eta: &[f64]) -> (f64, usize) {
    let max = simd::max(u);
    if let Some(at) = u.iter().position(|u| *u == max)
        && eta[at] > 0.0
    {
        return (max, at);
    }
    let (mut max, mut at) = (f64::NEG_INFINITY, usize::MAX);
    for (i, (u, eta)) in u.iter().zip(eta).enumerate() {
        if *eta > 0.0 && (*u > max || at == usize::MAX) {
            (max, at) = (*u, i);
        }
    }
    (max, at)
}

/// x_i = (u_i − anchor)/λ, −∞ for atoms without reference mass.
pub(crate) fn fill_scores(row: &Row<'_>, anchor: f64, x: &mut [f64]) {
    let inverse = 1.0 / row.lambda;
    let atoms = || row.u.iter().zip(row.eta);
    if inverse.is_normal() && anchor.abs() <= 1e307 {
        simd::vectorize(|| {
            for (x, (&u, &eta)) in x.iter_mut().zip(atoms()) {
                *x = if eta > 0.0 { (u - anchor) * inverse } else { f64::NEG_INFINITY };
            }
        });
    } else {
        // Scores near the end of the range: their difference overflows, but not that of their quarters.
        for (x, (&u, &eta)) in x.iter_mut().zip(atoms()) {
            let scaled = (0.25 * u - 0.25 * anchor) / (0.25 * row.lambda);
            *x = if eta > 0.0 { scaled } else { f64::NEG_INFINITY };
        }
    }
}

/// The default of [`Divergence::solve`]: safeguarded Newton on Σ p_i = 1.
pub(crate) fn solve_by_newton<D: Divergence + ?Sized>(
    div: &D,
    row: &Row<'_>,
    start: Option<f64>,
    p: &mut [f64],
    scratch: &mut Scratch,
) -> Smoothed {
    let n = row.u.len();
    scratch.reserve(n);
    let (max, at) = top(row.u, row.eta);
    if at == usize::MAX {
        p.fill(0.0);
        let value = f64::NEG_INFINITY;
        return Smoothed {
            value,
            threshold: value,
            passes: 0,
            anchor: 0.0,
            offset: value,
            margin: f64::INFINITY,
        };
    }
    let cap = div.cap();
    if cap.is_finite() {
        let total = pairwise(n, |i| row.eta[i]);
        if cap * total <= 1.0 + 4.0 * f64::EPSILON {
            return saturated(div, row, total, max, p);
        }
    }
    let slope_at_one = if div.is_per_atom() { f64::NAN } else { div.f_prime_at_one() };
    let Scratch { x, z, .. } = scratch;
    let (x, z) = (&mut x[..n], &mut z[..n]);
    let mut anchor = max;
    let mut passes = 0;
    // The anchor moves, rarely, to an atom near the root: threshold and scores then share their digits.
    let mut theta = start.map_or(f64::NAN, |tau| (tau - max) / row.lambda);
    // Where weights are capped the root can be far below the top, and a start tells where.
    if cap.is_finite() && theta < -FAR {
        let tau = max + row.lambda * theta;
        let near = nearest(row.u, tau);
        if near != usize::MAX && row.eta[near] > 0.0 {
            anchor = row.u[near];
            theta = (tau - anchor) / row.lambda;
        }
    }
    let mut round = 0;
    let mut jump;
    let prepared = loop {
        fill_scores(row, anchor, x);
        let prepared = div.prepare(x, z);
        // With every score at or below 0 no term exceeds η_i at −f'(1); the atom on top alone has p = 1 at
        // −f'(1/η).
        let (lo, hi) = if slope_at_one.is_nan() {
            (f64::NEG_INFINITY, f64::INFINITY)
        } else {
            let above = (max - anchor) / row.lambda;
            let t = 1.0 / row.eta[at];
            let lo = if t < cap { above - div.f_prime(t) } else { f64::NEG_INFINITY };
            (widen(lo, -1.0), widen(above - slope_at_one, 1.0))
        };
        let (lo, hi) = if prepared { (lo.max(-REACH), hi.min(REACH)) } else { (lo, hi) };
        if theta.is_nan() {
            theta = div.cold_start(if prepared { z } else { x }, row.eta);
        }
        let mut best = 0.0;
        let root = find_root(theta, lo.min(hi), hi, div.power(), |theta| {
            let mass = if prepared {
                div.weigh_prepared(z, row.eta, theta, p)
            } else {
                div.weigh(x, row.eta, theta, p)
            };
            best = mass.sum;
            mass
        });
        passes += root.passes;
        theta = root.theta;
        jump = root.jump;
        round += 1;
        let far = theta.abs() > FAR * (1.0 + slope_at_one.abs()).max(1.0)
            || (prepared && theta.abs() >= REACH - 1.0);
        if round > 3 || (!far && jump.is_none()) || (prepared && (best - 1.0).abs() < 1e-12) {
            break prepared;
        }
        let near =
            if prepared { quantile_atom(row, 1.0 / cap, &mut scratch.order[..n]) } else { nearest(x, theta) };
        if near == usize::MAX || row.u[near] == anchor {
            break prepared;
        }
        theta = if prepared { f64::NAN } else { theta - x[near] };
        anchor = row.u[near];
    };
    if let Some((lo, hi)) = jump {
        blend(div, row.eta, if prepared { z } else { x }, prepared, lo, hi, p);
    }
    normalise(div, p, row.eta);
    let value = dual_value(div, row, x, anchor, theta, |x| {
        if prepared && anchor == max {
            div.conj_sum_prepared(x, z, row.eta, theta)
        } else {
            div.conj_sum(x, row.eta, theta)
        }
    });
    Smoothed {
        value,
        threshold: anchor + row.lambda * theta,
        passes,
        anchor,
        offset: theta,
        margin: theta + div.s_max(),
    }
}

/// A threshold so far from the anchor has lost digits.
const FAR: f64 = 256.0;

/// e^{±690} and its products with weights stay inside the range of double precision.
const REACH: f64 = 690.0;

fn widen(bound: f64, direction: f64) -> f64 {
    bound + direction * (bound.abs() + 1.0) * 8.0 * f64::EPSILON
}

/// τ + λ Σ η_i f*((u_i − τ)/λ) for τ = anchor + λθ.
pub(crate) fn dual_value<D: Divergence + ?Sized>(
    div: &D,
    row: &Row<'_>,
    x: &mut [f64],
    anchor: f64,
    theta: f64,
    conj_sum: impl FnOnce(&mut [f64]) -> f64,
) -> f64 {
    if row.eta_rest == 0.0 && !div.is_per_atom() {
        let (mut from_limit, mut size, mut top) = (theta + div.f_prime_at_one(), 0.0_f64, f64::NEG_INFINITY);
        if from_limit.abs() <= 1.0 {
            for (x, _) in x.iter().zip(row.eta).filter(|(_, eta)| **eta > 0.0) {
                (size, top) = (size.max(x.abs()), top.max(*x));
            }
            if size <= 1.0 && div.conj_prime(top - theta) <= 4.0 {
                // The temperature is far above the scores: λ times rounding errors would swamp them. With f*
                // in terms of its distance from its tangent at f'(1) every error is relative to x.
                if size < 1e-6 {
                    from_limit =
                        pairwise(x.len(), |i| if row.eta[i] > 0.0 { row.eta[i] * x[i] } else { 0.0 });
                }
                let above_mean = |i: usize| {
                    let eta = row.eta[i];
                    if eta > 0.0 { eta * (x[i] + div.conj_excess(x[i] - from_limit)) } else { 0.0 }
                };
                return anchor + row.lambda * (pairwise(x.len(), above_mean) - div.f_at_one());
            }
        }
    }
    anchor + row.lambda * (theta + conj_sum(x) - rest(div, row))
}

/// eta_rest·f(0), 0 where nothing was left out (f(0) may be infinite).
pub(crate) fn rest<D: Divergence + ?Sized>(div: &D, row: &Row<'_>) -> f64 {
    if row.eta_rest > 0.0 { row.eta_rest * div.f_at_zero() } else { 0.0 }
}

/// The caps leave only p = η (in proportion).
fn saturated<D: Divergence + ?Sized>(
    div: &D,
    row: &Row<'_>,
    total: f64,
    max: f64,
    p: &mut [f64],
) -> Smoothed {
    for (p, eta) in p.iter_mut().zip(row.eta) {
        *p = eta / total;
    }
    let mean = pairwise(p.len(), |i| if p[i] > 0.0 { p[i] * row.u[i] } else { 0.0 });
    let penalty = if (total - 1.0).abs() < 1e-12 && !div.is_per_atom() {
        div.f_at_one()
    } else {
        div.penalty(p, row.eta) + rest(div, row)
    };
    let value = mean - row.lambda * penalty;
    let min = row.u.iter().zip(row.eta).filter(|(_, e)| **e > 0.0).map(|(u, _)| *u).fold(max, f64::min);
    // Where the slope at the cap is infinite the dual is attained in the limit only.
    let limit = if p.len() == 1 { 1e15 } else { 1e8 };
    let offset = -div.f_prime(div.cap()).clamp(0.0, limit);
    Smoothed {
        value,
        threshold: (min + row.lambda * offset).max(-f64::MAX),
        passes: 1,
        anchor: min,
        offset,
        margin: f64::INFINITY,
    }
}

fn nearest(x: &[f64], theta: f64) -> usize {
    let mut best = (f64::INFINITY, usize::MAX);
    for (i, x) in x.iter().enumerate() {
        let distance = (x - theta).abs();
        if distance < best.0 {
            best = (distance, i);
        }
    }
    best.1
}

/// The atom at which the reference mass, counted from the largest score down, reaches `mass`.
pub(crate) fn quantile_atom(row: &Row<'_>, mass: f64, order: &mut [u32]) -> usize {
    let mut count = 0;
    for i in 0..row.u.len() {
        if row.eta[i] > 0.0 {
            order[count] = i as u32;
            count += 1;
        }
    }
    let mut part = &mut order[..count];
    let mut before = 0.0;
    if part.is_empty() {
        return usize::MAX;
    }
    while part.len() > 1 {
        let middle = part.len() / 2;
        let descending = |a: &u32, b: &u32| row.u[*b as usize].total_cmp(&row.u[*a as usize]).then(a.cmp(b));
        part.select_nth_unstable_by(middle, descending);
        let upper = pairwise(middle, |k| row.eta[part[k] as usize]);
        if before + upper >= mass {
            part = &mut part[..middle];
        } else {
            before += upper;
            part = &mut part[middle..];
        }
    }
    part[0] as usize
}

/// The mixture of the weights just below and just above a jump that sums to one.
fn blend<D: Divergence + ?Sized>(
    div: &D,
    eta: &[f64],
    z: &[f64],
    prepared: bool,
    lo: f64,
    hi: f64,
    p: &mut [f64],
) {
    let mut at = |theta| {
        let mass = if prepared { div.weigh_prepared(z, eta, theta, p) } else { div.weigh(z, eta, theta, p) };
        mass.sum
    };
    let (more, less) = (at(lo), at(hi));
    if !(more > less && more.is_finite()) {
        return;
    }
    // p holds the weights above the jump; those below are recomputed one by one into the mixture.
    let share = ((1.0 - less) / (more - less)).clamp(0.0, 1.0);
    let mut one = [0.0];
    for i in 0..p.len() {
        if div.is_per_atom() {
            if let Some(own) = div.marginal(i) {
                one[0] = eta[i] * own.conj_prime(z[i] - lo);
            }
        } else if prepared {
            div.weigh_prepared(&z[i..=i], &eta[i..=i], lo, &mut one);
        } else {
            div.weigh(&z[i..=i], &eta[i..=i], lo, &mut one);
        }
        p[i] += share * (one[0] - p[i]);
    }
}

/// Scales p to sum 1 and clamps every p_i at cap·η_i; mass cut off goes to the others in proportion.
pub(crate) fn normalise<D: Divergence + ?Sized>(div: &D, p: &mut [f64], eta: &[f64]) {
    let cap = div.cap();
    let sum = simd::sum(p);
    if (sum - 1.0).abs() < 1e-9 {
        let scale = 1.0 / sum;
        if cap.is_infinite() {
            simd::vectorize(|| p.iter_mut().for_each(|p| *p *= scale));
            return;
        }
        simd::vectorize(|| p.iter_mut().zip(eta).for_each(|(p, eta)| *p = (*p * scale).min(cap * eta)));
        if (simd::sum(p) - 1.0).abs() <= 2.0 * f64::EPSILON {
            return;
        }
    }
    for _ in 0..4 {
        let sum = simd::sum(p);
        if !(sum > 0.0 && sum.is_finite()) {
            return;
        }
        let free = if cap.is_finite() && sum < 1.0 {
            pairwise(p.len(), |i| if p[i] < cap * eta[i] { p[i] } else { 0.0 })
        } else {
            sum
        };
        let scale = if free > 0.0 { 1.0 + (1.0 - sum) / free } else { 1.0 / sum };
        if cap.is_infinite() {
            p.iter_mut().for_each(|p| *p *= 1.0 / sum);
            return;
        }
        let mut cut = false;
        for (p, eta) in p.iter_mut().zip(eta) {
            let most = cap * eta;
            if sum > 1.0 || *p < most {
                *p *= scale;
            }
            if *p > most {
                *p = most;
                cut = true;
            }
        }
        if !cut {
            return;
        }
    }
}
