//! Runs of stochastic gradients on a regression, and the choice of their steps.

use crate::commands::reproduce::lab::Lab;
use crate::commands::reproduce::statistics::{Estimate, mean};
use crate::failure::Result;
use fenchel::divergence::{self, SafeKl};
use fenchel::measure::stream;
use fenchel::optim::Status;
use fenchel::robust::{Examples, Fit, Linear, Method, Options, Precision, Risk, Sgd, Strength, loss};
use std::sync::Arc;

/// Values of ρ.
pub const RHOS: [f64; 3] = [1e-4, 1e-3, 1e-2];

/// Epochs after which a step that has come to nothing is given up.
const EARLY: u32 = 2;

/// The objective is then this many times that of the start, or worse.
const HOPELESS: f64 = 1e3;

/// Steps between those of a grid of powers of ten, in units of the best.
const BETWEEN: [f64; 4] = [0.2, 0.5, 2.0, 5.0];

/// Streams of random numbers.
const PURPOSE: u64 = 430;

/// A step or ρ, which have one digit: `1e-3`.
pub fn power(v: f64) -> String {
    format!("{v:.0e}")
}

/// What is run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Values of λ; 1 is one of them.
    pub lambdas: &'static [f64],
    /// Sizes of batches.
    pub batches: &'static [usize],
    /// Step sizes, rising.
    pub steps: &'static [f64],
    /// Runs of every step, and of the best two.
    pub first: usize,
    /// Runs of the best two steps.
    pub runs: usize,
    /// Passes over the examples.
    pub epochs: u32,
}

/// Where α starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alpha {
    /// At 0.
    Zero,
    /// At the objective of the start.
    Objective,
    /// Where the safe objective is least at the start.
    Minimiser,
}

impl Alpha {
    /// All of them.
    pub const ALL: [Alpha; 3] = [Alpha::Zero, Alpha::Objective, Alpha::Minimiser];

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Alpha::Zero => "0",
            Alpha::Objective => "the objective",
            Alpha::Minimiser => "its minimiser",
        }
    }
}

/// A gradient estimator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Approach {
    /// Worst-case weights of each batch.
    Weights,
    /// Safe KL; the index of its ρ, and where α starts.
    Safe(usize, Alpha),
}

impl Approach {
    /// All of them, the baseline first.
    pub fn all() -> Vec<Approach> {
        let safe = (0..RHOS.len()).flat_map(|r| Alpha::ALL.map(|alpha| Approach::Safe(r, alpha)));
        [Approach::Weights].into_iter().chain(safe).collect()
    }
}

/// One λ: the model, where runs start, and what is known exactly.
pub struct Problem<'a> {
    /// λ.
    pub lambda: f64,
    /// The exact fit.
    pub optimum: Fit,
    /// The objective of least squares, where runs start.
    pub first: f64,
    /// The largest loss there.
    pub largest: f64,
    /// For each ρ the minimiser in α at the start.
    pub minimisers: Vec<f64>,
    /// For each ρ the objective where the safe one is least.
    pub floors: Vec<f64>,
    model: Linear<'a>,
    start: (Vec<f64>, Vec<f64>),
}

/// As exact as fits get, whatever time that takes.
const PRECISION: Precision = Precision { tolerance: 1e-10, max_iterations: 2000, max_seconds: None };

/// Least squares.
pub fn least_squares(lab: &Lab, examples: &Examples) -> Result<Fit> {
    fit(lab, examples, Risk::mean())
}

fn linear(examples: &Examples, risk: Risk) -> Result<Linear<'_>> {
    Ok(Linear::new(examples, loss::parse("squared")?, risk, Options::default())?)
}

fn fit(lab: &Lab, examples: &Examples, risk: Risk) -> Result<Fit> {
    let fit = linear(examples, risk)?.fit(&PRECISION, &mut lab.observer())?;
    lab.go_on()?;
    Ok(fit)
}

impl<'a> Problem<'a> {
    /// Solves what can be solved exactly.
    pub fn new(lab: &Lab, examples: &'a Examples, start: &Fit, lambda: f64) -> Result<Self> {
        let kl = Risk::new(divergence::parse("kl")?, Strength::Penalty(lambda))?;
        let mut p = vec![0.0; examples.len()];
        let first = kl.of(&start.losses, &[], &mut p)?.value;
        let (mut minimisers, mut floors) = (Vec::new(), Vec::new());
        for rho in RHOS {
            let safe = Risk::new(Arc::new(SafeKl::new(rho)?), Strength::Penalty(lambda))?;
            minimisers.push(safe.of(&start.losses, &[], &mut p)?.threshold);
            floors.push(kl.of(&fit(lab, examples, safe)?.losses, &[], &mut p)?.value);
        }
        Ok(Problem {
            lambda,
            optimum: fit(lab, examples, kl.clone())?,
            first,
            largest: start.losses.iter().copied().fold(0.0, f64::max),
            minimisers,
            floors,
            model: linear(examples, kl)?,
            start: (start.intercept.clone(), start.coefficients.clone()),
        })
    }

