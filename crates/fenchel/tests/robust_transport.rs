//! The worst case over moved examples, against searches over where they are moved to, formulas and other fits.

use fenchel::divergence;
use fenchel::measure::Rng;
use fenchel::optim::{Silent, Status};
use fenchel::robust::loss::{self, Derivatives, Labels, Loss};
use fenchel::robust::{
    Examples, Fit, Linear, LinearModel, Options, Passes, Perturbation, Precision, Risk, Strength,
};
use std::sync::Arc;

const LOSSES: [&str; 10] = [
    "squared",
    "absolute",
    "huber",
    "huber:0.2",
    "quantile:0.2",
    "quantile:0.9",
    "logistic",
    "hinge",
    "smoothed-hinge",
    "smoothed-hinge:0.1",
];

fn label(labels: Labels, rng: &mut Rng, classes: usize) -> f64 {
    match labels {
        Labels::Sign => (rng.uniform() - 0.5).signum(),
        Labels::Class => (rng.uniform() * classes as f64).floor(),
        Labels::Count => (4.0 * rng.uniform()).floor(),
        _ => 2.0 * rng.normal(),
    }
}

fn worst(model: &LinearModel, perturbation: &Perturbation, x: &[f64], y: f64) -> (f64, Vec<f64>, f64) {
    let examples = Examples::new(x.len(), x.to_vec(), vec![y]).unwrap();
    let moves = perturbation.moves(model, &examples).unwrap();
    (moves.losses[0], moves.features, moves.distances[0])
}

/// ℓ(z) − κ Σ ((z − x)/unit)².
fn gain(model: &LinearModel, (price, units): (f64, &[f64]), x: &[f64], y: f64, z: &[f64]) -> f64 {
    let mut scores = vec![0.0; model.intercept().len()];
    model.scores(z, &mut scores).unwrap();
    let square = |j: usize| if z[j] == x[j] { 0.0 } else { ((z[j] - x[j]) / units[j]).powi(2) };
    model.loss().value(&scores, y) - price * (0..x.len()).map(square).sum::<f64>()
}

/// No place of a grid, however near or far, is worse than the one that is said to be the worst, and that one is as bad as is
/// said: in one and two dimensions, at prices and coefficients of many magnitudes.
#[test]
fn no_place_is_worse() {
    let mut rng = Rng::new(1);
    let mut finite = 0;
    for name in LOSSES.iter().chain(&["multinomial"]) {
        let loss = loss::parse(name).unwrap();
        let loss = loss.for_classes(3).unwrap_or(loss);
        let k = loss.scores();
        for round in 0..30 {
            let d = 1 + round % 2;
            let size = 10f64.powf(3.0 * rng.uniform() - 1.5);
            let theta: Vec<f64> = (0..d * k).map(|_| size * rng.normal()).collect();
            let model =
                LinearModel::new(loss.clone(), (0..k).map(|_| rng.normal()).collect(), theta).unwrap();
            let price = size * size * 10f64.powf(3.0 * rng.uniform() - 1.0);
            let units: Vec<f64> = (0..d).map(|_| 0.2 + rng.uniform()).collect();
            let x: Vec<f64> = (0..d).map(|_| rng.normal() / size).collect();
            let y = label(loss.labels(), &mut rng, k);
            let perturbation = Perturbation::new(price).unwrap().in_units(units.clone()).unwrap();
            let (value, z, distance) = worst(&model, &perturbation, &x, y);
            let case =
                format!("{name} θ {:?} κ {price} x {x:?} y {y}: {value} at {z:?}", model.coefficients());
            let at = |z: &[f64]| gain(&model, (price, &units), &x, y, z);
            if value.is_finite() {
                finite += 1;
                assert!(
                    (at(&z) - value).abs()
                        <= 1e-12 * (1.0 + at(&x) + value.abs() + price * distance * distance),
                    "{case}: {}",
                    at(&z)
                );
                let square: f64 = (0..d).map(|j| ((z[j] - x[j]) / units[j]).powi(2)).sum();
                assert!(
                    (square.sqrt() - distance).abs() <= 1e-12 * (1.0 + distance) + 1e-9 * distance,
                    "{case}: {distance}"
                );
            } else {
                // As far as it will.
                let far: Vec<f64> = (0..d)
                    .map(|j| x[j] + 1e9 * units[j] * units[j] * model.coefficients()[j] / size)
                    .collect();
                let near: Vec<f64> = (0..d)
                    .map(|j| x[j] + 1e8 * units[j] * units[j] * model.coefficients()[j] / size)
                    .collect();
                assert!(at(&far) > at(&near) && *name == "squared", "{case}");
                continue;
            }
            assert!(value >= at(&x), "{case}");
            let steps: i32 = if d == 1 { 2000 } else { 40 };
            for reach in [3.0 * distance, 0.1 * distance, 10.0 / size, 1.0 / size] {
                for centre in [&x, &z] {
                    for i in -steps..=steps {
                        for j in if d == 1 { 0..=0 } else { -steps..=steps } {
                            let go = |c: usize, s: i32| {
                                centre[c] + reach * units[c] * f64::from(s) / f64::from(steps)
                            };
                            let there: Vec<f64> = (0..d).map(|c| go(c, if c == 0 { i } else { j })).collect();
                            assert!(
                                at(&there) <= value + 1e-12 * (1.0 + value.abs()),
                                "{case}: {} at {there:?}",
                                at(&there)
                            );
                        }
                    }
                }
            }
        }
    }
    assert!(finite > 275, "{finite}");
}

