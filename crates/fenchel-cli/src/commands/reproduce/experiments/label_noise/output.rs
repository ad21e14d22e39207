//! Tables and pictures of the runs.

use super::Results;
use super::claims::in_words;
use super::training::{Approach, Pass, Trial, Tuned, power};
use crate::commands::reproduce::findings::{Cell, Findings, Table};
use crate::commands::reproduce::statistics::Estimate;
use crate::picture::{Axis, Chart, LINES, Panel, Series, Style};

fn colour(approach: Approach) -> Style {
    Style::line(
        LINES[match approach {
            Approach::Mean => 6,
            Approach::Exponentials => 1,
            Approach::Safe => 0,
        }],
    )
}

/// The same colour, for what has noise.
fn noisy(approach: Approach) -> Style {
    Style::dashed(colour(approach).colour)
}

/// What a file has for a number that is not there.
fn finite(v: f64) -> Cell {
    Cell::Number(if v.is_finite() { v } else { f64::NAN })
}

/// Mean and standard deviation.
fn both(trial: &Trial, estimate: Estimate) -> [Cell; 2] {
    [finite(estimate.value), finite(trial.deviation(estimate))]
}

/// All tables.
pub fn tables(findings: &mut Findings, results: &Results<'_>) {
    let mut best = Table::new(
        "best",
        "Each method at its best step, after the last pass: mean ± standard deviation over the runs that did not fail",
        &["method", "batch", "step", "objective", "noisy validation", "clean test", "runs", "failed", "overflows"],
    )
    .on_page();
    let mut steps = Table::new(
        "steps",
        "Every step: means and standard deviations after the last pass, failures, and batches with overflow",
        &[
            "method",
            "batch",
            "step",
            "objective",
            "deviation",
            "noisy",
            "deviation of noisy",
            "clean",
            "deviation of clean",
            "runs",
            "failed",
            "overflows",
        ],
    );
    let mut failures = Table::new(
        "failures",
        "Failed runs of all, with batches that overflowed",
        &["method", "batch", "step", "failed", "overflows"],
    )
    .on_page();
    let mut courses = Table::new(
        "courses",
        "Means and standard deviations after each pass, at the best step",
        &[
            "method",
            "batch",
            "pass",
            "objective",
            "deviation",
            "noisy",
            "deviation of noisy",
            "clean",
            "deviation of clean",
        ],
    );
    for tuned in results.tuned {
        let (name, batch) = (tuned.case.approach.words(), tuned.case.batch);
        let trial = tuned.best();
        let words = |of: fn(&Pass) -> f64| Cell::from(in_words(trial, trial.end(of)));
        best.row([
            name.into(),
            batch.into(),
            power(trial.step).into(),
            words(|p| p.objective),
            words(|p| p.noisy),
            words(|p| p.clean),
            trial.runs.len().into(),
            trial.failed().into(),
            trial.overflows().into(),
        ]);
        for trial in &tuned.trials {
            let [a, b] = both(trial, trial.end(|p| p.objective));
            let [c, d] = both(trial, trial.end(|p| p.noisy));
            let [e, f] = both(trial, trial.end(|p| p.clean));
            let (runs, failed, overflows) = (trial.runs.len(), trial.failed(), trial.overflows());
            steps.row([
                name.into(),
                batch.into(),
                trial.step.into(),
                a,
                b,
                c,
                d,
                e,
                f,
                runs.into(),
                failed.into(),
                overflows.into(),
            ]);
            failures.row([
                name.into(),
                batch.into(),
                power(trial.step).into(),
                format!("{failed} of {runs}").into(),
                overflows.into(),
            ]);
        }
        for pass in 0..=results.plan.epochs as usize {
            let [a, b] = both(trial, trial.after(pass, |p| p.objective));
            let [c, d] = both(trial, trial.after(pass, |p| p.noisy));
            let [e, f] = both(trial, trial.after(pass, |p| p.clean));
            courses.row([name.into(), batch.into(), pass.into(), a, b, c, d, e, f]);
        }
    }
    findings.tables.extend([best, failures, steps, courses]);
}

/// A number over passes at the best step, with a band of one standard deviation.
fn course(results: &Results<'_>, tuned: &Tuned, of: fn(&Pass) -> f64, name: &str, style: Style) -> Series {
    let trial = tuned.best();
    let at: Vec<(f64, f64, f64)> = (0..=results.plan.epochs as usize)
        .map(|pass| {
            let estimate = trial.after(pass, of);
            let deviation = trial.deviation(estimate);
            (pass as f64, estimate.value, if deviation.is_finite() { deviation } else { 0.0 })
        })
        .filter(|(_, value, _)| value.is_finite())
        .collect();
    let line = at.iter().map(|(x, y, _)| (*x, *y)).collect();
    Series::new(name, style, line).band(at.iter().map(|(x, y, d)| (*x, y - d, y + d)).collect())
}

