//! Solving the dual of a net: Newton steps on log q(φ) = log ν, damped, with a line of retreat.
//!
//! With H = λ ∇²E smoothmax (dimensionless; Σ_j w_j (diag d_j − d_j d_jᵀ/Σd_j)) the step is φ ← φ + λx,
//!
//! ```text
//! (H + δ diag ν + λε I) x = (q + δν) ∘ (log(ν/q) + c),      c so that the right side sums to zero.
//! ```
//!
//! Near the solution the right side is ν − q and this is Newton's method; far from it the logarithm keeps
//! the step of an atom with too little or too much mass at its order of magnitude. As δ → ∞ it becomes the
//! scaling iteration φ ← φ + λ log(ν/q), which for KL never fails; δ grows whenever a step does not improve
//! the dual, and shrinks when it does. H may rest on a subsample of rows: that costs iterations, not truth.

use super::evaluate::{Pass, Rows, Want, pass};
use super::net::Net;
use super::problem::{Frozen, is_entropic};
use crate::error::{Error, Result};
use crate::optim::{Loop, Progress, Status};
use crate::simd;
use rayon::prelude::*;

/// |log(ν/q)| is taken to be at most this in a step.
const LOG_CLIP: f64 = 3.0;

/// A potential moves by at most this many λ in a step, against the mean.
const STEP_CLIP: f64 = 50.0;

/// A direction is shortened to this share of its length at the least.
const SHORTEST: f64 = 0.05;

/// Most non-zeros of H's rows that are kept.
const MAX_NONZEROS: usize = 4_000_000;

/// Steps that a solve whose marginal is good enough may still take towards the potential of least norm.
const SETTLING: usize = 8;

/// How one net was solved.
#[derive(Debug)]
pub(crate) struct Solved {
    /// The pass at the potentials the solve started from: on a fresh net, an honest test of them.
    pub(crate) first: Summary,
    /// The pass at the potentials it ended with.
    pub(crate) last: Pass,
    /// Set if the run has to end here.
    pub(crate) ended: Option<Status>,
}

/// The numbers of a pass that outlive it.
#[derive(Debug, Clone)]
pub(crate) struct Summary {
    pub(crate) smoothmax: f64,
    pub(crate) hard: f64,
    pub(crate) exact: f64,
    pub(crate) q: Vec<f64>,
}

impl From<&Pass> for Summary {
    fn from(p: &Pass) -> Self {
        Summary { smoothmax: p.smoothmax, hard: p.hard, exact: p.exact, q: p.q.clone() }
    }
}

/// Σ|q − ν|.
pub(crate) fn l1(q: &[f64], nu: &[f64]) -> f64 {
    q.iter().zip(nu).map(|(q, v)| (q - v).abs()).sum()
}

/// Σ(q − ν)²/ν.
pub(crate) fn chi2(q: &[f64], nu: &[f64]) -> f64 {
    q.iter().zip(nu).map(|(q, v)| (q - v) * (q - v) / v).sum()
}

/// What a net's solve is to do.
pub(crate) struct Task<'a> {
    pub(crate) lambda: f64,
    /// ε of the term −(ε/2)‖φ‖² that picks one of many optimal potentials; 0 for none.
    pub(crate) ridge: f64,
    pub(crate) max_iterations: usize,
    /// Damping δ to start with: small where `phi` is already close.
    pub(crate) delta: f64,
    /// Rows of the Hessian to collect in the first pass.
    pub(crate) rows: usize,
    /// Extra sums wanted in the first pass.
    pub(crate) first: Want,
    /// Met when the solve may stop.
    pub(crate) done: &'a dyn Fn(&Pass) -> bool,
    /// For the observer: phase, share of the work done, samples so far, target.
    pub(crate) progress: Progress<'a>,
}

