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
/// next 2,048 numbers becomes the new shift. Rows that are shorter have their own maximum for a shift, which is
/// found while the row before is summed.
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
/// Bytes from what is read to what is fetched into the cache, measured best on streams from memory; for short rows
/// that is the second-level cache, since the first is full of two rows.
const FETCH_AHEAD: usize = 48 * CACHE_LINE;
const CACHE_LINE: usize = 64;

impl<T: Real, K: Sink, const SCALED: bool> Kernel<T> for LogSum<'_, T, K, SCALED> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(mut self, s: S) {
        let columns = self.columns.max(1);
        let mut rows = self.x;
        if columns <= LOOK_AHEAD && rows.len() > columns {
            rows = self.short_rows(s, columns);
        }
        for row in rows.chunks(columns) {
            self.long_row(s, row);
        }
    }
}

impl<'a, T: Real, K: Sink, const SCALED: bool> LogSum<'a, T, K, SCALED> {
    #[inline(always)]
    fn long_row<S: Simd<T>>(&mut self, s: S, row: &[T]) {
        let group = GROUP * S::LANES;
        let mut part = Part::<T, S::V>::new(s, T::NEG_INFINITY, self.scale);
        let mut groups = row.chunks_exact(group);
        let mut at = 0;
        for x in groups.by_ref() {
            fetch::<T, S, true>(s, &x[..group]);
            let below = part.below(s, load_group(s, x));
            if part.all_below(s, below) {
                part.add_below::<S, SCALED>(s, below);
            } else {
                part.raise(s, &row[at..], group_max(s, x), self.sink);
                part.add_group::<S, SCALED>(s, load_group(s, x));
            }
            at += group;
        }
        let rest = groups.remainder();
        if !rest.is_empty() {
            part.raise(s, rest, s.splat(max_of(s, rest)), self.sink);
            part.add_rest::<S, SCALED>(s, rest);
        }
        self.sink.add(part.sum(s));
        self.sink.end_row();
    }

    /// All rows but the last, which is returned.
    #[inline(always)]
    fn short_rows<S: Simd<T>>(&mut self, s: S, columns: usize) -> &'a [T] {
        let (lanes, group) = (S::LANES, GROUP * S::LANES);
        let mut rows = self.x.chunks(columns);
        let mut row = rows.next().unwrap_or_default();
        let mut max = max_of(s, row);
        for next in rows {
            let mut part = Part::<T, S::V>::new(s, max, self.scale);
            let mut best = s.splat(T::NEG_INFINITY);
            let mut groups = row.chunks_exact(group);
            let mut next_groups = next.chunks_exact(group);
            for (x, next) in groups.by_ref().zip(next_groups.by_ref()) {
                fetch::<T, S, false>(s, &next[..group]);
                best = s.max(group_max(s, next), best);
                let below = part.below(s, load_group(s, x));
                if part.all_below(s, below) {
                    part.add_below::<S, SCALED>(s, below);
                } else {
                    part.add_group::<S, SCALED>(s, load_group(s, x));
                }
            }
            let next_rest = next_groups.remainder();
            fetch::<T, S, false>(s, next_rest);
            for next in next_rest.chunks(lanes) {
                best = s.max(s.load_part(next, T::NEG_INFINITY), best);
            }
            part.add_rest::<S, SCALED>(s, groups.remainder());
            self.sink.add(part.sum(s));
            self.sink.end_row();
            max = s.max_lanes(best);
            row = next;
        }
        row
    }
}

/// Ask for the cache lines that lie [`FETCH_AHEAD`] of these numbers.
#[inline(always)]
fn fetch<T: Real, S: Simd<T>, const NEAR: bool>(s: S, x: &[T]) {
    for i in (0..x.len()).step_by(CACHE_LINE / size_of::<T>()) {
        s.prefetch::<NEAR>(x, i + FETCH_AHEAD / size_of::<T>());
    }
}

#[inline(always)]
fn load_group<T: Real, S: Simd<T>>(s: S, x: &[T]) -> [S::V; GROUP] {
    let x = &x[..GROUP * S::LANES];
    let mut group = [s.splat(T::ZERO); GROUP];
    for (i, group) in group.iter_mut().enumerate() {
        *group = s.load(&x[i * S::LANES..]);
    }
    group
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
    shift: T,
    shifts: V,
    ties: V,
    rest: Compensated<V>,
}

impl<T: Real, V: Copy> Part<T, V> {
    #[inline(always)]
    fn new<S: Simd<T, V = V>>(s: S, shift: T, scale: T) -> Self {
        let rest = Compensated::zero(s);
        Part { scale, shift, shifts: s.splat(shift), ties: s.splat(T::ZERO), rest }
    }

