//! The files of a fit.

use super::args::FitArgs;
use super::fit::Fitted;
use super::problem::Problem;
use super::statistics::{self, Tail};
use super::strength::Setting;
use super::validation::Validated;
use super::{data, pictures, records};
use crate::failure::Result;
use crate::report;
use crate::results::Directory;
use std::path::PathBuf;

/// A fit on its way to files and terminal.
pub struct Report<'a> {
    /// What was asked.
    pub problem: &'a Problem,
    /// What was found.
    pub fitted: &'a Fitted,
    /// The names of the features.
    pub names: Vec<String>,
    /// Mean of the losses.
    pub mean_loss: f64,
    /// Mean of the losses under the weights of the worst case.
    pub worst_mean_loss: f64,
    /// How far rows are moved in the worst case, on average under its weights.
    pub mean_distance: Option<f64>,
    /// The largest loss.
    pub largest_loss: f64,
    /// Means of the tails of the losses.
    pub cvar: Vec<Tail>,
    /// The rows with the largest weights.
    pub heaviest: Vec<Heavy>,
    /// What should be known besides.
    pub notes: Vec<String>,
    /// The gap that was to be reached, relative to the objective.
    pub tolerance: f64,
    /// Files written.
    pub files: Vec<PathBuf>,
}

/// A row that weighs much in the worst case.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Heavy {
    /// Its number, from 0.
    pub row: usize,
    /// Its file, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Its line there, if the file has lines.
    pub line: Option<u64>,
    /// Its loss.
    pub loss: f64,
    /// Its weight.
    pub weight: f64,
}

impl<'a> Report<'a> {
    /// What is to be said about a fit.
    pub fn new(problem: &'a Problem, fitted: &'a Fitted, args: &FitArgs) -> Result<Self> {
        let (losses, own, p) = (&fitted.losses, problem.examples.weights(), &fitted.fit.weights);
        let names = problem.encoding.names();
        let heavy = |i: usize| {
            let row = problem.rows[i];
            let (file, line) = (problem.data.file(row), problem.data.line(row));
            Heavy { row, file, line, loss: losses[i], weight: p[i] }
        };
        Ok(Report {
            problem,
            fitted,
            mean_loss: statistics::mean(losses, own)?,
            worst_mean_loss: statistics::mean(losses, p)?,
            mean_distance: match &fitted.fit.distances[..] {
                [] => None,
                distances => Some(statistics::mean(distances, p)?),
            },
            largest_loss: statistics::largest(losses, own),
            cvar: statistics::tails(losses, own)?,
            heaviest: statistics::heaviest(p, losses).into_iter().map(heavy).collect(),
            notes: notes(problem, fitted, &names, args),
            names,
            tolerance: args.tolerance,
            files: Vec::new(),
        })
    }

    /// Whether the strength of the divergence changes anything.
    pub fn has_strength(&self) -> bool {
        let risk = &self.fitted.model.risk;
        risk.lambda.is_some() || risk.radius.is_some()
    }

    /// Which of them it is.
    pub fn symbol(&self) -> &'static str {
        if self.fitted.model.risk.lambda.is_some() { "λ" } else { "radius" }
    }

    /// The strength of the model that is saved.
    pub fn strength(&self) -> Option<f64> {
        let risk = &self.fitted.model.risk;
        risk.lambda.or(risk.radius)
    }
}

/// Writes all files; each appears whole or not at all. The result itself comes last and lists the others.
pub fn write(directory: &Directory, report: &mut Report<'_>, args: &FitArgs) -> Result<()> {
    let path = directory.join("model.json");
    report.fitted.model.save(&path)?;
    report.files.push(path);
    report.files.push(directory.put("weights.csv", weights(report).as_bytes())?);
    if let Some(path) = &report.fitted.path {
        report.files.push(directory.put("path.csv", records::path_csv(report, path).as_bytes())?);
    }
    if let Some(validated) = report.fitted.validation.as_ref().filter(|validated| validated.chosen.is_some())
    {
        report.files.push(directory.put("validation.csv", records::validation_csv(validated).as_bytes())?);
    }
    for (name, draw) in pictures::of(report) {
        if args.no_pictures {
            directory.remove_picture(name);
        } else {
            report.files.extend(directory.draw(name, &draw(report))?);
        }
    }
    // Listed before it is there, so that what it says includes itself.
    report.files.insert(0, directory.join("result.json"));
    directory.put("result.json", records::json(report)?.as_bytes())?;
    Ok(())
}

/// row, loss, weight and, where it may be moved, by how much: one line a row that was used.
fn weights(report: &Report<'_>) -> String {
    let fitted = report.fitted;
    let distances = &fitted.fit.distances;
    let mut text =
        String::from(if distances.is_empty() { "row,loss,weight" } else { "row,loss,weight,distance" });
    text.push('\n');
    let rows = report.problem.rows.iter().zip(&fitted.losses).zip(&fitted.fit.weights);
    for (i, ((row, loss), weight)) in rows.enumerate() {
        text.push_str(&format!("{row},{},{}", report::exact(*loss), report::exact(*weight)));
        if let Some(distance) = distances.get(i) {
            text.push_str(&format!(",{}", report::exact(*distance)));
        }
        text.push('\n');
    }
    text
}

/// What should be known besides.
fn notes(problem: &Problem, fitted: &Fitted, names: &[String], args: &FitArgs) -> Vec<String> {
    let mut notes = Vec::new();
    let constant: Vec<String> = problem.constant().iter().map(|j| names[*j].clone()).collect();
    match &constant[..] {
        [] => {}
        [one] => notes.push(format!("{} is constant: its coefficient is 0", data::shortened(one))),
        _ => notes.push(format!("constant, with coefficient 0: {}", data::listed(&constant))),
    }
    let given = [("--lambda", args.lambda.is_some()), ("--radius", args.radius.is_some())];
    let setting = &fitted.model.risk;
    if let Some((option, _)) = given.iter().find(|(_, given)| *given)
        && setting.lambda.or(setting.radius).is_none()
    {
        notes.push(format!("{option} changes nothing for divergence {}", setting.divergence));
    }
    if let Some(path) = fitted.path.as_ref().filter(|path| path.points.len() < path.asked) {
        notes.push(format!("the path ended after {} of {} strengths", path.points.len(), path.asked));
    }
    notes.extend(fitted.validation.as_ref().and_then(|validated| of_validation(validated, setting)));
    notes
}

/// What the place of the chosen strength says about the candidates.
fn of_validation(validated: &Validated, setting: &Setting) -> Option<String> {
    let what = if setting.lambda.is_some() { "λ" } else { "radius" };
    let Some(at) = validated.chosen else {
        return Some(format!("the validation was stopped: nothing was chosen, {what} is the one given"));
    };
    // Radius 0 is the ordinary fit: nothing is milder.
    let end = match (setting.lambda.is_some(), at) {
        _ if validated.scores.len() < 2 => return None,
        (true, 0) => "largest",
        (false, 0) if validated.scores[0].strength > 0.0 => "smallest",
        (true, at) if at + 1 == validated.scores.len() => "smallest",
        (false, at) if at + 1 == validated.scores.len() => "largest",
        _ => return None,
    };
    let other = if end == "largest" { "larger" } else { "smaller" };
    Some(format!("the chosen {what} is the {end} of the candidates; a {other} one may do better (--path)"))
}
