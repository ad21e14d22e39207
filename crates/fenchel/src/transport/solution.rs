//! What a solve returns: numbers in the user's units, each with what it rests on.

use crate::optim::Status;
use serde::{Deserialize, Serialize};

/// A two-sided 95% confidence interval; an end that nothing certifies is infinite (null in JSON).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    #[serde(with = "infinite_as_null::lower")]
    pub lower: f64,
    /// Upper end.
    #[serde(with = "infinite_as_null::upper")]
    pub upper: f64,
}

impl Interval {
    /// Upper minus lower end.
    pub fn width(&self) -> f64 {
        self.upper - self.lower
    }

    /// Whether `x` lies inside, ends included.
    pub fn contains(&self, x: f64) -> bool {
        self.lower <= x && x <= self.upper
    }
}

/// Lower and upper bounds on the unregularised optimal transport cost W(μ, ν), each at 97.5% one-sided
/// confidence, so that both hold together at 95%.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// ν·φ − E max_i(φ_i − c(x, y_i)).
    #[serde(with = "infinite_as_null::lower")]
    pub lower: f64,
    /// Transport cost of a plan with the right marginals.
    #[serde(with = "infinite_as_null::upper")]
    pub upper: f64,
}

/// How far the second marginal q of the plan that the potentials describe is from ν.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MarginalError {
    /// max_i |q_i − ν_i| of the pooled estimate of q (its sampling noise included).
    pub max: f64,
    /// Σ |q_i − ν_i| : the smaller of two upper estimates, the pooled one (noise included) and
    /// √(χ² + 1.96 standard errors).
    pub l1: f64,
    /// Unbiased estimate of χ² = Σ (q_i − ν_i)²/ν_i; may come out below zero by noise.
    pub chi2: f64,
    /// Standard error of `chi2`; 0 where q is known exactly.
    pub chi2_error: f64,
}

/// Which sides of the value's interval are within the tolerance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certified {
    /// The whole interval is as narrow as the tolerance asks.
    Interval,
    /// The marginal error and the lower side are; the upper side is valid but cannot be made tight at a
    /// reasonable sample size (high dimension, many atoms, little regularisation).
    LowerSide,
    /// Neither.
    Nothing,
}

/// One line of a solve's history.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HistoryPoint {
    /// Samples drawn so far.
    pub samples: u64,
    /// Seconds since the start.
    pub seconds: f64,
    /// λ of this stage, in cost units.
    pub lambda: f64,
    /// Dual value at this stage's λ, on the solver's own sample.
    pub value: f64,
    /// Σ |q_i − ν_i| on the solver's own sample.
    pub marginal_l1: f64,
    /// Σ (q_i − ν_i)²/ν_i on the solver's own sample.
    pub marginal_chi2: f64,
}

/// The guarantees of averaged stochastic gradient ascent as numbers (Theorem 4.6, Corollary 4.10): each
/// bounds W_λ − E h(φ̄_T), given ‖φ*‖, for which the returned potentials stand.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AsgdBounds {
    /// (i), for continuous marginal distributions.
    pub continuous: f64,
    /// (ii), for Lipschitz continuous ones; none where L is infinite.
    pub lipschitz: Option<f64>,
    /// (iii), for self-concordant ones; none where M is infinite or κ, the smallest curvature orthogonal
    /// to constants, is zero to rounding.
    pub self_concordant: Option<f64>,
    /// ‖φ*‖ used above, in cost units.
    pub potential_norm: f64,
    /// κ used above, in units of 1/cost.
    pub curvature: f64,
    /// The step size γ of the last step.
    pub step: f64,
}

/// The result of a semi-discrete solve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Solution {
    /// How the solve ended.
    pub status: Status,
    /// Which sides of `interval` are within the tolerance.
    pub certified: Certified,
    /// Estimate of the regularised value W_λ, from the dual on fresh samples, in cost units.
    pub value: f64,
    /// 95% interval of W_λ: dual below, primal above.
    pub interval: Interval,
    /// Bounds on the unregularised W(μ, ν).
    pub bounds: Bounds,
    /// A priori bound on W_λ − W from the divergence alone; null where it is infinite.
    pub regularisation_gap: Option<f64>,
    /// φ in cost units, centred over the atoms with mass; null for atoms without.
    pub potential: Vec<Option<f64>>,
    /// Distance of the plan's second marginal from ν.
    pub marginal_error: MarginalError,
    /// Samples drawn by the solver and the certificate.
    pub samples: u64,
    /// Costs evaluated by solver and certificate, of samples with atoms and with boxes around atoms.
    pub pairs: u64,
    /// What that would have been with every atom looked at for every sample.
    pub all_pairs: u64,
    /// Wall-clock seconds, certificate included.
    pub seconds: f64,
    /// Tolerance asked for.
    pub tolerance: f64,
    /// Standard deviation of the costs on the pilot sample, the unit of the tolerance.
    pub cost_spread: f64,
    /// λ in cost units; null for divergences that do not use it (`none`, `cvar`).
    pub lambda: Option<f64>,
    /// For divergences that are not smooth, where atoms tie (a finite source, a cost whose ties have mass) or the solve had
    /// to end early: the λ, in cost units, of the smooth divergence that shares them out in the plan, whose marginal
    /// `marginal_error` then speaks of. Null where the plan is the divergence's own.
    pub smoothing: Option<f64>,
    /// Name of the divergence.
    pub divergence: String,
    /// Name of the cost.
    pub cost: String,
    /// Name of the source.
    pub source: String,
    /// Name of the method.
    pub solver: String,
    /// Seed used.
    pub seed: u64,
    /// The solve, stage by stage.
    pub history: Vec<HistoryPoint>,
    /// Bounds of the averaged stochastic gradient method, where it was used.
    pub asgd: Option<AsgdBounds>,
}

/// ±∞ is written as null, which is what JSON has for it.
pub(super) mod infinite_as_null {
    macro_rules! end {
        ($name:ident, $infinite:expr) => {
            pub mod $name {
                use serde::{Deserialize, Deserializer, Serialize, Serializer};

                pub fn serialize<S: Serializer>(v: &f64, s: S) -> Result<S::Ok, S::Error> {
                    v.is_finite().then_some(*v).serialize(s)
                }

                pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
                    Ok(Option::<f64>::deserialize(d)?.unwrap_or($infinite))
                }
            }
        };
    }
    end!(lower, f64::NEG_INFINITY);
    end!(upper, f64::INFINITY);
}
