//! Normal distributions.

use super::{Rng, Source, normal_quantile};
use crate::{Error, Result};

/// N(m, Σ) on R^dim; the standard one has no factor.
#[derive(Debug, Clone)]
pub struct Gaussian {
    mean: Vec<f64>,
    factor: Option<Factor>,
}

/// Σ = P L Lᵀ Pᵀ with P the product of the swaps: coordinates of largest remaining variance first, so that a
/// singular Σ ends in zero rows instead of dividing by rounding errors.
#[derive(Debug, Clone)]
struct Factor {
    /// Lower triangular, row-major, in the order of the pivots.
    lower: Vec<f64>,
    /// At step i coordinates i and `swaps[i]` changed places.
    swaps: Vec<usize>,
}

impl Gaussian {
    /// N(0, I) on R^`dim`.
    ///
    /// # Errors
    /// `dim` = 0.
    pub fn standard(dim: usize) -> Result<Self> {
        if dim == 0 {
            return Err(Error::invalid("dim", dim, "at least 1"));
        }
        Ok(Self { mean: vec![0.0; dim], factor: None })
    }

    /// N(`mean`, `covariance`), the covariance row-major, symmetric and positive semidefinite.
    ///
    /// ```
    /// use fenchel::measure::{Gaussian, Source};
    /// let source = Gaussian::new(&[1.0, 0.0], &[2.0, 0.5, 0.5, 1.0])?;
    /// assert_eq!(source.moments().unwrap().0, [1.0, 0.0]);
    /// assert!(Gaussian::new(&[0.0, 0.0], &[1.0, 2.0, 2.0, 1.0]).is_err());
    /// # Ok::<(), fenchel::Error>(())
    /// ```
    ///
    /// # Errors
    /// Lengths that do not fit, numbers that are not finite, a covariance that is not symmetric (relative
    /// difference above 1e-10) or has a negative eigenvalue beyond rounding.
    pub fn new(mean: &[f64], covariance: &[f64]) -> Result<Self> {
        let dim = mean.len();
        if dim == 0 {
            return Err(Error::invalid("dim", dim, "at least 1"));
        }
        if let Some(at) = mean.iter().position(|x| !x.is_finite()) {
            return Err(Error::non_finite("mean", format!("index {at}"), mean[at]));
        }
        Ok(Self { mean: mean.to_vec(), factor: Some(cholesky(dim, covariance)?) })
    }

    fn place(&self, normals: &mut [f64]) {
        let dim = self.mean.len();
        if let Some(Factor { lower, swaps }) = &self.factor {
            // From the last coordinate up, so that each row still finds the normals it needs.
            for i in (0..dim).rev() {
                let row = &lower[i * dim..i * dim + i + 1];
                normals[i] = row.iter().zip(&*normals).map(|(l, z)| l * z).sum::<f64>();
            }
            unswap(normals, swaps);
            for (x, m) in normals.iter_mut().zip(&self.mean) {
                *x += m;
            }
        }
    }
}

/// From the order of the pivots back to that of the coordinates.
fn unswap(values: &mut [f64], swaps: &[usize]) {
    for (i, j) in swaps.iter().enumerate().rev() {
        values.swap(i, *j);
    }
}

/// Relative size, against the variances, of a negative eigenvalue that passes for a rounded zero.
const NEGATIVE: f64 = 1e-10;

