//! A tree over the atoms that finds those which can matter to a group of samples without looking at the others.
//!
//! Atoms are ordered by halving along the widest side, so that every node is a range of them inside a box
//! with centre b and half-widths r. For potentials φ each node has a ceiling φ_i ≤ top + g·(y_i − b) with a
//! slope g fitted to its atoms. For a cost that is a convex function of y − x, with value c₀ and slope s at
//! (x₀, b), every atom of the node scores at a sample x at most
//!
//! ```text
//! φ_i − c(x, y_i) ≤ top − c₀ + Σ_k |g_k − s_k| r_k + s·(x − x₀).
//! ```
//!
//! The threshold τ(x) is at least that of any subset of the atoms. Where the bound stays below τ(x) + floor for all samples of
//! a group the node is passed over, with all that is in it: nothing of weight above the floor is ever left out.

use crate::cost::Cost;
use crate::measure::Soa;
use crate::simd;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Range;

/// Atoms of a leaf; leaves are aligned to multiples of it.
pub(crate) const LEAF: usize = 8;

/// Samples that are searched for together.
pub(crate) const GROUP: usize = 16;

/// Leaves looked at for a high score: where potentials are rough many bounds are far above what they bound.
const LIKELY: usize = 32;

/// The tree, for atoms that lie in its order.
#[derive(Debug)]
pub(crate) struct Index {
    dim: usize,
    len: usize,
    /// Parents before children; a left child follows its parent.
    nodes: Vec<Node>,
    /// By node: centre and half-widths of the box.
    boxes: Vec<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    first: u32,
    last: u32,
    /// The right child; 0 for a leaf.
    right: u32,
}

/// For all nodes, a linear function above the potentials of the atoms in it.
#[derive(Debug)]
pub(crate) struct Ceilings {
    /// By node: the slope.
    slopes: Vec<f64>,
    /// Its value at the centre of the box.
    tops: Vec<f64>,
}

impl Ceilings {
    fn slope(&self, node: usize) -> &[f64] {
        let dim = self.slopes.len() / self.tops.len();
        &self.slopes[node * dim..(node + 1) * dim]
    }
}

impl Index {
    /// Over points in the order of [`order`](super::net::ordered) with blocks of [`LEAF`].
    pub(crate) fn new(points: &Soa<f64>) -> Index {
        let mut index = Index { dim: points.dim(), len: points.len(), nodes: Vec::new(), boxes: Vec::new() };
        index.add(points, 0, points.len());
        index
    }

    /// Adds the node of a range and those below it; returns its place.
    fn add(&mut self, points: &Soa<f64>, first: usize, last: usize) -> usize {
        let (at, dim) = (self.nodes.len(), self.dim);
        self.nodes.push(Node { first: first as u32, last: last as u32, right: 0 });
        self.boxes.resize(self.boxes.len() + 2 * dim, 0.0);
        let mut bounds = vec![(f64::INFINITY, f64::NEG_INFINITY); dim];
        if last - first <= LEAF {
            for (k, bound) in bounds.iter_mut().enumerate() {
                for &y in &points.coordinate(k)[first..last] {
                    *bound = (bound.0.min(y), bound.1.max(y));
                }
            }
        } else {
            let half = first + super::net::half(last - first, LEAF);
            let left = self.add(points, first, half);
            let right = self.add(points, half, last);
            self.nodes[at].right = right as u32;
            for child in [left, right] {
                let (centre, radius) = self.boxes[child * 2 * dim..][..2 * dim].split_at(dim);
                for (k, bound) in bounds.iter_mut().enumerate() {
                    *bound = (bound.0.min(centre[k] - radius[k]), bound.1.max(centre[k] + radius[k]));
                }
            }
        }
        for (k, (low, high)) in bounds.into_iter().enumerate() {
            let centre = 0.5 * low + 0.5 * high;
            self.boxes[at * 2 * dim + k] = centre;
            // Rounded outwards: the box holds its points.
            self.boxes[at * 2 * dim + dim + k] = (high - centre).max(centre - low) * (1.0 + 1e-15);
        }
        at
    }

    /// How many nodes there are: parents before children, the root first.
    pub(crate) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The atoms of a node.
    pub(crate) fn range(&self, node: usize) -> Range<usize> {
        self.nodes[node].first as usize..self.nodes[node].last as usize
    }

    /// The two children of a node, in the order of their atoms; none of a leaf.
    pub(crate) fn children(&self, node: usize) -> Option<(usize, usize)> {
        let right = self.nodes[node].right as usize;
        (right > 0).then_some((node + 1, right))
    }

