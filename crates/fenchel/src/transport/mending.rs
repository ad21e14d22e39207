//! Where the mass goes that some atoms have too much of: to atoms near them that have too little.
//!
//! Every node of the index takes in what its children could not place. With surplus S and shortfall D of what comes up to
//! it, m = min(S, D) is placed inside: a unit of the surplus stays with probability m/S, and goes to the atoms of the node in
//! proportion to the shortfall they have left. What remains of either goes up. Errors of neighbours mostly cancel, so that little
//! mass goes far; the marginal that comes out is the one that was wanted.

use super::index::Index;
use super::problem::Frozen;
use crate::measure::stream;
use std::ops::Range;

/// Atoms drawn for a sample.
const EACH: usize = 2;

/// (√5 − 1)/2.
const GOLDEN: f64 = 0.618_033_988_749_894_8;

/// A kernel on the atoms that carries a surplus to a shortfall of the same mass.
#[derive(Debug)]
pub(crate) struct Mending<'a> {
    index: &'a Index,
    /// By node: the share that stays of the surplus that comes up to it, and the shortfall that it leaves.
    stays: Vec<f64>,
    left: Vec<f64>,
    /// By atom: its shortfall.
    short: Vec<f64>,
    /// By atom: a bound on the divergence of where its surplus goes, all reference mass of the problem's atoms included.
    divergence: Vec<f64>,
    start: f64,
}

impl<'a> Mending<'a> {
    /// From the marginal `q` to the wanted one; `key`, a seed and a purpose, is what is drawn by. Everything goes anywhere
    /// where a divergence cannot bear atoms without mass.
    pub(crate) fn new(problem: &Frozen, index: &'a Index, q: &[f64], key: (u64, u64)) -> Self {
        let nu = &problem.nu;
        let divergence = &*problem.divergence;
        let smooth = problem.is_smooth;
        let near = !smooth || divergence.f_at_zero().is_finite();
        let short: Vec<f64> = nu.iter().zip(q).map(|(nu, q)| (nu - q).max(0.0)).collect();
        let mut over: Vec<f64> = nu.iter().zip(q).map(|(nu, q)| (q - nu).max(0.0)).collect();
        let eta_total: f64 = problem.eta.iter().sum();
        let count = index.nodes();
        let (mut stays, mut left) = (vec![0.0; count], vec![0.0; count]);
        // Surplus that goes up from each node, and the divergence of what stays in it.
        let (mut up, mut own) = (vec![0.0; count], vec![0.0; count]);
        let mut remaining = short.clone();
        let mut shares = Vec::new();
        for at in (0..count).rev() {
            let atoms = index.range(at);
            let (surplus, shortfall) = match index.children(at) {
                Some((a, b)) => (up[a] + up[b], left[a] + left[b]),
                None => (over[atoms.clone()].iter().sum(), short[atoms.clone()].iter().sum::<f64>()),
            };
            let placed = match at {
                0 => surplus,
                _ if near => surplus.min(shortfall),
                _ => 0.0,
            };
            (up[at], left[at]) = (surplus - placed, (shortfall - placed).max(0.0));
            if placed == 0.0 {
                continue;
            }
            stays[at] = placed / surplus;
            let remaining = &mut remaining[atoms.clone()];
            if smooth && shortfall > 0.0 {
                shares.clear();
                shares.extend(remaining.iter().map(|s| s / shortfall));
                let eta = &problem.eta[atoms];
                let elsewhere = (eta_total - eta.iter().sum::<f64>()).max(0.0);
                own[at] = divergence.penalty(&shares, eta);
                if elsewhere > 0.0 && at > 0 {
                    own[at] += elsewhere * divergence.f_at_zero();
                }
            }
            let kept = if shortfall > 0.0 { left[at] / shortfall } else { 0.0 };
            remaining.iter_mut().for_each(|s| *s *= kept);
        }
        // Of what comes up to a node: what stays, or what goes on to its parent, parents first.
        for at in 0..count {
            if let Some((a, b)) = index.children(at) {
                for child in [a, b] {
                    own[child] = stays[child] * own[child] + (1.0 - stays[child]) * own[at];
                }
            } else {
                // No longer needed as what it was.
                over[index.range(at)].fill(own[at]);
            }
        }
        Mending {
            index,
            stays,
            left,
            short,
            divergence: over,
            start: stream(key.0, key.1, u64::MAX).uniform(),
        }
    }

    /// A bound on the divergence of where the surplus of an atom goes.
    pub(crate) fn divergence(&self, atom: usize) -> f64 {
        self.divergence[atom]
    }

    /// What it costs to take, from sample `number` at x, a unit of mass away from atoms in proportion to `taken` (atom, and
    /// mass; together `total`), to where it goes: in expectation over the draws. `y` is room for a point.
    pub(crate) fn cost(
        &self,
        problem: &Frozen,
        number: usize,
        x: &[f64],
        taken: impl Iterator<Item = (usize, f64)> + Clone,
        total: f64,
        y: &mut Vec<f64>,
    ) -> f64 {
        y.resize(problem.dim, 0.0);
        let place = (self.start + number as f64 * GOLDEN).fract();
        let mut sum = 0.0;
        for k in 0..EACH {
            let mut place = (place + k as f64 / EACH as f64).fract() * total;
            let mut from = (0, 1.0);
            for (atom, mass) in taken.clone().filter(|(_, mass)| *mass > 0.0) {
                from = (atom, mass);
                if place < mass {
                    break;
                }
                place -= mass;
            }
            let atom = self.goes_to(from.0, (place / from.1).clamp(0.0, 1.0));
            problem.points.get(atom, y);
            sum += problem.cost.eval(x, y);
        }
        sum / EACH as f64
    }