/// Cholesky factorisation with diagonal pivoting (Higham, "Accuracy and Stability of Numerical Algorithms", 10.3).
fn cholesky(dim: usize, covariance: &[f64]) -> Result<Factor> {
    let deviations = check_covariance(dim, covariance)?;
    let indefinite = |i: usize| {
        let value = format!("indefinite (an eigenvalue is negative; seen at coordinate {i})");
        Error::invalid("covariance", value, "positive semidefinite")
    };
    // Scaled to unit diagonal, the size of rounding is known.
    let mut a = vec![0.0; dim * dim];
    for (at, entry) in a.iter_mut().enumerate() {
        let (i, j) = (at / dim, at % dim);
        if deviations[i] > 0.0 && deviations[j] > 0.0 {
            let mean = 0.5 * covariance[at] + 0.5 * covariance[j * dim + i];
            *entry = mean / deviations[i] / deviations[j];
        }
    }
    let rounding = 4.0 * dim as f64 * f64::EPSILON;
    let mut order: Vec<usize> = (0..dim).collect();
    let mut swaps = Vec::with_capacity(dim);
    let mut lower = vec![0.0; dim * dim];
    for k in 0..dim {
        let largest = (k..dim).max_by(|i, j| a[i * dim + i].total_cmp(&a[j * dim + j])).unwrap_or(k);
        if a[largest * dim + largest] <= rounding {
            // What is left must be zero: diagonal and off it.
            let wrong = |at: &usize| (k..dim).any(|j| a[at * dim + j].abs() > NEGATIVE);
            if let Some(at) = (k..dim).find(wrong) {
                return Err(indefinite(order[at]));
            }
            swaps.extend(k..dim);
            break;
        }
        swaps.push(largest);
        order.swap(k, largest);
        for j in 0..dim {
            a.swap(k * dim + j, largest * dim + j);
            lower.swap(k * dim + j, largest * dim + j);
        }
        for i in 0..dim {
            a.swap(i * dim + k, i * dim + largest);
        }
        let pivot = a[k * dim + k].sqrt();
        for i in k..dim {
            lower[i * dim + k] = a[i * dim + k] / pivot;
        }
        for i in k + 1..dim {
            for j in k + 1..dim {
                a[i * dim + j] -= lower[i * dim + k] * lower[j * dim + k];
            }
        }
    }
    for (row, i) in lower.chunks_exact_mut(dim).zip(&order) {
        row.iter_mut().for_each(|l| *l *= deviations[*i]);
    }
    Ok(Factor { lower, swaps })
}

/// Lengths, finiteness, symmetry; returns the standard deviations.
fn check_covariance(dim: usize, covariance: &[f64]) -> Result<Vec<f64>> {
    if covariance.len() != dim * dim {
        return Err(Error::shape("covariance", format!("{dim} × {dim} numbers"), covariance.len()));
    }
    if let Some(at) = covariance.iter().position(|x| !x.is_finite()) {
        let place = format!("row {}, column {}", at / dim, at % dim);
        return Err(Error::non_finite("covariance", place, covariance[at]));
    }
    let variances: Vec<f64> = covariance.iter().step_by(dim + 1).copied().collect();
    if let Some(i) = variances.iter().position(|v| *v < 0.0) {
        let name = format!("covariance[{i}][{i}]");
        return Err(Error::invalid(name, variances[i], "at least 0: it is a variance"));
    }
    let deviations: Vec<f64> = variances.iter().map(|v| v.sqrt()).collect();
    for i in 0..dim {
        for j in 0..i {
            let (a, b) = (covariance[i * dim + j], covariance[j * dim + i]);
            let largest = deviations[i] * deviations[j];
            if (a - b).abs() > 1e-10 * largest.max(a.abs()) {
                let name = format!("covariance[{i}][{j}]");
                return Err(Error::invalid(
                    name,
                    a,
                    format!("covariance[{j}][{i}] = {b}: it must be symmetric"),
                ));
            }
            if a.abs() > largest * (1.0 + NEGATIVE) {
                let expected =
                    format!("at most {largest} in size, or the matrix is not positive semidefinite");
                return Err(Error::invalid(format!("covariance[{i}][{j}]"), a, expected));
            }
        }
    }
    Ok(deviations)
}

impl Source for Gaussian {
    fn dim(&self) -> usize {
        self.mean.len()
    }

    fn name(&self) -> String {
        format!("gaussian:{}", self.dim())
    }

    fn draw(&self, rng: &mut Rng, out: &mut [f64]) {
        for point in out.chunks_exact_mut(self.dim()) {
            point.fill_with(|| rng.normal());
            self.place(point);
        }
    }

    fn uniforms(&self) -> Option<usize> {
        Some(self.dim())
    }

    fn map_uniforms(&self, uniforms: &[f64], out: &mut [f64]) {
        let dim = self.dim();
        for (u, point) in uniforms.chunks_exact(dim).zip(out.chunks_exact_mut(dim)) {
            for (x, u) in point.iter_mut().zip(u) {
                *x = normal_quantile(*u);
            }
            self.place(point);
        }
    }

    fn moments(&self) -> Option<(Vec<f64>, Vec<f64>)> {
        let dim = self.dim();
        let variance = match &self.factor {
            None => vec![1.0; dim],
            Some(Factor { lower, swaps }) => {
                let squares = |row: &[f64]| row.iter().map(|x| x * x).sum();
                let mut variance: Vec<f64> = lower.chunks_exact(dim).map(squares).collect();
                unswap(&mut variance, swaps);
                variance
            }
        };
        Some((self.mean.clone(), variance))
    }
}
