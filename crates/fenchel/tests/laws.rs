//! What holds for every divergence of the registry, on random rows over many magnitudes.

use std::sync::Arc;

use fenchel::divergence::{Divergence, parse, registry};
use fenchel::smoothmax::{Certificate, Method, Scratch, SmoothMax, SmoothMaximum, smoothmax_into};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;

fn names() -> Vec<&'static str> {
    registry().iter().flat_map(|entry| entry.examples).copied().collect()
}

fn divergence() -> impl Strategy<Value = Arc<dyn Divergence>> {
    select(names()).prop_map(|name| parse(name).unwrap())
}

/// Scores of one shape or another, of order 1.
fn shape() -> impl Strategy<Value = Vec<f64>> {
    let length = prop_oneof![8 => 1..12usize, 3 => 12..80usize, 1 => 200..700usize];
    (length, 0..5u8, any::<u64>()).prop_map(|(n, kind, seed)| {
        let mut state = seed | 1;
        let mut uniform = move || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let mixed = (state ^ (state >> 29)).wrapping_mul(0xbf58476d1ce4e5b9);
            ((mixed ^ (mixed >> 32)) >> 11) as f64 / (1u64 << 53) as f64
        };
        (0..n)
            .map(|_| match kind {
                0 => 2.0 * uniform() - 1.0,
                1 => (3.0 * uniform()).floor() - 1.0,
                2 => -10f64.powf(12.0 * uniform() - 10.0),
                3 => 0.7,
                _ => 10f64.powf(6.0 * uniform() - 5.0) * if uniform() < 0.5 { -1.0 } else { 1.0 },
            })
            .collect()
    })
}

/// Reference masses: uniform, spread, over 30 orders of magnitude, with zeros; at least one positive.
fn reference(n: usize) -> impl Strategy<Value = Vec<f64>> {
    (0..4u8, prop::collection::vec((0.0..1.0f64, 0.0..1.0f64), n), 0..n).prop_map(|(kind, draws, keep)| {
        let mut eta: Vec<f64> = draws
            .into_iter()
            .map(|(a, b)| match kind {
                0 => 1.0,
                1 => 0.1 + a,
                2 => 10f64.powf(-30.0 * a),
                _ => {
                    if b < 0.4 {
                        0.0
                    } else {
                        10f64.powf(-3.0 * a)
                    }
                }
            })
            .collect();
        if eta[keep] == 0.0 {
            eta[keep] = 1.0;
        }
        eta
    })
}

#[derive(Clone)]
struct Case {
    div: Arc<dyn Divergence>,
    u: Vec<f64>,
    eta: Vec<f64>,
    lambda: f64,
}

impl std::fmt::Debug for Case {
    /// On one line, so that a failure can be read and kept as a regression test.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} lambda {:e} u {:?} eta {:?}", self.div.name(), self.lambda, self.u, self.eta)
    }
}

impl Case {
    fn solver(&self) -> SmoothMax {
        SmoothMax::new(self.div.clone(), self.lambda).unwrap().with_reference(&self.eta).unwrap()
    }

    fn solve(&self) -> (SmoothMaximum, Vec<f64>, Certificate) {
        let mut solver = self.solver();
        let mut p = vec![f64::NAN; self.u.len()];
        let top = solver.evaluate(&self.u, &mut p).unwrap();
        let sides = solver.certify(&self.u, &p, &top).unwrap();
        (top, p, sides)
    }

    fn value(&self) -> f64 {
        self.solve().0.value
    }

    fn with_scores(&self, u: Vec<f64>) -> Case {
        Case { u, ..self.clone() }
    }

    fn largest(&self) -> f64 {
        self.kept().map(|i| self.u[i].abs()).fold(0.0, f64::max)
    }

    fn kept(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.u.len()).filter(|i| self.eta[*i] > 0.0)
    }

    fn spread(&self) -> f64 {
        let (lo, hi) = self
            .kept()
            .map(|i| self.u[i])
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), u| (lo.min(u), hi.max(u)));
        hi - lo
    }
}

