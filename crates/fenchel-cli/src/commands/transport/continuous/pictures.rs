//! Where mass goes, on the line and in the plane; and the history of a solve.

use super::super::args::Args;
use super::output::Report;
use crate::failure::Result;
use crate::picture::{Axis, Chart, Drawing, Grid, LINES, Panel, Series, Style};
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

/// Places in the plane whose mass is followed, and draws for each.
const FOLLOWED: usize = 4;
const DRAWN: usize = 60;

/// Colours of lines that are many, and of the largest density.
const FAINT: [u8; 3] = [200, 200, 200];
const SHADE: [u8; 3] = [150, 180, 215];

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
    let ((x0, x1), (y0, y1)) = (middle(xs.clone()), middle(ys.clone()));
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

/// Densities, where the mass of some places goes, and the map.
fn plane(report: &Report<'_>, args: &Args) -> Result<Drawing> {
    let problem = &report.problem.continuous;
    let names = &report.problem.names;
    let xs = sample(&**problem.source(), SAMPLE, args, PURPOSE)?;
    let ys = sample(&**problem.target(), SAMPLE, args, PURPOSE - 1)?;
    let ends = |points: &[f64]| [0, 1].map(|k| middle(points.iter().skip(k).step_by(2).copied().collect()));
    let (of_source, of_target) = (ends(&xs), ends(&ys));
    let both = [0, 1].map(|k| (of_source[k].0.min(of_target[k].0), of_source[k].1.max(of_target[k].1)));
    let panel = |title: &str, ends: [(f64, f64); 2]| {
        let [x, y] = [0, 1].map(|k| {
            let (low, high) = ends[k];
            let room = 0.04 * (high - low);
            Axis::linear(&names[k]).over(low - room, high + room)
        });
        Panel::new(title, x, y)
    };
    let dot = |colour| Style { width: 0.0, dots: true, ..Style::line(colour) };
    let mut source = panel("Source, and some places", of_source).shaded(xs.clone(), SHADE);
    let mut target = panel("Target, and draws of where their mass goes", of_target).shaded(ys, SHADE);
    let colours = LINES.iter().skip(1);
    for (k, (x, colour)) in spread(&xs, FOLLOWED).into_iter().zip(colours).enumerate() {
        source.add(Series::new("", dot(*colour), vec![(x[0], x[1])]));
        let draws = report.coupling.conditional(&x, DRAWN, args.seed.wrapping_add(k as u64))?;
        let draws = draws.chunks_exact(2).map(|y| (y[0], y[1])).collect();
        target.add(Series::new("", dot(*colour), draws));
    }
    let mut map = panel("The map: from source to the mean of y", both);
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    for x in xs.chunks_exact(2).take(ARROWS) {
        let mut y = [0.0; 2];
        report.coupling.barycentric(x, &mut y)?;
        let style = Style { width: 0.8, ..Style::line(FAINT) };
        map.add(Series::new("", style, vec![(x[0], x[1]), (y[0], y[1])]));
        starts.push((x[0], x[1]));
        ends.push((y[0], y[1]));
    }
    map.add(Series::new("x", dot(LINES[0]), starts));
    map.add(Series::new("mean of y given x", dot(LINES[1]), ends));
    let mut chart = Chart::new(3, 340.0, 340.0);
    [source, target, map].into_iter().for_each(|panel| chart.add(panel));
    Ok(chart.draw())
}

/// The range of all but a few in a thousand.
fn middle(mut numbers: Vec<f64>) -> (f64, f64) {
    numbers.sort_by(f64::total_cmp);
    let few = numbers.len() / 500;
    (numbers[few], numbers[numbers.len() - 1 - few])
}

/// Some of the first points, far from one another but not at the edge.
fn spread(points: &[f64], n: usize) -> Vec<[f64; 2]> {
    let [horizontal, vertical] = [0, 1].map(|k| {
        let mut line: Vec<f64> = points.iter().skip(k).step_by(2).copied().collect();
        line.sort_by(f64::total_cmp);
        let ninth = line.len() / 9;
        (line[ninth], line[line.len() - 1 - ninth])
    });
    let share = |v: f64, (low, high): (f64, f64)| if high > low { (v - low) / (high - low) } else { 0.5 };
    let place = |x: &[f64]| [share(x[0], horizontal), share(x[1], vertical)];
    let inner = |x: &&[f64]| place(x).iter().all(|s| (0.0..=1.0).contains(s));
    let candidates: Vec<&[f64]> = points.chunks_exact(2).take(ARROWS).filter(inner).collect();
    let mut found: Vec<[f64; 2]> = Vec::new();
    let apart = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2);
    for _ in 0..n.min(candidates.len()) {
        let nearest =
            |x: &[f64]| found.iter().map(|y| apart(place(x), place(y))).fold(f64::INFINITY, f64::min);
        // The first one is where the middle is.
        let score = |x: &[f64]| if found.is_empty() { -apart(place(x), [0.5; 2]) } else { nearest(x) };
        let best = candidates.iter().max_by(|a, b| score(a).total_cmp(&score(b)));
        found.extend(best.map(|x| [x[0], x[1]]));
    }
    found
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
