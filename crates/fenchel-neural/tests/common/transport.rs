//! Transport between normal measures.

use fenchel::measure::{Gaussian, Source};
use fenchel::transport::Lambda;
use fenchel::transport::continuous::Continuous;
use fenchel::{cost, divergence};
use fenchel_neural::transport::{NeuralTransport, Objective};
use std::sync::Arc;

pub fn gaussian(dim: usize, mean: f64, sigma: f64) -> Arc<dyn Source> {
    let covariance: Vec<f64> =
        (0..dim * dim).map(|i| if i % (dim + 1) == 0 { sigma * sigma } else { 0.0 }).collect();
    Arc::new(Gaussian::new(&vec![mean; dim], &covariance).unwrap())
}

/// From N(0, s²I) to N(s, (s/2)²I) under the squared distance, λ in units of s².
pub fn between_normals(dim: usize, scale: f64, divergence: &str, lambda: f64) -> Continuous {
    let (cost, divergence) = (cost::parse("sqeuclidean").unwrap(), divergence::parse(divergence).unwrap());
    let (source, target) = (gaussian(dim, 0.0, scale), gaussian(dim, scale, 0.5 * scale));
    Continuous::new(source, target, cost, divergence, Lambda::Absolute(lambda * scale * scale)).unwrap()
}

/// Its value for KL, s = 1: the best plan is Gaussian, and its covariance c of x_k and y_k minimises a² + b² − 2c − (λ/2) log(1 − c²/(a²b²)).
pub fn exact(dim: usize, lambda: f64) -> f64 {
    let (a2, b2) = (1.0, 0.25);
    let c = (-lambda + (lambda * lambda + 16.0 * a2 * b2).sqrt()) / 4.0;
    dim as f64 * (1.0 + a2 + b2 - 2.0 * c - 0.5 * lambda * (1.0 - c * c / (a2 * b2)).ln())
}

pub fn normals(dim: usize, lambda: f64, objective: Objective) -> NeuralTransport {
    NeuralTransport::new(between_normals(dim, 1.0, "kl", lambda), objective).unwrap()
}
