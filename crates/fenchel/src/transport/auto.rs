//! The default method: growing samples, decreasing regularisation, second-order steps, then a certificate.
//!
//! From λ = a quarter of the spread of the costs down to the λ asked for, by factors of four, each stage on a
//! new and large enough net, started from the last stage's potentials. At the final λ the net grows until
//! potentials solved on one net pass on the next. For divergences that are not smooth the λ of their
//! smoothing keeps falling until smoothing no longer shows in the value, nor in the marginal of the weights that
//! they themselves give to atoms; not in the latter where atoms tie, for then only smoothing shares what they tie for.

use super::certificate::{Evidence, mends};
use super::checkpoint::{Place, Saver, State};
use super::evaluate::{Pass, Want, pass};
use super::levels::{Level, levels};
use super::net::Net;
use super::newton::{Task, center, chi2, l1, max_entries, rows_guessed, rows_wanted, solve_net};
use super::problem::{Frozen, SemiDiscrete, purpose};
use super::settings::Settings;
use super::solution::{Certified, HistoryPoint, Solution};

use crate::bounds;
use crate::error::Result;
use crate::optim::{Loop, Progress, Status};
use crate::simd;
use serde::{Deserialize, Serialize};

/// Samples of the first stage, and of the first at the final λ, at least.
pub(super) const FIRST: usize = 1024;
const FIRST_FULL: usize = 2048;
/// The first λ, in units of the spread of the costs: for smooth divergences, and for the smoothing of others.
const FIRST_LAMBDA: (f64, f64) = (0.25, 0.5);
/// λ falls by this factor from stage to stage.
const FACTOR: f64 = 4.0;
/// A stage's net has at least this many samples for each atom that shares in them.
const PER_ATOM: f64 = 8.0;
/// The same, on the way down.
const COARSE_PER_ATOM: f64 = 6.0;
/// Samples for each atom of the full problem while atoms are merged, or for each of those there are, if that is less.
const PER_LONE_ATOM: usize = 2;
const PER_MERGED_ATOM: usize = 16;
/// At most so many times as many atoms share in a sample as at the λ before.
const GROWTH: f64 = 8.0;
/// Smoothing has fallen enough when it shows in the marginal by less than this share of the tolerance, or when atoms tie: their
/// number grew by less than the first factor, and it shows more than the second times what it did.
const RESOLVED: f64 = 0.9;
const TIED: (f64, f64) = (1.1, 0.8);
/// The smoothing's λ falls no further than this many units.
const LEAST_LAMBDA: f64 = 1e-9;
/// Samples that tell how many atoms share in a sample.
pub(super) const PROBE: usize = 128;
/// Share of the time budget that solving may take, as planned; the rest is the certificate's.
const SOLVE_SHARE: f64 = 0.6;
/// Damping at the first λ; with λ it falls.
const FIRST_DELTA: f64 = 0.1;
/// While solving, weights of a sample that together are less than this share of the tolerance may be left out.
const LEFT_OUT: f64 = 1e-6;
/// Numbers (coordinates) a net may hold: a gigabyte.
const MAX_NUMBERS: usize = 1 << 27;
/// One part in so many of a memory budget is for them.
const NET_SHARE: u64 = 4;

pub(crate) fn solve(
    owner: &SemiDiscrete,
    problem: &Frozen,
    settings: &Settings,
    control: Loop<'_>,
    state: Option<State>,
) -> Result<Solution> {
    let levels = levels(problem)?;
    let mut run = Run::new(problem, settings, control);
    let place = state.map(|state| run.restore(state, &levels)).transpose()?;
    match place {
        None => run.anneal(&levels, None)?,
        Some(Place::Anneal(stage)) => run.anneal(&levels, Some(stage))?,
        Some(_) => {}
    }
    let (evidence, status, certified) = run.finish(place)?;
    Ok(run.solution(owner, &evidence, status, certified, "auto"))
}

