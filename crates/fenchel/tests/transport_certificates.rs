//! What a certificate promises: intervals that cover as often as they say, answers that do not depend on
//! units, origin or threads, and honest results for every divergence, cost and source.

mod common;

use common::two_points::TwoPoints;
use common::{divergences, problem, settings, solve, source, weighted};
use fenchel::measure::{Ball, FromFn, Gaussian, Mixture, Rng, Source, UniformBox};
use fenchel::optim::Status;
use fenchel::transport::{Asgd, Certified, SemiDiscrete, Settings, Solution, Solver, StepRule};
use rayon::prelude::*;
use std::sync::Arc;

/// N(0, I) without a map from the unit cube: independent draws only.
fn independent_gaussian(dim: usize) -> Arc<dyn Source> {
    let draw = |rng: &mut Rng, x: &mut [f64]| x.iter_mut().for_each(|x| *x = rng.normal());
    Arc::new(FromFn::new(dim, draw).unwrap())
}

/// Over 400 seeds the interval covers W_λ, and the bounds W, at least 380 − 3·√(400·0.95·0.05) = 367 times:
/// if each covered with probability exactly 0.95, either count would be less with probability 0.002. Where
/// convergence was declared by the interval its width is at most the tolerance (checked by `solve`).
fn covers(divergence: &str, truth: f64, source: Arc<dyn Source>, tolerance: f64) {
    let two = TwoPoints::new(source.dim());
    let (p, w) = (two.problem(source, divergence), two.unregularised());
    let results: Vec<Solution> =
        (0..400).into_par_iter().map(|seed| solve(&p, &settings(tolerance, 1000 + seed))).collect();
    let covering = results.iter().filter(|s| s.interval.contains(truth)).count();
    let bounding = results.iter().filter(|s| s.bounds.lower <= w && w <= s.bounds.upper).count();
    let below = results.iter().filter(|s| s.interval.lower > truth).count();
    let above = results.iter().filter(|s| s.interval.upper < truth).count();
    assert!(
        covering >= 367,
        "{divergence}: {covering} of 400 cover {truth}; {below} lie above it, {above} below it"
    );
    assert!(bounding >= 367, "{divergence}: {bounding} of 400 bound {w}");
    let converged = results.iter().filter(|s| s.certified == Certified::Interval).count();
    assert!(converged >= 390, "{divergence}: {converged} of 400 converged by the interval");
}

#[test]
fn kl_covers() {
    covers("kl", TwoPoints::new(2).value("kl"), source("gaussian:2"), 2e-2);
}

#[test]
fn chi2_covers() {
    covers("chi2", TwoPoints::new(2).chi2(), source("gaussian:2"), 2e-2);
}

#[test]
fn none_covers() {
    covers("none", TwoPoints::new(2).unregularised(), source("gaussian:2"), 2e-2);
}

#[test]
fn independent_draws_cover() {
    covers("kl", TwoPoints::new(2).value("kl"), independent_gaussian(2), 3e-2);
    covers("none", TwoPoints::new(2).unregularised(), independent_gaussian(2), 3e-2);
    covers("chi2", TwoPoints::new(2).chi2(), independent_gaussian(2), 3e-2);
}

/// The two ways to the truth used above agree, and finer quadrature changes nothing.
#[test]
fn the_truth_is_known() {
    let two = TwoPoints::new(2);
    assert!((two.chi2() - two.value("chi2")).abs() < 1e-5);
    assert!(two.unregularised() < two.value("kl") && two.value("kl") < two.chi2());
}

const ATOMS: [f64; 12] = [-0.9, 0.3, 0.2, 0.8, 0.5, -0.7, -0.1, -0.2, 0.9, 0.1, -0.6, -0.8];
const MASSES: [f64; 6] = [0.1, 0.2, 0.15, 0.25, 0.05, 0.25];

