//! Stochastic gradient methods: what they estimate, where they end, and that no step size breaks them.

use fenchel::divergence;
use fenchel::measure::Rng;
use fenchel::optim::{Flow, Progress, Silent, Status};
use fenchel::robust::{Examples, Linear, Method, Options, Precision, Risk, Sgd, Strength, loss};

fn examples(n: usize) -> Examples {
    let mut rng = Rng::new(9);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let row = [rng.normal(), rng.exponential()];
        y.push(row[0] - 0.5 * row[1] + 0.5 * rng.normal() + if rng.uniform() < 0.03 { 3.0 } else { 0.0 });
        x.extend(row);
    }
    Examples::new(2, x, y).unwrap()
}

fn model<'a>(examples: &'a Examples, loss: &str, divergence: &str, strength: Strength) -> Linear<'a> {
    let risk = Risk::new(divergence::parse(divergence).unwrap(), strength).unwrap();
    Linear::new(examples, loss::parse(loss).unwrap(), risk, Options::default()).unwrap()
}

/// Untuned, the joint form comes near the exact optimum for every divergence that has one, penalised or within a radius.
#[test]
fn joint_training_ends_near_the_optimum() {
    let examples = examples(1000);
    for (name, strength) in [
        ("kl", Strength::Penalty(1.0)),
        ("kl", Strength::Radius(0.1)),
        ("chi2", Strength::Penalty(1.0)),
        ("hyperbolic", Strength::Penalty(1.0)),
        ("tsallis:1.5", Strength::Penalty(1.0)),
        ("safe-kl-centered:0.01", Strength::Penalty(1.0)),
        ("cvar:0.2", Strength::Penalty(1.0)),
    ] {
        let model = model(&examples, "squared", name, strength);
        let exact = model.fit(&Precision { tolerance: 1e-6, ..Precision::default() }, &mut Silent).unwrap();
        let settings = Sgd { batch: 20, averaging: true, ..Sgd::default() };
        let trained = model.sgd(&settings, 0.05, None, &mut Silent).unwrap();
        let off = trained.fit.objective / exact.objective - 1.0;
        assert!((-1e-6..0.05).contains(&off), "{name} {strength:?}: {off}, step {:?}", trained.step);
        assert!(trained.fit.lower_bound <= exact.objective * (1.0 + 1e-9), "{name}");
        assert_eq!(trained.history.len(), 51);
    }
}

/// Heavy tails and a small λ: a few examples decide, and the way down leads over heights. Steps have to grow to get anywhere. The
/// bound is good wherever it ends.
#[test]
fn steps_grow_where_trials_were_short_sighted() {
    let mut rng = Rng::new(4);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for _ in 0..4000 {
        // Student's t with 3 degrees of freedom.
        let spread = (0..3).map(|_| rng.normal().powi(2)).sum::<f64>() / 3.0;
        let row = [rng.normal(), rng.normal() / spread.sqrt()];
        y.push(2.0 + row[0] - 0.1 * row[1] + 0.5 * rng.exponential());
        x.extend(row);
    }
    let examples = Examples::new(2, x, y).unwrap();
    let model = model(&examples, "squared", "kl", Strength::Penalty(1.0));
    let exact = model.fit(&Precision::default(), &mut Silent).unwrap().objective;
    let mut near = 0;
    for batch in [10, 100, 1000] {
        for seed in 0..3 {
            let settings = Sgd { batch, seed, ..Sgd::default() };
            let trained = model.sgd(&settings, 1e-6, None, &mut Silent).unwrap();
            let off = trained.fit.objective / exact - 1.0;
            let case = format!("batch {batch}, seed {seed}: {off}, {:?}", trained.history);
            assert!(off < 0.5, "{case}");
            near += u32::from(off < 0.1);
            let bound = trained.fit.lower_bound / exact;
            assert!((0.999..1.0 + 1e-9).contains(&bound), "{bound} {case}");
        }
    }
    assert!(near >= 6, "{near} of 9");
}