/// How thoroughly a net is solved.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Effort {
    /// On the way to the final λ.
    Coarse,
    /// At the final λ.
    Full,
}

/// What is known at the final λ, between nets and certificates.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Finish {
    /// Samples of the next net.
    len: usize,
    /// Samples that the atoms ask for.
    enough: usize,
    certificate_len: usize,
    best: Option<(Evidence, Status, Certified)>,
    /// Whether a larger net would help.
    grow: bool,
}

/// State of a solve.
pub(crate) struct Run<'a, 'b> {
    /// The problem being solved: the full one, or one of its levels.
    pub(crate) problem: &'a Frozen,
    pub(super) full: &'a Frozen,
    pub(super) settings: &'a Settings,
    pub(super) saver: Saver,
    pub(crate) control: Loop<'b>,
    pub(crate) phi: Vec<f64>,
    /// λ of the smooth problem being solved.
    pub(crate) lambda: f64,
    pub(super) ridge: f64,
    /// Samples of the net solved last, and the seconds it took.
    pub(super) len: usize,
    pub(super) seconds: f64,
    /// How many atoms share in a sample at the λ solved last, and E[max u − Σ p u], by how much their scores differ.
    pub(super) shared: f64,
    pub(super) blur: f64,
    /// For divergences that are not smooth: how far smoothing shows in the marginal, as the square root of χ²; and how many
    /// atoms shared in a sample, and how far it showed, at the λ before.
    pub(super) shows: f64,
    pub(super) before: (f64, f64),
    /// Predicted marginal error of the current potentials, and whether a test on a fresh net is behind it.
    pub(super) predicted: f64,
    pub(super) confirmed: bool,
    /// λ of the net solved last.
    pub(super) solved_lambda: f64,
    pub(super) nets: u64,
    pub(super) certificates: u64,
    max_len: usize,
    /// Most entries of Hessian rows.
    pub(super) entries: usize,
    pub(crate) samples: u64,
    pub(crate) history: Vec<HistoryPoint>,
    pub(crate) ended: Option<Status>,
    /// The last net was the whole of a finite source.
    pub(super) whole: bool,
    /// Hessian rows that the last net asked for.
    pub(super) rows: usize,
    /// Damping that the last net came to.
    pub(super) delta: f64,
    /// The level that the problem is, of those of the full problem; their number for the full problem itself.
    pub(super) level: usize,
}

impl<'a, 'b> Run<'a, 'b> {
    pub(crate) fn new(problem: &'a Frozen, settings: &'a Settings, control: Loop<'b>) -> Self {
        let numbers = settings.memory.map_or(MAX_NUMBERS, |bytes| {
            MAX_NUMBERS.min((bytes / (8 * NET_SHARE)).try_into().unwrap_or(usize::MAX))
        });
        let max_len = (settings.max_samples as usize).min(numbers / problem.dim).max(1);
        Run {
            problem,
            full: problem,
            settings,
            saver: Saver::default(),
            control,
            phi: vec![0.0; problem.atoms()],
            lambda: problem.lambda,
            ridge: 0.0,
            len: 0,
            seconds: 0.0,
            shared: f64::INFINITY,
            blur: f64::INFINITY,
            shows: f64::INFINITY,
            before: (0.0, f64::INFINITY),
            predicted: f64::INFINITY,
            confirmed: false,
            solved_lambda: f64::NAN,
            nets: 0,
            certificates: 0,
            max_len,
            entries: max_entries(problem.atoms(), settings.memory),
            samples: 0,
            history: Vec::new(),
            ended: None,
            whole: false,
            rows: 256,
            delta: FIRST_DELTA,
            level: 0,
        }
    }

    /// Number of points of a finite source that is small enough to be used whole.
    pub(super) fn cloud_len(&self) -> Option<usize> {
        self.problem.source.cloud().map(|c| c.len()).filter(|&len| len <= self.max_len.max(FIRST))
    }

