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
mod training;

use super::batch::Batches;
use super::objective::State;
use super::{Fit, Linear, Risk, Strength};
use crate::divergence::{Divergence, SafeKl};
use crate::optim::{Loop, Observer, Progress, Status, checked_seconds};
use crate::{Error, Result};
use gradient::{Estimator, Point};
use std::sync::Arc;
use training::Training;

/// A step that is chosen here grows by this after a pass that ends better than all before, and falls by that where the
/// objective rises too far.
const GROWTH: f64 = 2.0;
const FALL: f64 = 0.5;
/// So many times the best objective above it, at first; in the end not at all. Where few examples decide, the way to the minimum
/// leads over such heights.
const RISE: f64 = 300.0;

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

    /// The risk whose gradient is estimated where `exact` is wanted, and ρ where it is that of safe KL: as given, or 10⁻³.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a divergence that the method has not, or ρ outside its domain.
    pub fn risk(self, exact: &Risk, rho: Option<f64>) -> Result<(Risk, Option<f64>)> {
        let Some(f) = exact.divergence() else { return Ok((exact.clone(), None)) };
        let is_kl = f.name() == "kl";
        let refuse = |what: &str| {
            Err(Error::invalid(format!("divergence of {}", self.name()), f.name(), what.to_owned()))
        };
        match self {
            Method::Joint | Method::DualSgm if f.is_per_atom() || f.name() == "none" => {
                refuse("one with a finite conjugate that is the same for all examples")
            }
            Method::Joint if is_kl => {
                let rho = rho.unwrap_or(RHO);
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

/// A stochastic gradient method and its settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sgd {
    /// The gradient.
    pub method: Method,
    /// Examples in a batch.
    pub batch: usize,
    /// Passes over the examples.
    pub epochs: u32,
    /// Step size for features of mean 0 and variance 1; none: the best of a few short trials, which is doubled after a pass
    /// that ends better than all before, and halved where the objective rises far.
    pub step: Option<f64>,
    /// ρ of safe KL: weights stay below 1/ρ; none: 10⁻³.
    pub rho: Option<f64>,
    /// Nesterov's momentum.
    pub momentum: f64,
    /// Whether the result is the mean over the second half of the steps instead of the last iterate. Where no step is given
    /// it is the best that ended a pass: an iterate, or this mean, or without averaging that of the pass.
    pub averaging: bool,
    /// Where the threshold α starts, in units of the losses; none: at 0, below all losses, for weights that are bounded, as
    /// those of safe KL are: they bring it up in large steps, and it comes down in small ones. For others where it is best
    /// for the losses at the start; without a step given it is put there again after each pass that ends better.
    pub alpha: Option<f64>,
    /// Seconds; none is unlimited.
    pub max_seconds: Option<f64>,
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
            max_seconds: None,
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
        checked_seconds(self.max_seconds)
    }
}

impl Linear<'_> {
    /// Trains by a stochastic gradient method, from coefficients 0 or from `start`: intercepts and coefficients as those of
    /// [`Fit`].
    ///
    /// The status is converged only if the certified gap at the end is within `tolerance`, in relation to the objective; it is
    /// diverged if iterates left the range of finite numbers, and the model then is the last one that had not. Where time is
    /// spent the model is what there is by then.
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
        let (risk, rho) = settings.method.risk(self.risk(), settings.rho)?;
        let exact = self.objective();
        let gamma = match start {
            None => vec![0.0; self.parameters()],
            Some(start) => self.checked_start(start)?,
        };
        if settings.method == Method::Multilevel && self.design_is_streamed() {
            let expected = "another for examples in files: it takes them from anywhere";
            return Err(Error::invalid("method", settings.method.name(), expected));
        }
        let mut run = Loop::new(settings.max_seconds, observer);
        let (mut state, mut best) = self.begun(&exact, &gamma)?;
        let first = best.objective;
        let estimator = Estimator::new(settings.method, &risk, &exact, &state);
        let batches = Batches::new(&exact, settings.batch);
        let threshold = |state: &State| state.worst.map(|w| w.threshold).filter(|alpha| alpha.is_finite());
        let bounded = risk.divergence().is_none_or(|f| f.cap().is_finite());
        let best_alpha = threshold(&state).filter(|_| !bounded);
        let alpha = settings.alpha.or(best_alpha).unwrap_or(0.0);
        let from = Point { gamma, alpha, lambda: estimator.lambda() };
        let mut training = Training::new(&estimator, from, settings);
        let (is_ours, total) = (settings.step.is_none(), f64::from(settings.epochs));
        let is_followed = is_ours && !bounded && settings.alpha.is_none();
        let report = |phase: &'static str, fraction: f64, samples: u64| Progress {
            phase,
            fraction,
            samples,
            error: f64::NAN,
            target: tolerance,
            iterate: &[],
        };
        let (mut step, mut ended) = match settings.step {
            Some(step) => (step, None),
            None => {
                let mut check = || run.check(&report("choosing a step", 0.0, 0));
                training.trial(&batches, &exact, first, settings, &mut check)?
            }
        };

        let mut history = vec![first];
        // The best iterate so far, from which a step of our choice starts anew.
        let (mut kept, mut least) = (training.clone(), first);
        for epoch in 0..settings.epochs {
            if ended.is_some() {
                break;
            }
            let samples = u64::from(epoch) * exact.eta.len() as u64;
            ended = training.epoch(&batches, step, settings, epoch, &mut |done| {
                run.check(&report("training", (f64::from(epoch) + done) / total, samples))
            })?;
            if ended == Some(Status::Diverged) && is_ours {
                ended = None;
                history.push(f64::INFINITY);
                training.go_back(&kept);
                step *= FALL;
                continue;
            }
            exact.evaluate(&training.point.gamma, &mut state);
            let (iterate, best_alpha) = (state.value, threshold(&state));
            let mut shown = (iterate, training.point.gamma.clone());
            if let Some(mean) = training.mean_to_show(settings) {
                exact.evaluate(&mean, &mut state);
                if !is_ours || state.value < iterate {
                    shown = (state.value, mean);
                }
            }
            self.check_files()?;
            history.push(shown.0);
            if shown.0 < best.objective {
                (best.objective, best.gamma) = shown;
            }
            if !is_ours {
                continue;
            }
            let rise = RISE * (1.0 - f64::from(epoch) / total).powi(3);
            if iterate <= least {
                if let Some(alpha) = best_alpha.filter(|_| is_followed) {
                    training.point.alpha = alpha;
                }
                (kept, least) = (training.clone(), iterate);
                step *= GROWTH;
            } else if iterate - least > rise * least.abs() {
                training.go_back(&kept);
                step *= FALL;
            }
        }
        // A step size that is given is respected: its last iterate is the result. One of our choice has the best that it met.
        if !is_ours && ended != Some(Status::Diverged) {
            let last = if settings.averaging { training.late_mean() } else { training.point.gamma.clone() };
            exact.evaluate(&last, &mut state);
            if state.value.is_finite() {
                (best.gamma, best.objective) = (last, state.value);
            }
        }
        if best.objective.is_finite() {
            exact.evaluate(&best.gamma, &mut state);
            let spread = self.first_width(&state.losses);
            if matches!(ended, Some(Status::Interrupted | Status::MaxTime)) {
                // Whose time is spent does not wait for the best bound.
                self.bound_after(0, &exact, spread, &mut state, &mut best, false)?;
            } else {
                self.bound_in_the_end(&exact, spread, &mut state, &mut best)?;
            }
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
