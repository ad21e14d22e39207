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
//! scaling iteration φ ← φ + λ log(ν/q), which for KL never fails; δ grows when a step is refused or turned
//! too much of the dual's slope round, and shrinks when one was too short or halved the marginal error. H may rest on a
//! subsample of rows: that costs iterations, not truth.
//!
//! Where λ is small against the distance of atoms and samples are few, hardly a sample lies between two atoms, and H is
//! nothing or noise there. Rows that one atom has to itself are then taken at the strength at which the runner-up comes
//! in (`evaluate.rs`): H holds what the boundary would see at the scale of the samples. For such an atom the right side is
//! ν − q, λ is replaced by that strength, and its damping holds it to the atoms around it, not in place.

use super::coarse;
use super::evaluate::{Pass, Want, pass, watched_pass};
use super::hessian::System;
use super::net::Net;
use super::problem::{Frozen, is_entropic};
use crate::error::{Error, Result};
use crate::optim::{Loop, Progress, Status, Watch};
use crate::simd;

/// |log(ν/q)| is taken to be at most this in a step, and for KL, where q is too small, at most the other: just below
/// the logarithm of the smallest weight that is told from nothing, if nothing more is left out.
const LOG_CLIP: f64 = 3.0;
const UP_CLIP: f64 = 40.0;

/// A potential moves by at most this many λ in its first step, against those around it. Over such distances the curvature
/// of an atom that few samples see changes by orders of magnitude; cutting its step short keeps the others' whole.
const FIRST_BOUND: f64 = 5.0;

/// The same, as a share of it, where one atom has its samples to itself: the runner-up is three units away there.
const ALONE_BOUND: f64 = 0.4;

/// Such atoms are damped by this much against those around them: how many samples they win or lose is a rough guess.
const ALONE_DELTA: f64 = 0.3;

/// An atom with less than this share of its mass may not yet have met its samples.
const SERVED: f64 = 0.3;

/// Samples an atom below which they are few.
const FEW: usize = 64;

/// The bound of an atom that keeps running into it on the same side is raised up to this.
const LAST_BOUND: f64 = 1e4;

/// A refused direction is tried again at this share of its length, before it is damped more.
const SHORTENED: f64 = 0.25;

/// Most entries of H's rows that are kept, and so many for every atom, if that is more.
const MAX_ENTRIES: usize = 1 << 24;
const MAX_ENTRIES_EACH: usize = 40;

/// Entries of lists, for each of those.
pub(crate) const LIST_ENTRIES: usize = 2;

/// One for so many bytes of a memory budget: two Hessians of single precision then take a quarter of it.
const ENTRY_SHARE: u64 = 32;

/// Damping falls after a step that left more than this share of the slope along it, and grows, though the step is
/// taken, after one that turned more than the other round.
const SHORT: f64 = 0.6;
const FAR: f64 = -0.5;

/// Where the Hessian rests on a subsample of rows, damping is at least this times the square of its relative error.
const NOISE_DELTA: f64 = 0.1;

/// Damping is at least this: along directions that only the ridge holds it must not outweigh it. After a step that was taken
/// it is at most the other.
const LEAST_DELTA: f64 = 1e-9;
const MOST_DELTA: f64 = 1.0;

/// Steps that a solve whose marginal is good enough may still take towards the potential of least norm.
const SETTLING: usize = 8;

/// How one net was solved.
#[derive(Debug)]
pub(crate) struct Solved {
    /// The pass at the potentials the solve started from: on a fresh net, an honest test of them.
    pub(crate) first: Summary,
    /// The pass at the potentials it ended with.
    pub(crate) last: Pass,
    /// The damping it came to.
    pub(crate) delta: f64,
    /// Set if the run had to end before the net was solved.
    pub(crate) ended: Option<Status>,
}

/// The numbers of a pass that outlive it.
#[derive(Debug, Clone)]
pub(crate) struct Summary {
    pub(crate) smoothmax: f64,
    pub(crate) hard: f64,
    pub(crate) exact: f64,
    pub(crate) q: Vec<f64>,
    pub(crate) exact_q: Vec<f64>,
}

