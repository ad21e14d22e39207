//! Stochastic gradient ascent in a reproducing space, step by step.

use super::basis::{Basis, KernelPotential, median_distance};
use super::problem::{Continuous, Drawn, purpose};
use super::settings::{Objective, Settings, Sgd, Solver};
use crate::cost::Cost;
use crate::divergence::Divergence;
use crate::error::{Error, Result};
use crate::measure::{Soa, stream};
use crate::simd;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Points of either side that are drawn and put into the basis together.
const CHUNK: usize = 2048;

/// Points that the basis and the bandwidth are chosen on.
const POOL: usize = 1024;

/// The stochastic methods for continuous transport as they are printed, to be watched step by step: [`Sgd`] has the formulas.
///
/// ```
/// use fenchel::transport::continuous::{Continuous, KernelAscent, Objective, Potential, Sgd};
/// use fenchel::transport::Lambda;
/// use fenchel::{cost, divergence, measure};
///
/// let problem = Continuous::new(
///     measure::parse("gaussian:1")?,
///     measure::parse("uniform:1")?,
///     cost::parse("sqeuclidean")?,
///     divergence::parse("kl")?,
///     Lambda::Absolute(0.5),
/// )?;
/// let sgd = Sgd { objective: Objective::Safe { rho: 0.1 }, step: Some(1.0), ..Sgd::default() };
/// let mut ascent = KernelAscent::new(&problem, sgd, 0)?;
/// ascent.run(1000)?;
/// assert!(ascent.is_finite());
/// let v = ascent.v();
/// assert!(v.values(&[0.1])? != v.values(&[0.9])?);
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct KernelAscent {
    setting: Arc<Setting>,
    walk: Walk,
    chunk: Option<Arc<Chunk>>,
}

/// What walks with different steps share.
#[derive(Debug)]
pub(super) struct Setting {
    source: Drawn,
    target: Drawn,
    cost: Arc<dyn Cost>,
    divergence: Arc<dyn Divergence>,
    lambda: f64,
    constant: bool,
    batch: usize,
    /// Of v, and of α where it is a function.
    bases: [Basis; 2],
    seed: u64,
}

/// Points under consecutive numbers, with their basis functions; a row a point.
#[derive(Debug)]
pub(super) struct Chunk {
    number: u64,
    points: [Vec<f64>; 2],
    functions: [Vec<f64>; 2],
}

/// Iterates after some steps.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Walk {
    /// C.
    pub(super) step: f64,
    /// Steps taken.
    pub(super) t: u64,
    pub(super) v: Vec<f64>,
    /// Coefficients of α, or the number.
    pub(super) alpha: Vec<f64>,
    /// Mean of v over the steps since `since`.
    pub(super) mean: Vec<f64>,
    pub(super) since: u64,
    #[serde(skip)]
    room: Room,
}

#[derive(Debug, Clone, Default)]
struct Room {
    v: Vec<f64>,
    alpha: Vec<f64>,
    by_y: Vec<f64>,
    by_x: Vec<f64>,
    costs: Vec<f64>,
}

impl Setting {
    pub(super) fn new(
        problem: &Continuous,
        sgd: &Sgd,
        (lambda, bandwidth_factor): (f64, f64),
        seed: u64,
    ) -> Result<Setting> {
        let (source, target) = (problem.drawn(0), problem.drawn(1));
        let divergence = sgd.objective.divergence(problem)?;
        let constant = matches!(sgd.objective, Objective::SafeConstant { .. });
        let dim = problem.source().dim();
        let basis = |drawn: &Drawn| -> Result<Basis> {
            let pool = drawn.points(purpose::FEATURES, POOL, seed)?.points;
            let bandwidth = sgd
                .space
                .bandwidth
                .unwrap_or_else(|| bandwidth_factor * median_distance(sgd.space.kernel, dim, &pool));
            let mut rng = stream(seed, purpose::FEATURES, 0);
            Ok(Basis::new(sgd.space.kernel, bandwidth, sgd.space.rank, dim, &pool, &mut rng))
        };
        let bases = [basis(&target)?, basis(&source)?];
        let cost = problem.cost().clone();
        Ok(Setting { source, target, cost, divergence, lambda, constant, batch: sgd.batch, bases, seed })
    }

    pub(super) fn bandwidth(&self) -> f64 {
        self.bases[0].bandwidth()
    }

    /// Points of a chunk, a whole number of batches.
    fn chunk_len(&self) -> usize {
        (CHUNK / self.batch).max(1) * self.batch
    }

