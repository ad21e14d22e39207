//! What is known about potentials, from samples of both sides that no solver saw.
//!
//! For any functions u of x and v of y, with s = (u(x) + v(y) − c(x, y))/λ,
//!
//! ```text
//! L = E u(x) + E v(y) − λ E f*(s) ≤ W_λ(μ, ν),
//! ```
//!
//! expectations over independent x and y. Each is a mean over samples, so L has an unbiased estimate with a standard error; at the optimum
//! E\[(f*)'(s) | x\] = E\[(f*)'(s) | y\] = 1, and the noise of the last term is of second order.
//!
//! W_λ is a supremum of such L, and L is an expectation over independent samples μ̂, ν̂ of what it is for them. So E W_λ(μ̂, ν̂) ≥ W_λ(μ, ν), and
//! the cost of any plan between samples bounds W_λ above in the mean. The plan is the optimal one; u and v, whose means are known from larger samples,
//! take most of the noise out:
//!
//! ```text
//! U = E u + E v + E[cost of the plan between μ̂ and ν̂ − Ê u − Ê v].
//! ```
//!
//! Without solving anything the product plan gives W_λ ≤ E c + λ f(1).

use super::potential::Potential;
use super::problem::{Ended, Ready, Side};
use super::solution::{Marginal, Marginals};
use crate::divergence::{Row, Scratch};
use crate::error::{Error, Result};
use crate::measure::Soa;
use crate::optim::{Loop, Progress};
use crate::transport::solution::{Bounds, Interval};
use crate::transport::statistics::{REPEATED, mean_and_error, student_t_975};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Points of either side whose pairs are all looked at.
const BLOCK: usize = 256;

/// Points of a sample on which marginals are looked at, and of a measure that is then taken whole.
const MARGINAL: usize = 512;
const WHOLE: usize = 2048;

/// Points whose potentials are evaluated between two looks at the clock.
const SHARE: usize = 2048;

/// How large a certificate is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Independent pairs of samples.
    pub(super) replicates: usize,
    /// Points of either side in each.
    pub(super) points: usize,
    /// Of them, so many are solved; none are at 0.
    pub(super) solved: usize,
    /// First stream number: certificates never share samples.
    pub(super) stream: u64,
}

/// What one pair of samples says.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Draw {
    /// Points drawn.
    points: u64,
    /// Mean u + mean v.
    means: f64,
    /// λ × mean f*(s).
    penalty: f64,
    /// E c + λ f(1) less mean u and v, over the pairs.
    product: f64,
    /// Cost of the plan between the samples less their means of u and v; and its part without λ D_f.
    plan: f64,
    transport: f64,
    /// Mean c over the pairs, less mean u and v.
    cost: f64,
    /// Unbiased E(E\[(f*)'(s)|x\] − 1)², and the same for y.
    chi2: [f64; 2],
}

/// What the certificate found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Evidence {
    pub(super) value: f64,
    pub(super) interval: Interval,
    pub(super) bounds: Bounds,
    pub(super) marginals: Marginals,
    /// Mean of U − L, of which noise in the means of u and v is no part.
    pub(super) gap: f64,
    /// Half-width of the noisier end.
    pub(super) noise: f64,
    pub(super) samples: u64,
}

