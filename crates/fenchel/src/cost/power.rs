//! A power of a cost.

use super::Cost;
use super::pow::raise;
use crate::measure::Soa;
use crate::{Error, Result};
use std::sync::Arc;

/// c(x, y)^r for a cost c ≥ 0 and r > 0.
#[derive(Debug, Clone)]
pub struct Power {
    base: Arc<dyn Cost>,
    exponent: f64,
}

impl Power {
    /// `base` to the power of `exponent`.
    ///
    /// # Errors
    /// An exponent that is not a finite number above 0.
    pub fn new(base: Arc<dyn Cost>, exponent: f64) -> Result<Self> {
        if exponent.is_finite() && exponent > 0.0 {
            Ok(Self { base, exponent })
        } else {
            Err(Error::invalid("power", exponent, "a finite number above 0"))
        }
    }
}

impl Cost for Power {
    fn name(&self) -> String {
        format!("{}^{}", self.base.name(), self.exponent)
    }

    fn eval(&self, x: &[f64], y: &[f64]) -> f64 {
        self.base.eval(x, y).powf(self.exponent)
    }

    fn rows(&self, xs: &[f64], atoms: &Soa<f64>, out: &mut [f64]) {
        self.base.rows(xs, atoms, out);
        raise(out, self.exponent);
    }

    fn rows_f32(&self, xs: &[f32], atoms: &Soa<f32>, out: &mut [f32]) {
        self.base.rows_f32(xs, atoms, out);
        raise(out, self.exponent);
    }

    fn degree(&self) -> Option<f64> {
        self.base.degree().map(|d| d * self.exponent)
    }

    fn tangent(&self, x: &[f64], y: &[f64], slope: &mut [f64]) -> Option<f64> {
        if self.exponent < 1.0 {
            return None;
        }
        let base = self.base.tangent(x, y, slope)?;
        let rate = self.exponent * base.powf(self.exponent - 1.0);
        slope.iter_mut().for_each(|s| *s *= rate);
        Some(base.powf(self.exponent))
    }

    fn translation_invariant(&self) -> bool {
        self.base.translation_invariant()
    }

    fn is_symmetric(&self) -> bool {
        self.base.is_symmetric()
    }
}
