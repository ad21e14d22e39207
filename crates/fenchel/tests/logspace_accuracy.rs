//! Log-sum-exp against arbitrary precision: the bound that the module's documentation states.

use astro_float::{BigFloat, Consts, RoundingMode};
use fenchel::logspace::{
    LogSumExp, logmeanexp, logsumexp, logsumexp_at, logsumexp_signed, logsumexp_temperature,
};
use fenchel::simd::{Level, Real};

/// Enough for terms that differ by e^−700 ≈ 2^−1010 to be added exactly enough.
const BITS: usize = 1300;
const NEAREST: RoundingMode = RoundingMode::ToEven;

/// Arithmetic with many digits.
struct Exact(Consts);

impl Exact {
    fn new() -> Self {
        Exact(Consts::new().expect("memory for constants"))
    }

    fn of(x: f64) -> BigFloat {
        BigFloat::from_f64(x, BITS)
    }

    fn exp(&mut self, x: &BigFloat) -> BigFloat {
        x.exp(BITS, NEAREST, &mut self.0)
    }

    fn ln(&mut self, x: &BigFloat) -> BigFloat {
        x.ln(BITS, NEAREST, &mut self.0)
    }

    /// log |Σ w e^{x/τ}| over (x, w).
    fn log_sum(&mut self, terms: impl Iterator<Item = (f64, f64)>, tau: f64) -> BigFloat {
        let mut sum = Self::of(0.0);
        for (x, w) in terms {
            let exponent = Self::of(x).div(&Self::of(tau), BITS, NEAREST);
            let term = self.exp(&exponent).mul(&Self::of(w), BITS, NEAREST);
            sum = sum.add(&term, BITS, NEAREST);
        }
        self.ln(&sum.abs())
    }

    /// y − exact, as a number.
    fn error(y: f64, exact: &BigFloat) -> f64 {
        to_f64(&Self::of(y).sub(exact, BITS, NEAREST))
    }
}

/// The nearest number, or one next to it.
fn to_f64(x: &BigFloat) -> f64 {
    // Through the decimal form: the exponent range is wider than that of f64.
    x.to_string().parse().expect("a decimal number")
}

/// A reproducible stream of numbers in [0, 1).
fn unit(i: u64) -> f64 {
    let mut z = i.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// The stated bound without the unit roundoff: |y| + |y − M| + H(p) + 10.
fn bound(y: f64, max: f64, entropy: f64) -> f64 {
    y.abs() + (y - max).abs() + entropy + 10.0
}

/// H(p) = −Σ p log p over (x, copies), in plain arithmetic.
fn entropy(terms: impl Iterator<Item = (f64, f64)>, y: f64) -> f64 {
    terms.map(|(x, w)| (x - y, w)).filter(|(l, _)| *l > -800.0).map(|(l, w)| -w * l * l.exp()).sum()
}

/// Each number once.
fn once<T: Real>(x: &[T]) -> impl Iterator<Item = (f64, f64)> {
    x.iter().map(|x| (x.to_f64(), 1.0))
}

fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|l| l.is_available())
}

/// Check a slice whose exact value is known, at every level.
fn check<T: Real>(what: &str, x: &[T], terms: impl Iterator<Item = (f64, f64)>, exact: &BigFloat) {
    let y = to_f64(exact);
    let max = x.iter().fold(f64::NEG_INFINITY, |m, x| m.max(x.to_f64()));
    let entropy = entropy(terms, y);
    let unit_roundoff = 0.5 * T::EPSILON.to_f64();
    for level in levels() {
        let got = logsumexp_at(level, x);
        let error = Exact::error(got.to_f64(), exact).abs() / unit_roundoff;
        println!("{what} {} {level:?}: {error:.2} of {:.2}", T::NAME, bound(y, max, entropy));
        assert!(error <= bound(y, max, entropy), "{what} {} {level:?}: {got} is {error} u off {y}", T::NAME);
    }
}

