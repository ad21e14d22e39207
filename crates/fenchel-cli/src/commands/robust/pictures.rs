//! What the pictures of a fit show.

use super::model::Model;
use super::output::Report;
use super::table;
use super::table::Parts;
use crate::picture::{Axis, Chart, Drawing, LINES, Losses, Panel, Series, Style};
use fenchel::robust::Fit;

/// Lines of coefficients; more cannot be told apart.
const SHOWN: usize = LINES.len();

/// Passes that are drawn, about; of more, some from end to end.
const PASSES: usize = 1000;

/// Up to so many each has a dot.
const DOTS: usize = 100;

/// A picture: the name of its files, and what draws it.
pub type Picture = (&'static str, fn(&Report<'_>) -> Drawing);

/// A number of a fit, to be followed along a path.
type Along = fn(&super::path::Point) -> f64;

/// The pictures that there are to draw.
pub fn of(report: &Report<'_>) -> Vec<Picture> {
    let fitted = report.fitted;
    let mut all: Vec<Picture> = vec![("losses", losses)];
    if fitted.path.as_ref().is_some_and(|path| !path.points.is_empty()) {
        all.push(("path", path));
    }
    if fitted.validation.as_ref().is_some_and(|validated| validated.chosen.is_some()) {
        all.push(("validation", validation));
    }
    if fitted.training.is_some() {
        all.push(("convergence", convergence));
    }
    all
}

/// Losses under the rows' own weights and under those of the worst case.
fn losses(report: &Report<'_>) -> Drawing {
    let (fitted, own) = (report.fitted, report.problem.examples.weights());
    losses_of(&fitted.fit, &fitted.model, &fitted.losses, own)
}

/// The same of any fit.
pub fn losses_of(fit: &Fit, model: &Model, losses: &[f64], own: &[f64]) -> Drawing {
    let n = losses.len();
    let title = format!(
        "{} loss of {}, {n} {}",
        model.linear.loss().name(),
        super::data::shortened(&model.target),
        if n == 1 { "row" } else { "rows" }
    );
    let status = if fit.status.is_converged() {
        "converged".to_owned()
    } else {
        format!("NOT converged ({})", fit.status)
    };
    let subtitle = format!("{}\nobjective {}, {status}", model.risk.words(), table::objective(fit));
    let worst = (!model.risk.is_mean()).then_some(&fit.weights[..]);
    Losses { losses, own, worst, title: &title, subtitle: &subtitle }.draw()
}

/// Coefficients against the strength, and what it does to the losses.
fn path(report: &Report<'_>) -> Drawing {
    let points = report.fitted.path.as_ref().map_or(&[][..], |path| &path.points);
    let axis = || Axis::log(axis_of_strength(report));
    let along = |of: &dyn Fn(&super::path::Point) -> f64| -> Vec<(f64, f64)> {
        points.iter().map(|point| (point.strength, of(point))).collect()
    };
    let parts = Parts::of(report);
    let (d, order) = (parts.names.len(), parts.order());
    let mut coefficients =
        Panel::new("Coefficients", axis(), Axis::linear("change of the score by a standard deviation"));
    let mut all = Vec::new();
    for (at, colour) in order.iter().take(SHOWN).zip(LINES) {
        let line = along(&|point| point.coefficients[*at] * parts.deviations[at % d]);
        all.extend(line.iter().map(|point| point.1));
        let name = super::data::shortened(&parts.name(*at));
        coefficients.add(Series::new(name, Style::line(colour).with_dots(), line));
    }
    mark(&mut coefficients, report, all.into_iter());
    let units = format!("in units of the {} loss", report.problem.loss().name());
    let mut losses = Panel::new("Losses", axis(), Axis::linear(units));
    let lines: [(&str, Style, Along); 3] = [
        ("robust objective", Style::line(LINES[0]), |point| point.objective),
        ("mean loss", Style::line(LINES[1]), |point| point.mean_loss),
        ("mean of the worst 10 %", Style::dashed(LINES[3]), |point| {
            point.cvar.iter().find(|tail| tail.share == 0.1).map_or(f64::NAN, |tail| tail.value)
        }),
    ];
    let mut all = Vec::new();
    for (name, style, of) in lines {
        let line = along(&of);
        all.extend(line.iter().map(|point| point.1));
        losses.add(Series::new(name, style.with_dots(), line));
    }
    mark(&mut losses, report, all.into_iter());
    let mut chart = Chart::new(2, 380.0, 320.0);
    chart.add(coefficients);
    chart.add(losses);
    chart.draw()
}