/// Improves `phi` on `net` until `task.done` holds.
pub(crate) fn solve_net(
    problem: &Frozen,
    net: &mut Net,
    phi: &mut Vec<f64>,
    task: &Task<'_>,
    control: &mut Loop<'_>,
) -> Result<Solved> {
    let n = problem.atoms();
    let lambda = task.lambda;
    let mut rows = task.rows.min(MAX_NONZEROS / n * 64).max(64);
    let mut current = pass(problem, net, phi, lambda, Want { rows, lists: true, ..task.first });
    if !current.smoothmax.is_finite() {
        return Err(Error::non_finite(
            format!("cost {}", problem.cost.name()),
            "a sample of the source",
            f64::NAN,
        ));
    }
    let first = Summary::from(&current);
    let mut delta = task.delta;
    let mut done = (task.done)(&current);
    let mut settled = is_settled(problem, phi, task.ridge, &current);
    let mut settling = SETTLING;
    let mut ended = None;
    let mut refused = 0;
    let mut errors: Vec<f64> = Vec::new();
    // A refused direction is tried again at a quarter of its length before it is damped.
    let (mut retry, mut length): (Option<Vec<f64>>, f64) = (None, 1.0);
    let mut iteration = 0;
    while !(done && (settled || settling == 0)) && iteration < task.max_iterations && refused < 8 {
        iteration += 1;
        settling -= usize::from(done);
        let error = l1(&current.q, &problem.nu);
        ended = control.check(&Progress { error, ..task.progress });
        if ended.is_some() {
            break;
        }
        rows = rows_wanted(&current, net.len);
        let x = match retry.take() {
            Some(x) => x,
            None => {
                length = 1.0;
                direction(&current.rows, &current.q, problem, phi, delta, task.ridge, lambda)
            }
        };
        let mut trial: Vec<f64> = phi.iter().zip(&x).map(|(p, x)| p + length * lambda * x).collect();
        center(&mut trial);
        let next = pass(
            problem,
            net,
            &trial,
            lambda,
            Want { rows, lists: true, exact: task.first.exact, ..Want::default() },
        );
        let gain =
            objective(problem, &trial, task.ridge, &next) - objective(problem, phi, task.ridge, &current);
        let next_error = l1(&next.q, &problem.nu);
        // Close to the optimum the gain drowns in rounding; the marginal still tells.
        let floor = 1e-13 * (next.smoothmax.abs() + problem.unit);
        if next.smoothmax.is_finite() && (gain > floor || (gain > -floor && next_error < 0.9 * error)) {
            *phi = trial;
            current = next;
            if length == 1.0 {
                // Along directions that only the ridge holds, damping must not outweigh it.
                delta = (delta * 0.1_f64).max(if task.ridge > 0.0 { 1e-9 } else { 1e-6 });
            }
            refused = 0;
            done = (task.done)(&current);
            settled = is_settled(problem, phi, task.ridge, &current);
            errors.push(next_error);
            // Steps that no longer help: the net is too coarse for its atoms, and a larger one is due, if there is one.
            if let [.., before, _, _, _, now] = errors[..]
                && now > 0.8 * before
                && !net.whole
            {
                break;
            }
        } else {
            refused += 1;
            if length > SHORTEST {
                length *= 0.25;
                retry = Some(x);
            } else {
                delta = (delta * 10.0_f64).max(1e-2);
            }
        }
    }
    Ok(Solved { first, last: current, ended })
}

/// Whether the gradient of h(φ) − (ε/2)‖φ‖² is small against that of its second term: where many potentials
/// have the right marginal, only then is this one near the one of least norm.
fn is_settled(problem: &Frozen, phi: &[f64], ridge: f64, pass: &Pass) -> bool {
    if ridge == 0.0 {
        return true;
    }
    let (mut rest, mut pull) = (0.0, 0.0);
    for ((nu, q), phi) in problem.nu.iter().zip(&pass.q).zip(phi) {
        rest += (nu - q - ridge * phi).abs();
        pull += (ridge * phi).abs();
    }
    rest <= 0.2 * pull
}

/// h(φ) − (ε/2)‖φ‖² on the net.
fn objective(problem: &Frozen, phi: &[f64], ridge: f64, pass: &Pass) -> f64 {
    simd::dot(&problem.nu, phi) - pass.smoothmax - 0.5 * ridge * simd::dot(phi, phi)
}

/// Subtracts the mean.
pub(crate) fn center(phi: &mut [f64]) {
    let mean = phi.iter().sum::<f64>() / phi.len() as f64;
    phi.iter_mut().for_each(|p| *p -= mean);
}

/// Rows of H worth having: enough to see every atom, few enough that a product costs less than a pass.
pub(crate) fn rows_wanted(pass: &Pass, len: usize) -> usize {
    let per_row = (pass.rows.atoms.len() / pass.rows.totals.len().max(1)).max(1);
    let by_accuracy = (8.0 * pass.effective_atoms) as usize;
    let by_cost = pass.pairs as usize / (20 * per_row);
    by_accuracy.max(by_cost).min(MAX_NONZEROS / per_row).clamp(64, len.max(64))
}

