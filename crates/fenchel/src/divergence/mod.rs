//! Divergence generators f, their conjugates, and the registry of all of them.
//!
//! A generator is a convex, lower semicontinuous f on [0, ∞). It makes the divergence
//! D_f(p‖η) = Σ η_i f(p_i/η_i) and with it the smooth maximum
//!
//! ```text
//! smoothmax(u) = max over p in the simplex of  Σ p_i u_i − λ Σ η_i f(p_i/η_i)
//!              = min over τ of  τ + λ Σ η_i f*((u_i − τ)/λ),      p_i = η_i (f*)'((u_i − τ)/λ).
//! ```
//!
//! | name | f(t) | (f*)'(s) |
//! |---|---|---|
//! | `none` | 0 | the maximum itself |
//! | `kl` | t log t − t + 1 | eˢ |
//! | `safe-kl:ρ` | t log t + 1 + ((1−ρt)/ρ) log(1−ρt) | eˢ/(1 + ρeˢ) |
//! | `safe-kl-centered:ρ` | the same less f(1) | the same |
//! | `chi2` | t² − t | (s+1)₊/2 |
//! | `tsallis:q` | (t^q − t)/(q−1) | ((1+(q−1)s)/q)₊^{1/(q−1)} |
//! | `hyperbolic` | t asinh t − √(t²+1) + 1 + kt | sinh((s−k)₊) |
//! | `marginal-moments` | −√(t(n−t)) + t√(n−1) | (n/2)(1 + v/√(1+v²)), v = s − √(n−1) |
//! | `cvar:α` | 0 on \[0, 1/α\] | 1\[s>0\]/α |
//! | `kl-cvar:α` | t log t − t + 1 on \[0, 1/α\] | min(eˢ, 1/α) |
//!
//! # Add a divergence
//!
//! One file and one registry row; the law tests, the command line and the benches find it in the registry. Say the
//! generator is f(t) = (t² − 1)/2, whose conjugate over t ≥ 0 is f*(s) = s₊²/2 + 1/2. The file `half_square.rs`
//! holds the generator:
//!
//! ```
//! use fenchel::divergence::Divergence;
//!
//! /// f(t) = (t² − 1)/2, (f*)'(s) = s₊.
//! #[derive(Debug, Clone, Copy)]
//! pub struct HalfSquare;
//!
//! impl Divergence for HalfSquare {
//!     fn name(&self) -> String { "half-square".into() }
//!     fn f(&self, t: f64) -> f64 { if t < 0.0 { f64::INFINITY } else { 0.5 * (t - 1.0) * (t + 1.0) } }
//!     fn f_prime(&self, t: f64) -> f64 { t }
//!     fn conj(&self, s: f64) -> f64 { 0.5 * s.max(0.0) * s.max(0.0) + 0.5 }
//!     fn conj_prime(&self, s: f64) -> f64 { s.max(0.0) }
//!     fn conj_second(&self, s: f64) -> f64 { if s > 0.0 { 1.0 } else { 0.0 } }
//!     // Optional: what lets solvers leave atoms out, choose steps and state bounds.
//!     fn negligible_below(&self) -> f64 { 0.0 }
//!     fn lipschitz(&self) -> f64 { 1.0 }
//! }
//!
//! // That is all it takes to use it:
//! use fenchel::smoothmax::SmoothMax;
//! let mut p = [0.0; 3];
//! let top = SmoothMax::new(std::sync::Arc::new(HalfSquare), 1.0)?.evaluate(&[1.0, 0.0, -4.0], &mut p)?;
//! assert!((p[0] - 0.6667_f64).abs() < 1e-3 && p[2] == 0.0 && top.value < 1.0);
//! # Ok::<(), fenchel::Error>(())
//! ```
//!
//! and its row, `ENTRY`, which `registry.rs` adds to its list:
//!
//! ```text
//! pub(super) const ENTRY: Entry = Entry {
//!     name: "half-square",
//!     parameter: Parameter::None,
//!     summary: "half the square: weights are piecewise linear in the scores and sparse",
//!     examples: &["half-square"],
//!     build: |_| Ok(Arc::new(HalfSquare)),
//! };
//! ```
//!
//! Everything else a generator may offer has a default: override [`Divergence::weigh`] for a faster sweep,
//! [`Divergence::solve`] where there is a closed form.

