//! The 1-norm.

use super::Cost;
use super::kernel::{self, Metric};
use super::real::Real;
use crate::measure::Soa;

/// Σ |x_k − y_k|.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct L1;

impl Metric for L1 {
    const SCALED: bool = false;

    #[inline(always)]
    fn step<T: Real, const FUSED: bool>(sum: T, difference: T) -> T {
        sum + difference.abs()
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

    fn translation_invariant(&self) -> bool {
        true
    }
}
