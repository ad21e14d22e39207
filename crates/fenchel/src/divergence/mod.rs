//! Divergence generators f, their conjugates, and the registry of all of them.

use std::fmt::Debug;

/// A generator f of D_f(p‖η) = Σ η_i f(p_i/η_i): convex and lower semicontinuous on [0, ∞).
///
/// s is dimensionless: s = (u − τ)/λ. f* is the conjugate over t ≥ 0.
pub trait Divergence: Debug + Send + Sync {
    /// Name with parameters, as the registry and the command line write it: `safe-kl:0.1`.
    fn name(&self) -> String;
    /// f(t), +∞ outside the domain.
    fn f(&self, t: f64) -> f64;
    /// f'(t); +∞ beyond the cap, −∞ at 0 where the slope is.
    fn f_prime(&self, t: f64) -> f64;
    /// f*(s).
    fn conj(&self, s: f64) -> f64;
    /// (f*)'(s) ≥ 0, non-decreasing.
    fn conj_prime(&self, s: f64) -> f64;
    /// (f*)''(s), 0 where it does not exist.
    fn conj_second(&self, s: f64) -> f64;
    /// Right end of the domain of f ("cap" on p_i/η_i).
    fn cap(&self) -> f64 {
        f64::INFINITY
    }
}
