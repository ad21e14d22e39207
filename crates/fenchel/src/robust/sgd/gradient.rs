//! Estimates of the gradient on a batch.

use super::Method;
use crate::divergence::Scratch;
use crate::measure::{Rng, stream};
use crate::robust::batch::Pass;
use crate::robust::objective::{Objective, State};
use crate::robust::risk::{Risk, Strength};
use crate::robust::rows::Rows;
use crate::simd::dot;
use std::ops::Range;

/// The multiplier of a radius is not taken below this share of where it starts.
const LEAST: f64 = 1e-6;

/// Where all is evaluated, or a gradient there.
#[derive(Debug, Clone)]
pub(super) struct Point {
    pub gamma: Vec<f64>,
    pub alpha: f64,
    /// The multiplier of a radius.
    pub lambda: f64,
}

impl Point {
    /// self = a·self + b·other.
    pub(super) fn scale_add(&mut self, a: f64, b: f64, other: &Point) {
        self.gamma.iter_mut().zip(&other.gamma).for_each(|(x, y)| *x = a * *x + b * y);
        self.alpha = a * self.alpha + b * other.alpha;
        self.lambda = a * self.lambda + b * other.lambda;
    }

    pub(super) fn is_finite(&self) -> bool {
        self.gamma.iter().chain([&self.alpha, &self.lambda]).all(|x| x.is_finite())
    }

    /// Whether squares of its numbers, and products of those with features, are finite.
    pub(super) fn is_moderate(&self) -> bool {
        self.gamma.iter().chain([&self.alpha, &self.lambda]).all(|x| x.abs() < 1e120)
    }
}

/// Room to work in.
#[derive(Debug, Clone)]
pub(super) struct Room {
    batch: Rows,
    /// What the slope of each loss is multiplied by, and that times a slope.
    p: Vec<f64>,
    column: Vec<f64>,
    /// Weights of a batch that sum to 1.
    eta: Vec<f64>,
    scratch: Scratch,
    rng: Rng,
    drawn: Vec<u32>,
}

impl Room {
    pub(super) fn new(seed: u64) -> Self {
        Room {
            batch: Rows::default(),
            p: Vec::new(),
            column: Vec::new(),
            eta: Vec::new(),
            scratch: Scratch::default(),
            rng: stream(seed, 3, 0),
            drawn: Vec::new(),
        }
    }
}

/// A method for one objective.
pub(super) struct Estimator<'a> {
    method: Method,
    risk: &'a Risk,
    exact: &'a Objective<'a>,
    lambda: f64,
}

impl<'a> Estimator<'a> {
    /// `start` is the state at the start.
    pub(super) fn new(method: Method, risk: &'a Risk, exact: &'a Objective<'a>, start: &State) -> Self {
        let lambda = match risk.strength() {
            Strength::Penalty(lambda) => lambda,
            // What is right for the losses there.
            Strength::Radius(_) => {
                start.worst.map(|worst| worst.lambda).filter(|x| x.is_finite() && *x > 0.0).unwrap_or(1.0)
            }
        };
        Estimator { method, risk, exact, lambda }
    }

    /// λ, or where the multiplier of a radius starts.
    pub(super) fn lambda(&self) -> f64 {
        self.lambda
    }

    /// The multiplier of a radius stays above this.
    pub(super) fn least_lambda(&self) -> f64 {
        match self.risk.strength() {
            Strength::Penalty(lambda) => lambda,
            Strength::Radius(_) => LEAST * self.lambda,
        }
    }

    /// An estimate of the gradient from these examples.
    pub(super) fn gradient(
        &self,
        pass: &Pass<'_>,
        rows: &[u32],
        at: &Point,
        out: &mut Point,
        room: &mut Room,
    ) {
        out.gamma.fill(0.0);
        (out.alpha, out.lambda) = (0.0, 0.0);
        if self.method == Method::Multilevel {
            self.multilevel(pass, rows, at, out, room);
        } else {
            self.evaluate(pass, rows, at, room);
            let n = rows.len();
            self.weigh(0..n, at, out, room);
            self.add(1.0, 0..n, out, room);
        }
        for (j, g) in out.gamma.iter_mut().enumerate() {
            *g += self.exact.penalty.derivatives(j, at.gamma[j]).0;
        }
    }

    /// Losses of a batch, with their slopes.
    fn evaluate(&self, pass: &Pass<'_>, rows: &[u32], at: &Point, room: &mut Room) {
        pass.fill(rows, &mut room.batch);
        // In all methods it is n p̂ that counts, 1 where all weigh the same.
        room.batch.eta.iter_mut().for_each(|eta| *eta *= pass.batches().len() as f64);
        room.batch.evaluate(&*self.exact.loss, &at.gamma);
        room.p.resize(rows.len(), 0.0);
        room.column.resize(rows.len(), 0.0);
    }

