//! The problem: a source, atoms with weights, a cost, a divergence and its strength.

use super::index::{self, Index};
use super::net::ordered;
use super::settings::{Lambda, Settings, Solver};
use super::solution::Solution;
use super::{Checkpoint, Plan, asgd, auto};

use crate::bounds;
use crate::cost::Cost;
use crate::divergence::Divergence;
use crate::error::{Error, Result};
use crate::measure::{Design, PointCloud, Soa, Source, draw_points, stream};
use crate::optim::{Loop, Observer, on_threads};
use crate::simd;
use rayon::prelude::*;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Streams of random numbers; nets of the solver and of the certificate count up from theirs.
pub(crate) mod purpose {
    pub(crate) const PILOT: u64 = 0;
    pub(crate) const PILOT_ATOMS: u64 = 1;
    pub(crate) const ASGD: u64 = 2;
    pub(crate) const CURVATURE: u64 = 3;
    pub(crate) const FINGERPRINT: u64 = 4;
    pub(crate) const SOLVER: u64 = 1 << 20;
    pub(crate) const CERTIFICATE: u64 = 1 << 40;
    /// What is drawn to mend the plan of a certificate's net, whose number is added.
    pub(crate) const MENDING: u64 = 1 << 50;
}

/// Semi-discrete optimal transport from a source μ to atoms y_1..y_N with weights ν, regularised by a
/// divergence (or not): with η the reference weights,
///
/// ```text
/// W_λ(μ, ν) = min over plans π with marginals μ, ν of  E_π c(x, y) + λ E_x D_f(π(·|x) ‖ η)
///           = max over φ of  h(φ) = ν·φ − E_x smoothmax(φ − c(x, ·)).
/// ```
///
/// Atoms with ν_i = 0 take no part. Unless a reference is given, η is uniform over the others.
///
/// # Example
///
/// ```
/// use fenchel::transport::{Lambda, SemiDiscrete, Settings};
/// use fenchel::{cost, divergence, measure, optim::Silent};
///
/// let atoms = measure::PointCloud::new(2, vec![-1.0, 0.0, 1.0, 0.0, 0.0, 1.0])?;
/// let problem = SemiDiscrete::new(
///     measure::parse("gaussian:2")?,
///     atoms,
///     cost::parse("sqeuclidean")?,
///     divergence::parse("kl")?,
///     Lambda::Absolute(0.5),
/// )?;
/// let solution = problem.solve(&Settings { tolerance: 1e-2, ..Settings::default() }, &mut Silent)?;
/// assert!(solution.status.is_converged());
/// assert!(solution.interval.contains(solution.value));
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct SemiDiscrete {
    source: Arc<dyn Source>,
    atoms: PointCloud,
    reference: Option<Vec<f64>>,
    cost: Arc<dyn Cost>,
    divergence: Arc<dyn Divergence>,
    lambda: Lambda,
}

impl SemiDiscrete {
    /// States the problem. ν are the weights of `atoms`, normalised; uniform if it has none.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if source and atoms differ in dimension, [`Error::InvalidValue`] if λ is not a
    /// finite number above 0.
    pub fn new(
        source: Arc<dyn Source>,
        atoms: PointCloud,
        cost: Arc<dyn Cost>,
        divergence: Arc<dyn Divergence>,
        lambda: Lambda,
    ) -> Result<Self> {
        if source.dim() != atoms.dim() {
            return Err(Error::shape(
                "source",
                format!("points of dimension {}, as the atoms", atoms.dim()),
                format!("dimension {}", source.dim()),
            ));
        }
        let number = lambda.number();
        if !(number.is_finite() && number > 0.0) {
            return Err(Error::invalid("lambda", number, "a finite number above 0"));
        }
        Ok(SemiDiscrete { source, atoms, reference: None, cost, divergence, lambda })
    }

