//! Poisson regression.

use super::{Derivatives, Entry, Labels, Loss, number};
use std::sync::Arc;

pub(super) const ENTRY: Entry = Entry {
    name: "poisson",
    parameter: None,
    summary: "half the deviance of counts with mean exp(z): y log(y/exp z) − y + exp z",
    build: |_| Ok(Arc::new(Poisson)),
};

/// ℓ(z, y) = e^z − yz + y log y − y, y ≥ 0: half the deviance, which is 0 where e^z = y.
/// ℓ*(a, y) = (b log b − b) − (y log y − y) with b = y + a ≥ 0.
///
/// The negative log-likelihood is larger by log y! − y log y + y. A robust fit would guard against that constant, largest
/// for large counts, as if it were an error of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Poisson;

/// x log x − x.
fn entropic(x: f64) -> f64 {
    if x > 0.0 { x * (x.ln() - 1.0) } else { 0.0 }
}

impl Loss for Poisson {
    fn name(&self) -> String {
        ENTRY.name.into()
    }
    fn labels(&self) -> Labels {
        Labels::Count
    }
    fn value(&self, z: &[f64], y: f64) -> f64 {
        if y == 0.0 {
            return z[0].exp();
        }
        // With s = z − log y: y (e^s − 1 − s).
        let s = z[0] - y.ln();
        if s.abs() < 1e-4 { y * s * s * (0.5 + s * (1.0 / 6.0 + s / 24.0)) } else { y * (s.exp_m1() - s) }
    }
    fn derive(&self, z: &[f64], y: f64, at: Derivatives<'_>) -> f64 {
        let mean = z[0].exp();
        let slope = if y == 0.0 { mean } else { y * (z[0] - y.ln()).exp_m1() };
        number(at, slope, mean);
        self.value(z, y)
    }
    fn conjugate(&self, a: &[f64], y: f64) -> f64 {
        let b = y + a[0];
        if b < 0.0 { f64::INFINITY } else { entropic(b) - entropic(y) }
    }
}
