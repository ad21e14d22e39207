//! The default method: exact transport between growing samples, extended to all points.
//!
//! Optimal potentials of n points of μ and n of ν, extended by c-transforms, fall short of W_λ by an amount in proportion to λN/n, N being the
//! number of points that share in one; fresh samples of the same size are as far above. So both ends of the interval close as n grows, and
//! a single fresh pair of samples tells how far there is to go.

use super::basis::KernelPotential;
use super::certificate::{Draw, Evidence, Offer, Sizes, certify, glance};
use super::checkpoint::{self, Saver};
use super::coupling::{Coupling, Record, Support};
use super::extend::{Given, REPLICATES, coupled, unsolved};
use super::fit::fit;
use super::potential::{CTransform, Potential};
use super::problem::{Drawn, Ended, Ready, Side, purpose};
use super::settings::{Solver, Space};
use super::solution::{HistoryPoint, Solution};
use crate::cost::Transposed;
use crate::error::Result;
use crate::optim::{Loop, Progress, Status};
use crate::transport::statistics::student_t_975;
use serde::{Deserialize, Serialize};

/// Points of either side to start with, and the factor by which they grow.
const START: usize = 512;
const GROWTH: usize = 4;

/// Measures of so many points are taken whole from the start.
const FEW: usize = 4096;

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

/// A [`Stage`] as a checkpoint keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    record: Record,
    bandwidth: Option<f64>,
}

impl Stage {
    fn kept(&self) -> Kept {
        Kept { record: self.coupling.record().clone(), bandwidth: self.bandwidth }
    }

    fn restored(kept: Kept, ready: &Ready) -> Result<Self> {
        Ok(Stage { coupling: Coupling::restored(kept.record, ready.forces())?, bandwidth: kept.bandwidth })
    }
}

/// Where a solve is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct State {
    n: usize,
    stage: u64,
    pub(super) samples: u64,
    error: f64,
    history: Vec<HistoryPoint>,
    /// The narrowest interval so far.
    best: Option<(Evidence, Kept)>,
    /// In a certificate: what is certified, and the draws so far.
    certifying: Option<(Kept, Vec<Draw>)>,
}

impl State {
    fn progress<'p>(&self, phase: &'p str, ready: &Ready) -> Progress<'p> {
        let target = ready.settings.tolerance;
        let error = if self.error > 0.0 { self.error } else { ready.lambda / ready.unit };
        let fraction = (target / error).clamp(0.0, 1.0);
        Progress { phase, fraction, samples: self.samples, error, target, iterate: &[] }
    }

    fn grow(&mut self, limit: usize) {
        (self.n, self.stage) = ((self.n * GROWTH).min(limit), self.stage + 1);
    }
}

pub(super) fn solve(
    ready: &Ready,
    space: Option<Space>,
    state: Option<checkpoint::State>,
    control: &mut Loop<'_>,
) -> Result<(Solution, Coupling)> {
    let settings = &ready.settings;
    let target = settings.tolerance * ready.unit;
    let mut saver = Saver::default();
    let mut state = match state {
        Some(checkpoint::State::Samples(state)) => *state,
        _ => State { n: start(ready), ..State::default() },
    };
    let mut last: Option<Stage> = None;
    let status = loop {
        let began = control.seconds();
        let n = state.n;
        let whole = ready.source.is_whole(n) && ready.target.is_whole(n);
        let grows = n < settings.max_samples && !whole;
        let (found, draws) = match state.certifying.take() {
            Some((kept, draws)) => (Stage::restored(kept, ready)?, Some(draws)),
            None => {
                saver.offer(ready, control, &mut || checkpoint::State::Samples(Box::new(state.clone())));
                match train(ready, space, n, state.stage, state.progress("solving", ready), control)? {
                    Ok(found) => (found, None),
                    Err(Ended(status)) => break status,
                }
            }
        };
        let (u, v) = (found.coupling.u().clone(), found.coupling.v().clone());
        let stream = purpose::CERTIFICATE + state.stage * (1 << 20);
        let sizes = Sizes { replicates: REPLICATES, points: n, solved: n, stream };
        if draws.is_none() {
            state.samples += 2 * n as u64;
            let gap = if whole {
                0.0
            } else {
                match glance(ready, &*u, &*v, sizes, state.progress("certifying", ready), control)? {
                    Ok(gap) => gap,
                    Err(Ended(status)) => {
                        last = Some(found);
                        break status;
                    }
                }
            };
            state.error = gap / ready.unit;
            if gap > ROOM * target && grows && affordable(began, control) {
                state.grow(settings.max_samples);
                last = Some(found);
                continue;
            }
        }
        // Noise far below a gap that is larger than the tolerance would be for nothing.
        let shown = target.max(state.error * ready.unit);
        let sizes = Sizes { points: n.max(for_noise(ready, &found.coupling, n, shown)), ..sizes };
        let progress = state.progress("certifying", ready);
        let mut offer = |draws: &[Draw], control: &mut Loop<'_>| {
            saver.offer(ready, control, &mut || {
                let certifying = Some((found.kept(), draws.to_vec()));
                checkpoint::State::Samples(Box::new(State { certifying, ..state.clone() }))
            });
        };
        let draws = (draws.unwrap_or_default(), &mut offer as Offer<'_>);
        let evidence = match certify(ready, &*u, &*v, sizes, progress, draws, control)? {
            Ok(evidence) => evidence,
            Err(Ended(status)) => {
                last = Some(found);
                break status;
            }
        };
        state.samples += evidence.samples;
        state.history.push(HistoryPoint {
            samples: state.samples,
            seconds: control.seconds(),
            value: evidence.value,
            gap: Some(evidence.gap),
        });
        let width = evidence.interval.width();
        state.error = width / ready.unit;
        if state.best.as_ref().is_none_or(|(b, _)| width < b.interval.width()) {
            state.best = Some((evidence, found.kept()));
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
        if !affordable(began, control) {
            break Status::MaxTime;
        }
        state.grow(settings.max_samples);
    };
    let (evidence, found) = match state.best {
        Some((evidence, kept)) => (evidence, Stage::restored(kept, ready)?),
        None => uncertified(ready, last, state.stage)?,
    };
    let name = match settings.solver {
        Solver::Kernel(space) => format!("kernel {}", space.kernel),
        _ => "samples".to_owned(),
    };
    let mut solution = ready.report(status, evidence, name);
    solution.bandwidth = found.bandwidth;
    solution.history = state.history;
    solution.samples = state.samples;
    solution.seconds = control.seconds();
    Ok((solution, found.coupling))
}

/// Points of either side in the first stage: all, if there are few.
fn start(ready: &Ready) -> usize {
    let most = ready.settings.max_samples;
    let all = [&ready.source, &ready.target].map(|side| side.source.cloud().map_or(usize::MAX, |c| c.len()));
    let all = all[0].max(all[1]);
    if all <= FEW.min(most) { all.max(1) } else { START.min(most) }
}

/// Whether there is time for the next stage: it has samples that are [`GROWTH`] times as large.
fn affordable(began: f64, control: &Loop<'_>) -> bool {
    let took = control.seconds() - began;
    control.seconds() + 4.0 * GROWTH as f64 * took < control.limit()
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
    let coupling = coupled(ready, (&xs, &ys), phi, kernel.map_or(Given::Samples, Given::Kernel))?;
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
