//! The runs: methods, steps, sizes of batches, and what is seen after each pass.

use super::images::Images;
use crate::commands::reproduce::lab::Lab;
use crate::commands::reproduce::statistics::{Estimate, mean};
use crate::failure::Result;
use fenchel::divergence;
use fenchel::measure::stream;
use fenchel::optim::{Flow, Observer, Progress, Status};
use fenchel::robust::{Method, Risk, Strength, loss};
use fenchel_neural::network::Cnn;
use fenchel_neural::optimiser::Rule;
use fenchel_neural::robust::{Checkpoint, Robust, Settings, Trained, Transport};

/// The price κ of moving images, and that of mass, β.
pub const KAPPA: f64 = 1.0;
/// See [`KAPPA`].
pub const BETA: f64 = 1.0;
/// ρ of safe KL.
pub const RHO: f64 = 0.1;
/// Steps of the ascent to the worst place of an image.
pub const ASCENT: u32 = 5;

/// Streams of random numbers.
const PURPOSE: u64 = 440;

/// A step, which has one digit: `1e-3`.
pub fn power(v: f64) -> String {
    format!("{v:.0e}")
}

/// What is run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Images to learn from, to validate and to test with.
    pub images: [usize; 3],
    /// Sizes of batches, rising; the first is 1.
    pub batches: &'static [usize],
    /// Step sizes, rising.
    pub steps: &'static [f64],
    /// Runs of every step.
    pub first: usize,
    /// Runs of the best step with batches of 1, and with larger ones.
    pub runs: [usize; 2],
    /// Passes over the images.
    pub epochs: u32,
}

/// What is minimised, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approach {
    /// The mean loss of images as they are.
    Mean,
    /// The sum of exponentials of losses of images that move.
    Exponentials,
    /// The safe approximation of its logarithm.
    Safe,
}

impl Approach {
    /// All of them.
    pub const ALL: [Approach; 3] = [Approach::Mean, Approach::Exponentials, Approach::Safe];

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Approach::Mean => "ERM",
            Approach::Exponentials => "sum of exponentials",
            Approach::Safe => "safe KL",
        }
    }
}

/// An approach and a batch size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// The approach.
    pub approach: Approach,
    /// Images in a batch.
    pub batch: usize,
}

/// What is known after a pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pass {
    /// The objective, exact: the mean loss for ERM, else κβ log mean e^(ℓ̂/κβ).
    pub objective: f64,
    /// The share of right answers on the validation part, whose labels have noise.
    pub noisy: f64,
    /// The share of right answers on the test part, whose labels have none.
    pub clean: f64,
}

/// One run.
#[derive(Debug, Clone)]
pub struct Run {
    /// The start and each pass that ended with finite numbers.
    pub passes: Vec<Pass>,
    /// Whether it ended before its time, numbers being no longer finite.
    pub failed: bool,
    /// Batches whose weights or gradient were not finite.
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

impl Trial {
    /// How many failed.
    pub fn failed(&self) -> usize {
        self.runs.iter().filter(|run| run.failed).count()
    }

    /// Batches with overflow, in all runs.
    pub fn overflows(&self) -> u64 {
        self.runs.iter().map(|run| run.overflows).sum()
    }

    /// A number of each run that did not fail.
    pub fn each(&self, of: impl Fn(&[Pass]) -> f64) -> Vec<f64> {
        self.runs.iter().filter(|run| !run.failed).map(|run| of(&run.passes)).collect()
    }

    /// Its mean with standard error, infinite if all failed.
    pub fn over(&self, of: impl Fn(&[Pass]) -> f64) -> Estimate {
        match &self.each(of)[..] {
            [] => Estimate { value: f64::INFINITY, error: f64::NAN },
            numbers => mean(numbers),
        }
    }

    /// The same after pass `at`.
    pub fn after(&self, at: usize, of: impl Fn(&Pass) -> f64) -> Estimate {
        self.over(|passes| passes.get(at).map_or(f64::NAN, &of))
    }