/// A loss under another name, whose shape nobody knows.
#[derive(Debug)]
struct Unknown(Arc<dyn Loss>);

impl Loss for Unknown {
    fn name(&self) -> String {
        "unknown".into()
    }
    fn labels(&self) -> Labels {
        self.0.labels()
    }
    fn value(&self, z: &[f64], y: f64) -> f64 {
        self.0.value(z, y)
    }
    fn derive(&self, z: &[f64], y: f64, at: Derivatives<'_>) -> f64 {
        self.0.derive(z, y, at)
    }
    fn conjugate(&self, a: &[f64], y: f64) -> f64 {
        self.0.conjugate(a, y)
    }
}

/// Ascents find what closed forms say.
#[test]
fn ascents_reach_closed_forms() {
    let mut rng = Rng::new(2);
    for name in LOSSES {
        let known = loss::parse(name).unwrap();
        for _ in 0..200 {
            let d = 3;
            let theta: Vec<f64> = (0..d).map(|_| rng.normal()).collect();
            let v: f64 = theta.iter().map(|t| t * t).sum();
            let price = v * 10f64.powf(2.0 * rng.uniform() - if name == "squared" { -0.1 } else { 1.0 });
            let perturbation = Perturbation::new(price).unwrap();
            let x: Vec<f64> = (0..d).map(|_| rng.normal()).collect();
            let y = label(known.labels(), &mut rng, 2);
            let of = |loss: Arc<dyn Loss>| {
                worst(&LinearModel::new(loss, vec![0.3], theta.clone()).unwrap(), &perturbation, &x, y)
            };
            let (closed, _, _) = of(known.clone());
            let (found, _, _) = of(Arc::new(Unknown(known.clone())));
            assert!(
                (closed - found).abs() <= 1e-9 * (1.0 + closed),
                "{name} κ/v {}: {closed} {found}",
                price / v
            );
        }
    }
    // Exponentials outgrow squares.
    let model = LinearModel::new(loss::parse("poisson").unwrap(), vec![0.0], vec![0.1]).unwrap();
    assert_eq!(worst(&model, &Perturbation::new(1e3).unwrap(), &[1.0], 2.0).0, f64::INFINITY);
    let flat = LinearModel::new(loss::parse("poisson").unwrap(), vec![0.5], vec![0.0]).unwrap();
    assert_eq!(worst(&flat, &Perturbation::new(1.0).unwrap(), &[1.0], 0.0).0, 0.5_f64.exp());
}

