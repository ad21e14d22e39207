//! The dual on a net: value, marginal, and the rows of the Hessian, in one pass over the samples.
//!
//! A pass costs samples × atoms evaluations at first; it leaves behind, for every block of samples, the
//! list of atoms that can matter to it, and later passes look at those alone. What is left out has a
//! weight below 2^-60 of its reference weight (or exactly zero, for divergences that cut off), whatever
//! the cost: the lists rest on scores already seen and on how far potentials have moved since. On the way, where
//! nothing is reported, a pass may leave out as much as the tolerance does not see.

use super::hessian::{Hessian, Rows};
use super::hunt::{Finder, Hunt};
use super::kernels::{raise, scores, square_dot};
use super::lists::{Checked, Lists, Look};
use super::local::Local;
use super::net::Net;
use super::problem::{Frozen, is_entropic};
use super::rounding::{self, Rounded, Rounding};
use super::row::{RowSums, hessian_row, weigh_row};
use crate::divergence::{Row, Scratch};
use crate::measure::Soa;
use crate::optim::{Status, Watch};
use crate::simd;
use rayon::prelude::*;
use std::ops::Range;

/// What a pass is asked for besides value and marginal.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Want<'a> {
    /// Keep lists of the atoms that matter, of at most about so many entries together, and use those that are there.
    pub(crate) lists: usize,
    /// Rows of the Hessian, of about so many samples; 0 for none.
    pub(crate) rows: usize,
    /// Entries that such a row is expected to have: then where rows are short, as many more of them are taken.
    pub(crate) row_entries: usize,
    /// Those rows where one atom takes all at the strength at which another comes in, for KL.
    pub(crate) runners_up: bool,
    /// The mean cost of every atom; kept in the net. Wants all atoms.
    pub(crate) mean_cost: bool,
    /// Also the user's own, non-smooth smooth maximum.
    pub(crate) exact: bool,
    /// E[∂_y c(x, y_i) | x goes to atom i], for costs with tangents.
    pub(crate) slopes: bool,
    /// The rounded plan's cost.
    pub(crate) rounding: Option<&'a Rounding<'a>>,
    /// Weights that together may be left out of a row; for KL.
    pub(crate) left_out: f64,
    /// Look at all atoms, whatever they weigh.
    pub(crate) all: bool,
}

/// Sums over a net at one φ and λ.
#[derive(Debug)]
pub(crate) struct Pass {
    /// E smoothmax(φ − c).
    pub(crate) smoothmax: f64,
    /// E Σ p_i u_i.
    pub(crate) linear: f64,
    /// E max_i u_i.
    pub(crate) hard: f64,
    /// E smoothmax of the user's own divergence, where asked for, and the marginal of its weights p'.
    pub(crate) exact: f64,
    pub(crate) exact_q: Vec<f64>,
    /// Σ E[(p_i − p'_i)²]/ν_i.
    pub(crate) exact_squares: f64,
    /// q = E p.
    pub(crate) q: Vec<f64>,
    /// Σ E[p_i²]/ν_i − 1, at most N: the sampling error of q on m independent samples is χ² = this/m.
    pub(crate) effective_atoms: f64,
    pub(crate) hessian: Hessian,
    /// Row-major; empty unless asked for.
    pub(crate) slopes: Vec<f64>,
    pub(crate) rounded: Option<Rounded>,
    /// Costs evaluated: of samples with atoms, and with boxes of them.
    pub(crate) pairs: u64,
}

/// Everything one worker needs; allocated once a chunk of blocks.
struct Worker {
    smoothmax: f64,
    linear: f64,
    hard: f64,
    exact: f64,
    exact_q: Vec<f64>,
    exact_squares: f64,
    squares: f64,
    q: Vec<f64>,
    mean_cost: Vec<f64>,
    rows: Rows,
    made: Made,
    /// By atom: Σ w p ∂_y c, and Σ w p over the same samples.
    slopes: Vec<f64>,
    rounded: Option<Rounded>,
    pairs: u64,
}

