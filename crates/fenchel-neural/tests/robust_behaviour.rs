//! How runs end, what they never do, and how they are taken up again.

mod common;

use common::*;
use fenchel::optim::{Flow, Progress, Silent, Status};
use fenchel::robust::{Method, Risk, Strength, loss};
use fenchel_neural::network::{Mlp, parameters};
use fenchel_neural::optimiser::Rule;
use fenchel_neural::robust::{Checkpoint, Epoch, Examples, Robust, Settings, Trained, Transport, Watch};

fn mlp(seed: u64) -> Mlp {
    Mlp::new(2, &[8], 1, seed).unwrap()
}

/// Whatever the step, parameters and what is reported are numbers, and a run that is lost says so.
#[test]
fn no_step_leads_to_nan() {
    let examples = regression(60, 2, 1);
    let mut lost = 0;
    for power in (-6..=6).step_by(2) {
        for (method, lambda) in
            [(Method::Joint, 1.0), (Method::Joint, 1e-3), (Method::SumOfExponentials, 1e-3)]
        {
            for rule in [Rule::Sgd { momentum: 0.0 }, Rule::default(), Rule::ADAM] {
                let robust = squared(&examples, penalised("kl", lambda));
                let step = Some(10f64.powi(power));
                let settings = Settings {
                    method,
                    rule,
                    step,
                    batch: 7,
                    epochs: 3,
                    rho: Some(0.1),
                    ..Settings::default()
                };
                let trained = robust.train(mlp(1), &settings, &mut Silent).unwrap();
                let what = format!("{method:?} {lambda} {rule:?} {power}");
                assert!(parameters::read(&trained.network).iter().all(|x| x.is_finite()), "{what}");
                assert!(trained.objective.is_finite() && trained.threshold.is_finite(), "{what}");
                assert!(trained.history.iter().all(|epoch| !epoch.objective.is_nan()), "{what}");
                match trained.status {
                    Status::Diverged => {
                        assert_eq!(trained.history.last().unwrap().objective, f64::INFINITY, "{what}");
                    }
                    status => assert_eq!(status, Status::MaxIterations, "{what}"),
                }
                if method == Method::SumOfExponentials {
                    // e^{ℓ/0.001} is no number from ℓ = 0.71.
                    assert_eq!((trained.status, trained.overflows), (Status::Diverged, 1), "{what}");
                } else if power <= -4 {
                    assert_eq!((trained.status, trained.overflows), (Status::MaxIterations, 0), "{what}");
                } else {
                    lost += u32::from(trained.status == Status::Diverged);
                }
            }
        }
    }
    assert!(lost > 0, "no step was too large");
}

/// A step that is chosen here gets through where large ones are lost.
#[test]
fn chosen_steps_do_not_diverge() {
    let numbers = regression(100, 2, 2);
    for scale in [1e-3, 1.0, 1e3] {
        let y = numbers.labels().iter().map(|y| scale * y).collect();
        let examples = Examples::new(2, numbers.features().to_vec(), y).unwrap();
        for rule in [Rule::default(), Rule::ADAM] {
            let robust = squared(&examples, penalised("kl", scale * scale));
            let settings = Settings { rule, batch: 10, epochs: 15, ..Settings::default() };
            let trained = robust.train(mlp(2), &settings, &mut Silent).unwrap();
            let (first, last) = (trained.history[0].objective, trained.objective);
            assert!(last < 0.8 * first, "{scale} {rule:?}: {first} {last}");
            let least = trained.history.iter().fold(f64::INFINITY, |least, e| least.min(e.trained));
            assert_eq!(trained.history[trained.epoch].trained, least);
        }
    }
}

fn same(a: &Trained<Mlp>, b: &Trained<Mlp>) {
    let timeless = |history: &[Epoch]| -> Vec<Epoch> {
        history.iter().map(|epoch| Epoch { seconds: 0.0, ..epoch.clone() }).collect()
    };
    assert_eq!(parameters::read(&a.network), parameters::read(&b.network));
    assert_eq!(timeless(&a.history), timeless(&b.history));
    assert_eq!((a.objective, a.threshold, a.step), (b.objective, b.threshold, b.step));
    assert_eq!((a.steps, a.overflows, a.epoch, a.status), (b.steps, b.overflows, b.epoch, b.status));
}

