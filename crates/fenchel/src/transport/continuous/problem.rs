//! The problem: two measures that one can draw from, a cost, a divergence and its strength.

use super::certificate::Evidence;
use super::checkpoint::Checkpoint;
use super::coupling::Coupling;
use super::extend::{Given, extend, judged};
use super::potential::Potential;
use super::settings::{Settings, Solver};
use super::solution::Solution;
use super::{samples, sgd};
use crate::cost::Cost;
use crate::divergence::Divergence;
use crate::error::{Error, Result};
use crate::measure::{Design, PointCloud, Sampler, Source};
use crate::optim::{Flow, Loop, Observer, Progress, Status, on_threads};
use crate::transport::settings::Lambda;
use crate::transport::{self, SemiDiscrete};
use std::sync::Arc;

/// Streams of random numbers; the source's are even, the target's odd.
pub(super) mod purpose {
    pub(in super::super) const PILOT: u64 = 0;
    pub(in super::super) const TRAINING: u64 = 1 << 20;
    pub(in super::super) const FITTED: u64 = 1 << 25;
    pub(in super::super) const FINGERPRINT: u64 = 1;
    pub(in super::super) const STEPS: u64 = 1 << 30;
    pub(in super::super) const VALIDATION: u64 = 1 << 31;
    pub(in super::super) const FEATURES: u64 = 1 << 32;
    pub(in super::super) const CERTIFICATE: u64 = 1 << 40;
}

/// Transport between two measures known by what can be drawn from them, regularised by a divergence from the product measure:
///
/// ```text
/// W_λ(μ, ν) = min over plans π with marginals μ, ν of  E_π c(x, y) + λ D_f(π ‖ μ⊗ν)
///           = max over functions u, v of  E u(x) + E v(y) − λ E f*((u(x) + v(y) − c(x, y))/λ),
/// ```
///
/// the last expectation over independent x and y. The potentials that come back are functions, not lists of numbers.
///
/// # Example
///
/// ```
/// use fenchel::transport::continuous::{Continuous, Settings};
/// use fenchel::transport::Lambda;
/// use fenchel::{cost, divergence, measure, optim::Silent};
///
/// let problem = Continuous::new(
///     measure::parse("gaussian:1")?,
///     measure::parse("uniform:1")?,
///     cost::parse("sqeuclidean")?,
///     divergence::parse("kl")?,
///     Lambda::Absolute(0.5),
/// )?;
/// let (solution, coupling) = problem.solve(&Settings::default(), &mut Silent)?;
/// assert!(solution.status.is_converged());
/// assert!(solution.interval.contains(solution.value));
/// // Where does mass at 1.3 go, in the mean?
/// let mut y = [0.0];
/// coupling.barycentric(&[1.3], &mut y)?;
/// assert!(y[0] > 0.5 && y[0] < 1.0);
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Continuous {
    source: Arc<dyn Source>,
    target: Arc<dyn Source>,
    cost: Arc<dyn Cost>,
    divergence: Arc<dyn Divergence>,
    lambda: Lambda,
}

impl Continuous {
    /// States the problem.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if source and target differ in dimension, [`Error::InvalidValue`] if λ is not a finite number above 0, or the
    /// divergence is not smooth: then no sample says whether u(x) + v(y) ≤ c(x, y) holds everywhere, and nothing could be certified.
    pub fn new(
        source: Arc<dyn Source>,
        target: Arc<dyn Source>,
        cost: Arc<dyn Cost>,
        divergence: Arc<dyn Divergence>,
        lambda: Lambda,
    ) -> Result<Self> {
        if source.dim() != target.dim() {
            return Err(Error::shape(
                "target",
                format!("points of dimension {}, as the source", source.dim()),
                format!("dimension {}", target.dim()),
            ));
        }
        let number = lambda.number();
        if !(number.is_finite() && number > 0.0) {
            return Err(Error::invalid("lambda", number, "a finite number above 0"));
        }
        if !divergence.is_smooth() || divergence.is_per_atom() || divergence.for_atoms(&[0, 1]).is_some() {
            return Err(Error::invalid(
                "the divergence of continuous transport",
                format!("'{}'", divergence.name()),
                "a smooth one that is the same for any number of points, for instance kl with a small λ",
            ));
        }
        Ok(Continuous { source, target, cost, divergence, lambda })
    }

