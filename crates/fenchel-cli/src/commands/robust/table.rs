//! A fit on the terminal.

use super::data::shortened;
use super::output::Report;
use super::statistics::Tail;
use super::tables;
use crate::report;
use fenchel::optim::Status;
use fenchel::robust::{Fit, LinearModel};
use std::path::PathBuf;

/// Coefficients that are shown.
const SHOWN: usize = 10;

/// What was fitted, how it ended, and the numbers with the digits they are good for.
pub fn table(report: &Report<'_>) -> String {
    let (fit, model) = (&report.fitted.fit, &report.fitted.model);
    let is_mean = model.risk.is_mean();
    let mut rows = vec![
        ("status", status(fit.status, report.fitted.training.is_some(), report.tolerance)),
        ("objective", objective(fit)),
        ("mean loss", mean_loss(report)),
        ("CVaR", tails(&report.cvar)),
        ("largest loss", number(report.largest_loss)),
    ];
    if report.has_strength() {
        rows.push(("strength", strengths(report)));
    }
    rows.extend(tables::choice(report).map(|choice| ("chosen", choice)));
    let options = report.problem.options();
    if let Some(distance) = report.mean_distance {
        let units = if options.standardise { " standard deviations" } else { "" };
        let weighed = if is_mean { "" } else { " with the weights of the worst case" };
        rows.push(("moved", format!("by {}{units} on average{weighed}", number(distance))));
    }
    let penalties: Vec<String> = [("ℓ2", options.l2), ("ℓ1", options.l1)]
        .iter()
        .filter(|(_, strength)| *strength > 0.0)
        .map(|(name, strength)| format!("{name} {}", report::plain(*strength, 4)))
        .collect();
    if !penalties.is_empty() {
        let units = if options.standardise { ", for features of standard deviation 1" } else { "" };
        rows.push(("penalty", penalties.join(", ") + units));
    }
    if !is_mean {
        let n = report::count(report.problem.rows.len() as u64);
        let effective = rows_worth(fit.effective_sample_size);
        rows.push(("effective sample size", format!("{effective} of {n}")));
        rows.push(("heaviest rows", heaviest(report)));
    }
    if let [first, second] = &report.problem.classes[..]
        && model.linear.loss().scores() == 1
    {
        rows.push(("classes", format!("{} (+1), {} (−1)", shortened(second), shortened(first))));
    }
    rows.push(("coefficients", Parts::of(report).cell(options.intercept)));
    let left_out = report.problem.data.len() - report.problem.rows.len();
    if left_out > 0 {
        let what = if left_out == 1 { "row with a missing cell" } else { "rows with a missing cell" };
        rows.push(("left out", format!("{} {what}", report::count(left_out as u64))));
    }
    if !report.notes.is_empty() {
        rows.push(("note", report.notes.join("\n")));
    }
    match &report.fitted.training {
        None => {
            let steps = if fit.iterations == 1 { "step" } else { "steps" };
            let all = if report.fitted.path.is_some() || report.fitted.validation.is_some() {
                "; everything"
            } else {
                ""
            };
            let seconds = report::seconds(fit.seconds);
            rows.push(("work", format!("{} Newton {steps}{all} in {seconds}", fit.iterations)));
        }
        Some(training) => rows.extend(tables::training(report, training)),
    }
    rows.push(("files", files(&report.files)));
    let mut text = format!("{}\n\n{}", heading(report), report::table(&rows));
    if let Some(path) = &report.fitted.path {
        text.push_str(&tables::path(report, path));
    }
    if let Some(validated) = &report.fitted.validation {
        text.push_str(&tables::validation(report, validated));
    }
    text
}

fn heading(report: &Report<'_>) -> String {
    let problem = report.problem;
    let (n, d) = (problem.rows.len(), report.names.len());
    let features = if d == 1 { "feature" } else { "features" };
    let rows = if n == 1 { "row" } else { "rows" };
    let loss = report.fitted.model.linear.loss().name();
    format!(
        "{} from {d} {features}, {} {rows} of {}; loss {loss}, {}",
        shortened(&problem.target),
        report::count(n as u64),
        problem.data.label(),
        report.fitted.model.risk.words()
    )
}

