//! Networks that hold up on the worst case.
//!
//! ```text
//! min over θ, α of  mean_i { α + λ f*((ℓ_i(θ) − α)/λ) }
//! ```
//!
//! is the smooth maximum of the losses of all examples, as an expectation that batches estimate without bias:
//! ∇_θ = mean w_i ∇ℓ_i and ∂_α = 1 − mean w_i, with weights w_i = (f*)'((ℓ_i − α)/λ). The engine makes losses and weights, of any
//! [`Loss`] and [`Divergence`](fenchel::divergence::Divergence), those of users as well; the network's gradients get them as constants.
//!
//! The threshold α needs no tuning. It starts where it is exact, follows each batch of b by an implicit step of length b/1000 in units
//! of λ, which cannot go past what is best for the batch, and is brought down where the last 1000 losses all weigh less than 1 each. After
//! each pass it is exact again, as is the objective that is reported.
//!
//! With a [`Transport`] examples may move as well, at a price: the worst case over unbalanced transport.
//!
//! ```
//! use fenchel::divergence;
//! use fenchel::optim::Silent;
//! use fenchel::robust::{Risk, Strength, loss};
//! use fenchel_neural::network::{Mlp, scores};
//! use fenchel_neural::robust::{Examples, Robust, Settings};
//!
//! // A parabola, with a few labels that are off.
//! let x: Vec<f32> = (0..200).map(|i| i as f32 / 100.0 - 1.0).collect();
//! let y = x.iter().enumerate().map(|(i, x)| f64::from(x * x) + f64::from(u8::from(i % 50 == 0))).collect();
//! let examples = Examples::new(1, x, y)?;
//! let risk = Risk::new(divergence::parse("kl")?, Strength::Penalty(0.5))?;
//! let robust = Robust::new(&examples, loss::parse("squared")?, risk)?;
//!
//! let network = Mlp::new(1, &[16], 1, 1)?;
//! let settings = Settings { batch: 20, epochs: 5, ..Settings::default() };
//! let trained = robust.train(network, &settings, &mut Silent)?;
//! assert!(trained.objective < trained.history[0].objective);
//! # Ok::<(), fenchel::Error>(())
//! ```

mod checkpoint;
mod examples;
mod losses;
mod settings;
mod training;
mod transport;
mod trial;
mod units;
mod weights;

pub use checkpoint::Checkpoint;
pub use examples::Examples;
pub use settings::{Settings, Watch};
pub use transport::{Moved, Transport};
pub use units::Units;

use crate::network::{Network, place};
use fenchel::optim::{Observer, Status};
use fenchel::robust::loss::{Labels, Loss, check_labels};
use fenchel::robust::{Risk, Strength};
use fenchel::{Error, Result};
use losses::{Slopes, of_rows};
use std::sync::Arc;
use training::Run;

/// Examples that are evaluated together.
const BLOCK: usize = 256;

/// A loss and a risk of examples.
#[derive(Debug, Clone)]
pub struct Robust<'a> {
    examples: &'a Examples,
    held: Option<&'a Examples>,
    loss: Arc<dyn Loss>,
    risk: Risk,
    transport: Option<Transport>,
}

/// What a pass has come to.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Epoch {
    /// The risk of all training examples, exact: at the best threshold, KL as it is. Infinite where it is not a finite number.
    pub objective: f64,
    /// The risk whose gradient is estimated, exact as well: that with safe KL for KL.
    pub trained: f64,
    /// Its best threshold α.
    pub threshold: f64,
    /// The validation part, if there is one.
    pub validation: Option<Validation>,
    /// Batches so far whose weights or gradient were not finite numbers.
    pub overflows: u64,
    /// The step size up to here; none before the first pass.
    pub step: Option<f64>,
    /// Seconds so far.
    pub seconds: f64,
}

/// How a network does on the validation part, examples as they are.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Validation {
    /// The risk.
    pub risk: f64,
    /// The mean loss.
    pub loss: f64,
    /// The share of right answers, for losses with classes.
    pub accuracy: Option<f64>,
}

/// What training has come to.
#[derive(Debug, Clone)]
pub struct Trained<N> {
    /// The network: where there is a validation part the one that did best on it, else the last, or with a step that was chosen here the
    /// one whose trained risk is lowest.
    pub network: N,
    /// How the run ended: the budget of passes or time was spent, the validation part got no better for as long as the patience is
    /// (stalled), the observer said stop, or numbers were no longer finite (diverged; the network then is one from before).
    pub status: Status,
    /// The pass that the network is from, 0 the start: an index of `history`.
    pub epoch: usize,
    /// The risk of all training examples at the network, exact.
    pub objective: f64,
    /// α there.
    pub threshold: f64,
    /// Step size, at the end.
    pub step: f64,
    /// ρ of safe KL, if the method has it.
    pub rho: Option<f64>,
    /// Gradient steps.
    pub steps: u64,
    /// Batches whose weights or gradient were not finite numbers; they were passed over, and end the sum of exponentials.
    pub overflows: u64,
    /// The start and each pass.
    pub history: Vec<Epoch>,
    /// Seconds.
    pub seconds: f64,
}

