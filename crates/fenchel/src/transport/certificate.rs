//! What is known about potentials, from samples the solver never saw.
//!
//! On each of R independent nets μ̂_r (every one an unbiased picture of μ) two numbers are formed:
//!
//! * L_r = h_r(φ), the dual at the given potentials. E L_r = h(φ) ≤ W_λ(μ, ν).
//! * U_r, the cost of a plan with marginals exactly (μ̂_r, ν), at least W_λ(μ̂_r, ν). As W_λ(·, ν) is a
//!   supremum of functions linear in μ, E W_λ(μ̂_r, ν) ≥ W_λ(μ, ν).
//!
//! The plan comes from re-solving the net's own dual, starting at φ: p has marginal q ≈ ν, and costs
//! h_r(φ_r) + (q − ν)·φ_r. Mixing in a little of the product plan with marginal r = q + (ν − q)/θ mends
//! the rest: (1−θ)p + θr has marginal ν, and by convexity costs at most the same mixture of costs. Where θ
//! comes out large, because the net was too coarse to be solved well, p is rounded instead, row by row.
//! Among many atoms what is taken from some goes to others nearby, which costs so little that most nets need not be
//! solved at all; whether that is so, another net tells, which no number comes from. The
//! means of L_r and U_r with Student's t quantiles, widened by [`REPEATED`], are the ends of the interval. A
//! source with finite support that fits is used whole: then there is one net, and no sampling error.

use super::checkpoint::{Drawn, Offers};
use super::draws::Draws;
use super::evaluate::{Want, pass, watched_pass};
use super::net::Net;
use super::newton::{LIST_ENTRIES, Solved, Task, l1, solve_net};
use super::problem::{Frozen, purpose};
use super::rounding::{Rounded, Rounding};
use super::solution::{Bounds, Interval, MarginalError};
use super::statistics::{REPEATED, mean_and_error, student_t_975};
use crate::error::{Error, Result};
use crate::optim::{Loop, Progress, Status, Watch};
use crate::simd;
use serde::{Deserialize, Serialize};

/// What the certificate found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Evidence {
    pub(crate) value: f64,
    pub(crate) interval: Interval,
    pub(crate) bounds: Bounds,
    pub(crate) marginal: MarginalError,
    /// Mean of U_r − L_r.
    pub(crate) gap: f64,
    /// Half-width of the lower side's confidence interval.
    pub(crate) lower_noise: f64,
    /// The marginal is that of the user's own weights, not of the smoothed ones.
    pub(crate) sharp: bool,
    pub(crate) samples: u64,
    pub(crate) ended: Option<Status>,
}

/// Sizes of a certificate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) replicates: u64,
    pub(crate) len: usize,
    /// First stream number: certificates never share samples.
    pub(crate) stream: u64,
    /// Newton steps on each net.
    pub(crate) max_iterations: usize,
    /// Hessian rows to start with, and how many entries they may have.
    pub(crate) rows: usize,
    pub(crate) entries: usize,
    /// Damping to start with.
    pub(crate) delta: f64,
    /// λ of the smooth problem.
    pub(crate) lambda: f64,
    /// The plan is that of the user's own weights, not of the smoothed ones.
    pub(crate) sharp: bool,
    pub(crate) seed: u64,
    /// The tolerance asked for.
    pub(crate) target: f64,
    /// Seconds that all may take together, where what can be had is wanted: a net is then solved for its share of them, and
    /// none is begun after them.
    pub(crate) hurry: Option<f64>,
}

