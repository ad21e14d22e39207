//! AVX-512: a table of 2^(j/16) in registers shortens the polynomial of exp, and scaling by a power of two
//! is one instruction that rounds correctly into subnormals.

// SAFETY of every block below: the instructions need AVX-512 F, BW, DQ and VL, and a value of `Avx512`
// proves them; see `Avx512::new`. Loads and stores stay within slices whose length is checked or masked.
#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::marker::PhantomData;

use super::constants::{D, F};
use super::lanes::Simd;

/// Proof that the machine has AVX-512 F, BW, DQ and VL.
#[derive(Clone, Copy)]
pub struct Avx512<T>(PhantomData<T>);

impl<T> Avx512<T> {
    /// # Safety
    /// Only on a machine with AVX-512 F, BW, DQ and VL.
    #[inline(always)]
    pub unsafe fn new() -> Self {
        Avx512(PhantomData)
    }
}

macro_rules! wrap {
    ($($name:ident($($arg:ident),+) = $body:expr;)+) => {
        $(#[inline(always)]
        fn $name(self, $($arg: Self::V),+) -> Self::V {
            // SAFETY: `self` proves AVX-512.
            unsafe { $body }
        })+
    };
}

/// Ones for the lanes below `len`.
#[inline(always)]
fn mask8(len: usize) -> __mmask8 {
    ((1u32 << len.min(8)) - 1) as __mmask8
}

/// Ones for the lanes below `len`.
#[inline(always)]
fn mask16(len: usize) -> __mmask16 {
    ((1u32 << len.min(16)) - 1) as __mmask16
}

impl Simd<f64> for Avx512<f64> {
    type V = __m512d;
    const LANES: usize = 8;

    #[inline(always)]
    fn splat(self, x: f64) -> __m512d {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_set1_pd(x) }
    }
    #[inline(always)]
    fn load(self, x: &[f64]) -> __m512d {
        assert!(x.len() >= 8);
        // SAFETY: eight numbers are there.
        unsafe { _mm512_loadu_pd(x.as_ptr()) }
    }
    #[inline(always)]
    fn load_part(self, x: &[f64], fill: f64) -> __m512d {
        // SAFETY: the mask covers the slice and nothing after it.
        unsafe { _mm512_mask_loadu_pd(_mm512_set1_pd(fill), mask8(x.len()), x.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, v: __m512d, out: &mut [f64]) {
        assert!(out.len() >= 8);
        // SAFETY: there is room for eight numbers.
        unsafe { _mm512_storeu_pd(out.as_mut_ptr(), v) }
    }
    #[inline(always)]
    fn store_part(self, v: __m512d, out: &mut [f64]) {
        // SAFETY: the mask covers the slice and nothing after it.
        unsafe { _mm512_mask_storeu_pd(out.as_mut_ptr(), mask8(out.len()), v) }
    }

    wrap! {
        add(a, b) = _mm512_add_pd(a, b);
        sub(a, b) = _mm512_sub_pd(a, b);
        mul(a, b) = _mm512_mul_pd(a, b);
        div(a, b) = _mm512_div_pd(a, b);
        abs(a) = _mm512_abs_pd(a);
        and(a, b) = _mm512_and_pd(a, b);
        sqrt(a) = _mm512_sqrt_pd(a);
        max(a, b) = _mm512_max_pd(a, b);
        min(a, b) = _mm512_min_pd(a, b);
        fma(a, b, c) = _mm512_fmadd_pd(a, b, c);
        fnma(a, b, c) = _mm512_fnmadd_pd(a, b, c);
        if_less(a, b, yes, no) = _mm512_mask_mov_pd(no, _mm512_cmp_pd_mask::<_CMP_LT_OQ>(a, b), yes);
        zero_if_ge(x, m, v) = _mm512_maskz_mov_pd(_mm512_cmp_pd_mask::<_CMP_NGE_UQ>(x, m), v);
        add_one_if_ge(x, m, v) =
            _mm512_mask_add_pd(v, _mm512_cmp_pd_mask::<_CMP_GE_OQ>(x, m), v, _mm512_set1_pd(1.0));
    }

    #[inline(always)]
    fn prefetch<const NEAR: bool>(self, x: &[f64], i: usize) {
        let at = x.as_ptr().wrapping_add(i).cast();
        // SAFETY: a prefetch has no effect but on the cache, whatever the address.
        unsafe { if NEAR { _mm_prefetch::<_MM_HINT_T0>(at) } else { _mm_prefetch::<_MM_HINT_T1>(at) } }
    }
    #[inline(always)]
    fn all_signed(self, a: __m512d) -> bool {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_movepi64_mask(_mm512_castpd_si512(a)) == 0xff }
    }
    #[inline(always)]
    fn any_ge(self, x: __m512d, m: __m512d) -> bool {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_cmp_pd_mask::<_CMP_GE_OQ>(x, m) != 0 }
    }
    #[inline(always)]
    fn exp(self, x: __m512d) -> __m512d {
        self.exp_neg(self.min(self.splat(D.exp_max), x))
    }
    #[inline(always)]
    fn exp_cut(self, x: __m512d) -> __m512d {
        self.exp_above(self.min(self.splat(D.exp_max), x), D.exp_cut)
    }
    #[inline(always)]
    fn exp_neg(self, x: __m512d) -> __m512d {
        self.exp_above(x, D.exp_min)
    }
    #[inline(always)]
    fn split(self, u: __m512d) -> (__m512d, __m512d, __m512d) {
        // SAFETY: `self` proves AVX-512.
        unsafe {
            let offset = _mm512_set1_epi64(D.sqrt_half.to_bits() as i64);
            let u = _mm512_sub_epi64(_mm512_castpd_si512(u), offset);
            let u = _mm512_add_epi64(u, _mm512_set1_epi64(D.one_bits as i64));
            let e = _mm512_srli_epi64::<52>(u);
            let k = _mm512_cvtepi64_pd(_mm512_sub_epi64(e, _mm512_set1_epi64(1023)));
            let m = _mm512_and_si512(u, _mm512_set1_epi64(D.mantissa_mask as i64));
            let m = _mm512_castsi512_pd(_mm512_add_epi64(m, offset));
            let inverse = _mm512_slli_epi64::<52>(_mm512_sub_epi64(_mm512_set1_epi64(2046), e));
            (k, m, _mm512_castsi512_pd(inverse))
        }
    }

    #[inline(always)]
    fn sum_lanes(self, v: __m512d) -> f64 {
        // SAFETY: `self` proves AVX-512, which includes AVX. The order of the sum is written out.
        unsafe {
            let v = _mm256_add_pd(_mm512_castpd512_pd256(v), _mm512_extractf64x4_pd::<1>(v));
            let v = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd::<1>(v));
            _mm_cvtsd_f64(_mm_add_sd(v, _mm_unpackhi_pd(v, v)))
        }
    }
    #[inline(always)]
    fn sum_lanes_f64(self, v: __m512d) -> f64 {
        self.sum_lanes(v)
    }
    #[inline(always)]
    fn max_lanes(self, v: __m512d) -> f64 {
        // SAFETY: `self` proves AVX-512, which includes AVX.
        unsafe {
            let v = _mm256_max_pd(_mm512_castpd512_pd256(v), _mm512_extractf64x4_pd::<1>(v));
            let v = _mm_max_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd::<1>(v));
            _mm_cvtsd_f64(_mm_max_sd(v, _mm_unpackhi_pd(v, v)))
        }
    }
}

