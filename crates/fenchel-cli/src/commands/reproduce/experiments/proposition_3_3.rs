//! Proposition 3.3: what regularisation costs, against the truth.

use super::super::findings::{Claim, Findings, Picture, Table};
use super::super::lab::Lab;
use super::{Experiment, SEMI_DISCRETE, Takes};
use crate::failure::Result;
use crate::picture::{Axis, Chart, LINES, Panel, Series, Style};
use crate::report::significant;
use fenchel::Error;
use fenchel::bounds::{Bracket, check_feasible, regularisation_gap};
use fenchel::cost;
use fenchel::divergence::{Divergence, parse, registry};
use fenchel::measure::{PointCloud, normal_quantile, stream};
use fenchel::transport::{Lambda, SemiDiscrete, Settings};
use std::sync::Arc;

/// The bounds, for every divergence there is.
pub const EXPERIMENT: Experiment = Experiment {
    name: "proposition-3.3",
    title: "Proposition 3.3: how far regularisation moves the optimal cost, against its bound",
    paper: SEMI_DISCRETE,
    takes: Takes::Nothing,
    run,
};

/// A problem on the line.
struct Line {
    atoms: Vec<f64>,
    nu: Vec<f64>,
    /// W, exact.
    cost: f64,
}

/// W_λ − W, certified, and the bound.
struct Trial {
    divergence: usize,
    n: usize,
    lambda: f64,
    gap: Bracket,
    /// None where it is infinite.
    bound: Option<Bracket>,
}

impl Trial {
    /// Whether all of the interval is within the bound, up to rounding. A bound that leaves no room at all is met if
    /// it is inside the interval.
    fn holds(&self) -> bool {
        self.bound.is_none_or(|b| {
            if b.width() == 0.0 {
                return self.gap.contains(b.lower, self.slack()) && self.gap.width() < 1e-6;
            }
            b.lower - self.slack() <= self.gap.lower && self.gap.upper <= b.upper + self.slack()
        })
    }

    /// Whether even the nearer end of the interval is outside.
    fn refutes(&self) -> bool {
        self.bound.is_some_and(|b| {
            self.gap.upper < b.lower - self.slack() || self.gap.lower > b.upper + self.slack()
        })
    }

    fn slack(&self) -> f64 {
        1e-10 * (1.0 + self.lambda)
    }
}

fn run(lab: &Lab) -> Result<Findings> {
    let points = lab.pick(64, 256, 512);
    let sizes: &[usize] = lab.pick(&[2, 8], &[2, 4, 8, 16], &[2, 3, 4, 6, 8, 11, 16]);
    let lambdas: &[f64] = lab.pick(
        &[0.01, 1.0],
        &[0.001, 0.01, 0.1, 1.0, 10.0],
        &[0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0],
    );
    let divergences: Vec<Arc<dyn Divergence>> =
        registry().iter().flat_map(|e| e.examples).map(|name| parse(name)).collect::<fenchel::Result<_>>()?;
    // Midpoints of quantile cells: a finite measure, so that nothing below is an estimate.
    let xs: Vec<f64> = (0..points).map(|i| normal_quantile((i as f64 + 0.5) / points as f64)).collect();
    let lines: Vec<Line> = sizes.iter().map(|n| line(lab.seed(), *n, &xs)).collect();
    let of = |i: usize| {
        (i / lambdas.len() / sizes.len(), i / lambdas.len() % sizes.len(), lambdas[i % lambdas.len()])
    };
    let all = lab.each("problems", divergences.len() * sizes.len() * lambdas.len(), |i| {
        let (d, s, lambda) = of(i);
        trial(lab, &divergences, d, &lines[s], lambda, &xs)
    })?;
    let trials: Vec<Trial> = all.into_iter().flatten().collect();
    let infeasible = divergences.len() * sizes.len() * lambdas.len() - trials.len();

    let mut findings = Findings {
        setup: vec![format!(
            "A standard Gaussian on the line, as {points} points of the same mass, is moved to N random atoms with random \
             masses ν, squared cost, uniform reference η; N from {} to {}, λ from {} to {}; every divergence of `fenchel \
             list` with several parameters. The source is finite, so nothing is an estimate: W is the cost of the monotone \
             coupling, summed exactly, and W_λ lies between the values of a primal and a dual solution, without any \
             confidence level. {infeasible} problems of {} have no solution, since a divergence that caps p_i/η_i below \
             ν_i/η_i does not allow their marginals.",
            sizes[0],
            sizes[sizes.len() - 1],
            lambdas[0],
            lambdas[lambdas.len() - 1],
            infeasible + trials.len()
        )],
        ..Findings::default()
    };
    for entry in registry() {
        let of =
            |t: &&Trial| entry.name == divergences[t.divergence].name().split(':').next().unwrap_or_default();
        let infeasible =
            entry.examples.len() * sizes.len() * lambdas.len() - trials.iter().filter(of).count();
        findings.claims.push(claim(
            entry.name,
            entry.examples,
            &trials.iter().filter(of).collect::<Vec<_>>(),
            infeasible,
        ));
    }
    closed_forms(lab, &mut findings)?;
    tables(&mut findings, &divergences, &trials);
    findings.pictures.push(picture(&divergences, &trials, sizes));
    Ok(findings)
}

