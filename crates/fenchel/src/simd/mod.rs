//! Vector kernels: exp, log1p, their sums, and maxima of slices, for the best instruction set found at run time.
//!
//! Every kernel is one generic function over a small set of vector operations, compiled for each [`Level`] that
//! the target knows; a call looks the level up (two loads) and jumps. Each has a twin with the suffix `_at`
//! that takes the level, so that all of them can be tested on one machine. Results depend on the level and the
//! arguments alone: the same bits for any number of threads and any alignment.
//!
//! exp is within 1.5 units in the last place on every level, log1p within 2: for exp the argument is reduced by
//! multiples of ln 2 (of ln 2/16 with AVX-512, which looks 2^(j/16) up in registers), the rest is a minimax
//! polynomial.
//!
//! ```
//! use fenchel::simd;
//!
//! let u = [1.0, 3.0, 2.0];
//! let mut p = [0.0; 3];
//! let shift = simd::max(&u);
//! let sum = simd::exp_weights(&u, shift, 1.0, None, &mut p);
//! assert_eq!(p[1], 1.0);
//! assert!((sum - (1.0 + (-1f64).exp() + (-2f64).exp())).abs() < 1e-15);
//! ```

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod columns;
// Elsewhere only the portable level is there to use them.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
mod constants;
#[cfg_attr(not(target_arch = "x86_64"), allow(unused_imports))]
mod dispatch;
mod kernels;
mod lanes;
mod level;
mod logsum;
mod portable;
mod real;
mod sum;

pub use dispatch::vectorize;
pub(crate) use lanes::{Kernel, Simd};
pub use level::{Level, level};
pub(crate) use logsum::{PartialSum, Sink as LogSumSink};
pub use real::Real;

/// max x_i. NaN is passed over; −∞ if nothing is left.
///
/// ```
/// assert_eq!(fenchel::simd::max(&[1.0, f64::NAN, 2.0]), 2.0);
/// assert_eq!(fenchel::simd::max::<f32>(&[]), f32::NEG_INFINITY);
/// ```
#[inline]
pub fn max<T: Real>(x: &[T]) -> T {
    max_at(level(), x)
}

/// [`max`] at a level.
#[inline]
pub fn max_at<T: Real>(level: Level, x: &[T]) -> T {
    T::run(level, kernels::Max(x))
}

/// Write out_i = η_i·exp((u_i − shift)·scale), with η_i = 1 if there is no η, and return Σ out_i.
///
/// With shift = max u and scale = 1/λ ≥ 0 no exponential exceeds 1 and the largest is exactly 1. Where the
/// exponent is −640 or less (−64 for `f32`) the exponential counts as 0, so that products of weights with anything
/// moderate are not subnormal, which is slow. The sum is compensated: its relative error stays below 8 units in
/// the last place for any length (for η ≥ 0). NaN in `u` or `eta` gives NaN.
///
/// # Panics
/// If `eta` or `out` has another length than `u`.
#[inline]
pub fn exp_weights<T: Real>(u: &[T], shift: T, scale: T, eta: Option<&[T]>, out: &mut [T]) -> T {
    exp_weights_at(level(), u, shift, scale, eta, out)
}

/// [`exp_weights`] at a level.
///
/// # Panics
/// If `eta` or `out` has another length than `u`.
#[inline]
pub fn exp_weights_at<T: Real>(
    level: Level,
    u: &[T],
    shift: T,
    scale: T,
    eta: Option<&[T]>,
    out: &mut [T],
) -> T {
    assert_eq!(u.len(), out.len(), "exp_weights: lengths of u and out");
    match eta {
        None => T::run(level, kernels::ExpWeights::<T, true> { u, shift, scale, out }),
        Some(eta) => {
            assert_eq!(u.len(), eta.len(), "exp_weights: lengths of u and eta");
            T::run(level, kernels::WeightedExpWeights { u, shift, scale, eta, out })
        }
    }
}

/// [`exp_weights`] without η, down to the smallest number there is; the slices must be equally long.
#[inline]
pub(crate) fn exp_weights_uncut<T: Real>(u: &[T], shift: T, scale: T, out: &mut [T]) -> T {
    T::run(level(), kernels::ExpWeights::<T, false> { u, shift, scale, out })
}

/// [`exp_weights`] with η of scores that lie where the weights shall be; the slices must be equally long.
#[inline]
pub(crate) fn exp_weights_in_place<T: Real>(u: &mut [T], shift: T, scale: T, eta: &[T]) -> T {
    T::run(level(), kernels::ExpWeightsInPlace { shift, scale, eta, out: u })
}

/// Σ exp((x_i − shift)·scale), in which nothing is cut.
#[inline]
pub fn exp_sum<T: Real>(x: &[T], shift: T, scale: T) -> T {
    exp_sum_at(level(), x, shift, scale)
}

/// [`exp_sum`] at a level.
#[inline]
pub fn exp_sum_at<T: Real>(level: Level, x: &[T], shift: T, scale: T) -> T {
    T::run(level, kernels::ExpSum { x, shift, scale })
}

