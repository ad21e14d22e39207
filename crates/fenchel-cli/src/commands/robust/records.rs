//! What was found, as JSON and CSV.

use super::encoding::Missing;
use super::labels;
use super::model::Model;
use super::output::{Heavy, Report};
use super::path::Path;
use super::solver::Training;
use super::statistics::{SHARES, Tail};
use super::validation::{Score, Validated};
use crate::failure::Result;
use crate::report::exact;
use crate::results::{self, quoted};
use fenchel::optim::Status;
use fenchel::robust::{Fit, Options};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::path::PathBuf;

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
    /// Whether rows were read where they are.
    streamed: bool,
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
    strength: Option<&'static str>,
    solver: &'static str,
    training: Option<&'a Training>,
    /// The objective at the start and after each pass; null where it is out of range.
    history: Option<&'a [f64]>,
    path: Option<Vec<PointRecord<'a>>>,
    validation: Option<Choice<'a>>,
    notes: &'a [String],
    iterations: u32,
    seconds: f64,
    files: Vec<String>,
}

/// A fit of a path.
#[derive(serde::Serialize)]
struct PointRecord<'a> {
    strength: f64,
    lambda: f64,
    radius: f64,
    objective: f64,
    lower_bound: f64,
    gap: f64,
    status: Status,
    mean_loss: f64,
    cvar: &'a [Tail],
    effective_sample_size: f64,
    intercept: Intercepts<'a>,
    coefficients: Coefficients<'a>,
}

/// How the strength was chosen.
#[derive(serde::Serialize)]
struct Choice<'a> {
    status: Status,
    folds: usize,
    seed: u64,
    shift: &'a str,
    chosen: Option<f64>,
    scores: &'a [Score],
}

impl<'a> Choice<'a> {
    fn of(validated: &'a Validated) -> Self {
        let Validated { status, folds, seed, shift, scores, .. } = validated;
        let chosen = validated.best().map(|score| score.strength);
        Choice { status: *status, folds: *folds, seed: *seed, shift, chosen, scores }
    }
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

/// What any fit has to say: of rows in memory, or of rows in their files.
pub struct Basis<'a> {
    /// The fit.
    pub fit: &'a Fit,
    /// The model that it leads to.
    pub model: &'a Model,
    /// Options of the fit.
    pub options: Options,
    /// The names of the features.
    pub names: &'a [String],
    /// Mean of the losses, of the ordinary fit if that was made, under the weights of the worst case; and the largest.
    pub losses: (f64, Option<f64>, f64, f64),
    /// How far rows are moved in the worst case, on average, where they may be.
    pub mean_distance: Option<f64>,
    /// Means of the tails of the losses.
    pub cvar: &'a [Tail],
    /// The rows with the largest weights.
    pub heaviest: &'a [Heavy],
    /// What the data are called.
    pub data: String,
    /// Whether their rows were read where they are.
    pub streamed: bool,
    /// How many rows there are.
    pub rows: usize,
    /// The solver's name, and what passes have come to, if it makes them.
    pub solver: (&'static str, Option<&'a Training>),
    /// The gap that was to be reached, relative to the objective.
    pub tolerance: f64,
    /// Files written.
    pub files: &'a [PathBuf],
}

impl<'a> Record<'a> {
    fn of(basis: Basis<'a>) -> Self {
        let Basis { fit, model, options, names, cvar, data, rows, tolerance, files, .. } = basis;
        let (linear, risk) = (&model.linear, &model.risk);
        let kind = risk.lambda.map(|_| "lambda").or(risk.radius.map(|_| "radius"));
        let strength = |v: f64| Some(v).filter(|v| kind.is_some() && v.is_finite());
        let classes = if linear.loss().scores() > 1 { &model.classes[..] } else { &[] };
        let (mean_loss, ordinary_mean_loss, worst_mean_loss, largest_loss) = basis.losses;
        let (solver, training) = basis.solver;
        Record {
            status: fit.status,
            objective: fit.objective,
            lower_bound: fit.lower_bound,
            gap: fit.gap,
            tolerance,
            intercept: Intercepts { there: options.intercept, classes, numbers: linear.intercept() },
            coefficients: Coefficients { classes, names, numbers: linear.coefficients() },
            loss: linear.loss().name(),
            divergence: &risk.divergence,
            lambda: strength(fit.lambda),
            radius: strength(fit.radius),
            move_price: risk.moves.as_ref().map(|moves| moves.price),
            mean_distance: basis.mean_distance,
            mean_loss,
            ordinary_mean_loss,
            worst_mean_loss,
            largest_loss,
            cvar,
            effective_sample_size: fit.effective_sample_size,
            heaviest_rows: basis.heaviest,
            data,
            streamed: basis.streamed,
            target: &model.target,
            classes: labels::are_classes(linear.loss()).then_some(&model.classes[..]),
            weights: model.weights.as_deref(),
            rows,
            rows_left_out: 0,
            features: names.len(),
            missing: model.encoding.missing,
            l2: options.l2,
            l1: options.l1,
            standardize: options.standardise,
            strength: kind,
            solver,
            training,
            history: training.map(|training| &training.history[..]),
            path: None,
            validation: None,
            notes: &[],
            iterations: fit.iterations,
            seconds: fit.seconds,
            files: files.iter().map(|file| file.display().to_string()).collect(),
        }
    }
}

