//! Atoms drawn by weight, evenly: for sample number j at the place frac(U + j(√5 − 1)/2) of the cumulative weights, with
//! one uniform U for all. Each draw has the right distribution, so that sums over samples are right in expectation,
//! and neighbouring numbers are spread out.

use super::net::Net;
use super::problem::Frozen;
use crate::measure::stream;
use rayon::prelude::*;

/// Draws a sample.
const EACH: usize = 2;

/// (√5 − 1)/2.
const GOLDEN: f64 = 0.618_033_988_749_894_8;

#[derive(Debug)]
pub(crate) struct Draws {
    cumulative: Vec<f64>,
    start: f64,
}

impl Draws {
    /// By weights ≥ 0, not all of them 0; `key` is a seed and a purpose.
    pub(crate) fn new(weights: &[f64], key: (u64, u64)) -> Self {
        let mut sum = 0.0;
        let cumulative = weights
            .iter()
            .map(|w| {
                sum += w;
                sum
            })
            .collect();
        Draws { cumulative, start: stream(key.0, key.1, u64::MAX).uniform() }
    }

    /// The mean cost of sample `number`, x, to the atoms drawn for it. `y` is room for a point.
    pub(crate) fn cost(&self, problem: &Frozen, number: usize, x: &[f64], y: &mut Vec<f64>) -> f64 {
        y.resize(problem.dim, 0.0);
        let total = self.cumulative.last().copied().unwrap_or(0.0);
        let place = (self.start + number as f64 * GOLDEN).fract();
        let mut sum = 0.0;
        for k in 0..EACH {
            let at = (place + k as f64 / EACH as f64).fract() * total;
            let atom = self.cumulative.partition_point(|&c| c <= at).min(self.cumulative.len() - 1);
            problem.points.get(atom, y);
            sum += problem.cost.eval(x, y);
        }
        sum / EACH as f64
    }

    /// The mean over a net.
    pub(crate) fn mean_cost(&self, problem: &Frozen, net: &Net) -> f64 {
        let dim = problem.dim;
        let chunk = |first: usize| -> f64 {
            let (mut sum, mut y) = (0.0, Vec::new());
            for j in first..(first + CHUNK).min(net.len) {
                sum += net.weight(j) * self.cost(problem, j, &net.points[j * dim..][..dim], &mut y);
            }
            sum
        };
        let parts: Vec<f64> =
            (0..net.len.div_ceil(CHUNK)).into_par_iter().map(|c| chunk(c * CHUNK)).collect();
        parts.iter().sum()
    }
}

/// Samples summed by one thread.
const CHUNK: usize = 4096;
