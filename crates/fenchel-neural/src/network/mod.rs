//! What a network is, and two kinds of them.
//!
//! A [`Network`] is any burn module with a rule from rows of features to rows of scores:
//!
//! ```
//! use fenchel_neural::burn; // the derive macro looks for this name
//! use burn::module::{Module, Param};
//! use burn::tensor::Tensor;
//! use fenchel_neural::network::{Network, device, parameters, scores};
//!
//! /// z = (a · x)².
//! #[derive(Module, Debug)]
//! struct Square {
//!     a: Param<Tensor<2>>,
//! }
//!
//! impl Network for Square {
//!     fn inputs(&self) -> usize {
//!         self.a.dims()[0]
//!     }
//!     fn outputs(&self) -> usize {
//!         1
//!     }
//!     fn forward(&self, x: Tensor<2>) -> Tensor<2> {
//!         x.matmul(self.a.val()).powi_scalar(2)
//!     }
//! }
//!
//! let square = Square { a: Param::from_data([[1.0_f32], [2.0]], &device()) };
//! assert_eq!(scores(&square, &[3.0, 1.0])?, [25.0]);
//! assert_eq!(parameters::read(&square), [1.0, 2.0]);
//! # Ok::<(), fenchel::Error>(())
//! ```

mod cnn;
mod convolution;
mod initial;
mod mlp;
pub mod parameters;

pub use cnn::{Cnn, Image};
pub use mlp::{Activation, Mlp};

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use fenchel::{Error, Result};

/// Rows that are evaluated together.
const ROWS: usize = 256;

/// A network: a module with a rule from rows of features to rows of scores.
///
/// Rows must not depend on each other: a row has the same scores in any batch. What a module does at random or remembers
/// from batch to batch is not reproduced by seeds and checkpoints.
pub trait Network: Module {
    /// Features of a row.
    fn inputs(&self) -> usize;

    /// Scores of a row.
    fn outputs(&self) -> usize;

    /// Scores of each row: n × [`inputs`](Network::inputs) in, n × [`outputs`](Network::outputs) out.
    fn forward(&self, x: Tensor<2>) -> Tensor<2>;

    /// What it is made of, in a few words: for messages, and to know its parameters again.
    fn description(&self) -> String {
        format!("network from {} to {}", self.inputs(), self.outputs())
    }
}

/// The processor, with gradients: where [`Mlp`] and [`Cnn`] are made. A module is moved elsewhere by its `fork`.
pub fn device() -> Device {
    Device::flex().autodiff()
}

/// Makes the allocator of many Linux systems keep what is freed, up to 32 MB a block, instead of giving it back: a step that makes and
/// frees gradients of a megabyte takes a third of the time in small batches. Training calls it; so may a loop of one's own. Elsewhere
/// nothing happens.
///
/// Such an allocator takes a large block from the system, and keeps blocks of a size that it has seen freed.
pub fn keep_freed_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(31 << 20)));
}

/// Rows of features as a tensor where the network is, without gradients of their own.
pub(crate) fn tensor(rows: Vec<f32>, width: usize, device: &Device) -> Tensor<2> {
    let n = rows.len() / width.max(1);
    Tensor::from_data(TensorData::new(rows, [n, width]), device)
}

/// The numbers of a tensor, row by row.
pub(crate) fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    // Of another type only if a module of one's own has parameters of that type; what cannot be read is not a number.
    let data = tensor.into_data();
    let count = data.num_elements();
    data.convert::<f32>().try_into_vec().unwrap_or_else(|_| vec![f32::NAN; count])
}

/// Σ c · scores, in the graph of the scores, without gradients of c.
pub(crate) fn contracted(scores: Tensor<2>, c: Vec<f32>) -> Tensor<1> {
    let constant = Tensor::from_data(TensorData::new(c, scores.dims()), &scores.device().inner());
    (scores * constant).sum()
}

/// Where the parameters are; the processor if there are none.
pub(crate) fn place(network: &impl Module) -> Device {
    network.devices().into_iter().next().unwrap_or_else(device)
}

/// Refuses features that are not rows of the network's width, or not finite.
pub(crate) fn checked_features(network: &impl Network, features: &[f32]) -> Result<usize> {
    let width = network.inputs();
    if width == 0 || !features.len().is_multiple_of(width) {
        let expected = format!("rows of {width} ({})", network.description());
        return Err(Error::shape("features", expected, format!("{} numbers", features.len())));
    }
    if let Some(at) = features.iter().position(|x| !x.is_finite()) {
        let place = format!("row {}, column {}", at / width + 1, at % width + 1);
        return Err(Error::non_finite("features", place, f64::from(features[at])));
    }
    Ok(features.len() / width)
}

/// Scores of rows of features: [`outputs`](Network::outputs) a row.
///
/// # Errors
/// [`Error::Shape`] unless features are rows of the network's width, [`Error::NonFinite`] for NaN or infinity among them.
pub fn scores<N: Network>(network: &N, features: &[f32]) -> Result<Vec<f32>> {
    checked_features(network, features)?;
    Ok(evaluate(&network.valid(), features))
}

/// [`scores`] without checks, of a network without gradients.
pub(crate) fn evaluate<N: Network>(network: &N, features: &[f32]) -> Vec<f32> {
    let (width, place) = (network.inputs(), place(network));
    let blocks = features.chunks(ROWS * width);
    blocks.flat_map(|rows| numbers(network.forward(tensor(rows.to_vec(), width, &place)))).collect()
}
