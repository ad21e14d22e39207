//! The stochastic oracle: value and gradient of the dual on a batch of samples, in either precision.

use super::kernels::{scores, scores_f32};
use super::problem::{Frozen, SemiDiscrete, is_entropic};
use crate::cost::Cost;
use crate::divergence::{Divergence, Row, Scratch};
use crate::error::{Error, Result};
use crate::measure::Soa;
use crate::simd::{self, Real};
use rayon::prelude::*;
use std::sync::Arc;

/// What the oracle needs of a number beyond arithmetic; f32 and f64 have it.
pub trait Scalar: Real + Send + Sync + Default {
    #[doc(hidden)]
    fn costs(cost: &dyn Cost, xs: &[Self], atoms: &Soa<Self>, out: &mut [Self]);
    #[doc(hidden)]
    fn scores(phi: &[Self], costs: &mut [Self]) -> Self;
    #[doc(hidden)]
    fn soa(points: &Soa<f64>, center: &[f64]) -> Soa<Self>;
    #[doc(hidden)]
    fn number(x: f64) -> Self;
    #[doc(hidden)]
    fn double(self) -> f64;
}

impl Scalar for f64 {
    fn costs(cost: &dyn Cost, xs: &[f64], atoms: &Soa<f64>, out: &mut [f64]) {
        cost.rows(xs, atoms, out);
    }
    fn scores(phi: &[f64], costs: &mut [f64]) -> f64 {
        scores(phi, costs)
    }
    fn soa(points: &Soa<f64>, _: &[f64]) -> Soa<f64> {
        points.clone()
    }
    fn number(x: f64) -> f64 {
        x
    }
    fn double(self) -> f64 {
        self
    }
}

impl Scalar for f32 {
    fn costs(cost: &dyn Cost, xs: &[f32], atoms: &Soa<f32>, out: &mut [f32]) {
        cost.rows_f32(xs, atoms, out);
    }
    fn scores(phi: &[f32], costs: &mut [f32]) -> f32 {
        scores_f32(phi, costs)
    }
    fn soa(points: &Soa<f64>, center: &[f64]) -> Soa<f32> {
        points.to_f32(center)
    }
    fn number(x: f64) -> f32 {
        x as f32
    }
    fn double(self) -> f64 {
        f64::from(self)
    }
}

/// Samples a worker takes at a time; fixed, so that sums have one order.
const SHARE: usize = 16;

/// Scores are computed for as many samples at once as fill about this many numbers.
const TILE: usize = 8192;

/// Value and gradient of the dual's summand on batches of samples:
///
/// ```text
/// value    = ν·φ − (1/b) Σ_j smoothmax(φ − c(x_j, ·)),
/// gradient = ν − (1/b) Σ_j p(φ, x_j).
/// ```
///
/// Nothing is allocated from call to call. For divergences that are not smooth the gradient is a
/// subgradient. The atoms are those with mass, in their order.
#[derive(Debug)]
pub struct DualOracle<T> {
    cost: Arc<dyn Cost>,
    divergence: Arc<dyn Divergence>,
    entropic: bool,
    points: Soa<T>,
    eta: Vec<T>,
    eta_double: Vec<f64>,
    eta_rest: f64,
    nu: Vec<T>,
    nu_double: Vec<f64>,
    lambda: f64,
    dim: usize,
    workers: Vec<Worker<T>>,
}

#[derive(Debug)]
struct Worker<T> {
    tile: Vec<T>,
    p: Vec<T>,
    q: Vec<T>,
    double: Vec<f64>,
    weights: Vec<f64>,
    value: f64,
    scratch: Scratch,
}

impl<T: Scalar> DualOracle<T> {
    pub(crate) fn new(problem: &Frozen) -> Self {
        let number = |v: &[f64]| v.iter().map(|&x| T::number(x)).collect();
        DualOracle {
            cost: problem.cost.clone(),
            divergence: problem.divergence.clone(),
            entropic: is_entropic(&*problem.divergence),
            points: T::soa(&problem.points, &vec![0.0; problem.dim]),
            eta: number(&problem.eta),
            eta_double: problem.eta.clone(),
            eta_rest: problem.eta_rest,
            nu: number(&problem.nu),
            nu_double: problem.nu.clone(),
            lambda: problem.lambda,
            dim: problem.dim,
            workers: Vec::new(),
        }
    }

    /// Number of atoms with mass.
    pub fn atoms(&self) -> usize {
        self.nu.len()
    }

    /// The weights ν of the atoms with mass.
    pub fn marginal(&self) -> &[f64] {
        &self.nu_double
    }

