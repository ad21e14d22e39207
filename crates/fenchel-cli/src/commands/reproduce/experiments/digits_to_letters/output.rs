//! Tables and pictures of the runs.

use super::Results;
use super::training::{Run, Tuned, best_safe, power};
use crate::commands::reproduce::findings::{Cell, Findings, Picture, Table};
use crate::failure::Result;
use crate::picture::{Axis, Chart, Grid, LINES, Panel, Series, Style};
use crate::report::significant;
use fenchel::images::ImageSet;

/// Images in a row of the picture of barycentres.
const SHOWN: usize = 6;

/// What a file has for a number that is not there.
fn finite(v: f64) -> Cell {
    Cell::Number(if v.is_finite() { v } else { f64::NAN })
}

/// All tables.
pub fn tables(findings: &mut Findings, results: &Results<'_>) {
    let mut best = Table::new(
        "best",
        "Every method at its best step: the semi-dual on the test images at the end, what it rose by against the best safe run, \
         the largest step up to which no run failed, failed runs and overflows over all steps",
        &["ε", "ε / spread", "method", "step", "semi-dual", "rise", "largest usable", "failed", "overflows"],
    )
    .on_page();
    let mut steps = Table::new(
        "steps",
        "Every run: the semi-dual on the test images at the end, overflows, steps taken, how it ended",
        &["ε", "method", "step", "semi-dual", "overflows", "steps", "ended"],
    )
    .on_page();
    let mut curves = Table::new(
        "curves",
        "The semi-dual on the test images over steps",
        &["ε", "method", "step", "t", "semi-dual"],
    );
    let mut certified = Table::new(
        "certified",
        "Certified between the images to train with: W by LSOT’s potentials and by the best safe ones, the lower end with safe KL’s help, and \
         the most that safe transport is above W",
        &["ε", "LSOT lower", "LSOT upper", "best ρ", "safe lower", "safe upper", "lower by ρ", "cost of ρ"],
    )
    .on_page();
    for (p, (problem, tuned)) in results.problems.iter().zip(results.tuned).enumerate() {
        for t in tuned {
            let run = t.best();
            best.row([
                problem.epsilon.into(),
                problem.share.into(),
                t.words().into(),
                run.step.into(),
                finite(run.end.value),
                finite(results.rise(p, run)),
                t.largest_usable().unwrap_or(f64::NAN).into(),
                t.failed().into(),
                t.overflows().into(),
            ]);
            for run in &t.runs {
                let step = power(run.step);
                steps.row([
                    problem.epsilon.into(),
                    t.words().into(),
                    step.clone().into(),
                    finite(run.end.value),
                    run.trained.overflows.into(),
                    run.trained.steps.into(),
                    run.trained.status.to_string().into(),
                ]);
                for (at, value) in &run.curve {
                    curves.row([
                        problem.epsilon.into(),
                        t.words().into(),
                        step.clone().into(),
                        (*at).into(),
                        finite(*value),
                    ]);
                }
            }
        }
        let known = &results.known[p];
        let [dual, safe] = &known.intervals;
        certified.row([
            problem.epsilon.into(),
            finite(dual.lower),
            finite(dual.upper),
            best_safe(tuned).words().into(),
            finite(safe.lower),
            finite(safe.upper),
            finite(known.lower),
            finite(known.bias),
        ]);
    }
    findings.tables.extend([best, steps, certified, curves]);
}

/// The line of a method, by its place among them.
fn line(method: usize) -> Style {
    Style::line(LINES[[2, 4, 0, 3, 1][method.min(4)]])
}

/// All pictures.
pub fn pictures(findings: &mut Findings, results: &Results<'_>) -> Result<()> {
    findings.pictures.push(courses(results));
    findings.pictures.push(sizes(results));
    findings.pictures.push(barycentres(results)?);
    Ok(())
}

/// What a panel for an ε spans: the heights at which methods end at their best steps, with room below. The start is far below, and so are runs that
/// are lost.
fn span(results: &Results<'_>, problem: usize) -> (f64, f64) {
    let tuned = &results.tuned[problem];
    let start = results.start(problem);
    let ends = tuned.iter().map(|t| t.best().end.value).filter(|v| v.is_finite());
    let (low, top) = ends.fold((f64::INFINITY, start), |(low, top), v| (low.min(v), top.max(v)));
    let room = (top - low.max(start).min(top)).max(0.02 * (top - start)).max(1e-9 * top.abs().max(1.0));
    (top - 1.8 * room, top + 0.15 * room)
}