    /// Steps that a chunk is enough for.
    pub(super) fn chunk_steps(&self) -> u64 {
        (self.chunk_len() / self.batch) as u64
    }

    pub(super) fn chunk(&self, number: u64) -> Result<Chunk> {
        let n = self.chunk_len();
        let start = number * n as u64;
        let ys = self.target.independent(purpose::STEPS, start, n, self.seed)?;
        let xs = self.source.independent(purpose::STEPS, start, n, self.seed)?;
        let functions = |basis: &Basis, points: &[f64]| {
            let mut out = vec![0.0; n * basis.len()];
            basis.fill(points, &mut out);
            out
        };
        let alpha = if self.constant { Vec::new() } else { functions(&self.bases[1], &xs) };
        Ok(Chunk { number, functions: [functions(&self.bases[0], &ys), alpha], points: [ys, xs] })
    }

    pub(super) fn start(&self, step: f64, since: u64) -> Walk {
        let r = if self.constant { 1 } else { self.bases[1].len() };
        let v = vec![0.0; self.bases[0].len()];
        Walk { step, since, mean: v.clone(), v, alpha: vec![0.0; r], ..Walk::default() }
    }

    pub(super) fn potential(&self, coefficients: &[f64]) -> KernelPotential {
        KernelPotential { basis: self.bases[0].clone(), coefficients: coefficients.to_vec(), offset: 0.0 }
    }

    /// The objective over all pairs of points of both sides.
    pub(super) fn value(&self, v: &[f64], alpha: &[f64], ys: &[f64], xs: &[f64]) -> Result<f64> {
        let dim = self.target.source.dim();
        let atoms = Soa::from_rows(dim, ys)?;
        let (n, m) = (ys.len() / dim, xs.len() / dim);
        let sums = |basis: &Basis, coefficients: &[f64], points: &[f64], n: usize| -> Vec<f64> {
            let r = basis.len();
            let mut rows = vec![0.0; n * r];
            basis.fill(points, &mut rows);
            rows.chunks_exact(r).map(|row| simd::dot(row, coefficients)).collect()
        };
        let vs = sums(&self.bases[0], v, ys, n);
        let alphas = if self.constant { vec![alpha[0]; m] } else { sums(&self.bases[1], alpha, xs, m) };
        let mut total = vs.iter().sum::<f64>() / n as f64 - alphas.iter().sum::<f64>() / m as f64;
        let mut costs = vec![0.0; n];
        for (x, alpha) in xs.chunks_exact(dim).zip(&alphas) {
            self.cost.rows(x, &atoms, &mut costs);
            let row: f64 =
                costs.iter().zip(&vs).map(|(c, v)| self.divergence.conj((v - c - alpha) / self.lambda)).sum();
            total -= self.lambda * row / (n as f64 * m as f64);
        }
        Ok(total)
    }
}

impl Walk {
    pub(super) fn is_finite(&self) -> bool {
        self.v.iter().chain(&self.alpha).all(|x| x.is_finite())
    }

    /// Steps through a chunk from where the walk is in it, at most `steps`; how many were taken.
    pub(super) fn through(&mut self, setting: &Setting, chunk: &Chunk, steps: u64) -> u64 {
        let per = setting.chunk_steps();
        let from = self.t - chunk.number * per;
        let count = steps.min(per - from);
        for k in from..from + count {
            self.one(setting, chunk, k as usize);
        }
        count
    }

