//! Networks as potentials of continuous transport.
//!
//! Two networks, u of points of the source and v of points of the target, ascend the dual of a
//! [`Continuous`] problem,
//!
//! ```text
//! E u(x) + E v(y) − λ E f*(s),   s = (u(x) + v(y) − c(x, y))/λ,
//! ```
//!
//! over independent x and y. Its slopes are E(1 − w) in the values of either, w = (f*)'(s). Costs and weights are the engine's, of any cost and
//! any smooth divergence, in double precision; the graph of the networks gets them as constants.
//!
//! * [`Objective::Dual`] has the problem's own divergence. For KL, with w = e^s, this is the method of Seguy et al., "Large-scale optimal transport and
//!   mapping estimation" (2018). Weights are not bounded, and steps that are not small overflow.
//! * [`Objective::Safe`] has safe KL in place of KL: w = e^s/(1 + ρe^s) is below 1/ρ. With α = −u it is the safe semi-dual of
//!   "Improved stochastic optimization of LogSumExp" (2025).
//!
//! Whatever v comes out, [`NeuralTransport::certify`] extends it by its c-transform for the problem's own divergence and bounds the problem's value
//! from both sides: no ρ is left in that. [`NeuralTransport::bias`] bounds how far the value of safe transport is from it.
//!
//! Points are brought to zero mean and unit scale, and potentials are in units of the spread of costs, so that units of data do not matter.
//!
//! ```
//! use fenchel::optim::Silent;
//! use fenchel::transport::Lambda;
//! use fenchel::transport::continuous::{self, Continuous};
//! use fenchel::{cost, divergence, measure};
//! use fenchel_neural::transport::{NeuralTransport, Objective, Settings};
//!
//! let problem = Continuous::new(
//!     measure::parse("gaussian:1")?,
//!     measure::parse("uniform:1")?,
//!     cost::parse("sqeuclidean")?,
//!     divergence::parse("kl")?,
//!     Lambda::Absolute(0.5),
//! )?;
//! let transport = NeuralTransport::new(problem, Objective::Safe { rho: 0.1 })?;
//! let settings = Settings { batch: 64, steps: 400, ..Settings::default() };
//! let trained = transport.train(transport.perceptrons(&[16], 0)?, &settings, &mut Silent)?;
//! assert!(trained.value > trained.history[0].value);
//!
//! let (solution, coupling) = transport.certify(&trained, &continuous::Settings::default(), &mut Silent)?;
//! assert!(solution.solver.starts_with("network safe:0.1"));
//! assert!(solution.interval.contains(solution.value));
//! let mut y = [0.0];
//! coupling.barycentric(&[1.3], &mut y)?;
//! assert!(y[0] > 0.5 && y[0] < 1.0);
//! # Ok::<(), fenchel::Error>(())
//! ```

mod bias;
mod certificate;
mod checkpoint;
mod pairs;
mod potential;
mod settings;
mod standard;
#[cfg(test)]
mod tests;
mod training;

pub use bias::Bias;
pub use checkpoint::Checkpoint;
pub use fenchel::transport::continuous::Objective;
pub use potential::NetworkPotential;
pub use settings::{Pairs, Settings};

use crate::network::{Mlp, Network};
use fenchel::divergence::Divergence;
use fenchel::optim::{Loop, Observer, Status};
use fenchel::transport::continuous::{self, Continuous, Coupling, HistoryPoint, Potential, Solution};
use fenchel::{Error, Result};
use pairs::{Dual, Table};
use std::sync::Arc;
use training::Run;

/// Share of the time of a certificate that rounds of Sinkhorn's iteration may take, and seconds that are left to the rest in any case.
const ROUNDS: f64 = 0.3;
const LEAST: f64 = 1e-3;

/// A problem and what networks ascend for it.
#[derive(Debug, Clone)]
pub struct NeuralTransport {
    problem: Continuous,
    objective: Objective,
    /// Whose dual is ascended.
    divergence: Arc<dyn Divergence>,
}

/// A look at the validation points.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Point {
    /// Steps taken.
    pub step: u64,
    /// Points of either side that they were taken with, together.
    pub samples: u64,
    /// Seconds since the start.
    pub seconds: f64,
    /// The objective over all pairs of validation points, in cost units, of the best of what is tried; −∞ where it is no number.
    pub value: f64,
    /// Steps so far that were not taken because weights or gradients were not finite numbers, those of sizes that were tried included.
    pub overflows: u64,
    /// The step size up to here; none before the first step.
    pub rate: Option<f64>,
}

/// Who is shown u and v as training goes on, with the point of the history that they are of.
pub type Seen<'s, U, V> = dyn FnMut(&Point, &NetworkPotential<U>, &NetworkPotential<V>) + 's;

