//! What the gradient of each loss of a batch is multiplied by, and where the threshold goes.

use fenchel::Result;
use fenchel::divergence::Divergence;
use fenchel::robust::{Method, Risk, Strength};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Examples over which the threshold forgets: long enough to know a mean of weights, and short against a pass.
const MEMORY: usize = 1000;

/// The threshold α, and the losses that it has met last.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Threshold {
    pub(super) alpha: f64,
    recent: Vec<f64>,
    next: usize,
}

impl Threshold {
    /// An exact one.
    pub(super) fn exact(alpha: f64) -> Self {
        Threshold { alpha, ..Threshold::default() }
    }

    /// Takes in losses, as many as are remembered; the largest of those, once there are enough to tell.
    fn remember(&mut self, losses: &[f64], most: usize) -> Option<f64> {
        for loss in losses {
            if self.recent.len() < most {
                self.recent.push(*loss);
            } else {
                self.recent[self.next] = *loss;
            }
            self.next = (self.next + 1) % most;
        }
        (self.recent.len() == most).then(|| self.recent.iter().copied().fold(f64::NEG_INFINITY, f64::max))
    }
}

/// A method with its risk.
#[derive(Debug, Clone)]
pub(super) struct Weigher {
    method: Method,
    risk: Risk,
    lambda: f64,
    /// Losses that the threshold remembers.
    memory: usize,
}

impl Weigher {
    /// Of `n` examples; `risk` is what [`Method::risk`] makes of the one that is wanted.
    pub(super) fn new(method: Method, risk: &Risk, n: usize) -> Result<Self> {
        let lambda = match risk.strength() {
            Strength::Penalty(lambda) => lambda,
            // Of the mean, which has no use for it.
            Strength::Radius(_) => 1.0,
        };
        // One that has to know how many examples there are does.
        let counted: Option<Arc<dyn Divergence>> = match method {
            Method::Joint | Method::DualSgm => {
                risk.divergence().and_then(|f| f.for_atoms(&(0..n).collect::<Vec<_>>()))
            }
            _ => None,
        };
        let risk = counted.map_or_else(|| Ok(risk.clone()), |f| Risk::new(f, risk.strength()))?;
        Ok(Weigher { method, risk, lambda, memory: MEMORY.min(n) })
    }

    /// The risk whose gradient is estimated.
    pub(super) fn risk(&self) -> &Risk {
        &self.risk
    }

    /// Weights of finite losses, about 1 each, into `w`, at the threshold, which is then moved. `false`: one of them is not a finite
    /// number.
    pub(super) fn weigh(&self, losses: &[f64], at: &mut Threshold, w: &mut Vec<f64>) -> Result<bool> {
        w.clear();
        let Some(f) = self.risk.divergence() else {
            w.resize(losses.len(), 1.0);
            return Ok(true);
        };
        match self.method {
            Method::BatchWeights => {
                w.resize(losses.len(), 0.0);
                self.risk.of(losses, &[], w)?;
                let n = losses.len() as f64;
                w.iter_mut().for_each(|p| *p *= n);
            }
            Method::SumOfExponentials => w.extend(losses.iter().map(|loss| (loss / self.lambda).exp())),
            _ => {
                let s: Vec<f64> = losses.iter().map(|loss| (loss - at.alpha) / self.lambda).collect();
                w.extend(s.iter().map(|s| f.conj_prime(*s)));
                let pace = (losses.len() as f64 / MEMORY as f64).min(0.5);
                at.alpha += self.lambda * proximal(f, &s, pace);
                // Above this all that was met last weighs less than 1, each of them: the losses have fallen faster than α can.
                if let Some(top) = at.remember(losses, self.memory) {
                    at.alpha = at.alpha.min(top - self.lambda * f.f_prime_at_one());
                }
            }
        }
        Ok(w.iter().all(|w| w.is_finite()))
    }
}

