//! The state of a solve as bytes, and back: a solve that goes on from them ends with the bits it would have ended with.
//!
//! States are taken where nothing is half done: before a net is drawn, between the nets of a certificate, between the
//! draws of the stochastic method. What they do not hold follows from the problem, whose fingerprint they carry.

use super::auto::{Finish, Run};
use super::certificate::Draw;
use super::levels::Level;
use super::problem::{Frozen, purpose};
use super::settings::Settings;
use super::solution::HistoryPoint;
use crate::error::Result;
use crate::measure::{Design, Sampler};
use crate::optim::{Fingerprint, Loop, Saved, digest, of_another};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The first bytes; the number is that of the format.
const MARK: &[u8] = b"fenchel checkpoint 1\n";

/// Points of the source that stand for it in the fingerprint.
const POINTS: usize = 1024;

/// Where a solve can go on.
///
/// An observer is offered the bytes ([`Observer::resumable`](crate::optim::Observer::resumable)),
/// [`SemiDiscrete::resume`](super::SemiDiscrete::resume) takes them up again. They hold
/// the solver's state, a fingerprint of problem and settings, and a checksum.
///
/// ```
/// use fenchel::optim::{Flow, Observer, Progress};
/// use fenchel::transport::{Checkpoint, Lambda, SemiDiscrete, Settings};
/// use fenchel::{cost, divergence, measure};
///
/// /// Stops soon, and keeps the last state.
/// struct Impatient(usize, Vec<u8>);
///
/// impl Observer for Impatient {
///     fn progress(&mut self, _: &Progress<'_>) -> Flow {
///         self.0 += 1;
///         if self.0 == 5 { Flow::Stop } else { Flow::Continue }
///     }
///     fn resumable(&mut self, save: &mut dyn FnMut() -> Vec<u8>) {
///         self.1 = save();
///     }
/// }
///
/// let problem = SemiDiscrete::new(
///     measure::parse("gaussian:1")?,
///     measure::PointCloud::new(1, vec![-1.0, 0.0, 2.0])?,
///     cost::parse("sqeuclidean")?,
///     divergence::parse("kl")?,
///     Lambda::Absolute(0.1),
/// )?;
/// let settings = Settings { tolerance: 1e-2, ..Settings::default() };
/// let mut impatient = Impatient(0, Vec::new());
/// problem.solve(&settings, &mut impatient)?;
/// let checkpoint = Checkpoint::from_bytes("memory", &impatient.1)?;
/// let resumed = problem.resume(&settings, &checkpoint, &mut fenchel::optim::Silent)?;
/// let uninterrupted = problem.solve(&settings, &mut fenchel::optim::Silent)?;
/// assert_eq!(resumed.interval, uninterrupted.interval);
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Checkpoint(pub(crate) Saved<State>);

/// What a state is of, and what must be the same.
const OF: (&str, &str) = ("problem", "problem and settings");

/// What [`Run`] holds, and where it was.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) phi: Vec<f64>,
    pub(crate) lambda: f64,
    pub(crate) ridge: f64,
    pub(crate) len: usize,
    pub(crate) seconds: f64,
    pub(crate) shared: f64,
    pub(crate) blur: f64,
    pub(crate) shows: f64,
    pub(crate) before: (f64, f64),
    pub(crate) predicted: f64,
    pub(crate) confirmed: bool,
    pub(crate) solved_lambda: f64,
    pub(crate) nets: u64,
    pub(crate) certificates: u64,
    pub(crate) samples: u64,
    /// Pairs evaluated, of how many.
    pub(crate) work: (u64, u64),
    pub(crate) history: Vec<HistoryPoint>,
    pub(crate) whole: bool,
    pub(crate) rows: usize,
    pub(crate) delta: f64,
    pub(crate) level: usize,
    pub(crate) place: Place,
}

/// Where a solve was.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Place {
    /// Before a stage on the way down.
    Anneal(f64),
    /// Before a net at the final λ.
    Grow(Finish),
    /// In a certificate, after some of its nets.
    Certify(Option<Finish>, Drawn),
    /// Between draws of the stochastic method.
    Ascend(Ascending),
}

/// The nets of a certificate so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Drawn {
    pub(crate) draws: Vec<Draw>,
    pub(crate) samples: u64,
}

/// The stochastic method after `t` steps.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Ascending {
    pub(crate) t: u64,
    pub(crate) report: u64,
    pub(crate) phi: Vec<f64>,
    pub(crate) mean: Vec<f64>,
    pub(crate) value: f64,
    pub(crate) slope: Vec<f64>,
    pub(crate) window: f64,
}

impl Ascending {
    /// Before the first step, of `n` potentials.
    pub(crate) fn new(n: usize) -> Self {
        let zeros = || vec![0.0; n];
        Ascending { report: 16, phi: zeros(), mean: zeros(), slope: zeros(), ..Ascending::default() }
    }
}

impl Checkpoint {
    /// How the bytes begin.
    pub(super) const MARK: &[u8] = MARK;

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

    /// Samples that the solver had drawn.
    pub fn samples(&self) -> u64 {
        self.0.state.samples
    }

