//! The noise that attains the smooth maximum: marginals, choices, expected maximum, for every divergence of the registry.

use fenchel::choice::Extremal;
use fenchel::divergence::{self, PerAtom, parse};
use fenchel::measure::Rng;
use fenchel::smoothmax::SmoothMax;
use std::sync::Arc;

const ETA: [f64; 4] = [0.1, 0.4, 0.3, 0.2];

fn examples() -> Vec<String> {
    divergence::registry().iter().flat_map(|entry| entry.examples).map(|name| (*name).to_owned()).collect()
}

fn extremal(name: &str, lambda: f64, u: &[f64]) -> fenchel::Result<Extremal> {
    let div = if name == "per-atom" {
        let own = ["kl", "chi2", "safe-kl:0.2", "hyperbolic"].map(|name| parse(name).unwrap());
        Arc::new(PerAtom::new(name, own.to_vec()).unwrap())
    } else {
        parse(name).unwrap()
    };
    Extremal::new(SmoothMax::new(div, lambda)?.with_reference(&ETA)?, u)
}

/// All divergences but those whose marginals are not continuous, which are refused: `per-atom` and at least nine examples.
fn continuous() -> Vec<String> {
    let mut names = vec!["per-atom".to_owned()];
    for name in examples() {
        match extremal(&name, 1.0, &[0.0; 4]) {
            Ok(_) => names.push(name),
            Err(e) => assert!(name == "none" || name.starts_with("cvar"), "{name}: {e}"),
        }
    }
    assert!(names.len() >= 10, "{names:?}");
    names
}

/// Choices: frequencies within six standard errors (each fails by chance with probability below 2e-9), and in every draw the
/// atom returned is the argmax.
#[test]
fn choices_have_the_probabilities() {
    let (mut rng, draws) = (Rng::new(1), 100_000);
    for name in &continuous() {
        for lambda in [0.1, 1.0, 10.0] {
            let u = [0.0; 4].map(|_| rng.normal());
            let best = extremal(name, lambda, &u).unwrap();
            let (mut z, mut count) = ([0.0; 4], [0.0; 4]);
            for _ in 0..draws {
                let chosen = best.sample(&mut rng, &mut z).unwrap();
                let own = u[chosen] + z[chosen];
                count[chosen] += 1.0 / f64::from(draws);
                let slack = 1e-9 * (1.0 + lambda + own.abs());
                assert!((0..4).all(|i| u[i] + z[i] <= own + slack), "{name} {lambda}: {z:?}");
            }
            for (count, p) in count.iter().zip(best.probabilities()) {
                let error = 6.0 * (p * (1.0 - p) / f64::from(draws)).sqrt() + 1e-4;
                assert!((count - p).abs() < error, "{name} {lambda}: {count} {p}");
            }
        }
    }
}

/// Marginals: the empirical distribution function of z_i is F_i within 0.0137, the Dvoretzky–Kiefer–Wolfowitz bound of 100,000
/// draws that fails with probability 1.5e-16. And F_i inverts its quantiles.
#[test]
fn marginals_are_those_asked_for() {
    let (mut rng, draws) = (Rng::new(2), 100_000);
    for name in &continuous() {
        let best = extremal(name, 0.7, &[0.3, 0.0, -0.5, 0.4]).unwrap();
        let (mut compared, mut inverted) = (0, 0);
        let mut columns = vec![Vec::new(); 4];
        let mut z = [0.0; 4];
        for _ in 0..draws {
            best.sample(&mut rng, &mut z).unwrap();
            columns.iter_mut().zip(z).for_each(|(column, z)| column.push(z));
        }
        for (i, column) in columns.iter_mut().enumerate() {
            column.sort_by(f64::total_cmp);
            for k in (50..draws).step_by(97) {
                if column[k].is_finite() {
                    compared += 1;
                    let (found, empirical) = (best.distribution(i, column[k]), k as f64 / draws as f64);
                    assert!((found - empirical).abs() < 0.0138, "{name} {i}: {found} {empirical}");
                }
            }
            for k in 1..100 {
                let survival = f64::from(k) / 100.0;
                let s = best.quantile(i, survival);
                if s.is_finite() {
                    inverted += 1;
                    let back = 1.0 - best.distribution(i, s);
                    assert!((back - survival).abs() < 1e-9, "{name} {i}: {back} {survival}");
                }
            }
        }
        // Of 4 × 1031 numbers and 4 × 99 quantiles, at least a quarter: a cap, which is at least 1, leaves Σ min(1, cap η_i) ≥ 1
        // of four distributions finite.
        assert!(compared >= 1000 && inverted >= 95, "{name}: {compared} {inverted}");
    }
}