impl Worker {
    fn new(context: &Context<'_>) -> Self {
        let n = context.phi.len();
        Worker {
            smoothmax: 0.0,
            linear: 0.0,
            hard: 0.0,
            exact: 0.0,
            exact_q: vec![0.0; if context.wants_exact() { n } else { 0 }],
            exact_squares: 0.0,
            squares: 0.0,
            q: vec![0.0; n],
            mean_cost: vec![0.0; if context.want.mean_cost { n } else { 0 }],
            rows: Rows::default(),
            made: Vec::new(),
            slopes: vec![0.0; if context.want.slopes { n * (context.problem.dim + 1) } else { 0 }],
            rounded: context.want.rounding.map(|_| Rounded::default()),
            pairs: 0,
        }
    }
}

/// Scores are computed for as many samples at once as fill about this many numbers.
const TILE: usize = 8192;

/// One pass over `net` with potentials `phi` and strength `lambda`.
pub(crate) fn pass(problem: &Frozen, net: &mut Net, phi: &[f64], lambda: f64, want: Want<'_>) -> Pass {
    sums(problem, net, phi, lambda, want, &|| true)
}

/// The same as long as `watch` lets it go on; else why it did not.
pub(crate) fn watched_pass(
    problem: &Frozen,
    net: &mut Net,
    phi: &[f64],
    lambda: f64,
    want: Want<'_>,
    watch: &Watch<'_, '_>,
) -> Result<Pass, Status> {
    let pass = sums(problem, net, phi, lambda, want, &|| watch.goes_on());
    watch.ended().map_or(Ok(pass), Err)
}

/// The sums of a pass; over a part of the net only, once it no longer `goes_on`.
fn sums(
    problem: &Frozen,
    net: &mut Net,
    phi: &[f64],
    lambda: f64,
    want: Want<'_>,
    goes_on: &(dyn Fn() -> bool + Sync),
) -> Pass {
    let n = problem.atoms();
    let entropic = is_entropic(&*problem.smooth);
    let mut width = -problem.smooth.negligible_below();
    if entropic {
        // Σ η_i e^-width over what is left out is no more than that, for all η together.
        width = width.min(-want.left_out.ln());
    }
    // Generators of their own go by the place of an atom among all of them.
    let may_list = want.lists > 0 && width.is_finite() && n > 32 && !problem.smooth.is_per_atom();
    let blocks = net.blocks();
    let mut lists = net.lists.take().filter(|l| may_list && l.lambda() == lambda);
    if may_list && lists.is_none() {
        lists = Some(Lists::new(blocks, lambda));
    }
    // Every chunk has its own sums over atoms.
    let chunks = blocks.min(((1 << 22) / n).clamp(8, 64));
    let mut context = Context {
        problem,
        net,
        phi,
        lambda,
        lists: lists.as_ref().map(|l| l.check(phi)),
        keep_above: Lists::keep_above(width, lambda),
        rows_stride: (want.rows > 0).then(|| net.len.div_ceil(want.rows)),
        row_room: want.rows as f64 * want.row_entries as f64 / net.len as f64,
        want,
        goes_on,
        entropic,
        inverse_nu: problem.nu.iter().map(|v| 1.0 / v).collect(),
        eta_total: problem.eta.iter().sum(),
        finder: None,
    };
    if width.is_finite() && !want.all && context.lists.as_ref().is_none_or(Checked::is_wanting) {
        context.finder = problem.index.as_ref().and_then(|index| Finder::new(&context, index));
    }
    let workers: Vec<Worker> = (0..chunks)
        .into_par_iter()
        .map(|c| context.chunk(blocks * c / chunks..blocks * (c + 1) / chunks))
        .collect();
    let (mean_cost, pass, made) = merge(workers, n, want.mean_cost);
    problem.work.add(pass.pairs, (net.len * n) as u64);
    if let Some(lists) = &mut lists {
        lists.install(phi, made);
    }
    net.lists = lists;
    if mean_cost.is_some() {
        net.mean_cost = mean_cost;
    }
    pass
}

/// Lists made in a pass: block, atoms; no list where most atoms matter.
type Made = Vec<(usize, Option<Vec<u32>>)>;

