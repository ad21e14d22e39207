//! The cosine distance.

use super::Cost;
use super::kernel::NATIVE_FUSED;
use super::real::Real;
use crate::measure::Soa;
use crate::simd::{Level, level};
use multiversion::{multiversion, target::match_target};

/// 1 − ⟨x, y⟩/(|x||y|), in [0, 2]; 1 if x or y is 0.
///
/// Computed as ½ |x/|x| − y/|y||², which keeps its digits for directions that are almost the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cosine;

/// Atoms whose inverse norms are held at a time.
const CHUNK: usize = 256;

impl Cost for Cosine {
    fn name(&self) -> String {
        "cosine".into()
    }

    fn eval(&self, x: &[f64], y: &[f64]) -> f64 {
        let (mx, my) = (largest(x), largest(y));
        if mx == 0.0 || my == 0.0 {
            return 1.0;
        }
        let (nx, ny) = (scaled_norm(x, mx), scaled_norm(y, my));
        0.5 * x.iter().zip(y).map(|(x, y)| (x / mx / nx - y / my / ny).powi(2)).sum::<f64>()
    }

    fn rows(&self, xs: &[f64], atoms: &Soa<f64>, out: &mut [f64]) {
        rows(xs, atoms, out);
    }

    fn rows_f32(&self, xs: &[f32], atoms: &Soa<f32>, out: &mut [f32]) {
        rows(xs, atoms, out);
    }

    fn degree(&self) -> Option<f64> {
        Some(0.0)
    }

    fn is_symmetric(&self) -> bool {
        true
    }
}

fn largest(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |most, x| most.larger(x.abs()))
}

fn scaled_norm(x: &[f64], scale: f64) -> f64 {
    x.iter().map(|x| (x / scale).powi(2)).sum::<f64>().sqrt()
}

fn rows<T: Real>(xs: &[T], atoms: &Soa<T>, out: &mut [T]) {
    let (dim, n) = (atoms.dim(), atoms.len());
    if dim == 0 || n == 0 || !blocks(level(), xs, dim, atoms.data(), n, out) {
        return;
    }
    // Some norm was zero or left the safe range: those pairs one by one.
    let wide = |point: &mut dyn Iterator<Item = T>| point.map(T::to_f64).collect::<Vec<f64>>();
    let unsafe_norm = |x: &[f64]| T::from_f64(x.iter().map(|x| x * x).sum::<f64>()).left_safe_range();
    let samples: Vec<Vec<f64>> = xs.chunks_exact(dim).map(|x| wide(&mut x.iter().copied())).collect();
    for i in 0..n {
        let y = wide(&mut (0..dim).map(|k| atoms.coordinate(k)[i]));
        let every = unsafe_norm(&y);
        for (x, row) in samples.iter().zip(out.chunks_exact_mut(n)) {
            if every || unsafe_norm(x) {
                row[i] = T::from_f64(Cosine.eval(x, &y));
            }
        }
    }
}

/// True if a norm is outside the safe range.
fn blocks<T: Real>(level: Level, xs: &[T], dim: usize, atoms: &[T], n: usize, out: &mut [T]) -> bool {
    match level {
        Level::Avx512 => avx512(xs, dim, atoms, n, out),
        Level::Avx2 => avx2(xs, dim, atoms, n, out),
        Level::Scalar => portable(xs, dim, atoms, n, out),
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma"))]
fn avx512<T: Real>(xs: &[T], dim: usize, atoms: &[T], n: usize, out: &mut [T]) -> bool {
    match_target! {
        "x86_64+avx512f" => blocks_body::<T, true>(xs, dim, atoms, n, out),
        _ => avx2(xs, dim, atoms, n, out),
    }
}

#[multiversion(targets("x86_64+avx2+fma"))]
fn avx2<T: Real>(xs: &[T], dim: usize, atoms: &[T], n: usize, out: &mut [T]) -> bool {
    match_target! {
        "x86_64+fma" => blocks_body::<T, true>(xs, dim, atoms, n, out),
        _ => portable(xs, dim, atoms, n, out),
    }
}

fn portable<T: Real>(xs: &[T], dim: usize, atoms: &[T], n: usize, out: &mut [T]) -> bool {
    blocks_body::<T, NATIVE_FUSED>(xs, dim, atoms, n, out)
}

#[inline(always)]
fn blocks_body<T: Real, const FUSED: bool>(
    xs: &[T],
    dim: usize,
    atoms: &[T],
    n: usize,
    out: &mut [T],
) -> bool {
    let mut left_range = false;
    let mut inverse = [T::ZERO; CHUNK];
    let mut from = 0;
    while from < n {
        let width = CHUNK.min(n - from);
        let inverse = &mut inverse[..width];
        inverse.fill(T::ZERO);
        for k in 0..dim {
            let y = &atoms[k * n + from..k * n + from + width];
            for (square, y) in inverse.iter_mut().zip(y) {
                *square = y.times_plus::<FUSED>(*y, *square);
            }
        }
        for square in inverse.iter_mut() {
            left_range |= square.left_safe_range();
            *square = square.sqrt().recip();
        }
        for (s, x) in xs.chunks_exact(dim).enumerate() {
            let square = x.iter().fold(T::ZERO, |sum, x| x.times_plus::<FUSED>(*x, sum));
            left_range |= square.left_safe_range();
            let scale = square.sqrt().recip();
            let row = &mut out[s * n + from..s * n + from + width];
            row.fill(T::ZERO);
            for (k, x) in x.iter().enumerate() {
                let (x, y) = (T::ZERO - *x * scale, &atoms[k * n + from..k * n + from + width]);
                for ((c, y), scale) in row.iter_mut().zip(y).zip(&*inverse) {
                    let difference = y.times_plus::<FUSED>(*scale, x);
                    *c = difference.times_plus::<FUSED>(difference, *c);
                }
            }
            row.iter_mut().for_each(|c| *c = T::HALF * *c);
        }
        from += width;
    }
    left_range
}
