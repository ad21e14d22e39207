//! Stochastic gradient methods for robust models: those of the papers and of the field.
//!
//! | method | gradient on a batch | |
//! |---|---|---|
//! | [`Method::Joint`] | of α + λ f*((ℓ − α)/λ) in θ and α; safe KL for KL | unbiased, bounded |
//! | [`Method::DualSgm`] | the same with f as it is | unbiased; KL overflows |
//! | [`Method::BatchWeights`] | worst-case weights of the batch alone | biased for small batches |
//! | [`Method::Multilevel`] | batches of random size, differences between their halves and the whole | unbiased, heavy-tailed |
//! | [`Method::SumOfExponentials`] | of mean e^{ℓ/λ}, without the logarithm | overflows |
//!
//! They are here to be compared with, and for who wants them: for data in memory [`Linear::fit`] is exact and faster.

mod gradient;

use super::batch::{Batches, Pass};
use super::objective::{Objective, State};
use super::{Fit, Linear, Risk, Strength};
use crate::divergence::{Divergence, SafeKl};
use crate::measure::stream;
use crate::optim::{Loop, Observer, Progress, Status};
use crate::{Error, Result};
use gradient::{Estimator, Point};
use std::sync::Arc;

/// Steps that are tried where none is given: from the largest down, each a quarter of the one before.
const TRIALS: i32 = 30;

/// What ρ of safe KL is where none is given.
const RHO: f64 = 1e-3;

/// Which gradient is estimated, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// θ and the threshold α together; safe KL in place of KL ("Improved stochastic optimization of LogSumExp", 2025).
    Joint,
    /// The same without safe KL ("Large-scale methods for distributionally robust optimization", 2020).
    DualSgm,
    /// Worst-case weights of each batch.
    BatchWeights,
    /// Batches of random size that correct the bias of small ones (2020, as above).
    Multilevel,
    /// The exponentials of KL without the logarithm.
    SumOfExponentials,
}

impl Method {
    /// Every method.
    pub const ALL: [Method; 5] =
        [Method::Joint, Method::DualSgm, Method::BatchWeights, Method::Multilevel, Method::SumOfExponentials];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Method::Joint => "joint",
            Method::DualSgm => "dual-sgm",
            Method::BatchWeights => "batch-weights",
            Method::Multilevel => "multilevel",
            Method::SumOfExponentials => "sum-of-exponentials",
        }
    }
}

/// A stochastic gradient method and its settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sgd {
    /// The gradient.
    pub method: Method,
    /// Examples in a batch.
    pub batch: usize,
    /// Passes over the examples.
    pub epochs: u32,
    /// Step size for features of mean 0 and variance 1; none: the best of a few short trials, halved where the objective
    /// rises.
    pub step: Option<f64>,
    /// ρ of safe KL: weights stay below 1/ρ; none: 10⁻³.
    pub rho: Option<f64>,
    /// Nesterov's momentum.
    pub momentum: f64,
    /// Whether the result is the mean over the second half of the steps instead of the last.
    pub averaging: bool,
    /// Where the threshold α starts, in units of the losses; none: where it is best for the losses at the start, and there it is
    /// put again after each pass. With a step given it is left to the method: it starts at 0 for weights that are bounded,
    /// as those of safe KL are.
    pub alpha: Option<f64>,
    /// Seed of the order of examples.
    pub seed: u64,
}

impl Default for Sgd {
    fn default() -> Self {
        Sgd {
            method: Method::Joint,
            batch: 100,
            epochs: 50,
            step: None,
            rho: None,
            momentum: 0.9,
            averaging: false,
            alpha: None,
            seed: 0,
        }
    }
}

