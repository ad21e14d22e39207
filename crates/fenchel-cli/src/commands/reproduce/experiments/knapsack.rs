//! Section 2: the volume of a knapsack polytope by a noisy binary search on top of transport distances.

use super::super::findings::{Claim, Findings, Picture, Table};
use super::super::lab::Lab;
use super::polytope::Polytope;
use super::{Experiment, SEMI_DISCRETE, Takes};
use crate::failure::Result;
use crate::picture::{Axis, Chart, LINES, Panel, Series, Style};
use crate::report::significant;
use fenchel::cost;
use fenchel::divergence::Unregularised;
use fenchel::measure::{PointCloud, Sobol, UniformBox, stream};
use fenchel::transport::{Lambda, SemiDiscrete, Settings, Solution};
use std::sync::Arc;

/// Lemma 2.4, Algorithm 3 with the solver as its inexact oracle, and at the accuracy of Corollary 2.5.
pub const EXPERIMENT: Experiment = Experiment {
    name: "knapsack",
    title: "Section 2: volumes of knapsack polytopes from transport distances, by noisy binary search",
    paper: SEMI_DISCRETE,
    takes: Takes::Nothing,
    run,
};

/// Weights and twice the right-hand side of the polytopes {x in the unit cube : w·x ≤ b}.
const POLYTOPES: [(&[i64], i64); 5] =
    [(&[3], 2), (&[1, 2], 2), (&[1, 2, 3], 5), (&[1, 2, 3, 4], 7), (&[1, 1, 2, 3, 5], 13)];

/// The search on 2^L + 1 points: how g(t_l) − g(t_{l−1}) is seen, for l of the path, and where it ends.
struct Search {
    path: Vec<u128>,
    end: u128,
}

/// Algorithm 3: the last l with a_l ≤ 0 but for one step, from L signs of differences of two neighbouring values each.
fn binary_search(levels: u32, mut difference: impl FnMut(u128) -> Result<f64>) -> Result<Search> {
    let (mut lower, mut upper) = (0, 1_u128 << levels);
    let mut path = Vec::new();
    while upper - lower > 1 {
        let middle = lower + (upper - lower) / 2;
        path.push(middle);
        if difference(middle)? <= 0.0 { lower = middle } else { upper = middle }
    }
    Ok(Search { path, end: lower })
}

/// L of Lemma A.1.
fn levels(log2_delta: f64) -> u32 {
    (-log2_delta).ceil() as u32 + 1
}

/// W(μ, ν_t) by the solver, with its interval: as wide as `tolerance` times the costs' spread, if samples allow.
fn distance(lab: &Lab, body: &Polytope, power: &str, t: f64, tolerance: f64, seed: u64) -> Result<Solution> {
    let d = body.w.len();
    let mut atoms = vec![0.0; d];
    atoms.extend(body.w.iter().map(|w| 2.0 * body.b * w / body.norm2));
    let problem = SemiDiscrete::new(
        Arc::new(UniformBox::unit(d)?),
        PointCloud::weighted(d, atoms, vec![t, 1.0 - t])?,
        cost::parse(power)?,
        Arc::new(Unregularised),
        Lambda::Absolute(1.0),
    )?;
    let max_samples = lab.pick(1 << 17, 1 << 20, 1 << 23);
    let settings = Settings { tolerance, seed, max_samples, ..Settings::default() };
    lab.solve(&problem, &settings)
}

