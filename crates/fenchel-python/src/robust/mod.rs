//! Robust learning: risks of losses, linear models, strengths chosen on held-out rows.

mod networks;
mod problem;
mod settings;

pub use networks::{network_losses, network_scores, network_train};

use crate::arrays::Floating;
use crate::errors::OrRaise;
use crate::observer::watched;
use crate::run::{SMALL, short};
use fenchel::Result;
use fenchel::robust::validation::{Shift, Split, Validation};
use fenchel::robust::{Fit, Trained, loss};
use numpy::{PyArray1, PyReadonlyArray1, PyReadonlyArray2};
use problem::{Data, Problem, risk};
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use settings::Settings;

/// What a run returns: the numbers by name, and the exception that ended it early.
type Outcome<'py> = (Bound<'py, PyDict>, Option<Py<PyBaseException>>);

/// `(value, lower side, temperature, radius, threshold, weights)` of the worst case of losses.
#[pyfunction]
#[allow(clippy::type_complexity)]
pub fn robust_risk<'py>(
    py: Python<'py>,
    losses: &Bound<'py, PyAny>,
    divergence: &str,
    temperature: Option<f64>,
    radius: Option<f64>,
    reference: Option<&Bound<'py, PyAny>>,
) -> PyResult<(f64, f64, f64, f64, f64, Bound<'py, PyArray1<f64>>)> {
    let risk = risk(divergence, temperature, radius).or_raise(py)?;
    let numbers = |object, name| -> PyResult<Vec<f64>> {
        let array = Floating::of(object, name)?.widened();
        Ok(array.as_array().iter().copied().collect())
    };
    let losses = numbers(losses, "losses")?;
    let reference = reference.map_or(Ok(Vec::new()), |reference| numbers(reference, "reference"))?;
    let (worst, p) = short(py, losses.len() < SMALL, || {
        let mut p = vec![0.0; losses.len()];
        risk.of(&losses, &reference, &mut p).map(|worst| (worst, p))
    })?
    .or_raise(py)?;
    let weights = PyArray1::from_vec(py, p);
    Ok((worst.value, worst.lower, worst.lambda, worst.divergence, worst.threshold, weights))
}

/// Kinds of labels of a loss, `real`, `sign`, `class` or `count`; its name with its parameter; whether it is smooth.
#[pyfunction]
pub fn robust_loss(py: Python<'_>, name: &str) -> PyResult<(&'static str, String, bool)> {
    let loss = loss::parse(name).or_raise(py)?;
    Ok((settings::kind(&*loss), loss.name(), loss.is_smooth()))
}

/// Whether a divergence has a strength: none for the mean, tail means and the largest loss.
#[pyfunction]
pub fn robust_has_strength(py: Python<'_>, divergence: &str) -> PyResult<bool> {
    problem::has_strength(divergence).or_raise(py)
}

/// Fits a linear model: numbers of the fit by name.
#[pyfunction]
pub fn robust_fit<'py>(
    py: Python<'py>,
    x: PyReadonlyArray2<'py, f64>,
    y: PyReadonlyArray1<'py, f64>,
    weights: Option<PyReadonlyArray1<'py, f64>>,
    settings: Settings,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<Outcome<'py>> {
    let data = Data { x: x.as_array(), y: y.as_array(), weights: weights.as_ref().map(|w| w.as_array()) };
    let (fitted, stopped) = watched(py, progress, |observer| {
        let problem = Problem::new(&data, &settings)?;
        Ok((problem.fit(observer)?, problem.l2()))
    })?;
    let (((trained, ordinary), l2), stopped) = or_stopped(py, fitted, stopped)?;
    let out = numbers_of(py, trained, ordinary)?;
    out.set_item("l2", l2)?;
    Ok((out, stopped))
}

