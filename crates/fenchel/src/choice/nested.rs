//! Nested logit and its relatives: trees of alternatives that share their noise.

use super::gev::{GeneratingFunction, gumbel, log_masses};
use crate::error::{Error, Result};
use crate::measure::Rng;

/// An alternative, or a nest of them.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    /// An atom, counted from 0, with the share of it that belongs here: 1 unless it is in several nests.
    Leaf {
        /// Which atom.
        atom: usize,
        /// Its share α > 0; the shares of an atom usually sum to 1.
        share: f64,
    },
    /// Alternatives whose noise is correlated.
    Nest {
        /// ρ in (0, 1]: the scale of the noise inside relative to outside. 1 is independence.
        dissimilarity: f64,
        /// What is inside.
        branches: Vec<Tree>,
    },
}

impl Tree {
    /// All of an atom.
    pub fn leaf(atom: usize) -> Self {
        Tree::Leaf { atom, share: 1.0 }
    }

    /// A share of an atom that is in several nests.
    pub fn share(atom: usize, share: f64) -> Self {
        Tree::Leaf { atom, share }
    }

    /// A nest.
    pub fn nest(dissimilarity: f64, branches: impl IntoIterator<Item = Tree>) -> Self {
        Tree::Nest { dissimilarity, branches: branches.into_iter().collect() }
    }
}

/// Nested logit: with nests B and dissimilarities ρ_B,
///
/// ```text
/// G(s) = Σ_B ( Σ_{i in B} (m_i s_i^{1/λ})^{1/ρ_B} )^{ρ_B}.
/// ```
///
/// The noises of two atoms of one nest have correlation 1 − ρ_B², those of atoms in different nests 0; a ρ of 1 everywhere is
/// [`Multinomial`](super::Multinomial). Nests may contain nests ([`Tree`]): the correlation is then 1 − r², with r the product
/// of the ρ from the root to the smallest nest that has both atoms in it. And an atom may be in several nests with shares
/// α_iB, in place of m_i then α_iB m_i (cross-nested logit); correlations of such atoms have no such formula. Noise is drawn
/// exactly, through positive stable variables.
///
/// ```
/// use std::sync::Arc;
/// use fenchel::choice::{ExtremeValue, Nested, Smoothing, Tree};
///
/// // Car, or public transport: a train or one of two buses.
/// let buses = Tree::nest(0.5, [Tree::leaf(2), Tree::leaf(3)]);
/// let transport = Tree::nest(0.8, [Tree::leaf(1), buses]);
/// let mut choice = ExtremeValue::new(Arc::new(Nested::tree(&[Tree::leaf(0), transport])?), 1.0)?;
/// let mut p = [0.0; 4];
/// choice.maximum(&[1.0, 0.5, 0.0, 0.0], &mut p)?;
/// assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-15 && p[2] == p[3]);
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Nested {
    atoms: usize,
    /// Nests, those inside before those outside; the last is the root.
    nests: Vec<Flat>,
    branches: Vec<Branch>,
    log_masses: Vec<f64>,
}

#[derive(Debug, Clone)]
struct Flat {
    /// Scale of the noise inside, in units of λ.
    scale: f64,
    /// `scale` relative to the nest around.
    dissimilarity: f64,
    /// Range of `branches`.
    first: usize,
    end: usize,
}

#[derive(Debug, Clone, Copy)]
enum Branch {
    Leaf { atom: usize, log_share: f64 },
    Nest(usize),
}

impl Nested {
    /// Two levels: nests with their dissimilarities and atoms. Every atom from 0 to N − 1 must be in one.
    ///
    /// # Errors
    /// As [`Nested::tree`].
    pub fn of(nests: &[(f64, &[usize])]) -> Result<Self> {
        let nests: Vec<Tree> =
            nests.iter().map(|(rho, atoms)| Tree::nest(*rho, atoms.iter().map(|i| Tree::leaf(*i)))).collect();
        Self::tree(&nests)
    }

    /// From the branches of the root, of any depth.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a dissimilarity outside (0, 1] or a share that is not a finite number above 0;
    /// [`Error::Shape`] for an empty nest or an atom that is nowhere.
    pub fn tree(branches: &[Tree]) -> Result<Self> {
        let mut built = Nested { atoms: 0, nests: Vec::new(), branches: Vec::new(), log_masses: Vec::new() };
        built.add(1.0, 1.0, branches)?;
        let mut seen = Vec::new();
        for branch in &built.branches {
            if let Branch::Leaf { atom, .. } = branch {
                built.atoms = built.atoms.max(atom.saturating_add(1));
                seen.push(*atom);
            }
        }
        seen.sort_unstable();
        seen.dedup();
        if let Some(missing) = (0..seen.len()).find(|i| seen[*i] != *i) {
            return Err(Error::shape("nests", format!("every atom from 0 to {}", built.atoms - 1), {
                format!("no atom {missing}")
            }));
        }
        built.log_masses = vec![0.0; built.atoms];
        Ok(built)
    }

    /// With masses m_i, not normalised: z_i moves by λ log m_i.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of masses than of atoms; [`Error::InvalidValue`] for one that is not a
    /// finite number above 0.
    pub fn with_masses(mut self, masses: &[f64]) -> Result<Self> {
        if masses.len() != self.atoms {
            return Err(Error::shape("masses", format!("one an atom, {}", self.atoms), masses.len()));
        }
        self.log_masses = log_masses(masses)?;
        Ok(self)
    }

