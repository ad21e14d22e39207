//! How trainings of potentials end, what they never do, how they are taken up again, and what is kept of them.

mod common;

use common::transport::*;
use fenchel::cost::{self, CostFn};
use fenchel::optim::{Flow, Observer, Progress, Silent, Status};
use fenchel::transport::Lambda;
use fenchel::transport::continuous::{self, Continuous, Potential};
use fenchel::{divergence, measure};
use fenchel_neural::network::{Activation, Mlp, parameters};
use fenchel_neural::optimiser::Rule;
use fenchel_neural::transport::{
    Checkpoint, NetworkPotential, NeuralTransport, Objective, Pairs, Point, Settings, Trained,
};
use std::sync::Arc;

const SAFE: Objective = Objective::Safe { rho: 0.1 };

fn quick(steps: u64) -> Settings {
    Settings { batch: 32, steps, every: 10, validation: 64, ..Settings::default() }
}

fn is_sound(trained: &Trained<Mlp, Mlp>) -> bool {
    let points = [-2.0, 0.0, 0.3, 5.0];
    trained
        .u
        .values(&points)
        .unwrap()
        .iter()
        .chain(&trained.v.values(&points).unwrap())
        .all(|x| x.is_finite())
        && trained.history.iter().all(|point| !point.value.is_nan())
        && !trained.error.is_nan()
}

/// Eleven decades of steps: the dual leaves the range of numbers and says so; the safe objective does not, with linear potentials and SGD as with
/// hidden layers and Adam. With SGD and hidden layers the parameters themselves can leave it, which is said as well.
#[test]
fn safe_steps_never_overflow() {
    let mut overflown = 0;
    for decade in -6..=4 {
        for (rule, hidden) in [
            (Rule::Sgd { momentum: 0.0 }, &[][..]),
            (Rule::default(), &[][..]),
            (Rule::ADAM, &[8, 8][..]),
            (Rule::default(), &[8, 8][..]),
        ] {
            for objective in [SAFE, Objective::Dual] {
                for pairs in [Pairs::All, Pairs::Matched] {
                    let transport = normals(1, 0.01, objective);
                    let networks = transport.perceptrons(hidden, 1).unwrap();
                    let step = Some(10_f64.powi(decade));
                    let settings = Settings { rule, step, pairs, patience: None, ..quick(60) };
                    let trained = transport.train(networks, &settings, &mut Silent).unwrap();
                    let what = format!("{objective} 1e{decade} {rule:?} {hidden:?} {pairs:?}");
                    assert!(is_sound(&trained), "{what}");
                    let deep_sgd = !hidden.is_empty() && rule != Rule::ADAM;
                    match objective {
                        Objective::Dual => {
                            overflown += u32::from(trained.overflows > 0);
                            if trained.status == Status::Diverged {
                                assert!(trained.overflows > 0, "{what}");
                            }
                        }
                        _ if deep_sgd => {}
                        _ => {
                            assert_eq!(trained.overflows, 0, "{what}");
                            assert_eq!(trained.status, Status::MaxIterations, "{what}");
                            assert!(trained.value.is_finite(), "{what}");
                        }
                    }
                }
            }
        }
    }
    assert!(overflown >= 30, "the dual overflows at {overflown} of 88");
}

/// What is shown at a look is what the history says of it, and showing changes nothing.
#[test]
fn looks_are_shown() {
    let transport = normals(1, 0.3, SAFE);
    let of = || transport.perceptrons(&[8], 1).unwrap();
    let settings = Settings { step: Some(0.01), ..quick(60) };
    let plain = transport.train(of(), &settings, &mut Silent).unwrap();
    let points = [-1.0, 0.2, 3.0];
    let mut shown = Vec::new();
    let mut seen = |point: &Point, u: &NetworkPotential<Mlp>, v: &NetworkPotential<Mlp>| {
        shown.push((*point, u.values(&points).unwrap(), v.values(&points).unwrap()));
    };
    let watched = transport.train_watched(of(), &settings, &mut Silent, &mut seen).unwrap();
    same(&plain, &watched);
    assert_eq!(shown.iter().map(|(point, ..)| *point).collect::<Vec<_>>(), watched.history);
    let (_, u, v) = shown.iter().find(|(point, ..)| point.step == watched.step).unwrap();
    assert_eq!((u, v), (&watched.u.values(&points).unwrap(), &watched.v.values(&points).unwrap()));
    assert_ne!(shown[0].2, shown[6].2);
}

