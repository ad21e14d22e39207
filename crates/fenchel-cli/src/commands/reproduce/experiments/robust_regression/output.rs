//! Tables and pictures of the runs.

use super::Results;
use super::claims::in_words;
use super::training::{Alpha, Approach, RHOS, Tuned, power};
use crate::commands::reproduce::findings::{Cell, Findings, Table};
use crate::picture::{Axis, Chart, LINES, Panel, Series, Style};

/// The baseline, and safe KL with α from 0: what the paper's table has.
fn rows() -> Vec<Approach> {
    let safe = (0..RHOS.len()).map(|r| Approach::Safe(r, Alpha::Zero));
    [Approach::Weights].into_iter().chain(safe).collect()
}

fn name(approach: Approach) -> String {
    match approach {
        Approach::Weights => "batch weights".to_owned(),
        Approach::Safe(r, _) => format!("ρ = {}", power(RHOS[r])),
    }
}

fn style(approach: Approach) -> Style {
    match approach {
        Approach::Weights => Style::dashed(LINES[1]),
        Approach::Safe(r, _) => Style::line(LINES[[4, 0, 3][r]]),
    }
}

fn grey() -> Style {
    Style::dotted(LINES[6])
}

/// What a file has for a number that is not there.
fn finite(v: f64) -> Cell {
    Cell::Number(if v.is_finite() { v } else { f64::NAN })
}

/// The first columns of a case.
fn head(results: &Results<'_>, tuned: &Tuned) -> [Cell; 5] {
    let (method, rho, alpha) = match tuned.case.approach {
        Approach::Weights => ("batch weights", f64::NAN, ""),
        Approach::Safe(r, alpha) => ("safe KL", RHOS[r], alpha.words()),
    };
    let lambda = results.problems[tuned.case.problem].lambda;
    [lambda.into(), tuned.case.batch.into(), method.into(), rho.into(), alpha.into()]
}