    pub(super) fn whole_net(&self) -> Option<Net> {
        let cloud = self.problem.source.cloud()?;
        Some(Net::whole(cloud.points(), cloud.weights(), self.problem.dim))
    }

    /// A new net of `len` samples: the whole source if it has hardly more points than that.
    pub(super) fn net(&mut self, len: usize) -> Result<Net> {
        self.nets += 1;
        if let Some(cloud) = self.cloud_len()
            && cloud <= 2 * len
            && let Some(net) = self.whole_net()
        {
            self.whole = true;
            self.samples += net.len as u64;
            return Ok(net);
        }
        self.whole = false;
        self.samples += len as u64;
        Net::draw(self.problem, self.settings.seed, purpose::SOLVER + self.nets, len)
    }

    /// Down to the λ of the problem, coarsely, and with merged atoms as long as λ blurs them; from the beginning, or from
    /// a stage of a run that was taken up again.
    fn anneal(&mut self, levels: &'a [Level], resumed: Option<f64>) -> Result<()> {
        let full = self.full;
        let target = full.lambda;
        let first =
            if full.is_smooth { target.max(FIRST_LAMBDA.0 * full.unit) } else { FIRST_LAMBDA.1 * full.unit };
        let stages = if full.is_smooth {
            ((first / target).ln() / FACTOR.ln()).ceil().max(0.0)
        } else {
            (1.0 / (0.05 * self.settings.tolerance)).ln() / FACTOR.ln()
        };
        if resumed.is_none() {
            self.lambda = first;
            self.enter(levels, 0);
            self.phi = vec![0.0; self.problem.atoms()];
            // As λ → ∞ the weights are ν where φ_i = λf'(ν_i/η_i).
            self.add_marginal_slopes(first);
        }
        let mut stage = resumed.unwrap_or(0.0);
        // The last λ of a smooth problem is left to `finish`.
        while !full.is_smooth || self.lambda > target {
            self.offer(Place::Anneal(stage));
            let fraction = 0.3 * (stage / (stages + 1.0)).min(1.0);
            // An atom that stands alone among merged ones needs samples of its own, once λ no longer blurs it.
            let least = if levels.is_empty() {
                FIRST
            } else {
                (PER_LONE_ATOM * full.atoms()).min(PER_MERGED_ATOM * self.problem.atoms())
            };
            let len = self.enough(COARSE_PER_ATOM, least)?;
            let gap = self.net_solve(len, Effort::Coarse, fraction)?;
            let last = (gap <= 0.25 * self.settings.tolerance * full.unit && self.is_resolved())
                || self.lambda <= LEAST_LAMBDA * full.unit;
            if self.ended.is_some() || (!full.is_smooth && last && self.level == levels.len()) {
                break;
            }
            stage += 1.0;
            let next = if full.is_smooth { (self.lambda / FACTOR).max(target) } else { self.lambda / FACTOR };
            // Scores of the atoms that share in a sample differ by about this at the next λ.
            let blur = self.blur * next / self.lambda;
            let finer = (self.level..levels.len()).find(|&l| levels[l].scatter <= blur);
            self.refine(levels, finer.unwrap_or(levels.len()), next)?;
            self.choose_ridge();
        }
        self.refine(levels, levels.len(), self.lambda)
    }

    /// Whether less smoothing would change no atom's share: it no longer shows, or it is all that shares out what atoms tie
    /// for. That is so where the source is finite, and where neither more atoms share in a sample than at the λ before nor
    /// smoothing shows less.
    fn is_resolved(&self) -> bool {
        let (shared, showed) = self.before;
        let stays = self.shared <= TIED.0 * shared && self.shows >= TIED.1 * showed;
        self.shows <= RESOLVED * self.settings.tolerance || stays || self.cloud_len().is_some()
    }

    /// Whether the user's own weights are those that have the marginal, without smoothing.
    pub(super) fn is_sharp(&self) -> bool {
        !self.problem.is_smooth && self.cloud_len().is_none() && self.shows <= self.settings.tolerance
    }