/// The same problem in units s times smaller (all coordinates times s) and shifted by `shift`.
fn in_units(kind: &str, cost: &str, divergence: &str, s: f64, shift: f64) -> SemiDiscrete {
    let source: Arc<dyn Source> = match kind {
        "gaussian" => {
            let (v, c) = (s * s, 0.25 * s * s);
            Arc::new(Gaussian::new(&[shift, shift], &[v, c, c, v]).unwrap())
        }
        "uniform" => Arc::new(UniformBox::new(&[shift - s, shift - s], &[shift + s, shift + s]).unwrap()),
        _ => Arc::new(
            FromFn::new(2, move |rng: &mut Rng, x: &mut [f64]| {
                x.iter_mut().for_each(|x| *x = shift + s * rng.normal());
            })
            .unwrap(),
        ),
    };
    let points: Vec<f64> = ATOMS.iter().map(|x| shift + s * x).collect();
    let degree = if cost == "sqeuclidean" { 2 } else { 1 };
    problem(source, weighted(2, &points, &MASSES), cost, divergence, 0.2 * s.powi(degree))
}

/// Compares `b` with `a` times `factor`; `slack` is relative to the spread of the costs.
fn assert_scaled(a: &Solution, b: &Solution, factor: f64, slack: f64, what: &str) {
    assert_eq!((a.status, a.certified, a.samples), (b.status, b.certified, b.samples), "{what}");
    let unit = a.cost_spread * slack;
    let close = |x: f64, y: f64, name: &str| {
        assert!((y / factor - x).abs() <= unit, "{what}: {name} {x} became {y}, factor {factor}");
    };
    close(a.value, b.value, "value");
    close(a.interval.lower, b.interval.lower, "lower end");
    close(a.interval.upper, b.interval.upper, "upper end");
    close(a.bounds.lower, b.bounds.lower, "lower bound");
    close(a.bounds.upper, b.bounds.upper, "upper bound");
    close(a.cost_spread, b.cost_spread, "spread");
    for (p, q) in a.potential.iter().zip(&b.potential) {
        close(p.unwrap(), q.unwrap(), "potential");
    }
    for (h, k) in a.history.iter().zip(&b.history) {
        close(h.value, k.value, "history");
        close(h.lambda, k.lambda, "lambda");
    }
    assert!((a.marginal_error.l1 - b.marginal_error.l1).abs() <= slack.max(1e-300), "{what}");
}

/// Units do not matter. Coordinates times 2^±20: every number is the same up to that factor, to the bit;
/// times 1e±6: to 1e-9 of the spread.
#[test]
fn units_do_not_matter() {
    for (kind, cost, divergence) in [
        ("gaussian", "l2", "kl"),
        ("gaussian", "sqeuclidean", "none"),
        ("uniform", "linf", "chi2"),
        ("uniform", "sqeuclidean", "kl"),
        ("closure", "l1", "none"),
        ("closure", "sqeuclidean", "tsallis:1.5"),
    ] {
        let settings = settings(2e-2, 4);
        let degree = if cost == "sqeuclidean" { 2 } else { 1 };
        let base = solve(&in_units(kind, cost, divergence, 1.0, 0.0), &settings);
        assert!(base.status.is_converged(), "{base:?}");
        for (s, slack) in [(2f64.powi(20), 0.0), (2f64.powi(-20), 0.0), (1e6, 1e-9), (1e-6, 1e-9)] {
            let scaled = solve(&in_units(kind, cost, divergence, s, 0.0), &settings);
            assert_scaled(&base, &scaled, s.powi(degree), slack, &format!("{kind} {cost} {divergence} {s}"));
        }
    }
}

/// The origin does not matter: shifted by 2^20 ≈ 1e6, coordinates lose 1e-10 to rounding, and answers change by
/// not much more: 1e-7 of the spread.
#[test]
fn the_origin_does_not_matter() {
    for (kind, cost, divergence) in [
        ("gaussian", "l2", "kl"),
        ("uniform", "sqeuclidean", "kl"),
        ("uniform", "linf", "chi2"),
        ("closure", "sqeuclidean", "none"),
    ] {
        let settings = settings(2e-2, 5);
        let base = solve(&in_units(kind, cost, divergence, 1.0, 0.0), &settings);
        let shifted = solve(&in_units(kind, cost, divergence, 1.0, 1e6), &settings);
        assert_scaled(&base, &shifted, 1.0, 1e-7, &format!("{kind} {cost} {divergence}"));
    }
}

/// Everything but the clock.
fn timeless(mut s: Solution) -> Solution {
    s.seconds = 0.0;
    s.history.iter_mut().for_each(|h| h.seconds = 0.0);
    s
}