/// The δ that minimises γ (δ + mean f*(s − δ)) + δ²/2: a gradient step of length γ from δ = 0, with the gradient where it ends.
///
/// It is the root of δ = γ (mean (f*)'(s − δ) − 1), never goes past the minimiser for the batch, and so needs no small γ, however
/// far the losses are from the threshold.
fn proximal(f: &dyn Divergence, s: &[f64], pace: f64) -> f64 {
    let n = s.len() as f64;
    let at = |delta: f64| {
        let (mut weight, mut bend) = (0.0, 0.0);
        for s in s {
            weight += f.conj_prime(s - delta);
            bend += f.conj_second(s - delta);
        }
        (delta - pace * (weight / n - 1.0), 1.0 + pace * bend / n)
    };
    // Weights are at least 0; and at most 1 each once no s − δ is above f'(1).
    let top = s.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut low, mut high) = (-pace, (top - f.f_prime_at_one()).max(0.0));
    let mut delta = 0.0_f64.clamp(low, high);
    let mut before = f64::INFINITY;
    for _ in 0..200 {
        let (miss, slope) = at(delta);
        if miss > 0.0 {
            high = delta
        } else {
            low = delta
        }
        let newton = delta - miss / slope;
        // Far out Newton's steps are all as long as each other.
        let is_quick = newton > low && newton < high && (newton - delta).abs() <= 0.5 * before;
        let next = if is_quick { newton } else { 0.5 * (low + high) };
        before = (next - delta).abs();
        delta = next;
        if before <= 1e-12 * (1.0 + delta.abs()) {
            break;
        }
    }
    delta
}

#[cfg(test)]
mod tests {
    use super::*;
    use fenchel::divergence;
    use proptest::prelude::*;

    const NAMES: [&str; 7] =
        ["kl", "safe-kl:0.01", "safe-kl-centered:0.3", "chi2", "tsallis:1.5", "hyperbolic", "kl-cvar:0.1"];

    proptest! {
        /// It is where its own equation holds, however far the losses are.
        #[test]
        fn threshold_steps_solve_their_equation(
            s in prop::collection::vec(-1.0_f64..1.0, 1..20), power in -3_i32..4, shift in -1.0_f64..1.0, pace in 0.001_f64..0.5,
        ) {
            let scale = 10f64.powi(power);
            let s: Vec<f64> = s.iter().map(|s| scale * (s + shift)).collect();
            for name in NAMES {
                let f = divergence::parse(name).unwrap();
                let delta = proximal(&*f, &s, pace);
                let mean = |delta: f64| s.iter().map(|s| f.conj_prime(s - delta)).sum::<f64>() / s.len() as f64;
                let miss = |delta: f64| delta - pace * (mean(delta) - 1.0);
                // The root lies within what is left of rounding.
                let width = 1e-9 * (1.0 + delta.abs());
                prop_assert!(miss(delta - width) <= 0.0 && miss(delta + width) >= 0.0, "{} {:?} {}", name, s, delta);
            }
        }
    }

    /// A threshold that starts anywhere comes to that of all losses, in batches of any size.
    #[test]
    fn thresholds_settle() {
        let mut rng = fenchel::measure::Rng::new(5);
        let losses: Vec<f64> = (0..1000).map(|_| rng.exponential()).collect();
        for name in NAMES {
            for batch in [1, 10, 200] {
                let risk = Risk::new(divergence::parse(name).unwrap(), Strength::Penalty(2.0)).unwrap();
                let exact = risk.of(&losses, &[], &mut vec![0.0; losses.len()]).unwrap();
                let weigher = Weigher::new(Method::DualSgm, &risk, losses.len()).unwrap();
                for start in [-10.0, 20.0] {
                    let (mut w, mut mean, mut count) = (Vec::new(), 0.0, 0.0);
                    let mut at = Threshold::exact(start);
                    for pass in 0..30 {
                        for part in losses.chunks(batch) {
                            assert!(weigher.weigh(part, &mut at, &mut w).unwrap());
                            if pass >= 20 {
                                (mean, count) = (mean + at.alpha, count + 1.0);
                            }
                        }
                    }
                    let off = (mean / count - exact.threshold).abs();
                    assert!(off < 0.1 * 2.0, "{name} {batch} {start}: {off} from {}", exact.threshold);
                }
            }
        }
    }
    /// Losses that fall by many λ are followed within a pass.
    #[test]
    fn thresholds_fall_fast() {
        for name in NAMES {
            let risk = Risk::new(divergence::parse(name).unwrap(), Strength::Penalty(1e-6)).unwrap();
            let weigher = Weigher::new(Method::DualSgm, &risk, 100).unwrap();
            let mut at = Threshold::exact(5.0);
            let mut w = Vec::new();
            (0..20).for_each(|_| assert!(weigher.weigh(&[1.0; 10], &mut at, &mut w).unwrap()));
            assert!((at.alpha - 1.0).abs() < 1e-5, "{name} {at:?}");
        }
    }
}
