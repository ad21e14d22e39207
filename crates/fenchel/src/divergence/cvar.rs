//! Conditional value at risk: the mean of the worst fraction α.

use std::sync::Arc;

use super::registry::{Entry, Parameter};
use super::solve::quantile_atom;
use super::{Divergence, KlCvar, Row, Scratch, Smoothed, pairwise};
use crate::error::{Error, Result};

pub(super) const ENTRY: Entry = Entry {
    name: "cvar",
    parameter: Parameter::Required { symbol: "alpha", domain: "a number above 0 and at most 1" },
    summary: "conditional value at risk: the mean of the largest fraction alpha",
    examples: &["cvar:0.1", "cvar:0.5", "cvar:1"],
    build: |alpha| Ok(Arc::new(Cvar::new(alpha.unwrap_or(f64::NAN))?)),
};

/// f = 0 on \[0, 1/α\], f*(s) = s₊/α.
///
/// The smooth maximum is the mean of the largest scores that together have reference mass α; the threshold is
/// the upper α-quantile. Solved by selection in O(N): atoms above the quantile have weight η_i/α, those that
/// tie with it share what is left in proportion to η.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cvar {
    alpha: f64,
}

impl Cvar {
    /// The mean of the largest fraction α.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless 0 < α ≤ 1.
    pub fn new(alpha: f64) -> Result<Self> {
        if !(alpha > 0.0 && alpha <= 1.0) {
            return Err(Error::invalid("alpha of cvar", alpha, "a number above 0 and at most 1"));
        }
        Ok(Cvar { alpha })
    }

    /// α.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }
}

impl Divergence for Cvar {
    fn name(&self) -> String {
        format!("{}:{}", ENTRY.name, self.alpha)
    }
    fn f(&self, t: f64) -> f64 {
        if t < 0.0 || t > self.cap() { f64::INFINITY } else { 0.0 }
    }
    fn f_prime(&self, t: f64) -> f64 {
        if t > self.cap() { f64::INFINITY } else { 0.0 }
    }
    fn conj(&self, s: f64) -> f64 {
        s.max(0.0) / self.alpha
    }
    fn conj_prime(&self, s: f64) -> f64 {
        if s > 0.0 { self.cap() } else { 0.0 }
    }
    fn conj_second(&self, _s: f64) -> f64 {
        0.0
    }
    fn cap(&self) -> f64 {
        1.0 / self.alpha
    }
    fn negligible_below(&self) -> f64 {
        0.0
    }
    fn curvature(&self, _t: f64) -> f64 {
        0.0
    }
    fn is_smooth(&self) -> bool {
        false
    }
    fn smoothed(&self) -> Option<Arc<dyn Divergence>> {
        KlCvar::new(self.alpha).ok().map(|d| Arc::new(d) as Arc<dyn Divergence>)
    }
    fn solve(&self, row: &Row<'_>, _start: Option<f64>, p: &mut [f64], scratch: &mut Scratch) -> Smoothed {
        let n = row.u.len();
        scratch.reserve(n);
        let at = quantile_atom(row, self.alpha, &mut scratch.order[..n]);
        if at == usize::MAX {
            p.fill(0.0);
            let value = f64::NEG_INFINITY;
            return Smoothed {
                value,
                threshold: value,
                passes: 0,
                anchor: 0.0,
                offset: value,
                margin: f64::INFINITY,
            };
        }
        let threshold = row.u[at];
        let (cap, u, eta) = (self.cap(), row.u, row.eta);
        for i in 0..n {
            p[i] = if u[i] > threshold { eta[i] * cap } else { 0.0 };
        }
        let above = pairwise(n, |i| p[i]);
        let tied = pairwise(n, |i| if u[i] == threshold { eta[i] } else { 0.0 });
        let density = ((1.0 - above) / tied).clamp(0.0, cap);
        for i in 0..n {
            if u[i] == threshold {
                p[i] = density * eta[i];
            }
        }
        let value = pairwise(n, |i| if p[i] > 0.0 { p[i] * u[i] } else { 0.0 });
        Smoothed { value, threshold, passes: 1, anchor: threshold, offset: 0.0, margin: f64::INFINITY }
    }
}
