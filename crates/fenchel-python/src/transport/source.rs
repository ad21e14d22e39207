//! Where mass comes from.

use crate::arrays::Floating;
use crate::callback::{Callback, Failure};
use crate::errors::{OrRaise, raised};
use fenchel::Error;
use fenchel::measure::file::{FileSource, Selection, Table, size_loaded};
use fenchel::measure::{self, PointCloud, Rng};
use fenchel::optim::Memory;
use numpy::{PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;

/// A source of the engine.
#[pyclass(frozen, module = "fenchel._engine")]
#[derive(Debug)]
pub struct Source {
    pub(super) inner: Arc<dyn measure::Source>,
    pub(super) failure: Failure,
}

#[pymethods]
impl Source {
    /// One that the registry knows.
    #[staticmethod]
    fn named(py: Python<'_>, name: &str) -> PyResult<Self> {
        Ok(Source::of(measure::parse(name).or_raise(py)?))
    }

    /// Points with weights.
    #[staticmethod]
    #[pyo3(signature = (points, weights, side, label))]
    fn points(
        py: Python<'_>,
        points: PyReadonlyArray2<'_, f64>,
        weights: Option<PyReadonlyArray1<'_, f64>>,
        side: &str,
        label: String,
    ) -> PyResult<Self> {
        Ok(Source::of(Arc::new(cloud(py, &points, weights.as_ref(), side)?.named(label))))
    }

    /// Rows of files, in memory if they take little of it.
    #[staticmethod]
    fn files(py: Python<'_>, paths: Vec<PathBuf>, weights: Option<&str>, memory: u64) -> PyResult<Self> {
        py.detach(|| open(&paths, weights, memory)).map(Source::of).or_raise(py)
    }

    /// `function(seed, n)` returns n points.
    #[staticmethod]
    fn callable(function: Py<PyAny>, dim: usize, side: &str, label: String) -> Self {
        let callback = Callback::new(function);
        let failure = callback.failure.clone();
        let returned = format!("what the {side} returned");
        Source { inner: Arc::new(Drawn { callback, dim, label, returned }), failure }
    }

    /// Number of coordinates.
    #[getter]
    fn dim(&self) -> usize {
        self.inner.dim()
    }
}

impl Source {
    fn of(inner: Arc<dyn measure::Source>) -> Self {
        Source { inner, failure: Failure::default() }
    }
}

/// Points and weights as the engine keeps them.
pub(super) fn cloud(
    py: Python<'_>,
    points: &PyReadonlyArray2<'_, f64>,
    weights: Option<&PyReadonlyArray1<'_, f64>>,
    what: &str,
) -> PyResult<PointCloud> {
    let points = points.as_array();
    let dim = points.ncols();
    let numbers: Vec<f64> = points.iter().copied().collect();
    let made = match weights {
        None => PointCloud::new(dim, numbers),
        Some(weights) => PointCloud::weighted(dim, numbers, weights.as_array().to_vec()),
    };
    made.map_err(|error| match error {
        Error::NonFinite { what: which, at, value } => {
            Error::non_finite(format!("{what}: {which}"), at, value)
        }
        Error::InvalidValue { name, value, expected } => {
            Error::invalid(format!("{what}: {name}"), value, expected)
        }
        Error::Shape { what: which, expected, found } => {
            Error::shape(format!("{what}: {which}"), expected, found)
        }
        error => error,
    })
    .or_raise(py)
}

fn open(paths: &[PathBuf], weights: Option<&str>, memory: u64) -> fenchel::Result<Arc<dyn measure::Source>> {
    let label = match paths {
        [only] => only.display().to_string(),
        [first, rest @ ..] => format!("{} and {} more", first.display(), rest.len()),
        [] => return Err(Error::shape("source", "at least one file", 0)),
    };
    let mut total = 0_u64;
    for path in paths {
        total = total.saturating_add(size_loaded(path)?.unwrap_or(0));
    }
    if total <= Memory::new(memory).loaded() {
        let split = Table::read_all(paths)?.split(weights, None)?;
        let cloud = split.points.into_cloud(split.weights)?;
        return Ok(Arc::new(cloud.named(label)));
    }
    let selection = Selection { columns: &[], weights, reference: None };
    let share = memory / paths.len() as u64;
    let mut files = paths.iter().map(|path| FileSource::open(path, &selection, share));
    let Some(first) = files.next() else { return Err(Error::shape("source", "at least one file", 0)) };
    let joined = files.try_fold(first?, |all, next| all.join(next?))?;
    Ok(Arc::new(joined.named(label)))
}

/// Points that a function of Python draws.
#[derive(Debug)]
struct Drawn {
    callback: Callback,
    dim: usize,
    label: String,
    /// What its points are called in errors.
    returned: String,
}

impl measure::Source for Drawn {
    fn dim(&self) -> usize {
        self.dim
    }

    fn name(&self) -> String {
        self.label.clone()
    }

    fn draw(&self, rng: &mut Rng, out: &mut [f64]) {
        let (n, seed) = (out.len() / self.dim, rng.next_u64());
        self.callback.fill(out, |function, out| {
            let points = function.call1((seed, n))?;
            let points = Floating::of(&points, &self.returned)?.widened();
            let points = points.as_array();
            if !(points.shape() == [n, self.dim] || self.dim == 1 && points.shape() == [n]) {
                let expected = format!("an array of shape ({n}, {})", self.dim);
                let found = format!("shape {:?}", points.shape());
                return Err(raised(function.py(), Error::shape(&self.returned, expected, found)));
            }
            out.iter_mut().zip(points.iter()).for_each(|(place, &number)| *place = number);
            Ok(())
        });
    }

    /// Only one thread at a time can be in Python, and a function may keep a state.
    fn in_order(&self) -> bool {
        true
    }
}
