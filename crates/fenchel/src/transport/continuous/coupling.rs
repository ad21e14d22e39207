//! The solved problem put to use: potentials, densities, conditional samples, maps.

use super::basis::KernelPotential;
use super::potential::{CTransform, Potential};
use super::problem::Side;
use crate::cost::{self, Cost, Transposed};
use crate::divergence::{self, Divergence};
use crate::error::{Error, Result};
use crate::measure::file::write_atomically;
use crate::measure::{PointCloud, stream};
use crate::transport::Plan;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// The plan that potentials describe: with t(x, y) = (f*)'((u(x) + v(y) − c(x, y))/λ),
///
/// ```text
/// dπ(x, y) = t(x, y) dμ(x) dν(y).
/// ```
///
/// Given x, y is drawn from a sample of ν with weights in proportion to t(x, ·), u(x) being what makes them sum to one; and the same the
/// other way.
#[derive(Debug, Clone)]
pub struct Coupling {
    record: Record,
    cost: Arc<dyn Cost>,
    divergence: Arc<dyn Divergence>,
    u: Arc<dyn Potential>,
    v: Arc<dyn Potential>,
    forward: Plan,
    backward: Plan,
}

/// What a coupling's file holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    format: String,
    dim: usize,
    cost: String,
    divergence: String,
    lambda: f64,
    target: Support,
    source: Support,
    kernel: Option<KernelPotential>,
}

/// A sample of one side with the potential there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Support {
    /// Row-major.
    points: Vec<f64>,
    weights: Vec<f64>,
    potential: Vec<f64>,
}

impl Support {
    pub(super) fn new(side: &Side, potential: Vec<f64>) -> Self {
        Support { points: side.points.clone(), weights: side.weights.clone(), potential }
    }

    fn cloud(&self, dim: usize) -> Result<PointCloud> {
        PointCloud::weighted(dim, self.points.clone(), self.weights.clone())
    }
}

const FORMAT: &str = "fenchel coupling 1";

impl Coupling {
    pub(super) fn new(
        (cost, divergence): (Arc<dyn Cost>, Arc<dyn Divergence>),
        dim: usize,
        lambda: f64,
        (source, target): (Support, Support),
        kernel: Option<KernelPotential>,
        own: Option<Arc<dyn Potential>>,
    ) -> Result<Self> {
        let record = Record {
            format: FORMAT.to_owned(),
            dim,
            cost: cost.name(),
            divergence: divergence.name(),
            lambda,
            target,
            source,
            kernel,
        };
        Coupling::assemble(record, cost, divergence, own)
    }

    fn assemble(
        record: Record,
        cost: Arc<dyn Cost>,
        divergence: Arc<dyn Divergence>,
        own: Option<Arc<dyn Potential>>,
    ) -> Result<Self> {
        let (dim, lambda) = (record.dim, record.lambda);
        let (targets, sources) = (record.target.cloud(dim)?, record.source.cloud(dim)?);
        let back = Transposed::of(cost.clone());
        let u = CTransform::new(
            &targets,
            record.target.potential.clone(),
            cost.clone(),
            divergence.clone(),
            lambda,
        )?;
        let v: Arc<dyn Potential> = match (own, &record.kernel) {
            (Some(v), _) => v,
            (None, Some(kernel)) => Arc::new(kernel.clone()),
            (None, None) => Arc::new(CTransform::new(
                &sources,
                record.source.potential.clone(),
                back.clone(),
                divergence.clone(),
                lambda,
            )?),
        };
        let plan = |cloud: &PointCloud, potential: &[f64], cost: Arc<dyn Cost>| {
            let potential = potential.iter().map(|v| Some(*v)).collect();
            Plan::of_potential(cloud, potential, cost, divergence.clone(), lambda)
        };
        let forward = plan(&targets, &record.target.potential, cost.clone())?;
        let backward = plan(&sources, &record.source.potential, back)?;
        Ok(Coupling { record, cost, divergence, u: Arc::new(u), v, forward, backward })
    }

    /// What a checkpoint keeps of it.
    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    /// The coupling of a record.
    pub(super) fn restored(
        record: Record,
        (cost, divergence): (Arc<dyn Cost>, Arc<dyn Divergence>),
    ) -> Result<Self> {
        Coupling::assemble(record, cost, divergence, None)
    }

    /// Dimension of the points.
    pub fn dim(&self) -> usize {
        self.record.dim
    }

    /// λ in cost units.
    pub fn lambda(&self) -> f64 {
        self.record.lambda
    }

    /// The potential on the source's side.
    pub fn u(&self) -> &Arc<dyn Potential> {
        &self.u
    }

    /// The potential on the target's side.
    pub fn v(&self) -> &Arc<dyn Potential> {
        &self.v
    }