/// All tables.
pub fn tables(findings: &mut Findings, results: &Results<'_>) {
    let Results { problems, plan, tuned, .. } = results;
    let mut table = Table::new(
        "table-1",
        "Table 1: the objective at the end, mean ± standard deviation over runs, at the best step; α from 0",
        &["λ", "batch", "batch weights (18)", "(20) ρ = 1e-4", "(20) ρ = 1e-3", "(20) ρ = 1e-2", "exact"],
    )
    .on_page();
    for (p, problem) in problems.iter().enumerate() {
        for &batch in plan.batches {
            let of = |approach| Cell::from(in_words(results.of(p, batch, approach).best()));
            table.row([
                problem.lambda.into(),
                batch.into(),
                of(Approach::Weights),
                of(Approach::Safe(0, Alpha::Zero)),
                of(Approach::Safe(1, Alpha::Zero)),
                of(Approach::Safe(2, Alpha::Zero)),
                problem.optimum.objective.into(),
            ]);
        }
    }
    let mut between = Table::new(
        "between",
        "The same for the baseline and the best ρ with steps of a fifth, a half, twice and five times the best as well",
        &["λ", "batch", "batch weights", "step", "safe KL", "ρ", "step s", "exact"],
    )
    .on_page();
    for (p, problem) in problems.iter().enumerate() {
        for &batch in plan.batches {
            let [baseline, safe] = results.refined(p, batch);
            let rho = if let Approach::Safe(r, _) = safe.case.approach { RHOS[r] } else { f64::NAN };
            between.row([
                problem.lambda.into(),
                batch.into(),
                in_words(baseline.best()).into(),
                power(baseline.best().step).into(),
                in_words(safe.best()).into(),
                finite(rho),
                power(safe.best().step).into(),
                problem.optimum.objective.into(),
            ]);
        }
    }
    let mut exact = Table::new(
        "exact",
        "What is known exactly: the objective at the start and at its optimum, the certified gap, the examples of equal weight that \
         are as uneven as the worst case, the objective where that with safe KL is least, and the minimisers in α at the start",
        &["λ", "start", "optimum", "gap", "examples", "1e-4", "1e-3", "1e-2", "α 1e-4", "α 1e-3", "α 1e-2"],
    )
    .on_page();
    for p in problems.iter() {
        exact.row([
            p.lambda.into(),
            p.first.into(),
            p.optimum.objective.into(),
            p.optimum.gap.into(),
            p.optimum.effective_sample_size.into(),
            p.floors[0].into(),
            p.floors[1].into(),
            p.floors[2].into(),
            p.minimisers[0].into(),
            p.minimisers[1].into(),
            p.minimisers[2].into(),
        ]);
    }
    let mut failures = Table::new(
        "failures",
        "Failed runs of all, over λ, batch sizes and starts of α",
        &["step", "batch weights", "ρ = 1e-4", "ρ = 1e-3", "ρ = 1e-2"],
    )
    .on_page();
    for (s, step) in plan.steps.iter().enumerate() {
        let of = |is: &dyn Fn(Approach) -> bool| {
            let trials = || tuned.iter().filter(|t| is(t.case.approach)).map(|t| &t.trials[s]);
            let failed: usize = trials().map(|t| t.failed()).sum();
            let all: usize = trials().map(|t| t.runs.len()).sum();
            Cell::from(format!("{failed} of {all}"))
        };
        let safe = |r: usize| of(&|a| matches!(a, Approach::Safe(q, _) if q == r));
        failures.row([power(*step).into(), of(&|a| a == Approach::Weights), safe(0), safe(1), safe(2)]);
    }
    let mut best = Table::new(
        "best",
        "Every case at its best step: mean, standard deviation, runs, failures, whether the step is at an end of the grid",
        &["λ", "batch", "method", "ρ", "α from", "step", "mean", "deviation", "runs", "failed", "at an end"],
    );
    let mut steps = Table::new(
        "steps",
        "Every case and step: mean and standard deviation of the objective at the end, and batches with overflow",
        &["λ", "batch", "method", "ρ", "α from", "step", "mean", "deviation", "runs", "failed", "overflows"],
    );
    let mut courses = Table::new(
        "courses",
        "Means and standard deviations after each epoch, at the best step",
        &["λ", "batch", "method", "ρ", "α from", "epoch", "mean", "deviation"],
    );
    for t in *tuned {
        let at = t.best();
        let [a, b, c, d, e] = head(results, t);
        let is_end = t.best == 0 || t.best + 1 == plan.steps.len();
        best.row([
            a,
            b,
            c,
            d,
            e,
            at.step.into(),
            finite(at.end().value),
            finite(at.deviation()),
            at.runs.len().into(),
            at.failed().into(),
            if is_end { "yes" } else { "no" }.into(),
        ]);
        for trial in &t.trials {
            let [a, b, c, d, e] = head(results, t);
            let overflows: u64 = trial.runs.iter().map(|run| run.overflows).sum();
            steps.row([
                a,
                b,
                c,
                d,
                e,
                trial.step.into(),
                finite(trial.end().value),
                finite(trial.deviation()),
                trial.runs.len().into(),
                trial.failed().into(),
                overflows.into(),
            ]);
        }
        for (epoch, (mean, deviation)) in at.course().into_iter().enumerate() {
            let [a, b, c, d, e] = head(results, t);
            courses.row([a, b, c, d, e, epoch.into(), finite(mean), finite(deviation)]);
        }
    }
    findings.tables.extend([table, between, exact, failures, best, steps, courses]);
}

/// The course of the best step with a band of one standard deviation.
fn course(tuned: &Tuned, name: &str, style: Style) -> Series {
    let course = tuned.best().course();
    let line = course.iter().enumerate().map(|(e, (mean, _))| (e as f64, *mean));
    let band = course.iter().enumerate().map(|(e, (mean, d))| (e as f64, mean - d, mean + d));
    Series::new(name, style, line.collect()).band(band.collect())
}