/// All pictures.
pub fn pictures(findings: &mut Findings, results: &Results<'_>) {
    let epochs = f64::from(results.plan.epochs);
    let passes = || Axis::linear("pass").over(0.0, epochs);
    // One scale for all accuracies, with all that the best steps reach.
    let reached = results
        .tuned
        .iter()
        .flat_map(|t| &t.best().runs)
        .flat_map(|run| &run.passes[1.min(run.passes.len() - 1)..]);
    let (low, high) = reached
        .flat_map(|p| [p.noisy, p.clean])
        .fold((1.0_f64, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
    let accuracy =
        || Axis::linear("accuracy").over((low - 0.05).max(0.0), (high + 0.05).min(1.0).max(low + 0.05));
    let mut figure = Chart::new(3, 330.0, 300.0);
    let groups: [(&str, &[Approach]); 2] = [
        ("Empirical risk minimisation", &[Approach::Mean]),
        ("The worst case", &[Approach::Exponentials, Approach::Safe]),
    ];
    for (title, approaches) in groups {
        let mut panel = Panel::new(title, passes(), accuracy());
        for approach in approaches {
            let (tuned, short) = (results.single(*approach), short(*approach));
            panel.add(course(results, tuned, |p| p.clean, &format!("{short}clean"), colour(*approach)));
            panel.add(course(results, tuned, |p| p.noisy, &format!("{short}noisy"), noisy(*approach)));
        }
        figure.add(panel);
    }
    let mut panel = Panel::new("Loss on the images learnt from", passes(), Axis::linear("F(θ)"));
    for approach in [Approach::Exponentials, Approach::Safe] {
        let tuned = results.single(approach);
        panel.add(course(results, tuned, |p| p.objective, approach.words(), colour(approach)));
    }
    figure.add(panel);

    let (mut batches, mut steps) = (Chart::new(3, 330.0, 300.0), Chart::new(3, 330.0, 300.0));
    for (b, &batch) in results.plan.batches.iter().enumerate() {
        let add = |chart: &mut Chart, panel: Panel| {
            chart.add(if b == 0 { panel } else { panel.without_legend() });
        };
        let title = format!("Batch size {batch}");
        let mut over_passes = Panel::new(title.as_str(), passes(), accuracy());
        let mut over_steps =
            Panel::new(title.as_str(), Axis::log("step"), Axis::linear("clean accuracy").over(0.0, 1.0));
        for approach in Approach::ALL {
            let tuned = results.of(approach, batch);
            over_passes.add(course(results, tuned, |p| p.clean, approach.words(), colour(approach)));
            over_passes.add(course(results, tuned, |p| p.noisy, "", noisy(approach)));
            let ends = tuned.trials.iter().map(|t| (t.step, t.end(|p| p.clean).value));
            let ends = ends.filter(|(_, v)| v.is_finite()).collect();
            over_steps.add(Series::new(approach.words(), colour(approach).with_dots(), ends));
        }
        // So that a panel whose runs failed all has the steps nonetheless.
        let ends = [0, results.plan.steps.len() - 1].map(|s| (results.plan.steps[s], 0.0));
        over_steps.add(Series::new("", Style { width: 0.0, ..colour(Approach::Mean) }, ends.to_vec()));
        add(&mut batches, over_passes);
        add(&mut steps, over_steps);
    }
    let drawn: [(&'static str, &str, &str, Chart); 3] = [
        (
            "figure-3",
            "Figure 3: batches of 1, each method at its best step; means over the runs that did not fail, with bands of one standard \
             deviation. Unbroken: clean test; dashed: validation with noise.",
            "Three panels over passes: accuracies of empirical risk minimisation on test and validation, those of the two robust \
             approaches, and the loss that these two minimise.",
            figure,
        ),
        (
            "batches",
            "The same accuracies for every size of batch, which the paper does not have. Unbroken: clean test; dashed: validation with \
             noise.",
            "A panel for each size of batch, with the accuracies of three methods over passes.",
            batches,
        ),
        (
            "steps",
            "What every step comes to: mean accuracy on the clean test after the last pass, of the runs that did not fail. Steps \
             without a dot failed in every run.",
            "A panel for each size of batch, with the final accuracy of three methods over the step size.",
            steps,
        ),
    ];
    findings.draw(drawn);
}

/// In front of what a line shows.
fn short(approach: Approach) -> &'static str {
    match approach {
        Approach::Mean => "",
        Approach::Exponentials => "exponentials, ",
        Approach::Safe => "safe, ",
    }
}
