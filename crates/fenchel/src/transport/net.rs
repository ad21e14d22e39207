//! A finite sample of the source, ordered in space, on which the dual is a finite sum.

use super::lists::Lists;
use super::problem::Frozen;
use crate::error::Result;
use crate::measure::{Design, draw_points};

/// Samples per block, at most and at least. A block shares one list of atoms that can matter to any of its
/// samples: small blocks have short lists, large ones spread the cost of gathering them.
const BLOCKS: (usize, usize) = (128, 16);

/// Weighted points x_1..x_m, row-major, neighbours near each other; weights sum to one.
#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) points: Vec<f64>,
    pub(crate) weights: Option<Vec<f64>>,
    pub(crate) len: usize,
    /// All of a finite source, not a sample.
    pub(crate) whole: bool,
    /// Samples per block.
    pub(crate) block: usize,
    /// What the blocks have to look at, once a pass has found out.
    pub(crate) lists: Option<Lists>,
    /// Σ_j w_j c(x_j, y_i), once somebody has asked for it.
    pub(crate) mean_cost: Option<Vec<f64>>,
}

impl Net {
    /// `len` points of the source: scrambled Sobol' points where it maps the unit cube, else independent.
    pub(crate) fn draw(problem: &Frozen, seed: u64, purpose: u64, len: usize) -> Result<Net> {
        let dim = problem.dim;
        let block = block_size(len);
        let mut points = vec![0.0; len * dim];
        draw_points(&*problem.source, Design::Sobol, seed, purpose, 0, len, &mut points)?;
        order(&mut points, dim, block);
        Ok(Net { points, weights: None, len, whole: false, block, lists: None, mean_cost: None })
    }

    /// The whole of a source with finite support.
    pub(crate) fn whole(points: &[f64], weights: Option<&[f64]>, dim: usize) -> Net {
        let len = points.len() / dim;
        let block = block_size(len);
        let index = ordered(points, dim, block);
        let mut sorted = Vec::with_capacity(points.len());
        for &i in &index {
            sorted.extend_from_slice(&points[i as usize * dim..][..dim]);
        }
        let weights = weights.map(|w| {
            let total: f64 = w.iter().sum();
            index.iter().map(|&i| w[i as usize] / total).collect()
        });
        Net { points: sorted, weights, len, whole: true, block, lists: None, mean_cost: None }
    }

    pub(crate) fn blocks(&self) -> usize {
        self.len.div_ceil(self.block)
    }

    pub(crate) fn weight(&self, j: usize) -> f64 {
        self.weights.as_ref().map_or(1.0 / self.len as f64, |w| w[j])
    }
}

fn block_size(len: usize) -> usize {
    (len / 256).next_power_of_two().clamp(BLOCKS.1, BLOCKS.0)
}

fn order(points: &mut Vec<f64>, dim: usize, block: usize) {
    let mut sorted = Vec::with_capacity(points.len());
    for i in ordered(points, dim, block) {
        sorted.extend_from_slice(&points[i as usize * dim..][..dim]);
    }
    *points = sorted;
}

/// An order of points in which every block is compact: halves along the widest side, recursively.
pub(crate) fn ordered(points: &[f64], dim: usize, block: usize) -> Vec<u32> {
    let mut index: Vec<u32> = (0..(points.len() / dim) as u32).collect();
    split(points, dim, block, &mut index);
    index
}

fn split(points: &[f64], dim: usize, block: usize, index: &mut [u32]) {
    if index.len() <= block {
        return;
    }
    let at = |i: u32, k: usize| points[i as usize * dim + k];
    // The widest side of a bounded number of evenly spaced points decides: enough to split well.
    let stride = index.len().div_ceil(256);
    let axis = (0..dim)
        .map(|k| {
            let (lo, hi) =
                index.iter().step_by(stride).fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), &i| {
                    let v = at(i, k);
                    (lo.min(v), hi.max(v))
                });
            (k, hi - lo)
        })
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map_or(0, |(k, _)| k);
    let half = half(index.len(), block);
    index.select_nth_unstable_by(half - 1, |&a, &b| at(a, axis).total_cmp(&at(b, axis)).then(a.cmp(&b)));
    let (left, right) = index.split_at_mut(half);
    if left.len() > 2048 {
        rayon::join(|| split(points, dim, block, left), || split(points, dim, block, right));
    } else {
        split(points, dim, block, left);
        split(points, dim, block, right);
    }
}

/// Where `len` points are halved so that blocks stay whole.
pub(crate) fn half(len: usize, block: usize) -> usize {
    (len / 2).div_ceil(block) * block
}
