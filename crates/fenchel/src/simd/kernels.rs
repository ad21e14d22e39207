//! The computations, written once against [`Simd`].

use super::lanes::{Kernel, Simd};
use super::real::Real;
use super::sum::{Terms, sum_terms};

/// The largest number of a slice.
pub struct Max<'a, T>(pub &'a [T]);

impl<T: Real> Kernel<T> for Max<'_, T> {
    type Out = T;
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) -> T {
        max_of(s, self.0)
    }
}

/// The largest number of a slice, NaN passed over: `max` returns its second argument where one is NaN.
#[inline(always)]
pub fn max_of<T: Real, S: Simd<T>>(s: S, x: &[T]) -> T {
    let lanes = S::LANES;
    let mut m = [s.splat(T::NEG_INFINITY); 4];
    let mut groups = x.chunks_exact(4 * lanes);
    for group in groups.by_ref() {
        m[0] = s.max(s.load(group), m[0]);
        m[1] = s.max(s.load(&group[lanes..]), m[1]);
        m[2] = s.max(s.load(&group[2 * lanes..]), m[2]);
        m[3] = s.max(s.load(&group[3 * lanes..]), m[3]);
    }
    let mut singles = groups.remainder().chunks_exact(lanes);
    for single in singles.by_ref() {
        m[0] = s.max(s.load(single), m[0]);
    }
    let rest = singles.remainder();
    if !rest.is_empty() {
        m[1] = s.max(s.load_part(rest, T::NEG_INFINITY), m[1]);
    }
    s.max_lanes(s.max(s.max(m[0], m[1]), s.max(m[2], m[3])))
}

/// exp((u − shift)·scale), written to `out`, the smallest as 0 if `CUT`; returns its sum.
pub struct ExpWeights<'a, T, const CUT: bool> {
    pub u: &'a [T],
    pub shift: T,
    pub scale: T,
    pub out: &'a mut [T],
}

impl<T: Real, const CUT: bool> ExpWeights<'_, T, CUT> {
    #[inline(always)]
    fn exp<S: Simd<T>>(&self, s: S, u: S::V) -> S::V {
        let x = s.mul(s.sub(u, s.splat(self.shift)), s.splat(self.scale));
        if CUT { s.exp_cut(x) } else { s.exp(x) }
    }
}

impl<T: Real, S: Simd<T>, const CUT: bool> Terms<T, S> for ExpWeights<'_, T, CUT> {
    #[inline(always)]
    fn at(&mut self, s: S, i: usize) -> S::V {
        let e = self.exp(s, s.load(&self.u[i..]));
        s.store(e, &mut self.out[i..]);
        e
    }
    #[inline(always)]
    fn tail(&mut self, s: S, i: usize) -> S::V {
        let e = self.exp(s, s.load_part(&self.u[i..], self.shift));
        s.store_part(e, &mut self.out[i..]);
        s.load_part(&self.out[i..], T::ZERO)
    }
}

/// η·exp((u − shift)·scale) likewise, always cut.
pub struct WeightedExpWeights<'a, T> {
    pub u: &'a [T],
    pub shift: T,
    pub scale: T,
    pub eta: &'a [T],
    pub out: &'a mut [T],
}

impl<T: Real> WeightedExpWeights<'_, T> {
    #[inline(always)]
    fn weight<S: Simd<T>>(&self, s: S, u: S::V, eta: S::V) -> S::V {
        s.mul(eta, s.exp_cut(s.mul(s.sub(u, s.splat(self.shift)), s.splat(self.scale))))
    }
}

impl<T: Real, S: Simd<T>> Terms<T, S> for WeightedExpWeights<'_, T> {
    #[inline(always)]
    fn at(&mut self, s: S, i: usize) -> S::V {
        let e = self.weight(s, s.load(&self.u[i..]), s.load(&self.eta[i..]));
        s.store(e, &mut self.out[i..]);
        e
    }
    #[inline(always)]
    fn tail(&mut self, s: S, i: usize) -> S::V {
        let (u, eta) = (s.load_part(&self.u[i..], self.shift), s.load_part(&self.eta[i..], T::ZERO));
        s.store_part(self.weight(s, u, eta), &mut self.out[i..]);
        s.load_part(&self.out[i..], T::ZERO)
    }
}

