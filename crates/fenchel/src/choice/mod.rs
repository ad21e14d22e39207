//! Smooth maxima read as discrete choices: somebody picks the largest of u_i + z_i, with random z.
//!
//! The expected maximum, the best over a set Θ of distributions of the noise where that is not known,
//!
//! ```text
//! ψ(u) = sup over θ in Θ of E_θ[max_i u_i + z_i],
//! ```
//!
//! is convex and smooth in the utilities u, and its gradient p are the choice probabilities. At u = φ − c(x, ·) it is
//! the smooth c-transform of semi-discrete transport (Taşkesen, Shafieezadeh-Abadeh and Kuhn 2022, equation 11). Three
//! kinds of Θ have an answer that can be computed:
//!
//! | what is known of the noise | ψ(u) | here |
//! |---|---|---|
//! | its distribution, of the generalised extreme value kind | λ log G(e^u) | [`ExtremeValue`] of a [`GeneratingFunction`]: [`Multinomial`], [`Nested`], [`FromFunction`] |
//! | the distribution of each z_i, not their dependence | max ⟨u, p⟩ − λ D_f(p‖η) | [`SmoothMax`]; [`Extremal`] draws from the best θ |
//! | mean zero and covariance Σ | max ⟨u, p⟩ + tr (Σ^½ (diag p − ppᵀ) Σ^½)^½ | [`Chebyshev`] |
//!
//! [`Smoothing`] is what they have in common, and [`c_transform`] and [`dual_on`] put any of them into the dual of
//! semi-discrete transport. The solvers of [`transport`](crate::transport) take divergences only: they leave atoms out
//! and store Hessians as diagonals less a rank-one matrix, which the middle row allows and the others do not.

mod chebyshev;
mod dual;
mod extremal;
mod gev;
mod nested;
mod polar;
mod trace;

use crate::error::Result;
use crate::smoothmax::SmoothMax;

pub use chebyshev::{Chebyshev, ChebyshevMaximum};
pub use dual::{c_transform, dual_on};
pub use extremal::Extremal;
pub use gev::{ExtremeValue, FromFunction, GeneratingFunction, Multinomial};
pub use nested::{Nested, Tree};

/// A smooth maximum with its gradient.
pub trait Smoothing {
    /// ψ(u); the choice probabilities go to `p`, as many as scores. By [`Chebyshev`] it is a value of its concave program,
    /// and ψ(u) may be larger by the gap that [`Chebyshev::evaluate`] reports, usually 1e-11 of the noise's standard deviation.
    ///
    /// # Errors
    /// A length that does not fit, a score that is not finite.
    fn maximum(&mut self, u: &[f64], p: &mut [f64]) -> Result<f64>;
}

impl Smoothing for SmoothMax {
    fn maximum(&mut self, u: &[f64], p: &mut [f64]) -> Result<f64> {
        Ok(self.evaluate(u, p)?.value)
    }
}

impl Smoothing for Chebyshev {
    fn maximum(&mut self, u: &[f64], p: &mut [f64]) -> Result<f64> {
        Ok(self.evaluate(u, p)?.value)
    }
}