#[test]
fn resumed_runs_end_with_the_same_bits() {
    let examples = regression(80, 2, 3);
    let (train, held) = examples.split(0.25, 2).unwrap();
    for (rule, step, transport) in [
        (Rule::default(), None, None),
        (Rule::ADAM, Some(0.01), None),
        (Rule::default(), Some(1e-3), Some(Transport::new(20.0).unwrap())),
    ] {
        let mut robust = squared(&train, penalised("kl", 0.5)).validated(&held).unwrap();
        if let Some(transport) = transport {
            robust = robust.perturbed(transport);
        }
        let settings = Settings { rule, step, batch: 9, epochs: 6, ..Settings::default() };
        let mut keeper = Keeper::new(usize::MAX);
        let whole = robust.train(mlp(3), &settings, &mut keeper).unwrap();
        assert!(keeper.states.len() >= 12, "{} {whole:?}", keeper.states.len());
        for state in keeper.states.iter().step_by(3) {
            let checkpoint = Checkpoint::from_bytes("memory", state).unwrap();
            // From another network of the same make.
            let resumed = robust.resume(mlp(77), &settings, &checkpoint, &mut Silent).unwrap();
            same(&whole, &resumed);
        }
        // Stopped in the middle, and gone on with.
        let mut keeper = Keeper::new(keeper.asked / 2);
        let stopped = robust.train(mlp(3), &settings, &mut keeper).unwrap();
        assert_eq!(stopped.status, Status::Interrupted);
        let checkpoint = Checkpoint::from_bytes("memory", keeper.states.last().unwrap()).unwrap();
        same(&whole, &robust.resume(mlp(3), &settings, &checkpoint, &mut Silent).unwrap());
        // Longer than was planned.
        let longer = Settings { epochs: 8, ..settings };
        let resumed = robust.resume(mlp(3), &longer, &checkpoint, &mut Silent).unwrap();
        same(&robust.train(mlp(3), &longer, &mut Silent).unwrap(), &resumed);
    }
}

#[test]
fn checkpoints_of_another_training_are_refused() {
    let (examples, other) = (regression(40, 2, 3), regression(40, 2, 4));
    let robust = squared(&examples, penalised("kl", 0.5));
    let settings = Settings { step: Some(0.01), epochs: 1, ..Settings::default() };
    let mut keeper = Keeper::new(usize::MAX);
    robust.train(mlp(3), &settings, &mut keeper).unwrap();
    let bytes = keeper.states.last().unwrap();
    let checkpoint = Checkpoint::from_bytes("memory", bytes).unwrap();
    assert_eq!(checkpoint.epochs(), 1);
    let refused = |robust: Robust<'_>, network: Mlp, settings: Settings, part: &str| {
        let error = robust.resume(network, &settings, &checkpoint, &mut Silent).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(squared(&other, penalised("kl", 0.5)), mlp(3), settings, "the examples differ");
    refused(squared(&examples, penalised("kl", 0.6)), mlp(3), settings, "kl of strength 0.5");
    let wide = Mlp::new(2, &[9], 1, 1).unwrap();
    refused(robust.clone(), wide, settings, "parameters");
    refused(robust.clone(), mlp(3), Settings { batch: 5, ..settings }, "the batch was 100, now 5");
    for end in [0, 5, bytes.len() / 2, bytes.len() - 1] {
        assert!(Checkpoint::from_bytes("memory", &bytes[..end]).is_err());
    }
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    let error = Checkpoint::from_bytes("memory", &damaged).unwrap_err().to_string();
    assert!(error.contains("damaged"), "{error}");
}

/// The bits do not depend on how many threads there are.
#[test]
fn threads_change_nothing() {
    let examples = classes(200, 100, 3, 3);
    let robust = entropy(&examples, penalised("kl", 0.5));
    let settings = Settings { step: Some(0.02), batch: 64, epochs: 2, ..Settings::default() };
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let wide = Mlp::new(100, &Mlp::HIDDEN, 3, 1).unwrap();
            let a = robust.train(wide, &settings, &mut Silent).unwrap();
            let b = robust.train(small_cnn(3, 1), &settings, &mut Silent).unwrap();
            (parameters::read(&a.network), parameters::read(&b.network), a.objective, b.objective)
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(3));
}

#[test]
fn runs_end_when_they_are_told() {
    let examples = regression(50, 2, 3);
    let robust = squared(&examples, penalised("kl", 0.5));
    // With a step, and where one is being looked for.
    for step in [Some(1e-5), None] {
        let forever = Settings { step, batch: 1, epochs: 1_000_000, ..Settings::default() };
        let timed = Settings { max_seconds: Some(0.3), ..forever };
        let trained = robust.train(mlp(1), &timed, &mut Silent).unwrap();
        assert_eq!(trained.status, Status::MaxTime);
        assert!(trained.seconds < 20.0 && trained.objective.is_finite());
        let mut asked = 0;
        let mut stop = |_: &Progress<'_>| {
            asked += 1;
            if asked > 3 { Flow::Stop } else { Flow::Continue }
        };
        let trained = robust.train(mlp(1), &forever, &mut stop).unwrap();
        assert_eq!(trained.status, Status::Interrupted);
        assert!(trained.objective.is_finite());
    }
    let none = Settings { epochs: 0, step: Some(0.1), ..Settings::default() };
    let trained = robust.train(mlp(1), &none, &mut Silent).unwrap();
    assert_eq!((trained.status, trained.history.len(), trained.steps), (Status::MaxIterations, 1, 0));
    assert_eq!(parameters::read(&trained.network), parameters::read(&mlp(1)));
}