/// The record of a fit to rows in their files as JSON, with a line break at its end.
pub fn streamed_json(basis: Basis<'_>) -> Result<String> {
    results::json(&Record::of(basis))
}

/// The same of a fit to rows in memory.
pub fn json(report: &Report<'_>) -> Result<String> {
    let (fitted, problem) = (report.fitted, report.problem);
    let training = fitted.training.as_ref();
    let basis = Basis {
        fit: &fitted.fit,
        model: &fitted.model,
        options: problem.options(),
        names: &report.names,
        losses: (report.mean_loss, fitted.ordinary, report.worst_mean_loss, report.largest_loss),
        mean_distance: report.mean_distance,
        cvar: &report.cvar,
        heaviest: &report.heaviest,
        data: problem.data.label(),
        streamed: false,
        rows: problem.rows.len(),
        solver: (fitted.solver, training),
        tolerance: report.tolerance,
        files: &report.files,
    };
    results::json(&Record {
        rows_left_out: problem.data.len() - problem.rows.len(),
        path: fitted.path.as_ref().map(|path| points(report, path)),
        validation: fitted.validation.as_ref().map(Choice::of),
        notes: &report.notes,
        ..Record::of(basis)
    })
}

/// The classes that have coefficients of their own; two share theirs.
fn scored<'a>(report: &Report<'a>) -> &'a [String] {
    let problem = report.problem;
    if problem.loss().scores() > 1 { &problem.classes } else { &[] }
}

/// The fits of a path.
fn points<'a>(report: &'a Report<'_>, path: &'a Path) -> Vec<PointRecord<'a>> {
    let (classes, there) = (scored(report), report.problem.options().intercept);
    let record = |point: &'a super::path::Point| PointRecord {
        strength: point.strength,
        lambda: point.lambda,
        radius: point.radius,
        objective: point.objective,
        lower_bound: point.lower_bound,
        gap: point.gap,
        status: point.status,
        mean_loss: point.mean_loss,
        cvar: &point.cvar,
        effective_sample_size: point.effective_sample_size,
        intercept: Intercepts { there, classes, numbers: &point.intercept },
        coefficients: Coefficients { classes, names: &report.names, numbers: &point.coefficients },
    };
    path.points.iter().map(record).collect()
}

/// One line a fit of the path: its numbers, then its intercepts, if there are any, and coefficients.
pub fn path_csv(report: &Report<'_>, path: &Path) -> String {
    let mut head: Vec<String> =
        ["strength", "objective", "lower_bound", "gap", "status", "mean_loss"].map(str::to_owned).to_vec();
    head.extend(SHARES.iter().map(|share| format!("cvar_{}", 100.0 * share)));
    head.extend(["effective_sample_size", "lambda", "radius"].map(str::to_owned));
    let (classes, there) = (scored(report), report.problem.options().intercept);
    let several = |name: &str| match classes {
        [] => vec![name.to_owned()],
        classes => classes.iter().map(|class| format!("{name} {class}")).collect(),
    };
    if there {
        head.extend(several("intercept").iter().map(|name| quoted(name)));
    }
    for whose in several("coefficient") {
        head.extend(report.names.iter().map(|name| quoted(&format!("{whose} {name}"))));
    }
    let mut text = head.join(",") + "\n";
    for point in &path.points {
        let mut line = [point.strength, point.objective, point.lower_bound, point.gap].map(exact).to_vec();
        line.extend([point.status.to_string(), exact(point.mean_loss)]);
        line.extend(point.cvar.iter().map(|tail| exact(tail.value)));
        line.extend([point.effective_sample_size, point.lambda, point.radius].map(exact));
        if there {
            line.extend(point.intercept.iter().copied().map(exact));
        }
        line.extend(point.coefficients.iter().copied().map(exact));
        text.push_str(&(line.join(",") + "\n"));
    }
    text
}

/// One line a candidate: its strength, the mean of its scores, its error, and the score of each fold.
pub fn validation_csv(validated: &Validated) -> String {
    let mut text = String::from("strength,mean,standard_error,not_converged");
    (1..=validated.folds).for_each(|fold| text.push_str(&format!(",fold_{fold}")));
    for score in &validated.scores {
        let numbers = [score.strength, score.mean, score.standard_error].map(exact).join(",");
        text.push_str(&format!("\n{numbers},{}", score.not_converged));
        score.folds.iter().for_each(|fold| text.push_str(&format!(",{}", exact(*fold))));
    }
    text + "\n"
}
