//! Sums (or maxima) over coordinates of a function of x_k − y_k, for blocks of samples and atoms.
//!
//! Differences are taken before anything else, so that a common offset of all points costs no digits; the
//! expansion |x|² − 2xy + |y|² would. The running values of some samples by some atoms stay in registers.

use super::real::Real;
use crate::measure::Soa;
use crate::simd::{self, Kernel, Level, Simd, level};
use std::marker::PhantomData;

/// Whether every machine of the target fuses a multiplication with an addition.
pub(super) const NATIVE_FUSED: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));

/// How a difference enters the running value, and what becomes of the value in the end.
pub(super) trait Metric {
    /// Whether the cost is the square root of the running value; those outside [`Real::SAFE`] must then be computed
    /// again with scaling.
    const ROOT: bool = false;

    /// The running value with one more difference, of either sign.
    fn step<T: simd::Real, S: Simd<T>>(s: S, sum: S::V, difference: S::V) -> S::V;
}

/// out[s·n + i] = the cost of sample s and atom i; where it is a root that may have under- or overflowed it is taken
/// from `careful` instead.
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
        rescue(xs, atoms, out, careful);
    }
}

/// Computes roots again, in f64 with scaling, whose squares left the range where no digits are lost.
#[cold]
fn rescue<T: Real>(xs: &[T], atoms: &Soa<T>, out: &mut [T], careful: impl Fn(&[f64], &[f64]) -> f64) {
    let (dim, n) = (atoms.dim(), atoms.len());
    let (low, high) = (T::SAFE.0.sqrt(), T::SAFE.1.sqrt());
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

/// True if the costs are roots and some square left [`Real::SAFE`].
fn blocks<T: Real, M: Metric>(
    level: Level,
    xs: &[T],
    dim: usize,
    atoms: &[T],
    n: usize,
    out: &mut [T],
) -> bool {
    T::run(level, Blocks { xs, dim, atoms, n, out, metric: PhantomData::<M> })
}

struct Blocks<'a, T, M> {
    xs: &'a [T],
    dim: usize,
    atoms: &'a [T],
    n: usize,
    out: &'a mut [T],
    metric: PhantomData<M>,
}

impl<T: Real, M: Metric> Kernel<T> for Blocks<'_, T, M> {
    type Out = bool;
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) -> bool {
        // A coordinate of a sample that meets one register of atoms is subtracted straight from memory by AVX-512;
        // narrower instruction sets load it first, and use it twice.
        if S::LANES * size_of::<T>() == 64 {
            self.groups::<S, 8, 1, 4>(s)
        } else {
            self.groups::<S, 4, 2, 2>(s)
        }
    }
}

impl<T: Real, M: Metric> Blocks<'_, T, M> {
    /// X samples at a time by H registers of atoms; what is left one by one, by ALONE registers.
    #[inline(always)]
    fn groups<S: Simd<T>, const X: usize, const H: usize, const ALONE: usize>(mut self, s: S) -> bool {
        let samples = self.xs.len() / self.dim;
        let mut left_range = false;
        let mut at = 0;
        while at < samples {
            let count = X.min(samples - at);
            // More than half a group is computed as a whole one.
            if 2 * count > X {
                left_range |= self.group::<S, X, H>(s, at, count);
                at += count;
            } else {
                left_range |= self.group::<S, 1, ALONE>(s, at, 1);
                at += 1;
            }
        }
        left_range
    }

    /// The X samples from `at` on, of which `count` are real.
    #[inline(always)]
    fn group<S: Simd<T>, const X: usize, const H: usize>(&mut self, s: S, at: usize, count: usize) -> bool {
        let (dim, n) = (self.dim, self.n);
        let x: [&[T]; X] = std::array::from_fn(|r| &self.xs[(at + r.min(count - 1)) * dim..][..dim]);
        let rows = &mut self.out[at * n..(at + count) * n];
        let mut left_range = false;
        let mut from = 0;
        while n - from >= H * S::LANES {
            left_range |= tile::<T, M, S, X, H, false>(s, x, self.atoms, n, from, rows);
            from += H * S::LANES;
        }
        if from < n {
            left_range |= tile::<T, M, S, X, H, true>(s, x, self.atoms, n, from, rows);
        }
        left_range
    }
}

/// X samples against the atoms from `from` on that fill H registers, or PART of them.
#[inline(always)]
fn tile<T: Real, M: Metric, S: Simd<T>, const X: usize, const H: usize, const PART: bool>(
    s: S,
    x: [&[T]; X],
    atoms: &[T],
    n: usize,
    from: usize,
    rows: &mut [T],
) -> bool {
    let places = |h: usize| {
        let at = from + h * S::LANES;
        if PART { at.min(n)..(at + S::LANES).min(n) } else { at..at + S::LANES }
    };
    let dim = x[0].len();
    let mut sums = [[s.splat(T::ZERO); H]; X];
    for k in 0..dim {
        let coordinate = &atoms[k * n..(k + 1) * n];
        for h in 0..H {
            let y = &coordinate[places(h)];
            // A lane without an atom is NaN, which is neither too small nor too large.
            let y = if PART { s.load_part(y, T::NAN) } else { s.load(y) };
            for r in 0..X {
                sums[r][h] = M::step(s, sums[r][h], s.sub(y, s.splat(x[r][k])));
            }
        }
    }
    let (low, high) = (s.splat(T::SAFE.0), s.splat(T::SAFE.1));
    let mut outside = false;
    for (sums, row) in sums.into_iter().zip(rows.chunks_exact_mut(n)) {
        for (h, mut cost) in sums.into_iter().enumerate() {
            if M::ROOT {
                outside |= s.any_ge(low, cost) | s.any_ge(cost, high);
                cost = s.sqrt(cost);
            }
            let row = &mut row[places(h)];
            if PART { s.store_part(cost, row) } else { s.store(cost, row) }
        }
    }
    outside
}

#[cfg(test)]
mod tests {
    use super::super::{L1, L2, Linf, SqEuclidean};
    use super::*;
    use crate::cost::Cost;

    /// Every level of this machine, every shape of a tile.
    fn all_levels<M: Metric + Cost>(cost: &M) {
        let shapes = [
            (1, 1, 1),
            (5, 7, 2),
            (4, 300, 3),
            (9, 16, 4),
            (6, 33, 5),
            (20, 40, 64),
            (3, 9, 17),
            (33, 70, 150),
        ];
        for (samples, n, dim) in shapes {
            let mut rng = crate::measure::stream(1, n as u64, dim as u64);
            let xs: Vec<f64> = (0..samples * dim).map(|_| rng.normal()).collect();
            let ys: Vec<f64> = (0..n * dim).map(|_| rng.normal()).collect();
            let atom = |i: usize| (0..dim).map(|k| ys[k * n + i]).collect::<Vec<_>>();
            for level in Level::ALL.into_iter().filter(|l| l.is_available()) {
                let mut out = vec![f64::NAN; samples * n];
                assert!(!blocks::<f64, M>(level, &xs, dim, &ys, n, &mut out));
                for (at, c) in out.iter().enumerate() {
                    let e = cost.eval(&xs[at / n * dim..][..dim], &atom(at % n));
                    assert!(
                        (c - e).abs() <= 1e-14 * e,
                        "{level:?}: {samples} × {n}, d = {dim}: {c} against {e}"
                    );
                }
            }
        }
    }

    #[test]
    fn every_level_computes_the_same() {
        all_levels(&SqEuclidean);
        all_levels(&Linf);
        all_levels(&L1);
        all_levels(&L2);
    }
}
