//! Parameters at the start, from a seed and nothing else.

use super::device;
use crate::purpose;
use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Tensor, TensorData};
use fenchel::measure::stream;
use fenchel::{Error, Result};

/// Uniform on (−1/√m, 1/√m) for m inputs of a unit, biases as weights: what PyTorch does, so that steps that are right there are
/// right here.
pub(super) struct Initial {
    seed: u64,
    layer: u64,
}

impl Initial {
    pub(super) fn new(seed: u64) -> Self {
        Initial { seed, layer: 0 }
    }

    /// Weights of a shape and biases of the next layer, each unit with so many inputs.
    fn layer<const D: usize>(
        &mut self,
        shape: [usize; D],
        units: usize,
        inputs: usize,
    ) -> (Param<Tensor<D>>, Param<Tensor<1>>) {
        let mut rng = stream(self.seed, purpose::INITIAL, self.layer);
        self.layer += 1;
        let bound = 1.0 / (inputs as f64).sqrt();
        let mut draw = |count: usize| -> Vec<f32> {
            (0..count).map(|_| (bound * (2.0 * rng.uniform() - 1.0)) as f32).collect()
        };
        let weights = TensorData::new(draw(shape.iter().product()), shape);
        let biases = TensorData::new(draw(units), [units]);
        (Param::from_data(weights, &device()), Param::from_data(biases, &device()))
    }

    pub(super) fn linear(&mut self, inputs: usize, outputs: usize) -> Linear {
        let (weight, bias) = self.layer([inputs, outputs], outputs, inputs);
        Linear { weight, bias: Some(bias) }
    }

    /// Of a convolution with square kernels.
    pub(super) fn kernels(
        &mut self,
        inputs: usize,
        outputs: usize,
        side: usize,
    ) -> (Param<Tensor<4>>, Param<Tensor<1>>) {
        self.layer([outputs, inputs, side, side], outputs, inputs * side * side)
    }
}

/// Refuses a layer of nothing.
pub(super) fn at_least_one(what: impl Into<String>, count: usize) -> Result<()> {
    if count == 0 { Err(Error::invalid(what, count, "at least 1")) } else { Ok(()) }
}
