//! Finding the atoms that matter to groups of samples, for a pass: whether the index is worth its while, and with what groups.

use super::evaluate::{Buffers, Context};
use super::index::{Ceilings, GROUP, Group, Index, Search};
use super::kernels::{runner_up, scores};
use super::lists::FULL;
use super::local::Local;
use super::row::weigh_row;
use std::ops::Range;

/// What a search for the atoms that matter needs.
pub(super) struct Finder<'a> {
    index: &'a Index,
    ceilings: Ceilings,
    /// Reference mass that a set of atoms must have for its threshold to exist.
    least_mass: f64,
    /// Samples that are searched for together.
    pub(super) group: usize,
}

/// Sizes of a group of samples: large ones share the cost of a search, small ones lie closer together.
const GROUPS: [usize; 3] = [1, GROUP / 4, GROUP];

/// Testing a node for a group takes about as long as evaluating so many pairs, gathering an atom as so many.
const TEST: usize = 40;
const GATHERING: usize = 6;

/// Groups of samples on which a search is tried before all are searched: at most so many, and one for so many samples.
const TRIALS: usize = 8;
const SAMPLES_A_TRIAL: usize = 128;

/// A search that leaves more than this share of the work is not worth it.
const WORTH: f64 = 0.5;

/// A search that goes further down, to the runners-up, is given up at so many atoms.
const WIDE: usize = 256;

/// Atoms from the last group that a search starts from: those with at least this share of its mass.
const CARRIED: f64 = 1.0 / 32.0;

impl<'a> Finder<'a> {
    /// A finder, if what it finds on a few groups of samples is worth the search.
    pub(super) fn new(context: &Context<'a>, index: &'a Index) -> Option<Finder<'a>> {
        let n = context.phi.len();
        let cap = context.problem.smooth.cap();
        let least_mass = if cap.is_finite() { 2.0 / cap } else { 0.0 };
        if least_mass > 0.25 * context.eta_total {
            return None;
        }
        let ceilings = index.ceilings(&context.problem.points, context.phi);
        let mut finder = Finder { index, ceilings, least_mass, group: 0 };
        let (mut local, mut buffers) = (Local::with_dim(context.problem.dim), Buffers::default());
        let mut best = (WORTH * n as f64, 0);
        for size in GROUPS {
            finder.group = size;
            let mut hunt = Hunt::new(context, &finder);
            let groups = context.net.len.div_ceil(size);
            let trials = groups.min(TRIALS).min(context.net.len.div_ceil(SAMPLES_A_TRIAL));
            let (mut effort, mut kept) = (0, 0);
            for t in 0..trials {
                let first = (groups * t / trials) * size;
                let group = first..(first + size).min(context.net.len);
                hunt.carried.clear();
                let found = hunt.find(context, group, &mut local, &mut buffers);
                kept += if found { local.index.len() } else { n };
                effort += if found { local.index.len() * (size + GATHERING) } else { n * size };
            }
            // Together samples keep at least what each keeps alone: no group is worth it then.
            if size == 1 && kept as f64 > WORTH * (n * trials) as f64 {
                return None;
            }
            effort += hunt.search.tests * TEST;
            let each = effort as f64 / (trials * size) as f64;
            if each < best.0 {
                best = (each, size);
            }
        }
        finder.group = best.1;
        (best.1 > 0).then_some(finder)
    }
}

/// A worker's search.
pub(super) struct Hunt<'a> {
    pub(super) finder: &'a Finder<'a>,
    search: Search<'a>,
    group: Group,
    carried: Vec<u32>,
    ranges: Vec<(u32, u32)>,
    pairs: u64,
}

impl<'a> Hunt<'a> {
    pub(super) fn new(context: &Context<'a>, finder: &'a Finder<'a>) -> Self {
        let Finder { index, ceilings, .. } = finder;
        Hunt {
            finder,
            search: Search::new(index, ceilings, &*context.problem.cost),
            group: Group::with_dim(context.problem.dim),
            carried: Vec::new(),
            ranges: Vec::new(),
            pairs: 0,
        }
    }

    /// Puts the atoms that can matter to a group of samples into `local.index`; false if they are too many.
    pub(super) fn find(
        &mut self,
        context: &Context<'_>,
        samples: Range<usize>,
        local: &mut Local,
        buffers: &mut Buffers,
    ) -> bool {
        let (problem, n) = (context.problem, context.phi.len());
        let xs = &context.net.points[samples.start * problem.dim..samples.end * problem.dim];
        self.group.set(xs);
        // A few atoms that score high give thresholds that the true ones cannot be below.
        let (y, mut looked_at) = (&mut buffers.y, 0);
        y.resize(problem.dim, 0.0);
        let likely = self.search.likely(&self.group, |first, last| {
            looked_at += u64::from(last - first);
            (first as usize..last as usize).fold(f64::NEG_INFINITY, |best, i| {
                problem.points.get(i, y);
                best.max(context.phi[i] - problem.cost.eval(self.group.centre(), y))
            })
        });
        self.pairs += looked_at;
        let mass = |first: u32, last: u32| problem.eta[first as usize..last as usize].iter().sum::<f64>();
        let seeds = if mass(likely.0, likely.1) >= self.finder.least_mass {
            likely
        } else {
            self.search.around(likely.0, |first, last| mass(first, last) >= self.finder.least_mass)
        };
        local.index.clear();
        local.index.extend(seeds.0..seeds.1);
        local.index.extend(self.carried.iter().filter(|&&i| i < seeds.0 || i >= seeds.1));
        context.gather(local);
        let width = local.index.len();
        buffers.tile.resize(samples.len() * width, 0.0);
        if buffers.p.len() < width {
            buffers.p.resize(width, 0.0);
        }
        self.pairs += (samples.len() * width) as u64;
        problem.cost.rows(xs, &local.points, &mut buffers.tile);
        let rest = context.rest(&local.eta);
        let mut gap = 0.0_f64;
        for (u, threshold) in buffers.tile.chunks_exact_mut(width).zip(&mut self.group.thresholds) {
            let top = scores(&local.phi, u);
            if context.looks_for_runners_up() {
                gap = gap.max(runner_up(u).map_or(0.0, |(_, gap)| gap));
            }
            let p = &mut buffers.p[..width];
            let row = weigh_row(
                problem,
                context.entropic,
                context.lambda,
                u,
                top,
                &local.eta,
                rest,
                p,
                &mut buffers.scratch,
            );
            // Costs that are not finite are for the pass to find.
            *threshold = if row.threshold.is_finite() { row.threshold } else { f64::NEG_INFINITY };
        }
        let budget = (FULL * n as f64) as usize;
        let wide = -gap < context.keep_above
            && self.search.find(&self.group, -gap, budget.min(WIDE), &mut self.ranges).is_some();
        if !wide && self.search.find(&self.group, context.keep_above, budget, &mut self.ranges).is_none() {
            return false;
        }
        local.index.clear();
        local.index.extend(self.ranges.iter().flat_map(|&(first, last)| first..last));
        true
    }

    /// Costs evaluated to find atoms.
    pub(super) fn pairs(&self) -> u64 {
        self.pairs + self.search.tests as u64
    }

    /// Remembers the atoms that took most of a group, for the next one, which is likely to lie near.
    pub(super) fn carry(&mut self, local: &Local) {
        let least = CARRIED * local.q.iter().sum::<f64>();
        self.carried.clear();
        self.carried.extend(local.index.iter().zip(&local.q).filter(|(_, q)| **q > least).map(|(i, _)| *i));
    }
}
