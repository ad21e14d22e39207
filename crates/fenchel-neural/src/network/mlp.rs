//! Perceptrons.

use super::Network;
use super::initial::{Initial, at_least_one};
// The derive macro looks for this name.
use burn;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Tensor, activation};
use fenchel::{Error, Result};
use std::str::FromStr;

/// What follows each hidden layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Activation {
    /// max(z, 0).
    #[default]
    Relu,
    /// log(1 + e^z): smooth.
    Softplus,
    /// tanh z: smooth and bounded.
    Tanh,
}

impl Activation {
    const ALL: [Activation; 3] = [Activation::Relu, Activation::Softplus, Activation::Tanh];

    fn apply(self, z: Tensor<2>) -> Tensor<2> {
        match self {
            Activation::Relu => activation::relu(z),
            Activation::Softplus => activation::softplus(z, 1.0),
            Activation::Tanh => activation::tanh(z),
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Activation::Relu => "relu",
            Activation::Softplus => "softplus",
            Activation::Tanh => "tanh",
        }
    }
}

/// From its name.
///
/// ```
/// use fenchel_neural::network::Activation;
///
/// assert_eq!("tanh".parse::<Activation>()?, Activation::Tanh);
/// assert!("tan".parse::<Activation>().unwrap_err().to_string().contains("did you mean 'tanh'"));
/// # Ok::<(), fenchel::Error>(())
/// ```
impl FromStr for Activation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|activation| activation.name() == text.trim());
        found.ok_or_else(|| Error::unknown("activation", text, Self::ALL.map(Activation::name)))
    }
}

/// A perceptron: affine layers with an activation after each but the last. Without hidden layers it is a linear model.
#[derive(Module, Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
    #[module(skip)]
    activation: Activation,
}

impl Mlp {
    /// Units of the hidden layers where nothing else is asked for.
    pub const HIDDEN: [usize; 2] = [256, 128];

    /// From `inputs` features to `outputs` scores through hidden layers of these sizes, ReLU after each. Parameters are uniform on
    /// (−1/√m, 1/√m) for m inputs of a unit, from the seed.
    ///
    /// # Errors
    /// [`Error::InvalidValue`](fenchel::Error::InvalidValue) for a layer of nothing.
    pub fn new(inputs: usize, hidden: &[usize], outputs: usize, seed: u64) -> Result<Self> {
        at_least_one("inputs", inputs)?;
        for (k, units) in hidden.iter().enumerate() {
            at_least_one(format!("units of hidden layer {}", k + 1), *units)?;
        }
        at_least_one("outputs", outputs)?;
        let sizes = [&[inputs], hidden, &[outputs]].concat();
        let mut initial = Initial::new(seed);
        let layers = sizes.windows(2).map(|pair| initial.linear(pair[0], pair[1])).collect();
        Ok(Mlp { layers, activation: Activation::default() })
    }

    /// With another activation.
    pub fn with_activation(mut self, activation: Activation) -> Self {
        self.activation = activation;
        self
    }

    /// One that is described like this, with so many parameters; none if no perceptron is.
    pub(crate) fn described(text: &str, parameters: usize) -> Option<Self> {
        let (sizes, activation) = text.strip_prefix("perceptron ")?.split_once(", ")?;
        let activation = activation.parse().ok()?;
        let sizes = sizes.split('-').map(|units| units.parse().ok()).collect::<Option<Vec<usize>>>()?;
        let count = sizes
            .windows(2)
            .try_fold(0_usize, |sum, pair| sum.checked_add(pair[0].checked_add(1)?.checked_mul(pair[1])?))?;
        let (&[inputs, ref hidden @ .., outputs], true) = (&sizes[..], count == parameters) else {
            return None;
        };
        Some(Mlp::new(inputs, hidden, outputs, 0).ok()?.with_activation(activation))
    }
}

impl Network for Mlp {
    fn inputs(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.weight.dims()[0])
    }

    fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.weight.dims()[1])
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let last = self.layers.len() - 1;
        self.layers.iter().enumerate().fold(x, |x, (k, layer)| {
            let z = layer.forward(x);
            if k < last { self.activation.apply(z) } else { z }
        })
    }

    fn description(&self) -> String {
        let mut sizes = self.inputs().to_string();
        self.layers.iter().for_each(|layer| sizes += &format!("-{}", layer.weight.dims()[1]));
        format!("perceptron {sizes}, {}", self.activation.name())
    }
}
