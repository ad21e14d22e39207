//! Passes over the examples in batches, with nothing to tune.
//!
//! With the threshold α as one more variable the risk is a sum over examples,
//!
//! ```text
//! min over θ, α of  α + Σ p̂_i λ f*((ℓ_i(θ) − α)/λ) + penalty(θ).
//! ```
//!
//! What makes it hard for stochastic gradients is not noise but a few examples that decide: their terms are exponentials. So
//! the examples of largest loss, about a batch and four for each parameter, are kept and count exactly; all others are
//! summed up in a quadratic model each time they are seen, at where the iterate then is. The sums of the pass before stand
//! for what this pass has not come to yet. After each batch one or two Newton steps go to the minimum of kept examples, sums
//! and penalty. Memory is that of a batch and of two Hessians.
//!
//! For half a pass the steps go to the least mean loss, λ = ∞: from anywhere, as models of the mean hold far. The sums of that
//! are the first to stand for rows to come. From there λ falls from the spread of the losses to its value within the first passes,
//! so that the models hold. The λ of a radius is found anew for the losses after each pass. Corners of risk, loss and penalty are
//! rounded over a share of the spread that is halved after a pass that did no harm and raised after one that did.

mod mean;
mod quadratic;
mod walk;

use super::batch::Batches;
use super::linear::stage;
use super::{Linear, Trained};
use crate::measure::stream;
use crate::optim::{Loop, Observer, Progress, Status, checked_seconds};
use crate::{Error, Result};
use walk::Walk;

/// Rows of a batch that are taken up at once, at most.
const PIECE: usize = 50;
/// Two passes that end so much above the best, as a share of it, are astray, and one that ends so much more.
const ASTRAY: f64 = 0.5;
const LOST: f64 = 10.0;
/// Corners are too sharp where a pass ends so much above the best.
const ROUGH: f64 = 0.02;
/// How often an observer is asked in a pass, about: in memory, and where it takes longer.
const LOOKS: usize = 16;
const LOOKS_STREAMED: usize = 256;
/// While a pass gains so many times what is to be proved, a bound that costs passes is not asked for.
const PROMISING: f64 = 10.0;

/// How passes are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Passes {
    /// Examples in a batch.
    pub batch: usize,
    /// Passes over the examples, at most.
    pub epochs: u32,
    /// Seed of the order of examples.
    pub seed: u64,
    /// Seconds, at most; the bound in the end comes on top. None is unlimited.
    pub max_seconds: Option<f64>,
}

impl Default for Passes {
    fn default() -> Self {
        Passes { batch: 100, epochs: 50, seed: 0, max_seconds: None }
    }
}

