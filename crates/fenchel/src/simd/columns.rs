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

/// out_ij += Σ_r w_r x_ir x_jr for j ≤ i: columns as long as `w`, `out` square and row by row. `room` is as long as `w`.
pub struct Gram<'a, T> {
    pub x: &'a [T],
    pub w: &'a [T],
    pub room: &'a mut [T],
    pub out: &'a mut [T],
}

impl<T: Real> Kernel<T> for Gram<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let (n, lanes) = (self.w.len(), S::LANES);
        if n == 0 {
            return;
        }
        let m = self.x.len() / n;
        let column = |j: usize| &self.x[j * n..(j + 1) * n];
        for i in 0..m {
            let (mut r, x) = (0, column(i));
            while n - r >= lanes {
                s.store(s.mul(s.load(&self.w[r..]), s.load(&x[r..])), &mut self.room[r..]);
                r += lanes;
            }
            for ((t, w), x) in self.room[r..n].iter_mut().zip(&self.w[r..]).zip(&x[r..]) {
                *t = *w * *x;
            }
            let row = &mut self.out[i * m..i * m + i + 1];
            // Four columns at a time read the weighted one once.
            let mut j = 0;
            while j <= i {
                let four: [&[T]; 4] = std::array::from_fn(|k| column((j + k).min(i)));
                let mut sums = [s.splat(T::ZERO); 4];
                let mut r = 0;
                while n - r >= lanes {
                    let t = s.load(&self.room[r..]);
                    for (sum, x) in sums.iter_mut().zip(four) {
                        *sum = s.fma(t, s.load(&x[r..]), *sum);
                    }
                    r += lanes;
                }
                if r < n {
                    let t = s.load_part(&self.room[r..n], T::ZERO);
                    for (sum, x) in sums.iter_mut().zip(four) {
                        *sum = s.fma(t, s.load_part(&x[r..], T::ZERO), *sum);
                    }
                }
                for (out, sum) in row[j..].iter_mut().zip(sums) {
                    *out += s.sum_lanes(sum);
                }
                j += 4;
            }
        }
    }
}