/// What a stochastic method has come to.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The model, with the objective of all examples at it and a lower bound of what any model has.
    pub fit: Fit,
    /// Step size used, at the end, by a method that has one.
    pub step: Option<f64>,
    /// ρ of safe KL, if the method has it.
    pub rho: Option<f64>,
    /// How much lower the objective with safe KL is at this model: what ρ takes.
    pub rho_bias: Option<f64>,
    /// Batches whose gradient was not a finite number; they were passed over.
    pub overflows: u64,
    /// The objective of all examples after each epoch, the start first; infinite where it overflows.
    pub history: Vec<f64>,
}

impl Sgd {
    fn validate(&self) -> Result<()> {
        let positive = |name: &str, value: f64| {
            if value > 0.0 && value.is_finite() {
                Ok(())
            } else {
                Err(Error::invalid(name, value, "a finite number above 0"))
            }
        };
        if self.batch == 0 {
            return Err(Error::invalid("batch", 0, "at least 1"));
        }
        self.step.map_or(Ok(()), |step| positive("step", step))?;
        if let Some(rho) = self.rho.filter(|rho| !(*rho > 0.0 && *rho < 1.0)) {
            return Err(Error::invalid("rho", rho, "a number above 0 and below 1"));
        }
        if !(self.momentum >= 0.0 && self.momentum < 1.0) {
            return Err(Error::invalid("momentum", self.momentum, "a number of at least 0 and below 1"));
        }
        if let Some(alpha) = self.alpha.filter(|alpha| !alpha.is_finite()) {
            return Err(Error::invalid("alpha", alpha, "a finite number"));
        }
        Ok(())
    }

    /// The risk whose gradient is estimated, and ρ where it is that of safe KL.
    fn risk(&self, exact: &Risk) -> Result<(Risk, Option<f64>)> {
        let Some(f) = exact.divergence() else { return Ok((exact.clone(), None)) };
        let is_kl = f.name() == "kl";
        let refuse = |what: &str| {
            Err(Error::invalid(format!("divergence of {}", self.method.name()), f.name(), what.to_owned()))
        };
        match self.method {
            Method::Joint | Method::DualSgm if f.is_per_atom() || f.name() == "none" => {
                refuse("one with a finite conjugate that is the same for all examples")
            }
            Method::Joint if is_kl => {
                let rho = self.rho.unwrap_or(RHO);
                let safe: Arc<dyn Divergence> = Arc::new(SafeKl::new(rho)?);
                Ok((Risk::new(safe, exact.strength())?, Some(rho)))
            }
            Method::BatchWeights | Method::Multilevel if f.atoms().is_some() || f.is_per_atom() => {
                refuse("one that does not depend on the number of examples")
            }
            Method::SumOfExponentials if !(is_kl && matches!(exact.strength(), Strength::Penalty(_))) => {
                refuse("kl with a penalty")
            }
            _ => Ok((exact.clone(), None)),
        }
    }
}

