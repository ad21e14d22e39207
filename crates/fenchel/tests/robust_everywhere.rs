//! Exact fits of every loss under every risk, on data that are hard: heavy tails, features of any size, strengths at which a
//! handful of examples decide. What is asserted is the certificate, which holds by itself.

use fenchel::divergence;
use fenchel::measure::Rng;
use fenchel::optim::{Flow, Progress, Silent, Status};
use fenchel::robust::loss::{self, Labels, Loss};
use fenchel::robust::{Examples, Fit, Linear, Options, Precision, Risk, Strength};
use std::sync::Arc;

/// Features of sizes 10^size with heavy tails and correlation, labels for the loss, with gross errors.
fn table(loss: &dyn Loss, seed: u64, n: usize, sizes: [i32; 3]) -> Examples {
    let mut rng = Rng::new(seed);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for i in 0..n {
        let common = rng.normal();
        let row = [common, 0.9 * common + 0.1 * rng.normal(), rng.normal() / (0.05 + rng.uniform())];
        let score = 0.5 * row[0] - row[1] + 0.1 * row[2];
        let gross = if i % 50 == 0 { 30.0 * rng.exponential() } else { 0.0 };
        let noisy = score + rng.normal() + gross;
        y.push(match loss.labels() {
            Labels::Sign => {
                if noisy > 0.2 {
                    1.0
                } else {
                    -1.0
                }
            }
            Labels::Class => {
                if noisy < -0.5 {
                    0.0
                } else if noisy < 0.8 {
                    1.0
                } else {
                    2.0
                }
            }
            Labels::Count => (score.clamp(-3.0, 3.0).exp() * rng.exponential() + gross).floor(),
            _ => noisy,
        });
        x.extend(row.iter().zip(sizes).map(|(x, size)| (x + 3.0) * 10f64.powi(size)));
    }
    Examples::new(3, x, y).unwrap()
}

fn losses() -> Vec<Arc<dyn Loss>> {
    let named = loss::registry().iter().map(|entry| loss::parse(entry.name).unwrap());
    named.map(|loss| loss.for_classes(3).unwrap_or(loss)).collect()
}