    /// Where the part at `place`, from 0 to 1, of an atom's surplus goes.
    fn goes_to(&self, atom: usize, mut place: f64) -> usize {
        // At or below `share` of the rest, or above it; the place within either.
        let mut below = |share: f64| {
            let is = place < share;
            place = if is { place / share } else { (place - share) / (1.0 - share) };
            is
        };
        let mut path = [0; usize::BITS as usize];
        let (mut at, mut depth) = (0, 0);
        while let Some((a, b)) = self.index.children(at) {
            at = if atom < self.index.range(b).start { a } else { b };
            depth += 1;
            path[depth] = at;
        }
        while depth > 0 && !below(self.stays[path[depth]]) {
            depth -= 1;
        }
        at = path[depth];
        while let Some((a, b)) = self.index.children(at) {
            let (first, both) = (self.left[a], self.left[a] + self.left[b]);
            // Of nothing, by rounding, any part will do.
            at = if both == 0.0 || below(first / both) { a } else { b };
        }
        self.at_place(self.index.range(at), place)
    }

    fn at_place(&self, atoms: Range<usize>, place: f64) -> usize {
        let mut rest = place * self.short[atoms.clone()].iter().sum::<f64>();
        let mut last = atoms.start;
        for i in atoms {
            if self.short[i] > 0.0 {
                last = i;
                if rest < self.short[i] {
                    break;
                }
                rest -= self.short[i];
            }
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{self, PointCloud};
    use crate::transport::{Lambda, SemiDiscrete};
    use crate::{cost, divergence};

    fn problem(n: usize, name: &str) -> Frozen {
        let mut rng = stream(8, 0, 0);
        let atoms: Vec<f64> = (0..2 * n).map(|_| rng.normal()).collect();
        let weights: Vec<f64> = (0..n).map(|_| rng.uniform() + 0.01).collect();
        SemiDiscrete::new(
            measure::parse("gaussian:2").unwrap(),
            PointCloud::weighted(2, atoms, weights).unwrap(),
            cost::parse("sqeuclidean").unwrap(),
            divergence::parse(name).unwrap(),
            Lambda::Absolute(0.01),
        )
        .unwrap()
        .freeze(0)
        .unwrap()
        .indexed()
    }

    /// A marginal that is off by noise, which sums to one.
    fn off(problem: &Frozen, noise: f64) -> Vec<f64> {
        let mut rng = stream(9, 0, 0);
        let q: Vec<f64> = problem.nu.iter().map(|v| v * (noise * rng.normal()).exp()).collect();
        let total: f64 = q.iter().sum();
        q.into_iter().map(|q| q / total).collect()
    }

    /// Places laid out evenly carry each atom's surplus to atoms that want it, and fill them exactly.
    #[test]
    fn surplus_fills_shortfall_nearby() {
        // With the last, a few atoms have nearly all.
        for (noise, near) in [(1e-6, 0.35), (0.3, 0.35), (3.0, 0.7)] {
            let problem = problem(5_003, "kl");
            let q = off(&problem, noise);
            let mending = Mending::new(&problem, problem.index.as_ref().unwrap(), &q, (1, 2));
            let mut got = vec![0.0; q.len()];
            let (mut far, mut moved) = (0.0, 0.0);
            let (mut a, mut b) = (vec![0.0; 2], vec![0.0; 2]);
            for (i, (q, nu)) in q.iter().zip(&problem.nu).enumerate().filter(|(_, (q, nu))| q > nu) {
                let surplus = q - nu;
                // An atom that has a lot reaches many.
                let places = (2e6 * surplus).max(2e3) as usize;
                let each = surplus / places as f64;
                problem.points.get(i, &mut a);
                for k in 0..places {
                    let to = mending.goes_to(i, (k as f64 + 0.5) / places as f64);
                    got[to] += each;
                    problem.points.get(to, &mut b);
                    far += each * problem.cost.eval(&a, &b).sqrt();
                }
                moved += surplus;
            }
            let missed: f64 =
                got.iter().zip(&q).zip(&problem.nu).map(|((g, q), v)| (g - (v - q).max(0.0)).abs()).sum();
            assert!(missed < 0.01 * moved, "{noise}: {missed} of {moved}");
            // Two atoms are 1.8 apart on average.
            assert!(far < near * moved, "{noise}: {}", far / moved);
        }
    }

    /// The bound holds for the distribution that an atom's surplus goes to.
    #[test]
    fn the_divergence_of_where_it_goes_is_bounded() {
        for name in ["kl", "chi2", "tsallis:1.5"] {
            let problem = problem(2_500, name);
            let q = off(&problem, 0.5);
            let mending = Mending::new(&problem, problem.index.as_ref().unwrap(), &q, (1, 2));
            let mut close = false;
            for i in (0..q.len()).step_by(97).filter(|&i| q[i] > problem.nu[i]) {
                let mut to = vec![0.0; q.len()];
                for k in 0..100_000 {
                    to[mending.goes_to(i, (f64::from(k) + 0.5) / 100_000.0)] += 1e-5;
                }
                let exact = problem.divergence.penalty(&to, &problem.eta);
                let bound = mending.divergence(i);
                assert!(exact <= bound * (1.0 + 1e-3), "{name} {i}: {exact} above {bound}");
                close |= exact > 0.9 * bound;
            }
            assert!(close, "{name}: a bound that is never near");
        }
    }
}