impl<N> Trained<N> {
    /// The same with something else in place of the network.
    pub fn map<M>(self, of: impl FnOnce(N) -> M) -> Trained<M> {
        Trained {
            network: of(self.network),
            status: self.status,
            epoch: self.epoch,
            objective: self.objective,
            threshold: self.threshold,
            step: self.step,
            rho: self.rho,
            steps: self.steps,
            overflows: self.overflows,
            history: self.history,
            seconds: self.seconds,
        }
    }
}

impl<'a> Robust<'a> {
    /// A loss and its risk over the examples. A loss with classes takes their number from the network.
    ///
    /// ```text
    /// losses     squared and others of one score: regression; multinomial: cross-entropy
    /// risk       any with a penalty, or the mean: empirical risk minimisation
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a risk within a radius.
    pub fn new(examples: &'a Examples, loss: Arc<dyn Loss>, risk: Risk) -> Result<Self> {
        if let (Some(_), Strength::Radius(radius)) = (risk.divergence(), risk.strength()) {
            return Err(Error::invalid("strength", format!("a radius, {radius}"), "a penalty, for networks"));
        }
        Ok(Robust { examples, held: None, loss, risk, transport: None })
    }

    /// Examples may move.
    pub fn perturbed(mut self, transport: Transport) -> Self {
        self.transport = Some(transport);
        self
    }

    /// With a validation part, for early stopping and the choice among passes.
    ///
    /// # Errors
    /// [`Error::Shape`] unless it has as many features.
    pub fn validated(mut self, held: &'a Examples) -> Result<Self> {
        if held.width() != self.examples.width() {
            let expected = format!("as many as in training, {}", self.examples.width());
            return Err(Error::shape("features of the validation part", expected, held.width()));
        }
        self.held = Some(held);
        Ok(self)
    }

    /// The risk.
    pub fn risk(&self) -> &Risk {
        &self.risk
    }

    /// Losses of all training examples at a network, moved if they may be.
    ///
    /// # Errors
    /// What does not fit together: widths, scores, labels. [`Error::NonFinite`] for a loss that is not a finite number.
    pub fn losses<N: Network>(&self, network: &N) -> Result<Vec<f64>> {
        let loss = self.fitted(network, self.examples)?;
        let mut losses = Vec::with_capacity(self.examples.len());
        let frozen = network.valid();
        let mut go_on = || None;
        all_losses(&frozen, &*loss, self.transport.as_ref(), self.examples, &mut losses, &mut go_on);
        match losses.iter().position(|x| !x.is_finite()) {
            Some(i) => Err(Error::non_finite("losses", i, losses[i])),
            None => Ok(losses),
        }
    }

    /// The risk of all training examples at a network, with the threshold.
    ///
    /// # Errors
    /// As [`Robust::losses`].
    pub fn evaluate<N: Network>(&self, network: &N) -> Result<fenchel::robust::Worst> {
        let losses = self.losses(network)?;
        self.risk.of(&losses, &[], &mut vec![0.0; losses.len()])
    }

    /// How a network does on examples as they are.
    ///
    /// # Errors
    /// As [`Robust::losses`].
    pub fn validate<N: Network>(&self, network: &N, examples: &Examples) -> Result<Validation> {
        let loss = self.fitted(network, examples)?;
        Ok(validation(&network.valid(), &*loss, &self.risk, examples))
    }

    /// Where the worst case moves training examples to.
    ///
    /// # Errors
    /// As [`Robust::losses`]; [`Error::InvalidValue`] if they may not move.
    pub fn moves<N: Network>(&self, network: &N) -> Result<Moved> {
        let Some(transport) = &self.transport else {
            return Err(Error::invalid("transport", "none", "given, by Robust::perturbed"));
        };
        let loss = self.fitted(network, self.examples)?;
        let frozen = network.valid();
        let mut all = Moved { losses: Vec::new(), costs: Vec::new(), features: Vec::new() };
        for (features, labels) in blocks(self.examples) {
            let part = transport.climb(&frozen, &*loss, features, labels);
            let part = part.ok_or_else(|| Error::non_finite("losses", "some example", f64::INFINITY))?;
            all.losses.extend(part.losses);
            all.costs.extend(part.costs);
            all.features.extend(part.features);
        }
        Ok(all)
    }