    /// Makes a level the problem, or, past the last of them, the full one.
    pub(super) fn enter(&mut self, levels: &'a [Level], level: usize) {
        self.level = level;
        self.problem = levels.get(level).map_or(self.full, |level| &level.problem);
    }

    /// From the atoms of one level to those of a finer one, or, past the last level, to all; and to the next λ.
    fn refine(&mut self, levels: &'a [Level], to: usize, lambda: f64) -> Result<()> {
        let from = self.level;
        let slopes = if from < to {
            let len = if self.ended.is_some() { FIRST } else { self.len.max(FIRST) };
            let mut net = self.net(len)?;
            let want = Want { slopes: true, ..Want::default() };
            pass(self.problem, &mut net, &self.phi, self.lambda, want).slopes
        } else {
            Vec::new()
        };
        // What remains of φ as λ falls, or atoms are split, is what is left without λf'(ν/η).
        self.add_marginal_slopes(-self.lambda);
        if from < to {
            self.phi = levels[from].refine(&self.phi, &slopes, levels.get(to), self.full);
            self.enter(levels, to);
        }
        self.add_marginal_slopes(lambda);
        self.lambda = lambda;
        self.before = if from < to { (0.0, f64::INFINITY) } else { (self.shared, self.shows) };
        self.shows = f64::INFINITY;
        Ok(())
    }

    /// φ_i ← φ_i + `times`·f'(ν_i/η_i).
    fn add_marginal_slopes(&mut self, times: f64) {
        let problem = self.problem;
        for (i, phi) in self.phi.iter_mut().enumerate() {
            let slope = problem
                .smooth
                .marginal(i)
                .unwrap_or(&*problem.smooth)
                .f_prime(problem.nu[i] / problem.eta[i]);
            if slope.is_finite() {
                *phi += times * slope;
            }
        }
        center(&mut self.phi);
    }

    /// How many samples the atoms ask for at the current λ and potentials: so many for each that shares in
    /// a sample.
    fn enough(&mut self, per_atom: f64, least: usize) -> Result<usize> {
        let mut net = self.net(PROBE)?;
        let want = Want { rows: PROBE, ..Want::default() };
        let probe = pass(self.problem, &mut net, &self.phi, self.lambda, want);
        // Atoms of tiny weight look more important than they are before their potentials are right.
        let shared = probe.effective_atoms.min(GROWTH * self.shared);
        self.rows = rows_guessed(&probe, shared, self.entries);
        let wanted = per_atom * shared;
        Ok((wanted as usize).next_power_of_two().clamp(least, self.max_len.max(least)))
    }

    /// For non-smooth divergences, whose optimal potentials need not be unique: the ε of −(ε/2)‖φ‖² that
    /// picks the one of least norm and moves marginal and value by less than a twentieth of the tolerance.
    fn choose_ridge(&mut self) {
        if self.problem.is_smooth {
            return;
        }
        let norm1: f64 = self.phi.iter().map(|p| p.abs()).sum();
        let square = simd::dot(&self.phi, &self.phi);
        let tolerance = 0.05 * self.settings.tolerance;
        let by_marginal = tolerance / norm1.max(self.problem.unit);
        let by_value = tolerance * self.problem.unit / square.max(self.problem.unit * self.problem.unit);
        self.ridge = by_marginal.min(by_value);
    }