    /// The ranges of atoms of all nodes, parents before children.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        self.nodes.iter().map(|node| node.first as usize..node.last as usize)
    }

    /// Where the uppermost nodes that satisfy a condition on number and depth begin, and the end; atoms of leaves
    /// that do not are ranges of their own.
    pub(crate) fn starts(&self, whole: impl Fn(usize, u32) -> bool) -> Vec<u32> {
        let (mut starts, mut stack) = (Vec::new(), vec![(0, 0)]);
        while let Some((at, depth)) = stack.pop() {
            let node = self.nodes[at];
            if whole(at, depth) {
                starts.push(node.first);
            } else if node.right == 0 {
                starts.extend(node.first..node.last);
            } else {
                stack.push((node.right as usize, depth + 1));
                stack.push((at + 1, depth + 1));
            }
        }
        starts.push(self.len as u32);
        starts
    }

    fn bounds(&self, node: usize) -> (&[f64], &[f64]) {
        self.boxes[node * 2 * self.dim..][..2 * self.dim].split_at(self.dim)
    }

    /// Linear functions above `phi`, node by node; slopes are least-squares fits, coordinate by coordinate.
    pub(crate) fn ceilings(&self, points: &Soa<f64>, phi: &[f64]) -> Ceilings {
        let (dim, count) = (self.dim, self.nodes.len());
        let mut fits = vec![0.0; count * (2 + 3 * dim)];
        let (mut slopes, mut tops) = (vec![0.0; count * dim], vec![0.0; count]);
        for at in (0..count).rev() {
            let Node { first, last, right } = self.nodes[at];
            let (first, last, right) = (first as usize, last as usize, right as usize);
            let (own, below) = fits[at * (2 + 3 * dim)..].split_at_mut(2 + 3 * dim);
            let mut fit = Fit::over(own, dim);
            if right == 0 {
                fit.of_atoms(points, phi, first, last);
            } else {
                let start = |node: usize| (node - at - 1) * (2 + 3 * dim);
                fit.of_children(
                    &below[start(at + 1)..][..2 + 3 * dim],
                    &below[start(right)..][..2 + 3 * dim],
                );
            }
            let (slope, slopes_below) = slopes[at * dim..].split_at_mut(dim);
            fit.slope(slope);
            let (centre, _) = self.bounds(at);
            let mut top = f64::NEG_INFINITY;
            if right == 0 {
                for (i, phi) in (first..last).zip(&phi[first..last]) {
                    let rise: f64 = (0..dim).map(|k| slope[k] * (points.coordinate(k)[i] - centre[k])).sum();
                    top = top.max(phi - rise);
                }
            } else {
                for child in [at + 1, right] {
                    let own = &slopes_below[(child - at - 1) * dim..][..dim];
                    let (c, r) = self.bounds(child);
                    let reach: f64 = (0..dim)
                        .map(|k| (own[k] - slope[k]).abs() * r[k] - slope[k] * (c[k] - centre[k]))
                        .sum();
                    top = top.max(tops[child] + reach);
                }
            }
            tops[at] = top;
        }
        Ceilings { slopes, tops }
    }
}

/// Sums for a linear fit: count, mean of φ, and by coordinate mean of y, Σ(y − ȳ)², Σ(y − ȳ)(φ − φ̄).
struct Fit<'a> {
    numbers: &'a mut [f64],
    dim: usize,
}

impl<'a> Fit<'a> {
    fn over(numbers: &'a mut [f64], dim: usize) -> Self {
        Fit { numbers, dim }
    }

    fn of_atoms(&mut self, points: &Soa<f64>, phi: &[f64], first: usize, last: usize) {
        let count = (last - first) as f64;
        let mean_phi = phi[first..last].iter().sum::<f64>() / count;
        self.numbers[0] = count;
        self.numbers[1] = mean_phi;
        for k in 0..self.dim {
            let y = &points.coordinate(k)[first..last];
            let mean = y.iter().sum::<f64>() / count;
            let (mut square, mut product) = (0.0, 0.0);
            for (y, phi) in y.iter().zip(&phi[first..last]) {
                square += (y - mean) * (y - mean);
                product += (y - mean) * (phi - mean_phi);
            }
            self.numbers[2 + 3 * k..][..3].copy_from_slice(&[mean, square, product]);
        }
    }

