//! Cross-validation against scores computed by hand, fold by fold; folds, shifts, mistakes, interruption.

use fenchel::divergence;
use fenchel::measure::Rng;
use fenchel::optim::{Flow, Progress, Silent, Status};
use fenchel::robust::loss::{self, Loss};
use fenchel::robust::validation::{Candidates, Chosen, Shift, Split, Validation, choose_in};
use fenchel::robust::{Examples, Linear, Options, Precision, Risk, Strength};
use proptest::prelude::*;
use std::sync::Arc;

fn candidates(loss: &str, divergence: &str, strengths: &[Strength]) -> Candidates {
    let (loss, divergence) = (loss::parse(loss).unwrap(), divergence::parse(divergence).unwrap());
    let precision = Precision { tolerance: 1e-7, ..Precision::default() };
    Candidates { precision, ..Candidates::new(loss, divergence, strengths.to_vec()) }
}

fn choose(folds: usize, examples: &Examples, candidates: &Candidates, shift: &Shift) -> Chosen {
    Validation { folds, seed: 7 }.choose(examples, candidates, shift, &mut Silent).unwrap()
}

/// Two features, weights; signs as labels where asked for.
fn table(seed: u64, n: usize, signs: bool) -> Examples {
    let mut rng = Rng::new(seed);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for i in 0..n {
        let row = [rng.normal(), rng.uniform() - 0.5];
        let score = row[0] - 2.0 * row[1] + rng.normal() + if i % 8 == 0 { 2.0 } else { 0.0 };
        y.push(if signs { (score - 0.3).signum() } else { score });
        x.extend(row);
    }
    let weights = (0..n).map(|_| 0.2 + rng.uniform()).collect();
    Examples::new(2, x, y).unwrap().weighted(weights).unwrap()
}

/// The fold of each example, from scratch: losses of a model fitted to the others, weights, and which examples they are.
fn refitted(
    examples: &Examples,
    candidates: &Candidates,
    strength: Strength,
    fold: &[usize],
    f: usize,
) -> (Vec<f64>, Vec<f64>, Vec<usize>) {
    let rows = |inside: bool| (0..fold.len()).filter(|i| (fold[*i] == f) == inside).collect::<Vec<_>>();
    let (held, outside) = (rows(true), rows(false));
    let x = outside.iter().flat_map(|i| examples.row(*i).to_vec()).collect();
    let y = outside.iter().map(|i| examples.labels()[*i]).collect();
    let w = outside.iter().map(|i| examples.weights()[*i]).collect();
    let training = Examples::new(examples.width(), x, y).unwrap().weighted(w).unwrap();
    let risk = Risk::new(candidates.divergence.clone(), strength).unwrap();
    let model = Linear::new(&training, candidates.loss.clone(), risk, candidates.options).unwrap();
    let fit = model.fit(&candidates.precision, &mut Silent).unwrap();
    let losses = held.iter().map(|i| {
        let z: f64 = examples.row(*i).iter().zip(&fit.coefficients).map(|(x, c)| x * c).sum();
        candidates.loss.value(&[fit.intercept[0] + z], examples.labels()[*i])
    });
    (losses.collect(), held.iter().map(|i| examples.weights()[*i]).collect(), held)
}

fn mean(losses: &[f64], weights: &[f64]) -> f64 {
    losses.iter().zip(weights).map(|(x, w)| x * w).sum::<f64>() / weights.iter().sum::<f64>()
}

