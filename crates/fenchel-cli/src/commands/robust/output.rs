//! The files of a fit.

use super::args::FitArgs;
use super::encoding::Missing;
use super::fit::{Fitted, Problem};
use super::statistics::{self, Tail};
use super::{labels, pictures};
use crate::failure::Result;
use crate::report;
use crate::results::{Directory, json};
use fenchel::optim::Status;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::path::PathBuf;

/// Rows that are told of.
const HEAVIEST: usize = 5;

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

/// The result as it is written.
#[derive(serde::Serialize)]
struct Record<'a> {
    status: Status,
    objective: f64,
    lower_bound: f64,
    gap: f64,
    tolerance: f64,
    intercept: Intercepts<'a>,
    coefficients: Coefficients<'a>,
    loss: String,
    divergence: &'a str,
    lambda: Option<f64>,
    radius: Option<f64>,
    move_price: Option<f64>,
    mean_distance: Option<f64>,
    mean_loss: f64,
    ordinary_mean_loss: Option<f64>,
    worst_mean_loss: f64,
    largest_loss: f64,
    cvar: &'a [Tail],
    effective_sample_size: f64,
    heaviest_rows: &'a [Heavy],
    data: String,
    target: &'a str,
    classes: Option<&'a [String]>,
    weights: Option<&'a str>,
    rows: usize,
    rows_left_out: usize,
    features: usize,
    missing: Missing,
    l2: f64,
    l1: f64,
    standardize: bool,
    notes: &'a [String],
    iterations: u32,
    seconds: f64,
    files: Vec<String>,
}

/// Numbers by name, in their order.
struct Named<'a>(&'a [String], &'a [f64]);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().zip(self.1))
    }
}

/// Coefficients by feature; where classes have their own, by class first.
struct Coefficients<'a> {
    classes: &'a [String],
    names: &'a [String],
    numbers: &'a [f64],
}

impl Serialize for Coefficients<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        let d = self.names.len();
        if self.classes.is_empty() {
            return Named(self.names, self.numbers).serialize(to);
        }
        let mut map = to.serialize_map(Some(self.classes.len()))?;
        for (k, class) in self.classes.iter().enumerate() {
            map.serialize_entry(class, &Named(self.names, &self.numbers[k * d..(k + 1) * d]))?;
        }
        map.end()
    }
}

/// The intercept, if there is one; where classes have their own, by class.
struct Intercepts<'a> {
    there: bool,
    classes: &'a [String],
    numbers: &'a [f64],
}

impl Serialize for Intercepts<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        match (self.there, self.numbers) {
            (false, _) => to.serialize_none(),
            (true, [one]) => to.serialize_f64(*one),
            (true, several) => Named(self.classes, several).serialize(to),
        }
    }
}

impl<'a> Report<'a> {
    /// What is to be said about a fit.
    pub fn new(problem: &'a Problem, fitted: &'a Fitted, args: &FitArgs) -> Result<Self> {
        let (losses, own, p) = (&fitted.losses, problem.examples.weights(), &fitted.fit.weights);
        let names = problem.encoding.names();
        let mut order: Vec<usize> = (0..p.len()).filter(|i| p[*i] > 0.0).collect();
        order.sort_by(|a, b| p[*b].total_cmp(&p[*a]).then(losses[*b].total_cmp(&losses[*a])).then(a.cmp(b)));
        let heavy = |i: &usize| {
            let row = problem.rows[*i];
            let (file, line) = (problem.data.file(row), problem.data.line(row));
            Heavy { row, file, line, loss: losses[*i], weight: p[*i] }
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
            heaviest: order.iter().take(HEAVIEST).map(heavy).collect(),
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

    /// The record as JSON, with a line break at its end.
    pub fn json(&self) -> Result<String> {
        let (fit, model, problem) = (&self.fitted.fit, &self.fitted.model, self.problem);
        let strength = |v: f64| Some(v).filter(|v| self.has_strength() && v.is_finite());
        // Two classes share their coefficients.
        let classes = if model.linear.loss().scores() > 1 { &problem.classes[..] } else { &[] };
        let options = problem.options();
        let record = Record {
            status: fit.status,
            objective: fit.objective,
            lower_bound: fit.lower_bound,
            gap: fit.gap,
            tolerance: self.tolerance,
            intercept: Intercepts { there: options.intercept, classes, numbers: model.linear.intercept() },
            coefficients: Coefficients { classes, names: &self.names, numbers: model.linear.coefficients() },
            loss: model.linear.loss().name(),
            divergence: &model.risk.divergence,
            lambda: strength(fit.lambda),
            radius: strength(fit.radius),
            move_price: model.risk.moves.as_ref().map(|moves| moves.price),
            mean_distance: self.mean_distance,
            mean_loss: self.mean_loss,
            ordinary_mean_loss: self.fitted.ordinary,
            worst_mean_loss: self.worst_mean_loss,
            largest_loss: self.largest_loss,
            cvar: &self.cvar,
            effective_sample_size: fit.effective_sample_size,
            heaviest_rows: &self.heaviest,
            data: problem.data.label(),
            target: &problem.target,
            classes: labels::are_classes(model.linear.loss()).then_some(&problem.classes[..]),
            weights: problem.weights.as_deref(),
            rows: problem.rows.len(),
            rows_left_out: problem.data.len() - problem.rows.len(),
            features: self.names.len(),
            missing: problem.encoding.missing,
            l2: options.l2,
            l1: options.l1,
            standardize: options.standardise,
            notes: &self.notes,
            iterations: fit.iterations,
            seconds: fit.seconds,
            files: self.files.iter().map(|f| f.display().to_string()).collect(),
        };
        json(&record)
    }
}

/// Writes all files; each appears whole or not at all. The result itself comes last and lists the others.
pub fn write(directory: &Directory, report: &mut Report<'_>, args: &FitArgs) -> Result<()> {
    let path = directory.join("model.json");
    report.fitted.model.save(&path)?;
    report.files.push(path);
    report.files.push(directory.put("weights.csv", weights(report).as_bytes())?);
    if args.no_pictures {
        directory.remove_picture(pictures::NAME);
    } else {
        report.files.extend(directory.draw(pictures::NAME, &pictures::losses(report))?);
    }
    // Listed before it is there, so that what it says includes itself.
    report.files.insert(0, directory.join("result.json"));
    directory.put("result.json", report.json()?.as_bytes())?;
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
        [one] => notes.push(format!("{} is constant: its coefficient is 0", super::data::shortened(one))),
        _ => notes.push(format!("constant, with coefficient 0: {}", super::data::listed(&constant))),
    }
    let given = [("--lambda", args.lambda.is_some()), ("--radius", args.radius.is_some())];
    let setting = &fitted.model.risk;
    if let Some((option, _)) = given.iter().find(|(_, given)| *given)
        && setting.lambda.or(setting.radius).is_none()
    {
        notes.push(format!("{option} changes nothing for divergence {}", setting.divergence));
    }
    notes
}
