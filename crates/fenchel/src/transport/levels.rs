//! The same problem with fewer atoms: neighbours merged into one at their centre of mass.
//!
//! At a strength λ that blurs what lies inside a cluster nothing is lost by merging it. On the way down from a large λ
//! the solver therefore works with few atoms, and with more as λ falls. When a cluster is split, its atoms start from
//!
//! ```text
//! φ_i = φ_cluster + s·(y_i − y_cluster),      s = E[∂_y c(x, y) | x goes to the cluster],
//! ```
//!
//! since s is the slope of the optimal potential.

use super::index;
use super::net::ordered;
use super::problem::Frozen;
use crate::error::Result;
use crate::measure::Soa;
use std::ops::Range;

/// Clusters whose mean scatter sets the scale of the coarsest level.
const COARSEST: usize = 512;

/// From level to level the scatter allowed falls by this factor.
const FACTOR: f64 = 4.0;

/// A problem with merged atoms.
#[derive(Debug)]
pub(crate) struct Level {
    pub(crate) problem: Frozen,
    /// Where clusters begin among the atoms of the full problem, ascending, and the end.
    starts: Vec<u32>,
    /// The place among the atoms of this level of each of them.
    places: Vec<u32>,
    /// In no cluster is the mean cost between an atom and the centre more than this.
    pub(crate) scatter: f64,
}

/// Coarse to fine; empty for a problem that is small, or has no index. Clusters are the largest nodes of the index that
/// scatter no more than their level allows: an atom far from all others soon stands for itself.
pub(crate) fn levels(problem: &Frozen) -> Result<Vec<Level>> {
    let n = problem.atoms();
    let Some(index) = &problem.index else { return Ok(Vec::new()) };
    if n < 4 * COARSEST {
        return Ok(Vec::new());
    }
    let scatter: Vec<f64> = index.ranges().map(|atoms| scatter(problem, atoms)).collect();
    let coarsest = index.starts(|_, depth| depth >= COARSEST.ilog2());
    let mut allowed: f64 = coarsest
        .windows(2)
        .map(|ends| {
            let atoms = ends[0] as usize..ends[1] as usize;
            problem.nu[atoms.clone()].iter().sum::<f64>() * self::scatter(problem, atoms)
        })
        .sum();
    let mut levels = Vec::new();
    while allowed > 0.0 {
        let starts = index.starts(|node, _| scatter[node] <= allowed);
        if 2 * starts.len() > n {
            break;
        }
        levels.push(Level::new(problem, starts, allowed)?);
        allowed /= FACTOR;
    }
    Ok(levels)
}

fn centre(problem: &Frozen, atoms: Range<usize>) -> Vec<f64> {
    let nu = &problem.nu[atoms.clone()];
    let mass: f64 = nu.iter().sum();
    (0..problem.dim)
        .map(|k| {
            let column = &problem.points.coordinate(k)[atoms.clone()];
            // Shares first: masses may be tiny.
            column.iter().zip(nu).map(|(y, v)| y * (v / mass)).sum()
        })
        .collect()
}

/// Mean cost between the atoms of a cluster and its centre, by mass.
fn scatter(problem: &Frozen, atoms: Range<usize>) -> f64 {
    let centre = centre(problem, atoms.clone());
    let mass: f64 = problem.nu[atoms.clone()].iter().sum();
    let mut y = vec![0.0; problem.dim];
    atoms
        .map(|i| {
            problem.points.get(i, &mut y);
            problem.nu[i] / mass * problem.cost.eval(&centre, &y)
        })
        .sum()
}

