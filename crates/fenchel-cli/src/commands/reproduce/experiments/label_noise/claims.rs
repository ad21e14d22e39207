//! What the paper says of these runs, and what came out.

use super::Results;
use super::training::{Approach, Pass, Trial, Tuned, power};
use crate::commands::reproduce::findings::{Claim, Findings};
use crate::commands::reproduce::statistics::Estimate;
use crate::report::significant;

const PLACE: &str = "Figure 3 (version 2)";

/// Why nothing is judged on shapes.
const DRAWN: &str = "Claims are judged on real images; these are drawn shapes, to see whether it runs. --data FOLDER takes images in \
                     the format of MNIST.";

/// And why not where nothing has begun to fall.
const RISING: &str = "The accuracy on the test is highest after the last pass: runs are too short to show whether it falls later.";

/// Whether `a` is below `b` by more than two standard errors.
fn below(a: Estimate, b: Estimate) -> bool {
    // Failures have no error.
    if b.value.is_infinite() { a.value.is_finite() } else { a.value + 2.0 * a.error.hypot(b.error) < b.value }
}

/// A mean with its standard deviation over runs.
pub fn in_words(trial: &Trial, estimate: Estimate) -> String {
    if !estimate.value.is_finite() {
        return "–".to_owned();
    }
    let deviation = trial.deviation(estimate);
    let spread =
        if deviation.is_finite() { format!(" ± {}", significant(deviation, 1)) } else { String::new() };
    significant(estimate.value, 3) + &spread
}

fn failures(trial: &Trial) -> String {
    format!("{} of {} runs failed", trial.failed(), trial.runs.len())
}

fn with_step(tuned: &Tuned, of: impl Fn(&Pass) -> f64) -> String {
    let best = tuned.best();
    format!("{} (step {}, {})", in_words(best, best.end(of)), power(best.step), failures(best))
}

/// Change of a number of each run from pass `from` to the end, with its standard error.
fn change(trial: &Trial, from: usize, of: impl Fn(&Pass) -> f64) -> Estimate {
    trial.over(|passes| match (passes.get(from), passes.last()) {
        (Some(a), Some(b)) => of(b) - of(a),
        _ => f64::NAN,
    })
}

fn changed(estimate: Estimate) -> String {
    format!("{:+.3} ± {}", estimate.value, significant(2.0 * estimate.error, 1))
}

/// The pass, after the first, whose mean test accuracy is highest.
fn peak(trial: &Trial, epochs: u32) -> usize {
    let at = |e: &usize| trial.after(*e, |p| p.clean).value;
    (1..=epochs as usize).max_by(|a, b| at(a).total_cmp(&at(b)).then(b.cmp(a))).unwrap_or(0)
}

/// All claims.
pub fn judge(findings: &mut Findings, results: &Results<'_>) {
    let claims = [
        noise_is_fitted(results),
        both_rise(results),
        robust_is_better(results),
        converges_faster(results),
        smaller_steps(results),
        best_steps(results),
        no_overflow(results),
        larger_batches(results),
    ];
    findings.claims.extend(claims.into_iter().map(|claim| claim.unless(!results.images.real, DRAWN)));
}

fn noise_is_fitted(results: &Results<'_>) -> Claim {
    let trial = results.single(Approach::Mean).best();
    let from = peak(trial, results.plan.epochs);
    let (noisy, clean) = (change(trial, from, |p| p.noisy), change(trial, from, |p| p.clean));
    Claim::new(
        PLACE,
        "ERM fits the corrupted data: its accuracy on the noisy validation set increases, and that on the clean test set decreases.",
        "from the pass at which its mean test accuracy is highest to the last, the accuracy on the noisy validation part rises and that \
         on the test falls, both by more than two standard errors over runs",
        format!(
            "From pass {from} to {}: noisy validation {}, clean test {} (two standard errors); at the end {} and {}.",
            results.plan.epochs,
            changed(noisy),
            changed(clean),
            in_words(trial, trial.end(|p| p.noisy)),
            in_words(trial, trial.end(|p| p.clean))
        ),
        noisy.value > 2.0 * noisy.error && clean.value < -2.0 * clean.error,
    )
    .because("In so many passes over so few images the two do not part like that.")
    .unless(from == results.plan.epochs as usize, RISING)
}

fn both_rise(results: &Results<'_>) -> Claim {
    let (mut holds, mut words) = (true, Vec::new());
    for approach in [Approach::Exponentials, Approach::Safe] {
        let trial = results.single(approach).best();
        let (noisy, clean) = (change(trial, 1, |p| p.noisy), change(trial, 1, |p| p.clean));
        let fall = change(trial, peak(trial, results.plan.epochs), |p| p.clean);
        let rises = |e: Estimate| e.value > 2.0 * e.error;
        holds &= rises(noisy) && rises(clean) && fall.value >= -2.0 * fall.error;
        words.push(format!(
            "{}: noisy validation {}, clean test {}, and {} from its highest mean",
            approach.words(),
            changed(noisy),
            changed(clean),
            changed(fall)
        ));
    }
    Claim::new(
        PLACE,
        "For both robust approaches an increase in validation accuracy results in an increase in test accuracy.",
        "from the first pass to the last both accuracies rise by more than two standard errors, and that on the test does not end below \
         its highest mean by more than that",
        format!("From pass 1 to the last (two standard errors):\n{}", words.join("\n")),
        holds,
    )
    .because("One of these accuracies does not rise, or falls again.")
}

