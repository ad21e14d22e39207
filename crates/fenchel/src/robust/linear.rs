//! Linear models, fitted exactly.

use super::certificate::lower_bound;
use super::design::Design;
use super::loss::Loss;
use super::newton::{End, minimise};
use super::objective::{Objective, Penalty, State};
use super::perturbation::Shift;
use super::streamed::Files;
use super::{Examples, Options, Precision, Risk, StreamedExamples, Strength};
use crate::divergence::pairwise;
use crate::optim::{Loop, Observer, Progress, Status};
use crate::{Error, Result};
use std::sync::Arc;

/// λ, and the width of what is smoothed, falls by this from stage to stage.
const FALL: f64 = 6.0;

/// Newton steps of a last stage that may come upon corners.
const SMOOTH_STEPS: u32 = 40;

/// A linear model to be fitted: scores z = θx + θ₀, and the risk of their losses.
///
/// ```text
/// min over θ, θ₀ of  Risk(ℓ(θx_i + θ₀, y_i)) + l2 Σ θ_j² + l1 Σ |θ_j|
/// ```
///
/// ```
/// use fenchel::divergence;
/// use fenchel::optim::Silent;
/// use fenchel::robust::{Examples, Linear, Options, Precision, Risk, Strength, loss};
///
/// // Where most examples have label x, and a few 3x.
/// let x: Vec<f64> = (0..40).map(f64::from).collect();
/// let y = x.iter().map(|x| if *x > 35.0 { 3.0 * x } else { *x }).collect();
/// let examples = Examples::new(1, x, y)?;
/// let fit = |risk| {
///     let model = Linear::new(&examples, loss::parse("squared")?, risk, Options::default())?;
///     model.fit(&Precision::default(), &mut Silent)
/// };
/// let mean = fit(Risk::mean())?;
/// let robust = fit(Risk::new(divergence::parse("kl")?, Strength::Penalty(50.0))?)?;
/// assert!(robust.status.is_converged() && robust.gap <= 1e-9 * robust.objective);
/// // The worst losses are smaller, the mean is larger.
/// let worst = |fit: &fenchel::robust::Fit| fit.losses.iter().copied().fold(0.0, f64::max);
/// assert!(worst(&robust) < 0.5 * worst(&mean) && robust.mean_loss > mean.mean_loss);
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug)]
pub struct Linear<'a> {
    /// Empty where examples stay in their files.
    labels: &'a [f64],
    eta: &'a [f64],
    pub(super) loss: Arc<dyn Loss>,
    risk: Risk,
    options: Options,
    pub(super) design: Arc<Design>,
    /// Where examples may be moved.
    pub(super) shift: Option<Shift>,
}

/// A fitted linear model, in the units of the features and labels.
#[derive(Debug, Clone)]
pub struct Fit {
    /// θ₀, one a score.
    pub intercept: Vec<f64>,
    /// θ: the coefficients of one score after another.
    pub coefficients: Vec<f64>,
    /// Risk and penalty at the coefficients.
    pub objective: f64,
    /// No coefficients have an objective below this.
    pub lower_bound: f64,
    /// objective − lower_bound.
    pub gap: f64,
    /// How the fit ended; converged only if the gap is as small as asked for.
    pub status: Status,
    /// Loss of each example; where it may be moved, the largest less the price.
    pub losses: Vec<f64>,
    /// How far the worst case moves each example, in units of the features; empty where none may be moved.
    pub distances: Vec<f64>,
    /// p: how much each example weighs in the worst case.
    pub weights: Vec<f64>,
    /// Σ p̂_i ℓ_i.
    pub mean_loss: f64,
    /// λ at which the weights are the worst case: the penalty, or what a radius leads to; infinite for the mean.
    pub lambda: f64,
    /// The divergence of the weights from p̂: the radius, or what a penalty leads to.
    pub radius: f64,
    /// τ: losses above it count; the mean loss where nothing strays.
    pub threshold: f64,
    /// 1/Σ p_i²/p̂_i, in examples: how many of equal weight are as uneven.
    pub effective_sample_size: f64,
    /// Newton steps.
    pub iterations: u32,
    /// Time that it took.
    pub seconds: f64,
}