#[test]
fn scores_are_those_of_refits_by_hand() {
    let strengths = [0.0, 0.2, 1.0].map(Strength::Radius);
    let groups: Vec<u32> = (0..47).map(|i| [4, 4, 9, 2][i % 4]).collect();
    let ratio: Vec<f64> = (0..47).map(|i| if i % 3 == 0 { 0.0 } else { 1e300 * (1.0 + i as f64) }).collect();
    let tail = Risk::new(divergence::parse("cvar:0.3").unwrap(), Strength::Penalty(1.0)).unwrap();
    let ball = Risk::new(divergence::parse("kl").unwrap(), Strength::Radius(0.4)).unwrap();
    for (name, signs) in [("squared", false), ("logistic", true)] {
        let examples = table(3, 47, signs);
        let mut candidates = candidates(name, "chi2", &strengths);
        candidates.options = Options { l2: 0.01, ..Options::default() };
        for shift in [
            Shift::None,
            Shift::Reweighted(tail.clone()),
            Shift::Reweighted(ball.clone()),
            Shift::Groups(groups.clone()),
            Shift::Covariate(ratio.clone()),
        ] {
            for folds in [2, 5] {
                let chosen = choose(folds, &examples, &candidates, &shift);
                let fold =
                    Validation { folds, seed: 7 }.held_out(&examples, &*candidates.loss, &shift).unwrap();
                assert_eq!((chosen.status, chosen.scores.len()), (Status::Converged, 3));
                for (score, strength) in chosen.scores.iter().zip(strengths) {
                    assert_eq!(
                        (score.strength, score.not_converged, score.folds.len()),
                        (strength, 0, folds)
                    );
                    for (f, found) in score.folds.iter().enumerate() {
                        let (losses, weights, held) = refitted(&examples, &candidates, strength, &fold, f);
                        let expected = match &shift {
                            Shift::None => mean(&losses, &weights),
                            Shift::Reweighted(risk) => {
                                risk.of(&losses, &weights, &mut vec![0.0; losses.len()]).unwrap().value
                            }
                            Shift::Groups(groups) => [4, 9, 2]
                                .iter()
                                .map(|g| {
                                    let own = |i: &usize| {
                                        if groups[*i] == *g { examples.weights()[*i] } else { 0.0 }
                                    };
                                    mean(&losses, &held.iter().map(own).collect::<Vec<_>>())
                                })
                                .fold(f64::NEG_INFINITY, f64::max),
                            Shift::Covariate(ratio) => {
                                let own = |i: &usize| ratio[*i] / 1e300 * examples.weights()[*i];
                                mean(&losses, &held.iter().map(own).collect::<Vec<_>>())
                            }
                        };
                        assert!((found - expected).abs() < 1e-12 * expected, "{shift:?} {found} {expected}");
                    }
                    let k = folds as f64;
                    let average = score.folds.iter().sum::<f64>() / k;
                    let square = score.folds.iter().map(|x| (x - average).powi(2)).sum::<f64>() / (k - 1.0);
                    assert!((score.mean - average).abs() < 1e-14 * average);
                    assert!((score.standard_error - (square / k).sqrt()).abs() < 1e-12 * average);
                }
                let best = chosen.best_score().unwrap();
                assert!(chosen.scores.iter().all(|score| score.mean >= best.mean));
                assert!(chosen.scores[..chosen.best].iter().all(|score| score.mean > best.mean));
            }
        }
    }
}

/// Constants: within no radius the weighted mean of the others, within a large one the middle between their ends.
#[test]
fn constants_can_be_computed_by_hand() {
    let y = vec![0.0, 1.0, 2.0, 10.0, 3.0, -4.0, 2.5, 0.5];
    let n = y.len();
    let weights: Vec<f64> = (1..=n).map(|i| i as f64).collect();
    let examples = Examples::new(0, Vec::new(), y.clone()).unwrap().weighted(weights.clone()).unwrap();
    let mut candidates = candidates("squared", "kl", &[Strength::Radius(0.0), Strength::Radius(1e3)]);
    candidates.precision.tolerance = 1e-8;
    let fold = Validation { folds: n, seed: 7 }.held_out(&examples, &*candidates.loss, &Shift::None).unwrap();
    let chosen = choose(n, &examples, &candidates, &Shift::None);
    for i in 0..n {
        let others: Vec<usize> = (0..n).filter(|j| *j != i).collect();
        let of = |x: &[f64]| others.iter().map(|j| x[*j]).collect::<Vec<_>>();
        let (ys, ws) = (of(&y), of(&weights));
        let ends = ys.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), y| (y.min(a), y.max(b)));
        for (score, constant) in chosen.scores.iter().zip([mean(&ys, &ws), 0.5 * (ends.0 + ends.1)]) {
            let (found, exact) = (score.folds[fold[i]], (y[i] - constant).powi(2));
            assert!((found - exact).abs() < 1e-4 * (1.0 + exact), "{found} {exact}");
        }
    }
}

