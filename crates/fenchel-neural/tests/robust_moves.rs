//! Examples that move: against closed forms, differences and each other.

mod common;

use common::*;
use fenchel::measure::Rng;
use fenchel::optim::{Silent, Status};
use fenchel::robust::{Method, Perturbation, Risk, loss};
use fenchel_neural::network::{Activation, Mlp, Network, parameters};
use fenchel_neural::optimiser::Rule;
use fenchel_neural::robust::{Examples, Robust, Settings, Transport};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// A linear model with squared loss: ℓ̂ = κ r²/(κ − v), v = ‖θ‖², at z = x + r θ/(κ − v). A step of 1/2κ leaves v/κ of the way,
    /// so that after 5 all but (v/κ)⁵ is gone, and of the value the square of that; the rest is rounding in `f32`.
    #[test]
    fn squared_losses_of_linear_models(theta in prop::array::uniform3(-2.0_f32..2.0), b in -1.0_f32..1.0, times in 2.0_f64..1000.0, seed in 0_u64..1000) {
        let v: f64 = theta.iter().map(|t| f64::from(*t).powi(2)).sum();
        prop_assume!(v > 1e-4);
        let price = times * v;
        let examples = regression(20, 3, seed);
        let network = parameters::written(linear(3, 0), &[theta[0], theta[1], theta[2], b]).unwrap();
        let plain = squared(&examples, Risk::mean());
        let robust = plain.clone().perturbed(Transport::new(price).unwrap());
        let moved = robust.moves(&network).unwrap();
        prop_assert_eq!(&moved.losses, &robust.losses(&network).unwrap());
        let before = plain.losses(&network).unwrap();
        for (i, before) in before.iter().enumerate() {
            let exact = before * price / (price - v);
            let left = times.powi(-5);
            let rounding = 4e-6 * (1.0 + exact);
            prop_assert!(moved.losses[i] <= exact + rounding, "{} {}", moved.losses[i], exact);
            prop_assert!(exact - moved.losses[i] <= 4.0 * left * exact + rounding, "{} {} {}", moved.losses[i], exact, times);
            prop_assert!(moved.losses[i] >= *before);
            let way: f64 = (0..3).map(|j| (f64::from(moved.features[3 * i + j]) - f64::from(examples.features()[3 * i + j])).powi(2)).sum();
            prop_assert!((price * way - moved.costs[i]).abs() <= 1e-9 * (1.0 + moved.costs[i]));
        }
    }
}

/// The engine has the worst case of linear models for other losses, found in another way.
#[test]
fn other_losses_of_linear_models() {
    let mut rng = Rng::new(4);
    let theta = [1.5_f32, -0.5, 0.7];
    let network = parameters::written(linear(3, 0), &[theta[0], theta[1], theta[2], 0.2]).unwrap();
    let coefficients = theta.iter().map(|t| f64::from(*t)).collect::<Vec<_>>();
    for name in ["logistic", "smoothed-hinge", "huber", "squared"] {
        let x: Vec<f32> = (0..90).map(|_| rng.normal() as f32).collect();
        let y: Vec<f64> = (0..30).map(|i| f64::from(i % 2) * 2.0 - 1.0).collect();
        let wide = x.iter().map(|x| f64::from(*x)).collect();
        let (examples, exact) =
            (Examples::new(3, x, y.clone()).unwrap(), fenchel::robust::Examples::new(3, wide, y).unwrap());
        let intercept = vec![f64::from(0.2_f32)];
        let model =
            fenchel::robust::LinearModel::new(loss::parse(name).unwrap(), intercept, coefficients.clone())
                .unwrap();
        for price in [20.0, 100.0] {
            let best = Perturbation::new(price).unwrap().moves(&model, &exact).unwrap();
            let robust = Robust::new(&examples, loss::parse(name).unwrap(), Risk::mean()).unwrap();
            let found = robust.perturbed(Transport::new(price).unwrap()).losses(&network).unwrap();
            for (found, best) in found.iter().zip(&best.losses) {
                assert!((found - best).abs() < 1e-5 * (1.0 + best), "{name} {price}: {found} {best}");
            }
        }
    }
}

