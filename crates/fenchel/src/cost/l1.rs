//! The 1-norm.

use super::Cost;
use super::kernel::{self, Metric};
use crate::measure::Soa;
use crate::simd::{Real, Simd};

/// Σ |x_k − y_k|.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct L1;

impl Metric for L1 {
    #[inline(always)]
    fn step<T: Real, S: Simd<T>>(s: S, sum: S::V, difference: S::V) -> S::V {
        s.add(sum, s.abs(difference))
    }
}

impl Cost for L1 {
    fn name(&self) -> String {
        "l1".into()
    }

    fn eval(&self, x: &[f64], y: &[f64]) -> f64 {
        x.iter().zip(y).map(|(x, y)| (x - y).abs()).sum()
    }

    fn rows(&self, xs: &[f64], atoms: &Soa<f64>, out: &mut [f64]) {
        kernel::rows::<f64, Self>(xs, atoms, out, |x, y| self.eval(x, y));
    }

    fn rows_f32(&self, xs: &[f32], atoms: &Soa<f32>, out: &mut [f32]) {
        kernel::rows::<f32, Self>(xs, atoms, out, |x, y| self.eval(x, y));
    }

    fn degree(&self) -> Option<f64> {
        Some(1.0)
    }

    fn tangent(&self, x: &[f64], y: &[f64], slope: &mut [f64]) -> Option<f64> {
        for ((x, y), slope) in x.iter().zip(y).zip(slope) {
            *slope = sign(y - x);
        }
        Some(self.eval(x, y))
    }

    fn translation_invariant(&self) -> bool {
        true
    }

    fn is_symmetric(&self) -> bool {
        true
    }
}

/// A slope of |t|.
pub(super) fn sign(t: f64) -> f64 {
    if t == 0.0 { 0.0 } else { t.signum() }
}
