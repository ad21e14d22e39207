//! What the user may choose about a solve; the defaults need no thought.

use crate::error::{Error, Result};
use crate::optim::Memory;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// The strength λ of the regularisation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lambda {
    /// In units of the cost.
    Absolute(f64),
    /// Times the standard deviation of c(x, y) under μ ⊗ ν on the pilot sample.
    Relative(f64),
}

impl Lambda {
    /// The number, whichever unit it is in.
    pub fn number(self) -> f64 {
        match self {
            Lambda::Absolute(v) | Lambda::Relative(v) => v,
        }
    }
}

/// `0.1`, or `rel:0.01`.
impl FromStr for Lambda {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (number, relative) = match text.trim().strip_prefix("rel:") {
            Some(rest) => (rest, true),
            None => (text.trim(), false),
        };
        match number.parse::<f64>() {
            Ok(v) if v.is_finite() && v > 0.0 => {
                Ok(if relative { Lambda::Relative(v) } else { Lambda::Absolute(v) })
            }
            _ => Err(Error::invalid(
                "lambda",
                format!("'{text}'"),
                "a finite number above 0, or rel: and such a number",
            )),
        }
    }
}

/// Step size rule of averaged stochastic gradient ascent; T is the number of steps, R = 2.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepRule {
    /// γ = 1/(2(2+ε̄)²√T), for continuous marginal distributions; O(1/√T). Theorem 4.6 (i).
    Continuous,
    /// γ = 1/(2(2+ε̄)²√T + L), for L-Lipschitz ones. Theorem 4.6 (ii).
    Lipschitz,
    /// γ = 1/(2G²√T), G = max(√2 M/λ, 2+ε̄), for self-concordant ones; O(1/T). Theorem 4.6 (iii).
    SelfConcordant,
    /// γ = 1/(4√T), what the authors' experiments use.
    PracticalConstant,
    /// γ_t = 1/(4√t), what the authors use for their reference run.
    PracticalDecaying,
}

/// Settings of averaged stochastic gradient ascent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Asgd {
    /// Number of steps T.
    pub steps: u64,
    /// Samples per step.
    pub batch: usize,
    /// Step size rule.
    pub rule: StepRule,
    /// ε̄ of the gradient oracle: at step t the weights are within ε̄/(2√t) of the exact ones. 0 is exact.
    pub oracle_error: f64,
}

impl Default for Asgd {
    fn default() -> Self {
        Asgd { steps: 100_000, batch: 1, rule: StepRule::PracticalDecaying, oracle_error: 0.0 }
    }
}

/// Which method solves the dual.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Solver {
    /// Growing samples, decreasing regularisation and a second-order solve; nothing to choose.
    #[default]
    Auto,
    /// Averaged stochastic gradient ascent, Algorithm 1 of the paper.
    Asgd(Asgd),
}

/// Settings of a solve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The method.
    pub solver: Solver,
    /// Tolerance, relative to the spread of the costs: bounds the marginal error in the 1-norm, and the
    /// width of the value's interval divided by the spread.
    pub tolerance: f64,
    /// Seed of all randomness.
    pub seed: u64,
    /// Threads; none uses the pool the caller is in. The answer does not depend on it.
    pub threads: Option<usize>,
    /// Time budget in seconds, certificate included; none is unlimited.
    pub max_seconds: Option<f64>,
    /// Largest number of samples in one stage of the solver.
    pub max_samples: u64,
    /// Memory budget in bytes: the coordinates of a sample take at most a quarter of it (and a gigabyte, which is all that
    /// bounds them without a budget), so that smaller samples may be drawn; lists of the atoms that blocks of samples look
    /// at take at most an eighth, and rows of the Hessian a quarter. A few dozen numbers an atom come on top.
    #[serde(default)]
    pub memory: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            solver: Solver::Auto,
            tolerance: 1e-3,
            seed: 0,
            threads: None,
            max_seconds: Some(300.0),
            max_samples: 1 << 24,
            memory: None,
        }
    }
}

impl Settings {
    /// Refuses settings outside their domain, naming the one at fault.
    pub fn validate(&self) -> Result<()> {
        check_budgets(self.tolerance, self.threads, self.max_seconds, self.memory)?;
        if self.max_samples == 0 {
            return Err(Error::invalid("max_samples", 0, "at least 1"));
        }
        if let Solver::Asgd(a) = self.solver {
            if a.steps == 0 {
                return Err(Error::invalid("steps", 0, "at least 1"));
            }
            if a.batch == 0 {
                return Err(Error::invalid("batch", 0, "at least 1"));
            }
            if !(a.oracle_error.is_finite() && a.oracle_error >= 0.0) {
                return Err(Error::invalid("oracle_error", a.oracle_error, "a finite number, at least 0"));
            }
        }
        Ok(())
    }
}

/// Refuses what no solve can have: all kinds of transport have these settings.
pub(crate) fn check_budgets(
    tolerance: f64,
    threads: Option<usize>,
    max_seconds: Option<f64>,
    memory: Option<u64>,
) -> Result<()> {
    if !(tolerance.is_finite() && tolerance > 0.0) {
        return Err(Error::invalid("tolerance", tolerance, "a finite number above 0"));
    }
    if threads == Some(0) {
        return Err(Error::invalid("threads", 0, "at least 1"));
    }
    if let Some(s) = max_seconds
        && (s.is_nan() || s <= 0.0)
    {
        return Err(Error::invalid("max_seconds", s, "a number above 0"));
    }
    if let Some(bytes) = memory
        && bytes < Memory::LEAST.bytes()
    {
        let given = Memory::new(bytes);
        return Err(Error::invalid("memory", given, format!("at least {}", Memory::LEAST)));
    }
    Ok(())
}
