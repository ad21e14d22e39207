//! What the picture of a fit shows.

use super::output::Report;
use super::table;
use crate::picture::{Drawing, Losses};

/// The name of the picture.
pub const NAME: &str = "losses";

/// Losses under the rows' own weights and under those of the worst case.
pub fn losses(report: &Report<'_>) -> Drawing {
    let (fit, model) = (&report.fitted.fit, &report.fitted.model);
    let own = report.problem.examples.weights();
    let n = report.problem.rows.len();
    let title = format!(
        "{} loss of {}, {n} {}",
        model.linear.loss().name(),
        super::data::shortened(&report.problem.target),
        if n == 1 { "row" } else { "rows" }
    );
    let objective = table::objective(fit);
    let status = if fit.status.is_converged() {
        "converged".to_owned()
    } else {
        format!("NOT converged ({})", fit.status)
    };
    let subtitle = format!("{}\nobjective {objective}, {status}", table::strength(report));
    let worst = (!model.risk.is_mean()).then_some(&fit.weights[..]);
    Losses { losses: &report.fitted.losses, own, worst, title: &title, subtitle: &subtitle }.draw()
}