/// Random atoms and masses on the line, and the exact cost of the monotone coupling.
fn line(seed: u64, n: usize, xs: &[f64]) -> Line {
    let mut rng = stream(seed, 300, n as u64);
    let mut atoms: Vec<f64> = (0..n).map(|_| 1.5 * rng.normal()).collect();
    atoms.sort_by(f64::total_cmp);
    let mut nu: Vec<f64> = (0..n).map(|_| 0.5 + rng.uniform()).collect();
    let total: f64 = nu.iter().sum();
    nu.iter_mut().for_each(|v| *v /= total);
    let each = 1.0 / xs.len() as f64;
    let (mut cost, mut i, mut left) = (0.0, 0, nu[0]);
    for x in xs {
        let mut mass = each;
        // The last atom takes what rounding leaves.
        while mass > 0.0 {
            let moved = if i + 1 == n { mass } else { mass.min(left) };
            cost += moved * (x - atoms[i]) * (x - atoms[i]);
            mass -= moved;
            left -= moved;
            if left <= 0.0 && i + 1 < n {
                i += 1;
                left = nu[i];
            }
        }
    }
    Line { atoms, nu, cost }
}

/// None where the divergence does not allow the marginals.
fn trial(
    lab: &Lab,
    divergences: &[Arc<dyn Divergence>],
    d: usize,
    line: &Line,
    lambda: f64,
    xs: &[f64],
) -> Result<Option<Trial>> {
    let (div, n) = (&divergences[d], line.atoms.len());
    let eta = vec![1.0 / n as f64; n];
    if check_feasible(&**div, &line.nu, &eta).is_err() {
        return Ok(None);
    }
    let bound = match regularisation_gap(&**div, &eta, lambda) {
        Ok(bound) => Some(bound),
        Err(Error::Unbounded { .. }) => None,
        Err(e) => return Err(e.into()),
    };
    let problem = SemiDiscrete::new(
        Arc::new(PointCloud::new(1, xs.to_vec())?),
        PointCloud::weighted(1, line.atoms.clone(), line.nu.clone())?,
        cost::parse("sqeuclidean")?,
        div.clone(),
        Lambda::Absolute(lambda),
    )?;
    let settings = Settings { tolerance: 1e-7, ..Settings::default() };
    let interval = lab.solve(&problem, &settings)?.interval;
    let gap = Bracket { lower: interval.lower - line.cost, upper: interval.upper - line.cost };
    Ok(Some(Trial { divergence: d, n, lambda, gap, bound }))
}

fn claim(name: &str, examples: &[&str], these: &[&Trial], infeasible: usize) -> Claim {
    let informed: Vec<&&Trial> = these.iter().filter(|t| t.bound.is_some()).collect();
    let share = |t: &Trial| t.bound.map_or(0.0, |b| if b.upper > 0.0 { t.gap.upper / b.upper } else { 0.0 });
    let most = informed.iter().map(|t| share(t)).fold(0.0, f64::max);
    let width = informed.iter().map(|t| t.gap.width()).fold(0.0, f64::max);
    let refuted = informed.iter().filter(|t| t.refutes()).count();
    let unclear = informed.iter().filter(|t| !t.holds() && !t.refutes()).count();
    let silent = these.len() - informed.len();
    let mut measured = format!(
        "{} of {} problems ({}) within the bound, W_λ known to {} or better",
        informed.iter().filter(|t| t.holds()).count(),
        informed.len(),
        examples.join(", "),
        significant(width, 1),
    );
    if most > 0.0 {
        measured.push_str(&format!("; W_λ − W is at most {} of the bound", significant(most, 4)));
    }
    measured.push('.');
    if infeasible > 0 {
        measured.push_str(&format!(" {infeasible} problems have no solution."));
    }
    if silent > 0 {
        measured.push_str(&format!(
            " On {silent} more the bound is infinite and says nothing: 1/η_i exceeds the cap, no atom can have all weight."
        ));
    }
    let place = format!("Proposition 3.3, {name}");
    let statement =
        "W_λ − W is at least λ min_p D_f(p‖η) and at most λ max_i {η_i f(1/η_i) + f(0)(1 − η_i)}.";
    let criterion = "the certified interval of W_λ, less the exact W, lies within the bound on every problem; where the \
                     bound is 0, the interval contains W and is narrower than 1e-6";
    Claim::new(&place, statement, criterion, measured, refuted == 0 && unclear == 0)
        .because("A certified value is outside the bound: the table has the problem.")
        .unless(
            refuted == 0 && unclear > 0,
            "A certified interval reaches across the bound: the solver ended before it was narrow.",
        )
        .unless(informed.is_empty(), "The bound is infinite on every problem, or no problem is feasible.")
}