fn run(lab: &Lab) -> Result<Findings> {
    let bodies: Vec<Polytope> = POLYTOPES.iter().map(|(w, twice_b)| Polytope::new(w, *twice_b)).collect();
    let mut findings = Findings {
        setup: vec![
            "μ is uniform on the unit cube, ν_t puts t on 0 and 1 − t on 2bw/‖w‖²; the polytope is {x in the cube : w·x ≤ b}. \
             Its volume is exact: inclusion and exclusion over the corners in integers. W(μ, ν_t) comes from the solver with \
             its interval, and for p = 2, where the boundary between the two cells is a hyperplane, from one-dimensional \
             integrals of the section's area as well. Algorithm 3 is written out from the statement of Lemma A.1: on the \
             points t_l = l/2^L, L = ⌈log₂(1/δ)⌉ + 1, it looks for the sign change of g(t_l) − g(t_{l−1}) by halving, two \
             calls of the oracle a step."
                .to_owned(),
        ],
        ..Findings::default()
    };
    volumes(lab, &bodies, &mut findings)?;
    lemma_2_4(lab, &bodies, &mut findings)?;
    with_the_solver(lab, &bodies, &mut findings)?;
    at_the_corollary(lab, &bodies, &mut findings)?;
    Ok(findings)
}

/// The exact volumes against counts of Sobol' points.
fn volumes(lab: &Lab, bodies: &[Polytope], findings: &mut Findings) -> Result<()> {
    let points = lab.pick(1 << 12, 1 << 18, 1 << 22);
    let mut worst = 0.0_f64;
    let mut table = Table::new("volumes", "The polytopes.", &["w", "b", "volume", "counted"]).on_page();
    for body in bodies {
        let d = body.w.len();
        let sobol = Sobol::new(d, lab.seed())?;
        let (mut x, mut inside) = (vec![0.0; d], 0_u64);
        for i in 0..points {
            sobol.fill(i, &mut x);
            inside += u64::from(body.w.iter().zip(&x).map(|(w, x)| w * x).sum::<f64>() <= body.b);
        }
        let counted = inside as f64 / points as f64;
        worst = worst.max((counted - body.volume()).abs());
        table.row([format!("{:?}", body.w).into(), body.b.into(), body.volume().into(), counted.into()]);
    }
    findings.tables.push(table);
    // A halfspace cuts of the order of n^(1 − 1/d) of n cells.
    let allowed = 4.0 * (points as f64).powf(-0.6);
    let volume = Claim::new(
        "Section 2",
        "The volume that everything here is compared with is the polytope's.",
        "counting scrambled Sobol' points gives the same within 4 n^(−0.6)",
        format!(
            "n = {points}: the largest difference is {}, allowed {}.",
            significant(worst, 2),
            significant(allowed, 2)
        ),
        worst <= allowed,
    );
    findings.claims.push(volume.ours());
    Ok(())
}