    /// The same at the end.
    pub fn end(&self, of: impl Fn(&Pass) -> f64) -> Estimate {
        self.over(|passes| passes.last().map_or(f64::NAN, &of))
    }

    /// Standard deviation over the runs that did not fail.
    pub fn deviation(&self, estimate: Estimate) -> f64 {
        estimate.error * ((self.runs.len() - self.failed()) as f64).sqrt()
    }

    /// Whether all runs ended below their start.
    pub fn is_usable(&self) -> bool {
        let fell =
            |passes: &[Pass]| f64::from(u8::from(passes[passes.len() - 1].objective < passes[0].objective));
        self.failed() == 0 && self.each(fell).iter().all(|fell| *fell == 1.0)
    }

    /// What steps are compared by: fewest failures, then the lowest objective.
    fn before(&self, other: &Trial) -> std::cmp::Ordering {
        let of = |trial: &Trial| {
            (trial.failed() as f64 / trial.runs.len() as f64, trial.end(|p| p.objective).value)
        };
        let ((f, a), (g, b)) = (of(self), of(other));
        f.total_cmp(&g).then(a.total_cmp(&b))
    }
}

impl Tuned {
    /// The best step.
    pub fn best(&self) -> &Trial {
        &self.trials[self.best]
    }

    /// The largest step of those at which every run comes down; 0 if there is none.
    pub fn largest_usable(&self) -> f64 {
        self.trials.iter().rev().find(|trial| trial.is_usable()).map_or(0.0, |trial| trial.step)
    }
}

/// Keeps the last state of a training.
struct Keeper<O> {
    inner: O,
    state: Vec<u8>,
}

impl<O: Observer> Observer for Keeper<O> {
    fn progress(&mut self, progress: &Progress<'_>) -> Flow {
        self.inner.progress(progress)
    }

