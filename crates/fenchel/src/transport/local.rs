//! Some of the atoms, side by side.

use super::problem::Frozen;
use crate::measure::Soa;

/// The atoms one block looks at, with what a pass has to know of them.
pub(super) struct Local {
    pub(super) index: Vec<u32>,
    pub(super) points: Soa<f64>,
    pub(super) phi: Vec<f64>,
    pub(super) eta: Vec<f64>,
    pub(super) inverse_nu: Vec<f64>,
    pub(super) q: Vec<f64>,
}

impl Local {
    pub(super) fn with_dim(dim: usize) -> Self {
        Local {
            index: Vec::new(),
            points: Soa::with_dim(dim),
            phi: Vec::new(),
            eta: Vec::new(),
            inverse_nu: Vec::new(),
            q: Vec::new(),
        }
    }

    /// Fetches the atoms that `index` names; q starts at 0.
    pub(super) fn gather(&mut self, problem: &Frozen, phi: &[f64], inverse_nu: &[f64]) {
        let index = &self.index;
        problem.points.gather(index, &mut self.points);
        let pick = |to: &mut Vec<f64>, from: &[f64]| {
            to.clear();
            to.extend(index.iter().map(|&i| from[i as usize]));
        };
        pick(&mut self.phi, phi);
        pick(&mut self.eta, &problem.eta);
        pick(&mut self.inverse_nu, inverse_nu);
        self.q.clear();
        self.q.resize(index.len(), 0.0);
    }
}