    /// Improves the potentials on a new net of `len` samples. Returns how far the smoothing shows in the
    /// value: E[exact smooth maximum − Σ p u]; 0 for a smooth problem.
    fn net_solve(&mut self, len: usize, effort: Effort, fraction: f64) -> Result<f64> {
        let problem = self.problem;
        let started = self.control.seconds();
        let mut net = self.net(len.min(self.max_len))?;
        let tolerance = self.settings.tolerance;
        let size = net.len as f64;
        let whole = self.whole;
        let done = |p: &Pass| match effort {
            // A finite source is a polyhedral problem in the limit, to be tracked more closely.
            Effort::Coarse if whole => chi2(&p.q, &problem.nu) <= 1e-3,
            // A few atoms that are far off must not hold up the others.
            Effort::Coarse => chi2(&p.q, &problem.nu) <= 0.02 || l1(&p.q, &problem.nu) <= 0.02,
            // Far enough below the noise of the sample, or, without noise, below the tolerance.
            Effort::Full => {
                let noise = if whole { 0.0 } else { (p.effective_atoms / size).sqrt() };
                // Few atoms of little mass, but far off, show in the second only.
                l1(&p.q, &problem.nu) <= (0.15 * noise).max(0.1 * tolerance)
                    && chi2(&p.q, &problem.nu) <= (0.5 * noise).max(0.7 * tolerance).powi(2)
            }
        };
        let task = Task {
            lambda: self.lambda,
            ridge: self.ridge,
            max_iterations: (if effort == Effort::Coarse { 12 } else { 30 }) * if whole { 8 } else { 1 },
            delta: if self.solved_lambda == self.lambda { self.delta } else { self.first_delta() },
            rows: self.rows,
            entries: self.entries,
            first: Want { exact: true, ..Want::default() },
            left_out: LEFT_OUT * tolerance,
            must: false,
            done: &done,
            progress: Progress {
                phase: "solving",
                fraction,
                samples: self.samples,
                error: 1.0,
                target: tolerance,
                iterate: &[],
            },
        };
        let mut control = self.control.within(self.solving_until());
        let solved = match solve_net(problem, &mut net, &mut self.phi, &task, &mut control)? {
            Ok(solved) => solved,
            Err(ended) => {
                self.ended = Some(ended);
                return Ok(f64::INFINITY);
            }
        };
        // The old potentials erred by about the noise of the net before, and were tested with the noise of
        // this one; the new ones err by this one's.
        let tested = l1(&solved.first.q, &problem.nu);
        let growth = net.len as f64 / self.len.max(1) as f64;
        let last = &solved.last;
        self.confirmed = self.solved_lambda == self.lambda;
        self.predicted = if self.confirmed {
            tested / (1.0 + growth).sqrt()
        } else {
            // A guess: independent samples would err by twice as much.
            0.4 * (last.effective_atoms / net.len as f64).sqrt()
        };
        self.history.push(HistoryPoint {
            samples: self.samples,
            seconds: self.control.seconds(),
            lambda: self.lambda,
            value: simd::dot(&problem.nu, &self.phi) - last.smoothmax,
            marginal_l1: l1(&last.q, &problem.nu),
            marginal_chi2: chi2(&last.q, &problem.nu),
        });
        self.ended = solved.ended;
        self.delta = solved.delta.min(self.first_delta());
        self.len = net.len;
        self.solved_lambda = self.lambda;
        self.shared = last.effective_atoms;
        self.blur = last.hard - last.linear;
        self.shows = if problem.is_smooth { 0.0 } else { shows(last, &problem.nu, net.len) };
        self.rows = rows_wanted(last, net.len, self.entries);
        self.seconds = self.control.seconds() - started;
        Ok(if problem.is_smooth { 0.0 } else { last.exact - last.linear })
    }

    /// Damping to start with: modes that reach over the whole of the measure bend by about λ over the spread.
    fn first_delta(&self) -> f64 {
        FIRST_DELTA * (self.lambda / (FIRST_LAMBDA.0 * self.full.unit)).min(1.0)
    }