impl Linear<'_> {
    /// Trains by a stochastic gradient method, from coefficients 0 or from `start`: intercepts and coefficients as those of
    /// [`Fit`].
    ///
    /// The status is converged only if the certified gap at the end is within `tolerance`, in relation to the objective; it is
    /// diverged if iterates left the range of finite numbers, and the model then is the last one that had not.
    ///
    /// ```
    /// use fenchel::divergence;
    /// use fenchel::optim::Silent;
    /// use fenchel::robust::{Examples, Linear, Options, Precision, Risk, Sgd, Strength, loss};
    ///
    /// let x: Vec<f64> = (0..200).map(|i| f64::from(i % 20) / 10.0).collect();
    /// let y = x.iter().enumerate().map(|(i, x)| 2.0 * x + (i % 7) as f64 / 7.0).collect();
    /// let examples = Examples::new(1, x, y)?;
    /// let risk = Risk::new(divergence::parse("kl")?, Strength::Penalty(1.0))?;
    /// let model = Linear::new(&examples, loss::parse("squared")?, risk, Options::default())?;
    /// let trained = model.sgd(&Sgd { batch: 10, averaging: true, ..Sgd::default() }, 1e-2, None, &mut Silent)?;
    /// let exact = model.fit(&Precision::default(), &mut Silent)?;
    /// assert!(trained.fit.objective < 1.2 * exact.objective && trained.overflows == 0);
    /// # Ok::<(), fenchel::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for settings outside their domain or a divergence that the method has not; as
    /// [`Linear::fit_from`] for `start`.
    pub fn sgd(
        &self,
        settings: &Sgd,
        tolerance: f64,
        start: Option<(&[f64], &[f64])>,
        observer: &mut dyn Observer,
    ) -> Result<Trained> {
        settings.validate()?;
        let (risk, rho) = settings.risk(self.risk())?;
        let exact = self.objective();
        let gamma = match start {
            None => vec![0.0; self.parameters()],
            Some(start) => self.checked_start(start)?,
        };
        if settings.method == Method::Multilevel && self.design_is_streamed() {
            let expected = "another for examples in files: it takes them from anywhere";
            return Err(Error::invalid("method", settings.method.name(), expected));
        }
        let mut run = Loop::new(None, observer);
        let (mut state, mut best) = self.begun(&exact, &gamma)?;
        let first = best.objective;
        let estimator = Estimator::new(settings.method, &risk, &exact, &state);
        let batches = Batches::new(&exact, settings.batch);
        let threshold = |state: &State| state.worst.map(|w| w.threshold).filter(|alpha| alpha.is_finite());
        // The threshold is known after a pass: it has no step to be slow by.
        let is_followed = settings.step.is_none() && settings.alpha.is_none();
        let bounded = risk.divergence().is_none_or(|f| f.cap().is_finite());
        let best_alpha = threshold(&state).filter(|_| is_followed || !bounded);
        let alpha = settings.alpha.or(best_alpha).unwrap_or(0.0);
        let from = Point { gamma, alpha, lambda: estimator.lambda() };
        let mut training = Training::new(&estimator, from.clone(), settings);
        let mut step = settings.step.unwrap_or(0.0);
        if settings.step.is_none() {
            step = training.trial(&batches, &exact, first)?;
            training = Training::new(&estimator, from, settings);
        }

        let mut history = vec![first];
        let mut kept = training.clone();
        let mut ended = None;
        for epoch in 0..settings.epochs {
            let outcome = training.epoch(&batches, step, settings, epoch, &mut |done| {
                let progress = Progress {
                    phase: "training",
                    fraction: (f64::from(epoch) + done) / f64::from(settings.epochs),
                    samples: u64::from(epoch) * exact.eta.len() as u64,
                    error: f64::NAN,
                    target: tolerance,
                    iterate: &[],
                };
                run.check(&progress)
            })?;
            let shown = if settings.averaging { training.mean() } else { training.point.gamma.clone() };
            exact.evaluate(&shown, &mut state);
            self.check_files()?;
            history.push(state.value);
            if state.value < best.objective {
                (best.objective, best.gamma) = (state.value, shown.clone());
            }
            ended = outcome;
            if ended == Some(Status::Diverged) && settings.step.is_none() {
                // The step was ours to choose.
                ended = None;
                state.value = f64::INFINITY;
            }
            if ended.is_some() {
                break;
            }
            if settings.step.is_none() {
                if state.value > 1.1 * best.objective.abs().max(f64::MIN_POSITIVE) {
                    training.go_back(&kept);
                    step *= 0.5;
                } else if state.value <= best.objective {
                    if let Some(alpha) = threshold(&state).filter(|_| is_followed) {
                        training.point.alpha = alpha;
                    }
                    kept = training.clone();
                }
            }
        }
        // A given step size is respected: its last iterate is the result. A step of our choice has the best that it met.
        let last = if settings.averaging { training.mean() } else { training.point.gamma.clone() };
        exact.evaluate(&last, &mut state);
        if settings.step.is_some() && state.value.is_finite() && ended != Some(Status::Diverged) {
            (best.gamma, best.objective) = (last, state.value);
        }
        if best.objective.is_finite() {
            exact.evaluate(&best.gamma, &mut state);
            let spread = self.first_width(&state.losses);
            self.bound_in_the_end(&exact, spread, &mut state, &mut best)?;
        }
        let status = match ended {
            Some(status) => status,
            None if best.gap() <= best.wanted(tolerance) => Status::Converged,
            None => Status::MaxIterations,
        };
        let (overflows, steps) = (training.overflows, training.steps);
        drop((training, kept, state));
        let fit = self.finish(&exact, best, status, steps, run.seconds())?;
        let rho_bias = match rho {
            Some(_) => {
                let mut weights = vec![0.0; fit.losses.len()];
                let plain = self.risk().of(&fit.losses, exact.eta, &mut weights)?.value;
                Some(plain - risk.of(&fit.losses, exact.eta, &mut weights)?.value)
            }
            None => None,
        };
        Ok(Trained { fit, step: Some(step), rho, rho_bias, overflows, history })
    }
}

