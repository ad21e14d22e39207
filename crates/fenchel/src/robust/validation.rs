//! Cross-validation: which strength does best on examples that were held out, under a shift that is named.
//!
//! ```text
//! min over λ of  mean over folds of  S(ℓ_i(θ_λ), i in the fold),    θ_λ fitted to the examples outside the fold
//! ```
//!
//! | shift | S, the score of a fold |
//! |---|---|
//! | [`Shift::None`] | Σ w_i ℓ_i, the mean |
//! | [`Shift::Reweighted`] | the worst case of a risk, such as the mean of the worst tenth |
//! | [`Shift::Groups`] | the largest mean of a group |
//! | [`Shift::Covariate`] | Σ w_i v_i ℓ_i / Σ w_i v_i, v the density ratio of the features that are to come |
//!
//! w are the weights of the [`Examples`], normalised over the fold. On the mean, fits that are not robust tend to do best; what a
//! robust fit is worth shows under the shift that it is meant to stand.

use super::loss::{Labels, Loss};
use super::{Examples, Fit, Linear, LinearModel, Options, Perturbation, Precision, Risk, Strength};
use crate::divergence::{Divergence, pairwise};
use crate::measure::stream;
use crate::optim::{Flow, Loop, Observer, Progress, Status, checked_seconds};
use crate::smoothmax::reference::normalised;
use crate::{Error, Result};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What folds are drawn for, among all that is drawn under a seed.
const PURPOSE: u64 = u64::MAX - 2;

/// How the examples to come differ from those at hand.
#[derive(Debug, Clone)]
pub enum Shift {
    /// Not at all: the mean of held-out losses.
    None,
    /// As badly as a risk allows: the worst case of held-out losses.
    Reweighted(Risk),
    /// In the shares of groups, one label an example: the largest mean loss of a group. Groups that have no example in a fold,
    /// or none that weighs anything, do not count there.
    Groups(Vec<u32>),
    /// In the density of features: the mean of held-out losses with importance weights of at least 0, one an example, in any
    /// unit. [`Shift::tilted`] makes some.
    Covariate(Vec<f64>),
}

impl Shift {
    /// Importance weights v_i ∝ exp(amount · (x_i − mean)/sd) of a feature x, with mean 1: the density of a feature that was
    /// normal is moved by `amount` standard deviations.
    ///
    /// ```
    /// use fenchel::robust::validation::Shift;
    ///
    /// let Shift::Covariate(v) = Shift::tilted(&[0.0, 2.0], 1.0)? else { unreachable!() };
    /// assert!((v[1] / v[0] - 2f64.exp()).abs() < 1e-14 && (v[0] + v[1] - 2.0).abs() < 1e-15);
    /// # Ok::<(), fenchel::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] for a feature without examples, [`Error::NonFinite`] for one that is NaN or infinite somewhere,
    /// [`Error::InvalidValue`] for one that is the same everywhere or an amount that is not finite.
    pub fn tilted(feature: &[f64], amount: f64) -> Result<Self> {
        let n = feature.len();
        if n == 0 {
            return Err(Error::shape("feature", "a number an example, and at least one", 0));
        }
        if let Some(i) = feature.iter().position(|x| !x.is_finite()) {
            return Err(Error::non_finite("feature", format!("row {}", i + 1), feature[i]));
        }
        if !amount.is_finite() {
            return Err(Error::invalid("amount", amount, "a finite number of standard deviations"));
        }
        if feature.iter().all(|x| *x == feature[0]) {
            return Err(Error::invalid("feature", format!("{} in every row", feature[0]), "one that varies"));
        }
        // In units of the largest, neither sum can overflow.
        let most = feature.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        let x = |i: usize| feature[i] / most;
        let mean = pairwise(n, x) / n as f64;
        let deviation = (pairwise(n, |i| (x(i) - mean).powi(2)) / n as f64).sqrt();
        // The end at which the weight is largest is where exponents are counted from: none is above 0.
        let ends = (0..n)
            .map(x)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), x| (x.min(least), x.max(most)));
        let end = if amount > 0.0 { ends.1 } else { ends.0 };
        let mut weights: Vec<f64> = (0..n).map(|i| (amount * ((x(i) - end) / deviation)).exp()).collect();
        let unit = pairwise(n, |i| weights[i]) / n as f64;
        weights.iter_mut().for_each(|w| *w /= unit);
        Ok(Shift::Covariate(weights))
    }

    /// What each example weighs in the score of its fold, before normalisation: w, or wv.
    fn masses(&self, examples: &Examples) -> Result<Vec<f64>> {
        let n = examples.len();
        let fits = |what: &str, found: usize| {
            let wrong = || Error::shape(what, format!("as many as examples, {n}"), found);
            if found == n { Ok(()) } else { Err(wrong()) }
        };
        match self {
            Shift::None | Shift::Reweighted(_) => {}
            Shift::Groups(groups) => fits("groups", groups.len())?,
            Shift::Covariate(ratio) => {
                fits("covariate weights", ratio.len())?;
                let (ratio, _) = normalised("covariate weights", ratio)?;
                let masses: Vec<f64> = ratio.iter().zip(examples.weights()).map(|(v, w)| v * w).collect();
                return Ok(normalised("covariate weights of examples that weigh something", &masses)?.0);
            }
        }
        Ok(examples.weights().to_vec())
    }

    /// The score of a fold whose masses sum to 1. Infinite if a loss is.
    fn score(&self, held: &[usize], losses: &[f64], masses: &[f64]) -> Result<f64> {
        if losses.iter().any(|loss| !loss.is_finite()) {
            return Ok(f64::INFINITY);
        }
        match self {
            Shift::None | Shift::Covariate(_) => Ok(pairwise(losses.len(), |i| masses[i] * losses[i])),
            Shift::Reweighted(risk) => {
                let mut p = vec![0.0; losses.len()];
                Ok(risk.of(losses, masses, &mut p)?.value)
            }
            Shift::Groups(groups) => {
                let mut sums: BTreeMap<u32, [f64; 2]> = BTreeMap::new();
                for ((i, loss), mass) in held.iter().zip(losses).zip(masses) {
                    let [total, sum] = sums.entry(groups[*i]).or_default();
                    *total += mass;
                    *sum += mass * loss;
                }
                // The NaN of a group without mass is no maximum.
                Ok(sums.values().fold(f64::NEG_INFINITY, |most, [total, sum]| most.max(sum / total)))
            }
        }
    }
}