    /// The cost.
    pub fn cost(&self) -> &Arc<dyn Cost> {
        &self.cost
    }

    /// The divergence.
    pub fn divergence(&self) -> &Arc<dyn Divergence> {
        &self.divergence
    }

    /// u and v at the samples of their sides.
    pub(super) fn on_samples(&self) -> [&[f64]; 2] {
        [&self.record.source.potential, &self.record.target.potential]
    }

    /// The sample of ν (row-major) that [`weights`](Coupling::weights) speak of.
    pub fn targets(&self) -> &[f64] {
        &self.record.target.points
    }

    /// The sample of μ (row-major).
    pub fn sources(&self) -> &[f64] {
        &self.record.source.points
    }

    /// t(x, y), the plan's density with respect to μ⊗ν.
    ///
    /// # Errors
    /// [`Error::Shape`] if a point has the wrong length, [`Error::NonFinite`] if a coordinate is not finite.
    pub fn density(&self, x: &[f64], y: &[f64]) -> Result<f64> {
        for (name, point) in [("x", x), ("y", y)] {
            if point.len() != self.dim() {
                return Err(Error::shape(name, format!("{} coordinates", self.dim()), point.len()));
            }
        }
        let (u, v) = (self.u.values(x)?[0], self.v.values(y)?[0]);
        Ok(self.divergence.conj_prime((u + v - self.cost.eval(x, y)) / self.lambda()))
    }

    /// The distribution of y given x over [`targets`](Coupling::targets), into `p`.
    ///
    /// # Errors
    /// [`Error::Shape`] if `x` or `p` has the wrong length, [`Error::NonFinite`] if `x` or a cost is not finite; so for all methods.
    pub fn weights(&self, x: &[f64], p: &mut [f64]) -> Result<()> {
        self.forward.weights(x, p)
    }

    /// `n` points drawn from the plan's y given x, row-major: points of [`targets`](Coupling::targets).
    pub fn conditional(&self, x: &[f64], n: usize, seed: u64) -> Result<Vec<f64>> {
        let mut p = vec![0.0; self.forward.atoms()];
        self.weights(x, &mut p)?;
        let cloud = PointCloud::weighted(self.dim(), self.targets().to_vec(), p)?;
        let mut out = vec![0.0; n * self.dim()];
        crate::measure::Source::draw(&cloud, &mut stream(seed, 0, 0), &mut out);
        Ok(out)
    }

    /// The mean of y given x, into `y`.
    pub fn barycentric(&self, x: &[f64], y: &mut [f64]) -> Result<()> {
        self.forward.barycentric(x, y)
    }

    /// The mean of x given y, into `x`.
    pub fn barycentric_back(&self, y: &[f64], x: &mut [f64]) -> Result<()> {
        self.backward.barycentric(y, x)
    }

    /// The coupling as JSON. A potential from elsewhere is kept by its values on the sample, and comes back as the c-transform of u.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if there is no room for the text.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(&self.record)
            .map_err(|e| Error::invalid("coupling", e, "such as JSON can hold"))
    }

    /// The coupling of [`to_json`](Coupling::to_json), to the same bits; with its cost where that is the user's own.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if the text is no coupling, [`Error::UnknownName`] for a cost or divergence that is not known.
    pub fn from_json(text: &str, cost: Option<Arc<dyn Cost>>) -> Result<Self> {
        let wrong = |e: String| {
            Error::invalid("coupling", format!("text that is none ({e})"), "what to_json returned")
        };
        let record: Record = serde_json::from_str(text).map_err(|e| wrong(e.to_string()))?;
        if record.format != FORMAT {
            return Err(wrong(format!("'{}', not '{FORMAT}'", record.format)));
        }
        if let Some(kernel) = &record.kernel {
            kernel.check(record.dim).map_err(wrong)?;
        }
        let cost = cost.map_or_else(|| cost::parse(&record.cost), Ok)?;
        let divergence = divergence::parse(&record.divergence)?;
        Coupling::assemble(record, cost, divergence, None)
    }

    /// Writes the coupling as JSON; it appears whole or not at all.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let text = self.to_json()?;
        write_atomically(path.as_ref(), |out| out.write_all(text.as_bytes()))
    }

    /// Reads a coupling back, to the same bits; with its cost where that is the user's own.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be read, otherwise as [`from_json`](Coupling::from_json).
    pub fn load(path: impl AsRef<Path>, cost: Option<Arc<dyn Cost>>) -> Result<Self> {
        let path = path.as_ref();
        let text =
            std::fs::read_to_string(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
        Coupling::from_json(&text, cost).map_err(|e| match e {
            Error::InvalidValue { value, .. } => Error::file(path, format!("is no coupling: {value}")),
            other => other,
        })
    }
}