/// What training has come to.
#[derive(Debug, Clone)]
pub struct Trained<U, V> {
    /// The potential of the source's side; −u is the α of the semi-dual.
    pub u: NetworkPotential<U>,
    /// The potential of the target's side.
    pub v: NetworkPotential<V>,
    /// How the run ended: the steps or the time were spent, the objective got no better for as long as the patience is (stalled), the observer said
    /// stop, or numbers left the range of finite ones (diverged). The potentials are those that did best in any case.
    pub status: Status,
    /// The step that the potentials are from.
    pub step: u64,
    /// The objective on the validation points, of these potentials; −∞ only if it was no number at any look.
    pub value: f64,
    /// Its standard error, as for independent points; all looks share most of it. Spread points (of sources that have them) know it better.
    pub error: f64,
    /// The step size that led there.
    pub rate: Option<f64>,
    /// Steps taken.
    pub steps: u64,
    /// As in the last [`Point`].
    pub overflows: u64,
    /// The start and each look.
    pub history: Vec<Point>,
    /// Seconds.
    pub seconds: f64,
}

impl NeuralTransport {
    /// States what is ascended.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a safe objective of another problem than one with KL, for ρ outside (0, 1), and for the safe objective
    /// with one number for α, which is of kernels only.
    pub fn new(problem: Continuous, objective: Objective) -> Result<Self> {
        if let Objective::SafeConstant { rho } = objective {
            let expected = format!("dual or safe:{rho}: α is a network");
            return Err(Error::invalid("objective", objective, expected));
        }
        let divergence = objective.divergence(&problem)?;
        Ok(NeuralTransport { problem, objective, divergence })
    }

    /// The problem.
    pub fn problem(&self) -> &Continuous {
        &self.problem
    }

    /// What is ascended.
    pub fn objective(&self) -> Objective {
        self.objective
    }

    /// Perceptrons for u and v with hidden layers of these sizes; [`Mlp::HIDDEN`] is the usual.
    ///
    /// # Errors
    /// As [`Mlp::new`].
    pub fn perceptrons(&self, hidden: &[usize], seed: u64) -> Result<(Mlp, Mlp)> {
        let dim = self.problem.source().dim();
        let of = |odd: u64| Mlp::new(dim, hidden, 1, seed.wrapping_mul(2).wrapping_add(odd));
        Ok((of(0)?, of(1)?))
    }

    /// Trains networks for u and v, from the parameters that they have.
    ///
    /// A step size that is given stays as it is, and the run ends as diverged where numbers are no longer finite; with one that is chosen here
    /// the run goes back to the best potentials instead, and on with half of it. The same seed gives the same bits for any number of threads.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for settings outside their domain, [`Error::Shape`] for networks that do not take the points or have more than one
    /// score, [`Error::NonFinite`] if a cost, a coordinate that was drawn or a score at the start is not finite.
    pub fn train<U: Network, V: Network>(
        &self,
        networks: (U, V),
        settings: &Settings,
        observer: &mut dyn Observer,
    ) -> Result<Trained<U, V>> {
        self.fitted(&networks)?;
        Run::new(self, settings)?.start(networks, None, observer, &mut |_, _, _| ())
    }

    /// The same, and `seen` is shown the potentials at the start and at each look, with the point of the history that they are of: those
    /// that are on their way, not the best so far. Their values need not be finite.
    ///
    /// # Errors
    /// As [`NeuralTransport::train`].
    pub fn train_watched<U: Network, V: Network>(
        &self,
        networks: (U, V),
        settings: &Settings,
        observer: &mut dyn Observer,
        seen: &mut Seen<'_, U, V>,
    ) -> Result<Trained<U, V>> {
        self.fitted(&networks)?;
        Run::new(self, settings)?.start(networks, None, observer, seen)
    }

    /// Goes on from a checkpoint of the same training, to the bits it would have come to. `networks` are of the same make; their parameters do not
    /// matter. The number of steps and seconds may be other than before.
    ///
    /// # Errors
    /// As [`NeuralTransport::train`], and [`Error::InvalidValue`] for the checkpoint of other networks, of another problem or settings.
    pub fn resume<U: Network, V: Network>(
        &self,
        networks: (U, V),
        settings: &Settings,
        checkpoint: &Checkpoint,
        observer: &mut dyn Observer,
    ) -> Result<Trained<U, V>> {
        self.fitted(&networks)?;
        Run::new(self, settings)?.start(networks, Some(checkpoint), observer, &mut |_, _, _| ())
    }

