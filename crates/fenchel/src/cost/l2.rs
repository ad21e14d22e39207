//! The Euclidean distance.

use super::Cost;
use super::kernel::{self, Metric};
use super::real::Real;
use crate::measure::Soa;
use crate::simd::{self, Simd};

/// (Σ (x_k − y_k)²)^½, scaled where the squares would leave the range of the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct L2;

impl Metric for L2 {
    const ROOT: bool = true;

    #[inline(always)]
    fn step<T: simd::Real, S: Simd<T>>(s: S, sum: S::V, difference: S::V) -> S::V {
        s.fma(difference, difference, sum)
    }
}

impl Cost for L2 {
    fn name(&self) -> String {
        "l2".into()
    }

    fn eval(&self, x: &[f64], y: &[f64]) -> f64 {
        let sum: f64 = x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum();
        if sum > f64::SAFE.0 && sum < f64::SAFE.1 {
            return sum.sqrt();
        }
        let largest = super::Linf.eval(x, y);
        if largest == 0.0 || largest.is_infinite() {
            return largest;
        }
        largest * x.iter().zip(y).map(|(x, y)| ((x - y) / largest).powi(2)).sum::<f64>().sqrt()
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
        let cost = self.eval(x, y);
        for ((x, y), slope) in x.iter().zip(y).zip(slope) {
            *slope = if cost > 0.0 { (y - x) / cost } else { 0.0 };
        }
        Some(cost)
    }

    fn translation_invariant(&self) -> bool {
        true
    }

    fn is_symmetric(&self) -> bool {
        true
    }
}
