//! Optimal transport from anything one can draw from to finitely many atoms.

mod settings;
mod solution;

pub use settings::{Asgd, Lambda, Settings, Solver, StepRule};
pub use solution::{AsgdBounds, Bounds, Certified, HistoryPoint, Interval, MarginalError, Solution};