    /// Chan, Golub and LeVeque.
    fn of_children(&mut self, a: &[f64], b: &[f64]) {
        let count = a[0] + b[0];
        let (share, cross) = (b[0] / count, a[0] * b[0] / count);
        let apart = b[1] - a[1];
        self.numbers[0] = count;
        self.numbers[1] = a[1] + share * apart;
        for k in 0..self.dim {
            let (a, b) = (&a[2 + 3 * k..][..3], &b[2 + 3 * k..][..3]);
            let shift = b[0] - a[0];
            self.numbers[2 + 3 * k..][..3].copy_from_slice(&[
                a[0] + share * shift,
                a[1] + b[1] + cross * shift * shift,
                a[2] + b[2] + cross * shift * apart,
            ]);
        }
    }

    fn slope(&self, slope: &mut [f64]) {
        for (k, slope) in slope.iter_mut().enumerate() {
            let (square, product) = (self.numbers[3 + 3 * k], self.numbers[4 + 3 * k]);
            let fitted = product / square;
            *slope = if fitted.is_finite() { fitted } else { 0.0 };
        }
    }
}

/// Samples that lie near each other, with lower bounds of their thresholds.
#[derive(Debug)]
pub(crate) struct Group {
    centre: Vec<f64>,
    /// By coordinate: offsets from the centre.
    offsets: Vec<[f64; GROUP]>,
    /// +∞ where there is no sample.
    pub(crate) thresholds: [f64; GROUP],
}

impl Group {
    pub(crate) fn with_dim(dim: usize) -> Self {
        Group { centre: vec![0.0; dim], offsets: vec![[0.0; GROUP]; dim], thresholds: [f64::INFINITY; GROUP] }
    }

    pub(crate) fn centre(&self) -> &[f64] {
        &self.centre
    }

    /// Takes up at most [`GROUP`] samples; their thresholds are still to be set.
    pub(crate) fn set(&mut self, xs: &[f64]) {
        let dim = self.centre.len();
        let count = (xs.len() / dim) as f64;
        self.thresholds = [f64::INFINITY; GROUP];
        for k in 0..dim {
            let column = || xs.iter().skip(k).step_by(dim);
            let centre = column().map(|x| x / count).sum();
            self.centre[k] = centre;
            self.offsets[k] = [0.0; GROUP];
            for (offset, x) in self.offsets[k].iter_mut().zip(column()) {
                *offset = x - centre;
            }
        }
    }

    /// max over the samples of s·(x − x₀) − τ(x).
    #[inline(always)]
    fn reach(&self, slope: &[f64]) -> f64 {
        let mut reach: [f64; GROUP] = std::array::from_fn(|l| -self.thresholds[l]);
        for (s, offsets) in slope.iter().zip(&self.offsets) {
            for l in 0..GROUP {
                reach[l] += s * offsets[l];
            }
        }
        let (mut most, mut sum) = (f64::NEG_INFINITY, 0.0);
        for r in reach {
            most = if r > most { r } else { most };
            sum += r;
        }
        // Numbers out of range: nothing is left out then.
        if sum.is_nan() { f64::INFINITY } else { most }
    }
}

/// A search at some potentials.
#[derive(Debug)]
pub(crate) struct Search<'a> {
    index: &'a Index,
    ceilings: &'a Ceilings,
    cost: &'a dyn Cost,
    stack: Vec<u32>,
    queue: BinaryHeap<Promising>,
    slope: Vec<f64>,
    far_slope: Vec<f64>,
    place: Vec<f64>,
    /// Nodes tested.
    pub(crate) tests: usize,
}

/// A node in a queue, the largest bound first.
#[derive(Debug)]
struct Promising {
    bound: f64,
    node: u32,
}

impl Ord for Promising {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bound.total_cmp(&other.bound).then(other.node.cmp(&self.node))
    }
}

impl PartialOrd for Promising {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Promising {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Promising {}

impl<'a> Search<'a> {
    pub(crate) fn new(index: &'a Index, ceilings: &'a Ceilings, cost: &'a dyn Cost) -> Self {
        let room = || vec![0.0; index.dim];
        Search {
            index,
            ceilings,
            cost,
            stack: Vec::new(),
            queue: BinaryHeap::new(),
            slope: room(),
            far_slope: room(),
            place: room(),
            tests: 0,
        }
    }

