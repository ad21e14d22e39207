//! Continuous transport against closed forms, against the semi-discrete and discrete problems, and against what it must not do.
//!
//! Intervals hold with 95%, each in one run whose seed is fixed: a failure is a bug or, once, one of the few that
//! have to be outside.

use fenchel::cost::{self, CostFn};
use fenchel::divergence::{self, Divergence, SafeKl};
use fenchel::measure::{self, Gaussian, PointCloud, Source, stream};
use fenchel::optim::{Flow, Observer, Progress, Silent, Status};
use fenchel::transport::continuous::{
    self, Continuous, Coupling, Kernel, KernelAscent, Objective, Potential, Settings, Sgd, Solution, Solver,
    Space, registry,
};
use fenchel::transport::{self, Lambda, SemiDiscrete};
use proptest::prelude::*;
use std::sync::Arc;

fn gaussian(dim: usize, mean: f64, sigma: f64) -> Arc<dyn Source> {
    let covariance: Vec<f64> =
        (0..dim * dim).map(|i| if i % (dim + 1) == 0 { sigma * sigma } else { 0.0 }).collect();
    Arc::new(Gaussian::new(&vec![mean; dim], &covariance).unwrap())
}

/// N(m, a²I) to N(n, b²I) under the squared distance, with KL from the product: the best plan is Gaussian, and its covariance c of x_k and y_k
/// minimises a² + b² − 2c − (λ/2) log(1 − c²/(a²b²)). Returns the value and c.
fn closed_form(dim: usize, (m, a): (f64, f64), (n, b): (f64, f64), lambda: f64) -> (f64, f64) {
    let (a2, b2) = (a * a, b * b);
    let c = (-lambda + (lambda * lambda + 16.0 * a2 * b2).sqrt()) / 4.0;
    let each = (m - n).powi(2) + a2 + b2 - 2.0 * c - 0.5 * lambda * (1.0 - c * c / (a2 * b2)).ln();
    (dim as f64 * each, c)
}

fn problem(source: Arc<dyn Source>, target: Arc<dyn Source>, divergence: &str, lambda: f64) -> Continuous {
    let (cost, divergence) = (cost::parse("sqeuclidean").unwrap(), divergence::parse(divergence).unwrap());
    Continuous::new(source, target, cost, divergence, Lambda::Absolute(lambda)).unwrap()
}

fn settings(solver: Solver, tolerance: f64) -> Settings {
    Settings { solver, tolerance, ..Settings::default() }
}

#[test]
fn gaussians_have_their_closed_form() {
    for (dim, lambda, tolerance) in [(1, 0.05, 1e-2), (1, 1.0, 3e-3), (2, 0.5, 2e-2), (5, 3.0, 5e-2)] {
        let (p, q) = ((0.5, 1.0), (-1.0, 0.6));
        let (value, c) = closed_form(dim, p, q, lambda);
        let kernel = Solver::Kernel(Space::default());
        for solver in [Solver::Samples, kernel] {
            let problem = problem(gaussian(dim, p.0, p.1), gaussian(dim, q.0, q.1), "kl", lambda);
            let (solution, coupling) = problem.solve(&settings(solver, tolerance), &mut Silent).unwrap();
            assert_eq!(solution.status, Status::Converged, "{dim} {lambda} {solver:?}");
            assert!(solution.interval.contains(value), "{dim} {lambda} {solver:?}: {value} {solution:?}");
            assert!(solution.bounds.upper < value, "the plan's cost has no entropy in it");
            // The map is linear, y = n + c/a² (x − m).
            let x = vec![1.2; dim];
            let mut y = vec![0.0; dim];
            coupling.barycentric(&x, &mut y).unwrap();
            let exact = q.0 + c / (p.1 * p.1) * (1.2 - p.0);
            let off = y.iter().map(|y| (y - exact).abs()).fold(0.0, f64::max);
            assert!(off < 0.15, "{dim} {lambda} {solver:?}: {y:?} {exact}");
            coupling.barycentric_back(&y, &mut vec![0.0; dim]).unwrap();
        }
    }
}

