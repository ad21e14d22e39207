//! Gradient steps on parameters in a row.

use fenchel::{Error, Result};
use serde::{Deserialize, Serialize};

/// How a gradient becomes a step.
///
/// ```text
/// SGD    v ← μ v + g,   θ ← θ − γ (g + μ v)                                   (Nesterov's momentum)
/// Adam   m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²,
///        θ ← θ − γ (m/(1 − β₁ᵗ)) / (√(v/(1 − β₂ᵗ)) + ε)
/// ```
///
/// Sutskever, Martens, Dahl and Hinton (2013), in the form that deep-learning libraries have; Kingma and Ba (2015).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Rule {
    /// Stochastic gradients with Nesterov's momentum; 0 is none.
    Sgd {
        /// μ.
        momentum: f64,
    },
    /// Steps in units of each gradient's own size.
    Adam {
        /// β₁ and β₂.
        decay: (f64, f64),
        /// ε.
        epsilon: f64,
    },
}

impl Default for Rule {
    /// Nesterov's momentum, 0.9.
    fn default() -> Self {
        Rule::Sgd { momentum: 0.9 }
    }
}

impl Rule {
    /// Adam as it was published: decay 0.9 and 0.999, ε = 10⁻⁸.
    pub const ADAM: Rule = Rule::Adam { decay: (0.9, 0.999), epsilon: 1e-8 };

    /// Refuses numbers outside their domain.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless momentum and decay are at least 0 and below 1, and ε is finite and above 0.
    pub fn validate(&self) -> Result<()> {
        let shares = match *self {
            Rule::Sgd { momentum } => [("momentum", momentum), ("momentum", momentum)],
            Rule::Adam { decay, .. } => [("first decay of adam", decay.0), ("second decay of adam", decay.1)],
        };
        if let Some((name, value)) = shares.into_iter().find(|(_, x)| !(*x >= 0.0 && *x < 1.0)) {
            return Err(Error::invalid(name, value, "a number of at least 0 and below 1"));
        }
        match *self {
            Rule::Adam { epsilon, .. } if !(epsilon > 0.0 && epsilon.is_finite()) => {
                Err(Error::invalid("epsilon of adam", epsilon, "a finite number above 0"))
            }
            _ => Ok(()),
        }
    }
}

/// A rule with what it remembers.
///
/// ```
/// use fenchel_neural::optimiser::{Optimiser, Rule};
///
/// let mut descent = Optimiser::new(Rule::Sgd { momentum: 0.5 }, 1)?;
/// let mut theta = [1.0];
/// descent.step(&mut theta, &[1.0], 0.1);
/// descent.step(&mut theta, &[1.0], 0.1);
/// // 1 − 0.1 · (1 + 0.5 · 1) − 0.1 · (1 + 0.5 · 1.5)
/// assert!((theta[0] - 0.675).abs() < 1e-6);
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Optimiser {
    rule: Rule,
    first: Vec<f32>,
    second: Vec<f32>,
    steps: u64,
}

impl Optimiser {
    /// At rest, for so many parameters.
    ///
    /// # Errors
    /// As [`Rule::validate`].
    pub fn new(rule: Rule, parameters: usize) -> Result<Self> {
        rule.validate()?;
        let second = if matches!(rule, Rule::Adam { .. }) { parameters } else { 0 };
        Ok(Optimiser { rule, first: vec![0.0; parameters], second: vec![0.0; second], steps: 0 })
    }

    /// Forgets what it remembers.
    pub fn rest(&mut self) {
        self.first.fill(0.0);
        self.second.fill(0.0);
        self.steps = 0;
    }

    /// How many parameters it is for.
    pub fn parameters(&self) -> usize {
        self.first.len()
    }

    /// Moves parameters by a step of length γ.
    ///
    /// # Panics
    /// If there are not as many parameters and gradients as it was made for.
    pub fn step(&mut self, parameters: &mut [f32], gradient: &[f32], length: f64) {
        let n = self.first.len();
        assert!(parameters.len() == n && gradient.len() == n, "an optimiser of {n} parameters");
        self.steps += 1;
        let (length, first) = (length as f32, &mut self.first);
        match self.rule {
            Rule::Sgd { momentum } => {
                let momentum = momentum as f32;
                for ((theta, g), v) in parameters.iter_mut().zip(gradient).zip(first) {
                    *v = momentum * *v + g;
                    *theta -= length * (g + momentum * *v);
                }
            }
            Rule::Adam { decay, epsilon } => {
                let t = self.steps as f64;
                let unbiased = |beta: f64| (1.0 / (1.0 - beta.powf(t))) as f32;
                let (a, b) = (unbiased(decay.0), unbiased(decay.1));
                let (one, two, epsilon) = (decay.0 as f32, decay.1 as f32, epsilon as f32);
                let moments = first.iter_mut().zip(&mut self.second);
                for ((theta, g), (m, v)) in parameters.iter_mut().zip(gradient).zip(moments) {
                    *m = one * *m + (1.0 - one) * g;
                    *v = two * *v + (1.0 - two) * g * g;
                    *theta -= length * (a * *m) / ((b * *v).sqrt() + epsilon);
                }
            }
        }
    }
}
