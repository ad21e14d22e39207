//! The baseline: small arrays that the compiler maps to whatever the target always has. No fused
//! multiply-add, which falls to slow software where the hardware has none.

use std::marker::PhantomData;

use super::constants::{D, F};
use super::lanes::Simd;

/// Proof of nothing: every machine can do this.
#[derive(Clone, Copy)]
pub struct Portable<T>(pub PhantomData<T>);

/// p·2^z, the exponent taken from the low bits of z.
macro_rules! exponent {
    ($t:ty, $mantissa:literal, $p:ident, $z:ident) => {
        std::array::from_fn(|i| <$t>::from_bits($p[i].to_bits().wrapping_add($z[i].to_bits() << $mantissa)))
    };
}

macro_rules! portable {
    ($t:ty, $bits:ty, $int:ty, $lanes:literal, $c:ident, $mantissa:literal, $magic_bias:literal) => {
        impl Simd<$t> for Portable<$t> {
            type V = [$t; $lanes];
            const LANES: usize = $lanes;

            #[inline(always)]
            fn splat(self, x: $t) -> Self::V {
                [x; $lanes]
            }
            #[inline(always)]
            fn load(self, x: &[$t]) -> Self::V {
                std::array::from_fn(|i| x[..$lanes][i])
            }
            #[inline(always)]
            fn load_part(self, x: &[$t], fill: $t) -> Self::V {
                std::array::from_fn(|i| x.get(i).copied().unwrap_or(fill))
            }
            #[inline(always)]
            fn store(self, v: Self::V, out: &mut [$t]) {
                out[..$lanes].copy_from_slice(&v);
            }
            #[inline(always)]
            fn store_part(self, v: Self::V, out: &mut [$t]) {
                for (o, x) in out.iter_mut().zip(v) {
                    *o = x;
                }
            }
            #[inline(always)]
            fn add(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| a[i] + b[i])
            }
            #[inline(always)]
            fn sub(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| a[i] - b[i])
            }
            #[inline(always)]
            fn mul(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| a[i] * b[i])
            }
            #[inline(always)]
            fn div(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| a[i] / b[i])
            }
            #[inline(always)]
            fn abs(self, a: Self::V) -> Self::V {
                a.map(<$t>::abs)
            }
            #[inline(always)]
            fn sqrt(self, a: Self::V) -> Self::V {
                a.map(<$t>::sqrt)
            }
            #[inline(always)]
            fn max(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
            }
            #[inline(always)]
            fn min(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| if a[i] < b[i] { a[i] } else { b[i] })
            }
            #[inline(always)]
            fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                std::array::from_fn(|i| a[i] * b[i] + c[i])
            }
            #[inline(always)]
            fn fnma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                std::array::from_fn(|i| c[i] - a[i] * b[i])
            }
            #[inline(always)]
            fn if_less(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V {
                std::array::from_fn(|i| if a[i] < b[i] { yes[i] } else { no[i] })
            }
            #[inline(always)]
            fn zero_if_ge(self, x: Self::V, m: Self::V, v: Self::V) -> Self::V {
                std::array::from_fn(|i| if x[i] >= m[i] { 0.0 } else { v[i] })
            }

            #[inline(always)]
            fn add_one_if_ge(self, x: Self::V, m: Self::V, v: Self::V) -> Self::V {
                std::array::from_fn(|i| if x[i] >= m[i] { v[i] + 1.0 } else { v[i] })
            }
            #[inline(always)]
            fn prefetch<const NEAR: bool>(self, _: &[$t], _: usize) {}
            #[inline(always)]
            fn and(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| <$t>::from_bits(a[i].to_bits() & b[i].to_bits()))
            }
            #[inline(always)]
            fn all_signed(self, a: Self::V) -> bool {
                a.into_iter().all(<$t>::is_sign_negative)
            }
            #[inline(always)]
            fn any_ge(self, x: Self::V, m: Self::V) -> bool {
                x.into_iter().zip(m).any(|(x, m)| x >= m)
            }

            #[inline(always)]
            fn exp(self, x: Self::V) -> Self::V {
                self.exp_above(x, $c.exp_min)
            }
            #[inline(always)]
            fn exp_cut(self, x: Self::V) -> Self::V {
                self.exp_above(x, $c.exp_cut)
            }
            #[inline(always)]
            fn exp_neg(self, x: Self::V) -> Self::V {
                let (s, c) = (self, $c);
                let x = s.max(s.splat(c.exp_min), x);
                let magic = s.splat(c.magic_up);
                let z: Self::V = s.fma(x, s.splat(c.log2_e), magic);
                let p: Self::V = $c.exp_fraction(s, x, s.sub(z, magic));
                let scale = s.if_less(s.splat(c.exp_min), x, s.splat(c.scale_down), s.splat(0.0));
                s.mul(exponent!($t, $mantissa, p, z), scale)
            }
            #[inline(always)]
            fn split(self, u: Self::V) -> (Self::V, Self::V, Self::V) {
                let offset = $c.sqrt_half.to_bits();
                let shifted: [$bits; $lanes] =
                    std::array::from_fn(|i| u[i].to_bits().wrapping_sub(offset).wrapping_add($c.one_bits));
                let k = shifted.map(|b| (b >> $mantissa) as $int - $magic_bias);
                let m = shifted.map(|b| <$t>::from_bits((b & $c.mantissa_mask).wrapping_add(offset)));
                let inverse = k.map(|k| <$t>::from_bits((($magic_bias - k) as $bits) << $mantissa));
                (k.map(|k| k as $t), m, inverse)
            }

            #[inline(always)]
            fn sum_lanes(self, v: Self::V) -> $t {
                let mut v = v;
                let mut n = $lanes / 2;
                while n > 0 {
                    for i in 0..n {
                        v[i] += v[i + n];
                    }
                    n /= 2;
                }
                v[0]
            }
            #[inline(always)]
            fn sum_lanes_f64(self, v: Self::V) -> f64 {
                v.into_iter().map(f64::from).sum()
            }
            #[inline(always)]
            fn max_lanes(self, v: Self::V) -> $t {
                v.into_iter().fold(<$t>::NEG_INFINITY, |a, b| if b > a { b } else { a })
            }
        }

        impl Portable<$t> {
            /// e^x; 0 at `lowest`, a number not above 0 and not below `exp_min`, and below it.
            ///
            /// The rounded exponent n is kept away from both ends of the range by a bias, which the last
            /// multiplication takes back: that one rounds correctly into subnormals and to infinity. By zero
            /// where nothing is left: an underflow costs a hundred cycles.
            #[inline(always)]
            fn exp_above(self, x: [$t; $lanes], lowest: $t) -> [$t; $lanes] {
                let (s, c) = (self, $c);
                let x = s.min(s.splat(c.exp_max), s.max(s.splat(c.exp_min), x));
                let zero = s.splat(0.0);
                let magic = s.if_less(x, zero, s.splat(c.magic_up), s.splat(c.magic_down));
                let scale = s.if_less(x, zero, s.splat(c.scale_down), s.splat(c.scale_up));
                let scale = s.if_less(s.splat(lowest), x, scale, zero);
                let z: [$t; $lanes] = s.fma(x, s.splat(c.log2_e), magic);
                let p: [$t; $lanes] = $c.exp_fraction(s, x, s.sub(z, magic));
                s.mul(exponent!($t, $mantissa, p, z), scale)
            }
        }
    };
}

portable!(f64, u64, i64, 4, D, 52, 1023);
portable!(f32, u32, i32, 8, F, 23, 127);
