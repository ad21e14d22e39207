//! Potentials: functions of a point.

use crate::cost::Cost;
use crate::divergence::{Divergence, Row, Scratch};
use crate::error::{Error, Result};
use crate::measure::{PointCloud, Soa, Source};
use crate::simd;
use rayon::prelude::*;
use std::fmt::Debug;
use std::sync::Arc;

/// A potential u or v: a function of a point, in cost units.
///
/// The engine has [`CTransform`] and [`KernelPotential`](super::KernelPotential); anything else that can be evaluated (a network) is
/// one by implementing this.
///
/// ```
/// use fenchel::transport::continuous::Potential;
///
/// #[derive(Debug)]
/// struct Norm;
///
/// impl Potential for Norm {
///     fn dim(&self) -> usize { 2 }
///     fn fill(&self, points: &[f64], values: &mut [f64]) {
///         for (x, value) in points.chunks_exact(2).zip(values) {
///             *value = x[0].hypot(x[1]);
///         }
///     }
/// }
///
/// assert_eq!(Norm.values(&[3.0, 4.0])?, [5.0]);
/// # Ok::<(), fenchel::Error>(())
/// ```
pub trait Potential: Debug + Send + Sync {
    /// Number of coordinates of a point.
    fn dim(&self) -> usize;

    /// The values at points (row-major), one for each.
    fn fill(&self, points: &[f64], values: &mut [f64]);

    /// The values at points (row-major).
    ///
    /// # Errors
    /// [`Error::Shape`] if `points` is no whole number of points, [`Error::NonFinite`] if a coordinate is not finite.
    fn values(&self, points: &[f64]) -> Result<Vec<f64>> {
        let dim = self.dim();
        if !points.len().is_multiple_of(dim) {
            return Err(Error::shape("points", format!("rows of {dim} numbers"), points.len()));
        }
        if let Some(at) = points.iter().position(|x| !x.is_finite()) {
            return Err(Error::non_finite(
                "points",
                format!("point {}, coordinate {}", at / dim, at % dim),
                points[at],
            ));
        }
        let mut values = vec![0.0; points.len() / dim];
        self.fill(points, &mut values);
        Ok(values)
    }
}

/// The best potential on one side given numbers φ_i at points y_i with weights η_i on the other:
///
/// ```text
/// u(x) = −τ,  τ the threshold of smoothmax(φ − c(x, ·)),   so that  Σ η_i (f*)'((u(x) + φ_i − c(x, y_i))/λ) = 1 at every x.
/// ```
///
/// For KL it is the smooth c-transform −smoothmax(φ − c(x, ·)) itself; for others that differs from it by λ Σ η_i f*(…).
#[derive(Debug, Clone)]
pub struct CTransform {
    points: Soa<f64>,
    phi: Vec<f64>,
    eta: Vec<f64>,
    cost: Arc<dyn Cost>,
    divergence: Arc<dyn Divergence>,
    lambda: f64,
}

/// Points that a worker takes at a time.
const TILE: usize = 16;

impl CTransform {
    /// Of φ at the points of `cloud`, whose weights are the reference. For the potential on the source's side `cost` is the problem's, for the
    /// one on the target's the [transposed](crate::cost::Transposed).
    ///
    /// # Errors
    /// [`Error::Shape`] if there are not as many numbers as points, [`Error::NonFinite`] if one is not finite, [`Error::InvalidValue`]
    /// if λ is not a finite number above 0.
    pub fn new(
        cloud: &PointCloud,
        phi: Vec<f64>,
        cost: Arc<dyn Cost>,
        divergence: Arc<dyn Divergence>,
        lambda: f64,
    ) -> Result<Self> {
        if phi.len() != cloud.len() {
            return Err(Error::shape("phi", format!("{} numbers, one a point", cloud.len()), phi.len()));
        }
        if let Some(i) = phi.iter().position(|v| !v.is_finite()) {
            return Err(Error::non_finite("phi", format!("index {i}"), phi[i]));
        }
        if !(lambda.is_finite() && lambda > 0.0) {
            return Err(Error::invalid("lambda", lambda, "a finite number above 0"));
        }
        let points = Soa::from_rows(Source::dim(cloud), cloud.points())?;
        Ok(CTransform { points, phi, eta: cloud.probabilities(), cost, divergence, lambda })
    }

    /// The numbers φ.
    pub fn phi(&self) -> &[f64] {
        &self.phi
    }
}

impl Potential for CTransform {
    fn dim(&self) -> usize {
        self.points.dim()
    }

    fn fill(&self, points: &[f64], values: &mut [f64]) {
        let n = self.phi.len();
        let room = || (vec![0.0; TILE * n], vec![0.0; n], Scratch::with_capacity(n));
        values.par_chunks_mut(TILE).zip(points.par_chunks(TILE * self.dim())).for_each_init(
            room,
            |(scores, p, scratch), (values, points)| {
                let scores = &mut scores[..values.len() * n];
                self.cost.rows(points, &self.points, scores);
                for (value, u) in values.iter_mut().zip(scores.chunks_exact_mut(n)) {
                    simd::vectorize(|| {
                        for (u, phi) in u.iter_mut().zip(&self.phi) {
                            *u = phi - *u;
                        }
                    });
                    let row = Row { u, eta: &self.eta, eta_rest: 0.0, lambda: self.lambda };
                    *value = -self.divergence.solve(&row, None, p, scratch).threshold;
                }
            },
        );
    }
}