/// Certifies `phi`; why not, if the run had to end before there was enough to go by and nobody was in a hurry. `whole` is
/// the source itself, where it has finite support and is used whole; `drawn` are nets that were done before.
pub(crate) fn certify(
    problem: &Frozen,
    phi: &[f64],
    plan: Plan,
    whole: Option<Net>,
    drawn: Drawn,
    mut offers: Option<Offers<'_>>,
    control: &mut Loop<'_>,
) -> Result<std::result::Result<Evidence, Status>> {
    let Plan { lambda, seed, target, .. } = plan;
    let started = control.seconds();
    let exact = whole.is_some();
    // Rounding mends a small error in the 1-norm, but not within a cap.
    let capped = is_capped(problem);
    // Among many atoms, what a plan's mending costs is drawn; where there is nothing random, it is summed.
    let dense = exact || problem.index.is_none() || problem.atoms() <= SUMMED;
    let mut whole = whole;
    let replicates = if exact { 1 } else { plan.replicates.max(LEAST) };
    let Drawn { mut draws, mut samples } = drawn;
    let mut ended = None;
    let mends = !dense && !capped;
    let solves = if !mends {
        true
    } else if plan.hurry.is_some() {
        false
    } else {
        match mended_gap(problem, phi, &plan, control)? {
            Ok(gap) => gap > MENDED * target * problem.unit,
            Err(ended) => return Ok(Err(ended)),
        }
    };
    for r in draws.len() as u64..replicates {
        if let Some(offers) = &mut offers
            && ended.is_none()
        {
            offers.offer(problem, &draws, samples, control);
        }
        let key = purpose::CERTIFICATE + plan.stream + r;
        let mut net = match whole.take() {
            Some(net) => net,
            None => Net::draw(problem, seed, key, plan.len)?,
        };
        samples += net.len as u64;
        let enough = if mends { MENDED } else { SOLVED } * target;
        let progress = Progress {
            phase: "certifying",
            fraction: r as f64 / replicates as f64,
            samples,
            error: 0.0,
            target,
            iterate: &[],
        };
        let task = Task {
            lambda,
            ridge: 0.0,
            max_iterations: if solves { plan.max_iterations } else { 0 },
            delta: plan.delta,
            rows: plan.rows,
            entries: plan.entries,
            first: Want { mean_cost: dense, all: dense, exact: true, ..Want::default() },
            left_out: 0.0,
            // Two nets are the least that says something.
            must: plan.hurry.is_some() && (draws.len() as u64) < LEAST,
            done: &|p| (!capped && l1(&p.q, &problem.nu) <= enough) || mixing(&p.q, problem) <= enough,
            progress,
        };
        let mut own = phi.to_vec();
        // What the nets before did not use is left to those to come.
        let share = |hurry: f64| {
            let spent = control.seconds() - started;
            control.seconds() + (hurry - spent).max(0.0) / (replicates - r) as f64
        };
        let until = plan.hurry.map_or(f64::INFINITY, share);
        let solved = match solve_net(problem, &mut net, &mut own, &task, &mut control.within(until))? {
            Ok(solved) => solved,
            Err(status) => {
                ended = Some(status);
                break;
            }
        };
        if plan.hurry.is_none() {
            ended = solved.ended;
        }
        // Weights hide an infinite cost, means do not.
        if let Some(i) = net.mean_cost.as_ref().and_then(|m| m.iter().position(|c| !c.is_finite())) {
            let at = format!("a sample of the source, atom {}", problem.active[i]);
            return Err(Error::non_finite(format!("cost {}", problem.cost.name()), at, f64::INFINITY));
        }
        let rounded = if mends || mixing(&solved.last.q, problem) > enough {
            let drawn = (!dense).then_some((seed, purpose::MENDING + key));
            let rounding = Rounding::new(problem, &own, lambda, &solved.last.q, drawn);
            let want = Want {
                lists: if dense { 0 } else { LIST_ENTRIES * plan.entries },
                all: dense,
                rounding: Some(&rounding),
                ..Want::default()
            };
            let rounded = if plan.hurry.is_some() {
                Ok(pass(problem, &mut net, &own, lambda, want))
            } else {
                let watch = Watch::new(control, progress);
                watched_pass(problem, &mut net, &own, lambda, want, &watch)
            };
            ended = ended.or(rounded.as_ref().err().copied());
            rounded.ok().and_then(|pass| pass.rounded).filter(|r| !r.outside)
        } else {
            None
        };
        // A net that was given up is left out, unless it is all there can be.
        if ended.is_some() && !exact {
            break;
        }
        draws.push(Draw::new(problem, phi, &own, &plan, &net, &solved, rounded, key));
        let over = plan.hurry.is_some_and(|hurry| control.seconds() - started >= hurry);
        if over && draws.len() as u64 >= LEAST {
            break;
        }
    }
    let least = if exact { 1 } else { LEAST };
    Ok(match ended {
        Some(status) if (draws.len() as u64) < least => Err(status),
        _ => Ok(summarise(problem, &draws, &plan, samples, ended, exact)),
    })
}

fn is_capped(problem: &Frozen) -> bool {
    (0..problem.atoms()).any(|i| problem.generator(i).cap().is_finite())
}

/// Whether plans are mended nearby, on nets that may be coarse, as long as the source is not used whole.
pub(crate) fn mends(problem: &Frozen) -> bool {
    problem.index.is_some() && problem.atoms() > SUMMED && !is_capped(problem)
}

