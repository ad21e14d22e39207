//! The iterate of passes.

use super::super::batch::Pass;
use super::super::loss::Loss;
use super::super::newton::scaled_solve;
use super::super::objective::{Objective, Penalty};
use super::super::rows::{Derived, Rows};
use super::super::{Risk, Strength};
use super::mean::Mean;
use super::quadratic::Quadratic;
use super::{PIECE, Passes};
use crate::divergence::{Divergence, Row, Scratch, pairwise};
use crate::simd::dot;
use crate::{Error, Result};
use std::collections::HashSet;
use std::sync::Arc;

/// λ falls by this factor in so many passes at the soonest.
const FALL: f64 = 6.0;
const FALL_PASSES: f64 = 0.5;
/// Passes that go to the least mean loss first, wherever the start.
const NEARING: f64 = 0.5;
/// Losses are taken to be at least this share of their mean apart.
const TIED: f64 = 0.01;
/// Examples kept beside a batch, for each parameter.
const KEPT: usize = 4;
/// An example takes the place of a kept one if its loss is so many λ larger.
const HYSTERESIS: f64 = 2.0;
/// Passes without steps, in which sums are gathered where the best was.
const GATHERING: f64 = 0.5;
/// Newton steps after a batch.
const STEPS: usize = 2;
/// Corners are rounded over a share of the spread of the losses: at first, at least, at most.
const FIRST_WIDTH: f64 = 0.03;
const WIDTH: f64 = 3e-4;
const WIDEST: f64 = 0.1;
/// The share falls by this, but rises by [`FALL`] where that was too sharp.
const SHARPER: f64 = 2.0;

/// The λ to reach.
#[derive(Debug, Clone, Copy)]
enum Target {
    /// The price of a penalty.
    Price(f64),
    /// What a radius leads to at the coefficients after the pass before, but no less than a share of the spread.
    Found(f64),
    /// A small share of the spread of the losses.
    Least,
}

/// The iterate, kept examples, and sums of all others.
pub(super) struct Walk<'a> {
    exact: &'a Objective<'a>,
    /// Rounded where it has corners.
    loss: Arc<dyn Loss>,
    /// Number of examples.
    len: usize,
    /// With a divergence that is smooth.
    f: Arc<dyn Divergence>,
    /// Passes that still go towards the least mean loss.
    nearing: f64,
    /// Passes in which no step is made.
    gathering: f64,
    /// Share of the spread that corners are rounded over.
    width: f64,
    target: Target,
    lambda: f64,
    /// Passes in which λ falls by [`FALL`].
    pace: f64,
    /// How often it has had to rise again.
    retreats: i32,
    /// Mean size of what a loss is off their mean by, over the last rows.
    pub(super) spread: f64,
    /// Whether that is of all rows at the best coefficients.
    is_measured: bool,
    /// Whether [`Walk::width`] matters.
    has_corners: bool,
    /// (θ, α).
    v: Vec<f64>,
    penalty: Penalty,
    kept: Rows,
    room_for: usize,
    /// Sums of the pass before, and of this one.
    before: Quadratic,
    now: Quadratic,
    /// Σ p̂ of the rows of this pass so far; rows seen in all.
    seen: f64,
    rows: u64,
    batch: Rows,
    ids: Vec<u32>,
    step: Step,
    pub(super) steps: u32,
}

