//! Transport between two measures that one can draw from.

use super::cost::Cost;
use super::coupling::Coupling;
use super::source::Source;
use super::{concluded, in_our_words, json, parsed, read_back};
use crate::arrays::Floating;
use crate::callback::{Callback, Failure};
use crate::errors::{OrRaise, raised};
use crate::observer::{outdated, read_checkpoint, watched, watched_and_kept};
use fenchel::optim::{Flow, Observer, Progress, Status};
use fenchel::transport::continuous::{self, Checkpoint, Kernel, Potential, Settings};
use fenchel::transport::{CheckpointFile, Lambda};
use fenchel::{Error, divergence};
use numpy::PyArray2;
use numpy::ndarray::ArrayView2;
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;

/// A kernel's name as settings have it.
#[pyfunction]
pub fn kernel(py: Python<'_>, name: &str) -> PyResult<String> {
    let kernel: Kernel = name.parse().or_raise(py)?;
    json(py, &kernel).map(|quoted| quoted.trim_matches('"').to_owned())
}

/// A problem between two sources.
#[pyclass(frozen, module = "fenchel._engine")]
#[derive(Debug)]
pub struct Continuous {
    problem: continuous::Continuous,
    cost: Failure,
    failures: Vec<Failure>,
    own_cost: bool,
}

#[pymethods]
impl Continuous {
    #[new]
    fn new(
        py: Python<'_>,
        source: &Source,
        target: &Source,
        cost: &Cost,
        divergence: &str,
        temperature: &str,
    ) -> PyResult<Self> {
        let lambda: Lambda = temperature.parse().map_err(|error| raised(py, in_our_words(error)))?;
        let divergence = divergence::parse(divergence).or_raise(py)?;
        let problem = continuous::Continuous::new(
            source.inner.clone(),
            target.inner.clone(),
            cost.inner.clone(),
            divergence,
            lambda,
        );
        Ok(Continuous {
            problem: problem.map_err(|error| raised(py, in_our_words(error)))?,
            cost: cost.failure.clone(),
            failures: vec![source.failure.clone(), target.failure.clone(), cost.failure.clone()],
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
    ) -> PyResult<(ContinuousSolution, Option<PyErr>, Option<String>)> {
        let settings: Settings = parsed(py, settings)?;
        let state = resume.as_deref().map(|path| read_checkpoint(path, Checkpoint::from_bytes));
        let state = state.transpose().or_raise(py)?;
        let file = checkpoint.map(|path| CheckpointFile::headed(path, Checkpoint::MARK, Vec::new()));
        let mut file = file.transpose().or_raise(py)?;
        let ended = watched_and_kept(py, progress, file.as_mut(), |observer| {
            let observer = &mut Attentive { observer, failures: &self.failures };
            match &state {
                Some(state) => self.problem.resume(&settings, state, observer),
                None => self.problem.solve(&settings, observer),
            }
        })?;
        let (solution, stopped) = self.solution(py, &self.failures, vec![self.cost.clone()], ended)?;
        Ok((solution, stopped, outdated(file)))
    }

    /// The same for v, a function of points.
    fn certify(
        &self,
        py: Python<'_>,
        v: Py<PyAny>,
        label: &str,
        settings: &str,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<(ContinuousSolution, Option<PyErr>)> {
        let settings: Settings = parsed(py, settings)?;
        let callback = Callback::new(v);
        let own = callback.failure.clone();
        let failures: Vec<Failure> = self.failures.iter().chain([&own]).cloned().collect();
        let v = Arc::new(Called { callback, dim: self.problem.source().dim() });
        let ended = watched(py, progress, |observer| {
            self.problem.certify(v, label, &settings, &mut Attentive { observer, failures: &failures })
        })?;
        self.solution(py, &failures, vec![self.cost.clone(), own], ended)
    }
}

/// What the engine returns, or why it does not.
type Ended = (fenchel::Result<(continuous::Solution, continuous::Coupling)>, Option<PyErr>);

impl Continuous {
    fn solution(
        &self,
        py: Python<'_>,
        failures: &[Failure],
        kept: Vec<Failure>,
        ended: Ended,
    ) -> PyResult<(ContinuousSolution, Option<PyErr>)> {
        let ((mut solution, coupling), stopped) = concluded(py, failures, ended)?;
        if stopped.is_some() {
            solution.status = Status::Interrupted;
        }
        let coupling = Coupling::new(coupling, kept, self.own_cost);
        Ok((ContinuousSolution { solution, coupling }, stopped))
    }
}

/// Stops a run of which an exception is to come.
struct Attentive<'a> {
    observer: &'a mut dyn Observer,
    failures: &'a [Failure],
}

impl Observer for Attentive<'_> {
    fn progress(&mut self, progress: &Progress<'_>) -> Flow {
        let flow = self.observer.progress(progress);
        if self.failures.iter().any(Failure::is_set) { Flow::Stop } else { flow }
    }

    fn resumable(&mut self, save: &mut dyn FnMut() -> Vec<u8>) {
        // What a function that has failed was to compute is no state to go on from.
        if !self.failures.iter().any(Failure::is_set) {
            self.observer.resumable(save);
        }
    }
}

/// A potential that a function of Python computes.
#[derive(Debug)]
struct Called {
    callback: Callback,
    dim: usize,
}

const RETURNED: &str = "what the potential returned";

impl Potential for Called {
    fn dim(&self) -> usize {
        self.dim
    }

