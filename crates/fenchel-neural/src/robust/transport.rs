//! The worst place of each example, at a price.

use super::losses::Slopes;
use crate::network::{Network, contracted, numbers, place, tensor};
use burn::tensor::Tensor;
use fenchel::robust::loss::Loss;
use fenchel::{Error, Result};

/// What rounding of scores in `f32` leaves of a loss: less than this is no fall.
const ROUNDING: f64 = 32.0 * f32::EPSILON as f64;

/// Times that a step is halved before an example stays where it is for now.
const HALVINGS: u32 = 20;

/// Examples may be moved, at a price κ for each unit of squared distance; their labels stay.
///
/// ```text
/// ℓ̂_i(θ) = sup over z of ℓ(θ; z, y_i) − κ ‖z − x_i‖²
/// ```
///
/// Under a risk with KL of strength λ = κβ that is the worst case over unbalanced transport with β the price of mass:
/// κβ log mean exp(ℓ̂_i/κβ). The supremum is climbed to by a few steps of Nesterov's accelerated ascent,
///
/// ```text
/// z ← x̄ + t/(2κ) ∇ℓ̂(x̄),   t halved until ℓ̂(z) ≥ ℓ̂(x̄) + t/(8κ) ‖∇ℓ̂(x̄)‖²;   x̄ ← z + k/(k + 3) (z − z_before),
/// ```
///
/// for each example on its own. 1/2κ is the step that ends at the maximum at once where the loss is linear, the price being a parabola of
/// curvature 2κ; where the loss curves the other way t falls, and is tried twice as long at the next step. The highest place that was
/// seen is taken, which is never below ℓ itself. By Danskin's theorem the gradient in θ is that of ℓ(θ; z) at that place.
///
/// Wang, Shen, Zavlanos and Johansson (2024); Gladin and co-authors (2025), section 3.3.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transport {
    price: f64,
    steps: u32,
}

/// Where examples are moved to.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    /// ℓ̂ of each, at the place that was found.
    pub losses: Vec<f64>,
    /// κ ‖z − x‖²: what the way has cost; ℓ is ℓ̂ and this.
    pub costs: Vec<f64>,
    /// The places z, row by row.
    pub features: Vec<f32>,
}

impl Transport {
    /// At a price κ, in the unit of the loss over that of the features squared, found by 5 steps.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless κ is finite and above 0.
    pub fn new(price: f64) -> Result<Self> {
        if !(price > 0.0 && price.is_finite()) {
            return Err(Error::invalid("price of moving examples", price, "a finite number above 0"));
        }
        Ok(Transport { price, steps: 5 })
    }

    /// With so many steps of ascent; 0 leaves examples where they are.
    pub fn with_steps(mut self, steps: u32) -> Self {
        self.steps = steps;
        self
    }

    /// κ.
    pub fn price(&self) -> f64 {
        self.price
    }

    /// Steps of ascent.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// Where the worst case moves rows of finite features to, at a network without gradients; none if a loss is not a finite
    /// number where they are.
    pub(super) fn climb<N: Network>(
        &self,
        frozen: &N,
        loss: &dyn Loss,
        features: &[f32],
        labels: &[f64],
    ) -> Option<Moved> {
        let n = labels.len();
        let climb = Climb { frozen, loss, price: self.price, origin: features, labels };
        let d = features.len() / n.max(1);
        let mut slopes = Slopes::default();
        let mut ahead = features.to_vec();
        let (mut value, mut gradient) = climb.slope_at(&ahead, &mut slopes);
        if !value.iter().all(|value| value.is_finite()) {
            return None;
        }
        let mut best = Moved { losses: value.clone(), costs: vec![0.0; n], features: features.to_vec() };
        let mut before = features.to_vec();
        let mut t = vec![1.0_f64; n];
        let mut age = vec![0_u32; n];
        for step in 0..self.steps {
            let next = climb.stepped(&ahead, &value, &gradient, &mut t, &mut slopes);
            for i in 0..n {
                let row = i * d..(i + 1) * d;
                let Some(reached) = next.1[i] else {
                    // From the highest place next time, with a shorter step.
                    ahead[row.clone()].copy_from_slice(&best.features[row.clone()]);
                    before[row.clone()].copy_from_slice(&best.features[row]);
                    age[i] = 0;
                    continue;
                };
                let z = &next.0[row.clone()];
                let momentum = if reached > best.losses[i] {
                    best.losses[i] = reached;
                    best.costs[i] = climb.cost(i, z);
                    best.features[row.clone()].copy_from_slice(z);
                    f64::from(age[i]) / (f64::from(age[i]) + 3.0)
                } else {
                    age[i] = 0;
                    0.0
                };
                age[i] += 1;
                for ((ahead, before), z) in ahead[row.clone()].iter_mut().zip(&mut before[row]).zip(z) {
                    *ahead = z + momentum as f32 * (z - *before);
                    *before = *z;
                }
                t[i] = (2.0 * t[i]).min(1.0);
            }
            if step + 1 < self.steps {
                (value, gradient) = climb.slope_at(&ahead, &mut slopes);
            }
        }
        Some(best)
    }
}

