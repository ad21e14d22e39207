//! What the tests of transport share: problems in one line, quadrature, searches in one dimension.
#![allow(dead_code)] // Every test binary uses a part of it.

pub mod generators;
pub mod linear_program;
pub mod two_points;

use fenchel::measure::{self, PointCloud, Source};
use fenchel::optim::Silent;
use fenchel::transport::{Lambda, SemiDiscrete, Settings, Solution};
use fenchel::{cost, divergence};
use std::sync::Arc;

/// Weighted atoms.
pub fn weighted(dim: usize, points: &[f64], weights: &[f64]) -> PointCloud {
    PointCloud::weighted(dim, points.to_vec(), weights.to_vec()).unwrap()
}

/// Equally weighted atoms.
pub fn cloud(dim: usize, points: &[f64]) -> PointCloud {
    PointCloud::new(dim, points.to_vec()).unwrap()
}

/// A source by name.
pub fn source(name: &str) -> Arc<dyn Source> {
    measure::parse(name).unwrap()
}

/// A problem by names, λ in cost units.
pub fn problem(
    source: Arc<dyn Source>,
    atoms: PointCloud,
    cost: &str,
    divergence: &str,
    lambda: f64,
) -> SemiDiscrete {
    SemiDiscrete::new(
        source,
        atoms,
        cost::parse(cost).unwrap(),
        divergence::parse(divergence).unwrap(),
        Lambda::Absolute(lambda),
    )
    .unwrap()
}

/// Settings of a tolerance and a seed, without a time limit (which would make results depend on the clock).
pub fn settings(tolerance: f64, seed: u64) -> Settings {
    Settings { tolerance, seed, max_seconds: None, ..Settings::default() }
}

/// Solves and checks what every result must satisfy: finite numbers, ordered bounds, centred potentials,
/// a history whose samples grow, a status that agrees with the certificate.
pub fn solve(problem: &SemiDiscrete, settings: &Settings) -> Solution {
    let solution = problem.solve(settings, &mut Silent).unwrap();
    check(&solution);
    solution
}

/// See [`solve`].
pub fn check(s: &Solution) {
    let all = [s.value, s.interval.lower, s.bounds.lower, s.cost_spread, s.seconds];
    assert!(all.iter().all(|v| v.is_finite()), "{s:?}");
    assert!(s.interval.lower <= s.value && s.value <= s.interval.upper, "{s:?}");
    assert!(s.bounds.lower <= s.bounds.upper, "{s:?}");
    let m = &s.marginal_error;
    assert!([m.max, m.l1, m.chi2, m.chi2_error].iter().all(|v| v.is_finite()), "{m:?}");
    assert!(m.max >= 0.0 && m.l1 >= 0.0 && m.chi2_error >= 0.0, "{m:?}");
    let phi: Vec<f64> = s.potential.iter().flatten().copied().collect();
    let size = phi.iter().fold(0.0_f64, |a, p| a.max(p.abs()));
    assert!(size.is_finite() && phi.iter().sum::<f64>().abs() <= 1e-12 * size * phi.len() as f64, "{phi:?}");
    assert!(s.history.windows(2).all(|h| h[0].samples <= h[1].samples), "{:?}", s.history);
    assert!(s.history.windows(2).all(|h| h[0].seconds <= h[1].seconds), "{:?}", s.history);
    assert!(s.history.last().is_none_or(|h| h.samples <= s.samples), "{:?}", s.history);
    let unit = if s.cost_spread > 1e-14 * s.value.abs() { s.cost_spread } else { s.value.abs().max(1.0) };
    match s.certified {
        fenchel::transport::Certified::Interval => {
            assert!(s.status.is_converged(), "{s:?}");
            assert!(s.interval.width() <= s.tolerance * unit * (1.0 + 1e-12), "{s:?}");
            assert!(m.l1 <= s.tolerance, "{s:?}");
        }
        fenchel::transport::Certified::LowerSide => {
            assert!(s.status.is_converged() && m.l1 <= s.tolerance, "{s:?}");
        }
        fenchel::transport::Certified::Nothing => assert!(!s.status.is_converged(), "{s:?}"),
    }
}

/// Potentials of a problem all of whose atoms have mass.
pub fn potentials(solution: &Solution) -> Vec<f64> {
    solution.potential.iter().map(|p| p.unwrap()).collect()
}

/// Every example of the registry of divergences.
pub fn divergences() -> Vec<&'static str> {
    divergence::registry().iter().flat_map(|e| e.examples.iter().copied()).collect()
}

/// ∫_a^b f by Gauss–Legendre rules of ten points on equal panels: exact to rounding for smooth f, and to
/// the panel's width squared times the jump of the slope (cubed for that of the curvature) at a kink.
pub fn integrate(f: impl Fn(f64) -> f64, a: f64, b: f64, panels: usize) -> f64 {
    const HALF: [(f64, f64); 5] = [
        (0.148_874_338_981_631_22, 0.295_524_224_714_752_87),
        (0.433_395_394_129_247_2, 0.269_266_719_309_996_35),
        (0.679_409_568_299_024_4, 0.219_086_362_515_982_04),
        (0.865_063_366_688_984_5, 0.149_451_349_150_580_6),
        (0.973_906_528_517_171_7, 0.066_671_344_308_688_14),
    ];
    let h = (b - a) / panels as f64;
    (0..panels)
        .map(|k| {
            let middle = a + (k as f64 + 0.5) * h;
            let panel: f64 =
                HALF.iter().map(|(x, w)| w * (f(middle - 0.5 * h * x) + f(middle + 0.5 * h * x))).sum();
            0.5 * h * panel
        })
        .sum()
}

/// Maximum of a concave f on [a, b] by golden section: where, and what.
pub fn maximise(f: impl Fn(f64) -> f64, a: f64, b: f64) -> (f64, f64) {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let (mut a, mut b) = (a, b);
    let (mut c, mut d) = (b - GOLDEN * (b - a), a + GOLDEN * (b - a));
    let (mut fc, mut fd) = (f(c), f(d));
    for _ in 0..200 {
        if b - a <= 1e-12 * (a.abs() + b.abs()) {
            break;
        }
        if fc >= fd {
            (b, d, fd) = (d, c, fc);
            c = b - GOLDEN * (b - a);
            fc = f(c);
        } else {
            (a, c, fc) = (c, d, fd);
            d = a + GOLDEN * (b - a);
            fd = f(d);
        }
    }
    if fc >= fd { (c, fc) } else { (d, fd) }
}

/// Density of the standard normal distribution.
pub fn density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// Its distribution function, to about 1e-15.
pub fn normal_cdf(x: f64) -> f64 {
    0.5 + integrate(density, 0.0, x.clamp(-12.0, 12.0), 40)
}

/// Root of an increasing function on [a, b].
pub fn root(f: impl Fn(f64) -> f64, a: f64, b: f64) -> f64 {
    let (mut a, mut b) = (a, b);
    for _ in 0..200 {
        let middle = 0.5 * (a + b);
        if f(middle) < 0.0 { a = middle } else { b = middle }
    }
    0.5 * (a + b)
}

/// The unit of tolerances: `solution`'s spread of costs.
pub fn allowed(solution: &Solution) -> f64 {
    solution.tolerance * solution.cost_spread
}