    /// At the final λ: growing nets and certificates, until the tolerance holds or a budget is spent.
    fn finish(&mut self, place: Option<Place>) -> Result<(Evidence, Status, Certified)> {
        let tolerance = self.settings.tolerance;
        let unit = self.problem.unit;
        // A certificate that was begun before is ended first.
        let (finish, mut drawn) = match place {
            Some(Place::Grow(finish)) => (Some(finish), None),
            Some(Place::Certify(finish, drawn)) => (finish, Some(drawn)),
            _ => (None, None),
        };
        let Finish { mut len, enough, mut certificate_len, mut best, mut grow } = match finish {
            Some(finish) => finish,
            None => {
                let least = if self.level > 0 { PER_LONE_ATOM * self.full.atoms() } else { 0 };
                let least = least.max(FIRST_FULL);
                let len = if self.ended.is_some() { FIRST } else { self.enough(PER_ATOM, least)? };
                let grow = self.ended.is_none();
                Finish { len, enough: len, certificate_len: 0, best: None, grow }
            }
        };
        loop {
            while grow && self.ended.is_none() && drawn.is_none() {
                self.offer(Place::Grow(Finish { len, enough, certificate_len, best: best.clone(), grow }));
                let fraction = 0.3 + 0.4 * (tolerance / self.predicted.max(tolerance)).sqrt();
                self.net_solve(len, Effort::Full, fraction)?;
                len = self.len;
                let blurs =
                    !self.problem.is_smooth && !self.is_resolved() && self.lambda > LEAST_LAMBDA * unit;
                let accurate = self.confirmed && self.predicted <= 0.8 * tolerance && !blurs;
                if self.whole || accurate || self.ended.is_some() {
                    break;
                }
                if len >= self.max_len {
                    self.ended = Some(Status::MaxIterations);
                    break;
                }
                let Some(next) = self.next_len(len) else {
                    self.ended = Some(Status::MaxTime);
                    break;
                };
                len = next;
                if blurs {
                    self.refine(&[], self.level, self.lambda / FACTOR)?;
                }
            }
            // Where nothing is fitted to them, nets need not see every atom.
            let fitted = self.whole || !mends(self.problem);
            certificate_len = certificate_len
                .max((self.len / 4).next_power_of_two())
                .max(if fitted { enough } else { 0 })
                .max(FIRST)
                .min(self.max_len);
            let finish = Finish { len, enough, certificate_len, best: best.clone(), grow };
            let evidence = self.certificate(certificate_len, Some(finish), drawn.take())?;
            let l1_holds = evidence.marginal.l1 <= tolerance;
            let lower_holds = 2.0 * evidence.lower_noise <= tolerance * unit;
            let width_holds = evidence.interval.width() <= tolerance * unit;
            if l1_holds && width_holds {
                return Ok((evidence, Status::Converged, Certified::Interval));
            }
            let stopped = self.ended.or(evidence.ended);
            // What would help: a larger net (the potentials are off), or a larger certificate.
            let true_error = evidence.marginal.chi2.max(0.0).sqrt();
            grow = !l1_holds && !self.whole && true_error > 0.7 * tolerance && self.len < self.max_len;
            let wanted = if grow {
                certificate_len
            } else {
                let by_gap = evidence.gap / (0.5 * tolerance * unit);
                let by_noise = (2.0 * evidence.lower_noise / (0.7 * tolerance * unit)).powi(2);
                let by_marginal = (evidence.marginal.l1 / (0.9 * tolerance)).powi(2);
                let needed =
                    if l1_holds { by_gap.max(by_noise) } else { by_gap.max(by_noise).max(by_marginal) };
                (certificate_len as f64 * needed.clamp(2.0, 64.0)) as usize
            };
            let share = wanted as f64 / certificate_len as f64;
            let reachable = wanted <= self.max_len && self.affordable_certificate(share);
            let certified = if l1_holds && lower_holds { Certified::LowerSide } else { Certified::Nothing };
            let status = if certified == Certified::LowerSide {
                Status::Converged
            } else {
                stopped.unwrap_or(if self.whole { Status::Stalled } else { Status::MaxIterations })
            };
            let better = best.as_ref().is_none_or(|(e, ..)| evidence.interval.width() <= e.interval.width());
            let current = (evidence, status, certified);
            let keep = better || current.2 != Certified::Nothing;
            if keep {
                best = Some(current.clone());
            }
            if stopped.is_some() || self.whole || (!grow && !reachable) {
                return Ok(best.unwrap_or(current));
            }
            if grow {
                if !self.affordable(4.0, SOLVE_SHARE) {
                    let (e, s, c) = best.unwrap_or(current);
                    return Ok((e, if c == Certified::LowerSide { s } else { Status::MaxTime }, c));
                }
                len = (4 * self.len).min(self.max_len);
            } else {
                certificate_len = wanted.next_power_of_two().min(self.max_len);
            }
        }
    }

