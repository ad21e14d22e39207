//! Finitely many functions that stand for a kernel: κ(x, x') ≈ φ(x)·φ(x').
//!
//! An expansion over all points seen so far costs as many kernel evaluations a step as there were steps. With a basis
//! of fixed size a step costs the same at any time. Stochastic gradients in the span of the basis are
//! stochastic gradients of the kernel φ(x)·φ(x'), exactly.
//!
//! * Landmarks: with points p_1..p_r and the Cholesky factor L of their kernel matrix, φ(x) = L⁻¹ κ(p, x) is an orthonormal basis of
//!   what the landmarks span. They are pivots of a Cholesky factorisation of the kernel on a sample, which stops when no point of the
//!   sample has more than [`RESIDUAL`] of its κ(x, x) = 1 left. Smooth kernels need few (Fine and Scheinberg 2001).
//! * Where they would be too many, random Fourier features (Rahimi and Recht 2007): φ(x) = √(2/r)(cos ω_k·x, sin ω_k·x).

use super::kernel::Kernel;
use super::potential::Potential;
use crate::cost::{Cost, L1, SqEuclidean};
use crate::measure::{Rng, Soa};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Landmarks stop where so much of κ(x, x) is left at most.
const RESIDUAL: f64 = 1e-9;

/// More than that left, and Fourier features are the better use of the same number of functions.
const TOO_MUCH: f64 = 1e-2;

/// Points of a tile.
const TILE: usize = 64;

/// The functions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Basis {
    dim: usize,
    kernel: Kernel,
    bandwidth: f64,
    functions: Functions,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Functions {
    Landmarks {
        /// Row-major.
        points: Vec<f64>,
        /// Lower triangle, row by row, diagonal included.
        factor: Vec<f64>,
        residual: f64,
    },
    Fourier {
        /// Row-major.
        frequencies: Vec<f64>,
    },
}

impl Basis {
    /// At most `rank` functions for points distributed like the `sample` (row-major).
    pub(super) fn new(
        kernel: Kernel,
        bandwidth: f64,
        rank: usize,
        dim: usize,
        sample: &[f64],
        rng: &mut Rng,
    ) -> Basis {
        let landmarks = pivots(kernel, bandwidth, rank, dim, sample);
        let functions = match &landmarks {
            Functions::Landmarks { residual, .. } if *residual > TOO_MUCH => {
                let mut frequencies = vec![0.0; rank.div_ceil(2) * dim];
                for omega in frequencies.chunks_exact_mut(dim) {
                    kernel.frequency(rng, omega);
                    omega.iter_mut().for_each(|w| *w /= bandwidth);
                }
                Functions::Fourier { frequencies }
            }
            _ => landmarks,
        };
        Basis { dim, kernel, bandwidth, functions }
    }

    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    /// What does not fit together in a basis that was read, if anything.
    fn flaw(&self) -> Option<&'static str> {
        let lists = match &self.functions {
            Functions::Landmarks { points, factor, .. } => {
                let r = points.len() / self.dim.max(1);
                if self.dim == 0 || points.len() != r * self.dim || factor.len() != r * (r + 1) / 2 {
                    return Some("landmarks and their factor do not fit together");
                }
                [points, factor]
            }
            Functions::Fourier { frequencies } => {
                if self.dim == 0 || !frequencies.len().is_multiple_of(self.dim) {
                    return Some("frequencies do not fit the dimension");
                }
                [frequencies, frequencies]
            }
        };
        let finite = lists.iter().all(|list| list.iter().all(|x| x.is_finite()));
        (!(finite && self.bandwidth.is_finite() && self.bandwidth > 0.0))
            .then_some("the kernel's numbers are not finite")
    }

    pub(super) fn bandwidth(&self) -> f64 {
        self.bandwidth
    }

    /// Number of functions.
    pub(super) fn len(&self) -> usize {
        match &self.functions {
            Functions::Landmarks { points, .. } => points.len() / self.dim,
            Functions::Fourier { frequencies } => 2 * (frequencies.len() / self.dim),
        }
    }

    /// φ at points (row-major), a row for each.
    pub(super) fn fill(&self, points: &[f64], out: &mut [f64]) {
        let r = self.len();
        out.par_chunks_mut(TILE * r).zip(points.par_chunks(TILE * self.dim)).for_each(|(out, points)| {
            match &self.functions {
                Functions::Landmarks { points: landmarks, factor, .. } => {
                    distances(self.kernel, self.dim, points, landmarks, out);
                    self.kernel.apply(out, self.bandwidth);
                    for row in out.chunks_exact_mut(r) {
                        forward(factor, row);
                    }
                }
                Functions::Fourier { frequencies } => {
                    let scale = (2.0 / r as f64).sqrt();
                    for (row, x) in out.chunks_exact_mut(r).zip(points.chunks_exact(self.dim)) {
                        for (pair, omega) in row.chunks_exact_mut(2).zip(frequencies.chunks_exact(self.dim)) {
                            let (sin, cos) = omega.iter().zip(x).map(|(w, x)| w * x).sum::<f64>().sin_cos();
                            (pair[0], pair[1]) = (scale * cos, scale * sin);
                        }
                    }
                }
            }
        });
    }
}

