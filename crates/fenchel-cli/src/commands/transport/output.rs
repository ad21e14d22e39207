//! The files of a result.

use super::args::Args;
use super::pictures;
use super::problem::{Problem, SourceFile, Standardized, TargetSample};
use crate::failure::{Failure, Result};
use fenchel::Error;
use fenchel::measure::file::write_atomically;
use fenchel::transport::Solution;
use std::path::{Path, PathBuf};

/// A directory that can be written to.
#[derive(Debug)]
pub struct Directory(PathBuf);

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

impl Directory {
    /// Makes the directory if need be and tries that a file can be made in it.
    pub fn prepare(path: &Path) -> Result<Self> {
        let failed = |e: std::io::Error| {
            let message = format!("results cannot be written here ({e}); give another directory with --out");
            Failure::from(Error::file(path, message))
        };
        std::fs::create_dir_all(path).map_err(failed)?;
        let probe = path.join(format!(".fenchel-{}", std::process::id()));
        std::fs::write(&probe, b"").map_err(failed)?;
        std::fs::remove_file(&probe).map_err(failed)?;
        Ok(Directory(path.to_owned()))
    }

    /// Writes all files; each appears whole or not at all. The result itself comes last and lists the others.
    pub fn write(&self, report: &mut Report<'_>, args: &Args) -> Result<()> {
        let csv = potentials(report)?;
        self.file("potentials.csv", csv.as_bytes(), report)?;
        let plan = report.problem.semidiscrete.plan(report.solution)?;
        let path = self.0.join("plan.json");
        plan.save(&path)?;
        report.files.push(path);
        let drawings = if args.no_pictures { Vec::new() } else { pictures::pictures(report, &plan, args)? };
        // Pictures of an earlier result in the same directory would be taken for this one's.
        let absent = pictures::NAMES.iter().filter(|n| drawings.iter().all(|d| d.0 != **n));
        absent.for_each(|name| self.remove_picture(name));
        for (name, drawing) in drawings {
            self.file(&format!("{name}.svg"), drawing.svg()?.as_bytes(), report)?;
            self.file(&format!("{name}.png"), &drawing.png()?, report)?;
        }
        // Listed before it is there, so that what it says includes itself.
        let path = self.0.join("result.json");
        report.files.insert(0, path.clone());
        let json = report.json()?;
        write_atomically(&path, |out| out.write_all(json.as_bytes()))?;
        Ok(())
    }

    fn file(&self, name: &str, bytes: &[u8], report: &mut Report<'_>) -> Result<()> {
        report.files.push(self.put(name, bytes)?);
        Ok(())
    }

    /// Where a file in it is.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file, which appears whole or not at all; where it is.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.join(name);
        write_atomically(&path, |out| out.write_all(bytes))?;
        Ok(path)
    }

    /// Removes a picture that is there from earlier, in both formats.
    pub fn remove_picture(&self, name: &str) {
        for extension in ["svg", "png"] {
            let _ = std::fs::remove_file(self.join(&format!("{name}.{extension}")));
        }
    }
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
        let text = serde_json::to_string_pretty(&record)
            .map_err(|e| Failure::new(format!("the result cannot be written as JSON: {e}")))?;
        Ok(text + "\n")
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

/// A field of a CSV file, in quotes where it needs them.
pub fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn fields_are_quoted_where_needed() {
        assert_eq!(quoted("lat"), "lat");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
