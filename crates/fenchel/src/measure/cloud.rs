//! Finitely many weighted points.

use super::alias::AliasTable;
use super::{Rng, Source};
use crate::{Error, Result};

/// n points of R^dim, with or without weights: the measure Σ w_j δ_{x_j} / Σ w_j.
///
/// ```
/// use fenchel::measure::{PointCloud, Source};
/// let cloud = PointCloud::weighted(2, vec![0.0, 0.0, 4.0, 8.0], vec![3.0, 1.0])?;
/// assert_eq!(cloud.point(1), [4.0, 8.0]);
/// assert_eq!(cloud.moments().unwrap().0, [1.0, 2.0]);
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct PointCloud {
    dim: usize,
    points: Vec<f64>,
    weights: Option<Vec<f64>>,
    /// Running sums of the weights divided by their total; empty without weights.
    cumulative: Vec<f64>,
    alias: Option<AliasTable>,
    label: String,
}

impl PointCloud {
    /// Equally weighted points, row-major: `points.len()` = n·`dim`.
    ///
    /// # Errors
    /// No point, a length that is no multiple of `dim`, a coordinate that is not finite.
    pub fn new(dim: usize, points: Vec<f64>) -> Result<Self> {
        if dim == 0 {
            return Err(Error::invalid("dim", dim, "at least 1"));
        }
        if points.is_empty() || !points.len().is_multiple_of(dim) {
            let expected = format!("rows of {dim} numbers, at least one row");
            return Err(Error::shape("points", expected, format!("{} numbers", points.len())));
        }
        if let Some(at) = points.iter().position(|x| !x.is_finite()) {
            return Err(Error::non_finite(
                "points",
                format!("row {}, column {}", at / dim, at % dim),
                points[at],
            ));
        }
        let label = format!("cloud:{dim}");
        Ok(Self { dim, points, weights: None, cumulative: Vec::new(), alias: None, label })
    }

    /// Weighted points. Weights need not sum to one; zeros are allowed.
    ///
    /// # Errors
    /// As [`new`](PointCloud::new), and: another number of weights than of points, a weight that is negative or
    /// not finite, weights that are all zero or whose sum overflows.
    pub fn weighted(dim: usize, points: Vec<f64>, weights: Vec<f64>) -> Result<Self> {
        let mut cloud = Self::new(dim, points)?;
        let total = check_weights(&weights, cloud.len())?;
        let mut sum = 0.0;
        cloud.cumulative = weights
            .iter()
            .map(|w| {
                sum += w / total;
                sum
            })
            .collect();
        cloud.alias = Some(AliasTable::new(&weights, total));
        cloud.weights = Some(weights);
        Ok(cloud)
    }

    /// The same cloud under another name, for instance the file it came from.
    pub fn named(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.points.len() / self.dim
    }

    /// Never: a cloud has at least one point.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// All coordinates, row-major.
    pub fn points(&self) -> &[f64] {
        &self.points
    }

    /// The coordinates of point `index`.
    pub fn point(&self, index: usize) -> &[f64] {
        &self.points[index * self.dim..(index + 1) * self.dim]
    }

    /// The weights as given, if any.
    pub fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }

    /// The weights divided by their sum; 1/n each if none were given.
    pub fn probabilities(&self) -> Vec<f64> {
        match &self.weights {
            None => vec![1.0 / self.len() as f64; self.len()],
            Some(weights) => {
                let total: f64 = weights.iter().sum();
                weights.iter().map(|w| w / total).collect()
            }
        }
    }

    /// Points and weights, taken apart.
    pub fn into_parts(self) -> (Vec<f64>, Option<Vec<f64>>) {
        (self.points, self.weights)
    }

    /// The smallest index whose running share exceeds `u`; never an index of weight zero.
    fn index_of(&self, u: f64) -> usize {
        let last = self.len() - 1;
        match &self.weights {
            None => ((u * self.len() as f64) as usize).min(last),
            Some(weights) => {
                let at = self.cumulative.partition_point(|c| *c <= u).min(last);
                // Rounding may leave the last sums below u: step back to an atom that has mass.
                (0..=at).rev().find(|i| weights[*i] > 0.0).unwrap_or(at)
            }
        }
    }
}

/// Checks weights of `n` points and returns their sum.
///
/// # Errors
/// A wrong number of weights, a negative or non-finite one, a sum that is zero or not finite.
pub fn check_weights(weights: &[f64], n: usize) -> Result<f64> {
    if weights.len() != n {
        return Err(Error::shape("weights", format!("{n} numbers, one a point"), weights.len()));
    }
    if let Some(at) = weights.iter().position(|w| !w.is_finite()) {
        return Err(Error::non_finite("weights", format!("index {at}"), weights[at]));
    }
    if let Some(at) = weights.iter().position(|w| *w < 0.0) {
        return Err(Error::invalid(format!("weight {at}"), weights[at], "at least 0"));
    }
    let total: f64 = weights.iter().sum();
    if total == 0.0 {
        return Err(Error::invalid("the sum of the weights", total, "above 0: every weight is zero"));
    }
    if !total.is_finite() {
        return Err(Error::invalid(
            "the sum of the weights",
            total,
            "finite: divide the weights by a constant",
        ));
    }
    Ok(total)
}

impl Source for PointCloud {
    fn dim(&self) -> usize {
        self.dim
    }

    fn name(&self) -> String {
        self.label.clone()
    }

    fn draw(&self, rng: &mut Rng, out: &mut [f64]) {
        for point in out.chunks_exact_mut(self.dim) {
            let index = match &self.alias {
                Some(alias) => alias.draw(rng),
                None => rng.below(self.len() as u64) as usize,
            };
            point.copy_from_slice(self.point(index));
        }
    }

    fn uniforms(&self) -> Option<usize> {
        Some(1)
    }

    fn map_uniforms(&self, uniforms: &[f64], out: &mut [f64]) {
        for (u, point) in uniforms.iter().zip(out.chunks_exact_mut(self.dim)) {
            point.copy_from_slice(self.point(self.index_of(*u)));
        }
    }

    fn cloud(&self) -> Option<&PointCloud> {
        Some(self)
    }

    fn moments(&self) -> Option<(Vec<f64>, Vec<f64>)> {
        let probabilities = self.probabilities();
        let mut mean = vec![0.0; self.dim];
        for (point, p) in self.points.chunks_exact(self.dim).zip(&probabilities) {
            for (m, x) in mean.iter_mut().zip(point) {
                *m += p * x;
            }
        }
        let mut variance = vec![0.0; self.dim];
        for (point, p) in self.points.chunks_exact(self.dim).zip(&probabilities) {
            for ((v, m), x) in variance.iter_mut().zip(&mean).zip(point) {
                *v += p * (x - m) * (x - m);
            }
        }
        Some((mean, variance))
    }
}
