//! What is to be done besides one fit, and how: the options that go together.

use super::args::FitArgs;
use super::shift::Spec;
use super::solver::Solver;
use super::strength::{Given, Wanted};
use crate::failure::{Failure, Result};
use fenchel::Error;
use fenchel::robust::validation::Validation;

/// Candidates of a validation where no path says which.
const CANDIDATES: usize = 7;

/// The risk, the solver, and other strengths that are of interest.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The risk that was asked for.
    pub wanted: Wanted,
    /// How it is minimised.
    pub solver: Solver,
    /// The strengths of a path.
    pub path: Option<Vec<Given>>,
    /// How a strength is chosen.
    pub validation: Option<Choice>,
}

/// How a strength is chosen.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The folds.
    pub folds: Validation,
    /// What decides.
    pub shift: Spec,
    /// Among which.
    pub candidates: Vec<Given>,
}

impl Plan {
    /// What the options describe; they have to go together.
    pub fn parse(args: &FitArgs) -> Result<Self> {
        let wanted = Wanted::parse(args)?;
        let solver = Solver::parse(args, &wanted)?;
        let path = args.path.as_ref().map(|text| wanted.several("--path", text)).transpose()?;
        let validation = match (args.cross_validate, &args.shift) {
            (None, None) => None,
            (None, Some(_)) => {
                return Err(Failure::new("--shift is for --cross-validate FOLDS, which is not there"));
            }
            (Some(folds), _) if folds < 2 => {
                return Err(Error::invalid("--cross-validate", folds, "at least 2 folds").into());
            }
            (Some(_), None) => {
                return Err(Failure::new(
                    "--cross-validate needs to know what the rows to come may be like:\n\
                     --shift none, reweighted, group:COLUMN or feature:COLUMN",
                ));
            }
            (Some(folds), Some(text)) => {
                let candidates = match &path {
                    Some(path) => path.clone(),
                    None => wanted.about("--cross-validate", CANDIDATES)?,
                };
                let folds = Validation { folds, seed: args.seed.unwrap_or_default() };
                Some(Choice { folds, shift: Spec::parse(text)?, candidates })
            }
        };
        Ok(Plan { wanted, solver, path, validation })
    }

    /// Columns that are needed besides those of the fit.
    pub fn columns(&self) -> Vec<&str> {
        self.validation.iter().flat_map(|choice| choice.shift.columns()).collect()
    }

    /// Whether the mean loss of the ordinary fit is needed.
    pub fn is_relative(&self) -> bool {
        let candidates = self.validation.iter().flat_map(|choice| &choice.candidates);
        let all = self.path.iter().flatten().chain(candidates);
        all.chain([&self.wanted.given()]).any(|given| given.factor().is_some())
    }
}
