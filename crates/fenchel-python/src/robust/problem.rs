//! From arrays and settings to examples and fits.

use super::Folds;
use super::settings::{Settings, Solver, kind};
use fenchel::divergence;
use fenchel::optim::{Observer, Status};
use fenchel::robust::loss::{self, Loss};
use fenchel::robust::validation::{Candidates, Chosen, Shift, choose_in};
use fenchel::robust::{Examples, Linear, Options, Passes, Perturbation, Risk, Sgd, Strength, Trained};
use fenchel::{Error, Result};
use numpy::ndarray::{ArrayView1, ArrayView2};
use rayon::prelude::*;
use std::sync::Arc;
use std::time::Instant;

/// The divergence with which nothing strays.
const MEAN: &str = "mean";

/// The penalty where none is given, in units of the problem: so little that it decides only among coefficients that are as good
/// as the best.
const RIDGE: f64 = 1e-6;

/// Rows that are copied at a time: a tile of them stays in cache whichever way it is read.
const ROWS: usize = 256;

/// Arrays as they came.
pub struct Data<'a> {
    pub x: ArrayView2<'a, f64>,
    pub y: ArrayView1<'a, f64>,
    pub weights: Option<ArrayView1<'a, f64>>,
}

/// Examples and what is to be made of them.
pub struct Problem<'a> {
    examples: Examples,
    loss: Arc<dyn Loss>,
    settings: &'a Settings,
    solver: Solver,
    options: Options,
    perturbation: Option<Perturbation>,
}

impl<'a> Problem<'a> {
    /// Copies the arrays into the engine's examples: row by row, whichever way they lie.
    pub fn new(data: &Data<'_>, settings: &'a Settings) -> Result<Self> {
        let loss = loss::parse(&settings.loss)?;
        let loss = settings.classes.and_then(|classes| loss.for_classes(classes)).unwrap_or(loss);
        let solver = settings.solver()?;
        let width = data.x.ncols();
        let labels = data.y.iter().copied().collect();
        let mut examples = Examples::new(width, rows(data.x), labels).map_err(renamed)?;
        if let Some(weights) = &data.weights {
            examples = examples.weighted(weights.iter().copied().collect()).map_err(renamed)?;
        }
        let perturbation =
            settings.move_price.map(|price| perturbation(price, &examples, settings)).transpose()?;
        let options = settings.options(|| RIDGE * unit(&examples, &*loss));
        Ok(Problem { examples, loss, settings, solver, options, perturbation })
    }

    /// The penalty that is used.
    pub fn l2(&self) -> f64 {
        self.options.l2
    }

    /// The fit, and the mean loss of the ordinary one where the temperature is relative to it.
    pub fn fit(&self, observer: &mut dyn Observer) -> Result<(Trained, Option<f64>)> {
        let clock = Clock::new(self.settings.max_time);
        let given = self.settings.temperature.or(self.settings.radius).unwrap_or(1.0);
        let (factor, ordinary) = match self.unit(&clock, observer)? {
            Unit::Stopped(trained) => return Ok((*trained, None)),
            Unit::Found(unit) => unit,
        };
        let risk = self.risk(&self.strength(given, factor)?)?;
        let mut linear = Linear::new(&self.examples, self.loss.clone(), risk, self.options)?;
        if let Some(perturbation) = &self.perturbation {
            linear = linear.perturbed(perturbation)?;
        }
        let tolerance = self.settings.tol;
        let max_seconds = clock.left();
        let trained = match &self.solver {
            Solver::Exact => exact(linear.fit(&self.settings.precision(max_seconds), observer)?),
            Solver::Passes(passes) => {
                linear.passes(&Passes { max_seconds, ..*passes }, tolerance, None, observer)?
            }
            Solver::Gradients(sgd) => linear.sgd(&Sgd { max_seconds, ..*sgd }, tolerance, None, observer)?,
        };
        Ok((trained, ordinary))
    }

