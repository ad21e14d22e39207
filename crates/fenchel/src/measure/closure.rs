//! A source made of a closure.

use super::{Rng, Source};
use crate::{Error, Result};
use std::fmt;

/// Points drawn by `Fn(&mut Rng, &mut [f64])`, which fills one point a call.
///
/// ```
/// use fenchel::measure::{FromFn, Rng, Source};
/// let ring = FromFn::new(2, |rng: &mut Rng, x: &mut [f64]| {
///     let (angle, radius) = (std::f64::consts::TAU * rng.uniform(), 1.0 + 0.1 * rng.normal());
///     (x[0], x[1]) = (radius * angle.cos(), radius * angle.sin());
/// })?;
/// let mut points = [0.0; 20];
/// ring.draw(&mut Rng::new(1), &mut points);
/// # Ok::<(), fenchel::Error>(())
/// ```
pub struct FromFn<F> {
    dim: usize,
    name: String,
    draw: F,
}

impl<F: Fn(&mut Rng, &mut [f64]) + Send + Sync> FromFn<F> {
    /// A source on R^`dim`. All randomness must come from the generator handed in.
    ///
    /// # Errors
    /// `dim` = 0.
    pub fn new(dim: usize, draw: F) -> Result<Self> {
        if dim == 0 {
            return Err(Error::invalid("dim", dim, "at least 1"));
        }
        Ok(Self { dim, name: format!("closure:{dim}"), draw })
    }

    /// The same source under another name.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "FromFn({})", self.name)
    }
}

impl<F: Fn(&mut Rng, &mut [f64]) + Send + Sync> Source for FromFn<F> {
    fn dim(&self) -> usize {
        self.dim
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn draw(&self, rng: &mut Rng, out: &mut [f64]) {
        for point in out.chunks_exact_mut(self.dim) {
            (self.draw)(rng, point);
        }
    }
}
