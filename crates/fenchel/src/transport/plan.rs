//! A solved problem put to use at new points.

use super::problem::SemiDiscrete;
use super::solution::Solution;
use crate::cost::{self, Cost};
use crate::divergence::{self, Divergence, Row, Scratch};
use crate::error::{Error, Result};
use crate::measure::file::write_atomically;
use crate::measure::{PointCloud, Soa, Source};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// The plan that potentials φ describe: a point x goes to atom y_i with weight
///
/// ```text
/// p(x) = argmax over p of  Σ p_i (φ_i − c(x, y_i)) − λ D_f(p‖η).
/// ```
///
/// Where divergences that are not smooth (`none`, `cvar`) leave atoms that tie to be shared out, that is done as in the
/// solve, by the smooth divergence and the small strength that [`Solution::smoothing`] names.
///
/// ```
/// use fenchel::transport::{Lambda, SemiDiscrete, Settings};
/// use fenchel::{cost, divergence, measure, optim::Silent};
///
/// let atoms = measure::PointCloud::new(1, vec![-1.0, 1.0])?;
/// let (source, cost) = (measure::parse("gaussian:1")?, cost::parse("sqeuclidean")?);
/// let problem = SemiDiscrete::new(source, atoms, cost, divergence::parse("kl")?, Lambda::Absolute(1.0))?;
/// let solution = problem.solve(&Settings { tolerance: 1e-2, ..Settings::default() }, &mut Silent)?;
/// let plan = problem.plan(&solution)?;
/// let mut p = [0.0; 2];
/// plan.weights(&[0.5], &mut p)?;
/// assert_eq!(plan.assign(&[0.5])?, 1);
/// assert!(p[1] > 0.8 && (p[0] + p[1] - 1.0).abs() < 1e-15);
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Plan {
    record: Record,
    cost: Arc<dyn Cost>,
    divergence: Arc<dyn Divergence>,
    resolving: Arc<dyn Divergence>,
    active: Vec<u32>,
    points: Soa<f64>,
    phi: Vec<f64>,
    eta: Vec<f64>,
    eta_rest: f64,
}

/// What a plan's file holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Record {
    format: String,
    dim: usize,
    /// Row-major.
    atoms: Vec<f64>,
    marginal: Vec<f64>,
    reference: Vec<f64>,
    potential: Vec<Option<f64>>,
    cost: String,
    divergence: String,
    lambda: f64,
    smoothing: Option<f64>,
}

const FORMAT: &str = "fenchel plan 1";

impl Plan {
    pub(crate) fn new(problem: &SemiDiscrete, solution: &Solution) -> Result<Self> {
        let marginal = problem.marginal();
        let record = Record {
            format: FORMAT.to_owned(),
            dim: problem.atoms().dim(),
            atoms: problem.atoms().points().to_vec(),
            reference: problem.reference_weights(&marginal),
            marginal,
            potential: solution.potential.clone(),
            cost: solution.cost.clone(),
            divergence: solution.divergence.clone(),
            lambda: solution.lambda.or(solution.smoothing).unwrap_or(1.0),
            smoothing: solution.smoothing,
        };
        Plan::assemble(record, problem.cost().clone(), problem.divergence().clone())
    }

    /// The plan of potentials from anywhere, one for every atom (none: no mass goes there), with the weights of `atoms` as the
    /// reference and, as far as a plan needs to know, the target's marginal.
    ///
    /// ```
    /// use fenchel::{cost, divergence, measure, transport::Plan};
    ///
    /// let atoms = measure::PointCloud::new(1, vec![-1.0, 1.0])?;
    /// let phi = vec![Some(0.3), Some(0.0)];
    /// let plan = Plan::of_potential(&atoms, phi, cost::parse("l2")?, divergence::parse("none")?, 1.0)?;
    /// assert_eq!(plan.assign(&[0.1])?, 0);
    /// # Ok::<(), fenchel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if there are not as many potentials as atoms, [`Error::NonFinite`] if one is not finite,
    /// [`Error::InvalidValue`] if all are none or λ is not a finite number above 0.
    pub fn of_potential(
        atoms: &PointCloud,
        potential: Vec<Option<f64>>,
        cost: Arc<dyn Cost>,
        divergence: Arc<dyn Divergence>,
        lambda: f64,
    ) -> Result<Self> {
        let marginal = atoms.probabilities();
        let record = Record {
            format: FORMAT.to_owned(),
            dim: atoms.dim(),
            atoms: atoms.points().to_vec(),
            reference: marginal.clone(),
            marginal,
            potential,
            cost: cost.name(),
            divergence: divergence.name(),
            lambda,
            smoothing: None,
        };
        Plan::assemble(record, cost, divergence)
    }

