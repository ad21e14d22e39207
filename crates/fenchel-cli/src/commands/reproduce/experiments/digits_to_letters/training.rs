//! Which runs there are, and what comes of them.

use super::images::{Held, Images, Judged};
use crate::commands::reproduce::lab::Lab;
use crate::failure::Result;
use crate::report::plain;
use fenchel::cost::L1;
use fenchel::divergence::Kl;
use fenchel::optim::Status;
use fenchel::transport::continuous::{self, Continuous};
use fenchel::transport::{Interval, Lambda};
use fenchel_neural::network::Mlp;
use fenchel_neural::optimiser::Rule;
use fenchel_neural::transport::{NetworkPotential, NeuralTransport, Objective, Point, Settings, Trained};
use std::sync::Arc;

/// ρ of the safe objective.
pub const RHOS: [f64; 4] = [1e-3, 1e-2, 0.1, 0.5];

/// The dual, then the safe semi-dual for each ρ.
pub const OBJECTIVES: [Objective; 5] = [
    Objective::Dual,
    Objective::Safe { rho: RHOS[0] },
    Objective::Safe { rho: RHOS[1] },
    Objective::Safe { rho: RHOS[2] },
    Objective::Safe { rho: RHOS[3] },
];

/// What is run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// ε, from large to small, in units of the spread of costs.
    pub shares: &'static [f64],
    /// Step sizes, from small to large.
    pub steps: &'static [f64],
    /// Images of either side in a batch.
    pub batch: usize,
    /// Steps of a run, and how often it is measured in between.
    pub length: u64,
    /// See `length`.
    pub every: u64,
    /// Images of either side to train with, at most, and drawn ones.
    pub train: usize,
    /// See `train`.
    pub drawn: usize,
    /// Rows and columns of pixels of drawn images.
    pub side: usize,
    /// Images of either side to measure with.
    pub test: usize,
    /// Images of either side that a certificate looks at, at most.
    pub certified: usize,
}

/// A problem for each ε.
pub struct Problem {
    /// ε in units of the spread of costs.
    pub share: f64,
    /// ε.
    pub epsilon: f64,
    /// Between the images to train with.
    pub transport: Continuous,
}

/// The problems.
pub fn problems(lab: &Lab, plan: &Plan, images: &Images) -> Result<Vec<Problem>> {
    let [source, target] = [Arc::new(images.train[0].cloud()?), Arc::new(images.train[1].cloud()?)];
    let of = |lambda| Continuous::new(source.clone(), target.clone(), Arc::new(L1), Arc::new(Kl), lambda);
    let spread = of(Lambda::Relative(1.0))?.scale(lab.seed())?.spread;
    let problem = |share: &f64| {
        let epsilon = share * spread;
        Ok(Problem { share: *share, epsilon, transport: of(Lambda::Absolute(epsilon))? })
    };
    plan.shares.iter().map(problem).collect()
}

/// One run.
pub struct Run {
    /// Its step size.
    pub step: f64,
    /// The semi-dual on the test images after so many steps; NaN where it is no number.
    pub curve: Vec<(u64, f64)>,
    /// Of the last potentials.
    pub end: Judged,
    /// What the training came to.
    pub trained: Trained<Mlp, Mlp>,
}

impl Run {
    /// Whether a step could not be taken, or the potentials are no numbers.
    pub fn failed(&self) -> bool {
        self.trained.overflows > 0 || self.trained.status == Status::Diverged || self.end.value.is_nan()
    }
}

/// A method at an ε with all step sizes, from small to large.
pub struct Tuned {
    /// What is ascended.
    pub objective: Objective,
    /// One a step size.
    pub runs: Vec<Run>,
    /// The index of the one that ends highest of those that did not fail; of all if none is left.
    pub best: usize,
}

impl Tuned {
    fn new(objective: Objective, runs: Vec<Run>) -> Self {
        let order = |run: &Run| {
            (!run.failed(), if run.end.value.is_nan() { f64::NEG_INFINITY } else { run.end.value })
        };
        let better = |a: &usize, b: &usize| {
            let ((fine, value), (other, than)) = (order(&runs[*a]), order(&runs[*b]));
            fine.cmp(&other).then(value.total_cmp(&than))
        };
        let best = (0..runs.len()).max_by(better).unwrap_or(0);
        Tuned { objective, runs, best }
    }

    /// The best run.
    pub fn best(&self) -> &Run {
        &self.runs[self.best]
    }

    /// The run with the next larger step, if there is one.
    pub fn next(&self) -> Option<&Run> {
        self.runs.get(self.best + 1)
    }

    /// The largest step size from which on no smaller one failed either; none if the smallest did.
    pub fn largest_usable(&self) -> Option<f64> {
        self.runs.iter().take_while(|run| !run.failed()).last().map(|run| run.step)
    }

    /// Steps that could not be taken, over all runs.
    pub fn overflows(&self) -> u64 {
        self.runs.iter().map(|run| run.trained.overflows).sum()
    }