fn courses(results: &Results<'_>) -> Picture {
    let mut chart = Chart::new(results.problems.len(), 420.0, 380.0);
    for (p, (problem, tuned)) in results.problems.iter().zip(results.tuned).enumerate() {
        let (lower, upper) = span(results, p);
        let title = format!("ε = {} ({} of the spread)", significant(problem.epsilon, 3), problem.share);
        let y = Axis::linear("semi-dual on test images").over(lower, upper);
        let mut panel = Panel::new(title, Axis::linear("steps"), y);
        let course = |run: &Run| run.curve.iter().map(|(t, v)| (*t as f64, *v)).collect::<Vec<_>>();
        for (m, t) in tuned.iter().enumerate() {
            let name = format!("{}, step {}", t.words(), power(t.best().step));
            panel.add(Series::new(name, line(m), course(t.best())));
        }
        // As the paper has it: LSOT at the next larger step.
        if let Some(next) = tuned[0].next() {
            let ended = if next.failed() { ": fails" } else { "" };
            let name = format!("{}, step {}{ended}", tuned[0].words(), power(next.step));
            panel.add(Series::new(name, Style::dashed([0, 0, 0]).with_dots(), course(next)));
        }
        chart.add(panel);
    }
    Picture {
        name: "figure-2",
        caption: "The semi-dual for KL on the test images over steps, the higher the better, each method at its best step; dashed, LSOT at the next larger one. Panels show the \
                  heights at which runs end; all start from one point far below."
            .into(),
        alt: "A panel for each ε with curves that rise from one point: LSOT, the safe semi-dual for each ρ, and LSOT at a larger step, dashed.".into(),
        drawing: chart.draw(),
    }
}

fn sizes(results: &Results<'_>) -> Picture {
    let mut chart = Chart::new(results.problems.len(), 420.0, 340.0);
    for (p, (problem, tuned)) in results.problems.iter().zip(results.tuned).enumerate() {
        let (lower, upper) = span(results, p);
        let title = format!("ε = {}", significant(problem.epsilon, 3));
        let y = Axis::linear("semi-dual on test images at the end").over(lower, upper);
        let mut panel = Panel::new(title, Axis::log("step size"), y);
        for (m, t) in tuned.iter().enumerate() {
            // A run that failed has no end.
            let end = |run: &Run| (run.step, if run.failed() { f64::NAN } else { run.end.value });
            let name = failures(t);
            panel.add(Series::new(name, line(m).with_dots(), t.runs.iter().map(end).collect()));
        }
        chart.add(panel);
    }
    Picture {
        name: "steps",
        caption: "The semi-dual on the test images at the end of every run that did not fail, over step sizes; beside each method how many steps of all its runs \
                  overflowed. Dots that are missing are of runs that failed or ended below the panel."
            .into(),
        alt: "A panel for each ε with a line of dots for each method over step sizes; LSOT’s ends at smaller steps than the others where ε is small."
            .into(),
        drawing: chart.draw(),
    }
}

fn failures(t: &Tuned) -> String {
    match t.overflows() {
        0 => t.words(),
        n => format!("{}: {n} overflows", t.words()),
    }
}

fn barycentres(results: &Results<'_>) -> Result<Picture> {
    let test = &results.images.test[0];
    let chosen = chosen(test);
    let mut means = Vec::new();
    for (problem, tuned) in results.problems.iter().zip(results.tuned) {
        let end = &best_safe(tuned).best().end;
        for &i in &chosen {
            means.push(results.held.barycentre(i, &end.vs, problem.epsilon)?);
        }
    }
    let rows = results.problems.iter().map(|problem| format!("ε = {}", significant(problem.epsilon, 3)));
    let mut grid = Grid::new(test.height(), test.width(), chosen.len()).rows(rows);
    for (k, mean) in means.iter().enumerate() {
        grid.pair(test.image(chosen[k % chosen.len()]), mean);
    }
    Ok(Picture {
        name: "barycentres",
        caption: "Images of the source and where the plan of the best safe run sends them in the mean: the average of the target’s test images with the plan’s \
                  weights. A large ε sends all to much the same blur."
            .into(),
        alt: "Rows of pairs of small grey images, a row for each ε: an image of the source, an arrow, a blurred image of the target."
            .into(),
        drawing: grid.draw(),
    })
}

/// The first images of different classes, or just the first.
fn chosen(set: &ImageSet) -> Vec<usize> {
    let first = |class: &u8| set.labels().and_then(|labels| labels.iter().position(|label| label == class));
    let found: Vec<usize> = set.classes().iter().filter_map(first).take(SHOWN).collect();
    if found.is_empty() { (0..SHOWN.min(set.len())).collect() } else { found }
}
