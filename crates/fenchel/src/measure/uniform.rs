//! The uniform distribution on a box.

use super::{Rng, Source};
use crate::{Error, Result};

/// Uniform on Π [low_k, high_k].
#[derive(Debug, Clone)]
pub struct UniformBox {
    low: Vec<f64>,
    width: Vec<f64>,
}

impl UniformBox {
    /// The unit cube [0, 1]^`dim`.
    ///
    /// # Errors
    /// `dim` = 0.
    pub fn unit(dim: usize) -> Result<Self> {
        Self::new(&vec![0.0; dim], &vec![1.0; dim])
    }

    /// The box between two corners; a side may have length 0.
    ///
    /// # Errors
    /// Corners of different or zero length, not finite, or `low` above `high` somewhere.
    pub fn new(low: &[f64], high: &[f64]) -> Result<Self> {
        if low.is_empty() {
            return Err(Error::invalid("dim", 0, "at least 1"));
        }
        if low.len() != high.len() {
            return Err(Error::shape("upper corner", format!("{} numbers", low.len()), high.len()));
        }
        for (k, (a, b)) in low.iter().zip(high).enumerate() {
            for (what, x) in [("lower corner", a), ("upper corner", b)] {
                if !x.is_finite() {
                    return Err(Error::non_finite(what, format!("index {k}"), *x));
                }
            }
            if a > b {
                return Err(Error::invalid(
                    format!("lower corner [{k}]"),
                    a,
                    format!("at most the upper, {b}"),
                ));
            }
            if !(b - a).is_finite() {
                return Err(Error::invalid(format!("side {k} of the box"), b - a, "a finite length"));
            }
        }
        let width = low.iter().zip(high).map(|(a, b)| b - a).collect();
        Ok(Self { low: low.to_vec(), width })
    }

    fn place(&self, point: &mut [f64]) {
        for ((x, a), w) in point.iter_mut().zip(&self.low).zip(&self.width) {
            *x = a + w * *x;
        }
    }
}

impl Source for UniformBox {
    fn dim(&self) -> usize {
        self.low.len()
    }

    fn name(&self) -> String {
        format!("uniform:{}", self.dim())
    }

    fn draw(&self, rng: &mut Rng, out: &mut [f64]) {
        for point in out.chunks_exact_mut(self.dim()) {
            point.fill_with(|| rng.uniform());
            self.place(point);
        }
    }

    fn uniforms(&self) -> Option<usize> {
        Some(self.dim())
    }

    fn map_uniforms(&self, uniforms: &[f64], out: &mut [f64]) {
        out.copy_from_slice(uniforms);
        for point in out.chunks_exact_mut(self.dim()) {
            self.place(point);
        }
    }

    fn moments(&self) -> Option<(Vec<f64>, Vec<f64>)> {
        let mean = self.low.iter().zip(&self.width).map(|(a, w)| a + 0.5 * w).collect();
        Some((mean, self.width.iter().map(|w| w * w / 12.0).collect()))
    }
}
