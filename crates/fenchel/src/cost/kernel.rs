//! Sums (or maxima) over coordinates of a function of x_k − y_k, for blocks of samples and atoms.
//!
//! Differences are taken before anything else, so that a common offset of all points costs no digits; the
//! expansion |x|² − 2xy + |y|² would. Atoms are taken in chunks that stay in cache, samples four at a time so that
//! a coordinate read once serves four rows, coordinates four at a time so that a running sum is loaded and
//! stored once for four of them.

use super::real::Real;
use crate::measure::Soa;
use multiversion::{multiversion, target::match_target};

/// Atoms of a chunk: with four coordinates of them and four rows, half a first-level cache.
const CHUNK: usize = 256;

/// How a difference enters the running value, and what becomes of the value in the end.
pub(super) trait Metric {
    /// Whether running values outside [`Real::SAFE`] must be computed again with scaling.
    const SCALED: bool;

    /// The running value with one more difference.
    fn step<T: Real, const FUSED: bool>(sum: T, difference: T) -> T;

    /// The cost from the running value.
    #[inline(always)]
    fn finish<T: Real>(sum: T) -> T {
        sum
    }
}

/// out[s·n + i] = finish(Σ_k step(x_sk − y_ik)); values that may have under- or overflowed are taken from
/// `careful` instead.
pub(super) fn rows<T: Real, M: Metric>(
    xs: &[T],
    atoms: &Soa<T>,
    out: &mut [T],
    careful: impl Fn(&[f64], &[f64]) -> f64,
) {
    let (dim, n) = (atoms.dim(), atoms.len());
    if n == 0 || dim == 0 {
        return;
    }
    debug_assert_eq!(xs.len() / dim * n, out.len());
    if blocks::<T, M>(xs, dim, atoms.data(), n, out) {
        rescue::<T, M>(xs, atoms, out, careful);
    }
}

/// Computes again, in f64 with scaling, what left the range where no digits are lost.
#[cold]
fn rescue<T: Real, M: Metric>(
    xs: &[T],
    atoms: &Soa<T>,
    out: &mut [T],
    careful: impl Fn(&[f64], &[f64]) -> f64,
) {
    let (dim, n) = (atoms.dim(), atoms.len());
    let (low, high) = (M::finish(T::SAFE.0), M::finish(T::SAFE.1));
    let (mut x, mut y) = (vec![0.0; dim], vec![0.0; dim]);
    for (sample, row) in xs.chunks_exact(dim).zip(out.chunks_exact_mut(n)) {
        for (wide, narrow) in x.iter_mut().zip(sample) {
            *wide = narrow.to_f64();
        }
        for (i, c) in row.iter_mut().enumerate() {
            if !(*c > low && *c < high) {
                for (k, wide) in y.iter_mut().enumerate() {
                    *wide = atoms.coordinate(k)[i].to_f64();
                }
                *c = T::from_f64(careful(&x, &y));
            }
        }
    }
}

/// True if some running value left [`Real::SAFE`] and the metric minds.
#[multiversion(targets(
    "x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma",
    "x86_64+avx2+fma",
    "aarch64+neon"
))]
fn blocks<T: Real, M: Metric>(xs: &[T], dim: usize, atoms: &[T], n: usize, out: &mut [T]) -> bool {
    match_target! {
        "x86_64+fma" => blocks_body::<T, M, true>(xs, dim, atoms, n, out),
        "aarch64+neon" => blocks_body::<T, M, true>(xs, dim, atoms, n, out),
        _ => blocks_body::<T, M, false>(xs, dim, atoms, n, out),
    }
}

#[inline(always)]
fn blocks_body<T: Real, M: Metric, const FUSED: bool>(
    xs: &[T],
    dim: usize,
    atoms: &[T],
    n: usize,
    out: &mut [T],
) -> bool {
    let samples = xs.len() / dim;
    let mut left_range = false;
    let mut from = 0;
    while from < n {
        let width = CHUNK.min(n - from);
        let mut s = 0;
        while s + 4 <= samples {
            let x = &xs[s * dim..(s + 4) * dim];
            let mut rest = &mut out[s * n..(s + 4) * n];
            let rows: [&mut [T]; 4] = std::array::from_fn(|_| {
                let (row, tail) = std::mem::take(&mut rest).split_at_mut(n);
                rest = tail;
                &mut row[from..from + width]
            });
            left_range |= group::<T, M, FUSED, 4>(x, dim, atoms, n, from, rows);
            s += 4;
        }
        while s < samples {
            let row = &mut out[s * n + from..s * n + from + width];
            left_range |= group::<T, M, FUSED, 1>(&xs[s * dim..(s + 1) * dim], dim, atoms, n, from, [row]);
            s += 1;
        }
        from += width;
    }
    left_range
}

/// S samples against one chunk of atoms.
#[inline(always)]
fn group<T: Real, M: Metric, const FUSED: bool, const S: usize>(
    x: &[T],
    dim: usize,
    atoms: &[T],
    n: usize,
    from: usize,
    mut rows: [&mut [T]; S],
) -> bool {
    let mut k = match dim {
        1 => pass::<T, M, FUSED, true, S, 1>(x, dim, 0, atoms, n, from, &mut rows),
        2 => pass::<T, M, FUSED, true, S, 2>(x, dim, 0, atoms, n, from, &mut rows),
        3 => pass::<T, M, FUSED, true, S, 3>(x, dim, 0, atoms, n, from, &mut rows),
        _ => pass::<T, M, FUSED, true, S, 4>(x, dim, 0, atoms, n, from, &mut rows),
    };
    while k + 4 <= dim {
        k = pass::<T, M, FUSED, false, S, 4>(x, dim, k, atoms, n, from, &mut rows);
    }
    while k < dim {
        k = pass::<T, M, FUSED, false, S, 1>(x, dim, k, atoms, n, from, &mut rows);
    }
    let mut outside = 0u32;
    for row in rows {
        for c in row {
            if M::SCALED {
                outside |= u32::from(c.left_safe_range());
            }
            *c = M::finish(*c);
        }
    }
    outside != 0
}

/// Adds coordinates `k`, …, `k` + K − 1 to the running values; returns the next coordinate.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn pass<T: Real, M: Metric, const FUSED: bool, const FIRST: bool, const S: usize, const K: usize>(
    x: &[T],
    dim: usize,
    k: usize,
    atoms: &[T],
    n: usize,
    from: usize,
    rows: &mut [&mut [T]; S],
) -> usize {
    let width = rows[0].len();
    let x: [[T; K]; S] = std::array::from_fn(|s| std::array::from_fn(|j| x[s * dim + k + j]));
    let y: [&[T]; K] = std::array::from_fn(|j| &atoms[(k + j) * n + from..(k + j) * n + from + width]);
    let rows: [&mut [T]; S] = rows.each_mut().map(|row| &mut row[..width]);
    for i in 0..width {
        for s in 0..S {
            let mut sum = if FIRST { T::ZERO } else { rows[s][i] };
            for j in 0..K {
                sum = M::step::<T, FUSED>(sum, x[s][j] - y[j][i]);
            }
            rows[s][i] = sum;
        }
    }
    k + K
}
