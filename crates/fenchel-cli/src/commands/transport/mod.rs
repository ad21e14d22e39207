//! `fenchel transport`

mod args;
mod output;
mod pictures;
mod problem;
mod table;

pub use args::Args;
pub use output::{Directory, quoted};

use crate::checkpoint::{self, Writer};
use crate::failure::{Failure, Outcome, Result, print};
use crate::progress::Display;
use clap::Parser;
use fenchel::transport::Checkpoint;

/// The options alone, to be parsed again together with those of an earlier run.
#[derive(clap::Parser)]
#[command(name = "fenchel transport", args_override_self = true)]
struct Alone {
    #[command(flatten)]
    args: Args,
}

/// Reads, solves, writes.
pub fn run(given: &Args) -> Result<Outcome> {
    let Some(path) = &given.resume else { return solve(given, &said(), None) };
    let earlier = checkpoint::read(path)?;
    // What is said now comes later, and holds.
    let arguments = [earlier.arguments, said()].concat();
    let words = std::iter::once("fenchel transport").chain(arguments.iter().map(String::as_str));
    let mut args = Alone::try_parse_from(words).map_err(|e| Failure::usage(&e))?.args;
    args.checkpoint = Some(given.checkpoint.clone().unwrap_or_else(|| path.clone()));
    solve(&args, &arguments, Some(&earlier.state)).map_err(|e| e.at(&format!("--resume {}", path.display())))
}

/// What follows `transport` on the command line, as far as it says what is solved.
fn said() -> Vec<String> {
    let all = std::env::args_os().map(|a| a.to_string_lossy().into_owned());
    checkpoint::kept(all.skip_while(|a| a != "transport").skip(1))
}

/// Solves from the beginning, or goes on.
fn solve(args: &Args, arguments: &[String], state: Option<&Checkpoint>) -> Result<Outcome> {
    let settings = problem::settings(args)?;
    let problem = problem::problem(args)?;
    // A directory that cannot be written should not cost a solve.
    let directory = output::Directory::prepare(&args.out)?;
    let writer = args.checkpoint.as_ref().map(|path| Writer::new(path, arguments)).transpose()?;
    let mut display = Display::new(args.quiet).keeping(writer);
    let solved = match state {
        None => problem.semidiscrete.solve(&settings, &mut display),
        Some(state) => problem.semidiscrete.resume(&settings, state, &mut display),
    };
    display.finish();
    display.saved()?;
    let solution = solved?;
    let checkpoint = args.checkpoint.as_deref();
    let mut report = output::Report { solution: &solution, problem: &problem, checkpoint, files: Vec::new() };
    directory.write(&mut report, args)?;
    if args.json {
        print(&report.json()?)?;
    } else if !args.quiet {
        print(&table::table(&report))?;
    }
    Ok(if solution.status.is_converged() { Outcome::Done } else { Outcome::NotConverged })
}