fn robust_is_better(results: &Results<'_>) -> Claim {
    let clean = |approach| results.single(approach).best().end(|p| p.clean);
    let worst = clean(Approach::Mean);
    let words = Approach::ALL.map(|a| format!("{} {}", a.words(), with_step(results.single(a), |p| p.clean)));
    Claim::new(
        PLACE,
        "The robust approaches are more capable of learning the clean distribution than ERM.",
        "the accuracy on the clean test at the end is higher than that of ERM, by more than two standard errors, for both",
        words.join("; "),
        [Approach::Exponentials, Approach::Safe].iter().all(|a| clean(*a).value.is_finite() && below(worst, clean(*a))),
    )
    .because("ERM, at its best step, does not end clearly below both.")
}

fn converges_faster(results: &Results<'_>) -> Claim {
    let [safe, other] = [Approach::Safe, Approach::Exponentials].map(|a| results.single(a));
    let epochs = results.plan.epochs as usize;
    let at = |tuned: &Tuned, e: usize| tuned.best().after(e, |p| p.objective);
    let lower = (1..=epochs).filter(|e| below(at(safe, *e), at(other, *e))).count();
    let higher = (1..=epochs).filter(|e| below(at(other, *e), at(safe, *e))).count();
    Claim::new(
        PLACE,
        "The safe approach converges faster than the baseline, in the loss F on the images learnt from.",
        "each at its best step, F is lower by more than two standard errors after at least half of the passes, and after the last",
        format!(
            "Lower after {lower} and higher after {higher} of {epochs} passes; at the end safe KL {}, the baseline {}.",
            with_step(safe, |p| p.objective),
            with_step(other, |p| p.objective)
        ),
        2 * lower >= epochs && below(at(safe, epochs), at(other, epochs)),
    )
    .because("At its best step of this grid the baseline is not behind by so much.")
}

fn smaller_steps(results: &Results<'_>) -> Claim {
    let [safe, other] = [Approach::Safe, Approach::Exponentials].map(|a| results.single(a));
    let words = |tuned: &Tuned| {
        let each = tuned
            .trials
            .iter()
            .map(|t| format!("{} at {} with {} overflows", failures(t), power(t.step), t.overflows()));
        format!("{}: {}", tuned.case.approach.words(), each.collect::<Vec<_>>().join(", "))
    };
    let step = |tuned: &Tuned| match tuned.largest_usable() {
        0.0 => "none".to_owned(),
        step => power(step),
    };
    Claim::new(
        PLACE,
        "The baseline needs a smaller step, to avoid overflows.",
        "the largest step at which no run fails and every one ends below its start is smaller for the baseline, and a run of it overflows \
         at a larger one",
        format!(
            "The largest is {} for the baseline and {} for safe KL.\n{}\n{}",
            step(other),
            step(safe),
            words(other),
            words(safe)
        ),
        other.largest_usable() < safe.largest_usable()
            && other.trials.iter().any(|t| t.step > other.largest_usable() && t.overflows() > 0),
    )
    .because("On these images, with so many passes, the largest usable steps of this grid are not apart like that.")
}

fn best_steps(results: &Results<'_>) -> Claim {
    let step = |approach| results.single(approach).best().step;
    let (mean, sum, safe) = (step(Approach::Mean), step(Approach::Exponentials), step(Approach::Safe));
    Claim::new(
        "Figure 4 (version 1), the same runs",
        "The best step is 1e-3 for ERM, ten times smaller for the safe approach, and a hundred times smaller for the baseline.",
        "the best steps of the grid fall in this order: ERM, safe KL, baseline",
        format!("ERM {}, safe KL {}, baseline {}.", power(mean), power(safe), power(sum)),
        sum < safe && safe < mean,
    )
    .because("With fewer gradient steps than the paper's, the best of the grid are larger ones, and not all apart.")
}

fn no_overflow(results: &Results<'_>) -> Claim {
    let trials = |approach: Approach| {
        results.tuned.iter().filter(move |t| t.case.approach == approach).flat_map(|t| &t.trials)
    };
    let sum = |approach| trials(approach).map(Trial::overflows).sum::<u64>();
    let failed = |approach| trials(approach).map(Trial::failed).sum::<usize>();
    let runs = |approach| trials(approach).map(|t| t.runs.len()).sum::<usize>();
    let words = [Approach::Safe, Approach::Exponentials].map(|a| {
        format!("{}: {} of {} runs failed, {} batches overflowed", a.words(), failed(a), runs(a), sum(a))
    });
    Claim::new(
        "Section 3.3",
        "The safe approximation can be optimised without overflow, which the sum of exponentials is prone to.",
        "no run of safe KL, at any step of the grid and with any batch, overflows or ends in numbers that are not finite",
        words.join("; "),
        sum(Approach::Safe) == 0 && failed(Approach::Safe) == 0,
    )
    .because("A step that is too large throws parameters out of the range of numbers; weights below 1/ρ cannot prevent that.")
}

fn larger_batches(results: &Results<'_>) -> Claim {
    let (mut holds, mut words) = (true, Vec::new());
    for &batch in results.plan.batches.iter().filter(|b| **b > 1) {
        let [safe, other] = [Approach::Safe, Approach::Exponentials].map(|a| results.of(a, batch));
        let end = |tuned: &Tuned| tuned.best().end(|p| p.objective);
        holds &= below(end(safe), end(other));
        words.push(format!(
            "batch {batch}: safe KL {}, baseline {}",
            with_step(safe, |p| p.objective),
            with_step(other, |p| p.objective)
        ));
    }
    Claim::new(
        "Not in the paper: batches larger than one",
        "With mini-batches the safe approach converges faster than the baseline, too.",
        "each at its best step, F is lower at the end by more than two standard errors with every batch size above 1",
        words.join("\n"),
        holds,
    )
    .because("At its best step of this grid the baseline ends as low or lower: e^ℓ̂ is several times 1 at first, which lengthens its steps, and averages over a batch keep it from overflowing.")
    .ours()
}