    /// One run.
    fn train(&self, lab: &Lab, case: &Case, step: f64, run: usize, epochs: u32) -> Result<Run> {
        let (method, rho, alpha) = match case.approach {
            Approach::Weights => (Method::BatchWeights, None, 0.0),
            Approach::Safe(r, alpha) => {
                let alpha = match alpha {
                    Alpha::Zero => 0.0,
                    Alpha::Objective => self.first,
                    Alpha::Minimiser => self.minimisers[r],
                };
                (Method::Joint, Some(RHOS[r]), alpha)
            }
        };
        let go = |epochs: u32| {
            let settings = Sgd {
                method,
                batch: case.batch,
                epochs,
                step: Some(step),
                rho,
                momentum: 0.9,
                averaging: false,
                alpha: Some(alpha),
                max_seconds: None,
                seed: stream(lab.seed(), PURPOSE, run as u64).next_u64(),
            };
            let start = Some((&self.start.0[..], &self.start.1[..]));
            let trained = self.model.sgd(&settings, 1e-6, start, &mut lab.observer())?;
            lab.go_on()?;
            let diverged = trained.fit.status == Status::Diverged;
            let last = trained.history.last().copied().unwrap_or(f64::INFINITY);
            let failed = diverged || !last.is_finite() || last > HOPELESS * self.first;
            crate::failure::Result::Ok(Run { history: trained.history, failed, overflows: trained.overflows })
        };
        // The same epochs come first in a longer run.
        let early = go(EARLY.min(epochs))?;
        if early.failed || epochs <= EARLY { Ok(early) } else { go(epochs) }
    }
}

/// A problem, a batch size and an estimator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Case {
    /// Index of the problem.
    pub problem: usize,
    /// Examples in a batch.
    pub batch: usize,
    /// The estimator.
    pub approach: Approach,
}

/// One run.
#[derive(Debug, Clone)]
pub struct Run {
    /// The objective after each epoch, the start first.
    pub history: Vec<f64>,
    /// Whether it left the range of numbers, or ended a thousand times above its start.
    pub failed: bool,
    /// Batches whose gradient was no finite number.
    pub overflows: u64,
}

/// The runs of one step.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The step.
    pub step: f64,
    /// Its runs.
    pub runs: Vec<Run>,
}

impl Trial {
    /// How many failed.
    pub fn failed(&self) -> usize {
        self.runs.iter().filter(|run| run.failed).count()
    }

    /// The objective at the end of those that did not.
    pub fn ends(&self) -> Vec<f64> {
        let ended = self.runs.iter().filter(|run| !run.failed);
        ended.filter_map(|run| run.history.last().copied()).collect()
    }

    /// Mean and standard error of those; infinite if there are none.
    pub fn end(&self) -> Estimate {
        let ends = self.ends();
        if ends.is_empty() { Estimate { value: f64::INFINITY, error: f64::NAN } } else { mean(&ends) }
    }

    /// Their standard deviation.
    pub fn deviation(&self) -> f64 {
        self.end().error * (self.ends().len() as f64).sqrt()
    }

    /// Whether all runs ended below their start.
    pub fn is_usable(&self, start: f64) -> bool {
        self.failed() == 0 && self.ends().iter().all(|end| *end < start)
    }

    /// Mean and standard deviation over runs of the objective after each epoch.
    pub fn course(&self) -> Vec<(f64, f64)> {
        let runs: Vec<&Run> = self.runs.iter().filter(|run| !run.failed).collect();
        let epochs = runs.iter().map(|run| run.history.len()).min().unwrap_or(0);
        let root = (runs.len() as f64).sqrt();
        (0..epochs)
            .map(|e| {
                let at = mean(&runs.iter().map(|run| run.history[e]).collect::<Vec<_>>());
                (at.value, if runs.len() > 1 { at.error * root } else { 0.0 })
            })
            .collect()
    }

    /// What steps are compared by: fewest failures, then the lowest mean.
    fn before(&self, other: &Trial) -> std::cmp::Ordering {
        let of = |trial: &Trial| (trial.failed(), trial.end().value);
        let ((f, a), (g, b)) = (of(self), of(other));
        f.cmp(&g).then(a.total_cmp(&b))
    }
}

/// A case with all its steps.
#[derive(Debug, Clone)]
pub struct Tuned {
    /// The case.
    pub case: Case,
    /// One a step.
    pub trials: Vec<Trial>,
    /// The index of the best.
    pub best: usize,
}

impl Tuned {
    /// The best step.
    pub fn best(&self) -> &Trial {
        &self.trials[self.best]
    }

    /// The largest step from which on all smaller ones are usable too; 0 if there is none.
    pub fn largest_usable(&self, start: f64) -> f64 {
        let usable = self.trials.iter().take_while(|trial| trial.is_usable(start));
        usable.last().map_or(0.0, |trial| trial.step)
    }
}