/// Labels far from 0: losses at the start are thousands of λ, and most of that is one coefficient.
#[test]
fn labels_far_from_zero() {
    let mut rng = Rng::new(5);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for _ in 0..4000 {
        let row = [rng.normal(), 5.0 + 3.0 * rng.normal()];
        y.push(1000.0 + 3.0 * row[0] - row[1] + 10.0 * rng.normal());
        x.extend(row);
    }
    let examples = Examples::new(2, x, y).unwrap();
    for lambda in [300.0, 1e4] {
        let model = model(&examples, "squared", "kl", Strength::Penalty(lambda));
        let exact = model.fit(&Precision::default(), &mut Silent).unwrap().objective;
        for batch in [10, 100, 1000] {
            let settings = Sgd { batch, ..Sgd::default() };
            let trained = model.sgd(&settings, 1e-6, None, &mut Silent).unwrap();
            let off = trained.fit.objective / exact - 1.0;
            assert!(off < 1e-3, "λ {lambda}, batch {batch}: {off}, {:?}", trained.history);
            let bound = trained.fit.lower_bound / exact;
            assert!((1.0 - 1e-6..1.0 + 1e-9).contains(&bound), "{bound}");
        }
    }
}

/// A loss whose slopes do not grow with it needs steps as large as its labels: far above 1, or far below.
#[test]
fn steps_of_any_size_are_found() {
    let small = examples(1000);
    for unit in [1e-6, 1.0, 1e6] {
        let labels = small.labels().iter().map(|y| unit * y).collect();
        let table = Examples::new(2, small.features().to_vec(), labels).unwrap();
        let model = model(&table, "absolute", "kl", Strength::Penalty(unit));
        let exact =
            model.fit(&Precision { tolerance: 1e-6, ..Precision::default() }, &mut Silent).unwrap().objective;
        for method in [Method::Joint, Method::BatchWeights] {
            let settings = Sgd { method, batch: 50, ..Sgd::default() };
            let trained = model.sgd(&settings, 1e-6, None, &mut Silent).unwrap();
            let off = trained.fit.objective / exact - 1.0;
            let step = trained.step.unwrap() / unit;
            assert!(off < 2e-3 && (1e-4..10.0).contains(&step), "{unit} {method:?}: {off}, {step}");
        }
    }
}

/// Small batches weighed by themselves underestimate the risk, and the models differ; batches of everything do not.
#[test]
fn batch_weights_are_biased_and_levels_correct_them() {
    let examples = examples(1000);
    let model = model(&examples, "squared", "kl", Strength::Penalty(0.5));
    let exact = model.fit(&Precision::default(), &mut Silent).unwrap().objective;
    let end = |method, batch| {
        let settings = Sgd { method, batch, averaging: true, epochs: 200, ..Sgd::default() };
        model.sgd(&settings, 1e-2, None, &mut Silent).unwrap().fit.objective / exact - 1.0
    };
    let (small, large) = (end(Method::BatchWeights, 5), end(Method::BatchWeights, 1000));
    assert!(small > 0.02 && large < 0.01, "{small} {large}");
    let levels = end(Method::Multilevel, 5);
    assert!(levels < 0.5 * small, "{levels} {small}");
}

/// Any step size ends with finite numbers and a status that is right.
#[test]
fn no_step_size_breaks_anything() {
    let examples = examples(200);
    for method in Method::ALL {
        for (loss, lambda) in [("squared", 1.0), ("squared", 0.01), ("logistic", 0.1)] {
            let labels = examples.labels().iter().map(|y| if *y > 0.0 { 1.0 } else { -1.0 }).collect();
            let signs = Examples::new(2, examples.features().to_vec(), labels).unwrap();
            let table = if loss == "logistic" { &signs } else { &examples };
            let model = model(table, loss, "kl", Strength::Penalty(lambda));
            for power in -12..=12 {
                let settings = Sgd {
                    method,
                    batch: 10,
                    epochs: 3,
                    step: Some(10f64.powi(power)),
                    rho: Some(1e-3).filter(|_| method == Method::Joint),
                    ..Sgd::default()
                };
                let trained = model.sgd(&settings, 1e-2, None, &mut Silent).unwrap();
                let fit = &trained.fit;
                let case = format!("{method:?} {loss} {lambda} 1e{power}: {}", fit.status);
                assert!(fit.coefficients.iter().chain(&fit.intercept).all(|c| c.is_finite()), "{case}");
                assert!(
                    fit.objective.is_finite() && fit.gap >= -1e-9 * fit.objective.abs(),
                    "{case} {}",
                    fit.objective
                );
                assert_ne!(fit.status, Status::Interrupted, "{case}");
                assert_eq!(trained.step, Some(10f64.powi(power)));
                if fit.status == Status::Converged {
                    assert!(fit.gap <= 1e-2 * fit.objective, "{case}");
                }
            }
        }
    }
}

