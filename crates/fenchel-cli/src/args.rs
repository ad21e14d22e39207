//! The command tree. Options of a subcommand live beside it, in `commands`.

use crate::commands::{completions, list, man, max, reproduce, robust, transport};
use clap::{Parser, Subcommand};

const TOUR: &str = "\
First steps:
  fenchel transport                        a complete example, solved in seconds
  fenchel transport --target shops.csv     a standard Gaussian to your own points
  fenchel robust data.csv --target y       a linear model for the worst case, fitted exactly
  fenchel max losses.csv --column loss     the smooth maximum of a column
  fenchel list                             every divergence, cost, source and loss
  fenchel reproduce                        claims of the papers, checked

Exit codes: 0 done; 1 a result, written, that did not reach its tolerance (its status says why);
2 bad input, with a message that says what is wrong and what is wanted; 130 interrupted before there was a result.";

/// Smooth maxima and certified optimal transport.
///
/// A smooth maximum of scores u is the largest ⟨u, p⟩ − λ D(p‖η) over probability vectors p. It is
/// log-sum-exp when D is the Kullback–Leibler divergence, and the inner problem of regularised optimal
/// transport for every divergence that `fenchel list` shows.
#[derive(Debug, Parser)]
#[command(name = "fenchel", version, after_help = TOUR, after_long_help = TOUR, arg_required_else_help = true)]
#[command(max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands, one file each.
#[derive(Debug, Subcommand)]
pub enum Command {
    // Described where their options are.
    Transport(Box<transport::Args>),
    Robust(Box<robust::Args>),
    Max(max::Args),
    Reproduce(reproduce::Args),
    List(list::Args),
    Completions(completions::Args),
    Man(man::Args),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_tree_is_consistent() {
        Cli::command().debug_assert();
    }
}
