//! Iterates of a stochastic gradient method, and the trials that choose its step.

use super::Sgd;
use super::gradient::{Estimator, Point, Room};
use crate::Result;
use crate::measure::stream;
use crate::optim::Status;
use crate::robust::batch::{Batches, Pass};
use crate::robust::objective::{Objective, State};

/// Steps that are tried are powers of this.
const FACTOR: f64 = 4.0;
/// The least and the largest, as exponents.
const POWERS: (i32, i32) = (-60, 60);
/// Trials in a row that are no better, behind the best.
const WORSE: u32 = 2;

/// Iterates, momentum, and what was met on the way.
#[derive(Clone)]
pub(super) struct Training<'a> {
    estimator: &'a Estimator<'a>,
    pub(super) point: Point,
    velocity: Point,
    gradient: Point,
    /// Of the second half of the steps, and of those of this pass.
    late: Mean,
    pass: Mean,
    pub(super) steps: u32,
    pub(super) overflows: u64,
    room: Room,
}

impl<'a> Training<'a> {
    pub(super) fn new(estimator: &'a Estimator<'a>, point: Point, settings: &Sgd) -> Self {
        let zero = Point { gamma: vec![0.0; point.gamma.len()], alpha: 0.0, lambda: 0.0 };
        Training {
            estimator,
            velocity: zero.clone(),
            gradient: zero.clone(),
            late: Mean::default(),
            pass: Mean::default(),
            steps: 0,
            overflows: 0,
            room: Room::new(settings.seed),
            point,
        }
    }

    /// One pass; a status if it ends here.
    pub(super) fn epoch(
        &mut self,
        batches: &Batches<'_>,
        step: f64,
        settings: &Sgd,
        epoch: u32,
        check: &mut dyn FnMut(f64) -> Option<Status>,
    ) -> Result<Option<Status>> {
        let late = 2 * epoch >= settings.epochs;
        let count = batches.len().div_ceil(settings.batch);
        let each = (count / 16).max(1);
        let mut pass = batches.pass(stream(settings.seed, 1, u64::from(epoch)));
        let mut b = 0;
        self.pass = Mean::default();
        while pass.turn()? {
            for rows in pass.order.chunks(settings.batch) {
                if b % each == 0
                    && let Some(status) = check((b as f64 / count as f64).min(1.0))
                {
                    return Ok(Some(status));
                }
                b += 1;
                if !self.advance(&pass, step, settings.momentum, rows) {
                    return Ok(Some(Status::Diverged));
                }
                if settings.step.is_none() {
                    self.pass.add(&self.point.gamma);
                }
                if late && settings.averaging {
                    self.late.add(&self.point.gamma);
                }
            }
        }
        Ok(None)
    }

    /// One step; `false` if it leads out of the range of finite numbers: then it is not taken.
    pub(super) fn advance(&mut self, pass: &Pass<'_>, step: f64, momentum: f64, rows: &[u32]) -> bool {
        self.estimator.gradient(pass, rows, &self.point, &mut self.gradient, &mut self.room);
        self.steps += 1;
        if !self.gradient.is_finite() {
            self.overflows += 1;
            return true;
        }
        let before = (self.point.clone(), self.velocity.clone());
        // Nesterov's momentum as deep-learning libraries have it: v ← μv + g, θ ← θ − γ(g + μv).
        self.velocity.scale_add(momentum, 1.0, &self.gradient);
        self.point.scale_add(1.0, -step, &self.gradient);
        self.point.scale_add(1.0, -step * momentum, &self.velocity);
        self.point.lambda = self.point.lambda.max(self.estimator.least_lambda());
        if self.point.is_moderate() {
            return true;
        }
        (self.point, self.velocity) = before;
        false
    }

    /// The mean over the second half of the steps, as far as there are any.
    pub(super) fn late_mean(&self) -> Vec<f64> {
        self.late.of().unwrap_or_else(|| self.point.gamma.clone())
    }

    /// The mean that may be the result: of late steps, or of those of the pass where a step is ours to choose.
    pub(super) fn mean_to_show(&self, settings: &Sgd) -> Option<Vec<f64>> {
        match (settings.averaging, settings.step) {
            (true, _) => self.late.of(),
            (false, None) => self.pass.of(),
            (false, Some(_)) => None,
        }
    }

    /// Takes up an earlier state, at rest; what was counted stays.
    pub(super) fn go_back(&mut self, earlier: &Self) {
        self.point.clone_from(&earlier.point);
        self.velocity.scale_add(0.0, 0.0, &earlier.velocity);
    }

    /// The step size that brings the objective lowest in a short run: from 1 down until it is better than the start and gets
    /// worse again, and up if no step is better than the first.
    pub(super) fn trial(
        &self,
        batches: &Batches<'_>,
        exact: &Objective<'_>,
        first: f64,
        settings: &Sgd,
        check: &mut dyn FnMut() -> Option<Status>,
    ) -> Result<(f64, Option<Status>)> {
        let mut state = State::default();
        let steps = batches.trial_steps();
        let mut pass = batches.pass(stream(settings.seed, 2, 0));
        pass.turn()?;
        let mut run = |power: i32| {
            let mut training = self.clone();
            let step = FACTOR.powi(power);
            let mut rows = pass.order.chunks(batches.size()).take(steps);
            if !rows.all(|rows| training.advance(&pass, step, settings.momentum, rows)) {
                return f64::INFINITY;
            }
            exact.evaluate(&training.point.gamma, &mut state);
            state.value
        };
        let mut best = (first, None);
        for (from, by) in [(0, -1), (1, 1)] {
            if by > 0 && best.1.is_some_and(|power| power < 0) {
                break;
            }
            let (mut power, mut worse) = (from, 0);
            // Going down, none is given up for being too large.
            while worse < WORSE && (POWERS.0..=POWERS.1).contains(&power) {
                if let Some(ended) = check() {
                    return Ok((Self::careful(best.1), Some(ended)));
                }
                let value = run(power);
                if value < best.0 {
                    best = (value, Some(power));
                    worse = 0;
                } else if by > 0 || best.1.is_some() {
                    worse += 1;
                }
                power += by;
            }
        }
        Ok((Self::careful(best.1), None))
    }

    /// A start that nothing improves is left with care, and what is best at first is too large later.
    fn careful(power: Option<i32>) -> f64 {
        0.5 * FACTOR.powi(power.unwrap_or(POWERS.0 / 2))
    }
}

/// A mean of iterates.
#[derive(Debug, Clone, Default)]
struct Mean {
    sum: Vec<f64>,
    count: u64,
}

impl Mean {
    fn add(&mut self, gamma: &[f64]) {
        self.sum.resize(gamma.len(), 0.0);
        self.sum.iter_mut().zip(gamma).for_each(|(sum, g)| *sum += g);
        self.count += 1;
    }

    fn of(&self) -> Option<Vec<f64>> {
        (self.count > 0).then(|| self.sum.iter().map(|sum| sum / self.count as f64).collect())
    }
}