/// All pictures.
pub fn pictures(findings: &mut Findings, results: &Results<'_>) {
    let one = results.one();
    let problem = &results.problems[one];
    let epochs = f64::from(results.plan.epochs);
    let (optimum, first) = (problem.optimum.objective, problem.first);
    let level = |name: &str, from: f64, to: f64, y: f64| Series::new(name, grey(), vec![(from, y), (to, y)]);
    let objective = || Axis::log("L(θ) at λ = 1").over(0.8 * optimum, 1.3 * first.max(1.1 * optimum));
    let mut figure = Chart::new(3, 330.0, 300.0);
    let mut starts = Chart::new(3, 330.0, 300.0);
    let mut tuning = Chart::new(3, 330.0, 300.0);
    let mut ratios = Chart::new(3, 330.0, 300.0);
    for (b, &batch) in results.plan.batches.iter().enumerate() {
        let panel = |x: Axis, y: Axis| Panel::new(format!("Batch size {batch}"), x, y);
        let add = |chart: &mut Chart, panel: Panel| {
            chart.add(if b == 0 { panel } else { panel.without_legend() });
        };
        let mut over_epochs = panel(Axis::linear("epoch"), objective());
        let mut over_steps = panel(Axis::log("step"), objective());
        let label = "L at the end over its optimum";
        let mut over_lambda = panel(Axis::log("λ"), Axis::log(label).over(0.9, 100.0));
        for approach in rows() {
            let of = |p: usize| results.of(p, batch, approach);
            let (name, style) = (name(approach), style(approach));
            over_epochs.add(course(of(one), &name, style));
            let ends = of(one).trials.iter().map(|t| (t.step, t.end().value)).collect();
            over_steps.add(Series::new(name.as_str(), style.with_dots(), ends));
            let ratio = |(p, problem): (usize, &super::Problem<'_>)| {
                (problem.lambda, of(p).end().value / problem.optimum.objective)
            };
            let ratios = results.problems.iter().enumerate().map(ratio).collect();
            over_lambda.add(Series::new(name, style.with_dots(), ratios));
            if let Approach::Safe(r, _) = approach {
                let floor = |p: &super::Problem<'_>| (p.lambda, p.floors[r] / p.optimum.objective);
                let dots = Style { dashes: Some("2,3"), ..style };
                over_lambda.add(Series::new("", dots, results.problems.iter().map(floor).collect()));
            }
        }
        over_epochs.add(level("exact", 0.0, epochs, optimum));
        let (least, most) = (results.plan.steps[0], results.plan.steps[results.plan.steps.len() - 1]);
        over_steps.add(level("exact", least, most, optimum));
        over_steps.add(level("", least, most, first));
        let mut over_starts = panel(Axis::linear("epoch"), objective());
        for (i, alpha) in Alpha::ALL.into_iter().enumerate() {
            let colour = LINES[[0, 2, 5][i]];
            let style = if i == 0 { Style::line(colour) } else { Style::dashed(colour) };
            let tuned = results.of(one, batch, Approach::Safe(1, alpha));
            over_starts.add(course(tuned, &format!("α from {}", alpha.words()), style));
        }
        over_starts.add(level("exact", 0.0, epochs, optimum));
        add(&mut figure, over_epochs);
        add(&mut starts, over_starts);
        add(&mut tuning, over_steps);
        add(&mut ratios, over_lambda);
    }
    let drawn: [(&'static str, &str, &str, Chart); 4] = [
        (
            "figure-3",
            "Figure 3: L(θ) over passes at λ = 1, each estimator at its best step, α from 0; means over runs with bands of one \
             standard deviation. The dotted line is the exact optimum.",
            "Three panels, one a batch size, on a logarithmic axis: four curves that fall from the objective of least squares \
             towards a dotted line at the optimum.",
            figure,
        ),
        (
            "steps",
            "What every step size comes to at λ = 1, α from 0: mean objective at the end of those runs that did not fail. Steps \
             without a dot failed in every run, or are off the picture. Dotted: the optimum and the start.",
            "Three panels, one a batch size: U-shaped curves of the final objective over the step size for four estimators.",
            tuning,
        ),
        (
            "lambda",
            "The objective at the end over its optimum, at the best step, over λ, α from 0. Dotted in the same colours: where the safe \
             objective with that ρ is least, which no run of it can be expected to be below.",
            "Three panels, one a batch size: for four estimators the ratio of the final objective to the optimum, which falls \
             towards 1 as λ grows, and dotted lines for three values of ρ.",
            ratios,
        ),
        (
            "alpha",
            "Where α starts: L(θ) over passes at λ = 1, ρ = 1e-3, each at its best step. The minimiser and the objective are those at \
             the least-squares coefficients.",
            "Three panels, one a batch size, with three curves each for the starts of α, and a dotted line at the optimum.",
            starts,
        ),
    ];
    findings.draw(drawn);
}
