//! AVX2 with fused multiply-add.

// SAFETY of every block below: the instructions need AVX2 and FMA, and a value of `Avx2` proves them;
// see `Avx2::new`. Loads and stores stay within slices whose length is checked first.
#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::marker::PhantomData;

use super::constants::{D, F};
use super::lanes::Simd;

/// Proof that the machine has AVX2 and FMA.
#[derive(Clone, Copy)]
pub struct Avx2<T>(PhantomData<T>);

impl<T> Avx2<T> {
    /// # Safety
    /// Only on a machine with AVX2 and FMA.
    #[inline(always)]
    pub unsafe fn new() -> Self {
        Avx2(PhantomData)
    }
}

macro_rules! wrap {
    ($($name:ident($($arg:ident),+) = $body:expr;)+) => {
        $(#[inline(always)]
        fn $name(self, $($arg: Self::V),+) -> Self::V {
            // SAFETY: `self` proves AVX2 and FMA.
            unsafe { $body }
        })+
    };
}

/// −1 for the lanes below the length, taken from the place 4 (or 8) − length.
static MASK64: [i64; 8] = [-1, -1, -1, -1, 0, 0, 0, 0];
static MASK32: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

#[inline(always)]
unsafe fn mask64(len: usize) -> __m256i {
    // SAFETY: 4 − min(len, 4) + 4 ≤ 8.
    unsafe { _mm256_loadu_si256(MASK64.as_ptr().add(4 - len.min(4)).cast()) }
}

#[inline(always)]
unsafe fn mask32(len: usize) -> __m256i {
    // SAFETY: 8 − min(len, 8) + 8 ≤ 16.
    unsafe { _mm256_loadu_si256(MASK32.as_ptr().add(8 - len.min(8)).cast()) }
}

impl Simd<f64> for Avx2<f64> {
    type V = __m256d;
    const LANES: usize = 4;

