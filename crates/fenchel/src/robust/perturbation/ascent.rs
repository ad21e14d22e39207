//! Accelerated gradient ascent to the worst place of an example.

use crate::robust::loss::{Derivatives, Loss};

/// Steps from one start.
const STEPS: usize = 10_000;

/// How far out ascents start as well, in units of the score and 1.
const FAR: [f64; 3] = [1.0, 10.0, 100.0];

/// sup over α of ℓ(u + Gα, y) − κ αᵀGα: a gradient lies in the span of the coefficients, and so does the example's way,
/// Σ α_c θ_c; G_cd = ⟨θ_c, θ_d⟩, both in units of the features.
pub(super) struct Ascent<'a> {
    pub loss: &'a dyn Loss,
    pub price: f64,
    pub gram: &'a [f64],
}

/// αᵀGα.
pub(super) fn quadratic(gram: &[f64], alpha: &[f64]) -> f64 {
    let k = alpha.len();
    (0..k * k).map(|at| gram[at] * alpha[at / k] * alpha[at % k]).sum()
}

impl Ascent<'_> {
    /// The largest value found, and its α.
    pub(super) fn climb(&self, u: &[f64], y: f64) -> (f64, Vec<f64>) {
        let k = u.len();
        let size = u.iter().fold(1.0_f64, |most, u| most.max(u.abs()));
        let mut best = self.from(vec![0.0; k], u, y);
        for c in 0..k {
            for far in FAR.iter().flat_map(|far| [far * size, -far * size]) {
                if best.0 == f64::INFINITY {
                    return best;
                }
                let mut z = u.to_vec();
                z[c] += far;
                let found = self.from(self.toward(&z, y), u, y);
                if found.0 > best.0 {
                    best = found;
                }
            }
        }
        best
    }

    /// Nesterov's method, begun anew where a step does not rise. Less momentum a step maximises a lower bound, by convexity of
    /// the loss, and never falls.
    fn from(&self, start: Vec<f64>, u: &[f64], y: f64) -> (f64, Vec<f64>) {
        let mut at = start.clone();
        let mut value = self.value(&at, u, y);
        let mut ahead = start;
        let mut age = 0.0;
        for _ in 0..STEPS {
            let next = self.toward(&self.scores(&ahead, u), y);
            let reached = self.value(&next, u, y);
            if reached.is_nan() || reached == f64::INFINITY {
                return (f64::INFINITY, next);
            }
            if reached < value && age > 0.0 {
                ahead.copy_from_slice(&at);
                age = 0.0;
                continue;
            }
            let way: Vec<f64> = next.iter().zip(&at).map(|(next, at)| next - at).collect();
            let moved = self.price * quadratic(self.gram, &way);
            if reached >= value {
                (value, at) = (reached, next);
            }
            // The slope there is 2κ times the way.
            if age == 0.0 && moved <= 1e-24 * (value.abs() + self.price * quadratic(self.gram, &at)) {
                break;
            }
            if moved == 0.0 {
                ahead.copy_from_slice(&at);
                age = 0.0;
                continue;
            }
            let momentum = age / (age + 3.0);
            age += 1.0;
            for ((ahead, at), way) in ahead.iter_mut().zip(&at).zip(&way) {
                *ahead = at + momentum * way;
            }
        }
        (value, at)
    }

    fn value(&self, alpha: &[f64], u: &[f64], y: f64) -> f64 {
        self.loss.value(&self.scores(alpha, u), y) - self.price * quadratic(self.gram, alpha)
    }

    /// u + Gα.
    fn scores(&self, alpha: &[f64], u: &[f64]) -> Vec<f64> {
        let k = u.len();
        (0..k).map(|c| u[c] + (0..k).map(|d| self.gram[c * k + d] * alpha[d]).sum::<f64>()).collect()
    }

    /// The gradient step of length 1/2κ leads to a/2κ, a the slopes of the loss.
    fn toward(&self, z: &[f64], y: f64) -> Vec<f64> {
        let k = z.len();
        let (mut slope, mut curvature) = (vec![0.0; k], vec![0.0; k * k]);
        self.loss.derive(z, y, Derivatives { slope: &mut slope, curvature: &mut curvature });
        slope.iter().map(|a| 0.5 * a / self.price).collect()
    }
}
