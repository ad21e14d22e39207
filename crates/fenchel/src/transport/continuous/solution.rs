//! What a continuous solve returns: numbers in the user's units, each with what it rests on.

use crate::error::Result;
use crate::optim::Status;
use crate::transport::plan::{load_json, save_json};
use crate::transport::solution::{Bounds, Interval, infinite_as_null};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How far one marginal of the plan that the potentials describe is from what it should be, as measured on fresh samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Marginal {
    /// Unbiased estimate of χ² = E(t − 1)², t the marginal's density; may come out below zero by noise. Null in JSON where it is infinite.
    #[serde(with = "infinite_as_null::upper")]
    pub chi2: f64,
    /// √(χ² with its error): at least the error in the 1-norm, with 97.5% confidence.
    #[serde(with = "infinite_as_null::upper")]
    pub l1: f64,
}

/// Both marginals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Marginals {
    /// The first one, against μ.
    pub source: Marginal,
    /// The second one, against ν.
    pub target: Marginal,
}

/// One line of a solve's history.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HistoryPoint {
    /// Points of either side that the method has used.
    pub samples: u64,
    /// Seconds since the start.
    pub seconds: f64,
    /// The dual value on fresh samples.
    #[serde(with = "infinite_as_null::lower")]
    pub value: f64,
    /// Estimate of how far it is below the optimum; none where the method has none.
    pub gap: Option<f64>,
}

/// The result of a continuous solve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Solution {
    /// How the solve ended.
    pub status: Status,
    /// Estimate of W_λ, from the dual on fresh samples, in cost units; null in JSON where that is −∞.
    #[serde(with = "infinite_as_null::lower")]
    pub value: f64,
    /// 95% interval of W_λ: dual below, plans between samples above.
    pub interval: Interval,
    /// Bounds on the unregularised W(μ, ν): none below, where no sample can tell, and the cost of the plan above.
    pub bounds: Bounds,
    /// How much of the interval's width is not noise.
    #[serde(with = "infinite_as_null::upper")]
    pub gap: f64,
    /// Distances of the plan's marginals from μ and ν.
    pub marginal_error: Marginals,
    /// Points drawn from either side by solver and certificate, together.
    pub samples: u64,
    /// Wall-clock seconds, certificate included.
    pub seconds: f64,
    /// Tolerance asked for.
    pub tolerance: f64,
    /// Standard deviation of the costs on the pilot sample, the unit of the tolerance.
    pub cost_spread: f64,
    /// λ in cost units.
    pub lambda: f64,
    /// Name of the divergence.
    pub divergence: String,
    /// Name of the cost.
    pub cost: String,
    /// Name of the source.
    pub source: String,
    /// Name of the target.
    pub target: String,
    /// Name of the method.
    pub solver: String,
    /// Seed used.
    pub seed: u64,
    /// The kernel's bandwidth, where there is a kernel.
    pub bandwidth: Option<f64>,
    /// The step size C of stochastic gradients, where they were used.
    pub step: Option<f64>,
    /// The solve, stage by stage.
    pub history: Vec<HistoryPoint>,
}

impl Solution {
    /// Writes the result as JSON; it appears whole or not at all.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File) if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save_json(self, path.as_ref())
    }

    /// Reads a result back, to the same bits.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File) if the file cannot be read or is no result.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        load_json(path.as_ref())
    }
}