    fn assemble(record: Record, cost: Arc<dyn Cost>, divergence: Arc<dyn Divergence>) -> Result<Self> {
        let n = record.marginal.len();
        for (what, len) in [("potential", record.potential.len()), ("reference", record.reference.len())] {
            if len != n {
                return Err(Error::shape(what, format!("{n} numbers, one an atom"), len));
            }
        }
        PointCloud::new(record.dim, record.atoms.clone())?;
        if record.atoms.len() != n * record.dim {
            return Err(Error::shape("atoms", format!("{n} points"), record.atoms.len() / record.dim));
        }
        let finite = |what: &str, v: &[f64]| -> Result<()> {
            match v.iter().position(|x| !x.is_finite()) {
                Some(i) => Err(Error::non_finite(what, format!("index {i}"), v[i])),
                None => Ok(()),
            }
        };
        let active: Vec<u32> = (0..n as u32).filter(|&i| record.potential[i as usize].is_some()).collect();
        if active.is_empty() {
            return Err(Error::invalid("potential", "null for every atom", "a number for some atom"));
        }
        let phi: Vec<f64> = record.potential.iter().filter_map(|p| *p).collect();
        finite("potential", &phi)?;
        finite("reference", &record.reference)?;
        if let Some(i) = record.reference.iter().position(|&v| v < 0.0) {
            let name = format!("reference at index {i}");
            return Err(Error::invalid(name, record.reference[i], "at least 0"));
        }
        let total: f64 = record.reference.iter().sum();
        if !((total - 1.0).abs() <= 1e-9 && active.iter().any(|&i| record.reference[i as usize] > 0.0)) {
            let sum = format!("a vector of sum {total}");
            return Err(Error::invalid("reference", sum, "a probability, positive at an atom with mass"));
        }
        let strength = record.smoothing.unwrap_or(record.lambda);
        if !(strength.is_finite() && strength > 0.0) {
            return Err(Error::invalid("lambda", strength, "a finite number above 0"));
        }
        let eta: Vec<f64> = active.iter().map(|&i| record.reference[i as usize]).collect();
        let eta_rest = if active.len() == n { 0.0 } else { (total - eta.iter().sum::<f64>()).max(0.0) };
        let rows: Vec<f64> = active
            .iter()
            .flat_map(|&i| record.atoms[i as usize * record.dim..][..record.dim].iter().copied())
            .collect();
        let kept: Vec<usize> = active.iter().map(|&i| i as usize).collect();
        let divergence = divergence.for_atoms(&kept).unwrap_or(divergence);
        let resolving = match record.smoothing {
            Some(_) => divergence.smoothed().unwrap_or_else(|| divergence.clone()),
            None => divergence.clone(),
        };
        let points = Soa::from_rows(record.dim, &rows)?;
        Ok(Plan { record, cost, divergence, resolving, active, points, phi, eta, eta_rest })
    }

    /// Dimension of the points.
    pub fn dim(&self) -> usize {
        self.record.dim
    }

    /// Number of atoms, those without mass included.
    pub fn atoms(&self) -> usize {
        self.record.marginal.len()
    }

    /// φ_i − c(x, y_i) over the atoms with mass.
    fn scores(&self, x: &[f64]) -> Result<Vec<f64>> {
        if x.len() != self.dim() {
            return Err(Error::shape("x", format!("{} coordinates", self.dim()), x.len()));
        }
        if let Some(k) = x.iter().position(|v| !v.is_finite()) {
            return Err(Error::non_finite("x", format!("coordinate {k}"), x[k]));
        }
        let mut u = vec![0.0; self.phi.len()];
        self.cost.rows(x, &self.points, &mut u);
        for ((u, phi), i) in u.iter_mut().zip(&self.phi).zip(&self.active) {
            if !u.is_finite() {
                return Err(Error::non_finite(
                    format!("cost {}", self.cost.name()),
                    format!("x = {x:?}, atom {i}"),
                    *u,
                ));
            }
            *u = phi - *u;
        }
        Ok(u)
    }

    fn active_weights(&self, x: &[f64]) -> Result<Vec<f64>> {
        let u = self.scores(x)?;
        let lambda = self.record.smoothing.unwrap_or(self.record.lambda);
        let mut p = vec![0.0; u.len()];
        let row = Row { u: &u, eta: &self.eta, eta_rest: self.eta_rest, lambda };
        self.resolving.solve(&row, None, &mut p, &mut Scratch::default());
        Ok(p)
    }

