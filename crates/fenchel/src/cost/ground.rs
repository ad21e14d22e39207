//! What a cost must offer.

use crate::measure::Soa;
use std::fmt::Debug;

/// A cost c(x, y).
///
/// A new cost needs [`name`](Cost::name) and [`eval`](Cost::eval). The blockwise methods have slow defaults; the costs
/// of this crate override them with loops over coordinate-major atoms.
pub trait Cost: Debug + Send + Sync {
    /// Name with parameter and power, as the registry and the command line write it: `lp:1.5^2`.
    fn name(&self) -> String;

    /// c(x, y) for two points of the same dimension.
    fn eval(&self, x: &[f64], y: &[f64]) -> f64;

    /// out[s·n + i] = c(x_s, y_i) for b samples `xs` (row-major, b × dim) and n atoms; `out` holds b·n numbers.
    fn rows(&self, xs: &[f64], atoms: &Soa<f64>, out: &mut [f64]) {
        let (dim, n) = (atoms.dim(), atoms.len());
        let mut y = vec![0.0; dim];
        for i in 0..n {
            atoms.get(i, &mut y);
            for (x, row) in xs.chunks_exact(dim).zip(out.chunks_exact_mut(n)) {
                row[i] = self.eval(x, &y);
            }
        }
    }

    /// [`rows`](Cost::rows) in single precision.
    fn rows_f32(&self, xs: &[f32], atoms: &Soa<f32>, out: &mut [f32]) {
        let (dim, n) = (atoms.dim(), atoms.len());
        let (mut x, mut y) = (vec![0.0; dim], vec![0.0; dim]);
        for (sample, row) in xs.chunks_exact(dim).zip(out.chunks_exact_mut(n.max(1))) {
            widen(sample.iter(), &mut x);
            for (i, c) in row.iter_mut().enumerate() {
                widen((0..dim).map(|k| &atoms.coordinate(k)[i]), &mut y);
                *c = self.eval(&x, &y) as f32;
            }
        }
    }

    /// The r with c(sx, sy) = s^r c(x, y) for all s > 0, if there is one.
    fn degree(&self) -> Option<f64> {
        None
    }

    /// c(x, y) and a slope of it in y, for a cost that is a convex function of y − x. Then, for all x' and y',
    ///
    /// ```text
    /// c(x', y') ≥ c(x, y) + Σ_k slope_k ((y'_k − y_k) − (x'_k − x_k)),
    /// ```
    ///
    /// which lets a solver pass over atoms that cannot matter to a sample without looking at them. `None`, the
    /// default, says that the cost is not of this kind, or that nobody knows.
    ///
    /// ```
    /// use fenchel::cost::{Cost, SqEuclidean};
    /// let mut slope = [0.0; 2];
    /// assert_eq!(SqEuclidean.tangent(&[0.0, 0.0], &[1.0, 2.0], &mut slope), Some(5.0));
    /// assert_eq!(slope, [2.0, 4.0]);
    /// ```
    fn tangent(&self, x: &[f64], y: &[f64], slope: &mut [f64]) -> Option<f64> {
        let _ = (x, y, slope);
        None
    }

    /// Whether c(x + z, y + z) = c(x, y): coordinates may then be centred before they are rounded.
    fn translation_invariant(&self) -> bool {
        false
    }

    /// Whether c(x, y) = c(y, x), which spares those who look from y at x a transposition ([`Transposed`](super::Transposed)).
    fn is_symmetric(&self) -> bool {
        false
    }
}

fn widen<'a>(from: impl Iterator<Item = &'a f32>, to: &mut [f64]) {
    for (wide, narrow) in to.iter_mut().zip(from) {
        *wide = f64::from(*narrow);
    }
}
