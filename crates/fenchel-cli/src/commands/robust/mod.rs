//! `fenchel robust`

mod apply;
mod args;
mod data;
mod encoding;
mod evaluate;
mod fit;
mod labels;
mod model;
mod moves;
mod output;
mod path;
mod pictures;
mod plan;
mod predict;
mod problem;
mod records;
mod shift;
mod solver;
mod statistics;
mod streamed;
mod strength;
mod table;
mod tables;
mod validation;
mod watch;

pub use args::Args;
pub use solver::registry as solvers;

use crate::failure::{Outcome, Result, print};
use crate::results::Directory;
use args::{Action, FitArgs};

/// Fits, predicts or evaluates.
pub fn run(args: &Args) -> Result<Outcome> {
    match &args.action {
        None => fitted(&args.fit),
        Some(Action::Predict(args)) => predict::run(args),
        Some(Action::Evaluate(args)) => evaluate::run(args),
    }
}

/// Reads, fits, writes.
fn fitted(args: &FitArgs) -> Result<Outcome> {
    // What goes together, and what decides, is known before anything is fitted.
    let plan = plan::Plan::parse(args)?;
    if let Some(outcome) = streamed::run(args, &plan)? {
        return Ok(outcome);
    }
    let problem = problem::Problem::read(args, &plan.columns())?;
    let target = validation::Target::of(&problem, &plan, args.shift.as_deref().unwrap_or_default())?;
    // A directory that cannot be written should not cost a fit.
    let directory = Directory::prepare(&args.out)?;
    let watch = watch::Watch::new(args.quiet, args.max_time);
    let fitted = fit::fit(&problem, (&plan, target.as_ref()), args, watch)?;
    let mut report = output::Report::new(&problem, &fitted, args)?;
    output::write(&directory, &mut report, args)?;
    if args.json {
        print(&records::json(&report)?)?;
    } else if !args.quiet {
        print(&table::table(&report))?;
    }
    Ok(if fitted.is_converged() { Outcome::Done } else { Outcome::NotConverged })
}
