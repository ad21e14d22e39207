//! The Hessian of the dual on a net: kept as rows, applied as rows, never assembled.
//!
//! H = Σ_j w_j (diag d_j − d_j d_jᵀ/Σd_j), dimensionless (λ times the Hessian of h), with d_j = p_j for KL.
//! Neighbouring samples weigh the same few atoms: their rows share one list of columns and are stored side by
//! side, so that a product with H is dense vector work. Rows are rounded to single precision *before* anything
//! is computed from them, diagonal included, which leaves H positive semidefinite with H·1 = 0.

use super::coarse::{self, Coarse};
use crate::simd;
use rayon::prelude::*;

/// An entry counts if it is at least this share of its row's sum in some row of its group.
const CUT: f64 = 1e-3;

/// Rows that share columns.
#[derive(Debug, Clone, Copy)]
struct Group {
    /// Where its columns begin, and how many there are.
    first_column: usize,
    columns: usize,
    /// All atoms, in their order; no columns are stored.
    dense: bool,
    /// The same for its rows.
    first_row: usize,
    rows: usize,
    /// Where its entries begin, row by row.
    first_value: usize,
}

/// The rows that one worker collected.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    groups: Vec<Group>,
    columns: Vec<u32>,
    values: Vec<f32>,
    /// w_j.
    weights: Vec<f64>,
    /// Σ_i d_ji of the entries kept.
    totals: Vec<f64>,
    /// By row: λ over the strength at which it was taken.
    shares: Vec<f64>,
    peak: Vec<f64>,
    kept: Vec<u32>,
}

impl Rows {
    fn mass(&self) -> f64 {
        self.weights.iter().sum()
    }

    /// Adds rows of `width` entries, one for each weight, laid out one after the other in `d`; `index` names
    /// the atom of each place, or every place is its own atom.
    pub(crate) fn push(
        &mut self,
        d: &[f64],
        width: usize,
        weights: &[f64],
        shares: &[f64],
        index: Option<&[u32]>,
    ) {
        if weights.is_empty() {
            return;
        }
        let Rows { peak, kept, .. } = self;
        peak.clear();
        peak.resize(width, 0.0);
        simd::vectorize(|| {
            for row in d.chunks_exact(width) {
                let scale = 1.0 / sum(row).max(f64::MIN_POSITIVE);
                for (peak, d) in peak.iter_mut().zip(row) {
                    let share = d * scale;
                    *peak = if share > *peak { share } else { *peak };
                }
            }
        });
        kept.clear();
        kept.resize(width, 0);
        let mut count = 0;
        for (k, &share) in peak.iter().enumerate() {
            kept[count] = k as u32;
            count += usize::from(share >= CUT);
        }
        kept.truncate(count);
        // Nearly all atoms: not worth picking them out.
        let dense = index.is_none() && 2 * count > width;
        let group = Group {
            first_column: self.columns.len(),
            columns: if dense { width } else { count },
            dense,
            first_row: self.weights.len(),
            rows: weights.len(),
            first_value: self.values.len(),
        };
        if !dense {
            self.columns.extend(kept.iter().map(|&k| index.map_or(k, |index| index[k as usize])));
        }
        self.weights.extend_from_slice(weights);
        self.shares.extend_from_slice(shares);
        for row in d.chunks_exact(width) {
            let start = self.values.len();
            if dense || count == width {
                self.values.extend(row.iter().map(|&d| d as f32));
            } else {
                self.values.extend(kept.iter().map(|&k| row[k as usize] as f32));
            }
            let values = &self.values[start..];
            self.totals.push(simd::vectorize(|| sum(values)));
        }
        self.groups.push(group);
    }

    /// Entries of the last row, at least one.
    pub(crate) fn last_width(&self) -> Option<usize> {
        self.groups.last().map(|group| group.columns.max(1))
    }

    /// Gives back room that no row took.
    pub(crate) fn shrink(&mut self) {
        self.columns.shrink_to_fit();
        self.values.shrink_to_fit();
    }

