//! Robust learning: models that hold up on the worst case.
//!
//! ```text
//! min over θ of  max over p of  Σ p_i ℓ_i(θ) − λ D_f(p‖p̂)
//! ```
//!
//! The inner maximum is a smooth maximum of the losses of all examples: with KL log-sum-exp, with CVaR the mean of the worst
//! share, with `none` the largest. [`loss`] has the losses, [`Risk`] the risk of a vector of them, penalised or within a
//! radius, [`Linear`] fits linear models and certifies how far from optimal they are, [`validation`] chooses λ or the radius.
//! With a [`Perturbation`] features may move as well: the worst case over unbalanced transport.

mod batch;
mod bound;
mod certificate;
mod corner;
mod design;
mod examples;
mod linear;
pub mod loss;
mod model;
mod newton;
mod objective;
mod options;
mod passes;
mod perturbation;
mod risk;
mod rows;
mod sgd;
mod streamed;
mod tails;
pub mod validation;

pub use examples::Examples;
pub use linear::{Fit, Linear};
pub use model::LinearModel;
pub use options::{Options, Precision};
pub use passes::Passes;
pub use perturbation::{Moves, Perturbation};
pub use risk::{Risk, Strength, Worst};
pub use sgd::{Method, Sgd, Trained};
pub use streamed::StreamedExamples;
pub use tails::tails;
