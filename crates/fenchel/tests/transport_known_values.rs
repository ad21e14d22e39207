//! Semi-discrete transport against values known by other means: quantiles in one dimension, one-dimensional
//! integrals, volumes of knapsack polytopes, and independent searches for the dual's maximum.

mod common;

use common::{allowed, cloud, density, generators, integrate, maximise, normal_cdf, potentials, root};
use common::{problem, settings, solve, source, two_points::TwoPoints, weighted};
use fenchel::Error;
use fenchel::measure::{Rng, UniformBox};
use fenchel::optim::Silent;
use fenchel::transport::Solution;
use std::sync::Arc;

/// Atoms and masses of the tests on the line, in increasing order of the atoms.
const LINE: ([f64; 5], [f64; 5]) = ([-1.3, -0.4, 0.1, 0.7, 1.8], [0.1, 0.25, 0.2, 0.15, 0.3]);

/// One-dimensional transport with a convex cost of the difference pairs equal quantiles: with x_k the
/// quantile at ν_1 + … + ν_k, W = Σ_k ∫ over [x_{k−1}, x_k] of |x − y_k|^r dμ, and at the borders
/// φ_{k+1} − φ_k = c(x_k, y_{k+1}) − c(x_k, y_k). Returns W and the centred potentials.
fn by_quantiles(
    cdf: impl Fn(f64) -> f64,
    density: impl Fn(f64) -> f64,
    support: (f64, f64),
    r: i32,
) -> (f64, Vec<f64>) {
    let (atoms, masses) = LINE;
    let cost = |x: f64, y: f64| (x - y).abs().powi(r);
    let (mut total, mut phi) = (0.0, vec![0.0]);
    let (mut left, mut sum) = (support.0, 0.0);
    for k in 0..atoms.len() {
        sum += masses[k];
        let last = k + 1 == atoms.len();
        let right = if last { support.1 } else { root(|x| cdf(x) - sum, support.0, support.1) };
        let piece = |a: f64, b: f64| integrate(|x| cost(x, atoms[k]) * density(x), a, b, 24);
        let kink = atoms[k].clamp(left, right);
        total += piece(left, kink) + piece(kink, right);
        if !last {
            phi.push(phi[k] + cost(right, atoms[k + 1]) - cost(right, atoms[k]));
        }
        left = right;
    }
    let mean = phi.iter().sum::<f64>() / phi.len() as f64;
    (total, phi.iter().map(|p| p - mean).collect())
}

/// The value within the tolerance, the bounds around W, the potentials where they must be.
fn assert_known(solution: &Solution, truth: f64, phi: &[f64], what: &str) {
    let slack = allowed(solution);
    assert!(solution.status.is_converged(), "{what}: {solution:?}");
    assert!((solution.value - truth).abs() <= slack, "{what}: {} is not {truth}", solution.value);
    assert!(solution.bounds.lower <= truth + 0.25 * slack, "{what}: {:?} {truth}", solution.bounds);
    assert!(solution.bounds.upper >= truth - 0.25 * slack, "{what}: {:?} {truth}", solution.bounds);
    assert!(solution.bounds.upper - solution.bounds.lower <= 2.0 * slack, "{what}: {:?}", solution.bounds);
    // Where the density is δ, a marginal error of e moves a border by e/δ and φ by as much times the slope
    // of the cost difference; with δ ≥ 0.1 and slopes below 4, 40 e, halved on both sides of a border.
    let error = potentials(solution).iter().zip(phi).fold(0.0_f64, |a, (p, q)| a.max((p - q).abs()));
    assert!(error <= 20.0 * slack, "{what}: potentials off by {error}, {solution:?} against {phi:?}");
}