    /// Appends a nest and what is inside; returns its index.
    fn add(&mut self, outside: f64, dissimilarity: f64, inside: &[Tree]) -> Result<usize> {
        if !(dissimilarity > 0.0 && dissimilarity <= 1.0) {
            return Err(Error::invalid("dissimilarity", dissimilarity, "above 0 and at most 1"));
        }
        if inside.is_empty() {
            return Err(Error::shape("nest", "at least one alternative", 0));
        }
        let scale = outside * dissimilarity;
        if scale < f64::MIN_POSITIVE {
            return Err(Error::invalid(
                "dissimilarity",
                dissimilarity,
                "above 0 with those of the nests around",
            ));
        }
        let mut own = Vec::with_capacity(inside.len());
        for tree in inside {
            own.push(match tree {
                Tree::Leaf { atom, share } if *share > 0.0 && share.is_finite() => {
                    Branch::Leaf { atom: *atom, log_share: share.ln() }
                }
                Tree::Leaf { atom, share } => {
                    let name = format!("share of atom {atom}");
                    return Err(Error::invalid(name, share, "a finite number above 0"));
                }
                Tree::Nest { dissimilarity, branches } => {
                    Branch::Nest(self.add(scale, *dissimilarity, branches)?)
                }
            });
        }
        let first = self.branches.len();
        self.branches.extend(own);
        self.nests.push(Flat { scale, dissimilarity, first, end: self.branches.len() });
        Ok(self.nests.len() - 1)
    }
}

impl GeneratingFunction for Nested {
    fn atoms(&self) -> usize {
        self.atoms
    }

    /// Inclusive values λ_B log Σ e^{v/λ_B} from the leaves to the root, conditional probabilities back.
    fn log_g(&self, x: &mut [f64], scratch: &mut Vec<f64>) -> f64 {
        scratch.resize(self.branches.len() + self.nests.len(), 0.0);
        let (weights, inclusive) = scratch.split_at_mut(self.branches.len());
        for (k, nest) in self.nests.iter().enumerate() {
            let own = nest.first..nest.end;
            let mut top = f64::NEG_INFINITY;
            for (w, branch) in weights[own.clone()].iter_mut().zip(&self.branches[own.clone()]) {
                *w = match branch {
                    Branch::Leaf { atom, log_share } => x[*atom] + (self.log_masses[*atom] + log_share),
                    Branch::Nest(inner) => inclusive[*inner],
                };
                top = top.max(*w);
            }
            if top == f64::NEG_INFINITY {
                // Nothing here is ever chosen; any probabilities inside will do.
                weights[own].fill(0.0);
                inclusive[k] = top;
                continue;
            }
            let mut sum = 0.0;
            for w in &mut weights[own.clone()] {
                *w = ((*w - top) / nest.scale).exp();
                sum += *w;
            }
            weights[own].iter_mut().for_each(|w| *w /= sum);
            inclusive[k] = top + nest.scale * sum.ln();
        }
        let Some(root) = self.nests.len().checked_sub(1) else { return f64::NEG_INFINITY };
        let value = inclusive[root];
        x.fill(0.0);
        inclusive[root] = 1.0;
        for (k, nest) in self.nests.iter().enumerate().rev() {
            let own = nest.first..nest.end;
            for (weight, branch) in weights[own.clone()].iter().zip(&self.branches[own]) {
                let chosen = inclusive[k] * weight;
                match branch {
                    Branch::Leaf { atom, .. } => x[*atom] += chosen,
                    Branch::Nest(inner) => inclusive[*inner] = chosen,
                }
            }
        }
        value
    }

    /// Given a factor A, exp(−A Σ e^{−s/λ_B}) is a product of Gumbel distributions; a positive ρ-stable A, with
    /// Laplace transform e^{−t^ρ}, makes the nest.
    fn draw(&self, rng: &mut Rng, z: &mut [f64], scratch: &mut Vec<f64>) -> bool {
        scratch.clear();
        scratch.resize(self.nests.len(), 0.0);
        z.fill(f64::NEG_INFINITY);
        for (k, nest) in self.nests.iter().enumerate().rev() {
            // λ_B log A, which adds up from the root.
            let shared = scratch[k] + nest.scale * log_positive_stable(nest.dissimilarity, rng);
            for branch in &self.branches[nest.first..nest.end] {
                match branch {
                    Branch::Leaf { atom, log_share } => {
                        let own = shared + nest.scale * gumbel(rng) + (self.log_masses[*atom] + log_share);
                        z[*atom] = z[*atom].max(own);
                    }
                    Branch::Nest(inner) => scratch[*inner] = shared,
                }
            }
        }
        true
    }
}

/// log of a positive stable number of index ρ in (0, 1], E e^{−tA} = e^{−t^ρ} (Kanter 1975).
fn log_positive_stable(rho: f64, rng: &mut Rng) -> f64 {
    if rho == 1.0 {
        return 0.0;
    }
    let angle = std::f64::consts::PI * rng.uniform();
    let rest = (((1.0 - rho) * angle).sin() / rng.exponential()).ln();
    (rho * angle).sin().ln() - angle.sin().ln() / rho + (1.0 - rho) / rho * rest
}
