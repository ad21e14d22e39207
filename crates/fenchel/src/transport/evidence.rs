//! How a run certifies what it has: as well as was asked for, or as well as the time allows.

use super::auto::{FIRST, Finish, PROBE, Run};
use super::certificate::{self, Evidence, certify};
use super::checkpoint::{Drawn, Offers, Place};
use super::evaluate::{Want, pass};
use super::net::Net;
use super::newton::center;
use crate::error::Result;
use crate::optim::{Loop, Silent, Status};

/// Nets of a certificate.
const REPLICATES: u64 = 8;
/// Newton steps on each of them; and where none will be as good as was asked for.
const STEPS: (usize, usize) = (20, 6);
/// A net that takes longer than was foreseen is given up after this share of the time budget, and a certificate after the
/// other, for one that is made in a hurry.
const SOLVE_SHARE_AT_MOST: f64 = 0.85;
const CERTIFY_SHARE: f64 = 0.95;
/// Seconds for the certificate of a run that was interrupted.
const GRACE: f64 = 0.5;
/// Passes over a net that a certificate in a hurry counts on.
const HURRIED_PASSES: f64 = 6.0;

impl Run<'_, '_> {
    /// Seconds after which no more is solved.
    pub(super) fn solving_until(&self) -> f64 {
        SOLVE_SHARE_AT_MOST * self.control.limit()
    }

    /// Certifies the current potentials on nets of `len` samples; in a hurry (interrupted, or out of time) on what can be had.
    /// `drawn` are those of its nets that were done before the run was taken up again.
    pub(crate) fn certificate(
        &mut self,
        len: usize,
        finish: Option<Finish>,
        drawn: Option<Drawn>,
    ) -> Result<Evidence> {
        let started = self.control.seconds();
        // The drawn nets are put in when the state is offered.
        let state = self.state(Place::Certify(finish, Drawn::default()));
        let mut phi = self.phi.clone();
        center(&mut phi);
        self.certificates += 1;
        let mut plan = certificate::Plan {
            replicates: REPLICATES,
            // There will be none that is as good as asked for.
            len: if self.ended.is_some() { (len / 8).max(FIRST) } else { len },
            stream: self.certificates << 16,
            max_iterations: if self.ended.is_some() { STEPS.1 } else { STEPS.0 },
            rows: self.rows,
            entries: self.entries,
            delta: self.delta,
            // A solve that was stopped on the way down has another.
            lambda: if self.problem.is_smooth { self.problem.lambda } else { self.lambda },
            sharp: self.is_sharp(),
            seed: self.settings.seed,
            target: self.settings.tolerance,
            hurry: None,
        };
        let hurried = matches!(self.ended, Some(Status::Interrupted | Status::MaxTime));
        let evidence = if hurried {
            Err(self.ended)
        } else {
            let whole = self.cloud_len().and_then(|_| self.whole_net());
            let offers = (self.ended.is_none()).then_some(Offers {
                saver: &mut self.saver,
                settings: self.settings,
                state,
            });
            let until = CERTIFY_SHARE * self.control.limit();
            let mut control = self.control.within(until);
            certify(self.problem, &phi, plan, whole, drawn.unwrap_or_default(), offers, &mut control)?
                .map_err(Some)
        };
        let evidence = match evidence {
            Ok(evidence) => evidence,
            Err(ended) => {
                self.ended = ended.or(self.ended);
                let whole = self.hurry(&mut plan, &phi, len)?;
                // Who has said stop is not asked again.
                let mut silent = Silent;
                let mut control = if self.ended == Some(Status::Interrupted) {
                    Loop::new(None, &mut silent)
                } else {
                    self.control.within(f64::INFINITY)
                };
                match certify(self.problem, &phi, plan, whole, Drawn::default(), None, &mut control)? {
                    Ok(evidence) => evidence,
                    Err(_) => unreachable!("in a hurry the first nets are not given up"),
                }
            }
        };
        self.samples += evidence.samples;
        self.seconds = self.control.seconds() - started;
        Ok(evidence)
    }

    /// Cuts `plan` down to what can be had in the time that is left, or in that of grace, and to nets of `len` samples;
    /// the whole source, where it has finite support and there is time for it.
    fn hurry(&mut self, plan: &mut certificate::Plan, phi: &[f64], len: usize) -> Result<Option<Net>> {
        let started = self.control.seconds();
        let left = self.control.limit() - started;
        let hurry = if self.ended == Some(Status::Interrupted) { GRACE.min(left) } else { left };
        let mut net = self.net(PROBE)?;
        let want = Want { rows: PROBE, exact: true, ..Want::default() };
        pass(self.problem, &mut net, phi, plan.lambda, want);
        let probe = self.control.seconds() - started;
        let hurry = (hurry - probe).max(0.0);
        let passes = hurry / probe.max(1e-9);
        plan.hurry = Some(hurry);
        plan.stream += REPLICATES;
        plan.max_iterations = STEPS.1;
        plan.replicates = (passes as u64).clamp(2, REPLICATES);
        let affordable = (passes / HURRIED_PASSES * PROBE as f64) as usize;
        let each = affordable / plan.replicates as usize;
        plan.len = each.clamp(PROBE, len.max(PROBE));
        // The largest power of two: Sobol' points are even in such numbers.
        plan.len = 1 << plan.len.ilog2();
        Ok(self.cloud_len().filter(|&whole| whole <= affordable).and_then(|_| self.whole_net()))
    }
}
