//! Numbers behind exp and log1p: argument reduction and minimax polynomials (Remez, in 200-bit arithmetic,
//! then rounded; the error stated is that of the exact polynomial).

use super::lanes::Simd;

/// Constants for lanes of `f64`.
pub struct Double {
    pub log2_e: f64,
    /// ln 2 in two parts; the first has 32 bits, so that a product with an exponent is exact.
    pub ln2_hi: f64,
    pub ln2_lo: f64,
    /// e^x rounds to 0 here and below; it is infinite at `exp_max` and above.
    pub exp_min: f64,
    pub exp_max: f64,
    /// Weights of e^x here and below are zero where products of them must not be subnormal.
    pub exp_cut: f64,
    /// Adding 1.5·2^52 rounds to an integer and leaves it in the low bits; the ±128 is a bias on it,
    /// which the scales 2^∓128 take back.
    pub magic_up: f64,
    pub magic_down: f64,
    pub scale_down: f64,
    pub scale_up: f64,
    /// Adding 1.5·2^48 rounds to a multiple of 1/16.
    pub magic_16th: f64,
    /// 2^(j/16).
    pub exp2_16th: [f64; 16],
    pub sqrt_half: f64,
    pub one_bits: u64,
    pub mantissa_mask: u64,
}

/// Constants for lanes of `f32`, with the same meanings.
pub struct Single {
    pub log2_e: f32,
    pub ln2_hi: f32,
    pub ln2_lo: f32,
    pub exp_min: f32,
    pub exp_max: f32,
    pub exp_cut: f32,
    pub magic_up: f32,
    pub magic_down: f32,
    pub scale_down: f32,
    pub scale_up: f32,
    pub magic_16th: f32,
    pub exp2_16th: [f32; 16],
    pub sqrt_half: f32,
    pub one_bits: u32,
    pub mantissa_mask: u32,
}

pub const D: Double = Double {
    log2_e: std::f64::consts::LOG2_E,
    ln2_hi: 0.693_147_180_369_123_8,
    ln2_lo: 1.908_214_929_270_587_7e-10,
    exp_min: -745.2,
    exp_max: 710.0,
    exp_cut: -640.0,
    magic_up: 6_755_399_441_055_744.0 + 128.0,
    magic_down: 6_755_399_441_055_744.0 - 128.0,
    scale_down: f64::from_bits((1023 - 128) << 52),
    scale_up: f64::from_bits((1023 + 128) << 52),
    magic_16th: 422_212_465_065_984.0,
    exp2_16th: [
        1.0,
        1.0442737824274138,
        1.0905077326652577,
        1.1387886347566916,
        1.189207115002721,
        1.241857812073484,
        1.2968395546510096,
        1.3542555469368927,
        std::f64::consts::SQRT_2,
        1.4768261459394993,
        1.5422108254079407,
        1.6104903319492543,
        1.681792830507429,
        1.7562521603732995,
        1.8340080864093424,
        1.9152065613971474,
    ],
    sqrt_half: std::f64::consts::FRAC_1_SQRT_2,
    one_bits: 0x3ff0_0000_0000_0000,
    mantissa_mask: 0x000f_ffff_ffff_ffff,
};

pub const F: Single = Single {
    log2_e: std::f32::consts::LOG2_E,
    ln2_hi: 0.693_115_23,
    ln2_lo: 3.194_618_3e-5,
    exp_min: -103.98,
    exp_max: 89.0,
    exp_cut: -64.0,
    magic_up: 12_582_912.0 + 64.0,
    magic_down: 12_582_912.0 - 64.0,
    scale_down: f32::from_bits((127 - 64) << 23),
    scale_up: f32::from_bits((127 + 64) << 23),
    magic_16th: 786_432.0,
    exp2_16th: [
        1.0,
        1.044_273_7,
        1.090_507_7,
        1.138_788_6,
        1.189_207_1,
        1.241_857_8,
        1.296_839_6,
        1.354_255_6,
        std::f32::consts::SQRT_2,
        1.476_826_2,
        1.542_210_8,
        1.610_490_3,
        1.681_792_9,
        1.756_252_2,
        1.834_008_1,
        1.915_206_6,
    ],
    sqrt_half: std::f32::consts::FRAC_1_SQRT_2,
    one_bits: 0x3f80_0000,
    mantissa_mask: 0x007f_ffff,
};

impl Double {
    /// x − n·ln 2, for n = x/ln 2 rounded.
    #[inline(always)]
    fn reduce<S: Simd<f64>>(&self, s: S, x: S::V, n: S::V) -> S::V {
        s.fnma(n, s.splat(self.ln2_lo), s.fnma(n, s.splat(self.ln2_hi), x))
    }

