//! What a network sees of a point, and what its score means.

use fenchel::{Error, Result};
use serde::{Deserialize, Serialize};

/// A coordinate's scale is no less than this share of its range: one that is nearly always the same is not blown up.
const OF_RANGE: f64 = 0.125;

/// Points beyond so many scales count as there.
const FAR: f64 = 1e4;

/// Coordinates in units of their scale, scores in units of cost:
///
/// ```text
/// potential(x) = offset + unit · network((x − centre)/scale)
/// ```
///
/// Centre and scale of a coordinate are its mean and standard deviation on a pilot sample, the unit is the spread of the costs.
/// A coordinate that is constant there is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Standard {
    centre: Vec<f64>,
    /// One over the scale; 0 of what is left out.
    inverse: Vec<f64>,
    pub(super) offset: f64,
    pub(super) unit: f64,
}

impl Standard {
    /// As these points (row-major) are.
    pub(super) fn of(dim: usize, points: &[f64], unit: f64) -> Self {
        let n = (points.len() / dim) as f64;
        let coordinate = |k: usize| points.iter().skip(k).step_by(dim).copied();
        let (centre, inverse) = (0..dim)
            .map(|k| {
                let from = points[k];
                let centre = from + coordinate(k).map(|x| (x - from) / n).sum::<f64>();
                let (least, most) = coordinate(k).fold((from, from), |(a, b), x| (a.min(x), b.max(x)));
                let range = most - least;
                // In units of the range, whose square need not be a number.
                let variance = coordinate(k).map(|x| ((x - centre) / range).powi(2) / n).sum::<f64>();
                let scale = range * variance.sqrt().max(OF_RANGE);
                let inverse = 1.0 / scale;
                (centre, if range > 0.0 && inverse.is_finite() { inverse } else { 0.0 })
            })
            .unzip();
        Standard { centre, inverse, offset: 0.0, unit }
    }

    /// What the network is given for these points.
    pub(super) fn features(&self, points: &[f64]) -> Vec<f32> {
        let each = self.centre.iter().zip(&self.inverse);
        let rows = points.chunks_exact(self.centre.len());
        rows.flat_map(|row| {
            row.iter().zip(each.clone()).map(|(x, (c, k))| ((x - c) * k).clamp(-FAR, FAR) as f32)
        })
        .collect()
    }

    /// What its scores mean.
    pub(super) fn values(&self, scores: &[f32]) -> Vec<f64> {
        scores.iter().map(|z| self.offset + self.unit * f64::from(*z)).collect()
    }

    /// Refuses what no training made.
    pub(super) fn check(&self, dim: usize) -> Result<()> {
        let numbers = self.centre.iter().chain(&self.inverse).chain([&self.offset, &self.unit]);
        if self.centre.len() != dim || self.inverse.len() != dim {
            return Err(Error::shape(
                "scales",
                format!("one of each of {dim} coordinates"),
                self.centre.len(),
            ));
        }
        match numbers.into_iter().find(|x| !x.is_finite()) {
            Some(x) => Err(Error::non_finite("scales", "one of them", *x)),
            None => Ok(()),
        }
    }
}