impl<'a> Linear<'a> {
    /// Checks that everything fits together.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for penalties below 0 or labels that the loss does not take; [`Error::Shape`] if there is
    /// neither a feature nor an intercept.
    pub fn new(examples: &'a Examples, loss: Arc<dyn Loss>, risk: Risk, options: Options) -> Result<Self> {
        check(examples.width(), examples.len(), &risk, options)?;
        examples.suit(&*loss)?;
        let design = Arc::new(Design::new(examples, options.intercept));
        let (labels, eta) = (examples.labels(), examples.weights());
        Ok(Linear { labels, eta, loss, risk: risk.resolved(eta), options, design, shift: None })
    }

    /// The same with examples that stay in their files, which every step of a fit reads again.
    ///
    /// [`Linear::passes`] and [`Linear::sgd`] read them once a pass in random order: pages of rows are drawn, as many as half of the
    /// memory for buffers holds, and shuffled together. After each pass the objective of all is found, and once that hardly falls
    /// any more a bound, which takes one to five times more, or where there are corners ten to twenty. [`Linear::fit`] reads them
    /// twice a Newton step, and takes twice as many numbers for each example. A file that can no longer be read, or has changed,
    /// ends a fit with an error.
    ///
    /// # Errors
    /// As [`Linear::new`].
    pub fn streamed(
        examples: &'a StreamedExamples,
        loss: Arc<dyn Loss>,
        risk: Risk,
        options: Options,
    ) -> Result<Self> {
        check(examples.width(), examples.len(), &risk, options)?;
        examples.suit(&*loss)?;
        let design = Arc::new(Design::streamed(examples.files(), options.intercept));
        let eta = examples.weights();
        Ok(Linear { labels: &[], eta, loss, risk: risk.resolved(eta), options, design, shift: None })
    }

    /// Fits from coefficients that are all 0.
    ///
    /// Newton's method with λ falling to its value and, where loss, risk or penalty have corners, with these rounded less and
    /// less, until the certified gap is as small as asked for.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a tolerance that is not above 0, or where losses are no finite numbers at the start.
    pub fn fit(&self, precision: &Precision, observer: &mut dyn Observer) -> Result<Fit> {
        let gamma = vec![0.0; self.parameters()];
        self.fit_near(gamma, None, precision, observer)
    }

    /// Fits from other coefficients: those of another model, or of an expert. The fit is the same, perhaps sooner.
    ///
    /// # Errors
    /// As [`Linear::fit`], and [`Error::Shape`] unless there is an intercept for each score and a coefficient for each
    /// feature and score, [`Error::NonFinite`] unless all are finite.
    pub fn fit_from(
        &self,
        start: (&[f64], &[f64]),
        precision: &Precision,
        observer: &mut dyn Observer,
    ) -> Result<Fit> {
        self.fit_near(self.checked_start(start)?, None, precision, observer)
    }

    /// Parameters in units of the design, from intercepts and coefficients of somebody's.
    pub(super) fn checked_start(&self, (intercept, coefficients): (&[f64], &[f64])) -> Result<Vec<f64>> {
        let (d, k) = (self.features(), self.loss.scores());
        for (name, start, count) in [("intercept", intercept, k), ("coefficients", coefficients, d * k)] {
            if start.len() != count {
                return Err(Error::shape(name, format!("{count} numbers to start from"), start.len()));
            }
            if let Some(at) = start.iter().position(|x| !x.is_finite()) {
                return Err(Error::non_finite(name, at, start[at]));
            }
        }
        Ok(self.to_design(intercept, coefficients))
    }

    /// Features of an example.
    fn features(&self) -> usize {
        self.design.scale.len()
    }

    /// Whether examples stay in files.
    pub(super) fn design_is_streamed(&self) -> bool {
        self.design.files().is_some()
    }

    /// Whether all could be read so far.
    ///
    /// # Errors
    /// Examples stay in files, and one is no longer what it was.
    pub(super) fn check_files(&self) -> Result<()> {
        self.design.files().map_or(Ok(()), Files::check)
    }

    /// What is made of the losses.
    pub(super) fn risk(&self) -> &Risk {
        &self.risk
    }

    /// Numbers that are fitted.
    pub(super) fn parameters(&self) -> usize {
        self.design.columns * self.loss.scores()
    }

    /// Whether loss, risk or penalty are not smooth.
    pub(super) fn has_corners(&self) -> bool {
        !(self.loss.is_smooth() && self.risk.is_smooth() && self.options.l1 == 0.0)
    }