    #[inline(always)]
    fn splat(self, x: f64) -> __m256d {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_set1_pd(x) }
    }
    #[inline(always)]
    fn load(self, x: &[f64]) -> __m256d {
        assert!(x.len() >= 4);
        // SAFETY: four numbers are there.
        unsafe { _mm256_loadu_pd(x.as_ptr()) }
    }
    #[inline(always)]
    fn load_part(self, x: &[f64], fill: f64) -> __m256d {
        // SAFETY: the mask covers the slice and nothing after it.
        unsafe {
            let mask = mask64(x.len());
            let v = _mm256_maskload_pd(x.as_ptr(), mask);
            _mm256_blendv_pd(_mm256_set1_pd(fill), v, _mm256_castsi256_pd(mask))
        }
    }
    #[inline(always)]
    fn store(self, v: __m256d, out: &mut [f64]) {
        assert!(out.len() >= 4);
        // SAFETY: there is room for four numbers.
        unsafe { _mm256_storeu_pd(out.as_mut_ptr(), v) }
    }
    #[inline(always)]
    fn store_part(self, v: __m256d, out: &mut [f64]) {
        // SAFETY: the mask covers the slice and nothing after it.
        unsafe { _mm256_maskstore_pd(out.as_mut_ptr(), mask64(out.len()), v) }
    }

    wrap! {
        add(a, b) = _mm256_add_pd(a, b);
        sub(a, b) = _mm256_sub_pd(a, b);
        mul(a, b) = _mm256_mul_pd(a, b);
        div(a, b) = _mm256_div_pd(a, b);
        and(a, b) = _mm256_and_pd(a, b);
        abs(a) = _mm256_andnot_pd(_mm256_set1_pd(-0.0), a);
        sqrt(a) = _mm256_sqrt_pd(a);
        max(a, b) = _mm256_max_pd(a, b);
        min(a, b) = _mm256_min_pd(a, b);
        fma(a, b, c) = _mm256_fmadd_pd(a, b, c);
        fnma(a, b, c) = _mm256_fnmadd_pd(a, b, c);
        if_less(a, b, yes, no) = _mm256_blendv_pd(no, yes, _mm256_cmp_pd::<_CMP_LT_OQ>(a, b));
        zero_if_ge(x, m, v) = _mm256_andnot_pd(_mm256_cmp_pd::<_CMP_GE_OQ>(x, m), v);
        add_one_if_ge(x, m, v) = {
            let one = _mm256_and_pd(_mm256_cmp_pd::<_CMP_GE_OQ>(x, m), _mm256_set1_pd(1.0));
            _mm256_add_pd(v, one)
        };
    }

    #[inline(always)]
    fn prefetch<const NEAR: bool>(self, x: &[f64], i: usize) {
        let at = x.as_ptr().wrapping_add(i).cast();
        // SAFETY: a prefetch has no effect but on the cache, whatever the address.
        unsafe { if NEAR { _mm_prefetch::<_MM_HINT_T0>(at) } else { _mm_prefetch::<_MM_HINT_T1>(at) } }
    }
    #[inline(always)]
    fn all_signed(self, a: __m256d) -> bool {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_movemask_pd(a) == 0xf }
    }
    #[inline(always)]
    fn any_ge(self, x: __m256d, m: __m256d) -> bool {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_movemask_pd(_mm256_cmp_pd::<_CMP_GE_OQ>(x, m)) != 0 }
    }
    #[inline(always)]
    fn exp(self, x: __m256d) -> __m256d {
        self.exp_above(x, D.exp_min)
    }
    #[inline(always)]
    fn exp_cut(self, x: __m256d) -> __m256d {
        self.exp_above(x, D.exp_cut)
    }
    #[inline(always)]
    fn exp_neg(self, x: __m256d) -> __m256d {
        let s = self;
        let x = s.max(s.splat(D.exp_min), x);
        let magic = s.splat(D.magic_up);
        let z = s.fma(x, s.splat(D.log2_e), magic);
        let p = D.exp_fraction(s, x, s.sub(z, magic));
        // Zero instead of 2^−128 where all is lost: an underflow costs a hundred cycles.
        // SAFETY: `self` proves AVX2.
        let scale = unsafe {
            _mm256_and_pd(_mm256_cmp_pd::<_CMP_GT_OQ>(x, s.splat(D.exp_min)), s.splat(D.scale_down))
        };
        s.mul(add_exponent_pd(s, p, z), scale)
    }
    #[inline(always)]
    fn split(self, u: __m256d) -> (__m256d, __m256d, __m256d) {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let offset = _mm256_set1_epi64x(D.sqrt_half.to_bits() as i64);
            let u = _mm256_sub_epi64(_mm256_castpd_si256(u), offset);
            let u = _mm256_add_epi64(u, _mm256_set1_epi64x(D.one_bits as i64));
            let e = _mm256_srli_epi64::<52>(u);
            // 2^52 + e as the bits of a number, then back: there is no conversion of 64-bit integers.
            let e_float = _mm256_or_si256(e, _mm256_set1_epi64x(0x4330_0000_0000_0000));
            let k =
                _mm256_sub_pd(_mm256_castsi256_pd(e_float), _mm256_set1_pd(4_503_599_627_370_496.0 + 1023.0));
            let m = _mm256_and_si256(u, _mm256_set1_epi64x(D.mantissa_mask as i64));
            let m = _mm256_castsi256_pd(_mm256_add_epi64(m, offset));
            let inverse = _mm256_slli_epi64::<52>(_mm256_sub_epi64(_mm256_set1_epi64x(2046), e));
            (k, m, _mm256_castsi256_pd(inverse))
        }
    }

    #[inline(always)]
    fn sum_lanes(self, v: __m256d) -> f64 {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let v = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd::<1>(v));
            _mm_cvtsd_f64(_mm_add_sd(v, _mm_unpackhi_pd(v, v)))
        }
    }
    #[inline(always)]
    fn sum_lanes_f64(self, v: __m256d) -> f64 {
        self.sum_lanes(v)
    }
    #[inline(always)]
    fn max_lanes(self, v: __m256d) -> f64 {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let v = _mm_max_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd::<1>(v));
            _mm_cvtsd_f64(_mm_max_sd(v, _mm_unpackhi_pd(v, v)))
        }
    }
}