/// The step x of the module's equation.
fn direction(
    rows: &Rows,
    q: &[f64],
    problem: &Frozen,
    phi: &[f64],
    delta: f64,
    ridge: f64,
    lambda: f64,
) -> Vec<f64> {
    let nu = &problem.nu;
    let n = nu.len();
    let mut right: Vec<f64> = (0..n)
        .map(|i| {
            let wanted = nu[i] - ridge * phi[i];
            let log = if wanted > 0.0 && q[i] > 0.0 {
                (wanted / q[i]).ln().clamp(-LOG_CLIP, LOG_CLIP)
            } else if q[i] > 0.0 {
                -LOG_CLIP
            } else {
                LOG_CLIP
            };
            (q[i] + delta * nu[i]) * log
        })
        .collect();
    let excess = right.iter().sum::<f64>() / (1.0 + delta);
    for i in 0..n {
        right[i] -= excess * (q[i] + delta * nu[i]);
    }
    let mut system = System::new(rows, nu, delta, ridge * lambda);
    // An atom that the rows hardly saw must not move as if nothing held it: where weights are small their
    // curvature is at least themselves (for KL it is, all over).
    let entropic = is_entropic(&*problem.smooth);
    for ((d, &q), &v) in system.diagonal.iter_mut().zip(q).zip(nu) {
        *d = d.max(if entropic || q < v { q } else { 1e-3 * q });
    }
    let mut x = system.solve(&right);
    let mean = simd::dot(&x, nu);
    x.iter_mut().for_each(|x| *x = (*x - mean).clamp(-STEP_CLIP, STEP_CLIP));
    x
}

/// H + δ diag ν + ε I, by its rows or, where they are short, as an assembled sparse matrix.
pub(crate) struct System<'a> {
    rows: &'a Rows,
    diagonal: Vec<f64>,
    /// Σ_j w_j d_j d_jᵀ/Σd_j, compressed by rows.
    assembled: Option<Assembled>,
    chunks: usize,
}

#[derive(Debug)]
struct Assembled {
    starts: Vec<usize>,
    atoms: Vec<u32>,
    values: Vec<f64>,
}

/// Assembling pays where an average row has at most so many entries.
const SHORT_ROW: usize = 64;

impl<'a> System<'a> {
    pub(crate) fn new(rows: &'a Rows, nu: &[f64], delta: f64, ridge: f64) -> Self {
        let chunks = if rows.atoms.len() < 100_000 { 1 } else { 16 };
        let mut system = System { rows, diagonal: Vec::new(), assembled: None, chunks };
        let shift: Vec<f64> = nu.iter().map(|v| delta * v + ridge).collect();
        system.diagonal = system.sum_rows(&shift, |j, range, y| {
            let w = rows.weights[j];
            for k in range {
                y[rows.atoms[k] as usize] += w * rows.d[k];
            }
        });
        if rows.atoms.len() <= SHORT_ROW * rows.totals.len() {
            system.assembled = Some(assemble(rows, nu.len()));
        }
        system
    }

    /// `start` + Σ over rows, chunk by chunk in a fixed order.
    fn sum_rows(
        &self,
        start: &[f64],
        add: impl Fn(usize, std::ops::Range<usize>, &mut [f64]) + Sync,
    ) -> Vec<f64> {
        let count = self.rows.totals.len();
        let part = |c: usize| {
            let mut y = vec![0.0; start.len()];
            for j in count * c / self.chunks..count * (c + 1) / self.chunks {
                add(j, self.rows.starts[j]..self.rows.starts[j + 1], &mut y);
            }
            y
        };
        let parts: Vec<Vec<f64>> = if self.chunks == 1 {
            vec![part(0)]
        } else {
            (0..self.chunks).into_par_iter().map(part).collect()
        };
        let mut y = start.to_vec();
        for p in &parts {
            simd::axpy(1.0, p, &mut y);
        }
        y
    }

