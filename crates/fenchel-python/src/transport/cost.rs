//! What moving mass costs.

use crate::arrays::Floating;
use crate::callback::{Callback, Failure};
use crate::errors::{OrRaise, raised};
use fenchel::Error;
use fenchel::cost;
use fenchel::measure::Soa;
use numpy::PyArray2;
use numpy::ndarray::{Array2, ArrayView2};
use pyo3::prelude::*;
use std::sync::Arc;

/// A cost of the engine.
#[pyclass(frozen, module = "fenchel._engine")]
#[derive(Debug)]
pub struct Cost {
    pub(super) inner: Arc<dyn cost::Cost>,
    pub(super) failure: Failure,
    pub(super) own: bool,
}

#[pymethods]
impl Cost {
    /// One that the registry knows.
    #[staticmethod]
    fn named(py: Python<'_>, name: &str) -> PyResult<Self> {
        let inner = cost::parse(name).or_raise(py)?;
        Ok(Cost { inner, failure: Failure::default(), own: false })
    }

    /// `function(x, y)` of b and n points returns b × n costs.
    #[staticmethod]
    fn callable(function: Py<PyAny>, label: String) -> Self {
        let callback = Callback::new(function);
        let failure = callback.failure.clone();
        Cost { inner: Arc::new(Called { callback, label }), failure, own: true }
    }
}

/// A cost that a function of Python computes.
#[derive(Debug)]
struct Called {
    callback: Callback,
    label: String,
}

impl cost::Cost for Called {
    fn name(&self) -> String {
        self.label.clone()
    }

    fn eval(&self, x: &[f64], y: &[f64]) -> f64 {
        let mut out = [0.0];
        if let Ok(y) = Soa::from_rows(y.len(), y) {
            self.rows(x, &y, &mut out);
        }
        out[0]
    }

    fn rows(&self, xs: &[f64], atoms: &Soa<f64>, out: &mut [f64]) {
        let (dim, n) = (atoms.dim(), atoms.len());
        let b = xs.len() / dim;
        self.callback.fill(out, |function, out| {
            let py = function.py();
            let x = ArrayView2::from_shape((b, dim), xs).map(|x| PyArray2::from_array(py, &x));
            let y = Array2::from_shape_fn((n, dim), |(i, k)| atoms.coordinate(k)[i]);
            let expected = || format!("an array of shape ({b}, {n})");
            let x = x.map_err(|_| raised(py, Error::shape("points", expected(), xs.len())))?;
            let costs = function.call1((x, PyArray2::from_owned_array(py, y)))?;
            let costs = Floating::of(&costs, "what the cost returned")?.widened();
            let costs = costs.as_array();
            if costs.shape() != [b, n] {
                let found = format!("shape {:?}", costs.shape());
                return Err(raised(py, Error::shape("what the cost returned", expected(), found)));
            }
            out.iter_mut().zip(costs.iter()).for_each(|(place, &number)| *place = number);
            Ok(())
        });
    }
}