fn data(name: &str, n: usize, scale: [f64; 2], seed: u64) -> Examples {
    let mut rng = Rng::new(seed);
    let signs = loss::parse(name).unwrap().labels() == Labels::Sign;
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let (a, b) = (rng.normal(), rng.normal());
        let z = 1.2 * a - 0.7 * b + 0.4 + 0.8 * rng.normal();
        x.extend([scale[0] * a + 3.0 * scale[0], scale[1] * b]);
        y.push(if signs { z.signum() } else { z });
    }
    Examples::new(2, x, y).unwrap()
}

fn fitted(
    examples: &Examples,
    name: &str,
    risk: &Risk,
    options: Options,
    perturbation: Option<&Perturbation>,
) -> Fit {
    let model = Linear::new(examples, loss::parse(name).unwrap(), risk.clone(), options).unwrap();
    let model = match perturbation {
        Some(perturbation) => model.perturbed(perturbation).unwrap(),
        None => model,
    };
    model.fit(&Precision::default(), &mut Silent).unwrap()
}

/// The mean of losses of examples that are moved at a price.
fn moved_mean(examples: &Examples, name: &str, price: f64) -> Fit {
    let perturbation = Perturbation::new(price).unwrap();
    fitted(examples, name, &Risk::mean(), Options::default(), Some(&perturbation))
}

fn risks() -> Vec<Risk> {
    let of = |name: &str, strength| Risk::new(divergence::parse(name).unwrap(), strength).unwrap();
    vec![
        Risk::mean(),
        of("kl", Strength::Penalty(0.5)),
        of("safe-kl:0.2", Strength::Penalty(0.3)),
        of("kl", Strength::Radius(0.2)),
        of("chi2", Strength::Radius(0.3)),
        of("cvar:0.3", Strength::Penalty(1.0)),
    ]
}

/// Every loss and risk at prices from dear to cheap: certified, the objective is that of the losses of moved examples, no
/// other coefficients are better, and the certificate is below whatever was tried.
#[test]
fn fits_are_certified_and_evaluated_alike() {
    for (r, risk) in risks().iter().enumerate() {
        for (l, name) in LOSSES.iter().enumerate() {
            let examples = data(name, 60, [1.0, 1.0], 7 + l as u64);
            for price in [100.0, 3.0, 0.3, 0.05] {
                let perturbation = Perturbation::new(price).unwrap();
                let fit = fitted(&examples, name, risk, Options::default(), Some(&perturbation));
                let case =
                    format!("{name} risk {r} κ {price}: {:?} {} gap {}", fit.status, fit.objective, fit.gap);
                assert_eq!(fit.status, Status::Converged, "{case}");
                assert!(fit.gap <= 1.1e-9 * fit.objective.abs().max(1e-6), "{case}");
                let value = |intercept: &[f64], coefficients: &[f64]| {
                    let model = LinearModel::new(
                        loss::parse(name).unwrap(),
                        intercept.to_vec(),
                        coefficients.to_vec(),
                    )
                    .unwrap();
                    let moves = perturbation.moves(&model, &examples).unwrap();
                    if moves.losses.iter().any(|loss| loss.is_infinite()) {
                        return (f64::INFINITY, moves);
                    }
                    let mut p = vec![0.0; examples.len()];
                    (risk.of(&moves.losses, examples.weights(), &mut p).unwrap().value, moves)
                };
                let (here, moves) = value(&fit.intercept, &fit.coefficients);
                assert!((here - fit.objective).abs() <= 1e-10 * here.abs().max(1e-3), "{case}: {here}");
                for (a, b) in moves.losses.iter().zip(&fit.losses) {
                    assert!((a - b).abs() <= 1e-9 * (1.0 + a.abs()), "{case}: {a} {b}");
                }
                let smooth_enough = |i: usize| {
                    (moves.distances[i] - fit.distances[i]).abs() <= 1e-6 * (1.0 + fit.distances[i])
                };
                // One on a corner has two worst places.
                let apart = (0..60).filter(|i| !smooth_enough(*i)).count();
                assert!(apart <= 4, "{case}: {apart}");
                let mut rng = Rng::new(3);
                for _ in 0..30 {
                    let far = 10f64.powf(4.0 * rng.uniform() - 4.0);
                    let intercept = [fit.intercept[0] + far * rng.normal()];
                    let coefficients: Vec<f64> =
                        fit.coefficients.iter().map(|c| c + far * rng.normal()).collect();
                    let other = value(&intercept, &coefficients).0;
                    assert!(other >= fit.lower_bound - 1e-12 * other.abs(), "{case}: {other}");
                }
            }
        }
    }
}