/// A run that is lost says so, and keeps what was good.
#[test]
fn divergence_is_reported() {
    let transport = normals(1, 0.01, Objective::Dual);
    let networks = transport.perceptrons(&[8], 1).unwrap();
    let before = parameters::read(&networks.1);
    let settings = Settings { step: Some(1e3), rule: Rule::default(), ..quick(200) };
    let trained = transport.train(networks, &settings, &mut Silent).unwrap();
    assert_eq!(trained.status, Status::Diverged);
    assert!(trained.overflows > 0 && trained.steps < 200);
    assert_eq!(trained.step, 0);
    assert_eq!(parameters::read(trained.v.network()), before);
    let (solution, _) = transport
        .certify(&trained, &continuous::Settings { max_samples: 256, ..Default::default() }, &mut Silent)
        .unwrap();
    assert!(!solution.value.is_nan() && solution.interval.upper.is_finite());
}

fn same(a: &Trained<Mlp, Mlp>, b: &Trained<Mlp, Mlp>) {
    let timeless = |history: &[Point]| -> Vec<Point> {
        history.iter().map(|point| Point { seconds: 0.0, ..*point }).collect()
    };
    assert_eq!(timeless(&a.history), timeless(&b.history));
    assert_eq!(parameters::read(a.u.network()), parameters::read(b.u.network()));
    assert_eq!(parameters::read(a.v.network()), parameters::read(b.v.network()));
    let points = [-1.0, 0.2, 3.0];
    assert_eq!(a.v.values(&points).unwrap(), b.v.values(&points).unwrap());
    assert_eq!(a.u.values(&points).unwrap(), b.u.values(&points).unwrap());
    assert_eq!((a.value, a.rate, a.step, a.steps), (b.value, b.rate, b.step, b.steps));
    assert_eq!((a.status, a.overflows), (b.status, b.overflows));
}

/// Keeps every state, and stops after so many.
struct Keeper {
    states: Vec<Vec<u8>>,
    most: usize,
}

impl Observer for Keeper {
    fn progress(&mut self, progress: &Progress<'_>) -> Flow {
        assert!((0.0..=1.0).contains(&progress.fraction));
        if self.states.len() >= self.most { Flow::Stop } else { Flow::Continue }
    }
    fn resumable(&mut self, save: &mut dyn FnMut() -> Vec<u8>) {
        self.states.push(save());
    }
}

#[test]
fn resumed_runs_end_with_the_same_bits() {
    for (rule, step, pairs, batch) in
        [(Rule::ADAM, None, Pairs::All, 128), (Rule::default(), Some(0.01), Pairs::Matched, 2048)]
    {
        let transport = normals(1, 0.3, SAFE);
        let of = |seed| transport.perceptrons(&[64, 32], seed).unwrap();
        let settings = Settings { batch, rule, step, pairs, every: 50, ..quick(420) };
        let mut keeper = Keeper { states: Vec::new(), most: usize::MAX };
        let whole = transport.train(of(1), &settings, &mut keeper).unwrap();
        assert!(keeper.states.len() >= 3, "{}", keeper.states.len());
        let every = (keeper.states.len() / 4).max(1);
        for state in keeper.states.iter().step_by(every) {
            let checkpoint = Checkpoint::from_bytes("memory", state).unwrap();
            // From other networks of the same make.
            same(&whole, &transport.resume(of(7), &settings, &checkpoint, &mut Silent).unwrap());
        }
        let mut stopping = Keeper { states: Vec::new(), most: keeper.states.len() / 2 };
        let stopped = transport.train(of(1), &settings, &mut stopping).unwrap();
        assert_eq!(stopped.status, Status::Interrupted);
        let checkpoint = Checkpoint::from_bytes("memory", stopping.states.last().unwrap()).unwrap();
        assert!(checkpoint.steps() <= stopped.steps && checkpoint.seconds() > 0.0);
        // Longer than was planned.
        let longer = Settings { steps: 480, ..settings };
        let resumed = transport.resume(of(1), &longer, &checkpoint, &mut Silent).unwrap();
        same(&transport.train(of(1), &longer, &mut Silent).unwrap(), &resumed);
    }
}