/// A group of a tenth goes its own way. What is best for all is not what is best for the worse group.
#[test]
fn groups_ask_for_a_stronger_fit_than_the_mean() {
    let mut rng = Rng::new(5);
    let n = 200;
    let groups: Vec<u32> = (0..n).map(|i| u32::from(i % 10 == 0)).collect();
    let x: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
    let slope = |g: u32| if g == 1 { 3.0 } else { 1.0 };
    let y = x.iter().zip(&groups).map(|(x, g)| slope(*g) * x + 0.1 * rng.normal()).collect();
    let examples = Examples::new(1, x, y).unwrap();
    // χ² has to go further for the same share of a group.
    for (name, radii) in [("kl", [0.0, 0.05, 0.2, 0.8]), ("chi2", [0.0, 0.1, 0.6, 3.0])] {
        let candidates = candidates("squared", name, &radii.map(Strength::Radius));
        let (none, worst) = (
            choose(5, &examples, &candidates, &Shift::None),
            choose(5, &examples, &candidates, &Shift::Groups(groups.clone())),
        );
        assert!(none.best == 0 && worst.best >= 2, "{name}: {} {}", none.best, worst.best);
        // The mean has slope 1.2 and a loss of 1.8² there; slope 2, a loss of 1 in both groups, is the least there can be.
        let gain = worst.scores[0].mean - worst.scores[worst.best].mean;
        assert!(gain > 0.3 * worst.scores[0].mean, "{name}: {gain}");
    }
}

/// Moved to where the line bends, the fit that hears the few examples there does better.
#[test]
fn a_shift_of_a_feature_asks_for_a_stronger_fit() {
    let mut rng = Rng::new(6);
    let x: Vec<f64> = (0..300).map(|_| rng.normal()).collect();
    let y = x.iter().map(|x| if *x > 1.0 { 3.0 * x - 2.0 } else { *x } + 0.1 * rng.normal()).collect();
    let examples = Examples::new(1, x.clone(), y).unwrap();
    let candidates = candidates("squared", "kl", &[0.0, 0.1, 0.5].map(Strength::Radius));
    let best = |amount| choose(5, &examples, &candidates, &Shift::tilted(&x, amount).unwrap()).best;
    assert_eq!(best(0.0), choose(5, &examples, &candidates, &Shift::None).best);
    assert!(best(0.0) == 0 && best(2.0) > 0, "{} {}", best(0.0), best(2.0));
}

#[test]
fn the_seed_decides() {
    let examples = table(1, 60, true);
    let candidates = candidates("logistic", "kl", &[Strength::Penalty(1.0), Strength::Penalty(0.1)]);
    let run = |seed| {
        Validation { folds: 4, seed }.choose(&examples, &candidates, &Shift::None, &mut Silent).unwrap()
    };
    let bits = |chosen: &Chosen| {
        chosen.scores.iter().flat_map(|s| s.folds.iter().map(|x| x.to_bits())).collect::<Vec<_>>()
    };
    let first = run(1);
    assert_eq!((bits(&run(1)), run(1).best), (bits(&first), first.best));
    assert_ne!(bits(&run(2)), bits(&first));
    let folds =
        |seed| Validation { folds: 4, seed }.held_out(&examples, &*candidates.loss, &Shift::None).unwrap();
    assert!(folds(1) == folds(1) && folds(1) != folds(2));
}

