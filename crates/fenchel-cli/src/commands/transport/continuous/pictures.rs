//! Where mass goes, on the line and in the plane; and the history of a solve.

use super::super::args::Args;
use super::output::Report;
use crate::failure::Result;
use crate::picture::{Axis, Chart, Drawing, Grid, LINES, Panel, Series, Style};
use crate::report;
use fenchel::measure::{Design, Source, draw_points};
use fenchel::transport::continuous::Coupling;

/// The names of all pictures there are.
pub const NAMES: [&str; 3] = ["coupling", "convergence", "cells"];

/// Points from which densities are estimated, and their bins.
const SAMPLE: usize = 1 << 14;
const BINS: usize = 60;

/// Places at which the map is drawn, on the line and in the plane.
const PLACES: usize = 120;
const ARROWS: usize = 200;

/// Images of the source that are shown, and draws for each.
const SHOWN: usize = 8;
const DRAWS: usize = 5;

/// Colour of what lies below: light grey.
const FAINT: [u8; 3] = [200, 200, 200];

/// Stream of the random numbers behind pictures; the result does not depend on it.
const PURPOSE: u64 = u64::MAX;

/// The pictures that this result has, by name.
pub fn pictures(report: &Report<'_>, args: &Args) -> Result<Vec<(&'static str, Drawing)>> {
    let mut drawings = Vec::new();
    match report.problem.names.len() {
        1 => drawings.push((NAMES[0], line(report, args)?)),
        2 => drawings.push((NAMES[0], plane(report, args)?)),
        _ => {
            if let Some(size) = report.problem.image {
                drawings.push((NAMES[0], images(report, size, args)?));
            }
        }
    }
    if report.solution.history.len() > 1 {
        drawings.push((NAMES[1], history(report)));
    }
    Ok(drawings)
}

fn sample(source: &dyn Source, n: usize, args: &Args, purpose: u64) -> Result<Vec<f64>> {
    let mut points = vec![0.0; n * source.dim()];
    draw_points(source, Design::Iid, args.seed, purpose, 0, n, &mut points)?;
    Ok(points)
}

/// Densities, the map with the middle 80% of y given x, and potentials.
fn line(report: &Report<'_>, args: &Args) -> Result<Drawing> {
    let problem = &report.problem.continuous;
    let name = &report.problem.names[0];
    let xs = sample(&**problem.source(), SAMPLE, args, PURPOSE)?;
    let ys = sample(&**problem.target(), SAMPLE, args, PURPOSE - 1)?;
    let range = |points: &[f64]| {
        let mut sorted = points.to_vec();
        sorted.sort_by(f64::total_cmp);
        (sorted[sorted.len() / 500], sorted[sorted.len() - 1 - sorted.len() / 500])
    };
    let ((x0, x1), (y0, y1)) = (range(&xs), range(&ys));
    let mut densities = Panel::new("Measures", Axis::linear(name), Axis::linear("density"));
    let (low, high) = (x0.min(y0), x1.max(y1));
    for (k, (label, points)) in [("source", &xs), ("target", &ys)].into_iter().enumerate() {
        densities.add(Series::new(label, Style::line(LINES[k]), histogram(points, low, high)));
    }
    let places =
        |low: f64, high: f64| (0..PLACES).map(move |i| low + (high - low) * i as f64 / (PLACES - 1) as f64);
    let mut map = Panel::new(
        "Where mass goes: the mean of y, and its middle 80%",
        Axis::linear(format!("x, {name} of the source")),
        Axis::linear(format!("y, {name} of the target")),
    );
    let (mut mean, mut band) = (Vec::new(), Vec::new());
    for x in places(x0, x1) {
        let (y, lower, upper) = conditional(report.coupling, x)?;
        mean.push((x, y));
        band.push((x, lower, upper));
    }
    map.add(Series::new("", Style::line(LINES[0]), mean).band(band));
    let mut potentials = Panel::new("Potentials", Axis::linear(name), Axis::linear("in cost units"));
    let coupling = report.coupling;
    for (k, (label, potential, (low, high))) in
        [("u", coupling.u(), (x0, x1)), ("v", coupling.v(), (y0, y1))].into_iter().enumerate()
    {
        let at: Vec<f64> = places(low, high).collect();
        let points = at.iter().copied().zip(potential.values(&at)?).collect();
        potentials.add(Series::new(label, Style::line(LINES[k]), points));
    }
    let mut chart = Chart::new(3, 320.0, 300.0);
    [densities, map, potentials].into_iter().for_each(|panel| chart.add(panel));
    Ok(chart.draw())
}

/// Mean, and quantiles of 10% and 90%, of y given x.
fn conditional(coupling: &Coupling, x: f64) -> Result<(f64, f64, f64)> {
    let targets = coupling.targets();
    let mut p = vec![0.0; targets.len()];
    coupling.weights(&[x], &mut p)?;
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| targets[*a].total_cmp(&targets[*b]));
    let quantile = |level: f64| {
        let mut sum = 0.0;
        let at = order.iter().find(|i| {
            sum += p[**i];
            sum >= level
        });
        targets[*at.unwrap_or(&order[order.len() - 1])]
    };
    let mean = p.iter().zip(targets).map(|(p, y)| p * y).sum();
    Ok((mean, quantile(0.1), quantile(0.9)))
}