fn fitted(examples: &Examples, loss: &Arc<dyn Loss>, risk: &Risk, options: Options, tolerance: f64) -> Fit {
    let model = Linear::new(examples, loss.clone(), risk.clone(), options).unwrap();
    let fit = model.fit(&Precision { tolerance, ..Precision::default() }, &mut Silent).unwrap();
    let case = format!("{} {:?} {:?}", loss.name(), risk.divergence(), risk.strength());
    assert!(fit.status.is_converged(), "{case}: {} gap {} after {}", fit.objective, fit.gap, fit.iterations);
    assert!(fit.gap <= tolerance * fit.objective.abs(), "{case}: {} gap {}", fit.objective, fit.gap);
    assert!(fit.gap >= -1e-12 * fit.objective.abs(), "{case}: {} gap {}", fit.objective, fit.gap);
    assert!((fit.weights.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{case}");
    fit
}

/// Smooth risks and smooth losses, from nearly the mean to nearly the largest loss.
#[test]
fn smooth_fits_are_exact() {
    for loss in losses().into_iter().filter(|loss| loss.is_smooth()) {
        let examples = table(&*loss, 1, 300, [0; 3]);
        let mean = fitted(&examples, &loss, &Risk::mean(), Options::default(), 1e-9);
        for name in ["kl", "chi2", "tsallis:1.5", "hyperbolic", "safe-kl-centered:0.001", "marginal-moments"]
        {
            let f = divergence::parse(name).unwrap();
            for share in [100.0, 1.0, 0.03, 1e-3] {
                let risk = Risk::new(f.clone(), Strength::Penalty(share * mean.mean_loss)).unwrap();
                fitted(&examples, &loss, &risk, Options::default(), 1e-9);
            }
            for radius in [1e-3, 0.3] {
                let risk = Risk::new(f.clone(), Strength::Radius(radius)).unwrap();
                fitted(&examples, &loss, &risk, Options::default(), 1e-9);
            }
        }
    }
}

/// Corners in the loss, the risk, the penalty, and all of them.
#[test]
fn fits_with_corners_are_exact() {
    for loss in losses() {
        let examples = table(&*loss, 2, 200, [0; 3]);
        for (l1, l2) in [(0.0, 0.0), (0.03, 0.0), (0.01, 0.02)] {
            for name in ["cvar:0.05", "cvar:0.5", "none", "kl"] {
                let smooth = loss.is_smooth() && name == "kl" && l1 == 0.0;
                if smooth || (name == "none" && loss.labels() != Labels::Real && l1 + l2 == 0.0) {
                    continue;
                }
                let risk = Risk::new(divergence::parse(name).unwrap(), Strength::Penalty(1.0)).unwrap();
                fitted(&examples, &loss, &risk, Options { l1, l2, ..Options::default() }, 1e-6);
            }
        }
    }
}

/// A change of units changes nothing but the units.
#[test]
fn features_of_any_size() {
    for loss in losses().into_iter().filter(|loss| loss.is_smooth()) {
        let risk = Risk::new(divergence::parse("kl").unwrap(), Strength::Penalty(0.3)).unwrap();
        let plain = fitted(&table(&*loss, 3, 200, [0; 3]), &loss, &risk, Options::default(), 1e-9);
        let sizes = [6, -6, 100];
        let scaled = fitted(&table(&*loss, 3, 200, sizes), &loss, &risk, Options::default(), 1e-9);
        assert!((plain.objective - scaled.objective).abs() <= 3e-9 * plain.objective, "{}", loss.name());
    }
}

/// The largest loss ten thousand times the mean, λ a thousandth of it.
#[test]
fn one_outlier_among_many() {
    let mut rng = Rng::new(4);
    let n = 2000;
    let x: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
    let mut y: Vec<f64> = x.iter().map(|x| x + 0.1 * rng.normal()).collect();
    y[7] = 30.0;
    let examples = Examples::new(1, x, y).unwrap();
    let loss = loss::parse("squared").unwrap();
    let mean = fitted(&examples, &loss, &Risk::mean(), Options::default(), 1e-9);
    assert!(mean.losses[7] > 1e3 * mean.mean_loss);
    for name in ["kl", "chi2"] {
        let risk =
            Risk::new(divergence::parse(name).unwrap(), Strength::Penalty(1e-3 * mean.mean_loss)).unwrap();
        let fit = fitted(&examples, &loss, &risk, Options::default(), 1e-9);
        assert!(fit.effective_sample_size < 20.0, "{}", fit.effective_sample_size);
    }
}

/// More features than examples, copies of a feature, constant ones: the fit is one of many, its certificate as good.
#[test]
fn features_that_say_too_much() {
    let mut rng = Rng::new(5);
    let loss = loss::parse("squared").unwrap();
    let x: Vec<f64> = (0..60)
        .flat_map(|_| {
            let a = rng.normal();
            [a, 2.0 * a, 7.0, rng.normal()]
        })
        .collect();
    let y: Vec<f64> = (0..60).map(|_| rng.normal()).collect();
    let examples = Examples::new(4, x, y).unwrap();
    let risk = Risk::new(divergence::parse("kl").unwrap(), Strength::Penalty(0.5)).unwrap();
    let fit = fitted(&examples, &loss, &risk, Options::default(), 1e-9);
    assert_eq!(fit.coefficients[2], 0.0);
    let wide: Vec<f64> = (0..20 * 30).map(|_| rng.normal()).collect();
    let y: Vec<f64> = (0..20).map(|_| rng.normal()).collect();
    let examples = Examples::new(30, wide, y).unwrap();
    let ridge = Options { l2: 1e-3, ..Options::default() };
    fitted(&examples, &loss, &risk, ridge, 1e-9);
}

#[test]
fn bad_input_is_named() {
    let says = |outcome: fenchel::Result<Examples>| outcome.unwrap_err().to_string();
    assert!(says(Examples::new(2, vec![1.0; 4], vec![])).contains("labels"));
    assert!(says(Examples::new(2, vec![1.0; 5], vec![0.0; 2])).contains("2 × 2 numbers"));
    assert!(says(Examples::new(2, vec![1.0, 1.0, f64::NAN, 1.0], vec![0.0; 2])).contains("row 2, column 1"));
    assert!(says(Examples::new(1, vec![1.0; 2], vec![0.0, f64::INFINITY])).contains("row 2"));
    let examples = |y: Vec<f64>| Examples::new(1, vec![1.0; y.len()], y).unwrap();
    assert!(says(examples(vec![1.0; 2]).weighted(vec![1.0, -1.0])).contains("weights[1]"));
    let refused = |name: &str, y: Vec<f64>, options: Options| {
        let examples = examples(y);
        Linear::new(&examples, loss::parse(name).unwrap(), Risk::mean(), options).unwrap_err().to_string()
    };
    let plain = Options::default();
    assert!(refused("logistic", vec![1.0, -1.0, 2.0], plain).contains("row 3 for logistic"));
    assert!(refused("hinge", vec![1.0, 1.0], plain).contains("at least two classes"));
    assert!(refused("multinomial", vec![0.0, 1.5], plain).contains("row 2"));
    assert!(refused("poisson", vec![0.0, -1.0], plain).contains("at least 0"));
    assert!(refused("squared", vec![0.0, 1.0], Options { l2: -1.0, ..plain }).contains("l2"));
    let none = Examples::new(0, vec![], vec![1.0, 2.0]).unwrap();
    let loss = loss::parse("squared").unwrap();
    let bare = Options { intercept: false, ..plain };
    assert!(Linear::new(&none, loss.clone(), Risk::mean(), bare).is_err());
    // A constant alone is the mean.
    let model = Linear::new(&none, loss.clone(), Risk::mean(), plain).unwrap();
    let fit = model.fit(&Precision::default(), &mut Silent).unwrap();
    assert!((fit.intercept[0] - 1.5).abs() < 1e-12 && fit.coefficients.is_empty());
    // Labels whose squares are out of range.
    let far = examples(vec![1e200, 0.0]);
    let model = Linear::new(&far, loss, Risk::mean(), plain).unwrap();
    assert!(model.fit(&Precision::default(), &mut Silent).unwrap_err().to_string().contains("too large"));
}

/// An observer that stops, and no time: what there is comes back, and says so.
#[test]
fn fits_can_be_stopped() {
    let loss = loss::parse("squared").unwrap();
    let examples = table(&*loss, 6, 300, [0; 3]);
    let risk = Risk::new(divergence::parse("kl").unwrap(), Strength::Penalty(0.05)).unwrap();
    let model = Linear::new(&examples, loss, risk, Options::default()).unwrap();
    let mut asked = 0;
    let mut stop = |_: &Progress<'_>| {
        asked += 1;
        if asked < 5 { Flow::Continue } else { Flow::Stop }
    };
    let fit = model.fit(&Precision::default(), &mut stop).unwrap();
    assert_eq!(fit.status, Status::Interrupted);
    assert!(fit.objective.is_finite() && fit.gap > 0.0);
    let hurried = Precision { max_seconds: Some(1e-9), ..Precision::default() };
    assert_eq!(model.fit(&hurried, &mut Silent).unwrap().status, Status::MaxTime);
}

/// An example without weight is as if it were not there, whatever its label.
#[test]
fn examples_without_weight_do_not_count() {
    for (name, label) in [("squared", 1e150), ("absolute", -1e300), ("poisson", 1e200)] {
        let loss = loss::parse(name).unwrap();
        let some = table(&*loss, 7, 100, [0; 3]);
        let (mut x, mut y) = (some.features().to_vec(), some.labels().to_vec());
        x.extend([5.0, 5.0, 5.0]);
        y.push(label);
        let mut weights = vec![1.0; 100];
        weights.push(0.0);
        let more = Examples::new(3, x, y).unwrap().weighted(weights).unwrap();
        for (risk, strength) in [
            ("kl", Strength::Penalty(0.5)),
            ("kl", Strength::Radius(0.2)),
            ("cvar:0.1", Strength::Penalty(1.0)),
        ] {
            let risk = Risk::new(divergence::parse(risk).unwrap(), strength).unwrap();
            let plain = fitted(&some, &loss, &risk, Options::default(), 1e-6);
            let with = fitted(&more, &loss, &risk, Options::default(), 1e-6);
            assert!((plain.objective - with.objective).abs() <= 3e-6 * plain.objective, "{name}");
            assert_eq!(with.weights[100], 0.0);
        }
    }
}

/// Two classes that a line parts: coefficients grow without end and the losses fall to nothing, which is certified.
#[test]
fn classes_that_can_be_parted() {
    let x: Vec<f64> = (0..20).map(|i| f64::from(i) - 9.5).collect();
    let y = x.iter().map(|x| x.signum()).collect();
    let examples = Examples::new(1, x, y).unwrap();
    for name in ["logistic", "smoothed-hinge"] {
        for risk in
            [Risk::mean(), Risk::new(divergence::parse("kl").unwrap(), Strength::Radius(0.2)).unwrap()]
        {
            let loss = loss::parse(name).unwrap();
            let model = Linear::new(&examples, loss, risk, Options::default()).unwrap();
            let fit = model.fit(&Precision::default(), &mut Silent).unwrap();
            assert!(
                fit.status.is_converged() && fit.lower_bound == 0.0,
                "{name}: {} {}",
                fit.status,
                fit.gap
            );
            assert!(fit.objective < 1e-9, "{name}: {}", fit.objective);
        }
    }
}
