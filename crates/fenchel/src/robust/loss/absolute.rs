//! Least absolute deviations.

use super::{Derivatives, Entry, Labels, Loss, Shape, number};
use crate::robust::corner::{modulus, modulus_conjugate};
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

impl Loss for Absolute {
    fn name(&self) -> String {
        ENTRY.name.into()
    }
    fn labels(&self) -> Labels {
        Labels::Real
    }
    fn value(&self, z: &[f64], y: f64) -> f64 {
        modulus(z[0] - y, self.width).0
    }
    fn derive(&self, z: &[f64], y: f64, at: Derivatives<'_>) -> f64 {
        let (value, slope, curvature) = modulus(z[0] - y, self.width);
        number(at, slope, curvature);
        value
    }
    fn conjugate(&self, a: &[f64], y: f64) -> f64 {
        a[0] * y + modulus_conjugate(a[0], self.width)
    }
    fn is_smooth(&self) -> bool {
        self.width > 0.0
    }
    fn smoothed(&self, width: f64) -> Option<Arc<dyn Loss>> {
        (width >= 0.0 && width.is_finite()).then(|| Arc::new(Absolute { width }) as Arc<dyn Loss>)
    }
    fn shape(&self) -> Option<Shape> {
        (self.width == 0.0).then_some(Shape { slopes: (-1.0, 1.0), square: 0.0, entropy: 0.0, margin: 0.0 })
    }
}
