//! `fenchel man [COMMAND]`

use crate::args::Cli;
use crate::failure::{Failure, Outcome, Result, print};
use clap::CommandFactory;

const EXAMPLES: &str = "\
Examples:
  fenchel man > ~/.local/share/man/man1/fenchel.1
  fenchel man transport > ~/.local/share/man/man1/fenchel-transport.1";

/// Manual pages on standard output
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The subcommand to describe; without it, fenchel itself
    pub command: Option<String>,
}

/// Prints a manual page in roff.
pub fn run(args: &Args) -> Result<Outcome> {
    let mut cli = Cli::command();
    cli.build();
    let page = match &args.command {
        None => clap_mangen::Man::new(cli),
        Some(name) => {
            let known = cli.get_subcommands().map(|c| c.get_name().to_owned());
            let Some(found) = cli.find_subcommand(name) else {
                return Err(fenchel::Error::unknown("command", name, known).into());
            };
            clap_mangen::Man::new(found.clone())
        }
    };
    let mut text = Vec::new();
    page.render(&mut text).map_err(|e| Failure::new(format!("the manual page cannot be made: {e}")))?;
    print(&String::from_utf8_lossy(&text))?;
    Ok(Outcome::Done)
}
