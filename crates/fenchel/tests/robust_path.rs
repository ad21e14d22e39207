//! Fits from elsewhere: from any coefficients, and along a path of strengths.

use fenchel::divergence;
use fenchel::measure::Rng;
use fenchel::optim::{Flow, Progress, Silent, Status};
use fenchel::robust::{Examples, Linear, Options, Precision, Risk, Strength, loss};

fn examples(n: usize) -> Examples {
    let mut rng = Rng::new(5);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for i in 0..n {
        let row = [rng.normal(), 1e4 * rng.exponential(), 1e-3 * rng.normal()];
        let gross = if i % 40 == 0 { 20.0 * rng.exponential() } else { 0.0 };
        y.push(row[0] - 1e-4 * row[1] + 500.0 * row[2] + rng.normal() + gross);
        x.extend(row);
    }
    Examples::new(3, x, y).unwrap()
}

fn model<'a>(examples: &'a Examples, loss: &str, divergence: &str, strength: Strength) -> Linear<'a> {
    let risk = Risk::new(divergence::parse(divergence).unwrap(), strength).unwrap();
    Linear::new(examples, loss::parse(loss).unwrap(), risk, Options::default()).unwrap()
}

#[test]
fn the_start_does_not_matter() {
    let examples = examples(400);
    let precision = Precision::default();
    for (loss, name, strength, tolerance) in [
        ("squared", "kl", Strength::Penalty(0.1), 1e-9),
        ("squared", "chi2", Strength::Radius(2.0), 1e-9),
        ("huber", "kl", Strength::Penalty(0.5), 1e-9),
        ("absolute", "cvar:0.1", Strength::Penalty(1.0), 1e-6),
    ] {
        let model = model(&examples, loss, name, strength);
        let precision = Precision { tolerance, ..precision };
        let fit = model.fit(&precision, &mut Silent).unwrap();
        assert!(fit.status.is_converged(), "{loss} {name}");
        let mut rng = Rng::new(6);
        for size in [1e-3, 1.0, 1e3, 1e6] {
            let start: Vec<f64> = (0..4).map(|_| size * rng.normal()).collect();
            let again = model.fit_from((&start[..1], &start[1..]), &precision, &mut Silent).unwrap();
            assert!(
                again.status.is_converged(),
                "{loss} {name} from {start:?}: {} gap {}",
                again.status,
                again.gap
            );
            let off = (again.objective - fit.objective).abs();
            assert!(off <= 2.0 * tolerance * fit.objective, "{loss} {name} from {start:?}: {off}");
        }
    }
}

#[test]
fn starting_at_the_answer_takes_no_time() {
    let examples = examples(400);
    let model = model(&examples, "squared", "kl", Strength::Penalty(0.5));
    let fit = model.fit(&Precision::default(), &mut Silent).unwrap();
    let near = model
        .path(&[Strength::Penalty(0.5), Strength::Penalty(0.5)], &Precision::default(), &mut Silent)
        .unwrap();
    assert_eq!(near[0].objective, fit.objective);
    assert!(near[1].iterations <= 3 && fit.iterations > 5, "{} {}", near[1].iterations, fit.iterations);
}

#[test]
fn a_path_is_its_fits() {
    let examples = examples(300);
    for (loss, name, tolerance) in
        [("squared", "kl", 1e-9), ("absolute", "chi2", 1e-6), ("squared", "hyperbolic", 1e-9)]
    {
        let precision = Precision { tolerance, ..Precision::default() };
        for strengths in [
            [100.0, 10.0, 1.0, 0.1].map(Strength::Penalty),
            [0.1, 1.0, 10.0, 100.0].map(Strength::Penalty),
            [1e-3, 0.1, 0.5, 2.0].map(Strength::Radius),
            [2.0, 0.5, 0.1, 0.0].map(Strength::Radius),
        ] {
            let whole = model(&examples, loss, name, strengths[0]);
            let path = whole.path(&strengths, &precision, &mut Silent).unwrap();
            assert_eq!(path.len(), 4);
            for (fit, strength) in path.iter().zip(strengths) {
                let alone = model(&examples, loss, name, strength).fit(&precision, &mut Silent).unwrap();
                assert!(
                    fit.status.is_converged(),
                    "{loss} {name} {strength:?}: {} gap {}",
                    fit.status,
                    fit.gap
                );
                let off = (fit.objective - alone.objective).abs();
                assert!(off <= 2.0 * tolerance * alone.objective, "{loss} {name} {strength:?}: {off}");
            }
        }
    }
}

#[test]
fn a_path_that_is_stopped_says_so() {
    let examples = examples(200);
    let model = model(&examples, "squared", "kl", Strength::Penalty(1.0));
    let strengths = [10.0, 1.0, 0.1].map(Strength::Penalty);
    let mut calls = 0;
    let mut observer = |_: &Progress<'_>| {
        calls += 1;
        if calls > 12 { Flow::Stop } else { Flow::Continue }
    };
    let path = model.path(&strengths, &Precision::default(), &mut observer).unwrap();
    assert!(path.len() < 3 || path[2].status == Status::Interrupted);
    assert_eq!(path.last().unwrap().status, Status::Interrupted);
    assert!(path.last().unwrap().objective.is_finite());
}

#[test]
fn starts_that_make_no_sense() {
    let examples = examples(50);
    let model = model(&examples, "squared", "kl", Strength::Penalty(1.0));
    let says = |intercept: &[f64], coefficients: &[f64]| {
        model.fit_from((intercept, coefficients), &Precision::default(), &mut Silent).unwrap_err().to_string()
    };
    assert!(says(&[], &[0.0; 3]).contains("intercept"));
    assert!(says(&[0.0], &[0.0; 2]).contains("coefficients"));
    assert!(says(&[f64::NAN], &[0.0; 3]).contains("intercept"));
    assert!(says(&[0.0], &[1e200, 0.0, 0.0]).contains("out of range"));
    let bad = model.path(&[Strength::Penalty(-1.0)], &Precision::default(), &mut Silent).unwrap_err();
    assert!(bad.to_string().contains("lambda"));
}

#[test]
fn the_observer_sees_how_much_of_a_path_is_done() {
    let examples = examples(200);
    let model = model(&examples, "squared", "kl", Strength::Radius(1.0));
    let radii = [0.01, 0.1, 1.0, 3.0].map(Strength::Radius);
    let mut seen = Vec::new();
    let mut note = |progress: &Progress<'_>| {
        seen.push(progress.fraction);
        Flow::Continue
    };
    let precision = Precision { max_seconds: None, ..Precision::default() };
    let fits = model.path(&radii, &precision, &mut note).unwrap();
    assert_eq!(fits.len(), 4);
    seen.dedup();
    assert_eq!(seen, [0.0, 0.25, 0.5, 0.75]);
}
