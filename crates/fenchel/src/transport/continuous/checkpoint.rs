//! The state of a continuous solve as bytes, and back.
//!
//! States are taken where nothing is half done: before a sample is drawn, between the draws of a certificate, between chunks of steps.

use super::problem::{Ready, purpose};
use super::{samples, sgd};
use crate::error::Result;
use crate::optim::{Fingerprint, Loop, Saved, digest};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The first bytes; the number is that of the format.
const MARK: &[u8] = b"fenchel continuous checkpoint 1\n";

/// Points of either side that stand for it in the fingerprint.
const POINTS: usize = 1024;

/// Where a continuous solve can go on: what an observer is offered ([`Observer::resumable`](crate::optim::Observer::resumable)) and
/// [`Continuous::resume`](super::Continuous::resume) takes up again. The bytes hold the solver's state, a fingerprint of problem and
/// settings, and a checksum.
#[derive(Debug, Clone)]
pub struct Checkpoint(pub(super) Saved<State>);

/// The state of either kind of method.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum State {
    Samples(Box<samples::State>),
    Sgd(Box<sgd::State>),
}

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

    /// Seconds that the solve had taken.
    pub fn seconds(&self) -> f64 {
        self.0.seconds
    }

    /// Points that the solver had drawn.
    pub fn samples(&self) -> u64 {
        match &self.0.state {
            State::Samples(state) => state.samples,
            State::Sgd(state) => state.samples,
        }
    }

    /// Refuses the state of another problem.
    pub(super) fn check(&self, ready: &Ready) -> Result<()> {
        self.0.check(&fingerprint(ready)?, ("problem", "problem and settings"))
    }
}

/// Offers states, with the fingerprint of their problem.
#[derive(Debug, Default)]
pub(super) struct Saver {
    fingerprint: Option<Fingerprint>,
}

impl Saver {
    pub(super) fn offer(&mut self, ready: &Ready, control: &mut Loop<'_>, state: &mut dyn FnMut() -> State) {
        let seconds = control.seconds();
        control.resumable(&mut || {
            // Without a fingerprint the state is refused when it is taken up.
            let fingerprint = self.fingerprint.get_or_insert_with(|| fingerprint(ready).unwrap_or_default());
            Saved::bytes(MARK, fingerprint, seconds, &state())
        });
    }
}

fn fingerprint(ready: &Ready) -> Result<Fingerprint> {
    let points = |drawn: &super::problem::Drawn| -> Result<String> {
        let own =
            drawn.source.cloud().map_or((&[][..], &[][..]), |c| (c.points(), c.weights().unwrap_or(&[])));
        let sample = drawn.independent(purpose::FINGERPRINT, 0, POINTS, ready.seed)?;
        Ok(digest(&[&sample, own.0, own.1]))
    };
    let settings = &ready.settings;
    let entries: [(&str, String); 12] = [
        ("the version of fenchel", env!("CARGO_PKG_VERSION").into()),
        ("the source", ready.source.source.name()),
        ("the source's points", points(&ready.source)?),
        ("the target", ready.target.source.name()),
        ("the target's points", points(&ready.target)?),
        ("the cost", ready.cost.name()),
        ("the divergence", ready.divergence.name()),
        ("λ", format!("{}", ready.lambda)),
        ("the solver", format!("{:?}", settings.solver).to_lowercase()),
        ("the tolerance", settings.tolerance.to_string()),
        ("the seed", settings.seed.to_string()),
        (
            "the budget of samples and memory",
            format!("{} and {:?} bytes", settings.max_samples, settings.memory),
        ),
    ];
    Ok(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
