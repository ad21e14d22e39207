//! Transport from a finite cloud: no sampling, so the answers are exact, and known from a linear program,
//! from Sinkhorn's iteration in log space, and by hand.

mod common;

use common::linear_program::linear_program;
use common::{allowed, cloud, generators, potentials, problem, settings, solve, weighted};
use fenchel::cost;
use fenchel::measure::Rng;
use std::sync::Arc;

/// A weighted cloud and weighted atoms in the plane, from a seed.
struct Instance {
    xs: Vec<f64>,
    mu: Vec<f64>,
    ys: Vec<f64>,
    nu: Vec<f64>,
}

impl Instance {
    fn new(points: usize, atoms: usize, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut normals = |n: usize| -> Vec<f64> { (0..n).map(|_| rng.normal()).collect() };
        let (xs, ys) = (normals(2 * points), normals(2 * atoms));
        let mut shares = |n: usize| -> Vec<f64> {
            let w: Vec<f64> = (0..n).map(|_| rng.exponential()).collect();
            let total: f64 = w.iter().sum();
            w.iter().map(|w| w / total).collect()
        };
        Instance { mu: shares(points), nu: shares(atoms), xs, ys }
    }

    fn costs(&self, cost: &str) -> Vec<Vec<f64>> {
        let cost = cost::parse(cost).unwrap();
        let row = |x: &[f64]| self.ys.chunks_exact(2).map(|y| cost.eval(x, y)).collect();
        self.xs.chunks_exact(2).map(row).collect()
    }

    fn problem(&self, cost: &str, divergence: &str, lambda: f64) -> fenchel::transport::SemiDiscrete {
        let source = Arc::new(weighted(2, &self.xs, &self.mu));
        problem(source, weighted(2, &self.ys, &self.nu), cost, divergence, lambda)
    }
}

#[test]
fn the_linear_program_of_a_simple_case() {
    // Crossing is dearer: 0.5·1 + 0.25·2 + 0.25·1.
    let c = vec![vec![1.0, 5.0], vec![2.0, 1.0]];
    assert!((linear_program(&c, &[0.5, 0.5], &[0.75, 0.25]) - 1.25).abs() < 1e-15);
}

/// Unregularised transport of 40 weighted points to 7 weighted atoms against the linear program: its value
/// is inside the interval and the bounds, which are as narrow as asked.
#[test]
fn none_against_a_linear_program() {
    for (seed, cost) in [(1, "linf"), (2, "l2"), (3, "sqeuclidean"), (4, "l1"), (5, "lp:3")] {
        let instance = Instance::new(40, 7, seed);
        let truth = linear_program(&instance.costs(cost), &instance.mu, &instance.nu);
        let s = solve(&instance.problem(cost, "none", 1.0), &settings(1e-3, seed));
        assert!(s.status.is_converged(), "{cost}: {s:?}");
        assert!(s.interval.contains(truth), "{cost}: {truth} outside {:?}", s.interval);
        let bounds = s.bounds;
        assert!(bounds.lower <= truth + 1e-13 && truth <= bounds.upper + 1e-13, "{cost}: {truth} {bounds:?}");
        assert!((s.value - truth).abs() <= allowed(&s), "{cost}: {} {truth}", s.value);
    }
}

/// log Σ w_k e^{a_k}.
fn log_sum(terms: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let top = terms.clone().fold(f64::NEG_INFINITY, |a, (_, b)| a.max(b));
    top + terms.map(|(w, a)| w * (a - top).exp()).sum::<f64>().ln()
}

/// Sinkhorn in log space: ψ_j = λ log Σ_i η_i e^{(φ_i − c_ji)/λ} and φ_i = −λ log Σ_j μ_j e^{(−ψ_j −
/// c_ji)/λ} + λ log(ν_i/η_i), until nothing moves; the dual's value ν·φ − μ·ψ and the centred φ.
fn sinkhorn(c: &[Vec<f64>], mu: &[f64], nu: &[f64], eta: &[f64], lambda: f64) -> (f64, Vec<f64>) {
    let n = nu.len();
    let mut phi = vec![0.0; n];
    let mut value = 0.0;
    for _ in 0..20_000 {
        let psi: Vec<f64> =
            c.iter().map(|c| lambda * log_sum((0..n).map(|i| (eta[i], (phi[i] - c[i]) / lambda)))).collect();
        value = nu.iter().zip(&phi).map(|(v, p)| v * p).sum::<f64>()
            - mu.iter().zip(&psi).map(|(m, p)| m * p).sum::<f64>();
        let mut moved = 0.0_f64;
        for i in 0..n {
            let back = (0..mu.len()).map(|j| (mu[j], (-psi[j] - c[j][i]) / lambda));
            let next = lambda * ((nu[i] / eta[i]).ln() - log_sum(back));
            moved = moved.max((next - phi[i]).abs());
            phi[i] = next;
        }
        if moved <= 1e-15 {
            break;
        }
    }
    let mean = phi.iter().sum::<f64>() / n as f64;
    (value, phi.iter().map(|p| p - mean).collect())
}

