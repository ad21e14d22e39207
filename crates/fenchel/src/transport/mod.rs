//! Optimal transport from anything one can draw from to finitely many atoms.
//!
//! [`SemiDiscrete`] states a problem, [`SemiDiscrete::solve`] solves and certifies it, [`Solution`] is what
//! comes back, [`Plan`] applies it to new points. [`DualOracle`] is for those who bring their own method,
//! [`Ascent`] for those who want to watch the paper's.

mod ascent;
mod asgd;
mod auto;
mod certificate;
mod checkpoint;
mod checkpoint_file;
mod coarse;
pub mod continuous;
mod draws;
mod evaluate;
mod evidence;
mod hessian;
mod hunt;
mod index;
mod kernels;
mod levels;
mod lists;
mod local;
mod mending;
mod net;
mod newton;
mod oracle;
mod plan;
mod problem;
mod rounding;
mod row;
mod settings;
mod solution;
mod statistics;

pub use ascent::Ascent;
pub use checkpoint::Checkpoint;
pub use checkpoint_file::CheckpointFile;
pub use oracle::{DualOracle, Scalar};
pub use plan::Plan;
pub use problem::SemiDiscrete;
pub use settings::{Asgd, Lambda, Settings, Solver, StepRule};
pub use solution::{AsgdBounds, Bounds, Certified, HistoryPoint, Interval, MarginalError, Solution};
