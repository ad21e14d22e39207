//! How potentials are trained.

use crate::optimiser::Rule;
use fenchel::optim::checked_seconds;
use fenchel::{Error, Result};

/// Which pairs of a batch's points a step looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pairs {
    /// All b² of them: the less noise, and potentials are evaluated no more often for it.
    #[default]
    All,
    /// The b pairs of points with the same number, as stochastic gradients are printed.
    Matched,
}

impl Pairs {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Pairs::All => "all",
            Pairs::Matched => "matched",
        }
    }
}

/// How potentials are trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Points of either side in a batch.
    pub batch: usize,
    /// Pairs of them that are looked at.
    pub pairs: Pairs,
    /// How a gradient becomes a step.
    pub rule: Rule,
    /// Step size, with values of potentials in units of the spread of costs; none: seven sizes start, after 100 steps the best three go on,
    /// after 300 the best one, and it is halved whenever the objective has been no better for three looks.
    pub step: Option<f64>,
    /// Number of steps.
    pub steps: u64,
    /// Steps between two looks at the validation points.
    pub every: u64,
    /// Validation points of either side, which no step is taken with; the objective is the mean over all their pairs.
    pub validation: usize,
    /// Looks that may be no better before the run ends; none: it never does for that.
    pub patience: Option<u32>,
    /// Seconds; none is unlimited.
    pub max_seconds: Option<f64>,
    /// Seed of all points.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            batch: 256,
            pairs: Pairs::All,
            rule: Rule::ADAM,
            step: None,
            steps: 5000,
            every: 100,
            validation: 1024,
            patience: Some(20),
            max_seconds: None,
            seed: 0,
        }
    }
}

impl Settings {
    /// Most points of either side that all pairs are made of.
    const MOST: usize = 4096;

    /// Refuses settings outside their domain, naming the one at fault.
    ///
    /// # Errors
    /// [`Error::InvalidValue`].
    pub fn validate(&self) -> Result<()> {
        for (name, n) in [("steps", self.steps), ("every", self.every)] {
            if n == 0 {
                return Err(Error::invalid(name, 0, "at least 1"));
            }
        }
        for (name, n, least) in [("batch", self.batch, 1), ("validation", self.validation, 2)] {
            if !(least..=Self::MOST).contains(&n) {
                let expected = format!("from {least} to {}: all pairs are used", Self::MOST);
                return Err(Error::invalid(name, n, expected));
            }
        }
        self.rule.validate()?;
        if let Some(step) = self.step.filter(|step| !(*step > 0.0 && step.is_finite())) {
            return Err(Error::invalid("step", step, "a finite number above 0"));
        }
        if self.patience == Some(0) {
            return Err(Error::invalid("patience", 0, "at least 1"));
        }
        checked_seconds(self.max_seconds)
    }
}