#[test]
fn tilted_weights() {
    let x = [1.0, 4.0, -2.0, 3.0];
    for unit in [1e-300, 1.0, 1e300] {
        for amount in [0.0, 0.7, -1.3, 1e308, -1e308] {
            let x = x.map(|x| unit * x);
            let Shift::Covariate(v) = Shift::tilted(&x, amount).unwrap() else { unreachable!() };
            // Mean 1.5, variance 5.25.
            let exact: Vec<f64> =
                x.iter().map(|x| (amount * (x / unit - 1.5) / 5.25_f64.sqrt()).exp()).collect();
            assert!((v.iter().sum::<f64>() - 4.0).abs() < 1e-14);
            for i in 0..4 {
                if amount.abs() < 10.0 {
                    let share = 4.0 * exact[i] / exact.iter().sum::<f64>();
                    assert!((v[i] - share).abs() < 1e-13, "{v:?} {exact:?}");
                } else {
                    assert_eq!(v[i], if i == if amount > 0.0 { 1 } else { 2 } { 4.0 } else { 0.0 });
                }
            }
        }
    }
    for (feature, amount, says) in [
        (&[][..], 1.0, "at least one"),
        (&[1.0, f64::NAN], 1.0, "row 2 is NaN"),
        (&[1.0, 2.0], f64::INFINITY, "amount is inf"),
        (&[3.0, 3.0], 1.0, "feature is 3 in every row; it must be one that varies"),
    ] {
        let message = Shift::tilted(feature, amount).unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn mistakes_are_named() {
    let examples = table(2, 12, false);
    let sound = candidates("squared", "kl", &[Strength::Radius(0.1)]);
    let says = |folds, examples: &Examples, candidates: &Candidates, shift: &Shift| {
        let chosen = Validation { folds, seed: 0 }.choose(examples, candidates, shift, &mut Silent);
        chosen.unwrap_err().to_string()
    };
    for (folds, expected) in [
        (0, "folds is 0; it must be at least 2"),
        (1, "folds is 1; it must be at least 2"),
        (13, "examples: expected at least as many as folds, 13, found 12"),
    ] {
        assert_eq!(says(folds, &examples, &sound, &Shift::None), expected);
    }
    let mut ratio = vec![1.0; 12];
    ratio[3] = -0.5;
    let mut few = vec![0.0; 12];
    few[..4].fill(1.0);
    for (shift, expected) in [
        (Shift::Groups(vec![0; 11]), "groups: expected as many as examples, 12, found 11"),
        (Shift::Covariate(vec![1.0; 13]), "covariate weights: expected as many as examples, 12, found 13"),
        (Shift::Covariate(ratio), "covariate weights[3] is -0.5; it must be a number of at least 0"),
        (Shift::Covariate(vec![f64::NAN; 12]), "covariate weights at 0 is NaN"),
        (Shift::Covariate(vec![0.0; 12]), "covariate weights is 0 everywhere"),
        (
            Shift::Covariate(few),
            "examples that weigh something: expected at least as many as folds, 5, found 4",
        ),
    ] {
        let found = says(5, &examples, &sound, &shift);
        assert!(found.contains(expected), "{found}");
    }
    for (strengths, expected) in [
        (vec![], "strengths: expected at least one, found 0"),
        (
            vec![Strength::Radius(0.1), Strength::Penalty(0.0)],
            "lambda is 0; it must be a finite number above 0",
        ),
    ] {
        assert_eq!(says(5, &examples, &candidates("squared", "kl", &strengths), &Shift::None), expected);
    }
    // Labels of no class; a class that would not be there without a fold.
    let logistic = candidates("logistic", "kl", &[Strength::Radius(0.1)]);
    assert!(says(5, &examples, &logistic, &Shift::None).contains("it must be -1 or 1"));
    let mut y = vec![1.0; 12];
    y[8] = -1.0;
    let alone = Examples::new(1, (0..12).map(f64::from).collect(), y.clone()).unwrap();
    let found = says(5, &alone, &logistic, &Shift::None);
    assert!(found.contains("labels is 1 in every row that weighs something outside fold 1"), "{found}");
    assert!(found.ends_with("it must be of two classes, with at least two examples each"), "{found}");
    // Two are enough, but not if one has no weight.
    y[2] = -1.0;
    let two = Examples::new(1, (0..12).map(f64::from).collect(), y).unwrap();
    for folds in [2, 5, 12] {
        choose(folds, &two, &logistic, &Shift::None);
    }
    let mut weights = vec![1.0; 12];
    weights[2] = 0.0;
    let weightless = two.weighted(weights).unwrap();
    assert!(says(5, &weightless, &logistic, &Shift::None).contains("in every row that weighs something"));
}

#[test]
fn fits_that_do_not_converge_are_counted() {
    let examples = table(4, 40, true);
    let mut candidates = candidates("logistic", "kl", &[Strength::Penalty(1e6), Strength::Penalty(1e-3)]);
    candidates.precision.max_iterations = 1;
    let chosen = choose(5, &examples, &candidates, &Shift::None);
    assert_eq!(chosen.status, Status::MaxIterations);
    assert_eq!(chosen.scores[1].not_converged, 5);
    assert!(chosen.scores.iter().all(|score| score.mean.is_finite()));
}

/// Losses out of range are infinite, not the end of the validation.
#[test]
fn losses_out_of_range_are_worst() {
    let mut x: Vec<f64> = (0..20).map(|i| f64::from(i % 4)).collect();
    let y = x.iter().map(|x| x.floor()).collect();
    x[7] = 1e4;
    let examples = Examples::new(1, x, y).unwrap();
    let mut candidates = candidates("poisson", "kl", &[Strength::Radius(0.01)]);
    candidates.precision.tolerance = 1e-6;
    let tail = Risk::new(divergence::parse("cvar:0.5").unwrap(), Strength::Penalty(1.0)).unwrap();
    for shift in
        [Shift::None, Shift::Reweighted(tail), Shift::Groups(vec![3; 20]), Shift::Covariate(vec![1.0; 20])]
    {
        let chosen = choose(5, &examples, &candidates, &shift);
        let score = &chosen.scores[0];
        assert_eq!(score.folds.iter().filter(|x| x.is_infinite()).count(), 1, "{shift:?}: {score:?}");
        assert_eq!((score.mean, score.standard_error), (f64::INFINITY, f64::INFINITY));
    }
    // Unless they weigh nothing.
    let mut ratio = vec![1.0; 20];
    ratio[7] = 0.0;
    let chosen = choose(5, &examples, &candidates, &Shift::Covariate(ratio));
    assert!(chosen.scores[0].mean < 10.0, "{chosen:?}");
}

/// The share of work grows from fit to fit, and whenever the observer says stop there are no scores.
#[test]
fn progress_and_interruption() {
    let examples = table(8, 30, false);
    let candidates = candidates("squared", "kl", &[Strength::Radius(0.1), Strength::Radius(0.5)]);
    let validation = Validation { folds: 3, seed: 0 };
    let mut seen = Vec::new();
    let mut watch = |progress: &Progress<'_>| {
        assert_eq!(progress.phase, "validating");
        seen.push(progress.fraction);
        Flow::Continue
    };
    let all = validation.choose(&examples, &candidates, &Shift::None, &mut watch).unwrap();
    assert_eq!((all.status, all.scores.len()), (Status::Converged, 2));
    assert!(seen.is_sorted() && seen[0] == 0.0 && *seen.last().unwrap() < 1.0);
    for share in 0..6 {
        assert!(seen.iter().any(|x| (x - f64::from(share) / 6.0).abs() < 1e-15), "{share} of {seen:?}");
    }
    for calls in [1, 2, seen.len() / 2, seen.len()] {
        let mut left = calls;
        let mut stop = |_: &Progress<'_>| {
            left -= 1;
            if left > 0 { Flow::Continue } else { Flow::Stop }
        };
        let stopped = validation.choose(&examples, &candidates, &Shift::None, &mut stop).unwrap();
        assert_eq!(stopped, Chosen { scores: Vec::new(), best: 0, status: Status::Interrupted });
        assert!(stopped.best_score().is_none() && left == 0);
    }
    // All fits share the time.
    let late = Candidates { max_seconds: Some(0.0), ..candidates.clone() };
    let stopped = validation.choose(&examples, &late, &Shift::None, &mut Silent).unwrap();
    assert_eq!(stopped, Chosen { scores: Vec::new(), best: 0, status: Status::MaxTime });
    for seconds in [-1.0, f64::NAN] {
        let wrong = Candidates { max_seconds: Some(seconds), ..candidates.clone() };
        let error = validation.choose(&examples, &wrong, &Shift::None, &mut Silent).unwrap_err();
        assert!(error.to_string().contains("max_seconds"), "{error}");
    }
}

