//! Losses whose value is a log-sum-exp and whose gradient a softmax.

use rayon::prelude::*;

use super::accumulate::{Accumulated, CHUNK};
use super::slice::positive;
use super::softmax::softmax_into;
use crate::simd::{Real, level, sum};
use crate::{Error, Result};

/// Softmax cross-entropy, mean over rows: (1/n) Σ_i [LSE(x_i) − x_{i, y_i}] for `scores` with one row x_i a label
/// y_i, in row-major order. If a gradient is asked for it is written as (p − onehot(y))/n, p the softmax of the
/// row.
///
/// ```
/// use fenchel::logspace::cross_entropy;
/// let scores = [0.0, 0.0, 0.0, 50.0];
/// let mut gradient = [0.0; 4];
/// let loss = cross_entropy(&scores, &[1, 1], Some(&mut gradient))?;
/// assert!((loss - 0.5 * 2f64.ln()).abs() < 1e-15);
/// assert_eq!(gradient[..2], [0.25, -0.25]);
/// # Ok::<(), fenchel::Error>(())
/// ```
///
/// # Errors
/// If there are no labels, if the scores are not as many for each, if a label is not the index of a column, or
/// if the gradient is not as long as the scores.
pub fn cross_entropy<T: Real>(scores: &[T], labels: &[usize], gradient: Option<&mut [T]>) -> Result<T> {
    loss(scores, labels, 1.0, gradient)
}

/// InfoNCE: the mean over i of −log of the softmax weight of the positive pair (i, i) among the scores s_i1 … s_in
/// of query i, at temperature τ. The scores are n × n in row-major order; the gradient is (p − I)/(nτ).
///
/// log n minus it bounds the mutual information of queries and keys from below (van den Oord, Li, Vinyals 2018).
///
/// ```
/// use fenchel::logspace::info_nce;
/// let loss = info_nce(&[1.0, 0.0, 0.0, 1.0], 2, 0.1, None)?;
/// assert!((loss - (-10f64).exp().ln_1p()).abs() < 1e-17);
/// # Ok::<(), fenchel::Error>(())
/// ```
///
/// # Errors
/// If the scores are not n × n with n ≥ 1, if the gradient is not as long, or if τ is not a finite number above 0.
pub fn info_nce<T: Real>(scores: &[T], n: usize, tau: T, gradient: Option<&mut [T]>) -> Result<T> {
    if n == 0 || n.checked_mul(n) != Some(scores.len()) {
        return Err(Error::shape("scores", format!("{n} × {n} numbers, at least one"), scores.len()));
    }
    let labels: Vec<usize> = (0..n).collect();
    loss(scores, &labels, positive("temperature", tau)?, gradient)
}

fn loss<T: Real>(scores: &[T], labels: &[usize], tau: f64, gradient: Option<&mut [T]>) -> Result<T> {
    let rows = labels.len();
    if rows == 0 {
        return Err(Error::shape("labels", "at least one", 0));
    }
    let columns = scores.len() / rows;
    if columns == 0 || columns * rows != scores.len() {
        return Err(Error::shape("scores", format!("{rows} rows of equal length"), scores.len()));
    }
    if let Some(i) = labels.iter().position(|&y| y >= columns) {
        let expected = format!("the index of a column, below {columns}");
        return Err(Error::invalid(format!("labels[{i}]"), labels[i], expected));
    }
    let rows_a_task = (CHUNK / columns).max(1);
    let task = rows_a_task * columns;
    let losses: Vec<f64> = match gradient {
        None => scores
            .par_chunks(task)
            .zip(labels.par_chunks(rows_a_task))
            .map(|(x, y)| x.chunks(columns).zip(y).map(|(x, &y)| row_loss(x, y, tau)).sum())
            .collect(),
        Some(gradient) if gradient.len() != scores.len() => {
            return Err(Error::shape("gradient", format!("{} numbers", scores.len()), gradient.len()));
        }
        Some(gradient) => {
            let scale = T::from_f64(1.0 / (rows as f64 * tau));
            let with_gradient = |((x, y), out): ((&[T], &[usize]), &mut [T])| {
                let rows = x.chunks(columns).zip(y).zip(out.chunks_mut(columns));
                rows.map(|((x, &y), out)| {
                    softmax_into(x, T::from_f64(1.0 / tau), out);
                    for (j, g) in out.iter_mut().enumerate() {
                        *g = if j == y { (*g - T::ONE) * scale } else { *g * scale };
                    }
                    row_loss(x, y, tau)
                })
                .sum()
            };
            scores
                .par_chunks(task)
                .zip(labels.par_chunks(rows_a_task))
                .zip(gradient.par_chunks_mut(task))
                .map(with_gradient)
                .collect()
        }
    };
    Ok(T::from_f64(sum(&losses) / rows as f64))
}

/// LSE(x/τ) − x_y/τ, as (LSE(x/τ) − max x/τ) + (max x − x_y)/τ.
fn row_loss<T: Real>(x: &[T], y: usize, tau: f64) -> f64 {
    let sum = Accumulated::of(level(), x, None, 1.0 / tau);
    if sum.max.is_finite() {
        (sum.max - x[y].to_f64()) / tau + sum.ln_rest(1.0).0
    } else {
        sum.log_mean(tau, 1.0).0 - x[y].to_f64() // ∞, or NaN where both are infinite
    }
}
