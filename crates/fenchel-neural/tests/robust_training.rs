//! Robust networks against the engine's linear models, finite differences and closed forms.

mod common;

use common::*;
use fenchel::divergence::{self, FromGenerator};
use fenchel::optim::{Silent, Status};
use fenchel::robust::{self, Linear, Method, Options, Precision, Risk, loss};
use fenchel_neural::network::{Activation, Mlp, Network, parameters, scores};
use fenchel_neural::optimiser::Rule;
use fenchel_neural::robust::{Examples, Robust, Settings, Watch};
use std::sync::Arc;

/// One full batch without momentum shows the gradient: the change of parameters over the step.
fn gradient<N: Network>(robust: &Robust<'_>, network: &N, n: usize, method: Method) -> Vec<f64> {
    let (rule, step) = (Rule::Sgd { momentum: 0.0 }, 1e-2);
    let settings = Settings {
        method,
        rule,
        step: Some(step),
        batch: n,
        epochs: 1,
        rho: Some(0.1),
        ..Settings::default()
    };
    let before = parameters::read(network);
    let trained = robust.train(network.clone(), &settings, &mut Silent).unwrap();
    let after = parameters::read(&trained.network);
    before.iter().zip(after).map(|(a, b)| (f64::from(*a) - f64::from(b)) / step).collect()
}

/// At the exact threshold ∂α is 0, and ∇θ of the joint loss is that of the smooth maximum of all losses, which is differenced here.
/// Parameters are rounded to 2⁻²⁴ of about 1, over a step of 10⁻² that is 10⁻⁵ in a gradient; differences over h = 10⁻² of values with
/// rounding 10⁻⁷ have about as much, and h² of third derivatives.
fn differences<N: Network>(
    examples: &Examples,
    robust: &Robust<'_>,
    value: impl Fn(&N) -> f64,
    network: &N,
    method: Method,
    corners: usize,
) {
    let exact = gradient(robust, network, examples.len(), method);
    let theta = parameters::read(network);
    let size = exact.iter().fold(0.1_f64, |most, g| most.max(g.abs()));
    let mut bad = 0;
    let every = (theta.len() / 40).max(1);
    for j in (0..theta.len()).step_by(every) {
        let at = |h: f32| {
            let mut moved = theta.clone();
            moved[j] += h;
            value(&parameters::written(network.clone(), &moved).unwrap())
        };
        let h = 4e-3;
        let numeric = (at(h) - at(-h)) / (2.0 * f64::from(h));
        // A corner of a ReLU between the two sides is no fault.
        if (numeric - exact[j]).abs() > 2e-3 * size {
            bad += 1;
            assert!(bad <= corners, "{j}: {numeric} {}", exact[j]);
            assert!((numeric - exact[j]).abs() < 5e-2 * size, "{j}: {numeric} {}", exact[j]);
        }
    }
}

const NAMES: [&str; 9] = [
    "kl",
    "safe-kl:0.1",
    "safe-kl-centered:0.3",
    "chi2",
    "tsallis:1.5",
    "hyperbolic",
    "marginal-moments",
    "marginal-moments:20",
    "kl-cvar:0.2",
];

#[test]
fn gradients_of_perceptrons() {
    let (numbers, labelled) = (regression(40, 3, 1), classes(40, 3, 3, 2));
    for name in NAMES {
        let risk = penalised(name, 0.8);
        let trained = |method: Method| method.risk(&risk, Some(0.1)).unwrap().0;
        let robust = squared(&numbers, risk.clone());
        let network = Mlp::new(3, &[8], 1, 3).unwrap().with_activation(Activation::Softplus);
        let joint = Robust::new(&numbers, loss::parse("squared").unwrap(), trained(Method::Joint)).unwrap();
        differences(&numbers, &robust, |n| joint.evaluate(n).unwrap().value, &network, Method::Joint, 0);
        let robust = entropy(&labelled, risk.clone());
        let network = Mlp::new(3, &[8, 5], 3, 4).unwrap().with_activation(Activation::Tanh);
        differences(&labelled, &robust, |n| robust.evaluate(n).unwrap().value, &network, Method::DualSgm, 0);
        differences(
            &labelled,
            &robust,
            |n| robust.evaluate(n).unwrap().value,
            &network,
            Method::BatchWeights,
            0,
        );
    }
    let robust = squared(&numbers, Risk::mean());
    let network = Mlp::new(3, &[8], 1, 3).unwrap().with_activation(Activation::Softplus);
    differences(&numbers, &robust, |n| robust.evaluate(n).unwrap().value, &network, Method::Joint, 0);
    // mean e^{ℓ/λ}, times λ.
    let robust = squared(&numbers, penalised("kl", 2.0));
    let sum = |n: &Mlp| 2.0 * robust.losses(n).unwrap().iter().map(|x| (x / 2.0).exp()).sum::<f64>() / 40.0;
    differences(&numbers, &robust, sum, &network, Method::SumOfExponentials, 0);
}