/// Scores and temperature scaled together by 10^`scale`, the temperature by 10^`relative` against the scores.
fn case_at(scale: std::ops::Range<f64>, relative: std::ops::Range<f64>) -> impl Strategy<Value = Case> {
    (divergence(), shape(), scale, relative).prop_flat_map(|(div, shape, scale, relative)| {
        let size = 10f64.powf(scale);
        let lambda = 10f64.powf(relative) * size;
        let u: Vec<f64> = shape.iter().map(|u| u * size).collect();
        reference(u.len()).prop_map(move |eta| Case { div: div.clone(), u: u.clone(), eta, lambda })
    })
}

fn mild() -> impl Strategy<Value = Case> {
    case_at(-2.0..2.0, -3.0..2.0)
}

fn wild() -> impl Strategy<Value = Case> {
    case_at(-280.0..280.0, -14.0..14.0)
}

fn sum(x: &[f64]) -> f64 {
    // Neumaier's compensated sum: a reference for the sums under test.
    let (mut sum, mut rest) = (0.0f64, 0.0);
    for &x in x {
        let next = sum + x;
        rest += if sum.abs() >= x.abs() { (sum - next) + x } else { (x - next) + sum };
        sum = next;
    }
    sum + rest
}

fn check_weights(case: &Case, p: &[f64]) -> Result<(), TestCaseError> {
    let ulps = (sum(p) - 1.0).abs() / f64::EPSILON;
    prop_assert!(ulps <= 4.0 * (p.len() as f64).sqrt(), "sum {} is {ulps} ulp off", sum(p));
    let total = sum(&case.eta);
    let kept = case.kept().count();
    let atoms: Vec<usize> = (0..kept).collect();
    let cap = case.div.for_atoms(&atoms).map_or(case.div.cap(), |d| d.cap());
    for (i, (p, eta)) in p.iter().zip(&case.eta).enumerate() {
        prop_assert!(*p >= 0.0 && p.is_finite(), "p[{i}] = {p}");
        prop_assert!(
            *p <= if *eta > 0.0 { cap * (eta / total) * (1.0 + 1e-12) } else { 0.0 },
            "p[{i}] = {p} above cap·eta"
        );
    }
    Ok(())
}