    /// Trains a network, from the parameters that it has.
    ///
    /// With a step that is given no run is undone; where numbers are no longer finite it ends as diverged, with the network of the
    /// last pass that was finite. With a step that is chosen here the run goes back to the lowest pass instead, and on with half the step.
    ///
    /// # Errors
    /// Settings outside their domain; a network that does not fit the examples or the loss; labels that the loss does not take; a
    /// divergence that the method has not; a network whose losses are not finite at the start.
    pub fn train<N: Network>(
        &self,
        network: N,
        settings: &Settings,
        observer: &mut dyn Observer,
    ) -> Result<Trained<N>> {
        Run::new(self, &network, settings)?.start(network, None, observer)
    }

    /// Goes on from a checkpoint of the same training, to the bits it would have come to. `network` is one of the same make; its
    /// parameters do not matter. The number of passes and seconds may be other than before.
    ///
    /// # Errors
    /// As [`Robust::train`], and [`Error::InvalidValue`] for the checkpoint of another network, of other examples or settings.
    pub fn resume<N: Network>(
        &self,
        network: N,
        settings: &Settings,
        checkpoint: &Checkpoint,
        observer: &mut dyn Observer,
    ) -> Result<Trained<N>> {
        Run::new(self, &network, settings)?.start(network, Some(checkpoint), observer)
    }

    /// The loss for this network; refuses what does not fit together.
    fn fitted<N: Network>(&self, network: &N, examples: &Examples) -> Result<Arc<dyn Loss>> {
        if network.inputs() != examples.width() {
            let expected = format!("{}, for a {}", network.inputs(), network.description());
            return Err(Error::shape("features of an example", expected, examples.width()));
        }
        let outputs = network.outputs();
        let loss = self.loss.for_classes(outputs).unwrap_or_else(|| self.loss.clone());
        if loss.scores() != outputs {
            let expected = match loss.labels() {
                Labels::Class => "at least 2, one a class".to_owned(),
                _ => format!("{}, for the loss {}", loss.scores(), loss.name()),
            };
            return Err(Error::shape("scores of the network", expected, outputs));
        }
        check_labels(&*loss, examples.labels())?;
        Ok(loss)
    }
}

/// Features and labels of some examples at a time.
fn blocks(examples: &Examples) -> impl Iterator<Item = (&[f32], &[f64])> {
    examples.features().chunks(BLOCK * examples.width()).zip(examples.labels().chunks(BLOCK))
}

/// Losses of all examples at a network without gradients; the status if `check` ends it before.
fn all_losses<N: Network>(
    frozen: &N,
    loss: &dyn Loss,
    transport: Option<&Transport>,
    examples: &Examples,
    out: &mut Vec<f64>,
    check: &mut dyn FnMut() -> Option<Status>,
) -> Option<Status> {
    let mut room = Slopes::default();
    out.clear();
    for (features, labels) in blocks(examples) {
        if let Some(status) = check() {
            return Some(status);
        }
        out.extend(of_rows(frozen, loss, transport, features.to_vec(), labels, &mut room));
    }
    None
}

/// How a network without gradients does; infinite where losses are not finite.
fn validation<N: Network>(frozen: &N, loss: &dyn Loss, risk: &Risk, examples: &Examples) -> Validation {
    let (k, at) = (loss.scores(), place(frozen));
    let (mut losses, mut right, mut room) = (Vec::new(), 0_usize, Slopes::default());
    for (features, labels) in blocks(examples) {
        let rows = crate::network::tensor(features.to_vec(), frozen.inputs(), &at);
        let scores = crate::network::numbers(frozen.forward(rows));
        room.fill(loss, &scores, labels);
        losses.extend_from_slice(&room.losses);
        right += scores.chunks_exact(k).zip(labels).filter(|(z, y)| answer(loss, z) == Some(**y)).count();
    }
    let n = losses.len() as f64;
    let finite = losses.iter().all(|x| x.is_finite());
    let mean = if finite { losses.iter().map(|x| x / n).sum() } else { f64::INFINITY };
    let worst = risk.of(&losses, &[], &mut vec![0.0; losses.len()]);
    let has_classes = matches!(loss.labels(), Labels::Class | Labels::Sign);
    Validation {
        risk: worst.map_or(f64::INFINITY, |worst| worst.value),
        loss: mean,
        accuracy: has_classes.then_some(right as f64 / n),
    }
}

/// The label that scores speak for.
fn answer(loss: &dyn Loss, z: &[f32]) -> Option<f64> {
    match loss.labels() {
        Labels::Sign => Some(if z[0] >= 0.0 { 1.0 } else { -1.0 }),
        Labels::Class => {
            let top = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            z.iter().position(|z| *z == top).map(|class| class as f64)
        }
        _ => None,
    }
}
