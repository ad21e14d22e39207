//! What the paper says of these runs, and what came out.

use super::training::{Tuned, best_safe, power, words};
use super::{Results, SMOKE};
use crate::commands::reproduce::findings::{Claim, Findings};
use crate::commands::reproduce::statistics::Estimate;
use crate::report::{plain, significant};

/// Where the paper says it.
const PLACE: &str = "Section 3.1, Figure 2 (version 2)";

/// A share of the best run's rise that is adequate, and one that is not.
const ADEQUATE: f64 = 0.9;

fn percent(share: f64) -> String {
    format!("{} %", plain((1000.0 * share).round() / 10.0, 3))
}

fn with_error(e: Estimate) -> String {
    format!("{} ± {}", significant(e.value, 3), significant(e.error, 2))
}

/// A method at its best step.
fn at_best(results: &Results<'_>, problem: usize, tuned: &Tuned) -> String {
    let run = tuned.best();
    let failed = if run.failed() { ", failed" } else { "" };
    format!(
        "{} at step {}: {} ({} of the best safe run’s rise{failed})",
        tuned.words(),
        power(run.step),
        significant(run.end.value, 5),
        percent(results.rise(problem, run))
    )
}

/// How much higher the first one ends, each at its best step.
fn above(a: &Tuned, b: &Tuned) -> Estimate {
    a.best().end.above(&b.best().end)
}

/// Whether the first one ends higher by more than test images tell.
fn is_above(a: &Tuned, b: &Tuned) -> bool {
    let difference = above(a, b);
    // What is no number is below anything that is one.
    if b.best().end.value.is_nan() {
        !a.best().end.value.is_nan()
    } else {
        difference.value > 2.0 * difference.error
    }
}

/// All claims.
pub fn judge(findings: &mut Findings, results: &Results<'_>) {
    let claims = [baseline(results), rho(results), ours(results)].concat();
    let judged = claims.into_iter().map(|claim| claim.unless(!results.images.real, SMOKE));
    findings.claims.extend(judged);
}

fn epsilon(results: &Results<'_>, problem: usize) -> String {
    significant(results.problems[problem].epsilon, 3)
}

fn baseline(results: &Results<'_>) -> Vec<Claim> {
    let last = results.last();
    let (strong, weak) = (&results.tuned[0][0], &results.tuned[last][0]);
    let share = results.rise(0, strong.best());
    let weakest = results.rise(last, weak.best());
    let safe = best_safe(&results.tuned[last]);
    let usable = |tuned: &Tuned| tuned.largest_usable();
    let usable_words = |tuned: &Tuned| usable(tuned).map_or("none".to_owned(), power);
    let largest = |t: &Tuned| t.runs.last().map_or(0.0, |run| run.step);
    let overflown: Vec<String> = weak
        .runs
        .iter()
        .filter(|run| run.trained.overflows > 0)
        .map(|run| {
            format!(
                "{}: {} overflows, ended after {} steps",
                power(run.step),
                run.trained.overflows,
                run.trained.steps
            )
        })
        .collect();
    let advantage = above(safe, weak);
    vec![
        Claim::new(
            PLACE,
            "The baseline, LSOT, performs adequately under strong regularization.",
            "at the largest ε LSOT at its best step does not fail and rises from the start by at least 90 % of what the best safe run does",
            format!("At ε = {}: {}.", epsilon(results, 0), at_best(results, 0, strong)),
            !strong.best().failed() && share >= ADEQUATE,
        )
        .because("Even there the dual rises less, at any of the steps."),
        Claim::new(
            PLACE,
            "For weaker regularization LSOT needs a small learning rate, which leads to prohibitively slow progress.",
            "at the smallest ε LSOT at its best step rises by less than 90 % of what the best safe run does, and fails at a step at which the best ρ \
             does not",
            format!(
                "At ε = {}: {}; {}. Largest step without failures: {} for LSOT, {} for {} (the grid ends at {}).",
                epsilon(results, last),
                at_best(results, last, weak),
                at_best(results, last, safe),
                usable_words(weak),
                usable_words(safe),
                safe.words(),
                power(largest(weak))
            ),
            weakest < ADEQUATE && usable(weak) < usable(safe),
        )
        .because("LSOT keeps up at a step that it can take, with so many steps as were run."),
        Claim::new(
            PLACE,
            "Increasing the rate results in numerical overflow, which forces LSOT runs to be aborted.",
            "at the smallest ε LSOT has overflows at a step of the grid that is larger than its best",
            format!(
                "At ε = {}: {}.",
                epsilon(results, last),
                if overflown.is_empty() { "no overflow".to_owned() } else { overflown.join("; ") }
            ),
            weak.runs.iter().skip(weak.best + 1).any(|run| run.trained.overflows > 0),
        )
        .because("No step of the grid, in so many steps and double precision of weights, leads out of the range of numbers."),
        Claim::new(
            "Section 3.1 (version 2)",
            "The safe semi-dual handles weak regularization robustly, overcoming a key limitation of LSOT.",
            "at the smallest ε the best safe run ends above LSOT at its best step by more than two standard errors over test images",
            format!("At ε = {} it ends {} above.", epsilon(results, last), with_error(advantage)),
            is_above(safe, weak),
        )
        .because("They end alike on these images."),
    ]
}

