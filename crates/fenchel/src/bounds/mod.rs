//! Bounds that a result can carry: how far a smoothed or safe quantity is from what it stands for.
//!
//! All are inequalities between numbers the caller already has. A bound that is infinite carries no
//! information and comes back as [`Error::Unbounded`], a problem without a solution as [`Error::Infeasible`].

mod ascent;
mod log_sum_exp;
mod transport;

pub use ascent::AscentGuarantee;
pub use log_sum_exp::{
    bouchard, bouchard_bracket, cvar_bracket, safe_bracket_by_maximum, safe_bracket_by_moment,
};
pub use log_sum_exp::{logistic_smoothness, safe_strong_convexity};
pub use transport::{check_feasible, regularisation_gap};

#[cfg(doc)]
use crate::error::Error;

/// An interval that contains a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bracket {
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
}

impl Bracket {
    /// upper − lower.
    pub fn width(&self) -> f64 {
        self.upper - self.lower
    }

    /// Whether `x` is inside, up to `slack` on either side.
    pub fn contains(&self, x: f64, slack: f64) -> bool {
        self.lower - slack <= x && x <= self.upper + slack
    }
}