#[test]
fn rare_groups_and_classes_have_folds_apart() {
    let examples = |labels: Vec<f64>| Examples::new(0, Vec::new(), labels).unwrap();
    let folds = |k, labels, loss: &dyn Loss, shift| {
        let fold = Validation { folds: k, seed: 3 }.held_out(&examples(labels), loss, &shift).unwrap();
        let mut sizes = vec![0; k];
        fold.iter().for_each(|f| sizes[*f] += 1);
        (fold, sizes)
    };
    // Groups of one.
    let squared = loss::parse("squared").unwrap();
    assert_eq!(folds(5, vec![0.0; 20], &*squared, Shift::Groups((0..20).collect())).1, [4; 5]);
    // One example each of two classes: without both, there would be one class left.
    let three = loss::parse("multinomial").unwrap().for_classes(3).unwrap();
    for (k, n) in [(2, 8), (3, 7), (5, 11), (5, 12), (11, 11)] {
        let mut labels = vec![1.0; n];
        (labels[0], labels[n - 1]) = (0.0, 2.0);
        for groups in [vec![0; n], (0..n as u32).collect(), (0..n as u32).map(|i| i % 3).collect()] {
            let (fold, sizes) = folds(k, labels.clone(), &*three, Shift::Groups(groups));
            assert!(fold[0] != fold[n - 1] && sizes.iter().all(|size| *size > 0), "{k} {n}: {fold:?}");
        }
    }
}

