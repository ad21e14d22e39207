//! The two number types, and what generic code may do with them.

use std::fmt::{Debug, Display, LowerExp};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use super::constants::{D, F};
use super::dispatch::{run_f32, run_f64};
use super::lanes::{Kernel, Simd};
use super::level::Level;

/// What only this crate may call, and why nobody else can implement [`Real`].
pub trait Sealed: Copy {
    /// Run a kernel at a level.
    fn run<K: Kernel<Self>>(level: Level, kernel: K) -> K::Out;
    /// ln 2 in two parts.
    const LN2: (Self, Self);
    /// (log(1 + f) − 2s)/s with s = f/(2 + f), z = s².
    fn log_tail<S: Simd<Self>>(s: S, z: S::V) -> S::V;
}

/// `f32` or `f64`: arithmetic, the functions of analysis, and the [kernels](crate::simd) for slices.
pub trait Real:
    Sealed
    + Send
    + Sync
    + Default
    + Debug
    + Display
    + LowerExp
    + PartialOrd
    + Sum
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// The distance from 1 to the next larger number.
    const EPSILON: Self;
    /// The largest finite number.
    const MAX: Self;
    /// The smallest positive normal number.
    const MIN_POSITIVE: Self;
    /// ∞.
    const INFINITY: Self;
    /// −∞.
    const NEG_INFINITY: Self;
    /// Not a number.
    const NAN: Self;
    /// `f32` or `f64`.
    const NAME: &'static str;

    /// The nearest number to `x`.
    fn from_f64(x: f64) -> Self;
    /// The number as `f64`, exactly.
    fn to_f64(self) -> f64;
    /// The nearest number to `n`.
    fn from_usize(n: usize) -> Self {
        Self::from_f64(n as f64)
    }
    /// |x|.
    fn abs(self) -> Self;
    /// √x.
    fn sqrt(self) -> Self;
    /// e^x.
    fn exp(self) -> Self;
    /// e^x − 1, accurate near 0.
    fn exp_m1(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// ln(1 + x), accurate near 0.
    fn ln_1p(self) -> Self;
    /// x^y.
    fn powf(self, y: Self) -> Self;
    /// x^n.
    fn powi(self, n: i32) -> Self;
    /// The larger of the two; the other one if one is NaN.
    fn max(self, other: Self) -> Self;
    /// The smaller of the two; the other one if one is NaN.
    fn min(self, other: Self) -> Self;
    /// The largest integer not above x.
    fn floor(self) -> Self;
    /// Whether it is NaN.
    fn is_nan(self) -> bool;
    /// Whether it is neither infinite nor NaN.
    fn is_finite(self) -> bool;
}

macro_rules! real {
    ($t:ident, $run:ident, $c:ident) => {
        impl Sealed for $t {
            #[inline(always)]
            fn run<K: Kernel<Self>>(level: Level, kernel: K) -> K::Out {
                $run(level, kernel)
            }
            const LN2: (Self, Self) = ($c.ln2_hi, $c.ln2_lo);
            #[inline(always)]
            fn log_tail<S: Simd<Self>>(s: S, z: S::V) -> S::V {
                $c.log_tail(s, z)
            }
        }

        impl Real for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const EPSILON: Self = $t::EPSILON;
            const MAX: Self = $t::MAX;
            const MIN_POSITIVE: Self = $t::MIN_POSITIVE;
            const INFINITY: Self = $t::INFINITY;
            const NEG_INFINITY: Self = $t::NEG_INFINITY;
            const NAN: Self = $t::NAN;
            const NAME: &'static str = stringify!($t);

            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $t
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            real!(@unary $t abs sqrt exp exp_m1 ln ln_1p floor);
            #[inline(always)]
            fn powf(self, y: Self) -> Self {
                $t::powf(self, y)
            }
            #[inline(always)]
            fn powi(self, n: i32) -> Self {
                $t::powi(self, n)
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                $t::max(self, other)
            }
            #[inline(always)]
            fn min(self, other: Self) -> Self {
                $t::min(self, other)
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                $t::is_nan(self)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                $t::is_finite(self)
            }
        }
    };
    (@unary $t:ident $($name:ident)+) => {
        $(#[inline(always)]
        fn $name(self) -> Self {
            $t::$name(self)
        })+
    };
}

real!(f64, run_f64, D);
real!(f32, run_f32, F);