/// Gaussian and uniform sources on the line, costs |x − y| and (x − y)², unregularised, against quantiles.
#[test]
fn line_by_quantiles() {
    let wide: Arc<UniformBox> = Arc::new(UniformBox::new(&[-2.0], &[2.5]).unwrap());
    for (cost, r) in [("l1", 1), ("sqeuclidean", 2)] {
        let atoms = weighted(1, &LINE.0, &LINE.1);
        let (truth, phi) = by_quantiles(normal_cdf, density, (-12.0, 12.0), r);
        let solution =
            solve(&problem(source("gaussian:1"), atoms.clone(), cost, "none", 1.0), &settings(1e-3, 11));
        assert_known(&solution, truth, &phi, &format!("gaussian, {cost}"));
        let (truth, phi) = by_quantiles(|x| (x + 2.0) / 4.5, |_| 1.0 / 4.5, (-2.0, 2.5), r);
        let solution = solve(&problem(wide.clone(), atoms, cost, "none", 1.0), &settings(1e-3, 12));
        assert_known(&solution, truth, &phi, &format!("uniform, {cost}"));
    }
}

/// Gaussian to two points, every divergence of the registry. Each interval fails to cover with probability
/// 5% at most; of the 19 more than 4 would with probability below 3e-3.
#[test]
fn gaussian_to_two_points() {
    let two = TwoPoints::new(3);
    let (mut missed, mut count) = (Vec::new(), 0);
    for name in common::divergences() {
        if name == "cvar:1" || name == "kl-cvar:1" {
            let error =
                two.problem(source("gaussian:3"), name).solve(&settings(1e-2, 1), &mut Silent).unwrap_err();
            assert!(matches!(error, Error::Infeasible { atom: 1, .. }), "{error}");
            continue;
        }
        let solution = solve(&two.problem(source("gaussian:3"), name), &settings(3e-3, 5));
        let truth = if name == "none" { two.unregularised() } else { two.value(name) };
        assert!(solution.status.is_converged(), "{name}: {solution:?}");
        let error = (solution.value - truth).abs();
        assert!(error <= allowed(&solution), "{name}: {} is not {truth}", solution.value);
        count += 1;
        if !solution.interval.contains(truth) {
            missed.push((name, solution.interval, truth));
        }
        // W from below and above, whatever the divergence.
        let (w, slack) = (two.unregularised(), 0.5 * allowed(&solution));
        assert!(
            solution.bounds.lower <= w + slack && w <= solution.bounds.upper + slack,
            "{name}: {w} {:?}",
            solution.bounds
        );
    }
    assert!(count >= 19 && missed.len() <= 4, "{count}: {missed:?}");
}

/// The same in 16 dimensions, where the value is near E c = 16 and the two atoms decide the rest.
#[test]
fn gaussian_to_two_points_in_sixteen_dimensions() {
    let two = TwoPoints::new(16);
    for (name, truth) in [("kl", two.value("kl")), ("none", two.unregularised())] {
        let solution = solve(&two.problem(source("gaussian:16"), name), &settings(1e-2, 7));
        assert!(solution.status.is_converged(), "{name}: {solution:?}");
        let error = (solution.value - truth).abs();
        assert!(error <= allowed(&solution), "{name}: {} is not {truth}", solution.value);
    }
}

/// Vol{x in [0,1]^d : w·x ≤ b} = Σ over corners v of (−1)^{|v|} (b − w·v)₊^d / (d! Π w).
fn knapsack_volume(w: &[f64], b: f64) -> f64 {
    let d = w.len();
    let mut sum = 0.0;
    for corner in 0..1u32 << d {
        let taken: f64 = (0..d).filter(|k| corner >> k & 1 == 1).map(|k| w[k]).sum();
        let sign = if corner.count_ones() % 2 == 0 { 1.0 } else { -1.0 };
        sum += sign * (b - taken).max(0.0).powi(d as i32);
    }
    let factorial: f64 = (1..=d).map(|k| k as f64).product();
    sum / (factorial * w.iter().product::<f64>())
}

