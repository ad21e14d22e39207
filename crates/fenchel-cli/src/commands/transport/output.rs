//! The files of a result.

use super::args::Args;
use super::pictures;
use super::problem::{Problem, SourceFile, Standardized, TargetSample};
use crate::failure::Result;
use crate::results::{Directory, json, quoted};
use fenchel::transport::Solution;
use std::path::{Path, PathBuf};

/// A result on its way to files and terminal.
pub struct Report<'a> {
    /// What was found.
    pub solution: &'a Solution,
    /// What was asked.
    pub problem: &'a Problem,
    /// The file from which the run can go on.
    pub checkpoint: Option<&'a Path>,
    /// Files written.
    pub files: Vec<PathBuf>,
}

/// The result as it is written: the solution, and how its numbers relate to the files they came from.
#[derive(serde::Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    solution: &'a Solution,
    target: &'a str,
    target_sample: Option<&'a TargetSample>,
    source_file: Option<SourceFile>,
    atoms: usize,
    dimension: usize,
    standardized: Option<&'a Standardized>,
    checkpoint: Option<String>,
    files: Vec<String>,
}

/// Writes all files; each appears whole or not at all. The result itself comes last and lists the others.
pub fn write(directory: &Directory, report: &mut Report<'_>, args: &Args) -> Result<()> {
    report.files.push(directory.put("potentials.csv", potentials(report)?.as_bytes())?);
    let plan = report.problem.semidiscrete.plan(report.solution)?;
    let path = directory.join("plan.json");
    plan.save(&path)?;
    report.files.push(path);
    let drawings = if args.no_pictures { Vec::new() } else { pictures::pictures(report, &plan, args)? };
    let absent = pictures::NAMES.iter().filter(|n| drawings.iter().all(|d| d.0 != **n));
    absent.for_each(|name| directory.remove_picture(name));
    for (name, drawing) in drawings {
        report.files.extend(directory.draw(name, &drawing)?);
    }
    super::remove_others(directory, &report.files);
    // Listed before it is there, so that what it says includes itself.
    report.files.insert(0, directory.join("result.json"));
    directory.put("result.json", report.json()?.as_bytes())?;
    Ok(())
}

impl Report<'_> {
    /// The record as JSON, with a line break at its end.
    pub fn json(&self) -> Result<String> {
        let record = Record {
            solution: self.solution,
            target: &self.problem.target,
            target_sample: self.problem.target_sample.as_ref(),
            source_file: self.problem.source_file,
            atoms: self.problem.masses.len(),
            dimension: self.problem.names.len(),
            standardized: self.problem.standardized.as_ref(),
            checkpoint: self.checkpoint.map(|path| path.display().to_string()),
            files: self.files.iter().map(|f| f.display().to_string()).collect(),
        };
        json(&record)
    }
}

/// index, coordinates, weight, potential: one line an atom. No potential where there is no weight. Where the atoms are
/// rows drawn from a file, the index is followed by the number of the row, both from 0.
fn potentials(report: &Report<'_>) -> Result<String> {
    let atoms = report.problem.semidiscrete.atoms();
    let rows = report.problem.target_sample.as_ref().map(|sample| &sample.which);
    let mut text = String::from(if rows.is_some() { "index,row" } else { "index" });
    for name in &report.problem.names {
        text.push(',');
        text.push_str(&quoted(name));
    }
    text.push_str(",weight,potential\n");
    for (i, (mass, potential)) in report.problem.masses.iter().zip(&report.solution.potential).enumerate() {
        text.push_str(&i.to_string());
        if let Some(rows) = rows {
            text.push_str(&format!(",{}", rows[i]));
        }
        for x in atoms.point(i) {
            text.push_str(&format!(",{x}"));
        }
        let potential = potential.map_or(String::new(), |p| p.to_string());
        text.push_str(&format!(",{mass},{potential}\n"));
    }
    Ok(text)
}
