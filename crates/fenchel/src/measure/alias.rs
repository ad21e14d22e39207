//! Walker's alias method: one index from a weighted set in constant time.

use super::Rng;

/// Cell i gives i with probability `keep[i]`, else `other[i]` (Vose 1991).
#[derive(Debug, Clone)]
pub(crate) struct AliasTable {
    keep: Vec<f64>,
    other: Vec<u32>,
}

impl AliasTable {
    /// From checked weights and their sum.
    pub(crate) fn new(weights: &[f64], total: f64) -> Self {
        let n = weights.len();
        let mut share: Vec<f64> = weights.iter().map(|w| w / total * n as f64).collect();
        let mut keep = vec![1.0; n];
        let mut other: Vec<u32> = (0..n as u32).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..n).partition(|i| share[*i] < 1.0);
        while let (Some(s), Some(l)) = (small.pop(), large.last().copied()) {
            keep[s] = share[s];
            other[s] = l as u32;
            share[l] -= 1.0 - share[s];
            if share[l] < 1.0 {
                large.pop();
                small.push(l);
            }
        }
        // Cells left over hold 1 up to rounding; one of weight zero must never be kept.
        if let Some(heaviest) = (0..n).max_by(|a, b| weights[*a].total_cmp(&weights[*b])) {
            for i in 0..n {
                if weights[i] == 0.0 {
                    keep[i] = 0.0;
                    if other[i] as usize == i {
                        other[i] = heaviest as u32;
                    }
                }
            }
        }
        Self { keep, other }
    }

    pub(crate) fn draw(&self, rng: &mut Rng) -> usize {
        let cell = rng.below(self.keep.len() as u64) as usize;
        if rng.uniform() < self.keep[cell] { cell } else { self.other[cell] as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_add_up_to_the_weights() {
        for weights in
            [vec![1.0], vec![0.0, 2.0, 0.0], vec![1.0, 2.0, 3.0, 4.0, 1e-12], vec![1e-300, 1e-300, 3e-300]]
        {
            let (n, total) = (weights.len(), weights.iter().sum::<f64>());
            let table = AliasTable::new(&weights, total);
            let mut mass = vec![0.0; n];
            for i in 0..n {
                mass[i] += table.keep[i] / n as f64;
                mass[table.other[i] as usize] += (1.0 - table.keep[i]) / n as f64;
            }
            for (m, w) in mass.iter().zip(&weights) {
                assert!((m - w / total).abs() < 1e-15, "{mass:?} {weights:?}");
                assert!(*w > 0.0 || *m == 0.0);
            }
        }
    }
}
