//! Powers of many numbers at once.

use super::real::Real;
use crate::simd::{Level, level};
use multiversion::multiversion;

/// Replaces every t ≥ 0 by t^q, q > 0 finite.
///
/// t^q = exp(q·ln t) with ln t carried to some 70 bits, so that the error stays below two units in the last
/// place however far from one the result is. 0 and ∞ stay what they are.
pub(super) fn raise<T: Real>(values: &mut [T], q: f64) {
    match q {
        0.5 => values.iter_mut().for_each(|t| *t = t.sqrt()),
        1.0 => {}
        1.5 => values.iter_mut().for_each(|t| *t *= t.sqrt()),
        2.0 => values.iter_mut().for_each(|t| *t = *t * *t),
        3.0 => values.iter_mut().for_each(|t| *t = *t * *t * *t),
        4.0 => values.iter_mut().for_each(|t| *t = (*t * *t) * (*t * *t)),
        // Beyond 1e300 even q·ln t overflows.
        _ if level() == Level::Scalar || q > 1e300 => {
            values.iter_mut().for_each(|t| *t = T::from_f64(t.to_f64().powf(q)))
        }
        _ => raise_any(values, q),
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
fn raise_any<T: Real>(values: &mut [T], q: f64) {
    for t in values {
        *t = T::from_f64(power(t.to_f64(), q));
    }
}

/// ln 2 = `LN2_HIGH` + `LN2_LOW`; a whole number below 2^20 times the first is exact.
const LN2_HIGH: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
const LN2_LOW: f64 = f64::from_bits(0x3dea_39ef_3579_3c76);
/// Adding this to a number of moderate size leaves it as an integer in the low bits.
const SHIFT: f64 = 6_755_399_441_055_744.0;
/// The bits of √½.
const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
const TWO_54: f64 = (1u64 << 54) as f64;

/// t^q without a branch, for machines that fuse a multiplication with an addition.
#[inline(always)]
fn power(t: f64, q: f64) -> f64 {
    let subnormal = t < f64::MIN_POSITIVE;
    let bits = (if subnormal { t * TWO_54 } else { t }).to_bits();
    // t = 2^k·m with m in [√½, √2).
    let exponent = (bits.wrapping_sub(SQRT_HALF) >> 52) ^ 0x800;
    let k = f64::from_bits(SHIFT.to_bits() + exponent) - (SHIFT + 2048.0);
    let m = f64::from_bits(bits.wrapping_sub((exponent ^ 0x800) << 52));
    let k = if subnormal { k - 54.0 } else { k };
    // ln m = 2 atanh s, s = (m − 1)/(m + 1), with the rounding of the division put right.
    let f = m - 1.0;
    let d = 2.0 + f;
    let s = f / d;
    let s_low = ((-s).mul_add(d, f) - s * (f - (d - 2.0))) / d;
    let z = s * s;
    let mut series = 2.0 / 23.0;
    for odd in [21.0, 19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        series = z.mul_add(series, 2.0 / odd);
    }
    let low = (s * z).mul_add(series, 2.0 * s_low);
    let (a, b) = (k * LN2_HIGH, 2.0 * s);
    let high = a + b;
    // |a| ≥ |b| or a = 0, so this is the rounding of the sum.
    let rest = ((a - high) + b) + k.mul_add(LN2_LOW, low);
    let ln = high + rest;
    let low = (high - ln) + rest;
    // q·ln t = y + y_low.
    let y = q * ln;
    let y_low = q.mul_add(ln, -y) + q * low;
    let inside = y.clamp(-746.0, 710.0);
    let shifted = inside.mul_add(std::f64::consts::LOG2_E, SHIFT);
    let n = shifted - SHIFT;
    let r = (-n).mul_add(LN2_LOW, (-n).mul_add(LN2_HIGH, inside)) + y_low.clamp(-1.0, 1.0);
    let mut exp = 1.0 / 6_227_020_800.0;
    for factorial in [
        479_001_600.0,
        39_916_800.0,
        3_628_800.0,
        362_880.0,
        40_320.0,
        5040.0,
        720.0,
        120.0,
        24.0,
        6.0,
        2.0,
        1.0,
    ] {
        exp = r.mul_add(exp, 1.0 / factorial);
    }
    // e^r·2^n in two steps, so that the factors exist where the result is subnormal.
    let n = shifted.to_bits().wrapping_sub(SHIFT.to_bits()).wrapping_add(2048);
    let half = n >> 1;
    let two_to = |n: u64| f64::from_bits(n.wrapping_sub(1) << 52);
    let result = r.mul_add(exp, 1.0) * two_to(half) * two_to(n - half);
    if t > 0.0 && t < f64::INFINITY { result } else { t }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_library_everywhere() {
        let mut rng = crate::measure::Rng::new(5);
        let mut worst = 0.0f64;
        for q in [1.0 / 3.0, 0.1, 2.0 / 3.0, 1.25, 2.5, 7.0, 0.999, 60.0] {
            let mut values: Vec<f64> = (0..3000)
                .map(|i| {
                    let spread = [1e-3, 1.0, 30.0, 650.0][i % 4];
                    (spread * (2.0 * rng.uniform() - 1.0)).exp()
                })
                .collect();
            values.extend([
                1.0,
                f64::MIN_POSITIVE,
                f64::MAX,
                5e-324,
                1e-310,
                0.5,
                2.0,
                0.5f64.sqrt(),
                2f64.sqrt(),
            ]);
            let expected: Vec<f64> = values.iter().map(|t| t.powf(q)).collect();
            for body in [|v: &mut [f64], q| v.iter_mut().for_each(|t| *t = power(*t, q)), raise::<f64>] {
                let mut found = values.clone();
                body(&mut found, q);
                for ((t, p), e) in values.iter().zip(&found).zip(&expected) {
                    if *e == 0.0 || e.is_infinite() || *e < 1e-300 {
                        // At the very border of the range one rounding decides.
                        assert!((p - e).abs() <= 1e-12 * e || p == e || e.is_subnormal(), "{t}^{q}: {p} {e}");
                        assert!((p - e).abs() <= 1e-300 || p == e);
                    } else {
                        worst = worst.max((p / e - 1.0).abs() / f64::EPSILON);
                    }
                }
            }
            for fixed in [0.0, f64::INFINITY] {
                assert_eq!(power(fixed, q), fixed);
            }
            assert!(power(f64::NAN, q).is_nan());
        }
        assert!(worst <= 2.0, "{worst} units");
        let mut extreme = [0.5, 1.0, 2.0];
        raise(&mut extreme, 1e308);
        assert_eq!(extreme, [0.0, 1.0, f64::INFINITY]);
    }
}