    /// The source μ.
    pub fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }

    /// The target ν.
    pub fn target(&self) -> &Arc<dyn Source> {
        &self.target
    }

    /// One side of it: 0 the source, 1 the target.
    pub(super) fn drawn(&self, odd: u64) -> Drawn {
        let source = if odd == 0 { &self.source } else { &self.target };
        Drawn { source: source.clone(), odd }
    }

    /// The cost c.
    pub fn cost(&self) -> &Arc<dyn Cost> {
        &self.cost
    }

    /// The divergence D_f.
    pub fn divergence(&self) -> &Arc<dyn Divergence> {
        &self.divergence
    }

    /// The same with another divergence.
    ///
    /// # Errors
    /// As [`Continuous::new`].
    pub fn with_divergence(&self, divergence: Arc<dyn Divergence>) -> Result<Self> {
        Continuous::new(self.source.clone(), self.target.clone(), self.cost.clone(), divergence, self.lambda)
    }

    /// λ and the unit of costs, as every method has them under a seed.
    ///
    /// # Errors
    /// [`Error::NonFinite`] if a cost or a coordinate that was drawn is not finite.
    pub fn scale(&self, seed: u64) -> Result<Scale> {
        let (source, target) = (&self.source, self.drawn(1));
        let pilot = target.points(purpose::PILOT, PILOT, seed)?.cloud(source.dim())?;
        let (cost, divergence) = (self.cost.clone(), self.divergence.clone());
        let frozen = SemiDiscrete::new(source.clone(), pilot, cost, divergence, self.lambda)?.freeze(seed)?;
        Ok(Scale { lambda: frozen.lambda, spread: frozen.spread, unit: frozen.unit })
    }

    /// Solves the problem and certifies the answer; the numbers, and the plan as something that can be used at any point. The same seed gives
    /// the same bits for any number of threads.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidValue`] for settings outside their domain, [`Error::NonFinite`] if a cost or a coordinate that was drawn is not finite.
    /// Not converging is not an error: the status of the result says it.
    pub fn solve(&self, settings: &Settings, observer: &mut dyn Observer) -> Result<(Solution, Coupling)> {
        self.run(settings, None, observer)
    }

    /// Goes on from a state that an earlier solve of this problem has offered to its observer, and ends with the bits with which that one
    /// would have ended; only times differ. `threads` and `max_seconds` may be others, all other settings must be the same.
    ///
    /// # Errors
    ///
    /// As [`solve`](Continuous::solve), and [`Error::InvalidValue`] if the state is of another problem or of other settings, with what
    /// differs.
    pub fn resume(
        &self,
        settings: &Settings,
        checkpoint: &Checkpoint,
        observer: &mut dyn Observer,
    ) -> Result<(Solution, Coupling)> {
        self.run(settings, Some(checkpoint), observer)
    }

    fn run(
        &self,
        settings: &Settings,
        checkpoint: Option<&Checkpoint>,
        observer: &mut dyn Observer,
    ) -> Result<(Solution, Coupling)> {
        settings.validate()?;
        let run = || {
            let spent = checkpoint.map_or(0.0, Checkpoint::seconds);
            let mut control = Loop::resumed(settings.max_seconds, spent, &mut *observer);
            let ready = self.ready(settings)?;
            checkpoint.map_or(Ok(()), |c| c.check(&ready))?;
            let state = checkpoint.map(|c| c.0.state.clone());
            match settings.solver {
                Solver::Samples => samples::solve(&ready, None, state, &mut control),
                Solver::Kernel(space) => samples::solve(&ready, Some(space), state, &mut control),
                Solver::Sgd(sgd) => sgd::solve(&ready, sgd, state, &mut control),
            }
        };
        on_threads(settings.threads, run)
    }

    /// What is known about a potential v from elsewhere (a network, a formula): it is extended by its c-transform over a sample of ν, and
    /// certified on samples of its own. `name` is what the result calls the method. [`Status::Converged`] if the interval is as narrow as the
    /// tolerance asks, otherwise what ended it: [`Status::MaxIterations`] where samples of this size tell no more.
    ///
    /// # Errors
    ///
    /// As [`solve`](Continuous::solve), and [`Error::NonFinite`] if v is not finite somewhere.
    pub fn certify(
        &self,
        v: Arc<dyn Potential>,
        name: impl Into<String>,
        settings: &Settings,
        observer: &mut dyn Observer,
    ) -> Result<(Solution, Coupling)> {
        settings.validate()?;
        if v.dim() != self.source.dim() {
            let expected = format!("points of dimension {}", self.source.dim());
            return Err(Error::shape("potential", expected, format!("dimension {}", v.dim())));
        }
        let name = name.into();
        on_threads(settings.threads, || {
            let mut control = Loop::new(settings.max_seconds, observer);
            let ready = self.ready(settings)?;
            let (evidence, coupling, ended) =
                extend(&ready, &*v, Given::Own(v.clone()), false, &mut control)?;
            let status = judged(&ready, &evidence, ended.unwrap_or(Status::MaxIterations));
            let mut solution = ready.report(status, evidence, name);
            solution.seconds = control.seconds();
            Ok((solution, coupling))
        })
    }

    /// The problem with what the seed and a pilot sample decide.
    pub(super) fn ready(&self, settings: &Settings) -> Result<Ready> {
        let seed = settings.seed;
        let (source, target) = (self.drawn(0), self.drawn(1));
        let Scale { lambda, spread, unit } = self.scale(seed)?;
        Ok(Ready {
            problem: self.clone(),
            source,
            target,
            cost: self.cost.clone(),
            divergence: self.divergence.clone(),
            dim: self.source.dim(),
            lambda,
            spread,
            unit,
            seed,
            settings: *settings,
        })
    }
}

