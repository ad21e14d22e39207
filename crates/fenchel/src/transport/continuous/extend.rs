//! From a potential v to a coupling, and what is known about it.

use super::basis::KernelPotential;
use super::certificate::{Evidence, Sizes, certify};
use super::coupling::{Coupling, Support};
use super::potential::{CTransform, Potential};
use super::problem::{Ended, Ready, purpose};
use crate::error::{Error, Result};
use crate::optim::{Loop, Progress, Silent, Status};
use std::sync::Arc;

/// Points of either side of the certificate, and of the samples that v is extended from.
const POINTS: usize = 2048;

/// Pairs of samples of a certificate.
pub(super) const REPLICATES: usize = 8;

/// v from anywhere, or of a kernel.
pub(super) enum Given {
    Own(Arc<dyn Potential>),
    Kernel(KernelPotential),
}

/// Extends v by its c-transform over a sample of ν, and certifies. A run that was interrupted gets the certificate that takes no time.
pub(super) fn extend(
    ready: &Ready,
    given: Given,
    interrupted: bool,
    control: &mut Loop<'_>,
) -> Result<(Evidence, Coupling)> {
    let n = POINTS.min(ready.settings.max_samples);
    let key = purpose::TRAINING;
    let (xs, ys) = (ready.source.points(key, n, ready.seed)?, ready.target.points(key, n, ready.seed)?);
    let (own, kernel) = match given {
        Given::Own(v) => (Some(v), None),
        Given::Kernel(kernel) => (None, Some(kernel)),
    };
    let phi = match (&own, &kernel) {
        (Some(v), _) => v.values(&ys.points)?,
        (None, Some(kernel)) => kernel.values(&ys.points)?,
        (None, None) => Vec::new(),
    };
    let u = CTransform::new(
        &ys.cloud(ready.dim)?,
        phi.clone(),
        ready.cost.clone(),
        ready.divergence.clone(),
        ready.lambda,
    )?;
    let psi = u.values(&xs.points)?;
    let supports = (Support::new(&xs, psi), Support::new(&ys, phi));
    let coupling = Coupling::new(ready.forces(), ready.dim, ready.lambda, supports, kernel, own)?;
    let (u, v) = (coupling.u().clone(), coupling.v().clone());
    let progress = Progress {
        phase: "certifying",
        fraction: 1.0,
        samples: 0,
        error: f64::NAN,
        target: ready.settings.tolerance,
        iterate: &[],
    };
    if !interrupted {
        let sizes = Sizes { replicates: REPLICATES, points: n, solved: n, stream: purpose::CERTIFICATE };
        if let Ok(evidence) =
            certify(ready, &*u, &*v, sizes, progress, (Vec::new(), &mut |_, _| {}), control)?
        {
            return Ok((evidence, coupling));
        }
    }
    let evidence = unsolved(ready, &*u, &*v, 0)?;
    Ok((evidence, coupling))
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