    fn one(&mut self, setting: &Setting, chunk: &Chunk, k: usize) {
        let (b, dim) = (setting.batch, setting.target.source.dim());
        let (r, q) = (setting.bases[0].len(), setting.bases[1].len());
        let [ys, xs] = &chunk.points;
        let (ys, xs) = (&ys[k * b * dim..][..b * dim], &xs[k * b * dim..][..b * dim]);
        let phi = &chunk.functions[0][k * b * r..][..b * r];
        let psi = if setting.constant { &[][..] } else { &chunk.functions[1][k * b * q..][..b * q] };
        let Room { v, alpha, by_y, by_x, costs } = &mut self.room;
        v.clear();
        v.extend(phi.chunks_exact(r).map(|row| simd::dot(row, &self.v)));
        alpha.clear();
        if setting.constant {
            alpha.resize(b, self.alpha[0]);
        } else {
            alpha.extend(psi.chunks_exact(q).map(|row| simd::dot(row, &self.alpha)));
        }
        for sums in [&mut *by_y, &mut *by_x] {
            sums.clear();
            sums.resize(b, 0.0);
        }
        if b == 1 {
            costs.clear();
            costs.push(setting.cost.eval(xs, ys));
        } else if let Ok(atoms) = Soa::from_rows(dim, ys) {
            costs.resize(b * b, 0.0);
            setting.cost.rows(xs, &atoms, costs);
        }
        for ((row, alpha), by_x) in costs.chunks_exact(b).zip(&*alpha).zip(by_x.iter_mut()) {
            for ((c, v), by_y) in row.iter().zip(&*v).zip(by_y.iter_mut()) {
                let slope = 1.0 - setting.divergence.conj_prime((v - c - alpha) / setting.lambda);
                *by_x += slope;
                *by_y += slope;
            }
        }
        self.t += 1;
        let size = self.step / (self.t as f64).sqrt() / (b * b) as f64;
        for (row, slope) in phi.chunks_exact(r).zip(&*by_y) {
            simd::axpy(size * slope, row, &mut self.v);
        }
        if setting.constant {
            self.alpha[0] -= size * by_x.iter().sum::<f64>();
        } else {
            for (row, slope) in psi.chunks_exact(q).zip(&*by_x) {
                simd::axpy(-size * slope, row, &mut self.alpha);
            }
        }
        if self.t > self.since {
            let share = 1.0 / (self.t - self.since) as f64;
            simd::vectorize(|| {
                for (mean, v) in self.mean.iter_mut().zip(&self.v) {
                    *mean += share * (v - *mean);
                }
            });
        }
    }
}

impl KernelAscent {
    /// At v = 0, α = 0, with the step size that `sgd` names.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for settings outside their domain, no step size, or a safe objective for another divergence than KL.
    pub fn new(problem: &Continuous, sgd: Sgd, seed: u64) -> Result<Self> {
        let settings = Settings { solver: Solver::Sgd(sgd), seed, ..Settings::default() };
        settings.validate()?;
        let step =
            sgd.step.ok_or_else(|| Error::invalid("step", "not given", "given: nothing is tried here"))?;
        let lambda = problem.ready(&settings)?.lambda;
        let setting = Setting::new(problem, &sgd, (lambda, 1.0), seed)?;
        let walk = setting.start(step, u64::MAX);
        Ok(KernelAscent { setting: Arc::new(setting), walk, chunk: None })
    }

    /// Takes so many steps more.
    ///
    /// # Errors
    /// [`Error::NonFinite`] if a source draws a number that is not finite.
    pub fn run(&mut self, steps: u64) -> Result<()> {
        let end = self.walk.t + steps;
        while self.walk.t < end {
            let number = self.walk.t / self.setting.chunk_steps();
            let chunk = match &self.chunk {
                Some(chunk) if chunk.number == number => chunk.clone(),
                _ => Arc::new(self.setting.chunk(number)?),
            };
            self.walk.through(&self.setting, &chunk, end - self.walk.t);
            self.chunk = Some(chunk);
        }
        Ok(())
    }

    /// The first `n` points of source and target (row-major) that steps are taken with.
    ///
    /// # Errors
    /// [`Error::NonFinite`] if a source draws a number that is not finite.
    pub fn points(&self, n: usize) -> Result<(Vec<f64>, Vec<f64>)> {
        let draw = |drawn: &Drawn| drawn.independent(purpose::STEPS, 0, n, self.setting.seed);
        Ok((draw(&self.setting.source)?, draw(&self.setting.target)?))
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.walk.t
    }

    /// Whether all coefficients still are finite numbers.
    pub fn is_finite(&self) -> bool {
        self.walk.is_finite()
    }

    /// v after these steps.
    pub fn v(&self) -> KernelPotential {
        self.setting.potential(&self.walk.v)
    }

    /// α after these steps: a function, or where it is one number a sum of no functions with that offset.
    pub fn alpha(&self) -> KernelPotential {
        let (coefficients, offset) = if self.setting.constant {
            (vec![0.0; self.setting.bases[1].len()], self.walk.alpha[0])
        } else {
            (self.walk.alpha.clone(), 0.0)
        };
        KernelPotential { basis: self.setting.bases[1].clone(), coefficients, offset }
    }

    /// The objective that is ascended, over all pairs of points `xs` and `ys` (row-major).
    ///
    /// # Errors
    /// [`Error::Shape`] if they are no whole number of points.
    pub fn value(&self, xs: &[f64], ys: &[f64]) -> Result<f64> {
        self.setting.value(&self.walk.v, &self.walk.alpha, ys, xs)
    }
}
