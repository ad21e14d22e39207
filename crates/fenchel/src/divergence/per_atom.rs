//! A generator of its own for each atom.

use std::sync::Arc;

use super::{Divergence, FromGenerator};
use crate::error::{Error, Result};

/// D(p‖η) = Σ η_i f_i(p_i/η_i).
///
/// The threshold solves Σ η_i (f_i*)'((u_i − τ)/λ) = 1. From marginal distribution functions F_i
/// ([`PerAtom::from_distributions`]; Taşkesen, Shafieezadeh-Abadeh and Kuhn 2022, Proposition 3.6) the weights
/// are p_i = 1 − F_i(−(u_i − τ)/λ) and the value is max Σ u_i p_i + λ Σ ∫ from 1−p_i to 1 of F_i⁻¹.
///
/// Scores are to be given for all atoms in their order. The functions of one variable ([`Divergence::f`] and
/// so on) are those of atom 0; what the whole row needs asks each atom's own.
#[derive(Debug, Clone)]
pub struct PerAtom {
    name: String,
    marginals: Vec<Arc<dyn Divergence>>,
    reference: Option<Vec<f64>>,
}

impl PerAtom {
    /// One generator for each atom.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is none.
    pub fn new(name: impl Into<String>, marginals: Vec<Arc<dyn Divergence>>) -> Result<Self> {
        if marginals.is_empty() {
            return Err(Error::shape("marginals", "at least one", 0));
        }
        Ok(PerAtom { name: name.into(), marginals, reference: None })
    }

    /// One distribution function F_i for each atom, with the reference masses η_i that go with them: pass
    /// [`PerAtom::reference`] as η. The weights do not depend on η, as long as it is the same in both places.
    ///
    /// # Errors
    /// [`Error::Shape`] if lengths differ or are 0; those of [`FromGenerator::from_distribution`].
    pub fn from_distributions<F>(name: impl Into<String>, eta: &[f64], distributions: Vec<F>) -> Result<Self>
    where
        F: Fn(f64) -> f64 + Send + Sync + 'static,
    {
        let name = name.into();
        if eta.len() != distributions.len() {
            return Err(Error::shape("marginal distributions", eta.len(), distributions.len()));
        }
        let mut marginals: Vec<Arc<dyn Divergence>> = Vec::with_capacity(eta.len());
        for (i, (eta, distribution)) in eta.iter().zip(distributions).enumerate() {
            let marginal = FromGenerator::from_distribution(format!("{name}[{i}]"), *eta, distribution)?;
            marginals.push(Arc::new(marginal));
        }
        let built = Self::new(name, marginals)?;
        Ok(PerAtom { reference: Some(eta.to_vec()), ..built })
    }

    /// The reference masses that belong to the distributions; `None` if generators were given instead.
    pub fn reference(&self) -> Option<&[f64]> {
        self.reference.as_deref()
    }

    fn worst(&self, of: impl Fn(&dyn Divergence) -> f64) -> f64 {
        self.marginals.iter().map(|m| of(&**m)).fold(f64::NEG_INFINITY, f64::max)
    }
}

impl Divergence for PerAtom {
    fn name(&self) -> String {
        self.name.clone()
    }
    fn f(&self, t: f64) -> f64 {
        self.marginals[0].f(t)
    }
    fn f_prime(&self, t: f64) -> f64 {
        self.marginals[0].f_prime(t)
    }
    fn conj(&self, s: f64) -> f64 {
        self.marginals[0].conj(s)
    }
    fn conj_prime(&self, s: f64) -> f64 {
        self.marginals[0].conj_prime(s)
    }
    fn conj_second(&self, s: f64) -> f64 {
        self.marginals[0].conj_second(s)
    }
    /// The largest of the atoms' caps.
    fn cap(&self) -> f64 {
        self.worst(|m| m.cap())
    }
    fn s_max(&self) -> f64 {
        self.worst(|m| m.s_max())
    }
    fn negligible_below(&self) -> f64 {
        -self.worst(|m| -m.negligible_below())
    }
    fn lipschitz(&self) -> f64 {
        self.worst(|m| m.lipschitz())
    }
    fn clipped_lipschitz(&self, eta: f64) -> f64 {
        self.worst(|m| m.clipped_lipschitz(eta))
    }
    fn self_concordance(&self) -> f64 {
        self.worst(|m| m.self_concordance())
    }
    fn is_smooth(&self) -> bool {
        self.marginals.iter().all(|m| m.is_smooth())
    }
    fn marginal(&self, i: usize) -> Option<&dyn Divergence> {
        self.marginals.get(i).map(|m| &**m)
    }
    fn atoms(&self) -> Option<usize> {
        Some(self.marginals.len())
    }
    fn for_atoms(&self, atoms: &[usize]) -> Option<Arc<dyn Divergence>> {
        let marginals = atoms.iter().filter_map(|i| self.marginals.get(*i).cloned()).collect();
        let reference =
            self.reference.as_ref().map(|eta| atoms.iter().filter_map(|i| eta.get(*i).copied()).collect());
        Some(Arc::new(PerAtom { name: self.name.clone(), marginals, reference }))
    }
    fn cold_start(&self, _z: &[f64], _eta: &[f64]) -> f64 {
        0.0
    }
}
