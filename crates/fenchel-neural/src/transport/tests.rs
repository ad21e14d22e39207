//! Gradients of the surrogate against differences of the objective on the same batch.

use super::pairs::Table;
use super::settings::{Pairs, Settings};
use super::standard::Standard;
use super::training::Run;
use super::{NeuralTransport, Objective};
use crate::network::{Activation, Mlp, evaluate, parameters};
use crate::optimiser::Rule;
use burn::module::Module;
use fenchel::measure::Design;
use fenchel::transport::Lambda;
use fenchel::transport::continuous::Continuous;
use fenchel::{cost, divergence, measure};

fn transport(divergence: &str, objective: Objective) -> NeuralTransport {
    let problem = Continuous::new(
        measure::parse("gaussian:2").unwrap(),
        measure::parse("ball:2").unwrap(),
        cost::parse("l1").unwrap(),
        divergence::parse(divergence).unwrap(),
        Lambda::Absolute(0.6),
    );
    NeuralTransport::new(problem.unwrap(), objective).unwrap()
}

/// Parameters are rounded to 2⁻²⁴ of about 1 and scores as well: over h = 4 · 10⁻³ that is 10⁻⁵ in a difference.
#[test]
fn gradients_are_those_of_the_objective() {
    let smooth =
        |hidden: &[usize], seed| Mlp::new(2, hidden, 1, seed).unwrap().with_activation(Activation::Softplus);
    let objectives = [
        ("kl", Objective::Dual),
        ("kl", Objective::Safe { rho: 0.1 }),
        ("kl", Objective::Safe { rho: 0.9 }),
        ("chi2", Objective::Dual),
        ("tsallis:1.5", Objective::Dual),
        ("hyperbolic", Objective::Dual),
    ];
    for (name, objective) in objectives {
        for pairs in [Pairs::All, Pairs::Matched] {
            let transport = transport(name, objective);
            let settings = Settings {
                rule: Rule::Sgd { momentum: 0.0 },
                step: Some(1e-2),
                batch: 12,
                pairs,
                ..Settings::default()
            };
            let run = Run::new(&transport, &settings).unwrap();
            let networks = (smooth(&[6], 1), smooth(&[5, 4], 2));
            let theta = parameters::read(&networks);
            let (gradient, unit) = run.slope(&networks).unwrap();

            let [xs, ys] = run.points(Design::Iid, crate::purpose::STEPS, 0, 12).unwrap();
            let table = Table::new(&**transport.problem.cost(), 2, &xs, &ys, pairs).unwrap();
            let standards: [Standard; 2] = run.standards(&networks).unwrap();
            let value = |theta: &[f32]| {
                let (u, v) = parameters::put(networks.clone(), theta);
                let us = standards[0].values(&evaluate(&u.valid(), &standards[0].features(&xs)));
                let vs = standards[1].values(&evaluate(&v.valid(), &standards[1].features(&ys)));
                run.dual.value(&table, &us, &vs)
            };
            let size = gradient.iter().fold(0.1_f64, |most, g| most.max(f64::from(g.abs())));
            for j in 0..theta.len() {
                let at = |h: f32| {
                    let mut moved = theta.clone();
                    moved[j] += h;
                    value(&moved)
                };
                let h = 4e-3;
                // Steps go down, the objective up.
                let numeric = -(at(h) - at(-h)) / (2.0 * f64::from(h)) / unit;
                let error = (numeric - f64::from(gradient[j])).abs();
                assert!(error < 2e-3 * size, "{name} {objective} {pairs:?} {j}: {numeric} {}", gradient[j]);
            }
        }
    }
}

/// Scales of data are taken out, a coordinate that hardly varies is not blown up, and one that does not is left out.
#[test]
fn points_are_brought_to_unit_scale() {
    for scale in [1e-200, 1e-5, 1.0, 1e6, 1e200] {
        let points: Vec<f64> = (0..300)
            .flat_map(|i| {
                let rare = if i == 7 { scale } else { 0.0 };
                [scale * (100.0 + f64::from(i % 3)), rare, 5.0 * scale]
            })
            .collect();
        let standard = Standard::of(3, &points, 2.0 * scale);
        let features = standard.features(&points);
        for k in 0..3 {
            let column: Vec<f64> = features.iter().skip(k).step_by(3).map(|x| f64::from(*x)).collect();
            let mean = column.iter().sum::<f64>() / 300.0;
            let square = column.iter().map(|x| x * x).sum::<f64>() / 300.0;
            assert!(mean.abs() < 1e-4, "{scale} {k}: {mean}");
            let most = column.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
            match k {
                0 => assert!((square - 1.0).abs() < 1e-4, "{scale}: {square}"),
                1 => assert!(most > 7.0 && most < 8.0, "{scale}: {most}"),
                _ => assert_eq!(most, 0.0, "{scale}"),
            }
        }
        let far = standard.features(&[f64::MAX, -f64::MAX, f64::MAX]);
        assert!(far.iter().all(|x| x.abs() <= 1e4));
        assert_eq!(standard.values(&[1.5]), [3.0 * scale]);
    }
}