#[test]
fn checkpoints_of_another_training_are_refused() {
    let transport = normals(1, 0.3, SAFE);
    let networks = || transport.perceptrons(&[4], 1).unwrap();
    let settings = Settings { step: Some(0.01), ..quick(10) };
    let mut keeper = Keeper { states: Vec::new(), most: usize::MAX };
    transport.train(networks(), &settings, &mut keeper).unwrap();
    let bytes = &keeper.states[0];
    let checkpoint = Checkpoint::from_bytes("memory", bytes).unwrap();
    let refused = |transport: &NeuralTransport, networks: (Mlp, Mlp), settings: Settings, part: &str| {
        let outcome = transport.resume(networks, &settings, &checkpoint, &mut Silent);
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(&normals(1, 0.4, SAFE), networks(), settings, "λ was 0.3, now 0.4");
    refused(&normals(1, 0.3, Objective::Dual), networks(), settings, "safe:0.1, now dual");
    refused(&transport, transport.perceptrons(&[5], 1).unwrap(), settings, "number of parameters");
    refused(&transport, networks(), Settings { batch: 16, ..settings }, "the batch was 32");
    refused(&transport, networks(), Settings { seed: 5, ..settings }, "the seed was 0, now 5");
    for end in [0, 5, bytes.len() / 2, bytes.len() - 1] {
        assert!(Checkpoint::from_bytes("memory", &bytes[..end]).is_err());
    }
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    let error = Checkpoint::from_bytes("memory", &damaged).unwrap_err().to_string();
    assert!(error.contains("damaged"), "{error}");
}

#[test]
fn threads_do_not_matter() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let transport = normals(2, 0.3, SAFE);
            let networks = transport.perceptrons(&[64, 32], 1).unwrap();
            let settings = Settings { batch: 256, step: Some(1e-3), validation: 300, ..quick(30) };
            transport.train(networks, &settings, &mut Silent).unwrap()
        })
    };
    let (one, three) = (run(1), run(3));
    let bits = |trained: &Trained<Mlp, Mlp>| {
        (
            parameters::read(trained.u.network()),
            parameters::read(trained.v.network()),
            trained.value.to_bits(),
        )
    };
    assert_eq!(bits(&one), bits(&three));
}

/// Ends when it is told to, and when there is nothing more to gain.
#[test]
fn runs_end() {
    let transport = normals(1, 0.3, SAFE);
    let networks = || transport.perceptrons(&[8], 1).unwrap();
    let stop = |_: &Progress<'_>| Flow::Stop;
    let trained = transport.train(networks(), &quick(1000), &mut { stop }).unwrap();
    assert_eq!((trained.status, trained.steps), (Status::Interrupted, 0));
    let settings = Settings { max_seconds: Some(0.2), patience: None, ..quick(u64::MAX) };
    let trained = transport.train(networks(), &settings, &mut Silent).unwrap();
    assert_eq!(trained.status, Status::MaxTime);
    assert!(trained.seconds < 5.0 && trained.value > trained.history[0].value);
    // Steps so small that single precision does not see them gain nothing.
    let settings = Settings { step: Some(1e-12), patience: Some(3), ..quick(1000) };
    let trained = transport.train(networks(), &settings, &mut Silent).unwrap();
    assert_eq!(trained.status, Status::Stalled);
    assert!(trained.steps < 1000);
    // So does a certificate.
    let (solution, _) = transport.certify(&trained, &continuous::Settings::default(), &mut { stop }).unwrap();
    assert!(!solution.status.is_converged() && solution.interval.lower <= exact(1, 0.3));
    let bias = transport.bias(&trained.v, &continuous::Settings::default(), &mut { stop }).unwrap();
    assert!(bias.measured > 0.0 && bias.error.is_finite());
    // What is returned did best.
    let trained = transport.train(networks(), &quick(400), &mut Silent).unwrap();
    let most = trained.history.iter().fold(f64::NEG_INFINITY, |most, point| most.max(point.value));
    assert_eq!(trained.value, most);
    assert!(trained.rate.unwrap() > 0.0);
}

#[test]
fn potentials_are_kept_to_the_bit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("v.potential");
    let transport = normals(2, 0.3, SAFE);
    let smooth = |seed| Mlp::new(2, &[8, 4], 1, seed).unwrap().with_activation(Activation::Softplus);
    let settings = Settings { step: Some(0.01), ..quick(20) };
    let trained = transport.train((smooth(1), smooth(2)), &settings, &mut Silent).unwrap();
    trained.v.save(&path).unwrap();
    let points = [0.1, -0.4, 2.0, 1.0, 1e9, -3.0];
    let values = trained.v.values(&points).unwrap();
    assert_eq!(NetworkPotential::load(smooth(9), &path).unwrap().values(&points).unwrap(), values);
    assert_eq!(NetworkPotential::open(&path).unwrap().values(&points).unwrap(), values);
    let refused = |outcome: fenchel::Result<NetworkPotential<Mlp>>, word: &str| {
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains("v.potential") && error.contains(word), "{error}");
    };
    refused(
        NetworkPotential::load(Mlp::new(2, &[8, 4], 1, 1).unwrap(), &path),
        "perceptron 2-8-4-1, softplus",
    );
    let bytes = std::fs::read(&path).unwrap();
    for (damage, word) in [(bytes.len() / 2, "damaged"), (3, "is no potential"), (bytes.len() - 1, "damaged")]
    {
        let mut other = bytes.clone();
        other[damage] ^= 4;
        std::fs::write(&path, &other).unwrap();
        refused(NetworkPotential::open(&path), word);
    }
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    refused(NetworkPotential::open(&path), "damaged");
    std::fs::remove_file(&path).unwrap();
    refused(NetworkPotential::open(&path), "cannot be read");
}