/// Models that differ in the strength of their divergence and in nothing else.
#[derive(Debug, Clone)]
pub struct Candidates {
    /// The loss, of fits and scores.
    pub loss: Arc<dyn Loss>,
    /// The divergence.
    pub divergence: Arc<dyn Divergence>,
    /// λ or r of each, at least one.
    pub strengths: Vec<Strength>,
    /// Intercept and penalties.
    pub options: Options,
    /// Where examples may be moved, in fits; scores are of examples as they are.
    pub perturbation: Option<Perturbation>,
    /// When each fit ends.
    pub precision: Precision,
    /// Seconds for all fits together; none is unlimited.
    pub max_seconds: Option<f64>,
}

impl Candidates {
    /// Candidates with an intercept, without penalties, fitted as exactly as by default.
    pub fn new(loss: Arc<dyn Loss>, divergence: Arc<dyn Divergence>, strengths: Vec<Strength>) -> Self {
        let (options, precision) = (Options::default(), Precision::default());
        Candidates { loss, divergence, strengths, options, perturbation: None, precision, max_seconds: None }
    }

    /// The risk of each.
    fn risks(&self) -> Result<Vec<Risk>> {
        if self.strengths.is_empty() {
            return Err(Error::shape("strengths", "at least one", 0));
        }
        self.strengths.iter().map(|strength| Risk::new(self.divergence.clone(), *strength)).collect()
    }

    /// Fits all of them to the same examples, in their order; ends early if the observer says so.
    fn fit_all(
        &self,
        examples: &Examples,
        risks: &[Risk],
        observer: &mut dyn Observer,
        each: &mut dyn FnMut(usize, Fit) -> Result<()>,
    ) -> Result<Flow> {
        let target = self.precision.tolerance;
        for (k, risk) in risks.iter().enumerate() {
            let mut within = |progress: &Progress<'_>| {
                let fraction = (k as f64 + progress.fraction) / risks.len() as f64;
                observer.progress(&Progress { fraction, ..*progress })
            };
            // A fit may be done before it asks.
            let error = f64::INFINITY;
            let begun = Progress { phase: "fitting", fraction: 0.0, samples: 0, error, target, iterate: &[] };
            if within(&begun) == Flow::Stop {
                return Ok(Flow::Stop);
            }
            let mut model = Linear::new(examples, self.loss.clone(), risk.clone(), self.options)?;
            if let Some(perturbation) = &self.perturbation {
                model = model.perturbed(perturbation)?;
            }
            let fit = model.fit(&self.precision, &mut within)?;
            if fit.status == Status::Interrupted {
                return Ok(Flow::Stop);
            }
            each(k, fit)?;
        }
        Ok(Flow::Continue)
    }
}