#[test]
fn knapsack_volumes_of_simple_cases() {
    assert!((knapsack_volume(&[1.0, 1.0], 1.0) - 0.5).abs() < 1e-15);
    assert!((knapsack_volume(&[1.0, 1.0, 1.0], 1.0) - 1.0 / 6.0).abs() < 1e-15);
    assert!((knapsack_volume(&[2.0, 1.0], 3.0) - 1.0).abs() < 1e-15);
}

/// Taşkesen, Shafieezadeh-Abadeh, Kuhn 2022, Lemma 2.4: for μ uniform on [0,1]^d and ν_t = tδ_0 +
/// (1−t)δ_{2bw/|w|²}, the t that minimises W(μ, ν_t) is Vol{x in [0,1]^d : w·x ≤ b}. As dW/dt = φ_1 − φ_2,
/// bisection on that sign finds it; a marginal error of e in the 1-norm shifts t by at most e/2.
#[test]
fn knapsack_volume_by_transport() {
    let tolerance = 2e-3;
    for (w, b) in [(vec![1.0, 2.0], 1.2), (vec![3.0, 1.0], 1.0), (vec![1.0, 2.0, 3.0], 2.5)] {
        let d = w.len();
        let truth = knapsack_volume(&w, b);
        let square: f64 = w.iter().map(|x| x * x).sum();
        let mut points = vec![0.0; d];
        points.extend(w.iter().map(|x| 2.0 * b * x / square));
        let at = |t: f64| {
            let atoms = weighted(d, &points, &[t, 1.0 - t]);
            solve(
                &problem(source(&format!("uniform:{d}")), atoms, "sqeuclidean", "none", 1.0),
                &settings(tolerance, 3),
            )
        };
        let (mut low, mut high) = (0.02, 0.98);
        while high - low > 0.5 * tolerance {
            let t = 0.5 * (low + high);
            let phi = potentials(&at(t));
            if phi[0] < phi[1] { low = t } else { high = t }
        }
        let t = 0.5 * (low + high);
        assert!((t - truth).abs() <= tolerance, "{w:?} {b}: {t} is not {truth}");
        // And W is larger to either side.
        let middle = at(truth).bounds;
        for aside in [truth - 0.15, truth + 0.15] {
            assert!(at(aside).bounds.lower > middle.upper, "{w:?} {b} {aside}");
        }
    }
}

/// Uniform cloud of three points, three atoms, every divergence: the dual's maximum over (φ_1, φ_2, 0) by
/// nested golden sections, each smooth maximum by another over its threshold.
#[test]
fn three_points_to_three_atoms_by_search() {
    let (xs, ys) = ([0.0, 0.3, 1.0, -0.2, 0.4, 1.1], [0.1, 0.2, 0.9, 0.5, 0.6, -0.3]);
    let (nu, eta, lambda) = ([0.3, 0.45, 0.25], [0.3, 0.4, 0.3], 0.4);
    let cost = |j: usize, i: usize| -> f64 {
        (0..2).map(|k| (xs[2 * j + k] - ys[2 * i + k]) * (xs[2 * j + k] - ys[2 * i + k])).sum()
    };
    for name in common::divergences() {
        if name == "cvar:1" || name == "kl-cvar:1" || name == "safe-kl:0.9" {
            // 0.45 is more than 0.4 times the cap, 1 or 10/9.
            let p = problem(Arc::new(cloud(2, &xs)), weighted(2, &ys, &nu), "sqeuclidean", name, lambda);
            let error =
                p.reference(eta.to_vec()).unwrap().solve(&settings(1e-2, 1), &mut Silent).unwrap_err();
            assert!(matches!(error, Error::Infeasible { atom: 1, .. }), "{name}: {error}");
            continue;
        }
        let f = generators::of(name, 3);
        let dual = |a: f64, b: f64| {
            let phi = [a, b, 0.0];
            let mean: f64 = (0..3)
                .map(|j| {
                    let u: Vec<f64> = (0..3).map(|i| phi[i] - cost(j, i)).collect();
                    f.smoothmax(&u, &eta, lambda) / 3.0
                })
                .sum();
            nu[0] * a + nu[1] * b - mean
        };
        let truth = maximise(|a| maximise(|b| dual(a, b), -4.0, 4.0).1, -4.0, 4.0).1;
        let p = problem(Arc::new(cloud(2, &xs)), weighted(2, &ys, &nu), "sqeuclidean", name, lambda);
        let smooth = !name.starts_with("none") && !name.starts_with("cvar");
        let tolerance = if smooth { 1e-6 } else { 1e-3 };
        let solution = solve(&p.reference(eta.to_vec()).unwrap(), &settings(tolerance, 1));
        assert!(solution.status.is_converged(), "{name}: {solution:?}");
        assert!((solution.value - truth).abs() <= allowed(&solution), "{name}: {} {truth}", solution.value);
        // Searches of a search of a search are good to about 1e-9; there is no sampling error.
        assert!(
            solution.interval.lower <= truth + 1e-8 && truth - 1e-8 <= solution.interval.upper,
            "{name}: {truth} outside {:?}",
            solution.interval
        );
        // The potentials themselves reach the value, in the other formulas.
        let phi = potentials(&solution);
        let reached = dual(phi[0] - phi[2], phi[1] - phi[2]);
        assert!((reached - solution.value).abs() <= 1e-8, "{name}: {reached} {}", solution.value);
    }
}