    /// Fits with each strength of the divergence instead of the risk's own, each from the one before: a path.
    ///
    /// Of the fits that a stopped observer or spent time leaves out, none is there. The observer sees the share of fits that are
    /// done.
    ///
    /// # Errors
    /// As [`Linear::fit`], and as [`Risk::new`] for strengths.
    pub fn path(
        &self,
        strengths: &[Strength],
        precision: &Precision,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Fit>> {
        let mut fits: Vec<Fit> = Vec::with_capacity(strengths.len());
        let mut spent = 0.0;
        for (k, strength) in strengths.iter().enumerate() {
            let observer = &mut |progress: &Progress<'_>| {
                observer.progress(&Progress { fraction: k as f64 / strengths.len() as f64, ..*progress })
            };
            let risk = self.risk.with_strength(*strength)?;
            let model = Linear {
                risk,
                design: self.design.clone(),
                loss: self.loss.clone(),
                shift: self.shift.clone(),
                ..*self
            };
            let left = precision.max_seconds.map(|most| (most - spent).max(0.0));
            let precision = Precision { max_seconds: left, ..*precision };
            let fit = match fits.last() {
                None => model.fit(&precision, observer)?,
                Some(last) => {
                    let start = self.to_design(&last.intercept, &last.coefficients);
                    let near = Some(last.lambda).filter(|lambda| lambda.is_finite() && *lambda > 0.0);
                    model.fit_near(start, near, &precision, observer)?
                }
            };
            spent += fit.seconds;
            let ended = matches!(fit.status, Status::Interrupted | Status::MaxTime);
            fits.push(fit);
            if ended {
                break;
            }
        }
        Ok(fits)
    }

    /// Parameters in units of the design.
    fn to_design(&self, intercept: &[f64], coefficients: &[f64]) -> Vec<f64> {
        let d = self.features();
        let of = |c: usize| self.design.to_design(intercept[c], &coefficients[c * d..(c + 1) * d]);
        (0..intercept.len()).flat_map(of).collect()
    }

    /// Fits from γ, in units of the design. `near` is the λ at which γ is a minimum, if it is one.
    fn fit_near(
        &self,
        mut gamma: Vec<f64>,
        near: Option<f64>,
        precision: &Precision,
        observer: &mut dyn Observer,
    ) -> Result<Fit> {
        if !(precision.tolerance > 0.0 && precision.tolerance.is_finite()) {
            return Err(Error::invalid("tolerance", precision.tolerance, "a finite number above 0"));
        }
        let mut run = Loop::new(precision.max_seconds, observer);
        let exact = self.objective();
        let (mut state, mut best) = self.begins(&exact, &gamma)?;
        let mut other = State::default();
        let widest = self.first_width(&state.losses);
        let mut width = near.map_or(widest, |near| near.min(widest));
        let (mut iterations, mut idle, mut rounding) = (0_u32, 0, false);
        let status = loop {
            let is_last = !rounding && self.is_last(width, &gamma, &state);
            let smooth = stage(&exact, if is_last { 0.0 } else { width });
            smooth.evaluate(&gamma, &mut state);
            let wanted = best.wanted(precision.tolerance);
            let near_end = is_last || width < 1e3 * wanted;
            // Bounds are good only where the slopes are those of a minimum, within the width that corners have.
            let mut gain = match (is_last, near_end) {
                (true, _) => 0.05 * wanted,
                (false, true) => 1e-6 * width,
                (false, false) => 0.02 * width,
            };
            let mut ended = None;
            // Where corners come up that nothing foresaw, a stage without rounding does not end.
            let may_round = is_last && self.shift.as_ref().is_some_and(Shift::may_have_corners);
            let most = iterations + if may_round { SMOOTH_STEPS } else { u32::MAX / 2 };
            // The last stage may have to be more exact than was foreseen.
            for _ in 0..if is_last { 4 } else { 1 } {
                let end = minimise(&smooth, &mut gamma, (&mut state, &mut other), gain, || {
                    iterations += 1;
                    ended = run.check(&Progress {
                        phase: "fitting",
                        fraction: 0.0,
                        samples: 0,
                        error: best.gap() / wanted * precision.tolerance,
                        target: precision.tolerance,
                        iterate: &[],
                    });
                    if iterations > precision.max_iterations {
                        ended = ended.or(Some(Status::MaxIterations));
                    }
                    ended.is_none()
                        && iterations <= most
                        && !self.design.files().is_some_and(Files::has_failed)
                });
                self.check_files()?;
                if self.design_is_streamed() {
                    other = State::default();
                }
                if ended.is_some() || near_end {
                    let before = best.gap();
                    self.note(&exact, &smooth, &gamma, &mut state, &mut best);
                    if self.design.files().is_some() {
                        self.check_files()?;
                        smooth.evaluate(&gamma, &mut state);
                    }
                    idle = if best.gap() < 0.9 * before { 0 } else { idle + 1 };
                    if best.gap() <= best.wanted(precision.tolerance) {
                        ended = ended.or(Some(Status::Converged));
                    }
                }
                if ended.is_some() || end != End::Done {
                    break;
                }
                gain *= 1e-3;
            }
            if let Some(status) = ended {
                break status;
            }
            // Moved examples can come upon corners where losses have none.
            if may_round {
                rounding = true;
                idle = 0;
                continue;
            }
            // Widths that cannot be told from 0, or that change nothing any more.
            if is_last || width < best.wanted(1e-16) || idle >= 8 {
                break Status::Stalled;
            }
            width /= FALL;
        };
        drop(state);
        self.finish(&exact, best, status, iterations, run.seconds())
    }

