//! Examples in batches.

use super::objective::Objective;
use super::rows::Rows;
use crate::measure::Rng;

/// All examples, to be drawn in batches.
pub(crate) struct Batches<'a> {
    objective: &'a Objective<'a>,
    /// Features of the design, one example after another: batches are gathered from anywhere.
    rows: Vec<f64>,
    size: usize,
}

impl<'a> Batches<'a> {
    pub(crate) fn new(objective: &'a Objective<'a>, size: usize) -> Self {
        let (n, m) = (objective.labels.len(), objective.design.columns);
        let mut rows = vec![0.0; n * m];
        for b in 0..objective.design.blocks() {
            let block = objective.design.block(b);
            let height = block.len() / m;
            for (j, column) in block.chunks_exact(height).enumerate() {
                let first = b * objective.design.height();
                column.iter().enumerate().for_each(|(r, x)| rows[(first + r) * m + j] = *x);
            }
        }
        Batches { objective, rows, size }
    }

    /// Examples in a batch.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// How many examples there are.
    pub(crate) fn len(&self) -> usize {
        self.objective.labels.len()
    }

    /// Steps of a trial: a fifth of a pass, but some.
    pub(crate) fn trial_steps(&self) -> usize {
        (self.len().div_ceil(self.size) / 5).max(20)
    }

    /// All examples in random order.
    pub(crate) fn order(&self, rng: &mut Rng) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        rng.shuffle(&mut order);
        order
    }

    /// p̂ of an example.
    pub(crate) fn eta(&self, i: u32) -> f64 {
        self.objective.eta[i as usize]
    }

    /// Gathers features column by column, labels and weights of some examples.
    pub(crate) fn fill(&self, ids: &[u32], to: &mut Rows) {
        let (n, m) = (ids.len(), self.objective.design.columns);
        to.x.resize(n * m, 0.0);
        for (r, i) in ids.iter().enumerate() {
            let row = &self.rows[*i as usize * m..(*i as usize + 1) * m];
            row.iter().enumerate().for_each(|(j, v)| to.x[j * n + r] = *v);
        }
        to.ids.clear();
        to.ids.extend(ids);
        to.y.clear();
        to.y.extend(ids.iter().map(|i| self.objective.labels[*i as usize]));
        to.eta.clear();
        to.eta.extend(ids.iter().map(|i| self.eta(*i)));
    }
}