/// Iterates, momentum, and what was met on the way.
#[derive(Clone)]
struct Training<'a> {
    estimator: &'a Estimator<'a>,
    point: Point,
    velocity: Point,
    gradient: Point,
    /// Σ of the iterates of the second half, and how many.
    sum: Vec<f64>,
    summed: u64,
    steps: u32,
    overflows: u64,
    room: gradient::Room,
}

impl<'a> Training<'a> {
    fn new(estimator: &'a Estimator<'a>, point: Point, settings: &Sgd) -> Self {
        let zero = Point { gamma: vec![0.0; point.gamma.len()], alpha: 0.0, lambda: 0.0 };
        Training {
            estimator,
            velocity: zero.clone(),
            gradient: zero.clone(),
            sum: zero.gamma,
            summed: 0,
            steps: 0,
            overflows: 0,
            room: gradient::Room::new(settings.seed),
            point,
        }
    }

    /// One pass; a status if it ends here.
    fn epoch(
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
                if late && settings.averaging {
                    self.sum.iter_mut().zip(&self.point.gamma).for_each(|(sum, g)| *sum += g);
                    self.summed += 1;
                }
            }
        }
        Ok(None)
    }

    /// One step; `false` if it leads out of the range of finite numbers: then it is not taken.
    fn advance(&mut self, pass: &Pass<'_>, step: f64, momentum: f64, rows: &[u32]) -> bool {
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
    fn mean(&self) -> Vec<f64> {
        match self.summed {
            0 => self.point.gamma.clone(),
            n => self.sum.iter().map(|sum| sum / n as f64).collect(),
        }
    }

    /// Takes up an earlier state, at rest; what was counted stays.
    fn go_back(&mut self, earlier: &Self) {
        self.point.clone_from(&earlier.point);
        self.velocity.scale_add(0.0, 0.0, &earlier.velocity);
    }

    /// The step size that brings the objective lowest in a short run.
    fn trial(&self, batches: &Batches<'_>, exact: &Objective<'_>, first: f64) -> Result<f64> {
        let settings = Sgd { epochs: 1, ..Sgd::default() };
        let mut state = State::default();
        let mut best = (first, 0.0);
        let steps = batches.trial_steps();
        let mut pass = batches.pass(stream(settings.seed, 2, 0));
        pass.turn()?;
        for k in 0..TRIALS {
            let step = 4.0 * 0.25_f64.powi(k);
            let mut training = self.clone();
            let mut sane = true;
            for rows in pass.order.chunks(batches.size()).take(steps) {
                sane &= training.advance(&pass, step, 0.9, rows);
            }
            exact.evaluate(&training.point.gamma, &mut state);
            if sane && state.value < best.0 {
                best = (state.value, step);
            }
        }
        // A start that nothing improves is left with care.
        Ok(if best.1 > 0.0 { 0.5 * best.1 } else { 4.0 * 0.25_f64.powi(TRIALS) })
    }
}
