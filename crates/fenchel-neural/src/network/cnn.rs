//! Convolutions.

use super::Network;
use super::convolution::{Convolution, shrunk};
use super::initial::{Initial, at_least_one};
// The derive macro looks for this name.
use burn;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use fenchel::{Error, Result};

/// What an image is: features are its numbers, channel by channel, each row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    /// Numbers of a pixel: 1 for grey, 3 for colours.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
}

/// Two convolutions of 3 × 3 with 32 and 64 channels, each followed by ReLU and the largest of 2 × 2, and a hidden layer of 128 units.
///
/// Convolutions have no margin: 28 × 28 becomes 26, 13, 11 and 5 pixels wide. It is the network of "Improved stochastic
/// optimization of LogSumExp" (2025).
#[derive(Module, Debug)]
pub struct Cnn {
    first: Convolution,
    second: Convolution,
    hidden: Linear,
    last: Linear,
    #[module(skip)]
    image: Image,
}

impl Cnn {
    /// Channels of the convolutions.
    pub const CHANNELS: [usize; 2] = [32, 64];
    /// Units of the hidden layer.
    pub const HIDDEN: usize = 128;

    /// From images to `outputs` scores, with parameters from the seed as those of [`Mlp`](super::Mlp).
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for images less than 10 pixels high or wide, of no channel, or for no scores.
    pub fn new(image: Image, outputs: usize, seed: u64) -> Result<Self> {
        at_least_one("channels of the image", image.channels)?;
        at_least_one("outputs", outputs)?;
        for (side, pixels) in [("height", image.height), ("width", image.width)] {
            if shrunk(shrunk(pixels)) == 0 {
                return Err(Error::invalid(format!("{side} of the image"), pixels, "at least 10 pixels"));
            }
        }
        let [one, two] = Self::CHANNELS;
        let pixels = shrunk(shrunk(image.height)) * shrunk(shrunk(image.width));
        let mut initial = Initial::new(seed);
        let mut convolution =
            |inputs, outputs| Convolution::new(initial.kernels(inputs, outputs, Convolution::SIDE));
        let (first, second) = (convolution(image.channels, one), convolution(one, two));
        let hidden = initial.linear(two * pixels, Self::HIDDEN);
        let last = initial.linear(Self::HIDDEN, outputs);
        Ok(Cnn { first, second, hidden, last, image })
    }

    /// What it takes.
    pub fn image(&self) -> Image {
        self.image
    }
}

impl Network for Cnn {
    fn inputs(&self) -> usize {
        self.image.channels * self.image.height * self.image.width
    }

    fn outputs(&self) -> usize {
        self.last.weight.dims()[1]
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let [n, _] = x.dims();
        let Image { channels, height, width } = self.image;
        let z = self.first.forward(x.reshape([n, channels, height, width]));
        let z = self.second.forward(z).flatten(1, 3);
        self.last.forward(relu(self.hidden.forward(z)))
    }

    fn description(&self) -> String {
        let Image { channels, height, width } = self.image;
        format!("convolutions on {channels} × {height} × {width}, {} scores", self.outputs())
    }
}
