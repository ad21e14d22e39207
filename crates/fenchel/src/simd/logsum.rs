//! The heart of log-sum-exp: maxima, and sums of exponentials below them.

use super::kernels::max_of;
use super::lanes::{Kernel, Simd};
use super::real::Real;
use super::sum::{self, Compensated, sum_terms};

/// Part of a sum Σ w_i e^{x_i/τ}, as e^{shift/τ}·(lead + rest), each with what it lost to rounding. Where the
/// shift is infinite the rest is 0, or NaN if a term was.
#[derive(Debug, Clone, Copy)]
pub struct PartialSum {
    /// max x_i of the part, or a number above it that occurs in an earlier or the next part of the sum.
    pub shift: f64,
    /// Σ w_i over the entries that equal the shift; without weights, their number.
    pub lead: (f64, f64),
    /// Σ w_i exp((x_i − shift)/τ) over all other entries.
    pub rest: (f64, f64),
}

/// What becomes of the parts of sums.
pub trait Sink {
    /// Add a part to the sum of the current row.
    fn add(&mut self, part: PartialSum);
    /// The row is complete.
    fn end_row(&mut self);
}

/// Sums without weights, of rows of equal length that follow each other.
///
/// One pass, so that reading and computing overlap: the numbers are scaled by a shift and watched, eight
/// registers at a time; if one exceeds the shift, the sum so far is handed to the sink, and the largest of the
/// next 2,048 numbers becomes the new shift.
pub struct LogSum<'a, T, K, const SCALED: bool> {
    pub x: &'a [T],
    /// Numbers to a row, at least 1.
    pub columns: usize,
    /// 1/τ; a multiplication is saved where it is 1 and `SCALED` false.
    pub scale: T,
    pub sink: &'a mut K,
}

/// Registers to a group: one look at the maximum, and one tree of the sum.
const GROUP: usize = 8;
/// Numbers that are looked over for a new shift.
const LOOK_AHEAD: usize = 2048;
/// Bytes from what is summed to what is fetched into the cache, measured best on streams from memory. Short rows
/// are first read for their maximum, faster than they are summed, so theirs must come earlier.
const FETCH_AHEAD: usize = 48 * CACHE_LINE;
const FETCH_AHEAD_ROWS: usize = 96 * CACHE_LINE;
const CACHE_LINE: usize = 64;

impl<T: Real, K: Sink, const SCALED: bool> Kernel<T> for LogSum<'_, T, K, SCALED> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let lanes = S::LANES;
        let group = GROUP * lanes;
        let ahead = if self.columns > LOOK_AHEAD { FETCH_AHEAD } else { FETCH_AHEAD_ROWS } / size_of::<T>();
        for row in self.x.chunks(self.columns.max(1)) {
            let mut part = Part::<T, S::V>::new(s, T::NEG_INFINITY, self.scale);
            let mut at = 0;
            while row.len() - at >= group {
                let x = &row[at..at + group];
                fetch(s, x, ahead);
                let largest = group_max(s, x);
                if s.any_ge(largest, part.shift) {
                    part.raise(s, &row[at..], largest, self.sink);
                    part.add_group::<S, SCALED, true>(s, x);
                } else {
                    part.add_group::<S, SCALED, false>(s, x);
                }
                at += group;
            }
            if at < row.len() {
                let rest = &row[at..];
                part.raise(s, rest, s.splat(max_of(s, rest)), self.sink);
                for x in rest.chunks(lanes) {
                    let term = part.term::<S, SCALED, true>(s, s.load_part(x, T::NEG_INFINITY));
                    part.rest.add(s, term);
                }
            }
            self.sink.add(part.sum(s));
            self.sink.end_row();
        }
    }
}

/// Ask for the cache lines of the group that lies so many numbers ahead.
#[inline(always)]
fn fetch<T: Real, S: Simd<T>>(s: S, x: &[T], ahead: usize) {
    for i in (0..GROUP * S::LANES).step_by(CACHE_LINE / size_of::<T>()) {
        s.prefetch(x, i + ahead);
    }
}

/// The largest numbers of a group, lane by lane.
#[inline(always)]
fn group_max<T: Real, S: Simd<T>>(s: S, x: &[T]) -> S::V {
    let lanes = S::LANES;
    let x = &x[..GROUP * lanes];
    let a = s.max(s.load(x), s.load(&x[lanes..]));
    let b = s.max(s.load(&x[2 * lanes..]), s.load(&x[3 * lanes..]));
    let c = s.max(s.load(&x[4 * lanes..]), s.load(&x[5 * lanes..]));
    let d = s.max(s.load(&x[6 * lanes..]), s.load(&x[7 * lanes..]));
    s.max(s.max(a, b), s.max(c, d))
}

