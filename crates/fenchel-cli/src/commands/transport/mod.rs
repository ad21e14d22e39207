//! `fenchel transport`

mod args;
mod output;
mod pictures;
mod problem;
mod table;

pub use args::Args;
pub use output::{Directory, quoted};

use crate::failure::{Outcome, Result, print};
use crate::progress::Display;

/// Reads, solves, writes.
pub fn run(args: &Args) -> Result<Outcome> {
    let settings = problem::settings(args)?;
    let problem = problem::problem(args)?;
    // A directory that cannot be written should not cost a solve.
    let directory = output::Directory::prepare(&args.out)?;
    let mut display = Display::new(args.quiet);
    let solved = problem.semidiscrete.solve(&settings, &mut display);
    display.finish();
    let solution = solved?;
    let mut report = output::Report { solution: &solution, problem: &problem, files: Vec::new() };
    directory.write(&mut report, args)?;
    if args.json {
        print(&report.json()?)?;
    } else if !args.quiet {
        print(&table::table(&report))?;
    }
    Ok(if solution.status.is_converged() { Outcome::Done } else { Outcome::NotConverged })
}