/// More steps are no worse, none is no move, and rows do not depend on each other.
#[test]
fn ascents_only_rise() {
    let examples = classes(40, 4, 3, 5);
    for seed in 0..3 {
        let network = Mlp::new(4, &[20, 10], 3, seed).unwrap().with_activation(Activation::Tanh);
        for price in [1e-3, 0.1, 1.0, 50.0, 1e8] {
            let robust = entropy(&examples, penalised("kl", 1.0));
            let plain = robust.losses(&network).unwrap();
            let at = |steps: u32| {
                let transport = Transport::new(price).unwrap().with_steps(steps);
                robust.clone().perturbed(transport).moves(&network).unwrap()
            };
            assert_eq!(at(0).losses, plain);
            let (one, five, many) = (at(1), at(5), at(60));
            let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
            assert!(one.losses.iter().zip(&plain).all(|(a, b)| a >= b));
            assert!(
                mean(&five.losses) >= mean(&one.losses) - 1e-6
                    && mean(&many.losses) >= mean(&five.losses) - 1e-6
            );
            assert!(many.losses.iter().chain(&many.costs).all(|x| x.is_finite()));
            // Where the price is high against the curvature of the loss, five steps come to the plateau.
            if price >= 1.0 {
                assert!(mean(&many.losses) - mean(&five.losses) < 1e-4, "{price}");
            }
            let alone =
                Examples::new(4, examples.features()[28..32].to_vec(), vec![examples.labels()[7]]).unwrap();
            let single = entropy(&alone, Risk::mean()).perturbed(Transport::new(price).unwrap());
            let single = single.moves(&network).unwrap();
            assert!((single.losses[0] - five.losses[7]).abs() < 1e-4 * (1.0 + five.losses[7]), "{price}");
        }
    }
}

/// Danskin: the gradient of the moved loss in θ is that of the loss where it has moved to.
#[test]
fn gradients_at_the_worst_place() {
    let examples = regression(30, 2, 7);
    let network = Mlp::new(2, &[6], 1, 3).unwrap().with_activation(Activation::Softplus);
    let many = Transport::new(5.0).unwrap().with_steps(60);
    let robust = squared(&examples, penalised("safe-kl:0.1", 1.0)).perturbed(many);
    let step = 1e-2;
    let rule = Rule::Sgd { momentum: 0.0 };
    let settings = Settings { rule, step: Some(step), batch: 30, epochs: 1, ..Settings::default() };
    let theta = parameters::read(&network);
    let after = parameters::read(&robust.train(network.clone(), &settings, &mut Silent).unwrap().network);
    for j in 0..theta.len() {
        let at = |h: f32| {
            let mut moved = theta.clone();
            moved[j] += h;
            robust.evaluate(&parameters::written(network.clone(), &moved).unwrap()).unwrap().value
        };
        let h = 1e-2;
        let numeric = (at(h) - at(-h)) / (2.0 * f64::from(h));
        let found = f64::from(theta[j] - after[j]) / step;
        assert!((numeric - found).abs() < 1e-3 * (1.0 + found.abs()), "{j}: {numeric} {found}");
    }
}

