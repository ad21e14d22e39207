//! What a vector of numbers can do: the trait that the kernels are written against.
//!
//! A value of a type that implements [`Simd`] is proof that the machine has the instructions: it is made only
//! in `dispatch`, inside a function compiled for them. That is why all methods are safe.

/// The instructions of one level on lanes of `T`.
pub trait Simd<T: Copy>: Copy {
    /// A register of [`Simd::LANES`] numbers.
    type V: Copy;
    /// Numbers in a register.
    const LANES: usize;

    /// All lanes x.
    fn splat(self, x: T) -> Self::V;
    /// The first `LANES` numbers of `x`, which must have that many.
    fn load(self, x: &[T]) -> Self::V;
    /// The numbers of `x`, at most `LANES`; the other lanes are `fill`.
    fn load_part(self, x: &[T], fill: T) -> Self::V;
    /// Write all lanes to the first `LANES` places of `out`.
    fn store(self, v: Self::V, out: &mut [T]);
    /// Write as many lanes as `out` has places, at most `LANES`.
    fn store_part(self, v: Self::V, out: &mut [T]);

    /// a + b.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// a − b.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// a · b.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// a / b.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// |a|.
    fn abs(self, a: Self::V) -> Self::V;
    /// √a.
    fn sqrt(self, a: Self::V) -> Self::V;
    /// a if a > b, else b: b where either is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// a if a < b, else b: b where either is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// a·b + c, in one rounding where the level has the instruction, else in two.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// c − a·b, likewise.
    fn fnma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `yes` where a < b, else `no` (also where either is NaN).
    fn if_less(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// `v` where not x ≥ m, else 0: keeps `v` where x or m is NaN.
    fn zero_if_ge(self, x: Self::V, m: Self::V, v: Self::V) -> Self::V;

    /// `v` + 1 where x ≥ m, else `v`.
    fn add_one_if_ge(self, x: Self::V, m: Self::V, v: Self::V) -> Self::V;
    /// Fetch what lies at `x[i]` into the first-level cache if `NEAR`, else into the second, if there is such a
    /// thing; never a fault.
    fn prefetch<const NEAR: bool>(self, x: &[T], i: usize);
    /// The bits that a and b share.
    fn and(self, a: Self::V, b: Self::V) -> Self::V;
    /// Whether the sign bit of every lane is set.
    fn all_signed(self, a: Self::V) -> bool;
    /// Whether x ≥ m in any lane.
    fn any_ge(self, x: Self::V, m: Self::V) -> bool;

    /// e^x for any x, to an ulp: 1 at 0, 0 at −∞ and below the smallest subnormal, ∞ where it overflows.
    fn exp(self, x: Self::V) -> Self::V;
    /// e^x, but 0 at −64 (`f32`) or −640 (`f64`) and below.
    fn exp_cut(self, x: Self::V) -> Self::V;
    /// e^x for x ≤ 0 or NaN, the same numbers as [`Simd::exp`] in fewer instructions.
    fn exp_neg(self, x: Self::V) -> Self::V;
    /// u = 2^k·m with m in [√½, √2), for positive normal u: (k, m, 2^−k).
    fn split(self, u: Self::V) -> (Self::V, Self::V, Self::V);

    /// The sum of the lanes, as a tree.
    fn sum_lanes(self, v: Self::V) -> T;
    /// The sum of the lanes, as a tree, in double precision.
    fn sum_lanes_f64(self, v: Self::V) -> f64;
    /// The largest lane (no lane is NaN).
    fn max_lanes(self, v: Self::V) -> T;
}

/// A computation on lanes of `T`, written once and compiled for every level.
pub trait Kernel<T: Copy> {
    /// What it returns.
    type Out;
    /// Run it. Implementations are `#[inline(always)]`, so that they are compiled with the level's features.
    fn run<S: Simd<T>>(self, s: S) -> Self::Out;
}
