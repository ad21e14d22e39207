//! Products with a few columns of equal length, one after another in memory.

use super::lanes::{Kernel, Simd};
use super::real::Real;

/// out = Σ_j a_j x_j: columns x_j as long as `out`.
pub struct Combine<'a, T> {
    pub x: &'a [T],
    pub a: &'a [T],
    pub out: &'a mut [T],
}

impl<T: Real> Kernel<T> for Combine<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let (n, lanes) = (self.out.len(), S::LANES);
        let mut r = 0;
        while n - r >= 4 * lanes {
            let mut sums = [s.splat(T::ZERO); 4];
            for (j, a) in self.a.iter().enumerate() {
                let a = s.splat(*a);
                let x = &self.x[j * n + r..j * n + r + 4 * lanes];
                for (k, sum) in sums.iter_mut().enumerate() {
                    *sum = s.fma(a, s.load(&x[k * lanes..]), *sum);
                }
            }
            for (k, sum) in sums.into_iter().enumerate() {
                s.store(sum, &mut self.out[r + k * lanes..]);
            }
            r += 4 * lanes;
        }
        while r < n {
            let until = (r + lanes).min(n);
            let mut sum = s.splat(T::ZERO);
            for (j, a) in self.a.iter().enumerate() {
                sum = s.fma(s.splat(*a), s.load_part(&self.x[j * n + r..j * n + until], T::ZERO), sum);
            }
            s.store_part(sum, &mut self.out[r..until]);
            r = until;
        }
    }
}

/// out_ij += Σ_r w_r x_ir x_jr for j ≤ i: columns as long as `w`, `out` square and row by row.
pub struct Gram<'a, T> {
    pub x: &'a [T],
    pub w: &'a [T],
    pub out: &'a mut [T],
}

impl<T: Real> Kernel<T> for Gram<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(mut self, s: S) {
        let n = self.w.len();
        if n == 0 {
            return;
        }
        let m = self.x.len() / n;
        // Sums of as many products as registers hold: 32 of 64 bytes, or 16 of 32.
        let tall = if S::LANES * size_of::<T>() >= 64 { 4 } else { 2 };
        let mut i = 0;
        while i < m {
            let rows = tall.min(m - i);
            for j in (0..i + rows).step_by(4) {
                match rows {
                    1 => self.tile::<1, S>(s, i, j),
                    2 => self.tile::<2, S>(s, i, j),
                    3 => self.tile::<3, S>(s, i, j),
                    _ => self.tile::<4, S>(s, i, j),
                }
            }
            i += rows;
        }
    }
}

impl<T: Real> Gram<'_, T> {
    /// Adds to rows i to i + H of the lower half, columns j to j + 4.
    #[inline(always)]
    fn tile<const H: usize, S: Simd<T>>(&mut self, s: S, i: usize, j: usize) {
        let (n, lanes) = (self.w.len(), S::LANES);
        let m = self.x.len() / n;
        let column = |j: usize| &self.x[j * n..(j + 1) * n];
        let rows: [&[T]; H] = std::array::from_fn(|k| column(i + k));
        let across: [&[T]; 4] = std::array::from_fn(|k| column((j + k).min(i + H - 1)));
        let mut sums = [[s.splat(T::ZERO); 4]; H];
        let mut b = [s.splat(T::ZERO); 4];
        let mut r = 0;
        while n - r >= lanes {
            let w = s.load(&self.w[r..]);
            for (b, x) in b.iter_mut().zip(&across) {
                *b = s.load(&x[r..]);
            }
            for (sums, x) in sums.iter_mut().zip(&rows) {
                let a = s.mul(w, s.load(&x[r..]));
                for (sum, b) in sums.iter_mut().zip(&b) {
                    *sum = s.fma(a, *b, *sum);
                }
            }
            r += lanes;
        }
        if r < n {
            let w = s.load_part(&self.w[r..n], T::ZERO);
            for (b, x) in b.iter_mut().zip(&across) {
                *b = s.load_part(&x[r..], T::ZERO);
            }
            for (sums, x) in sums.iter_mut().zip(&rows) {
                let a = s.mul(w, s.load_part(&x[r..], T::ZERO));
                for (sum, b) in sums.iter_mut().zip(&b) {
                    *sum = s.fma(a, *b, *sum);
                }
            }
        }
        for (k, sums) in sums.into_iter().enumerate() {
            let row = &mut self.out[(i + k) * m..(i + k) * m + i + k + 1];
            row.iter_mut().skip(j).zip(sums).for_each(|(out, sum)| *out += s.sum_lanes(sum));
        }
    }
}
