//! The step size that short runs choose.

use super::examples::shuffled;
use super::losses::{Slopes, of_rows};
use super::training::{Moving, Outcome, Room, Run};
use crate::network::{Network, parameters};
use crate::optimiser::Rule;
use crate::purpose;
use fenchel::Result;
use fenchel::measure::stream;
use fenchel::optim::Status;

/// Steps that are tried are a start times powers of this.
const FACTOR: f64 = 4.0;
/// The least and the largest, as exponents.
const POWERS: (i32, i32) = (-30, 30);
/// Trials in a row that are no better, behind the best.
const WORSE: u32 = 2;
/// Batches of a trial: a fifth of a pass, between these.
const BATCHES: (usize, usize) = (20, 100);
/// Examples that judge a trial, at most.
const JUDGES: usize = 1000;

impl Run<'_> {
    /// Half the step size that brings the risk of some examples lowest in a short run on others, or on all where there are few. From
    /// large to small until it is better than the start and gets worse again, and up if no step is better than the first. What is
    /// best at first is too large later.
    pub(super) fn trials<N: Network>(
        &self,
        network: &N,
        start: &Moving,
        check: &mut dyn FnMut() -> Option<Status>,
    ) -> Result<(f64, Option<Status>)> {
        let (batch, n) = (self.settings.batch, self.robust.examples.len());
        let order = shuffled(n, &mut stream(self.settings.seed, purpose::TRIAL, 0));
        let steps = (n.div_ceil(batch) / 5).clamp(BATCHES.0, BATCHES.1);
        let (rest, judges) = order.split_at(n.saturating_sub(JUDGES));
        let tried = if rest.len() < steps * batch { &order[..] } else { rest };
        let first = self.risk_of(network, judges);
        let mut room = Room::default();
        let base = match self.settings.rule {
            Rule::Sgd { .. } => 1.0,
            // Each parameter moves by about a step.
            Rule::Adam { .. } => FACTOR.powi(-2),
        };
        let mut best: (f64, Option<i32>) = (first, None);
        let half = |power: Option<i32>| 0.5 * base * FACTOR.powi(power.unwrap_or(POWERS.0 / 2));
        for (from, by) in [(0, -1), (1, 1)] {
            if by > 0 && best.1.is_some_and(|power| power < 0) {
                break;
            }
            let (mut power, mut worse) = (from, 0);
            // Going down, none is given up for being too large.
            while worse < WORSE && (POWERS.0..=POWERS.1).contains(&power) {
                let step = base * FACTOR.powi(power);
                let mut trial = (parameters::put(network.clone(), &start.parameters), start.clone());
                let mut lost = false;
                for rows in tried.chunks(batch).cycle().take(steps) {
                    if let Some(ended) = check() {
                        return Ok((half(best.1), Some(ended)));
                    }
                    let outcome;
                    (trial.0, outcome) = self.advance(trial.0, rows, step, &mut trial.1, &mut room)?;
                    if outcome == Outcome::Lost {
                        lost = true;
                        break;
                    }
                }
                let risk = if lost { f64::INFINITY } else { self.risk_of(&trial.0, judges) };
                if risk < best.0 {
                    best = (risk, Some(power));
                    worse = 0;
                } else if by > 0 || best.1.is_some() {
                    worse += 1;
                }
                power += by;
            }
        }
        Ok((half(best.1), None))
    }

    /// The risk of some examples that is trained, infinite where it is not finite.
    fn risk_of<N: Network>(&self, network: &N, rows: &[u32]) -> f64 {
        let (features, labels) = self.robust.examples.gather(rows);
        let transport = self.robust.transport.as_ref();
        let losses =
            of_rows(&network.valid(), &*self.loss, transport, features, &labels, &mut Slopes::default());
        let worst = self.weigher.risk().of(&losses, &[], &mut vec![0.0; losses.len()]);
        worst.map_or(f64::INFINITY, |worst| worst.value)
    }
}