    /// Sets the reference weights η, one for every atom; they are normalised.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if there are not as many as atoms, [`Error::InvalidValue`] or
    /// [`Error::NonFinite`] if one is negative or not finite or all are zero.
    pub fn reference(mut self, eta: Vec<f64>) -> Result<Self> {
        if eta.len() != self.atoms.len() {
            return Err(Error::shape(
                "reference",
                format!("{} weights, one an atom", self.atoms.len()),
                eta.len(),
            ));
        }
        for (i, &v) in eta.iter().enumerate() {
            if !v.is_finite() {
                return Err(Error::non_finite("reference", format!("index {i}"), v));
            }
            if v < 0.0 {
                return Err(Error::invalid(format!("reference at index {i}"), v, "at least 0"));
            }
        }
        if eta.iter().all(|&v| v == 0.0) {
            return Err(Error::invalid("reference", "all zero", "positive somewhere"));
        }
        self.reference = Some(eta);
        Ok(self)
    }

    /// The source μ.
    pub fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }

    /// The atoms with their weights ν.
    pub fn atoms(&self) -> &PointCloud {
        &self.atoms
    }

    /// Solves the dual and certifies the answer. The same seed gives the same bits for any number of
    /// threads.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidValue`] for settings outside their domain, [`Error::Infeasible`] if no plan exists
    /// (an atom without reference weight, or beyond the divergence's cap), [`Error::NonFinite`] if a cost
    /// is not finite. Not converging is not an error: the status of the result says it.
    pub fn solve(&self, settings: &Settings, observer: &mut dyn Observer) -> Result<Solution> {
        self.run(settings, None, observer)
    }

    /// Goes on from a state that an earlier solve of this problem has offered to its observer, and ends with the
    /// bits with which that one would have ended; only times differ. Seconds count on from those of the
    /// earlier solve. `threads` and `max_seconds` may be others, all other settings must be the same.
    ///
    /// # Errors
    ///
    /// As [`solve`](SemiDiscrete::solve), and [`Error::InvalidValue`] if the state is of another problem or of other
    /// settings, with what differs.
    pub fn resume(
        &self,
        settings: &Settings,
        checkpoint: &Checkpoint,
        observer: &mut dyn Observer,
    ) -> Result<Solution> {
        self.run(settings, Some(checkpoint), observer)
    }

    fn run(
        &self,
        settings: &Settings,
        checkpoint: Option<&Checkpoint>,
        observer: &mut dyn Observer,
    ) -> Result<Solution> {
        settings.validate()?;
        let run = || {
            let frozen = self.freeze(settings.seed)?.indexed();
            checkpoint.map_or(Ok(()), |c| c.check(&frozen, settings))?;
            let spent = checkpoint.map_or(0.0, Checkpoint::seconds);
            let control = Loop::resumed(settings.max_seconds, spent, &mut *observer);
            let state = checkpoint.map(|c| c.0.state.clone());
            match settings.solver {
                Solver::Auto => auto::solve(self, &frozen, settings, control, state),
                Solver::Asgd(asgd) => asgd::solve(self, &frozen, settings, asgd, control, state),
            }
        };
        on_threads(settings.threads, run)
    }

    /// The plan that potentials of this problem describe, for use at new points.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if the solution has another number of atoms.
    pub fn plan(&self, solution: &Solution) -> Result<Plan> {
        Plan::new(self, solution)
    }

    pub(crate) fn cost(&self) -> &Arc<dyn Cost> {
        &self.cost
    }

    pub(crate) fn divergence(&self) -> &Arc<dyn Divergence> {
        &self.divergence
    }

    /// ν normalised, over all atoms.
    pub(crate) fn marginal(&self) -> Vec<f64> {
        let n = self.atoms.len();
        match self.atoms.weights() {
            None => vec![1.0 / n as f64; n],
            Some(w) => normalised(w),
        }
    }

    /// η normalised, over all atoms: as given, or uniform over those with mass.
    pub(crate) fn reference_weights(&self, nu: &[f64]) -> Vec<f64> {
        match &self.reference {
            Some(eta) => normalised(eta),
            None => {
                let active = nu.iter().filter(|&&v| v > 0.0).count() as f64;
                nu.iter().map(|&v| if v > 0.0 { 1.0 / active } else { 0.0 }).collect()
            }
        }
    }

    pub(crate) fn freeze(&self, seed: u64) -> Result<Frozen> {
        let nu_all = self.marginal();
        let eta_all = self.reference_weights(&nu_all);
        let active: Vec<u32> = (0..nu_all.len() as u32).filter(|&i| nu_all[i as usize] > 0.0).collect();
        bounds::check_feasible(&*self.divergence, &nu_all, &eta_all)?;
        let pick = |v: &[f64]| -> Vec<f64> { active.iter().map(|&i| v[i as usize]).collect() };
        let (nu, eta) = (pick(&nu_all), pick(&eta_all));
        let eta_rest =
            if active.len() == nu_all.len() { 0.0 } else { (1.0 - eta.iter().sum::<f64>()).max(0.0) };
        let dim = self.atoms.dim();
        let mut rows = Vec::with_capacity(active.len() * dim);
        for &i in &active {
            rows.extend_from_slice(self.atoms.point(i as usize));
        }
        let points = Soa::from_rows(dim, &rows)?;
        let kept: Vec<usize> = active.iter().map(|&i| i as usize).collect();
        let divergence = self.divergence.for_atoms(&kept).unwrap_or_else(|| self.divergence.clone());
        let smoothing = divergence.smoothed();
        let mut frozen = Frozen {
            dim,
            total: nu_all.len(),
            active,
            points,
            nu,
            eta,
            eta_rest,
            source: self.source.clone(),
            cost: self.cost.clone(),
            smooth: smoothing.clone().unwrap_or_else(|| divergence.clone()),
            is_smooth: smoothing.is_none(),
            divergence,
            lambda: 0.0,
            spread: 0.0,
            unit: 0.0,
            index: None,
            places: Vec::new(),
            work: Arc::default(),
        };
        let (mean, spread) = frozen.pilot(seed)?;
        frozen.spread = spread;
        // Costs that do not vary set no scale: take the next best, so that tolerances keep a meaning.
        frozen.unit = if spread > 1e-14 * mean.abs() {
            spread
        } else if mean != 0.0 {
            mean.abs()
        } else {
            1.0
        };
        frozen.lambda = match self.lambda {
            Lambda::Absolute(v) => v,
            Lambda::Relative(v) => v * frozen.unit,
        };
        Ok(frozen)
    }
}