fn merge(workers: Vec<Worker>, n: usize, mean_cost: bool) -> (Option<Vec<f64>>, Pass, Made) {
    let mut pass = Pass {
        smoothmax: 0.0,
        linear: 0.0,
        hard: 0.0,
        exact: 0.0,
        exact_q: Vec::new(),
        exact_squares: 0.0,
        q: vec![0.0; n],
        effective_atoms: 0.0,
        hessian: Hessian::default(),
        slopes: Vec::new(),
        rounded: None,
        pairs: 0,
    };
    let mut slopes = Vec::new();
    let mut means = vec![0.0; if mean_cost { n } else { 0 }];
    let mut made = Vec::new();
    let mut parts = Vec::with_capacity(workers.len());
    for w in workers {
        pass.smoothmax += w.smoothmax;
        pass.linear += w.linear;
        pass.hard += w.hard;
        pass.exact += w.exact;
        pass.effective_atoms += w.squares;
        pass.pairs += w.pairs;
        simd::axpy(1.0, &w.q, &mut pass.q);
        pass.exact_squares += w.exact_squares;
        if pass.exact_q.is_empty() {
            pass.exact_q = w.exact_q;
        } else {
            simd::axpy(1.0, &w.exact_q, &mut pass.exact_q);
        }
        if mean_cost {
            simd::axpy(1.0, &w.mean_cost, &mut means);
        }
        if slopes.is_empty() {
            slopes = w.slopes;
        } else {
            simd::axpy(1.0, &w.slopes, &mut slopes);
        }
        if let Some(own) = w.rounded {
            let sum = pass.rounded.get_or_insert_default();
            sum.cost += own.cost;
            sum.divergence += own.divergence;
            sum.outside |= own.outside;
        }
        parts.push(w.rows);
        made.extend(w.made);
    }
    if !slopes.is_empty() {
        // By atom: sums of slopes, and of weights.
        let each = slopes.len() / n;
        for sums in slopes.chunks_exact(each) {
            let weight = sums[each - 1];
            pass.slopes.extend(sums[..each - 1].iter().map(|s| if weight > 0.0 { s / weight } else { 0.0 }));
        }
    }
    pass.hessian = Hessian::new(parts);
    // E p_i² ≤ ν_i where the potentials are right; before that an atom of tiny weight can say anything.
    pass.effective_atoms = (pass.effective_atoms - 1.0).clamp(0.0, n as f64);
    (mean_cost.then_some(means), pass, made)
}

pub(super) struct Context<'a> {
    pub(super) problem: &'a Frozen,
    pub(super) net: &'a Net,
    pub(super) phi: &'a [f64],
    pub(super) lambda: f64,
    lists: Option<Checked<'a>>,
    /// Kept in a list: u_i − τ above this for some sample of the block, in cost units.
    pub(super) keep_above: f64,
    /// One sample in so many has a row.
    rows_stride: Option<usize>,
    /// Entries of rows for each sample; 0 if that is not known.
    row_room: f64,
    pub(super) want: Want<'a>,
    goes_on: &'a (dyn Fn() -> bool + Sync),
    pub(super) entropic: bool,
    inverse_nu: Vec<f64>,
    pub(super) eta_total: f64,
    finder: Option<Finder<'a>>,
}

/// Weights below this share of their row say nothing about the slope of a potential.
const SLOPES_FROM: f64 = 1e-3;

/// Buffers of one row.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) tile: Vec<f64>,
    pub(super) p: Vec<f64>,
    /// Hessian rows of the tile, and their weights.
    d: Vec<f64>,
    row_weights: Vec<f64>,
    /// λ over the strength at which the row was taken.
    row_shares: Vec<f64>,
    top: Vec<f64>,
    pub(super) y: Vec<f64>,
    pub(super) scratch: Scratch,
}

/// A block's view of the atoms: all of them, or a list.
struct View<'a> {
    points: &'a Soa<f64>,
    phi: &'a [f64],
    eta: &'a [f64],
    eta_rest: f64,
    inverse_nu: &'a [f64],
    index: Option<&'a [u32]>,
}