#[test]
fn mistakes_are_named() {
    let refused = |outcome: fenchel::Result<()>, words: &[&str]| {
        let message = outcome.unwrap_err().to_string();
        for word in words {
            assert!(message.contains(word), "'{message}' does not say '{word}'");
        }
    };
    let chi2 = between_normals(1, 1.0, "chi2", 1.0);
    refused(NeuralTransport::new(chi2, SAFE).map(drop), &["safe", "chi2", "kl"]);
    let kl = || between_normals(1, 1.0, "kl", 1.0);
    for rho in [0.0, 1.0, f64::NAN] {
        refused(NeuralTransport::new(kl(), Objective::Safe { rho }).map(drop), &["rho"]);
    }
    let constant = Objective::SafeConstant { rho: 0.1 };
    refused(NeuralTransport::new(kl(), constant).map(drop), &["objective", "safe:0.1"]);

    let transport = normals(1, 1.0, SAFE);
    let networks = || transport.perceptrons(&[4], 1).unwrap();
    let with = |settings: Settings| transport.train(networks(), &settings, &mut Silent).map(drop);
    refused(with(Settings { steps: 0, ..quick(1) }), &["steps"]);
    refused(with(Settings { every: 0, ..quick(1) }), &["every"]);
    refused(with(Settings { batch: 0, ..quick(1) }), &["batch"]);
    refused(with(Settings { batch: 5000, ..quick(1) }), &["batch", "4096"]);
    refused(with(Settings { validation: 1, ..quick(1) }), &["validation"]);
    refused(with(Settings { patience: Some(0), ..quick(1) }), &["patience"]);
    refused(with(Settings { max_seconds: Some(f64::NAN), ..quick(1) }), &["max_seconds"]);
    refused(with(Settings { rule: Rule::Sgd { momentum: 1.0 }, ..quick(1) }), &["momentum"]);
    for step in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        refused(with(Settings { step: Some(step), ..quick(1) }), &["step"]);
    }
    let mlp = |inputs, outputs| Mlp::new(inputs, &[4], outputs, 1).unwrap();
    let of = |u, v| transport.train((u, v), &quick(1), &mut Silent).map(drop);
    refused(of(mlp(2, 1), mlp(1, 1)), &["inputs", "network of u", "perceptron 2-4-1"]);
    refused(of(mlp(1, 1), mlp(1, 3)), &["scores", "network of v", "perceptron 1-4-3"]);
    let broken = parameters::written(mlp(1, 1), &[f32::NAN; 13]).unwrap();
    refused(of(mlp(1, 1), broken), &["v at the start", "NaN"]);

    let trained = transport.train(networks(), &quick(1), &mut Silent).unwrap();
    let at = |xs: &[f64], ys: &[f64]| transport.value((&trained.u, &trained.v), (xs, ys), 0).map(drop);
    refused(at(&[], &[1.0]), &["points of u"]);
    refused(at(&[1.0], &[f64::NAN]), &["NaN"]);
    // A cost that is no number somewhere.
    let holed = CostFn::new(
        "holed",
        |x: &[f64], y: &[f64]| {
            if (x[0] - y[0]).abs() > 4.5 { f64::NAN } else { (x[0] - y[0]).abs() }
        },
    );
    let problem = Continuous::new(
        gaussian(1, 0.0, 1.0),
        gaussian(1, 1.0, 0.5),
        Arc::new(holed),
        divergence::parse("kl").unwrap(),
        Lambda::Absolute(1.0),
    );
    let transport = NeuralTransport::new(problem.unwrap(), SAFE).unwrap();
    refused(transport.train(networks(), &quick(2000), &mut Silent).map(drop), &["holed", "NaN"]);
    let nan = measure::FromFn::new(1, |_: &mut measure::Rng, x: &mut [f64]| x.fill(f64::NAN)).unwrap();
    let (l1, kl) = (cost::parse("l1").unwrap(), divergence::parse("kl").unwrap());
    let problem =
        Continuous::new(gaussian(1, 0.0, 1.0), Arc::new(nan.named("broken")), l1, kl, Lambda::Absolute(1.0));
    let transport = NeuralTransport::new(problem.unwrap(), SAFE).unwrap();
    refused(transport.train(networks(), &quick(10), &mut Silent).map(drop), &["broken", "NaN"]);
}
