//! Which atoms a block of samples has to look at.
//!
//! A full pass over a block leaves behind the list of atoms that can matter to any of its samples. At the
//! potentials φ⁰ of that pass an atom left out scored, for every sample of the block, more than
//! (width + slack)·λ below the sample's threshold τ⁰, where weights are below 2^-60 of the reference weight
//! (or what a pass may leave out, or zero) from width·λ on. When potentials move by Δ, the threshold falls by at most the largest fall of
//! a listed atom, τ ≥ τ⁰ + min Δ over the list (the threshold is monotone in the scores and moves with them),
//! and an atom left out rises by its own Δ_i. The list therefore stays good while
//! Δ_i − min Δ over the list ≤ slack·λ for all atoms left out. The few that rise most are added to every list,
//! so that they do not decide for all. Nothing is asked of the cost.

/// How much potentials may move, in units of λ, before a list is made anew.
const SLACK: f64 = 3.0;

/// At most so many atoms are added to all lists.
const MOVERS: usize = 64;

/// A list of more than this share of the atoms costs more than it saves.
pub(crate) const FULL: f64 = 0.6;

#[derive(Debug, Clone)]
enum Entry {
    Unknown,
    All,
    Listed { snapshot: u32, atoms: Vec<u32> },
}

/// The lists of all blocks of a net, for one λ.
#[derive(Debug)]
pub(crate) struct Lists {
    lambda: f64,
    /// Potentials that lists were made at; empty once no block refers to them.
    snapshots: Vec<Vec<f64>>,
    blocks: Vec<Entry>,
}

/// How the atoms moved since a snapshot.
#[derive(Debug)]
struct Moves {
    delta: Vec<f64>,
    /// The atoms that rose most.
    movers: Vec<u32>,
    /// No other atom rose by more.
    ceiling: f64,
}

/// What to look at in one pass.
#[derive(Debug)]
pub(crate) enum Look<'a> {
    /// All atoms: most of them matter.
    All,
    /// No list is there, or it no longer holds: make one.
    AllAndList,
    /// These, and the movers.
    Listed(&'a [u32], &'a [u32]),
}

/// The lists, checked against the potentials of one pass.
#[derive(Debug)]
pub(crate) struct Checked<'a> {
    lists: &'a Lists,
    moves: Vec<Option<Moves>>,
    slack: f64,
}

impl Lists {
    /// No lists yet for `blocks` blocks.
    pub(crate) fn new(blocks: usize, lambda: f64) -> Self {
        Lists { lambda, snapshots: Vec::new(), blocks: vec![Entry::Unknown; blocks] }
    }

    pub(crate) fn lambda(&self) -> f64 {
        self.lambda
    }

    /// What is listed at the smallest score against the threshold, in cost units: `width` (in λ) and the slack.
    pub(crate) fn keep_above(width: f64, lambda: f64) -> f64 {
        -(width + SLACK) * lambda
    }

    /// Compares potentials with every snapshot in use.
    pub(crate) fn check(&self, phi: &[f64]) -> Checked<'_> {
        let slack = SLACK * self.lambda;
        let moves = self
            .snapshots
            .iter()
            .map(|snapshot| (!snapshot.is_empty()).then(|| Moves::new(snapshot, phi, slack)))
            .collect();
        Checked { lists: self, moves, slack }
    }

    /// Takes up lists made in a pass at `phi`; no list stands for all atoms.
    pub(crate) fn install(&mut self, phi: &[f64], made: impl IntoIterator<Item = (usize, Option<Vec<u32>>)>) {
        let snapshot = self.snapshots.len() as u32;
        let mut used = false;
        for (block, atoms) in made {
            self.blocks[block] = match atoms {
                Some(atoms) if atoms.len() as f64 <= FULL * phi.len() as f64 => {
                    used = true;
                    Entry::Listed { snapshot, atoms }
                }
                _ => Entry::All,
            };
        }
        if !used {
            return;
        }
        let mut in_use = vec![false; self.snapshots.len()];
        for entry in &self.blocks {
            if let Entry::Listed { snapshot, .. } = entry
                && let Some(flag) = in_use.get_mut(*snapshot as usize)
            {
                *flag = true;
            }
        }
        for (old, used) in self.snapshots.iter_mut().zip(in_use) {
            if !used {
                *old = Vec::new();
            }
        }
        self.snapshots.push(phi.to_vec());
    }
}

impl Moves {
    fn new(snapshot: &[f64], phi: &[f64], slack: f64) -> Self {
        let delta: Vec<f64> = phi.iter().zip(snapshot).map(|(p, s)| p - s).collect();
        let (low, high) =
            delta.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), &d| (lo.min(d), hi.max(d)));
        if high - low <= slack {
            return Moves { delta, movers: Vec::new(), ceiling: high };
        }
        let count = (delta.len() / 50).min(MOVERS).clamp(1, delta.len() - 1);
        let mut sorted = delta.clone();
        let (_, &mut ceiling, _) = sorted.select_nth_unstable_by(count, |a, b| b.total_cmp(a));
        let movers = (0..delta.len() as u32).filter(|&i| delta[i as usize] > ceiling).collect();
        Moves { delta, movers, ceiling }
    }
}

impl Checked<'_> {
    /// Whether some block has no list that holds.
    pub(crate) fn is_wanting(&self) -> bool {
        (0..self.lists.blocks.len()).any(|b| matches!(self.look(b), Look::AllAndList))
    }

    /// How many atoms a block's list has.
    pub(crate) fn entries(&self, block: usize) -> usize {
        match &self.lists.blocks[block] {
            Entry::Listed { atoms, .. } => atoms.len(),
            _ => 0,
        }
    }

    pub(crate) fn look(&self, block: usize) -> Look<'_> {
        match &self.lists.blocks[block] {
            Entry::Unknown => Look::AllAndList,
            Entry::All => Look::All,
            Entry::Listed { snapshot, atoms } => match &self.moves[*snapshot as usize] {
                Some(moves) => {
                    let least = atoms.iter().fold(f64::INFINITY, |a, &i| a.min(moves.delta[i as usize]));
                    if moves.ceiling - least <= self.slack {
                        Look::Listed(atoms, &moves.movers)
                    } else {
                        Look::AllAndList
                    }
                }
                None => Look::AllAndList,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_holds_while_nothing_left_out_can_matter() {
        let mut lists = Lists::new(2, 1.0);
        let zero = vec![0.0; 200];
        lists.install(&zero, [(0, Some(vec![0, 1, 2])), (1, Some((0..150).collect()))]);
        assert!(matches!(lists.check(&zero).look(0), Look::Listed(&[0, 1, 2], &[])));
        assert!(matches!(lists.check(&zero).look(1), Look::All));
        // One atom left out rises far: it is added, the list holds.
        let mut phi = zero.clone();
        phi[77] = 20.0;
        match lists.check(&phi).look(0) {
            Look::Listed(&[0, 1, 2], movers) => assert_eq!(movers, [77]),
            look => panic!("{look:?}"),
        }
        // A listed atom falls far: what was left out may now matter.
        phi[1] = -9.0;
        assert!(matches!(lists.check(&phi).look(0), Look::AllAndList));
        // All move together: nothing changes.
        let phi = vec![-50.0; 200];
        assert!(matches!(lists.check(&phi).look(0), Look::Listed(..)));
    }
}