/// Room for Newton steps.
struct Step {
    /// Sums for all examples that are not kept.
    rest: Quadratic,
    delta: Vec<f64>,
    trial: Vec<f64>,
    product: Vec<f64>,
    gradient: Vec<f64>,
    hessian: Vec<f64>,
    diagonal: Vec<f64>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        risk: &Risk,
        exact: &'a Objective<'a>,
        settings: &Passes,
        gamma: Vec<f64>,
        has_corners: bool,
    ) -> Result<Self> {
        let smooth = if risk.is_smooth() { risk.clone() } else { risk.smoothed(1.0) };
        // A radius of 0 leaves no choice.
        let is_mean = smooth.strength() == Strength::Radius(0.0);
        let f = smooth.shared().filter(|_| !is_mean).unwrap_or_else(|| Arc::new(Mean));
        if f.is_per_atom() {
            return Err(Error::invalid("risk of passes", f.name(), "one divergence for all examples"));
        }
        let target = match risk.strength() {
            _ if is_mean => Target::Price(0.0),
            _ if !risk.is_smooth() => Target::Least,
            Strength::Penalty(lambda) => Target::Price(lambda),
            // That of the start says nothing.
            Strength::Radius(_) => Target::Found(0.0),
        };
        let size = gamma.len() + 1;
        let mut v = gamma;
        v.push(0.0);
        Ok(Walk {
            exact,
            loss: exact.loss.clone(),
            len: exact.eta.len(),
            f,
            nearing: if is_mean { f64::INFINITY } else { NEARING },
            gathering: 0.0,
            width: FIRST_WIDTH,
            target,
            lambda: f64::NAN,
            pace: FALL_PASSES,
            retreats: 0,
            spread: 0.0,
            is_measured: false,
            has_corners: has_corners || matches!(target, Target::Found(_)),
            penalty: exact.penalty.clone(),
            kept: Rows::default(),
            room_for: settings.batch.min(PIECE) + KEPT * (size - 1),
            before: Quadratic::new(size),
            now: Quadratic::new(size),
            seen: 0.0,
            rows: 0,
            batch: Rows::default(),
            ids: Vec::new(),
            step: Step {
                rest: Quadratic::new(size),
                delta: vec![0.0; size],
                trial: vec![0.0; size],
                product: vec![0.0; size],
                gradient: vec![0.0; size],
                hessian: vec![0.0; size * size],
                diagonal: vec![0.0; size],
            },
            steps: 0,
            v,
        })
    }

    pub(super) fn gamma(&self) -> &[f64] {
        &self.v[..self.v.len() - 1]
    }

    /// Whether λ is where it shall be.
    pub(super) fn is_at_last(&self) -> bool {
        let is_there = self.nearing <= 0.0 && self.gathering <= 0.0 && self.lambda <= self.wanted_lambda();
        is_there || self.nearing.is_infinite()
    }

    fn wanted_lambda(&self) -> f64 {
        let least = self.width * self.spread;
        match self.target {
            Target::Price(lambda) => lambda,
            Target::Found(lambda) => lambda.max(least),
            Target::Least => least,
        }
        .max(f64::MIN_POSITIVE)
    }

    /// The λ that a radius leads to at the coefficients, when a pass ends.
    pub(super) fn follow(&mut self, lambda: f64) {
        if let Target::Found(target) = &mut self.target {
            *target = lambda;
            self.lambda = self.lambda.max(self.wanted_lambda());
        }
    }

    /// The spread of all losses, at the best coefficients.
    pub(super) fn measure(&mut self, losses: &[f64]) {
        let eta = &self.exact.eta;
        let of = |i: usize, x: f64| if eta[i] > 0.0 { eta[i] * x } else { 0.0 };
        let mean = pairwise(losses.len(), |i| of(i, losses[i]));
        self.spread = pairwise(losses.len(), |i| of(i, (losses[i] - mean).abs())).max(TIED * mean.abs());
        self.is_measured = true;
    }

    /// Corners become sharper after a pass, or blunter after one that was rough.
    pub(super) fn sharpen(&mut self, is_rough: bool) {
        if self.has_corners {
            let width = if is_rough { FALL * self.width } else { self.width / SHARPER };
            self.width = width.clamp(WIDTH, WIDEST);
            self.lambda = self.lambda.max(self.wanted_lambda());
        }
    }

    /// A larger λ to go on from, larger each time; it falls more slowly then.
    pub(super) fn retreat(&mut self) -> f64 {
        self.pace *= 2.0;
        self.retreats += 1;
        self.lambda = FALL.powi(1 + self.retreats) * self.wanted_lambda();
        self.lambda
    }

    /// From better coefficients once more: sums are gathered there before the next step.
    pub(super) fn go_back(&mut self, gamma: &[f64], threshold: f64) {
        let theta = self.v.len() - 1;
        self.v[..theta].copy_from_slice(gamma);
        self.v[theta] = threshold;
        self.before.clear();
        self.now.clear();
        self.gathering = GATHERING;
    }

    pub(super) fn end_pass(&mut self) {
        std::mem::swap(&mut self.before, &mut self.now);
        self.now.clear();
        self.seen = 0.0;
    }

    /// A batch: taken up into what is kept and what is summed, and a step to the minimum of both.
    pub(super) fn take(&mut self, pass: &Pass<'_>, rows: &[u32]) {
        let kept: HashSet<u32> = self.kept.ids.iter().copied().collect();
        self.ids.clear();
        self.ids.extend(rows.iter().filter(|i| !kept.contains(i)));
        let missing = self.room_for - self.kept.ids.len();
        if missing > 0 {
            let from = self.ids.len() - missing.min(self.ids.len());
            pass.append(&self.ids.split_off(from), &mut self.kept);
        }
        pass.fill(&self.ids, &mut self.batch);
        let theta = self.v.len() - 1;
        self.batch.evaluate(&*self.loss, &self.v[..theta]);
        self.kept.evaluate(&*self.loss, &self.v[..theta]);
        // Rows that do not count say nothing.
        if !self.soften(rows.len()) {
            return;
        }
        self.admit();
        self.raise_threshold();

        let f = self.f.clone();
        let f: &dyn Divergence = if self.nearing > 0.0 { &Mean } else { &*f };
        let (alpha, lambda) = (self.v[theta], self.lambda);
        self.now.mass += self.batch.eta.iter().sum::<f64>();
        self.now.c += self.batch.value(f, alpha, lambda, 1.0);
        let to = Derived { gradient: &mut self.now.b, hessian: &mut self.now.h };
        self.batch.add(f, alpha, lambda, 1.0, to);
        self.seen = (self.seen + rows.iter().map(|i| self.exact.eta[*i as usize]).sum::<f64>()).min(1.0);
        self.rows += rows.len() as u64;
        let passed = rows.len() as f64 / self.len as f64;
        if self.gathering > 0.0 {
            self.gathering -= passed;
            return;
        }
        self.advance();
        if self.nearing > 0.0 {
            self.nearing -= passed;
            if self.nearing <= 0.0 {
                self.lambda = f64::NAN;
                self.end_pass();
            }
        }
    }

    /// λ for this batch, and where the threshold starts; whether any row counts.
    fn soften(&mut self, rows: usize) -> bool {
        let (mut mass, mut mean, mut top) = (0.0, 0.0, f64::NEG_INFINITY);
        for (loss, eta) in
            self.batch.losses.iter().zip(&self.batch.eta).chain(self.kept.losses.iter().zip(&self.kept.eta))
        {
            if *eta > 0.0 {
                mass += eta;
                mean += eta * (loss - mean) / mass;
                top = top.max(*loss);
            }
        }
        if mass == 0.0 {
            return false;
        }
        let each = self.batch.losses.iter().zip(&self.batch.eta);
        let each = each.chain(self.kept.losses.iter().zip(&self.kept.eta));
        let off = each.map(|(loss, eta)| eta * (loss - mean).abs()).sum::<f64>() / mass;
        let off = off.max(TIED * mean.abs());
        if !self.is_measured {
            self.spread = if self.lambda.is_nan() { off } else { 0.9 * self.spread + 0.1 * off };
        }
        let widest = (top - mean).max(f64::MIN_POSITIVE);
        if self.nearing > 0.0 {
            self.lambda = widest;
        } else if self.gathering > 0.0 {
            // λ and the threshold stay.
        } else if self.lambda.is_nan() {
            self.lambda = widest.max(self.wanted_lambda());
            let mut losses: Vec<f64> = self.batch.losses.clone();
            losses.extend(&self.kept.losses);
            let eta: Vec<f64> = self.batch.eta.iter().chain(&self.kept.eta).map(|eta| eta / mass).collect();
            let mut p = vec![0.0; losses.len()];
            let row = Row { u: &losses, eta: &eta, eta_rest: 0.0, lambda: self.lambda };
            let theta = self.v.len() - 1;
            self.v[theta] = self.f.solve(&row, None, &mut p, &mut Scratch::default()).threshold;
        } else {
            let passes = rows as f64 / self.len as f64;
            let slower = self.lambda * FALL.powf(-passes / self.pace);
            self.lambda = slower.min(widest).max(self.wanted_lambda());
        }
        let rounding = if self.nearing > 0.0 { widest } else { self.lambda.min(self.width * self.spread) };
        let largest = self.penalty.lasso.iter().fold(0.0_f64, |most, l| l.max(most));
        self.penalty.corner = if largest > 0.0 { rounding / largest } else { 0.0 };
        if let Some(loss) = self.exact.loss.smoothed(rounding) {
            self.loss = loss;
            let theta = self.v.len() - 1;
            self.batch.evaluate(&*self.loss, &self.v[..theta]);
            self.kept.evaluate(&*self.loss, &self.v[..theta]);
        }
        true
    }

    /// Rows of the batch that have larger losses than kept ones change places with them.
    fn admit(&mut self) {
        let least = |kept: &Rows| {
            (0..kept.losses.len()).fold(None, |least: Option<usize>, i| match least {
                Some(at) if kept.losses[at] <= kept.losses[i] => least,
                _ => Some(i),
            })
        };
        let Some(mut at) = least(&self.kept) else { return };
        for r in 0..self.batch.losses.len() {
            if self.batch.losses[r] > self.kept.losses[at] + HYSTERESIS * self.lambda {
                self.kept.swap(at, &mut self.batch, r);
                at = least(&self.kept).unwrap_or(at);
            }
        }
    }

    /// No kept example may weigh more than 1 by itself: exponentials would overflow.
    fn raise_threshold(&mut self) {
        let theta = self.v.len() - 1;
        if self.nearing > 0.0 {
            return;
        }
        let f = &*self.f;
        let floor = self.kept.losses.iter().zip(&self.kept.eta).filter(|(_, eta)| **eta > 0.0).fold(
            f64::NEG_INFINITY,
            |floor, (loss, eta)| {
                let slope = f.f_prime(1.0 / eta);
                if slope.is_finite() { floor.max(loss - self.lambda * slope) } else { floor }
            },
        );
        if self.v[theta] < floor {
            self.step.delta.fill(0.0);
            self.step.delta[theta] = floor - self.v[theta];
            self.v[theta] = floor;
            for sums in [&mut self.before, &mut self.now] {
                sums.shift(&self.step.delta, &mut self.step.product);
            }
        }
    }

    /// Newton steps to the minimum of kept examples, sums and penalty.
    fn advance(&mut self) {
        let theta = self.v.len() - 1;
        let Step { rest, delta, trial, product, gradient, hessian, diagonal } = &mut self.step;
        rest.clear();
        rest.scale_add(0.0, 1.0 - self.seen, &self.before);
        rest.scale_add(1.0, 1.0, &self.now);
        let kept_mass: f64 = self.kept.eta.iter().sum();
        let mut share = 1.0;
        if rest.mass > 0.0 {
            let scale = (1.0 - kept_mass).max(0.0) / rest.mass;
            rest.scale_add(scale, 0.0, &self.before);
        } else if kept_mass > 0.0 {
            share = 1.0 / kept_mass;
        }
        let f: &dyn Divergence = if self.nearing > 0.0 { &Mean } else { &*self.f };
        let lambda = self.lambda;
        let prior = theta as f64 / self.rows as f64;
        delta.fill(0.0);
        for round in 0..STEPS {
            rest.product(delta, product);
            for (g, (b, h)) in gradient.iter_mut().zip(rest.b.iter().zip(&*product)) {
                *g = b + h;
            }
            gradient[theta] += 1.0;
            hessian.copy_from_slice(&rest.h);
            let alpha = self.v[theta];
            let value_rest = rest.value(delta, product);
            self.kept.evaluate(&*self.loss, &self.v[..theta]);
            let mut value = alpha + value_rest + self.kept.value(f, alpha, lambda, share);
            value += self.penalty.value(&self.v[..theta]);
            self.kept.add(f, alpha, lambda, share, Derived { gradient, hessian });
            for (j, gamma) in self.v[..theta].iter().enumerate() {
                let (slope, curvature) = self.penalty.derivatives(j, *gamma);
                gradient[j] += slope;
                hessian[j * (theta + 1) + j] += curvature;
            }
            // While few rows have been seen they do not determine the coefficients.
            if round == 0 {
                diagonal.iter_mut().enumerate().for_each(|(j, d)| *d = hessian[j * (theta + 1) + j]);
            }
            let pull = |delta: &[f64]| -> f64 {
                delta.iter().zip(&*diagonal).map(|(d, h)| 0.5 * prior * h * d * d).sum()
            };
            value += pull(delta);
            let mut own = vec![0.0; theta + 1];
            for (j, own) in own.iter_mut().enumerate() {
                gradient[j] += prior * diagonal[j] * delta[j];
                *own = hessian[j * (theta + 1) + j] + prior * diagonal[j];
                if *own <= 0.0 {
                    gradient[j] = 0.0;
                }
            }
            let Some(direction) = damped(hessian, &own, gradient) else { break };
            let slope = dot(&direction, gradient);
            self.steps += 1;
            // What is left is rounding.
            if slope.is_nan() || slope <= 1e-13 * value.abs() {
                break;
            }
            let (from, back) = (self.v.clone(), delta.clone());
            let mut length = 1.0;
            let mut better = false;
            for _ in 0..20 {
                for j in 0..=theta {
                    self.v[j] = from[j] - length * direction[j];
                    trial[j] = back[j] - length * direction[j];
                }
                self.kept.evaluate(&*self.loss, &self.v[..theta]);
                let there = self.v[theta]
                    + rest.value(trial, product)
                    + self.kept.value(f, self.v[theta], lambda, share)
                    + self.penalty.value(&self.v[..theta])
                    + pull(trial);
                if there <= value - 1e-4 * length * slope {
                    better = true;
                    break;
                }
                length *= 0.3;
            }
            if !better {
                self.v = from;
                break;
            }
            delta.copy_from_slice(trial);
        }
        for sums in [&mut self.before, &mut self.now] {
            sums.shift(delta, product);
        }
    }
}

/// A Newton direction, with as much added to the diagonal as it takes.
fn damped(hessian: &[f64], diagonal: &[f64], gradient: &[f64]) -> Option<Vec<f64>> {
    let mut more = 1e-10;
    while more < 1e6 {
        let own: Vec<f64> = diagonal.iter().map(|d| d * (1.0 + more)).collect();
        if let Some(direction) = scaled_solve(hessian, &own, gradient) {
            return Some(direction);
        }
        more *= 10.0;
    }
    None
}