/// Gets the draws so far.
pub(super) type Offer<'a> = &'a mut dyn FnMut(&[Draw], &mut Loop<'_>);

/// Certifies u and v. `draws` were made before; what there is of them is offered between two. `Err` within: the run has to end before there was anything to go by.
pub(super) fn certify(
    ready: &Ready,
    u: &dyn Potential,
    v: &dyn Potential,
    sizes: Sizes,
    progress: Progress<'_>,
    (mut draws, offer): (Vec<Draw>, Offer<'_>),
    control: &mut Loop<'_>,
) -> Result<std::result::Result<Evidence, Ended>> {
    let exact = ready.source.is_whole(sizes.points) && ready.target.is_whole(sizes.points);
    let replicates = if exact { 1 } else { sizes.replicates.max(2) };
    let mut solved = sizes.solved;
    let shift = level(ready, u, v, sizes.stream + LEVEL)?;
    let u = &Shifted { potential: u, shift };
    for r in draws.len()..replicates {
        offer(&draws, control);
        let progress = Progress { fraction: r as f64 / replicates as f64, ..progress };
        let key = sizes.stream + r as u64;
        match draw(ready, u, v, Sizes { solved, ..sizes }, key, progress, control)? {
            Ok(draw) => draws.push(draw),
            // Two draws, or one that is exact, are the least that says something.
            Err(ended) if draws.len() < 2 => return Ok(Err(ended)),
            Err(_) => break,
        }
        if draws[0].plan.is_infinite() {
            solved = 0;
        }
    }
    Ok(Ok(summarise(ready, &draws, exact)))
}

/// How far the ends of the interval are apart, without their noise, as one pair of samples sees it.
pub(super) fn glance(
    ready: &Ready,
    u: &dyn Potential,
    v: &dyn Potential,
    sizes: Sizes,
    progress: Progress<'_>,
    control: &mut Loop<'_>,
) -> Result<std::result::Result<f64, Ended>> {
    let key = sizes.stream + GLANCE;
    let sizes = Sizes { points: sizes.solved, ..sizes };
    let shift = level(ready, u, v, sizes.stream + LEVEL)?;
    let u = &Shifted { potential: u, shift };
    let found = draw(ready, u, v, sizes, key, progress, control)?;
    Ok(found.map(|draw| draw.penalty + draw.plan.min(draw.product)))
}

/// Streams of the samples that a level is found on, and that decide whether a certificate is worth its while; after those of the certificate.
const LEVEL: u64 = 1 << 17;
const GLANCE: u64 = 1 << 18;

/// Pairs that the level is found on, of so many points of either side.
const LEVELLED: usize = 512;

/// The constant that makes most of u + v: less the threshold of the smooth maximum over pairs. Where u is off by much, as it can be between
/// the points of a sample that it was extended from, L would be lost without it.
fn level(ready: &Ready, u: &dyn Potential, v: &dyn Potential, key: u64) -> Result<f64> {
    let xs = ready.source.points(key, LEVELLED, ready.seed)?;
    let ys = ready.target.points(key, LEVELLED, ready.seed)?;
    let (mut us, mut vs) = (vec![0.0; xs.len()], vec![0.0; ys.len()]);
    u.fill(&xs.points, &mut us);
    v.fill(&ys.points, &mut vs);
    let n = xs.len() * ys.len();
    let (mut slack, mut eta, mut p) = (Vec::with_capacity(n), Vec::with_capacity(n), vec![0.0; n]);
    scores(ready, (&xs, &us), (&ys, &vs), 0..xs.len(), 0..ys.len(), |i, j, s| {
        slack.push(ready.lambda * s);
        eta.push(xs.weights[i] * ys.weights[j]);
    })?;
    let row = Row { u: &slack, eta: &eta, eta_rest: 0.0, lambda: ready.lambda };
    Ok(-ready.divergence.solve(&row, None, &mut p, &mut Scratch::default()).threshold)
}

/// A potential and a constant.
#[derive(Debug)]
struct Shifted<'a> {
    potential: &'a dyn Potential,
    shift: f64,
}

impl Potential for Shifted<'_> {
    fn dim(&self) -> usize {
        self.potential.dim()
    }

    fn fill(&self, points: &[f64], values: &mut [f64]) {
        self.potential.fill(points, values);
        values.iter_mut().for_each(|u| *u += self.shift);
    }
}