/// U − L on a net of its own, where nothing is solved; why not, if the run had to end.
fn mended_gap(
    problem: &Frozen,
    phi: &[f64],
    plan: &Plan,
    control: &mut Loop<'_>,
) -> Result<std::result::Result<f64, Status>> {
    let key = purpose::CERTIFICATE + plan.stream + ASIDE;
    let mut net = Net::draw(problem, plan.seed, key, plan.len.div_ceil(ASIDE_SHARE))?;
    let progress = Progress {
        phase: "certifying",
        fraction: 0.0,
        samples: 0,
        error: 0.0,
        target: plan.target,
        iterate: &[],
    };
    let watch = Watch::new(control, progress);
    let lists = LIST_ENTRIES * plan.entries;
    let want = Want { lists, exact: true, ..Want::default() };
    let first = match watched_pass(problem, &mut net, phi, plan.lambda, want, &watch) {
        Ok(pass) => pass,
        Err(ended) => return Ok(Err(ended)),
    };
    let drawn = Some((plan.seed, purpose::MENDING + key));
    let rounding = Rounding::new(problem, phi, plan.lambda, &first.q, drawn);
    let want = Want { lists, rounding: Some(&rounding), ..Want::default() };
    let rounded = match watched_pass(problem, &mut net, phi, plan.lambda, want, &watch) {
        Ok(pass) => pass.rounded.unwrap_or_default(),
        Err(ended) => return Ok(Err(ended)),
    };
    let (penalty, smoothmax) = if problem.is_smooth {
        (plan.lambda * rounded.divergence, first.smoothmax)
    } else {
        (0.0, first.exact)
    };
    Ok(Ok(rounded.cost + penalty - (simd::dot(&problem.nu, phi) - smoothmax)))
}

/// L_r, U_r and q_r of one net, with the unregularised pair.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Draw {
    lower: f64,
    upper: f64,
    hard_lower: f64,
    hard_upper: f64,
    q: Vec<f64>,
}

impl Draw {
    #[expect(clippy::too_many_arguments, reason = "all that is known of a net")]
    fn new(
        problem: &Frozen,
        phi: &[f64],
        own: &[f64],
        plan: &Plan,
        net: &Net,
        solved: &Solved,
        rounded: Option<Rounded>,
        key: u64,
    ) -> Draw {
        let Plan { lambda, seed, sharp, .. } = *plan;
        let nu_phi = simd::dot(&problem.nu, phi);
        let first = &solved.first;
        let last = &solved.last;
        let theta = mixing(&last.q, problem);
        let (product_cost, product_divergence) = product(problem, &last.q, theta, net, (seed, key));
        let q_phi = simd::dot(&last.q, own);
        let mix =
            |plan: f64, product: f64| if theta > 0.0 { (1.0 - theta) * plan + theta * product } else { plan };
        let mut hard_upper = mix(q_phi - last.linear, product_cost);
        let mut upper = mix(q_phi - last.smoothmax, product_cost + lambda * product_divergence);
        if let Some(r) = rounded {
            let rounded = r.cost + lambda * r.divergence;
            // The cheaper of two sums may count; of two draws it would be cheaper than either is on average.
            let drawn = net.mean_cost.is_none();
            hard_upper = if drawn { r.cost } else { hard_upper.min(r.cost) };
            upper = if drawn { rounded } else { upper.min(rounded) };
        }
        let (lower, upper) = if problem.is_smooth {
            (nu_phi - first.smoothmax, upper)
        } else {
            // No penalty inside the domain of f: the plan's cost is all there is.
            (nu_phi - first.exact, hard_upper)
        };
        let q = if sharp { &first.exact_q } else { &first.q };
        Draw { lower, upper, hard_lower: nu_phi - first.hard, hard_upper, q: q.clone() }
    }
}

/// The smallest θ for which r = q + (ν − q)/θ is a probability vector within the divergence's cap.
fn mixing(q: &[f64], problem: &Frozen) -> f64 {
    let mut theta = 0.0_f64;
    for (i, ((&q, &nu), &eta)) in q.iter().zip(&problem.nu).zip(&problem.eta).enumerate() {
        let cap = problem.generator(i).cap();
        if q > nu {
            theta = theta.max((q - nu) / q);
        } else if nu > q && cap.is_finite() {
            let room = cap * eta - q;
            theta = theta.max(if room > 0.0 { (nu - q) / room } else { 1.0 });
        }
    }
    // At the smallest θ some r_i is 0. Where that costs infinitely much take twice as much: r ≥ q/2 then.
    let infinite_at_zero = |i: usize| problem.generator(i).f_at_zero() == f64::INFINITY;
    if problem.is_smooth && (0..q.len()).any(infinite_at_zero) {
        theta *= 2.0;
    }
    // Differences below rounding are nothing to mend.
    if theta < 1e-14 { 0.0 } else { theta.min(1.0) }
}

