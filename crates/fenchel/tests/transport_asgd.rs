//! Averaged stochastic gradient ascent: the iterates of Algorithm 1 (Taşkesen, Shafieezadeh-Abadeh, Kuhn 2022),
//! its step sizes, its guarantees as numbers, and how fast it is.

mod common;

use common::two_points::TwoPoints;
use common::{cloud, density, integrate, potentials, problem, settings, solve, source, weighted};
use fenchel::measure::{Design, Rng, Sampler, Source, draw_points};
use fenchel::optim::{Silent, Status};
use fenchel::transport::{Asgd, DualOracle, SemiDiscrete, Settings, Solution, Solver, StepRule};

const RULES: [StepRule; 5] = [
    StepRule::Continuous,
    StepRule::Lipschitz,
    StepRule::SelfConcordant,
    StepRule::PracticalConstant,
    StepRule::PracticalDecaying,
];

const ATOMS: [f64; 8] = [-0.9, 0.3, 0.2, 0.8, 0.5, -0.7, -0.1, -0.2];
const MASSES: [f64; 4] = [0.1, 0.4, 0.2, 0.3];
const LAMBDA: f64 = 0.3;

/// The stream of random numbers that the method draws its samples from.
const STREAM: u64 = 2;

fn with(asgd: Asgd, seed: u64) -> Settings {
    Settings { solver: Solver::Asgd(asgd), ..settings(1e-2, seed) }
}

fn centered(mut phi: Vec<f64>) -> Vec<f64> {
    let mean = phi.iter().sum::<f64>() / phi.len() as f64;
    phi.iter_mut().for_each(|p| *p -= mean);
    phi
}

/// γ_t by the formulas of Theorem 4.6 with R = 2 and of the authors' experiments.
fn step(rule: StepRule, horizon: f64, t: f64, error: f64, l: f64, m: f64) -> f64 {
    let root = horizon.sqrt();
    match rule {
        StepRule::Continuous => 1.0 / (2.0 * (2.0 + error).powi(2) * root),
        StepRule::Lipschitz => 1.0 / (2.0 * (2.0 + error).powi(2) * root + l),
        StepRule::SelfConcordant => 1.0 / (2.0 * m.max(2.0 + error).powi(2) * root),
        StepRule::PracticalConstant => 1.0 / (4.0 * root),
        StepRule::PracticalDecaying => 1.0 / (4.0 * t.sqrt()),
    }
}

/// Weights of one sample, KL and uniform η: e^{(φ_i − c_i)/λ} normalised, l∞ cost.
fn kl_weights(x: &[f64], phi: &[f64]) -> Vec<f64> {
    let cost = |y: &[f64]| (x[0] - y[0]).abs().max((x[1] - y[1]).abs());
    let e: Vec<f64> =
        phi.iter().zip(ATOMS.chunks_exact(2)).map(|(p, y)| ((p - cost(y)) / LAMBDA).exp()).collect();
    let total: f64 = e.iter().sum();
    e.iter().map(|e| e / total).collect()
}

/// Algorithm 1 with mini-batches, spelled out.
fn algorithm_1(source: &dyn Source, asgd: Asgd, seed: u64) -> Vec<f64> {
    let sampler = Sampler::new(source, Design::Iid, seed, STREAM);
    let mut xs = vec![0.0; asgd.steps as usize * asgd.batch * 2];
    sampler.fill(0, &mut xs).unwrap();
    let (l, m) = (1.0 / LAMBDA, 2f64.sqrt() / LAMBDA);
    let (mut phi, mut sum) = (vec![0.0; 4], vec![0.0; 4]);
    let mut add = |phi: &[f64]| sum.iter_mut().zip(phi).for_each(|(s, p)| *s += p);
    for (k, batch) in xs.chunks_exact(2 * asgd.batch).enumerate() {
        if asgd.rule != StepRule::Lipschitz {
            add(&phi);
        }
        let gamma = step(asgd.rule, asgd.steps as f64, k as f64 + 1.0, asgd.oracle_error, l, m);
        let p: Vec<Vec<f64>> = batch.chunks_exact(2).map(|x| kl_weights(x, &phi)).collect();
        for i in 0..4 {
            let mean = p.iter().map(|p| p[i]).sum::<f64>() / asgd.batch as f64;
            phi[i] += gamma * (MASSES[i] - mean);
        }
        if asgd.rule == StepRule::Lipschitz {
            add(&phi);
        }
    }
    centered(sum.iter().map(|s| s / asgd.steps as f64).collect())
}