/// W over t, for p = 1 and 2.
fn lemma_2_4(lab: &Lab, bodies: &[Polytope], findings: &mut Findings) -> Result<()> {
    let steps = lab.pick(6, 10, 40);
    let tolerance = lab.pick(3e-3, 3e-4, 1e-4);
    let powers = ["l2", "sqeuclidean"];
    let mut chart = Chart::new(2, 420.0, 300.0);
    let columns = ["w", "p", "t", "distance", "lower", "upper", "exact", "potential_difference"];
    let mut table = Table::new("distances", "W(μ, ν_t) with 95% intervals; exact for p = 2.", &columns);
    let (mut wrong, mut judged, mut outside, mut worst, mut equal) = (0, 0, 0, 0.0_f64, 0.0_f64);
    for (p, power) in powers.iter().enumerate() {
        let title = if p == 0 { "Cost ‖x − y‖" } else { "Cost ‖x − y‖²" };
        let mut panel =
            Panel::new(title, Axis::linear("t, less the volume"), Axis::linear("W(μ, ν_t) less its minimum"));
        let zero = Style::dotted([96, 96, 96]);
        panel.add(Series::new("volume", zero, vec![(0.0, -0.02), (0.0, 0.5)]));
        for (k, body) in bodies.iter().enumerate() {
            let best = body.volume();
            let mut ts: Vec<f64> = (0..=steps).map(|i| f64::from(i) / f64::from(steps)).collect();
            ts.iter_mut().for_each(|t| *t = t.clamp(1e-3, 1.0 - 1e-3));
            ts.push(best);
            ts.sort_by(f64::total_cmp);
            let name = format!("distances, {title}, w = {:?}", body.w);
            let solved =
                lab.each(&name, ts.len(), |i| distance(lab, body, power, ts[i], tolerance, lab.seed()))?;
            let at_best = ts.iter().position(|t| *t == best).unwrap_or(0);
            let least = solved[at_best].interval;
            let spread = solved[at_best].cost_spread;
            if let [Some(a), Some(b)] = solved[at_best].potential[..] {
                equal = equal.max((a - b).abs() / spread);
            }
            for (t, s) in ts.iter().zip(&solved) {
                let exact = if p == 1 { body.distance(*t) } else { f64::NAN };
                if p == 1 {
                    judged += 1;
                    outside += usize::from(!s.interval.contains(exact));
                    worst = worst.max((s.value - exact).abs() / spread);
                }
                wrong += usize::from(s.interval.upper < least.lower);
                wrong += usize::from((t - best).abs() > 0.1 && s.interval.lower <= least.upper);
                let difference = match s.potential[..] {
                    [Some(a), Some(b)] => a - b,
                    _ => f64::NAN,
                };
                let w = format!("{:?}", body.w);
                let interval = (s.interval.lower.into(), s.interval.upper.into());
                let p = [1_usize, 2][p].into();
                table.row([
                    w.into(),
                    p,
                    (*t).into(),
                    s.value.into(),
                    interval.0,
                    interval.1,
                    exact.into(),
                    difference.into(),
                ]);
            }
            let base = solved[at_best].value;
            let points = ts.iter().zip(&solved).map(|(t, s)| (t - best, s.value - base)).collect();
            let style = Style::line(LINES[k]).with_dots();
            panel.add(Series::new(format!("d = {}", body.w.len()), style, points));
        }
        chart.add(if p == 0 { panel } else { panel.without_legend() });
    }
    findings.tables.push(table);
    findings.claims.push(Claim::new(
        "Lemma 2.4",
        "Vol(P(w, b)) = argmin over t of W(μ, ν_t), for c = ‖x − y‖^p.",
        "no t has an interval below that of t = Vol, and all t further than 0.1 from it have theirs above; p = 1 and 2",
        format!("{wrong} of {} distances, in dimensions 1 to 5, say otherwise.", 2 * bodies.len() * (steps as usize + 2)),
        wrong == 0,
    ));
    findings.claims.push(Claim::new(
        "Lemma 2.4, proof",
        "At t = Vol potentials with φ₁ = φ₂ are optimal.",
        "the solver's potentials there differ by less than three hundredths of the costs' spread (a limit that \
         is not derived: W is flat near its minimum)",
        format!("They differ by {} of it at most.", significant(equal, 2)),
        equal < 0.03,
    ));
    let missed = outside as f64 / f64::from(judged.max(1));
    let oracle = Claim::new(
        "Section 2",
        "The oracle: the solver's 95% interval contains W(μ, ν_t).",
        "for p = 2, no more than 12% of the intervals miss the exact value (were they independent, 60 would miss more often once \
         in a hundred runs), and no value is off by more than twice the tolerance",
        format!(
            "{outside} of {judged} miss ({}%); the largest error is {} of the costs' spread, tolerance {tolerance}.",
            significant(100.0 * missed, 2),
            significant(worst, 2)
        ),
        missed <= 0.12 && worst <= 2.0 * tolerance,
    );
    findings.claims.push(oracle.ours());
    findings.pictures.push(Picture {
        name: "distance-over-t",
        caption: "W(μ, ν_t) over t, moved so that all minima would be at the same place if Lemma 2.4 holds: each curve has its \
                  minimum at the volume of its polytope, computed exactly."
            .to_owned(),
        alt: "Convex curves, one for each dimension from 1 to 5, all lowest where t is the volume".to_owned(),
        drawing: chart.draw(),
    });
    Ok(())
}