/// The same with the scores in `out`.
pub struct ExpWeightsInPlace<'a, T> {
    pub shift: T,
    pub scale: T,
    pub eta: &'a [T],
    pub out: &'a mut [T],
}

impl<T: Real> ExpWeightsInPlace<'_, T> {
    #[inline(always)]
    fn weight<S: Simd<T>>(&self, s: S, u: S::V, eta: S::V) -> S::V {
        s.mul(eta, s.exp_cut(s.mul(s.sub(u, s.splat(self.shift)), s.splat(self.scale))))
    }
}

impl<T: Real, S: Simd<T>> Terms<T, S> for ExpWeightsInPlace<'_, T> {
    #[inline(always)]
    fn at(&mut self, s: S, i: usize) -> S::V {
        let e = self.weight(s, s.load(&self.out[i..]), s.load(&self.eta[i..]));
        s.store(e, &mut self.out[i..]);
        e
    }
    #[inline(always)]
    fn tail(&mut self, s: S, i: usize) -> S::V {
        let (u, eta) = (s.load_part(&self.out[i..], self.shift), s.load_part(&self.eta[i..], T::ZERO));
        s.store_part(self.weight(s, u, eta), &mut self.out[i..]);
        s.load_part(&self.out[i..], T::ZERO)
    }
}

/// Σ exp((x − shift)·scale).
pub struct ExpSum<'a, T> {
    pub x: &'a [T],
    pub shift: T,
    pub scale: T,
}

impl<T: Real, S: Simd<T>> Terms<T, S> for ExpSum<'_, T> {
    #[inline(always)]
    fn at(&mut self, s: S, i: usize) -> S::V {
        let x = s.sub(s.load(&self.x[i..]), s.splat(self.shift));
        s.exp(s.mul(x, s.splat(self.scale)))
    }
    #[inline(always)]
    fn tail(&mut self, s: S, i: usize) -> S::V {
        let x = s.sub(s.load_part(&self.x[i..], self.shift), s.splat(self.shift));
        let e = s.exp(s.mul(x, s.splat(self.scale)));
        // The lanes after the end hold exp(0) = 1 or NaN: cut them off.
        let mut cut = [T::ZERO; 16];
        s.store_part(e, &mut cut[..self.x.len() - i]);
        s.load(&cut)
    }
}

/// Σ of a slice.
pub struct Sum<'a, T>(pub &'a [T]);

impl<T: Real, S: Simd<T>> Terms<T, S> for Sum<'_, T> {
    #[inline(always)]
    fn at(&mut self, s: S, i: usize) -> S::V {
        s.load(&self.0[i..])
    }
    #[inline(always)]
    fn tail(&mut self, s: S, i: usize) -> S::V {
        s.load_part(&self.0[i..], T::ZERO)
    }
}

macro_rules! sum_kernel {
    ($([$($constant:tt)*] $name:ty: $len:tt;)+) => {
        $(impl<T: Real, $($constant)*> Kernel<T> for $name {
            type Out = T;
            #[inline(always)]
            fn run<S: Simd<T>>(mut self, s: S) -> T {
                let n = self.$len.len();
                let (hi, lo) = sum_terms(s, n, &mut self).total(s);
                hi + lo
            }
        })+
    };
}

sum_kernel! {
    [const CUT: bool] ExpWeights<'_, T, CUT>: u;
    [] WeightedExpWeights<'_, T>: u;
    [] ExpWeightsInPlace<'_, T>: out;
    [] ExpSum<'_, T>: x;
    [] Sum<'_, T>: 0;
}

/// Σ x·y.
pub struct Dot<'a, T> {
    pub x: &'a [T],
    pub y: &'a [T],
}

