//! Networks as potentials of optimal transport and as robust models.
//!
//! The engine [`fenchel`] has the mathematics; this crate puts networks where it has vectors and linear models. Layers, tensors
//! and gradients are those of [`burn`], which is exported again so that a network of one's own needs no version of its own.
//!
//! # A tour
//!
//! A network is a burn module that says how wide its rows are; two kinds are here, made from a seed alone:
//!
//! ```
//! use fenchel_neural::network::{Cnn, Image, Mlp, Network, parameters, scores};
//!
//! let mlp = Mlp::new(4, &Mlp::HIDDEN, 3, 7)?;
//! let out = scores(&mlp, &[0.1, 0.2, 0.3, 0.4])?;
//! assert_eq!(out.len(), 3);
//!
//! // Parameters are numbers in a row, to the bit.
//! let theta = parameters::read(&mlp);
//! let again = parameters::written(Mlp::new(4, &Mlp::HIDDEN, 3, 8)?, &theta)?;
//! assert_eq!(scores(&again, &[0.1, 0.2, 0.3, 0.4])?, out);
//!
//! let cnn = Cnn::new(Image { channels: 1, height: 28, width: 28 }, 10, 7)?;
//! assert_eq!(cnn.inputs(), 784);
//! # Ok::<(), fenchel::Error>(())
//! ```
//!
//! # The map
//!
//! | module | what is in it |
//! |---|---|
//! | [`network`] | what a network is; perceptrons, convolutions; parameters as numbers and files |
//! | [`optimiser`] | Nesterov's momentum and Adam on parameters in a row |
//! | [`robust`] | networks as robust models: smooth maxima of losses, examples that move |
//! | [`transport`] | networks as potentials of continuous transport, certified by the engine |
//!
//! # Conventions
//!
//! Features are `f32`, one row after another; losses, weights, thresholds and objectives are `f64` and computed by the engine. The same
//! seed gives the same bits for any number of threads: there is no global state. Errors are those of the engine.

pub mod network;
pub mod optimiser;
pub mod robust;
pub mod transport;

pub use burn;

/// How often a training asks its observer.
pub(crate) const EVERY: std::time::Duration = std::time::Duration::from_millis(50);

/// What streams of random numbers are for, apart from those of the engine.
pub(crate) mod purpose {
    /// Parameters at the start, a block a layer.
    pub(crate) const INITIAL: u64 = 64;
    /// The order of examples, a block a pass.
    pub(crate) const ORDER: u64 = 65;
    /// Examples that try a step.
    pub(crate) const TRIAL: u64 = 66;
    /// Examples that are held back.
    pub(crate) const SPLIT: u64 = 67;

    /// Points of transport, apart from those of the engine's methods and certificates; the source's are even, the target's odd.
    pub(crate) const PILOT: u64 = 1 << 60;
    pub(crate) const STEPS: u64 = (1 << 60) + 2;
    pub(crate) const VALIDATION: u64 = (1 << 60) + 4;
    pub(crate) const TRANSFORMED: u64 = (1 << 60) + 8;
    pub(crate) const BIAS: u64 = 1 << 61;
}