/// Algorithm 3 with the solver as oracle, as exact as its ε asks.
fn with_the_solver(lab: &Lab, bodies: &[Polytope], findings: &mut Findings) -> Result<()> {
    let delta_bits = lab.pick(2.0, 4.0, 5.0);
    let steps = levels(-delta_bits);
    let mut chart = Chart::new(1, 620.0, 320.0);
    let mut panel = Panel::new(
        "Noisy binary search, the solver as oracle",
        Axis::linear("step").over(0.8, f64::from(steps) + 3.0),
        Axis::linear("t; without dots: the exact volumes"),
    );
    let columns = ["w", "delta", "levels", "epsilon", "half_width", "found", "volume", "error"];
    let mut table = Table::new("searches", "Algorithm 3 on top of the solver.", &columns).on_page();
    let (mut holds, mut reached) = (true, true);
    for (k, body) in bodies.iter().enumerate() {
        let l = steps;
        let (epsilon, spread) = (body.epsilon(l), body.spread());
        let size = (1_u64 << l) as f64;
        let mut widest = 0.0_f64;
        let search = binary_search(l, |at| {
            let ends = lab.each(&format!("search, w = {:?}", body.w), 2, |i| {
                let at = (at - i as u128) as f64 / size;
                if at == 0.0 || at == 1.0 {
                    return Ok((body.distance(at), 0.0));
                }
                let tolerance = (epsilon / spread).min(1e-2);
                let s = distance(lab, body, "sqeuclidean", at, tolerance, lab.seed() ^ (1 + i as u64))?;
                Ok((s.value, 0.5 * s.interval.width()))
            })?;
            widest = widest.max(ends[0].1).max(ends[1].1);
            Ok(ends[0].0 - ends[1].0)
        })?;
        let (found, delta) = (search.end as f64 / size, (-delta_bits).exp2());
        let error = (found - body.volume()).abs();
        holds &= error <= 2.0 * delta;
        reached &= widest <= epsilon;
        let w = format!("{:?}", body.w);
        let numbers = [delta, f64::from(l), epsilon, widest, found, body.volume(), error].map(Into::into);
        let [a, b, c, d, e, f, g] = numbers;
        table.row([w.into(), a, b, c, d, e, f, g]);
        let mut points: Vec<(f64, f64)> =
            search.path.iter().enumerate().map(|(i, at)| (i as f64 + 1.0, *at as f64 / size)).collect();
        points.push((points.len() as f64 + 1.0, found));
        let level = vec![(1.0, body.volume()), (points.len() as f64, body.volume())];
        panel.add(Series::new("", Style::dotted(LINES[k]), level));
        panel.add(Series::new(format!("d = {}", body.w.len()), Style::line(LINES[k]).with_dots(), points));
    }
    chart.add(panel);
    findings.tables.push(table);
    findings.claims.push(
        Claim::new(
            "Lemma A.1 (ii), Algorithm 3",
            "With an oracle of accuracy ε = ¼ min |g(t_l) − g(t_{l−1})| ≠ 0, 2L calls find the minimiser to within 2δ.",
            "the solver's intervals are at most ±ε, and then the volume found is within 2δ of the exact one",
            format!("δ = 2^−{delta_bits}; all within 2δ: {holds}; all intervals within ±ε: {reached}."),
            holds,
        )
        .unless(!reached, "with the samples allowed the solver did not reach ε"),
    );
    findings.pictures.push(Picture {
        name: "binary-search",
        caption: "The points that the noisy binary search looks at, and its answer, against exact volumes."
            .to_owned(),
        alt: "Lines of dots that settle on the lines of the exact volumes".to_owned(),
        drawing: chart.draw(),
    });
    Ok(())
}

