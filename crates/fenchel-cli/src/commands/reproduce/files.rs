//! The files of an experiment, and what is printed.

use super::data::Data;
use super::experiments::Experiment;
use super::findings::{Cell, Claim, Findings, Table, Verdict};
use super::lab::{Effort, Lab};
use super::page;
use crate::failure::{Failure, Result};
use crate::report;
use crate::results::quoted;
use fenchel::measure::file::write_atomically;
use std::path::Path;

/// The claims as programs read them.
#[derive(serde::Serialize)]
struct Record<'a> {
    experiment: &'a str,
    title: &'a str,
    paper: &'a str,
    seed: u64,
    effort: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    claims: &'a [Claim],
}

/// Writes all files, each whole or not at all, the page last; returns their names, the page first.
pub fn write(
    experiment: &Experiment,
    findings: &Findings,
    lab: &Lab,
    seconds: f64,
    directory: &Path,
) -> Result<Vec<String>> {
    let mut names = vec!["index.html".to_owned(), "claims.json".to_owned()];
    let mut svgs = Vec::new();
    let file = |name: &str, bytes: &[u8]| write_atomically(directory.join(name), |out| out.write_all(bytes));
    for table in &findings.tables {
        let name = format!("{}.csv", table.name);
        file(&name, csv(table).as_bytes())?;
        names.push(name);
    }
    for picture in &findings.pictures {
        let svg = picture.drawing.svg()?;
        file(&format!("{}.svg", picture.name), svg.as_bytes())?;
        file(&format!("{}.png", picture.name), &picture.drawing.png()?)?;
        names.extend(["svg", "png"].map(|e| format!("{}.{e}", picture.name)));
        svgs.push(svg);
    }
    let effort = match lab.effort() {
        Effort::Tiny => "tiny",
        Effort::Quick => "quick",
        Effort::Full => "full",
    };
    let record = Record {
        experiment: experiment.name,
        title: experiment.title,
        paper: experiment.paper,
        seed: lab.seed(),
        effort,
        data: lab.data().map(Data::label),
        claims: &findings.claims,
    };
    let json = serde_json::to_string_pretty(&record)
        .map_err(|e| Failure::new(format!("the claims cannot be written as JSON: {e}")))?;
    file("claims.json", (json + "\n").as_bytes())?;
    file("index.html", page::page(experiment, findings, &svgs, lab, seconds, &names).as_bytes())?;
    Ok(names)
}

fn csv(table: &Table) -> String {
    let line = |cells: Vec<String>| cells.join(",") + "\n";
    let mut text = line(table.columns.iter().map(|c| quoted(c)).collect());
    for row in &table.rows {
        text.push_str(&line(row.iter().map(|c: &Cell| quoted(&c.exact())).collect()));
    }
    text
}

/// Verdicts, reasons, files: for the terminal.
pub fn table(experiment: &Experiment, findings: &Findings, seconds: f64, files: &[String]) -> String {
    let mut text = format!("{}: {}\n\n", experiment.name, experiment.title);
    for claim in &findings.claims {
        let verdict = match claim.verdict {
            Verdict::Holds => "holds",
            Verdict::Fails => "FAILS",
            Verdict::NotJudged => "not judged",
        };
        text.push_str(&format!("  {verdict:<10}  {}: {}\n", claim.place, claim.statement));
        for (i, line) in claim.measured.lines().enumerate() {
            text.push_str(&format!("  {:10}  {}{line}\n", "", if i > 0 { "- " } else { "" }));
        }
        if let Some(reason) = &claim.reason {
            text.push_str(&format!("  {:10}  because: {reason}\n", ""));
        }
    }
    let files = files.join(", ");
    text + &format!("\n  {}; files: {files}\n", report::seconds(seconds))
}
