//! The run: batches, passes, and what is kept of them.

use super::checkpoint::{Checkpoint, Saver};
use super::examples::shuffled;
use super::losses::{Batch, Slopes};
use super::settings::{Settings, Watch};
use super::weights::{Threshold, Weigher};
use super::{Epoch, Robust, Trained, Validation, all_losses, validation};
use crate::EVERY;
use crate::network::{Network, keep_freed_memory, parameters, place};
use crate::optimiser::Optimiser;
use crate::purpose;
use fenchel::measure::stream;
use fenchel::optim::{Loop, Observer, Progress, Status};
use fenchel::robust::Method;
use fenchel::robust::loss::{Labels, Loss};
use fenchel::{Error, Result};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Instant;

/// A step that is chosen here grows by this after a pass that ends lower than all before, and falls by that after another.
const GROWTH: f64 = 1.2;
const FALL: f64 = 0.5;
/// What ρ of safe KL is where none is given. Weights of up to 1/ρ are noise in small batches, and ρ takes λρ/2 or more from the risk.
const RHO: f64 = 0.01;

/// All that a run goes on from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct State {
    /// The pass, and its next batch.
    pub(super) epoch: u32,
    batch: u64,
    pub(super) moving: Moving,
    pub(super) step: f64,
    /// The network that is the result if there is no validation part, and that a lost run goes back to.
    kept: Kept,
    /// The one that does best on the validation part.
    best: Option<Kept>,
    /// Passes since then.
    idle: u32,
    history: Vec<Epoch>,
}

/// What a step moves.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Moving {
    pub(super) parameters: Vec<f32>,
    pub(super) optimiser: Optimiser,
    pub(super) threshold: Threshold,
    pub(super) steps: u64,
    pub(super) overflows: u64,
}

/// A network of some pass.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    epoch: usize,
    parameters: Vec<f32>,
}

/// What has become of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Taken,
    /// Its gradient is not finite.
    PassedOver,
    /// There is no way on from here.
    Lost,
}

/// Room to work in.
#[derive(Debug, Default)]
pub(super) struct Room {
    slopes: Slopes,
    weights: Vec<f64>,
    gradient: Vec<f32>,
}

/// A training with its settings.
pub(super) struct Run<'a> {
    pub(super) robust: &'a Robust<'a>,
    pub(super) settings: &'a Settings,
    pub(super) loss: Arc<dyn Loss>,
    pub(super) weigher: Weigher,
    rho: Option<f64>,
}

impl<'a> Run<'a> {
    pub(super) fn new<N: Network>(
        robust: &'a Robust<'a>,
        network: &N,
        settings: &'a Settings,
    ) -> Result<Self> {
        settings.validate()?;
        let loss = robust.fitted(network, robust.examples)?;
        if let Some(held) = robust.held {
            robust.fitted(network, held)?;
        }
        if settings.patience.is_some() && robust.held.is_none() {
            return Err(Error::invalid("patience", "given", "none where there is no validation part"));
        }
        if settings.watch == Watch::Accuracy && !matches!(loss.labels(), Labels::Class | Labels::Sign) {
            return Err(Error::invalid("watch", "accuracy", "another for a loss without classes"));
        }
        let (risk, rho) = settings.method.risk(&robust.risk, settings.rho.or(Some(RHO)))?;
        let weigher = Weigher::new(settings.method, &risk, robust.examples.len())?;
        Ok(Run { robust, settings, loss, weigher, rho })
    }

    /// One step on the listed examples.
    pub(super) fn advance<N: Network>(
        &self,
        network: N,
        rows: &[u32],
        step: f64,
        moving: &mut Moving,
        room: &mut Room,
    ) -> Result<(N, Outcome)> {
        moving.steps += 1;
        let (mut features, labels) = self.robust.examples.gather(rows);
        let mut costs = None;
        if let Some(transport) = &self.robust.transport {
            let Some(moved) = transport.climb(&network.valid(), &*self.loss, &features, &labels) else {
                moving.overflows += 1;
                return Ok((network, Outcome::Lost));
            };
            (features, costs) = (moved.features, Some(moved.costs));
        }
        let at = place(&network).inner();
        let slopes = std::mem::take(&mut room.slopes);
        let Some(mut batch) = Batch::new(&network, &*self.loss, features, &labels, &at, slopes) else {
            moving.overflows += 1;
            return Ok((network, Outcome::Lost));
        };
        if let Some(costs) = costs {
            batch.slopes.losses.iter_mut().zip(costs).for_each(|(loss, cost)| *loss -= cost);
        }
        let mut finite =
            self.weigher.weigh(&batch.slopes.losses, &mut moving.threshold, &mut room.weights)?;
        if finite {
            room.slopes = batch.gradient(&network, &room.weights, &mut room.gradient);
            finite = room.gradient.iter().all(|g| g.is_finite());
        }
        if !finite {
            moving.overflows += 1;
            let ends = self.settings.method == Method::SumOfExponentials;
            return Ok((network, if ends { Outcome::Lost } else { Outcome::PassedOver }));
        }
        moving.optimiser.step(&mut moving.parameters, &room.gradient, step);
        if !moving.parameters.iter().all(|theta| theta.is_finite()) {
            return Ok((network, Outcome::Lost));
        }
        Ok((parameters::put(network, &moving.parameters), Outcome::Taken))
    }