/// What the numbers of a problem are measured by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// λ in cost units.
    pub lambda: f64,
    /// Standard deviation of the costs on the pilot sample.
    pub spread: f64,
    /// That, or a stand-in where costs do not vary: the unit of tolerances.
    pub unit: f64,
}

/// Points of the target in the pilot.
const PILOT: usize = 256;

/// The problem as the solvers see it.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) problem: Continuous,
    pub(super) source: Drawn,
    pub(super) target: Drawn,
    pub(super) cost: Arc<dyn Cost>,
    pub(super) divergence: Arc<dyn Divergence>,
    pub(super) dim: usize,
    /// In cost units.
    pub(super) lambda: f64,
    /// Standard deviation of the costs on the pilot sample, and the unit of the tolerance: that, or a stand-in.
    pub(super) spread: f64,
    pub(super) unit: f64,
    pub(super) seed: u64,
    pub(super) settings: Settings,
}

/// Why a run ended in the middle of something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended(pub(super) Status);

/// One of the two measures.
#[derive(Debug)]
pub(super) struct Drawn {
    pub(super) source: Arc<dyn Source>,
    odd: u64,
}

/// Points of one side with their weights.
#[derive(Debug, Clone)]
pub(super) struct Side {
    /// Row-major.
    pub(super) points: Vec<f64>,
    pub(super) weights: Vec<f64>,
    /// These are all points there are, and not a sample.
    pub(super) whole: bool,
}

impl Drawn {
    /// Whether `n` points are enough for all that there are.
    pub(super) fn is_whole(&self, n: usize) -> bool {
        self.source.cloud().is_some_and(|cloud| cloud.len() <= n)
    }

    /// A sample of `n` points under a purpose; all points, if they are no more.
    pub(super) fn points(&self, purpose: u64, n: usize, seed: u64) -> Result<Side> {
        if self.is_whole(n)
            && let Some(cloud) = self.source.cloud()
        {
            let (dim, mut points, mut weights) = (self.source.dim(), Vec::new(), Vec::new());
            for (point, weight) in cloud.points().chunks_exact(dim).zip(cloud.probabilities()) {
                if weight > 0.0 {
                    points.extend_from_slice(point);
                    weights.push(weight);
                }
            }
            return Ok(Side { points, weights, whole: true });
        }
        let mut points = vec![0.0; n * self.source.dim()];
        Sampler::new(&*self.source, Design::Sobol, seed, 2 * purpose + self.odd).fill(0, &mut points)?;
        Ok(Side { points, weights: vec![1.0 / n as f64; n], whole: false })
    }

