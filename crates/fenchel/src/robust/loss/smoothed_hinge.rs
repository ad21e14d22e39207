//! A hinge with a rounded corner.

use super::{Derivatives, Entry, Labels, Loss, Parameter, Shape, number};
use crate::{Error, Result};
use std::sync::Arc;

pub(super) const ENTRY: Entry = Entry {
    name: "smoothed-hinge",
    parameter: Some(Parameter { symbol: "width", domain: "a finite number above 0", default: 1.0 }),
    summary: "hinge whose corner is a parabola of this width: margins, with a smooth loss",
    build: |width| Ok(Arc::new(SmoothedHinge::new(width)?)),
};

/// With m = 1 − yz, y = ±1: ℓ(z, y) = 0 for m ≤ 0, m²/(2γ) up to m = γ, m − γ/2 beyond;
/// ℓ*(a, y) = γb²/2 − b with b = −ay between 0 and 1.
///
/// Rennie and Srebro, Loss functions for preference levels (2005), for γ = 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SmoothedHinge {
    width: f64,
}

impl SmoothedHinge {
    /// With the width γ of the parabola.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless γ is finite and above 0.
    pub fn new(width: f64) -> Result<Self> {
        if !(width > 0.0 && width.is_finite()) {
            return Err(Error::invalid("width of smoothed-hinge", width, "a finite number above 0"));
        }
        Ok(SmoothedHinge { width })
    }
}

impl Loss for SmoothedHinge {
    fn name(&self) -> String {
        format!("{}:{}", ENTRY.name, self.width)
    }
    fn labels(&self) -> Labels {
        Labels::Sign
    }
    fn value(&self, z: &[f64], y: f64) -> f64 {
        let m = (1.0 - y * z[0]).max(0.0);
        if m < self.width { 0.5 * m * (m / self.width) } else { m - 0.5 * self.width }
    }
    fn derive(&self, z: &[f64], y: f64, at: Derivatives<'_>) -> f64 {
        let m = 1.0 - y * z[0];
        let bent = m > 0.0 && m < self.width;
        number(at, -y * (m / self.width).clamp(0.0, 1.0), if bent { 1.0 / self.width } else { 0.0 });
        self.value(z, y)
    }
    fn conjugate(&self, a: &[f64], y: f64) -> f64 {
        let b = -a[0] * y;
        if (0.0..=1.0).contains(&b) { b * (0.5 * self.width * b - 1.0) } else { f64::INFINITY }
    }
    fn shape(&self) -> Option<Shape> {
        Some(Shape { slopes: (0.0, 1.0), square: self.width, entropy: 0.0, margin: 1.0 })
    }
}