    /// The risk of all training examples; the status if the observer says stop. Time is not looked at: what has been done is known.
    fn look<N: Network>(
        &self,
        network: &N,
        moving: &Moving,
        step: Option<f64>,
        progress: &Progress<'_>,
        control: &mut Loop<'_>,
    ) -> (Epoch, Option<Status>) {
        let frozen = network.valid();
        let Robust { examples, transport, risk, held, .. } = self.robust;
        let mut losses = Vec::with_capacity(examples.len());
        let progress = Progress { phase: "evaluating", ..*progress };
        let mut asked = Instant::now();
        let mut check = || {
            if asked.elapsed() < EVERY {
                return None;
            }
            asked = Instant::now();
            control.check(&progress).filter(|status| *status == Status::Interrupted)
        };
        let ended = all_losses(&frozen, &*self.loss, transport.as_ref(), examples, &mut losses, &mut check);
        let mut p = vec![0.0; losses.len()];
        let objective = risk.of(&losses, &[], &mut p).map_or(f64::INFINITY, |worst| worst.value);
        let trained = self.weigher.risk().of(&losses, &[], &mut p);
        let epoch = Epoch {
            objective: if objective.is_nan() { f64::INFINITY } else { objective },
            trained: trained.as_ref().map_or(f64::INFINITY, |worst| worst.value),
            threshold: trained.map_or(f64::NAN, |worst| worst.threshold),
            validation: held.map(|held| validation(&frozen, &*self.loss, risk, held)),
            overflows: moving.overflows,
            step,
            seconds: control.seconds(),
        };
        (epoch, ended)
    }

    /// What is to be low.
    fn measure(&self, validation: &Validation) -> f64 {
        match self.settings.watch {
            Watch::Risk => validation.risk,
            Watch::Loss => validation.loss,
            Watch::Accuracy => -validation.accuracy.unwrap_or(0.0),
        }
    }