/// The three trainings of the paper, one example at a time: the sum of exponentials is lost where the safe form is not.
#[test]
fn safe_where_exponentials_overflow() {
    // A few labels that are far off.
    let near = regression(60, 2, 9);
    let y = near.labels().iter().enumerate().map(|(i, y)| y + if i % 20 == 0 { 40.0 } else { 0.0 }).collect();
    let examples = Examples::new(2, near.features().to_vec(), y).unwrap();
    let transport = Transport::new(10.0).unwrap();
    let run = |risk: Risk, method: Method, step: f64, batch: usize| {
        let rule = Rule::Sgd { momentum: 0.0 };
        let settings = Settings {
            method,
            rule,
            step: Some(step),
            batch,
            epochs: 2,
            rho: Some(0.1),
            ..Settings::default()
        };
        let robust = squared(&examples, risk).perturbed(transport);
        robust.train(Mlp::new(2, &[8], 1, 1).unwrap(), &settings, &mut Silent).unwrap()
    };
    for batch in [1, 8] {
        for power in -6..=6 {
            let step = 10f64.powi(power);
            // κβ = 1: losses of 1600 have weights beyond all numbers.
            let sum = run(penalised("kl", 1.0), Method::SumOfExponentials, step, batch);
            assert_eq!((sum.status, sum.overflows), (Status::Diverged, 1), "{step} {batch}");
            let safe = run(penalised("kl", 1.0), Method::Joint, step, batch);
            assert!(parameters::read(&safe.network).iter().all(|x| x.is_finite()));
            assert!(safe.objective.is_finite() && safe.rho == Some(0.1));
            if power <= -4 {
                assert_eq!((safe.status, safe.overflows), (Status::MaxIterations, 0), "{step} {batch}");
                assert!(safe.objective < safe.history[0].objective, "{step} {batch}");
            }
        }
    }
    let mean = run(Risk::mean(), Method::Joint, 1e-3, 1);
    assert!(mean.objective < mean.history[0].objective && mean.rho.is_none());
    // Where λ is large enough all three are well.
    let sum = run(penalised("kl", 1000.0), Method::SumOfExponentials, 1e-4, 1);
    assert_eq!((sum.status, sum.overflows), (Status::MaxIterations, 0));
    assert!(sum.objective < sum.history[0].objective);
}

/// A single step from x goes by ∇ℓ/2κ, which shows the gradient in the features: it is what differences of losses are. At κ = 100
/// rounding of features of about 1 is 10⁻⁵ in it, and so is that of losses over h = 10⁻².
#[test]
fn steps_go_along_input_gradients() {
    fn check<N: Network>(
        network: &N,
        robust: &Robust<'_>,
        examples: &Examples,
        make: impl Fn(Vec<f32>) -> Examples,
    ) {
        let price = 100.0;
        let moved =
            robust.clone().perturbed(Transport::new(price).unwrap().with_steps(1)).moves(network).unwrap();
        let (x, d) = (examples.features(), examples.width());
        let gradient: Vec<f64> = moved
            .features
            .iter()
            .zip(x)
            .map(|(z, x)| 2.0 * price * (f64::from(*z) - f64::from(*x)))
            .collect();
        let size = gradient.iter().fold(0.1_f64, |most, g| most.max(g.abs()));
        for j in (0..d).step_by(d.div_ceil(12)) {
            let h = 1e-2;
            let at = |h: f32| {
                let mut shifted = x.to_vec();
                shifted.iter_mut().skip(j).step_by(d).for_each(|x| *x += h);
                let shifted = make(shifted);
                let plain = Robust::new(&shifted, loss::parse("multinomial").unwrap(), Risk::mean()).unwrap();
                plain.losses(network).unwrap()
            };
            for (i, (above, below)) in at(h).iter().zip(at(-h)).enumerate() {
                let numeric = (above - below) / (2.0 * f64::from(h));
                let found = gradient[i * d + j];
                // Corners of ReLU and pooling between the two sides.
                let slack = if d == 100 { 0.05 } else { 2e-3 };
                assert!((numeric - found).abs() < slack * size, "{i} {j}: {numeric} {found}");
            }
        }
    }
    for (width, examples) in [(4, classes(20, 4, 3, 1)), (100, classes(9, 100, 3, 2))] {
        let robust = entropy(&examples, Risk::mean());
        let make = |x: Vec<f32>| Examples::new(width, x, examples.labels().to_vec()).unwrap();
        if width == 4 {
            let network = Mlp::new(4, &[20, 10], 3, 1).unwrap().with_activation(Activation::Tanh);
            check(&network, &robust, &examples, make);
        } else {
            check(&small_cnn(3, 1), &robust, &examples, make);
        }
    }
}
