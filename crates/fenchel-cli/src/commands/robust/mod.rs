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
mod pictures;
mod predict;
mod statistics;
mod strength;
mod table;

pub use args::Args;

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
    let problem = fit::Problem::read(args)?;
    // A directory that cannot be written should not cost a fit.
    let directory = Directory::prepare(&args.out)?;
    let fitted = problem.fit(args)?;
    let mut report = output::Report::new(&problem, &fitted, args)?;
    output::write(&directory, &mut report, args)?;
    if args.json {
        print(&report.json()?)?;
    } else if !args.quiet {
        print(&table::table(&report))?;
    }
    Ok(if fitted.fit.status.is_converged() { Outcome::Done } else { Outcome::NotConverged })
}