/// The sum of exponentials overflows where the joint form with safe KL does not.
#[test]
fn overflow_is_counted() {
    let examples = examples(300);
    let model = model(&examples, "squared", "kl", Strength::Penalty(0.01));
    let train = |method| {
        let settings = Sgd { method, batch: 10, epochs: 2, step: Some(1e-6), ..Sgd::default() };
        model.sgd(&settings, 1e-2, None, &mut Silent).unwrap()
    };
    let sum = train(Method::SumOfExponentials);
    assert!(sum.overflows > 0, "{:?}", sum.history);
    let joint = train(Method::Joint);
    assert_eq!(joint.overflows, 0);
    assert!(joint.rho == Some(1e-3) && joint.rho_bias.unwrap() >= 0.0);
}

#[test]
fn the_same_seed_gives_the_same_model() {
    let examples = examples(300);
    let model = model(&examples, "squared", "kl", Strength::Penalty(1.0));
    let train =
        |seed| model.sgd(&Sgd { seed, epochs: 3, ..Sgd::default() }, 1e-2, None, &mut Silent).unwrap();
    let (one, again, other) = (train(1), train(1), train(2));
    assert_eq!((one.history.clone(), one.fit.coefficients.clone()), (again.history, again.fit.coefficients));
    assert_ne!(one.history, other.history);
}

#[test]
fn settings_and_risks_that_make_no_sense() {
    let examples = examples(30);
    let says = |name: &str, strength, settings: Sgd| {
        let model = model(&examples, "squared", name, strength);
        model.sgd(&settings, 1e-2, None, &mut Silent).unwrap_err().to_string()
    };
    let (penalty, sgd) = (Strength::Penalty(1.0), Sgd::default());
    assert!(says("kl", penalty, Sgd { batch: 0, ..sgd }).contains("batch"));
    assert!(says("kl", penalty, Sgd { step: Some(-1.0), ..sgd }).contains("step"));
    assert!(says("kl", penalty, Sgd { rho: Some(1.5), ..sgd }).contains("rho"));
    assert!(says("kl", penalty, Sgd { momentum: 1.0, ..sgd }).contains("momentum"));
    assert!(says("kl", penalty, Sgd { alpha: Some(f64::NAN), ..sgd }).contains("alpha"));
    for seconds in [-1.0, f64::NAN] {
        assert!(says("kl", penalty, Sgd { max_seconds: Some(seconds), ..sgd }).contains("max_seconds"));
    }
    assert!(says("none", penalty, sgd).contains("none"));
    let exponentials = Sgd { method: Method::SumOfExponentials, ..sgd };
    assert!(says("chi2", penalty, exponentials).contains("kl with a penalty"));
    assert!(says("kl", Strength::Radius(0.1), exponentials).contains("kl with a penalty"));
}

#[test]
fn training_can_be_stopped() {
    let examples = examples(300);
    let model = model(&examples, "squared", "kl", Strength::Penalty(1.0));
    let mut calls = 0;
    let mut observer = |progress: &Progress<'_>| {
        calls += 1;
        assert!((0.0..=1.0).contains(&progress.fraction));
        if calls > 10 { Flow::Stop } else { Flow::Continue }
    };
    let trained = model.sgd(&Sgd { batch: 10, ..Sgd::default() }, 1e-9, None, &mut observer).unwrap();
    assert_eq!(trained.fit.status, Status::Interrupted);
    assert!(trained.fit.objective.is_finite());
}

/// Time ends trials and passes; what there is by then is a model with a bound.
#[test]
fn time_ends_training() {
    let examples = examples(2000);
    let model = model(&examples, "squared", "kl", Strength::Penalty(1.0));
    for step in [None, Some(1e-4)] {
        let run = |seconds| {
            let settings =
                Sgd { batch: 10, epochs: u32::MAX, step, max_seconds: Some(seconds), ..Sgd::default() };
            model.sgd(&settings, 1e-300, None, &mut Silent).unwrap()
        };
        let (none, some) = (run(0.0), run(0.3));
        for trained in [&none, &some] {
            assert_eq!(trained.fit.status, Status::MaxTime);
            assert!(trained.fit.gap.is_finite() && trained.fit.gap >= 0.0, "{:?}", trained.fit.gap);
        }
        assert!(
            none.history.len() <= 2 && some.history.len() > 2,
            "{} {}",
            none.history.len(),
            some.history.len()
        );
        assert!(some.fit.objective < none.fit.objective && some.fit.seconds < 5.0, "{}", some.fit.seconds);
    }
}
