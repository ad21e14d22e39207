//! Normal distributions.

use super::{Rng, Source, normal_quantile};
use crate::{Error, Result};

/// N(m, LLᵀ) on R^dim; the standard one has no factor.
#[derive(Debug, Clone)]
pub struct Gaussian {
    mean: Vec<f64>,
    /// Lower triangular factor, row-major; `None` is the identity.
    factor: Option<Vec<f64>>,
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
        if let Some(factor) = &self.factor {
            // From the last coordinate up, so that each row still finds the normals it needs.
            for i in (0..dim).rev() {
                let row = &factor[i * dim..i * dim + i + 1];
                normals[i] = self.mean[i] + row.iter().zip(&*normals).map(|(l, z)| l * z).sum::<f64>();
            }
        }
    }
}

/// L with LLᵀ = `covariance`, rows of dependent coordinates zero where the pivot vanishes.
fn cholesky(dim: usize, covariance: &[f64]) -> Result<Vec<f64>> {
    if covariance.len() != dim * dim {
        return Err(Error::shape("covariance", format!("{dim} × {dim} numbers"), covariance.len()));
    }
    if let Some(at) = covariance.iter().position(|x| !x.is_finite()) {
        let place = format!("row {}, column {}", at / dim, at % dim);
        return Err(Error::non_finite("covariance", place, covariance[at]));
    }
    // Scaled to unit diagonal, the size of rounding is known: dim·ε.
    let scale: Vec<f64> = (0..dim).map(|i| covariance[i * dim + i]).collect();
    if let Some(i) = scale.iter().position(|s| *s < 0.0) {
        let name = format!("covariance[{i}][{i}]");
        return Err(Error::invalid(name, scale[i], "at least 0: it is a variance"));
    }
    let scale: Vec<f64> = scale.iter().map(|s| s.sqrt()).collect();
    let rounding = 8.0 * dim as f64 * f64::EPSILON;
    let mut l = vec![0.0; dim * dim];
    for i in 0..dim {
        for j in 0..=i {
            let (a, b) = (covariance[i * dim + j], covariance[j * dim + i]);
            let size = scale[i] * scale[j];
            if (a - b).abs() > 1e-10 * size {
                let name = format!("covariance[{i}][{j}]");
                return Err(Error::invalid(
                    name,
                    a,
                    format!("covariance[{j}][{i}] = {b}: it must be symmetric"),
                ));
            }
            let indefinite =
                || Error::invalid("covariance", format!("indefinite at row {i}"), "positive semidefinite");
            if size == 0.0 {
                if a != 0.0 {
                    return Err(indefinite());
                }
                continue;
            }
            let done: f64 = (0..j).map(|k| l[i * dim + k] * l[j * dim + k]).sum();
            let rest = (0.5 * a + 0.5 * b) / scale[i] / scale[j] - done;
            if i == j {
                if rest < -rounding {
                    return Err(indefinite());
                }
                l[i * dim + i] = if rest > rounding { rest.sqrt() } else { 0.0 };
            } else if l[j * dim + j] > 0.0 {
                l[i * dim + j] = rest / l[j * dim + j];
            } else if rest.abs() > rounding.sqrt() {
                return Err(indefinite());
            }
        }
    }
    for i in 0..dim {
        for j in 0..=i {
            l[i * dim + j] *= scale[i];
        }
    }
    Ok(l)
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
            Some(l) => l.chunks_exact(dim).map(|row| row.iter().map(|x| x * x).sum()).collect(),
        };
        Some((self.mean.clone(), variance))
    }
}