#[test]
fn every_kernel_serves() {
    let (value, _) = closed_form(1, (0.0, 1.0), (1.0, 0.5), 0.5);
    for entry in registry() {
        let space = Space { kernel: entry.kernel, ..Space::default() };
        let problem = problem(gaussian(1, 0.0, 1.0), gaussian(1, 1.0, 0.5), "kl", 0.5);
        let (solution, coupling) =
            problem.solve(&settings(Solver::Kernel(space), 1e-2), &mut Silent).unwrap();
        assert_eq!(solution.status, Status::Converged, "{}", entry.name);
        assert!(solution.interval.contains(value), "{}", entry.name);
        assert_eq!(entry.name.parse::<Kernel>().unwrap(), entry.kernel);
        assert!(coupling.v().values(&[0.3]).unwrap()[0].is_finite());
    }
}

/// A potential from anywhere.
#[derive(Debug)]
struct Wave {
    dim: usize,
    height: f64,
    frequency: f64,
}

impl Potential for Wave {
    fn dim(&self) -> usize {
        self.dim
    }
    fn fill(&self, points: &[f64], values: &mut [f64]) {
        for (x, value) in points.chunks_exact(self.dim).zip(values) {
            *value = self.height * (self.frequency * x.iter().sum::<f64>()).sin();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever v is, what it proves is true.
    #[test]
    fn any_potential_is_a_bound(
        dim in 1_usize..4, height in -4.0_f64..3.0, frequency in -2.0_f64..2.0, scale in -3.0_f64..3.0, lambda in -2.0_f64..1.0, seed in 0_u64..1000,
    ) {
        let scale = 10_f64.powf(scale);
        let lambda = scale * scale * 10_f64.powf(lambda);
        let (value, _) = closed_form(dim, (0.0, scale), (scale, 0.5 * scale), lambda);
        let v = Wave { dim, height: scale * scale * 10_f64.powf(height), frequency: 10_f64.powf(frequency) / scale };
        let problem = problem(gaussian(dim, 0.0, scale), gaussian(dim, scale, 0.5 * scale), "kl", lambda);
        let settings = Settings { max_samples: 256, seed, ..Settings::default() };
        let (solution, _) = problem.certify(Arc::new(v), "wave", &settings, &mut Silent).unwrap();
        // Twice the half-width: beyond with probability below 1e-3 by Student's t, over 24 cases 2%.
        let slack = solution.interval.width();
        prop_assert!(!solution.interval.lower.is_nan() && !solution.interval.upper.is_nan());
        prop_assert!(solution.interval.lower - slack <= value, "{value} {solution:?}");
        prop_assert!(solution.interval.upper + slack >= value, "{value} {solution:?}");
        prop_assert!(solution.interval.lower <= solution.interval.upper);
    }
}

#[test]
fn units_do_not_matter() {
    let solve = |scale: f64| {
        let problem =
            problem(gaussian(1, 0.0, scale), gaussian(1, scale, 0.5 * scale), "kl", 0.2 * scale * scale);
        problem.solve(&settings(Solver::Samples, 1e-2), &mut Silent).unwrap().0
    };
    let one = solve(1.0);
    for scale in [1e-5, 1e6] {
        let other = solve(scale);
        assert_eq!(one.status, other.status);
        let relative = (other.value / (scale * scale) - one.value).abs();
        assert!(relative < 1e-3 * one.value, "{scale}: {} {}", other.value, one.value);
    }
}

/// Every smooth divergence, against the semi-discrete problem from the same source to the same finite target.
#[test]
fn agrees_with_semi_discrete_transport() {
    let mut rng = stream(5, 0, 0);
    let atoms = PointCloud::new(2, (0..60).map(|_| rng.normal()).collect()).unwrap();
    for name in
        ["kl", "safe-kl:0.02", "safe-kl-centered:0.02", "chi2", "tsallis:1.5", "hyperbolic", "kl-cvar:0.05"]
    {
        let divergence = divergence::parse(name).unwrap();
        let cost = cost::parse("l1").unwrap();
        let source = measure::parse("gaussian:2").unwrap();
        let lambda = Lambda::Absolute(0.3);
        let half = SemiDiscrete::new(source.clone(), atoms.clone(), cost.clone(), divergence.clone(), lambda)
            .unwrap();
        let half = half
            .solve(&transport::Settings { tolerance: 3e-3, ..transport::Settings::default() }, &mut Silent)
            .unwrap();
        let whole = Continuous::new(source, Arc::new(atoms.clone()), cost, divergence, lambda).unwrap();
        let (whole, _) = whole.solve(&settings(Solver::Samples, 1e-2), &mut Silent).unwrap();
        assert_eq!(whole.status, Status::Converged, "{name}");
        assert!(
            whole.interval.lower <= half.interval.upper && half.interval.lower <= whole.interval.upper,
            "{name}: {:?} {:?}",
            whole.interval,
            half.interval
        );
        assert!(whole.marginal_error.target.chi2 < 0.02, "{name}: {:?}", whole.marginal_error);
    }
}

/// Between finite measures, with a cost that is not symmetric: Sinkhorn's iteration in log space, written down.
#[test]
fn agrees_with_sinkhorn() {
    let mut rng = stream(6, 0, 0);
    let (n, m, lambda) = (7, 11, 0.4);
    let xs: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
    let ys: Vec<f64> = (0..m).map(|_| rng.normal()).collect();
    let weights = |k: usize| (1..=k).map(|i| i as f64 / (k * (k + 1) / 2) as f64).collect::<Vec<f64>>();
    let (p, q) = (weights(n), weights(m));
    let c = |x: &[f64], y: &[f64]| (y[0] - x[0]).powi(2) + 2.0 * (y[0] - x[0]).max(0.0);
    let lse = |terms: Vec<f64>| fenchel::logspace::logsumexp(&terms);
    let (mut u, mut v) = (vec![0.0; n], vec![0.0; m]);
    for _ in 0..20_000 {
        for i in 0..n {
            u[i] = -lambda
                * lse((0..m).map(|j| q[j].ln() + (v[j] - c(&xs[i..=i], &ys[j..=j])) / lambda).collect());
        }
        for j in 0..m {
            v[j] = -lambda
                * lse((0..n).map(|i| p[i].ln() + (u[i] - c(&xs[i..=i], &ys[j..=j])) / lambda).collect());
        }
    }
    let exact: f64 = p.iter().zip(&u).chain(q.iter().zip(&v)).map(|(w, z)| w * z).sum();
    let problem = Continuous::new(
        Arc::new(PointCloud::weighted(1, xs.clone(), p).unwrap()),
        Arc::new(PointCloud::weighted(1, ys.clone(), q.clone()).unwrap()),
        Arc::new(CostFn::new("uphill", c)),
        divergence::parse("kl").unwrap(),
        Lambda::Absolute(lambda),
    )
    .unwrap();
    let (solution, coupling) = problem.solve(&settings(Solver::Samples, 1e-6), &mut Silent).unwrap();
    assert_eq!(solution.status, Status::Converged);
    assert!(
        (solution.value - exact).abs() < 1e-6 && solution.interval.contains(exact),
        "{exact} {solution:?}"
    );
    // Potentials up to a constant, and the density from both.
    let shift = coupling.u().values(&xs[..1]).unwrap()[0] - u[0];
    for i in 0..n {
        for j in 0..m {
            let t = coupling.density(&xs[i..=i], &ys[j..=j]).unwrap();
            let known = ((u[i] + v[j] - c(&xs[i..=i], &ys[j..=j])) / lambda).exp();
            assert!((t - known).abs() < 1e-4 * (1.0 + known), "{t} {known}");
        }
        assert!((coupling.u().values(&xs[i..=i]).unwrap()[0] - u[i] - shift).abs() < 1e-4);
    }
    // Conditional draws have the conditional's mean; 5 standard errors, beyond with probability below 1e-6.
    let (mut mean, draws) = ([0.0], coupling.conditional(&[0.3], 20_000, 1).unwrap());
    coupling.barycentric(&[0.3], &mut mean).unwrap();
    let found = draws.iter().sum::<f64>() / draws.len() as f64;
    let spread = draws.iter().map(|y| (y - found).powi(2)).sum::<f64>() / draws.len() as f64;
    assert!((found - mean[0]).abs() < 5.0 * (spread / draws.len() as f64).sqrt());
    assert!(draws.iter().all(|y| ys.contains(y)));
}

#[test]
fn safe_values_are_above_and_close_in() {
    let mut last = f64::INFINITY;
    let (kl, _) = closed_form(1, (0.0, 1.0), (1.0, 0.5), 0.3);
    for rho in [0.2, 0.05, 0.01] {
        let problem = problem(gaussian(1, 0.0, 1.0), gaussian(1, 1.0, 0.5), &format!("safe-kl:{rho}"), 0.3);
        let (solution, _) = problem.solve(&settings(Solver::Samples, 1e-2), &mut Silent).unwrap();
        assert_eq!(solution.status, Status::Converged);
        // f_ρ ≥ f, so that less of it costs less: W rises with ρ.
        assert!(solution.interval.upper >= kl, "{rho}");
        assert!(solution.interval.lower <= last, "{rho}: falling with ρ");
        last = solution.interval.upper;
    }
    // At 0.01 densities stay far below the cap of 100.
    assert!(last - kl < 0.05, "{kl} {last}");
}

/// The iterates of the papers, written down with an expansion over all points seen: v = Σ β_i κ(y_i, ·), α = −Σ β_i κ(x_i, ·).
#[test]
fn steps_are_those_of_the_papers() {
    let lambda = 0.2;
    let (source, target) = (gaussian(1, 0.0, 1.0), gaussian(1, 1.0, 0.5));
    let problem = problem(source.clone(), target.clone(), "kl", lambda);
    for kernel in [Kernel::Gaussian, Kernel::Matern52] {
        for objective in [Objective::Dual, Objective::Safe { rho: 0.1 }, Objective::SafeConstant { rho: 0.1 }]
        {
            let space = Space { kernel, bandwidth: Some(1.5), rank: 1024 };
            let sgd = Sgd { objective, space, step: Some(0.3), steps: 200, batch: 1 };
            let mut ascent = KernelAscent::new(&problem, sgd, 9).unwrap();
            ascent.run(3).unwrap();
            ascent.run(197).unwrap();
            let (xs, ys) = ascent.points(200).unwrap();
            let safe = SafeKl::new(0.1).unwrap();
            let weight = |s: f64| match objective {
                Objective::Dual => s.exp(),
                _ => safe.conj_prime(s),
            };
            let kappa = |a: f64, b: f64| kernel.eval([a - b].into_iter(), 1.5);
            let mut beta: Vec<f64> = Vec::new();
            let constant = matches!(objective, Objective::SafeConstant { .. });
            for i in 0..200 {
                let v: f64 = beta.iter().zip(&ys).map(|(b, y)| b * kappa(*y, ys[i])).sum();
                let alpha: f64 = if constant {
                    -beta.iter().sum::<f64>()
                } else {
                    -beta.iter().zip(&xs).map(|(b, x)| b * kappa(*x, xs[i])).sum::<f64>()
                };
                let s = (v - (xs[i] - ys[i]).powi(2) - alpha) / lambda;
                beta.push(0.3 / ((i + 1) as f64).sqrt() * (1.0 - weight(s)));
            }
            let accuracy = if kernel == Kernel::Gaussian { 1e-6 } else { 1e-3 };
            for y in [-1.0, 0.3, 2.0] {
                let exact: f64 = beta.iter().zip(&ys).map(|(b, z)| b * kappa(*z, y)).sum();
                let found = ascent.v().values(&[y]).unwrap()[0];
                assert!(
                    (found - exact).abs() < accuracy * (1.0 + exact.abs()),
                    "{kernel} {objective}: {found} {exact}"
                );
            }
            let alpha = ascent.alpha().values(&[0.5]).unwrap()[0];
            let exact: f64 = if constant {
                -beta.iter().sum::<f64>()
            } else {
                -beta.iter().zip(&xs).map(|(b, x)| b * kappa(*x, 0.5)).sum::<f64>()
            };
            assert!(
                (alpha - exact).abs() < accuracy * (1.0 + exact.abs()),
                "{kernel} {objective}: {alpha} {exact}"
            );
        }
    }
}

/// A batch's step is the mean of those of all its pairs: along it the objective on the batch rises as its gradient says.
#[test]
fn batches_follow_the_gradient() {
    let problem = problem(gaussian(2, 0.0, 1.0), gaussian(2, 1.0, 0.5), "kl", 0.7);
    for objective in [Objective::Dual, Objective::Safe { rho: 0.1 }, Objective::SafeConstant { rho: 0.1 }] {
        let at = |step: f64| {
            let sgd = Sgd { objective, step: Some(step), batch: 16, ..Sgd::default() };
            let mut ascent = KernelAscent::new(&problem, sgd, 4).unwrap();
            let (xs, ys) = ascent.points(16).unwrap();
            ascent.run(1).unwrap();
            let norm: f64 = ascent.v().coefficients().iter().map(|a| a * a).sum::<f64>()
                + match objective {
                    Objective::SafeConstant { .. } => ascent.alpha().values(&[0.0, 0.0]).unwrap()[0].powi(2),
                    _ => ascent.alpha().coefficients().iter().map(|a| a * a).sum::<f64>(),
                };
            (ascent.value(&xs, &ys).unwrap(), norm)
        };
        // From 0: the change for a step h is h‖g‖², ‖step‖² = h²‖g‖².
        let h = 1e-5;
        let ((forward, norm), (back, _)) = (at(h), at(2.0 * h));
        let (zero, _) = at(1e-12);
        let slope = (4.0 * forward - back - 3.0 * zero) / (2.0 * h);
        assert!(
            (slope - norm / (h * h)).abs() < 1e-5 * slope.abs(),
            "{objective}: {slope} {}",
            norm / (h * h)
        );
    }
}

/// Fourteen decades of steps: the dual leaves the range of numbers, the safe objectives never do.
#[test]
fn safe_steps_never_overflow() {
    let problem = problem(gaussian(1, 0.0, 1.0), gaussian(1, 1.0, 0.5), "kl", 0.01);
    let mut overflown = 0;
    for decade in -7..=7 {
        let run = |objective: Objective| {
            let sgd = Sgd { objective, step: Some(10_f64.powi(decade)), ..Sgd::default() };
            let mut ascent = KernelAscent::new(&problem, sgd, 0).unwrap();
            ascent.run(1500).unwrap();
            ascent.is_finite()
        };
        overflown += usize::from(!run(Objective::Dual));
        for rho in [0.03, 0.3] {
            assert!(run(Objective::Safe { rho }) && run(Objective::SafeConstant { rho }), "C = 1e{decade}");
        }
    }
    assert!(overflown >= 3, "the dual overflows at {overflown} steps of 15");
}

/// Without a step: the safe objective comes close, one number for α does not, and the dual is far behind.
#[test]
fn a_function_does_what_a_number_cannot() {
    let target =
        measure::Mixture::new(vec![gaussian(1, -1.5, 0.5), gaussian(1, 1.5, 0.5)], &[1.0, 1.0]).unwrap();
    let problem = problem(measure::parse("gaussian:1").unwrap(), Arc::new(target), "kl", 0.01);
    let gap = |objective: Objective| {
        let sgd = Sgd { objective, steps: 20_000, ..Sgd::default() };
        let settings = settings(Solver::Sgd(sgd), 1e-2);
        let (solution, _) = problem.solve(&settings, &mut Silent).unwrap();
        assert!(solution.step.unwrap() > 0.0 && solution.bandwidth.unwrap() > 0.0);
        solution.interval.upper - solution.value
    };
    let [function, number, dual] = [
        gap(Objective::Safe { rho: 0.03 }),
        gap(Objective::SafeConstant { rho: 0.03 }),
        gap(Objective::Dual),
    ];
    assert!(function < 0.06 && number > 0.3 && dual > 0.2, "{function} {number} {dual}");
}

#[test]
fn a_step_too_large_is_said_to_diverge() {
    let problem = problem(gaussian(1, 0.0, 1.0), gaussian(1, 1.0, 0.5), "kl", 0.01);
    let sgd = Sgd { objective: Objective::Dual, step: Some(1e3), steps: 1000, ..Sgd::default() };
    let (solution, _) = problem
        .solve(&Settings { max_samples: 256, ..settings(Solver::Sgd(sgd), 1e-2) }, &mut Silent)
        .unwrap();
    assert_eq!(solution.status, Status::Diverged);
    assert!(!solution.value.is_nan() && solution.interval.upper.is_finite());
}

#[test]
fn same_bits_for_any_number_of_threads() {
    let sgd = Solver::Sgd(Sgd { steps: 3000, batch: 4, ..Sgd::default() });
    for solver in [Solver::Samples, Solver::Kernel(Space::default()), sgd] {
        let solve = |threads| {
            let problem = problem(gaussian(2, 0.0, 1.0), gaussian(2, 1.0, 0.5), "kl", 0.5);
            let settings = Settings { threads: Some(threads), max_samples: 512, ..settings(solver, 5e-2) };
            let (solution, coupling) = problem.solve(&settings, &mut Silent).unwrap();
            (solution.value.to_bits(), solution.interval.upper.to_bits(), coupling.to_json().unwrap())
        };
        assert_eq!(solve(1), solve(3), "{solver:?}");
    }
}

/// Stopped at any time, a run says so and returns what holds.
#[test]
fn stops_when_asked() {
    let (value, _) = closed_form(2, (0.0, 1.0), (1.0, 0.5), 0.1);
    let sgd = Solver::Sgd(Sgd { steps: 200_000, ..Sgd::default() });
    for solver in [Solver::Samples, Solver::Kernel(Space::default()), sgd] {
        for patience in [0, 1, 3, 10, 30] {
            let mut calls = 0;
            let mut observer = |_: &Progress<'_>| {
                calls += 1;
                if calls > patience { Flow::Stop } else { Flow::Continue }
            };
            let problem = problem(gaussian(2, 0.0, 1.0), gaussian(2, 1.0, 0.5), "kl", 0.1);
            let (solution, _) = problem.solve(&settings(solver, 1e-4), &mut observer).unwrap();
            assert_eq!(solution.status, Status::Interrupted, "{solver:?} {patience}");
            assert!(
                solution.interval.lower <= value && value <= solution.interval.upper,
                "{solver:?} {patience}"
            );
        }
        let problem = problem(gaussian(2, 0.0, 1.0), gaussian(2, 1.0, 0.5), "kl", 0.1);
        let settings = Settings { max_seconds: Some(0.3), ..settings(solver, 1e-6) };
        let (solution, _) = problem.solve(&settings, &mut Silent).unwrap();
        assert_eq!(solution.status, Status::MaxTime, "{solver:?}");
        assert!(solution.seconds < 5.0, "{solver:?}: {}", solution.seconds);
    }
}

/// Taken up from any state it offered, a solve ends as it would have.
#[test]
fn goes_on_to_the_same_bits() {
    struct Keeping(Vec<Vec<u8>>);
    impl Observer for Keeping {
        fn progress(&mut self, _: &Progress<'_>) -> Flow {
            Flow::Continue
        }
        fn resumable(&mut self, save: &mut dyn FnMut() -> Vec<u8>) {
            self.0.push(save());
        }
    }
    let space = Space { rank: 32, ..Space::default() };
    let sgd = Solver::Sgd(Sgd { steps: 6000, space, ..Sgd::default() });
    let problem = problem(gaussian(2, 0.0, 1.0), gaussian(2, 1.0, 0.5), "kl", 0.3);
    for solver in [Solver::Samples, Solver::Kernel(space), sgd] {
        let settings = Settings { max_samples: 600, ..settings(solver, 5e-3) };
        let mut keeping = Keeping(Vec::new());
        let ends = |(mut solution, coupling): (Solution, Coupling)| {
            solution.seconds = 0.0;
            solution.history.iter_mut().for_each(|h| h.seconds = 0.0);
            (serde_json::to_string(&solution).unwrap(), coupling.to_json().unwrap())
        };
        let whole = ends(problem.solve(&settings, &mut keeping).unwrap());
        assert!(keeping.0.len() >= 4, "{solver:?}: {}", keeping.0.len());
        let every = keeping.0.len().div_ceil(4);
        for bytes in keeping.0.iter().step_by(every) {
            let checkpoint = continuous::Checkpoint::from_bytes("state", bytes).unwrap();
            let resumed = ends(problem.resume(&settings, &checkpoint, &mut Silent).unwrap());
            assert!(resumed == whole, "{solver:?}");
        }
        let bytes = &keeping.0[1];
        let checkpoint = continuous::Checkpoint::from_bytes("state", bytes).unwrap();
        let other = Settings { seed: 1, ..settings };
        let message = problem.resume(&other, &checkpoint, &mut Silent).unwrap_err().to_string();
        assert!(message.contains("the seed was 0, now 1"), "{message}");
        for at in [3, 40, bytes.len() / 2, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(continuous::Checkpoint::from_bytes("state", &damaged).is_err(), "{at}");
            assert!(continuous::Checkpoint::from_bytes("state", &bytes[..at]).is_err(), "{at}");
        }
    }
}

/// So does a certificate, which says what ended it.
#[test]
fn certificates_stop_when_asked() {
    let (value, _) = closed_form(2, (0.0, 1.0), (1.0, 0.5), 0.1);
    let problem = problem(gaussian(2, 0.0, 1.0), gaussian(2, 1.0, 0.5), "kl", 0.1);
    let wave = || Arc::new(Wave { dim: 2, height: 0.1, frequency: 1.0 });
    let certified = |settings: Settings, observer: &mut dyn Observer| {
        let (solution, _) = problem.certify(wave(), "wave", &settings, observer).unwrap();
        assert!(solution.interval.lower <= value && value <= solution.interval.upper);
        solution.status
    };
    let short = Settings { max_seconds: Some(1e-3), ..Settings::default() };
    assert_eq!(certified(short, &mut Silent), Status::MaxTime);
    let mut stop = |_: &Progress<'_>| Flow::Stop;
    assert_eq!(certified(Settings::default(), &mut stop), Status::Interrupted);
    let small = Settings { max_samples: 256, ..Settings::default() };
    assert_eq!(certified(small, &mut Silent), Status::MaxIterations);
    assert_eq!(certified(Settings { threads: Some(1), ..small }, &mut Silent), Status::MaxIterations);
}

#[test]
fn couplings_are_kept_to_the_bit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("coupling.json");
    for solver in [Solver::Samples, Solver::Kernel(Space { rank: 40, ..Space::default() })] {
        let problem = problem(gaussian(2, 0.0, 1.0), gaussian(2, 1.0, 0.5), "kl", 0.5);
        let settings = Settings { max_samples: 256, ..settings(solver, 0.1) };
        let (_, coupling) = problem.solve(&settings, &mut Silent).unwrap();
        coupling.save(&path).unwrap();
        let back = Coupling::load(&path, None).unwrap();
        let points = [0.1, -0.4, 2.0, 1.0];
        assert_eq!(coupling.u().values(&points).unwrap(), back.u().values(&points).unwrap());
        assert_eq!(coupling.v().values(&points).unwrap(), back.v().values(&points).unwrap());
        let text = coupling.to_json().unwrap();
        for (from, to) in [
            ("fenchel coupling 1", "fenchel coupling 9"),
            ("\"lambda\":0.5", "\"lambda\":-1"),
            ("\"dim\":2", "\"dim\":3"),
        ] {
            assert!(text.contains(from));
            assert!(Coupling::from_json(&text.replace(from, to), None).is_err(), "{to}");
        }
        std::fs::write(&path, &text[..text.len() / 2]).unwrap();
        let error = Coupling::load(&path, None).unwrap_err().to_string();
        assert!(error.contains("coupling.json"), "{error}");
    }
}