impl Avx2<f64> {
    /// e^x; 0 at `lowest`, a number not above 0 and not below `exp_min`, and below it.
    ///
    /// The rounded exponent is kept away from both ends of the range by a bias, which the last multiplication
    /// takes back: that one rounds correctly into subnormals and to infinity.
    #[inline(always)]
    fn exp_above(self, x: __m256d, lowest: f64) -> __m256d {
        let s = self;
        let x = s.min(s.splat(D.exp_max), s.max(s.splat(D.exp_min), x));
        // SAFETY: `self` proves AVX2. A blend looks at the sign of x alone.
        let (magic, scale) = unsafe {
            let down = _mm256_cmp_pd::<_CMP_GT_OQ>(x, s.splat(lowest));
            (
                _mm256_blendv_pd(s.splat(D.magic_down), s.splat(D.magic_up), x),
                _mm256_blendv_pd(s.splat(D.scale_up), _mm256_and_pd(down, s.splat(D.scale_down)), x),
            )
        };
        let z = s.fma(x, s.splat(D.log2_e), magic);
        let p = D.exp_fraction(s, x, s.sub(z, magic));
        s.mul(add_exponent_pd(s, p, z), scale)
    }
}

/// p·2^z, the exponent taken from the low bits of z.
#[inline(always)]
fn add_exponent_pd(_: Avx2<f64>, p: __m256d, z: __m256d) -> __m256d {
    // SAFETY: the argument proves AVX2.
    unsafe {
        let z = _mm256_slli_epi64::<52>(_mm256_castpd_si256(z));
        _mm256_castsi256_pd(_mm256_add_epi64(_mm256_castpd_si256(p), z))
    }
}

impl Simd<f32> for Avx2<f32> {
    type V = __m256;
    const LANES: usize = 8;

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    fn load(self, x: &[f32]) -> __m256 {
        assert!(x.len() >= 8);
        // SAFETY: eight numbers are there.
        unsafe { _mm256_loadu_ps(x.as_ptr()) }
    }
    #[inline(always)]
    fn load_part(self, x: &[f32], fill: f32) -> __m256 {
        // SAFETY: the mask covers the slice and nothing after it.
        unsafe {
            let mask = mask32(x.len());
            let v = _mm256_maskload_ps(x.as_ptr(), mask);
            _mm256_blendv_ps(_mm256_set1_ps(fill), v, _mm256_castsi256_ps(mask))
        }
    }
    #[inline(always)]
    fn store(self, v: __m256, out: &mut [f32]) {
        assert!(out.len() >= 8);
        // SAFETY: there is room for eight numbers.
        unsafe { _mm256_storeu_ps(out.as_mut_ptr(), v) }
    }
    #[inline(always)]
    fn store_part(self, v: __m256, out: &mut [f32]) {
        // SAFETY: the mask covers the slice and nothing after it.
        unsafe { _mm256_maskstore_ps(out.as_mut_ptr(), mask32(out.len()), v) }
    }

