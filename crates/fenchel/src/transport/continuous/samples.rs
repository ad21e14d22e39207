//! The default method: exact transport between growing samples, extended to all points.
//!
//! Optimal potentials of n points of μ and n of ν, extended by c-transforms, fall short of W_λ by an amount in proportion to λN/n, N being the
//! number of points that share in one; fresh samples of the same size are as far above. So both ends of the interval close as n grows, and
//! a single fresh pair of samples tells how far there is to go.

use super::basis::KernelPotential;
use super::certificate::{Evidence, Sizes, certify, glance};
use super::coupling::{Coupling, Support};
use super::extend::{REPLICATES, unsolved};
use super::fit::fit;
use super::potential::{CTransform, Potential};
use super::problem::{Drawn, Ended, Ready, Side, purpose};
use super::settings::{Settings, Solver, Space};
use super::solution::{HistoryPoint, Solution};
use crate::cost::Transposed;
use crate::error::Result;
use crate::optim::{Loop, Progress, Status};
use crate::transport::statistics::student_t_975;

/// Points of either side to start with, and the factor by which they grow.
const START: usize = 512;
const GROWTH: usize = 4;

/// Share of the tolerance that the gap may take for a certificate to be worth its while; the rest is for noise.
const ROOM: f64 = 0.7;

/// Potentials are evaluated at so many points times points of a sample at most.
const EVALUATED: usize = 1 << 33;

/// Points that a potential in a reproducing space is fitted to.
const FITTED: usize = 4096;

/// What a stage found.
struct Stage {
    coupling: Coupling,
    bandwidth: Option<f64>,
}

pub(super) fn solve(
    ready: &Ready,
    settings: &Settings,
    space: Option<Space>,
    control: &mut Loop<'_>,
) -> Result<(Solution, Coupling)> {
    let target = settings.tolerance * ready.unit;
    let mut n = START.min(settings.max_samples);
    let mut stage = 0;
    let mut spent = Spent::default();
    let mut best: Option<(Evidence, Stage)> = None;
    let mut last: Option<Stage> = None;
    let status = loop {
        let began = control.seconds();
        let found = match train(ready, space, n, stage, spent.progress("solving", ready, settings), control)?
        {
            Ok(found) => found,
            Err(Ended(status)) => break status,
        };
        spent.samples += 2 * n as u64;
        let (u, v) = (found.coupling.u().clone(), found.coupling.v().clone());
        let whole = ready.source.is_whole(n) && ready.target.is_whole(n);
        let sizes = Sizes {
            replicates: REPLICATES,
            points: n.max(for_noise(ready, &found.coupling, n, target)),
            solved: n,
            stream: purpose::CERTIFICATE + stage * (1 << 20),
        };
        let gap = if whole {
            0.0
        } else {
            match glance(ready, &*u, &*v, sizes, spent.progress("certifying", ready, settings), control)? {
                Ok(gap) => gap,
                Err(Ended(status)) => {
                    last = Some(found);
                    break status;
                }
            }
        };
        spent.error = gap / ready.unit;
        // The next stage takes a pair of solves that are GROWTH times as large at least, and its certificate eight.
        let took = control.seconds() - began;
        let affordable = control.seconds() + 4.0 * GROWTH as f64 * took < control.limit();
        let grows = n < settings.max_samples && !whole;
        if gap > ROOM * target && grows && affordable {
            (n, stage) = ((n * GROWTH).min(settings.max_samples), stage + 1);
            last = Some(found);
            continue;
        }
        let progress = spent.progress("certifying", ready, settings);
        let evidence = match certify(ready, &*u, &*v, sizes, progress, control)? {
            Ok(evidence) => evidence,
            Err(Ended(status)) => {
                last = Some(found);
                break status;
            }
        };
        spent.samples += evidence.samples;
        spent.history.push(HistoryPoint {
            samples: spent.samples,
            seconds: control.seconds(),
            value: evidence.value,
            gap: Some(evidence.gap),
        });
        let width = evidence.interval.width();
        spent.error = width / ready.unit;
        if best.as_ref().is_none_or(|(b, _)| width < b.interval.width()) {
            best = Some((evidence, found));
        }
        if width <= target {
            break Status::Converged;
        }
        if whole {
            break Status::Stalled;
        }
        if !grows {
            break Status::MaxIterations;
        }
        if !affordable {
            break Status::MaxTime;
        }
        (n, stage) = ((n * GROWTH).min(settings.max_samples), stage + 1);
    };
    let (evidence, found) = match best {
        Some(best) => best,
        None => uncertified(ready, last, stage)?,
    };
    let name = match settings.solver {
        Solver::Kernel(space) => format!("kernel {}", space.kernel),
        _ => "samples".to_owned(),
    };
    let mut solution = ready.report(status, evidence, name);
    solution.bandwidth = found.bandwidth;
    solution.history = spent.history;
    solution.samples = spent.samples;
    solution.seconds = control.seconds();
    Ok((solution, found.coupling))
}

/// What has been used up.
#[derive(Default)]
struct Spent {
    samples: u64,
    error: f64,
    history: Vec<HistoryPoint>,
}

