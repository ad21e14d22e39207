//! Least squares.

use super::{Derivatives, Entry, Labels, Loss, Shape, number};
use std::sync::Arc;

pub(super) const ENTRY: Entry = Entry {
    name: "squared",
    parameter: None,
    summary: "squared error (z − y)²: means",
    build: |_| Ok(Arc::new(Squared)),
};

/// ℓ(z, y) = (z − y)², without a half; ℓ*(a, y) = a²/4 + ay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Squared;

impl Loss for Squared {
    fn name(&self) -> String {
        ENTRY.name.into()
    }
    fn labels(&self) -> Labels {
        Labels::Real
    }
    fn value(&self, z: &[f64], y: f64) -> f64 {
        (z[0] - y) * (z[0] - y)
    }
    fn derive(&self, z: &[f64], y: f64, at: Derivatives<'_>) -> f64 {
        let r = z[0] - y;
        number(at, 2.0 * r, 2.0);
        r * r
    }
    fn conjugate(&self, a: &[f64], y: f64) -> f64 {
        a[0] * (0.25 * a[0] + y)
    }
    fn shape(&self) -> Option<Shape> {
        Some(Shape { slopes: (f64::NEG_INFINITY, f64::INFINITY), square: 0.5, entropy: 0.0, margin: 0.0 })
    }
}
