//! The uniform distribution on the probability simplex.

use super::{Rng, Source};
use crate::{Error, Result};

/// Uniform on {x ∈ R^dim : x ≥ 0, Σ x = 1}, a surface of dimension dim − 1.
#[derive(Debug, Clone)]
pub struct Simplex {
    dim: usize,
}

impl Simplex {
    /// The simplex with `dim` corners.
    ///
    /// # Errors
    /// `dim` = 0.
    pub fn new(dim: usize) -> Result<Self> {
        if dim == 0 {
            return Err(Error::invalid("dim", dim, "at least 1"));
        }
        Ok(Self { dim })
    }
}

impl Source for Simplex {
    fn dim(&self) -> usize {
        self.dim
    }

    fn name(&self) -> String {
        format!("simplex:{}", self.dim)
    }

    fn draw(&self, rng: &mut Rng, out: &mut [f64]) {
        for point in out.chunks_exact_mut(self.dim) {
            point.fill_with(|| rng.exponential());
            let sum: f64 = point.iter().sum();
            if sum > 0.0 {
                point.iter_mut().for_each(|x| *x /= sum);
            } else {
                point[0] = 1.0;
            }
        }
    }

    fn uniforms(&self) -> Option<usize> {
        Some((self.dim - 1).max(1))
    }

    /// Breaks a stick: with k pieces still to come, the next takes the share 1 − u^{1/k} of what is left.
    fn map_uniforms(&self, uniforms: &[f64], out: &mut [f64]) {
        let each = (self.dim - 1).max(1);
        for (u, point) in uniforms.chunks_exact(each).zip(out.chunks_exact_mut(self.dim)) {
            let mut left = 1.0;
            for i in 0..self.dim - 1 {
                let log_kept = u[i].ln() / (self.dim - 1 - i) as f64;
                point[i] = -left * log_kept.exp_m1();
                left *= log_kept.exp();
            }
            point[self.dim - 1] = left;
        }
    }

    fn moments(&self) -> Option<(Vec<f64>, Vec<f64>)> {
        let d = self.dim as f64;
        Some((vec![1.0 / d; self.dim], vec![(d - 1.0) / (d * d * (d + 1.0)); self.dim]))
    }
}