impl Spent {
    fn progress<'p>(&self, phase: &'p str, ready: &Ready, settings: &Settings) -> Progress<'p> {
        let error = if self.error > 0.0 { self.error } else { ready.lambda / ready.unit };
        let fraction = (settings.tolerance / error).clamp(0.0, 1.0);
        Progress { phase, fraction, samples: self.samples, error, target: settings.tolerance, iterate: &[] }
    }
}

/// Solves for a pair of samples, and extends.
fn train(
    ready: &Ready,
    space: Option<Space>,
    n: usize,
    stage: u64,
    progress: Progress<'_>,
    control: &mut Loop<'_>,
) -> Result<std::result::Result<Stage, Ended>> {
    let key = purpose::TRAINING + stage;
    let (xs, ys) = (ready.source.points(key, n, ready.seed)?, ready.target.points(key, n, ready.seed)?);
    let solution = match ready.solve_between(&xs, &ys, 0.1, progress, control)? {
        Ok(solution) => solution,
        Err(ended) => return Ok(Err(ended)),
    };
    let mut phi: Vec<f64> = solution.potential.iter().map(|v| v.unwrap_or(0.0)).collect();
    let kernel = match space {
        None => None,
        Some(space) => {
            let kernel = into_space(ready, space, (&xs, &ys), &phi, stage)?;
            kernel.fill(&ys.points, &mut phi);
            Some(kernel)
        }
    };
    let bandwidth = kernel.as_ref().map(KernelPotential::bandwidth);
    let u = CTransform::new(
        &ys.cloud(ready.dim)?,
        phi.clone(),
        ready.cost.clone(),
        ready.divergence.clone(),
        ready.lambda,
    )?;
    let psi = u.values(&xs.points)?;
    let supports = (Support::new(&xs, psi), Support::new(&ys, phi));
    let coupling = Coupling::new(ready.forces(), ready.dim, ready.lambda, supports, kernel, None)?;
    Ok(Ok(Stage { coupling, bandwidth }))
}

/// v in a reproducing space, fitted to its c-transform at fresh points, of which there are as many as it takes.
fn into_space(
    ready: &Ready,
    space: Space,
    (xs, ys): (&Side, &Side),
    phi: &[f64],
    stage: u64,
) -> Result<KernelPotential> {
    let (cost, divergence) = ready.forces();
    let u =
        CTransform::new(&ys.cloud(ready.dim)?, phi.to_vec(), cost.clone(), divergence.clone(), ready.lambda)?;
    let psi = u.values(&xs.points)?;
    let v =
        CTransform::new(&xs.cloud(ready.dim)?, psi, Transposed::of(cost), divergence.clone(), ready.lambda)?;
    let fresh = ready.target.points(purpose::FITTED + stage, FITTED, ready.seed)?;
    let values = v.values(&fresh.points)?;
    // What an error d of v costs: λ (f*(s + d/λ) − f*(s) − d/λ) at the s where (f*)' is 1. Too much is worse than too little.
    let s = divergence.f_prime_at_one();
    let loss = |found: f64, known: f64| {
        let d = (found - known) / ready.lambda;
        divergence.conj(s + d) - divergence.conj(s) - d
    };
    Ok(fit(space, ready.dim, &fresh.points, &values, &loss, (ready.seed, purpose::FEATURES)))
}

/// How many points a side it takes for the means of u and v to be known well enough, where they are drawn independently.
fn for_noise(ready: &Ready, coupling: &Coupling, n: usize, target: f64) -> usize {
    let variance = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64
    };
    let [psi, phi] = coupling.on_samples();
    let independent = |drawn: &Drawn| drawn.source.uniforms().is_none() && !drawn.is_whole(n);
    let total = if independent(&ready.source) { variance(psi) } else { 0.0 }
        + if independent(&ready.target) { variance(phi) } else { 0.0 };
    let quantile = student_t_975(REPLICATES as u64 - 1);
    // Both ends are widened by the noise, which may take half of the room that is left.
    let enough = total * (4.0 * quantile / ((1.0 - ROOM) * target)).powi(2) / REPLICATES as f64;
    (enough.min(1e9) as usize).min(EVALUATED / n / REPLICATES)
}

/// Where the run ended before anything was certified.
fn uncertified(ready: &Ready, last: Option<Stage>, stage: u64) -> Result<(Evidence, Stage)> {
    let found = match last {
        Some(found) => found,
        None => {
            let key = purpose::TRAINING + stage;
            let (xs, ys) =
                (ready.source.points(key, 64, ready.seed)?, ready.target.points(key, 64, ready.seed)?);
            let zeros = |side: &Side| Support::new(side, vec![0.0; side.len()]);
            let supports = (zeros(&xs), zeros(&ys));
            let coupling = Coupling::new(ready.forces(), ready.dim, ready.lambda, supports, None, None)?;
            Stage { coupling, bandwidth: None }
        }
    };
    let evidence = unsolved(ready, &**found.coupling.u(), &**found.coupling.v(), stage)?;
    Ok((evidence, found))
}
