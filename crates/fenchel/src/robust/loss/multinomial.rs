//! Softmax cross-entropy.

use super::{Derivatives, Entry, Labels, Loss};
use crate::{Error, Result};
use std::sync::Arc;

pub(super) const ENTRY: Entry = Entry {
    name: "multinomial",
    parameter: None,
    summary: "softmax cross-entropy: probabilities of several classes",
    build: |_| Ok(Arc::new(Multinomial { classes: 2 })),
};

/// ℓ(z, y) = log Σ_k e^{z_k} − z_y for classes y = 0 … K − 1; ℓ*(a, y) = Σ b_k log b_k with b = a + e_y in the simplex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Multinomial {
    classes: usize,
}

impl Multinomial {
    /// For K classes.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless K is at least 2.
    pub fn new(classes: usize) -> Result<Self> {
        if classes < 2 {
            return Err(Error::invalid("classes of multinomial", classes, "at least 2"));
        }
        Ok(Multinomial { classes })
    }
}

impl Loss for Multinomial {
    fn name(&self) -> String {
        ENTRY.name.into()
    }
    fn labels(&self) -> Labels {
        Labels::Class
    }
    fn scores(&self) -> usize {
        self.classes
    }
    fn for_classes(&self, classes: usize) -> Option<Arc<dyn Loss>> {
        Multinomial::new(classes).ok().map(|loss| Arc::new(loss) as Arc<dyn Loss>)
    }
    fn value(&self, z: &[f64], y: f64) -> f64 {
        let own = z[y as usize];
        let (mut top, mut at) = (f64::NEG_INFINITY, 0);
        for (k, z) in z.iter().enumerate() {
            if *z > top {
                (top, at) = (*z, k);
            }
        }
        let rest: f64 = z.iter().enumerate().filter(|(k, _)| *k != at).map(|(_, z)| (z - top).exp()).sum();
        (top - own) + rest.ln_1p()
    }
    fn derive(&self, z: &[f64], y: f64, at: Derivatives<'_>) -> f64 {
        let (y_at, k) = (y as usize, self.classes);
        let top = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let p = at.slope;
        for (p, z) in p.iter_mut().zip(z) {
            *p = (z - top).exp();
        }
        let total: f64 = p.iter().sum();
        p.iter_mut().for_each(|p| *p /= total);
        for i in 0..k {
            // p_i (1 − p_i) as p_i times the others, which does not cancel.
            let others: f64 = (0..k).filter(|j| *j != i).map(|j| p[j]).sum();
            for j in 0..k {
                at.curvature[i * k + j] = if i == j { p[i] * others } else { -p[i] * p[j] };
            }
        }
        let others: f64 = (0..k).filter(|j| *j != y_at).map(|j| p[j]).sum();
        p[y_at] = -others;
        self.value(z, y)
    }
    fn conjugate(&self, a: &[f64], y: f64) -> f64 {
        let mut sum = 0.0;
        let mut entropy = 0.0;
        for (k, a) in a.iter().enumerate() {
            let b = a + f64::from(u8::from(k == y as usize));
            if b < 0.0 {
                // What rounding leaves of a probability.
                if b < -4.0 * f64::EPSILON {
                    return f64::INFINITY;
                }
                continue;
            }
            sum += b;
            entropy += if b > 0.0 { b * b.ln() } else { 0.0 };
        }
        if (sum - 1.0).abs() > 1e-12 { f64::INFINITY } else { entropy }
    }
}
