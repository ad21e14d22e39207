//! The part of a linear system that is smooth over many atoms, solved exactly: cells of neighbouring atoms, on which
//! x is constant.
//!
//! Conjugate gradients on the Hessian of a local problem carry a correction from atom to atom, a neighbourhood a step.
//! With P the indicators of the cells, P(PᵀAP)⁻¹Pᵀ added to the preconditioner takes it across at once.

use crate::simd;

/// Atoms of a cell, and cells at most.
const CELL: usize = 64;
const MOST: usize = 1024;

/// Ranges of atoms, and the Cholesky factor of PᵀAP by rows.
#[derive(Debug)]
pub(crate) struct Coarse {
    factor: Vec<f64>,
    cell: Vec<u32>,
    count: usize,
}

/// How many halvings of `n` atoms make cells; none where there are too few to be worth it.
pub(crate) fn depth(n: usize) -> Option<u32> {
    let cells = (n / CELL).min(MOST);
    (cells >= 16).then(|| cells.ilog2())
}

/// The cell of every atom, from where cells begin, and the end.
pub(crate) fn cells(starts: &[u32]) -> Vec<u32> {
    let mut cells = Vec::with_capacity(starts.last().map_or(0, |&end| end as usize));
    for (cell, ends) in starts.windows(2).enumerate() {
        cells.resize(cells.len() + (ends[1] - ends[0]) as usize, cell as u32);
    }
    cells
}

impl Coarse {
    /// From the lower half of the symmetric matrix PᵀAP, row by row; none if it is not positive definite.
    pub(crate) fn new(mut matrix: Vec<f64>, cell: Vec<u32>, count: usize) -> Option<Coarse> {
        for i in 0..count {
            let (above, row) = matrix.split_at_mut(i * count);
            let size = row[i];
            for j in 0..i {
                let other = &above[j * count..][..=j];
                row[j] = (row[j] - simd::dot(&row[..j], &other[..j])) / other[j];
            }
            let pivot = row[i] - simd::dot(&row[..i], &row[..i]);
            // Rounding leaves something of a zero; a cell that is all but free of the others is left to the rest.
            if pivot.is_nan() || pivot <= 1e-10 * size {
                return None;
            }
            row[i] = pivot.sqrt();
        }
        Some(Coarse { factor: matrix, cell, count })
    }

    /// z ← z + P(PᵀAP)⁻¹Pᵀr.
    pub(crate) fn add(&self, r: &[f64], z: &mut [f64]) {
        let n = self.count;
        let mut x = vec![0.0; n];
        for (&cell, r) in self.cell.iter().zip(r) {
            x[cell as usize] += r;
        }
        for i in 0..n {
            let row = &self.factor[i * n..][..=i];
            x[i] = (x[i] - simd::dot(&row[..i], &x[..i])) / row[i];
        }
        for i in (0..n).rev() {
            let row = &self.factor[i * n..][..=i];
            x[i] /= row[i];
            let (below, rest) = x.split_at_mut(i);
            simd::axpy(-rest[0], &row[..i], below);
        }
        for (&cell, z) in self.cell.iter().zip(z) {
            *z += x[cell as usize];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_constant_on_cells_is_solved_exactly() {
        let mut rng = crate::measure::stream(9, 0, 0);
        let cell = cells(&[0, 3, 4, 9, 11]);
        assert_eq!(cell, [0, 0, 0, 1, 2, 2, 2, 2, 2, 3, 3]);
        let (n, count) = (cell.len(), 4);
        // A = BBᵀ + I.
        let b: Vec<f64> = (0..n * n).map(|_| rng.normal()).collect();
        let a =
            |i: usize, j: usize| f64::from(i == j) + (0..n).map(|k| b[i * n + k] * b[j * n + k]).sum::<f64>();
        let mut matrix = vec![0.0; count * count];
        for i in 0..n {
            for j in 0..n {
                matrix[cell[i] as usize * count + cell[j] as usize] += a(i, j);
            }
        }
        let x: Vec<f64> = (0..count).map(|_| rng.normal()).collect();
        let r: Vec<f64> = (0..n).map(|i| (0..n).map(|j| a(i, j) * x[cell[j] as usize]).sum()).collect();
        let mut z = vec![0.0; n];
        let coarse = Coarse::new(matrix, cell.clone(), count).unwrap();
        coarse.add(&r, &mut z);
        for (z, &cell) in z.iter().zip(&cell) {
            assert!((z - x[cell as usize]).abs() < 1e-10 * (1.0 + x[cell as usize].abs()));
        }
        // A matrix that is not positive definite is refused.
        assert!(Coarse::new(vec![1.0, 0.0, 1.0, 1.0], vec![0, 1], 2).is_none());
    }
}