    /// The weights p(x), one for every atom (zero for atoms without mass), into `p`.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if `x` or `p` has the wrong length, [`Error::NonFinite`] if `x` or a cost is not
    /// finite; so for all methods.
    pub fn weights(&self, x: &[f64], p: &mut [f64]) -> Result<()> {
        if p.len() != self.atoms() {
            return Err(Error::shape("p", format!("{} numbers, one an atom", self.atoms()), p.len()));
        }
        p.fill(0.0);
        for (&i, v) in self.active.iter().zip(self.active_weights(x)?) {
            p[i as usize] = v;
        }
        Ok(())
    }

    /// The atom with the largest score φ_i − c(x, y_i); the first of them if several tie.
    pub fn assign(&self, x: &[f64]) -> Result<usize> {
        let u = self.scores(x)?;
        let mut best = 0;
        for (k, v) in u.iter().enumerate() {
            if *v > u[best] {
                best = k;
            }
        }
        Ok(self.active[best] as usize)
    }

    /// Barycentric map: Σ p_i(x) y_i, into `y`.
    pub fn barycentric(&self, x: &[f64], y: &mut [f64]) -> Result<()> {
        if y.len() != self.dim() {
            return Err(Error::shape("y", format!("{} coordinates", self.dim()), y.len()));
        }
        let p = self.active_weights(x)?;
        for (k, y) in y.iter_mut().enumerate() {
            *y = crate::simd::dot(&p, self.points.coordinate(k));
        }
        Ok(())
    }

    /// The (smooth) c-transform ψ(x) = smoothmax(φ − c(x, ·)) with the divergence of the problem.
    pub fn c_transform(&self, x: &[f64]) -> Result<f64> {
        let u = self.scores(x)?;
        let mut p = vec![0.0; u.len()];
        let row = Row { u: &u, eta: &self.eta, eta_rest: self.eta_rest, lambda: self.record.lambda };
        Ok(self.divergence.solve(&row, None, &mut p, &mut Scratch::default()).value)
    }

    /// Writes the plan as JSON; it appears whole or not at all.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save_json(&self.record, path.as_ref())
    }

    /// The plan as JSON, as in the file that [`save`](Plan::save) writes.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidValue`] if there is no room for the text.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(&self.record).map_err(|e| Error::invalid("plan", e, "such as JSON can hold"))
    }

    /// The plan of [`to_json`](Plan::to_json), to the same bits; with its cost where that is the user's own.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidValue`] if the text is no plan, [`Error::UnknownName`] for a cost or divergence that is not known.
    pub fn from_json(text: &str, cost: Option<Arc<dyn Cost>>) -> Result<Self> {
        let record: Record = serde_json::from_str(text).map_err(|e| {
            Error::invalid("plan", format!("text that is none ({e})"), "what to_json returned")
        })?;
        let cost = cost.map_or_else(|| cost::parse(&record.cost), Ok)?;
        let divergence = divergence::parse(&record.divergence)?;
        Plan::assemble(record, cost, divergence)
    }

    /// Reads a plan back, to the same bits. Its cost and divergence must be ones that their registries know
    /// (see [`Plan::load_with`] for others).
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the file cannot be read or is no plan, [`Error::UnknownName`] for a cost or
    /// divergence of the user's own.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let record = Plan::read(path.as_ref())?;
        let (cost, divergence) = (cost::parse(&record.cost)?, divergence::parse(&record.divergence)?);
        Plan::assemble(record, cost, divergence)
    }

    /// Reads a plan back whose cost or divergence is the user's own.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the file cannot be read or is no plan.
    pub fn load_with(
        path: impl AsRef<Path>,
        cost: Arc<dyn Cost>,
        divergence: Arc<dyn Divergence>,
    ) -> Result<Self> {
        Plan::assemble(Plan::read(path.as_ref())?, cost, divergence)
    }

    fn read(path: &Path) -> Result<Record> {
        let record: Record = load_json(path)?;
        if record.format != FORMAT {
            return Err(Error::file(path, format!("is '{}', not '{FORMAT}'", record.format)));
        }
        Ok(record)
    }
}

impl Solution {
    /// Writes the result as JSON; it appears whole or not at all.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save_json(self, path.as_ref())
    }

    /// Reads a result back, to the same bits.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the file cannot be read or is no result.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        load_json(path.as_ref())
    }
}

pub(super) fn save_json<T: Serialize>(value: &T, path: &Path) -> Result<()> {
    write_atomically(path, |out| {
        serde_json::to_writer_pretty(&mut *out, value)?;
        out.write_all(b"\n")
    })
}

pub(super) fn load_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T> {
    let text =
        std::fs::read_to_string(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
    serde_json::from_str(&text).map_err(|e| Error::File {
        path: path.to_owned(),
        line: Some(e.line() as u64).filter(|&l| l > 0),
        column: Some(e.column() as u64).filter(|&c| c > 0),
        message: format!("not the JSON that was expected: {e}"),
    })
}
