//! How a network is trained.

use crate::optimiser::Rule;
use fenchel::optim::checked_seconds;
use fenchel::robust::Method;
use fenchel::{Error, Result};

/// What early stopping looks at, on the validation part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Watch {
    /// The risk that is minimised, of examples as they are.
    #[default]
    Risk,
    /// The mean loss.
    Loss,
    /// The share of right answers; for losses with classes.
    Accuracy,
}

/// How a network is trained.
///
/// Methods are those of [`Sgd`](fenchel::robust::Sgd), but for [`Method::Multilevel`]:
///
/// | method | what a loss weighs in a batch of b |
/// |---|---|
/// | [`Method::Joint`] | (f*)'((ℓ − α)/λ)/b; safe KL for KL |
/// | [`Method::DualSgm`] | the same with f as it is; KL can overflow |
/// | [`Method::BatchWeights`] | its weight in the smooth maximum of the batch; for KL the softmax |
/// | [`Method::SumOfExponentials`] | e^{ℓ/λ}/b; overflows, and then ends |
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// The gradient.
    pub method: Method,
    /// ρ of safe KL: weights stay below 1/ρ; none: 10⁻².
    pub rho: Option<f64>,
    /// How a gradient becomes a step.
    pub rule: Rule,
    /// Examples in a batch.
    pub batch: usize,
    /// Passes over the examples.
    pub epochs: u32,
    /// Step size; none: chosen by short trials. After a pass that has come lower than all before it then grows by a fifth; after
    /// another it is halved, and the run goes back to the lowest.
    pub step: Option<f64>,
    /// Passes that the validation part may get no better before the run ends; none: it never does for that.
    pub patience: Option<u32>,
    /// What must get better.
    pub watch: Watch,
    /// Seconds; none is unlimited. A pass that is cut short is evaluated before the run ends.
    pub max_seconds: Option<f64>,
    /// Seed of the order of examples.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            method: Method::Joint,
            rho: None,
            rule: Rule::default(),
            batch: 100,
            epochs: 20,
            step: None,
            patience: None,
            watch: Watch::default(),
            max_seconds: None,
            seed: 0,
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<()> {
        if self.batch == 0 {
            return Err(Error::invalid("batch", 0, "at least 1"));
        }
        if self.method == Method::Multilevel {
            let known = [Method::Joint, Method::DualSgm, Method::BatchWeights, Method::SumOfExponentials];
            let expected = format!("one that networks have: {}", known.map(Method::name).join(", "));
            return Err(Error::invalid("method", self.method.name(), expected));
        }
        self.rule.validate()?;
        if let Some(step) = self.step.filter(|step| !(*step > 0.0 && step.is_finite())) {
            return Err(Error::invalid("step", step, "a finite number above 0"));
        }
        if let Some(rho) = self.rho.filter(|rho| !(*rho > 0.0 && *rho < 1.0)) {
            return Err(Error::invalid("rho", rho, "a number above 0 and below 1"));
        }
        if self.patience == Some(0) {
            return Err(Error::invalid("patience", 0, "at least 1"));
        }
        checked_seconds(self.max_seconds)
    }
}