/// Scores strengths on held-out rows: what each has come to, by name, one after another as they are given.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn robust_choose<'py>(
    py: Python<'py>,
    x: PyReadonlyArray2<'py, f64>,
    y: PyReadonlyArray1<'py, f64>,
    weights: Option<PyReadonlyArray1<'py, f64>>,
    settings: Settings,
    strengths: Vec<f64>,
    folds: Folds,
    shift: Shifted<'py>,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<Outcome<'py>> {
    let shift = shift.engine().or_raise(py)?;
    let data = Data { x: x.as_array(), y: y.as_array(), weights: weights.as_ref().map(|w| w.as_array()) };
    let (chosen, stopped) = watched(py, progress, |observer| {
        Problem::new(&data, &settings)?.choose(&strengths, &folds, &shift, observer)
    })?;
    let ((chosen, ordinary), stopped) = or_stopped(py, chosen, stopped)?;
    let out = PyDict::new(py);
    out.set_item("best", chosen.best_score().map(|_| chosen.best))?;
    out.set_item("status", chosen.status.to_string())?;
    let scores = &chosen.scores;
    out.set_item("strengths", scores.iter().map(|s| problem::number(s.strength)).collect::<Vec<_>>())?;
    out.set_item("mean", scores.iter().map(|s| s.mean).collect::<Vec<_>>())?;
    out.set_item("standard_error", scores.iter().map(|s| s.standard_error).collect::<Vec<_>>())?;
    out.set_item("folds", scores.iter().map(|s| s.folds.clone()).collect::<Vec<_>>())?;
    out.set_item("not_converged", scores.iter().map(|s| s.not_converged).collect::<Vec<_>>())?;
    out.set_item("ordinary_loss", ordinary)?;
    Ok((out, stopped))
}

/// How rows are split.
#[derive(FromPyObject)]
pub enum Folds {
    /// So many folds, drawn under a seed.
    Drawn(usize, u64),
    /// Pairs of indices to fit to and to score.
    Given(Vec<(Vec<usize>, Vec<usize>)>),
}

impl Folds {
    /// Splits as the engine has them; none where it draws them.
    fn splits(&self) -> std::result::Result<Vec<Split>, Validation> {
        match self {
            Folds::Drawn(folds, seed) => Err(Validation { folds: *folds, seed: *seed }),
            Folds::Given(pairs) => {
                let of = |(fitted, held): &(Vec<usize>, Vec<usize>)| Split {
                    fitted: fitted.clone(),
                    held: held.clone(),
                };
                Ok(pairs.iter().map(of).collect())
            }
        }
    }
}

/// How rows to come differ.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Shifted<'py> {
    /// The divergence of a reweighting, with its radius where it has one.
    reweighted: Option<(String, Option<f64>)>,
    /// A number for the group of each row.
    groups: Option<Vec<u32>>,
    /// A feature that moves, and by how many standard deviations.
    feature: Option<(PyReadonlyArray1<'py, f64>, f64)>,
}

impl Shifted<'_> {
    fn engine(&self) -> Result<Shift> {
        if let Some((divergence, radius)) = &self.reweighted {
            return Ok(Shift::Reweighted(risk(divergence, None, *radius)?));
        }
        if let Some(groups) = &self.groups {
            return Ok(Shift::Groups(groups.clone()));
        }
        match &self.feature {
            Some((feature, amount)) => {
                Shift::tilted(&feature.as_array().iter().copied().collect::<Vec<_>>(), *amount)
            }
            None => Ok(Shift::None),
        }
    }
}

/// What a run has come to; an error of the engine, unless something else ended it.
fn or_stopped<T>(
    py: Python<'_>,
    result: Result<T>,
    stopped: Option<PyErr>,
) -> PyResult<(T, Option<Py<PyBaseException>>)> {
    match (result, stopped) {
        (Ok(found), stopped) => Ok((found, stopped.map(|error| error.into_value(py)))),
        (Err(_), Some(error)) => Err(error),
        (Err(error), None) => Err(error).or_raise(py),
    }
}

/// A fit as numbers by name.
fn numbers_of<'py>(py: Python<'py>, trained: Trained, ordinary: Option<f64>) -> PyResult<Bound<'py, PyDict>> {
    let Trained { fit, step, rho, rho_bias, overflows, history } = trained;
    let Fit { intercept, coefficients, losses, weights, distances, .. } = fit;
    let out = PyDict::new(py);
    let arrays = [
        ("intercept", intercept),
        ("coefficients", coefficients),
        ("losses", losses),
        ("weights", weights),
        ("distances", distances),
        ("history", history),
    ];
    for (name, numbers) in arrays {
        out.set_item(name, PyArray1::from_vec(py, numbers))?;
    }
    let numbers = [
        ("objective", fit.objective),
        ("lower_bound", fit.lower_bound),
        ("gap", fit.gap),
        ("mean_loss", fit.mean_loss),
        ("temperature", fit.lambda),
        ("radius", fit.radius),
        ("threshold", fit.threshold),
        ("effective_sample_size", fit.effective_sample_size),
    ];
    for (name, number) in numbers {
        out.set_item(name, number)?;
    }
    for (name, number) in [("step", step), ("rho", rho), ("rho_bias", rho_bias), ("ordinary_loss", ordinary)]
    {
        out.set_item(name, number)?;
    }
    out.set_item("status", fit.status.to_string())?;
    out.set_item("iterations", fit.iterations)?;
    out.set_item("overflows", overflows)?;
    Ok(out)
}
