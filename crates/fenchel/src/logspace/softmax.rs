//! The gradient of log-sum-exp: a probability vector, or its logarithm.

use rayon::prelude::*;

use super::accumulate::{Accumulated, CHUNK};
use super::slice::positive;
use crate::simd::{self, Real, level};
use crate::{Error, Result};

/// Write p_i = e^{x_i}/Σ_j e^{x_j}: the gradient of [`logsumexp`](super::logsumexp).
///
/// p ≥ 0, and Σp is 1 to a few units in the last place of 1 per √n. If some x_i are +∞ they share the mass equally.
/// NaN everywhere if any number is NaN, or if all are −∞ (no mass to share). Large slices go to all threads,
/// with the same bits for any number of them.
///
/// ```
/// use fenchel::logspace::softmax;
/// let mut p = [0.0; 3];
/// softmax(&[1000.0, 1000.0, -1000.0], &mut p)?;
/// assert_eq!(p, [0.5, 0.5, 0.0]);
/// # Ok::<(), fenchel::Error>(())
/// ```
///
/// # Errors
/// If the lengths differ.
pub fn softmax<T: Real>(x: &[T], out: &mut [T]) -> Result<()> {
    same_length(x, out)?;
    softmax_into(x, T::ONE, out);
    Ok(())
}

/// Write p_i = e^{x_i/τ}/Σ_j e^{x_j/τ}, for a temperature τ > 0.
///
/// # Errors
/// If the lengths differ, or τ is not a finite number above 0.
pub fn softmax_temperature<T: Real>(x: &[T], tau: T, out: &mut [T]) -> Result<()> {
    same_length(x, out)?;
    let tau = positive("temperature", tau)?;
    softmax_into(x, T::from_f64(1.0 / tau), out);
    Ok(())
}

/// [`softmax`] of every row of a matrix in row-major order with `columns` columns.
///
/// # Errors
/// If the lengths differ or are no multiple of `columns`.
pub fn softmax_rows<T: Real>(x: &[T], columns: usize, out: &mut [T]) -> Result<()> {
    each_row(x, columns, out, |x, out| softmax_into(x, T::ONE, out))
}

/// Write log p_i = x_i − LSE(x), as (x_i − max x) − (LSE(x) − max x), which keeps its precision where p_i is
/// near 1.
///
/// If some x_i are +∞ they share the mass equally, and the others get −∞. NaN as for [`softmax`].
///
/// ```
/// use fenchel::logspace::log_softmax;
/// let mut log_p = [0.0; 2];
/// log_softmax(&[0.0, -40.0], &mut log_p)?;
/// assert!((log_p[0] / -(-40f64).exp() - 1.0).abs() < 1e-15);
/// assert_eq!(log_p[1], -40.0);
/// # Ok::<(), fenchel::Error>(())
/// ```
///
/// # Errors
/// If the lengths differ.
pub fn log_softmax<T: Real>(x: &[T], out: &mut [T]) -> Result<()> {
    same_length(x, out)?;
    log_softmax_into(x, out);
    Ok(())
}

/// [`log_softmax`] of every row of a matrix in row-major order with `columns` columns.
///
/// # Errors
/// If the lengths differ or are no multiple of `columns`.
pub fn log_softmax_rows<T: Real>(x: &[T], columns: usize, out: &mut [T]) -> Result<()> {
    each_row(x, columns, out, log_softmax_into)
}

fn same_length<T>(x: &[T], out: &[T]) -> Result<()> {
    if x.len() == out.len() {
        Ok(())
    } else {
        Err(Error::shape("out", format_args!("{} numbers", x.len()), out.len()))
    }
}

fn each_row<T: Real>(
    x: &[T],
    columns: usize,
    out: &mut [T],
    row: impl Fn(&[T], &mut [T]) + Sync,
) -> Result<()> {
    same_length(x, out)?;
    if x.is_empty() {
        return Ok(());
    }
    if columns == 0 || !x.len().is_multiple_of(columns) {
        return Err(Error::shape("matrix", format_args!("rows of {columns} numbers"), x.len()));
    }
    let task = columns * (CHUNK / columns).max(1);
    let rows = |(x, out): (&[T], &mut [T])| {
        x.chunks(columns).zip(out.chunks_mut(columns)).for_each(|(x, out)| row(x, out));
    };
    if x.len() <= 2 * CHUNK {
        rows((x, out));
    } else {
        x.par_chunks(task).zip(out.par_chunks_mut(task)).for_each(rows);
    }
    Ok(())
}

/// The largest number, its chunks on all threads.
fn max<T: Real>(x: &[T]) -> T {
    if x.len() <= 2 * CHUNK {
        return simd::max(x);
    }
    x.par_chunks(CHUNK).map(simd::max).reduce(|| T::NEG_INFINITY, |a, b| if b > a { b } else { a })
}

/// Call `f` on pieces of both slices, on all threads if they are long, and add up what it returns, in order.
fn pieces<T: Real>(x: &[T], out: &mut [T], f: impl Fn(&[T], &mut [T]) -> T + Sync) -> T {
    if x.len() <= 2 * CHUNK {
        return f(x, out);
    }
    let parts: Vec<T> =
        x.par_chunks(CHUNK).zip(out.par_chunks_mut(CHUNK)).map(|(x, out)| f(x, out)).collect();
    simd::sum(&parts)
}

/// p_i = e^{s x_i}/Σ_j e^{s x_j} for slices of one length, and a scale s above 0.
pub(crate) fn softmax_into<T: Real>(x: &[T], scale: T, out: &mut [T]) {
    let max = max(x);
    if !max.is_finite() {
        return share_infinite(x, max, |share| share, out);
    }
    let sum = pieces(x, out, |x, out| simd::exp_weights_uncut(x, max, scale, out));
    let inverse = T::ONE / sum; // 1 ≤ sum ≤ n, or NaN
    pieces(x, out, |_, out| {
        simd::vectorize(|| {
            for p in out {
                *p *= inverse;
            }
        });
        T::ZERO
    });
}

pub(super) fn log_softmax_into<T: Real>(x: &[T], out: &mut [T]) {
    let sum = Accumulated::of(level(), x, None, 1.0);
    let max = T::from_f64(sum.max);
    if !max.is_finite() {
        return share_infinite(x, max, T::ln, out);
    }
    let log = T::from_f64(sum.ln_rest(1.0).0);
    pieces(x, out, |x, out| {
        simd::vectorize(|| {
            for (y, x) in out.iter_mut().zip(x) {
                *y = (*x - max) - log;
            }
        });
        T::ZERO
    });
}

/// Where no number is finite and largest: the infinite ones share the mass, unless there are none or NaN.
fn share_infinite<T: Real>(x: &[T], max: T, map: impl Fn(T) -> T, out: &mut [T]) {
    if max == T::NEG_INFINITY || x.iter().any(|x| x.is_nan()) {
        return out.fill(T::NAN);
    }
    let share = T::ONE / T::from_usize(x.iter().filter(|&&x| x == T::INFINITY).count());
    for (p, x) in out.iter_mut().zip(x) {
        *p = map(if *x == T::INFINITY { share } else { T::ZERO });
    }
}
