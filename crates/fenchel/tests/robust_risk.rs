//! The worst-case risk of a vector of losses: laws over random losses of many magnitudes, every divergence.

use fenchel::divergence::{self, Divergence};
use fenchel::robust::{Risk, Strength};
use proptest::prelude::*;
use std::sync::Arc;

fn all() -> Vec<Arc<dyn Divergence>> {
    let names = divergence::registry().iter().flat_map(|entry| entry.examples);
    names.map(|name| divergence::parse(name).unwrap()).collect()
}

fn mean(p: &[f64], losses: &[f64]) -> f64 {
    p.iter().zip(losses).map(|(p, x)| p * x).sum()
}

fn divergence_of(f: &dyn Divergence, p: &[f64], eta: &[f64]) -> f64 {
    f.penalty(p, eta) - f.f_at_one()
}

/// Losses between a few and a few dozen, of sizes from 1e-100 to 1e100, some alike, with weights.
fn losses() -> impl Strategy<Value = (Vec<f64>, Vec<f64>)> {
    let one = (-1.0_f64..1.0, 0.05_f64..1.0, any::<bool>());
    (prop::collection::vec(one, 2..40), -100_i32..100, -3.0_f64..3.0).prop_map(|(all, exponent, shift)| {
        let size = 10f64.powi(exponent);
        let mut losses: Vec<f64> = all.iter().map(|(x, _, _)| (x * x * x + shift) * size).collect();
        for i in 1..all.len() {
            if all[i].2 {
                losses[i] = losses[i - 1];
            }
        }
        let total: f64 = all.iter().map(|(_, w, _)| w).sum();
        (losses, all.iter().map(|(_, w, _)| w / total).collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The weights are in the simplex and within the radius, both sides meet, and no other radius' weights do better.
    #[test]
    fn within_a_radius((losses, eta) in losses(), log_radius in -12.0_f64..3.0, other in -3.0_f64..3.0) {
        let radius = log_radius.exp();
        let size = losses.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        for f in all() {
            let mut p = vec![0.0; losses.len()];
            let risk = Risk::new(f.clone(), Strength::Radius(radius)).unwrap();
            let worst = risk.of(&losses, &eta, &mut p).unwrap();
            let f = f.for_atoms(&(0..losses.len()).collect::<Vec<_>>()).unwrap_or(f);
            prop_assert!(p.iter().all(|p| *p >= 0.0) && (p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            let divergence = divergence_of(&*f, &p, &eta);
            prop_assert!(divergence <= radius * (1.0 + 1e-9) + 1e-15, "{} {} {}", f.name(), divergence, radius);
            prop_assert!((worst.lower - mean(&p, &losses)).abs() <= 1e-13 * size, "{}", f.name());
            let gap = worst.value - worst.lower;
            prop_assert!(gap >= -1e-12 * size && gap <= 1e-9 * size, "{}: {:?} gap {} of {}", f.name(), worst, gap, size);
            // Weights of some penalty, drawn into the ball.
            let penalised = Risk::new(f.clone(), Strength::Penalty(size * other.exp())).unwrap();
            penalised.of(&losses, &eta, &mut p).unwrap();
            let apart = divergence_of(&*f, &p, &eta);
            let share = if apart > radius { radius / apart } else { 1.0 };
            let drawn: Vec<f64> = p.iter().zip(&eta).map(|(p, eta)| eta + share * (p - eta)).collect();
            prop_assert!(mean(&drawn, &losses) <= worst.value + 1e-12 * size, "{}", f.name());
        }
    }

    /// A radius leads to the multiplier whose penalty leads to the radius.
    #[test]
    fn a_radius_is_a_penalty((losses, eta) in losses(), log_lambda in -3.0_f64..4.0) {
        let size = losses.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        let lambda = size * log_lambda.exp();
        prop_assume!(size > 0.0);
        for f in all().into_iter().filter(|f| f.is_smooth()) {
            let mut p = vec![0.0; losses.len()];
            let penalised = Risk::new(f.clone(), Strength::Penalty(lambda)).unwrap();
            let at = penalised.of(&losses, &eta, &mut p).unwrap();
            prop_assert!((at.value - at.lower).abs() <= 1e-11 * (size + lambda), "{}: {:?}", f.name(), at);
            let ball = Risk::new(f.clone(), Strength::Radius(at.divergence)).unwrap();
            let mut q = vec![0.0; losses.len()];
            let same = ball.of(&losses, &eta, &mut q).unwrap();
            let value = at.lower + lambda * (at.divergence + f.f_at_one());
            prop_assert!((same.value - value).abs() <= 1e-9 * size + 1e-12 * lambda, "{}: {:?} {:?}", f.name(), at, same);
        }
    }

    /// Risks grow with the radius, from the mean to the largest loss; they shift and scale with the losses.
    #[test]
    fn order((losses, eta) in losses(), log_radius in -6.0_f64..3.0, shift in -3.0_f64..3.0) {
        let radius = log_radius.exp();
        let size = losses.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        let most = losses.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for f in all() {
            let mut p = vec![0.0; losses.len()];
            let mut at = |r: f64, losses: &[f64]| {
                Risk::new(f.clone(), Strength::Radius(r)).unwrap().of(losses, &eta, &mut p).unwrap().value
            };
            let (small, large) = (at(radius, &losses), at(2.0 * radius, &losses));
            let slack = 1e-9 * size;
            prop_assert!(mean(&eta, &losses) <= small + slack && small <= large + slack && large <= most + slack, "{}", f.name());
            let moved: Vec<f64> = losses.iter().map(|x| 0.25 * x + shift * size).collect();
            prop_assert!((at(radius, &moved) - (0.25 * small + shift * size)).abs() <= 4.0 * slack, "{}", f.name());
        }
    }
}

#[test]
fn known_risks() {
    // KL around two equal losses and a larger one, by hand: p ∝ (1, 1, e^{1/λ}).
    let losses = [0.0, 0.0, 1.0];
    let mut p = [0.0; 3];
    let kl = |strength| Risk::new(divergence::parse("kl").unwrap(), strength).unwrap();
    let worst = kl(Strength::Radius(0.3)).of(&losses, &[], &mut p).unwrap();
    let q = p[2];
    let divergence = q * (3.0 * q).ln() + (1.0 - q) * (1.5 * (1.0 - q)).ln();
    assert!((divergence - 0.3).abs() < 1e-12 && (worst.value - q).abs() < 1e-12);
    // A radius that lets all mass be on the largest loss: log 3.
    let worst = kl(Strength::Radius(1.1)).of(&losses, &[], &mut p).unwrap();
    assert_eq!((worst.value, worst.lambda), (1.0, 0.0));
    // χ² of a small radius is the mean and √r standard deviations.
    let chi2 = Risk::new(divergence::parse("chi2").unwrap(), Strength::Radius(0.01)).unwrap();
    let worst = chi2.of(&losses, &[], &mut p).unwrap();
    assert!((worst.value - (1.0 / 3.0 + 0.1 * (2.0_f64 / 9.0).sqrt())).abs() < 1e-12);
    let cvar = Risk::new(divergence::parse("cvar:0.5").unwrap(), Strength::Radius(0.0)).unwrap();
    let worst = cvar.of(&losses, &[], &mut p).unwrap();
    assert!((worst.value - 2.0 / 3.0).abs() < 1e-15);
    assert!((Risk::mean().of(&losses, &[], &mut p).unwrap().value - 1.0 / 3.0).abs() < 1e-15);
}

#[test]
fn bad_input_is_named() {
    let kl = || divergence::parse("kl").unwrap();
    assert!(Risk::new(kl(), Strength::Penalty(0.0)).unwrap_err().to_string().contains("lambda"));
    assert!(Risk::new(kl(), Strength::Radius(-1.0)).unwrap_err().to_string().contains("radius"));
    let risk = Risk::new(kl(), Strength::Radius(1.0)).unwrap();
    let mut p = [0.0; 2];
    let says = |outcome: fenchel::Result<fenchel::robust::Worst>| outcome.unwrap_err().to_string();
    assert!(says(risk.of(&[1.0, f64::NAN], &[], &mut p)).contains("losses"));
    assert!(says(risk.of(&[1.0, 2.0], &[1.0, -1.0], &mut p)).contains("weights[1]"));
    assert!(says(risk.of(&[1.0, 2.0], &[0.0, 0.0], &mut p)).contains("0 everywhere"));
    assert!(says(risk.of(&[1.0], &[], &mut p)).contains("losses"));
}