/// Squared distances of points to others, or for the Laplace kernel sums of absolute differences; a row a point.
fn distances(kernel: Kernel, dim: usize, points: &[f64], others: &[f64], out: &mut [f64]) {
    let Ok(others) = Soa::from_rows(dim, others) else { return };
    match kernel {
        Kernel::Laplace => L1.rows(points, &others, out),
        _ => SqEuclidean.rows(points, &others, out),
    }
}

/// Solves L z = b in place.
fn forward(factor: &[f64], b: &mut [f64]) {
    let mut row = factor;
    for i in 0..b.len() {
        let (now, rest) = row.split_at(i + 1);
        let (known, open) = b.split_at_mut(i);
        open[0] = (open[0] - crate::simd::dot(&now[..i], known)) / now[i];
        row = rest;
    }
}

/// Cholesky factorisation of the kernel on a sample, the point with most left next.
fn pivots(kernel: Kernel, bandwidth: f64, rank: usize, dim: usize, sample: &[f64]) -> Functions {
    let n = sample.len() / dim;
    // columns[j][i] = φ_j(x_i).
    let mut columns: Vec<Vec<f64>> = Vec::new();
    let mut left = vec![1.0_f64; n];
    let mut chosen: Vec<usize> = Vec::new();
    while chosen.len() < rank.min(n) {
        let pivot = (0..n).fold(0, |at, i| if left[i] > left[at] { i } else { at });
        if left[pivot] <= RESIDUAL {
            break;
        }
        let root = left[pivot].sqrt();
        let mut column = vec![0.0; n];
        distances(kernel, dim, &sample[pivot * dim..][..dim], sample, &mut column);
        kernel.apply(&mut column, bandwidth);
        for earlier in &columns {
            let weight = earlier[pivot];
            crate::simd::vectorize(|| {
                for (c, e) in column.iter_mut().zip(earlier) {
                    *c -= weight * e;
                }
            });
        }
        for (c, left) in column.iter_mut().zip(&mut left) {
            *c /= root;
            *left -= *c * *c;
        }
        left[pivot] = 0.0;
        chosen.push(pivot);
        columns.push(column);
    }
    let residual = left.iter().fold(0.0, |a: f64, b| a.max(*b));
    let points = chosen.iter().flat_map(|&i| sample[i * dim..][..dim].iter().copied()).collect();
    // Entry (i, j) of the factor is φ_j at the i-th pivot.
    let factor =
        chosen.iter().enumerate().flat_map(|(i, &at)| columns[..=i].iter().map(move |c| c[at])).collect();
    Functions::Landmarks { points, factor, residual }
}

/// A sum of kernel functions, Σ_k a_k φ_k(x) + offset: a function of the kernel's reproducing space.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KernelPotential {
    pub(super) basis: Basis,
    pub(super) coefficients: Vec<f64>,
    pub(super) offset: f64,
}

impl KernelPotential {
    /// The kernel's bandwidth σ.
    pub fn bandwidth(&self) -> f64 {
        self.basis.bandwidth()
    }

    /// Number of functions that it is a sum of.
    pub fn rank(&self) -> usize {
        self.basis.len()
    }

    /// Refuses one that was read and does not hold together.
    pub(super) fn check(&self, dim: usize) -> Result<(), String> {
        let flaw = if self.basis.dim != dim {
            Some("the kernel is for another dimension")
        } else if self.coefficients.len() != self.basis.len() {
            Some("the kernel has another number of coefficients than of functions")
        } else if !self.coefficients.iter().chain([&self.offset]).all(|x| x.is_finite()) {
            Some("a coefficient is not finite")
        } else {
            self.basis.flaw()
        };
        flaw.map_or(Ok(()), |flaw| Err(flaw.to_owned()))
    }

    /// The coefficients; the basis is orthonormal (landmarks), or nearly (Fourier features), so that their sum of squares is the squared norm
    /// in the reproducing space.
    pub fn coefficients(&self) -> &[f64] {
        &self.coefficients
    }
}

impl Potential for KernelPotential {
    fn dim(&self) -> usize {
        self.basis.dim()
    }