    wrap! {
        add(a, b) = _mm256_add_ps(a, b);
        sub(a, b) = _mm256_sub_ps(a, b);
        mul(a, b) = _mm256_mul_ps(a, b);
        div(a, b) = _mm256_div_ps(a, b);
        and(a, b) = _mm256_and_ps(a, b);
        abs(a) = _mm256_andnot_ps(_mm256_set1_ps(-0.0), a);
        sqrt(a) = _mm256_sqrt_ps(a);
        max(a, b) = _mm256_max_ps(a, b);
        min(a, b) = _mm256_min_ps(a, b);
        fma(a, b, c) = _mm256_fmadd_ps(a, b, c);
        fnma(a, b, c) = _mm256_fnmadd_ps(a, b, c);
        if_less(a, b, yes, no) = _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_LT_OQ>(a, b));
        zero_if_ge(x, m, v) = _mm256_andnot_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(x, m), v);
        add_one_if_ge(x, m, v) = {
            let one = _mm256_and_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(x, m), _mm256_set1_ps(1.0));
            _mm256_add_ps(v, one)
        };
    }

    #[inline(always)]
    fn prefetch<const NEAR: bool>(self, x: &[f32], i: usize) {
        let at = x.as_ptr().wrapping_add(i).cast();
        // SAFETY: a prefetch has no effect but on the cache, whatever the address.
        unsafe { if NEAR { _mm_prefetch::<_MM_HINT_T0>(at) } else { _mm_prefetch::<_MM_HINT_T1>(at) } }
    }
    #[inline(always)]
    fn all_signed(self, a: __m256) -> bool {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_movemask_ps(a) == 0xff }
    }
    #[inline(always)]
    fn any_ge(self, x: __m256, m: __m256) -> bool {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(x, m)) != 0 }
    }
    #[inline(always)]
    fn exp(self, x: __m256) -> __m256 {
        self.exp_above(x, F.exp_min)
    }
    #[inline(always)]
    fn exp_cut(self, x: __m256) -> __m256 {
        self.exp_above(x, F.exp_cut)
    }
    #[inline(always)]
    fn exp_neg(self, x: __m256) -> __m256 {
        let s = self;
        let x = s.max(s.splat(F.exp_min), x);
        let magic = s.splat(F.magic_up);
        let z = s.fma(x, s.splat(F.log2_e), magic);
        let p = F.exp_fraction(s, x, s.sub(z, magic));
        // SAFETY: `self` proves AVX2.
        let scale = unsafe {
            _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(x, s.splat(F.exp_min)), s.splat(F.scale_down))
        };
        s.mul(add_exponent_ps(s, p, z), scale)
    }
    #[inline(always)]
    fn split(self, u: __m256) -> (__m256, __m256, __m256) {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let offset = _mm256_set1_epi32(F.sqrt_half.to_bits() as i32);
            let u = _mm256_sub_epi32(_mm256_castps_si256(u), offset);
            let u = _mm256_add_epi32(u, _mm256_set1_epi32(F.one_bits as i32));
            let e = _mm256_srli_epi32::<23>(u);
            let k = _mm256_cvtepi32_ps(_mm256_sub_epi32(e, _mm256_set1_epi32(127)));
            let m = _mm256_and_si256(u, _mm256_set1_epi32(F.mantissa_mask as i32));
            let m = _mm256_castsi256_ps(_mm256_add_epi32(m, offset));
            let inverse = _mm256_slli_epi32::<23>(_mm256_sub_epi32(_mm256_set1_epi32(254), e));
            (k, m, _mm256_castsi256_ps(inverse))
        }
    }

    #[inline(always)]
    fn sum_lanes(self, v: __m256) -> f32 {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let v = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
            _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)))
        }
    }
    #[inline(always)]
    fn sum_lanes_f64(self, v: __m256) -> f64 {
        // SAFETY: `self` proves AVX2.
        let v = unsafe {
            let low = _mm256_cvtps_pd(_mm256_castps256_ps128(v));
            _mm256_add_pd(low, _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(v)))
        };
        Avx2::<f64>(PhantomData).sum_lanes(v)
    }
    #[inline(always)]
    fn max_lanes(self, v: __m256) -> f32 {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let v = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let v = _mm_max_ps(v, _mm_movehl_ps(v, v));
            _mm_cvtss_f32(_mm_max_ss(v, _mm_movehdup_ps(v)))
        }
    }
}

impl Avx2<f32> {
    /// e^x; 0 at `lowest`, a number not above 0 and not below `exp_min`, and below it.
    #[inline(always)]
    fn exp_above(self, x: __m256, lowest: f32) -> __m256 {
        let s = self;
        let x = s.min(s.splat(F.exp_max), s.max(s.splat(F.exp_min), x));
        // SAFETY: `self` proves AVX2. A blend looks at the sign of x alone.
        let (magic, scale) = unsafe {
            let down = _mm256_cmp_ps::<_CMP_GT_OQ>(x, s.splat(lowest));
            (
                _mm256_blendv_ps(s.splat(F.magic_down), s.splat(F.magic_up), x),
                _mm256_blendv_ps(s.splat(F.scale_up), _mm256_and_ps(down, s.splat(F.scale_down)), x),
            )
        };
        let z = s.fma(x, s.splat(F.log2_e), magic);
        let p = F.exp_fraction(s, x, s.sub(z, magic));
        s.mul(add_exponent_ps(s, p, z), scale)
    }
}

/// p·2^z, the exponent taken from the low bits of z.
#[inline(always)]
fn add_exponent_ps(_: Avx2<f32>, p: __m256, z: __m256) -> __m256 {
    // SAFETY: the argument proves AVX2.
    unsafe {
        let z = _mm256_slli_epi32::<23>(_mm256_castps_si256(z));
        _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), z))
    }
}