/// The part of a sum that has one shift. Entries equal to the shift are counted, not summed, so that the sum of
/// the others keeps its own precision.
struct Part<T, V> {
    scale: T,
    shift: V,
    ties: V,
    rest: Compensated<V>,
}

impl<T: Real, V: Copy> Part<T, V> {
    #[inline(always)]
    fn new<S: Simd<T, V = V>>(s: S, shift: T, scale: T) -> Self {
        Part { scale, shift: s.splat(shift), ties: s.splat(T::ZERO), rest: Compensated::zero(s) }
    }

    #[inline(always)]
    fn sum<S: Simd<T, V = V>>(&self, s: S) -> PartialSum {
        let shift = s.max_lanes(self.shift).to_f64();
        PartialSum { shift, lead: (s.sum_lanes_f64(self.ties), 0.0), rest: self.rest.total_f64(s) }
    }

    /// If `largest` exceeds the shift in a lane: hand the part over and begin another with the largest of the
    /// next numbers, those in `ahead`.
    #[inline(always)]
    fn raise<S: Simd<T, V = V>, K: Sink>(&mut self, s: S, ahead: &[T], largest: V, sink: &mut K) {
        let (shift, largest) = (s.max_lanes(self.shift), s.max_lanes(largest));
        if largest > shift {
            if shift > T::NEG_INFINITY {
                sink.add(self.sum(s));
                self.rest = Compensated::zero(s);
            }
            // Below a shift of −∞ there is 0, or NaN, which stays.
            self.shift = s.splat(max_of(s, &ahead[..ahead.len().min(LOOK_AHEAD)]));
            self.ties = s.splat(T::ZERO);
        }
    }

    #[inline(always)]
    fn term<S: Simd<T, V = V>, const SCALED: bool, const TIES: bool>(&mut self, s: S, x: V) -> V {
        let below = s.sub(x, self.shift);
        let e = s.exp_neg(if SCALED { s.mul(below, s.splat(self.scale)) } else { below });
        if TIES {
            self.ties = s.add_one_if_ge(x, self.shift, self.ties);
            s.zero_if_ge(x, self.shift, e)
        } else {
            e
        }
    }

    /// Add a group, as a tree.
    #[inline(always)]
    fn add_group<S: Simd<T, V = V>, const SCALED: bool, const TIES: bool>(&mut self, s: S, x: &[T]) {
        let lanes = S::LANES;
        let x = &x[..GROUP * lanes];
        let a = self.pair::<S, SCALED, TIES>(s, x);
        let b = self.pair::<S, SCALED, TIES>(s, &x[2 * lanes..]);
        let ab = s.add(a, b);
        let c = self.pair::<S, SCALED, TIES>(s, &x[4 * lanes..]);
        let d = self.pair::<S, SCALED, TIES>(s, &x[6 * lanes..]);
        self.rest.add(s, s.add(ab, s.add(c, d)));
    }

    #[inline(always)]
    fn pair<S: Simd<T, V = V>, const SCALED: bool, const TIES: bool>(&mut self, s: S, x: &[T]) -> V {
        let first = self.term::<S, SCALED, TIES>(s, s.load(x));
        s.add(first, self.term::<S, SCALED, TIES>(s, s.load(&x[S::LANES..])))
    }
}

/// With weights of any sign; entries of weight 0 are left out, whatever their score.
pub struct WeightedLogSum<'a, T> {
    pub x: &'a [T],
    pub w: &'a [T],
    /// 1/τ.
    pub scale: T,
    /// The maximum of earlier parts, −∞ if there is none.
    pub floor: T,
}

impl<T: Real> Kernel<T> for WeightedLogSum<'_, T> {
    type Out = PartialSum;
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) -> PartialSum {
        let mut max = s.splat(T::NEG_INFINITY);
        for (x, w) in self.x.chunks(S::LANES).zip(self.w.chunks(S::LANES)) {
            let (x, w) = (s.load_part(x, T::NEG_INFINITY), s.load_part(w, T::ZERO));
            max = s.max(if_weighted(s, x, w), max);
        }
        let max = s.max_lanes(max);
        let shift = if max > self.floor { max } else { self.floor };
        let n = self.x.len();
        let mut terms = WeightedBelowMax { block: self, shift: s.splat(shift), lead: Compensated::zero(s) };
        let rest = sum_terms(s, n, &mut terms).total_f64(s);
        PartialSum { shift: shift.to_f64(), lead: terms.lead.total_f64(s), rest }
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

impl<T: Real, S: Simd<T>> sum::Terms<T, S> for WeightedBelowMax<'_, T, S::V> {
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