/// Whether a divergence is KL itself, for which there are faster sums; not one that is only called so.
pub(crate) fn is_entropic(divergence: &dyn Divergence) -> bool {
    divergence.counts_reference_mass() && divergence.name() == "kl"
}

/// Weights divided by their sum, by their maximum first so that the sum cannot overflow.
fn normalised(w: &[f64]) -> Vec<f64> {
    let top = w.iter().fold(0.0_f64, |a, &b| a.max(b));
    let total: f64 = w.iter().map(|v| v / top).sum();
    w.iter().map(|v| v / top / total).collect()
}

/// The problem as the solvers see it: atoms with mass only, coordinate-major, everything derived once.
#[derive(Debug)]
pub(crate) struct Frozen {
    pub(crate) dim: usize,
    /// Number of atoms, those without mass included.
    pub(crate) total: usize,
    /// Index among all atoms of each atom with mass.
    pub(crate) active: Vec<u32>,
    pub(crate) points: Soa<f64>,
    pub(crate) nu: Vec<f64>,
    pub(crate) eta: Vec<f64>,
    /// Reference mass on atoms without mass.
    pub(crate) eta_rest: f64,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) cost: Arc<dyn Cost>,
    /// The user's divergence.
    pub(crate) divergence: Arc<dyn Divergence>,
    /// What the solver works with: the user's divergence if it is smooth, else what smooths it.
    pub(crate) smooth: Arc<dyn Divergence>,
    pub(crate) is_smooth: bool,
    /// λ in cost units.
    pub(crate) lambda: f64,
    /// Standard deviation of the costs on the pilot sample.
    pub(crate) spread: f64,
    /// The unit of the tolerance: the spread, or a stand-in where costs do not vary.
    pub(crate) unit: f64,
    /// Finds the atoms that can matter; where the cost allows it, and atoms lie in its order.
    pub(crate) index: Option<Index>,
    /// With an index: the place of each atom among those with mass.
    places: Vec<u32>,
    pub(crate) work: Arc<Work>,
}