    /// Refuses the state of another problem.
    pub(crate) fn check(&self, problem: &Frozen, settings: &Settings) -> Result<()> {
        self.0.check(&fingerprint(problem, settings)?, OF)
    }
}

/// Makes the bytes of states, with the fingerprint of their problem.
#[derive(Debug, Default)]
pub(crate) struct Saver {
    fingerprint: Option<Fingerprint>,
}

impl Saver {
    /// The bytes that [`Checkpoint::from_bytes`] takes.
    fn bytes(&mut self, problem: &Frozen, settings: &Settings, seconds: f64, state: &State) -> Vec<u8> {
        // Without a fingerprint the state is refused when it is taken up.
        let fingerprint =
            self.fingerprint.get_or_insert_with(|| fingerprint(problem, settings).unwrap_or_default());
        Saved::bytes(MARK, fingerprint, seconds, state)
    }
}

/// Offers the states of a certificate.
#[derive(Debug)]
pub(crate) struct Offers<'a> {
    pub(crate) saver: &'a mut Saver,
    pub(crate) settings: &'a Settings,
    pub(crate) state: State,
}

impl Offers<'_> {
    /// Offers the state with these nets of the certificate done.
    pub(crate) fn offer(&mut self, problem: &Frozen, draws: &[Draw], samples: u64, control: &mut Loop<'_>) {
        if let Place::Certify(_, drawn) = &mut self.state.place {
            *drawn = Drawn { draws: draws.to_vec(), samples };
        }
        self.state.work = problem.work.get();
        let seconds = control.seconds();
        control.resumable(&mut || self.saver.bytes(problem, self.settings, seconds, &self.state));
    }
}

impl<'a> Run<'a, '_> {
    /// Offers the state to the observer, unless the run is about to end.
    pub(crate) fn offer(&mut self, place: Place) {
        if self.ended.is_some() {
            return;
        }
        let state = self.state(place);
        let seconds = self.control.seconds();
        let Run { full, settings, control, saver, .. } = self;
        control.resumable(&mut || saver.bytes(full, settings, seconds, &state));
    }

    /// The state, which is at `place`.
    pub(crate) fn state(&self, place: Place) -> State {
        State {
            phi: self.phi.clone(),
            lambda: self.lambda,
            ridge: self.ridge,
            len: self.len,
            seconds: self.seconds,
            shared: self.shared,
            blur: self.blur,
            shows: self.shows,
            before: self.before,
            predicted: self.predicted,
            confirmed: self.confirmed,
            solved_lambda: self.solved_lambda,
            nets: self.nets,
            certificates: self.certificates,
            samples: self.samples,
            work: self.full.work.get(),
            history: self.history.clone(),
            whole: self.whole,
            rows: self.rows,
            delta: self.delta,
            level: self.level,
            place,
        }
    }

    /// Takes the state up, of a problem with these levels; where to go on.
    pub(crate) fn restore(&mut self, state: State, levels: &'a [Level]) -> Result<Place> {
        self.enter(levels, state.level);
        if state.phi.len() != self.problem.atoms() {
            return Err(of_another(OF, "the number of potentials"));
        }
        let State { phi, lambda, ridge, len, seconds, shared, predicted, confirmed, place, .. } = state;
        (self.phi, self.lambda, self.ridge, self.len, self.seconds) = (phi, lambda, ridge, len, seconds);
        (self.shared, self.predicted, self.confirmed) = (shared, predicted, confirmed);
        (self.blur, self.delta) = (state.blur, state.delta);
        (self.shows, self.before) = (state.shows, state.before);
        self.solved_lambda = state.solved_lambda;
        (self.nets, self.certificates) = (state.nets, state.certificates);
        (self.samples, self.history) = (state.samples, state.history);
        self.full.work.set(state.work);
        (self.whole, self.rows) = (state.whole, state.rows);
        Ok(place)
    }
}

/// What a problem and its settings are known by.
fn fingerprint(problem: &Frozen, settings: &Settings) -> Result<Fingerprint> {
    let mut points = vec![0.0; POINTS * problem.dim];
    Sampler::new(&*problem.source, Design::Iid, settings.seed, purpose::FINGERPRINT).fill(0, &mut points)?;
    let moments = problem.source.moments().unwrap_or_default();
    let own = problem.source.cloud().map_or((&[][..], &[][..]), |c| (c.points(), c.weights().unwrap_or(&[])));
    let coordinates: Vec<&[f64]> = (0..problem.dim).map(|k| problem.points.coordinate(k)).collect();
    let active: Vec<f64> = problem.active.iter().map(|i| f64::from(*i)).collect();
    let entries: [(&str, String); 13] = [
        ("the version of fenchel", env!("CARGO_PKG_VERSION").into()),
        ("the source", problem.source.name()),
        ("the source's points", digest(&[&points, &moments.0, &moments.1, own.0, own.1])),
        ("the atoms", digest(&[&coordinates.concat(), &[problem.total as f64], &active])),
        ("the weights", digest(&[&problem.nu])),
        ("the reference weights", digest(&[&problem.eta, &[problem.eta_rest]])),
        ("the cost", problem.cost.name()),
        ("the divergence", problem.divergence.name()),
        ("λ", format!("{}", problem.lambda)),
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