/// One pair of samples.
fn draw(
    ready: &Ready,
    u: &dyn Potential,
    v: &dyn Potential,
    sizes: Sizes,
    key: u64,
    progress: Progress<'_>,
    control: &mut Loop<'_>,
) -> Result<std::result::Result<Draw, Ended>> {
    let (xs, ys) = (
        ready.source.points(key, sizes.points, ready.seed)?,
        ready.target.points(key, sizes.points, ready.seed)?,
    );
    let mut evaluate = |potential: &dyn Potential, points: &[f64]| -> std::result::Result<Vec<f64>, Ended> {
        let mut values = vec![0.0; points.len() / ready.dim];
        for (points, values) in points.chunks(SHARE * ready.dim).zip(values.chunks_mut(SHARE)) {
            if let Some(status) = control.check(&progress) {
                return Err(Ended(status));
            }
            potential.fill(points, values);
        }
        Ok(values)
    };
    let us = match evaluate(u, &xs.points) {
        Ok(values) => values,
        Err(ended) => return Ok(Err(ended)),
    };
    let vs = match evaluate(v, &ys.points) {
        Ok(values) => values,
        Err(ended) => return Ok(Err(ended)),
    };
    let means = xs.mean(&us) + ys.mean(&vs);
    let mut draw = pairs(ready, &xs, &ys, &us, &vs)?;
    draw.means = means;
    draw.chi2 = chi2(ready, u, v, key)?;
    (draw.plan, draw.transport) = (f64::INFINITY, f64::INFINITY);
    if sizes.solved > 0 {
        let (sub_x, sub_y) = (xs.head(sizes.solved), ys.head(sizes.solved));
        let here = sub_x.mean(&us[..sub_x.len()]) + sub_y.mean(&vs[..sub_y.len()]);
        match ready.solve_between(&sub_x, &sub_y, 0.25, progress, control)? {
            Ok(solution) => {
                draw.plan = solution.interval.upper - here;
                draw.transport = solution.bounds.upper - here;
            }
            Err(ended) => return Ok(Err(ended)),
        }
    }
    draw.points = (xs.len() + ys.len()) as u64;
    Ok(Ok(draw))
}

/// Means over pairs of points: all pairs where one side is whole, else all pairs within blocks of the samples.
fn pairs(ready: &Ready, xs: &Side, ys: &Side, us: &[f64], vs: &[f64]) -> Result<Draw> {
    let aligned = !(xs.whole || ys.whole);
    let rows = if aligned { xs.len().min(ys.len()) } else { xs.len() };
    let found: Vec<Result<[f64; 3]>> = (0..rows.div_ceil(BLOCK))
        .into_par_iter()
        .map(|b| {
            let rows = b * BLOCK..((b + 1) * BLOCK).min(rows);
            let columns = if aligned { rows.clone() } else { 0..ys.len() };
            let mut sums = [0.0; 3];
            scores(ready, (xs, us), (ys, vs), rows, columns, |row, column, s| {
                let share = xs.weights[row] * ys.weights[column];
                sums[0] += share;
                sums[1] += share * ready.divergence.conj(s);
                sums[2] -= share * s;
            })?;
            Ok(sums)
        })
        .collect();
    let (mut mass, mut penalty, mut cost) = (0.0, 0.0, 0.0);
    for sums in found {
        let [m, p, c] = sums?;
        (mass, penalty, cost) = (mass + m, penalty + p, cost + c);
    }
    let cost = ready.lambda * cost / mass;
    Ok(Draw {
        penalty: ready.lambda * penalty / mass,
        cost,
        product: cost + ready.lambda * ready.divergence.f_at_one(),
        ..Draw::default()
    })
}

/// Calls `each` with row, column and s = (u + v − c)/λ, row by row.
fn scores(
    ready: &Ready,
    (xs, us): (&Side, &[f64]),
    (ys, vs): (&Side, &[f64]),
    rows: Range<usize>,
    columns: Range<usize>,
    mut each: impl FnMut(usize, usize, f64),
) -> Result<()> {
    let dim = ready.dim;
    let atoms = Soa::from_rows(dim, &ys.points[columns.start * dim..columns.end * dim])?;
    let mut costs = vec![0.0; columns.len()];
    for row in rows {
        let x = &xs.points[row * dim..][..dim];
        ready.cost.rows(x, &atoms, &mut costs);
        for (c, column) in costs.iter().zip(columns.clone()) {
            if !c.is_finite() {
                let place = format!("x = {x:?}, y = {:?}", &ys.points[column * dim..][..dim]);
                return Err(Error::non_finite(format!("cost {}", ready.cost.name()), place, *c));
            }
            each(row, column, (us[row] + vs[column] - c) / ready.lambda);
        }
    }
    Ok(())
}