/// How a fit ended, by passes or without.
pub fn status(status: Status, passes: bool, tolerance: f64) -> String {
    let what = match status {
        Status::Converged => "no coefficients are better by more than the tolerance",
        Status::MaxIterations if passes => "NOT converged: as many passes as --epochs allows were not enough",
        Status::MaxIterations => "NOT converged: as many steps as are allowed were not enough",
        Status::MaxTime => "NOT converged: more needs more time than --max-time allows",
        Status::Stalled => {
            "NOT converged: more work no longer helps; try a penalty (--l2) or a larger --tolerance"
        }
        Status::Interrupted => "NOT converged: interrupted; this is the best so far",
        Status::Diverged => {
            "NOT converged: the iterates left the range of finite numbers; try a smaller --step"
        }
    };
    let tolerance = report::plain(tolerance, 4);
    format!("{status}: {what}\ntolerance {tolerance}, relative to the objective")
}

/// The objective and the interval that the minimum is in.
pub fn objective(fit: &Fit) -> String {
    // Ten digits are enough for anyone who reads them.
    let lower = fit.lower_bound.min(fit.objective - 1e-9 * fit.objective.abs());
    let [lower, upper] = report::interval(lower, fit.objective);
    // The objective is known, however far the bound is.
    let is_near = fit.gap <= 1e-3 * fit.objective.abs();
    let objective = if is_near { upper.clone() } else { report::significant(fit.objective, 5) };
    format!("{objective}, minimum in [{lower}, {upper}]")
}

fn mean_loss(report: &Report<'_>) -> String {
    let mut text = number(report.mean_loss);
    if let Some(ordinary) = report.fitted.ordinary {
        text.push_str(&format!("; of the ordinary fit {}", number(ordinary)));
    }
    if !report.fitted.model.risk.is_mean() {
        text.push_str(&format!("; with the weights of the worst case {}", number(report.worst_mean_loss)));
    }
    text
}

/// Means of the largest losses by their share.
pub fn tails(cvar: &[Tail]) -> String {
    let one = |tail: &Tail| format!("{} % {}", 100.0 * tail.share, number(tail.value));
    cvar.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// λ and the radius: what was given, and what it leads to.
fn strengths(report: &Report<'_>) -> String {
    let (fit, setting) = (&report.fitted.fit, &report.fitted.model.risk);
    let four = |v: f64| report::plain(v, 4);
    match (setting.lambda, setting.radius) {
        (Some(lambda), _) => {
            let of = match report.fitted.factor {
                Some(factor) => format!(" ({} times the mean loss of the ordinary fit)", four(factor)),
                None => String::new(),
            };
            format!("λ = {}{of}, which leads to radius {}", four(lambda), four(fit.radius))
        }
        (None, Some(radius)) if fit.lambda == 0.0 => {
            format!("radius {}, of which {} is enough: λ = 0", four(radius), four(fit.radius))
        }
        (None, Some(radius)) => format!("radius {}, which leads to λ = {}", four(radius), four(fit.lambda)),
        (None, None) => String::new(),
    }
}

fn heaviest(report: &Report<'_>) -> String {
    let n = report.problem.rows.len() as f64;
    let place = |heavy: &super::output::Heavy| match (&heavy.file, heavy.line) {
        (None, Some(line)) => format!("line {line}"),
        (None, None) => format!("row {}", heavy.row + 1),
        (Some(file), Some(line)) => format!("{file}, line {line}"),
        (Some(file), None) => format!("{file}, row {} of all", heavy.row + 1),
    };
    let cells = report.heaviest.iter().map(|heavy| {
        let times = rows_worth(n * heavy.weight);
        vec![place(heavy), format!("weighs {times} rows"), format!("loss {}", number(heavy.loss))]
    });
    aligned(&cells.collect::<Vec<_>>())
}

/// Coefficients with what they are called.
pub struct Parts<'a> {
    /// The model.
    pub linear: &'a LinearModel,
    /// Names of features.
    pub names: &'a [String],
    /// Names of classes, which count where each has its own coefficients.
    pub classes: &'a [String],
    /// Standard deviations of features.
    pub deviations: Vec<f64>,
}

