//! The stochastic oracle: value and gradient of the dual on a batch of samples, in either precision.

use super::kernels::{add_rows, scores};
use super::problem::{Frozen, SemiDiscrete, is_entropic};
use crate::cost::Cost;
use crate::divergence::{Divergence, Row, Scratch};
use crate::error::{Error, Result};
use crate::measure::Soa;
use crate::simd::{self, Real};
use rayon::prelude::*;
use std::sync::{Arc, Mutex, PoisonError};

/// What the oracle needs of a number beyond arithmetic; f32 and f64 have it.
pub trait Scalar: Real + Send + Sync + Default {
    #[doc(hidden)]
    fn costs(cost: &dyn Cost, xs: &[Self], atoms: &Soa<Self>, out: &mut [Self]);
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

/// Scores are computed for as many samples at once as fill about this many bytes of the second-level cache.
const TILE: usize = 400_000;

/// A block of atoms takes so many bytes of a row; some rows of one stay in the first-level cache.
const BLOCK: usize = 2048;

/// Value and gradient of the dual's summand on batches of samples:
///
/// ```text
/// value    = ν·φ − (1/b) Σ_j smoothmax(φ − c(x_j, ·)),
/// gradient = ν − (1/b) Σ_j p(φ, x_j).
/// ```
///
/// Nothing is allocated from call to call of the same size. For divergences that are not smooth the gradient is a
/// subgradient. The atoms are those with mass, in their order.
#[derive(Debug)]
pub struct DualOracle<T> {
    cost: Arc<dyn Cost>,
    divergence: Arc<dyn Divergence>,
    entropic: bool,
    /// The atoms, in blocks of one length, but for the last.
    points: Vec<Soa<T>>,
    eta: Vec<T>,
    eta_double: Vec<f64>,
    eta_rest: f64,
    nu: Vec<T>,
    nu_double: Vec<f64>,
    lambda: f64,
    dim: usize,
    workers: Vec<Worker<T>>,
    /// As many as there were threads at work at once.
    rooms: Mutex<Vec<Room<T>>>,
}

#[derive(Debug)]
struct Worker<T> {
    q: Vec<T>,
    value: f64,
}

/// Where a share is computed.
#[derive(Debug, Default)]
struct Room<T> {
    tile: Vec<T>,
    u: Vec<f64>,
    weights: Vec<f64>,
    scratch: Scratch,
}

impl<T: Scalar> DualOracle<T> {
    pub(crate) fn new(problem: &Frozen) -> Self {
        let number = |v: &[f64]| v.iter().map(|&x| T::number(x)).collect();
        DualOracle {
            cost: problem.cost.clone(),
            divergence: problem.divergence.clone(),
            entropic: is_entropic(&*problem.divergence),
            points: (0..problem.atoms() as u32)
                .collect::<Vec<_>>()
                .chunks(BLOCK / size_of::<T>())
                .map(|block| {
                    let mut points = Soa::with_dim(problem.dim);
                    problem.points.gather(block, &mut points);
                    T::soa(&points, &vec![0.0; problem.dim])
                })
                .collect(),
            eta: number(&problem.eta),
            eta_double: problem.eta.clone(),
            eta_rest: problem.eta_rest,
            nu: number(&problem.nu),
            nu_double: problem.nu.clone(),
            lambda: problem.lambda,
            dim: problem.dim,
            workers: Vec::new(),
            rooms: Mutex::default(),
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
        workers.resize_with(shares.max(workers.len()), || Worker { q: vec![T::ZERO; n], value: 0.0 });
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
        // The last room that was given back is warm.
        let rooms = || self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let mut room = rooms().pop().unwrap_or_default();
        let rows = [16, 8].into_iter().find(|rows| rows * n * size_of::<T>() <= TILE).unwrap_or(4);
        room.tile.resize(rows * n, T::ZERO);
        w.q.fill(T::ZERO);
        w.value = 0.0;
        for xs in xs.chunks(rows * self.dim) {
            let samples = xs.len() / self.dim;
            let mut tops = [T::NEG_INFINITY; SHARE];
            self.scores(xs, phi, &mut room.tile[..samples * n], &mut tops);
            if tops.iter().any(|top| top.is_nan()) {
                w.value = f64::NAN;
            } else if self.entropic {
                self.add_entropic(w, &mut room.tile[..samples * n], &tops[..samples]);
            } else {
                self.add_any(w, &mut room, samples);
            }
        }
        rooms().push(room);
    }

    /// The scores φ − c, block by block, in each sample by sample, and the largest of each sample.
    fn scores(&self, xs: &[T], phi: &[T], tile: &mut [T], tops: &mut [T]) {
        let samples = xs.len() / self.dim;
        let mut from = 0;
        for points in &self.points {
            let width = points.len();
            let block = &mut tile[samples * from..samples * (from + width)];
            T::costs(&*self.cost, xs, points, block);
            for (u, top) in block.chunks_exact_mut(width).zip(&mut *tops) {
                let largest = scores(&phi[from..from + width], u);
                // NaN stays.
                if largest > *top || largest.is_nan() {
                    *top = largest;
                }
            }
            from += width;
        }
    }

    /// Log-sum-exps of scores that lie in blocks, and their gradients.
    fn add_entropic(&self, w: &mut Worker<T>, tile: &mut [T], tops: &[T]) {
        let samples = tops.len();
        let scale = T::number(1.0 / self.lambda);
        let mut sums = [0.0; SHARE];
        let mut rest = &mut *tile;
        for eta in self.eta.chunks(BLOCK / size_of::<T>()) {
            let block = rest.split_off_mut(..samples * eta.len()).expect("a block of each row");
            for ((u, top), sum) in block.chunks_exact_mut(eta.len()).zip(tops).zip(&mut sums) {
                *sum += simd::exp_weights_in_place(u, *top, scale, eta).double();
            }
        }
        let mut factors = [T::ZERO; SHARE];
        for ((factor, top), sum) in factors.iter_mut().zip(tops).zip(sums) {
            *factor = T::number(1.0 / sum);
            w.value += top.double() + self.lambda * sum.ln();
        }
        let mut rest = &*tile;
        for q in w.q.chunks_mut(BLOCK / size_of::<T>()) {
            let block = rest.split_off(..samples * q.len()).expect("a block of each row");
            add_rows(&factors[..samples], block, q);
        }
    }

    /// Any other smooth maximum.
    fn add_any(&self, w: &mut Worker<T>, room: &mut Room<T>, samples: usize) {
        let n = w.q.len();
        room.weights.resize(n, 0.0);
        for s in 0..samples {
            room.u.clear();
            for points in &self.points {
                let (from, width) = (room.u.len(), points.len());
                let u = &room.tile[samples * from + s * width..][..width];
                room.u.extend(u.iter().map(|u| u.double()));
            }
            let row = Row { u: &room.u, eta: &self.eta_double, eta_rest: self.eta_rest, lambda: self.lambda };
            w.value += self.divergence.solve(&row, None, &mut room.weights, &mut room.scratch).value;
            for (q, p) in w.q.iter_mut().zip(&room.weights) {
                *q += T::number(*p);
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
