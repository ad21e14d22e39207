//! Mixtures of sources.

use super::alias::AliasTable;
use super::{Rng, Source, check_weights};
use crate::{Error, Result};
use std::sync::Arc;

/// Σ w_k μ_k / Σ w_k.
#[derive(Debug, Clone)]
pub struct Mixture {
    components: Vec<Arc<dyn Source>>,
    /// Shares, and their running sums.
    shares: Vec<f64>,
    cumulative: Vec<f64>,
    alias: AliasTable,
}

impl Mixture {
    /// A mixture of sources of one dimension; weights need not sum to one.
    ///
    /// # Errors
    /// No component, components of different dimensions, weights as in
    /// [`PointCloud::weighted`](super::PointCloud::weighted).
    pub fn new(components: Vec<Arc<dyn Source>>, weights: &[f64]) -> Result<Self> {
        let Some(first) = components.first() else {
            return Err(Error::shape("components", "at least one", "none"));
        };
        let dim = first.dim();
        if let Some((k, other)) = components.iter().enumerate().find(|(_, c)| c.dim() != dim) {
            let what = format!("component {k}");
            return Err(Error::shape(what, format!("dimension {dim}, as component 0"), other.dim()));
        }
        let total = check_weights(weights, components.len())?;
        let alias = AliasTable::new(weights, total);
        let shares: Vec<f64> = weights.iter().map(|w| w / total).collect();
        let mut sum = 0.0;
        let cumulative = shares
            .iter()
            .map(|s| {
                sum += s;
                sum
            })
            .collect();
        Ok(Self { components, shares, cumulative, alias })
    }
}

impl Source for Mixture {
    fn dim(&self) -> usize {
        self.components[0].dim()
    }

    fn name(&self) -> String {
        let parts: Vec<String> =
            self.components.iter().zip(&self.shares).map(|(c, s)| format!("{s} {}", c.name())).collect();
        format!("mixture({})", parts.join(" + "))
    }

    fn draw(&self, rng: &mut Rng, out: &mut [f64]) {
        for point in out.chunks_exact_mut(self.dim()) {
            self.components[self.alias.draw(rng)].draw(rng, point);
        }
    }

    fn uniforms(&self) -> Option<usize> {
        self.components.iter().try_fold(0, |most, c| Some(c.uniforms()?.max(most))).map(|most| most + 1)
    }

    fn map_uniforms(&self, uniforms: &[f64], out: &mut [f64]) {
        let Some(each) = self.uniforms() else { return };
        for (u, point) in uniforms.chunks_exact(each).zip(out.chunks_exact_mut(self.dim())) {
            let last = self.components.len() - 1;
            let mut at = self.cumulative.partition_point(|c| *c <= u[0]).min(last);
            while at > 0 && self.shares[at] == 0.0 {
                at -= 1;
            }
            let component = &self.components[at];
            let used = component.uniforms().unwrap_or(0);
            component.map_uniforms(&u[1..1 + used], point);
        }
    }

    fn moments(&self) -> Option<(Vec<f64>, Vec<f64>)> {
        let parts: Vec<_> = self.components.iter().map(|c| c.moments()).collect::<Option<_>>()?;
        let mut mean = vec![0.0; self.dim()];
        for ((m, _), s) in parts.iter().zip(&self.shares) {
            for (sum, x) in mean.iter_mut().zip(m) {
                *sum += s * x;
            }
        }
        let mut variance = vec![0.0; self.dim()];
        for ((m, v), s) in parts.iter().zip(&self.shares) {
            for (k, sum) in variance.iter_mut().enumerate() {
                *sum += s * (v[k] + (m[k] - mean[k]) * (m[k] - mean[k]));
            }
        }
        Some((mean, variance))
    }
}
