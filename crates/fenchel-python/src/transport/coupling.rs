//! A coupling at points.

use super::cost::Cost;
use super::points::{each_block, each_point};
use crate::arrays::expect_room;
use crate::callback::Failure;
use crate::errors::OrRaise;
use fenchel::Error;
use fenchel::measure::{Soa, stream};
use fenchel::transport::continuous::{self, Potential};
use numpy::ndarray::ArrayView2;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArray3, PyArrayMethods, PyReadonlyArray2};
use pyo3::prelude::*;
use std::sync::Arc;

/// Points at which potentials are evaluated between two looks at the signals.
const BLOCK: usize = 512;

/// Points whose costs with all others are looked at together.
const ROWS: usize = 16;

/// Where mass goes between two measures.
#[pyclass(frozen, module = "fenchel._engine")]
#[derive(Debug, Clone)]
pub struct Coupling {
    pub(super) coupling: Arc<continuous::Coupling>,
    failures: Vec<Failure>,
    own_cost: bool,
}

#[pymethods]
impl Coupling {
    /// Dimension of the points.
    #[getter]
    fn dim(&self) -> usize {
        self.coupling.dim()
    }

    /// Whether the cost is a function of the user's.
    #[getter]
    fn own_cost(&self) -> bool {
        self.own_cost
    }

    /// The sample of the source.
    fn sources<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        self.rows(py, self.coupling.sources().to_vec())
    }

    /// The sample of the target.
    fn targets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        self.rows(py, self.coupling.targets().to_vec())
    }

    /// The potential on the source's side.
    fn u<'py>(&self, py: Python<'py>, x: PyReadonlyArray2<'py, f64>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        Ok(self.potential(py, &x, &**self.coupling.u(), ("u", "x"))?.into_pyarray(py))
    }

    /// The potential on the target's side.
    fn v<'py>(&self, py: Python<'py>, y: PyReadonlyArray2<'py, f64>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        Ok(self.potential(py, &y, &**self.coupling.v(), ("v", "y"))?.into_pyarray(py))
    }

    /// The plan's density at all pairs.
    fn density<'py>(
        &self,
        py: Python<'py>,
        x: PyReadonlyArray2<'py, f64>,
        y: PyReadonlyArray2<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let us = self.potential(py, &x, &**self.coupling.u(), ("u", "x"))?;
        let vs = self.potential(py, &y, &**self.coupling.v(), ("v", "y"))?;
        let points: Vec<f64> = y.as_array().iter().copied().collect();
        let (m, n) = (us.len(), vs.len());
        let atoms = Soa::from_rows(self.coupling.dim(), &points).or_raise(py)?;
        let out = each_block(py, &x, (n, ROWS), &self.failures, |first, x, out| {
            self.coupling.cost().rows(x, &atoms, out);
            for (row, u) in out.chunks_exact_mut(n.max(1)).zip(&us[first..]) {
                for (t, v) in row.iter_mut().zip(&vs) {
                    *t = self.t(*u, *v, *t);
                }
            }
            finite(out, |k| format!("point {} of x, point {} of y", first + k / n, k % n))
        })?;
        out.into_pyarray(py).reshape([m, n])
    }

    /// The plan's density at pairs of rows.
    fn density_of_pairs<'py>(
        &self,
        py: Python<'py>,
        x: PyReadonlyArray2<'py, f64>,
        y: PyReadonlyArray2<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let us = self.potential(py, &x, &**self.coupling.u(), ("u", "x"))?;
        let vs = self.potential(py, &y, &**self.coupling.v(), ("v", "y"))?;
        let dim = self.coupling.dim();
        let points: Vec<f64> = y.as_array().iter().copied().collect();
        let out = each_block(py, &x, (1, ROWS), &self.failures, |first, x, out| {
            for (k, (x, t)) in x.chunks_exact(dim).zip(out.iter_mut()).enumerate() {
                let i = first + k;
                *t = self.t(us[i], vs[i], self.coupling.cost().eval(x, &points[i * dim..][..dim]));
            }
            finite(out, |k| format!("pair {}", first + k))
        })?;
        Ok(out.into_pyarray(py))
    }

    /// The weights of the targets given points.
    fn weights<'py>(
        &self,
        py: Python<'py>,
        x: PyReadonlyArray2<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let n = self.coupling.targets().len() / self.coupling.dim();
        let out = each_point(py, &x, n, &self.failures, |x, p| self.coupling.weights(x, p))?;
        out.into_pyarray(py).reshape([x.as_array().nrows(), n])
    }

    /// E[y|x].
    fn map<'py>(
        &self,
        py: Python<'py>,
        x: PyReadonlyArray2<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let dim = self.coupling.dim();
        self.rows(py, each_point(py, &x, dim, &self.failures, |x, y| self.coupling.barycentric(x, y))?)
    }

    /// E[x|y].
    fn map_back<'py>(
        &self,
        py: Python<'py>,
        y: PyReadonlyArray2<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let dim = self.coupling.dim();
        self.rows(py, each_point(py, &y, dim, &self.failures, |y, x| self.coupling.barycentric_back(y, x))?)
    }

    /// Points drawn given each point, with a seed of its own for each.
    fn conditional<'py>(
        &self,
        py: Python<'py>,
        x: PyReadonlyArray2<'py, f64>,
        n: usize,
        seed: u64,
    ) -> PyResult<Bound<'py, PyArray3<f64>>> {
        let (m, dim) = (x.as_array().nrows(), self.coupling.dim());
        expect_room::<f64>(&[m, n, dim])?;
        let out = each_block(py, &x, (n * dim, 1), &self.failures, |i, x, out| {
            let key = stream(seed, 0, i as u64).next_u64();
            out.copy_from_slice(&self.coupling.conditional(x, n, key)?);
            Ok(())
        })?;
        out.into_pyarray(py).reshape([m, n, dim])
    }
}