    /// Adds, atom by atom and one kind after the other: Σ_j w_j d_j, what that was with each row at its own strength,
    /// Σ_j w_j d_j²/Σd_j, and Σ_j w_j d_j times the row's share.
    fn add_sums(&self, sums: &mut [f64], local: &mut Local) {
        let n = sums.len() / 4;
        for g in &self.groups {
            let width = g.columns;
            local.y.clear();
            local.y.resize(4 * width, 0.0);
            simd::vectorize(|| {
                let (first, rest) = local.y.split_at_mut(width);
                let (own, rest) = rest.split_at_mut(width);
                let (squares, near) = rest.split_at_mut(width);
                for r in 0..g.rows {
                    let at = g.first_row + r;
                    let (w, total) = (self.weights[at], self.totals[at]);
                    let w_near = w * self.shares[at];
                    let (w_own, w_square) = (w / self.shares[at], if total > 0.0 { w / total } else { 0.0 });
                    for (k, &d) in self.row(g, r).iter().enumerate() {
                        let d = f64::from(d);
                        first[k] += w * d;
                        own[k] += w_own * d;
                        squares[k] += w_square * d * d;
                        near[k] += w_near * d;
                    }
                }
            });
            for (kind, local) in local.y.chunks_exact(width.max(1)).enumerate() {
                let sums = &mut sums[kind * n..][..n];
                if g.dense {
                    simd::axpy(1.0, local, sums);
                } else {
                    let columns = &self.columns[g.first_column..][..width];
                    for (&i, v) in columns.iter().zip(local) {
                        sums[i as usize] += v;
                    }
                }
            }
        }
    }

    /// y ← y + Σ_j w_j d_j (d_jᵀx)/Σd_j.
    fn add_product(&self, x: &[f64], y: &mut [f64], local: &mut Local) {
        for g in &self.groups {
            self.on_columns(g, x, y, local, |x, y| {
                for r in 0..g.rows {
                    let total = self.totals[g.first_row + r];
                    if total > 0.0 {
                        let row = self.row(g, r);
                        let scale = self.weights[g.first_row + r] / total * mixed_dot(row, x);
                        for (y, &d) in y.iter_mut().zip(row) {
                            *y += scale * f64::from(d);
                        }
                    }
                }
            });
        }
    }

    /// M ← M + Σ_j w_j e_j e_jᵀ/Σd_j, with e_j the sums of d_j over cells of atoms; its lower half.
    fn add_cells(&self, cell: &[u32], count: usize, matrix: &mut [f64], local: &mut Local) {
        for g in &self.groups {
            local.cells.clear();
            if g.dense {
                local.cells.extend_from_slice(cell);
            } else {
                let columns = &self.columns[g.first_column..][..g.columns];
                local.cells.extend(columns.iter().map(|&i| cell[i as usize]));
            }
            let mut own = local.cells.clone();
            own.sort_unstable();
            own.dedup();
            for c in &mut local.cells {
                *c = own.partition_point(|o| o < c) as u32;
            }
            for r in 0..g.rows {
                let total = self.totals[g.first_row + r];
                if total > 0.0 {
                    local.y.clear();
                    local.y.resize(own.len(), 0.0);
                    for (&c, &d) in local.cells.iter().zip(self.row(g, r)) {
                        local.y[c as usize] += f64::from(d);
                    }
                    let scale = self.weights[g.first_row + r] / total;
                    for (k, &i) in own.iter().enumerate() {
                        let row = &mut matrix[i as usize * count..];
                        for (&j, e) in own[..=k].iter().zip(&local.y) {
                            row[j as usize] += scale * local.y[k] * e;
                        }
                    }
                }
            }
        }
    }

    /// Runs `add` on the entries of x and y that belong to the columns of a group.
    #[inline(always)]
    fn on_columns(
        &self,
        g: &Group,
        x: &[f64],
        y: &mut [f64],
        local: &mut Local,
        add: impl FnOnce(&[f64], &mut [f64]),
    ) {
        if g.dense {
            simd::vectorize(|| add(x, y));
            return;
        }
        let columns = &self.columns[g.first_column..g.first_column + g.columns];
        local.x.clear();
        local.x.extend(columns.iter().map(|&i| x[i as usize]));
        local.y.clear();
        local.y.resize(columns.len(), 0.0);
        simd::vectorize(|| add(&local.x, &mut local.y));
        for (&i, v) in columns.iter().zip(&local.y) {
            y[i as usize] += v;
        }
    }

