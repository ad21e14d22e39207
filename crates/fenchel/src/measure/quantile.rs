//! The normal distribution's quantile.

// Coefficients and known values with the digits of their source.
#![allow(clippy::excessive_precision)]

/// Φ⁻¹(u), the inverse of the standard normal distribution function.
///
/// Relative error below 1e-15 for every u in (0, 1), tails included (rational approximations of M. J. Wichura,
/// Algorithm AS 241, Applied Statistics 37, 1988). Φ⁻¹(0) = −∞, Φ⁻¹(1) = ∞, NaN outside \[0, 1\].
///
/// ```
/// use fenchel::measure::normal_quantile;
/// assert!((normal_quantile(0.975) - 1.959963984540054).abs() < 2e-15);
/// assert_eq!(normal_quantile(0.5), 0.0);
/// ```
pub fn normal_quantile(u: f64) -> f64 {
    let q = u - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * horner(r, &CENTRE.0) / horner(r, &CENTRE.1);
    }
    let tail = if q < 0.0 { u } else { 1.0 - u };
    if tail.is_nan() || tail < 0.0 {
        return f64::NAN;
    }
    if tail == 0.0 {
        return q.signum() * f64::INFINITY;
    }
    let r = (-tail.ln()).sqrt();
    let x = if r <= 5.0 {
        horner(r - 1.6, &MIDDLE.0) / horner(r - 1.6, &MIDDLE.1)
    } else {
        horner(r - 5.0, &FAR.0) / horner(r - 5.0, &FAR.1)
    };
    x.copysign(q)
}

#[inline]
fn horner(x: f64, coefficients: &[f64; 8]) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

type Rational = ([f64; 8], [f64; 8]);

static CENTRE: Rational = (
    [
        3.387_132_872_796_366_608,
        1.331_416_678_917_843_774_5e2,
        1.971_590_950_306_551_442_7e3,
        1.373_169_376_550_946_112_5e4,
        4.592_195_393_154_987_145_7e4,
        6.726_577_092_700_870_085_3e4,
        3.343_057_558_358_812_810_5e4,
        2.509_080_928_730_122_672_7e3,
    ],
    [
        1.0,
        4.231_333_070_160_091_125_2e1,
        6.871_870_074_920_579_083e2,
        5.394_196_021_424_751_107_7e3,
        2.121_379_430_158_659_586_7e4,
        3.930_789_580_009_271_061e4,
        2.872_908_573_572_194_267_4e4,
        5.226_495_278_852_854_561e3,
    ],
);

static MIDDLE: Rational = (
    [
        1.423_437_110_749_683_577_34,
        4.630_337_846_156_545_295_9,
        5.769_497_221_460_691_405_5,
        3.647_848_324_763_204_605_04,
        1.270_458_252_452_368_382_58,
        2.417_807_251_774_506_117_7e-1,
        2.272_384_498_926_918_458_33e-2,
        7.745_450_142_783_414_076_4e-4,
    ],
    [
        1.0,
        2.053_191_626_637_758_821_87,
        1.676_384_830_183_803_849_4,
        6.897_673_349_851_000_045_5e-1,
        1.481_039_764_274_800_745_9e-1,
        1.519_866_656_361_645_719_66e-2,
        5.475_938_084_995_344_946e-4,
        1.050_750_071_644_416_843_24e-9,
    ],
);

static FAR: Rational = (
    [
        6.657_904_643_501_103_777_2,
        5.463_784_911_164_114_369_9,
        1.784_826_539_917_291_335_8,
        2.965_605_718_285_048_912_3e-1,
        2.653_218_952_657_612_309_3e-2,
        1.242_660_947_388_078_438_6e-3,
        2.711_555_568_743_487_578_15e-5,
        2.010_334_399_292_288_132_65e-7,
    ],
    [
        1.0,
        5.998_322_065_558_879_376_9e-1,
        1.369_298_809_227_358_053_1e-1,
        1.487_536_129_085_061_485_25e-2,
        7.868_691_311_456_132_591e-4,
        1.846_318_317_510_054_681_8e-5,
        1.421_511_758_316_445_888_7e-7,
        2.044_263_103_389_939_785_64e-15,
    ],
);

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with 40 digits from the complementary error function.
    #[test]
    fn agrees_with_high_precision() {
        let known = [
            (1e-300, -37.047096299361199237),
            (1e-100, -21.273453560965324294),
            (1e-20, -9.2623400897984075796),
            (1.1102230246251565e-16, -8.2095361516013868556),
            (1e-8, -5.6120012441747887279),
            (1e-3, -3.0902323061678135354),
            (0.02, -2.0537489106318230443),
            (0.0749, -1.4402382675279636631),
            (0.075, -1.4395314709384559349),
            (0.0751, -1.4388253927525399824),
            (0.1, -1.2815515655446004353),
            (0.3, -0.52440051270804081597),
            (0.499999, -2.5066282745665593779e-6),
            (0.75, 0.6744897501960817432),
            (0.925, 1.4395314709384562291),
            (0.93, 1.475791028179171099),
            (0.999, 3.0902323061678132778),
        ];
        for (u, x) in known {
            let error = (normal_quantile(u) / x - 1.0).abs();
            assert!(error < 1e-15, "u = {u}: relative error {error:e}");
        }
    }

    #[test]
    fn symmetric_and_defined_everywhere() {
        for k in 1..64 {
            let u = f64::from(k) / 128.0;
            assert_eq!(normal_quantile(u), -normal_quantile(1.0 - u));
        }
        assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(normal_quantile(1.0), f64::INFINITY);
        for outside in [-0.1, 1.1, f64::NAN] {
            assert!(normal_quantile(outside).is_nan());
        }
    }
}