    /// What the atoms of a node score at x₀ = the centre of the group, at most, from the tangent of the cost at the
    /// centre of the box; leaves the cost's slope there.
    #[inline(always)]
    fn ceiling(&mut self, node: usize, x: &[f64]) -> f64 {
        let (centre, radius) = self.index.bounds(node);
        // Costs without tangents have no index.
        let cost = self.cost.tangent(x, centre, &mut self.slope).unwrap_or(f64::NEG_INFINITY);
        let mut bound = self.ceilings.tops[node] - cost;
        for ((g, s), r) in self.ceilings.slope(node).iter().zip(&self.slope).zip(radius) {
            bound += (g - s).abs() * r;
        }
        bound
    }

    /// The same, from the tangent at the place in the box where the bound is likely to be least: exact for a cost that is
    /// quadratic in every coordinate by itself. To be called after [`ceiling`](Search::ceiling).
    #[inline(always)]
    fn lower_ceiling(&mut self, node: usize, x: &[f64]) -> f64 {
        let (centre, radius) = self.index.bounds(node);
        let fitted = self.ceilings.slope(node);
        for k in 0..centre.len() {
            let side = if fitted[k] >= self.slope[k] { radius[k] } else { -radius[k] };
            self.place[k] = centre[k] + side;
        }
        let _ = self.cost.tangent(x, &self.place, &mut self.far_slope);
        for k in 0..centre.len() {
            // Between the centre and the side, where the slope of the cost passes that of the ceiling.
            let (near, far) = (fitted[k] - self.slope[k], fitted[k] - self.far_slope[k]);
            if near * far < 0.0 {
                let share = near / (near - far);
                self.place[k] = centre[k] + share * (self.place[k] - centre[k]);
            }
        }
        let cost = self.cost.tangent(x, &self.place, &mut self.slope).unwrap_or(f64::NEG_INFINITY);
        let mut bound = self.ceilings.tops[node] - cost;
        for k in 0..centre.len() {
            let (rise, moved) = (fitted[k] - self.slope[k], self.place[k] - centre[k]);
            bound += fitted[k] * moved + rise.abs() * radius[k] - rise * moved;
        }
        bound
    }

    /// The leaf with the highest `score`, of a range of atoms at the centre of a group, among those that may hold the
    /// highest: best bound first, until none can be better or several were looked at.
    pub(crate) fn likely(&mut self, group: &Group, mut score: impl FnMut(u32, u32) -> f64) -> (u32, u32) {
        self.queue.clear();
        let mut best = (f64::NEG_INFINITY, (0, (self.index.len as u32).min(LEAF as u32)));
        let (mut at, mut leaves) = (0, 0);
        loop {
            let node = self.index.nodes[at];
            if node.right == 0 {
                let scored = score(node.first, node.last);
                if leaves == 0 || scored > best.0 {
                    best = (scored, (node.first, node.last));
                }
                leaves += 1;
            } else {
                self.tests += 2;
                for child in [at as u32 + 1, node.right] {
                    let bound = self.ceiling(child as usize, &group.centre);
                    let bound = bound.min(self.lower_ceiling(child as usize, &group.centre));
                    self.queue.push(Promising { bound, node: child });
                }
            }
            match self.queue.pop() {
                Some(next) if leaves == 0 || (next.bound > best.0 && leaves < LIKELY) => {
                    at = next.node as usize;
                }
                _ => return best.1,
            }
        }
    }

    /// The smallest node around an atom for which `enough` holds, asked with its range.
    pub(crate) fn around(&self, atom: u32, enough: impl Fn(u32, u32) -> bool) -> (u32, u32) {
        let (mut at, mut found) = (0, (0, self.index.len as u32));
        loop {
            let node = self.index.nodes[at];
            if !enough(node.first, node.last) {
                return found;
            }
            found = (node.first, node.last);
            if node.right == 0 {
                return found;
            }
            let right = node.right as usize;
            at = if atom < self.index.nodes[right].first { at + 1 } else { right };
        }
    }