/// Mean scores of held-out rows with their errors, and the one that was chosen.
fn validation(report: &Report<'_>) -> Drawing {
    let Some(validated) = &report.fitted.validation else { return Chart::new(1, 480.0, 320.0).draw() };
    let title = format!("Cross-validation in {} folds", validated.folds);
    let mut panel = Panel::new(title, Axis::log(axis_of_strength(report)), Axis::linear(&validated.score));
    let finite = || validated.scores.iter().filter(|score| score.mean.is_finite());
    let ends = |score: &super::validation::Score| {
        [score.mean - score.standard_error, score.mean + score.standard_error]
    };
    // A logarithm has no place for the ordinary fit: its score is a level.
    let places = || finite().filter(|score| score.strength > 0.0);
    let mean: Vec<_> = places().map(|score| (score.strength, score.mean)).collect();
    let band = places().map(|score| (score.strength, ends(score)[0], ends(score)[1])).collect();
    if let (Some(zero), Some(first), Some(last)) =
        (finite().find(|score| score.strength == 0.0), mean.first(), mean.last())
    {
        let level = vec![(first.0, zero.mean), (last.0, zero.mean)];
        panel.add(Series::new("radius 0", Style::dashed(LINES[1]), level));
    }
    panel.add(Series::new("mean, one standard error", Style::line(LINES[0]).with_dots(), mean).band(band));
    mark(&mut panel, report, finite().flat_map(ends));
    let mut chart = Chart::new(1, 480.0, 320.0);
    chart.add(panel);
    chart.draw()
}

/// The objective after each pass, and how far above the bound it is.
fn convergence(report: &Report<'_>) -> Drawing {
    let fitted = report.fitted;
    let history = fitted.training.as_ref().map_or(&[][..], |training| &training.history);
    convergence_of(&fitted.fit, &fitted.model, history, report.tolerance)
}

/// The same of any fit.
pub fn convergence_of(fit: &Fit, model: &Model, history: &[f64], tolerance: f64) -> Drawing {
    let passes = || Axis::linear("passes over the rows");
    let end = history.len().saturating_sub(1) as f64;
    let line = |of: &dyn Fn(f64) -> f64| -> Vec<(f64, f64)> {
        let each = history.iter().enumerate().step_by(history.len().div_ceil(PASSES).max(1));
        each.map(|(pass, value)| (pass as f64, of(*value))).collect()
    };
    let style = Style { dots: history.len() <= DOTS, ..Style::line(LINES[0]) };
    let level = |value: f64| vec![(0.0, value), (end, value)];
    let positive = fit.lower_bound > 0.0 && history.iter().all(|value| *value > 0.0);
    let label = format!("in units of the {} loss", model.linear.loss().name());
    let y = if positive { Axis::log(label) } else { Axis::linear(label) };
    let mut objective = Panel::new("Objective of all rows", passes(), y);
    objective.add(Series::new("after each pass", style, line(&|value| value)));
    if fit.lower_bound.is_finite() {
        objective.add(Series::new("lower bound", Style::dashed(LINES[1]), level(fit.lower_bound)));
    }
    let mut above = Panel::new("Above the lower bound", passes(), Axis::log("as a share of the objective"));
    let share = |value: f64| (value - fit.lower_bound) / fit.objective.abs().max(f64::MIN_POSITIVE);
    above.add(Series::new("after each pass", style, line(&share)));
    above.add(Series::new("tolerance", Style::dashed(LINES[1]), level(tolerance)));
    let mut chart = Chart::new(2, 380.0, 300.0);
    chart.add(objective);
    chart.add(above);
    chart.draw()
}

fn axis_of_strength(report: &Report<'_>) -> String {
    if report.symbol() == "λ" {
        "λ (larger is milder)".to_owned()
    } else {
        "radius (smaller is milder)".to_owned()
    }
}

/// A line at the strength of the model that is saved, as high as what is shown.
fn mark(panel: &mut Panel, report: &Report<'_>, shown: impl Iterator<Item = f64>) {
    let Some(at) = report.strength().filter(|at| *at > 0.0) else { return };
    let ends = shown
        .filter(|v| v.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), v| (v.min(least), v.max(most)));
    if ends.0 <= ends.1 {
        panel.add(Series::new("model.json", Style::dotted(LINES[6]), vec![(at, ends.0), (at, ends.1)]));
    }
}
