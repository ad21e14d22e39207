//! The state of a training as bytes, and back: one that goes on from them ends with the bits it would have ended with.

use super::Examples;
use super::training::{Run, State};
use crate::network::{Network, parameters};
use fenchel::Result;
use fenchel::optim::{Digest, Fingerprint, Saved, of_another};
use fenchel::robust::Strength;
use std::path::Path;

/// The first bytes; the number is that of the format.
const MARK: &[u8] = b"fenchel network training 1\n";

/// What a state is of, and what must be the same.
const OF: (&str, &str) = ("training", "network, examples and settings");

/// Where a training can go on.
///
/// An observer is offered the bytes ([`Observer::resumable`](fenchel::optim::Observer::resumable)) before the first batch, a few times a
/// second and after each pass; [`Robust::resume`](super::Robust::resume) takes them up again. They hold parameters and what the
/// optimiser remembers, a fingerprint of examples and settings, and a checksum.
/// [`CheckpointFile::headed`](fenchel::transport::CheckpointFile::headed) with [`Checkpoint::MARK`] keeps them in a file.
#[derive(Debug, Clone)]
pub struct Checkpoint(Saved<State>);

impl Checkpoint {
    /// How the bytes begin.
    pub const MARK: &[u8] = MARK;

    /// Reads the bytes that an observer was offered; `place` is for messages.
    ///
    /// # Errors
    /// Bytes that are no checkpoint, of another version of the format, cut off or damaged.
    pub fn from_bytes(place: impl AsRef<Path>, bytes: &[u8]) -> Result<Self> {
        Ok(Checkpoint(Saved::from_bytes(MARK, place, bytes)?))
    }

    /// Seconds that the training had taken.
    pub fn seconds(&self) -> f64 {
        self.0.seconds
    }

    /// Passes that were complete.
    pub fn epochs(&self) -> u32 {
        self.0.state.epoch
    }
}

/// Makes the bytes of states, with the fingerprint of their training.
pub(super) struct Saver {
    fingerprint: Fingerprint,
    parameters: usize,
}

impl Saver {
    pub(super) fn new<N: Network>(run: &Run<'_>, network: &N) -> Self {
        Saver { fingerprint: fingerprint(run, network), parameters: parameters::count(network) }
    }

    /// The bytes that [`Checkpoint::from_bytes`] takes.
    pub(super) fn bytes(&self, seconds: f64, state: &State) -> Vec<u8> {
        Saved::bytes(MARK, &self.fingerprint, seconds, state)
    }

    /// The state; refuses that of another training.
    pub(super) fn open(&self, checkpoint: &Checkpoint) -> Result<State> {
        let state = &checkpoint.0.state;
        let fits = state.moving.parameters.len() == self.parameters
            && state.moving.optimiser.parameters() == self.parameters;
        if !fits {
            return Err(of_another(OF, "the number of parameters"));
        }
        checkpoint.0.check(&self.fingerprint, OF)?;
        Ok(state.clone())
    }
}

/// How long a training lasts is no part of it.
fn fingerprint<N: Network>(run: &Run<'_>, network: &N) -> Fingerprint {
    let (robust, settings) = (run.robust, run.settings);
    let risk = match (robust.risk.divergence(), robust.risk.strength()) {
        (Some(f), Strength::Penalty(lambda)) => format!("{} of strength {lambda}", f.name()),
        _ => "the mean".to_owned(),
    };
    let entries = [
        ("the version of fenchel", env!("CARGO_PKG_VERSION").to_owned()),
        ("the network", network.description()),
        ("the examples", digest(robust.examples)),
        ("the validation part", robust.held.map_or("none".to_owned(), digest)),
        ("the loss", run.loss.name()),
        ("the risk", risk),
        ("moves of examples", format!("{:?}", robust.transport).to_lowercase()),
        ("the method", format!("{} with ρ {:?}", settings.method.name(), settings.rho)),
        ("the rule", format!("{:?}", settings.rule).to_lowercase()),
        ("the batch", settings.batch.to_string()),
        ("the step", format!("{:?}", settings.step)),
        ("early stopping", format!("{:?} on {:?}", settings.patience, settings.watch).to_lowercase()),
        ("the seed", settings.seed.to_string()),
    ];
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn digest(examples: &Examples) -> String {
    let mut digest = Digest::default();
    digest.word(examples.len() as u64);
    examples.features().iter().for_each(|x| digest.word(u64::from(x.to_bits())));
    examples.labels().iter().for_each(|y| digest.word(y.to_bits()));
    format!("#{:016x}", digest.finish())
}
