//! Fits with other strengths, folds and passes on the terminal.

use super::output::Report;
use super::path::Path;
use super::solver::Training;
use super::table::{Parts, number};
use super::validation::Validated;
use crate::report;

/// Lines of a table that are shown.
const LINES: usize = 30;

/// Coefficients that have a column.
const COLUMNS: usize = 4;

/// The fits of a path, one line each.
pub fn path(report: &Report<'_>, path: &Path) -> String {
    let parts = Parts::of(report);
    let order = parts.order();
    let shown = &order[..order.len().min(COLUMNS)];
    let all_converged = path.points.iter().all(|point| point.status.is_converged());
    let mut head =
        [report.symbol(), "objective", "mean loss", "worst 10 %", "effective"].map(str::to_owned).to_vec();
    head.extend(shown.iter().map(|at| parts.name(*at)));
    if !all_converged {
        head.push("status".to_owned());
    }
    let mut lines = vec![head];
    let points = spread(path.points.len());
    for point in points.iter().map(|at| &path.points[*at]) {
        let tail = point.cvar.iter().find(|tail| tail.share == 0.1).map_or(f64::NAN, |tail| tail.value);
        let mut line = vec![report::plain(point.strength, 4)];
        line.extend([point.objective, point.mean_loss, tail, point.effective_sample_size].map(number));
        line.extend(shown.iter().map(|at| number(point.coefficients[*at])));
        if !all_converged {
            line.push(point.status.to_string());
        }
        lines.push(line);
    }
    let saved = report.fitted.model.risk.strength_in_words().unwrap_or_default();
    let mut text =
        format!("\n  the path, from the mildest; model.json is the fit with {saved}\n\n{}", columns(&lines));
    rest(&mut text, points.len(), path.points.len(), "path.csv");
    text
}

/// The candidates of a validation, one line each.
pub fn validation(report: &Report<'_>, validated: &Validated) -> String {
    let Some(best) = validated.chosen else { return String::new() };
    let unsure = validated.scores.iter().any(|score| score.not_converged > 0);
    let mut head = [report.symbol(), "score", "standard error", ""].map(str::to_owned).to_vec();
    if unsure {
        head.push("not converged".to_owned());
    }
    let mut lines = vec![head];
    let shown = spread(validated.scores.len());
    for at in &shown {
        let score = &validated.scores[*at];
        let mut line = vec![report::plain(score.strength, 4)];
        line.extend([score.mean, score.standard_error].map(number));
        line.push(if *at == best { "chosen".to_owned() } else { String::new() });
        if unsure {
            line.push(format!("{} of {}", score.not_converged, validated.folds));
        }
        lines.push(line);
    }
    let mut text = format!("\n  score: {}\n\n{}", validated.score, columns(&lines));
    rest(&mut text, shown.len(), validated.scores.len(), "validation.csv");
    text
}

/// What was chosen, in a line.
pub fn choice(report: &Report<'_>) -> Option<String> {
    let validated = report.fitted.validation.as_ref()?;
    let best = validated.best()?;
    let strength = report::plain(best.strength, 4);
    let n = validated.scores.len();
    Some(format!(
        "{} {strength}, of {n} candidates, in {} folds for --shift {}",
        report.symbol(),
        validated.folds,
        validated.shift
    ))
}

/// What passes were made, and what came of the numbers that they depend on.
pub fn training(report: &Report<'_>, training: &Training) -> Vec<(&'static str, String)> {
    let fit = &report.fitted.fit;
    let mut rows = Vec::new();
    if let Some(step) = training.step {
        let whose = if training.step_given { "as given" } else { "chosen, at the end" };
        rows.push(("step size", format!("{}, {whose}", report::plain(step, 4))));
    }
    if let (Some(rho), Some(bias)) = (training.rho, training.rho_bias) {
        let (rho, bias) = (report::plain(rho, 4), report::significant(bias, 2));
        rows.push(("safe KL", format!("ρ = {rho}, which makes the objective lower by {bias} here")));
    }
    if training.step.is_some() {
        let what = match training.overflows {
            0 => "none".to_owned(),
            1 => "1 batch, passed over: its gradient was not finite".to_owned(),
            n => format!("{} batches, passed over: their gradients were not finite", report::count(n)),
        };
        rows.push(("overflows", what));
    }
    let steps = if training.step.is_some() { "steps" } else { "Newton steps" };
    let passes = if training.passes == 1 { "pass" } else { "passes" };
    rows.push((
        "work",
        format!(
            "{}: {} {passes} over batches of {}, {} {steps} in {}",
            report.fitted.solver,
            training.passes,
            report::count(training.batch as u64),
            report::count(u64::from(fit.iterations)),
            report::seconds(fit.seconds)
        ),
    ));
    rows
}

/// Which of so many lines are shown: all, or some from end to end.
fn spread(count: usize) -> Vec<usize> {
    if count <= LINES {
        (0..count).collect()
    } else {
        (0..LINES).map(|k| k * (count - 1) / (LINES - 1)).collect()
    }
}

fn rest(text: &mut String, shown: usize, all: usize, file: &str) {
    if shown < all {
        text.push_str(&format!("  {shown} of {}; all in {file}\n", report::count(all as u64)));
    }
}

/// Lines with their cells below each other; all but the first end there. The first line is the head.
pub fn columns(lines: &[Vec<String>]) -> String {
    let count = lines.first().map_or(0, Vec::len);
    let widths: Vec<usize> =
        (0..count).map(|k| lines.iter().map(|line| line[k].chars().count()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for line in lines {
        let mut row = String::from("  ");
        for (k, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width - cell.chars().count());
            // Numbers end below each other.
            row.push_str(&if k == 0 { format!("{cell}{pad}") } else { format!("  {pad}{cell}") });
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_below_each_other() {
        let lines =
            [["λ", "mean"], ["0.1", "2"], ["10", "11.5"]].map(|line| line.map(str::to_owned).to_vec());
        assert_eq!(columns(&lines), "  λ    mean\n  0.1     2\n  10   11.5\n");
    }

    #[test]
    fn both_ends_of_many_lines() {
        let shown = spread(1000);
        assert_eq!((shown.len(), shown[0], shown[LINES - 1]), (LINES, 0, 999));
        assert!(shown.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(spread(3), [0, 1, 2]);
    }
}
