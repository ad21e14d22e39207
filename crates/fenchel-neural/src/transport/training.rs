//! The run: batches, steps that are tried, looks at the validation points, and what is kept.

use super::checkpoint::{Checkpoint, Saver};
use super::pairs::{Dual, Table};
use super::potential::NetworkPotential;
use super::settings::{Pairs, Settings};
use super::standard::Standard;
use super::{NeuralTransport, Point, Seen, Trained};
use crate::EVERY;
use crate::network::{Network, contracted, evaluate, numbers, parameters, place, tensor};
use crate::optimiser::{Optimiser, Rule};
use crate::purpose;
use burn::tensor::Tensor;
use fenchel::divergence::{Row, Scratch};
use fenchel::measure::{Design, Sampler, Source};
use fenchel::optim::{Loop, Observer, Progress, Status};
use fenchel::{Error, Result};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// Points of either side that scales are taken from, and those of them whose pairs set the constant.
const PILOT: usize = 4096;
const LEVELLED: usize = 256;

/// How many sizes of steps are tried.
const TRIALS: i32 = 7;
/// When some of them are given up, in steps: two of three.
const CUTS: [u64; 2] = [100, 300];

/// A size that is chosen here falls by this after so many looks that are no better.
const FALL: f64 = 0.5;
const LOOKS: u32 = 3;

/// A gradient beyond this has a square that single precision has not.
const LARGEST: f32 = 1e18;

/// All that a run goes on from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct State {
    /// Steps taken.
    pub(super) t: u64,
    /// Of u and v.
    standards: [Standard; 2],
    pub(super) walks: Vec<Walk>,
    /// The potentials that do best on the validation points.
    pub(super) best: Kept,
    /// Looks since then.
    idle: u32,
    overflows: u64,
    history: Vec<Point>,
}

/// Parameters on their way, of u and then v, with a size of step.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Walk {
    pub(super) parameters: Vec<f32>,
    pub(super) optimiser: Optimiser,
    rate: f64,
    /// Steps that were taken since the last look.
    taken: u64,
    lost: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) parameters: Vec<f32>,
    t: u64,
    value: f64,
}

/// Points of both sides with the costs of their pairs.
struct Batch {
    x: Vec<f32>,
    y: Vec<f32>,
    table: Table,
}

/// Room to work in.
#[derive(Default)]
struct Room {
    by_x: Vec<f64>,
    by_y: Vec<f64>,
    gradient: Vec<f32>,
}

/// A training with its settings.
pub(super) struct Run<'a> {
    pub(super) transport: &'a NeuralTransport,
    pub(super) settings: &'a Settings,
    pub(super) dual: Dual,
    pub(super) unit: f64,
}

impl<'a> Run<'a> {
    pub(super) fn new(transport: &'a NeuralTransport, settings: &'a Settings) -> Result<Self> {
        settings.validate()?;
        let scale = transport.problem.scale(settings.seed)?;
        let dual = Dual { divergence: transport.divergence.clone(), lambda: scale.lambda };
        Ok(Run { transport, settings, dual, unit: scale.unit })
    }

    /// Points of source and target (row-major) under a purpose, from number `start`.
    pub(super) fn points(&self, design: Design, purpose: u64, start: u64, n: usize) -> Result<[Vec<f64>; 2]> {
        let draw = |source: &dyn Source, odd: u64| -> Result<Vec<f64>> {
            let mut points = vec![0.0; n * source.dim()];
            Sampler::new(source, design, self.settings.seed, 2 * purpose + odd).fill(start, &mut points)?;
            Ok(points)
        };
        let problem = &self.transport.problem;
        Ok([draw(&**problem.source(), 0)?, draw(&**problem.target(), 1)?])
    }

    fn batch(&self, [xs, ys]: [Vec<f64>; 2], pairs: Pairs, standards: &[Standard; 2]) -> Result<Batch> {
        let problem = &self.transport.problem;
        let table = Table::new(&**problem.cost(), problem.source().dim(), &xs, &ys, pairs)?;
        Ok(Batch { x: standards[0].features(&xs), y: standards[1].features(&ys), table })
    }

    /// What step `t` is taken with.
    fn next(&self, t: u64, standards: &[Standard; 2]) -> Result<Batch> {
        let b = self.settings.batch;
        let points = self.points(Design::Iid, purpose::STEPS, t * b as u64, b)?;
        self.batch(points, self.settings.pairs, standards)
    }

