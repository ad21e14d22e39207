//! Examples to learn from.

use super::loss::{Labels, Loss, check_labels};
use super::risk::reference;
use crate::divergence::pairwise;
use crate::{Error, Result};
use rayon::prelude::*;

/// Rows that are summed one after another; sums of so many are added in pairs.
const ROWS: usize = 128;

/// Rows of features, a label and a weight each.
///
/// ```
/// use fenchel::robust::Examples;
///
/// let examples = Examples::new(2, vec![0.0, 1.0, 2.0, 3.0], vec![1.0, -1.0])?.weighted(vec![1.0, 3.0])?;
/// assert_eq!((examples.len(), examples.row(1)), (2, &[2.0, 3.0][..]));
/// assert_eq!(examples.weights(), &[0.25, 0.75]);
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Examples {
    width: usize,
    features: Vec<f64>,
    labels: Vec<f64>,
    weights: Vec<f64>,
}

impl Examples {
    /// `width` features an example, one example after another, and as many labels as examples; all weigh the same.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no example or numbers do not fit, [`Error::NonFinite`] for NaN or infinity.
    pub fn new(width: usize, features: Vec<f64>, labels: Vec<f64>) -> Result<Self> {
        let n = labels.len();
        if n == 0 {
            return Err(Error::shape("labels", "at least one", 0));
        }
        if features.len() != n * width {
            return Err(Error::shape("features", format!("{n} × {width} numbers"), features.len()));
        }
        if let Some(at) = features.iter().position(|x| !x.is_finite()) {
            let place = format!("row {}, column {}", at / width + 1, at % width + 1);
            return Err(Error::non_finite("features", place, features[at]));
        }
        if let Some(i) = labels.iter().position(|y| !y.is_finite()) {
            return Err(Error::non_finite("labels", format!("row {}", i + 1), labels[i]));
        }
        Ok(Examples { width, features, labels, weights: vec![1.0 / n as f64; n] })
    }

    /// With reference weights p̂, normalised here.
    ///
    /// # Errors
    /// As [`Risk::of`](super::Risk::of) for its reference.
    pub fn weighted(mut self, weights: Vec<f64>) -> Result<Self> {
        self.weights = reference(&weights, self.len())?;
        Ok(self)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Never: there is at least one.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// How many features an example has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The features of one.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.features[i * self.width..(i + 1) * self.width]
    }

    /// All features, row by row.
    pub fn features(&self) -> &[f64] {
        &self.features
    }

    /// All labels.
    pub fn labels(&self) -> &[f64] {
        &self.labels
    }

    /// p̂, which sums to 1.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Mean and standard deviation of each feature, by weight; without `centred` 0 and the root of its mean square. The
    /// deviation of a feature that is constant, but for rounding, is 0.
    ///
    /// ```
    /// use fenchel::robust::Examples;
    ///
    /// let examples = Examples::new(2, vec![1.0, 5.0, 3.0, 5.0], vec![0.0, 0.0])?;
    /// assert_eq!(examples.moments(true), [(2.0, 1.0), (5.0, 0.0)]);
    /// # Ok::<(), fenchel::Error>(())
    /// ```
    pub fn moments(&self, centred: bool) -> Vec<(f64, f64)> {
        let d = self.width;
        if d == 0 {
            return Vec::new();
        }
        let largest = |rows: &[f64]| {
            let mut most = vec![0.0_f64; d];
            for row in rows.chunks_exact(d) {
                most.iter_mut().zip(row).for_each(|(most, x)| *most = most.max(x.abs()));
            }
            most
        };
        let either = |mut a: Vec<f64>, b: Vec<f64>| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a = a.max(b));
            a
        };
        let most = self.features.par_chunks(d * ROWS).map(largest).reduce(|| vec![0.0; d], either);
        // In units of the largest, so that squares stay finite.
        let unit = |j: usize, x: f64| if most[j] > 0.0 { x / most[j] } else { 0.0 };
        let near = if centred { self.sums(|j, x| [unit(j, x)]) } else { vec![[0.0]; d] };
        let sums = self.sums(|j, x| {
            let r = unit(j, x) - near[j][0];
            [r, r * r]
        });
        (0..d)
            .map(|j| {
                // The first mean has rounding errors of a long sum, which the second sums show.
                let [off, square] = sums[j];
                let (mean, square) =
                    if centred { (near[j][0] + off, (square - off * off).max(0.0)) } else { (0.0, square) };
                let deviation = square.sqrt();
                // A constant leaves what rounding leaves.
                let is_constant = centred && deviation <= 4.0 * f64::EPSILON * mean.abs();
                (mean * most[j], if is_constant { 0.0 } else { deviation * most[j] })
            })
            .collect()
    }

    /// Σ_i p̂_i g(j, x_ij) for each feature j.
    fn sums<const K: usize>(&self, g: impl Fn(usize, f64) -> [f64; K] + Sync) -> Vec<[f64; K]> {
        let d = self.width;
        let blocks = self.features.par_chunks(d * ROWS).zip(self.weights.par_chunks(ROWS));
        let parts: Vec<Vec<[f64; K]>> = blocks
            .map(|(rows, weights)| {
                let mut part = vec![[0.0; K]; d];
                for (row, weight) in rows.chunks_exact(d).zip(weights) {
                    for (j, (sums, x)) in part.iter_mut().zip(row).enumerate() {
                        sums.iter_mut().zip(g(j, *x)).for_each(|(sum, term)| *sum += weight * term);
                    }
                }
                part
            })
            .collect();
        let total = |j: usize| std::array::from_fn(|k| pairwise(parts.len(), |b| parts[b][j][k]));
        (0..d).map(total).collect()
    }

    /// Whether labels are what a loss takes, and vary where they have to.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] with the first row that is at fault, or if there is one class only.
    pub fn suit(&self, loss: &dyn Loss) -> Result<()> {
        check_labels(loss, &self.labels)?;
        let of_first = |y: &f64| *y == self.labels[0];
        if matches!(loss.labels(), Labels::Sign | Labels::Class) && self.labels.iter().all(of_first) {
            let value = format!("{} in every row", self.labels[0]);
            return Err(Error::invalid("labels", value, "of at least two classes"));
        }
        Ok(())
    }
}