/// δ and ε of Corollary 2.5, and oracles that are off by up to multiples of ε.
fn at_the_corollary(lab: &Lab, bodies: &[Polytope], findings: &mut Findings) -> Result<()> {
    let runs = lab.pick(3, 20, 200);
    let columns = ["w", "levels", "delta", "epsilon", "noise_in_epsilon", "largest_error_in_delta"];
    let mut table =
        Table::new("corollary", "Algorithm 3 at the accuracy of Corollary 2.5.", &columns).on_page();
    let mut chart = Chart::new(2, 420.0, 300.0);
    let mut errors = Panel::new(
        "Error of the volume",
        Axis::log("noise of the oracle, in ε"),
        Axis::log("largest error, in δ"),
    );
    let mut scale = Panel::new("What hardness rests on", Axis::linear("dimension"), Axis::log("δ and ε"));
    let (mut worst, mut small, mut large) = (0.0_f64, Vec::new(), Vec::new());
    for (k, body) in bodies.iter().enumerate() {
        let l = levels(body.log2_delta());
        let (epsilon, delta) = (body.epsilon(l), body.log2_delta().exp2());
        small.push((body.w.len() as f64, epsilon));
        large.push((body.w.len() as f64, delta));
        let mut line = Vec::new();
        for power in 0..=12 {
            let noise = 10f64.powi(power);
            let ends = lab.each("Corollary 2.5", runs, |run| {
                let mut rng = stream(lab.seed(), 700 + k as u64, (run * 64 + power as usize) as u64);
                // The worst that an oracle may do: off by all of ε, either way.
                let mut off = || if rng.uniform() < 0.5 { -noise * epsilon } else { noise * epsilon };
                let search = binary_search(l, |at| Ok(body.difference(at, l) + (off() - off())))?;
                Ok(body.error(search.end, l) / delta)
            })?;
            let most = ends.into_iter().fold(0.0, f64::max);
            if power == 0 {
                worst = worst.max(most);
            }
            line.push((noise, most.max(1e-3)));
            let w = format!("{:?}", body.w);
            table.row([w.into(), l.into(), delta.into(), epsilon.into(), noise.into(), most.into()]);
        }
        errors.add(Series::new(format!("d = {}", body.w.len()), Style::line(LINES[k]).with_dots(), line));
    }
    errors.add(Series::new("2δ", Style::dotted([96, 96, 96]), vec![(1.0, 2.0), (1e12, 2.0)]));
    scale.add(Series::new("δ", Style::line(LINES[0]).with_dots(), large));
    scale.add(Series::new("ε", Style::line(LINES[1]).with_dots(), small.clone()));
    chart.add(errors);
    chart.add(scale);
    table.shown = false;
    findings.tables.push(table);
    findings.claims.push(Claim::new(
        "Corollary 2.5",
        "From distances that are exact to ε the volume follows to 2δ, δ = (6 d! (‖w‖₁ + 2)^d (d + 1)^(d+1) Πw_i)⁻¹, with 2L calls.",
        "in every run, with oracles off by +ε or −ε at random, the error is at most 2δ after L steps of two calls",
        format!(
            "{runs} runs for each polytope: the largest error is {} δ. ε is {} in dimension 1 and {} in \
             dimension 5.",
            significant(worst, 3),
            significant(small[0].1, 2),
            significant(small[small.len() - 1].1, 2)
        ),
        worst <= 2.0,
    ));
    findings.pictures.push(Picture {
        name: "corollary-2-5",
        caption: "Left: oracles noisier than ε lead the search astray, farther than the 2δ of the corollary (dots). Right: δ, to \
                  which volumes are hard to compute, and ε, to which distances are, by dimension."
            .to_owned(),
        alt: "Errors that stay below two delta up to a noise of epsilon and then grow; delta and epsilon that fall fast with \
              the dimension"
            .to_owned(),
        drawing: chart.draw(),
    });
    Ok(())
}