    /// [`Linear::begins`] for methods that take batches.
    pub(super) fn begun(&self, exact: &Objective<'_>, gamma: &[f64]) -> Result<(State, Best)> {
        if self.shift.is_some() {
            let expected = "Linear::fit, which takes all examples at once";
            return Err(Error::invalid("method for moved examples", "one of batches", expected));
        }
        self.begins(exact, gamma)
    }

    /// Where a fit begins: the state at γ, and what is known of the minimum there.
    fn begins(&self, exact: &Objective<'_>, gamma: &[f64]) -> Result<(State, Best)> {
        // One after the other, so that numbers of all examples are there only once.
        let mut state = State::default();
        exact.evaluate(&vec![0.0; gamma.len()], &mut state);
        let at_zero = state.value;
        if gamma.iter().any(|g| *g != 0.0) {
            state.worst = None;
            exact.evaluate(gamma, &mut state);
        }
        self.check_files()?;
        if !state.value.is_finite() {
            return Err(Error::invalid(
                "losses",
                "out of range at the coefficients to start from",
                "finite numbers: labels or coefficients may be too large",
            ));
        }
        let first = if at_zero.is_finite() { at_zero } else { state.value };
        let best = Best { gamma: gamma.to_vec(), objective: state.value, lower: self.least(), first };
        Ok((state, best))
    }