/// The mean of κ r²/(κ − ‖θ‖²): the least mean square on each sphere, by normal equations with a multiplier, and the best
/// radius of these.
#[test]
fn squared_losses_have_a_formula() {
    let examples = data("squared", 50, [1.0, 1.0], 21);
    let n = examples.len() as f64;
    // Centred, since the intercept takes the means.
    let mean = |of: &dyn Fn(usize) -> f64| (0..examples.len()).map(of).sum::<f64>() / n;
    let x = |i: usize, j: usize| examples.row(i)[j];
    let y = |i: usize| examples.labels()[i];
    let (m0, m1, my) = (mean(&|i| x(i, 0)), mean(&|i| x(i, 1)), mean(&y));
    let s00 = mean(&|i| (x(i, 0) - m0).powi(2));
    let s11 = mean(&|i| (x(i, 1) - m1).powi(2));
    let s01 = mean(&|i| (x(i, 0) - m0) * (x(i, 1) - m1));
    let (b0, b1) = (mean(&|i| (x(i, 0) - m0) * (y(i) - my)), mean(&|i| (x(i, 1) - m1) * (y(i) - my)));
    let yy = mean(&|i| (y(i) - my).powi(2));
    for price in [0.05, 0.5, 2.0, 50.0] {
        let value = |log: f64| {
            let ridge = log.exp();
            let determinant = (s00 + ridge) * (s11 + ridge) - s01 * s01;
            let t0 = ((s11 + ridge) * b0 - s01 * b1) / determinant;
            let t1 = ((s00 + ridge) * b1 - s01 * b0) / determinant;
            let v = t0 * t0 + t1 * t1;
            let square = yy - 2.0 * (t0 * b0 + t1 * b1) + s00 * t0 * t0 + 2.0 * s01 * t0 * t1 + s11 * t1 * t1;
            if v < price { price * square / (price - v) } else { f64::INFINITY }
        };
        // One minimum in the multiplier.
        let (mut low, mut high) = (-20.0, 20.0);
        for _ in 0..300 {
            let (a, b) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
            if value(a) <= value(b) && value(a).is_finite() { high = b } else { low = a }
        }
        let fit = moved_mean(&examples, "squared", price);
        let exact = value(low);
        assert!((fit.objective - exact).abs() < 2e-9 * exact, "{price}: {} {exact}", fit.objective);
        assert!(fit.coefficients.iter().map(|c| c * c).sum::<f64>() < price);
    }
}

/// |r| + ‖θ‖²/4κ is an ordinary fit with a penalty on squares, whatever the risk, if it changes by what all losses do.
#[test]
fn absolute_losses_are_penalised() {
    for scale in [[1.0, 1.0], [30.0, 0.02]] {
        let examples = data("absolute", 70, scale, 31);
        for risk in &risks() {
            for price in [0.3, 5.0] {
                let perturbation = Perturbation::new(price).unwrap();
                let moved = fitted(&examples, "absolute", risk, Options::default(), Some(&perturbation));
                let options = Options { l2: 0.25 / price, ..Options::default() };
                let plain = fitted(&examples, "absolute", risk, options, None);
                assert!(moved.status.is_converged() && plain.status.is_converged());
                assert!(
                    (moved.objective - plain.objective).abs() < 2e-9 * plain.objective,
                    "{price} {risk:?}: {} {}",
                    moved.objective,
                    plain.objective
                );
            }
        }
    }
}