/// How one of the candidates does.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Its strength.
    pub strength: Strength,
    /// The mean of the scores of folds, in the unit of the losses; infinite if a held-out loss is out of range.
    pub mean: f64,
    /// The standard deviation of the scores of folds, over the square root of their number. Folds share examples to fit to, so that
    /// it tells the size of the error and no more.
    pub standard_error: f64,
    /// The score of each fold.
    pub folds: Vec<f64>,
    /// Fits that ended without the gap that was asked for. Their scores count.
    pub not_converged: usize,
}

impl Score {
    fn new(strength: Strength) -> Self {
        let (mean, standard_error) = (f64::NAN, f64::NAN);
        Score { strength, mean, standard_error, folds: Vec::new(), not_converged: 0 }
    }

    /// Mean and standard error of the folds.
    fn finish(&mut self) {
        let k = self.folds.len() as f64;
        self.mean = self.folds.iter().sum::<f64>() / k;
        let square = self.folds.iter().map(|x| (x - self.mean).powi(2)).sum::<f64>();
        let infinite = self.mean.is_infinite();
        self.standard_error = if infinite { f64::INFINITY } else { (square / (k - 1.0) / k).sqrt() };
    }
}

/// The scores of all candidates.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// In the order of the candidates; none if the observer or the time stopped the validation.
    pub scores: Vec<Score>,
    /// The index of the lowest mean, the first of several that are the same; 0 if there is none.
    pub best: usize,
    /// [`Status::Converged`] if all fits converged, [`Status::Interrupted`] if the observer stopped them, [`Status::MaxTime`] if
    /// the time of all was spent, else how the first that did not converge ended.
    pub status: Status,
}

impl Chosen {
    /// The score of the best candidate; none if the validation was stopped.
    pub fn best_score(&self) -> Option<&Score> {
        self.scores.get(self.best)
    }
}

/// Cross-validation in folds: each is held out once, while models are fitted to the others.
///
/// Folds are drawn under a seed, and so that classes and groups have their share in each. The same seed gives the same bits.
///
/// ```
/// use fenchel::optim::Silent;
/// use fenchel::robust::validation::{Candidates, Shift, Validation};
/// use fenchel::robust::{Examples, Strength, loss};
/// use fenchel::divergence;
///
/// // Every tenth example is of a group where the slope is 3 instead of 1.
/// let group: Vec<u32> = (0..60).map(|i| u32::from(i % 10 == 0)).collect();
/// let x: Vec<f64> = (0..60).map(|i| f64::from(i % 7) - 3.0).collect();
/// let y = x.iter().zip(&group).map(|(x, g)| if *g == 1 { 3.0 * x } else { *x }).collect();
/// let examples = Examples::new(1, x, y)?;
///
/// let radii = [0.0, 0.1, 1.0].map(Strength::Radius);
/// let candidates = Candidates::new(loss::parse("squared")?, divergence::parse("kl")?, radii.to_vec());
/// let choose = |shift| Validation::default().choose(&examples, &candidates, &shift, &mut Silent);
/// // On the mean, the mean does best; for the small group, a robust fit.
/// assert_eq!(choose(Shift::None)?.best, 0);
/// assert_eq!(choose(Shift::Groups(group))?.best, 2);
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validation {
    /// How many folds, at least 2.
    pub folds: usize,
    /// Which examples are in which fold.
    pub seed: u64,
}

impl Default for Validation {
    fn default() -> Self {
        Validation { folds: 5, seed: 0 }
    }
}

impl Validation {
    /// Fits all candidates outside each fold and scores them inside, under a shift.
    ///
    /// The time in [`Precision`] is that of one fit, that in [`Candidates`] of all. The observer sees the share of fits that are done.
    ///
    /// # Errors
    /// As [`held_out`](Validation::held_out); [`Error::Shape`] without candidates; as [`Risk::new`] for a strength; as
    /// [`Linear::new`] and [`Linear::fit`] for the examples outside a fold; as [`Risk::of`] for the risk of a shift.
    pub fn choose(
        &self,
        examples: &Examples,
        candidates: &Candidates,
        shift: &Shift,
        observer: &mut dyn Observer,
    ) -> Result<Chosen> {
        let fold = self.held_out(examples, &*candidates.loss, shift)?;
        let splits: Vec<Split> = (0..self.folds)
            .map(|f| {
                let (held, fitted) = (0..examples.len()).partition(|i| fold[*i] == f);
                Split { fitted, held }
            })
            .collect();
        choose_in(&splits, examples, candidates, shift, observer)
    }