    /// Independent points, numbered from `start`.
    pub(super) fn independent(&self, purpose: u64, start: u64, n: usize, seed: u64) -> Result<Vec<f64>> {
        let mut points = vec![0.0; n * self.source.dim()];
        Sampler::new(&*self.source, Design::Iid, seed, 2 * purpose + self.odd).fill(start, &mut points)?;
        Ok(points)
    }
}

impl Side {
    pub(super) fn len(&self) -> usize {
        self.weights.len()
    }

    /// The first `n` points; all of a whole measure.
    pub(super) fn head(&self, n: usize) -> Side {
        if self.whole || n >= self.len() {
            return self.clone();
        }
        let dim = self.points.len() / self.len();
        Side { points: self.points[..n * dim].to_vec(), weights: vec![1.0 / n as f64; n], whole: false }
    }

    pub(super) fn mean(&self, values: &[f64]) -> f64 {
        // From the first value: a large constant costs no digits.
        let from = values.first().copied().unwrap_or(0.0);
        from + self.weights.iter().zip(values).map(|(w, v)| w * (v - from)).sum::<f64>()
    }

    pub(super) fn cloud(&self, dim: usize) -> Result<PointCloud> {
        if self.whole {
            PointCloud::weighted(dim, self.points.clone(), self.weights.clone())
        } else {
            PointCloud::new(dim, self.points.clone())
        }
    }
}

impl Ready {
    /// The result, of a run that ended like this.
    pub(super) fn report(&self, status: Status, evidence: Evidence, solver: String) -> Solution {
        Solution {
            status,
            value: evidence.value,
            interval: evidence.interval,
            bounds: evidence.bounds,
            gap: evidence.gap,
            marginal_error: evidence.marginals,
            samples: evidence.samples,
            seconds: 0.0,
            tolerance: self.settings.tolerance,
            cost_spread: self.spread,
            lambda: self.lambda,
            divergence: self.divergence.name(),
            cost: self.cost.name(),
            source: self.source.source.name(),
            target: self.target.source.name(),
            solver,
            seed: self.seed,
            bandwidth: None,
            step: None,
            history: Vec::new(),
        }
    }

    /// Cost and divergence.
    pub(super) fn forces(&self) -> (Arc<dyn Cost>, Arc<dyn Divergence>) {
        (self.cost.clone(), self.divergence.clone())
    }

    /// Transport between two samples, exactly: to `share` of the tolerance.
    pub(super) fn solve_between(
        &self,
        xs: &Side,
        ys: &Side,
        share: f64,
        progress: Progress<'_>,
        control: &mut Loop<'_>,
    ) -> Result<std::result::Result<transport::Solution, Ended>> {
        let source = Arc::new(xs.cloud(self.dim)?);
        let mut problem = SemiDiscrete::new(
            source,
            ys.cloud(self.dim)?,
            self.cost.clone(),
            self.divergence.clone(),
            Lambda::Absolute(self.lambda),
        )?;
        if ys.whole {
            problem = problem.reference(ys.weights.clone())?;
        }
        let settings = transport::Settings {
            tolerance: share * self.settings.tolerance,
            seed: self.seed,
            max_seconds: None,
            memory: self.settings.memory,
            ..transport::Settings::default()
        };
        let mut ended = None;
        let solution = {
            let mut watch = |inner: &Progress<'_>| {
                ended = control.check(&Progress { samples: inner.samples.max(progress.samples), ..progress });
                if ended.is_some() { Flow::Stop } else { Flow::Continue }
            };
            problem.solve(&settings, &mut watch)?
        };
        Ok(match ended {
            Some(status) => Err(Ended(status)),
            None => Ok(solution),
        })
    }
}
