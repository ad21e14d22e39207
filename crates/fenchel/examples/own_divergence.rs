//! Two ways to a divergence that nobody has named yet.
//!
//!     cargo run --release --example own_divergence

use fenchel::divergence::{Divergence, FromGenerator};
use fenchel::measure::{PointCloud, parse};
use fenchel::optim::Silent;
use fenchel::smoothmax::SmoothMax;
use fenchel::transport::{Lambda, SemiDiscrete, Settings};
use std::sync::Arc;

/// Reverse Kullback–Leibler: f(t) = t − 1 − log t, D(p‖η) = KL(η‖p). No weight is ever zero.
#[derive(Debug, Clone, Copy)]
struct ReverseKl;

impl Divergence for ReverseKl {
    fn name(&self) -> String {
        "reverse-kl".into()
    }
    fn f(&self, t: f64) -> f64 {
        if t > 0.0 { t - 1.0 - t.ln() } else { f64::INFINITY }
    }
    fn f_prime(&self, t: f64) -> f64 {
        if t > 0.0 { 1.0 - 1.0 / t } else { f64::NEG_INFINITY }
    }
    // f* is finite for s < 1 only, and (f*)' has a heavy tail: 1/(1 − s).
    fn conj(&self, s: f64) -> f64 {
        if s < 1.0 { -(-s).ln_1p() } else { f64::INFINITY }
    }
    fn conj_prime(&self, s: f64) -> f64 {
        if s < 1.0 { 1.0 / (1.0 - s) } else { f64::INFINITY }
    }
    fn conj_second(&self, s: f64) -> f64 {
        self.conj_prime(s) * self.conj_prime(s)
    }
    fn s_max(&self) -> f64 {
        1.0
    }
    // ((f*)')^κ is affine in s for κ = −1: the search for the threshold takes that into account.
    fn power(&self) -> f64 {
        -1.0
    }
}

fn main() -> fenchel::Result<()> {
    // By formulas: a type with six functions, and whatever else is known.
    show("reverse-kl", Arc::new(ReverseKl))?;

    // By distribution: noise of a given shape in a discrete choice, through its generating function F = (f*)'.
    let logistic = FromGenerator::new("logistic", |s: f64| 2.0 / (1.0 + (-s).exp()))?;
    show("logistic", Arc::new(logistic))?;

    // Either does all that the built-in ones do.
    let atoms = PointCloud::new(1, vec![-1.0, 0.0, 1.0])?;
    let (source, cost) = (parse("gaussian:1")?, fenchel::cost::parse("l1")?);
    let problem = SemiDiscrete::new(source, atoms, cost, Arc::new(ReverseKl), Lambda::Absolute(0.1))?;
    let solution = problem.solve(&Settings { tolerance: 1e-2, ..Settings::default() }, &mut Silent)?;
    let (value, interval) = (solution.value, solution.interval);
    println!("transport with reverse-kl: {value:.4} in [{:.4}, {:.4}]", interval.lower, interval.upper);
    assert!(solution.status.is_converged() && interval.contains(value));
    Ok(())
}

/// Weights of three scores, and the proof that they are right: primal and dual value agree.
fn show(name: &str, divergence: Arc<dyn Divergence>) -> fenchel::Result<()> {
    let (scores, mut p) = ([1.0, 0.8, -3.0], [0.0; 3]);
    let mut smooth = SmoothMax::new(divergence, 0.5)?;
    let top = smooth.evaluate(&scores, &mut p)?;
    let proof = smooth.certify(&scores, &p, &top)?;
    println!("{name:<12} value {:.4}, weights {p:.3?}, gap {:.0e}", top.value, proof.gap.abs().max(1e-16));
    assert!(proof.gap.abs() < 1e-9);
    Ok(())
}