impl<'a> Context<'a> {
    fn chunk(&self, blocks: std::ops::Range<usize>) -> Worker {
        let mut w = Worker::new(self);
        let mut local = Local::with_dim(self.problem.dim);
        let mut buffers = Buffers::default();
        let mut hunt = self.finder.as_ref().map(|f| Hunt::new(self, f));
        // What lists may take is shared out evenly: which blocks have one must not depend on who comes first.
        let listed = |b: usize| self.lists.as_ref().map_or(0, |lists| lists.entries(b));
        let room = self.want.lists / self.net.blocks() * blocks.len();
        let mut room = room.saturating_sub(blocks.clone().map(listed).sum());
        let mut keep = |b: usize, list: Option<Vec<u32>>, w: &mut Worker| {
            let (len, most) = (list.as_ref().map_or(0, Vec::len), room + listed(b));
            if len <= most {
                room = most - len;
                w.made.push((b, list));
            }
        };
        for b in blocks {
            if !(self.goes_on)() {
                break;
            }
            let samples = b * self.net.block..((b + 1) * self.net.block).min(self.net.len);
            let look = match &self.lists {
                Some(lists) => lists.look(b),
                None => Look::AllAndList,
            };
            match look {
                Look::Listed(atoms, movers) if !self.want.all => {
                    local.index.clear();
                    local.index.extend_from_slice(atoms);
                    local.index.extend(movers.iter().filter(|i| atoms.binary_search(i).is_err()));
                    self.samples_of(samples, &mut local, false, &mut w, &mut buffers);
                }
                Look::AllAndList if hunt.is_some() => {
                    let hunt = hunt.as_mut().expect("is there");
                    let mut list = self.lists.is_some().then(Vec::new);
                    let size = hunt.finder.group;
                    for first in samples.clone().step_by(size) {
                        let group = first..(first + size).min(samples.end);
                        if hunt.find(self, group.clone(), &mut local, &mut buffers) {
                            self.samples_of(group, &mut local, list.is_some(), &mut w, &mut buffers);
                            hunt.carry(&local);
                            if let Some(list) = &mut list {
                                list.extend(self.kept(&buffers).map(|k| local.index[k as usize]));
                            }
                        } else {
                            self.all_of(group, false, &mut w, &mut buffers);
                            list = None;
                        }
                    }
                    if self.lists.is_some() {
                        if let Some(list) = &mut list {
                            list.sort_unstable();
                            list.dedup();
                            // Most of its room was for what stood in it several times.
                            list.shrink_to_fit();
                        }
                        keep(b, list, &mut w);
                    }
                }
                look => {
                    let list = self.lists.is_some() && !matches!(look, Look::All);
                    self.all_of(samples, list, &mut w, &mut buffers);
                    if list {
                        keep(b, Some(self.kept(&buffers).collect()), &mut w);
                    }
                }
            }
        }
        w.rows.shrink();
        if let Some(hunt) = hunt {
            w.pairs += hunt.pairs();
        }
        w
    }