impl Linear<'_> {
    /// Fits by passes over batches of examples, from coefficients 0 or from `start`: intercepts and coefficients as those of
    /// [`Fit`](super::Fit). There is no step size. A start at which the objective is above that of coefficients 0 is left for
    /// these.
    ///
    /// It ends, converged, when the certified gap is within `tolerance` of the objective, or after the passes or the time allowed; the
    /// model is the best that ended a pass.
    ///
    /// ```
    /// use fenchel::divergence;
    /// use fenchel::optim::Silent;
    /// use fenchel::robust::{Examples, Linear, Options, Passes, Risk, Strength, loss};
    ///
    /// let x: Vec<f64> = (0..500).map(|i| f64::from(i % 20) / 10.0).collect();
    /// let y = x.iter().enumerate().map(|(i, x)| 2.0 * x + (i % 7) as f64 / 7.0).collect();
    /// let examples = Examples::new(1, x, y)?;
    /// let risk = Risk::new(divergence::parse("kl")?, Strength::Penalty(0.1))?;
    /// let model = Linear::new(&examples, loss::parse("squared")?, risk, Options::default())?;
    /// let trained = model.passes(&Passes { batch: 10, ..Passes::default() }, 1e-6, None, &mut Silent)?;
    /// assert!(trained.fit.status.is_converged());
    /// # Ok::<(), fenchel::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a batch of 0, seconds that are negative or NaN, or a divergence of its own for each example; as [`Linear::fit_from`] for
    /// `start`.
    pub fn passes(
        &self,
        settings: &Passes,
        tolerance: f64,
        start: Option<(&[f64], &[f64])>,
        observer: &mut dyn Observer,
    ) -> Result<Trained> {
        if settings.batch == 0 {
            return Err(Error::invalid("batch", 0, "at least 1"));
        }
        checked_seconds(settings.max_seconds)?;
        let mut gamma =
            start.map_or_else(|| Ok(vec![0.0; self.parameters()]), |start| self.checked_start(start))?;
        let exact = self.objective();
        let mut run = Loop::new(settings.max_seconds, observer);
        let (mut state, mut best) = self.begun(&exact, &gamma)?;
        let mut history = vec![state.value];
        if best.first < best.objective {
            gamma.fill(0.0);
            (best.objective, best.gamma) = (best.first, gamma.clone());
        }
        let batches = Batches::new(&exact, settings.batch);
        let mut walk = Walk::new(self.risk(), &exact, settings, gamma, self.has_corners())?;
        let streamed = self.design_is_streamed();
        let mut status = Status::MaxIterations;
        let mut worse = 0;
        let count = batches.len().div_ceil(settings.batch);
        let each = (count / if streamed { LOOKS_STREAMED } else { LOOKS }).max(1);
        for epoch in 0..settings.epochs {
            let mut ended = None;
            let mut pass = batches.pass(stream(settings.seed, 1, u64::from(epoch)));
            let mut b = 0;
            'pass: while pass.turn()? {
                for rows in pass.order.chunks(settings.batch) {
                    if b % each == 0 {
                        ended = run.check(&Progress {
                            phase: "passing",
                            fraction: (f64::from(epoch) + b as f64 / count as f64).min(f64::from(epoch + 1))
                                / f64::from(settings.epochs),
                            samples: u64::from(epoch) * batches.len() as u64,
                            error: best.gap() / best.objective.abs(),
                            target: tolerance,
                            iterate: &[],
                        });
                        if ended.is_some() {
                            break 'pass;
                        }
                    }
                    rows.chunks(PIECE).for_each(|rows| walk.take(&pass, rows));
                    b += 1;
                }
            }
            drop(pass);
            walk.end_pass();
            exact.evaluate(walk.gamma(), &mut state);
            self.check_files()?;
            history.push(state.value);
            let gain = best.objective - state.value;
            let is_best = gain > 0.0;
            if state.value < best.objective {
                (best.objective, best.gamma) = (state.value, walk.gamma().to_vec());
                walk.measure(&state.losses);
            }
            if let Some(ended) = ended {
                status = ended;
                break;
            }
            let is_at_last = walk.is_at_last();
            if let Some(worst) = state.worst {
                walk.follow(worst.lambda);
            }
            if is_at_last {
                // Sums that mislead are thrown away.
                let above = state.value - best.objective;
                walk.sharpen(above > best.wanted(ROUGH));
                worse = if above > best.wanted(ASTRAY) { worse + 1 } else { 0 };
                if worse == 2 || above > best.wanted(LOST) {
                    worse = 0;
                    stage(&exact, walk.retreat()).evaluate(&best.gamma, &mut state);
                    self.check_files()?;
                    if let Some(worst) = state.worst {
                        walk.go_back(&best.gamma, worst.threshold);
                    }
                }
            }
            // Where examples have to be read for it, once the objective hardly falls any more.
            if walk.is_at_last() && !(streamed && gain > PROMISING * best.wanted(tolerance)) {
                self.bound_after(epoch, &exact, walk.spread, &mut state, &mut best, is_best)?;
                if best.gap() <= best.wanted(tolerance) {
                    status = Status::Converged;
                    break;
                }
            }
        }
        if best.gap() > best.wanted(tolerance) {
            if status == Status::MaxIterations {
                self.bound_in_the_end(&exact, walk.spread, &mut state, &mut best)?;
                if best.gap() <= best.wanted(tolerance) {
                    status = Status::Converged;
                }
            } else if !streamed {
                self.bound_after(0, &exact, walk.spread, &mut state, &mut best, false)?;
            }
        }
        let steps = walk.steps;
        drop((walk, state));
        let fit = self.finish(&exact, best, status, steps, run.seconds())?;
        Ok(Trained { fit, step: None, rho: None, rho_bias: None, overflows: 0, history })
    }
}