/// Without regularisation, from a source with a density to scattered atoms: a point's own atom, not a smoothed share, has the
/// marginal. On 2^18 independent points χ² less its mean under sampling, (N − 1)/m, is within the square of the tolerance and six
/// standard deviations √(2N)/m of its noise (failure below 1e-8).
#[test]
fn assignments_have_the_marginal() {
    let (n, m, tolerance) = (500, 1 << 18, 0.1);
    let mut rng = Rng::new(3);
    let atoms: Vec<f64> = (0..2 * n).map(|_| rng.normal()).collect();
    for name in ["none", "cvar:0.5"] {
        let p = problem(source("gaussian:2"), cloud(2, &atoms), "sqeuclidean", name, 1.0);
        let s = solve(&p, &settings(tolerance, 1));
        assert!(s.status.is_converged() && s.smoothing.is_none(), "{name}: {s:?}");
        let plan = p.plan(&s).unwrap();
        let (mut q, mut weights) = (vec![0.0; n], vec![0.0; n]);
        for _ in 0..m {
            let x = [rng.normal(), rng.normal()];
            plan.weights(&x, &mut weights).unwrap();
            if name == "none" {
                assert_eq!(weights[plan.assign(&x).unwrap()], 1.0);
            }
            q.iter_mut().zip(&weights).for_each(|(q, w)| *q += w / m as f64);
        }
        let nu = 1.0 / n as f64;
        let chi2: f64 = q.iter().map(|q| (q - nu) * (q - nu) / nu).sum();
        let noise = (n as f64, m as f64);
        let excess = chi2 - noise.0 / noise.1;
        assert!(excess <= tolerance * tolerance + 6.0 * (2.0 * noise.0).sqrt() / noise.1, "{name}: {excess}");
    }
}

/// Atoms ±(1, 1) under the 1-norm tie wherever x is in the second or fourth quadrant beyond them, which a Gaussian is with probability
/// 2 P(x > 1)² = 0.0503: only a plan that shares those points has the marginal, and the result says that it does.
#[test]
fn ties_with_mass_are_shared() {
    let p = problem(source("gaussian:2"), cloud(2, &[1.0, 1.0, -1.0, -1.0]), "l1", "none", 1.0);
    let s = solve(&p, &settings(1e-2, 1));
    assert!(s.status.is_converged() && s.marginal_error.l1 <= 1e-2, "{s:?}");
    let plan = p.plan(&s).unwrap();
    assert!(s.smoothing.is_some(), "{s:?}");
    let mut weights = [0.0; 2];
    plan.weights(&[2.0, -2.0], &mut weights).unwrap();
    assert!((weights[0] - 0.5).abs() < 0.45, "{weights:?} {s:?}");
}
