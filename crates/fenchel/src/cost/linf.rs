//! The ∞-norm.

use super::Cost;
use super::kernel::{self, Metric};
use super::l1::sign;
use super::real::Real;
use crate::measure::Soa;
use crate::simd::{self, Simd};

/// max |x_k − y_k|.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Linf;

impl Metric for Linf {
    #[inline(always)]
    fn step<T: simd::Real, S: Simd<T>>(s: S, sum: S::V, difference: S::V) -> S::V {
        s.max(s.abs(difference), sum)
    }
}

impl Cost for Linf {
    fn name(&self) -> String {
        "linf".into()
    }

    fn eval(&self, x: &[f64], y: &[f64]) -> f64 {
        x.iter().zip(y).fold(0.0, |most, (x, y)| most.larger((x - y).abs()))
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
        let mut largest = (0, 0.0);
        for (k, (x, y)) in x.iter().zip(y).enumerate() {
            slope[k] = 0.0;
            if (y - x).abs() > f64::abs(largest.1) {
                largest = (k, y - x);
            }
        }
        slope[largest.0] = sign(largest.1);
        Some(largest.1.abs())
    }

    fn translation_invariant(&self) -> bool {
        true
    }

    fn is_symmetric(&self) -> bool {
        true
    }
}