/// n examples of a class and a group each; a few groups and classes are rare.
fn shares() -> impl Strategy<Value = (Vec<(u32, u32, bool)>, usize, u64)> {
    let rare = |n: u32| prop_oneof![4 => 0..n.min(2), 1 => 0..n];
    let one = (rare(5), rare(4), prop::bool::weighted(0.9));
    (prop::collection::vec(one, 20..120), 2_usize..12, any::<u64>())
}

/// Splits of one's own give what folds give where they are the same, whatever the order of their rows.
#[test]
fn splits_of_ones_own() {
    let examples = table(8, 60, true);
    let all = candidates("logistic", "kl", &[Strength::Radius(0.0), Strength::Radius(0.2)]);
    let folds = Validation { folds: 4, seed: 7 };
    for shift in [Shift::None, Shift::Groups((0..60).map(|i| i % 3).collect())] {
        let fold = folds.held_out(&examples, &*all.loss, &shift).unwrap();
        let split = |f: usize| {
            let (held, fitted) = (0..60).partition(|i| fold[*i] == f);
            Split { fitted, held }
        };
        let mut splits: Vec<Split> = (0..4).map(split).collect();
        let chosen = folds.choose(&examples, &all, &shift, &mut Silent).unwrap();
        assert_eq!(choose_in(&splits, &examples, &all, &shift, &mut Silent).unwrap(), chosen);
        splits.iter_mut().for_each(|split| split.fitted.reverse());
        let again = choose_in(&splits, &examples, &all, &shift, &mut Silent).unwrap();
        for (a, b) in chosen.scores.iter().zip(&again.scores) {
            assert!((a.mean - b.mean).abs() < 1e-4 * a.mean, "{} {}", a.mean, b.mean);
        }
    }
    let wrong = |fitted: &[usize], held: &[usize], part: &str| {
        let split = Split { fitted: fitted.to_vec(), held: held.to_vec() };
        let message =
            choose_in(&[split], &examples, &all, &Shift::None, &mut Silent).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    };
    wrong(&[0, 1, 60], &[2], "below 60, found 60");
    wrong(&[0, 1], &[], "rows of split 1");
    wrong(&[], &[1], "rows of split 1");
    assert!(choose_in(&[], &examples, &all, &Shift::None, &mut Silent).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Each example has one fold, no fold is without a weight, groups and classes are spread as evenly as can be.
    #[test]
    fn folds((all, k, seed) in shares(), kind in 0..4) {
        let n = all.len();
        let multinomial: Arc<dyn Loss> = loss::parse("multinomial").unwrap().for_classes(4).unwrap();
        let loss = if kind < 2 { multinomial } else { loss::parse("squared").unwrap() };
        let labels: Vec<f64> = all.iter().map(|(_, class, _)| f64::from(*class)).collect();
        let groups: Vec<u32> = all.iter().map(|(group, _, _)| 100 - group).collect();
        let kept: Vec<f64> = all.iter().map(|(_, _, kept)| f64::from(u8::from(*kept))).collect();
        prop_assume!(kept.iter().sum::<f64>() >= k as f64);
        let shift = match kind {
            0 | 2 => Shift::Groups(groups.clone()),
            1 => Shift::None,
            _ => Shift::Covariate(kept.clone()),
        };
        let examples = Examples::new(0, Vec::new(), labels).unwrap();
        let Ok(fold) = (Validation { folds: k, seed }).held_out(&examples, &*loss, &shift) else {
            // Only where all but one example are of one class.
            let most = (0..4).map(|c| all.iter().filter(|(_, class, _)| *class == c).count()).max();
            prop_assert!(kind < 2 && most >= Some(n - 1));
            return Ok(());
        };
        prop_assert_eq!(fold.len(), n);
        let counts = |take: &dyn Fn(usize) -> bool| {
            let mut counts = vec![0; k];
            (0..n).filter(|i| take(*i)).for_each(|i| counts[fold[i]] += 1);
            counts
        };
        let even = |counts: &[i32]| counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1;
        prop_assert_eq!(counts(&|_| true).iter().sum::<i32>(), n as i32);
        match kind {
            0 | 2 => {
                for g in 96..=100 {
                    let counts = counts(&|i| groups[i] == g);
                    prop_assert!(even(&counts), "group {}: {:?}", g, counts);
                }
                prop_assert!(counts(&|_| true).iter().all(|count| *count > 0));
            }
            1 => {
                prop_assert!(even(&counts(&|_| true)));
                for c in 0..4 {
                    let counts = counts(&|i| all[i].1 == c);
                    prop_assert!(even(&counts), "class {}: {:?}", c, counts);
                }
            }
            _ => prop_assert!(even(&counts(&|i| kept[i] > 0.0)) && even(&counts(&|_| true))),
        }
        if kind < 2 {
            for f in 0..k {
                let mut classes: Vec<u32> = (0..n).filter(|i| fold[*i] != f).map(|i| all[i].1).collect();
                classes.sort_unstable();
                classes.dedup();
                prop_assert!(classes.len() > 1, "fold {}", f);
            }
        }
    }
}