fn rho(results: &Results<'_>) -> Vec<Claim> {
    let last = results.last();
    let safe = &results.tuned[last][1..];
    let (small, large) = (&safe[0], &safe[safe.len() - 1]);
    let middle = best_safe(&results.tuned[last][..safe.len()]);
    let middle = if std::ptr::eq(middle, small) { &safe[1] } else { middle };
    let listed = |of: &[&Tuned]| of.iter().map(|t| at_best(results, last, t)).collect::<Vec<_>>().join("\n");
    let at = format!("At ε = {}", epsilon(results, last));
    vec![
        Claim::new(
            PLACE,
            "A large ρ yields stable convergence but introduces an approximation gap.",
            "at the smallest ε the largest ρ fails at no step of the grid, and ends below the best ρ between by more than two standard errors",
            format!(
                "{at}, {} of {} runs of the largest ρ failed:\n{}\n{} ends {} above",
                large.failed(),
                large.runs.len(),
                listed(&[large, middle]),
                middle.words(),
                with_error(above(middle, large))
            ),
            large.failed() == 0 && is_above(middle, large),
        )
        .because("In the semi-dual for KL at v, by which runs are judged, the largest ρ costs less than what its stability gains in so many steps."),
        Claim::new(
            PLACE,
            "A very small ρ degrades smoothness, necessitating a smaller step size and slower training.",
            "at the smallest ε the best step of the smallest ρ is no larger than that of the best ρ between, and it ends below it by more than two \
             standard errors",
            format!(
                "{at}:\n{}\n{} ends {} above",
                listed(&[small, middle]),
                middle.words(),
                with_error(above(middle, small))
            ),
            small.best().step <= middle.best().step && is_above(middle, small),
        )
        .because("The smallest ρ ends as high, or with a larger step."),
        Claim::new(
            PLACE,
            "The intermediate ρ achieves the best trade-off.",
            "at the smallest ε a ρ that is neither the largest nor the smallest ends above both of them by more than two standard errors",
            format!("{at}:\n{}", listed(&safe.iter().collect::<Vec<_>>())),
            is_above(middle, small) && is_above(middle, large),
        )
        .because("The largest or the smallest ρ ends as high as those between, in so many steps."),
    ]
}

fn ours(results: &Results<'_>) -> Vec<Claim> {
    let of = |baseline: bool| {
        let tuned = results.tuned.iter().flat_map(move |t| if baseline { &t[..1] } else { &t[1..] });
        let (mut runs, mut failed, mut overflows) = (0, 0, 0);
        for t in tuned {
            runs += t.runs.len();
            failed += t.failed();
            overflows += t.overflows();
        }
        (runs, failed, overflows)
    };
    let ((dual_runs, dual_failed, dual_overflows), (runs, failed, overflows)) = (of(true), of(false));
    let certified: Vec<String> = results
        .known
        .iter()
        .enumerate()
        .map(|(p, known)| {
            let [dual, safe] = &known.intervals;
            format!(
                "ε = {}: W in [{}, {}] by LSOT’s potentials, in [{}, {}] by those of {}, and at least {}; safe transport is at most {} above W",
                epsilon(results, p),
                significant(dual.lower, 5),
                significant(dual.upper, 5),
                significant(safe.lower, 5),
                significant(safe.upper, 5),
                words(best_safe(&results.tuned[p]).objective),
                significant(known.lower, 5),
                significant(known.bias, 3)
            )
        })
        .collect();
    let overlap = |a: &fenchel::transport::Interval, b: &fenchel::transport::Interval| {
        a.lower <= b.upper && b.lower <= a.upper
    };
    vec![
        Claim::new(
            "Remark 3.1 (version 2)",
            "Exponents make LSOT prone to overflow; the safe semi-dual is much more stable.",
            "over all ε and steps no safe run has a step that overflows or ends in what is no number, and some run of LSOT has",
            format!(
                "LSOT: {dual_failed} of {dual_runs} runs failed, {dual_overflows} steps overflowed. Safe: {failed} of {runs} runs, {overflows} steps."
            ),
            failed == 0 && overflows == 0 && dual_overflows > 0,
        )
        .because("LSOT had no overflow, or a safe run had one."),
        Claim::new(
            "Certificates",
            "The value W of the problem with KL is bounded from both sides, whatever potentials came out, and so is what ρ costs.",
            "for every ε the intervals by LSOT’s and by the best safe potentials have numbers in common, and the cost of ρ is bounded by a finite number",
            format!("Between the images to train with:\n{}", certified.join("\n")),
            results.known.iter().all(|k| overlap(&k.intervals[0], &k.intervals[1]) && k.bias.is_finite()),
        )
        .because("Two intervals exclude each other: by chance, as one in forty may, or by a mistake.")
        .ours(),
    ]
}