    /// e^(x − n ln 2) for |x − n ln 2| ≤ ln 2/2: degree 11, relative error 2^−57.9.
    #[inline(always)]
    pub fn exp_fraction<S: Simd<f64>>(&self, s: S, x: S::V, n: S::V) -> S::V {
        let r = self.reduce(s, x, n);
        let r2 = s.mul(r, r);
        let r4 = s.mul(r2, r2);
        let a = s.fma(r, s.splat(0.16666666666666413), s.splat(0.5000000000000011));
        let b = s.fma(r, s.splat(0.00833333333349446), s.splat(0.041666666666530155));
        let d = s.fma(r, s.splat(0.00019841269506579748), s.splat(0.0013888888943630205));
        let e = s.fma(r, s.splat(2.7557586375895884e-06), s.splat(2.4801493098818066e-05));
        let f = s.fma(r, s.splat(2.500006022014549e-08), s.splat(2.7630248407465575e-07));
        let low = s.fma(r2, b, a);
        let high = s.fma(r4, f, s.fma(r2, e, d));
        let q = s.fma(r4, high, low);
        s.add(s.fma(r2, q, r), s.splat(1.0))
    }

    /// e^(x − n ln 2) − 1 for |x − n ln 2| ≤ ln 2/32: degree 6, relative error of e^· 2^−56.3.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub fn expm1_16th<S: Simd<f64>>(&self, s: S, x: S::V, n: S::V) -> S::V {
        let r = self.reduce(s, x, n);
        let r2 = s.mul(r, r);
        let a = s.fma(r, s.splat(0.16666666664417076), s.splat(0.49999999999999606));
        let b = s.fma(r, s.splat(0.008333471948391603), s.splat(0.0416666666932651));
        let b = s.fma(r2, s.splat(0.0013888593940620017), b);
        s.fma(r2, s.fma(r2, b, a), r)
    }

    /// With s = f/(2 + f) and z = s²: (log(1 + f) − 2s)/s, degree 7 in z, error 2^−59.5.
    #[inline(always)]
    pub fn log_tail<S: Simd<f64>>(&self, s: S, z: S::V) -> S::V {
        let w = s.mul(z, z);
        let odd = s.fma(w, s.splat(0.15314021111236137), s.splat(0.22222198553757272));
        let odd = s.fma(w, odd, s.splat(0.3999999999941396));
        let even = s.fma(w, s.splat(0.14796261124582324), s.splat(0.18183565408083666));
        let even = s.fma(w, s.fma(w, even, s.splat(0.28571428742562555)), s.splat(0.6666666666666734));
        s.fma(w, odd, s.mul(z, even))
    }
}

impl Single {
    #[inline(always)]
    fn reduce<S: Simd<f32>>(&self, s: S, x: S::V, n: S::V) -> S::V {
        s.fnma(n, s.splat(self.ln2_lo), s.fnma(n, s.splat(self.ln2_hi), x))
    }

    /// e^(x − n ln 2) for |x − n ln 2| ≤ ln 2/2: degree 6, relative error 2^−28.3.
    #[inline(always)]
    pub fn exp_fraction<S: Simd<f32>>(&self, s: S, x: S::V, n: S::V) -> S::V {
        let r = self.reduce(s, x, n);
        let r2 = s.mul(r, r);
        let a = s.fma(r, s.splat(0.16666521), s.splat(0.49999994));
        let b = s.fma(r, s.splat(0.008_368_717), s.splat(0.04166839));
        let b = s.fma(r2, s.splat(0.0013814599), b);
        s.add(s.fma(r2, s.fma(r2, b, a), r), s.splat(1.0))
    }

    /// e^(x − n ln 2) − 1 for |x − n ln 2| ≤ ln 2/32: degree 3, relative error of e^· 2^−29.2.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub fn expm1_16th<S: Simd<f32>>(&self, s: S, x: S::V, n: S::V) -> S::V {
        let r = self.reduce(s, x, n);
        s.fma(s.mul(r, r), s.fma(r, s.splat(0.16666718), s.splat(0.50001615)), r)
    }

    /// As for `f64`: degree 3 in z, error 2^−30.2.
    #[inline(always)]
    pub fn log_tail<S: Simd<f32>>(&self, s: S, z: S::V) -> S::V {
        let p = s.fma(z, s.splat(0.29871997), s.splat(0.39977533));
        s.mul(z, s.fma(z, p, s.splat(0.66666776)))
    }
}
