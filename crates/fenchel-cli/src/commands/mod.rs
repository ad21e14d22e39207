//! The subcommands, one file each: its options (`Args`) and what it does (`run`).

pub mod completions;
pub mod list;
pub mod man;
pub mod max;
pub mod reproduce;
pub mod robust;
pub mod transport;

use crate::args::Command;
use crate::failure::{Outcome, Result};

/// Runs a subcommand.
pub fn run(command: Command) -> Result<Outcome> {
    match command {
        Command::Transport(args) => transport::run(&args),
        Command::Robust(args) => robust::run(&args),
        Command::Max(args) => max::run(&args),
        Command::Reproduce(args) => reproduce::run(&args),
        Command::List(args) => list::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}