fn small() -> SemiDiscrete {
    problem(source("gaussian:2"), weighted(2, &ATOMS, &MASSES), "linf", "kl", LAMBDA)
}

/// T = 50 steps on given draws: the same average, for every step rule, with batches of 1 and 3.
#[test]
fn iterates_are_those_of_algorithm_1() {
    for rule in RULES {
        for batch in [1, 3] {
            let asgd = Asgd { steps: 50, batch, rule, oracle_error: 0.0 };
            let s = solve(&small(), &with(asgd, 17));
            let expected = algorithm_1(&**small().source(), asgd, 17);
            for (a, b) in potentials(&s).iter().zip(&expected) {
                assert!((a - b).abs() <= 1e-13, "{rule:?} {batch}: {a} {b}");
            }
            assert_eq!((s.solver.as_str(), s.status.is_converged()), ("asgd", false), "{s:?}");
            let last = step(rule, 50.0, 50.0, 0.0, 1.0 / LAMBDA, 2f64.sqrt() / LAMBDA);
            assert!((s.asgd.unwrap().step / last - 1.0).abs() < 1e-14, "{rule:?}");
        }
    }
}

/// Step by step, in pieces, it is the same method: the same average, whatever the rule, batch and oracle; and the
/// averages on the way are those of shorter runs where the step size does not depend on the length.
#[test]
fn step_by_step_is_the_same_run() {
    for rule in RULES {
        for (batch, oracle_error) in [(1, 0.0), (3, 0.0), (1, 0.5)] {
            let asgd = Asgd { steps: 2500, batch, rule, oracle_error };
            let mut ascent = small().ascent(asgd, 17).unwrap();
            for t in [1, 2, 700, 1024, 2500] {
                ascent.advance_to(t).unwrap();
                assert_eq!(ascent.steps(), t);
                if rule == StepRule::PracticalDecaying {
                    let shorter = potentials(&solve(&small(), &with(Asgd { steps: t, ..asgd }, 17)));
                    let now = centered(ascent.average().to_vec());
                    assert!(now.iter().zip(&shorter).all(|(a, b)| (a - b).abs() < 1e-14), "{t}");
                }
            }
            let whole = potentials(&solve(&small(), &with(asgd, 17)));
            for (a, b) in centered(ascent.average().to_vec()).iter().zip(&whole) {
                assert!((a - b).abs() < 1e-14, "{rule:?} {batch}: {a} {b}");
            }
            let error = ascent.advance_to(2501).unwrap_err().to_string();
            assert!(error.contains("2500"), "{error}");
        }
    }
    assert!(small().ascent(Asgd { steps: 0, ..Asgd::default() }, 1).is_err());
}

/// The constants are those that a solve reports; φ needs one number an atom.
#[test]
fn guarantee_at_given_potentials() {
    let asgd = Asgd { steps: 1000, oracle_error: 0.5, ..Asgd::default() };
    let s = solve(&small(), &with(asgd, 5));
    let (b, phi) = (s.asgd.unwrap(), potentials(&s));
    let g = small().ascent_guarantee(&phi, 0.5, 5).unwrap();
    assert_eq!((g.distance, g.curvature), (b.potential_norm, b.curvature));
    assert_eq!(Some(g.lipschitz(1000.0)), b.lipschitz);
    assert_eq!(Some(g.self_concordant(1000.0)), b.self_concordant);
    assert!(small().ascent_guarantee(&phi[1..], 0.5, 5).is_err());
}

/// An oracle within ε̄/(2√t) of the gradient: as a gradient step with γ ≤ 2λ does not expand distances, the
/// averages stay within Σ γ ε̄/(2√t) of each other; and they do differ.
#[test]
fn inexact_oracle() {
    for error in [0.1, 1.0] {
        let exact = Asgd { steps: 400, batch: 1, rule: StepRule::PracticalConstant, oracle_error: 0.0 };
        let a = potentials(&solve(&small(), &with(exact, 3)));
        let b = potentials(&solve(&small(), &with(Asgd { oracle_error: error, ..exact }, 3)));
        let distance = a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
        let allowed: f64 = (1..=400).map(|t| 1.0 / 80.0 * error / (2.0 * f64::from(t).sqrt())).sum();
        assert!(0.0 < distance && distance <= allowed, "{error}: {distance} of {allowed}");
    }
}

