//! A Gaussian source, two atoms, squared cost: transport whose value is an integral over one variable.

use super::generators;
use super::{density, integrate, maximise, normal_cdf, problem, root, weighted};
use fenchel::measure::Source;
use fenchel::transport::SemiDiscrete;
use std::sync::Arc;

/// Under N(0, I) and squared cost c_1 − c_2 = 2x·(y_2 − y_1) + |y_1|² − |y_2|² is normal, so with
/// s = φ_2 − φ_1 the dual is a maximum over one number of an integral over one variable,
///
/// ```text
/// W_λ = E c_1 + max over s of ν_2 s − E smoothmax((0, s + c_1 − c_2)).
/// ```
pub struct TwoPoints {
    pub y: [Vec<f64>; 2],
    pub nu: [f64; 2],
    pub eta: [f64; 2],
    pub lambda: f64,
}

impl TwoPoints {
    pub fn new(dim: usize) -> Self {
        let y1 = (0..dim).map(|k| if k == 0 { -0.5 } else { 0.1 }).collect();
        let y2 = (0..dim).map(|k| if k == 0 { 0.7 } else { -0.2 }).collect();
        TwoPoints { y: [y1, y2], nu: [0.35, 0.65], eta: [0.4, 0.6], lambda: 0.7 }
    }

    /// E c_1, and mean and standard deviation of c_1 − c_2.
    fn moments(&self) -> (f64, f64, f64) {
        let square = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>();
        let difference: Vec<f64> = self.y[1].iter().zip(&self.y[0]).map(|(b, a)| b - a).collect();
        let dim = difference.len() as f64;
        let shift = square(&self.y[0]) - square(&self.y[1]);
        (dim + square(&self.y[0]), shift, 2.0 * square(&difference).sqrt())
    }

    /// W_λ by searches alone, for any divergence; to about 1e-5 where the conjugate has kinks, else to 1e-12.
    pub fn value(&self, name: &str) -> f64 {
        let f = generators::of(name, 2);
        let (first, mean, deviation) = self.moments();
        let dual = |s: f64| {
            let expected = integrate(
                |x| density(x) * f.smoothmax_of_two([0.0, s + mean + deviation * x], self.eta, self.lambda),
                -8.5,
                8.5,
                80,
            );
            first + self.nu[1] * s - expected
        };
        maximise(dual, -6.0, 6.0).1
    }

    /// W_λ for χ² to rounding: with v = s + c_1 − c_2 the second weight is η_2 + η_1 η_2 v/(2λ) clipped to
    /// [0, 1], and the integral is cut where it clips.
    pub fn chi2(&self) -> f64 {
        let (first, mean, deviation) = self.moments();
        let ([e1, e2], lambda) = (self.eta, self.lambda);
        let top = |v: f64| {
            let p = (e2 + e1 * e2 * v / (2.0 * lambda)).clamp(0.0, 1.0);
            p * v - lambda * (p * p / e2 + (1.0 - p) * (1.0 - p) / e1 - 1.0)
        };
        let dual = |s: f64| {
            let at = |v: f64| ((v - s - mean) / deviation).clamp(-12.0, 12.0);
            let cuts = [-12.0, at(-2.0 * lambda / e1), at(2.0 * lambda / e2), 12.0];
            let expected: f64 = cuts
                .windows(2)
                .map(|c| integrate(|x| density(x) * top(s + mean + deviation * x), c[0], c[1], 40))
                .sum();
            first + self.nu[1] * s - expected
        };
        maximise(dual, -6.0, 6.0).1
    }

    /// W: the border is the quantile of c_1 − c_2 at ν_1.
    pub fn unregularised(&self) -> f64 {
        let (first, mean, deviation) = self.moments();
        let border = root(|x| normal_cdf(x) - self.nu[0], -9.0, 9.0);
        first - integrate(|x| density(x) * (mean + deviation * x), border, 12.0, 60)
    }

    /// The problem, from a source that is N(0, I).
    pub fn problem(&self, source: Arc<dyn Source>, name: &str) -> SemiDiscrete {
        let atoms = weighted(self.y[0].len(), &self.y.concat(), &self.nu);
        problem(source, atoms, "sqeuclidean", name, self.lambda).reference(self.eta.to_vec()).unwrap()
    }
}