    /// The objective of any potentials over all pairs of points `xs` and `ys` (row-major), a test set for instance. `seed` is that of a λ in
    /// units of the spread of costs. −∞ if some f*(s) is beyond all numbers.
    ///
    /// # Errors
    /// [`Error::Shape`] if they are no whole number of points, [`Error::NonFinite`] if a coordinate, a potential or a cost is not finite.
    pub fn value(
        &self,
        (u, v): (&dyn Potential, &dyn Potential),
        (xs, ys): (&[f64], &[f64]),
        seed: u64,
    ) -> Result<f64> {
        let dim = self.problem.source().dim();
        let (us, vs) = (u.values(xs)?, v.values(ys)?);
        for (name, potential, values) in [("u", u, &us), ("v", v, &vs)] {
            if potential.dim() != dim || values.is_empty() {
                let got = format!("{} of dimension {}", values.len(), potential.dim());
                return Err(Error::shape(
                    format!("points of {name}"),
                    format!("at least 1, of dimension {dim}"),
                    got,
                ));
            }
            if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                return Err(Error::non_finite(name, format!("point {at}"), values[at]));
            }
        }
        let table = Table::new(&**self.problem.cost(), dim, xs, ys, Pairs::All)?;
        let lambda = self.problem.scale(seed)?.lambda;
        Ok(Dual { divergence: self.divergence.clone(), lambda }.value(&table, &us, &vs))
    }

    /// What is known about v: [`Continuous::certify`] for the problem's own divergence, with the training in the result's history, seconds
    /// and samples. `settings` has the seed of the training where λ is in units of the spread of costs.
    ///
    /// It is the network v or, where that has the higher dual value on a sample, what rounds of Sinkhorn's iteration between samples make of v: they heal
    /// what v has in places where there is little mass, and their number is in the name of the solver, `network safe:0.1, rounds:2`. The lower end for KL asks v to be right to within a few λ there; where λ is a few hundredths of
    /// the spread of costs or less, [`Bias::lower_value`] says more.
    ///
    /// Where the tolerance is not met, and the certificate was not cut short itself, the status is how the training ended.
    ///
    /// # Errors
    /// As [`Continuous::certify`].
    pub fn certify<U: Network, V: Network + Sync + 'static>(
        &self,
        trained: &Trained<U, V>,
        settings: &continuous::Settings,
        observer: &mut dyn Observer,
    ) -> Result<(Solution, Coupling)> {
        settings.validate()?;
        let mut control = Loop::new(settings.max_seconds.map(|seconds| ROUNDS * seconds), &mut *observer);
        let (v, rounds) = certificate::better(self, Arc::new(trained.v.clone()), settings, &mut control)?;
        let before = control.seconds();
        let more = if rounds > 0 { format!(", rounds:{rounds}") } else { String::new() };
        let name = format!("network {}{more}", self.objective);
        let max_seconds = settings.max_seconds.map(|seconds| (seconds - before).max(LEAST));
        let settings = continuous::Settings { max_seconds, ..*settings };
        let (mut solution, coupling) = self.problem.certify(v, name, &settings, observer)?;
        solution.seconds += trained.seconds + before;
        solution.samples += trained.history.last().map_or(0, |point| point.samples);
        solution.step = trained.rate;
        if solution.status == Status::MaxIterations {
            solution.status = trained.status;
        }
        solution.history = trained.history.iter().map(Point::of_solution).collect();
        Ok((solution, coupling))
    }

    /// A bound on how far the value of safe transport is from that of KL, measured at v: [`Bias`] has the formula. Stopped, it makes do with two
    /// samples.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless the objective is safe; else as [`Continuous::certify`].
    pub fn bias<V: Network + Sync + 'static>(
        &self,
        v: &NetworkPotential<V>,
        settings: &continuous::Settings,
        observer: &mut dyn Observer,
    ) -> Result<Bias> {
        bias::bias(self, Arc::new(v.clone()), settings, observer)
    }

    /// Refuses networks that are no functions of the points.
    fn fitted<U: Network, V: Network>(&self, (u, v): &(U, V)) -> Result<()> {
        let dim = self.problem.source().dim();
        let sizes = [
            ("u", u.inputs(), u.outputs(), u.description()),
            ("v", v.inputs(), v.outputs(), v.description()),
        ];
        for (name, inputs, outputs, description) in sizes {
            if inputs != dim {
                let got = format!("{inputs} ({description})");
                return Err(Error::shape(format!("inputs of the network of {name}"), dim, got));
            }
            if outputs != 1 {
                let got = format!("{outputs} ({description})");
                return Err(Error::shape(format!("scores of the network of {name}"), 1, got));
            }
        }
        Ok(())
    }
}

impl Point {
    fn of_solution(&self) -> HistoryPoint {
        HistoryPoint { samples: self.samples, seconds: self.seconds, value: self.value, gap: None }
    }
}
