//! From a potential v to a coupling, and what is known about it.

use super::basis::KernelPotential;
use super::certificate::{Evidence, Sizes, certify};
use super::coupling::{Coupling, Support};
use super::potential::{CTransform, Potential};
use super::problem::{Ended, Ready, Side, purpose};
use crate::error::{Error, Result};
use crate::optim::{Loop, Progress, Silent, Status};
use std::sync::Arc;

/// Points of either side of the certificate, and of the samples that v is extended from.
const POINTS: usize = 2048;

/// Pairs of samples of a certificate.
pub(super) const REPLICATES: usize = 8;

/// What v is: the c-transform of u between samples, of a kernel, or from anywhere.
pub(super) enum Given {
    Samples,
    Kernel(KernelPotential),
    Own(Arc<dyn Potential>),
}

/// The coupling of numbers φ at points of the target, which are v there: u is their c-transform.
pub(super) fn coupled(ready: &Ready, (xs, ys): (&Side, &Side), phi: Vec<f64>, v: Given) -> Result<Coupling> {
    let (cost, divergence) = ready.forces();
    let u = CTransform::new(&ys.cloud(ready.dim)?, phi.clone(), cost, divergence, ready.lambda)?;
    let supports = (Support::new(xs, u.values(&xs.points)?), Support::new(ys, phi));
    let (kernel, own) = match v {
        Given::Samples => (None, None),
        Given::Kernel(kernel) => (Some(kernel), None),
        Given::Own(v) => (None, Some(v)),
    };
    Coupling::new(ready.forces(), ready.dim, ready.lambda, supports, kernel, own)
}

/// Extends v by its c-transform over a sample of ν, and certifies; the status if that had to end early. A run that was interrupted gets the certificate
/// that takes no time.
pub(super) fn extend(
    ready: &Ready,
    v: &dyn Potential,
    given: Given,
    interrupted: bool,
    control: &mut Loop<'_>,
) -> Result<(Evidence, Coupling, Option<Status>)> {
    let n = POINTS.min(ready.settings.max_samples);
    let key = purpose::TRAINING;
    let (xs, ys) = (ready.source.points(key, n, ready.seed)?, ready.target.points(key, n, ready.seed)?);
    let coupling = coupled(ready, (&xs, &ys), v.values(&ys.points)?, given)?;
    let (u, v) = (coupling.u().clone(), coupling.v().clone());
    let progress = Progress {
        phase: "certifying",
        fraction: 1.0,
        samples: 0,
        error: f64::NAN,
        target: ready.settings.tolerance,
        iterate: &[],
    };
    let mut ended = None;
    if !interrupted {
        let sizes = Sizes { replicates: REPLICATES, points: n, solved: n, stream: purpose::CERTIFICATE };
        match certify(ready, &*u, &*v, sizes, progress, (Vec::new(), &mut |_, _| {}), control)? {
            Ok(evidence) => return Ok((evidence, coupling, None)),
            Err(Ended(status)) => ended = Some(status),
        }
    }
    Ok((unsolved(ready, &*u, &*v, 0)?, coupling, ended))
}

/// What can be said in no time, without solving anything.
pub(super) fn unsolved(ready: &Ready, u: &dyn Potential, v: &dyn Potential, stage: u64) -> Result<Evidence> {
    let stream = purpose::CERTIFICATE + stage * (1 << 20) + (1 << 19);
    let sizes = Sizes { replicates: 4, points: 1024, solved: 0, stream };
    let progress = Progress {
        phase: "certifying",
        fraction: 1.0,
        samples: 0,
        error: f64::NAN,
        target: ready.settings.tolerance,
        iterate: &[],
    };
    let mut silent = Silent;
    certify(ready, u, v, sizes, progress, (Vec::new(), &mut |_, _| {}), &mut Loop::new(None, &mut silent))?
        .map_err(|Ended(status)| Error::invalid("the run", status, "one that nobody stops"))
}

/// Converged if the interval is as narrow as asked, otherwise `status`.
pub(super) fn judged(ready: &Ready, evidence: &Evidence, status: Status) -> Status {
    if evidence.interval.width() <= ready.settings.tolerance * ready.unit {
        Status::Converged
    } else {
        status
    }
}
