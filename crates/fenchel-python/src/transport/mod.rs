//! Optimal transport.

mod continuous;
mod cost;
mod coupling;
mod plan;
mod points;
mod source;

pub use continuous::{Continuous, ContinuousSolution, kernel};
pub use cost::Cost;
pub use coupling::Coupling;
pub use plan::Plan;
pub use source::Source;

use crate::callback::{Failure, first};
use crate::errors::{OrRaise, raised};
use crate::observer::{outdated, read_checkpoint, watched_and_kept};
use fenchel::Error;
use fenchel::divergence;
use fenchel::optim::Memory;
use fenchel::transport::{self, Checkpoint, CheckpointFile, Lambda, SemiDiscrete, Settings};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::sync::Arc;

/// A budget such as `4GiB` in bytes.
#[pyfunction]
pub fn parse_memory(py: Python<'_>, text: &str) -> PyResult<u64> {
    text.parse::<Memory>().map(|memory| memory.bytes()).or_raise(py)
}

/// How many bytes of numbers may be loaded with a budget.
#[pyfunction]
pub fn loaded(memory: u64) -> u64 {
    Memory::new(memory).loaded()
}

/// A transport problem.
#[pyclass(frozen, module = "fenchel._engine")]
#[derive(Debug)]
pub struct Transport {
    problem: SemiDiscrete,
    failures: [Failure; 2],
    own_cost: bool,
}

#[pymethods]
impl Transport {
    #[new]
    fn new(
        py: Python<'_>,
        source: &Source,
        cost: &Cost,
        target: (PyReadonlyArray2<'_, f64>, Option<PyReadonlyArray1<'_, f64>>),
        reference: Option<PyReadonlyArray1<'_, f64>>,
        divergence: &str,
        temperature: &str,
    ) -> PyResult<Self> {
        let lambda: Lambda = temperature.parse().map_err(|error| raised(py, in_our_words(error)))?;
        let atoms = source::cloud(py, &target.0, target.1.as_ref(), "target")?;
        let divergence = divergence::parse(divergence).or_raise(py)?;
        let mut problem =
            SemiDiscrete::new(source.inner.clone(), atoms, cost.inner.clone(), divergence, lambda)
                .or_raise(py)?;
        if let Some(reference) = reference {
            problem = problem.reference(reference.as_array().to_vec()).or_raise(py)?;
        }
        Ok(Transport {
            problem,
            failures: [source.failure.clone(), cost.failure.clone()],
            own_cost: cost.own,
        })
    }

    /// `(solution, exception that ended the solve early or None, why the checkpoint is an old one or None)`.
    fn solve(
        &self,
        py: Python<'_>,
        settings: &str,
        progress: Option<&Bound<'_, PyAny>>,
        checkpoint: Option<PathBuf>,
        resume: Option<PathBuf>,
    ) -> PyResult<(Solution, Option<PyErr>, Option<String>)> {
        let settings: Settings = parsed(py, settings)?;
        let state = resume.as_deref().map(|path| read_checkpoint(path, Checkpoint::from_bytes));
        let state = state.transpose().or_raise(py)?;
        let mut file = checkpoint.map(CheckpointFile::new).transpose().or_raise(py)?;
        let ended = watched_and_kept(py, progress, file.as_mut(), |observer| match &state {
            Some(state) => self.problem.resume(&settings, state, observer),
            None => self.problem.solve(&settings, observer),
        })?;
        let (solution, stopped) = concluded(py, &self.failures, ended)?;
        let plan = self.problem.plan(&solution).or_raise(py)?;
        let [_, failure] = self.failures.clone();
        let plan = Plan { plan: Arc::new(plan), failure, own_cost: self.own_cost };
        Ok((Solution { solution, plan }, stopped, outdated(file)))
    }
}

/// Settings as Python writes them.
fn parsed<T: DeserializeOwned>(py: Python<'_>, settings: &str) -> PyResult<T> {
    serde_json::from_str(settings)
        .map_err(|error| raised(py, Error::invalid("settings", error, "as this package writes them")))
}