impl From<&Pass> for Summary {
    fn from(p: &Pass) -> Self {
        Summary {
            smoothmax: p.smoothmax,
            hard: p.hard,
            exact: p.exact,
            q: p.q.clone(),
            exact_q: p.exact_q.clone(),
        }
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
    /// Entries that rows may have, together.
    pub(crate) entries: usize,
    /// Extra sums wanted in the first pass.
    pub(crate) first: Want<'a>,
    /// Weights that together may be left out of a sample's, for KL.
    pub(crate) left_out: f64,
    /// The first pass is made whatever happens.
    pub(crate) must: bool,
    /// Met when the solve may stop.
    pub(crate) done: &'a dyn Fn(&Pass) -> bool,
    /// For the observer: phase, share of the work done, samples so far, target.
    pub(crate) progress: Progress<'a>,
}

/// Improves `phi` on `net` until `task.done` holds; why not, if the run had to end before the first pass was over.
pub(crate) fn solve_net(
    problem: &Frozen,
    net: &mut Net,
    phi: &mut Vec<f64>,
    task: &Task<'_>,
    control: &mut Loop<'_>,
) -> Result<std::result::Result<Solved, Status>> {
    let n = problem.atoms();
    let lambda = task.lambda;
    let mut rows = if task.max_iterations == 0 { 0 } else { task.rows.clamp(64, net.len.max(64)) };
    // With few samples an atom the boundaries between atoms are seen by samples that lie off them, or not at all.
    let runners_up = !net.whole && net.len < FEW * n;
    let Task { left_out, .. } = *task;
    let lists = LIST_ENTRIES * task.entries;
    let want = Want { rows, runners_up, left_out, lists, ..task.first };
    let mut current = if task.must {
        pass(problem, net, phi, lambda, want)
    } else {
        match watched_pass(problem, net, phi, lambda, want, &Watch::new(control, task.progress)) {
            Ok(pass) => pass,
            Err(ended) => return Ok(Err(ended)),
        }
    };
    if !current.smoothmax.is_finite() {
        return Err(Error::non_finite(
            format!("cost {}", problem.cost.name()),
            "a sample of the source",
            f64::NAN,
        ));
    }
    let first = Summary::from(&current);
    let entropic = is_entropic(&*problem.smooth);
    // How far an atom may rise because its logarithm says so.
    let known = if entropic { UP_CLIP.min(-left_out.ln()) } else { 0.0 };
    // Damping that proved too little is not tried again at once.
    let (mut delta, mut floor) = (task.delta.max(LEAST_DELTA), LEAST_DELTA);
    let mut done = (task.done)(&current);
    let mut settled = is_settled(problem, phi, task.ridge, &current);
    let mut settling = SETTLING;
    let mut ended = None;
    let mut refused = 0;
    let mut least = chi2(&current.q, &problem.nu);
    let mut errors: Vec<f64> = Vec::new();
    let (mut retry, mut length): (Option<Vec<f64>>, f64) = (None, 1.0);
    let mut bounds = StepBounds::new(n);
    let mut short = false;
    let mut iteration = 0;
    while !(done && (settled || settling == 0))
        && ended.is_none()
        && iteration < task.max_iterations
        && refused < 8
    {
        iteration += 1;
        settling -= usize::from(done);
        let error = l1(&current.q, &problem.nu);
        rows = rows_wanted(&current, net.len, task.entries);
        let watch = Watch::new(control, Progress { error, ..task.progress });
        let x = match retry.take() {
            Some(x) => x,
            None => {
                length = 1.0;
                let delta = delta.max(noise_delta(&current, net.len));
                let (mut x, system) =
                    direction(&current, problem, phi, task, delta, known, &|| watch.goes_on());
                bounds.apply(&mut x, &system, problem, &current.q, known, short);
                x
            }
        };
        let mut trial: Vec<f64> = phi.iter().zip(&x).map(|(p, x)| p + length * lambda * x).collect();
        center(&mut trial);
        let row_entries = current.hessian.entries() / current.hessian.rows().max(1);
        let exact = task.first.exact;
        let want = Want { rows, row_entries, runners_up, left_out, lists, exact, ..Want::default() };
        let next = match watched_pass(problem, net, &trial, lambda, want, &watch) {
            Ok(next) => next,
            Err(status) => {
                ended = Some(status);
                break;
            }
        };
        let gain =
            objective(problem, &trial, task.ridge, &next) - objective(problem, phi, task.ridge, &current);
        let next_error = l1(&next.q, &problem.nu);
        // What is left of the slope along the step: below zero where it went too far.
        let left =
            slope(problem, &trial, task.ridge, &next, &x) / slope(problem, phi, task.ridge, &current, &x);
        // Close to the optimum the gain drowns in rounding; the marginal still tells.
        let rounding = 1e-13 * (next.smoothmax.abs() + problem.unit);
        let next_chi2 = chi2(&next.q, &problem.nu);
        // Nor is a fall a loss on the way to a gradient clearly smaller than any before.
        let closer = task.ridge == 0.0 && next_chi2 < 0.7 * least && next_error < 0.7 * error;
        if next.smoothmax.is_finite()
            && (gain > rounding || closer || (gain > -rounding && next_error < 0.9 * error))
        {
            least = least.min(next_chi2);
            if length < 1.0 {
                bounds = StepBounds::new(n);
            } else {
                let falls = left > SHORT && next_error < error || left > FAR && next_error <= 0.6 * error;
                if refused == 0 && (task.ridge > 0.0 || falls) {
                    delta = (0.1 * delta).max(floor);
                    floor = (0.5 * floor).max(LEAST_DELTA);
                } else if left < FAR || next_error > error {
                    delta = (10.0 * delta).min(MOST_DELTA);
                    floor = delta;
                }
            }
            *phi = trial;
            current = next;
            short = left > SHORT;
            refused = 0;
            done = (task.done)(&current);
            settled = is_settled(problem, phi, task.ridge, &current);
            errors.push(next_error);
        } else {
            refused += 1;
            if length == 1.0 {
                length = SHORTENED;
                retry = Some(x);
            } else {
                delta = (delta * 10.0_f64).max(1e-2);
                floor = if task.ridge > 0.0 { LEAST_DELTA } else { delta.min(MOST_DELTA) };
                bounds = StepBounds::new(n);
            }
        }
        ended = control.check(&Progress {
            error: l1(&current.q, &problem.nu),
            iterate: &problem.as_given(phi),
            ..task.progress
        });
        // Steps that no longer help: the net is too coarse for its atoms, and a larger one is due, if there is one.
        if let [.., before, _, _, now] = errors[..]
            && now > 0.8 * before
            && (!short || entropic)
            && !net.whole
        {
            break;
        }
    }
    Ok(Ok(Solved { first, last: current, delta, ended }))
}

/// How far each potential may move in a step, in units of λ.
struct StepBounds {
    bounds: Vec<f64>,
    /// How many steps in a row were cut at the bound, and on which side: positive or negative.
    runs: Vec<i32>,
}

impl StepBounds {
    fn new(n: usize) -> Self {
        StepBounds { bounds: vec![FIRST_BOUND; n], runs: vec![0; n] }
    }

