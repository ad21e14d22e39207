//! A cost looked at from the other side.

use super::Cost;
use crate::measure::Soa;
use std::sync::Arc;

/// c(y, x) as a cost of (x, y): what it takes to come here from there.
#[derive(Debug, Clone)]
pub struct Transposed(Arc<dyn Cost>);

impl Transposed {
    /// The transposed cost; the cost itself if it is symmetric.
    ///
    /// ```
    /// use fenchel::cost::{self, Cost, CostFn, Transposed};
    /// use std::sync::Arc;
    ///
    /// let uphill = CostFn::new("uphill", |x: &[f64], y: &[f64]| (y[0] - x[0]).max(0.0));
    /// assert_eq!(Transposed::of(Arc::new(uphill)).eval(&[1.0], &[3.0]), 0.0);
    /// assert_eq!(Transposed::of(cost::parse("l1")?).name(), "l1");
    /// # Ok::<(), fenchel::Error>(())
    /// ```
    pub fn of(cost: Arc<dyn Cost>) -> Arc<dyn Cost> {
        if cost.is_symmetric() { cost } else { Arc::new(Transposed(cost)) }
    }
}

impl Cost for Transposed {
    fn name(&self) -> String {
        format!("{} transposed", self.0.name())
    }

    fn eval(&self, x: &[f64], y: &[f64]) -> f64 {
        self.0.eval(y, x)
    }

    fn rows(&self, xs: &[f64], atoms: &Soa<f64>, out: &mut [f64]) {
        let (dim, n) = (atoms.dim(), atoms.len());
        let Ok(samples) = Soa::from_rows(dim, xs) else { return };
        let width = samples.len();
        let mut matrix = vec![0.0; width * n];
        self.0.rows(&atoms.to_rows(), &samples, &mut matrix);
        for (s, row) in out.chunks_exact_mut(n.max(1)).enumerate() {
            for (i, c) in row.iter_mut().enumerate() {
                *c = matrix[i * width + s];
            }
        }
    }

    fn degree(&self) -> Option<f64> {
        self.0.degree()
    }

    fn translation_invariant(&self) -> bool {
        self.0.translation_invariant()
    }
}
