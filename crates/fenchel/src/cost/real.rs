//! The two floating-point types that kernels are written for.

use crate::simd;

/// `f32` or `f64`.
pub(super) trait Real: simd::Real {
    const HALF: Self;
    /// Sums of powers between these two bounds lost nothing to under- or overflow.
    const SAFE: (Self, Self);

    fn recip(self) -> Self;
    fn fused(self, factor: Self, term: Self) -> Self;

    /// `self`·`factor` + `term`: fused where the instruction exists. Without it a fused operation is a call into
    /// software, far slower than two roundings.
    #[inline(always)]
    fn times_plus<const FUSED: bool>(self, factor: Self, term: Self) -> Self {
        if FUSED { self.fused(factor, term) } else { self * factor + term }
    }

    /// Whether a sum of powers is outside [`SAFE`](Real::SAFE); sums of finite numbers are never NaN.
    #[inline(always)]
    fn left_safe_range(self) -> bool {
        (self <= Self::SAFE.0) | (self >= Self::SAFE.1)
    }

    /// The larger; a plain comparison, which compiles to one instruction.
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        if other > self { other } else { self }
    }
}

macro_rules! real {
    ($t:ident, $safe:expr) => {
        impl Real for $t {
            const HALF: Self = 0.5;
            const SAFE: (Self, Self) = $safe;

            #[inline(always)]
            fn recip(self) -> Self {
                $t::recip(self)
            }
            #[inline(always)]
            fn fused(self, factor: Self, term: Self) -> Self {
                self.mul_add(factor, term)
            }
        }
    };
}

real!(f32, (1e-28, 1e37));
real!(f64, (1e-280, 1e300));