/// The same rows at every run, so that a change that breaks nothing fails nothing; new ones, and as many as wanted,
/// with PROPTEST_CASES set.
fn config() -> ProptestConfig {
    let default =
        ProptestConfig { failure_persistence: None, max_shrink_iters: 2000, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() {
        return default;
    }
    ProptestConfig { cases: 1500, rng_seed: RngSeed::Fixed(20_221), ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn weights_are_a_distribution_and_primal_equals_dual(case in wild()) {
        let (top, p, sides) = case.solve();
        check_weights(&case, &p)?;
        // The value's parts, Σpu and λΣηf, may cancel: relative to their size.
        let mean = sum(&p.iter().zip(&case.u).map(|(p, u)| p * u).collect::<Vec<_>>());
        let parts = sum(&p.iter().zip(&case.u).map(|(p, u)| p * u.abs()).collect::<Vec<_>>());
        let size = sides.primal.abs().max(parts).max((mean - sides.primal).abs());
        // Rounding of λ·f and of the threshold, which is within some hundred λ of an atom: relative to λ. With a cap
        // it may be anywhere between two atoms, if those above it are all at their caps: relative to the scores.
        let anywhere = if case.div.cap().is_finite() { case.largest() } else { 0.0 };
        let rounding = 3e-13 * case.lambda * (1.0 + case.div.f_prime_at_one().abs()).min(1e3) + 4e-15 * anywhere;
        prop_assert!(top.value.is_finite() && top.threshold.is_finite());
        prop_assert!((top.value - sides.primal).abs() <= 1e-10 * size + rounding,
            "value {} primal {} dual {}", top.value, sides.primal, sides.dual);
        prop_assert!(sides.gap.abs() <= 1e-10 * size + rounding + 1e-14 * top.threshold.abs(), "{sides:?}");
        prop_assert!(top.passes < 100, "{} passes", top.passes);
    }

    #[test]
    fn scores_and_temperature_of_unrelated_magnitude(
        case in case_at(-300.0..300.0, 0.0..1.0), exponent in -300.0..300.0f64
    ) {
        let total = sum(&case.eta);
        let eta = case.eta.iter().map(|eta| eta / total).collect();
        let case = Case { lambda: 10f64.powf(exponent), eta, ..case };
        let (top, p, _) = case.solve();
        check_weights(&case, &p)?;
        prop_assert!(top.value.is_finite() && top.threshold.is_finite(), "{top:?}");
        let max = case.kept().map(|i| case.u[i]).fold(f64::NEG_INFINITY, f64::max);
        prop_assert!(top.value <= max + 1e-12 * (case.largest() + case.lambda));
    }

    #[test]
    fn value_is_exact_far_above_the_spread(case in case_at(0.0..1.0, 4.0..250.0)) {
        // For λ ≫ spread the value is the η-mean plus something of order spread²/λ, less λf(1).
        let total = sum(&case.eta);
        let case = Case { eta: case.eta.iter().map(|eta| eta / total).collect(), ..case };
        let (top, p, _) = case.solve();
        let mean = sum(&case.u.iter().zip(&case.eta).map(|(u, eta)| u * eta).collect::<Vec<_>>());
        let kept: Vec<usize> = case.kept().collect();
        let div = case.div.for_atoms(&kept).unwrap_or(case.div.clone());
        if !div.is_smooth() {
            return Ok(());
        }
        let excess = case.spread() * case.spread() / case.lambda * div.conj_second(div.f_prime_at_one()).max(1.0);
        let base = case.lambda * div.f_at_one();
        let slack = 1e-12 * case.largest() + excess + 1e-15 * base.abs();
        if kept.len() > 1 {
            prop_assert!((top.value + base - mean).abs() <= slack, "{} against mean {mean}", top.value + base);
        }
        let bend = 2.0 * excess / case.spread().max(1e-300);
        for i in kept {
            let t = p[i] / case.eta[i];
            prop_assert!((t - 1.0).abs() <= 1e-12 + bend, "density {t}");
        }
    }

    #[test]
    fn translation_and_homogeneity(case in mild(), shift in -3.0..3.0f64, power in -200..200i32) {
        let (top, p, _) = case.solve();
        let slack = 1e-11 * (case.largest() + case.lambda + shift.abs() * 100.0);
        let shift = 100.0 * shift;
        let moved = case.with_scores(case.u.iter().map(|u| u + shift).collect()).solve();
        prop_assert!((moved.0.value - top.value - shift).abs() <= slack);
        // By a power of two, so that nothing rounds: the same weights to the bit.
        let factor = 2f64.powi(power);
        let scaled = Case { lambda: case.lambda * factor, ..case.with_scores(case.u.iter().map(|u| u * factor).collect()) };
        let (scaled, q, _) = scaled.solve();
        prop_assert!((scaled.value / factor - top.value).abs() <= 1e-14 * (top.value.abs() + case.lambda));
        prop_assert_eq!(p, q);
    }

    #[test]
    fn monotone_and_convex(case in mild(), other in prop::collection::vec(0.0..1.0f64, 700), mix in 0.0..1.0f64) {
        let n = case.u.len();
        let size = case.largest() + case.lambda;
        let higher = case.with_scores((0..n).map(|i| case.u[i] + size * other[i]).collect());
        let between = case.with_scores((0..n).map(|i| case.u[i] + mix * size * other[i]).collect());
        let (a, b, c) = (case.value(), higher.value(), between.value());
        let slack = 1e-11 * (size + case.lambda);
        prop_assert!(b >= a - slack, "{a} {b}");
        prop_assert!(c <= (1.0 - mix) * a + mix * b + slack, "{a} {c} {b}");
    }

    #[test]
    fn the_maximum_is_in_its_bracket(case in mild()) {
        let mut solver = case.solver();
        let top = solver.evaluate(&case.u, &mut vec![0.0; case.u.len()]).unwrap();
        let max = case.kept().map(|i| case.u[i]).fold(f64::NEG_INFINITY, f64::max);
        match solver.maximum(&top) {
            Ok(bracket) => {
                let slack = 1e-11 * (case.largest() + case.lambda + bracket.width());
                prop_assert!(bracket.contains(max, slack), "{max} {bracket:?}");
            }
            Err(_) => prop_assert!(case.div.cap() < f64::INFINITY),
        }
    }

    #[test]
    fn order_of_atoms_does_not_matter(case in mild(), seed in any::<u64>()) {
        let n = case.u.len();
        let mut order: Vec<usize> = (0..n).collect();
        let mut state = seed;
        for i in (1..n).rev() {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            order.swap(i, (state >> 33) as usize % (i + 1));
        }
        let shuffled = Case {
            u: order.iter().map(|i| case.u[*i]).collect(),
            eta: order.iter().map(|i| case.eta[*i]).collect(),
            ..case.clone()
        };
        let ((a, p, _), (b, q, _)) = (case.solve(), shuffled.solve());
        prop_assert!((a.value - b.value).abs() <= 1e-12 * (case.largest() + case.lambda));
        if case.div.name() != "none" {
            for (k, i) in order.iter().enumerate() {
                prop_assert!((q[k] - p[*i]).abs() <= 1e-10, "{} {}", q[k], p[*i]);
            }
        }
    }

    #[test]
    fn dropping_atoms_without_reference_changes_nothing(case in mild()) {
        let kept: Vec<usize> = case.kept().collect();
        let fewer = Case {
            u: kept.iter().map(|i| case.u[*i]).collect(),
            eta: kept.iter().map(|i| case.eta[*i]).collect(),
            ..case.clone()
        };
        let ((a, p, _), (b, q, _)) = (case.solve(), fewer.solve());
        prop_assert!((a.value - b.value).abs() <= 1e-12 * (case.largest() + case.lambda));
        for (k, i) in kept.iter().enumerate() {
            prop_assert!((q[k] - p[*i]).abs() <= 1e-11);
        }
    }

    #[test]
    fn low_temperature_is_the_maximum_within_the_domain(case in case_at(-1.0..1.0, -9.0..-8.0)) {
        let (top, _, _) = case.solve();
        let kept: Vec<usize> = case.kept().collect();
        let div = case.div.for_atoms(&kept).unwrap_or(case.div.clone());
        let alpha = 1.0 / div.cap();
        let limit = if alpha == 0.0 {
            case.kept().map(|i| case.u[i]).fold(f64::NEG_INFINITY, f64::max)
        } else {
            // The linear part alone: CVaR of the cap's level.
            let cvar = parse(&format!("cvar:{alpha}")).unwrap();
            Case { div: cvar, ..case.clone() }.value()
        };
        // What the divergence costs at most: an atom with all weight, or the cap.
        let total = sum(&case.eta);
        let least = kept.iter().map(|i| case.eta[*i] / total).fold(1.0, f64::min);
        let density = (1.0 / least).min(div.cap());
        let bulk = if div.counts_reference_mass() { total.ln().abs() } else { 0.0 };
        let cost = case.lambda * (least * div.f(density).abs() + div.f(density).abs() / density + div.f(1.0).abs()
            + div.f_at_zero().abs() + bulk + 1.0);
        prop_assert!((top.value - limit).abs() <= 2.0 * cost + 1e-12 * case.largest(), "{} {limit} {cost}", top.value);
    }

    #[test]
    fn gradient_is_the_weights(case in case_at(-1.0..1.0, -1.0..1.0), at in any::<prop::sample::Index>()) {
        let i = at.index(case.u.len());
        let (_, p, _) = case.solve();
        let h = 1e-5 * case.lambda;
        let step = |h: f64| {
            let mut u = case.u.clone();
            u[i] += h;
            case.with_scores(u).value()
        };
        let (up, down) = (step(h), step(-h));
        // Between the slopes on either side: exact at kinks too.
        let here = case.value();
        let noise = 1e-13 * (case.largest() + case.lambda * (2.0 + case.div.f_prime_at_one().abs())) / h;
        prop_assert!(p[i] <= (up - here) / h + noise, "p {} right slope {}", p[i], (up - here) / h);
        prop_assert!(p[i] >= (here - down) / h - noise, "p {} left slope {}", p[i], (here - down) / h);
    }

    #[test]
    fn hessian_is_the_derivative_of_the_weights(case in case_at(-1.0..1.0, -0.5..1.0), seed in 0.0..1.0f64) {
        let n = case.u.len();
        let v: Vec<f64> = (0..n).map(|i| ((i as f64 + seed) * 2.399).sin()).collect();
        let mut solver = case.solver();
        let mut p = vec![0.0; n];
        solver.evaluate(&case.u, &mut p).unwrap();
        let mut product = vec![0.0; n];
        solver.hessian_product(&p, &v, &mut product).unwrap();
        let scale = 1.0 / case.lambda;
        prop_assert!(sum(&product).abs() <= 1e-10 * scale * (1.0 + sum(&product.iter().map(|x| x.abs()).collect::<Vec<_>>()) / scale));
        let quadratic = sum(&v.iter().zip(&product).map(|(v, h)| v * h).collect::<Vec<_>>());
        prop_assert!(quadratic >= -1e-12 * scale, "{quadratic}");
        if !case.div.is_smooth() {
            return Ok(());
        }
        // Where the derivative exists on the scale of the difference: the two one-sided quotients agree.
        let h = 1e-6 * case.lambda;
        if product.iter().any(|x| x.abs() * h > 1e-4) {
            return Ok(());
        }
        let moved = |h: f64| case.with_scores((0..n).map(|i| case.u[i] + h * v[i]).collect()).solve().1;
        let (more, less) = (moved(h), moved(-h));
        let bend: f64 = (0..n).map(|i| ((more[i] - p[i]) - (p[i] - less[i])).abs() / h).fold(0.0, f64::max);
        for i in 0..n {
            let slope = (more[i] - less[i]) / (2.0 * h);
            prop_assert!((slope - product[i]).abs() <= 1e-7 * scale + bend, "{i}: {slope} {}", product[i]);
        }
    }

    #[test]
    fn starting_elsewhere_and_leaving_atoms_out(case in mild(), off in -20.0..20.0f64) {
        let kept: Vec<usize> = case.kept().collect();
        let total = sum(&case.eta);
        let u: Vec<f64> = kept.iter().map(|i| case.u[*i]).collect();
        let eta: Vec<f64> = kept.iter().map(|i| case.eta[*i] / total).collect();
        let div = case.div.for_atoms(&kept).unwrap_or(case.div.clone());
        let (mut p, mut q, mut scratch) = (vec![0.0; u.len()], vec![0.0; u.len()], Scratch::default());
        let cold = smoothmax_into(&*div, &u, &eta, 0.0, case.lambda, None, &mut p, &mut scratch);
        let slack = 1e-11 * (case.largest() + case.lambda * (1.0 + div.f_prime_at_one().abs()));
        for start in [cold.threshold, cold.threshold + off * case.lambda, f64::NAN, f64::INFINITY, -1e300] {
            let warm = smoothmax_into(&*div, &u, &eta, 0.0, case.lambda, Some(start), &mut q, &mut scratch);
            prop_assert!((warm.value - cold.value).abs() <= slack, "{} {}", warm.value, cold.value);
            for i in 0..u.len() {
                prop_assert!((p[i] - q[i]).abs() <= 1e-10, "{} {}", p[i], q[i]);
            }
        }
        // Atoms whose weight is negligible may be left out.
        let tau = cold.threshold;
        let floor = div.negligible_below();
        let near: Vec<usize> = (0..u.len()).filter(|i| (u[*i] - tau) / case.lambda > floor - 1.0).collect();
        let rest = sum(&(0..u.len()).filter(|i| !near.contains(i)).map(|i| eta[i]).collect::<Vec<_>>());
        let (v, e): (Vec<f64>, Vec<f64>) = near.iter().map(|i| (u[*i], eta[*i])).unzip();
        let mut r = vec![0.0; v.len()];
        let part = smoothmax_into(&*div, &v, &e, rest, case.lambda, None, &mut r, &mut scratch);
        prop_assert!((part.value - cold.value).abs() <= slack, "{} {}", part.value, cold.value);
        for (k, i) in near.iter().enumerate() {
            prop_assert!((p[*i] - r[k]).abs() <= 1e-10, "{} {}", p[*i], r[k]);
        }
    }

    #[test]
    fn bisection_keeps_its_promise(case in mild(), digits in 1.0..9.0f64) {
        let epsilon = 10f64.powf(-digits);
        let (exact, p, _) = case.solve();
        let mut solver = case.solver().with_method(Method::Bisection { epsilon }).unwrap();
        let mut q = vec![0.0; p.len()];
        let Ok(top) = solver.evaluate(&case.u, &mut q) else {
            let kept: Vec<usize> = case.kept().collect();
            let div = case.div.for_atoms(&kept).unwrap_or(case.div.clone());
            prop_assert!(kept.iter().any(|i| div.clipped_lipschitz(case.eta[*i]).is_infinite()));
            return Ok(());
        };
        check_weights(&case, &q)?;
        let bound = top.weight_error.unwrap();
        let kept: Vec<usize> = case.kept().collect();
        let div = case.div.for_atoms(&kept).unwrap_or(case.div.clone());
        let total = sum(&case.eta);
        let steepest = kept.iter().map(|i| div.clipped_lipschitz(case.eta[*i] / total)).fold(0.0, f64::max);
        let resolution = (case.largest() / case.lambda + 2.0 + div.f_prime_at_one().min(1e9)) * f64::EPSILON;
        let reachable = steepest * (p.len() as f64).sqrt() * resolution;
        prop_assert!(bound <= epsilon.max(4.0 * reachable), "{bound} for {epsilon}, reachable {reachable}");
        let distance = sum(&p.iter().zip(&q).map(|(p, q)| (p - q) * (p - q)).collect::<Vec<_>>()).sqrt();
        prop_assert!(distance <= bound + 1e-11, "{distance} for {bound}");
        prop_assert!(top.value >= exact.value - 1e-11 * (case.largest() + case.lambda));
    }

    #[test]
    fn single_precision_agrees(case in mild()) {
        let u: Vec<f32> = case.u.iter().map(|u| *u as f32).collect();
        let wide = case.with_scores(u.iter().map(|u| f64::from(*u)).collect());
        let (top, p, _) = wide.solve();
        let mut q = vec![f32::NAN; u.len()];
        let narrow = case.solver().evaluate(&u, &mut q).unwrap();
        prop_assert_eq!(narrow.value, top.value);
        let total: f64 = q.iter().map(|q| f64::from(*q)).sum();
        prop_assert!((total - 1.0).abs() <= 4.0 * (u.len() as f64).sqrt() * f64::from(f32::EPSILON));
        for (p, q) in p.iter().zip(&q) {
            prop_assert_eq!(*p as f32, *q);
        }
    }

    #[test]
    fn any_numbers_are_taken_or_refused(
        div in divergence(),
        rows in prop::collection::vec((any::<f64>(), any::<f64>()), 0..9),
        lambda in any::<f64>(),
        epsilon in prop::option::of(any::<f64>()),
    ) {
        let (u, eta): (Vec<f64>, Vec<f64>) = rows.into_iter().unzip();
        let mut p = vec![0.0; u.len()];
        for reference in [None, Some(eta.iter().map(|e| e.abs()).collect()), Some(eta)] {
            let Ok(mut solver) = SmoothMax::new(div.clone(), lambda.abs()) else { continue };
            if let Some(eta) = &reference {
                let Ok(given) = solver.with_reference::<f64>(eta) else { continue };
                solver = given;
            }
            if let Some(epsilon) = epsilon {
                let Ok(given) = solver.with_method(Method::Bisection { epsilon: epsilon.abs() }) else { continue };
                solver = given;
            }
            if let Ok(top) = solver.evaluate(&u, &mut p) {
                prop_assert!(!top.value.is_nan() && !top.threshold.is_nan(), "{top:?}");
                prop_assert!((sum(&p) - 1.0).abs() < 1e-14 && p.iter().all(|p| *p >= 0.0), "{p:?}");
            }
        }
    }

    #[test]
    fn any_name_is_parsed_or_refused(text in prop_oneof![any::<String>(), "[a-z2-]{1,18}(:[-+0-9.einfa]{0,8})?"]) {
        if let Ok(div) = parse(&text) {
            prop_assert_eq!(parse(&div.name()).unwrap().name(), div.name());
        }
    }

    #[test]
    fn any_known_name_takes_any_parameter(which in any::<prop::sample::Index>(), value in any::<f64>(), s in any::<f64>()) {
        let entry = &registry()[which.index(registry().len())];
        if let Ok(div) = parse(&format!("{}:{value}", entry.name)) {
            let again = parse(&div.name()).unwrap();
            prop_assert_eq!(again.cap(), div.cap());
            if !s.is_nan() {
                prop_assert!(!div.conj_prime(s).is_nan() && !div.conj(s).is_nan(), "{} at {s}", div.name());
            }
        }
    }

    #[test]
    fn fenchel_young(div in divergence(), log_t in -30.0..8.0f64, s in -30.0..30.0f64) {
        let div = div.for_atoms(&[0; 7]).unwrap_or(div);
        let t = 10f64.powf(log_t).min(div.cap());
        let size = |s: f64, t: f64| 1e-12 * (1.0 + (s * t).abs() + div.f(t).abs());
        let slope = div.f_prime(t);
        if slope.is_finite() {
            let both = div.f(t) + div.conj(slope);
            prop_assert!((both - slope * t).abs() <= size(slope, t), "t {t} s {slope}: {both} {}", slope * t);
        }
        prop_assert!(div.f(t) + div.conj(s) >= s * t - size(s, t), "t {t} s {s}");
        let back = div.conj_prime(s);
        if back.is_finite() && s < div.s_max() {
            let both = div.f(back) + div.conj(s);
            prop_assert!((both - s * back).abs() <= size(s, back), "s {s} t {back}: {both} {}", s * back);
        }
    }

    #[test]
    fn derivatives_belong_together(div in divergence(), s in -20.0..6.0f64) {
        let div = div.for_atoms(&[0; 5]).unwrap_or(div);
        if s + 0.01 >= div.s_max() {
            return Ok(());
        }
        let h = 1e-4;
        let (low, here, high) = (div.conj(s - h), div.conj(s), div.conj(s + h));
        prop_assert!(div.conj_prime(s) >= 0.0 && div.conj_second(s) >= 0.0);
        // Convexity: slopes of chords bracket the derivative.
        let noise = 1e-14 * (1.0 + high.abs()) / h;
        prop_assert!((here - low) / h - noise <= div.conj_prime(s) && div.conj_prime(s) <= (high - here) / h + noise);
        prop_assert!(div.conj_prime(s + h) >= div.conj_prime(s));
        let curvature = div.curvature(div.conj_prime(s));
        prop_assert!((curvature - div.conj_second(s)).abs() <= 1e-9 * (1e-3 + div.conj_second(s)),
            "{curvature} {}", div.conj_second(s));
        // Second derivative, where it is one: third differences small.
        let slope = |s: f64| div.conj_prime(s);
        let bend = (slope(s + h) - 2.0 * slope(s) + slope(s - h)).abs() / h;
        let centred = (slope(s + h) - slope(s - h)) / (2.0 * h);
        prop_assert!((centred - div.conj_second(s)).abs() <= bend + 1e-7 * (1.0 + centred), "{centred} {}", div.conj_second(s));
        // Constants: L bounds (f*)'', M bounds |(f*)'''|/(f*)'' away from kinks.
        prop_assert!(div.conj_second(s) <= div.lipschitz() * (1.0 + 1e-12));
        let m = div.self_concordance();
        let (a, b) = (div.conj_second(s - h), div.conj_second(s + h));
        if m.is_finite() && a > 0.0 && b > 0.0 {
            prop_assert!((b.ln() - a.ln()).abs() <= 2.0 * h * m * (1.0 + 1e-3) + 1e-10, "M {m}: {}", (b.ln() - a.ln()) / (2.0 * h));
        }
        // The excess over the tangent at f'(1).
        let at_one = div.f_prime_at_one();
        let excess = div.conj(at_one + s) - div.conj(at_one) - s;
        if at_one + s < div.s_max() {
            prop_assert!((div.conj_excess(s) - excess).abs() <= 1e-11 * (1.0 + s.abs() + excess.abs()));
        }
    }

    #[test]
    fn clipped_lipschitz_bounds_the_terms(div in divergence(), log_eta in -6.0..0.0f64, share in 0.0..1.0f64) {
        let div = div.for_atoms(&[0; 5]).unwrap_or(div);
        let eta = 10f64.powf(log_eta);
        let t = share * (1.0 / eta).min(div.cap());
        prop_assert!(eta * div.curvature(t) <= div.clipped_lipschitz(eta) * (1.0 + 1e-12));
    }
}

#[test]
fn names_round_trip() {
    for name in names() {
        let div = parse(name).unwrap();
        assert_eq!(parse(&div.name()).unwrap().name(), div.name());
        assert!(registry().iter().any(|entry| div.name().split(':').next() == Some(entry.name)));
    }
}

#[test]
fn densities_are_centred() {
    for name in names() {
        let div = parse(name).unwrap();
        let div = div.for_atoms(&[0; 9]).unwrap_or(div);
        if !name.starts_with("safe-kl:") {
            assert!(div.f(1.0).abs() < 1e-15, "{name}: f(1) = {}", div.f(1.0));
        }
        assert!((div.f_at_one() - div.f(1.0)).abs() < 1e-15, "{name}");
        assert_eq!(div.f_at_zero(), div.f(0.0), "{name}");
        assert!((div.conj(f64::NEG_INFINITY) + div.f_at_zero()).abs() < 1e-15, "{name}");
        assert_eq!(div.conj_prime(f64::NEG_INFINITY), 0.0, "{name}");
        if div.is_smooth() {
            assert!((div.conj_prime(div.f_prime_at_one()) - 1.0).abs() < 1e-14, "{name}");
        }
        let floor = div.negligible_below();
        if floor.is_finite() {
            assert!(div.conj_prime(floor) <= 2f64.powi(-60) * (1.0 + 1e-12), "{name}");
        }
        assert!(div.cap().is_infinite() || div.f(div.cap() * 1.001) == f64::INFINITY, "{name}");
        assert!(div.f(-0.1).is_infinite(), "{name}");
    }
}

#[test]
fn long_rows() {
    let n = 1_000_000;
    let u: Vec<f64> = (0..n).map(|i| ((i as f64 + 0.5) * 0.754_877_666).fract().ln()).collect();
    let wide: Vec<f64> = (0..n).map(|i| 10f64.powf(-30.0 * ((i as f64) * 0.569_840_29).fract())).collect();
    for name in names() {
        for (eta, lambda) in [(None, 1.0), (Some(&wide), 0.1)] {
            let mut solver = SmoothMax::new(parse(name).unwrap(), lambda).unwrap();
            if let Some(eta) = eta {
                solver = solver.with_reference(eta).unwrap();
            }
            let mut p = vec![0.0; n];
            let top = solver.evaluate(&u, &mut p).unwrap();
            let sides = solver.certify(&u, &p, &top).unwrap();
            let ulps = (sum(&p) - 1.0).abs() / f64::EPSILON;
            assert!(ulps <= 4.0 * (n as f64).sqrt(), "{name}: {ulps} ulp");
            assert!(sides.gap.abs() <= 1e-10 * (1.0 + sides.primal.abs()), "{name}: {sides:?}");
            assert!(
                (top.value - sides.dual).abs() <= 1e-10 * (1.0 + sides.primal.abs()),
                "{name}: {top:?} {sides:?}"
            );
            assert!(top.passes <= 40, "{name}: {} passes", top.passes);
        }
    }
}
