//! The dual on a net: value, marginal, and the rows of the Hessian, in one pass over the samples.
//!
//! A pass costs samples × atoms evaluations at first; it leaves behind, for every block of samples, the
//! list of atoms that can matter to it, and later passes look at those alone. What is left out has a
//! weight below 2^-60 of its reference weight (or exactly zero, for divergences that cut off), whatever
//! the cost: the lists rest on scores already seen and on how far potentials have moved since.

use super::hessian::{Hessian, Rows};
use super::kernels::{raise, scores, square_dot};
use super::lists::{Checked, Lists, Look};
use super::net::Net;
use super::problem::{Frozen, is_entropic};
use crate::divergence::{Row, Scratch};
use crate::measure::Soa;
use crate::simd;
use crate::smoothmax::curvature_of_weights;
use rayon::prelude::*;

/// What a pass is asked for besides value and marginal.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Want {
    /// Keep lists of the atoms that matter, or use those that are there.
    pub(crate) lists: bool,
    /// Rows of the Hessian, of about so many samples; 0 for none.
    pub(crate) rows: usize,
    /// The mean cost of every atom; kept in the net. Makes the pass a full one.
    pub(crate) mean_cost: bool,
    /// Also the user's own, non-smooth smooth maximum.
    pub(crate) exact: bool,
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
    /// E smoothmax of the user's own divergence, where asked for.
    pub(crate) exact: f64,
    /// q = E p.
    pub(crate) q: Vec<f64>,
    /// Σ E[p_i²]/ν_i − 1, at most N: the sampling error of q on m independent samples is χ² = this/m.
    pub(crate) effective_atoms: f64,
    pub(crate) hessian: Hessian,
    /// Sample–atom pairs evaluated.
    pub(crate) pairs: u64,
}

/// Everything one worker needs; allocated once a chunk of blocks.
struct Worker {
    smoothmax: f64,
    linear: f64,
    hard: f64,
    exact: f64,
    squares: f64,
    q: Vec<f64>,
    mean_cost: Vec<f64>,
    rows: Rows,
    made: Made,
    pairs: u64,
}

/// Scores are computed for as many samples at once as fill about this many numbers.
const TILE: usize = 8192;

/// One pass over `net` with potentials `phi` and strength `lambda`.
pub(crate) fn pass(problem: &Frozen, net: &mut Net, phi: &[f64], lambda: f64, want: Want) -> Pass {
    let n = problem.atoms();
    let width = -problem.smooth.negligible_below();
    // Generators of their own go by the place of an atom among all of them.
    let may_list = want.lists && width.is_finite() && n > 32 && !problem.smooth.is_per_atom();
    let blocks = net.blocks();
    let mut lists = net.lists.take().filter(|l| may_list && l.lambda() == lambda);
    if may_list && lists.is_none() {
        lists = Some(Lists::new(blocks, lambda));
    }
    let chunks = blocks.min(if n <= 1 << 17 { 64 } else { 8 });
    let context = Context {
        problem,
        net,
        phi,
        lambda,
        lists: lists.as_ref().map(|l| l.check(phi)),
        keep_above: Lists::keep_above(width, lambda),
        rows_stride: (want.rows > 0).then(|| (net.len / want.rows).max(1)),
        want,
        entropic: is_entropic(&*problem.smooth),
        inverse_nu: problem.nu.iter().map(|v| 1.0 / v).collect(),
        eta_total: problem.eta.iter().sum(),
    };
    let workers: Vec<Worker> = (0..chunks)
        .into_par_iter()
        .map(|c| context.chunk(blocks * c / chunks..blocks * (c + 1) / chunks))
        .collect();
    let (mean_cost, pass, made) = merge(workers, n, want.mean_cost);
    if let Some(lists) = &mut lists {
        lists.install(phi, made);
    }
    net.lists = lists;
    if mean_cost.is_some() {
        net.mean_cost = mean_cost;
    }
    pass
}

/// Lists made in a pass: block, atoms.
type Made = Vec<(usize, Vec<u32>)>;