    /// Cuts a step down, after raising the bounds that were run into twice; at once if the last step was `short` all over.
    /// Atoms with too little mass may rise as far as their logarithm says, where that is `known`.
    fn apply(
        &mut self,
        step: &mut [f64],
        system: &System<'_>,
        problem: &Frozen,
        q: &[f64],
        known: f64,
        short: bool,
    ) {
        let (patience, times) = if short { (1, 4.0) } else { (2, 2.0) };
        let around = system.neighbours(step);
        for (i, x) in step.iter_mut().enumerate() {
            let share = system.near[i];
            let unit = share / (share + ALONE_BOUND * (1.0 - share));
            let (bound, run) = (&mut self.bounds[i], &mut self.runs[i]);
            // What it moves against those around it, or at all, if that is less, in units of the strength it was looked at.
            let around = around[i];
            let own = (*x - around.clamp(x.min(0.0), x.max(0.0))) * unit;
            let side = if own > *bound { 1 } else { -i32::from(own < -*bound) };
            if side == 0 || side * *run < 0 {
                (*bound, *run) = (FIRST_BOUND, 0);
            } else if run.abs() >= patience {
                *bound = (times * *bound).min(LAST_BOUND);
            }
            *run += side;
            // For KL an atom's mass grows by as much as its logarithm, until it has all of its samples.
            let rise = if known > 0.0 && q[i] < SERVED * problem.nu[i] {
                bound.max(logarithm(problem.nu[i], q[i], known))
            } else {
                *bound / unit
            };
            // An atom that has many times its mass has the samples to say how far it has to fall.
            let fall = *bound / unit * (q[i] / problem.nu[i]).max(1.0);
            // Numbers out of range are for others to find: no clamp, which would panic.
            *x = x.max(around.min(0.0) - fall).min(around.max(0.0) + rise);
        }
    }
}

/// log(wanted/q), cut off at both ends, above at `most`. For KL an atom that rises by the logarithm comes to what it wants if
/// it is alone, and to less else, however far that is.
fn logarithm(wanted: f64, q: f64, most: f64) -> f64 {
    let most = most.max(LOG_CLIP);
    match (wanted > 0.0, q > 0.0) {
        (true, true) => (wanted / q).ln().clamp(-LOG_CLIP, most),
        (false, true) => -LOG_CLIP,
        _ => most,
    }
}

/// Whether the gradient of h(φ) − (ε/2)‖φ‖² is small against that of its second term: where many potentials
/// have the right marginal, only then is this one near the one of least norm.
fn is_settled(problem: &Frozen, phi: &[f64], ridge: f64, pass: &Pass) -> bool {
    if ridge == 0.0 {
        return true;
    }
    let pull: f64 = phi.iter().map(|phi| (ridge * phi).abs()).sum();
    let rest: f64 =
        problem.nu.iter().zip(&pass.q).zip(phi).map(|((nu, q), phi)| (nu - q - ridge * phi).abs()).sum();
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
pub(crate) fn rows_wanted(pass: &Pass, len: usize, entries: usize) -> usize {
    let per_row = (pass.hessian.entries() / pass.hessian.rows().max(1)).max(1);
    let by_accuracy = (8.0 * pass.effective_atoms) as usize;
    let by_cost = pass.pairs as usize / (4 * per_row);
    by_accuracy.max(by_cost).min(entries / per_row).clamp(64, len.max(64))
}

/// Rows to ask for before a net has been seen, by a probe.
pub(crate) fn rows_guessed(probe: &Pass, shared: f64, entries: usize) -> usize {
    let per_row = (probe.hessian.entries() / probe.hessian.rows().max(1)).max(1);
    ((8.0 * shared) as usize).min(entries / per_row)
}

/// How many entries H's rows may have, among `n` atoms and with so many bytes of memory to stay within.
pub(crate) fn max_entries(n: usize, memory: Option<u64>) -> usize {
    let share = memory.map_or(usize::MAX, |bytes| (bytes / ENTRY_SHARE).try_into().unwrap_or(usize::MAX));
    MAX_ENTRIES.max(MAX_ENTRIES_EACH * n).min(share)
}

/// The step x of the module's equation, and λ over the strength at which each atom was looked at.
fn direction<'a>(
    pass: &'a Pass,
    problem: &Frozen,
    phi: &[f64],
    task: &Task<'_>,
    delta: f64,
    known: f64,
    goes_on: &dyn Fn() -> bool,
) -> (Vec<f64>, System<'a>) {
    let Pass { hessian, q, .. } = pass;
    let Task { ridge, lambda, .. } = *task;
    let nu = &problem.nu;
    let n = nu.len();
    let entropic = is_entropic(&*problem.smooth);
    let mut system = System::new(hessian, n);
    let cells = problem.index.as_ref().zip(coarse::depth(n));
    let cells = cells.map(|(index, most)| index.starts(|_, depth| depth >= most));
    let mut held = vec![0.0; n];
    for i in 0..n {
        let share = system.shares[i];
        // An atom that the rows hardly saw must not move as if nothing held it: where weights are small their
        // curvature is at least themselves (for KL it is, all over).
        let least = share * if entropic || q[i] < nu[i] { q[i] } else { 1e-3 * q[i] };
        held[i] = ALONE_DELTA * (1.0 - share) * share * nu[i];
        let own = if cells.is_some() { delta * share * nu[i] } else { (delta * share * nu[i]).max(held[i]) };
        let d = &mut system.diagonal[i];
        *d = (*d + own + ridge * lambda).max(least);
    }
    if let Some(starts) = &cells {
        system.hold(held, starts);
    }
    let mut right: Vec<f64> = (0..n)
        .map(|i| {
            let (wanted, share) = (nu[i] - ridge * phi[i], system.shares[i]);
            let log = logarithm(wanted, q[i], known);
            // Mass at λ's own scale is exponential in φ; where cells have sharp ends it is their area, more nearly linear.
            share * (q[i] + delta * nu[i]) * log + (1.0 - share) * (1.0 + delta) * (wanted - q[i])
        })
        .collect();
    let excess = right.iter().sum::<f64>() / (1.0 + delta);
    for i in 0..n {
        right[i] -= excess * (q[i] + delta * nu[i]);
    }
    let coarse = cells.and_then(|starts| system.coarse(&starts));
    let mut x = system.solve(&right, coarse.as_ref(), goes_on);
    let mean = simd::dot(&x, nu);
    x.iter_mut().for_each(|x| *x -= mean);
    (x, system)
}

/// The least damping for a Hessian of the rows of `pass`, of a net of `len` samples.
fn noise_delta(pass: &Pass, len: usize) -> f64 {
    let rows = pass.hessian.rows().max(1) as f64;
    let error = pass.effective_atoms * (1.0 / rows - 1.0 / len as f64);
    NOISE_DELTA * (error * error).min(1.0)
}

/// The derivative of h(φ) − (ε/2)‖φ‖² along x.
fn slope(problem: &Frozen, phi: &[f64], ridge: f64, pass: &Pass, x: &[f64]) -> f64 {
    (0..x.len()).map(|i| (problem.nu[i] - pass.q[i] - ridge * phi[i]) * x[i]).sum()
}