#[test]
fn gradients_of_convolutions() {
    let labelled = classes(12, 100, 3, 2);
    let robust = entropy(&labelled, penalised("chi2", 0.5));
    differences(
        &labelled,
        &robust,
        |n| robust.evaluate(n).unwrap().value,
        &small_cnn(3, 1),
        Method::Joint,
        6,
    );
    let numbers = regression(12, 100, 2);
    let robust = squared(&numbers, penalised("safe-kl:0.1", 0.5));
    differences(&numbers, &robust, |n| robust.evaluate(n).unwrap().value, &small_cnn(1, 1), Method::Joint, 6);
}

/// α + λ mean f*((ℓ − α)/λ) at the best α is the smooth maximum of the engine; elsewhere it is more, and its slope in α is 1 − mean w.
#[test]
fn the_threshold_is_a_minimum() {
    let examples = regression(30, 2, 5);
    let network = Mlp::new(2, &[6], 1, 1).unwrap();
    for name in NAMES.iter().filter(|name| **name != "marginal-moments") {
        let f = divergence::parse(name).unwrap();
        let lambda = 0.7;
        let robust = squared(&examples, penalised(name, lambda));
        let losses = robust.losses(&network).unwrap();
        let worst = robust.evaluate(&network).unwrap();
        let joint = |alpha: f64| {
            alpha + lambda * losses.iter().map(|x| f.conj((x - alpha) / lambda)).sum::<f64>() / 30.0
        };
        let slope =
            |alpha: f64| 1.0 - losses.iter().map(|x| f.conj_prime((x - alpha) / lambda)).sum::<f64>() / 30.0;
        assert!((joint(worst.threshold) - worst.value).abs() < 1e-12 * (1.0 + worst.value.abs()), "{name}");
        assert!(slope(worst.threshold).abs() < 1e-10, "{name}");
        for off in [-0.3, 0.2] {
            let alpha = worst.threshold + off;
            assert!(joint(alpha) > worst.value);
            let numeric = (joint(alpha + 1e-5) - joint(alpha - 1e-5)) / 2e-5;
            assert!((numeric - slope(alpha)).abs() < 1e-7, "{name}");
        }
    }
}

#[test]
fn safe_values_are_below() {
    let examples = regression(50, 2, 6);
    for seed in 0..5 {
        let network = Mlp::new(2, &[10], 1, seed).unwrap();
        let value = |risk| squared(&examples, risk).evaluate(&network).unwrap().value;
        for lambda in [0.01, 0.3, 10.0] {
            let kl = value(penalised("kl", lambda));
            let mut before = kl;
            for rho in ["1e-6", "1e-3", "0.1", "0.5"] {
                let safe = value(penalised(&format!("safe-kl:{rho}"), lambda));
                assert!(safe <= before + 1e-12, "{lambda} {rho}: {safe} {before}");
                before = safe;
            }
            assert!(kl >= value(Risk::mean()));
        }
    }
}

/// A network that fits all exactly has losses 0: weights are all 1, and nothing moves.
#[test]
fn constant_losses_weigh_the_same() {
    let examples = Examples::new(1, vec![1.0; 10], vec![2.0; 10]).unwrap();
    let network = parameters::written(linear(1, 0), &[1.0, 0.0]).unwrap();
    for name in NAMES {
        let robust = squared(&examples, penalised(name, 0.5));
        let worst = robust.evaluate(&network).unwrap();
        assert!((worst.lower - worst.value).abs() < 1e-12, "{name}");
        // The gradient of (z − 2)² at z = 1 is −2 in both parameters, whatever the risk.
        let g = gradient(&robust, &network, 10, Method::DualSgm);
        assert!(g.iter().all(|g| (g + 2.0).abs() < 1e-4), "{name} {g:?}");
    }
}

/// A perceptron without hidden layers is a linear model, whose optimum the engine knows with a proof.
#[test]
fn linear_networks_come_to_the_optimum() {
    let examples = regression(200, 3, 8);
    let x: Vec<f64> = examples.features().iter().map(|x| f64::from(*x)).collect();
    let exact = robust::Examples::new(3, x, examples.labels().to_vec()).unwrap();
    for name in ["kl", "chi2", "safe-kl:0.1", "tsallis:1.5", "kl-cvar:0.1"] {
        let risk = penalised(name, 1.0);
        let model =
            Linear::new(&exact, loss::parse("squared").unwrap(), risk.clone(), Options::default()).unwrap();
        let best = model.fit(&Precision::default(), &mut Silent).unwrap();
        let robust = squared(&examples, risk);
        // In one batch: no noise. Safe KL in place of KL is off by its own bias, which is of order ρ/2 for λ = 1.
        let full =
            Settings { batch: 200, epochs: 300, step: Some(0.05), rho: Some(1e-6), ..Settings::default() };
        let trained = robust.train(linear(3, 1), &full, &mut Silent).unwrap();
        let gap = trained.objective - best.objective;
        assert!((-1e-6..1e-5).contains(&gap), "{name}: {gap} above {}", best.objective);
        assert!((trained.objective - robust.evaluate(&trained.network).unwrap().value).abs() < 1e-12);
        // In batches, with a step of its own choice.
        for rule in [Rule::default(), Rule::ADAM] {
            let batches = Settings { batch: 20, epochs: 60, rule, rho: Some(1e-3), ..Settings::default() };
            let trained = robust.train(linear(3, 1), &batches, &mut Silent).unwrap();
            let gap = trained.objective - best.objective;
            assert!((-1e-6..0.02 * best.objective).contains(&gap), "{name} {rule:?}: {gap}");
            assert_eq!(trained.status, Status::MaxIterations);
        }
    }
}