/// Where the dual says nothing, plans still bound the value above.
#[test]
fn an_end_that_is_lost_does_not_take_the_other_with_it() {
    for lambda in [1e-6, 1e-4] {
        let problem = problem(gaussian(2, 0.0, 1.0), gaussian(2, 1.0, 0.5), "kl", lambda);
        let settings = Settings { max_samples: 64, ..settings(Solver::Samples, 1e-2) };
        let (solution, _) = problem.solve(&settings, &mut Silent).unwrap();
        let (value, _) = closed_form(2, (0.0, 1.0), (1.0, 0.5), lambda);
        assert!(solution.interval.lower <= value, "{solution:?}");
        assert!((value..2.0 * value).contains(&solution.interval.upper), "{solution:?}");
        assert!(!solution.marginal_error.source.chi2.is_nan() && !solution.marginal_error.target.l1.is_nan());
    }
}

/// Potentials that are no good have a value of −∞, and results that say so are read back as they were written.
#[test]
fn results_are_kept_to_the_bit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("result.json");
    let problem = problem(gaussian(1, 0.0, 1.0), gaussian(1, 1.0, 0.5), "kl", 0.01);
    let settings = Settings { max_samples: 64, ..Settings::default() };
    for height in [1.0, 1e12] {
        let wave = Wave { dim: 1, height, frequency: 1.0 };
        let (mut solution, _) = problem.certify(Arc::new(wave), "wave", &settings, &mut Silent).unwrap();
        if height > 1.0 {
            (solution.value, solution.gap) = (f64::NEG_INFINITY, f64::INFINITY);
        }
        solution.save(&path).unwrap();
        assert_eq!(Solution::load(&path).unwrap(), solution);
    }
    std::fs::write(&path, "{}").unwrap();
    let error = Solution::load(&path).unwrap_err().to_string();
    assert!(error.contains("result.json"), "{error}");
}

