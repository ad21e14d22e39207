//! A problem of one's own, stated, solved, certified, used and kept.
//!
//!     cargo run --release --example transport

use fenchel::cost::{Cost, CostFn};
use fenchel::divergence;
use fenchel::measure::{FromFn, PointCloud, Rng};
use fenchel::optim::{Flow, Progress};
use fenchel::transport::{Lambda, Plan, SemiDiscrete, Settings};
use std::sync::Arc;

fn main() -> fenchel::Result<()> {
    // The source is anything that draws points: here a noisy ring.
    let ring = FromFn::new(2, |rng: &mut Rng, x: &mut [f64]| {
        let (angle, radius) = (std::f64::consts::TAU * rng.uniform(), 2.0 + 0.2 * rng.normal());
        (x[0], x[1]) = (radius * angle.cos(), radius * angle.sin());
    })?
    .named("ring");

    // The target: four atoms, one of which takes half of the mass.
    let corners = vec![1.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0, -1.0];
    let atoms = PointCloud::weighted(2, corners, vec![3.0, 1.0, 1.0, 1.0])?;

    // The cost: a closure. Going north is twice as dear as going anywhere else.
    let uphill: Arc<dyn Cost> = Arc::new(CostFn::new("uphill", |x: &[f64], y: &[f64]| {
        let (east, north) = (y[0] - x[0], y[1] - x[1]);
        east.hypot(if north > 0.0 { 2.0 * north } else { north })
    }));

    let problem = SemiDiscrete::new(
        Arc::new(ring),
        atoms,
        uphill.clone(),
        divergence::parse("tsallis:1.5")?,
        Lambda::Relative(0.05),
    )?;
    let mut calls = 0;
    let mut observer = |_: &Progress<'_>| {
        calls += 1;
        Flow::Continue // or Stop: the best result so far comes back, and says so.
    };
    let solution = problem.solve(&Settings { tolerance: 5e-3, ..Settings::default() }, &mut observer)?;

    println!("status          {}, {} samples, {calls} reports", solution.status, solution.samples);
    println!(
        "regularised     {:.4} in [{:.4}, {:.4}]",
        solution.value, solution.interval.lower, solution.interval.upper
    );
    println!("unregularised   in [{:.4}, {:.4}]", solution.bounds.lower, solution.bounds.upper);
    println!("marginal error  {:.1e}", solution.marginal_error.l1);
    for (i, phi) in solution.potential.iter().flatten().enumerate() {
        println!("potential {i}     {phi:+.4}");
    }
    assert!(solution.status.is_converged());

    // At new points: where does mass at the top of the ring go?
    let plan = problem.plan(&solution)?;
    let (x, mut p, mut mean) = ([0.0, 2.0], [0.0; 4], [0.0; 2]);
    plan.weights(&x, &mut p)?;
    plan.barycentric(&x, &mut mean)?;
    println!("mass at {x:?} goes to {p:.3?}, on average to {mean:.3?}");

    // A plan can be kept; its own cost has to be brought along.
    let path = std::env::temp_dir().join(format!("fenchel-example-{}.json", std::process::id()));
    plan.save(&path)?;
    let again = Plan::load_with(&path, uphill, divergence::parse("tsallis:1.5")?)?;
    assert_eq!(again.assign(&x)?, plan.assign(&x)?);
    let _ = std::fs::remove_file(&path);
    Ok(())
}
