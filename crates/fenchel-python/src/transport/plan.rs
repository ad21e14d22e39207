//! A plan at points.

use super::cost::Cost;
use super::points::each_point;
use super::source::cloud;
use crate::callback::Failure;
use crate::errors::OrRaise;
use fenchel::{divergence, transport};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use std::sync::Arc;

/// Where mass at points goes.
#[pyclass(frozen, module = "fenchel._engine")]
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) plan: Arc<transport::Plan>,
    pub(super) failure: Failure,
    pub(super) own_cost: bool,
}

#[pymethods]
impl Plan {
    /// The plan that potentials describe; atoms whose potential is −∞ or NaN are left out.
    #[staticmethod]
    fn of_potential(
        py: Python<'_>,
        atoms: PyReadonlyArray2<'_, f64>,
        potential: PyReadonlyArray1<'_, f64>,
        reference: Option<PyReadonlyArray1<'_, f64>>,
        cost: &Cost,
        divergence: &str,
        temperature: f64,
    ) -> PyResult<Self> {
        let atoms = cloud(py, &atoms, reference.as_ref(), "target")?;
        let phi: Vec<Option<f64>> = potential
            .as_array()
            .iter()
            .map(|&phi| Some(phi).filter(|phi| *phi > f64::NEG_INFINITY))
            .collect();
        let divergence = divergence::parse(divergence).or_raise(py)?;
        let plan = transport::Plan::of_potential(&atoms, phi, cost.inner.clone(), divergence, temperature);
        Ok(Plan::new(plan.or_raise(py)?, Some(cost)))
    }

    /// Dimension of the points and number of atoms.
    fn shape(&self) -> (usize, usize) {
        (self.plan.dim(), self.plan.atoms())
    }

    /// Whether the cost is a function of the user's.
    #[getter]
    fn own_cost(&self) -> bool {
        self.own_cost
    }

    /// The plan's weights at points.
    fn weights<'py>(
        &self,
        py: Python<'py>,
        x: PyReadonlyArray2<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let n = self.plan.atoms();
        let out = self.each(py, &x, n, |x, out| self.plan.weights(x, out))?;
        out.into_pyarray(py).reshape([x.as_array().nrows(), n])
    }

    /// Σ p_i(x) y_i.
    fn map<'py>(
        &self,
        py: Python<'py>,
        x: PyReadonlyArray2<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let dim = self.plan.dim();
        let out = self.each(py, &x, dim, |x, out| self.plan.barycentric(x, out))?;
        out.into_pyarray(py).reshape([x.as_array().nrows(), dim])
    }

    /// The atom of the largest score.
    fn assign<'py>(
        &self,
        py: Python<'py>,
        x: PyReadonlyArray2<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let out = self.each(py, &x, 1, |x, out| {
            out[0] = self.plan.assign(x)? as i64;
            Ok(())
        })?;
        Ok(out.into_pyarray(py))
    }

    /// smoothmax(φ − c(x, ·)).
    fn c_transform<'py>(
        &self,
        py: Python<'py>,
        x: PyReadonlyArray2<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let out = self.each(py, &x, 1, |x, out| {
            out[0] = self.plan.c_transform(x)?;
            Ok(())
        })?;
        Ok(out.into_pyarray(py))
    }
}

impl Plan {
    pub(super) fn new(plan: transport::Plan, cost: Option<&Cost>) -> Self {
        let failure = cost.map_or_else(Failure::default, |cost| cost.failure.clone());
        Plan { plan: Arc::new(plan), failure, own_cost: cost.is_some_and(|cost| cost.own) }
    }

    /// So many numbers for every point, by `f`.
    fn each<T: Clone + Default + Send>(
        &self,
        py: Python<'_>,
        x: &PyReadonlyArray2<'_, f64>,
        width: usize,
        f: impl Fn(&[f64], &mut [T]) -> fenchel::Result<()> + Sync,
    ) -> PyResult<Vec<T>> {
        each_point(py, x, width, std::slice::from_ref(&self.failure), f)
    }
}