/// Fewer atoms than this are not worth an index.
const INDEXED: usize = 256;

/// Pilot sample: so many source points against at most so many atoms drawn by ν.
const PILOT_POINTS: usize = 4096;
const PILOT_ATOMS: usize = 256;

/// Sample–atom pairs, over all passes.
#[derive(Debug, Default)]
pub(crate) struct Work {
    evaluated: AtomicU64,
    all: AtomicU64,
}

impl Work {
    /// Counts costs that were evaluated, of so many.
    pub(crate) fn add(&self, evaluated: u64, all: u64) {
        self.evaluated.fetch_add(evaluated, Ordering::Relaxed);
        self.all.fetch_add(all, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> (u64, u64) {
        (self.evaluated.load(Ordering::Relaxed), self.all.load(Ordering::Relaxed))
    }

    pub(crate) fn set(&self, (evaluated, all): (u64, u64)) {
        self.evaluated.store(evaluated, Ordering::Relaxed);
        self.all.store(all, Ordering::Relaxed);
    }
}

impl Frozen {
    /// The same problem with an index on its atoms, in whose order they are put, where one can be of use.
    pub(crate) fn indexed(mut self) -> Frozen {
        let (n, mut x) = (self.atoms(), vec![0.0; self.dim]);
        self.points.get(0, &mut x);
        let has_tangents = self.cost.tangent(&x.clone(), &x.clone(), &mut x).is_some();
        // Generators of their own go by the place of an atom among all of them.
        let cuts_off = self.smooth.negligible_below().is_finite() && !self.smooth.is_per_atom();
        if n < INDEXED || !has_tangents || !cuts_off {
            return self;
        }
        let order = ordered(&self.points.to_rows(), self.dim, index::LEAF);
        let mut points = Soa::with_dim(self.dim);
        self.points.gather(&order, &mut points);
        let pick = |v: &[f64]| -> Vec<f64> { order.iter().map(|&i| v[i as usize]).collect() };
        (self.nu, self.eta) = (pick(&self.nu), pick(&self.eta));
        self.active = order.iter().map(|&i| self.active[i as usize]).collect();
        self.index = Some(Index::new(&points));
        self.points = points;
        self.places = order;
        self
    }

    /// The same problem with other atoms, neighbours merged.
    pub(crate) fn merged(&self, points: Soa<f64>, nu: Vec<f64>, eta: Vec<f64>) -> Frozen {
        Frozen {
            dim: self.dim,
            total: nu.len(),
            active: Vec::new(),
            index: Some(Index::new(&points)),
            places: Vec::new(),
            points,
            nu,
            eta,
            eta_rest: self.eta_rest,
            source: self.source.clone(),
            cost: self.cost.clone(),
            divergence: self.divergence.clone(),
            smooth: self.smooth.clone(),
            is_smooth: self.is_smooth,
            lambda: self.lambda,
            spread: self.spread,
            unit: self.unit,
            work: self.work.clone(),
        }
    }

    /// Numbers by atom, put back in the order in which the atoms were given; none for merged atoms.
    pub(crate) fn as_given<'a>(&self, numbers: &'a [f64]) -> Cow<'a, [f64]> {
        if self.active.is_empty() {
            return Cow::Borrowed(&[]);
        }
        if self.places.len() != numbers.len() {
            return Cow::Borrowed(numbers);
        }
        let mut given = vec![0.0; numbers.len()];
        for (&place, &x) in self.places.iter().zip(numbers) {
            given[place as usize] = x;
        }
        Cow::Owned(given)
    }

    pub(crate) fn atoms(&self) -> usize {
        self.nu.len()
    }

    /// The generator of an atom: its own, or that of all.
    pub(crate) fn generator(&self, atom: usize) -> &dyn Divergence {
        self.divergence.marginal(atom).unwrap_or(&*self.divergence)
    }