    fn resumable(&mut self, save: &mut dyn FnMut() -> Vec<u8>) {
        self.state = save();
    }
}

/// One run: pass by pass, so that each can be looked at on both other parts.
fn train(lab: &Lab, images: &Images, case: Case, step: f64, run: usize, epochs: u32) -> Result<Run> {
    let seed = stream(lab.seed(), PURPOSE, run as u64).next_u64();
    let kl = || Risk::new(divergence::parse("kl")?, Strength::Penalty(KAPPA * BETA));
    let (risk, method) = match case.approach {
        Approach::Mean => (Risk::mean(), Method::Joint),
        Approach::Exponentials => (kl()?, Method::SumOfExponentials),
        Approach::Safe => (kl()?, Method::Joint),
    };
    let mut robust = Robust::new(&images.train, loss::parse("multinomial")?, risk)?;
    if case.approach != Approach::Mean {
        robust = robust.perturbed(Transport::new(KAPPA)?.with_steps(ASCENT));
    }
    let settings = |epochs| Settings {
        method,
        rho: (case.approach == Approach::Safe).then_some(RHO),
        rule: Rule::Sgd { momentum: 0.0 },
        batch: case.batch,
        epochs,
        step: Some(step),
        seed,
        ..Settings::default()
    };
    let look = |trained: &Trained<Cnn>| {
        let accuracy = |part| {
            let seen = robust.validate(&trained.network, part)?;
            fenchel::Result::Ok(seen.accuracy.unwrap_or(f64::NAN))
        };
        let (noisy, clean) = (accuracy(&images.validation)?, accuracy(&images.test)?);
        fenchel::Result::Ok(Pass { objective: trained.objective, noisy, clean })
    };
    let mut keeper = Keeper { inner: lab.observer(), state: Vec::new() };
    let network = Cnn::new(images.image, images.classes, seed)?;
    let mut trained = robust.train(network, &settings(0), &mut keeper)?;
    lab.go_on()?;
    let mut passes = vec![look(&trained)?];
    for epoch in 1..=epochs {
        let checkpoint = Checkpoint::from_bytes("the pass before", &keeper.state)?;
        trained = robust.resume(trained.network, &settings(epoch), &checkpoint, &mut keeper)?;
        lab.go_on()?;
        if trained.status == Status::Diverged {
            break;
        }
        passes.push(look(&trained)?);
    }
    Ok(Run { passes, failed: trained.status == Status::Diverged, overflows: trained.overflows })
}

/// Runs every case with every step, and the best step more often.
pub fn tune(lab: &Lab, plan: &Plan, images: &Images) -> Result<Vec<Tuned>> {
    let cases: Vec<Case> = plan
        .batches
        .iter()
        .flat_map(|batch| Approach::ALL.map(|approach| Case { approach, batch: *batch }))
        .collect();
    let (steps, first) = (plan.steps.len(), plan.first);
    let all = lab.each("runs of every step", cases.len() * steps * first, |i| {
        let (case, step) = (cases[i / first / steps], plan.steps[i / first % steps]);
        train(lab, images, case, step, i % first, plan.epochs)
    })?;
    let mut all = all.into_iter();
    let tuned = cases.into_iter().map(|case| {
        let trial = |step: &f64| Trial { step: *step, runs: all.by_ref().take(first).collect() };
        let trials: Vec<Trial> = plan.steps.iter().map(trial).collect();
        let best = (0..steps).min_by(|a, b| trials[*a].before(&trials[*b])).unwrap_or(0);
        Tuned { case, trials, best }
    });
    let mut tuned: Vec<Tuned> = tuned.collect();
    let wanted: Vec<(usize, usize)> = tuned
        .iter()
        .enumerate()
        .flat_map(|(c, tuned)| {
            let runs = plan.runs[usize::from(tuned.case.batch > 1)];
            (first..runs).map(move |run| (c, run))
        })
        .collect();
    let rest = lab.each("runs of the best steps", wanted.len(), |i| {
        let (c, run) = wanted[i];
        train(lab, images, tuned[c].case, tuned[c].best().step, run, plan.epochs)
    })?;
    for ((c, _), run) in wanted.into_iter().zip(rest) {
        let best = tuned[c].best;
        tuned[c].trials[best].runs.push(run);
    }
    Ok(tuned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(step: f64, ends: &[f64]) -> Trial {
        let run = |end: &f64| {
            let pass = |objective| Pass { objective, noisy: 0.5, clean: 0.25 };
            let failed = !end.is_finite();
            let passes = if failed { vec![pass(9.0)] } else { vec![pass(9.0), pass(*end)] };
            Run { passes, failed, overflows: u64::from(failed) }
        };
        Trial { step, runs: ends.iter().map(run).collect() }
    }

    #[test]
    fn failures_weigh_more_than_means() {
        let inf = f64::INFINITY;
        let (slow, fast, wild) = (trial(1.0, &[5.0, 7.0]), trial(2.0, &[4.0, 4.0]), trial(3.0, &[1.0, inf]));
        assert!(fast.before(&slow).is_lt() && slow.before(&wild).is_lt());
        assert_eq!((wild.failed(), wild.overflows(), wild.end(|p| p.objective).value), (1, 1, 1.0));
        assert!(trial(1.0, &[inf]).end(|p| p.objective).value.is_infinite());
        let at = slow.end(|p| p.objective);
        assert!(at.value == 6.0 && (slow.deviation(at) - 2f64.sqrt()).abs() < 1e-12);
        assert_eq!(slow.after(0, |p| p.objective).value, 9.0);
        assert!(slow.is_usable() && !wild.is_usable() && !trial(1.0, &[10.0]).is_usable());
        let case = Case { approach: Approach::Safe, batch: 1 };
        let tuned = Tuned { case, trials: vec![slow, fast, wild], best: 1 };
        assert_eq!((tuned.best().step, tuned.largest_usable()), (2.0, 2.0));
    }
}