    /// Places of the last view that have to be listed.
    fn kept(&self, buffers: &'a Buffers) -> impl Iterator<Item = u32> + 'a {
        let above = self.keep_above;
        buffers.top.iter().zip(0..).filter(move |(top, _)| **top > above).map(|(_, k)| k)
    }

    /// Adds samples that look at all atoms.
    fn all_of(&self, samples: Range<usize>, list: bool, w: &mut Worker, buffers: &mut Buffers) {
        let view = View {
            points: &self.problem.points,
            phi: self.phi,
            eta: &self.problem.eta,
            eta_rest: self.problem.eta_rest,
            inverse_nu: &self.inverse_nu,
            index: None,
        };
        let mut q = std::mem::take(&mut w.q);
        self.samples(samples, &view, list, &mut q, w, buffers);
        w.q = q;
    }

    /// Adds samples that look at the atoms `local.index`.
    fn samples_of(
        &self,
        samples: Range<usize>,
        local: &mut Local,
        list: bool,
        w: &mut Worker,
        buffers: &mut Buffers,
    ) {
        self.gather(local);
        let Local { index, points, phi, eta, inverse_nu, q } = local;
        let view = View { points, phi, eta, eta_rest: self.rest(eta), inverse_nu, index: Some(index) };
        self.samples(samples, &view, list, q, w, buffers);
        for (&i, v) in index.iter().zip(q.iter()) {
            w.q[i as usize] += v;
        }
    }

    /// Adds the slopes of the cost of a sample, by the weights `scale`·p; small ones do not count.
    fn add_slopes(
        &self,
        x: &[f64],
        scale: f64,
        p: &[f64],
        index: Option<&[u32]>,
        w: &mut Worker,
        room: &mut Vec<f64>,
    ) {
        let dim = self.problem.dim;
        room.resize(2 * dim, 0.0);
        let (y, slope) = room.split_at_mut(dim);
        let least = SLOPES_FROM * p.iter().sum::<f64>();
        for (k, &p) in p.iter().enumerate().filter(|(_, p)| **p > least) {
            let i = index.map_or(k, |index| index[k] as usize);
            self.problem.points.get(i, y);
            if self.problem.cost.tangent(x, y, slope).is_some() {
                let sums = &mut w.slopes[i * (dim + 1)..][..dim + 1];
                simd::axpy(scale * p, slope, &mut sums[..dim]);
                sums[dim] += scale * p;
            }
        }
    }

    /// Reference mass outside a set of atoms.
    pub(super) fn rest(&self, eta: &[f64]) -> f64 {
        self.problem.eta_rest + (self.eta_total - eta.iter().sum::<f64>()).max(0.0)
    }

    pub(super) fn gather(&self, local: &mut Local) {
        local.gather(self.problem, self.phi, &self.inverse_nu);
    }

    /// Adds `samples`, looking at the atoms of `view`. With `list`, leaves in `buffers.top` how far above its threshold
    /// each of them scored at most.
    fn samples(
        &self,
        samples: Range<usize>,
        view: &View<'_>,
        list: bool,
        q: &mut [f64],
        w: &mut Worker,
        buffers: &mut Buffers,
    ) {
        let n = view.phi.len();
        let dim = self.problem.dim;
        // With many coordinates groups of eight samples are worth a larger tile.
        let together = if dim > 3 { (64 * TILE / n.max(1)).min(8) } else { 1 };
        let tile_rows = (TILE / n.max(1)).max(together).clamp(1, self.net.block);
        let tile_rows = if tile_rows > 8 { tile_rows - tile_rows % 8 } else { tile_rows };
        buffers.tile.resize(tile_rows * n, 0.0);
        if buffers.p.len() < n {
            buffers.p.resize(n, 0.0);
        }
        if list {
            buffers.top.clear();
            buffers.top.resize(n, f64::NEG_INFINITY);
        }
        w.pairs += (samples.len() * n) as u64;
        let stride = self.rows_stride.map(|stride| match w.rows.last_width() {
            // Where rows are short, samples are few against atoms, and each is needed.
            Some(width) if stride > 1 && self.row_room > 0.0 => {
                (width as f64 / self.row_room).ceil() as usize
            }
            _ => stride,
        });
        let mut first = samples.start;
        while first < samples.end {
            let last = (first + tile_rows).min(samples.end);
            let tile = &mut buffers.tile[..(last - first) * n];
            self.problem.cost.rows(&self.net.points[first * dim..last * dim], view.points, tile);
            for j in first..last {
                let u = &mut tile[(j - first) * n..][..n];
                let weight = self.net.weight(j);
                if self.want.mean_cost {
                    simd::axpy(weight, u, &mut w.mean_cost);
                }
                let top = scores(view.phi, u);
                let p = &mut buffers.p[..n];
                let sums = weigh_row(
                    self.problem,
                    self.entropic,
                    self.lambda,
                    u,
                    top,
                    view.eta,
                    view.eta_rest,
                    p,
                    &mut buffers.scratch,
                );
                let RowSums { value, linear, threshold, scale } = sums;
                w.smoothmax += weight * value;
                w.linear += weight * linear;
                w.hard += weight * top;
                simd::axpy(weight * scale, p, q);
                w.squares += weight * scale * scale * square_dot(p, view.inverse_nu);
                if self.want.slopes {
                    let x = &self.net.points[j * dim..(j + 1) * dim];
                    self.add_slopes(x, weight * scale, p, view.index, w, &mut buffers.y);
                }
                if list {
                    raise(u, threshold, &mut buffers.top);
                }
                if let Some(stride) = stride.filter(|s| j % s == 0 && !top.is_nan()) {
                    let tops = if list { &mut buffers.top[..] } else { &mut [] };
                    let share = hessian_row(self, u, p, &sums, view.eta, tops, &mut buffers.d);
                    buffers.row_shares.push(share);
                    buffers.row_weights.push(weight * stride as f64);
                }
                if let (Some(rounding), Some(rounded)) = (self.want.rounding, &mut w.rounded) {
                    let row = rounding::Row {
                        number: j,
                        weight,
                        x: &self.net.points[j * dim..(j + 1) * dim],
                        index: view.index,
                        phi: view.phi,
                        eta: view.eta,
                        eta_rest: view.eta_rest,
                        scores: u,
                        sums,
                    };
                    rounding.add(self.problem, &row, p, &mut buffers.y, rounded);
                }
                if self.wants_exact() && !top.is_nan() {
                    let own = &*self.problem.divergence;
                    let row = Row { u, eta: view.eta, eta_rest: view.eta_rest, lambda: self.lambda };
                    buffers.y.clear();
                    buffers.y.extend(p.iter().map(|p| scale * p));
                    w.exact += weight * own.solve(&row, None, p, &mut buffers.scratch).value;
                    simd::axpy(-1.0, p, &mut buffers.y);
                    w.exact_squares += weight * square_dot(&buffers.y, view.inverse_nu);
                    for (k, p) in p.iter().enumerate().filter(|(_, p)| **p > 0.0) {
                        w.exact_q[view.index.map_or(k, |index| index[k] as usize)] += weight * p;
                    }
                }
            }
            w.rows.push(&buffers.d, n, &buffers.row_weights, &buffers.row_shares, view.index);
            buffers.d.clear();
            buffers.row_weights.clear();
            buffers.row_shares.clear();
            first = last;
        }
    }

    /// Whether the user's own smooth maximum is wanted and is another than the smooth one.
    fn wants_exact(&self) -> bool {
        self.want.exact && !self.problem.is_smooth
    }

    /// Whether a row of the Hessian can want an atom that has no weight in it.
    pub(super) fn looks_for_runners_up(&self) -> bool {
        self.want.runners_up && self.entropic && self.rows_stride.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{self, PointCloud, stream};
    use crate::transport::{Lambda, SemiDiscrete};
    use crate::{cost, divergence};

    /// A pass that searches says what one over all atoms says, with far fewer pairs.
    #[test]
    fn a_search_changes_nothing_but_the_work() {
        for (cost, name, lambda, dim) in [
            ("sqeuclidean", "kl", 1e-3, 2),
            ("sqeuclidean", "chi2", 1e-7, 2),
            ("l2", "kl", 1e-3, 2),
            ("l1", "hyperbolic", 1e-3, 2),
            ("linf", "none", 1e-3, 2),
            ("sqeuclidean", "safe-kl:0.01", 1e-3, 2),
            ("lp:3^2", "cvar:0.01", 1e-3, 1),
        ] {
            let mut rng = stream(5, dim as u64, 0);
            let n = 20_000;
            let atoms: Vec<f64> = (0..n * dim).map(|_| rng.normal()).collect();
            let problem = SemiDiscrete::new(
                measure::parse(&format!("gaussian:{dim}")).unwrap(),
                PointCloud::new(dim, atoms).unwrap(),
                cost::parse(cost).unwrap(),
                divergence::parse(name).unwrap(),
                Lambda::Absolute(lambda),
            )
            .unwrap();
            let mut frozen = problem.freeze(1).unwrap().indexed();
            let mut y = vec![0.0; dim];
            let phi: Vec<f64> = (0..n)
                .map(|i| {
                    frozen.points.get(i, &mut y);
                    0.3 * (2.0 * y[0]).sin() + 0.5 * lambda * rng.normal()
                })
                .collect();
            let want = Want { lists: usize::MAX, exact: true, ..Want::default() };
            let run = |frozen: &Frozen| {
                let mut net = Net::draw(frozen, 1, 7, 1024).unwrap();
                let first = pass(frozen, &mut net, &phi, lambda, want);
                let second = pass(frozen, &mut net, &phi, lambda, want);
                (first, second)
            };
            let (found, listed) = run(&frozen);
            assert!(frozen.index.take().is_some());
            let (all, _) = run(&frozen);
            let label = format!("{cost} {name}: {} pairs of {}", found.pairs, all.pairs);
            assert_eq!(all.pairs, 1024 * n as u64);
            assert!(found.pairs < all.pairs / 2, "{label}");
            for pass in [&found, &listed] {
                let off: f64 = pass.q.iter().zip(&all.q).map(|(a, b)| (a - b).abs()).sum();
                assert!(off < 1e-12, "{label}: {off}");
                for (a, b) in [
                    (pass.smoothmax, all.smoothmax),
                    (pass.linear, all.linear),
                    (pass.hard, all.hard),
                    (pass.exact, all.exact),
                ] {
                    assert!((a - b).abs() <= 1e-12 * (1.0 + b.abs()), "{label}: {a} against {b}");
                }
            }
        }
    }
}
