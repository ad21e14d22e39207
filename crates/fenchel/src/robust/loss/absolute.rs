//! Least absolute deviations.

use super::{Derivatives, Entry, Labels, Loss, number};
use crate::{Error, Result};
use std::f64::consts::LN_2;
use std::sync::Arc;

pub(super) const ENTRY: Entry = Entry {
    name: "absolute",
    parameter: None,
    summary: "absolute error |z − y|: medians",
    build: |_| Ok(Arc::new(Absolute::default())),
};

/// ℓ(z, y) = |z − y|; ℓ*(a, y) = ay for |a| ≤ 1.
///
/// Smoothed with width w it is w log cosh(r/w), at most w log 2 below |r|.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Absolute {
    width: f64,
}

impl Absolute {
    /// w log cosh(r/w), with its limit |r| at w = 0.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless w is finite and at least 0.
    pub fn with_width(width: f64) -> Result<Self> {
        if !(width >= 0.0 && width.is_finite()) {
            return Err(Error::invalid("width of absolute", width, "a finite number, at least 0"));
        }
        Ok(Absolute { width })
    }
}

impl Loss for Absolute {
    fn name(&self) -> String {
        ENTRY.name.into()
    }
    fn labels(&self) -> Labels {
        Labels::Real
    }
    fn value(&self, z: &[f64], y: f64) -> f64 {
        let r = (z[0] - y).abs();
        if self.width > 0.0 { r + self.width * ((-2.0 * r / self.width).exp().ln_1p() - LN_2) } else { r }
    }
    fn derive(&self, z: &[f64], y: f64, at: Derivatives<'_>) -> f64 {
        let r = z[0] - y;
        if self.width > 0.0 {
            // 1 − tanh² without cancellation.
            let tail = (-2.0 * r.abs() / self.width).exp();
            let square = 4.0 * tail / ((1.0 + tail) * (1.0 + tail));
            number(at, r.signum() * (1.0 - tail) / (1.0 + tail), square / self.width);
        } else {
            number(at, if r == 0.0 { 0.0 } else { r.signum() }, 0.0);
        }
        self.value(z, y)
    }
    fn conjugate(&self, a: &[f64], y: f64) -> f64 {
        let a = a[0];
        if a.abs() > 1.0 {
            return f64::INFINITY;
        }
        // sup over r of ar − w log cosh(r/w) is w times log 2 less the entropy of ((1 + a)/2, (1 − a)/2).
        let half = |x: f64| if x > 0.0 { 0.5 * x * x.ln() } else { 0.0 };
        a * y + self.width * (half(1.0 + a) + half(1.0 - a))
    }
    fn is_smooth(&self) -> bool {
        self.width > 0.0
    }
    fn smoothed(&self, width: f64) -> Option<Arc<dyn Loss>> {
        Absolute::with_width(width).ok().map(|loss| Arc::new(loss) as Arc<dyn Loss>)
    }
}