    fn row(&self, g: &Group, r: usize) -> &[f32] {
        let start = g.first_value + r * g.columns;
        &self.values[start..start + g.columns]
    }
}

/// A worker's copy of the numbers of one group.
#[derive(Debug, Default)]
struct Local {
    x: Vec<f64>,
    y: Vec<f64>,
    cells: Vec<u32>,
}

/// Σ in lanes: wide, where a sum in order is not.
#[inline(always)]
fn sum<T: Copy + Into<f64>>(x: &[T]) -> f64 {
    let mut sums = [0.0; 16];
    let mut x = x.chunks_exact(16);
    for x in &mut x {
        for k in 0..16 {
            sums[k] += x[k].into();
        }
    }
    for &x in x.remainder() {
        sums[0] += x.into();
    }
    sums.iter().sum()
}

/// Σ a·b in lanes.
#[inline(always)]
fn mixed_dot(a: &[f32], b: &[f64]) -> f64 {
    const LANES: usize = 16;
    let n = a.len().min(b.len());
    let mut sums = [0.0; LANES];
    let (mut a, mut b) = (a[..n].chunks_exact(LANES), b[..n].chunks_exact(LANES));
    for (a, b) in (&mut a).zip(&mut b) {
        for k in 0..LANES {
            sums[k] += f64::from(a[k]) * b[k];
        }
    }
    for (a, b) in a.remainder().iter().zip(b.remainder()) {
        sums[0] += f64::from(*a) * b;
    }
    sums.iter().sum()
}

/// The rows of all workers, in their order.
#[derive(Debug, Default)]
pub(crate) struct Hessian {
    parts: Vec<Rows>,
}

impl Hessian {
    pub(crate) fn new(parts: Vec<Rows>) -> Self {
        Hessian { parts }
    }

    pub(crate) fn entries(&self) -> usize {
        self.parts.iter().map(|p| p.values.len()).sum()
    }

    pub(crate) fn rows(&self) -> usize {
        self.parts.iter().map(|p| p.weights.len()).sum()
    }
}

/// H + diag(shift), as a linear operator.
pub(crate) struct System<'a> {
    hessian: &'a Hessian,
    /// 1/Σw: rows may be a subsample.
    inverse_mass: f64,
    /// Σ w d, to which a shift may be added.
    pub(crate) diagonal: Vec<f64>,
    /// The diagonal of H.
    own: Vec<f64>,
    /// Σ w d²/Σd: the difference of the two.
    squares: Vec<f64>,
    /// By atom: λ over the strength of the rows it has a share in; their harmonic mean, by its share.
    pub(crate) shares: Vec<f64>,
    /// The same as a mean by what the atom has in H, which is that of the rows whose strength is least.
    pub(crate) near: Vec<f64>,
    held: Option<Held>,
    /// Parts that are summed one after the other, by one thread.
    bundle: usize,
}

/// Damping of what atoms do against the mean of their cell.
struct Held {
    by: Vec<f64>,
    cell: Vec<u32>,
    count: usize,
}

impl Held {
    /// y ← y + B(x − the mean of x over the cell, by B).
    fn add_product(&self, x: &[f64], y: &mut [f64]) {
        let mut sums = vec![(0.0, 0.0); self.count];
        for ((&cell, by), x) in self.cell.iter().zip(&self.by).zip(x) {
            let sum = &mut sums[cell as usize];
            *sum = (sum.0 + by, sum.1 + by * x);
        }
        for (i, &cell) in self.cell.iter().enumerate() {
            let (mass, sum) = sums[cell as usize];
            if mass > 0.0 {
                y[i] += self.by[i] * (x[i] - sum / mass);
            }
        }
    }
}