#[test]
fn mistakes_are_named() {
    let refused = |outcome: fenchel::Result<()>, words: &[&str]| {
        let message = outcome.unwrap_err().to_string();
        for word in words {
            assert!(message.contains(word), "'{message}' does not say '{word}'");
        }
    };
    let state = |source: &str, target: &str, divergence: &str, lambda: f64| {
        let parse = |name: &str| measure::parse(name).unwrap();
        let (cost, divergence) = (cost::parse("l2").unwrap(), divergence::parse(divergence).unwrap());
        Continuous::new(parse(source), parse(target), cost, divergence, Lambda::Absolute(lambda))
    };
    refused(
        state("gaussian:2", "gaussian:3", "kl", 1.0).map(drop),
        &["target", "dimension 2", "dimension 3"],
    );
    refused(state("gaussian:2", "ball:2", "kl", 0.0).map(drop), &["lambda", "above 0"]);
    for name in ["none", "cvar:0.1", "marginal-moments"] {
        refused(state("gaussian:2", "ball:2", name, 1.0).map(drop), &["divergence", name, "kl"]);
    }
    let good = state("gaussian:2", "ball:2", "kl", 1.0).unwrap();
    let with = |settings: Settings| good.solve(&settings, &mut Silent).map(drop);
    let sgd = |sgd: Sgd| Settings { solver: Solver::Sgd(sgd), ..Settings::default() };
    let space = |space: Space| Settings { solver: Solver::Kernel(space), ..Settings::default() };
    refused(with(Settings { tolerance: 0.0, ..Settings::default() }), &["tolerance"]);
    refused(with(Settings { threads: Some(0), ..Settings::default() }), &["threads"]);
    refused(with(Settings { max_samples: 1, ..Settings::default() }), &["max_samples"]);
    refused(with(Settings { max_seconds: Some(f64::NAN), ..Settings::default() }), &["max_seconds"]);
    refused(with(Settings { memory: Some(5), ..Settings::default() }), &["memory"]);
    refused(with(space(Space { bandwidth: Some(-1.0), ..Space::default() })), &["bandwidth"]);
    refused(with(space(Space { rank: 0, ..Space::default() })), &["rank"]);
    refused(with(sgd(Sgd { steps: 0, ..Sgd::default() })), &["steps"]);
    refused(with(sgd(Sgd { batch: 0, ..Sgd::default() })), &["batch"]);
    refused(with(sgd(Sgd { step: Some(0.0), ..Sgd::default() })), &["step"]);
    refused(with(sgd(Sgd { objective: Objective::Safe { rho: 1.0 }, ..Sgd::default() })), &["rho"]);
    let chi2 = state("gaussian:2", "ball:2", "chi2", 1.0).unwrap();
    refused(chi2.solve(&sgd(Sgd::default()), &mut Silent).map(drop), &["safe", "chi2", "kl"]);
    refused(KernelAscent::new(&good, Sgd::default(), 0).map(drop), &["step"]);
    // Numbers that are none.
    let nan = measure::FromFn::new(2, |_: &mut measure::Rng, x: &mut [f64]| x.fill(f64::NAN))
        .unwrap()
        .named("broken");
    let (l2, kl) = (cost::parse("l2").unwrap(), divergence::parse("kl").unwrap());
    let broken = Continuous::new(
        measure::parse("gaussian:2").unwrap(),
        Arc::new(nan),
        l2,
        kl.clone(),
        Lambda::Absolute(1.0),
    )
    .unwrap();
    refused(broken.solve(&Settings::default(), &mut Silent).map(drop), &["broken", "NaN"]);
    let bad =
        CostFn::new("holed", |x: &[f64], y: &[f64]| if x[0] > 1.0 { f64::NAN } else { (x[0] - y[0]).abs() });
    let parse = |name: &str| measure::parse(name).unwrap();
    let holed =
        Continuous::new(parse("gaussian:1"), parse("uniform:1"), Arc::new(bad), kl, Lambda::Absolute(1.0))
            .unwrap();
    refused(holed.solve(&Settings::default(), &mut Silent).map(drop), &["holed", "NaN"]);
    let wave = Wave { dim: 3, height: 1.0, frequency: 1.0 };
    refused(
        good.certify(Arc::new(wave), "wave", &Settings::default(), &mut Silent).map(drop),
        &["potential", "3"],
    );
}
