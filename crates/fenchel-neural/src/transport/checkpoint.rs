//! The state of a training as bytes, and back: one that goes on from them ends with the bits it would have ended with.

use super::training::{Run, State};
use crate::network::{Network, parameters};
use crate::purpose;
use fenchel::Result;
use fenchel::measure::Design;
use fenchel::optim::{Fingerprint, Saved, digest, of_another};
use std::path::Path;

/// The first bytes; the number is that of the format.
const MARK: &[u8] = b"fenchel potential training 1\n";

/// Points of either side that measures are known by.
const KNOWN: usize = 64;

/// What a state is of, and what must be the same.
const OF: (&str, &str) = ("training", "networks, problem and settings");

/// Where a training of potentials can go on.
///
/// An observer is offered the bytes ([`Observer::resumable`](fenchel::optim::Observer::resumable)) before the first step and a few times a
/// second; [`NeuralTransport::resume`](super::NeuralTransport::resume) takes them up again. They hold the parameters and what the
/// optimiser remembers of each size of step that is still tried, a fingerprint of problem and settings, and a checksum.
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

    /// Steps that were taken.
    pub fn steps(&self) -> u64 {
        self.0.state.t
    }
}

/// Makes the bytes of states, with the fingerprint of their training.
pub(super) struct Saver {
    fingerprint: Fingerprint,
    parameters: usize,
}

impl Saver {
    pub(super) fn new<U: Network, V: Network>(run: &Run<'_>, networks: &(U, V)) -> Result<Self> {
        Ok(Saver { fingerprint: fingerprint(run, networks)?, parameters: parameters::count(networks) })
    }

    /// The bytes that [`Checkpoint::from_bytes`] takes.
    pub(super) fn bytes(&self, seconds: f64, state: &State) -> Vec<u8> {
        Saved::bytes(MARK, &self.fingerprint, seconds, state)
    }

    /// The state; refuses that of another training.
    pub(super) fn open(&self, checkpoint: &Checkpoint) -> Result<State> {
        let state = &checkpoint.0.state;
        let fits = !state.walks.is_empty()
            && state.best.parameters.len() == self.parameters
            && state.walks.iter().all(|walk| {
                walk.parameters.len() == self.parameters && walk.optimiser.parameters() == self.parameters
            });
        if !fits {
            return Err(of_another(OF, "the number of parameters"));
        }
        checkpoint.0.check(&self.fingerprint, OF)?;
        Ok(state.clone())
    }
}

/// How long a training lasts is no part of it.
fn fingerprint<U: Network, V: Network>(run: &Run<'_>, (u, v): &(U, V)) -> Result<Fingerprint> {
    let (problem, settings) = (&run.transport.problem, run.settings);
    let [xs, ys] = run.points(Design::Iid, purpose::PILOT, 0, KNOWN)?;
    let entries = [
        ("the version of fenchel", env!("CARGO_PKG_VERSION").to_owned()),
        ("the network of u", u.description()),
        ("the network of v", v.description()),
        ("the source", problem.source().name()),
        ("the target", problem.target().name()),
        ("the points of the source", digest(&[&xs])),
        ("the points of the target", digest(&[&ys])),
        ("the cost", problem.cost().name()),
        ("the divergence", problem.divergence().name()),
        ("λ", run.dual.lambda.to_string()),
        ("the objective", run.transport.objective.to_string()),
        ("the batch", format!("{}, {} pairs", settings.batch, settings.pairs.name())),
        ("the rule", format!("{:?}", settings.rule).to_lowercase()),
        ("the step", format!("{:?}", settings.step)),
        ("early stopping", format!("{:?} of {} steps", settings.patience, settings.every).to_lowercase()),
        ("the validation points", settings.validation.to_string()),
        ("the seed", settings.seed.to_string()),
    ];
    Ok(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
