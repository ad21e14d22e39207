//! The problem of the paper's section 5, its optimum, and runs of Algorithm 1 on it: what several experiments share.

use super::super::lab::Lab;
use crate::failure::Result;
use fenchel::measure::{Design, Gaussian, PointCloud, draw_points, stream};
use fenchel::transport::{Asgd, DualOracle, Lambda, SemiDiscrete, Settings, StepRule};
use fenchel::{cost, divergence};
use std::sync::Arc;

/// λ of section 5.
pub const LAMBDA: f64 = 0.1;

/// Streams of random numbers.
mod purpose {
    pub const ATOMS: u64 = 101;
    pub const NET: u64 = 102;
    pub const RUNS: u64 = 110;
}

/// A standard Gaussian in the plane to `n` atoms drawn uniformly from [−1, 1]², l∞ cost, λ = 0.1; with its optimum,
/// on a net of quasi-random points that stands for the Gaussian.
pub struct Reference {
    /// The problem, with the Gaussian itself.
    pub problem: SemiDiscrete,
    /// The optimal potentials, centred.
    pub phi: Vec<f64>,
    /// Width of the bracket about the optimal value on the net: no part of it is a confidence.
    pub bracket: f64,
    /// ‖φ* − φ*′‖² for the optimum φ*′ on a second net, which is as good.
    pub distance: f64,
    /// How far from optimal φ*′ is on this net: what a net is worth.
    pub suboptimality: f64,
    /// The problem with the net in the Gaussian's place, and the net.
    on_net: SemiDiscrete,
    net: Arc<Vec<f64>>,
    value: f64,
}

impl Reference {
    /// Solves it; `log_points` is the logarithm of the size of the net.
    pub fn new(lab: &Lab, divergence: &str, n: usize, log_points: u32) -> Result<Self> {
        let mut rng = stream(lab.seed(), purpose::ATOMS, n as u64);
        let atoms: Vec<f64> = (0..2 * n).map(|_| 2.0 * rng.uniform() - 1.0).collect();
        let gaussian = Arc::new(Gaussian::standard(2)?);
        let problem = |source| {
            let (cost, divergence) = (cost::parse("linf")?, divergence::parse(divergence)?);
            let atoms = PointCloud::new(2, atoms.clone())?;
            SemiDiscrete::new(source, atoms, cost, divergence, Lambda::Absolute(LAMBDA))
        };
        let solved = |net: u64| {
            let len = 1_usize << log_points;
            let mut xs = vec![0.0; 2 * len];
            draw_points(&*gaussian, Design::Sobol, lab.seed(), purpose::NET + net, 0, len, &mut xs)?;
            let on_net = problem(Arc::new(PointCloud::new(2, xs.clone())?))?;
            // Where nothing is smooth, more than this gains nothing: nets differ by more.
            let tolerance = if divergence == "none" { 1e-6 } else { 1e-9 };
            let settings = Settings { tolerance, ..Settings::default() };
            let solution = lab.solve(&on_net, &settings)?;
            let phi: Vec<f64> = solution.potential.iter().map(|p| p.unwrap_or(0.0)).collect();
            crate::failure::Result::Ok((on_net, xs, phi, solution.interval.width()))
        };
        let (on_net, net, phi, bracket) = solved(0)?;
        let other = solved(1)?.2;
        let mut reference = Reference {
            problem: problem(gaussian.clone())?,
            bracket,
            distance: square_distance(&phi, &other),
            phi,
            on_net,
            net: Arc::new(net),
            suboptimality: 0.0,
            value: 0.0,
        };
        let mut judge = reference.judge()?;
        reference.value = judge.dual(&reference.phi)?;
        reference.suboptimality = reference.value - judge.dual(&other)?;
        Ok(reference)
    }

    /// Evaluates potentials.
    pub fn judge(&self) -> Result<Judge> {
        let oracle = self.on_net.oracle(0)?;
        let gradient = vec![0.0; self.phi.len()];
        Ok(Judge { oracle, net: self.net.clone(), gradient, value: self.value })
    }

    /// The suboptimality and ‖φ̄_T − φ*‖² of the averages of Algorithm 1 at each of `times`, in increasing order.
    pub fn run(
        &self,
        lab: &Lab,
        rule: StepRule,
        oracle_error: f64,
        run: u64,
        times: &[u64],
    ) -> Result<Vec<Point>> {
        let seed = stream(lab.seed(), purpose::RUNS, run).next_u64();
        let mut judge = self.judge()?;
        let asgd = |steps| Asgd { steps, rule, oracle_error, ..Asgd::default() };
        let last = times.last().copied().unwrap_or(1);
        let mut ascent = self.problem.ascent(asgd(last), seed)?;
        let mut points = Vec::new();
        for &t in times {
            // A step size that depends on T is a run of its own for each T.
            if rule != StepRule::PracticalDecaying {
                ascent = self.problem.ascent(asgd(t), seed)?;
            }
            // In pieces, to hear of Ctrl-C.
            for piece in (0..t).step_by(10_000).skip(1).chain([t]) {
                lab.go_on()?;
                ascent.advance_to(piece)?;
            }
            let average = ascent.average();
            points.push(Point {
                suboptimality: judge.suboptimality(average)?,
                distance: square_distance(average, &self.phi),
            });
        }
        Ok(points)
    }
}

/// What a run has reached.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// h(φ*) − h(φ̄).
    pub suboptimality: f64,
    /// ‖φ̄ − φ*‖².
    pub distance: f64,
}

/// Values of the dual on a net.
pub struct Judge {
    oracle: DualOracle<f64>,
    net: Arc<Vec<f64>>,
    gradient: Vec<f64>,
    value: f64,
}

impl Judge {
    /// h(φ).
    fn dual(&mut self, phi: &[f64]) -> Result<f64> {
        Ok(self.oracle.evaluate(&self.net, phi, &mut self.gradient)?)
    }

    /// h(φ*) − h(φ), both on the net, whose own optimum φ* is: its error is of the order of the Hessian's.
    pub fn suboptimality(&mut self, phi: &[f64]) -> Result<f64> {
        Ok(self.value - self.dual(phi)?)
    }
}

/// ‖a − b‖².
fn square_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// 1, 2, 5, 10, … up to `last`.
pub fn times(last: u64) -> Vec<u64> {
    let decades = (0..).map(|k| 10_u64.pow(k)).take_while(|t| *t <= last);
    decades.flat_map(|t| [t, 2 * t, 5 * t]).filter(|t| *t <= last).collect()
}