fn merge(workers: Vec<Worker>, n: usize, mean_cost: bool) -> (Option<Vec<f64>>, Pass, Made) {
    let mut pass = Pass {
        smoothmax: 0.0,
        linear: 0.0,
        hard: 0.0,
        exact: 0.0,
        q: vec![0.0; n],
        effective_atoms: 0.0,
        hessian: Hessian::default(),
        pairs: 0,
    };
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
        if mean_cost {
            simd::axpy(1.0, &w.mean_cost, &mut means);
        }
        parts.push(w.rows);
        made.extend(w.made);
    }
    pass.hessian = Hessian::new(parts);
    // E p_i² ≤ ν_i where the potentials are right; before that an atom of tiny weight can say anything.
    pass.effective_atoms = (pass.effective_atoms - 1.0).clamp(0.0, n as f64);
    (mean_cost.then_some(means), pass, made)
}

struct Context<'a> {
    problem: &'a Frozen,
    net: &'a Net,
    phi: &'a [f64],
    lambda: f64,
    lists: Option<Checked<'a>>,
    /// Kept in a list: u_i − τ above this for some sample of the block, in cost units.
    keep_above: f64,
    rows_stride: Option<usize>,
    want: Want,
    entropic: bool,
    inverse_nu: Vec<f64>,
    eta_total: f64,
}

/// The atoms one block looks at, gathered side by side.
struct Local {
    index: Vec<u32>,
    points: Soa<f64>,
    phi: Vec<f64>,
    eta: Vec<f64>,
    inverse_nu: Vec<f64>,
    q: Vec<f64>,
}

/// Buffers of one row.
struct Buffers {
    tile: Vec<f64>,
    p: Vec<f64>,
    /// Hessian rows of the tile, and their weights.
    d: Vec<f64>,
    row_weights: Vec<f64>,
    top: Vec<f64>,
    scratch: Scratch,
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

impl Context<'_> {
    fn chunk(&self, blocks: std::ops::Range<usize>) -> Worker {
        let n = self.problem.atoms();
        let mut w = Worker {
            smoothmax: 0.0,
            linear: 0.0,
            hard: 0.0,
            exact: 0.0,
            squares: 0.0,
            q: vec![0.0; n],
            mean_cost: vec![0.0; if self.want.mean_cost { n } else { 0 }],
            rows: Rows::default(),
            made: Vec::new(),
            pairs: 0,
        };
        let mut local = Local {
            index: Vec::new(),
            points: Soa::with_dim(self.problem.dim),
            phi: Vec::new(),
            eta: Vec::new(),
            inverse_nu: Vec::new(),
            q: Vec::new(),
        };
        let mut buffers = Buffers {
            tile: Vec::new(),
            p: vec![0.0; n],
            d: Vec::new(),
            row_weights: Vec::new(),
            top: vec![0.0; if self.lists.is_some() { n } else { 0 }],
            scratch: Scratch::default(),
        };
        for b in blocks {
            let look = match &self.lists {
                // The mean cost is over all atoms.
                Some(lists) if !self.want.mean_cost => lists.look(b),
                Some(_) => Look::AllAndList,
                None => Look::All,
            };
            match look {
                Look::All | Look::AllAndList => {
                    let view = View {
                        points: &self.problem.points,
                        phi: self.phi,
                        eta: &self.problem.eta,
                        eta_rest: self.problem.eta_rest,
                        inverse_nu: &self.inverse_nu,
                        index: None,
                    };
                    let mut q = std::mem::take(&mut w.q);
                    let list = matches!(look, Look::AllAndList);
                    self.block(b, &view, list, &mut q, &mut w, &mut buffers);
                    w.q = q;
                }
                Look::Listed(atoms, movers) => {
                    self.gather(atoms, movers, &mut local);
                    let Local { index, points, phi, eta, inverse_nu, q } = &mut local;
                    let listed: f64 = eta.iter().sum();
                    let view = View {
                        points,
                        phi,
                        eta,
                        eta_rest: self.problem.eta_rest + (self.eta_total - listed).max(0.0),
                        inverse_nu,
                        index: Some(index),
                    };
                    self.block(b, &view, false, q, &mut w, &mut buffers);
                    for (&i, v) in index.iter().zip(q.iter()) {
                        w.q[i as usize] += v;
                    }
                }
            }
        }
        w
    }

    fn gather(&self, listed: &[u32], movers: &[u32], local: &mut Local) {
        local.index.clear();
        local.index.extend_from_slice(listed);
        local.index.extend(movers.iter().filter(|i| listed.binary_search(i).is_err()));
        let Local { index, points, phi, eta, inverse_nu, q } = local;
        self.problem.points.gather(index, points);
        let pick = |to: &mut Vec<f64>, from: &[f64]| {
            to.clear();
            to.extend(index.iter().map(|&i| from[i as usize]));
        };
        pick(phi, self.phi);
        pick(eta, &self.problem.eta);
        pick(inverse_nu, &self.inverse_nu);
        q.clear();
        q.resize(index.len(), 0.0);
    }