/// Cost and divergence of the product plan μ̂ ⊗ r; the cost by draws unless the net has the mean cost of every atom.
fn product(problem: &Frozen, q: &[f64], theta: f64, net: &Net, key: (u64, u64)) -> (f64, f64) {
    if theta == 0.0 {
        return (0.0, 0.0);
    }
    let r: Vec<f64> = q.iter().zip(&problem.nu).map(|(q, nu)| (q + (nu - q) / theta).max(0.0)).collect();
    let cost = match &net.mean_cost {
        Some(mean_cost) => simd::dot(&r, mean_cost),
        None => {
            let total: f64 = r.iter().sum();
            total * Draws::new(&r, (key.0, purpose::MENDING + key.1)).mean_cost(problem, net)
        }
    };
    let f = &*problem.divergence;
    // f(0) may be infinite.
    let mut divergence = if problem.eta_rest > 0.0 { problem.eta_rest * f.f_at_zero() } else { 0.0 };
    if problem.is_smooth {
        for (i, (r, eta)) in r.iter().zip(&problem.eta).enumerate().filter(|(_, (_, eta))| **eta > 0.0) {
            let own = problem.generator(i);
            divergence += eta * own.f((r / eta).min(own.cap()));
        }
    }
    (cost, divergence)
}

/// The marginal error at which a net is solved, as a share of the tolerance: where it is mixed with a product, and where it
/// is mended nearby; there also the gap at which nothing has to be solved, as a share of it times the spread.
const SOLVED: f64 = 0.15;
const MENDED: f64 = 0.5;

/// The net that is looked at beforehand has a number of its own, and is smaller than those that count by this factor.
const ASIDE: u64 = 1 << 15;
const ASIDE_SHARE: usize = 4;

/// Nets without which there is no interval.
const LEAST: u64 = 2;

/// Up to so many atoms all costs are summed.
const SUMMED: usize = 4096;

fn summarise(
    problem: &Frozen,
    draws: &[Draw],
    plan: &Plan,
    samples: u64,
    ended: Option<Status>,
    exact: bool,
) -> Evidence {
    let side = |pick: &dyn Fn(&Draw) -> f64| -> (f64, f64) {
        let values: Vec<f64> = draws.iter().map(pick).collect();
        let (mean, error) = mean_and_error(&values);
        let t = if exact { 0.0 } else { REPEATED * student_t_975(values.len() as u64 - 1) };
        (mean, t * error)
    };
    let (lower, lower_noise) = side(&|d| d.lower);
    let (upper, upper_noise) = side(&|d| d.upper);
    let (hard_lower, hard_lower_noise) = side(&|d| d.hard_lower);
    let (hard_upper, hard_upper_noise) = side(&|d| d.hard_upper);
    // Rounding of sums of numbers of this size: no interval is narrower.
    let rounding = 1e-14 * (lower.abs() + problem.unit);
    Evidence {
        value: lower,
        interval: Interval { lower: lower - lower_noise - rounding, upper: upper + upper_noise + rounding },
        bounds: Bounds {
            lower: hard_lower - hard_lower_noise - rounding,
            upper: hard_upper + hard_upper_noise + rounding,
        },
        marginal: marginal_error(problem, draws, exact),
        gap: upper - lower,
        lower_noise,
        sharp: plan.sharp,
        samples,
        ended,
    }
}

/// Errors of the pooled marginal, and χ² by products of independent nets.
fn marginal_error(problem: &Frozen, draws: &[Draw], exact: bool) -> MarginalError {
    let nu = &problem.nu;
    let count = draws.len() as f64;
    let mut sum = vec![0.0; nu.len()];
    for d in draws {
        for i in 0..nu.len() {
            sum[i] += d.q[i] - nu[i];
        }
    }
    let pooled: Vec<f64> = sum.iter().map(|s| s / count).collect();
    let max = pooled.iter().fold(0.0_f64, |a, g| a.max(g.abs()));
    let l1: f64 = pooled.iter().map(|g| g.abs()).sum();
    let weighted = |a: &dyn Fn(usize) -> f64| -> f64 { (0..nu.len()).map(|i| a(i) * a(i) / nu[i]).sum() };
    if exact || draws.len() < 2 {
        return MarginalError { max, l1, chi2: weighted(&|i| pooled[i]), chi2_error: 0.0 };
    }
    let squares: Vec<f64> = draws.iter().map(|d| weighted(&|i| d.q[i] - nu[i])).collect();
    let total: f64 = squares.iter().sum();
    let chi2 = (weighted(&|i| sum[i]) - total) / (count * (count - 1.0));
    let chi2_error = if draws.len() < 3 {
        chi2.abs().max(total / count)
    } else {
        // Jackknife over nets.
        let leave: Vec<f64> = draws
            .iter()
            .zip(&squares)
            .map(|(d, s)| {
                let rest = weighted(&|i| sum[i] - (d.q[i] - nu[i]));
                (rest - (total - s)) / ((count - 1.0) * (count - 2.0))
            })
            .collect();
        let (_, error) = mean_and_error(&leave);
        error * (count - 1.0)
    };
    let from_chi2 = (chi2 + 1.96 * chi2_error).max(0.0).sqrt();
    MarginalError { max, l1: l1.min(from_chi2), chi2, chi2_error }
}