mod chi2;
mod cvar;
mod hyperbolic;
mod kl;
mod kl_cvar;
mod marginal_moments;
mod none;
mod per_atom;
mod registry;
mod root;
mod safe_kl;
mod solve;
mod sum;
mod tsallis;
mod user;

use std::fmt::Debug;
use std::sync::Arc;

pub use chi2::ChiSquare;
pub use cvar::Cvar;
pub use hyperbolic::Hyperbolic;
pub use kl::Kl;
pub use kl_cvar::KlCvar;
pub use marginal_moments::MarginalMoments;
pub(crate) use marginal_moments::one_plus_ratio;
pub use none::Unregularised;
pub use per_atom::PerAtom;
pub use registry::{Entry, Parameter, parse, registry};
pub use safe_kl::SafeKl;
pub use solve::{Row, Scratch, Smoothed};
pub use sum::Mass;
pub use tsallis::Tsallis;
pub use user::{FromGenerator, Function};

pub(crate) use solve::{dual_value, fill_scores, normalise, solve_by_newton, top};
pub(crate) use sum::{pairwise, sweep};

/// A generator f of D_f(p‖η) = Σ η_i f(p_i/η_i): convex and lower semicontinuous on [0, ∞).
///
/// Everything is dimensionless: t = p_i/η_i is a density, s = (u_i − τ)/λ a scaled excess over the
/// threshold. The first six methods define a divergence; all others have defaults made of them.
/// Default methods are compiled once for each generator, so that loops over a row call the
/// generator's own functions directly, not through the table of a trait object.
pub trait Divergence: Debug + Send + Sync {
    /// Name with parameters, as the registry and the command line write it: `safe-kl:0.1`.
    fn name(&self) -> String;
    /// f(t), +∞ outside the domain.
    fn f(&self, t: f64) -> f64;
    /// f'(t); +∞ beyond the cap, −∞ at 0 where the slope is. At a kink any slope in between.
    fn f_prime(&self, t: f64) -> f64;
    /// f*(s) = sup over t ≥ 0 of st − f(t). At s = −∞ it is −f(0).
    fn conj(&self, s: f64) -> f64;
    /// (f*)'(s) ≥ 0, non-decreasing. At s = −∞ it is 0.
    fn conj_prime(&self, s: f64) -> f64;
    /// (f*)''(s), 0 where it does not exist.
    fn conj_second(&self, s: f64) -> f64;

