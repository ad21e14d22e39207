//! The squared Euclidean distance.

use super::Cost;
use super::kernel::{self, Metric};
use crate::measure::Soa;
use crate::simd::{Real, Simd};

/// Σ (x_k − y_k)².
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqEuclidean;

impl Metric for SqEuclidean {
    #[inline(always)]
    fn step<T: Real, S: Simd<T>>(s: S, sum: S::V, difference: S::V) -> S::V {
        s.fma(difference, difference, sum)
    }
}

impl Cost for SqEuclidean {
    fn name(&self) -> String {
        "sqeuclidean".into()
    }

    fn eval(&self, x: &[f64], y: &[f64]) -> f64 {
        x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum()
    }

    fn rows(&self, xs: &[f64], atoms: &Soa<f64>, out: &mut [f64]) {
        kernel::rows::<f64, Self>(xs, atoms, out, |x, y| self.eval(x, y));
    }

    fn rows_f32(&self, xs: &[f32], atoms: &Soa<f32>, out: &mut [f32]) {
        kernel::rows::<f32, Self>(xs, atoms, out, |x, y| self.eval(x, y));
    }

    fn degree(&self) -> Option<f64> {
        Some(2.0)
    }

    fn tangent(&self, x: &[f64], y: &[f64], slope: &mut [f64]) -> Option<f64> {
        let mut sum = 0.0;
        for ((x, y), slope) in x.iter().zip(y).zip(slope) {
            sum += (y - x) * (y - x);
            *slope = 2.0 * (y - x);
        }
        Some(sum)
    }

    fn translation_invariant(&self) -> bool {
        true
    }

    fn is_symmetric(&self) -> bool {
        true
    }
}
