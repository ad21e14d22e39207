//! The strength that does best on rows that were held out.

use super::moves::Moves;
use super::plan::{Choice, Plan};
use super::problem::Problem;
use super::strength::{self, Given};
use super::watch::{Stage, Watch};
use crate::failure::{Failure, Result};
use fenchel::optim::Status;
use fenchel::robust::validation::{Candidates, Shift};
use fenchel::robust::{Precision, Strength};
use serde::Serialize;

/// A choice on its way to files and terminal.
#[derive(Debug, Clone)]
pub struct Validated {
    /// How many folds.
    pub folds: usize,
    /// Seed of the folds.
    pub seed: u64,
    /// The shift as it was typed.
    pub shift: String,
    /// What a score is.
    pub score: String,
    /// How the fits ended.
    pub status: Status,
    /// Which of the scores is the lowest; none if the validation was stopped.
    pub chosen: Option<usize>,
    /// One a candidate, the mildest first; none if the validation was stopped.
    pub scores: Vec<Score>,
}

impl Validated {
    /// The candidate that was chosen.
    pub fn best(&self) -> Option<&Score> {
        self.chosen.and_then(|at| self.scores.get(at))
    }
}

/// How a candidate does.
#[derive(Debug, Clone, Serialize)]
pub struct Score {
    /// λ or the radius.
    pub strength: f64,
    /// Mean of the scores of folds.
    pub mean: f64,
    /// Its standard error, as if folds were independent.
    pub standard_error: f64,
    /// The score of each fold.
    pub folds: Vec<f64>,
    /// Fits that did not reach their tolerance.
    pub not_converged: usize,
}

/// What decides, in terms of the rows.
pub struct Target {
    /// As it was typed.
    text: String,
    shift: Shift,
    score: String,
}

impl Target {
    /// What decides among candidates. Folds that cannot be made are refused here, before anything is fitted.
    pub fn of(problem: &Problem, plan: &Plan, text: &str) -> Result<Option<Self>> {
        let Some(choice) = &plan.validation else { return Ok(None) };
        let (shift, score) = choice.shift.of(problem, &plan.wanted)?;
        let folds = choice.folds.held_out(&problem.examples, &**problem.loss(), &shift);
        folds.map_err(|e| Failure::from(e).at("--cross-validate"))?;
        Ok(Some(Target { text: text.trim().to_owned(), shift, score }))
    }
}

/// Scores candidates, unless the run was stopped before.
pub fn choose(
    problem: &Problem,
    plan: &Plan,
    (choice, target): (&Choice, &Target),
    strengths: &[(Given, Strength)],
    stopped: Option<Status>,
    tolerance: f64,
    watch: &mut Watch,
) -> Result<Validated> {
    let mut validated = Validated {
        folds: choice.folds.folds,
        seed: choice.folds.seed,
        shift: target.text.clone(),
        score: target.score.clone(),
        status: stopped.unwrap_or(Status::Interrupted),
        chosen: None,
        scores: Vec::new(),
    };
    let Some(divergence) = plan.wanted.divergence().filter(|_| stopped.is_none()) else {
        return Ok(validated);
    };
    let candidates = Candidates {
        options: problem.options(),
        perturbation: problem.moves().map(Moves::perturbation).transpose()?,
        precision: Precision { tolerance, max_seconds: None, ..Precision::default() },
        max_seconds: Some(watch.left()),
        ..Candidates::new(
            problem.loss().clone(),
            divergence.clone(),
            strengths.iter().map(|strength| strength.1).collect(),
        )
    };
    watch.begin(Stage::Folds);
    let found = choice.folds.choose(&problem.examples, &candidates, &target.shift, watch)?;
    validated.status = found.status;
    validated.chosen = found.best_score().map(|_| found.best);
    validated.scores = found
        .scores
        .into_iter()
        .map(|score| Score {
            strength: strength::number(score.strength),
            mean: score.mean,
            standard_error: score.standard_error,
            folds: score.folds,
            not_converged: score.not_converged,
        })
        .collect();
    Ok(validated)
}
