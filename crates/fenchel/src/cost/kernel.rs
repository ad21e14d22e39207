//! Sums (or maxima) over coordinates of a function of x_k − y_k, for blocks of samples and atoms.
//!
//! Differences are taken before anything else, so that a common offset of all points costs no digits; the
//! expansion |x|² − 2xy + |y|² would. With few coordinates a chunk of atoms that stays in cache meets four samples
//! at a time; with many the running values stay in registers, four samples by two registers of atoms.

use super::real::Real;
use crate::measure::Soa;
use crate::simd::{Level, level};
use multiversion::{multiversion, target::match_target};

/// Whether every machine of the target fuses a multiplication with an addition.
pub(super) const NATIVE_FUSED: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));

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
    if blocks::<T, M>(level(), xs, dim, atoms.data(), n, out) {
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
fn blocks<T: Real, M: Metric>(
    level: Level,
    xs: &[T],
    dim: usize,
    atoms: &[T],
    n: usize,
    out: &mut [T],
) -> bool {
    match level {
        Level::Avx512 => avx512::<T, M>(xs, dim, atoms, n, out),
        Level::Avx2 => avx2::<T, M>(xs, dim, atoms, n, out),
        Level::Scalar => portable::<T, M>(xs, dim, atoms, n, out),
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma"))]
fn avx512<T: Real, M: Metric>(xs: &[T], dim: usize, atoms: &[T], n: usize, out: &mut [T]) -> bool {
    match_target! {
        "x86_64+avx512f" => blocks_body::<T, M, true, true>(xs, dim, atoms, n, out),
        _ => avx2::<T, M>(xs, dim, atoms, n, out),
    }
}

#[multiversion(targets("x86_64+avx2+fma"))]
fn avx2<T: Real, M: Metric>(xs: &[T], dim: usize, atoms: &[T], n: usize, out: &mut [T]) -> bool {
    match_target! {
        "x86_64+fma" => blocks_body::<T, M, true, false>(xs, dim, atoms, n, out),
        _ => portable::<T, M>(xs, dim, atoms, n, out),
    }
}

fn portable<T: Real, M: Metric>(xs: &[T], dim: usize, atoms: &[T], n: usize, out: &mut [T]) -> bool {
    blocks_body::<T, M, NATIVE_FUSED, false>(xs, dim, atoms, n, out)
}

/// Lanes are one register of the widest instruction set in use, 64 or 32 bytes, or two of 16.
#[inline(always)]
fn blocks_body<T: Real, M: Metric, const FUSED: bool, const WIDE: bool>(
    xs: &[T],
    dim: usize,
    atoms: &[T],
    n: usize,
    out: &mut [T],
) -> bool {
    match (WIDE, size_of::<T>()) {
        (true, 4) if dim > 3 && n >= 32 => tiles::<T, M, FUSED, 16>(xs, dim, atoms, n, out),
        (true, _) if dim > 3 && n >= 16 => tiles::<T, M, FUSED, 8>(xs, dim, atoms, n, out),
        (false, 4) if dim > 3 && n >= 16 => tiles::<T, M, FUSED, 8>(xs, dim, atoms, n, out),
        (false, _) if dim > 3 && n >= 8 => tiles::<T, M, FUSED, 4>(xs, dim, atoms, n, out),
        _ => chunks::<T, M, FUSED>(xs, dim, atoms, n, out),
    }
}

/// Many coordinates: the running values of four samples and two registers of atoms stay in registers.
#[inline(always)]
fn tiles<T: Real, M: Metric, const FUSED: bool, const W: usize>(
    xs: &[T],
    dim: usize,
    atoms: &[T],
    n: usize,
    out: &mut [T],
) -> bool {
    let samples = xs.len() / dim;
    let mut left_range = false;
    for tile in 0..n.div_ceil(2 * W) {
        // The last tile ends with the last atom, and does some atoms again.
        let from = (tile * 2 * W).min(n - 2 * W);
        let mut s = 0;
        while s < samples {
            if s + 4 <= samples {
                left_range |= tile_of::<T, M, FUSED, 4, W>(xs, dim, atoms, n, s, from, out);
                s += 4;
            } else {
                left_range |= tile_of::<T, M, FUSED, 1, W>(xs, dim, atoms, n, s, from, out);
                s += 1;
            }
        }
    }
    left_range
}

/// Samples `s`, …, `s` + S − 1 against atoms `from`, …, `from` + 2W − 1.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn tile_of<T: Real, M: Metric, const FUSED: bool, const S: usize, const W: usize>(
    xs: &[T],
    dim: usize,
    atoms: &[T],
    n: usize,
    s: usize,
    from: usize,
    out: &mut [T],
) -> bool {
    let x: [&[T]; S] = std::array::from_fn(|r| &xs[(s + r) * dim..(s + r + 1) * dim]);
    let mut sums = [[[T::ZERO; W]; 2]; S];
    for (k, coordinate) in atoms.chunks_exact(n).enumerate().take(dim) {
        let (Some(y0), Some(y1)) =
            (coordinate[from..].first_chunk::<W>(), coordinate[from + W..].first_chunk::<W>())
        else {
            return false;
        };
        for r in 0..S {
            let x = x[r][k];
            for w in 0..W {
                sums[r][0][w] = M::step::<T, FUSED>(sums[r][0][w], x - y0[w]);
            }
            for w in 0..W {
                sums[r][1][w] = M::step::<T, FUSED>(sums[r][1][w], x - y1[w]);
            }
        }
    }
    let mut outside = false;
    for (r, sums) in sums.iter().enumerate() {
        let row = &mut out[(s + r) * n + from..(s + r) * n + from + 2 * W];
        row.copy_from_slice(sums.as_flattened());
        outside |= finish::<T, M>(row);
    }
    outside
}

/// Turns running values into costs.
#[inline(always)]
fn finish<T: Real, M: Metric>(row: &mut [T]) -> bool {
    let mut outside = 0u32;
    for c in row {
        if M::SCALED {
            outside |= u32::from(c.left_safe_range());
        }
        *c = M::finish(*c);
    }
    outside != 0
}

/// Few coordinates, or few atoms.
#[inline(always)]
fn chunks<T: Real, M: Metric, const FUSED: bool>(
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
    let mut outside = false;
    for row in rows {
        outside |= finish::<T, M>(row);
    }
    outside
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

#[cfg(test)]
mod tests {
    use super::super::{L2, Linf, SqEuclidean};
    use super::*;

    /// Every body, whatever this machine has.
    fn all_bodies<M: Metric>() {
        for (samples, n, dim) in
            [(1, 1, 1), (5, 7, 2), (4, 300, 3), (9, 16, 4), (6, 33, 5), (2, 40, 64), (3, 9, 17)]
        {
            let mut rng = crate::measure::stream(1, n as u64, dim as u64);
            let xs: Vec<f64> = (0..samples * dim).map(|_| rng.normal()).collect();
            let ys: Vec<f64> = (0..n * dim).map(|_| rng.normal()).collect();
            let expected: Vec<f64> = (0..samples * n)
                .map(|at| {
                    let (s, i) = (at / n, at % n);
                    let step = |sum, k: usize| M::step::<f64, false>(sum, xs[s * dim + k] - ys[k * n + i]);
                    M::finish((0..dim).fold(0.0, step))
                })
                .collect();
            let mut out = vec![0.0; samples * n];
            for body in [
                blocks_body::<f64, M, true, false>,
                blocks_body::<f64, M, true, true>,
                chunks::<f64, M, false>,
                portable::<f64, M>,
                avx2::<f64, M>,
                avx512::<f64, M>,
            ] {
                out.fill(f64::NAN);
                assert!(!body(&xs, dim, &ys, n, &mut out));
                for (c, e) in out.iter().zip(&expected) {
                    assert!((c - e).abs() <= 1e-14 * e, "{samples} × {n}, d = {dim}: {c} against {e}");
                }
            }
        }
    }

    #[test]
    fn every_body_computes_the_same() {
        all_bodies::<SqEuclidean>();
        all_bodies::<Linf>();
        all_bodies::<L2>();
    }
}
