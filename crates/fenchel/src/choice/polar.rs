//! Singular values by rotations of rows.

use crate::simd;

/// Makes the n rows of the matrix `k` orthogonal by rotations, and applies the same rotations to the n × n matrix `u`:
/// one-sided Jacobi.
///
/// Afterwards the norms of the rows are the singular values. If the rows are scaled by factors of very different size and
/// the matrix is well-conditioned without them, small singular values come out with as many digits as large ones
/// (Demmel and Veselić 1992). Methods that reduce the matrix to two diagonals first keep only an absolute accuracy, which
/// is not enough for atoms that are hardly ever chosen.
pub(super) fn orthogonalise_rows(k: &mut [f64], u: &mut [f64], n: usize) {
    let m = k.len() / n;
    let tolerance = f64::EPSILON * (n as f64).sqrt();
    let mut squares = vec![0.0; n];
    // Convergence is quadratic after a few sweeps; the limit is never met but by numbers that are not finite.
    for _ in 0..40 {
        for (row, square) in k.chunks_exact(m).zip(&mut squares) {
            *square = simd::dot(row, row);
        }
        let mut rotated = false;
        for i in 0..n {
            for j in i + 1..n {
                let (head, tail) = k.split_at_mut(j * m);
                let (a, b) = (&mut head[i * m..(i + 1) * m], &mut tail[..m]);
                let product = simd::dot(a, b);
                if product.abs() <= tolerance * (squares[i] * squares[j]).sqrt() {
                    continue;
                }
                rotated = true;
                let zeta = 0.5 * (squares[j] - squares[i]) / product;
                let tangent = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                let sine = cosine * tangent;
                rotate(a, b, cosine, sine);
                let (head, tail) = u.split_at_mut(j * n);
                rotate(&mut head[i * n..(i + 1) * n], &mut tail[..n], cosine, sine);
                squares[i] = (squares[i] - tangent * product).max(0.0);
                squares[j] += tangent * product;
            }
        }
        if !rotated {
            return;
        }
    }
}

/// (a, b) ← (c a − s b, s a + c b).
fn rotate(a: &mut [f64], b: &mut [f64], cosine: f64, sine: f64) {
    simd::vectorize(|| {
        for (a, b) in a.iter_mut().zip(b.iter_mut()) {
            (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
        }
    });
}

/// The lower factor L of a symmetric positive definite matrix, A = L Lᵀ, in place and row-major, zeros above the
/// diagonal. The row whose pivot is below `tolerance` times its diagonal entry is returned as an error.
pub(super) fn cholesky(a: &mut [f64], n: usize, tolerance: f64) -> Result<(), usize> {
    for i in 0..n {
        let (done, rest) = a.split_at_mut(i * n);
        let row = &mut rest[..n];
        let full = row[i];
        for j in 0..i {
            let above = &done[j * n..j * n + j + 1];
            row[j] = (row[j] - simd::dot(&row[..j], &above[..j])) / above[j];
        }
        let pivot = full - simd::dot(&row[..i], &row[..i]);
        if pivot <= tolerance * full || pivot.is_nan() {
            return Err(i);
        }
        row[i] = pivot.sqrt();
        row[i + 1..].fill(0.0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Rng;

    /// Rows scaled over forty orders of magnitude: U diag(s) Wᵀ is the matrix, row by row to rounding of that row, and
    /// the product of singular values is the determinant.
    #[test]
    fn graded_rows_keep_their_digits() {
        let (n, mut rng) = (12, Rng::new(3));
        let scale: Vec<f64> = (0..n).map(|i| 10f64.powf(-40.0 * i as f64 / 11.0)).collect();
        let mut lower: Vec<f64> = (0..n * n).map(|_| 0.2 * rng.normal()).collect();
        for i in 0..n {
            lower[i * n + i] = 1.0 + rng.uniform();
            lower[i * n + i + 1..(i + 1) * n].fill(0.0);
        }
        let log_det: f64 = (0..n).map(|i| (scale[i] * lower[i * n + i]).ln()).sum();
        let original: Vec<f64> = (0..n * n).map(|at| lower[at] * scale[at / n]).collect();
        let (mut k, mut u) = (original.clone(), vec![0.0; n * n]);
        (0..n).for_each(|i| u[i * n + i] = 1.0);
        orthogonalise_rows(&mut k, &mut u, n);
        let row = |m: &[f64], i: usize| m[i * n..(i + 1) * n].to_vec();
        let norms: Vec<f64> = (0..n).map(|i| simd::dot(&row(&k, i), &row(&k, i)).sqrt()).collect();
        let found: f64 = norms.iter().map(|s| s.ln()).sum();
        assert!((found - log_det).abs() < 1e-12, "{found} {log_det}");
        for i in 0..n {
            for j in 0..i {
                assert!(simd::dot(&row(&k, i), &row(&k, j)).abs() < 1e-14 * norms[i] * norms[j]);
                assert!(simd::dot(&row(&u, i), &row(&u, j)).abs() < 1e-14);
            }
            for c in 0..n {
                let back: f64 = (0..n).map(|r| u[r * n + i] * k[r * n + c]).sum();
                assert!((back - original[i * n + c]).abs() < 1e-14 * scale[i] * 2.0, "{i} {c}");
            }
        }
    }

    #[test]
    fn cholesky_names_the_row() {
        let mut a = vec![4.0, 2.0, 2.0, 2.0, 5.0, 3.0, 2.0, 3.0, 6.0];
        cholesky(&mut a, 3, 0.0).unwrap();
        for (found, expected) in a.iter().zip([2.0, 0.0, 0.0, 1.0, 2.0, 0.0, 1.0, 1.0, 2.0]) {
            assert!((found - expected).abs() < 1e-15);
        }
        assert_eq!(cholesky(&mut [1.0, 1.0, 1.0, 1.0], 2, 1e-12), Err(1));
    }
}