    /// What the slopes of part of a batch are multiplied by, into `room.p`; what α and λ are to be moved by, into `out`.
    fn weigh(&self, part: Range<usize>, at: &Point, out: &mut Point, room: &mut Room) {
        let count = part.len() as f64;
        let (losses, weights) = (&room.batch.losses[part.clone()], &room.batch.eta[part.clone()]);
        let p = &mut room.p[part];
        let Some(f) = self.risk.divergence() else {
            p.iter_mut().zip(weights).for_each(|(p, weight)| *p = weight / count);
            return;
        };
        match self.method {
            Method::Joint | Method::DualSgm => {
                let lambda = match self.risk.strength() {
                    Strength::Penalty(lambda) => lambda,
                    Strength::Radius(_) => at.lambda,
                };
                let Room { eta, scratch, .. } = room;
                let n = losses.len();
                scratch.reserve(n);
                let (x, z) = (&mut scratch.x[..n], &mut scratch.z[..n]);
                x.iter_mut().zip(losses).for_each(|(x, loss)| *x = (loss - at.alpha) / lambda);
                eta.clear();
                eta.extend(weights.iter().map(|own| own / count));
                let mass =
                    if f.prepare(x, z) { f.weigh_prepared(z, eta, 0.0, p) } else { f.weigh(x, eta, 0.0, p) };
                out.alpha = 1.0 - mass.sum;
                if let Strength::Radius(radius) = self.risk.strength() {
                    let rise: f64 = (0..n).map(|i| eta[i] * f.conj(x[i]) - p[i] * x[i]).sum();
                    out.lambda = radius + f.f_at_one() + rise;
                }
            }
            Method::BatchWeights | Method::Multilevel => {
                room.eta.clear();
                room.eta.extend(weights);
                let total: f64 = room.eta.iter().sum();
                // A batch without weight says nothing.
                if total > 0.0 && losses.iter().all(|loss| loss.is_finite()) {
                    room.eta.iter_mut().for_each(|eta| *eta /= total);
                    self.risk.worst(losses, &room.eta, None, p, &mut room.scratch);
                } else {
                    p.fill(if total > 0.0 { f64::NAN } else { 0.0 });
                }
            }
            Method::SumOfExponentials => {
                for ((p, loss), own) in p.iter_mut().zip(losses).zip(weights) {
                    *p = own / count * (loss / at.lambda).exp();
                }
            }
        }
    }

    /// Adds `factor` Σ p_r ∇ℓ_r over part of a batch.
    fn add(&self, factor: f64, part: Range<usize>, out: &mut Point, room: &mut Room) {
        let (k, m) = (self.exact.loss.scores(), self.exact.design.columns);
        let n = room.batch.losses.len();
        for (c, gradient) in out.gamma.chunks_exact_mut(m).enumerate() {
            let weights = &mut room.column[..part.len()];
            for (w, r) in weights.iter_mut().zip(part.clone()) {
                // What has no weight may have a slope that is infinite.
                *w = if room.p[r] == 0.0 { 0.0 } else { factor * room.p[r] * room.batch.slope[r * k + c] };
            }
            for (g, x) in gradient.iter_mut().zip(room.batch.x.chunks_exact(n)) {
                *g += dot(weights, &x[part.clone()]);
            }
        }
    }

    /// The gradient of the batch, and with probability 2^−J that of 2^J more of its size less what its halves have,
    /// times 2^J: the differences telescope to the gradient of a batch of everything.
    fn multilevel(&self, pass: &Pass<'_>, rows: &[u32], at: &Point, out: &mut Point, room: &mut Room) {
        self.evaluate(pass, rows, at, room);
        let n = rows.len();
        self.weigh(0..n, at, out, room);
        self.add(1.0, 0..n, out, room);
        let most = (pass.batches().len() / n.max(1)).max(2).ilog2();
        let mut level = 1;
        while level < most && room.rng.uniform() < 0.5 {
            level += 1;
        }
        let chance = if level == most { 0.5_f64.powi(level as i32 - 1) } else { 0.5_f64.powi(level as i32) };
        let size = n << level;
        let mut drawn = std::mem::take(&mut room.drawn);
        drawn.clear();
        drawn.extend((0..size).map(|_| pass.order[room.rng.below(pass.order.len() as u64) as usize]));
        self.evaluate(pass, &drawn, at, room);
        self.weigh(0..size, at, out, room);
        self.add(1.0 / chance, 0..size, out, room);
        for half in [0..size / 2, size / 2..size] {
            self.weigh(half.clone(), at, out, room);
            self.add(-0.5 / chance, half, out, room);
        }
        room.drawn = drawn;
    }
}