impl<'a> Parts<'a> {
    /// Those of the model that is saved.
    pub fn of(report: &'a Report<'_>) -> Self {
        let (linear, classes) = (&report.fitted.model.linear, &report.problem.classes);
        Parts { linear, names: &report.names, classes, deviations: report.problem.deviations() }
    }

    /// What a standard deviation of the feature changes.
    fn change(&self, at: usize) -> f64 {
        self.linear.coefficients()[at] * self.deviations[at % self.names.len()]
    }

    /// The largest first, by what a standard deviation of the feature changes.
    pub fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.linear.coefficients().len()).collect();
        order.sort_by(|a, b| self.change(*b).abs().total_cmp(&self.change(*a).abs()).then(a.cmp(b)));
        order
    }

    /// The name of a coefficient: that of its feature, and of the class if classes have their own.
    pub fn name(&self, at: usize) -> String {
        let d = self.names.len();
        self.of_class(shortened(&self.names[at % d]), at / d)
    }

    fn of_class(&self, name: String, score: usize) -> String {
        if self.linear.loss().scores() > 1 {
            format!("{name} for {}", shortened(&self.classes[score]))
        } else {
            name
        }
    }

    /// The intercept and the largest coefficients.
    pub fn cell(&self, intercept: bool) -> String {
        let order = self.order();
        let mut cells = Vec::new();
        if intercept {
            for (score, number) in self.linear.intercept().iter().enumerate().take(SHOWN) {
                cells.push(vec![self.of_class("intercept".to_owned(), score), five(*number), String::new()]);
            }
        }
        for at in order.iter().take(SHOWN) {
            let change = format!("({} a standard deviation)", report::significant(self.change(*at), 4));
            cells.push(vec![self.name(*at), five(self.linear.coefficients()[*at]), change]);
        }
        let mut text = aligned(&cells);
        if order.len() > SHOWN {
            text.push_str(&format!(
                "and {} smaller ones in result.json\n",
                report::count((order.len() - SHOWN) as u64)
            ));
        }
        if text.is_empty() { "none".to_owned() } else { text }
    }
}

/// Lines with their cells below each other.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |k: usize| rows.iter().filter_map(|row| row.get(k)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|k| width(k).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(2 + width - cell.chars().count()));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A number of rows that need not be whole.
pub fn rows_worth(n: f64) -> String {
    if n >= 999.5 { report::count(n.round() as u64) } else { report::significant(n, 4) }
}

/// A loss as people read it.
pub fn number(v: f64) -> String {
    report::significant(v, 4)
}

fn five(v: f64) -> String {
    report::significant(v, 5)
}

/// The directory, and the names in it.
pub fn files(files: &[PathBuf]) -> String {
    let names = files.iter().filter_map(|f| f.file_name()?.to_str()).collect::<Vec<_>>().join(", ");
    let directory = files.first().and_then(|f| f.parent()).unwrap_or_else(|| "".as_ref());
    format!("{}: {names}", directory.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_below_each_other() {
        let rows = [["a", "bb", "c"], ["λλλ", "b", ""]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows), "a    bb  c\nλλλ  b\n");
    }

    #[test]
    fn tails_by_their_share() {
        let cvar = [Tail { share: 0.5, value: 1.25 }, Tail { share: 0.01, value: 1e9 }];
        assert_eq!(tails(&cvar), "50 % 1.250, 1 % 1.000e9");
    }
}
