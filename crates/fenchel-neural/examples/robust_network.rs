//! A network that is fitted to the mean, one that holds up on the worst case, and one whose examples may move as well.
//!
//!     cargo run --release -p fenchel-neural --example robust_network

use fenchel::measure::Rng;
use fenchel::optim::Silent;
use fenchel::robust::{Method, Risk, Strength, loss};
use fenchel::{Result, divergence};
use fenchel_neural::network::Mlp;
use fenchel_neural::optimiser::Rule;
use fenchel_neural::robust::{Examples, Robust, Settings, Trained, Transport, Watch};

/// Two moons; one in twenty is from a third, rare group that lies elsewhere.
fn moons(n: usize, seed: u64) -> Result<Examples> {
    let mut rng = Rng::new(seed);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for i in 0..n {
        let (class, angle) = (i % 2, std::f64::consts::PI * rng.uniform());
        let (mut a, mut b) =
            if class == 0 { (angle.cos(), angle.sin()) } else { (1.0 - angle.cos(), 0.5 - angle.sin()) };
        if i % 20 == 1 {
            (a, b) = (-1.6, 1.2);
        }
        x.extend([a + 0.15 * rng.normal(), b + 0.15 * rng.normal()].map(|x| x as f32));
        y.push(class as f64);
    }
    Examples::new(2, x, y)
}

fn main() -> Result<()> {
    let examples = moons(2000, 1)?;
    let (train, held) = examples.split(0.25, 1)?;
    let kl = Risk::new(divergence::parse("kl")?, Strength::Penalty(0.2))?;
    let settings = Settings {
        rule: Rule::ADAM,
        batch: 50,
        epochs: 60,
        patience: Some(20),
        watch: Watch::Risk,
        ..Settings::default()
    };
    println!("{:<28} {:>10} {:>10} {:>10} {:>8}", "trained by", "mean loss", "risk", "accuracy", "passes");
    let show = |name: &str, trained: &Trained<Mlp>| -> Result<()> {
        let judged = Robust::new(&held, loss::parse("multinomial")?, kl.clone())?;
        let on = judged.validate(&trained.network, &held)?;
        let accuracy = on.accuracy.unwrap_or(f64::NAN);
        println!("{name:<28} {:>10.4} {:>10.4} {accuracy:>10.3} {:>8}", on.loss, on.risk, trained.epoch);
        Ok(())
    };
    for (name, risk) in [("the mean", Risk::mean()), ("safe KL, λ = 0.2", kl.clone())] {
        let robust = Robust::new(&train, loss::parse("multinomial")?, risk)?.validated(&held)?;
        show(name, &robust.train(Mlp::new(2, &[32, 16], 2, 1)?, &settings, &mut Silent)?)?;
    }

    // Unbalanced transport, κ = 4 and κβ = 1: the sum of exponentials of its paper, and the safe form.
    let unit = Risk::new(divergence::parse("kl")?, Strength::Penalty(1.0))?;
    let robust = Robust::new(&train, loss::parse("multinomial")?, unit)?
        .perturbed(Transport::new(4.0)?)
        .validated(&held)?;
    for (name, method) in
        [("exponentials, moved", Method::SumOfExponentials), ("safe KL, moved", Method::Joint)]
    {
        let settings = Settings { method, rho: Some(0.1), epochs: 10, ..settings };
        show(name, &robust.train(Mlp::new(2, &[32, 16], 2, 1)?, &settings, &mut Silent)?)?;
    }
    Ok(())
}