    fn progress(&self, state: Option<&State>, done: f64) -> Progress<'static> {
        let (epoch, history) = state.map_or((0, &[][..]), |state| (state.epoch, &state.history));
        let last = history.last().and_then(|epoch| epoch.validation);
        let passes = f64::from(epoch) + done;
        Progress {
            phase: if state.is_some() { "training" } else { "choosing a step" },
            fraction: (passes / f64::from(self.settings.epochs.max(1))).min(1.0),
            samples: (passes * self.robust.examples.len() as f64) as u64,
            error: last.map_or(f64::NAN, |validation| self.measure(&validation)),
            target: f64::NAN,
            iterate: &[],
        }
    }

    /// Trains from the start or a checkpoint.
    pub(super) fn start<N: Network>(
        &self,
        mut network: N,
        from: Option<&Checkpoint>,
        observer: &mut dyn Observer,
    ) -> Result<Trained<N>> {
        keep_freed_memory();
        let saver = Saver::new(self, &network);
        let before = from.map_or(0.0, Checkpoint::seconds);
        let mut control = Loop::resumed(self.settings.max_seconds, before, observer);
        let (mut state, mut ended) = match from {
            Some(checkpoint) => (saver.open(checkpoint)?, None),
            None => self.begun(&network, &mut control)?,
        };
        network = parameters::put(network, &state.moving.parameters);
        if ended.is_none() {
            let seconds = control.seconds();
            control.resumable(&mut || saver.bytes(seconds, &state));
        }
        let mut room = Room::default();
        while ended.is_none() && state.epoch < self.settings.epochs {
            let lost;
            (network, ended, lost) = self.pass(network, &mut state, &mut room, &mut control, &saver)?;
            if ended == Some(Status::Interrupted) {
                break;
            }
            // What time has cut short is looked at, but what was done before the first step already.
            if ended == Some(Status::MaxTime) && state.batch == 0 {
                break;
            }
            network = self.judge(network, &mut state, lost, &mut ended, &mut control);
            if ended.is_none() {
                let seconds = control.seconds();
                control.resumable(&mut || saver.bytes(seconds, &state));
            }
        }
        let State { moving, step, kept, best, history, .. } = state;
        let Kept { epoch, parameters } = best.unwrap_or(kept);
        Ok(Trained {
            network: parameters::put(network, &parameters),
            status: ended.unwrap_or(Status::MaxIterations),
            epoch,
            objective: history[epoch].objective,
            threshold: history[epoch].threshold,
            step,
            rho: self.rho,
            steps: moving.steps,
            overflows: moving.overflows,
            history,
            seconds: control.seconds(),
        })
    }

    /// The state at the start, with a step.
    fn begun<N: Network>(&self, network: &N, control: &mut Loop<'_>) -> Result<(State, Option<Status>)> {
        let parameters = parameters::read(network);
        let optimiser = Optimiser::new(self.settings.rule, parameters.len())?;
        let mut moving =
            Moving { parameters, optimiser, threshold: Threshold::default(), steps: 0, overflows: 0 };
        let progress = self.progress(None, 0.0);
        let (first, mut ended) = self.look(network, &moving, None, &progress, control);
        if ended.is_none() && !first.objective.is_finite() {
            // Which of them says whose fault it is.
            self.robust.losses(network)?;
            return Err(Error::non_finite("risk", "the start", first.objective));
        }
        moving.threshold = Threshold::exact(first.threshold);
        let step = match self.settings.step {
            Some(step) => step,
            None if ended.is_some() => 0.0,
            None => {
                let mut check = || control.check(&progress);
                let step;
                (step, ended) = self.trials(network, &moving, &mut check)?;
                step
            }
        };
        let kept = Kept { epoch: 0, parameters: moving.parameters.clone() };
        let best = first.validation.map(|_| kept.clone());
        Ok((State { epoch: 0, batch: 0, moving, step, kept, best, idle: 0, history: vec![first] }, ended))
    }

    /// The rest of a pass; the status if it ends here, and whether numbers were lost.
    fn pass<N: Network>(
        &self,
        mut network: N,
        state: &mut State,
        room: &mut Room,
        control: &mut Loop<'_>,
        saver: &Saver,
    ) -> Result<(N, Option<Status>, bool)> {
        let n = self.robust.examples.len();
        let order = shuffled(n, &mut stream(self.settings.seed, purpose::ORDER, u64::from(state.epoch)));
        let batch = self.settings.batch;
        let mut asked: Option<Instant> = None;
        for rows in order.chunks(batch).skip(state.batch as usize) {
            if asked.is_none_or(|asked| asked.elapsed() >= EVERY) {
                let done = state.batch as f64 * batch as f64 / n as f64;
                if let Some(status) = control.check(&self.progress(Some(state), done)) {
                    return Ok((network, Some(status), false));
                }
                let seconds = control.seconds();
                control.resumable(&mut || saver.bytes(seconds, state));
                asked = Some(Instant::now());
            }
            let outcome;
            (network, outcome) = self.advance(network, rows, state.step, &mut state.moving, room)?;
            if outcome == Outcome::Lost {
                return Ok((network, None, true));
            }
            state.batch += 1;
        }
        Ok((network, None, false))
    }

    /// What a pass has come to, and what follows from it.
    fn judge<N: Network>(
        &self,
        network: N,
        state: &mut State,
        lost: bool,
        ended: &mut Option<Status>,
        control: &mut Loop<'_>,
    ) -> N {
        let is_ours = self.settings.step.is_none();
        let mut epoch = Epoch {
            objective: f64::INFINITY,
            trained: f64::INFINITY,
            threshold: f64::NAN,
            validation: None,
            overflows: state.moving.overflows,
            step: Some(state.step),
            seconds: control.seconds(),
        };
        if !lost {
            let progress = self.progress(Some(state), 1.0);
            let stopped;
            (epoch, stopped) = self.look(&network, &state.moving, Some(state.step), &progress, control);
            if stopped.is_some() {
                *ended = stopped;
                return network;
            }
        }
        (state.epoch, state.batch) = (state.epoch + 1, 0);
        let at = state.history.len();
        let here = || Kept { epoch: at, parameters: state.moving.parameters.clone() };
        let finite = epoch.objective.is_finite() && epoch.threshold.is_finite();
        let least = state.history.iter().fold(f64::INFINITY, |least, epoch| least.min(epoch.trained));
        let lower = epoch.trained < least;
        if finite {
            if lower || !is_ours {
                state.kept = here();
            }
            let of_best = state.best.as_ref().and_then(|best| state.history[best.epoch].validation);
            if let (Some(now), Some(best)) = (epoch.validation, of_best) {
                if self.measure(&now) < self.measure(&best) {
                    (state.best, state.idle) = (Some(here()), 0);
                } else {
                    state.idle += 1;
                }
            }
            state.moving.threshold.alpha = epoch.threshold;
        }
        state.history.push(epoch);
        if !finite && !is_ours {
            *ended = Some(Status::Diverged);
            return network;
        }
        let mut network = network;
        if is_ours && lower {
            state.step *= GROWTH;
        } else if is_ours {
            state.step *= FALL;
            state.moving.parameters.clone_from(&state.kept.parameters);
            state.moving.optimiser.rest();
            state.moving.threshold = Threshold::exact(state.history[state.kept.epoch].threshold);
            network = parameters::put(network, &state.moving.parameters);
        }
        if ended.is_none() && self.settings.patience.is_some_and(|patience| state.idle >= patience) {
            *ended = Some(Status::Stalled);
        }
        network
    }
}
