//! Logistic regression.

use super::{Derivatives, Entry, Labels, Loss, Shape, number};
use crate::robust::corner::{entropy, logistic, softplus};
use std::sync::Arc;

pub(super) const ENTRY: Entry = Entry {
    name: "logistic",
    parameter: None,
    summary: "log(1 + exp(−yz)), y = ±1: probabilities of two classes",
    build: |_| Ok(Arc::new(Logistic)),
};

/// ℓ(z, y) = log(1 + e^{−yz}), y = ±1; ℓ*(a, y) = b log b + (1 − b) log(1 − b) with b = −ay between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Logistic;

impl Loss for Logistic {
    fn name(&self) -> String {
        ENTRY.name.into()
    }
    fn labels(&self) -> Labels {
        Labels::Sign
    }
    fn value(&self, z: &[f64], y: f64) -> f64 {
        softplus(-y * z[0])
    }
    fn derive(&self, z: &[f64], y: f64, at: Derivatives<'_>) -> f64 {
        let (wrong, bend) = logistic(-y * z[0]);
        number(at, -y * wrong, bend);
        softplus(-y * z[0])
    }
    fn conjugate(&self, a: &[f64], y: f64) -> f64 {
        let b = -a[0] * y;
        if (0.0..=1.0).contains(&b) { -entropy(b) } else { f64::INFINITY }
    }
    fn shape(&self) -> Option<Shape> {
        Some(Shape { slopes: (0.0, 1.0), square: 0.0, entropy: 1.0, margin: 0.0 })
    }
}