/// Σ x_i, compensated: for x ≥ 0 the relative error stays below 8 units in the last place for any length.
#[inline]
pub fn sum<T: Real>(x: &[T]) -> T {
    sum_at(level(), x)
}

/// [`sum`] at a level.
#[inline]
pub fn sum_at<T: Real>(level: Level, x: &[T]) -> T {
    T::run(level, kernels::Sum(x))
}

/// Σ x_i y_i.
///
/// # Panics
/// If the lengths differ.
#[inline]
pub fn dot<T: Real>(x: &[T], y: &[T]) -> T {
    dot_at(level(), x, y)
}

/// [`dot`] at a level.
///
/// # Panics
/// If the lengths differ.
#[inline]
pub fn dot_at<T: Real>(level: Level, x: &[T], y: &[T]) -> T {
    assert_eq!(x.len(), y.len(), "dot: lengths of x and y");
    T::run(level, kernels::Dot { x, y })
}

/// y_i += a·x_i.
///
/// # Panics
/// If the lengths differ.
#[inline]
pub fn axpy<T: Real>(a: T, x: &[T], y: &mut [T]) {
    axpy_at(level(), a, x, y);
}

/// [`axpy`] at a level.
///
/// # Panics
/// If the lengths differ.
#[inline]
pub fn axpy_at<T: Real>(level: Level, a: T, x: &[T], y: &mut [T]) {
    assert_eq!(x.len(), y.len(), "axpy: lengths of x and y");
    T::run(level, kernels::Axpy { a, x, y });
}

/// Write out = Σ_j a_j x_j for columns x_j, one after another in `x`, as long as `out`.
///
/// # Panics
/// If there are more or fewer columns than numbers a.
#[inline]
pub fn combine<T: Real>(x: &[T], a: &[T], out: &mut [T]) {
    combine_at(level(), x, a, out);
}

/// [`combine`] at a level.
///
/// # Panics
/// If there are more or fewer columns than numbers a.
#[inline]
pub fn combine_at<T: Real>(level: Level, x: &[T], a: &[T], out: &mut [T]) {
    assert_eq!(x.len(), a.len() * out.len(), "combine: lengths of x, a and out");
    T::run(level, columns::Combine { x, a, out });
}

/// Add Σ_r w_r x_ir x_jr to out_ij for j ≤ i: columns x_i, one after another in `x`, as long as `w`; `out` is square,
/// row by row, and its upper half is left alone.
///
/// # Panics
/// If the lengths do not fit together.
#[inline]
pub fn add_gram<T: Real>(x: &[T], w: &[T], out: &mut [T]) {
    add_gram_at(level(), x, w, out);
}

/// [`add_gram`] at a level.
///
/// # Panics
/// If the lengths do not fit together.
#[inline]
pub fn add_gram_at<T: Real>(level: Level, x: &[T], w: &[T], out: &mut [T]) {
    let m = x.len().checked_div(w.len()).unwrap_or(0);
    assert_eq!(x.len(), m * w.len(), "add_gram: lengths of x and w");
    assert!(w.is_empty() || out.len() == m * m, "add_gram: length of out");
    T::run(level, columns::Gram { x, w, out });
}

/// Write out_i = e^{x_i}.
///
/// # Panics
/// If the lengths differ.
#[inline]
pub fn exp_into<T: Real>(x: &[T], out: &mut [T]) {
    exp_into_at(level(), x, out);
}

/// [`exp_into`] at a level.
///
/// # Panics
/// If the lengths differ.
#[inline]
pub fn exp_into_at<T: Real>(level: Level, x: &[T], out: &mut [T]) {
    assert_eq!(x.len(), out.len(), "exp_into: lengths of x and out");
    T::run(level, kernels::Exp { x, out });
}

/// Write out_i = log(1 + x_i), accurate near 0; −∞ at −1, NaN below.
///
/// # Panics
/// If the lengths differ.
#[inline]
pub fn log1p_into<T: Real>(x: &[T], out: &mut [T]) {
    log1p_into_at(level(), x, out);
}

/// [`log1p_into`] at a level.
///
/// # Panics
/// If the lengths differ.
#[inline]
pub fn log1p_into_at<T: Real>(level: Level, x: &[T], out: &mut [T]) {
    assert_eq!(x.len(), out.len(), "log1p_into: lengths of x and out");
    T::run(level, kernels::Log1p { x, out });
}

/// The sums behind the log-sum-exps of rows of `columns` numbers, for a temperature 1/`scale`.
#[inline]
pub(crate) fn log_sums<T: Real, K: LogSumSink>(
    level: Level,
    x: &[T],
    columns: usize,
    scale: T,
    sink: &mut K,
) {
    if scale == T::ONE {
        T::run(level, logsum::LogSum::<T, K, false> { x, columns, scale, sink });
    } else {
        T::run(level, logsum::LogSum::<T, K, true> { x, columns, scale, sink });
    }
}

/// Part of one sum with weights of any sign; `x` and `w` must be equally long.
#[inline]
pub(crate) fn weighted_log_sum<T: Real>(level: Level, x: &[T], w: &[T], scale: T, floor: T) -> PartialSum {
    T::run(level, logsum::WeightedLogSum { x, w, scale, floor })
}
