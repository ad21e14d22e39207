//! The files of a result, and the result on the terminal.

use super::super::args::Args;
use super::super::problem::{SourceFile, Standardized};
use super::super::table;
use super::{Problem, pictures};
use crate::failure::Result;
use crate::report;
use crate::results::{Directory, json, quoted};
use fenchel::optim::Status;
use fenchel::transport::continuous::{Coupling, Solution};
use std::path::{Path, PathBuf};

/// A result on its way to files and terminal.
pub struct Report<'a> {
    /// What was found.
    pub solution: &'a Solution,
    /// The plan.
    pub coupling: &'a Coupling,
    /// What was asked.
    pub problem: &'a Problem,
    /// The file from which the run can go on.
    pub checkpoint: Option<&'a Path>,
    /// What the method says of itself, for programs and for the terminal.
    pub training: Option<serde_json::Value>,
    pub rows: Vec<(&'static str, String)>,
    /// Files written.
    pub files: Vec<PathBuf>,
}

/// The result as it is written: the solution, and how its numbers relate to the files they came from.
#[derive(serde::Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    solution: &'a Solution,
    dimension: usize,
    source_file: Option<SourceFile>,
    target_file: Option<SourceFile>,
    standardized: Option<&'a Standardized>,
    checkpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    training: Option<&'a serde_json::Value>,
    files: Vec<String>,
}

/// Writes all files; each appears whole or not at all. The result itself comes last and lists the others.
pub fn write(directory: &Directory, report: &mut Report<'_>, args: &Args) -> Result<()> {
    report.files.push(directory.put("potentials.csv", potentials(report)?.as_bytes())?);
    let path = directory.join("coupling.json");
    report.coupling.save(&path)?;
    report.files.push(path);
    let drawings = if args.no_pictures { Vec::new() } else { pictures::pictures(report, args)? };
    let absent = pictures::NAMES.iter().filter(|n| drawings.iter().all(|d| d.0 != **n));
    absent.for_each(|name| directory.remove_picture(name));
    for (name, drawing) in drawings {
        report.files.extend(directory.draw(name, &drawing)?);
    }
    super::super::remove_others(directory, &report.files);
    // Listed before it is there, so that what it says includes itself.
    report.files.insert(0, directory.join("result.json"));
    directory.put("result.json", report.json()?.as_bytes())?;
    Ok(())
}

impl Report<'_> {
    /// The record as JSON, with a line break at its end.
    pub fn json(&self) -> Result<String> {
        json(&Record {
            solution: self.solution,
            dimension: self.problem.names.len(),
            source_file: self.problem.source_file,
            target_file: self.problem.target_file,
            standardized: self.problem.standardized.as_ref(),
            checkpoint: self.checkpoint.map(|path| path.display().to_string()),
            training: self.training.as_ref(),
            files: self.files.iter().map(|f| f.display().to_string()).collect(),
        })
    }
}

/// side, coordinates, potential: u at the sample of the source, v at that of the target.
fn potentials(report: &Report<'_>) -> Result<String> {
    let dim = report.problem.names.len();
    let mut text = String::from("side");
    for name in &report.problem.names {
        text.push(',');
        text.push_str(&quoted(name));
    }
    text.push_str(",potential\n");
    let coupling = report.coupling;
    for (side, potential, points) in
        [("source", coupling.u(), coupling.sources()), ("target", coupling.v(), coupling.targets())]
    {
        for (point, value) in points.chunks_exact(dim).zip(potential.values(points)?) {
            text.push_str(side);
            for x in point {
                text.push_str(&format!(",{x}"));
            }
            text.push_str(&format!(",{value}\n"));
        }
    }
    Ok(text)
}

/// What was solved, how it ended, and the numbers with the digits they are good for.
pub fn printed(report: &Report<'_>) -> String {
    let s = report.solution;
    let two = |v: f64| report::significant(v, 2);
    let [value, lower, upper] = report::estimate(s.value, s.interval.lower, s.interval.upper);
    let mut rows = vec![
        ("status", status(s)),
        ("value", format!("{value}   95% interval [{lower}, {upper}]")),
        ("unregularised cost", format!("at most {}, with 95% confidence", two(s.bounds.upper))),
        (
            "marginal error",
            format!(
                "{} in the 1-norm from the source, {} from the target, at most",
                two(s.marginal_error.source.l1),
                two(s.marginal_error.target.l1)
            ),
        ),
        ("potentials", potential(s)),
    ];
    rows.extend(report.rows.iter().cloned());
    let file = |file: Option<SourceFile>| {
        file.map(|f| {
            let how = if f.streamed { "read where they are" } else { "in memory" };
            format!("{} rows, {how}", report::count(f.rows))
        })
    };
    rows.extend(file(report.problem.source_file).map(|text| ("source", text)));
    rows.extend(file(report.problem.target_file).map(|text| ("target", text)));
    rows.extend(report.problem.standardized.as_ref().map(table::standardized));
    rows.push(("work", format!("{} points in {}", report::count(s.samples), report::seconds(s.seconds))));
    rows.extend(table::to_go_on(report.checkpoint, s.status));
    rows.push(table::files(&report.files));
    format!(
        "{} to {}, both drawn from, in dimension {}; cost {}, divergence {}, λ = {}\n\n{}",
        s.source,
        s.target,
        report.problem.names.len(),
        s.cost,
        s.divergence,
        report::plain(s.lambda, 4),
        report::table(&rows)
    )
}

fn status(s: &Solution) -> String {
    let what = match s.status {
        Status::Converged => "the interval is within the tolerance",
        Status::MaxIterations => "NOT converged: the budget of samples or steps is spent",
        Status::MaxTime => "NOT converged: more needs more time than --max-time allows",
        Status::Stalled => "NOT converged: more work no longer helps; try a larger --tolerance or --lambda",
        Status::Interrupted => "NOT converged: interrupted; this is the best so far",
        Status::Diverged => {
            "NOT converged: steps left the range of finite numbers; try --objective safe:0.03, or no --step"
        }
    };
    format!("{}: {what}\n{}", s.status, table::tolerance(s.tolerance, s.cost_spread))
}

fn potential(s: &Solution) -> String {
    let mut text = match s.solver.as_str() {
        "samples" => "c-transforms of samples".to_owned(),
        solver => match solver.strip_prefix("network ") {
            Some(network) => {
                let (objective, rounds) = network.split_once(", rounds:").unwrap_or((network, "0"));
                let rounds = match rounds {
                    "0" => String::new(),
                    "1" => ", then a round of Sinkhorn's iteration between samples".to_owned(),
                    n => format!(", then {n} rounds of Sinkhorn's iteration between samples"),
                };
                format!("networks, by stochastic gradients on {objective}{rounds}")
            }
            None => solver.replacen("sgd", "kernel, by stochastic gradients on", 1),
        },
    };
    if let Some(bandwidth) = s.bandwidth {
        text.push_str(&format!(", bandwidth {}", report::significant(bandwidth, 3)));
    }
    if let Some(step) = s.step {
        text.push_str(&format!(", step {}", report::significant(step, 3)));
    }
    text
}
