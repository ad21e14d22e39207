//! The check loss of quantile regression.

use super::{Derivatives, Entry, Labels, Loss, Parameter, Shape, number};
use crate::robust::corner::{ramp, ramp_conjugate};
use crate::{Error, Result};
use std::sync::Arc;

pub(super) const ENTRY: Entry = Entry {
    name: "quantile",
    parameter: Some(Parameter { symbol: "level", domain: "a number between 0 and 1", default: 0.5 }),
    summary: "level·(y − z) where z is below y, (1 − level)·(z − y) above: quantiles",
    build: |level| Ok(Arc::new(Quantile::new(level)?)),
};

/// ℓ(z, y) = τ(y − z) + (z − y)₊; ℓ*(a, y) = ay for −τ ≤ a ≤ 1 − τ.
///
/// Smoothed with width w its kink is w log(1 + e^{(z − y)/w}) less w log 2, at most w log 2 below.
/// Koenker and Bassett, Regression quantiles (1978).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantile {
    level: f64,
    width: f64,
}

impl Quantile {
    /// With the level τ of the quantile.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless 0 < τ < 1.
    pub fn new(level: f64) -> Result<Self> {
        if !(level > 0.0 && level < 1.0) {
            return Err(Error::invalid("level of quantile", level, "a number between 0 and 1"));
        }
        Ok(Quantile { level, width: 0.0 })
    }
}

impl Loss for Quantile {
    fn name(&self) -> String {
        format!("{}:{}", ENTRY.name, self.level)
    }
    fn labels(&self) -> Labels {
        Labels::Real
    }
    fn value(&self, z: &[f64], y: f64) -> f64 {
        let r = z[0] - y;
        ramp(r, self.width).0 - self.level * r
    }
    fn derive(&self, z: &[f64], y: f64, at: Derivatives<'_>) -> f64 {
        let r = z[0] - y;
        let (above, slope, curvature) = ramp(r, self.width);
        number(at, slope - self.level, curvature);
        above - self.level * r
    }
    fn conjugate(&self, a: &[f64], y: f64) -> f64 {
        a[0] * y + ramp_conjugate(a[0] + self.level, self.width)
    }
    fn is_smooth(&self) -> bool {
        self.width > 0.0
    }
    fn smoothed(&self, width: f64) -> Option<Arc<dyn Loss>> {
        (width >= 0.0 && width.is_finite()).then(|| Arc::new(Quantile { width, ..*self }) as Arc<dyn Loss>)
    }
    fn shape(&self) -> Option<Shape> {
        (self.width == 0.0).then_some(Shape {
            slopes: (-self.level, 1.0 - self.level),
            square: 0.0,
            entropy: 0.0,
            margin: 0.0,
        })
    }
}