    /// The fold, counted from 0, in which each example is held out.
    ///
    /// Examples of each group of [`Shift::Groups`] are spread as evenly over folds as their number allows; without groups, those of
    /// each class of the loss. Two classes are left outside each fold, and each has an example that weighs something in its score.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for fewer than 2 folds, labels that the loss does not take, a class that would have no example
    /// left to fit to where there are only two, negative weights or none above 0; [`Error::Shape`] if there are fewer examples (that
    /// weigh something) than folds, or not as many labels or weights of a shift as examples; [`Error::NonFinite`] for
    /// weights that are NaN or infinite.
    pub fn held_out(&self, examples: &Examples, loss: &dyn Loss, shift: &Shift) -> Result<Vec<usize>> {
        let (n, k) = (examples.len(), self.folds);
        if k < 2 {
            return Err(Error::invalid("folds", k, "at least 2"));
        }
        examples.suit(loss)?;
        let masses = shift.masses(examples)?;
        let counted = masses.iter().filter(|mass| **mass > 0.0).count();
        if counted < k {
            let what = if counted < n { "examples that weigh something" } else { "examples" };
            return Err(Error::shape(what, format!("at least as many as folds, {k}"), counted));
        }
        let has_classes = matches!(loss.labels(), Labels::Sign | Labels::Class);
        let class = ranks(examples.labels().iter().map(|y| if has_classes { *y as i64 } else { 0 }));
        let group = match shift {
            Shift::Groups(groups) => ranks(groups.iter().copied()),
            _ => vec![0; n],
        };
        let mut order: Vec<usize> = (0..n).collect();
        stream(self.seed, PURPOSE, 0).shuffle(&mut order);
        let mut size = vec![0_usize; n];
        class.iter().for_each(|c| size[*c] += 1);
        // One class after another spreads them; small ones first, so that two examples outside the largest are in different folds.
        order.sort_by_key(|i| (Reverse(masses[*i] > 0.0), size[class[*i]], class[*i]));
        let fold = deal(&order, k, &group);
        if has_classes {
            check_classes(examples, &fold, k)?;
        }
        Ok(fold)
    }
}

/// Rows to fit to and rows to score, by their indices; a row may be in one, in both or in none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Those that models are fitted to.
    pub fitted: Vec<usize>,
    /// Those whose losses are the score.
    pub held: Vec<usize>,
}

