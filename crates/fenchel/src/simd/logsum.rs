//! The block step of log-sum-exp: a maximum, and the sum of exponentials below it.

use super::kernels::max_of;
use super::lanes::{Kernel, Simd};
use super::real::Real;
use super::sum::{Compensated, Terms, sum_terms};

/// Σ w_i e^{x_i/τ} of a block, as e^{shift/τ}·(lead + rest). Only the shift means anything where it is infinite.
#[derive(Debug, Clone, Copy)]
pub struct BlockSum<T> {
    /// The larger of the block's maximum and the one brought along.
    pub shift: T,
    /// Σ w over the entries that equal the shift (their number, without weights), and what it lost to rounding.
    pub lead: (f64, f64),
    /// Σ w exp((x − shift)/τ) over all other entries, likewise.
    pub rest: (f64, f64),
}

impl<T> BlockSum<T> {
    fn nothing(shift: T) -> Self {
        BlockSum { shift, lead: (0.0, 0.0), rest: (0.0, 0.0) }
    }
}

/// Without weights. τ ≠ 1 costs a multiplication.
pub struct LogSum<'a, T, const SCALED: bool> {
    pub x: &'a [T],
    /// 1/τ.
    pub scale: T,
    /// The maximum of earlier blocks, −∞ if there is none.
    pub floor: T,
    /// What will be wanted next, fetched into the cache meanwhile.
    pub next: &'a [T],
}

impl<T: Real, const SCALED: bool> Kernel<T> for LogSum<'_, T, SCALED> {
    type Out = BlockSum<T>;
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) -> BlockSum<T> {
        let max = max_of(s, self.x);
        let shift = if max > self.floor { max } else { self.floor };
        if !shift.is_finite() {
            return BlockSum::nothing(shift);
        }
        let n = self.x.len();
        let mut block = Shifted { block: self, shift: s.splat(shift) };
        if max == shift {
            let mut terms = BelowMax { block, ties: s.splat(T::ZERO) };
            let rest = sum_terms(s, n, &mut terms).total_f64(s);
            BlockSum { shift, lead: (s.sum_lanes_f64(terms.ties), 0.0), rest }
        } else {
            BlockSum { shift, lead: (0.0, 0.0), rest: sum_terms(s, n, &mut block).total_f64(s) }
        }
    }
}

/// exp((x − shift)/τ) for a shift that is above all of the block.
struct Shifted<'a, T, V, const SCALED: bool> {
    block: LogSum<'a, T, SCALED>,
    shift: V,
}

impl<T: Real, V: Copy, const SCALED: bool> Shifted<'_, T, V, SCALED> {
    #[inline(always)]
    fn exp<S: Simd<T, V = V>>(&self, s: S, x: V) -> V {
        let x = s.sub(x, self.shift);
        s.exp_neg(if SCALED { s.mul(x, s.splat(self.block.scale)) } else { x })
    }
}

impl<T: Real, S: Simd<T>, const SCALED: bool> Terms<T, S> for Shifted<'_, T, S::V, SCALED> {
    #[inline(always)]
    fn at(&mut self, s: S, i: usize) -> S::V {
        s.prefetch(self.block.next, i);
        self.exp(s, s.load(&self.block.x[i..]))
    }
    #[inline(always)]
    fn tail(&mut self, s: S, i: usize) -> S::V {
        self.exp(s, s.load_part(&self.block.x[i..], T::NEG_INFINITY))
    }
}

/// The same where the shift is the block's maximum: the entries equal to it are counted, not summed, so that
/// the sum of the others keeps its own precision.
struct BelowMax<'a, T, V, const SCALED: bool> {
    block: Shifted<'a, T, V, SCALED>,
    ties: V,
}

impl<T: Real, V: Copy, const SCALED: bool> BelowMax<'_, T, V, SCALED> {
    #[inline(always)]
    fn term<S: Simd<T, V = V>>(&mut self, s: S, x: V) -> V {
        self.ties = s.add_one_if_ge(x, self.block.shift, self.ties);
        s.zero_if_ge(x, self.block.shift, self.block.exp(s, x))
    }
}

impl<T: Real, S: Simd<T>, const SCALED: bool> Terms<T, S> for BelowMax<'_, T, S::V, SCALED> {
    #[inline(always)]
    fn at(&mut self, s: S, i: usize) -> S::V {
        s.prefetch(self.block.block.next, i);
        self.term(s, s.load(&self.block.block.x[i..]))
    }
    #[inline(always)]
    fn tail(&mut self, s: S, i: usize) -> S::V {
        self.term(s, s.load_part(&self.block.block.x[i..], T::NEG_INFINITY))
    }
}

/// With weights of any sign; entries of weight 0 are left out, whatever their score.
pub struct WeightedLogSum<'a, T> {
    pub x: &'a [T],
    pub w: &'a [T],
    /// 1/τ.
    pub scale: T,
    /// The maximum of earlier blocks, −∞ if there is none.
    pub floor: T,
}

impl<T: Real> Kernel<T> for WeightedLogSum<'_, T> {
    type Out = BlockSum<T>;
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) -> BlockSum<T> {
        let mut max = s.splat(T::NEG_INFINITY);
        for (x, w) in self.x.chunks(S::LANES).zip(self.w.chunks(S::LANES)) {
            let (x, w) = (s.load_part(x, T::NEG_INFINITY), s.load_part(w, T::ZERO));
            max = s.max(if_weighted(s, x, w), max);
        }
        let max = s.max_lanes(max);
        let shift = if max > self.floor { max } else { self.floor };
        if !shift.is_finite() {
            return BlockSum::nothing(shift);
        }
        let n = self.x.len();
        let mut terms = WeightedBelowMax { block: self, shift: s.splat(shift), lead: Compensated::zero(s) };
        let rest = sum_terms(s, n, &mut terms).total_f64(s);
        BlockSum { shift, lead: terms.lead.total_f64(s), rest }
    }
}

/// x where its weight is not 0 (NaN included), else −∞.
#[inline(always)]
fn if_weighted<T: Real, S: Simd<T>>(s: S, x: S::V, w: S::V) -> S::V {
    let (zero, nothing) = (s.splat(T::ZERO), s.splat(T::NEG_INFINITY));
    s.if_less(w, zero, x, s.if_less(zero, w, x, nothing))
}

struct WeightedBelowMax<'a, T, V> {
    block: WeightedLogSum<'a, T>,
    shift: V,
    lead: Compensated<V>,
}

impl<T: Real, V: Copy> WeightedBelowMax<'_, T, V> {
    #[inline(always)]
    fn term<S: Simd<T, V = V>>(&mut self, s: S, x: V, w: V) -> V {
        let x = if_weighted(s, x, w);
        let e = s.exp_neg(s.mul(s.sub(x, self.shift), s.splat(self.block.scale)));
        let below = s.zero_if_ge(x, self.shift, w);
        self.lead.add(s, s.sub(w, below));
        s.mul(below, s.zero_if_ge(x, self.shift, e))
    }
}

impl<T: Real, S: Simd<T>> Terms<T, S> for WeightedBelowMax<'_, T, S::V> {
    #[inline(always)]
    fn at(&mut self, s: S, i: usize) -> S::V {
        self.term(s, s.load(&self.block.x[i..]), s.load(&self.block.w[i..]))
    }
    #[inline(always)]
    fn tail(&mut self, s: S, i: usize) -> S::V {
        let x = s.load_part(&self.block.x[i..], T::NEG_INFINITY);
        self.term(s, x, s.load_part(&self.block.w[i..], T::ZERO))
    }
}