/// Products with fewer entries than this are not worth a second thread.
const ENTRIES_PER_BUNDLE: usize = 20_000;

/// A Hessian is local if its rows have at most one of so many atoms.
const LOCAL: usize = 32;

impl<'a> System<'a> {
    /// H alone, for `n` atoms.
    pub(crate) fn new(hessian: &'a Hessian, n: usize) -> Self {
        let mass: f64 = hessian.parts.iter().map(Rows::mass).sum();
        let bundles = (hessian.entries() / ENTRIES_PER_BUNDLE).clamp(1, 8);
        let mut system = System {
            hessian,
            inverse_mass: if mass > 0.0 { 1.0 / mass } else { 0.0 },
            diagonal: Vec::new(),
            own: Vec::new(),
            squares: Vec::new(),
            shares: Vec::new(),
            near: Vec::new(),
            held: None,
            bundle: hessian.parts.len().div_ceil(bundles).max(1),
        };
        let half = hessian.parts.len().div_ceil(2).max(1);
        let mut sums = system.sum_in(half, 4 * n, |part, sums, local| part.add_sums(sums, local));
        let share = |i: usize| if sums[n + i] > 0.0 { sums[i] / sums[n + i] } else { 1.0 };
        let near = |i: usize| if sums[i] > 0.0 { sums[3 * n + i] / sums[i] } else { 1.0 };
        system.near = (0..n).map(near).collect();
        system.shares = (0..n).map(share).collect();
        sums.iter_mut().for_each(|s| *s *= system.inverse_mass);
        system.squares = sums[2 * n..3 * n].to_vec();
        sums.truncate(n);
        system.own = sums.iter().zip(&system.squares).map(|(d, s)| d - s).collect();
        system.diagonal = sums;
        system
    }

    /// Sums over all rows of `size` numbers, in a fixed order.
    fn sum(&self, size: usize, add: impl Fn(&Rows, &mut [f64], &mut Local) + Sync) -> Vec<f64> {
        self.sum_in(self.bundle, size, add)
    }

    /// The same, in as few sums as there are of so many parts each: large sums take room.
    fn sum_in(
        &self,
        parts_each: usize,
        size: usize,
        add: impl Fn(&Rows, &mut [f64], &mut Local) + Sync,
    ) -> Vec<f64> {
        let bundle = |parts: &[Rows]| {
            let (mut y, mut local) = (vec![0.0; size], Local::default());
            for part in parts {
                add(part, &mut y, &mut local);
            }
            y
        };
        let parts = &self.hessian.parts;
        if parts.len() <= parts_each {
            return bundle(parts);
        }
        let sums: Vec<Vec<f64>> = parts.par_chunks(parts_each).map(bundle).collect();
        let mut y = vec![0.0; size];
        for s in &sums {
            simd::axpy(1.0, s, &mut y);
        }
        y
    }

    /// Σ w d (dᵀx)/Σd.
    fn product(&self, x: &[f64]) -> Vec<f64> {
        let mut y = self.sum(x.len(), |part, y, local| part.add_product(x, y, local));
        y.iter_mut().for_each(|y| *y *= self.inverse_mass);
        y
    }

    /// Of every entry of x the mean of the others, by the weights that H has off its diagonal; 0 where it has none.
    pub(crate) fn neighbours(&self, x: &[f64]) -> Vec<f64> {
        let mut y = self.product(x);
        for i in 0..x.len() {
            let (own, square) = (self.own[i], self.squares[i]);
            y[i] = if own > 1e-12 * square { (y[i] - square * x[i]) / own } else { 0.0 };
        }
        y
    }

    pub(crate) fn apply(&self, x: &[f64]) -> Vec<f64> {
        let mut y = self.product(x);
        for ((y, d), x) in y.iter_mut().zip(&self.diagonal).zip(x) {
            *y = d * x - *y;
        }
        if let Some(held) = &self.held {
            held.add_product(x, &mut y);
        }
        y
    }

    /// Adds damping of what atoms do against the mean of their cell; cells begin at `starts`.
    pub(crate) fn hold(&mut self, by: Vec<f64>, starts: &[u32]) {
        self.held = Some(Held { by, cell: coarse::cells(starts), count: starts.len() - 1 });
    }

