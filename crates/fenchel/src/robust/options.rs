//! What a model is made of, and when its fit ends.

/// What a linear model is made of besides its examples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// A constant of its own for each score, not penalised.
    pub intercept: bool,
    /// Whether penalties are those of coefficients for features of variance 1, not of the features as they are.
    pub standardise: bool,
    /// Penalty l2 · Σ θ_j².
    pub l2: f64,
    /// Penalty l1 · Σ |θ_j|.
    pub l1: f64,
}

impl Default for Options {
    fn default() -> Self {
        Options { intercept: true, standardise: false, l2: 0.0, l1: 0.0 }
    }
}

/// When a fit ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Precision {
    /// Certified gap, in relation to the objective.
    pub tolerance: f64,
    /// Newton steps.
    pub max_iterations: u32,
    /// Seconds; none is unlimited.
    pub max_seconds: Option<f64>,
}

impl Default for Precision {
    fn default() -> Self {
        Precision { tolerance: 1e-9, max_iterations: 2000, max_seconds: Some(300.0) }
    }
}
