//! What the user may choose about a continuous solve; the defaults need no thought.

use super::kernel::Kernel;
use super::problem::Continuous;
use crate::divergence::{Divergence, SafeKl};
use crate::error::{Error, Result};
use crate::transport::settings::check_budgets;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A space of functions for potentials: sums of a kernel, compressed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Space {
    /// The kernel.
    pub kernel: Kernel,
    /// Its bandwidth σ, in the unit of the points; chosen on the data if none.
    pub bandwidth: Option<f64>,
    /// Number of basis functions at most: landmarks as long as they suffice, else random features.
    pub rank: usize,
}

impl Default for Space {
    fn default() -> Self {
        Space { kernel: Kernel::Gaussian, bandwidth: None, rank: 256 }
    }
}

/// Which objective stochastic gradients ascend; all are concave in v and α, and expectations over pairs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// The dual with the problem's own divergence. For KL this is the method of Genevay, Cuturi, Peyré and Bach (2016), u = −α:
    ///
    /// ```text
    /// E[u(x) + v(y) − λ e^{(u(x) + v(y) − c(x,y))/λ}] + λ,
    /// ```
    ///
    /// whose gradients are not bounded: steps that are not small overflow.
    Dual,
    /// The safe semi-dual, α a function of x:
    ///
    /// ```text
    /// E[v(y) − α(x) − (λ/ρ) log(1 + ρ e^{(v(y) − c(x,y) − α(x))/λ})] + λ.
    /// ```
    ///
    /// Its gradients are below 1/ρ in size. It is the dual of transport regularised by safe KL, whose value is above that of KL and falls to it
    /// with ρ.
    Safe {
        /// ρ, between 0 and 1: densities stay below 1/ρ.
        rho: f64,
    },
    /// The same with one number for α, as the kernel experiments of the log-sum-exp paper have it. That is a much weaker problem: its
    /// exact optimum can be as far from W as the start. Kept to show that.
    SafeConstant {
        /// ρ, between 0 and 1.
        rho: f64,
    },
}

impl Objective {
    /// The divergence whose dual it is: the problem's own, or the safe KL that stands for it.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a safe objective of another problem than one with KL, and for ρ outside (0, 1).
    pub fn divergence(&self, problem: &Continuous) -> Result<Arc<dyn Divergence>> {
        let own = problem.divergence();
        match *self {
            Objective::Dual => Ok(own.clone()),
            Objective::Safe { .. } | Objective::SafeConstant { .. } if own.name() != "kl" => {
                Err(Error::invalid(
                    "the divergence of a safe objective",
                    format!("'{}'", own.name()),
                    "kl: it is what safe KL stands for",
                ))
            }
            Objective::Safe { rho } | Objective::SafeConstant { rho } => Ok(Arc::new(SafeKl::new(rho)?)),
        }
    }
}

/// As the command line writes it.
impl fmt::Display for Objective {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Objective::Dual => out.write_str("dual"),
            Objective::Safe { rho } => write!(out, "safe:{rho}"),
            Objective::SafeConstant { rho } => write!(out, "safe-constant:{rho}"),
        }
    }
}

/// `dual`, `safe:0.03`, `safe-constant:0.03`.
///
/// ```
/// use fenchel::transport::continuous::Objective;
/// assert_eq!("safe:0.1".parse::<Objective>()?, Objective::Safe { rho: 0.1 });
/// assert!("safe".parse::<Objective>().unwrap_err().to_string().contains("safe:ρ"));
/// # Ok::<(), fenchel::Error>(())
/// ```
impl FromStr for Objective {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, parameter) = match text.trim().split_once(':') {
            Some((name, parameter)) => (name, Some(parameter)),
            None => (text.trim(), None),
        };
        let rho = || {
            parameter
                .and_then(|p| p.trim().parse::<f64>().ok())
                .filter(|rho| *rho > 0.0 && *rho < 1.0)
                .ok_or_else(|| {
                    let expected = format!("{name}:ρ with ρ between 0 and 1, for instance {name}:0.03");
                    Error::invalid("objective", format!("'{text}'"), expected)
                })
        };
        match (name, parameter) {
            ("dual", None) => Ok(Objective::Dual),
            ("dual", Some(_)) => {
                Err(Error::invalid("objective", format!("'{text}'"), "dual, without a number"))
            }
            ("safe", _) => Ok(Objective::Safe { rho: rho()? }),
            ("safe-constant", _) => Ok(Objective::SafeConstant { rho: rho()? }),
            _ => Err(Error::unknown("objective", name, ["dual", "safe", "safe-constant"])),
        }
    }
}