/// The expected maximum is the smooth maximum: Σ_j p_j (u_j + E[z_j in the upper p_j of F_j]), with each mean by the midpoint
/// rule on v = (3w² − 2w³)²⁰, which
/// makes tails like v^{−0.9} smooth, and logarithms at v = 1. No sampling.
#[test]
fn expected_maximum_is_the_smooth_maximum() {
    let mut rng = Rng::new(3);
    for name in &continuous() {
        for lambda in [0.05, 1.0, 20.0] {
            let u = [0.0; 4].map(|_| rng.normal());
            let best = extremal(name, lambda, &u).unwrap();
            let mut expected = 0.0;
            for (j, p) in best.probabilities().iter().enumerate() {
                let m = 20_000;
                let mut inside = 0.0;
                for k in 0..m {
                    let w = (f64::from(k) + 0.5) / f64::from(m);
                    let smooth = w * w * (3.0 - 2.0 * w);
                    let weight = 20.0 * smooth.powi(19) * 6.0 * w * (1.0 - w) / f64::from(m);
                    inside += weight * best.quantile(j, p * smooth.powi(20));
                }
                if *p > 0.0 {
                    expected += p * (u[j] + inside);
                }
            }
            let size = 1.0 + lambda;
            assert!(
                (expected - best.value()).abs() < 1e-5 * size,
                "{name} {lambda}: {expected} {}",
                best.value()
            );
        }
    }
}

/// No other dependence does better: independent noise with the same marginals has a smaller expected maximum, by more than six
/// standard errors of 100,000 draws.
#[test]
fn independence_is_not_better() {
    let mut rng = Rng::new(4);
    for name in ["kl", "chi2", "hyperbolic", "safe-kl:0.1"] {
        let u = [0.5, 0.0, 0.2, -0.3];
        let best = extremal(name, 1.0, &u).unwrap();
        let draws = 100_000;
        let tops: Vec<f64> = (0..draws)
            .map(|_| (0..4).map(|i| u[i] + best.quantile(i, rng.uniform())).fold(f64::NEG_INFINITY, f64::max))
            .collect();
        let n = f64::from(draws);
        let mean = tops.iter().sum::<f64>() / n;
        let error = 6.0 * (tops.iter().map(|top| (top - mean).powi(2)).sum::<f64>() / n / n).sqrt();
        assert!(mean + error < best.value(), "{name}: {mean} {error} {}", best.value());
    }
}

#[test]
fn errors_name_what_is_wrong() {
    let none = SmoothMax::new(parse("none").unwrap(), 1.0).unwrap();
    let message = Extremal::new(none, &[1.0, 2.0]).unwrap_err().to_string();
    assert!(message.contains("divergence is none") && message.contains("continuously"), "{message}");
    let cvar = SmoothMax::new(parse("cvar:0.5").unwrap(), 1.0).unwrap();
    assert!(Extremal::new(cvar, &[1.0, 2.0]).is_err());
    let kl = SmoothMax::new(parse("kl").unwrap(), 1.0).unwrap();
    assert!(Extremal::new(kl, &[1.0, f64::NAN]).unwrap_err().to_string().contains("NaN"));
    let kl = SmoothMax::new(parse("kl").unwrap(), 1.0).unwrap();
    let best = Extremal::new(kl, &[1.0, 2.0]).unwrap();
    for room in [0, 1, 3] {
        let message = best.sample(&mut Rng::new(1), &mut vec![0.0; room]).unwrap_err().to_string();
        assert_eq!(message, format!("noise: expected one number an atom, 2, found {room}"));
    }
    // A counting reference adds λ log 3 to every z_i, and to the maximum.
    let u = [1.0, 2.0, 0.0];
    let plain = SmoothMax::new(parse("kl").unwrap(), 2.0).unwrap();
    let counted = plain.clone().with_reference(&[1.0; 3]).unwrap();
    let (plain, counted) = (Extremal::new(plain, &u).unwrap(), Extremal::new(counted, &u).unwrap());
    let more = 2.0 * 3f64.ln();
    assert!((counted.value() - plain.value() - more).abs() < 1e-14);
    assert!((counted.quantile(1, 0.2) - plain.quantile(1, 0.2) - more).abs() < 1e-14);
}