/// The result of a run and what stopped it, unless there is an exception instead of a result: one of the user's functions, or an error.
fn concluded<T>(
    py: Python<'_>,
    failures: &[Failure],
    ended: (fenchel::Result<T>, Option<PyErr>),
) -> PyResult<(T, Option<PyErr>)> {
    match (ended.0, first(failures), ended.1) {
        (_, Some(behind), _) => Err(behind),
        (Err(_), None, Some(stopped)) => Err(stopped),
        (Err(error), None, None) => Err(raised(py, in_our_words(error))),
        (Ok(result), None, stopped) => Ok((result, stopped)),
    }
}

/// What is called λ in the engine is called temperature here.
fn in_our_words(error: Error) -> Error {
    match error {
        Error::InvalidValue { name, value, expected } if name == "lambda" => {
            Error::invalid("temperature", value, expected)
        }
        error => error,
    }
}

/// A solved problem.
#[pyclass(frozen, module = "fenchel._engine")]
#[derive(Debug)]
pub struct Solution {
    solution: transport::Solution,
    plan: Plan,
}

#[pymethods]
impl Solution {
    /// Everything but the potentials, as JSON.
    fn record(&self, py: Python<'_>) -> PyResult<String> {
        let record = transport::Solution { potential: Vec::new(), ..self.solution.clone() };
        json(py, &record)
    }

    /// φ, NaN for atoms without mass.
    fn potential<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        let phi: Vec<f64> = self.solution.potential.iter().map(|phi| phi.unwrap_or(f64::NAN)).collect();
        phi.into_pyarray(py)
    }

    /// The plan.
    fn plan(&self) -> Plan {
        self.plan.clone()
    }

    /// Writes both parts as the command does.
    fn save(&self, py: Python<'_>, result: PathBuf, plan: PathBuf) -> PyResult<()> {
        self.plan.plan.save(plan).and_then(|()| self.solution.save(result)).or_raise(py)
    }

    /// Reads both parts.
    #[staticmethod]
    fn load(py: Python<'_>, result: PathBuf, plan: PathBuf, cost: Option<&Cost>) -> PyResult<Self> {
        let solution = transport::Solution::load(result).or_raise(py)?;
        let text = std::fs::read_to_string(&plan)
            .map_err(|error| raised(py, Error::file(&plan, format!("cannot be read: {error}"))))?;
        Solution::assembled(py, solution, &text, cost)
    }

    /// Both parts as JSON, for pickling.
    fn to_json(&self, py: Python<'_>) -> PyResult<(String, String)> {
        Ok((json(py, &self.solution)?, self.plan.plan.to_json().or_raise(py)?))
    }

    /// From both parts.
    #[staticmethod]
    fn from_json(py: Python<'_>, result: &str, plan: &str, cost: Option<&Cost>) -> PyResult<Self> {
        Solution::assembled(py, read_back(py, result)?, plan, cost)
    }
}

/// What [`json`] wrote.
fn read_back<T: DeserializeOwned>(py: Python<'_>, text: &str) -> PyResult<T> {
    serde_json::from_str(text)
        .map_err(|error| raised(py, Error::invalid("result", error, "what to_json returned")))
}

fn json<T: Serialize>(py: Python<'_>, value: &T) -> PyResult<String> {
    serde_json::to_string(value)
        .map_err(|error| raised(py, Error::invalid("result", error, "such as JSON can hold")))
}

impl Solution {
    fn assembled(
        py: Python<'_>,
        solution: transport::Solution,
        plan: &str,
        cost: Option<&Cost>,
    ) -> PyResult<Self> {
        let plan = transport::Plan::from_json(plan, cost.map(|cost| cost.inner.clone())).or_raise(py)?;
        Ok(Solution { solution, plan: Plan::new(plan, cost) })
    }
}
