//! `fenchel transport`

mod args;
mod continuous;
mod output;
mod pictures;
mod problem;
mod table;

pub use args::Args;

use crate::checkpoint;
use crate::failure::{Failure, Outcome, Result, print};
use crate::progress::Display;
use crate::results::Directory;
use clap::Parser;
use fenchel::transport::Checkpoint;
use std::path::{Path, PathBuf};

/// Files of either kind of transport.
const OWN: [&str; 4] = ["plan.json", "coupling.json", "u.network", "v.network"];

/// Removes those of an earlier run that this one, which has written `files`, has none of.
fn remove_others(directory: &Directory, files: &[PathBuf]) {
    let absent = OWN.iter().filter(|name| !files.contains(&directory.join(name)));
    absent.for_each(|name| directory.remove(name));
}

/// The options alone, to be parsed again together with those of an earlier run.
#[derive(clap::Parser)]
#[command(name = "fenchel transport", args_override_self = true)]
struct Alone {
    #[command(flatten)]
    args: Args,
}

/// Reads, solves, writes.
pub fn run(given: &Args) -> Result<Outcome> {
    let Some(path) = &given.resume else { return solve(given, &[said()], None) };
    let checkpoint::Earlier { mut arguments, state } = checkpoint::read(path)?;
    arguments.push(said());
    let resume = || {
        let mut args = merged(&arguments)?;
        args.checkpoint = Some(given.checkpoint.clone().unwrap_or_else(|| path.clone()));
        solve(&args, &arguments, Some((path, &state)))
    };
    resume().map_err(|e| e.at(&format!("--resume {}", path.display())))
}

/// The options of several runs as those of one: what was said last holds.
fn merged(runs: &[Vec<String>]) -> Result<Args> {
    let parse = |words: &[String]| {
        let words = std::iter::once("fenchel transport").chain(words.iter().map(String::as_str));
        Alone::try_parse_from(words).map(|alone| alone.args).map_err(|e| Failure::usage(&e))
    };
    let mut args = parse(&runs.concat())?;
    for run in runs {
        // Lists are lists of one run.
        let Args { source, columns, .. } = parse(run)?;
        if !source.is_empty() {
            args.source = source;
        }
        if !columns.is_empty() {
            args.columns = columns;
        }
    }
    Ok(args)
}

/// What follows `transport` on the command line, as far as it says what is solved.
fn said() -> Vec<String> {
    let all = std::env::args_os().map(|a| a.to_string_lossy().into_owned());
    checkpoint::kept(all.skip_while(|a| a != "transport").skip(1))
}

/// Solves from the beginning, or goes on.
fn solve(args: &Args, arguments: &[Vec<String>], state: Option<(&Path, &[u8])>) -> Result<Outcome> {
    if continuous::is_asked_for(args) {
        return continuous::solve(args, arguments, state);
    }
    continuous::none_of_its_options(args)?;
    let state = state.map(|(path, bytes)| Checkpoint::from_bytes(path, bytes)).transpose()?;
    let settings = problem::settings(args)?;
    let problem = problem::problem(args)?;
    // A directory that cannot be written should not cost a solve.
    let directory = Directory::prepare(&args.out)?;
    let writer = args.checkpoint.as_ref().map(|path| checkpoint::file(path, arguments)).transpose()?;
    let mut display = Display::new(args.quiet).keeping(writer);
    let solved = match &state {
        None => problem.semidiscrete.solve(&settings, &mut display),
        Some(state) => problem.semidiscrete.resume(&settings, state, &mut display),
    };
    display.finish();
    display.saved()?;
    let solution = solved?;
    let checkpoint = args.checkpoint.as_deref();
    let mut report = output::Report { solution: &solution, problem: &problem, checkpoint, files: Vec::new() };
    output::write(&directory, &mut report, args)?;
    if args.json {
        print(&report.json()?)?;
    } else if !args.quiet {
        print(&table::table(&report))?;
    }
    Ok(if solution.status.is_converged() { Outcome::Done } else { Outcome::NotConverged })
}
