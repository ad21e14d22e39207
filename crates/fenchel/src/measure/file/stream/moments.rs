//! Mean and variance of columns in one pass.

/// Numbers that are summed up before they join the rest.
const BLOCK: usize = 1 << 14;

/// Weighted mean and sum of squared deviations: two passes over a block of rows, and blocks merged as Chan, Golub
/// and LeVeque do, so that nothing cancels.
#[derive(Debug, Clone)]
pub(super) struct Moments {
    dim: usize,
    mass: f64,
    mean: Vec<f64>,
    square: Vec<f64>,
    points: Vec<f64>,
    weights: Vec<f64>,
}

impl Moments {
    pub(super) fn new(dim: usize) -> Self {
        let (mean, square) = (vec![0.0; dim], vec![0.0; dim]);
        Moments { dim, mass: 0.0, mean, square, points: Vec::new(), weights: Vec::new() }
    }

    pub(super) fn push(&mut self, point: &[f64], weight: f64) {
        self.points.extend_from_slice(point);
        self.weights.push(weight);
        if self.points.len() >= BLOCK {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let mass: f64 = self.weights.iter().sum();
        if mass > 0.0 {
            let (mut mean, mut square) = (vec![0.0; self.dim], vec![0.0; self.dim]);
            let rows = || self.points.chunks_exact(self.dim).zip(&self.weights);
            // From the first row, so that a constant stays what it is.
            let from = self.points[..self.dim].to_vec();
            for (row, w) in rows() {
                for ((m, x), from) in mean.iter_mut().zip(row).zip(&from) {
                    *m += w / mass * (x - from);
                }
            }
            mean.iter_mut().zip(&from).for_each(|(m, from)| *m += from);
            for (row, w) in rows() {
                for ((s, m), x) in square.iter_mut().zip(&mean).zip(row) {
                    *s += w * (x - m) * (x - m);
                }
            }
            self.merge(mass, &mean, &square);
        }
        self.points.clear();
        self.weights.clear();
    }

    fn merge(&mut self, mass: f64, mean: &[f64], square: &[f64]) {
        let total = self.mass + mass;
        for k in 0..self.dim {
            let delta = mean[k] - self.mean[k];
            self.mean[k] += delta * (mass / total);
            self.square[k] += square[k] + delta * delta * self.mass * (mass / total);
        }
        self.mass = total;
    }

    /// Of both together.
    pub(super) fn join(mut self, mut other: Moments) -> Moments {
        self.flush();
        other.flush();
        self.merge(other.mass, &other.mean, &other.square);
        self
    }

    /// Mean and variance of each column.
    pub(super) fn finish(mut self) -> (Vec<f64>, Vec<f64>) {
        self.flush();
        let variance = self.square.iter().map(|s| s / self.mass).collect();
        (self.mean, variance)
    }
}