impl Coupling {
    pub(super) fn new(coupling: continuous::Coupling, failures: Vec<Failure>, own_cost: bool) -> Self {
        Coupling { coupling: Arc::new(coupling), failures, own_cost }
    }

    /// As it was written, with its cost where that is a function.
    pub(super) fn read(py: Python<'_>, text: &str, cost: Option<&Cost>) -> PyResult<Self> {
        let own = cost.map(|cost| cost.inner.clone());
        let coupling = continuous::Coupling::from_json(text, own).or_raise(py)?;
        let failures = cost.map(|cost| cost.failure.clone()).into_iter().collect();
        Ok(Coupling::new(coupling, failures, cost.is_some_and(|cost| cost.own)))
    }

    fn rows<'py>(&self, py: Python<'py>, points: Vec<f64>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let n = points.len() / self.coupling.dim();
        points.into_pyarray(py).reshape([n, self.coupling.dim()])
    }

    /// (f*)'((u + v − c)/λ).
    fn t(&self, u: f64, v: f64, cost: f64) -> f64 {
        self.coupling.divergence().conj_prime((u + v - cost) / self.coupling.lambda())
    }

    fn potential(
        &self,
        py: Python<'_>,
        points: &PyReadonlyArray2<'_, f64>,
        potential: &dyn Potential,
        (name, of): (&str, &str),
    ) -> PyResult<Vec<f64>> {
        let dim = self.coupling.dim();
        expect_dim(py, points.as_array(), dim, of)?;
        each_block(py, points, (1, BLOCK), &self.failures, |first, points, values| {
            let at = |k: usize| format!("point {}, coordinate {}", first + k / dim, k % dim);
            if let Some(k) = points.iter().position(|x| !x.is_finite()) {
                return Err(Error::non_finite(of, at(k), points[k]));
            }
            potential.fill(points, values);
            match values.iter().position(|v| !v.is_finite()) {
                None => Ok(()),
                Some(k) => Err(Error::non_finite(name, format!("point {}", first + k), values[k])),
            }
        })
    }
}

fn expect_dim(py: Python<'_>, points: ArrayView2<'_, f64>, dim: usize, name: &str) -> PyResult<()> {
    if points.ncols() == dim {
        return Ok(());
    }
    Err(Error::shape(name, format!("{dim} coordinates"), points.ncols())).or_raise(py)
}

/// Refuses densities that are no numbers: those of costs that are none.
fn finite(t: &[f64], at: impl Fn(usize) -> String) -> fenchel::Result<()> {
    match t.iter().position(|t| t.is_nan()) {
        None => Ok(()),
        Some(k) => Err(Error::non_finite("the density", at(k), t[k])),
    }
}