/// Hinges: the mean of (1 − yu + ‖θ‖²/4κ)₊, by Clarabel's method of interior points.
#[test]
fn hinges_are_a_quadratic_program() {
    use clarabel::algebra::CscMatrix;
    use clarabel::solver::{DefaultSettingsBuilder, DefaultSolver, IPSolver, SupportedConeT};
    let examples = data("hinge", 40, [1.0, 1.0], 41);
    let n = examples.len();
    for price in [0.1, 2.0] {
        // Variables: θ₀, θ, w ≥ ‖θ‖²/4κ, losses. Rows: losses ≥ 0, losses ≥ 1 − yu + w, and a cone.
        let (mut i, mut j, mut v, mut b) = (vec![], vec![], vec![], vec![]);
        let mut put = |row: usize, column: usize, value: f64| {
            i.push(row);
            j.push(column);
            v.push(value);
        };
        for e in 0..n {
            put(e, 4 + e, -1.0);
            b.push(0.0);
        }
        for e in 0..n {
            let y = examples.labels()[e];
            put(n + e, 4 + e, -1.0);
            put(n + e, 3, 1.0);
            put(n + e, 0, -y);
            put(n + e, 1, -y * examples.row(e)[0]);
            put(n + e, 2, -y * examples.row(e)[1]);
            b.push(-1.0);
        }
        // ‖(2θ, 4κw − 1)‖ ≤ 4κw + 1.
        for (k, (column, factor, right)) in
            [(3, -4.0 * price, 1.0), (3, -4.0 * price, -1.0), (1, -2.0, 0.0), (2, -2.0, 0.0)]
                .into_iter()
                .enumerate()
        {
            put(2 * n + k, column, factor);
            b.push(right);
        }
        let a = CscMatrix::new_from_triplets(2 * n + 4, 4 + n, i, j, v);
        let mut cost = vec![0.0; 4];
        cost.extend(vec![1.0 / n as f64; n]);
        let square = CscMatrix::zeros((4 + n, 4 + n));
        let cones = [SupportedConeT::NonnegativeConeT(2 * n), SupportedConeT::SecondOrderConeT(4)];
        let settings = DefaultSettingsBuilder::default().verbose(false).build().unwrap();
        let mut solver = DefaultSolver::new(&square, &cost, &a, &b, &cones, settings).unwrap();
        solver.solve();
        let exact = solver.solution.obj_val;
        let fit = moved_mean(&examples, "hinge", price);
        assert!((fit.objective - exact).abs() < 1e-7 * exact, "{price}: {} {exact}", fit.objective);
    }
}

/// At a price that nothing is worth the fit is the ordinary one; at any lower one the objective is larger.
#[test]
fn a_high_price_moves_nothing() {
    for name in LOSSES {
        let examples = data(name, 60, [1.0, 1.0], 51);
        for risk in &risks()[..4] {
            let plain = fitted(&examples, name, risk, Options::default(), None);
            let mut last = plain.objective;
            for price in [1e14, 1e3, 1.0, 0.1] {
                let fit = fitted(
                    &examples,
                    name,
                    risk,
                    Options::default(),
                    Some(&Perturbation::new(price).unwrap()),
                );
                assert!(fit.objective >= last * (1.0 - 3e-9), "{name} {price}: {} {last}", fit.objective);
                if price == 1e14 {
                    assert!((fit.objective - plain.objective).abs() < 3e-9 * plain.objective, "{name}");
                    assert!(fit.distances.iter().all(|d| *d < 1e-11));
                }
                last = fit.objective;
            }
        }
    }
}

