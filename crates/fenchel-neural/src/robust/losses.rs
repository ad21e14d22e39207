//! Losses of a network's scores, made by the engine, and gradients of weighted sums of them.
//!
//! Scores leave the graph, losses and their slopes are computed in double precision, and Σ c · scores goes back into the graph with
//! the slopes, times the weights, as constants: its gradient is that of the weighted losses, of any loss and any divergence.

use super::transport::Transport;
use crate::network::{Network, contracted, numbers, parameters, place, tensor};
use burn::tensor::{Device, Tensor};
use fenchel::robust::loss::{Loss, Slots};

/// Losses of a batch, with their slopes in the scores.
#[derive(Debug, Default, Clone)]
pub(super) struct Slopes {
    pub(super) losses: Vec<f64>,
    pub(super) slope: Vec<f64>,
    curvature: Vec<f64>,
    scores: Vec<f64>,
}

impl Slopes {
    /// Of these scores, k a row; `false` if something is not a finite number, which stays in its row.
    pub(super) fn fill(&mut self, loss: &dyn Loss, scores: &[f32], labels: &[f64]) -> bool {
        let k = loss.scores();
        self.scores.clear();
        self.scores.extend(scores.iter().map(|z| f64::from(*z)));
        self.losses.resize(labels.len(), 0.0);
        self.slope.resize(k * labels.len(), 0.0);
        self.curvature.resize(k * k * labels.len(), 0.0);
        let to = Slots { losses: &mut self.losses, slope: &mut self.slope, curvature: &mut self.curvature };
        loss.derive_all(&self.scores, labels, to);
        // A loss that does not look at a score that is infinite is none.
        for (loss, z) in self.losses.iter_mut().zip(self.scores.chunks_exact(k)) {
            if !z.iter().all(|z| z.is_finite()) {
                *loss = f64::NAN;
            }
        }
        self.losses.iter().chain(&self.slope).all(|x| x.is_finite())
    }
}

/// A batch in the graph of the parameters.
pub(super) struct Batch {
    scores: Tensor<2>,
    pub(super) slopes: Slopes,
}

impl Batch {
    /// Losses of these rows; none if a score is not a finite number.
    pub(super) fn new<N: Network>(
        network: &N,
        loss: &dyn Loss,
        features: Vec<f32>,
        labels: &[f64],
        at: &Device,
        mut room: Slopes,
    ) -> Option<Self> {
        let scores = network.forward(tensor(features, network.inputs(), at));
        room.fill(loss, &numbers(scores.clone()), labels).then_some(Batch { scores, slopes: room })
    }

    /// The gradient of Σ w_i ℓ_i/b in the parameters; the room is given back.
    pub(super) fn gradient<N: Network>(self, network: &N, w: &[f64], out: &mut Vec<f32>) -> Slopes {
        let (k, b) = (self.slopes.slope.len() / w.len(), w.len() as f64);
        let c = self.slopes.slope.chunks_exact(k).zip(w);
        // What has no weight may have any slope.
        let c = c.flat_map(|(slope, w)| slope.iter().map(move |s| (s * (w / b)) as f32)).collect();
        let mut gradients = contracted(self.scores, c).backward();
        parameters::gradient(network, &mut gradients, out);
        self.slopes
    }
}

/// Losses of some rows at a network without gradients, moved to their worst place if they may be; infinite where they are not
/// finite.
pub(super) fn of_rows<N: Network>(
    frozen: &N,
    loss: &dyn Loss,
    transport: Option<&Transport>,
    features: Vec<f32>,
    labels: &[f64],
    room: &mut Slopes,
) -> Vec<f64> {
    if let Some(transport) = transport {
        return transport
            .climb(frozen, loss, &features, labels)
            .map_or_else(|| vec![f64::INFINITY; labels.len()], |moved| moved.losses);
    }
    let at = place(frozen);
    let scores = numbers(frozen.forward(tensor(features, frozen.inputs(), &at)));
    if room.fill(loss, &scores, labels) { room.losses.clone() } else { vec![f64::INFINITY; labels.len()] }
}