/// The three bounds against their formulas, from the potentials' norm and the curvature in the result.
#[test]
fn guarantees_are_the_formulas() {
    for (rule, error) in [(StepRule::Continuous, 0.0), (StepRule::Lipschitz, 0.5)] {
        let asgd = Asgd { steps: 1000, batch: 1, rule, oracle_error: error };
        let s = solve(&small(), &with(asgd, 5));
        let b = s.asgd.unwrap();
        let square: f64 = potentials(&s).iter().map(|p| p * p).sum();
        let t = 1000.0_f64;
        let bias = error / t.sqrt() * (2.0 * square + 37.0 / (2.0 * (2.0 + error).powi(2))).sqrt();
        let first = (2.0 + error).powi(2) / t.sqrt() * square;
        let close = |a: f64, b: f64, what: &str| assert!((a / b - 1.0).abs() < 1e-12, "{what}: {a} {b}");
        close(b.potential_norm, square.sqrt(), "norm");
        close(b.continuous, first + 1.0 / (4.0 * t.sqrt()) + bias, "(i)");
        let noise = (error * error + 2.0) / (4.0 * (2.0 + error).powi(2) * t.sqrt());
        close(b.lipschitz.unwrap(), square / LAMBDA / (2.0 * t) + first + noise + bias, "(ii)");
        let g = (2f64.sqrt() / LAMBDA).max(2.0 + error);
        let third = g * g / (b.curvature * t) * (4.0 * g * square.sqrt() + 20.0).powi(4);
        close(b.self_concordant.unwrap(), third, "(iii)");
    }
    // No Lipschitz constant or self-concordance: no such bound, and no such step.
    let none = problem(source("gaussian:2"), weighted(2, &ATOMS, &MASSES), "linf", "none", LAMBDA);
    let asgd = Asgd { steps: 100, ..Asgd::default() };
    let b = solve(&none, &with(asgd, 5)).asgd.unwrap();
    assert!(b.lipschitz.is_none() && b.self_concordant.is_none() && b.continuous.is_finite());
    for rule in [StepRule::Lipschitz, StepRule::SelfConcordant] {
        let error = none.solve(&with(Asgd { rule, ..asgd }, 5), &mut Silent).unwrap_err().to_string();
        assert!(error.contains("step rule"), "{error}");
    }
}

/// κ for two atoms and KL: the Hessian of −h is E[p_1 p_2]/λ · [[1, −1], [−1, 1]], so κ = 2 E[p_1 p_2]/λ, an
/// integral over one variable. The estimate rests on 16,384 samples: 3% is more than five standard errors.
#[test]
fn least_curvature_of_two_atoms() {
    let two = TwoPoints::new(2);
    let asgd = Asgd { steps: 20_000, ..Asgd::default() };
    let s = solve(&two.problem(source("gaussian:2"), "kl"), &with(asgd, 5));
    let phi = potentials(&s);
    let square = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>();
    let difference: Vec<f64> = two.y[1].iter().zip(&two.y[0]).map(|(b, a)| b - a).collect();
    let (mean, deviation) = (square(&two.y[0]) - square(&two.y[1]), 2.0 * square(&difference).sqrt());
    let product = |x: f64| {
        let v = phi[1] - phi[0] + mean + deviation * x;
        let p = 1.0 / (1.0 + two.eta[0] / two.eta[1] * (-v / two.lambda).exp());
        density(x) * p * (1.0 - p)
    };
    let kappa = 2.0 * integrate(product, -10.0, 10.0, 200) / two.lambda;
    let found = s.asgd.unwrap().curvature;
    assert!((found / kappa - 1.0).abs() < 0.03, "{found} {kappa}");
}

/// Ten atoms in [−1, 1]², l∞ cost, λ = 0.1: the problem of the authors' section 5.
fn section_5(divergence: &str) -> SemiDiscrete {
    let mut rng = Rng::new(42);
    let points: Vec<f64> = (0..20).map(|_| 2.0 * rng.uniform() - 1.0).collect();
    problem(source("gaussian:2"), cloud(2, &points), "linf", divergence, 0.1)
}