    #[inline(always)]
    fn sum<S: Simd<T, V = V>>(&self, s: S) -> PartialSum {
        let shift = self.shift.to_f64();
        PartialSum { shift, lead: (s.sum_lanes_f64(self.ties), 0.0), rest: self.rest.total_f64(s) }
    }

    /// If `largest` exceeds the shift in a lane: hand the part over and begin another with the largest of the
    /// next numbers, those in `ahead`.
    #[inline(always)]
    fn raise<S: Simd<T, V = V>, K: Sink>(&mut self, s: S, ahead: &[T], largest: V, sink: &mut K) {
        if s.max_lanes(largest) > self.shift {
            if self.shift > T::NEG_INFINITY {
                sink.add(self.sum(s));
                self.rest = Compensated::zero(s);
            }
            // Below a shift of −∞ there is 0, or NaN, which stays.
            self.shift = max_of(s, &ahead[..ahead.len().min(LOOK_AHEAD)]);
            self.shifts = s.splat(self.shift);
            self.ties = s.splat(T::ZERO);
        }
    }

    /// A group less the shift.
    #[inline(always)]
    fn below<S: Simd<T, V = V>>(&self, s: S, mut x: [V; GROUP]) -> [V; GROUP] {
        for x in &mut x {
            *x = s.sub(*x, self.shifts);
        }
        x
    }

    /// Whether no entry of a group reaches the shift; not with certainty where one is NaN. Looking at the signs takes
    /// fewer of the units that exp is short of than comparing.
    #[inline(always)]
    fn all_below<S: Simd<T, V = V>>(&self, s: S, below: [V; GROUP]) -> bool {
        let [a, b, c, d, e, f, g, h] = below;
        let signs = s.and(s.and(s.and(a, b), s.and(c, d)), s.and(s.and(e, f), s.and(g, h)));
        // ∞ − ∞ has a sign, but may be an entry that equals the shift.
        s.all_signed(signs) && self.shift.is_finite()
    }

    #[inline(always)]
    fn exp<S: Simd<T, V = V>, const SCALED: bool>(&self, s: S, below: V) -> V {
        s.exp_neg(if SCALED { s.mul(below, s.splat(self.scale)) } else { below })
    }

    /// The term of an entry, which is counted instead where it equals the shift.
    #[inline(always)]
    fn term<S: Simd<T, V = V>, const SCALED: bool>(&mut self, s: S, x: V) -> V {
        let e = self.exp::<S, SCALED>(s, s.sub(x, self.shifts));
        self.ties = s.add_one_if_ge(x, self.shifts, self.ties);
        s.zero_if_ge(x, self.shifts, e)
    }

    /// Add a group none of which equals the shift.
    #[inline(always)]
    fn add_below<S: Simd<T, V = V>, const SCALED: bool>(&mut self, s: S, below: [V; GROUP]) {
        let mut e = below;
        for e in &mut e {
            *e = self.exp::<S, SCALED>(s, *e);
        }
        self.add_tree(s, e);
    }

    /// Add any group.
    #[inline(always)]
    fn add_group<S: Simd<T, V = V>, const SCALED: bool>(&mut self, s: S, mut x: [V; GROUP]) {
        for x in &mut x {
            *x = self.term::<S, SCALED>(s, *x);
        }
        self.add_tree(s, x);
    }

    #[inline(always)]
    fn add_tree<S: Simd<T, V = V>>(&mut self, s: S, [a, b, c, d, e, f, g, h]: [V; GROUP]) {
        let low = s.add(s.add(a, b), s.add(c, d));
        self.rest.add(s, s.add(low, s.add(s.add(e, f), s.add(g, h))));
    }

    /// Add what is less than a group.
    #[inline(always)]
    fn add_rest<S: Simd<T, V = V>, const SCALED: bool>(&mut self, s: S, x: &[T]) {
        if x.len() <= GROUP / 2 * S::LANES {
            for x in x.chunks(S::LANES) {
                let term = self.term::<S, SCALED>(s, s.load_part(x, T::NEG_INFINITY));
                self.rest.add(s, term);
            }
            return;
        }
        let mut filled = [s.splat(T::NEG_INFINITY); GROUP];
        for (i, filled) in filled.iter_mut().enumerate() {
            let at = i * S::LANES;
            *filled = s.load_part(&x[at.min(x.len())..(at + S::LANES).min(x.len())], T::NEG_INFINITY);
        }
        let below = self.below(s, filled);
        if self.all_below(s, below) {
            self.add_below::<S, SCALED>(s, below);
        } else {
            self.add_group::<S, SCALED>(s, filled);
        }
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
