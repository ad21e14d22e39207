//! Smooth maxima, and optimal transport that proves its answers.
//!
//! One idea worked out: charge the best average of some scores u for straying from reference weights η, and the
//! maximum becomes smooth,
//!
//! ```text
//! smoothmax(u) = max over p in the simplex of  Σ p_i u_i − λ Σ η_i f(p_i/η_i)
//!              = min over τ of  τ + λ Σ η_i f*((u_i − τ)/λ),      p_i = η_i (f*)'((u_i − τ)/λ).
//! ```
//!
//! With f(t) = t log t − t + 1 it is log-sum-exp and p a softmax; other generators make sparse weights, tail means, bounded
//! weights ([`divergence`] has the table). At u = φ − c(x, ·) it is the inner problem of optimal transport from a point x
//! to atoms y_i, for every x of a source.
//!
//! # A tour
//!
//! Value, weights and threshold of a smooth maximum come together, in buffers of the caller:
//!
//! ```
//! use fenchel::divergence::parse;
//! use fenchel::smoothmax::SmoothMax;
//!
//! let scores = [2.0, 1.7, 0.4];
//! let mut p = [0.0; 3];
//!
//! // KL over a counting reference is log-sum-exp, which has a module of its own.
//! let mut lse = SmoothMax::new(parse("kl")?, 1.0)?.with_reference(&[1.0; 3])?;
//! let top = lse.evaluate(&scores, &mut p)?;
//! assert!((top.value - fenchel::logspace::logsumexp(&scores)).abs() < 1e-15);
//!
//! // The mean of the worst third, under the same interface.
//! let mut cvar = SmoothMax::new(parse("cvar:0.34")?, 1.0)?;
//! let top = cvar.evaluate(&scores, &mut p)?;
//! assert!(top.value <= 2.0 && p[0] > 0.98);
//!
//! // What p and τ prove, from below and from above.
//! let proof = cvar.certify(&scores, &p, &top)?;
//! assert!(proof.gap.abs() < 1e-14);
//! # Ok::<(), fenchel::Error>(())
//! ```
//!
//! A transport problem is a source, atoms, a cost, a divergence and its strength; the answer is certified on samples that
//! the solver has not seen:
//!
//! ```
//! use fenchel::transport::{Lambda, SemiDiscrete, Settings};
//! use fenchel::{cost, divergence, measure, optim::Silent};
//!
//! let atoms = measure::PointCloud::new(2, vec![-1.0, 0.0, 1.0, 0.0, 0.0, 1.0])?;
//! let problem = SemiDiscrete::new(
//!     measure::parse("gaussian:2")?,
//!     atoms,
//!     cost::parse("linf")?,
//!     divergence::parse("kl")?,
//!     Lambda::Relative(0.1), // times the standard deviation of the costs
//! )?;
//! let solution = problem.solve(&Settings { tolerance: 1e-2, ..Settings::default() }, &mut Silent)?;
//! assert!(solution.status.is_converged());
//! assert!(solution.interval.contains(solution.value));
//! assert!(solution.marginal_error.l1 < 1e-2);
//!
//! // Where does mass at a new point go?
//! let plan = problem.plan(&solution)?;
//! assert_eq!(plan.assign(&[2.5, 0.1])?, 1);
//! # Ok::<(), fenchel::Error>(())
//! ```
//!
//! Divergences, costs and sources have names ([`divergence::registry`], [`cost::registry`], [`measure::registry`]), and each
//! can be one's own: implement [`divergence::Divergence`], [`cost::Cost`] or [`measure::Source`], or hand over a closure
//! ([`divergence::FromGenerator`], [`cost::CostFn`], [`measure::FromFn`]).
//!
//! # The map
//!
//! | module | what is in it |
//! |---|---|
//! | [`divergence`] | generators f, their conjugates, the search for the threshold |
//! | [`smoothmax`] | the smooth maximum: checked interface, hot-loop interface, Hessian products |
//! | [`choice`] | smooth maxima as expected maxima: extreme values, extremal noise, Chebyshev sets |
//! | [`logspace`] | log-sum-exp and its family |
//! | [`bounds`] | inequalities that a result can carry |
//! | [`measure`] | sources, point clouds, Sobol' points, files |
//! | [`images`] | sets of grey images: read, drawn, mislabelled |
//! | [`cost`] | ground costs |
//! | [`transport`] | semi-discrete optimal transport: problem, solvers, certificate, plan; continuous transport |
//! | [`robust`] | losses, worst-case risks, robust linear models |
//! | [`optim`] | how a run ends, reports and is stopped |
//! | [`simd`] | vector kernels with run-time dispatch |
//! | [`error`] | what can go wrong, said in the user's terms |
//!
//! # Conventions
//!
//! Points are rows, d numbers each, one after another. Atoms and scores are counted from 0. Potentials, values, λ and thresholds
//! are in the unit of the cost or of the scores. The same seed gives the same bits for any number of threads.
//! Nothing panics on user input, except where a method of a hot loop says so.

pub mod bounds;
pub mod choice;
pub mod cost;
pub mod divergence;
pub mod error;
pub mod images;
pub mod logspace;
pub mod measure;
pub mod optim;
pub mod robust;
pub mod simd;
pub mod smoothmax;
pub mod transport;

pub use error::{Error, Result};

/// The code in the Markdown files is tested with the crate's own.
#[cfg(doctest)]
mod book {
    #[doc = include_str!("../../../README.md")]
    struct Readme;
    #[doc = include_str!("../../../CONTRIBUTING.md")]
    struct Contributing;
    #[doc = include_str!("../../../docs/smooth-maxima.md")]
    struct SmoothMaxima;
    #[doc = include_str!("../../../docs/discrete-choice.md")]
    struct DiscreteChoice;
    #[doc = include_str!("../../../docs/semi-discrete-transport.md")]
    struct SemiDiscreteTransport;
    #[doc = include_str!("../../../docs/continuous-transport.md")]
    struct ContinuousTransport;
}