/// Settings of stochastic gradient ascent in a reproducing space: at step i, with a pair (x, y) of points or a batch,
///
/// ```text
/// w = (f*)'((v(y) − c(x,y) − α(x))/λ),   v += C/√i (1 − w) κ(y, ·),   α −= C/√i (1 − w) κ(x, ·).
/// ```
///
/// A batch of b points from either side has b² pairs, and all are used.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sgd {
    /// What is ascended.
    pub objective: Objective,
    /// Where potentials live.
    pub space: Space,
    /// C, in cost units; found by short runs over a grid if none.
    pub step: Option<f64>,
    /// Number of steps.
    pub steps: u64,
    /// Points of either side a step.
    pub batch: usize,
}

impl Default for Sgd {
    fn default() -> Self {
        Sgd {
            objective: Objective::Safe { rho: 0.03 },
            space: Space::default(),
            step: None,
            steps: 100_000,
            batch: 1,
        }
    }
}

/// Which method finds the potentials.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Solver {
    /// Exact transport between growing samples, extended to all points by c-transforms; nothing to choose.
    #[default]
    Samples,
    /// The same, and v then brought into a reproducing space: as many numbers as the space has functions, however large the sample.
    Kernel(Space),
    /// Stochastic gradients in a reproducing space.
    Sgd(Sgd),
}

/// Settings of a solve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The method.
    pub solver: Solver,
    /// The width that the value's interval is to have, relative to the standard deviation of the costs.
    pub tolerance: f64,
    /// Seed of all randomness.
    pub seed: u64,
    /// Threads; none uses the pool the caller is in. The answer does not depend on it.
    pub threads: Option<usize>,
    /// Time budget in seconds, certificate included; none is unlimited.
    pub max_seconds: Option<f64>,
    /// Largest sample of either side that is solved at once.
    pub max_samples: usize,
    /// Memory budget in bytes.
    pub memory: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            solver: Solver::Samples,
            tolerance: 1e-2,
            seed: 0,
            threads: None,
            max_seconds: Some(300.0),
            max_samples: 1 << 14,
            memory: None,
        }
    }
}

impl Settings {
    /// Refuses settings outside their domain, naming the one at fault.
    ///
    /// # Errors
    /// [`Error::InvalidValue`].
    pub fn validate(&self) -> Result<()> {
        let positive = |name: &str, x: f64| {
            if x.is_finite() && x > 0.0 {
                Ok(())
            } else {
                Err(Error::invalid(name, x, "a finite number above 0"))
            }
        };
        check_budgets(self.tolerance, self.threads, self.max_seconds, self.memory)?;
        if self.max_samples < 2 {
            return Err(Error::invalid("max_samples", self.max_samples, "at least 2"));
        }
        let space = match self.solver {
            Solver::Samples => return Ok(()),
            Solver::Kernel(space) => space,
            Solver::Sgd(sgd) => {
                if let Objective::Safe { rho } | Objective::SafeConstant { rho } = sgd.objective
                    && !(rho > 0.0 && rho < 1.0)
                {
                    return Err(Error::invalid("rho", rho, "between 0 and 1, both excluded"));
                }
                sgd.step.map_or(Ok(()), |c| positive("step", c))?;
                for (name, n) in [("steps", sgd.steps), ("batch", sgd.batch as u64)] {
                    if n == 0 {
                        return Err(Error::invalid(name, 0, "at least 1"));
                    }
                }
                if sgd.batch > 4096 {
                    return Err(Error::invalid(
                        "batch",
                        sgd.batch,
                        "at most 4096: all pairs of a batch are used",
                    ));
                }
                sgd.space
            }
        };
        space.bandwidth.map_or(Ok(()), |s| positive("bandwidth", s))?;
        if !(1..=4096).contains(&space.rank) {
            return Err(Error::invalid("rank", space.rank, "from 1 to 4096"));
        }
        Ok(())
    }
}
