//! χ² divergence: sparse weights, the sparsemax of Martins and Astudillo when η is uniform.

use std::sync::Arc;

use super::registry::{Entry, Parameter};
use super::{Divergence, Mass, pairwise, sweep};

pub(super) const ENTRY: Entry = Entry {
    name: "chi2",
    parameter: Parameter::None,
    summary: "chi-square: weights are piecewise linear in the scores and sparse",
    examples: &["chi2"],
    build: |_| Ok(Arc::new(ChiSquare)),
};

/// f(t) = t² − t, (f*)'(s) = (s+1)₊/2.
///
/// Σp is piecewise linear and convex in the threshold, so Newton's method is an active-set method that ends
/// exactly, after as many passes as the active set changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChiSquare;

impl Divergence for ChiSquare {
    fn name(&self) -> String {
        ENTRY.name.into()
    }
    fn f(&self, t: f64) -> f64 {
        if t < 0.0 { f64::INFINITY } else { t * (t - 1.0) }
    }
    fn f_prime(&self, t: f64) -> f64 {
        2.0 * t - 1.0
    }
    fn conj(&self, s: f64) -> f64 {
        let r = (s + 1.0).max(0.0);
        0.25 * r * r
    }
    fn conj_prime(&self, s: f64) -> f64 {
        0.5 * (s + 1.0).max(0.0)
    }
    fn conj_second(&self, s: f64) -> f64 {
        if s > -1.0 { 0.5 } else { 0.0 }
    }
    fn negligible_below(&self) -> f64 {
        -1.0
    }
    fn curvature(&self, t: f64) -> f64 {
        if t > 0.0 { 0.5 } else { 0.0 }
    }
    fn lipschitz(&self) -> f64 {
        0.5
    }
    fn self_concordance(&self) -> f64 {
        0.0
    }
    fn conj_excess(&self, y: f64) -> f64 {
        if y > -2.0 { 0.25 * y * y } else { -1.0 - y }
    }
    fn power(&self) -> f64 {
        1.0
    }
    fn weigh(&self, x: &[f64], eta: &[f64], theta: f64, p: &mut [f64]) -> Mass {
        let lowest = theta - 1.0;
        sweep(x, eta, p, |_, x| {
            let r = (x - lowest).max(0.0);
            (0.5 * r, if r > 0.0 { 0.5 } else { 0.0 })
        })
    }
    fn conj_sum(&self, x: &[f64], eta: &[f64], theta: f64) -> f64 {
        let lowest = theta - 1.0;
        pairwise(x.len(), |i| {
            let r = 0.5 * (x[i] - lowest).max(0.0);
            // In this order the square of a large density cannot overflow before η brings it back.
            eta[i] * r * r
        })
    }
}
