//! A cost made of a closure.

use super::Cost;
use std::fmt;

/// c(x, y) computed by `Fn(&[f64], &[f64]) -> f64`; it must return a finite number for finite points.
///
/// ```
/// use fenchel::cost::{Cost, CostFn};
/// let hops = CostFn::new("hops", |x: &[f64], y: &[f64]| (x[0] - y[0]).abs().ceil());
/// assert_eq!(hops.eval(&[0.2], &[2.9]), 3.0);
/// ```
pub struct CostFn<F> {
    name: String,
    cost: F,
}

impl<F: Fn(&[f64], &[f64]) -> f64 + Send + Sync> CostFn<F> {
    /// A cost under a name of its own.
    pub fn new(name: impl Into<String>, cost: F) -> Self {
        Self { name: name.into(), cost }
    }
}

impl<F> fmt::Debug for CostFn<F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "CostFn({})", self.name)
    }
}

impl<F: Fn(&[f64], &[f64]) -> f64 + Send + Sync> Cost for CostFn<F> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn eval(&self, x: &[f64], y: &[f64]) -> f64 {
        (self.cost)(x, y)
    }
}
