//! The result on the terminal.

use super::output::Report;
use super::problem::Standardized;
use crate::report;
use fenchel::optim::Status;
use fenchel::transport::{Certified, Solution};
use std::path::{Path, PathBuf};

/// What was solved, how it ended, and the numbers with the digits they are good for.
pub fn table(report: &Report<'_>) -> String {
    let s = report.solution;
    let mut rows = vec![("status", status(s)), ("value", value(s)), ("unregularised cost", bounds(s))];
    rows.push(("marginal error", marginal(s)));
    rows.push(("potential", potential(s)));
    if let Some(asgd) = &s.asgd {
        let number = |v: Option<f64>| v.map_or("none".to_owned(), |v| report::significant(v, 2));
        rows.push((
            "a priori bounds",
            format!(
                "{} (continuous), {} (Lipschitz), {} (self-concordant)\non the suboptimality; ‖φ‖ = {}, κ = {}",
                report::significant(asgd.continuous, 2),
                number(asgd.lipschitz),
                number(asgd.self_concordant),
                report::significant(asgd.potential_norm, 2),
                report::significant(asgd.curvature, 2)
            ),
        ));
    }
    if let Some(sample) = &report.problem.target_sample {
        let drawn = report::count(sample.drawn as u64);
        rows.push(("target", format!("{drawn} of {} rows, sampled", report::count(sample.rows))));
    }
    if let Some(file) = report.problem.source_file
        && file.streamed
    {
        rows.push(("source", format!("{} rows, read where they are", report::count(file.rows))));
    }
    rows.extend(report.problem.standardized.as_ref().map(standardized));
    let mut work = format!("{} samples in {}", report::count(s.samples), report::seconds(s.seconds));
    let share = s.pairs as f64 / s.all_pairs as f64;
    if share < 0.5 {
        work.push_str(&format!("; {} % of all pairs looked at", report::significant(100.0 * share, 2)));
    }
    rows.push(("work", work));
    rows.extend(to_go_on(report.checkpoint, s.status));
    rows.push(files(&report.files));
    format!("{}\n\n{}", heading(report), report::table(&rows))
}

fn heading(report: &Report<'_>) -> String {
    let s = report.solution;
    let lambda = s.lambda.map_or(String::new(), |l| format!(", λ = {}", report::plain(l, 4)));
    let (n, d) = (report.problem.masses.len(), report.problem.names.len());
    let atoms = if n == 1 { "atom" } else { "atoms" };
    format!(
        "{} to {} {atoms} in dimension {d}; cost {}, divergence {}{lambda}",
        s.source,
        report::count(n as u64),
        s.cost,
        s.divergence
    )
}

fn status(s: &Solution) -> String {
    let what = match (s.status, s.certified) {
        (Status::Converged, Certified::Interval) => "marginal error and interval are within the tolerance",
        (Status::Converged, Certified::LowerSide) => {
            "marginal error and lower side are within the tolerance; no tight upper side\nat this dimension and λ"
        }
        (Status::Converged, Certified::Nothing) => "",
        (Status::MaxIterations, _) => "NOT converged: the budget of samples or steps is spent",
        (Status::MaxTime, _) => "NOT converged: more needs more time than --max-time allows",
        (Status::Stalled, _) => {
            "NOT converged: more work no longer helps; try a larger --tolerance or --lambda"
        }
        (Status::Interrupted, _) => "NOT converged: interrupted; this is the best so far",
        (Status::Diverged, _) => "NOT converged: the iterates left the range of finite numbers",
    };
    format!("{}: {what}\n{}", s.status, tolerance(s.tolerance, s.cost_spread)).replace(": \n", "\n")
}

fn value(s: &Solution) -> String {
    let [value, lower, upper] = report::estimate(s.value, s.interval.lower, s.interval.upper);
    format!("{value}   95% interval [{lower}, {upper}]")
}

fn bounds(s: &Solution) -> String {
    let [lower, upper] = report::interval(s.bounds.lower, s.bounds.upper);
    format!("between {lower} and {upper}, with 95% confidence")
}

fn marginal(s: &Solution) -> String {
    let e = &s.marginal_error;
    let two = |v: f64| report::significant(v, 2);
    let of = s.smoothing.map_or(String::new(), |strength| {
        format!(
            "\nof the plan in which atoms share where their scores differ by less than about {}",
            two(strength)
        )
    });
    format!(
        "{} in the 1-norm, {} at most an atom, χ² {} ± {}{of}",
        two(e.l1),
        two(e.max),
        two(e.chi2),
        two(e.chi2_error)
    )
}

fn potential(s: &Solution) -> String {
    let known: Vec<f64> = s.potential.iter().flatten().copied().collect();
    let (lower, upper) =
        known.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
    let missing = s.potential.len() - known.len();
    let without = match missing {
        0 => String::new(),
        1 => ", none for the atom without mass".to_owned(),
        n => format!(", none for the {n} atoms without mass"),
    };
    format!("from {} to {}{without}", report::significant(lower, 4), report::significant(upper, 4))
}

/// A row of the table.
type Row = (&'static str, String);

/// What was done to coordinates.
pub fn standardized(map: &Standardized) -> Row {
    let constant = map.scale.iter().filter(|s| **s == 1.0).count();
    let source = if map.source { ", the source's too" } else { "" };
    let n = map.columns.len();
    let still =
        if constant > 0 { format!("; {constant} without spread only centred") } else { String::new() };
    ("standardized", format!("{n} columns by the target's mean and standard deviation{source}{still}"))
}

/// The tolerance, with its unit.
pub fn tolerance(tolerance: f64, spread: f64) -> String {
    format!(
        "tolerance {}, in units of the costs' spread {}",
        report::plain(tolerance, 4),
        report::significant(spread, 3)
    )
}

/// How to go on where a run stopped before its end and has a checkpoint.
pub fn to_go_on(checkpoint: Option<&Path>, status: Status) -> Option<Row> {
    let path = checkpoint.filter(|_| matches!(status, Status::Interrupted | Status::MaxTime))?;
    let more = if status == Status::MaxTime { " and a larger --max-time" } else { "" };
    Some(("to go on", format!("fenchel transport --resume {}{more}", path.display())))
}

/// The directory, and the names in it.
pub fn files(files: &[PathBuf]) -> Row {
    let names = files.iter().filter_map(|f| f.file_name()?.to_str()).collect::<Vec<_>>().join(", ");
    let directory = files.first().and_then(|f| f.parent()).unwrap_or_else(|| "".as_ref());
    ("files", format!("{}: {names}", directory.display()))
}