    fn block(
        &self,
        b: usize,
        view: &View<'_>,
        list: bool,
        q: &mut [f64],
        w: &mut Worker,
        buffers: &mut Buffers,
    ) {
        let n = view.phi.len();
        let dim = self.problem.dim;
        let samples = b * self.net.block..((b + 1) * self.net.block).min(self.net.len);
        // With many coordinates groups of eight samples are worth a larger tile.
        let together = if dim > 3 { (64 * TILE / n.max(1)).min(8) } else { 1 };
        let tile_rows = (TILE / n.max(1)).max(together).clamp(1, self.net.block);
        let tile_rows = if tile_rows > 8 { tile_rows - tile_rows % 8 } else { tile_rows };
        buffers.tile.resize(tile_rows * n, 0.0);
        if list {
            buffers.top.fill(f64::NEG_INFINITY);
        }
        w.pairs += (samples.len() * n) as u64;
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
                let RowSums { value, linear, threshold, scale } = weigh_row(
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
                w.smoothmax += weight * value;
                w.linear += weight * linear;
                w.hard += weight * top;
                simd::axpy(weight * scale, p, q);
                w.squares += weight * scale * scale * square_dot(p, view.inverse_nu);
                if list {
                    raise(u, threshold, &mut buffers.top);
                }
                if self.rows_stride.is_some_and(|s| j % s == 0) && !top.is_nan() {
                    let start = buffers.d.len();
                    if self.entropic {
                        buffers.d.extend(p.iter().map(|p| p * scale));
                    } else {
                        buffers.d.resize(start + n, 0.0);
                        let d = &mut buffers.d[start..];
                        curvature_of_weights(&*self.problem.smooth, p, view.eta, self.lambda, d);
                        d.iter_mut().for_each(|d| *d *= self.lambda);
                    }
                    buffers.row_weights.push(weight);
                }
                if self.want.exact && !self.problem.is_smooth && !top.is_nan() {
                    let own = &*self.problem.divergence;
                    let row = Row { u, eta: view.eta, eta_rest: view.eta_rest, lambda: self.lambda };
                    w.exact += weight * own.solve(&row, None, p, &mut buffers.scratch).value;
                }
            }
            w.rows.push(&buffers.d, n, &buffers.row_weights, view.index);
            buffers.d.clear();
            buffers.row_weights.clear();
            first = last;
        }
        if list {
            let listed = (0..n as u32).filter(|&i| buffers.top[i as usize] > self.keep_above).collect();
            w.made.push((b, listed));
        }
    }
}

/// One row's smooth maximum.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowSums {
    pub(crate) value: f64,
    /// Σ p_i u_i.
    pub(crate) linear: f64,
    pub(crate) threshold: f64,
    /// The factor by which the weights have to be scaled to sum to one.
    pub(crate) scale: f64,
}

/// The smooth maximum of scores `u` with maximum `top`; KL in place of the general solve where it is that.
#[inline]
#[expect(clippy::too_many_arguments, reason = "one row of a hot loop, spelled out")]
pub(crate) fn weigh_row(
    problem: &Frozen,
    entropic: bool,
    lambda: f64,
    u: &[f64],
    top: f64,
    eta: &[f64],
    eta_rest: f64,
    p: &mut [f64],
    scratch: &mut Scratch,
) -> RowSums {
    if top.is_nan() {
        // A cost that is not finite: whoever asked for the pass refuses it.
        p.fill(0.0);
        return RowSums { value: f64::NAN, linear: f64::NAN, threshold: f64::NAN, scale: 0.0 };
    }
    if entropic {
        let sum = simd::exp_weights(u, top, 1.0 / lambda, Some(eta), p);
        let value = top + lambda * sum.ln();
        RowSums { value, linear: simd::dot(p, u) / sum, threshold: value, scale: 1.0 / sum }
    } else {
        let s = problem.smooth.solve(&Row { u, eta, eta_rest, lambda }, None, p, scratch);
        RowSums { value: s.value, linear: simd::dot(p, u), threshold: s.threshold, scale: 1.0 }
    }
}
