//! From a problem to a fitted model, and to fits with other strengths.

use super::args::FitArgs;
use super::model::Model;
use super::path::{self, Path};
use super::plan::Plan;
use super::problem::Problem;
use super::solver::Training;
use super::statistics;
use super::strength::Setting;
use super::validation::{self, Target, Validated};
use super::watch::{Stage, Watch};
use crate::failure::Result;
use crate::threads;
use fenchel::optim::Status;
use fenchel::robust::{Fit, LinearModel, Precision};

/// A fit, and the model that it leads to.
pub struct Fitted {
    /// What was found.
    pub fit: Fit,
    /// The model.
    pub model: Model,
    /// The model's loss of each row.
    pub losses: Vec<f64>,
    /// The mean loss of the ordinary fit, if λ is relative to it.
    pub ordinary: Option<f64>,
    /// That factor.
    pub factor: Option<f64>,
    /// The solver's name.
    pub solver: &'static str,
    /// What passes have come to, if it makes them.
    pub training: Option<Training>,
    /// The fits of a path, if one was asked for.
    pub path: Option<Path>,
    /// How the strength was chosen, if it was.
    pub validation: Option<Validated>,
}

impl Fitted {
    /// Whether everything reached its tolerance.
    pub fn is_converged(&self) -> bool {
        self.fit.status.is_converged()
            && self.path.as_ref().is_none_or(Path::is_converged)
            && self.validation.as_ref().is_none_or(|validated| validated.status.is_converged())
    }
}

/// Fits as planned; `target` decides where a strength is to be chosen.
pub fn fit(
    problem: &Problem,
    (plan, target): (&Plan, Option<&Target>),
    args: &FitArgs,
    mut watch: Watch,
) -> Result<Fitted> {
    let pool = threads::pool(args.threads)?;
    let (scores, width) = (problem.loss().scores(), problem.encoding.width());
    let zero = LinearModel::new(problem.loss().clone(), vec![0.0; scores], vec![0.0; scores * width])?;
    problem.check(&zero.losses(&problem.examples)?, "of coefficients 0")?;
    let fitted = pool.install(|| fit_here(problem, (plan, target), args.tolerance, &mut watch));
    watch.finish();
    fitted
}

fn fit_here(
    problem: &Problem,
    (plan, target): (&Plan, Option<&Target>),
    tolerance: f64,
    watch: &mut Watch,
) -> Result<Fitted> {
    let precision =
        |watch: &Watch| Precision { tolerance, max_seconds: Some(watch.left()), ..Precision::default() };
    let mut ordinary = None;
    if plan.is_relative() {
        watch.begin(Stage::Fit);
        let fit = problem.ordinary()?.fit(&precision(watch), watch)?;
        // To the bit what a run with --divergence mean tells.
        ordinary = Some(statistics::mean(&model_of(problem, &fit)?.1, problem.examples.weights())?);
    }
    let mut given = plan.wanted.given();
    let mut risk = plan.wanted.risk(given, ordinary)?;
    let linear = problem.linear(risk.clone())?;
    // What is there whatever becomes of the rest.
    let (mut fit, training) = plan.solver.fit(&linear, &precision(watch), watch)?;
    let mut path = None;
    if let Some(strengths) = &plan.path {
        let strengths = plan.wanted.sorted(strengths, ordinary)?;
        path = Some(path::fit(
            problem,
            &linear,
            &strengths,
            stopped(fit.status).is_some(),
            &precision(watch),
            watch,
        )?);
    }
    let mut validation = None;
    if let (Some(choice), Some(target)) = (&plan.validation, target) {
        let candidates = plan.wanted.sorted(&choice.candidates, ordinary)?;
        let stopped = stopped(fit.status).or_else(|| path.as_ref().and_then(Path::stopped));
        let validated =
            validation::choose(problem, plan, (choice, target), &candidates, stopped, tolerance, watch)?;
        match validated.chosen {
            Some(best) => {
                if candidates[best].1 != risk.strength() {
                    risk = risk.with_strength(candidates[best].1)?;
                    watch.begin(Stage::Fit);
                    fit = problem.linear(risk.clone())?.fit(&precision(watch), watch)?;
                }
                given = candidates[best].0;
            }
            // A strength that was not chosen is not what was asked for.
            None => fit.status = validated.status,
        }
        validation = Some(validated);
    }
    fit.seconds = watch.seconds();
    let (linear, losses) = model_of(problem, &fit)?;
    let names = (problem.target.clone(), problem.classes.clone(), problem.weights.clone());
    let setting = Setting { moves: problem.moves().cloned(), ..Setting::of(&risk) };
    let model = Model::new(names, setting, problem.encoding.clone(), linear);
    let (factor, solver) = (given.factor(), plan.solver.name());
    Ok(Fitted { fit, model, losses, ordinary, factor, solver, training, path, validation })
}

/// The model of a fit, and its loss of each row: in the units of the columns, so that the model that is saved gives the
/// same numbers again.
fn model_of(problem: &Problem, fit: &Fit) -> Result<(LinearModel, Vec<f64>)> {
    let linear = LinearModel::new(problem.loss().clone(), fit.intercept.clone(), fit.coefficients.clone())?;
    let losses = linear.losses(&problem.examples)?;
    problem.check(&losses, "of the model")?;
    Ok((linear, losses))
}

/// Why nothing more is to be begun, if so.
pub fn stopped(status: Status) -> Option<Status> {
    Some(status).filter(|status| matches!(status, Status::Interrupted | Status::MaxTime))
}