    /// Samples of the net after one of `len`: as many as the predicted error asks for, from twice to eight
    /// times as many, or as the time budget allows; none if it does not allow twice.
    fn next_len(&self, len: usize) -> Option<usize> {
        // Between independent samples, whose error falls like m^-1/2, and the best case, m^-1.
        let wanted = (self.predicted / (0.6 * self.settings.tolerance)).clamp(1.0, 4.0).powf(1.5);
        let affordable = match self.settings.max_seconds {
            None => f64::INFINITY,
            Some(limit) => (SOLVE_SHARE * limit - self.control.seconds()) / self.seconds.max(1e-9),
        };
        let times = wanted.min(affordable).log2().round().clamp(1.0, 3.0).exp2();
        (times <= affordable.max(1.0)).then(|| (len * times as usize).min(self.max_len))
    }

    /// Whether a net `times` as large as the last can be solved within `share` of the time budget.
    fn affordable(&self, times: f64, share: f64) -> bool {
        match self.settings.max_seconds {
            None => true,
            Some(limit) => self.control.seconds() + times * self.seconds <= share * limit,
        }
    }

    fn affordable_certificate(&self, times: f64) -> bool {
        match self.settings.max_seconds {
            None => true,
            Some(limit) => self.control.seconds() + times * self.seconds <= 0.9 * limit,
        }
    }

    pub(crate) fn solution(
        mut self,
        owner: &SemiDiscrete,
        evidence: &Evidence,
        status: Status,
        certified: Certified,
        solver: &str,
    ) -> Solution {
        let problem = self.problem;
        center(&mut self.phi);
        let mut potential = vec![None; problem.total];
        for (&i, &p) in problem.active.iter().zip(&self.phi) {
            potential[i as usize] = Some(p);
        }
        let (pairs, all_pairs) = problem.work.get();
        let gap = bounds::regularisation_gap(&*problem.divergence, &problem.eta, problem.lambda);
        Solution {
            status,
            certified,
            value: evidence.value,
            interval: evidence.interval,
            bounds: evidence.bounds,
            regularisation_gap: gap.ok().map(|g| g.upper),
            potential,
            marginal_error: evidence.marginal,
            samples: self.samples,
            pairs,
            all_pairs,
            seconds: self.control.seconds(),
            tolerance: self.settings.tolerance,
            cost_spread: problem.spread,
            lambda: problem.is_smooth.then_some(problem.lambda),
            smoothing: (!problem.is_smooth && !evidence.sharp).then_some(self.lambda),
            divergence: owner.divergence().name(),
            cost: owner.cost().name(),
            source: problem.source.name(),
            solver: solver.to_owned(),
            seed: self.settings.seed,
            history: self.history,
            asgd: None,
        }
    }
}

/// Square root of the χ² between the marginals of the smoothed weights and of the user's own, without what independent
/// samples would add to it.
fn shows(pass: &Pass, nu: &[f64], len: usize) -> f64 {
    let terms = pass.q.iter().zip(&pass.exact_q).zip(nu);
    let square: f64 = terms.map(|((q, exact), nu)| (q - exact) * (q - exact) / nu).sum();
    (square - pass.exact_squares / len as f64).max(0.0).sqrt()
}