    /// Ranges of atoms, in their order, outside which no atom scores above threshold + `floor` at any sample of the group.
    /// Returns their number, or none as soon as it exceeds `budget`.
    pub(crate) fn find(
        &mut self,
        group: &Group,
        floor: f64,
        budget: usize,
        ranges: &mut Vec<(u32, u32)>,
    ) -> Option<usize> {
        simd::vectorize(|| {
            ranges.clear();
            self.stack.clear();
            self.stack.push(0);
            let mut found = 0;
            while let Some(at) = self.stack.pop() {
                self.tests += 1;
                if found > budget {
                    return None;
                }
                let bound = self.ceiling(at as usize, &group.centre) + group.reach(&self.slope);
                if bound <= floor {
                    continue;
                }
                let bound = self.lower_ceiling(at as usize, &group.centre) + group.reach(&self.slope);
                if bound <= floor {
                    continue;
                }
                let node = self.index.nodes[at as usize];
                if node.right != 0 {
                    self.stack.push(node.right);
                    self.stack.push(at + 1);
                    continue;
                }
                found += (node.last - node.first) as usize;
                match ranges.last_mut() {
                    Some(range) if range.1 == node.first => range.1 = node.last,
                    _ => ranges.push((node.first, node.last)),
                }
            }
            Some(found)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost;
    use crate::measure::stream;

    /// No atom above threshold + floor is ever left out: against all atoms, for every cost with tangents,
    /// potentials rough and smooth, coordinates and floors of many magnitudes.
    #[test]
    fn nothing_that_matters_is_left_out() {
        let names = ["sqeuclidean", "l2", "l1", "linf", "lp:1.5", "lp:3^2", "linf^1.5", "l1^2"];
        let mut rng = stream(11, 0, 0);
        let (mut left_out, mut all) = (0, 0);
        for case in 0..400 {
            let cost = cost::parse(names[case % names.len()]).unwrap();
            let dim = 1 + case % 4;
            let n = 1 + (rng.uniform() * 600.0) as usize;
            let scale = 10.0_f64.powf(8.0 * rng.uniform() - 4.0);
            let rows: Vec<f64> = (0..n * dim).map(|_| scale * rng.normal()).collect();
            let order = super::super::net::ordered(&rows, dim, LEAF);
            let mut points = Soa::with_dim(dim);
            Soa::from_rows(dim, &rows).unwrap().gather(&order, &mut points);
            let index = Index::new(&points);
            let unit = cost.eval(&vec![0.0; dim], &vec![scale; dim]);
            let (rough, bend) = (10.0_f64.powf(-4.0 * rng.uniform()), rng.normal());
            let mut y = vec![0.0; dim];
            let phi: Vec<f64> = (0..n)
                .map(|i| {
                    points.get(i, &mut y);
                    unit * (bend * (y[0] / scale).sin() + rough * rng.normal())
                })
                .collect();
            let ceilings = index.ceilings(&points, &phi);
            let spread = scale * 10.0_f64.powf(-3.0 * rng.uniform());
            let around: Vec<f64> = (0..dim).map(|_| scale * rng.normal()).collect();
            let count = 1 + case % GROUP;
            let xs: Vec<f64> = (0..count * dim).map(|j| around[j % dim] + spread * rng.normal()).collect();
            let mut u = vec![0.0; count * n];
            cost.rows(&xs, &points, &mut u);
            let mut group = Group::with_dim(dim);
            group.set(&xs);
            for (row, threshold) in u.chunks_mut(n).zip(&mut group.thresholds) {
                row.iter_mut().zip(&phi).for_each(|(u, phi)| *u = phi - *u);
                *threshold = row.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
            }
            let floor = -unit * 10.0_f64.powf(-5.0 * rng.uniform());
            let mut search = Search::new(&index, &ceilings, &*cost);
            let mut ranges = Vec::new();
            let found = search.find(&group, floor, usize::MAX, &mut ranges).unwrap();
            assert_eq!(found, ranges.iter().map(|r| (r.1 - r.0) as usize).sum::<usize>());
            for i in 0..n {
                let listed = ranges.iter().any(|r| (r.0..r.1).contains(&(i as u32)));
                let matters = (0..count).any(|l| u[l * n + i] > group.thresholds[l] + floor * (1.0 - 1e-9));
                assert!(listed || !matters, "case {case}, {}, atom {i} of {n}", cost.name());
            }
            left_out += n - found;
            all += n;
            // The likely leaf is one, and the smallest node around an atom holds it.
            let score = |first: u32, last: u32| {
                (first..last).fold(f64::NEG_INFINITY, |best, i| {
                    points.get(i as usize, &mut y);
                    best.max(phi[i as usize] - cost.eval(&group.centre, &y))
                })
            };
            let likely = search.likely(&group, score);
            assert!(likely.1 - likely.0 <= LEAF as u32 && likely.0 < likely.1);
            let node = search.around(likely.0, |a, b| b - a >= 20.min(n as u32));
            assert!(node.0 <= likely.0 && likely.1 <= node.1 && node.1 - node.0 >= 20.min(n as u32));
        }
        assert!(2 * left_out > all, "{left_out} of {all}");
    }
}
