//! Random problems: every result is valid, whatever the size, masses, cost, divergence and its strength.

mod common;

use common::linear_program::linear_program;
use common::{divergences, generators, problem, settings, solve, source, weighted};
use fenchel::cost;
use fenchel::measure::{PointCloud, Rng, Source};
use fenchel::transport::Settings;
use std::sync::Arc;

/// A cloud of n points around two centres (now and then in tight clusters), with masses over many magnitudes
/// half of the time.
fn cloud(rng: &mut Rng, n: usize, dim: usize) -> PointCloud {
    let scale = if rng.below(3) == 0 { 0.01 } else { 1.0 };
    let points: Vec<f64> = (0..n * dim).map(|_| scale * rng.normal() + rng.below(2) as f64).collect();
    let power = if rng.below(2) == 0 { 1 } else { 4 };
    let masses: Vec<f64> = (0..n).map(|_| rng.uniform().powi(power) + 1e-9).collect();
    weighted(dim, &points, &masses)
}

/// 160 problems drawn with a fixed seed, η = ν. `solve` checks that numbers are finite, intervals ordered and the
/// status honest. Where the source is a cloud nothing is random: the bounds hold W of the linear program, and
/// the interval does not exclude W + λ f(1) ≤ W_λ ≤ W + the a priori bound. At least 95% converge although
/// samples are limited to 2^15.
#[test]
fn random_problems() {
    let mut rng = Rng::new(7);
    let names = divergences();
    let costs = ["linf", "l1", "l2", "sqeuclidean", "lp:3", "cosine", "l2^0.5", "l1^3"];
    let limits = Settings { max_samples: 1 << 15, ..settings(3e-2, 1) };
    let mut failures = Vec::new();
    for k in 0..160 {
        let (dim, n) = (1 + rng.below(4) as usize, 1 + rng.below(20) as usize);
        let atoms = cloud(&mut rng, n, dim);
        let finite = (rng.below(2) == 0).then(|| {
            let points = 1 + rng.below(40) as usize;
            cloud(&mut rng, points, dim)
        });
        let from: Arc<dyn Source> = match &finite {
            Some(cloud) => Arc::new(cloud.clone()),
            None => source(&format!("{}:{dim}", if k % 2 == 0 { "gaussian" } else { "uniform" })),
        };
        let name = names[rng.below(names.len() as u64) as usize];
        let cost = costs[rng.below(costs.len() as u64) as usize];
        let lambda = 10f64.powf(3.0 * rng.uniform() - 2.0);
        let nu = atoms.probabilities();
        let what = format!("{k}: {} to {n} atoms, {cost}, {name}, {lambda:.3}", from.name());
        let p = problem(from, atoms.clone(), cost, name, lambda).reference(nu.clone()).unwrap();
        let s = solve(&p, &limits);
        if !s.status.is_converged() {
            failures.push(format!("{what}: {:?} {:?}", s.status, s.marginal_error));
        }
        if let Some(finite) = finite {
            let cost = cost::parse(cost).unwrap();
            let c: Vec<Vec<f64>> = finite
                .points()
                .chunks_exact(dim)
                .map(|x| atoms.points().chunks_exact(dim).map(|y| cost.eval(x, y)).collect())
                .collect();
            let w = linear_program(&c, &finite.probabilities(), &nu);
            let rounding = 1e-11 * (1.0 + w.abs());
            assert!(s.bounds.lower <= w + rounding && w <= s.bounds.upper + rounding, "{what}: {w} {s:?}");
            let smooth = name != "none" && !name.starts_with("cvar");
            let least = if smooth { lambda * (generators::of(name, n).f)(1.0) } else { 0.0 };
            assert!(s.interval.upper >= w + least - rounding, "{what}: {w} {s:?}");
            if let Some(gap) = s.regularisation_gap {
                assert!(s.interval.lower <= w + gap + rounding, "{what}: {w} {s:?}");
            }
        }
    }
    assert!(failures.len() <= 8, "{failures:#?}");
}
