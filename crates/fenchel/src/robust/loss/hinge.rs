//! The hinge of support vector machines.

use super::{Derivatives, Entry, Labels, Loss, Shape, number};
use crate::robust::corner::{ramp, ramp_conjugate};
use std::sync::Arc;

pub(super) const ENTRY: Entry = Entry {
    name: "hinge",
    parameter: None,
    summary: "(1 − yz)₊, y = ±1: margins",
    build: |_| Ok(Arc::new(Hinge::default())),
};

/// ℓ(z, y) = (1 − yz)₊, y = ±1; ℓ*(a, y) = ay for −1 ≤ ay ≤ 0.
///
/// Smoothed with width w it is w log(1 + e^{(1 − yz)/w}) less w log 2, at most w log 2 below.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Hinge {
    width: f64,
}

impl Loss for Hinge {
    fn name(&self) -> String {
        ENTRY.name.into()
    }
    fn labels(&self) -> Labels {
        Labels::Sign
    }
    fn value(&self, z: &[f64], y: f64) -> f64 {
        ramp(1.0 - y * z[0], self.width).0
    }
    fn derive(&self, z: &[f64], y: f64, at: Derivatives<'_>) -> f64 {
        let (value, slope, curvature) = ramp(1.0 - y * z[0], self.width);
        number(at, -y * slope, curvature);
        value
    }
    fn conjugate(&self, a: &[f64], y: f64) -> f64 {
        let b = -a[0] * y;
        ramp_conjugate(b, self.width) - b
    }
    fn is_smooth(&self) -> bool {
        self.width > 0.0
    }
    fn smoothed(&self, width: f64) -> Option<Arc<dyn Loss>> {
        (width >= 0.0 && width.is_finite()).then(|| Arc::new(Hinge { width }) as Arc<dyn Loss>)
    }
    fn shape(&self) -> Option<Shape> {
        (self.width == 0.0).then_some(Shape { slopes: (0.0, 1.0), square: 0.0, entropy: 0.0, margin: 1.0 })
    }
}