#[test]
fn bad_input_is_named() {
    let says = |error: fenchel::Error, parts: &[&str]| {
        let error = error.to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    };
    says(Examples::new(2, vec![0.0; 3], vec![0.0; 2]).unwrap_err(), &["features", "2 × 2", "3"]);
    says(Examples::new(2, vec![0.0, 0.0, f32::NAN, 0.0], vec![0.0; 2]).unwrap_err(), &["row 2, column 1"]);
    says(Examples::new(1, vec![0.0; 2], vec![0.0, f64::INFINITY]).unwrap_err(), &["labels", "row 2"]);
    says(Examples::new(1, vec![], vec![]).unwrap_err(), &["labels"]);
    says(Examples::new(0, vec![], vec![1.0]).unwrap_err(), &["features"]);
    let examples = regression(20, 2, 1);
    says(examples.split(1.0, 0).unwrap_err(), &["share", "1", "below 1"]);
    let robust = squared(&examples, penalised("kl", 1.0));
    let fails = |robust: &Robust<'_>, network: Mlp, settings: Settings, parts: &[&str]| {
        says(robust.train(network, &settings, &mut Silent).unwrap_err(), parts);
    };
    let default = Settings::default();
    fails(&robust, Mlp::new(3, &[], 1, 0).unwrap(), default, &["features of an example", "3", "found 2"]);
    fails(
        &robust,
        Mlp::new(2, &[], 2, 0).unwrap(),
        default,
        &["scores of the network", "squared", "found 2"],
    );
    fails(&robust, mlp(0), Settings { batch: 0, ..default }, &["batch", "0", "at least 1"]);
    fails(&robust, mlp(0), Settings { step: Some(-1.0), ..default }, &["step", "-1"]);
    fails(&robust, mlp(0), Settings { step: Some(f64::NAN), ..default }, &["step", "NaN"]);
    fails(&robust, mlp(0), Settings { rho: Some(1.0), ..default }, &["rho", "below 1"]);
    fails(&robust, mlp(0), Settings { patience: Some(3), ..default }, &["patience", "validation"]);
    fails(&robust, mlp(0), Settings { max_seconds: Some(-1.0), ..default }, &["max_seconds", "-1"]);
    fails(&robust, mlp(0), Settings { rule: Rule::Sgd { momentum: 1.0 }, ..default }, &["momentum"]);
    fails(&robust, mlp(0), Settings { watch: Watch::Accuracy, ..default }, &["watch", "classes"]);
    let multilevel = Settings { method: Method::Multilevel, ..default };
    fails(&robust, mlp(0), multilevel, &["method", "multilevel", "joint"]);
    let not_kl = squared(&examples, penalised("chi2", 1.0));
    let sum = Settings { method: Method::SumOfExponentials, ..default };
    fails(&not_kl, mlp(0), sum, &["chi2", "kl with a penalty"]);
    fails(&squared(&examples, penalised("none", 1.0)), mlp(0), default, &["none", "finite conjugate"]);
    let far = parameters::written(linear(2, 0), &[3e38, 3e38, 0.0]).unwrap();
    fails(&robust, far, default, &["losses"]);

    let classed = Examples::new(2, vec![0.0; 6], vec![0.0, 1.0, 5.0]).unwrap();
    let robust = entropy(&classed, Risk::mean());
    fails(&robust, Mlp::new(2, &[], 3, 0).unwrap(), default, &["row 3", "5", "0 to 2"]);
    fails(&robust, Mlp::new(2, &[], 1, 0).unwrap(), default, &["scores of the network", "at least 2"]);
    let fraction = Examples::new(2, vec![0.0; 4], vec![0.0, 0.5]).unwrap();
    let robust = entropy(&fraction, Risk::mean());
    fails(&robust, Mlp::new(2, &[], 3, 0).unwrap(), default, &["row 2", "0.5"]);
    // An image that is not what the features are.
    let error = robust.train(small_cnn(3, 0), &default, &mut Silent).unwrap_err();
    says(error, &["100", "1 × 10 × 10", "found 2"]);
    let held = regression(5, 3, 1);
    says(squared(&examples, Risk::mean()).validated(&held).unwrap_err(), &["validation", "2", "3"]);
    let ball = Risk::new(fenchel::divergence::parse("kl").unwrap(), Strength::Radius(0.1)).unwrap();
    let error = Robust::new(&examples, loss::parse("squared").unwrap(), ball).unwrap_err();
    says(error, &["radius", "penalty"]);
    assert!(Transport::new(0.0).is_err() && Transport::new(f64::NAN).is_err());
    says(squared(&examples, Risk::mean()).moves(&mlp(0)).unwrap_err(), &["transport"]);
}