    fn fill(&self, points: &[f64], values: &mut [f64]) {
        let n = values.len();
        self.callback.fill(values, |function, out| {
            let py = function.py();
            let expected = || format!("an array of shape ({n},)");
            let rows = ArrayView2::from_shape((n, self.dim), points)
                .map_err(|_| raised(py, Error::shape("points", expected(), points.len())))?;
            let found = function.call1((PyArray2::from_array(py, &rows),))?;
            let found = Floating::of(&found, RETURNED)?.widened();
            let found = found.as_array();
            if !(found.shape() == [n] || found.shape() == [n, 1]) {
                let shape = format!("shape {:?}", found.shape());
                return Err(raised(py, Error::shape(RETURNED, expected(), shape)));
            }
            for (i, (place, value)) in out.iter_mut().zip(found.iter()).enumerate() {
                if !value.is_finite() {
                    let at = format!("y = {:?}", &points[i * self.dim..][..self.dim]);
                    return Err(raised(py, Error::non_finite(RETURNED, at, *value)));
                }
                *place = *value;
            }
            Ok(())
        });
    }
}

/// A solved problem.
#[pyclass(frozen, module = "fenchel._engine")]
#[derive(Debug)]
pub struct ContinuousSolution {
    solution: continuous::Solution,
    coupling: Coupling,
}

#[pymethods]
impl ContinuousSolution {
    /// Everything but the coupling, as JSON.
    fn record(&self, py: Python<'_>) -> PyResult<String> {
        json(py, &self.solution)
    }

    /// The coupling.
    fn coupling(&self) -> Coupling {
        self.coupling.clone()
    }

    /// Writes both parts.
    fn save(&self, py: Python<'_>, result: PathBuf, coupling: PathBuf) -> PyResult<()> {
        let kept = self.coupling.coupling.save(coupling);
        kept.and_then(|()| self.solution.save(result)).or_raise(py)
    }

    /// Reads both parts.
    #[staticmethod]
    fn load(py: Python<'_>, result: PathBuf, coupling: PathBuf, cost: Option<&Cost>) -> PyResult<Self> {
        let solution = continuous::Solution::load(result).or_raise(py)?;
        let text = std::fs::read_to_string(&coupling)
            .map_err(|error| raised(py, Error::file(&coupling, format!("cannot be read: {error}"))))?;
        Ok(ContinuousSolution { solution, coupling: Coupling::read(py, &text, cost)? })
    }

    /// Both parts as JSON, for pickling.
    fn to_json(&self, py: Python<'_>) -> PyResult<(String, String)> {
        Ok((json(py, &self.solution)?, self.coupling.coupling.to_json().or_raise(py)?))
    }

    /// From both parts.
    #[staticmethod]
    fn from_json(py: Python<'_>, result: &str, coupling: &str, cost: Option<&Cost>) -> PyResult<Self> {
        Ok(ContinuousSolution {
            solution: read_back(py, result)?,
            coupling: Coupling::read(py, coupling, cost)?,
        })
    }
}