    /// Runs that failed.
    pub fn failed(&self) -> usize {
        self.runs.iter().filter(|run| run.failed()).count()
    }

    /// Its method.
    pub fn words(&self) -> String {
        words(self.objective)
    }
}

/// A method.
pub fn words(objective: Objective) -> String {
    match objective {
        Objective::Safe { rho } => format!("safe, ρ = {}", plain(rho, 1)),
        _ => "LSOT".to_owned(),
    }
}

/// A step size.
pub fn power(v: f64) -> String {
    format!("{v:.0e}")
}

/// All runs: for each problem, each objective.
pub fn train(lab: &Lab, plan: &Plan, problems: &[Problem], held: &Held) -> Result<Vec<Vec<Tuned>>> {
    let (methods, steps) = (OBJECTIVES.len(), plan.steps.len());
    let runs = lab.each("runs of every step", problems.len() * methods * steps, |i| {
        let (p, objective, step) =
            (i / steps / methods, OBJECTIVES[i / steps % methods], plan.steps[i % steps]);
        one(lab, plan, &problems[p], held, objective, step)
    })?;
    let mut runs = runs.into_iter();
    let tuned = |objective: Objective, runs: &mut std::vec::IntoIter<Run>| {
        Tuned::new(objective, runs.by_ref().take(steps).collect())
    };
    Ok(problems.iter().map(|_| OBJECTIVES.map(|o| tuned(o, &mut runs)).into_iter().collect()).collect())
}

fn one(
    lab: &Lab,
    plan: &Plan,
    problem: &Problem,
    held: &Held,
    objective: Objective,
    step: f64,
) -> Result<Run> {
    let transport = NeuralTransport::new(problem.transport.clone(), objective)?;
    let settings = Settings {
        batch: plan.batch,
        rule: RULE,
        step: Some(step),
        steps: plan.length,
        every: plan.every,
        validation: plan.batch,
        patience: None,
        seed: lab.seed(),
        ..Settings::default()
    };
    let (mut curve, mut last) = (Vec::new(), None);
    let mut seen = |point: &Point, _: &NetworkPotential<Mlp>, v: &NetworkPotential<Mlp>| {
        let judged = held.judge(v, problem.epsilon);
        curve.push((point.step, judged.value));
        last = Some(judged);
    };
    // The same networks at the start of every run.
    let networks = transport.perceptrons(&Mlp::HIDDEN, lab.seed())?;
    let trained = transport.train_watched(networks, &settings, &mut lab.observer(), &mut seen)?;
    lab.go_on()?;
    let end = last.unwrap_or_else(|| held.judge(&trained.v, problem.epsilon));
    Ok(Run { step, curve, end, trained })
}

/// What is known of transport between the images to train with.
pub struct Known {
    /// At LSOT's potentials and at the best safe ones: the interval of the value for KL.
    pub intervals: [Interval; 2],
    /// How far the value with safe KL can be above that with KL, at the best ρ; infinite if nothing was found.
    pub bias: f64,
    /// What the value for KL is not below, by the safe potentials.
    pub lower: f64,
}

/// Certificates of the best potentials for each problem.
pub fn certify(lab: &Lab, plan: &Plan, problems: &[Problem], tuned: &[Vec<Tuned>]) -> Result<Vec<Known>> {
    let settings = continuous::Settings {
        seed: lab.seed(),
        max_seconds: None,
        max_samples: plan.certified,
        ..continuous::Settings::default()
    };
    // They use all threads.
    let mut known = Vec::new();
    for (problem, tuned) in problems.iter().zip(tuned) {
        let mut intervals = Vec::new();
        let safe = best_safe(tuned);
        for of in [&tuned[0], safe] {
            let transport = NeuralTransport::new(problem.transport.clone(), of.objective)?;
            let (solution, _) = transport.certify(&of.best().trained, &settings, &mut lab.observer())?;
            lab.go_on()?;
            intervals.push(solution.interval);
        }
        let transport = NeuralTransport::new(problem.transport.clone(), safe.objective)?;
        let bias = transport.bias(&safe.best().trained.v, &settings, &mut lab.observer())?;
        lab.go_on()?;
        known.push(Known {
            intervals: [intervals[0], intervals[1]],
            bias: bias.upper(),
            lower: bias.lower_value(),
        });
    }
    Ok(known)
}

/// Of the safe ones the one that ends highest.
pub fn best_safe(tuned: &[Tuned]) -> &Tuned {
    let higher = |a: &&Tuned, b: &&Tuned| a.best().end.value.total_cmp(&b.best().end.value);
    tuned[1..].iter().filter(|t| t.best().end.value.is_finite()).max_by(higher).unwrap_or(&tuned[1])
}

/// How gradients become steps: the paper has "SGD". Without units of their own for each parameter a step as large as these throws networks with
/// ReLU off whatever the objective is.
const RULE: Rule = Rule::ADAM;
