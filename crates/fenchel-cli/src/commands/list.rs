//! `fenchel list`

use crate::failure::{Outcome, Result, print};
use fenchel::robust::loss;
use fenchel::{cost, divergence, measure};

const NOTE: &str = "\
The names are what --divergence, --cost, --source, --loss and --solver accept. Capitals stand for a number, for instance
safe-kl:0.1 or gaussian:2, in brackets for one that may be left out; files are sources too.";

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Divergences
    Divergences,
    /// Costs
    Costs,
    /// Sources
    Sources,
    /// Losses
    Losses,
    /// Solvers of robust models
    Solvers,
}

/// Every divergence, cost, source, loss and solver, one line each
#[derive(Debug, clap::Args)]
#[command(after_help = NOTE)]
pub struct Args {
    /// One of the five; without it, all
    pub kind: Option<Kind>,
}

/// Prints names and one line on each.
pub fn run(args: &Args) -> Result<Outcome> {
    let divergences =
        divergence::registry().iter().map(|e| (e.to_string(), e.summary.to_owned())).collect::<Vec<_>>();
    let costs = cost::registry()
        .iter()
        .map(|e| {
            let name = e.parameter.map_or(e.name.to_owned(), |p| format!("{}:{}", e.name, p.to_uppercase()));
            (name, e.summary.to_owned())
        })
        .collect();
    let sources =
        measure::registry().iter().map(|e| (format!("{}:D", e.name), e.summary.to_owned())).collect();
    let losses = loss::registry()
        .iter()
        .map(|e| {
            let name = e
                .parameter
                .map_or(e.name.to_owned(), |p| format!("{}[:{}]", e.name, p.symbol.to_uppercase()));
            (name, e.summary.to_owned())
        })
        .collect();
    let solvers = super::robust::solvers()
        .into_iter()
        .map(|(name, summary)| (name.to_owned(), summary.to_owned()))
        .collect();
    let groups = [
        (Kind::Divergences, "Divergences", divergences),
        (Kind::Costs, "Costs", costs),
        (Kind::Sources, "Sources", sources),
        (Kind::Losses, "Losses", losses),
        (Kind::Solvers, "Solvers of robust models", solvers),
    ];
    let shown: Vec<_> = groups.into_iter().filter(|g| args.kind.is_none_or(|k| k == g.0)).collect();
    let names = shown.iter().flat_map(|g| &g.2).map(|row| row.0.chars().count());
    let width = names.max().unwrap_or(0);
    let mut text = String::new();
    for (i, (_, title, rows)) in shown.iter().enumerate() {
        text.push_str(&format!("{}{title}\n", if i > 0 { "\n" } else { "" }));
        for (name, summary) in rows {
            let pad = " ".repeat(width - name.chars().count());
            text.push_str(&format!("  {name}{pad}  {summary}\n"));
        }
    }
    print(&text)?;
    Ok(Outcome::Done)
}