/// Units: features in other units, with distances in those, are the same problem; a feature of unit 0 does not move.
#[test]
fn units_of_features() {
    for name in ["squared", "logistic", "quantile:0.3"] {
        let risk = Risk::new(divergence::parse("kl").unwrap(), Strength::Radius(0.2)).unwrap();
        let perturbation = Perturbation::new(0.7).unwrap();
        let fit =
            fitted(&data(name, 50, [1.0, 1.0], 61), name, &risk, Options::default(), Some(&perturbation));
        let scaled = perturbation.clone().in_units(vec![1e4, 1e-3]).unwrap();
        let other = fitted(&data(name, 50, [1e4, 1e-3], 61), name, &risk, Options::default(), Some(&scaled));
        assert!((fit.objective - other.objective).abs() < 3e-9 * fit.objective, "{name}");
        assert!((fit.coefficients[0] - 1e4 * other.coefficients[0]).abs() < 1e-3, "{name}");
        let fixed = perturbation.clone().in_units(vec![0.0, 0.0]).unwrap();
        let still = fitted(&data(name, 50, [1.0, 1.0], 61), name, &risk, Options::default(), Some(&fixed));
        let plain = fitted(&data(name, 50, [1.0, 1.0], 61), name, &risk, Options::default(), None);
        assert!((still.objective - plain.objective).abs() < 3e-9 * plain.objective, "{name}");
        assert!(still.distances.iter().all(|d| *d == 0.0));
    }
}

/// Paths, other starts and penalties of both kinds.
#[test]
fn paths_starts_and_penalties() {
    let examples = data("logistic", 80, [1.0, 1.0], 71);
    let risk = Risk::new(divergence::parse("kl").unwrap(), Strength::Penalty(1.0)).unwrap();
    for (price, options) in [
        (0.4, Options { l1: 0.02, l2: 0.01, ..Options::default() }),
        (0.02, Options { intercept: false, standardise: true, l2: 0.1, ..Options::default() }),
    ] {
        let perturbation = Perturbation::new(price).unwrap();
        let linear = |risk: Risk| {
            Linear::new(&examples, loss::parse("logistic").unwrap(), risk, options)
                .unwrap()
                .perturbed(&perturbation)
                .unwrap()
        };
        let strengths = [1.0, 0.2, 0.04].map(Strength::Penalty);
        let path = linear(risk.clone()).path(&strengths, &Precision::default(), &mut Silent).unwrap();
        for (strength, along) in strengths.iter().zip(&path) {
            let alone = linear(risk.with_strength(*strength).unwrap());
            let fit = alone.fit(&Precision::default(), &mut Silent).unwrap();
            assert!(
                fit.status.is_converged() && along.status.is_converged(),
                "{price} {strength:?} {:?}",
                fit.gap
            );
            assert!((fit.objective - along.objective).abs() < 2e-9 * fit.objective);
            let near = alone.fit_from((&[0.0], &[0.3, 0.3]), &Precision::default(), &mut Silent).unwrap();
            assert!((fit.objective - near.objective).abs() < 2e-9 * fit.objective);
        }
    }
}

/// Where ‖θ‖² comes to the edge beyond which slopes go to the ends together, the minimum can be on it.
#[test]
fn fits_on_the_edge() {
    for (name, square, first) in [("huber", 1.0, 1.3), ("smoothed-hinge:0.5", 0.5, 0.6)] {
        let mut rng = Rng::new(93);
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for _ in 0..31 {
            let row: Vec<f64> = (0..5).map(|_| rng.normal()).collect();
            let z = row.iter().sum::<f64>() + 0.3 * rng.normal();
            x.extend(row);
            y.push(if name.starts_with("huber") { z } else { (z + rng.normal()).signum() });
        }
        let examples = Examples::new(5, x, y).unwrap();
        let mut there = 0;
        for step in 0..70 {
            let price = first * 1.01_f64.powi(step);
            for risk in &risks()[..3] {
                let fit = fitted(
                    &examples,
                    name,
                    risk,
                    Options::default(),
                    Some(&Perturbation::new(price).unwrap()),
                );
                assert!(fit.status.is_converged(), "{name} {price} {risk:?}: {:?} {}", fit.status, fit.gap);
                let v: f64 = fit.coefficients.iter().map(|c| c * c).sum();
                there += u32::from((v / (2.0 * price) - square).abs() < 1e-6);
            }
        }
        assert!(there > 5, "{name}: {there}");
    }
}