/// ℓ̂ as a function of where examples are.
struct Climb<'a, N> {
    frozen: &'a N,
    loss: &'a dyn Loss,
    price: f64,
    origin: &'a [f32],
    labels: &'a [f64],
}

impl<N: Network> Climb<'_, N> {
    fn width(&self) -> usize {
        self.origin.len() / self.labels.len().max(1)
    }

    /// κ ‖z − x_i‖².
    fn cost(&self, i: usize, z: &[f32]) -> f64 {
        let x = &self.origin[i * z.len()..(i + 1) * z.len()];
        self.price * z.iter().zip(x).map(|(z, x)| (f64::from(*z) - f64::from(*x)).powi(2)).sum::<f64>()
    }

    /// ℓ̂ with its gradient.
    fn slope_at(&self, z: &[f32], slopes: &mut Slopes) -> (Vec<f64>, Vec<f64>) {
        let d = self.width();
        let at = place(self.frozen).autodiff();
        let x = tensor(z.to_vec(), d, &at).require_grad();
        let scores = self.frozen.forward(x.clone());
        slopes.fill(self.loss, &numbers(scores.clone()), self.labels);
        let c = slopes.slope.iter().map(|s| *s as f32).collect();
        let mut gradients = contracted(scores, c).backward();
        let of_loss = match Tensor::grad_remove(&x, &mut gradients) {
            Some(gradient) => numbers(gradient),
            None => vec![0.0; z.len()],
        };
        let value =
            (0..self.labels.len()).map(|i| slopes.losses[i] - self.cost(i, &z[i * d..(i + 1) * d])).collect();
        let way = |j: usize| 2.0 * self.price * (f64::from(z[j]) - f64::from(self.origin[j]));
        (value, (0..z.len()).map(|j| f64::from(of_loss[j]) - way(j)).collect())
    }

    /// A step from each row, shortened where it does not rise enough: where it leads, and ℓ̂ there; none where no step rises.
    fn stepped(
        &self,
        from: &[f32],
        value: &[f64],
        gradient: &[f64],
        t: &mut [f64],
        slopes: &mut Slopes,
    ) -> (Vec<f32>, Vec<Option<f64>>) {
        let (n, d) = (self.labels.len(), self.width());
        let square: Vec<f64> = gradient.chunks_exact(d).map(|g| g.iter().map(|g| g * g).sum()).collect();
        let mut to = from.to_vec();
        let mut reached = vec![None; n];
        // Rows that are at a maximum already, or whose slope is beyond numbers, stay.
        let mut open: Vec<usize> = (0..n).filter(|i| square[*i] > 0.0 && square[*i].is_finite()).collect();
        (0..n).filter(|i| square[*i] == 0.0).for_each(|i| reached[i] = Some(value[i]));
        let at = place(self.frozen);
        for _ in 0..HALVINGS {
            if open.is_empty() {
                break;
            }
            let mut rows = Vec::with_capacity(open.len() * d);
            for i in &open {
                let length = t[*i] / (2.0 * self.price);
                rows.extend((i * d..(i + 1) * d).map(|j| from[j] + (length * gradient[j]) as f32));
            }
            let labels: Vec<f64> = open.iter().map(|i| self.labels[*i]).collect();
            let scores = numbers(self.frozen.forward(tensor(rows.clone(), d, &at)));
            slopes.fill(self.loss, &scores, &labels);
            let mut rest = Vec::new();
            for (r, i) in open.iter().enumerate() {
                let z = &rows[r * d..(r + 1) * d];
                let found = slopes.losses[r] - self.cost(*i, z);
                let slack = ROUNDING * (1.0 + value[*i].abs());
                if found.is_finite()
                    && found >= value[*i] + 0.25 * t[*i] / (2.0 * self.price) * square[*i] - slack
                {
                    to[i * d..(i + 1) * d].copy_from_slice(z);
                    reached[*i] = Some(found);
                } else {
                    t[*i] *= 0.5;
                    rest.push(*i);
                }
            }
            open = rest;
        }
        (to, reached)
    }
}
