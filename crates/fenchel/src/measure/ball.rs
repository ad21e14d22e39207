//! Uniform distributions on the unit ball and the unit sphere around the origin.

use super::{Rng, Source, normal_quantile};
use crate::{Error, Result};
use std::f64::consts::TAU;

/// Uniform on {x ∈ R^dim : |x| ≤ 1}.
#[derive(Debug, Clone)]
pub struct Ball(Sphere);

/// Uniform on {x ∈ R^dim : |x| = 1}, a surface of dimension dim − 1.
#[derive(Debug, Clone)]
pub struct Sphere {
    dim: usize,
}

impl Ball {
    /// The unit ball of R^`dim`.
    ///
    /// # Errors
    /// `dim` = 0.
    pub fn new(dim: usize) -> Result<Self> {
        Ok(Self(Sphere::new(dim)?))
    }
}

impl Sphere {
    /// The unit sphere of R^`dim`.
    ///
    /// # Errors
    /// `dim` = 0.
    pub fn new(dim: usize) -> Result<Self> {
        if dim == 0 {
            return Err(Error::invalid("dim", dim, "at least 1"));
        }
        Ok(Self { dim })
    }

    /// Numbers a direction is made of.
    fn uniforms_each(&self) -> usize {
        match self.dim {
            1 => 1,
            2 | 3 => self.dim - 1,
            d => d,
        }
    }

    /// A direction from uniform numbers: sign, angle, height and angle (Archimedes), or normalised normals.
    fn direction(&self, u: &[f64], point: &mut [f64]) {
        match self.dim {
            1 => point[0] = if u[0] < 0.5 { -1.0 } else { 1.0 },
            2 => (point[1], point[0]) = (TAU * u[0]).sin_cos(),
            3 => {
                // 1 − z² = 4u(1 − u) keeps its digits at the poles.
                let radius = 2.0 * (u[0] * (1.0 - u[0])).sqrt();
                let (sin, cos) = (TAU * u[1]).sin_cos();
                point.copy_from_slice(&[radius * cos, radius * sin, 2.0 * u[0] - 1.0]);
            }
            _ => {
                for (x, u) in point.iter_mut().zip(u) {
                    *x = normal_quantile(*u);
                }
                normalise(point);
            }
        }
    }

    fn draw_one(&self, rng: &mut Rng, point: &mut [f64]) {
        point.fill_with(|| rng.normal());
        normalise(point);
    }
}

fn normalise(point: &mut [f64]) {
    let norm = point.iter().map(|x| x * x).sum::<f64>().sqrt();
    if norm > 0.0 {
        point.iter_mut().for_each(|x| *x /= norm);
    } else {
        point[0] = 1.0;
    }
}

impl Source for Sphere {
    fn dim(&self) -> usize {
        self.dim
    }

    fn name(&self) -> String {
        format!("sphere:{}", self.dim)
    }

    fn draw(&self, rng: &mut Rng, out: &mut [f64]) {
        for point in out.chunks_exact_mut(self.dim) {
            self.draw_one(rng, point);
        }
    }

    fn uniforms(&self) -> Option<usize> {
        Some(self.uniforms_each())
    }

    fn map_uniforms(&self, uniforms: &[f64], out: &mut [f64]) {
        for (u, point) in uniforms.chunks_exact(self.uniforms_each()).zip(out.chunks_exact_mut(self.dim)) {
            self.direction(u, point);
        }
    }

    fn moments(&self) -> Option<(Vec<f64>, Vec<f64>)> {
        Some((vec![0.0; self.dim], vec![1.0 / self.dim as f64; self.dim]))
    }
}

impl Source for Ball {
    fn dim(&self) -> usize {
        self.0.dim
    }

    fn name(&self) -> String {
        format!("ball:{}", self.0.dim)
    }

    fn draw(&self, rng: &mut Rng, out: &mut [f64]) {
        let power = 1.0 / self.0.dim as f64;
        for point in out.chunks_exact_mut(self.0.dim) {
            self.0.draw_one(rng, point);
            let radius = rng.uniform().powf(power);
            point.iter_mut().for_each(|x| *x *= radius);
        }
    }

    fn uniforms(&self) -> Option<usize> {
        Some(if self.0.dim == 1 { 1 } else { 1 + self.0.uniforms_each() })
    }

    fn map_uniforms(&self, uniforms: &[f64], out: &mut [f64]) {
        let dim = self.0.dim;
        if dim == 1 {
            for (u, x) in uniforms.iter().zip(out) {
                *x = 2.0 * u - 1.0;
            }
            return;
        }
        let power = 1.0 / dim as f64;
        for (u, point) in uniforms.chunks_exact(1 + self.0.uniforms_each()).zip(out.chunks_exact_mut(dim)) {
            self.0.direction(&u[1..], point);
            let radius = u[0].powf(power);
            point.iter_mut().for_each(|x| *x *= radius);
        }
    }

    fn moments(&self) -> Option<(Vec<f64>, Vec<f64>)> {
        let dim = self.0.dim;
        Some((vec![0.0; dim], vec![1.0 / (dim as f64 + 2.0); dim]))
    }
}
