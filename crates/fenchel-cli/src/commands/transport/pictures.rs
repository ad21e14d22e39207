//! What the two pictures of a result show.

use super::args::Args;
use super::output::Report;
use crate::failure::Result;
use crate::picture::{Cells, Drawing, MOST_ATOMS, convergence};
use crate::report;
use fenchel::measure::{Design, draw_points};
use fenchel::transport::Plan;

/// Points from which the source's density is estimated.
const SAMPLE: usize = 1 << 18;

/// Stream of the random numbers behind the density; the result does not depend on it.
const PURPOSE: u64 = u64::MAX;

/// The names of all pictures there are.
pub const NAMES: [&str; 3] = ["convergence", "cells", "coupling"];

/// The pictures that this result has, by name.
pub fn pictures(report: &Report<'_>, plan: &Plan, args: &Args) -> Result<Vec<(&'static str, Drawing)>> {
    let (title, subtitle) = (title(report), subtitle(report));
    let mut drawings = vec![(NAMES[0], convergence(report.solution, &title, &subtitle))];
    if report.problem.names.len() == 2 && report.problem.masses.len() <= MOST_ATOMS {
        drawings.push((NAMES[1], cells(report, plan, args, &title, &subtitle)?));
    }
    Ok(drawings)
}

fn title(report: &Report<'_>) -> String {
    let n = report.problem.masses.len();
    format!("{} to {n} {}", short(&report.solution.source), if n == 1 { "atom" } else { "atoms" })
}

/// Divergence, strength, cost; value and how the solve ended.
fn subtitle(report: &Report<'_>) -> String {
    let s = report.solution;
    let lambda = s.lambda.map_or(String::new(), |l| format!(", λ = {}", report::plain(l, 3)));
    let [_, lower, upper] = report::estimate(s.value, s.interval.lower, s.interval.upper);
    let status = if s.status.is_converged() {
        "converged".to_owned()
    } else {
        format!("NOT converged ({})", s.status)
    };
    format!("divergence {}{lambda}, cost {}\nvalue in [{lower}, {upper}], {status}", s.divergence, s.cost)
}

/// The end of a long name.
fn short(name: &str) -> String {
    let n = name.chars().count();
    if n <= 44 { name.to_owned() } else { format!("…{}", name.chars().skip(n - 43).collect::<String>()) }
}

/// x₁ for x1; other names are left alone.
fn subscripted(name: &str) -> String {
    match name.strip_prefix('x').map(|n| n.chars().map(|c| c.to_digit(10)).collect::<Option<Vec<_>>>()) {
        Some(Some(digits)) if !digits.is_empty() => {
            let low = digits.into_iter().filter_map(|d| char::from_u32('₀' as u32 + d));
            std::iter::once('x').chain(low).collect()
        }
        _ => name.to_owned(),
    }
}

fn cells(report: &Report<'_>, plan: &Plan, args: &Args, title: &str, subtitle: &str) -> Result<Drawing> {
    let problem = &report.problem.semidiscrete;
    let source = problem.source();
    let mut drawn = Vec::new();
    let (sample, sample_weights) = match source.cloud() {
        Some(cloud) => (cloud.points(), cloud.weights()),
        None => {
            // Points of a file are dear, and no smoother for being more.
            let n = if source.file().is_some() { SAMPLE / 8 } else { SAMPLE };
            drawn.resize(2 * n, 0.0);
            draw_points(&**source, Design::Sobol, args.seed, PURPOSE, 0, n, &mut drawn)?;
            (drawn.as_slice(), None)
        }
    };
    // The lengths are right; a place whose cost overflows is left without colour.
    let weights = |x: [f64; 2], p: &mut [f64]| {
        if plan.weights(&x, p).is_err() {
            p.fill(0.0);
        }
    };
    let names = &report.problem.names;
    let cells = Cells {
        atoms: problem.atoms().points(),
        masses: &report.problem.masses,
        weights: &weights,
        sample,
        sample_weights,
        sample_is_source: source.cloud().is_some(),
        names: [&subscripted(&names[0]), &subscripted(&names[1])],
        title,
        subtitle,
    };
    Ok(cells.draw())
}