impl Avx512<f64> {
    /// e^x for x below `exp_max` or NaN; 0 at `lowest` and below.
    #[inline(always)]
    fn exp_above(self, x: __m512d, lowest: f64) -> __m512d {
        let s = self;
        let magic = s.splat(D.magic_16th);
        let z = s.fma(x, s.splat(D.log2_e), magic);
        let n = s.sub(z, magic);
        let p = D.expm1_16th(s, x, n);
        // SAFETY: `self` proves AVX-512; the table has the sixteen numbers that are loaded.
        unsafe {
            let low = _mm512_loadu_pd(D.exp2_16th.as_ptr());
            let high = _mm512_loadu_pd(D.exp2_16th.as_ptr().add(8));
            // The lowest four bits of z are the number of sixteenths; scaling takes the floor of n.
            let t = _mm512_permutex2var_pd(low, _mm512_castpd_si512(z), high);
            // Masked away instead of scaled away: an underflow costs a hundred cycles.
            let seen = _mm512_cmp_pd_mask::<_CMP_NLE_UQ>(x, _mm512_set1_pd(lowest));
            _mm512_maskz_scalef_pd(seen, _mm512_fmadd_pd(t, p, t), n)
        }
    }
}

impl Simd<f32> for Avx512<f32> {
    type V = __m512;
    const LANES: usize = 16;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    fn load(self, x: &[f32]) -> __m512 {
        assert!(x.len() >= 16);
        // SAFETY: sixteen numbers are there.
        unsafe { _mm512_loadu_ps(x.as_ptr()) }
    }
    #[inline(always)]
    fn load_part(self, x: &[f32], fill: f32) -> __m512 {
        // SAFETY: the mask covers the slice and nothing after it.
        unsafe { _mm512_mask_loadu_ps(_mm512_set1_ps(fill), mask16(x.len()), x.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, v: __m512, out: &mut [f32]) {
        assert!(out.len() >= 16);
        // SAFETY: there is room for sixteen numbers.
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), v) }
    }
    #[inline(always)]
    fn store_part(self, v: __m512, out: &mut [f32]) {
        // SAFETY: the mask covers the slice and nothing after it.
        unsafe { _mm512_mask_storeu_ps(out.as_mut_ptr(), mask16(out.len()), v) }
    }

    wrap! {
        add(a, b) = _mm512_add_ps(a, b);
        sub(a, b) = _mm512_sub_ps(a, b);
        mul(a, b) = _mm512_mul_ps(a, b);
        div(a, b) = _mm512_div_ps(a, b);
        abs(a) = _mm512_abs_ps(a);
        and(a, b) = _mm512_and_ps(a, b);
        sqrt(a) = _mm512_sqrt_ps(a);
        max(a, b) = _mm512_max_ps(a, b);
        min(a, b) = _mm512_min_ps(a, b);
        fma(a, b, c) = _mm512_fmadd_ps(a, b, c);
        fnma(a, b, c) = _mm512_fnmadd_ps(a, b, c);
        if_less(a, b, yes, no) = _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b), yes);
        zero_if_ge(x, m, v) = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_NGE_UQ>(x, m), v);
        add_one_if_ge(x, m, v) =
            _mm512_mask_add_ps(v, _mm512_cmp_ps_mask::<_CMP_GE_OQ>(x, m), v, _mm512_set1_ps(1.0));
    }

    #[inline(always)]
    fn prefetch<const NEAR: bool>(self, x: &[f32], i: usize) {
        let at = x.as_ptr().wrapping_add(i).cast();
        // SAFETY: a prefetch has no effect but on the cache, whatever the address.
        unsafe { if NEAR { _mm_prefetch::<_MM_HINT_T0>(at) } else { _mm_prefetch::<_MM_HINT_T1>(at) } }
    }
    #[inline(always)]
    fn all_signed(self, a: __m512) -> bool {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_movepi32_mask(_mm512_castps_si512(a)) == 0xffff }
    }
    #[inline(always)]
    fn any_ge(self, x: __m512, m: __m512) -> bool {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_cmp_ps_mask::<_CMP_GE_OQ>(x, m) != 0 }
    }
    #[inline(always)]
    fn exp(self, x: __m512) -> __m512 {
        self.exp_neg(self.min(self.splat(F.exp_max), x))
    }
    #[inline(always)]
    fn exp_cut(self, x: __m512) -> __m512 {
        self.exp_above(self.min(self.splat(F.exp_max), x), F.exp_cut)
    }
    #[inline(always)]
    fn exp_neg(self, x: __m512) -> __m512 {
        self.exp_above(x, F.exp_min)
    }
    #[inline(always)]
    fn split(self, u: __m512) -> (__m512, __m512, __m512) {
        // SAFETY: `self` proves AVX-512.
        unsafe {
            let offset = _mm512_set1_epi32(F.sqrt_half.to_bits() as i32);
            let u = _mm512_sub_epi32(_mm512_castps_si512(u), offset);
            let u = _mm512_add_epi32(u, _mm512_set1_epi32(F.one_bits as i32));
            let e = _mm512_srli_epi32::<23>(u);
            let k = _mm512_cvtepi32_ps(_mm512_sub_epi32(e, _mm512_set1_epi32(127)));
            let m = _mm512_and_si512(u, _mm512_set1_epi32(F.mantissa_mask as i32));
            let m = _mm512_castsi512_ps(_mm512_add_epi32(m, offset));
            let inverse = _mm512_slli_epi32::<23>(_mm512_sub_epi32(_mm512_set1_epi32(254), e));
            (k, m, _mm512_castsi512_ps(inverse))
        }
    }

    #[inline(always)]
    fn sum_lanes(self, v: __m512) -> f32 {
        // SAFETY: `self` proves AVX-512, which includes AVX. The order of the sum is written out.
        unsafe {
            let v = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps::<1>(v));
            let v = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
            _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)))
        }
    }
    #[inline(always)]
    fn sum_lanes_f64(self, v: __m512) -> f64 {
        // SAFETY: `self` proves AVX-512.
        let v = unsafe {
            let low = _mm512_cvtps_pd(_mm512_castps512_ps256(v));
            _mm512_add_pd(low, _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(v)))
        };
        Avx512::<f64>(PhantomData).sum_lanes(v)
    }
    #[inline(always)]
    fn max_lanes(self, v: __m512) -> f32 {
        // SAFETY: `self` proves AVX-512, which includes AVX.
        unsafe {
            let v = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps::<1>(v));
            let v = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let v = _mm_max_ps(v, _mm_movehl_ps(v, v));
            _mm_cvtss_f32(_mm_max_ss(v, _mm_movehdup_ps(v)))
        }
    }
}

impl Avx512<f32> {
    /// e^x for x below `exp_max` or NaN; 0 at `lowest` and below.
    #[inline(always)]
    fn exp_above(self, x: __m512, lowest: f32) -> __m512 {
        let s = self;
        let magic = s.splat(F.magic_16th);
        let z = s.fma(x, s.splat(F.log2_e), magic);
        let n = s.sub(z, magic);
        let p = F.expm1_16th(s, x, n);
        // SAFETY: `self` proves AVX-512; the table has the sixteen numbers that are loaded.
        unsafe {
            let table = _mm512_loadu_ps(F.exp2_16th.as_ptr());
            let t = _mm512_permutexvar_ps(_mm512_castps_si512(z), table);
            // Masked away instead of scaled away: an underflow costs a hundred cycles.
            let seen = _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(x, _mm512_set1_ps(lowest));
            _mm512_maskz_scalef_ps(seen, _mm512_fmadd_ps(t, p, t), n)
        }
    }
}
