//! Transport between two measures known by samples, with potentials that are functions.
//!
//! [`Continuous`] states a problem, [`Continuous::solve`] solves and certifies it, [`Solution`] are the numbers that come back and [`Coupling`]
//! the plan, to be used at any point. [`Kernel`] lists the kernels that potentials can be sums of, [`KernelAscent`] is for those who want to
//! watch stochastic gradients, [`Continuous::certify`] for those who bring potentials of their own.

mod ascent;
mod basis;
mod certificate;
mod checkpoint;
mod coupling;
mod extend;
mod fit;
mod kernel;
mod potential;
mod problem;
mod samples;
mod settings;
mod sgd;
mod solution;

pub use ascent::KernelAscent;
pub use basis::KernelPotential;
pub use checkpoint::Checkpoint;
pub use coupling::Coupling;
pub use kernel::{Entry, Kernel, registry};
pub use potential::{CTransform, Potential};
pub use problem::{Continuous, Scale};
pub use settings::{Objective, Settings, Sgd, Solver, Space};
pub use solution::{HistoryPoint, Marginal, Marginals, Solution};