    fn fill(&self, points: &[f64], values: &mut [f64]) {
        let r = self.basis.len();
        let step = 4096;
        let mut rows = vec![0.0; step.min(values.len()) * r];
        for (points, values) in points.chunks(step * self.dim()).zip(values.chunks_mut(step)) {
            let rows = &mut rows[..values.len() * r];
            self.basis.fill(points, rows);
            for (value, row) in values.iter_mut().zip(rows.chunks_exact(r.max(1))) {
                *value = self.offset + crate::simd::dot(row, &self.coefficients);
            }
        }
    }
}

/// The median distance between points of a sample, in the kernel's own metric; 1 where all coincide.
pub(super) fn median_distance(kernel: Kernel, dim: usize, sample: &[f64]) -> f64 {
    let n = (sample.len() / dim).min(512);
    let sample = &sample[..n * dim];
    let mut all = vec![0.0; n * n];
    distances(kernel, dim, sample, sample, &mut all);
    let mut apart: Vec<f64> = all.into_iter().filter(|d| *d > 0.0 && d.is_finite()).collect();
    if apart.is_empty() {
        return 1.0;
    }
    let middle = apart.len() / 2;
    let (_, median, _) = apart.select_nth_unstable_by(middle, f64::total_cmp);
    match kernel {
        Kernel::Laplace => *median,
        _ => median.sqrt(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::stream;

    const KERNELS: [Kernel; 5] =
        [Kernel::Gaussian, Kernel::Matern12, Kernel::Matern32, Kernel::Matern52, Kernel::Laplace];

    fn points(seed: u64, n: usize) -> Vec<f64> {
        let mut rng = stream(seed, 0, 0);
        (0..n).map(|_| rng.normal()).collect()
    }

    /// φ(x)·φ(x') is off by at most the root of what both have left of κ(x, x) = 1 (Cauchy and Schwarz), and that is nothing on the sample.
    #[test]
    fn landmarks_reproduce_the_kernel() {
        for kernel in KERNELS {
            for scale in [1e-6, 1.0, 1e6] {
                let scaled = |v: Vec<f64>| v.into_iter().map(|x| scale * x).collect::<Vec<f64>>();
                let (sample, mut points) = (scaled(points(1, 600)), scaled(points(2, 8)));
                points.extend_from_slice(&sample[..8]);
                let basis = Basis::new(kernel, 3.0 * scale, 300, 2, &sample, &mut stream(3, 0, 0));
                let Functions::Landmarks { residual, .. } = &basis.functions else {
                    panic!("{kernel}: landmarks are enough in the plane")
                };
                let r = basis.len();
                let mut phi = vec![0.0; 8 * r];
                basis.fill(&points, &mut phi);
                let dot = |i: usize, j: usize| crate::simd::dot(&phi[i * r..][..r], &phi[j * r..][..r]);
                let left = |i: usize| 1.0 - dot(i, i);
                // Away from the sample only smooth functions are known.
                let away = if kernel == Kernel::Gaussian { 0.01 } else { 0.5 };
                for i in 0..8 {
                    assert!(
                        left(i) > -1e-7 && left(i) < if i < 4 { away } else { residual + 1e-7 },
                        "{kernel} {i}"
                    );
                    for j in 0..8 {
                        let difference = (0..2).map(|k| points[2 * i + k] - points[2 * j + k]);
                        let exact = kernel.eval(difference, 3.0 * scale);
                        let bound = (left(i).max(0.0) * left(j).max(0.0)).sqrt() + 1e-6;
                        assert!(
                            (dot(i, j) - exact).abs() <= bound,
                            "{kernel} {i} {j}: {} {exact}",
                            dot(i, j)
                        );
                    }
                }
            }
        }
    }

    /// In many dimensions features take over; the mean of their cosines is the kernel.
    #[test]
    fn fourier_features_reproduce_the_kernel() {
        for kernel in KERNELS {
            let sample = points(1, 40 * 300);
            let basis = Basis::new(kernel, 3.0, 290, 40, &sample, &mut stream(3, 0, 0));
            assert!(matches!(basis.functions, Functions::Fourier { .. }), "{kernel}");
            let mut rng = stream(4, 0, 0);
            let (x, y) = ([0.3, -0.2, 0.5], [0.1, 0.4, -0.3]);
            let mut omega = [0.0; 3];
            let n = 1 << 16;
            let mut sum = 0.0;
            for _ in 0..n {
                kernel.frequency(&mut rng, &mut omega);
                sum += omega.iter().zip(x.iter().zip(&y)).map(|(w, (x, y))| w * (x - y)).sum::<f64>().cos();
            }
            let exact = kernel.eval(x.iter().zip(&y).map(|(x, y)| x - y), 1.0);
            // Hoeffding: beyond 5/√n with probability below 1e-5.
            assert!((sum / f64::from(n) - exact).abs() < 5.0 / f64::from(n).sqrt(), "{kernel}");
        }
    }
}