/// A divergence of one's own trains as the one of the registry that it is.
#[test]
fn divergences_of_ones_own() {
    let examples = regression(60, 2, 9);
    let own = FromGenerator::new("mine", |s: f64| (0.5 * (1.0 + s)).max(0.0));
    let own: Arc<dyn divergence::Divergence> = Arc::new(own.unwrap());
    let run = |f: Arc<dyn divergence::Divergence>| {
        let risk = Risk::new(f, robust::Strength::Penalty(0.5)).unwrap();
        let settings = Settings { step: Some(0.02), batch: 15, epochs: 10, ..Settings::default() };
        let robust = squared(&examples, risk);
        robust.train(Mlp::new(2, &[8], 1, 1).unwrap(), &settings, &mut Silent).unwrap().objective
    };
    let (a, b) = (run(own), run(divergence::parse("chi2").unwrap()));
    assert!((a - b).abs() < 1e-4 * b, "{a} {b}");
}

#[test]
fn networks_learn_what_linear_models_cannot() {
    // Exclusive or: four clouds.
    let mut rng = fenchel::measure::Rng::new(4);
    let (mut x, mut y, mut sign) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..400 {
        let (a, b) = (i % 2, i / 2 % 2);
        x.extend([a, b].map(|c| (f64::from(c) - 0.5 + 0.1 * rng.normal()) as f32));
        y.push(f64::from(a ^ b));
        sign.push(f64::from(2 * (a ^ b) - 1));
    }
    let examples = Examples::new(2, x.clone(), y).unwrap();
    let (train, held) = examples.split(0.25, 1).unwrap();
    let robust = entropy(&train, penalised("kl", 1.0)).validated(&held).unwrap();
    let settings =
        Settings { batch: 20, epochs: 60, patience: Some(8), watch: Watch::Accuracy, ..Settings::default() };
    let trained = robust.train(Mlp::new(2, &[16], 2, 1).unwrap(), &settings, &mut Silent).unwrap();
    let shown = robust.validate(&trained.network, &held).unwrap();
    assert!(shown.accuracy.unwrap() > 0.98, "{shown:?}");
    assert_eq!(trained.status, Status::Stalled);
    assert_eq!(trained.history.len(), trained.epoch + 9);
    assert_eq!(trained.history[trained.epoch].validation, Some(shown));
    // The same with labels ±1 and a loss of one score.
    let signs = Examples::new(2, x, sign).unwrap();
    for name in ["logistic", "smoothed-hinge"] {
        let robust = Robust::new(&signs, loss::parse(name).unwrap(), penalised("chi2", 1.0)).unwrap();
        let settings = Settings { batch: 20, epochs: 40, ..Settings::default() };
        let trained = robust.train(Mlp::new(2, &[16], 1, 1).unwrap(), &settings, &mut Silent).unwrap();
        let shown = robust.validate(&trained.network, &signs).unwrap();
        assert!(shown.accuracy.unwrap() > 0.98, "{name} {shown:?}");
    }
}

#[test]
fn convolutions_learn() {
    // Vertical and horizontal stripes at random places.
    let mut rng = fenchel::measure::Rng::new(3);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for k in 0..120 {
        let at = rng.below(9) as usize;
        for (i, j) in (0..10).flat_map(|i| (0..10).map(move |j| (i, j))) {
            let on = if k % 2 == 0 { i == at || i == at + 1 } else { j == at || j == at + 1 };
            x.push((f64::from(u8::from(on)) + 0.2 * rng.normal()) as f32);
        }
        y.push(f64::from(k % 2));
    }
    let examples = Examples::new(100, x, y).unwrap();
    let robust = entropy(&examples, penalised("kl", 1.0));
    let settings = Settings { batch: 20, epochs: 12, ..Settings::default() };
    let trained = robust.train(small_cnn(2, 1), &settings, &mut Silent).unwrap();
    let shown = robust.validate(&trained.network, &examples).unwrap();
    assert!(shown.accuracy.unwrap() > 0.95, "{shown:?} {:?}", trained.history);
    assert_eq!(scores(&trained.network, examples.features()).unwrap().len(), 240);
}