/// [`Validation::choose`] with splits of one's own, such as blocks of time.
///
/// ```
/// use fenchel::optim::Silent;
/// use fenchel::robust::validation::{Candidates, Shift, Split, choose_in};
/// use fenchel::robust::{Examples, Strength, loss};
/// use fenchel::divergence;
///
/// let examples = Examples::new(1, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0])?;
/// let last = Split { fitted: vec![0, 1, 2, 3], held: vec![4, 5] };
/// let radii = [0.0, 0.1].map(Strength::Radius).to_vec();
/// let candidates = Candidates::new(loss::parse("squared")?, divergence::parse("kl")?, radii);
/// let chosen = choose_in(&[last], &examples, &candidates, &Shift::None, &mut Silent)?;
/// assert!(chosen.scores.iter().all(|score| score.mean < 1e-9));
/// # Ok::<(), fenchel::Error>(())
/// ```
///
/// # Errors
/// As [`Validation::choose`]; [`Error::Shape`] without splits, for one without rows that weigh something, and for an index that
/// no example has. Standard errors are NaN for one split.
pub fn choose_in(
    splits: &[Split],
    examples: &Examples,
    candidates: &Candidates,
    shift: &Shift,
    observer: &mut dyn Observer,
) -> Result<Chosen> {
    checked_seconds(candidates.max_seconds)?;
    let risks = candidates.risks()?;
    let masses = shift.masses(examples)?;
    if splits.is_empty() {
        return Err(Error::shape("splits", "at least one", 0));
    }
    let n = examples.len();
    if let Some(i) = splits.iter().flat_map(|split| split.fitted.iter().chain(&split.held)).find(|i| **i >= n)
    {
        return Err(Error::shape("rows of a split", format!("indices below {n}"), i));
    }
    let mut scores: Vec<Score> = candidates.strengths.iter().map(|s| Score::new(*s)).collect();
    let mut status = Status::Converged;
    let mut run = Loop::new(candidates.max_seconds, observer);
    let mut ended = None;
    for (f, split) in splits.iter().enumerate() {
        let held: Vec<usize> = split.held.iter().copied().filter(|i| masses[*i] > 0.0).collect();
        if held.is_empty() || split.fitted.is_empty() {
            let what = format!("rows of split {}", f + 1);
            return Err(Error::shape(what, "some to fit to, and some that weigh something to score", 0));
        }
        let mass: Vec<f64> = held.iter().map(|i| masses[*i]).collect();
        let (mass, _) = normalised("weights of a fold", &mass)?;
        let (training, held_out) = (subset(examples, &split.fitted)?, subset(examples, &held)?);
        let mut within = |progress: &Progress<'_>| {
            let fraction = (f as f64 + progress.fraction) / splits.len() as f64;
            ended = run.check(&Progress { phase: "validating", fraction, ..*progress });
            if ended.is_some() { Flow::Stop } else { Flow::Continue }
        };
        let flow = candidates.fit_all(&training, &risks, &mut within, &mut |k, fit| {
            if !fit.status.is_converged() {
                scores[k].not_converged += 1;
                status = if status.is_converged() { fit.status } else { status };
            }
            let model = LinearModel::new(candidates.loss.clone(), fit.intercept, fit.coefficients)?;
            scores[k].folds.push(shift.score(&held, &model.losses(&held_out)?, &mass)?);
            Ok(())
        })?;
        if flow == Flow::Stop {
            let status = ended.unwrap_or(Status::Interrupted);
            return Ok(Chosen { scores: Vec::new(), best: 0, status });
        }
    }
    scores.iter_mut().for_each(Score::finish);
    let lowest = scores.iter().enumerate().min_by(|(_, a), (_, b)| a.mean.total_cmp(&b.mean));
    let best = lowest.map_or(0, |(k, _)| k);
    Ok(Chosen { scores, best, status })
}

/// Puts one example after another into the fold with the fewest of its group, of these into that with the fewest. A fold without
/// any comes before all others.
fn deal(order: &[usize], folds: usize, group: &[usize]) -> Vec<usize> {
    let groups = 1 + group.iter().max().copied().unwrap_or(0);
    let (mut of_group, mut all) = (vec![0_u32; folds * groups], vec![0_u32; folds]);
    let mut fold = vec![0; order.len()];
    for &i in order {
        let group = group[i] * folds;
        let f = (0..folds).min_by_key(|f| (of_group[group + f], all[*f])).unwrap_or(0);
        of_group[group + f] += 1;
        all[f] += 1;
        fold[i] = f;
    }
    fold
}

/// Whether there are two classes outside each fold, with weight.
fn check_classes(examples: &Examples, fold: &[usize], folds: usize) -> Result<()> {
    let labels = examples.labels();
    for f in 0..folds {
        let mut outside = (0..labels.len()).filter(|i| fold[*i] != f && examples.weights()[*i] > 0.0);
        let first = outside.next().map(|i| labels[i]);
        if outside.all(|i| Some(labels[i]) == first) {
            let y = first.unwrap_or(f64::NAN);
            let value = format!("{y} in every row that weighs something outside fold {}", f + 1);
            return Err(Error::invalid("labels", value, "of two classes, with at least two examples each"));
        }
    }
    Ok(())
}

/// The place of each value among those that there are.
fn ranks<T: Ord + Copy>(values: impl Iterator<Item = T>) -> Vec<usize> {
    let values: Vec<T> = values.collect();
    let mut sorted = values.clone();
    sorted.sort_unstable();
    sorted.dedup();
    values.iter().map(|value| sorted.partition_point(|other| other < value)).collect()
}

/// Some of the examples, with their weights.
fn subset(examples: &Examples, rows: &[usize]) -> Result<Examples> {
    let features = rows.iter().flat_map(|i| examples.row(*i)).copied().collect();
    let labels = rows.iter().map(|i| examples.labels()[*i]).collect();
    let weights = rows.iter().map(|i| examples.weights()[*i]).collect();
    Examples::new(examples.width(), features, labels)?.weighted(weights)
}