fn histogram(points: &[f64], low: f64, high: f64) -> Vec<(f64, f64)> {
    let width = (high - low) / BINS as f64;
    if !(width.is_finite() && width > 0.0) {
        return Vec::new();
    }
    let mut counts = [0_u32; BINS];
    for x in points {
        let bin = (x - low) / width;
        if (0.0..BINS as f64).contains(&bin) {
            counts[bin as usize] += 1;
        }
    }
    let scale = 1.0 / (points.len() as f64 * width);
    counts.iter().enumerate().map(|(i, n)| (low + (i as f64 + 0.5) * width, f64::from(*n) * scale)).collect()
}

/// Points of both sides, and lines from points of the source to the mean of where their mass goes.
fn plane(report: &Report<'_>, args: &Args) -> Result<Drawing> {
    let problem = &report.problem.continuous;
    let names = &report.problem.names;
    let xs = sample(&**problem.source(), ARROWS, args, PURPOSE)?;
    let ys = sample(&**problem.target(), 1500, args, PURPOSE - 1)?;
    let dots = |points: &[f64]| points.chunks_exact(2).map(|p| (p[0], p[1])).collect::<Vec<_>>();
    let dot = |colour| Style { width: 0.0, dots: true, ..Style::line(colour) };
    let s = report.solution;
    let [_, lower, upper] = report::estimate(s.value, s.interval.lower, s.interval.upper);
    let title = format!("Where mass goes, in the mean; value in [{lower}, {upper}]");
    let mut panel = Panel::new(title, Axis::linear(&names[0]), Axis::linear(&names[1]));
    panel.add(Series::new("target", dot(FAINT), dots(&ys)));
    let mut ends = Vec::new();
    for x in xs.chunks_exact(2) {
        let mut y = [0.0; 2];
        report.coupling.barycentric(x, &mut y)?;
        let style = Style { width: 0.8, ..Style::line(LINES[0]) };
        panel.add(Series::new("", style, vec![(x[0], x[1]), (y[0], y[1])]));
        ends.push((y[0], y[1]));
    }
    panel.add(Series::new("source", dot(LINES[0]), dots(&xs)));
    panel.add(Series::new("mean of the target given a source point", dot(LINES[1]), ends));
    let mut chart = Chart::new(1, 640.0, 560.0);
    chart.add(panel);
    Ok(chart.draw())
}

/// Images of the source, the mean of where each goes, and draws of that.
fn images(report: &Report<'_>, (height, width): (usize, usize), args: &Args) -> Result<Drawing> {
    let (coupling, dim) = (report.coupling, height * width);
    let xs = sample(&**report.problem.continuous.source(), SHOWN, args, PURPOSE)?;
    let mut shown = Vec::new();
    for (row, x) in xs.chunks_exact(dim).enumerate() {
        let mut mean = vec![0.0; dim];
        coupling.barycentric(x, &mut mean)?;
        shown.extend_from_slice(x);
        shown.append(&mut mean);
        shown.append(&mut coupling.conditional(x, DRAWS, args.seed.wrapping_add(row as u64))?);
    }
    // Ink from the least to the largest number.
    let (low, high) =
        shown.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
    let span = if high > low { high - low } else { 1.0 };
    let pixels: Vec<f32> = shown.iter().map(|v| ((v - low) / span) as f32).collect();
    let heads =
        ["source".to_owned(), "mean".to_owned()].into_iter().chain((1..=DRAWS).map(|k| format!("draw {k}")));
    let mut grid = Grid::new(height, width, 2 + DRAWS)
        .titled("Where images go: the mean, and draws given the source's")
        .heads(heads);
    pixels.chunks_exact(dim).for_each(|image| grid.add(image));
    Ok(grid.draw())
}

/// The dual value on fresh samples, over the points drawn.
fn history(report: &Report<'_>) -> Drawing {
    let s = report.solution;
    let points: Vec<(f64, f64)> =
        s.history.iter().filter(|h| h.value.is_finite()).map(|h| (h.samples as f64, h.value)).collect();
    let ends = points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), p| (a.min(p.0), b.max(p.0)));
    let mut panel =
        Panel::new("Value over the solve", Axis::log("points drawn"), Axis::linear("value, cost units"));
    let what = if s.step.is_some() { "objective on fresh samples" } else { "dual value on fresh samples" };
    panel.add(Series::new(what, Style::line(LINES[0]).with_dots(), points));
    if s.interval.lower.is_finite() && s.interval.upper.is_finite() && ends.0 <= ends.1 {
        let band = [ends.0, ends.1].map(|x| (x, s.interval.lower, s.interval.upper));
        let middle = 0.5 * (s.interval.lower + s.interval.upper);
        let line = [ends.0, ends.1].map(|x| (x, middle));
        panel.add(Series::new("95% interval", Style::dotted(LINES[1]), line.to_vec()).band(band.to_vec()));
    }
    let mut chart = Chart::new(1, 560.0, 300.0);
    chart.add(panel);
    chart.draw()
}