    /// Scores the strengths on held-out rows; the mean loss of the ordinary fit where temperatures are relative to it.
    pub fn choose(
        &self,
        strengths: &[f64],
        folds: &Folds,
        shift: &Shift,
        observer: &mut dyn Observer,
    ) -> Result<(Chosen, Option<f64>)> {
        let clock = Clock::new(self.settings.max_time);
        let (factor, ordinary) = match self.unit(&clock, observer)? {
            Unit::Stopped(trained) => {
                return Ok((Chosen { scores: Vec::new(), best: 0, status: trained.fit.status }, None));
            }
            Unit::Found(unit) => unit,
        };
        let strengths = strengths.iter().map(|s| self.strength(*s, factor)).collect::<Result<Vec<_>>>()?;
        let divergence = divergence::parse(&self.settings.divergence)?;
        let candidates = Candidates {
            options: self.options,
            perturbation: self.perturbation.clone(),
            precision: self.settings.precision(None),
            max_seconds: clock.left(),
            ..Candidates::new(self.loss.clone(), divergence, strengths)
        };
        let chosen = match folds.splits() {
            Ok(splits) => choose_in(&splits, &self.examples, &candidates, shift, observer)?,
            Err(drawn) => drawn.choose(&self.examples, &candidates, shift, observer)?,
        };
        Ok((chosen, ordinary))
    }

    /// What temperatures are multiples of.
    fn unit(&self, clock: &Clock, observer: &mut dyn Observer) -> Result<Unit> {
        if !self.settings.relative {
            return Ok(Unit::Found((1.0, None)));
        }
        let linear = Linear::new(&self.examples, self.loss.clone(), Risk::mean(), self.options)?;
        let fit = linear.fit(&self.settings.precision(clock.left()), observer)?;
        if fit.status == Status::Interrupted {
            return Ok(Unit::Stopped(Box::new(exact(fit))));
        }
        Ok(Unit::Found((fit.mean_loss, Some(fit.mean_loss))))
    }

    /// λ or the radius, λ in units of the ordinary fit's mean loss where it is relative.
    fn strength(&self, given: f64, unit: f64) -> Result<Strength> {
        if self.settings.radius.is_some() {
            return Ok(Strength::Radius(given));
        }
        let lambda = given * unit;
        if self.settings.relative && !(lambda > 0.0 && lambda.is_finite()) {
            let value = format!("'rel:{given}' times {unit}, the mean loss of the ordinary fit");
            return Err(Error::invalid("temperature", value, "a finite number above 0; give it as a number"));
        }
        Ok(Strength::Penalty(lambda))
    }

    /// The risk with a strength.
    fn risk(&self, strength: &Strength) -> Result<Risk> {
        let (temperature, radius) = match strength {
            Strength::Penalty(lambda) => (Some(*lambda), None),
            Strength::Radius(radius) => (None, Some(*radius)),
        };
        risk(&self.settings.divergence, temperature, radius)
    }
}

/// The time of a run in several parts.
struct Clock {
    start: Instant,
    limit: Option<f64>,
}

impl Clock {
    /// Starts now.
    fn new(limit: Option<f64>) -> Self {
        Clock { start: Instant::now(), limit }
    }

    /// Seconds that are left; none is unlimited.
    fn left(&self) -> Option<f64> {
        self.limit.map(|limit| (limit - self.start.elapsed().as_secs_f64()).max(0.0))
    }
}

/// The mean loss of the ordinary fit, or that fit where it was stopped.
enum Unit {
    Found((f64, Option<f64>)),
    Stopped(Box<Trained>),
}

/// λ or the radius.
pub fn number(strength: Strength) -> f64 {
    match strength {
        Strength::Penalty(v) | Strength::Radius(v) => v,
    }
}

/// Whether a divergence has a strength.
pub fn has_strength(divergence: &str) -> Result<bool> {
    Ok(divergence != MEAN && named(divergence)?.is_smooth())
}

