//! Huber's loss.

use super::{Derivatives, Entry, Labels, Loss, Parameter, Shape, number};
use crate::{Error, Result};
use std::sync::Arc;

pub(super) const ENTRY: Entry = Entry {
    name: "huber",
    parameter: Some(Parameter { symbol: "delta", domain: "a finite number above 0", default: 1.345 }),
    summary: "half the square up to delta, linear beyond: means that outliers move little",
    build: |delta| Ok(Arc::new(Huber::new(delta)?)),
};

/// ℓ(z, y) = r²/2 for |r| ≤ δ and δ|r| − δ²/2 beyond, r = z − y; ℓ*(a, y) = a²/2 + ay for |a| ≤ δ.
///
/// δ is in the unit of y. Huber, Robust estimation of a location parameter (1964).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Huber {
    delta: f64,
}

impl Huber {
    /// With the residual δ at which the loss turns from quadratic to linear.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless δ is finite and above 0.
    pub fn new(delta: f64) -> Result<Self> {
        if !(delta > 0.0 && delta.is_finite()) {
            return Err(Error::invalid("delta of huber", delta, "a finite number above 0"));
        }
        Ok(Huber { delta })
    }
}

impl Loss for Huber {
    fn name(&self) -> String {
        format!("{}:{}", ENTRY.name, self.delta)
    }
    fn labels(&self) -> Labels {
        Labels::Real
    }
    fn value(&self, z: &[f64], y: f64) -> f64 {
        let r = (z[0] - y).abs();
        if r <= self.delta { 0.5 * r * r } else { self.delta * (r - 0.5 * self.delta) }
    }
    fn derive(&self, z: &[f64], y: f64, at: Derivatives<'_>) -> f64 {
        let r = z[0] - y;
        number(at, r.clamp(-self.delta, self.delta), f64::from(u8::from(r.abs() <= self.delta)));
        self.value(z, y)
    }
    fn conjugate(&self, a: &[f64], y: f64) -> f64 {
        if a[0].abs() > self.delta { f64::INFINITY } else { a[0] * (0.5 * a[0] + y) }
    }
    fn shape(&self) -> Option<Shape> {
        Some(Shape { slopes: (-self.delta, self.delta), square: 1.0, entropy: 0.0, margin: 0.0 })
    }
}
