//! Kullback–Leibler divergence: the smooth maximum is log-sum-exp.

use std::sync::Arc;

use super::registry::{Entry, Parameter};
use super::solve::{fill_scores, solve_by_newton, top};
use super::{Divergence, Mass, Row, Scratch, Smoothed, pairwise, sweep};
use crate::simd;

pub(super) const ENTRY: Entry = Entry {
    name: "kl",
    parameter: Parameter::None,
    summary: "Kullback-Leibler: weights are a softmax, the value is log-sum-exp",
    examples: &["kl"],
    build: |_| Ok(Arc::new(Kl)),
};

/// f(t) = t log t − t + 1, (f*)'(s) = eˢ.
///
/// smoothmax(u) = λ log Σ η_i e^{u_i/λ}, the threshold equals the value and the weights are a softmax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kl;

/// t log t − t + 1 without cancellation in the logarithm near t = 1.
pub(super) fn kl_generator(t: f64) -> f64 {
    if t < 0.0 {
        f64::INFINITY
    } else if t == 0.0 {
        1.0
    } else if (t - 1.0).abs() < 0.5 {
        let d = t - 1.0;
        t * d.ln_1p() - d
    } else {
        t * t.ln() - t + 1.0
    }
}

impl Divergence for Kl {
    fn name(&self) -> String {
        ENTRY.name.into()
    }
    fn f(&self, t: f64) -> f64 {
        kl_generator(t)
    }
    fn f_prime(&self, t: f64) -> f64 {
        if t < 0.0 { f64::NEG_INFINITY } else { t.ln() }
    }
    fn conj(&self, s: f64) -> f64 {
        s.exp_m1()
    }
    fn conj_prime(&self, s: f64) -> f64 {
        s.exp()
    }
    fn conj_second(&self, s: f64) -> f64 {
        s.exp()
    }
    fn negligible_below(&self) -> f64 {
        -60.0 * std::f64::consts::LN_2
    }
    fn curvature(&self, t: f64) -> f64 {
        t
    }
    fn clipped_lipschitz(&self, _eta: f64) -> f64 {
        1.0
    }
    fn self_concordance(&self) -> f64 {
        1.0
    }
    fn counts_reference_mass(&self) -> bool {
        true
    }
    fn conj_excess(&self, y: f64) -> f64 {
        y.exp_m1() - y
    }
    fn weigh(&self, x: &[f64], eta: &[f64], theta: f64, p: &mut [f64]) -> Mass {
        let mass = sweep(x, eta, p, |_, x| ((x - theta).exp(), 0.0));
        Mass { sum: mass.sum, slope: mass.sum }
    }
    fn solve(&self, row: &Row<'_>, _start: Option<f64>, p: &mut [f64], scratch: &mut Scratch) -> Smoothed {
        let scale = 1.0 / row.lambda;
        let max = simd::max(row.u);
        if max.is_finite() && scale.is_normal() {
            let sum = simd::exp_weights(row.u, max, scale, Some(row.eta), p);
            // Below: the largest score may belong to an atom without reference mass. Above: the value is
            // so near the largest score that the logarithm deserves care.
            if sum > 1e-200 && sum <= 0.5 {
                let scale = 1.0 / sum;
                simd::vectorize(|| p.iter_mut().for_each(|p| *p *= scale));
                let offset = sum.ln();
                let value = max + row.lambda * offset;
                return Smoothed {
                    value,
                    threshold: value,
                    passes: 1,
                    anchor: max,
                    offset,
                    margin: f64::INFINITY,
                };
            }
        }
        self.solve_carefully(row, p, scratch)
    }
}

impl Kl {
    /// Any scores, reference and temperature; the logarithm is exact to rounding of what it is added to.
    fn solve_carefully(&self, row: &Row<'_>, p: &mut [f64], scratch: &mut Scratch) -> Smoothed {
        let n = row.u.len();
        scratch.reserve(n);
        let (max, at) = top(row.u, row.eta);
        if at == usize::MAX {
            return solve_by_newton(self, row, None, p, scratch);
        }
        let x = &mut scratch.x[..n];
        fill_scores(row, max, x);
        // The largest term aside, so that log1p sees what the others add to it.
        let largest = row.eta[at];
        let sum = simd::exp_weights(x, 0.0, 1.0, Some(row.eta), p);
        p[at] = 0.0;
        let others = simd::sum(p);
        p[at] = largest;
        let scale = 1.0 / sum;
        p.iter_mut().for_each(|p| *p *= scale);
        let total = simd::sum(row.eta);
        let offset = if sum > 0.5 && (total + row.eta_rest - 1.0).abs() < 1e-9 {
            // log Σ η e^x near 0: the error of log1p Σ η (e^x − 1) is relative to x, not to 1.
            let below = pairwise(n, |i| if row.eta[i] > 0.0 { row.eta[i] * x[i].exp_m1() } else { 0.0 });
            (below - row.eta_rest).ln_1p()
        } else {
            largest.ln() + (others / largest).ln_1p()
        };
        // Atoms left out add −λ·eta_rest to the dual, atoms here −λ Ση_i, and f* the opposite: nothing remains.
        let value = max + row.lambda * offset;
        Smoothed { value, threshold: value, passes: 2, anchor: max, offset, margin: f64::INFINITY }
    }
}