    /// Value of the dual on the batch `xs` (row-major) at `phi`; its gradient into `gradient`.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if a length does not fit.
    pub fn evaluate(&mut self, xs: &[T], phi: &[T], gradient: &mut [T]) -> Result<f64> {
        let n = self.atoms();
        if phi.len() != n || gradient.len() != n {
            return Err(Error::shape(
                "phi and gradient",
                format!("{n} numbers, one an atom with mass"),
                phi.len(),
            ));
        }
        if xs.is_empty() || !xs.len().is_multiple_of(self.dim) {
            return Err(Error::shape("xs", format!("rows of {} coordinates", self.dim), xs.len()));
        }
        let batch = xs.len() / self.dim;
        let shares = batch.div_ceil(SHARE);
        let mut workers = std::mem::take(&mut self.workers);
        workers.resize_with(shares.max(workers.len()), || Worker {
            tile: Vec::new(),
            p: vec![T::number(0.0); n],
            q: vec![T::number(0.0); n],
            double: vec![0.0; n],
            weights: vec![0.0; n],
            value: 0.0,
            scratch: Scratch::with_capacity(n),
        });
        let this = &*self;
        let work = |(w, xs): (&mut Worker<T>, &[T])| this.share(w, xs, phi);
        if shares == 1 {
            work((&mut workers[0], xs));
        } else {
            workers[..shares].par_iter_mut().zip(xs.par_chunks(SHARE * self.dim)).for_each(work);
        }
        let each = T::number(-1.0 / batch as f64);
        gradient.copy_from_slice(&self.nu);
        let mut smoothmax = 0.0;
        for w in &workers[..shares] {
            simd::axpy(each, &w.q, gradient);
            smoothmax += w.value;
        }
        self.workers = workers;
        let linear: f64 = self.nu_double.iter().zip(phi).map(|(v, p)| v * p.double()).sum();
        Ok(linear - smoothmax / batch as f64)
    }

    fn share(&self, w: &mut Worker<T>, xs: &[T], phi: &[T]) {
        let n = phi.len();
        let dim = self.dim;
        let tile_rows = (TILE / n).clamp(1, SHARE);
        w.tile.resize(tile_rows * n, T::number(0.0));
        w.q.fill(T::number(0.0));
        w.value = 0.0;
        for xs in xs.chunks(tile_rows * dim) {
            let tile = &mut w.tile[..xs.len() / dim * n];
            T::costs(&*self.cost, xs, &self.points, tile);
            for u in tile.chunks_exact_mut(n) {
                let top = T::scores(phi, u);
                if top.double().is_nan() {
                    w.value = f64::NAN;
                } else if self.entropic {
                    let scale = T::number(1.0 / self.lambda);
                    let sum = simd::exp_weights(u, top, scale, Some(&self.eta), &mut w.p).double();
                    w.value += top.double() + self.lambda * sum.ln();
                    simd::axpy(T::number(1.0 / sum), &w.p, &mut w.q);
                } else {
                    for (d, u) in w.double.iter_mut().zip(u.iter()) {
                        *d = u.double();
                    }
                    let row = Row {
                        u: &w.double,
                        eta: &self.eta_double,
                        eta_rest: self.eta_rest,
                        lambda: self.lambda,
                    };
                    w.value += self.divergence.solve(&row, None, &mut w.weights, &mut w.scratch).value;
                    for (q, p) in w.q.iter_mut().zip(&w.weights) {
                        *q += T::number(*p);
                    }
                }
            }
        }
    }
}

impl SemiDiscrete {
    /// The stochastic oracle of this problem's dual, for methods of one's own. `seed` is that of the pilot
    /// sample a relative λ rests on.
    ///
    /// # Errors
    ///
    /// As [`SemiDiscrete::solve`].
    ///
    /// ```
    /// use fenchel::transport::{DualOracle, Lambda, SemiDiscrete};
    /// use fenchel::{cost, divergence, measure};
    ///
    /// let atoms = measure::PointCloud::new(1, vec![-1.0, 1.0])?;
    /// let (source, cost) = (measure::parse("gaussian:1")?, cost::parse("sqeuclidean")?);
    /// let problem = SemiDiscrete::new(source, atoms, cost, divergence::parse("kl")?, Lambda::Absolute(1.0))?;
    /// let mut oracle: DualOracle<f64> = problem.oracle(0)?;
    /// let mut gradient = [0.0; 2];
    /// oracle.evaluate(&[0.3, -0.3], &[0.0, 0.0], &mut gradient)?;
    /// assert!(gradient[0].abs() < 1e-15);
    /// # Ok::<(), fenchel::Error>(())
    /// ```
    pub fn oracle<T: Scalar>(&self, seed: u64) -> Result<DualOracle<T>> {
        Ok(DualOracle::new(&self.freeze(seed)?))
    }
}