    /// What is minimised, in units of the design.
    pub(super) fn objective(&self) -> Objective<'_> {
        let (d, m, k) = (self.features(), self.design.columns, self.loss.scores());
        let mut penalty = Penalty { ridge: vec![0.0; m * k], lasso: vec![0.0; m * k], corner: 0.0 };
        for at in 0..m * k {
            let j = at % m;
            if j < d && self.design.scale[j] > 0.0 {
                let unit = if self.options.standardise { 1.0 } else { 1.0 / self.design.scale[j] };
                penalty.ridge[at] = self.options.l2 * unit * unit;
                penalty.lasso[at] = self.options.l1 * unit;
            }
        }
        Objective {
            design: &self.design,
            labels: self.labels,
            eta: self.eta,
            loss: self.loss.clone(),
            risk: self.risk.clone(),
            penalty,
            width: 0.0,
            shift: self.shift.clone(),
        }
    }

    /// What no coefficients can be below: the mean of the least that each loss can be is at most its risk.
    fn least(&self) -> f64 {
        let mean = self.objective().least(&*self.loss);
        let price = match (self.risk.divergence(), self.risk.strength()) {
            (Some(f), Strength::Penalty(lambda)) => lambda * f.f_at_one(),
            _ => 0.0,
        };
        if mean.is_nan() { f64::NEG_INFINITY } else { mean - price }
    }

    /// A width over which all losses at the start are alike.
    pub(super) fn first_width(&self, losses: &[f64]) -> f64 {
        let seen = losses.iter().zip(self.eta).filter(|(_, eta)| **eta > 0.0);
        let ends = (f64::INFINITY, f64::NEG_INFINITY);
        let (least, most) = seen.fold(ends, |(least, most), (x, _)| (x.min(least), x.max(most)));
        (most - least).max(most.abs()).max(f64::MIN_POSITIVE)
    }

    /// Whether the stage after this width is the problem as it is: nothing has corners, and λ is no less than the width.
    fn is_last(&self, width: f64, gamma: &[f64], before: &State) -> bool {
        !self.has_corners()
            && !self.shift.as_ref().is_some_and(|shift| shift.has_corner(gamma))
            && match self.risk.strength() {
                _ if self.risk.divergence().is_none() => true,
                Strength::Penalty(lambda) => width <= lambda,
                // The multiplier is its own, not the least that the last stage left to it.
                Strength::Radius(_) => before.worst.is_some_and(|w| w.lambda > 1.5 * FALL * width),
            }
    }

    /// Takes up coefficients and a lower bound where they are better. Where examples stay in their files `state` is spent.
    pub(super) fn note(
        &self,
        exact: &Objective<'_>,
        smooth: &Objective<'_>,
        gamma: &[f64],
        state: &mut State,
        best: &mut Best,
    ) {
        best.lower = best.lower.max(lower_bound(smooth, (&*self.loss, &self.risk), gamma, state));
        let mut value = state.value;
        // Numbers of all examples in files are there only once.
        let mut room = State::default();
        let with = if self.design_is_streamed() { state } else { &mut room };
        // What is exact has its value.
        if smooth.width > 0.0 {
            exact.evaluate(gamma, with);
            value = with.value;
        }
        if value < best.objective {
            best.objective = value;
            best.gamma.copy_from_slice(gamma);
        }
        self.thin(exact, smooth, gamma, with, best);
    }

    /// Coefficients that the penalty holds at 0 are there but for what its corner was rounded by; γ shows which.
    pub(super) fn thin(
        &self,
        exact: &Objective<'_>,
        smooth: &Objective<'_>,
        gamma: &[f64],
        with: &mut State,
        best: &mut Best,
    ) {
        if self.options.l1 == 0.0 {
            return;
        }
        let mut sparse = best.gamma.clone();
        let small = |j: usize| exact.penalty.lasso[j] > 0.0 && gamma[j].abs() < 3.0 * smooth.penalty.corner;
        (0..sparse.len()).filter(|j| small(*j)).for_each(|j| sparse[j] = 0.0);
        exact.evaluate(&sparse, with);
        if with.value <= best.objective {
            best.objective = with.value;
            best.gamma = sparse;
        }
    }

    pub(super) fn finish(
        &self,
        exact: &Objective<'_>,
        best: Best,
        status: Status,
        iterations: u32,
        seconds: f64,
    ) -> Result<Fit> {
        let mut state = State::default();
        exact.evaluate(&best.gamma, &mut state);
        self.check_files()?;
        let eta = self.eta;
        let (d, m) = (self.features(), self.design.columns);
        let mut intercept = Vec::new();
        let mut coefficients = Vec::with_capacity(d * self.loss.scores());
        for gamma in best.gamma.chunks_exact(m) {
            let (constant, slopes) = self.design.to_user(gamma);
            intercept.push(constant);
            coefficients.extend(slopes);
        }
        let n = eta.len();
        let mean_loss = pairwise(n, |i| if eta[i] > 0.0 { eta[i] * state.losses[i] } else { 0.0 });
        let uneven = pairwise(n, |i| if eta[i] > 0.0 { state.p[i] * (state.p[i] / eta[i]) } else { 0.0 });
        let worst = state.worst.map(|worst| self.risk.completed(worst, &state.losses, eta, &state.p));
        let distance = |shift: &Shift| state.slope.iter().map(|a| shift.distance(&best.gamma, *a)).collect();
        let distances = self.shift.as_ref().map_or_else(Vec::new, distance);
        let (lambda, radius, threshold) =
            worst.map_or((f64::NAN, f64::NAN, f64::NAN), |w| (w.lambda, w.divergence, w.threshold));
        // Above the objective it is by rounding.
        let is_rounding = best.gap() < 0.0 && best.gap() > -1e-12 * best.objective.abs();
        let lower_bound = if is_rounding { best.objective } else { best.lower };
        Ok(Fit {
            intercept,
            coefficients,
            objective: best.objective,
            lower_bound,
            gap: best.objective - lower_bound,
            status,
            losses: state.losses,
            distances,
            weights: state.p,
            mean_loss,
            lambda,
            radius,
            threshold,
            effective_sample_size: n as f64 / uneven,
            iterations,
            seconds,
        })
    }
}