    /// Scales, with the constant that makes the weights of pairs 1 in the mean at the start.
    pub(super) fn standards<U: Network, V: Network>(&self, networks: &(U, V)) -> Result<[Standard; 2]> {
        let dim = self.transport.problem.source().dim();
        let mut pilot = self.points(Design::Sobol, purpose::PILOT, 0, PILOT)?;
        let mut standards = pilot.each_ref().map(|points| Standard::of(dim, points, self.unit));
        pilot.iter_mut().for_each(|points| points.truncate(LEVELLED * dim));
        let batch = self.batch(pilot, Pairs::All, &standards)?;
        let [us, vs] = potentials(networks, &batch, &standards);
        for (name, values) in [("u at the start", &us), ("v at the start", &vs)] {
            if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                return Err(Error::non_finite(name, format!("point {at} of the pilot sample"), values[at]));
            }
        }
        let slack = batch.table.slack(&us, &vs);
        let eta = vec![1.0 / slack.len() as f64; slack.len()];
        let row = Row { u: &slack, eta: &eta, eta_rest: 0.0, lambda: self.dual.lambda };
        let mut p = vec![0.0; slack.len()];
        let smoothed = self.dual.divergence.solve(&row, None, &mut p, &mut Scratch::default());
        standards[0].offset = -smoothed.threshold;
        Ok(standards)
    }

    /// The state at the start.
    fn begun<U: Network, V: Network>(&self, networks: &(U, V)) -> Result<State> {
        let parameters = parameters::read(networks);
        let optimiser = Optimiser::new(self.settings.rule, parameters.len())?;
        let walk = |rate| Walk {
            parameters: parameters.clone(),
            optimiser: optimiser.clone(),
            rate,
            taken: 0,
            lost: false,
        };
        let walks = match (self.settings.step, self.settings.rule) {
            (Some(step), _) => vec![walk(step)],
            (None, Rule::Sgd { .. }) => (0..TRIALS).map(|k| walk(10_f64.powi(-k))).collect(),
            // Each parameter moves by about a step.
            (None, Rule::Adam { .. }) => {
                (0..TRIALS).map(|k| walk(0.03 * 10_f64.powf(-0.5 * f64::from(k)))).collect()
            }
        };
        let standards = self.standards(networks)?;
        let best = Kept { parameters, t: 0, value: f64::NEG_INFINITY };
        Ok(State { t: 0, standards, walks, best, idle: 0, overflows: 0, history: Vec::new() })
    }

    /// The gradient of −objective/unit on a batch in the parameters, into `room`; `false` if weights or gradient are not finite numbers.
    fn gradient<U: Network, V: Network>(
        &self,
        networks: &(U, V),
        batch: &Batch,
        standards: &[Standard; 2],
        room: &mut Room,
    ) -> bool {
        let u = scores(&networks.0, &batch.x);
        let v = scores(&networks.1, &batch.y);
        let us = standards[0].values(&numbers(u.clone()));
        let vs = standards[1].values(&numbers(v.clone()));
        let Room { by_x, by_y, gradient } = room;
        if !self.dual.slopes(&batch.table, &us, &vs, by_x, by_y) {
            return false;
        }
        let b = us.len() as f64;
        let constants = |slopes: &[f64]| slopes.iter().map(|slope| (-slope / b) as f32).collect();
        let mut gradients = (contracted(u, constants(by_x)) + contracted(v, constants(by_y))).backward();
        parameters::gradient(networks, &mut gradients, gradient);
        // What is no number is not below anything.
        gradient.iter().all(|g| g.abs() < LARGEST)
    }

    /// One step of a walk; none where there is no gradient.
    fn advance<U: Network, V: Network>(
        &self,
        networks: (U, V),
        batch: &Batch,
        standards: &[Standard; 2],
        walk: &mut Walk,
        room: &mut Room,
    ) -> (U, V) {
        if !self.gradient(&networks, batch, standards, room) {
            return networks;
        }
        walk.optimiser.step(&mut walk.parameters, &room.gradient, walk.rate);
        if !walk.parameters.iter().all(|theta| theta.is_finite()) {
            walk.lost = true;
            return networks;
        }
        walk.taken += 1;
        parameters::put(networks, &walk.parameters)
    }

    /// The gradient of the first batch at the start, and the unit.
    #[cfg(test)]
    pub(super) fn slope<U: Network, V: Network>(&self, networks: &(U, V)) -> Result<(Vec<f32>, f64)> {
        let standards = self.standards(networks)?;
        let batch = self.next(0, &standards)?;
        let mut room = Room::default();
        assert!(self.gradient(networks, &batch, &standards, &mut room));
        Ok((room.gradient, self.unit))
    }

    /// The objective over all pairs of validation points.
    fn value<U: Network, V: Network>(&self, (u, v): &(U, V), held: &Batch, standards: &[Standard; 2]) -> f64 {
        let us = standards[0].values(&crate::network::evaluate(&u.valid(), &held.x));
        let vs = standards[1].values(&crate::network::evaluate(&v.valid(), &held.y));
        self.dual.value(&held.table, &us, &vs)
    }

    fn progress(&self, state: &State) -> Progress<'static> {
        Progress {
            phase: if state.walks.len() > 1 { "choosing a step" } else { "training" },
            fraction: (state.t as f64 / self.settings.steps as f64).min(1.0),
            samples: 2 * state.t * self.settings.batch as u64,
            error: f64::NAN,
            target: f64::NAN,
            iterate: &[],
        }
    }

    /// Trains from the start or a checkpoint; `seen` gets the potentials at the start and at each look.
    pub(super) fn start<U: Network, V: Network>(
        &self,
        networks: (U, V),
        from: Option<&Checkpoint>,
        observer: &mut dyn Observer,
        seen: &mut Seen<'_, U, V>,
    ) -> Result<Trained<U, V>> {
        let saver = Saver::new(self, &networks)?;
        let before = from.map_or(0.0, Checkpoint::seconds);
        let mut control = Loop::resumed(self.settings.max_seconds, before, observer);
        let mut state = match from {
            Some(checkpoint) => saver.open(checkpoint)?,
            None => self.begun(&networks)?,
        };
        let held = self.points(Design::Sobol, purpose::VALIDATION, 0, self.settings.validation)?;
        let held = self.batch(held, Pairs::All, &state.standards)?;
        if state.history.is_empty() {
            let value = self.value(&networks, &held, &state.standards);
            state.best.value = if value.is_nan() { f64::NEG_INFINITY } else { value };
            state.history.push(Point {
                step: 0,
                samples: 0,
                seconds: control.seconds(),
                value: state.best.value,
                overflows: 0,
                rate: None,
            });
            show(seen, &state, &networks);
        }
        let mut moving: Vec<(U, V)> =
            state.walks.iter().map(|walk| parameters::put(networks.clone(), &walk.parameters)).collect();
        let mut room = Room::default();
        let mut asked: Option<Instant> = None;
        let mut ended = None;
        while state.t < self.settings.steps {
            if asked.is_none_or(|asked| asked.elapsed() >= EVERY) {
                ended = control.check(&self.progress(&state));
                if ended.is_some() {
                    break;
                }
                let seconds = control.seconds();
                control.resumable(&mut || saver.bytes(seconds, &state));
                asked = Some(Instant::now());
            }
            let batch = self.next(state.t, &state.standards)?;
            moving = moving
                .into_iter()
                .zip(&mut state.walks)
                .map(|(networks, walk)| {
                    if walk.lost {
                        return networks;
                    }
                    let taken = walk.taken;
                    let networks = self.advance(networks, &batch, &state.standards, walk, &mut room);
                    state.overflows += u64::from(walk.taken == taken);
                    networks
                })
                .collect();
            state.t += 1;
            let lost = state.walks.iter().all(|walk| walk.lost);
            let cut = state.walks.len() > 1 && CUTS.contains(&state.t);
            if lost || cut || state.t.is_multiple_of(self.settings.every) {
                ended = self.look(&mut moving, &mut state, &held, (control.seconds(), cut), seen);
                if ended.is_some() {
                    break;
                }
            }
        }
        // What was cut short is looked at, but it is no state to go on from.
        let looked = state.history.last().is_some_and(|point| point.step == state.t);
        if !looked && ended.is_none_or(|status| status == Status::MaxTime) {
            let over = self.look(&mut moving, &mut state, &held, (control.seconds(), false), seen);
            ended = ended.or(over);
        }
        let State { t, standards, walks, best, overflows, history, .. } = state;
        let networks = parameters::put(networks, &best.parameters);
        let [us, vs] = potentials(&networks, &held, &standards);
        let error = self.dual.error(&held.table, &us, &vs);
        let ((u, v), [by_u, by_v]) = (networks, standards);
        let rate = history.iter().rev().find(|point| point.step <= best.t).and_then(|point| point.rate);
        Ok(Trained {
            u: NetworkPotential::new(&u, by_u),
            v: NetworkPotential::new(&v, by_v),
            status: ended.unwrap_or(Status::MaxIterations),
            step: best.t,
            value: best.value,
            error: if error.is_nan() { f64::INFINITY } else { error },
            rate: rate.or(walks.first().map(|walk| walk.rate)),
            steps: t,
            overflows,
            history,
            seconds: control.seconds(),
        })
    }

    /// What the walks have come to, and what follows from it; the status if the run ends here.
    fn look<U: Network, V: Network>(
        &self,
        moving: &mut Vec<(U, V)>,
        state: &mut State,
        held: &Batch,
        (seconds, cut): (f64, bool),
        seen: &mut Seen<'_, U, V>,
    ) -> Option<Status> {
        let is_ours = self.settings.step.is_none();
        let mut found: Vec<(f64, (U, V), Walk)> = moving
            .drain(..)
            .zip(state.walks.drain(..))
            .map(|(networks, mut walk)| {
                // One that cannot take a step has left the range of numbers, if not for good.
                let value = match walk.taken {
                    0 => f64::NEG_INFINITY,
                    _ if walk.lost => f64::NEG_INFINITY,
                    _ => self.value(&networks, held, &state.standards),
                };
                walk.taken = 0;
                (if value.is_nan() { f64::NEG_INFINITY } else { value }, networks, walk)
            })
            .collect();
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (value, networks, walk) = &found[0];
        let point = Point {
            step: state.t,
            samples: 2 * state.t * self.settings.batch as u64,
            seconds,
            value: *value,
            overflows: state.overflows,
            rate: Some(walk.rate),
        };
        state.history.push(point);
        show(seen, state, networks);
        if *value > state.best.value {
            state.best = Kept { parameters: walk.parameters.clone(), t: state.t, value: *value };
            state.idle = 0;
        } else {
            state.idle += 1;
        }
        let mut ended = None;
        if *value == f64::NEG_INFINITY {
            // With a step that is chosen here the run goes back, and on with a smaller one than all that were lost.
            let least = found.iter().map(|(_, _, walk)| walk.rate).fold(f64::INFINITY, f64::min);
            let networks = parameters::put(networks.clone(), &state.best.parameters);
            let mut walk = walk.clone();
            walk.parameters.clone_from(&state.best.parameters);
            walk.optimiser.rest();
            walk.lost = false;
            if is_ours && least >= f64::MIN_POSITIVE {
                walk.rate = FALL * least;
            } else {
                ended = Some(Status::Diverged);
            }
            found = vec![(*value, networks, walk)];
        } else {
            if cut {
                found.truncate(found.len().div_ceil(3));
            }
            found.retain(|(value, ..)| *value > f64::NEG_INFINITY);
            if is_ours && found.len() == 1 && state.idle > 0 && state.idle.is_multiple_of(LOOKS) {
                found[0].2.rate *= FALL;
            }
        }
        for (_, networks, walk) in found {
            moving.push(networks);
            state.walks.push(walk);
        }
        let out_of_patience = self.settings.patience.is_some_and(|patience| state.idle >= patience);
        ended.or((out_of_patience && state.walks.len() == 1).then_some(Status::Stalled))
    }
}

/// Shows the potentials of the last point of the history.
fn show<U: Network, V: Network>(seen: &mut Seen<'_, U, V>, state: &State, (u, v): &(U, V)) {
    if let Some(point) = state.history.last() {
        let [by_u, by_v] = state.standards.clone();
        seen(point, &NetworkPotential::new(u, by_u), &NetworkPotential::new(v, by_v));
    }
}

/// u and v at the points of a batch.
fn potentials<U: Network, V: Network>(
    (u, v): &(U, V),
    batch: &Batch,
    standards: &[Standard; 2],
) -> [Vec<f64>; 2] {
    let us = standards[0].values(&evaluate(&u.valid(), &batch.x));
    [us, standards[1].values(&evaluate(&v.valid(), &batch.y))]
}

/// In the graph of the parameters.
fn scores<N: Network>(network: &N, features: &[f32]) -> Tensor<2> {
    network.forward(tensor(features.to_vec(), network.inputs(), &place(network).inner()))
}