    /// Right end of the domain of f: no p_i/η_i exceeds it.
    fn cap(&self) -> f64 {
        f64::INFINITY
    }
    /// f(0): what an atom costs, for each unit of its reference mass, that gets no weight.
    fn f_at_zero(&self) -> f64 {
        self.f(0.0)
    }
    /// f(1): what p = η costs. Without rounding, as a large λ multiplies it.
    fn f_at_one(&self) -> f64 {
        self.f(1.0)
    }
    /// f'(1): the slope at p = η.
    fn f_prime_at_one(&self) -> f64 {
        self.f_prime(1.0)
    }
    /// Limit of f' at the cap: f*(s) is finite below it (and infinite above, if t is not capped).
    fn s_max(&self) -> f64 {
        f64::INFINITY
    }
    /// An s below which (f*)'(s) is 0, or less than 2⁻⁶⁰ and falling exponentially; −∞ if the tail is heavy.
    fn negligible_below(&self) -> f64 {
        f64::NEG_INFINITY
    }
    /// 1/f''(t) = (f*)''(f'(t)): the curvature as a function of the density; 0 where (f*)' is flat.
    fn curvature(&self, t: f64) -> f64 {
        if t > 0.0 && t < self.cap() { self.conj_second(self.f_prime(t)) } else { 0.0 }
    }
    /// Lipschitz constant L of (f*)'; +∞ where there is none.
    fn lipschitz(&self) -> f64 {
        f64::INFINITY
    }
    /// sup over t in [0, 1/η] of η (f*)''(f'(t)): Lipschitz constant of η (f*)' clipped to \[0, 1\], which
    /// is all that the root ever uses.
    fn clipped_lipschitz(&self, eta: f64) -> f64 {
        eta * self.lipschitz()
    }
    /// sup of |(f*)'''|/(f*)''; +∞ where there is none.
    fn self_concordance(&self) -> f64 {
        f64::INFINITY
    }
    /// Whether the smooth maximum is differentiable: weights depend continuously on the scores.
    fn is_smooth(&self) -> bool {
        true
    }
    /// For a divergence that is not smooth: the one that tends to it as its own temperature goes to 0.
    fn smoothed(&self) -> Option<Arc<dyn Divergence>> {
        None
    }
    /// The generator of atom `i` where each atom has its own; `None`: all atoms share this one.
    fn marginal(&self, i: usize) -> Option<&dyn Divergence> {
        let _ = i;
        None
    }
    /// Whether multiplying all reference masses by m adds λ log m to the smooth maximum (and its threshold), so
    /// that a reference need not be a probability: log-sum-exp over a counting measure. Others normalise it.
    fn counts_reference_mass(&self) -> bool {
        false
    }
    /// How many atoms it is for, if each has a generator of its own ([`Divergence::marginal`]). Scores are then to
    /// be given for all of them, in their order, or the divergence to be rearranged by [`Divergence::for_atoms`].
    fn atoms(&self) -> Option<usize> {
        None
    }
    /// Whether each atom has a generator of its own.
    fn is_per_atom(&self) -> bool {
        self.atoms().is_some()
    }
    /// The same divergence for the listed atoms in the listed order; `None`: itself.
    ///
    /// It concerns divergences with a generator for each atom, and those whose parameter is the number of
    /// atoms (`marginal-moments`): a caller that drops or reorders atoms asks once, before any loop.
    fn for_atoms(&self, atoms: &[usize]) -> Option<Arc<dyn Divergence>> {
        let _ = atoms;
        None
    }