/// The same seed gives the same bits for 1, 2, 3 threads and the surrounding pool; another seed other bits.
#[test]
fn threads_do_not_matter() {
    let mut rng = Rng::new(3);
    let many: Vec<f64> = (0..240).map(|_| rng.normal()).collect();
    let few = || weighted(2, &ATOMS, &MASSES);
    let many = || weighted(2, &many, &[1.0; 120]);
    let asgd = Asgd { steps: 300, batch: 50, rule: StepRule::PracticalConstant, oracle_error: 0.0 };
    for (p, tolerance, solver) in [
        (problem(source("gaussian:2"), many(), "sqeuclidean", "kl", 0.05), 3e-2, Solver::Auto),
        (problem(independent_gaussian(2), few(), "linf", "none", 1.0), 2e-2, Solver::Auto),
        (problem(source("ball:2"), many(), "l2", "safe-kl:0.01", 0.05), 3e-2, Solver::Auto),
        (problem(source("gaussian:2"), many(), "l2", "kl", 0.1), 3e-2, Solver::Asgd(asgd)),
    ] {
        let with = |threads: Option<usize>, seed: u64| {
            let s = Settings { threads, solver, ..settings(tolerance, seed) };
            timeless(solve(&p, &s))
        };
        let one = with(Some(1), 8);
        for threads in [Some(2), Some(3), None] {
            assert_eq!(one, with(threads, 8), "{threads:?}");
        }
        assert_ne!(one.value, with(Some(2), 9).value);
    }
}

/// Every divergence, cost and kind of source: finite numbers, ordered intervals, a status that agrees with
/// them (all checked by `solve`), convergence, weights at new points that sum to one. η = ν, so that no
/// divergence's cap makes the problem infeasible.
#[test]
fn everything_works_with_everything() {
    let mixture = {
        let parts: Vec<Arc<dyn Source>> = vec![
            Arc::new(Gaussian::new(&[1.0, 0.5], &[0.2, 0.0, 0.0, 0.1]).unwrap()),
            Arc::new(UniformBox::new(&[-1.0, -1.0], &[0.0, 0.5]).unwrap()),
        ];
        Arc::new(Mixture::new(parts, &[1.0, 2.0]).unwrap())
    };
    let sources: [Arc<dyn Source>; 3] = [source("gaussian:2"), mixture, Arc::new(Ball::new(2).unwrap())];
    let costs = ["linf", "l1", "l2", "sqeuclidean", "lp:3", "cosine"];
    let all: Vec<(&str, usize)> =
        divergences().into_iter().flat_map(|d| (0..costs.len()).map(move |c| (d, c))).collect();
    let failures: Vec<String> = all
        .par_iter()
        .enumerate()
        .filter_map(|(k, &(divergence, c))| {
            let source = sources[(k + k / costs.len()) % sources.len()].clone();
            let p = problem(source, weighted(2, &ATOMS, &MASSES), costs[c], divergence, 0.3);
            let p = p.reference(MASSES.to_vec()).unwrap();
            let s = solve(&p, &settings(5e-2, k as u64));
            assert_eq!(s.divergence, fenchel::divergence::parse(divergence).unwrap().name());
            assert_eq!(s.cost, costs[c]);
            let plan = p.plan(&s).unwrap();
            let (mut weights, mut y) = ([0.0; 6], [0.0; 2]);
            for x in [[0.3, -0.2], [2.0, 5.0], [-40.0, 1e3]] {
                plan.weights(&x, &mut weights).unwrap();
                let sum: f64 = weights.iter().sum();
                assert!((sum - 1.0).abs() < 1e-13 && weights.iter().all(|p| *p >= 0.0), "{weights:?}");
                assert!(plan.c_transform(&x).unwrap().is_finite());
                assert!(plan.assign(&x).unwrap() < 6);
                plan.barycentric(&x, &mut y).unwrap();
                assert!(y.iter().all(|y| y.abs() <= 0.9 + 1e-12), "{y:?}");
            }
            (s.status != Status::Converged).then(|| format!("{divergence} {} {}: {s:?}", costs[c], s.source))
        })
        .collect();
    assert!(failures.is_empty(), "{} did not converge: {failures:#?}", failures.len());
}