/// E(E\[t|x\] − 1)² and E(E\[t|y\] − 1)², t = (f*)'(s), from four independent samples: inner means over two that share nothing have a product whose
/// mean is the square.
fn chi2(ready: &Ready, u: &dyn Potential, v: &dyn Potential, key: u64) -> Result<[f64; 2]> {
    let draw =
        |drawn: &super::problem::Drawn, potential: &dyn Potential, half: u64| -> Result<(Side, Vec<f64>)> {
            let side = if drawn.is_whole(WHOLE) {
                drawn.points(key, WHOLE, ready.seed)?
            } else {
                let points = drawn.independent(key, half * MARGINAL as u64, MARGINAL, ready.seed)?;
                Side { points, weights: vec![1.0 / MARGINAL as f64; MARGINAL], whole: false }
            };
            let mut values = vec![0.0; side.len()];
            potential.fill(&side.points, &mut values);
            Ok((side, values))
        };
    let xs = [draw(&ready.source, u, 0)?, draw(&ready.source, u, 1)?];
    let ys = [draw(&ready.target, v, 0)?, draw(&ready.target, v, 1)?];
    // by[a][b]: means over the other side's half b, less one, at the points of half a.
    let mut by_x = xs.each_ref().map(|x| [vec![-1.0; x.0.len()], vec![-1.0; x.0.len()]]);
    let mut by_y = ys.each_ref().map(|y| [vec![-1.0; y.0.len()], vec![-1.0; y.0.len()]]);
    for (a, x) in xs.iter().enumerate() {
        for (b, y) in ys.iter().enumerate() {
            scores(ready, (&x.0, &x.1), (&y.0, &y.1), 0..x.0.len(), 0..y.0.len(), |i, j, s| {
                let t = ready.divergence.conj_prime(s);
                by_x[a][b][i] += y.0.weights[j] * t;
                by_y[b][a][j] += x.0.weights[i] * t;
            })?;
        }
    }
    let mean = |sides: &[(Side, Vec<f64>); 2], by: &[[Vec<f64>; 2]; 2]| -> f64 {
        let of = |(side, _): &(Side, Vec<f64>), by: &[Vec<f64>; 2]| -> f64 {
            side.weights.iter().zip(by[0].iter().zip(&by[1])).map(|(w, (p, q))| w * p * q).sum()
        };
        0.5 * (of(&sides[0], &by[0]) + of(&sides[1], &by[1]))
    };
    Ok([mean(&xs, &by_x), mean(&ys, &by_y)])
}

fn summarise(ready: &Ready, draws: &[Draw], exact: bool) -> Evidence {
    let side = |pick: &dyn Fn(&Draw) -> f64| -> (f64, f64) {
        let values: Vec<f64> = draws.iter().map(pick).collect();
        let (mean, error) = mean_and_error(&values);
        let t = if exact { 0.0 } else { REPEATED * student_t_975(values.len() as u64 - 1) };
        (mean, if mean.is_finite() { t * error } else { 0.0 })
    };
    let number = |x: f64| if x.is_nan() { f64::NEG_INFINITY } else { x };
    let (lower, lower_noise) = side(&|d| number(d.means - d.penalty));
    // Of the plans between samples and the product plan, the one that says more.
    let (plan, plan_noise) = side(&|d| d.means + d.plan);
    let (product, product_noise) = side(&|d| d.means + d.product);
    let ((upper, upper_noise), solved) = if plan + plan_noise <= product + product_noise {
        ((plan, plan_noise), true)
    } else {
        ((product, product_noise), false)
    };
    let (transport, transport_noise) =
        side(&|d| d.means + if solved && d.transport.is_finite() { d.transport } else { d.cost });
    let gap = side(&|d| number(d.penalty + if solved { d.plan } else { d.product })).0;
    let size = draws.iter().fold(ready.unit, |size, d| size.max(d.means.abs()));
    let rounding = |end: f64| 1e-14 * (end.abs() + size);
    let marginal = |k: usize| {
        let (chi2, error) = side(&|d| d.chi2[k]);
        // Densities that left the range of numbers say nothing.
        let chi2 = if chi2.is_nan() { f64::INFINITY } else { chi2 };
        Marginal { chi2, l1: (chi2 + error).max(0.0).sqrt() }
    };
    Evidence {
        value: lower,
        interval: Interval {
            lower: lower - lower_noise - rounding(lower),
            upper: upper + upper_noise + rounding(upper),
        },
        bounds: Bounds { lower: f64::NEG_INFINITY, upper: transport + transport_noise + rounding(transport) },
        marginals: Marginals { source: marginal(0), target: marginal(1) },
        gap,
        noise: lower_noise.max(upper_noise),
        samples: draws.iter().map(|d| d.points).sum(),
    }
}
