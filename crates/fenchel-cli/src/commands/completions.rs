//! `fenchel completions SHELL`

use crate::args::Cli;
use crate::failure::{Outcome, Result, print};
use clap::CommandFactory;
use clap_complete::Shell;

const EXAMPLES: &str = "\
Examples:
  fenchel completions bash > ~/.local/share/bash-completion/completions/fenchel
  fenchel completions zsh  > ~/.zfunc/_fenchel
  fenchel completions fish > ~/.config/fish/completions/fenchel.fish";

/// Shell completions on standard output
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The shell to complete in
    pub shell: Shell,
}

/// Prints the completion script.
pub fn run(args: &Args) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "fenchel", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Done)
}
