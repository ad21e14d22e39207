//! Stochastic gradients in a reproducing space as a solver: steps found, the answer certified.

use super::ascent::{Setting, Walk};
use super::checkpoint::{self, Saver};
use super::coupling::Coupling;
use super::extend::{Given, extend, judged};
use super::problem::{Ready, purpose};
use super::settings::Sgd;
use super::solution::{HistoryPoint, Solution};
use crate::error::Result;
use crate::optim::{Loop, Progress, Status};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Points of either side on which walks are compared.
const VALIDATION: usize = 512;

/// Steps tried, times the unit of the costs, and bandwidths, times the median distance.
const STEPS: [f64; 7] = [1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0];
const BANDWIDTHS: [f64; 3] = [0.5, 1.0, 3.0];

/// Share of the time budget that walking may take.
const WALKING: f64 = 0.7;

/// A walk among those tried.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Trial {
    setting: usize,
    walk: Walk,
    value: f64,
}

/// Where a solve is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct State {
    t: u64,
    pub(super) samples: u64,
    trials: Vec<Trial>,
    /// Of those that walk a third goes on when all have gone three times as far: at this step next.
    cut: Option<u64>,
    /// Step of the next line of the history.
    report: u64,
    history: Vec<HistoryPoint>,
    /// The best walk at the last report.
    good: Option<(usize, Walk)>,
}

pub(super) fn solve(
    ready: &Ready,
    sgd: Sgd,
    state: Option<checkpoint::State>,
    control: &mut Loop<'_>,
) -> Result<(Solution, Coupling)> {
    let factors = if sgd.space.bandwidth.is_some() || sgd.step.is_some() { &[1.0][..] } else { &BANDWIDTHS };
    let set: Vec<Setting> = factors
        .iter()
        .map(|factor| Setting::new(&ready.problem, &sgd, (ready.lambda, *factor), ready.seed))
        .collect::<Result<_>>()?;
    let validation = [
        ready.target.points(purpose::VALIDATION, VALIDATION, ready.seed)?.points,
        ready.source.points(purpose::VALIDATION, VALIDATION, ready.seed)?.points,
    ];
    let steps: Vec<f64> = match sgd.step {
        Some(step) => vec![step],
        None => STEPS.iter().map(|s| s * ready.unit).collect(),
    };
    let half = sgd.steps / 2;
    let trials: Vec<Trial> = (0..set.len())
        .flat_map(|setting| steps.iter().map(move |step| (setting, *step)))
        .map(|(setting, step)| Trial {
            setting,
            walk: set[setting].start(step, half),
            value: f64::NEG_INFINITY,
        })
        .collect();
    let limit = WALKING * control.limit();
    let mut saver = Saver::default();
    let mut state = match state {
        Some(checkpoint::State::Sgd(state)) => *state,
        _ => {
            let cut = (trials.len() > 1).then_some((sgd.steps / 27).max(1));
            State { t: 0, samples: 0, trials, cut, report: 1, history: Vec::new(), good: None }
        }
    };
    let mut status = Status::MaxIterations;
    while state.t < sgd.steps && !state.trials.is_empty() {
        let number = state.t / set[0].chunk_steps();
        let end = ((number + 1) * set[0].chunk_steps())
            .min(sgd.steps)
            .min(state.cut.unwrap_or(u64::MAX))
            .min(state.report);
        let progress = Progress {
            phase: if state.trials.len() > 1 { "finding a step" } else { "solving" },
            fraction: state.t as f64 / sgd.steps as f64,
            samples: 2 * state.t * sgd.batch as u64,
            error: f64::NAN,
            target: ready.settings.tolerance,
            iterate: &[],
        };
        state.samples = progress.samples;
        saver.offer(ready, control, &mut || checkpoint::State::Sgd(Box::new(state.clone())));
        if let Some(ended) = control.within(limit).check(&progress) {
            status = ended;
            let top = state.trials.iter().max_by(|a, b| a.value.total_cmp(&b.value));
            if let Some(trial) = top.filter(|trial| trial.walk.is_finite()) {
                state.good = Some((trial.setting, trial.walk.clone()));
            }
            break;
        }
        let mut chunks = Vec::with_capacity(set.len());
        for (i, setting) in set.iter().enumerate() {
            chunks.push(if state.trials.iter().any(|t| t.setting == i) {
                Some(setting.chunk(number)?)
            } else {
                None
            });
        }
        state.trials.par_iter_mut().for_each(|trial| {
            if let Some(chunk) = &chunks[trial.setting] {
                trial.walk.through(&set[trial.setting], chunk, end - state.t);
            }
        });
        state.t = end;
        let due = state.t == state.report || state.t == sgd.steps || state.cut == Some(state.t);
        if !due {
            continue;
        }
        state.trials.par_iter_mut().try_for_each(|trial| -> Result<()> {
            let Walk { v, alpha, .. } = &trial.walk;
            let value = set[trial.setting].value(v, alpha, &validation[0], &validation[1])?;
            trial.value = if value.is_finite() && trial.walk.is_finite() { value } else { f64::NEG_INFINITY };
            Ok(())
        })?;
        state.trials.retain(|trial| trial.value > f64::NEG_INFINITY);
        if state.cut == Some(state.t) {
            state.trials.sort_by(|a, b| b.value.total_cmp(&a.value));
            state.trials.truncate(state.trials.len().div_ceil(3));
            state.cut = (state.trials.len() > 1).then_some(3 * state.t);
        }
        let top = state.trials.iter().max_by(|a, b| a.value.total_cmp(&b.value));
        if let Some(trial) = top {
            let samples = 2 * state.t * sgd.batch as u64;
            state.history.push(HistoryPoint {
                samples,
                seconds: control.seconds(),
                value: trial.value,
                gap: None,
            });
            state.good = Some((trial.setting, trial.walk.clone()));
        }
        if state.t >= state.report {
            state.report *= 2;
        }
    }
    if state.trials.is_empty() {
        status = Status::Diverged;
    }
    let (at, walk) = state.good.unwrap_or_else(|| (0, set[0].start(steps[0], half)));
    let setting = &set[at];
    // The mean of the later half is the less noisy; whether it is the better one, the objective says.
    let value = |v: &[f64]| setting.value(v, &walk.alpha, &validation[0], &validation[1]);
    let averaged = walk.t > half + 1 && walk.mean.iter().all(|x| x.is_finite());
    let better = averaged && value(&walk.mean)? > value(&walk.v)?;
    let kernel = setting.potential(if better { &walk.mean } else { &walk.v });

    let interrupted = status == Status::Interrupted;
    let (evidence, coupling, ended) =
        extend(ready, &kernel, Given::Kernel(kernel.clone()), interrupted, control)?;
    if status == Status::MaxIterations {
        status = judged(ready, &evidence, ended.unwrap_or(status));
    }
    let samples = 2 * state.t * sgd.batch as u64 + evidence.samples;
    let mut solution = ready.report(status, evidence, format!("sgd {}", sgd.objective));
    (solution.bandwidth, solution.step) = (Some(setting.bandwidth()), Some(walk.step));
    (solution.history, solution.samples) = (state.history, samples);
    solution.seconds = control.seconds();
    Ok((solution, coupling))
}
