//! A potential known at points, brought into a reproducing space.

use super::basis::{Basis, KernelPotential, median_distance};
use super::potential::Potential;
use super::settings::Space;
use crate::measure::stream;
use crate::simd;
use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

/// Bandwidths tried, times the median distance.
const BANDWIDTHS: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];

/// Points that landmarks are chosen from.
const POOL: usize = 2048;

/// Ridges tried, times the mean square of the basis functions.
const RIDGES: [f64; 6] = [1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2];

/// Ridge regression of `values` at `points` (row-major). Bandwidth and ridge are those with the least `loss` of found and known values at the
/// later half of the points, when fitted to the others.
pub(super) fn fit(
    space: Space,
    dim: usize,
    points: &[f64],
    values: &[f64],
    loss: &(dyn Fn(f64, f64) -> f64 + Sync),
    key: (u64, u64),
) -> KernelPotential {
    let offset = simd::sum(values) / values.len() as f64;
    let rest: Vec<f64> = values.iter().map(|v| v - offset).collect();
    let n = values.len();
    let half = n.div_ceil(2);
    let bandwidths: Vec<f64> = match space.bandwidth {
        Some(given) => vec![given],
        None => {
            let median = median_distance(space.kernel, dim, points);
            BANDWIDTHS.iter().map(|b| b * median).collect()
        }
    };
    let bases: Vec<Basis> = bandwidths
        .into_iter()
        .map(|bandwidth| {
            let pool = &points[..n.min(POOL) * dim];
            Basis::new(space.kernel, bandwidth, space.rank, dim, pool, &mut stream(key.0, key.1, 0))
        })
        .collect();
    let tried: Vec<(f64, usize, f64)> = bases
        .par_iter()
        .enumerate()
        .flat_map_iter(|(at, basis)| {
            let train = Normal::new(basis, &points[..half * dim], &rest[..half]);
            RIDGES.into_iter().filter_map(move |ridge| {
                let v = KernelPotential { basis: basis.clone(), coefficients: train.solve(ridge)?, offset };
                let mut found = vec![0.0; n - half];
                v.fill(&points[half * dim..], &mut found);
                // A single point says nothing: then the least ridge that works.
                let error =
                    found.iter().zip(&values[half..]).map(|(found, known)| loss(*found, *known)).sum::<f64>();
                Some((if error.is_nan() { f64::INFINITY } else { error }, at, ridge))
            })
        })
        .collect();
    let (_, at, ridge) = tried
        .into_iter()
        .fold((f64::INFINITY, 0, 1e-2), |best, next| if next.0 < best.0 { next } else { best });
    let basis = bases[at].clone();
    let all = Normal::new(&basis, points, &rest);
    let coefficients = all.solve(ridge).or_else(|| all.solve(1e-2)).unwrap_or_else(|| vec![0.0; basis.len()]);
    KernelPotential { basis, coefficients, offset }
}

/// Normal equations.
struct Normal {
    gram: DMatrix<f64>,
    right: DVector<f64>,
}

impl Normal {
    fn new(basis: &Basis, points: &[f64], values: &[f64]) -> Self {
        let (r, dim) = (basis.len(), basis.dim());
        let (mut gram, mut right) = (DMatrix::zeros(r, r), DVector::zeros(r));
        let step = 1024;
        for (points, values) in points.chunks(step * dim).zip(values.chunks(step)) {
            let mut rows = vec![0.0; values.len() * r];
            basis.fill(points, &mut rows);
            // Column-major with r rows: the transposed matrix.
            let phi = DMatrix::from_vec(r, values.len(), rows);
            gram.gemm(1.0, &phi, &phi.transpose(), 1.0);
            right.gemv(1.0, &phi, &DVector::from_column_slice(values), 1.0);
        }
        let n = values.len() as f64;
        Normal { gram: gram / n, right: right / n }
    }

    fn solve(&self, ridge: f64) -> Option<Vec<f64>> {
        let r = self.gram.nrows();
        let scale = self.gram.trace() / r.max(1) as f64;
        let mut gram = self.gram.clone();
        for i in 0..r {
            gram[(i, i)] += ridge * scale;
        }
        let solved = gram.cholesky()?.solve(&self.right);
        solved.iter().all(|x| x.is_finite()).then(|| solved.iter().copied().collect())
    }
}
