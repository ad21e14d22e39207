//! Features as the solvers see them: of one size, with a column of ones behind them.

use super::Examples;
use crate::divergence::pairwise;
use rayon::prelude::*;

/// x̃_j = (x_j − centre_j)/scale_j, and 1 where there is an intercept.
#[derive(Debug, Clone)]
pub(crate) struct Design {
    /// Row by row, `columns` numbers each.
    pub x: Vec<f64>,
    /// Features, and one more for an intercept.
    pub columns: usize,
    pub intercept: bool,
    pub centre: Vec<f64>,
    /// 0 for a column that is constant and says nothing that the intercept does not.
    pub scale: Vec<f64>,
}

impl Design {
    pub(crate) fn new(examples: &Examples, intercept: bool) -> Self {
        let (n, d, weights) = (examples.len(), examples.width(), examples.weights());
        let mut centre = vec![0.0; d];
        let mut scale = vec![0.0; d];
        let found: Vec<(f64, f64)> = (0..d)
            .into_par_iter()
            .map(|j| {
                let x = |i: usize| examples.features()[i * d + j];
                let most = (0..n).fold(0.0_f64, |most, i| most.max(x(i).abs()));
                if most == 0.0 {
                    return (0.0, 0.0);
                }
                // In units of the largest, so that squares stay finite.
                let mean = if intercept { pairwise(n, |i| weights[i] * (x(i) / most)) } else { 0.0 };
                let square = pairwise(n, |i| {
                    let r = x(i) / most - mean;
                    weights[i] * r * r
                });
                let deviation = square.sqrt();
                // A constant leaves what rounding leaves.
                let is_constant = intercept && deviation <= 4.0 * f64::EPSILON * mean.abs();
                (mean * most, if is_constant { 0.0 } else { deviation * most })
            })
            .collect();
        for (j, (mean, deviation)) in found.into_iter().enumerate() {
            (centre[j], scale[j]) = (mean, deviation);
        }
        let columns = d + usize::from(intercept);
        let mut x = vec![0.0; n * columns];
        if columns > 0 {
            x.par_chunks_mut(columns).enumerate().for_each(|(i, row)| {
                for (j, (out, x)) in row.iter_mut().zip(examples.row(i)).enumerate() {
                    *out = if scale[j] > 0.0 { (x - centre[j]) / scale[j] } else { 0.0 };
                }
                if intercept {
                    row[d] = 1.0;
                }
            });
        }
        Design { x, columns, intercept, centre, scale }
    }

    /// Intercept and coefficients in the units of the features, from those in units of the design.
    pub(crate) fn to_user(&self, gamma: &[f64]) -> (f64, Vec<f64>) {
        let d = self.scale.len();
        let mut intercept = if self.intercept { gamma[d] } else { 0.0 };
        let mut coefficients = vec![0.0; d];
        for j in 0..d {
            if self.scale[j] > 0.0 {
                coefficients[j] = gamma[j] / self.scale[j];
                intercept -= gamma[j] * (self.centre[j] / self.scale[j]);
            }
        }
        (intercept, coefficients)
    }
}