    /// Mean and standard deviation of c under μ ⊗ ν.
    fn pilot(&self, seed: u64) -> Result<(f64, f64)> {
        let n = self.atoms();
        let (index, weight): (Vec<u32>, Vec<f64>) = if n <= PILOT_ATOMS {
            ((0..n as u32).collect(), self.nu.clone())
        } else {
            let mut cumulative = Vec::with_capacity(n);
            let mut sum = 0.0;
            for &v in &self.nu {
                sum += v;
                cumulative.push(sum);
            }
            let mut rng = stream(seed, purpose::PILOT_ATOMS, 0);
            let index = (0..PILOT_ATOMS)
                .map(|_| {
                    let u = rng.uniform() * sum;
                    cumulative.partition_point(|&c| c <= u).min(n - 1) as u32
                })
                .collect();
            (index, vec![1.0 / PILOT_ATOMS as f64; PILOT_ATOMS])
        };
        let mut atoms = Soa::with_dim(self.dim);
        self.points.gather(&index, &mut atoms);
        let mut xs = vec![0.0; PILOT_POINTS * self.dim];
        draw_points(&*self.source, Design::Iid, seed, purpose::PILOT, 0, PILOT_POINTS, &mut xs)?;
        let width = index.len();
        let tiles: Vec<Result<Moments>> = xs
            .par_chunks(PILOT_TILE * self.dim)
            .map(|xs| {
                let mut costs = vec![0.0; xs.len() / self.dim * width];
                self.cost.rows(xs, &atoms, &mut costs);
                match costs.iter().position(|c| !c.is_finite()) {
                    None => Ok(Moments::of(&costs, &weight)),
                    Some(at) => Err(Error::non_finite(
                        format!("cost {}", self.cost.name()),
                        format!(
                            "x = {:?}, atom {}",
                            &xs[at / width * self.dim..][..self.dim],
                            self.active[index[at % width] as usize]
                        ),
                        costs[at],
                    )),
                }
            })
            .collect();
        let mut all = Moments::default();
        for tile in tiles {
            all = all.merge(tile?);
        }
        Ok((all.mean * all.scale, (all.square / all.mass.max(f64::MIN_POSITIVE)).max(0.0).sqrt() * all.scale))
    }
}

/// Samples of the pilot whose costs are computed together.
const PILOT_TILE: usize = 64;

/// Weighted mean and sum of squared deviations, in units of the largest number: squares stay in range.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    scale: f64,
    mass: f64,
    mean: f64,
    square: f64,
}

impl Moments {
    /// Of the rows of `costs`, whose places are weighted alike in every row.
    fn of(costs: &[f64], weight: &[f64]) -> Moments {
        let scale = costs.iter().fold(0.0_f64, |a, c| a.max(c.abs()));
        let rows = costs.len() / weight.len();
        let mass = rows as f64 * weight.iter().sum::<f64>();
        if scale == 0.0 {
            return Moments { mass, ..Moments::default() };
        }
        // Column sums first: these loops are wide.
        let column_sums = |shift: f64, power: i32| {
            let mut sums = vec![0.0; weight.len()];
            simd::vectorize(|| {
                for row in costs.chunks_exact(weight.len()) {
                    for (sum, c) in sums.iter_mut().zip(row) {
                        let x = c / scale - shift;
                        *sum += if power == 2 { x * x } else { x };
                    }
                }
            });
            simd::dot(&sums, weight)
        };
        let mean = column_sums(0.0, 1) / mass;
        Moments { scale, mass, mean, square: column_sums(mean, 2) }
    }

    /// Of both together (Chan, Golub and LeVeque).
    fn merge(self, other: Moments) -> Moments {
        let scale = self.scale.max(other.scale);
        let mass = self.mass + other.mass;
        if scale == 0.0 || mass == 0.0 {
            return Moments { mass, ..Moments::default() };
        }
        let (a, b) = (self.scale / scale, other.scale / scale);
        let delta = other.mean * b - self.mean * a;
        Moments {
            scale,
            mass,
            mean: self.mean * a + delta * other.mass / mass,
            square: self.square * a * a
                + other.square * b * b
                + delta * delta * self.mass * other.mass / mass,
        }
    }
}