impl<T: Real> Kernel<T> for Dot<'_, T> {
    type Out = T;
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) -> T {
        let lanes = S::LANES;
        let mut sums = [s.splat(T::ZERO); 4];
        let mut x = self.x.chunks_exact(4 * lanes);
        let mut y = self.y.chunks_exact(4 * lanes);
        for (x, y) in x.by_ref().zip(y.by_ref()) {
            sums[0] = s.fma(s.load(x), s.load(y), sums[0]);
            sums[1] = s.fma(s.load(&x[lanes..]), s.load(&y[lanes..]), sums[1]);
            sums[2] = s.fma(s.load(&x[2 * lanes..]), s.load(&y[2 * lanes..]), sums[2]);
            sums[3] = s.fma(s.load(&x[3 * lanes..]), s.load(&y[3 * lanes..]), sums[3]);
        }
        for (x, y) in x.remainder().chunks(lanes).zip(y.remainder().chunks(lanes)) {
            sums[0] = s.fma(s.load_part(x, T::ZERO), s.load_part(y, T::ZERO), sums[0]);
        }
        s.sum_lanes(s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3])))
    }
}

/// y += a·x.
pub struct Axpy<'a, T> {
    pub a: T,
    pub x: &'a [T],
    pub y: &'a mut [T],
}

impl<T: Real> Kernel<T> for Axpy<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let a = s.splat(self.a);
        let mut x = self.x.chunks_exact(S::LANES);
        let mut y = self.y.chunks_exact_mut(S::LANES);
        for (x, y) in x.by_ref().zip(y.by_ref()) {
            s.store(s.fma(a, s.load(x), s.load(y)), y);
        }
        let (x, y) = (x.remainder(), y.into_remainder());
        s.store_part(s.fma(a, s.load_part(x, T::ZERO), s.load_part(y, T::ZERO)), y);
    }
}

/// exp of every number.
pub struct Exp<'a, T> {
    pub x: &'a [T],
    pub out: &'a mut [T],
}

/// log(1 + x) of every number.
pub struct Log1p<'a, T> {
    pub x: &'a [T],
    pub out: &'a mut [T],
}

macro_rules! map_kernel {
    ($name:ident, $s:ident, $v:ident, $body:expr) => {
        impl<T: Real> Kernel<T> for $name<'_, T> {
            type Out = ();
            #[inline(always)]
            fn run<S: Simd<T>>(self, $s: S) {
                let mut x = self.x.chunks_exact(S::LANES);
                let mut out = self.out.chunks_exact_mut(S::LANES);
                for (x, out) in x.by_ref().zip(out.by_ref()) {
                    let $v = $s.load(x);
                    $s.store($body, out);
                }
                let (x, out) = (x.remainder(), out.into_remainder());
                if !x.is_empty() {
                    let $v = $s.load_part(x, T::ZERO);
                    $s.store_part($body, out);
                }
            }
        }
    };
}

map_kernel!(Exp, s, x, s.exp(x));
map_kernel!(Log1p, s, x, log1p(s, x));

/// log(1 + x) to an ulp or two: u = 1 + x = 2^k·m with its rounding error, then 2·artanh(f/(2 + f)) of f = m − 1.
#[inline(always)]
fn log1p<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    let (one, zero) = (s.splat(T::ONE), s.splat(T::ZERO));
    let u = s.add(one, x);
    let shifted = s.sub(u, one);
    let error = s.add(s.sub(one, s.sub(u, shifted)), s.sub(x, shifted));
    let (k, m, inverse) = s.split(u);
    let f = s.sub(m, one);
    // From 1/ε² on the 1 that was added no longer shows, and 2^−k may not exist.
    let large = s.splat(T::ONE / (T::EPSILON * T::EPSILON));
    let f = s.if_less(x, large, s.fma(error, inverse, f), f);
    let ratio = s.div(f, s.add(s.splat(T::ONE + T::ONE), f));
    let half_square = s.mul(s.splat(T::from_f64(0.5)), s.mul(f, f));
    let tail = T::log_tail(s, s.mul(ratio, ratio));
    let low = s.fma(k, s.splat(T::LN2.1), s.mul(ratio, s.add(half_square, tail)));
    let log = s.fma(k, s.splat(T::LN2.0), s.sub(f, s.sub(half_square, low)));
    let minus_one = s.sub(zero, one);
    let at_end = s.if_less(x, minus_one, s.splat(T::NAN), s.splat(T::NEG_INFINITY));
    let log = s.if_less(minus_one, x, log, at_end);
    s.if_less(x, s.splat(T::INFINITY), log, x)
}