/// A risk; the strength of one that has none does not matter.
pub fn risk(divergence: &str, temperature: Option<f64>, radius: Option<f64>) -> Result<Risk> {
    let strength = match (temperature, radius) {
        (Some(lambda), _) if !(lambda > 0.0 && lambda.is_finite()) => {
            return Err(Error::invalid("temperature", lambda, "a finite number above 0"));
        }
        (Some(lambda), _) => Strength::Penalty(lambda),
        (None, Some(radius)) => Strength::Radius(radius),
        (None, None) => Strength::Penalty(1.0),
    };
    if divergence == MEAN {
        return Ok(Risk::mean());
    }
    Risk::new(named(divergence)?, strength)
}

/// A divergence; the mean is one of the names that are known.
fn named(name: &str) -> Result<Arc<dyn divergence::Divergence>> {
    divergence::parse(name).map_err(|error| match error {
        Error::UnknownName { kind, name, suggestion, mut known } => {
            known.push(MEAN.to_owned());
            Error::UnknownName { kind, name, suggestion, known }
        }
        other => other,
    })
}

/// A fit without passes.
fn exact(fit: fenchel::robust::Fit) -> Trained {
    Trained { fit, step: None, rho: None, rho_bias: None, overflows: 0, history: Vec::new() }
}

/// Of losses over squared labels, where labels are numbers: the mean loss of their mean over their variance. Others know no unit.
fn unit(examples: &Examples, loss: &dyn Loss) -> f64 {
    if kind(loss) != "real" {
        return 1.0;
    }
    let mean_of = |f: &dyn Fn(f64) -> f64| -> f64 {
        examples
            .labels()
            .iter()
            .zip(examples.weights())
            .map(|(y, w)| if *w > 0.0 { w * f(*y) } else { 0.0 })
            .sum()
    };
    let mean = mean_of(&|y| y);
    let found = mean_of(&|y| loss.value(&[mean], y)) / mean_of(&|y| (y - mean) * (y - mean));
    if found > 0.0 && found.is_finite() { found } else { 1.0 }
}

/// Where examples may be moved: in units of the features, or of their standard deviations.
fn perturbation(price: f64, examples: &Examples, settings: &Settings) -> Result<Perturbation> {
    let perturbation = Perturbation::new(price)
        .map_err(|_| Error::invalid("move_price", price, "a finite number above 0"))?;
    if !settings.standardize {
        return Ok(perturbation);
    }
    perturbation.in_units(examples.moments(true).into_iter().map(|(_, deviation)| deviation).collect())
}

/// Features, labels, weights and rows as scikit-learn calls them.
pub fn renamed(error: Error) -> Error {
    let name = |what: String| match what.as_str() {
        "features" => "X".to_owned(),
        "labels" => "y".to_owned(),
        _ => what.replacen("weights", "sample_weight", 1),
    };
    match error {
        Error::NonFinite { what, at, value } => Error::NonFinite { what: name(what), at, value },
        Error::InvalidValue { value, .. } if value == "0 everywhere" => {
            Error::invalid("sample_weight", "zero everywhere", "above zero in at least one row")
        }
        Error::InvalidValue { name: what, value, expected } => {
            Error::InvalidValue { name: name(what), value, expected }
        }
        Error::Shape { what, expected, found } => Error::Shape { what: name(what), expected, found },
        other => other,
    }
}

/// The numbers of one row after another.
fn rows(x: ArrayView2<'_, f64>) -> Vec<f64> {
    let (n, d) = x.dim();
    let mut out = vec![0.0; n * d];
    if out.is_empty() {
        return out;
    }
    out.par_chunks_mut(d * ROWS).enumerate().for_each(|(k, out)| {
        let first = k * ROWS;
        let x = x.slice(numpy::ndarray::s![first..first + out.len() / d, ..]);
        match x.as_slice() {
            Some(numbers) => out.copy_from_slice(numbers),
            None => {
                for (j, column) in x.columns().into_iter().enumerate() {
                    out[j..].iter_mut().step_by(d).zip(column).for_each(|(out, x)| *out = *x);
                }
            }
        }
    });
    out
}
