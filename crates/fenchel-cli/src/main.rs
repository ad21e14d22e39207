//! The command `fenchel`.
//!
//! Each subcommand is one file in `commands`; what they share is beside it: reading measures (`input`), progress
//! and interruption (`progress`), numbers as people read them (`report`), pictures (`picture`), the
//! files of a result (`results`).

mod args;
mod checkpoint;
mod commands;
mod failure;
mod input;
mod memory;
mod picture;
mod progress;
mod report;
mod results;
mod threads;

use clap::Parser;
use clap::error::ErrorKind;
use std::process::ExitCode;

fn main() -> ExitCode {
    memory::give_back();
    let outcome = match args::Cli::try_parse() {
        Ok(cli) => commands::run(cli.command),
        // Nothing was said: the whole help, as a mistake.
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            return ExitCode::from(2);
        }
        Err(error) if error.use_stderr() => Err(failure::Failure::usage(&error)),
        // Help and version: asked for, so printed on standard output.
        Err(error) => {
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
    };
    match outcome {
        Ok(outcome) => outcome.into(),
        Err(failure) => failure.report(),
    }
}