/// Whether a model can be made of these.
fn check(width: usize, n: usize, risk: &Risk, options: Options) -> Result<()> {
    for (name, value) in [("l2", options.l2), ("l1", options.l1)] {
        if !(value >= 0.0 && value.is_finite()) {
            return Err(Error::invalid(name, value, "a finite number, at least 0"));
        }
    }
    if width == 0 && !options.intercept {
        return Err(Error::shape("features", "at least one, or an intercept", 0));
    }
    match risk.divergence().and_then(|f| f.atoms()).filter(|expected| *expected != n) {
        Some(expected) => Err(Error::shape("examples", format!("as many as marginals, {expected}"), n)),
        None => Ok(()),
    }
}

/// The objective with everything rounded over `width`, in units of the losses.
pub(super) fn stage<'b>(exact: &Objective<'b>, width: f64) -> Objective<'b> {
    let largest = exact.penalty.lasso.iter().fold(0.0_f64, |most, l| l.max(most));
    let corner = if largest > 0.0 { width / largest } else { 0.0 };
    Objective {
        loss: exact.loss.smoothed(width).unwrap_or_else(|| exact.loss.clone()),
        risk: exact.risk.smoothed(width),
        penalty: Penalty { corner, ..exact.penalty.clone() },
        width,
        shift: exact.shift.as_ref().map(|shift| shift.rounded(width)),
        ..exact.clone()
    }
}

/// The best coefficients so far, in units of the design, and the best bound.
pub(super) struct Best {
    pub gamma: Vec<f64>,
    pub objective: f64,
    pub lower: f64,
    /// The objective of coefficients 0, wherever a fit starts; that of the start, if it is infinite.
    pub first: f64,
}

impl Best {
    pub(super) fn gap(&self) -> f64 {
        self.objective - self.lower
    }

    /// The gap asked for. An objective that falls to nothing is measured by a part of that of coefficients 0.
    pub(super) fn wanted(&self, tolerance: f64) -> f64 {
        tolerance * self.objective.abs().max(1e-6 * self.first.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::divergence;
    use crate::measure::Rng;
    use crate::optim::Silent;
    use crate::robust::loss;

    /// From whatever coefficients and however rounded a problem it is made, a bound is below the minimum.
    #[test]
    fn bounds_are_below_the_minimum() {
        let mut rng = Rng::new(11);
        let n = 40;
        let x: Vec<f64> = (0..2 * n).map(|_| rng.normal()).collect();
        let y = x.chunks(2).map(|x| if x[0] - x[1] + rng.normal() > 0.0 { 1.0 } else { -1.0 }).collect();
        let examples = Examples::new(2, x, y).unwrap();
        let mut finite = 0;
        for name in ["squared", "absolute", "quantile:0.3", "hinge", "logistic", "huber"] {
            for (f, strength) in [
                ("kl", Strength::Penalty(0.3)),
                ("chi2", Strength::Radius(0.3)),
                ("safe-kl:0.2", Strength::Penalty(0.1)),
                ("kl-cvar:0.3", Strength::Radius(0.5)),
                ("cvar:0.3", Strength::Penalty(1.0)),
                ("none", Strength::Penalty(1.0)),
            ] {
                for (l1, l2) in [(0.0, 0.1), (0.05, 0.0), (0.0, 0.0)] {
                    let risk = Risk::new(divergence::parse(f).unwrap(), strength).unwrap();
                    let options = Options { l1, l2, ..Options::default() };
                    let loss = loss::parse(name).unwrap();
                    let model = Linear::new(&examples, loss.clone(), risk, options).unwrap();
                    let fit = model
                        .fit(&Precision { tolerance: 1e-6, ..Precision::default() }, &mut Silent)
                        .unwrap();
                    let exact = model.objective();
                    for _ in 0..100 {
                        let size = 10f64.powf(2.0 * rng.uniform() - 1.5);
                        let gamma: Vec<f64> = (0..3).map(|_| size * rng.normal()).collect();
                        let smooth = stage(&exact, 10f64.powf(3.0 * rng.uniform() - 2.0));
                        let mut state = State::default();
                        smooth.evaluate(&gamma, &mut state);
                        let bound = lower_bound(&smooth, (&*loss, &model.risk), &gamma, &mut state);
                        finite += u32::from(bound.is_finite());
                        assert!(
                            bound <= fit.objective * (1.0 + 1e-12),
                            "{name} {f} {strength:?}: {bound} {}",
                            fit.objective
                        );
                    }
                }
            }
        }
        assert!(finite > 1000, "{finite}");
    }
}