    /// The system on cells of atoms, if it is local enough for that to be of use.
    pub(crate) fn coarse(&self, starts: &[u32]) -> Option<Coarse> {
        let local = LOCAL * self.hessian.entries() <= self.diagonal.len() * self.hessian.rows();
        if local { self.coarse_of(starts) } else { None }
    }

    fn coarse_of(&self, starts: &[u32]) -> Option<Coarse> {
        let count = starts.len() - 1;
        let cell = coarse::cells(starts);
        let half = self.hessian.parts.len().div_ceil(2).max(1);
        let mut matrix = self.sum_in(half, count * count, |part, matrix, local| {
            part.add_cells(&cell, count, matrix, local);
        });
        matrix.iter_mut().for_each(|m| *m *= -self.inverse_mass);
        for (&cell, d) in cell.iter().zip(&self.diagonal) {
            matrix[cell as usize * (count + 1)] += d;
        }
        Coarse::new(matrix, cell, count)
    }

    /// Conjugate gradients, preconditioned by the diagonal and what is solved on cells; less exact once it no longer
    /// `goes_on`.
    pub(crate) fn solve(
        &self,
        right: &[f64],
        coarse: Option<&Coarse>,
        goes_on: &dyn Fn() -> bool,
    ) -> Vec<f64> {
        let n = right.len();
        let safe: Vec<f64> = self
            .diagonal
            .iter()
            .zip(&self.squares)
            .enumerate()
            .map(|(i, (d, s))| {
                let held = self.held.as_ref().map_or(0.0, |held| held.by[i]);
                ((d - s).max(1e-6 * d) + held).max(f64::MIN_POSITIVE)
            })
            .collect();
        let mut x = vec![0.0; n];
        let mut r = right.to_vec();
        let precondition = |r: &[f64], z: &mut [f64]| {
            for i in 0..n {
                z[i] = r[i] / safe[i];
            }
            if let Some(coarse) = coarse {
                coarse.add(r, z);
            }
        };
        let mut z = vec![0.0; n];
        precondition(&r, &mut z);
        let mut p = z.clone();
        let mut rz = simd::dot(&r, &z);
        // The sum of squares may be that of a few atoms: the others have to come down too.
        let size = |r: &[f64]| -> f64 { r.iter().map(|r| r.abs()).sum() };
        let (target, least) = (1e-3 * rz, 0.05 * size(right));
        for _ in 0..200 {
            if rz <= 0.0 || rz <= target && size(&r) <= least || !goes_on() {
                break;
            }
            let ap = self.apply(&p);
            let pap = simd::dot(&p, &ap);
            if pap <= 0.0 || !pap.is_finite() {
                break;
            }
            let alpha = rz / pap;
            simd::axpy(alpha, &p, &mut x);
            simd::axpy(-alpha, &ap, &mut r);
            precondition(&r, &mut z);
            let next = simd::dot(&r, &z);
            let beta = next / rz;
            rz = next;
            for i in 0..n {
                p[i] = z[i] + beta * p[i];
            }
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the formula, entry by entry, for groups with and without an index.
    #[test]
    fn the_product_is_that_of_the_matrix() {
        let mut rng = crate::measure::stream(3, 0, 0);
        let n = 60;
        let mut dense = vec![0.0; n * n];
        let mut parts = Vec::new();
        let mut mass = 0.0;
        for part in 0..5 {
            let mut rows = Rows::default();
            for group in 0..4 {
                let index: Option<Vec<u32>> =
                    (group % 2 == 1).then(|| (0..n as u32).filter(|i| i % 3 == part % 3).collect());
                let width = index.as_ref().map_or(n, Vec::len);
                let weights: Vec<f64> = (0..1 + group).map(|_| rng.uniform()).collect();
                let d: Vec<f64> = (0..width * weights.len()).map(|_| 0.1 + rng.uniform()).collect();
                rows.push(&d, width, &weights, &vec![1.0; weights.len()], index.as_deref());
                for (row, w) in d.chunks(width).zip(&weights) {
                    let total: f64 = row.iter().sum();
                    let atom = |k: usize| index.as_ref().map_or(k, |index| index[k] as usize);
                    for (k, a) in row.iter().enumerate() {
                        dense[atom(k) * n + atom(k)] += w * a;
                        for (l, b) in row.iter().enumerate() {
                            dense[atom(k) * n + atom(l)] -= w * a * b / total;
                        }
                    }
                    mass += w;
                }
            }
            parts.push(rows);
        }
        let hessian = Hessian::new(parts);
        let shift: Vec<f64> = (0..n).map(|i| 1e-3 * i as f64).collect();
        let mut system = System::new(&hessian, n);
        simd::axpy(1.0, &shift, &mut system.diagonal);
        let x: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
        let y = system.apply(&x);
        for i in 0..n {
            let expected = shift[i] * x[i] + simd::dot(&dense[i * n..(i + 1) * n], &x) / mass;
            assert!((y[i] - expected).abs() < 1e-6, "{i}: {} against {expected}", y[i]);
        }
        // Constants are in the kernel, whatever was rounded.
        let ones = System::new(&hessian, n).apply(&vec![1.0; n]);
        assert!(ones.iter().all(|y| y.abs() < 1e-15), "{ones:?}");
        // The mean of the others, by what is off the diagonal.
        let around = System::new(&hessian, n).neighbours(&x);
        for i in 0..n {
            let others = |f: &dyn Fn(usize) -> f64| -> f64 {
                (0..n).filter(|j| *j != i).map(|j| dense[i * n + j] * f(j)).sum()
            };
            let expected = others(&|j| x[j]) / others(&|_| 1.0);
            assert!((around[i] - expected).abs() < 1e-5 * (1.0 + expected.abs()), "{i}: {expected}");
        }
        // Held to the mean of its cell, what is constant on cells is not held; and the coarse system is the same one.
        let starts = [0, 7, 20, 41, 60];
        let by: Vec<f64> = (0..n).map(|i| 0.1 * (i % 4) as f64).collect();
        let mut held = System::new(&hessian, n);
        simd::axpy(1.0, &shift, &mut held.diagonal);
        held.hold(by.clone(), &starts);
        let cell = coarse::cells(&starts);
        let y_held = held.apply(&x);
        for i in 0..n {
            let of_cell = |f: &dyn Fn(usize) -> f64| -> f64 {
                (0..n).filter(|&j| cell[j] == cell[i]).map(|j| by[j] * f(j)).sum()
            };
            let mean = of_cell(&|j| x[j]) / of_cell(&|_| 1.0);
            let expected = y[i] + by[i] * (x[i] - mean);
            assert!((y_held[i] - expected).abs() < 1e-6, "{i}: {} against {expected}", y_held[i]);
        }
        let flat: Vec<f64> = cell.iter().map(|&c| x[c as usize]).collect();
        let (y_flat, mut back) = (held.apply(&flat), vec![0.0; n]);
        held.coarse_of(&starts).unwrap().add(&y_flat, &mut back);
        for i in 0..n {
            assert!((back[i] - flat[i]).abs() < 1e-9 * (1.0 + flat[i].abs()), "{i}: {}", back[i]);
        }
        // And the solution solves.
        let x = system.solve(&y, None, &|| true);
        let back = system.apply(&x);
        let error: f64 = back.iter().zip(&y).map(|(a, b)| (a - b).abs()).sum();
        assert!(error < 0.05 * y.iter().map(|y| y.abs()).sum::<f64>(), "{error}");
    }

    #[test]
    fn small_entries_are_left_out_where_they_are_small_in_all_rows() {
        let mut rows = Rows::default();
        rows.push(&[1.0, 1e-9, 1e-4, 1.0, 1e-9, 0.5], 3, &[0.5, 0.5], &[1.0, 1.0], Some(&[7, 8, 9]));
        assert_eq!(rows.columns, [7, 9]);
        assert_eq!(rows.values, [1.0, 1e-4, 1.0, 0.5]);
    }
}
