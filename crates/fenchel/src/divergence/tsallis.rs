//! Tsallis divergences: power laws between and beyond Kullback–Leibler and χ².

use std::sync::Arc;

use super::registry::{Entry, Parameter};
use super::root::find_root;
use super::solve::{dual_value, fill_scores, normalise, solve_by_newton, top};
use super::{Divergence, Mass, Row, Scratch, Smoothed, pairwise, sweep};
use crate::error::{Error, Result};

pub(super) const ENTRY: Entry = Entry {
    name: "tsallis",
    parameter: Parameter::Required { symbol: "q", domain: "a number above 0 other than 1" },
    summary: "Tsallis: power-law weights, sparse for q > 1 (entmax), heavy-tailed for q < 1",
    examples: &["tsallis:1.5", "tsallis:0.5", "tsallis:2", "tsallis:3", "tsallis:0.1", "tsallis:1.01"],
    build: |q| Ok(Arc::new(Tsallis::new(q.unwrap_or(f64::NAN))?)),
};

/// f(t) = (t^q − t)/(q−1), (f*)'(s) = r^{1/(q−1)} with r = ((1 + (q−1)s)/q)₊.
///
/// q = 2 is [`ChiSquare`](super::ChiSquare); q → 1 tends to [`Kl`](super::Kl) in value and weights (the
/// threshold shifts by λ). With uniform η and λ = N^{1−q}/q the weights are the q-entmax of the scores.
///
/// For q < 1 the conjugate is finite only below s = 1/(1−q), and the threshold comes so close to that end when
/// η is small that it cannot be told from it; the search is then for the logarithm of the distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tsallis {
    q: f64,
}

impl Tsallis {
    /// Of order q.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless q is finite, above 0 and other than 1.
    pub fn new(q: f64) -> Result<Self> {
        if !(q > 0.0 && q.is_finite() && q != 1.0) {
            return Err(Error::invalid("q of tsallis", q, "a number above 0 other than 1 (for 1 use kl)"));
        }
        Ok(Tsallis { q })
    }

    /// q.
    pub fn q(&self) -> f64 {
        self.q
    }

    /// log r, from r − 1 = (q−1)(s−1)/q; −∞ where r ≤ 0.
    fn log_r(&self, s: f64) -> f64 {
        let d = (self.q - 1.0) * (s - 1.0) / self.q;
        if d <= -1.0 { f64::NEG_INFINITY } else { d.ln_1p() }
    }

    /// r^{1/(q−1)} for r ≥ 0.
    #[inline(always)]
    fn density(&self, r: f64) -> f64 {
        r.powf(1.0 / (self.q - 1.0))
    }

    /// Σ η_i r_i^{q/(q−1)} with r_i = (slope·(x_i − lowest))₊.
    fn power_sum(&self, x: &[f64], eta: &[f64], slope: f64, lowest: f64) -> f64 {
        // r^{q/(q−1)} = r·t, η first: a large density must not overflow.
        let r = |i: usize| (slope * (x[i] - lowest)).max(0.0);
        let sum = |t: &dyn Fn(f64) -> f64| {
            pairwise(x.len(), |i| {
                let t = t(r(i));
                if t > 0.0 && eta[i] > 0.0 { eta[i] * t * r(i) } else { 0.0 }
            })
        };
        match self.q {
            2.0 => pairwise(x.len(), |i| eta[i] * r(i) * r(i)),
            1.5 => pairwise(x.len(), |i| eta[i] * (r(i) * r(i)) * r(i)),
            0.5 => pairwise(x.len(), |i| if eta[i] > 0.0 { eta[i] / r(i) } else { 0.0 }),
            _ => sum(&|r| self.density(r)),
        }
    }

    /// q < 1: with δ = θ + 1/(1−q) > 0, r_i = ((1−q)/q)(δ − x_i), all of it positive; the search is in log δ.
    fn solve_in_distance(
        &self,
        row: &Row<'_>,
        start: Option<f64>,
        p: &mut [f64],
        scratch: &mut Scratch,
    ) -> Smoothed {
        let n = row.u.len();
        scratch.reserve(n);
        let (max, at) = top(row.u, row.eta);
        let x = &mut scratch.x[..n];
        fill_scores(row, max, x);
        let end = 1.0 / (1.0 - self.q);
        let slope = (1.0 - self.q) / self.q;
        let hi = -slope.ln() + 1e-12;
        let lo = hi + (1.0 - self.q) * row.eta[at].ln() - 2e-12;
        let warm = start.map(|tau| ((tau - max) / row.lambda + end).ln()).filter(|y| y.is_finite());
        let at = |y: f64, p: &mut [f64]| {
            let delta = y.exp();
            let mass = if self.q == 0.5 {
                sweep(x, row.eta, p, |_, x| {
                    let inverse = 1.0 / (delta - x);
                    (inverse * inverse, inverse * inverse * inverse)
                })
            } else {
                sweep(x, row.eta, p, |_, x| {
                    let r = slope * (delta - x);
                    let t = self.density(r);
                    (t, t / r)
                })
            };
            // dΣp/d log δ = −δ Σ η r^{−1/(1−q) − 1}/q; for q = ½ slope is 1 and 1/q is 2.
            Mass { sum: mass.sum, slope: mass.slope * delta / self.q }
        };
        let root = find_root(warm.unwrap_or(hi), lo.min(hi), hi, 0.0, |y| at(y, p));
        normalise(self, p, row.eta);
        let delta = root.theta.exp();
        let offset = delta - end;
        let value = dual_value(self, row, x, max, offset, |x| self.conj_sum_near_end(x, row.eta, delta));
        let threshold = max + row.lambda * offset;
        Smoothed { value, threshold, passes: root.passes, anchor: max, offset, margin: delta }
    }
}

