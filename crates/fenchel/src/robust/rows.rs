//! Rows at a point: losses, weights, and what they add to a gradient and a Hessian in (θ, α).

use super::design::scores_of;
use super::loss::{Loss, Slots};
use crate::divergence::Divergence;
use crate::simd::{add_gram, dot};

/// Some rows, column by column, and what is known of them at the point evaluated last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    pub ids: Vec<u32>,
    pub x: Vec<f64>,
    pub y: Vec<f64>,
    /// p̂.
    pub eta: Vec<f64>,
    pub losses: Vec<f64>,
    pub slope: Vec<f64>,
    curvature: Vec<f64>,
    z: Vec<f64>,
    w: Vec<f64>,
    column: Vec<f64>,
    a: Vec<f64>,
    gram: Vec<f64>,
}

/// Of a function of (θ, α): value, gradient, and the lower triangle of the Hessian.
#[derive(Debug)]
pub(crate) struct Derived<'a> {
    pub gradient: &'a mut [f64],
    pub hessian: &'a mut [f64],
}

impl Rows {
    /// Losses at θ, with their derivatives.
    pub(crate) fn evaluate(&mut self, loss: &dyn Loss, gamma: &[f64]) {
        let (n, k) = (self.y.len(), loss.scores());
        for (buffer, size) in [
            (&mut self.z, n * k),
            (&mut self.slope, n * k),
            (&mut self.curvature, n * k * k),
            (&mut self.losses, n),
            (&mut self.w, n),
            (&mut self.column, n),
        ] {
            buffer.resize(size, 0.0);
        }
        if n == 0 {
            return;
        }
        scores_of(&self.x, gamma, k, &mut self.column, &mut self.z);
        let slots =
            Slots { slope: &mut self.slope, curvature: &mut self.curvature, losses: &mut self.losses };
        loss.derive_all(&self.z, &self.y, slots);
    }

    /// Σ p̂ λ f*((ℓ − α)/λ) over the rows, times `share`.
    pub(crate) fn value(&self, f: &dyn Divergence, alpha: f64, lambda: f64, share: f64) -> f64 {
        let each = self.losses.iter().zip(&self.eta).filter(|(_, eta)| **eta > 0.0);
        share * lambda * each.map(|(loss, eta)| eta * f.conj((loss - alpha) / lambda)).sum::<f64>()
    }

    /// Adds `share` times the gradient and the Hessian of [`Rows::value`].
    pub(crate) fn add(&mut self, f: &dyn Divergence, alpha: f64, lambda: f64, share: f64, to: Derived<'_>) {
        let n = self.y.len();
        if n == 0 {
            return;
        }
        let m = self.x.len() / n;
        let k = self.slope.len() / n;
        let size = m * k + 1;
        let each = |rows: &Self, of: &dyn Fn(f64) -> f64, out: &mut [f64]| {
            for ((out, loss), eta) in out.iter_mut().zip(&rows.losses).zip(&rows.eta) {
                *out = if *eta > 0.0 { share * eta * of((loss - alpha) / lambda) } else { 0.0 };
            }
        };
        let mut w = std::mem::take(&mut self.w);
        each(self, &|s| f.conj_prime(s), &mut w);
        to.gradient[size - 1] -= w.iter().sum::<f64>();
        let mut column = std::mem::take(&mut self.column);
        for c in 0..k {
            for (r, out) in column.iter_mut().enumerate() {
                *out = w[r] * self.slope[r * k + c];
            }
            let gradient = &mut to.gradient[c * m..(c + 1) * m];
            gradient.iter_mut().zip(self.x.chunks_exact(n)).for_each(|(g, x)| *g += dot(&column, x));
            for other in 0..=c {
                for (r, out) in column.iter_mut().enumerate() {
                    *out = w[r] * self.curvature[(r * k + c) * k + other];
                }
                self.gram.clear();
                self.gram.resize(m * m, 0.0);
                add_gram(&self.x, &column, &mut self.gram);
                for r in 0..m {
                    for j in 0..if c == other { r + 1 } else { m } {
                        to.hessian[(c * m + r) * size + other * m + j] += self.gram[r.max(j) * m + r.min(j)];
                    }
                }
            }
        }
        // (∇ℓ, −1) ⊗ (∇ℓ, −1), weighed by (f*)''/λ.
        each(self, &|s| f.conj_second(s) / lambda, &mut w);
        if w.iter().any(|w| *w > 0.0) {
            self.a.clear();
            for c in 0..k {
                for x in self.x.chunks_exact(n) {
                    self.a.extend(x.iter().enumerate().map(|(r, x)| self.slope[r * k + c] * x));
                }
            }
            self.a.extend((0..n).map(|_| -1.0));
            add_gram(&self.a, &w, to.hessian);
        }
        (self.w, self.column) = (w, column);
    }

    /// Exchanges a row with one of others; what is known of both at the same point goes with them.
    pub(crate) fn swap(&mut self, r: usize, other: &mut Rows, q: usize) {
        let (n, k) = (self.y.len(), other.y.len());
        std::mem::swap(&mut self.ids[r], &mut other.ids[q]);
        for j in 0..self.x.len() / n {
            std::mem::swap(&mut self.x[j * n + r], &mut other.x[j * k + q]);
        }
        for (mine, theirs) in [
            (&mut self.y, &mut other.y),
            (&mut self.eta, &mut other.eta),
            (&mut self.losses, &mut other.losses),
        ] {
            std::mem::swap(&mut mine[r], &mut theirs[q]);
        }
        for (mine, theirs, count) in
            [(&mut self.slope, &mut other.slope, n), (&mut self.curvature, &mut other.curvature, n)]
        {
            let width = mine.len() / count;
            mine[r * width..(r + 1) * width].swap_with_slice(&mut theirs[q * width..(q + 1) * width]);
        }
    }
}