/// KL-regularised transport of a cloud against Sinkhorn: the value to 1e-12, the potentials to the marginal
/// error asked for (1e-9) divided by the least curvature.
#[test]
fn kl_against_sinkhorn() {
    for (seed, cost, lambda) in
        [(1, "sqeuclidean", 0.3), (2, "linf", 0.1), (3, "l2", 1.0), (4, "sqeuclidean", 30.0)]
    {
        let instance = Instance::new(30, 6, seed);
        let eta = [0.1, 0.2, 0.3, 0.1, 0.1, 0.2];
        let p = instance.problem(cost, "kl", lambda).reference(eta.to_vec()).unwrap();
        let s = solve(&p, &settings(1e-9, seed));
        let (value, phi) = sinkhorn(&instance.costs(cost), &instance.mu, &instance.nu, &eta, lambda);
        assert!(s.status.is_converged(), "{cost}: {s:?}");
        assert!((s.value - value).abs() <= 1e-12 * (1.0 + value.abs()), "{cost}: {} {value}", s.value);
        let slack = 1e-12 * (1.0 + value.abs());
        assert!(
            s.interval.lower - slack <= value && value <= s.interval.upper + slack,
            "{cost}: {value} {:?}",
            s.interval
        );
        for (p, q) in potentials(&s).iter().zip(&phi) {
            assert!((p - q).abs() <= 1e-6 * lambda, "{cost}: {p} {q}");
        }
    }
}

/// Other divergences on a larger weighted cloud: the certificate in this file's own formulas. The dual at
/// the potentials is within the tolerance squared of the reported value, from below by weak duality, and the
/// a priori bound on W_λ − W holds against the linear program.
#[test]
fn every_divergence_against_its_own_dual() {
    let instance = Instance::new(25, 4, 9);
    let c = instance.costs("l2");
    let w = linear_program(&c, &instance.mu, &instance.nu);
    let lambda = 0.25;
    let eta = instance.nu.clone();
    for name in common::divergences() {
        let f = generators::of(name, 4);
        let p = instance.problem("l2", name, lambda).reference(eta.clone()).unwrap();
        let smooth = name != "none" && !name.starts_with("cvar");
        let s = solve(&p, &settings(if smooth { 1e-5 } else { 1e-3 }, 2));
        assert!(s.status.is_converged(), "{name}: {s:?}");
        let phi = potentials(&s);
        let mean: f64 = c
            .iter()
            .zip(&instance.mu)
            .map(|(c, m)| {
                let u: Vec<f64> = phi.iter().zip(c).map(|(p, c)| p - c).collect();
                m * f.smoothmax(&u, &eta, lambda)
            })
            .sum();
        let dual = instance.nu.iter().zip(&phi).map(|(v, p)| v * p).sum::<f64>() - mean;
        assert!((dual - s.value).abs() <= 1e-8, "{name}: {dual} {}", s.value);
        let least = lambda * (f.f)(1.0);
        assert!(s.interval.upper >= w + least - 1e-12, "{name}: {:?} {w}", s.interval);
        if let Some(gap) = s.regularisation_gap {
            assert!(s.interval.lower <= w + gap + 1e-12, "{name}: {:?} {w} {gap}", s.interval);
        }
    }
}

/// Two points {0, 1}, two atoms {2, 10}, masses ½, squared cost: 0 ↦ 2 and 1 ↦ 10 is optimal for every
/// s = φ_2 − φ_1 with 80 ≤ s ≤ 96, so the potential of least norm is (−40, 40). Smoothed by λ, the marginal
/// errs by e^{−(s−80)/λ}/4 there, which balances a ridge that moves the marginal by τ/20 or less (τ/800 or more
/// here) at s = 80 + λ log(200/τ) at most.
#[test]
fn least_norm_among_optimal_potentials() {
    let truth = (4.0 + 81.0) / 2.0;
    for tolerance in [1e-3, 1e-4] {
        let p = problem(Arc::new(cloud(1, &[0.0, 1.0])), cloud(1, &[2.0, 10.0]), "sqeuclidean", "none", 1.0);
        let s = solve(&p, &settings(tolerance, 1));
        assert!(s.status.is_converged(), "{s:?}");
        assert!(s.interval.contains(truth), "{s:?}");
        let phi = potentials(&s);
        let gap = phi[1] - phi[0];
        let slack = s.smoothing.unwrap() * (200.0 / tolerance).ln();
        assert!((gap - 80.0).abs() <= slack && gap < 85.0, "{tolerance}: {gap} {slack} {s:?}");
    }
}

/// Points {0, 10} and atoms {1, 12}, cost |x − y|: optimal are −7 ≤ φ_2 − φ_1 ≤ 11, and 0 has least norm. The
/// potentials come within 2% of the width of that set.
#[test]
fn least_norm_is_zero_where_zero_is_optimal() {
    let p = problem(Arc::new(cloud(1, &[0.0, 10.0])), cloud(1, &[1.0, 12.0]), "l1", "none", 1.0);
    let s = solve(&p, &settings(1e-3, 1));
    assert!(s.status.is_converged(), "{s:?}");
    assert!(s.interval.contains(1.5), "{s:?}");
    let phi = potentials(&s);
    assert!((phi[1] - phi[0]).abs() <= 0.36, "{phi:?}");
}