impl Level {
    fn new(full: &Frozen, starts: Vec<u32>, scatter: f64) -> Result<Level> {
        let (mut rows, mut nu, mut eta) = (Vec::new(), Vec::new(), Vec::new());
        for ends in starts.windows(2) {
            let atoms = ends[0] as usize..ends[1] as usize;
            rows.extend(centre(full, atoms.clone()));
            nu.push(full.nu[atoms.clone()].iter().sum());
            eta.push(full.eta[atoms].iter().sum());
        }
        // In an order of their own, so that the index on them is a good one.
        let order = ordered(&rows, full.dim, index::LEAF);
        let mut places = vec![0; order.len()];
        for (place, &cluster) in order.iter().enumerate() {
            places[cluster as usize] = place as u32;
        }
        let mut points = Soa::with_dim(full.dim);
        Soa::from_rows(full.dim, &rows)?.gather(&order, &mut points);
        let pick = |v: Vec<f64>| -> Vec<f64> { order.iter().map(|&a| v[a as usize]).collect() };
        let problem = full.merged(points, pick(nu), pick(eta));
        Ok(Level { problem, starts, places, scatter })
    }

    /// Potentials of a finer level, or of the full problem, from those of this one and their slopes.
    pub(crate) fn refine(
        &self,
        phi: &[f64],
        slopes: &[f64],
        finer: Option<&Level>,
        full: &Frozen,
    ) -> Vec<f64> {
        let (dim, centres) = (self.problem.dim, &self.problem.points);
        let fine = finer.map_or(&full.points, |level| &level.problem.points);
        let mut refined = vec![0.0; fine.len()];
        let mut rank = 0;
        for at in 0..fine.len() {
            // Of a finer level, the clusters one after the other.
            let (atom, i) =
                finer.map_or((at as u32, at), |level| (level.starts[at], level.places[at] as usize));
            while self.starts[rank + 1] <= atom {
                rank += 1;
            }
            let cluster = self.places[rank] as usize;
            let rise: f64 = (0..dim)
                .map(|k| {
                    let moved = fine.coordinate(k)[i] - centres.coordinate(k)[cluster];
                    slopes[cluster * dim + k] * moved
                })
                .sum();
            refined[i] = phi[cluster] + rise;
        }
        refined
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{self, PointCloud, stream};
    use crate::transport::{Lambda, SemiDiscrete};
    use crate::{cost, divergence};

    #[test]
    fn masses_and_centres_are_kept_and_linear_potentials_refined_exactly() {
        let mut rng = stream(2, 0, 0);
        let n = 10_007;
        let atoms: Vec<f64> = (0..2 * n).map(|_| rng.normal()).collect();
        let weights: Vec<f64> = (0..n).map(|_| rng.uniform() - 0.2).map(|w| w.max(0.0)).collect();
        let full = SemiDiscrete::new(
            measure::parse("gaussian:2").unwrap(),
            PointCloud::weighted(2, atoms, weights).unwrap(),
            cost::parse("sqeuclidean").unwrap(),
            divergence::parse("kl").unwrap(),
            Lambda::Absolute(0.1),
        )
        .unwrap()
        .freeze(0)
        .unwrap()
        .indexed();
        let levels = levels(&full).unwrap();
        assert!(!levels.is_empty());
        let mean = |problem: &Frozen, k: usize| -> f64 {
            problem.points.coordinate(k).iter().zip(&problem.nu).map(|(y, v)| y * v).sum()
        };
        for level in &levels {
            let coarse = &level.problem;
            assert!((coarse.nu.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            assert!((coarse.eta.iter().sum::<f64>() - full.eta.iter().sum::<f64>()).abs() < 1e-12);
            for k in 0..2 {
                assert!((mean(coarse, k) - mean(&full, k)).abs() < 1e-12);
            }
            for (a, ends) in level.starts.windows(2).enumerate() {
                let atoms = ends[0] as usize..ends[1] as usize;
                assert!(scatter(&full, atoms.clone()) <= level.scatter, "cluster {a}: {atoms:?}");
            }
            let phi: Vec<f64> = (0..coarse.atoms())
                .map(|a| 3.0 * coarse.points.coordinate(0)[a] - coarse.points.coordinate(1)[a])
                .collect();
            let slopes = [3.0, -1.0].repeat(coarse.atoms());
            for (i, phi) in level.refine(&phi, &slopes, None, &full).into_iter().enumerate() {
                let exact = 3.0 * full.points.coordinate(0)[i] - full.points.coordinate(1)[i];
                assert!((phi - exact).abs() < 1e-12);
            }
        }
    }
}