fn random_slices<T: Real>() {
    let mut exact = Exact::new();
    type Shape = fn(f64, f64) -> f64;
    let shapes: [(&str, Shape); 7] = [
        ("uniform", |a, _| a),
        ("spread", |a, _| 60.0 * (a - 0.5)),
        ("wide", |a, _| 1400.0 * (a - 0.5)),
        ("far from 0", |a, _| -1e4 + 10.0 * a),
        ("normal", |a, b| (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()),
        ("many magnitudes", |a, b| (a - 0.5) * 10f64.powf(-30.0 + 32.0 * b)),
        ("one dominates", |a, b| if b < 0.002 { 0.0 } else { -40.0 - 10.0 * a }),
    ];
    for (s, (what, shape)) in shapes.into_iter().enumerate() {
        for n in [1usize, 2, 3, 7, 64, 65, 300, 1100] {
            let seed = (s * 100_000 + n * 7) as u64;
            let x: Vec<T> = (0..n as u64)
                .map(|i| T::from_f64(shape(unit(seed + 2 * i), unit(seed + 2 * i + 1))))
                .collect();
            let y = exact.log_sum(once(&x), 1.0);
            check(&format!("{what}, n = {n}"), &x, once(&x), &y);
        }
    }
}

#[test]
fn random_slices_f64() {
    random_slices::<f64>();
}

#[test]
fn random_slices_f32() {
    random_slices::<f32>();
}

/// Slices that repeat a few values, so that the exact sum is short however long the slice is.
fn repeated<T: Real>(n: usize) {
    let mut exact = Exact::new();
    let patterns: [(&str, &[f64]); 5] = [
        ("all equal", &[0.3]),
        ("value near 0", &[-18.4]),
        ("three values", &[-1.7, 0.1, -30.3]),
        ("rising in the pattern", &[-7.7, -6.1, -3.3, -2.9, -0.1]),
        ("spread", &[-600.0, -20.5, -3.25, -1e-9, 1e-9, -0.4, -40.1]),
    ];
    for (what, pattern) in patterns {
        let pattern: Vec<T> = pattern.iter().map(|&x| T::from_f64(x)).collect();
        let x: Vec<T> = pattern.iter().copied().cycle().take(n).collect();
        let copies = |i: usize| (n / pattern.len() + usize::from(i < n % pattern.len())) as f64;
        let terms = || pattern.iter().enumerate().map(|(i, x)| (x.to_f64(), copies(i)));
        check(&format!("{what}, n = {n}"), &x, terms(), &exact.log_sum(terms(), 1.0));
    }
}

#[test]
fn a_hundred_million_numbers() {
    repeated::<f32>(100_000_000);
}

#[test]
fn ten_million_numbers() {
    repeated::<f64>(10_000_000);
}

#[test]
fn a_hundred_million_numbers_in_a_stream() {
    let mut exact = Exact::new();
    // A thousand slices of a hundred thousand; every slice lifts the maximum by a little.
    let slice: Vec<f64> = (0..100_000).map(|i| -f64::from(i % 1000) / 64.0).collect();
    let (mut state, mut lifted) = (LogSumExp::new(), slice.clone());
    for k in 0..1000 {
        let lift = f64::from(k) / 1024.0;
        lifted.iter_mut().zip(&slice).for_each(|(y, x)| *y = x + lift);
        state.extend(&lifted);
    }
    let inner = exact.log_sum((0..1000).map(|i| (-f64::from(i) / 64.0, 100.0)), 1.0);
    let outer = exact.log_sum((0..1000).map(|k| (f64::from(k) / 1024.0, 1.0)), 1.0);
    let y = inner.add(&outer, BITS, NEAREST);
    let value = to_f64(&y);
    assert_eq!(state.count(), 100_000_000);
    // H(p) ≤ log n.
    let allowed = bound(value, 999.0 / 1024.0, 1e8f64.ln());
    let error = Exact::error(state.value(), &y).abs() / (0.5 * f64::EPSILON);
    assert!(error <= allowed, "{} is {error} u off {value}", state.value());
}

/// x_i = −i·d, rising or falling through the slice: a new maximum in every block if it rises; a geometric sum.
fn geometric<T: Real>(n: usize, d: f64) {
    let mut exact = Exact::new();
    let one = Exact::of(1.0);
    let ratio = exact.exp(&Exact::of(-d));
    let power = exact.exp(&Exact::of(-d).mul(&Exact::of(n as f64), BITS, NEAREST));
    let sum = one.sub(&power, BITS, NEAREST).div(&one.sub(&ratio, BITS, NEAREST), BITS, NEAREST);
    let y = exact.ln(&sum);
    let mut x: Vec<T> = (0..n).map(|i| T::from_f64(-(i as f64) * d)).collect();
    // The bound is for the numbers as they are stored: steps must be exact.
    assert!(x.iter().enumerate().all(|(i, x)| x.to_f64() == -(i as f64) * d));
    check(&format!("falling by {d}, n = {n}"), &x, once(&x), &y);
    x.reverse();
    check(&format!("rising by {d}, n = {n}"), &x, once(&x), &y);
}

#[test]
fn geometric_sums() {
    geometric::<f64>(4_000_000, 2f64.powi(-20));
    geometric::<f64>(4_000_000, 2f64.powi(-9));
    geometric::<f64>(100_000, 0.5);
    geometric::<f32>(4_000_000, 2f64.powi(-20));
    geometric::<f32>(100_000, 2f64.powi(-9));
}

#[test]
fn a_dominated_sum_keeps_its_relative_precision() {
    let mut exact = Exact::new();
    for x in [[0.0, -40.0, -41.5], [0.0, -300.0, -301.0], [-700.25, 0.0, -700.5], [0.0, -3e-5, -1e300]] {
        let y = exact.log_sum(once(&x), 1.0);
        let want = to_f64(&y);
        for level in levels() {
            let got = logsumexp_at(level, &x);
            // The rest is e^−d: its relative error is that of d, rounded or not, and a few u.
            let error = (got - want).abs() / (want * 0.5 * f64::EPSILON);
            assert!(error < 8.0, "{x:?} {level:?}: {got} for {want}, {error} u");
        }
    }
    // Subnormal results.
    for level in levels() {
        let got = logsumexp_at(level, &[0.0, -720.0]);
        assert!((got / (-720f64).exp() - 1.0).abs() < 1e-9, "{level:?}: {got:e}");
    }
}

#[test]
fn temperature_and_signs() {
    let mut exact = Exact::new();
    let x: Vec<f64> = (0..300).map(|i| 30.0 * (unit(i) - 0.5)).collect();
    let w: Vec<f64> = (0..300).map(|i| unit(i + 1000) - 0.4).collect();
    for tau in [1e-3, 0.3, 1.0, 7.0, 1e6] {
        let y = exact.log_sum(once(&x), tau).mul(&Exact::of(tau), BITS, NEAREST);
        let got = logsumexp_temperature(&x, tau).unwrap();
        // x/τ is rounded too: once more the entropy; all in units of τ.
        let (scaled, max) = (to_f64(&y) / tau, 15.0 / tau);
        let allowed = tau * 0.5 * f64::EPSILON * (bound(scaled, max, 2.0 * 300f64.ln()) + 4.0);
        assert!(Exact::error(got, &y).abs() <= allowed, "tau = {tau}: {got}");
    }
    let y = exact.log_sum(x.iter().copied().zip(w.iter().copied()), 1.0);
    let (got, sign) = logsumexp_signed(&x, &w).unwrap();
    let magnitude = |w: &[f64]| -> f64 { x.iter().zip(w).map(|(x, w)| w * x.exp()).sum() };
    let total = magnitude(&w);
    assert_eq!(sign, total.signum());
    let cancelled = magnitude(&w.iter().map(|w| w.abs()).collect::<Vec<_>>()) / total.abs();
    let allowed = 0.5 * f64::EPSILON * (got.abs() + 40.0 * cancelled);
    assert!(Exact::error(got, &y).abs() <= allowed, "signed: {got}");
}

#[test]
fn means_and_streams() {
    let mut exact = Exact::new();
    let x: Vec<f64> = (0..1000).map(|i| 1e-3 * (unit(i) - 0.5)).collect();
    let log_n = exact.ln(&Exact::of(1000.0));
    let y = exact.log_sum(once(&x), 1.0);
    let mean = y.sub(&log_n, BITS, NEAREST);
    // The mean of numbers near 0 is near 0: no log n = 6.9 is added and taken away again.
    let error = Exact::error(logmeanexp(&x), &mean).abs() / (0.5 * f64::EPSILON);
    assert!(error <= 3.0, "mean: {error} u");
    // One by one, each rescaled by every new maximum.
    let rising: Vec<f64> = (0..1000).map(|i| i as f64 / 256.0).collect();
    let y = exact.log_sum(once(&rising), 1.0);
    let state: LogSumExp = rising.iter().copied().collect();
    let value = to_f64(&y);
    let allowed = 0.5 * f64::EPSILON * bound(value, 999.0 / 256.0, entropy(once(&rising), value));
    assert!(Exact::error(state.value(), &y).abs() <= allowed, "stream: {}", state.value());
    assert!((state.value() - logsumexp(&rising)).abs() <= 2.0 * allowed);
}
