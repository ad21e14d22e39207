//! Two clouds in the plane: networks as potentials, what is certified about them, where mass goes, and how the dual without safe KL fares.
//!
//!     cargo run --release -p fenchel-neural --example network_transport

use fenchel::measure::{FromFn, Rng, Source};
use fenchel::optim::Silent;
use fenchel::transport::Lambda;
use fenchel::transport::continuous::{self, Continuous};
use fenchel::{Result, cost, divergence};
use fenchel_neural::transport::{NeuralTransport, Objective, Settings};
use std::sync::Arc;

/// One of two half circles.
fn moon(name: &str, upper: bool) -> Result<Arc<dyn Source>> {
    let draw = move |rng: &mut Rng, x: &mut [f64]| {
        let angle = std::f64::consts::PI * rng.uniform();
        let (a, b) = if upper { (angle.cos(), angle.sin()) } else { (1.0 - angle.cos(), 0.5 - angle.sin()) };
        x[0] = a + 0.1 * rng.normal();
        x[1] = b + 0.1 * rng.normal();
    };
    Ok(Arc::new(FromFn::new(2, draw)?.named(name)))
}

fn main() -> Result<()> {
    let problem = Continuous::new(
        moon("upper moon", true)?,
        moon("lower moon", false)?,
        cost::parse("sqeuclidean")?,
        divergence::parse("kl")?,
        Lambda::Absolute(0.2),
    )?;
    let settings = Settings { steps: 1500, ..Settings::default() };
    for objective in [Objective::Dual, Objective::Safe { rho: 0.1 }, Objective::Safe { rho: 0.01 }] {
        let transport = NeuralTransport::new(problem.clone(), objective)?;
        let trained = transport.train(transport.perceptrons(&[64, 32], 1)?, &settings, &mut Silent)?;
        let judged = continuous::Settings { max_samples: 1024, ..continuous::Settings::default() };
        let (solution, coupling) = transport.certify(&trained, &judged, &mut Silent)?;
        let interval = solution.interval;
        println!("{}: {} after {} steps", solution.solver, trained.status, trained.steps);
        let (value, error) = (trained.value, trained.error);
        println!("  objective {value:.4} ± {error:.4}, {} steps that overflowed", trained.overflows);
        println!("  W in [{:.4}, {:.4}]", interval.lower, interval.upper);
        if let Objective::Safe { .. } = objective {
            let bias = transport.bias(&trained.v, &judged, &mut Silent)?;
            println!("  safe transport costs at most {:.4} more", bias.upper());
        }
        let mut y = [0.0; 2];
        coupling.barycentric(&[-1.0, 0.0], &mut y)?;
        println!("  (-1, 0) goes to ({:.2}, {:.2}) in the mean", y[0], y[1]);
    }
    Ok(())
}