    pub(crate) fn apply(&self, x: &[f64]) -> Vec<f64> {
        let rows = self.rows;
        if let Some(a) = &self.assembled {
            let entry = |i: usize| {
                let range = a.starts[i]..a.starts[i + 1];
                let off: f64 = a.atoms[range.clone()]
                    .iter()
                    .zip(&a.values[range])
                    .map(|(&k, v)| v * x[k as usize])
                    .sum();
                self.diagonal[i] * x[i] - off
            };
            return if a.atoms.len() < 100_000 {
                (0..x.len()).map(entry).collect()
            } else {
                (0..x.len()).into_par_iter().with_min_len(256).map(entry).collect()
            };
        }
        let start: Vec<f64> = self.diagonal.iter().zip(x).map(|(d, x)| d * x).collect();
        self.sum_rows(&start, |j, range, y| {
            if rows.totals[j] > 0.0 {
                let (atoms, d) = (&rows.atoms[range.clone()], &rows.d[range]);
                let dot: f64 = atoms.iter().zip(d).map(|(&i, d)| d * x[i as usize]).sum();
                let scale = -rows.weights[j] * dot / rows.totals[j];
                for (&i, d) in atoms.iter().zip(d) {
                    y[i as usize] += scale * d;
                }
            }
        })
    }

    /// Conjugate gradients, preconditioned by the diagonal.
    pub(crate) fn solve(&self, right: &[f64]) -> Vec<f64> {
        let n = right.len();
        let safe: Vec<f64> = self.diagonal.iter().map(|d| d.max(f64::MIN_POSITIVE)).collect();
        let mut x = vec![0.0; n];
        let mut r = right.to_vec();
        let mut z: Vec<f64> = r.iter().zip(&safe).map(|(r, d)| r / d).collect();
        let mut p = z.clone();
        let mut rz = simd::dot(&r, &z);
        let target = 1e-4 * rz;
        for _ in 0..200 {
            if rz <= target || rz <= 0.0 {
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
            for i in 0..n {
                z[i] = r[i] / safe[i];
            }
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

/// Σ_j w_j d_j d_jᵀ/Σd_j, row by row: each of its rows gathers the samples in which the atom appears.
fn assemble(rows: &Rows, n: usize) -> Assembled {
    let mut starts = vec![0usize; n + 1];
    for &i in &rows.atoms {
        starts[i as usize + 1] += 1;
    }
    for i in 0..n {
        starts[i + 1] += starts[i];
    }
    let mut fill = starts.clone();
    let mut appears = vec![(0u32, 0.0); rows.atoms.len()];
    for j in 0..rows.totals.len() {
        if rows.totals[j] > 0.0 {
            for k in rows.starts[j]..rows.starts[j + 1] {
                let i = rows.atoms[k] as usize;
                appears[fill[i]] = (j as u32, rows.weights[j] * rows.d[k] / rows.totals[j]);
                fill[i] += 1;
            }
        }
    }
    let groups = n.div_ceil(ATOMS_PER_GROUP);
    let parts: Vec<(Vec<usize>, Vec<u32>, Vec<f64>)> = (0..groups)
        .into_par_iter()
        .map(|g| {
            let (mut lens, mut atoms, mut values) = (Vec::new(), Vec::new(), Vec::new());
            let mut sums = vec![0.0; n];
            let mut touched: Vec<u32> = Vec::new();
            for i in g * ATOMS_PER_GROUP..((g + 1) * ATOMS_PER_GROUP).min(n) {
                for &(j, w) in &appears[starts[i]..fill[i]] {
                    let range = rows.starts[j as usize]..rows.starts[j as usize + 1];
                    for (&k, d) in rows.atoms[range.clone()].iter().zip(&rows.d[range]) {
                        let sum = &mut sums[k as usize];
                        if *sum == 0.0 {
                            touched.push(k);
                        }
                        *sum += w * d;
                    }
                }
                touched.sort_unstable();
                lens.push(touched.len());
                for &k in &touched {
                    atoms.push(k);
                    values.push(std::mem::take(&mut sums[k as usize]));
                }
                touched.clear();
            }
            (lens, atoms, values)
        })
        .collect();
    let mut out = Assembled { starts: vec![0], atoms: Vec::new(), values: Vec::new() };
    for (lens, atoms, values) in parts {
        for len in lens {
            out.starts.push(out.starts[out.starts.len() - 1] + len);
        }
        out.atoms.extend_from_slice(&atoms);
        out.values.extend_from_slice(&values);
    }
    out
}

/// Atoms whose matrix rows one task assembles.
const ATOMS_PER_GROUP: usize = 64;
