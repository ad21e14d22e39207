//! The same scores under every divergence: value, threshold and weights.
//!
//!     cargo run --release --example smooth_maximum

use fenchel::divergence::{parse, registry};
use fenchel::smoothmax::SmoothMax;

fn main() -> fenchel::Result<()> {
    let scores = [2.0, 1.7, 0.4, -1.0];
    let lambda = 0.5;
    println!("scores {scores:?}, λ = {lambda}, uniform reference\n");
    println!("{:<24} {:>8} {:>10}   weights", "divergence", "value", "threshold");

    // The registry knows them all; a name with a parameter makes one.
    for name in registry().iter().map(|entry| entry.examples[0]) {
        let mut smooth = SmoothMax::new(parse(name)?, lambda)?;
        let mut p = [0.0; 4];
        let top = smooth.evaluate(&scores, &mut p)?;
        let weights: Vec<String> = p.iter().map(|p| format!("{p:.3}")).collect();
        println!("{name:<24} {:>8.4} {:>10.4}   {}", top.value, top.threshold, weights.join("  "));

        // The gradient of the value is the vector of weights: they are a probability.
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-14);
    }

    // λ sets how soft the maximum is: from the largest score to the mean.
    println!("\n{:<10} {:>8}", "λ (kl)", "value");
    for lambda in [1e-3, 1e-1, 1.0, 10.0, 1e3] {
        let mut p = [0.0; 4];
        let value = SmoothMax::new(parse("kl")?, lambda)?.evaluate(&scores, &mut p)?.value;
        println!("{lambda:<10} {value:>8.4}");
        assert!((0.775..=2.0).contains(&value), "between the mean and the maximum");
    }
    Ok(())
}