impl Divergence for Tsallis {
    fn name(&self) -> String {
        format!("{}:{}", ENTRY.name, self.q)
    }
    fn f(&self, t: f64) -> f64 {
        if t < 0.0 {
            f64::INFINITY
        } else if t == 0.0 {
            0.0
        } else {
            t * ((self.q - 1.0) * t.ln()).exp_m1() / (self.q - 1.0)
        }
    }
    fn f_prime(&self, t: f64) -> f64 {
        // q t^{q−1} − 1 = t^{q−1}·(q−1) + (t^{q−1} − 1)
        let e = ((self.q - 1.0) * t.ln()).exp_m1();
        if e.is_infinite() { e / (self.q - 1.0) } else { 1.0 + e + e / (self.q - 1.0) }
    }
    fn conj(&self, s: f64) -> f64 {
        let log_r = self.log_r(s);
        (log_r * (self.q / (self.q - 1.0))).exp()
    }
    fn conj_prime(&self, s: f64) -> f64 {
        (self.log_r(s) / (self.q - 1.0)).exp()
    }
    fn conj_second(&self, s: f64) -> f64 {
        self.curvature(self.conj_prime(s))
    }
    fn s_max(&self) -> f64 {
        if self.q < 1.0 { 1.0 / (1.0 - self.q) } else { f64::INFINITY }
    }
    fn negligible_below(&self) -> f64 {
        if self.q > 1.0 { -1.0 / (self.q - 1.0) } else { f64::NEG_INFINITY }
    }
    fn curvature(&self, t: f64) -> f64 {
        if t > 0.0 { t.powf(2.0 - self.q) / self.q } else { 0.0 }
    }
    fn lipschitz(&self) -> f64 {
        if self.q == 2.0 { 0.5 } else { f64::INFINITY }
    }
    fn clipped_lipschitz(&self, eta: f64) -> f64 {
        if self.q > 2.0 { f64::INFINITY } else { eta.powf(self.q - 1.0) / self.q }
    }
    fn self_concordance(&self) -> f64 {
        // |(f*)'''|/(f*)'' = |2−q|/(q r): bounded only for q = 2, and for q < 1 up to the largest density used.
        if self.q == 2.0 { 0.0 } else { f64::INFINITY }
    }
    fn conj_excess(&self, y: f64) -> f64 {
        let q = self.q;
        (((q - 1.0) * y / q).max(-1.0).ln_1p() * (q / (q - 1.0))).exp_m1() - y
    }
    fn power(&self) -> f64 {
        self.q - 1.0
    }
    fn weigh(&self, x: &[f64], eta: &[f64], theta: f64, p: &mut [f64]) -> Mass {
        let lowest = theta - 1.0 / (self.q - 1.0);
        let slope = (self.q - 1.0) / self.q;
        match self.q {
            2.0 => sweep(x, eta, p, |_, x| {
                let r = 0.5 * (x - lowest).max(0.0);
                (r, if r > 0.0 { 0.5 } else { 0.0 })
            }),
            1.5 => sweep(x, eta, p, |_, x| {
                let r = (x - lowest).max(0.0) * slope;
                (r * r, r * (2.0 / 3.0))
            }),
            3.0 => sweep(x, eta, p, |_, x| {
                let t = ((x - lowest).max(0.0) * slope).sqrt();
                (t, if t > 0.0 { 1.0 / (3.0 * t) } else { 0.0 })
            }),
            q if q > 1.1 => sweep(x, eta, p, |_, x| {
                let r = slope * (x - lowest);
                if r > 0.0 {
                    let t = self.density(r);
                    (t, t / (q * r))
                } else {
                    (0.0, 0.0)
                }
            }),
            // Near 1 and below: from log r, as r itself is 1 to rounding.
            q => sweep(x, eta, p, |_, x| {
                let d = (q - 1.0) * (x - theta - 1.0) / q;
                if d > -1.0 {
                    let t = (d.ln_1p() / (q - 1.0)).exp();
                    (t, t / (q * (1.0 + d)))
                } else {
                    (self.conj_prime(x - theta), 0.0)
                }
            }),
        }
    }
    fn conj_sum(&self, x: &[f64], eta: &[f64], theta: f64) -> f64 {
        if self.q > 1.1 {
            return self.power_sum(x, eta, (self.q - 1.0) / self.q, theta - 1.0 / (self.q - 1.0));
        }
        pairwise(x.len(), |i| {
            let log_r = self.log_r(x[i] - theta);
            let t = (log_r / (self.q - 1.0)).exp();
            if t > 0.0 && eta[i] > 0.0 { eta[i] * t * log_r.exp() } else { 0.0 }
        })
    }
    fn conj_sum_near_end(&self, x: &[f64], eta: &[f64], margin: f64) -> f64 {
        if self.q > 1.0 {
            return self.conj_sum(x, eta, margin - self.s_max());
        }
        self.power_sum(x, eta, (self.q - 1.0) / self.q, margin)
    }
    fn solve(&self, row: &Row<'_>, start: Option<f64>, p: &mut [f64], scratch: &mut Scratch) -> Smoothed {
        let (_, at) = top(row.u, row.eta);
        if self.q > 1.0 || at == usize::MAX {
            solve_by_newton(self, row, start, p, scratch)
        } else if self.q > 0.9 && (1.0 - self.q) * row.eta[at].ln() > -1.0 {
            // Near 1 the end is far away, and a distance from it has few digits left.
            let margin = f64::INFINITY;
            Smoothed { margin, ..solve_by_newton(self, row, start, p, scratch) }
        } else {
            self.solve_in_distance(row, start, p, scratch)
        }
    }
}
