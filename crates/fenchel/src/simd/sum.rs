//! Sums whose error does not grow with the number of terms.

use super::lanes::Simd;
use super::real::Real;

/// Lane-wise sums, each the unevaluated `hi + lo` of a compensated summation.
#[derive(Clone, Copy)]
pub struct Compensated<V> {
    hi: V,
    lo: V,
}

impl<V: Copy> Compensated<V> {
    #[inline(always)]
    pub fn zero<T: Real, S: Simd<T, V = V>>(s: S) -> Self {
        Compensated { hi: s.splat(T::ZERO), lo: s.splat(T::ZERO) }
    }

    /// Knuth's two-sum: hi + x = sum + error exactly.
    #[inline(always)]
    pub fn add<T: Real, S: Simd<T, V = V>>(&mut self, s: S, x: V) {
        let sum = s.add(self.hi, x);
        let shifted = s.sub(sum, self.hi);
        let error = s.add(s.sub(self.hi, s.sub(sum, shifted)), s.sub(x, shifted));
        self.hi = sum;
        self.lo = s.add(self.lo, error);
    }

    /// The total of the lanes, as (sum, rest) with the rest far below the sum.
    #[inline(always)]
    pub fn total<T: Real, S: Simd<T, V = V>>(self, s: S) -> (T, T) {
        let (hi, lo) = (s.sum_lanes(self.hi), s.sum_lanes(self.lo));
        // Where hi overflows the two-sum's errors are ∞ − ∞.
        if lo.is_nan() && !hi.is_nan() { (hi, T::ZERO) } else { (hi, lo) }
    }

    /// The same, the lanes added up in `f64`.
    #[inline(always)]
    pub fn total_f64<T: Real, S: Simd<T, V = V>>(self, s: S) -> (f64, f64) {
        let (hi, lo) = (s.sum_lanes_f64(self.hi), s.sum_lanes_f64(self.lo));
        if lo.is_nan() && !hi.is_nan() { (hi, 0.0) } else { (hi, lo) }
    }
}

/// Something with a value at every index of a range, a register of them at a time. Implementations are
/// `#[inline(always)]`.
pub trait Terms<T: Real, S: Simd<T>> {
    /// The terms at i, …, i + LANES − 1.
    fn at(&mut self, s: S, i: usize) -> S::V;
    /// The terms from i to the end, fewer than LANES; zero in the other lanes.
    fn tail(&mut self, s: S, i: usize) -> S::V;
}

/// Σ of the n terms: eight registers as a tree, the trees by compensated summation. The relative error of a
/// sum of non-negative terms is at most three units in the last place, one of each level of the tree, to
/// which adding up the lanes adds one a level, whatever n.
#[inline(always)]
pub fn sum_terms<T: Real, S: Simd<T>, M: Terms<T, S>>(s: S, n: usize, terms: &mut M) -> Compensated<S::V> {
    let lanes = S::LANES;
    let mut total = Compensated::zero(s);
    let mut i = 0;
    while n - i >= 8 * lanes {
        let a = s.add(terms.at(s, i), terms.at(s, i + lanes));
        let b = s.add(terms.at(s, i + 2 * lanes), terms.at(s, i + 3 * lanes));
        let ab = s.add(a, b);
        let c = s.add(terms.at(s, i + 4 * lanes), terms.at(s, i + 5 * lanes));
        let d = s.add(terms.at(s, i + 6 * lanes), terms.at(s, i + 7 * lanes));
        total.add(s, s.add(ab, s.add(c, d)));
        i += 8 * lanes;
    }
    while n - i >= lanes {
        total.add(s, terms.at(s, i));
        i += lanes;
    }
    if i < n {
        total.add(s, terms.tail(s, i));
    }
    total
}