/// Random problems of many sizes, units, prices and strengths.
#[test]
fn random_problems_are_certified() {
    let mut rng = Rng::new(101);
    for round in 0..400 {
        let name = LOSSES[round % LOSSES.len()];
        let d = 1 + (rng.uniform() * 5.0) as usize;
        let n = 20 * d + (rng.uniform() * 100.0) as usize;
        let units: Vec<f64> = (0..d).map(|_| 10f64.powf(4.0 * rng.uniform() - 2.0)).collect();
        let signs = loss::parse(name).unwrap().labels() == Labels::Sign;
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for _ in 0..n {
            let mut z = 0.3 + if rng.uniform() < 0.1 { 10.0 * rng.normal() } else { rng.normal() };
            for unit in &units {
                let g = rng.normal();
                z += g;
                x.push(unit * (g + 2.0));
            }
            y.push(if signs { z.signum() } else { z });
        }
        let examples = Examples::new(d, x, y).unwrap();
        let f = ["kl", "safe-kl:0.1", "chi2", "kl-cvar:0.2"][(rng.uniform() * 4.0) as usize];
        let size = 10f64.powf(1.5 * rng.uniform() - 1.0);
        let strength =
            if rng.uniform() < 0.5 { Strength::Penalty(size) } else { Strength::Radius(0.3 * size) };
        let risk = Risk::new(divergence::parse(f).unwrap(), strength).unwrap();
        let price = 10f64.powf(4.0 * rng.uniform() - 2.0);
        let perturbation = Perturbation::new(price).unwrap().in_units(units).unwrap();
        let options = Options {
            intercept: rng.uniform() < 0.8,
            l2: 0.02 * rng.uniform().round(),
            ..Options::default()
        };
        let fit = fitted(&examples, name, &risk, options, Some(&perturbation));
        assert!(
            fit.gap <= 1e-7 * fit.objective.abs(),
            "{round} {name} n {n} d {d} {f} {strength:?} κ {price}: {:?} {}",
            fit.status,
            fit.gap
        );
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let examples = data("squared", 20, [1.0, 1.0], 81);
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(Perturbation::new(bad).unwrap_err().to_string().contains("above 0"));
    }
    let perturbation = Perturbation::new(1.0).unwrap();
    assert!(perturbation.clone().in_units(vec![1.0, -1.0]).unwrap_err().to_string().contains("feature 2"));
    let linear = |name: &str| {
        Linear::new(&examples, loss::parse(name).unwrap(), Risk::mean(), Options::default()).unwrap()
    };
    let narrow = perturbation.clone().in_units(vec![1.0]).unwrap();
    assert!(linear("squared").perturbed(&narrow).unwrap_err().to_string().contains("one a feature"));
    let model = linear("squared").perturbed(&perturbation).unwrap();
    let message = model.passes(&Passes::default(), 1e-6, None, &mut Silent).unwrap_err().to_string();
    assert!(message.contains("Linear::fit"), "{message}");
    // Outside of where losses are finite.
    let message =
        model.fit_from((&[0.0], &[1.0, 1.0]), &Precision::default(), &mut Silent).unwrap_err().to_string();
    assert!(message.contains("coefficients"), "{message}");
    let counts = Examples::new(1, vec![1.0, 2.0], vec![1.0, 3.0]).unwrap();
    let model =
        Linear::new(&counts, loss::parse("poisson").unwrap(), Risk::mean(), Options::default()).unwrap();
    let message = model.perturbed(&perturbation).unwrap_err().to_string();
    assert!(message.contains("poisson") && message.contains("square"), "{message}");
}