/// The remarks after Example 3.12 on the two bounds in closed form.
fn closed_forms(lab: &Lab, findings: &mut Findings) -> Result<()> {
    let (kl, chi2) = (parse("kl")?, parse("chi2")?);
    let (mut wrong, mut least) = (0.0_f64, f64::INFINITY);
    let trials = lab.pick(100, 1000, 10_000);
    for row in 0..trials {
        let mut rng = stream(lab.seed(), 301, row);
        let n = 2 + rng.below(40) as usize;
        let lambda = 10f64.powf(-2.0 + 3.0 * rng.uniform());
        let mut eta: Vec<f64> = (0..n).map(|_| 1e-6 + rng.exponential()).collect();
        let total: f64 = eta.iter().sum();
        eta.iter_mut().for_each(|e| *e /= total);
        let smallest = eta.iter().copied().fold(1.0, f64::min);
        let count = n as f64;
        for (div, at, uniform) in [
            (&kl, lambda * (1.0 / smallest).ln(), lambda * count.ln()),
            (&chi2, lambda * (1.0 / smallest - 1.0), lambda * (count - 1.0)),
        ] {
            let bound = regularisation_gap(&**div, &eta, lambda)?.upper;
            wrong = wrong.max((bound - at).abs() / at);
            least = least.min(bound / uniform);
        }
    }
    let statement = "For the entropic regulariser the bound is max_i λ log(1/η_i), for χ² max_i λ(1/η_i − 1); both are least \
                     at η_i = 1/N, λ log N and λ(N − 1), and so grow logarithmically and linearly with N.";
    let measured = format!(
        "On {trials} random η the general bound differs from these by at most {} of it, and is at least {} times the one at \
         η_i = 1/N.",
        significant(wrong, 1),
        significant(least, 4)
    );
    let criterion = "the relative difference is below 1e-12 and the ratio never below 1 by more than 1e-12";
    let holds = wrong < 1e-12 && least >= 1.0 - 1e-12;
    findings.claims.push(Claim::new("End of section 3", statement, criterion, measured, holds));
    Ok(())
}

fn tables(findings: &mut Findings, divergences: &[Arc<dyn Divergence>], trials: &[Trial]) {
    let mut table = Table::new(
        "gaps",
        "W_λ − W, certified from both sides, and the bound (empty where infinite)",
        &["divergence", "N", "λ", "lower", "upper", "bound below", "bound above", "within"],
    );
    for t in trials {
        let (below, above) = t.bound.map_or((f64::NAN, f64::NAN), |b| (b.lower, b.upper));
        table.row([
            divergences[t.divergence].name().into(),
            t.n.into(),
            t.lambda.into(),
            t.gap.lower.into(),
            t.gap.upper.into(),
            below.into(),
            above.into(),
            if t.bound.is_none() {
                "no bound"
            } else if t.holds() {
                "yes"
            } else {
                "no"
            }
            .into(),
        ]);
    }
    findings.tables.push(table);
}

fn picture(divergences: &[Arc<dyn Divergence>], trials: &[Trial], sizes: &[usize]) -> Picture {
    let mut chart = Chart::new(4, 225.0, 190.0);
    let shown = [sizes[0], sizes[sizes.len() / 2], sizes[sizes.len() - 1]];
    for (d, div) in divergences.iter().enumerate() {
        let mut panel = Panel::new(div.name(), Axis::log("λ"), Axis::log("W_λ − W").over(1e-5, 1e3));
        let mut any = false;
        for (k, n) in shown.iter().enumerate() {
            let these: Vec<&Trial> = trials.iter().filter(|t| t.divergence == d && t.n == *n).collect();
            let bound = these.iter().filter_map(|t| t.bound.map(|b| (t.lambda, b.upper))).collect();
            let middle = these.iter().map(|t| (t.lambda, 0.5 * (t.gap.lower + t.gap.upper)));
            let band = these.iter().map(|t| (t.lambda, t.gap.lower, t.gap.upper)).collect();
            any |= these.iter().any(|t| t.gap.upper > 1e-5);
            panel.add(Series::new(format!("N = {n}"), Style::line(LINES[k]), middle.collect()).band(band));
            panel.add(Series::new("", Style::dashed(LINES[k]), bound));
        }
        panel.add(Series::new("bound", Style::dashed(LINES[6]), Vec::new()));
        // Those that cost nothing have nothing to show.
        if any {
            chart.add(if d == 1 { panel } else { panel.without_legend() });
        }
    }
    Picture {
        name: "gaps",
        caption: "How far regularisation moves the optimal cost, W_λ − W (solid), and the bound of Proposition 3.3 (dashed, \
                  where it is finite), over λ, one panel for each divergence. Divergences with f(1) > 0 have a cost even \
                  where the plan is independent; those without regularisation cost nothing and are left out."
            .into(),
        alt: "A grid of panels on logarithmic axes. In each, three solid curves of the cost of regularisation rise with λ \
              and level off, below dashed straight lines of the bound, which they touch for small λ."
            .into(),
        drawing: chart.draw(),
    }
}