/// h(φ*) − h(φ) on one common sample of 2^15 quasi-random points.
fn suboptimality(p: &SemiDiscrete, best: &Solution, runs: &[Solution]) -> f64 {
    let mut xs = vec![0.0; 2 << 15];
    draw_points(&**p.source(), Design::Sobol, 99, 99, 0, 1 << 15, &mut xs).unwrap();
    let mut oracle: DualOracle<f64> = p.oracle(0).unwrap();
    let mut h = |s: &Solution| oracle.evaluate(&xs, &potentials(s), &mut [0.0; 10]).unwrap();
    let top = h(best);
    runs.iter().map(|s| top - h(s)).sum::<f64>() / runs.len() as f64
}

/// On the authors' problem, the mean over 6 seeds of the suboptimality falls as measured for other atoms: with
/// the decaying step 9.5e-3 at T = 100 and about 8e-5 at T = 10^4, within a factor 4 that the atoms may make; the
/// step of the theory (iii) hardly moves. The rules of Theorem 4.6 (i) and of the authors' constant step, which
/// is it with 16 for 2·2², keep within its bound ‖φ*‖²/(2γT) + γR²/2, with the norm of the optimal φ.
#[test]
fn suboptimality_falls_as_measured() {
    for (divergence, measured) in [("kl", 8.0e-5), ("chi2", 8.0e-5)] {
        let p = section_5(divergence);
        let best = solve(&p, &settings(1e-3, 1));
        let mean = |steps: u64, rule: StepRule| {
            let asgd = Asgd { steps, batch: 1, rule, oracle_error: 0.0 };
            let runs: Vec<Solution> = (0..6).map(|seed| solve(&p, &with(asgd, seed))).collect();
            assert!(runs.iter().all(|s| s.samples > steps && s.history.last().unwrap().samples == steps));
            suboptimality(&p, &best, &runs)
        };
        let early = mean(100, StepRule::PracticalDecaying);
        let late = mean(10_000, StepRule::PracticalDecaying);
        let constant = mean(10_000, StepRule::PracticalConstant);
        println!("{divergence}: {early:.2e} {late:.2e} {constant:.2e}");
        assert!(late <= early / 20.0, "{divergence}: {early} {late}");
        assert!((measured / 4.0..=4.0 * measured).contains(&late), "{divergence}: {late}");
        let square: f64 = potentials(&best).iter().map(|p| p * p).sum();
        let bound = |step: f64, steps: f64| square / (2.0 * step * steps) + 2.0 * step;
        assert!(constant >= late && constant <= bound(1.0 / 400.0, 1e4), "{divergence}: {constant}");
        for steps in [100, 10_000] {
            let t = steps as f64;
            let reached = mean(steps, StepRule::Continuous);
            assert!(reached <= bound(1.0 / (8.0 * t.sqrt()), t), "{divergence}: {reached} {square}");
        }
        if divergence == "kl" {
            let theory = mean(10_000, StepRule::SelfConcordant);
            println!("theory: {theory:.2e}");
            assert!(theory > 100.0 * late, "{theory}");
        }
    }
}

/// Enough steps on an easy problem are certified; a batch and a subgradient method for none work too.
#[test]
fn converges_where_it_should() {
    let asgd = Asgd { steps: 20_000, batch: 8, ..Asgd::default() };
    let s = solve(&small(), &Settings { tolerance: 3e-2, ..with(asgd, 5) });
    assert_eq!(s.status, Status::Converged, "{s:?}");
    let none = problem(source("gaussian:2"), weighted(2, &ATOMS, &MASSES), "l2", "none", 1.0);
    let s = solve(&none, &Settings { tolerance: 5e-2, ..with(asgd, 5) });
    assert_eq!(s.status, Status::Converged, "{s:?}");
}

/// Settings outside their domain are refused by name.
#[test]
fn refuses_settings() {
    let good = Asgd::default();
    for (asgd, name) in [
        (Asgd { steps: 0, ..good }, "steps"),
        (Asgd { batch: 0, ..good }, "batch"),
        (Asgd { oracle_error: -1.0, ..good }, "oracle_error"),
        (Asgd { oracle_error: f64::NAN, ..good }, "oracle_error"),
    ] {
        let error = small().solve(&with(asgd, 1), &mut Silent).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}