/// Runs every case with every step, and those two that are best more often.
pub fn tune(lab: &Lab, plan: &Plan, problems: &[Problem<'_>], cases: &[Case]) -> Result<Vec<Tuned>> {
    let (steps, first) = (plan.steps.len(), plan.first);
    let train = |case: &Case, step: usize, run: usize| {
        problems[case.problem].train(lab, case, plan.steps[step], run, plan.epochs)
    };
    let all = lab.each("runs of every step", cases.len() * steps * first, |i| {
        train(&cases[i / first / steps], i / first % steps, i % first)
    })?;
    let mut runs = all.into_iter();
    let mut tuned: Vec<Tuned> = cases
        .iter()
        .map(|case| {
            let trial = |step: &f64| Trial { step: *step, runs: runs.by_ref().take(first).collect() };
            Tuned { case: *case, trials: plan.steps.iter().map(trial).collect(), best: 0 }
        })
        .collect();
    let chosen: Vec<(usize, usize)> = tuned
        .iter()
        .enumerate()
        .flat_map(|(c, tuned)| {
            let mut order: Vec<usize> = (0..steps).collect();
            order.sort_by(|a, b| tuned.trials[*a].before(&tuned.trials[*b]));
            order.into_iter().take(2).map(move |step| (c, step))
        })
        .collect();
    let more = plan.runs.saturating_sub(first);
    let rest = lab.each("runs of the best steps", chosen.len() * more, |i| {
        let (case, step) = chosen[i / more];
        train(&cases[case], step, first + i % more)
    })?;
    let mut runs = rest.into_iter();
    for (case, step) in &chosen {
        tuned[*case].trials[*step].runs.extend(runs.by_ref().take(more));
    }
    for (c, tuned) in tuned.iter_mut().enumerate() {
        let of_case = chosen.iter().filter(|(case, _)| *case == c).map(|(_, step)| *step);
        tuned.best = of_case.min_by(|a, b| tuned.trials[*a].before(&tuned.trials[*b])).unwrap_or(0);
    }
    Ok(tuned)
}

/// The same cases with steps about the best one, which is among them.
pub fn refine(lab: &Lab, plan: &Plan, problems: &[Problem<'_>], coarse: &[&Tuned]) -> Result<Vec<Tuned>> {
    let (steps, runs) = (BETWEEN.len(), plan.runs);
    let all = lab.each("steps between", coarse.len() * steps * runs, |i| {
        let (tuned, step) = (coarse[i / runs / steps], BETWEEN[i / runs % steps]);
        let step = step * tuned.best().step;
        problems[tuned.case.problem].train(lab, &tuned.case, step, i % runs, plan.epochs)
    })?;
    let mut all = all.into_iter();
    let refined = coarse.iter().map(|tuned| {
        let best = tuned.best();
        let trial = |share: &f64| Trial { step: share * best.step, runs: all.by_ref().take(runs).collect() };
        let mut trials: Vec<Trial> = BETWEEN.iter().map(trial).collect();
        trials.push(best.clone());
        trials.sort_by(|a, b| a.step.total_cmp(&b.step));
        let order = |a: &usize, b: &usize| trials[*a].before(&trials[*b]);
        let best = (0..trials.len()).min_by(order).unwrap_or(0);
        Tuned { case: tuned.case, trials, best }
    });
    Ok(refined.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(step: f64, ends: &[f64]) -> Trial {
        let run = |end: &f64| Run { history: vec![9.0, *end], failed: !end.is_finite(), overflows: 0 };
        Trial { step, runs: ends.iter().map(run).collect() }
    }

    #[test]
    fn failures_weigh_more_than_means() {
        let inf = f64::INFINITY;
        let (safe, fast, wild) = (trial(1.0, &[5.0, 7.0]), trial(2.0, &[4.0, 4.0]), trial(3.0, &[1.0, inf]));
        assert!(fast.before(&safe).is_lt() && safe.before(&wild).is_lt());
        assert_eq!((wild.failed(), wild.ends(), safe.end().value), (1, vec![1.0], 6.0));
        assert!((safe.deviation() - 2f64.sqrt()).abs() < 1e-12);
        assert!(trial(1.0, &[inf]).end().value.is_infinite());
        assert!(safe.is_usable(9.0) && !safe.is_usable(7.0) && !wild.is_usable(9.0));
        assert_eq!(safe.course()[1].0, 6.0);
        assert_eq!(wild.course(), [(9.0, 0.0), (1.0, 0.0)]);
        let case = Case { problem: 0, batch: 1, approach: Approach::Weights };
        let tuned = Tuned { case, trials: vec![safe, fast, wild], best: 1 };
        assert_eq!(
            (tuned.best().step, tuned.largest_usable(9.0), tuned.largest_usable(3.0)),
            (2.0, 2.0, 0.0)
        );
    }
}