    /// κ for which ((f*)'(s)^κ − 1)/κ is nearly affine in s (0: log (f*)' is): what Newton's method is applied
    /// to, so that it needs few passes.
    fn power(&self) -> f64 {
        0.0
    }
    /// p_i = η_i (f*)'(x_i − θ), with Σ p_i and Σ η_i (f*)''(x_i − θ).
    fn weigh(&self, x: &[f64], eta: &[f64], theta: f64, p: &mut [f64]) -> Mass {
        sweep(x, eta, p, |i, x| match self.marginal(i) {
            None => (self.conj_prime(x - theta), self.conj_second(x - theta)),
            Some(own) => (own.conj_prime(x - theta), own.conj_second(x - theta)),
        })
    }
    /// Fills `z` with whatever of `x` does not depend on the threshold, for [`Divergence::weigh_prepared`];
    /// `false`: there is no such thing.
    fn prepare(&self, x: &[f64], z: &mut [f64]) -> bool {
        let _ = (x, z);
        false
    }
    /// [`Divergence::weigh`] from the prepared scores; called only with |θ| ≤ 690 and only where
    /// [`Divergence::prepare`] returned `true`.
    fn weigh_prepared(&self, z: &[f64], eta: &[f64], theta: f64, p: &mut [f64]) -> Mass {
        self.weigh(z, eta, theta, p)
    }
    /// Where to start the search for θ, given the scores (their maximum is 0) and what was prepared of them.
    fn cold_start(&self, z: &[f64], eta: &[f64]) -> f64 {
        let _ = (z, eta);
        -self.f_prime_at_one()
    }
    /// f*(f'(1) + y) − f*(f'(1)) − y, of second order in y: what the value of the smooth maximum is above the
    /// η-mean. To be as exact as y is, where λ is far above the spread of the scores.
    fn conj_excess(&self, y: f64) -> f64 {
        let at_one = self.f_prime_at_one();
        if y.abs() < 1e-7 {
            // The midpoint rule: where the difference below is all rounding, this is exact to rounding times y.
            return (self.conj_prime(at_one + 0.5 * y) - 1.0) * y;
        }
        (self.conj(at_one + y) - self.conj(at_one)) - y
    }
    /// Σ η_i f*(x_i − θ).
    fn conj_sum(&self, x: &[f64], eta: &[f64], theta: f64) -> f64 {
        pairwise(x.len(), |i| match self.marginal(i) {
            None => eta[i] * self.conj(x[i] - theta),
            Some(own) => eta[i] * own.conj(x[i] - theta),
        })
    }
    /// [`Divergence::conj_sum`] for θ = `margin` − s_max, where s_max is finite.
    fn conj_sum_near_end(&self, x: &[f64], eta: &[f64], margin: f64) -> f64 {
        self.conj_sum(x, eta, margin - self.s_max())
    }
    /// [`Divergence::conj_sum`] with what was prepared at hand; both slices may be overwritten. Called only where
    /// no x_i exceeds 0.
    fn conj_sum_prepared(&self, x: &mut [f64], z: &mut [f64], eta: &[f64], theta: f64) -> f64 {
        let _ = z;
        self.conj_sum(x, eta, theta)
    }
    /// Σ η_i f(p_i/η_i) over the atoms with η_i > 0.
    fn penalty(&self, p: &[f64], eta: &[f64]) -> f64 {
        pairwise(p.len(), |i| {
            if eta[i] > 0.0 {
                let t = (p[i] / eta[i]).clamp(0.0, self.cap());
                eta[i] * self.marginal(i).map_or_else(|| self.f(t), |own| own.f(t.min(own.cap())))
            } else {
                0.0
            }
        })
    }
    /// Σ η_i f(p_i/η_i) − f(1), 0 at p = η; without cancellation where p is close to η, both sum to 1.
    ///
    /// It is Σ η_i [f(t_i) − f(1) − f'(1)(t_i − 1)], t_i = p_i/η_i, and with y = f'(t) − f'(1) the bracket is
    /// y(t − 1) − [f*(f'(1) + y) − f*(f'(1)) − y].
    fn centred_penalty(&self, p: &[f64], eta: &[f64]) -> f64 {
        let (one, slope) = (self.f_at_one(), self.f_prime_at_one());
        if !self.is_smooth() || self.is_per_atom() || !slope.is_finite() {
            return (self.penalty(p, eta) - one).max(0.0);
        }
        let cap = self.cap();
        let of = |t: f64| {
            if (t - 1.0).abs() < 0.25 && t < cap {
                let y = self.f_prime(t) - slope;
                y * (t - 1.0) - self.conj_excess(y)
            } else {
                self.f(t.min(cap)) - one - slope * (t - 1.0)
            }
        };
        pairwise(p.len(), |i| if eta[i] > 0.0 { eta[i] * of(p[i] / eta[i]) } else { 0.0 }).max(0.0)
    }
    /// d_i = `scale`·η_i/f''(p_i/η_i).
    fn curvatures(&self, p: &[f64], eta: &[f64], scale: f64, d: &mut [f64]) {
        for (i, ((d, p), eta)) in d.iter_mut().zip(p).zip(eta).enumerate() {
            let t = if *eta > 0.0 { p / eta } else { 0.0 };
            let second = self.marginal(i).map_or_else(|| self.curvature(t), |own| own.curvature(t));
            *d = scale * eta * second;
        }
    }
    /// Weights, value and threshold of one row. A closed form, a sort or a selection overrides it.
    fn solve(&self, row: &Row<'_>, start: Option<f64>, p: &mut [f64], scratch: &mut Scratch) -> Smoothed {
        solve_by_newton(self, row, start, p, scratch)
    }
}
