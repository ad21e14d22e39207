//! How far the average of stochastic gradient ascent is from the optimum, at most, in expectation.

/// The guarantees of averaged stochastic gradient ascent after T steps with a constant step size: Theorem 4.6 and
/// Corollary 4.10 of Taşkesen, Shafieezadeh-Abadeh and Kuhn (2022).
///
/// They bound h(φ*) − E h(φ̄_T) for a concave h whose stochastic gradients have norm at most R and are, at step t, within
/// ε̄/(2√t) of right in the mean. Values are in units of h.
///
/// ```
/// use fenchel::bounds::AscentGuarantee;
///
/// let guarantee = AscentGuarantee {
///     distance: 0.5,
///     gradient: 2.0,
///     oracle_error: 0.0,
///     smoothness: 10.0,
///     concordance: 14.0,
///     curvature: 0.1,
/// };
/// // (i): R²‖φ₀ − φ*‖²/√T + 1/(4√T).
/// assert!((guarantee.continuous(1e4) - (4.0 * 0.25 + 0.25) / 100.0).abs() < 1e-15);
/// // (iii) falls faster, from far higher.
/// assert!(guarantee.self_concordant(1e4) > 1.0);
/// assert!(guarantee.self_concordant(1e8) / guarantee.self_concordant(1e4) < 1.01e-4);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AscentGuarantee {
    /// ‖φ₀ − φ*‖.
    pub distance: f64,
    /// R, the bound on gradients: 2 for transport.
    pub gradient: f64,
    /// ε̄ of the oracle; 0 is exact.
    pub oracle_error: f64,
    /// L, the Lipschitz constant of the gradient; infinite where there is none.
    pub smoothness: f64,
    /// The constant M of generalised self-concordance; infinite where there is none.
    pub concordance: f64,
    /// κ, the smallest curvature of −h at φ* in the directions in which φ moves.
    pub curvature: f64,
}

impl AscentGuarantee {
    /// (i) with γ = 1/(2(R+ε̄)²√T): no more is asked of h.
    pub fn continuous(&self, steps: f64) -> f64 {
        let (r, d) = (self.gradient + self.oracle_error, self.distance);
        r * r / steps.sqrt() * d * d + 1.0 / (4.0 * steps.sqrt()) + self.bias(steps)
    }

    /// (ii) with γ = 1/(2(R+ε̄)²√T + L), for the average of φ_1..φ_T and σ² = ε̄² + 2; infinite where L is.
    pub fn lipschitz(&self, steps: f64) -> f64 {
        let (r, d, e) = (self.gradient + self.oracle_error, self.distance, self.oracle_error);
        self.smoothness / (2.0 * steps) * d * d
            + r * r / steps.sqrt() * d * d
            + (e * e + 2.0) / (4.0 * r * r * steps.sqrt())
            + self.bias(steps)
    }

    /// (iii) with γ = 1/(2G²√T), G = max(M, R+ε̄): G²/(κT)·(4G‖φ₀ − φ*‖ + 20)⁴; infinite where M is or κ is 0.
    pub fn self_concordant(&self, steps: f64) -> f64 {
        if !(self.concordance.is_finite() && self.curvature > 0.0) {
            return f64::INFINITY;
        }
        let g = self.concordance.max(self.gradient + self.oracle_error);
        g * g / (self.curvature * steps) * (4.0 * g * self.distance + 20.0).powi(4)
    }

    /// What an inexact oracle costs.
    fn bias(&self, steps: f64) -> f64 {
        let (r, d) = (self.gradient + self.oracle_error, self.distance);
        self.oracle_error / steps.sqrt() * (2.0 * d * d + 37.0 / (2.0 * r * r)).sqrt()
    }
}
