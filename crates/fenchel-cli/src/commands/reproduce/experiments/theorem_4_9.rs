//! Theorem 4.9: Algorithm 2 finds weights to any accuracy by bisection; beside it, Newton's method.

use super::super::findings::{Claim, Findings, Picture, Table};
use super::super::lab::Lab;
use super::{Experiment, SEMI_DISCRETE, Takes};
use crate::failure::Result;
use crate::picture::{Axis, Chart, LINES, Panel, Series, Style};
use crate::report::significant;
use fenchel::divergence::{Divergence, parse};
use fenchel::measure::stream;
use fenchel::smoothmax::{Method, SmoothMax};

/// The algorithm as printed, ours, and Newton's.
pub const EXPERIMENT: Experiment = Experiment {
    name: "theorem-4.9",
    title: "Theorem 4.9: accuracy of the weights against passes of bisection, beside Newton's method",
    paper: SEMI_DISCRETE,
    takes: Takes::Nothing,
    run,
};

/// Divergences with weights that are Lipschitz continuous in the threshold.
const DIVERGENCES: [&str; 6] =
    ["kl", "chi2", "tsallis:1.5", "hyperbolic", "safe-kl:0.01", "marginal-moments"];

/// Accuracies asked for: 1/10, …
const DIGITS: std::ops::RangeInclusive<i32> = 1..=12;

/// Weights p* are taken from Newton's method, right to rounding.
const ROUNDING: f64 = 1e-13;

/// What happened on one row of scores.
struct Trial {
    divergence: usize,
    atoms: usize,
    /// Passes of Newton's method.
    newton: u32,
    /// Primal against dual of Newton's weights, in units of λ plus the spread.
    gap: f64,
    /// By accuracy.
    searches: Vec<Search>,
}

/// One bisection.
struct Search {
    epsilon: f64,
    /// ‖p − p*‖ and passes of the algorithm as printed, ‖p‖, Σp, and the number of halvings that the proof allows.
    printed: f64,
    printed_passes: u32,
    norm: f64,
    sum: f64,
    allowed: f64,
    /// The same of the engine's variant, which returns weights that sum to 1.
    ours: f64,
    ours_passes: u32,
}

fn run(lab: &Lab) -> Result<Findings> {
    let rows = lab.pick(3, 20, 200);
    let sizes: &[usize] = lab.pick(&[2, 10], &[2, 10, 100, 1000], &[2, 10, 100, 1000, 10_000]);
    let n = DIVERGENCES.len() * sizes.len() * rows;
    let trials = lab.each("rows", n, |i| {
        let (divergence, size) = (i / rows / sizes.len(), sizes[i / rows % sizes.len()]);
        trial(lab.seed(), divergence, size, i)
    })?;
    let searches = || trials.iter().flat_map(|t| &t.searches);
    let most = |of: &dyn Fn(&Search) -> f64| searches().map(of).fold(f64::NEG_INFINITY, f64::max);
    let gap = trials.iter().map(|t| t.gap).fold(0.0, f64::max);
    let newton = trials.iter().map(|t| t.newton).max().unwrap_or(0);
    let finest: Vec<&Search> = trials.iter().filter_map(|t| t.searches.last()).collect();
    let passes = finest.iter().map(|s| f64::from(s.printed_passes)).sum::<f64>() / finest.len() as f64;
    let mean_newton = trials.iter().map(|t| f64::from(t.newton)).sum::<f64>() / trials.len() as f64;

    let mut findings = Findings {
        setup: vec![format!(
            "Algorithm 2 as printed, written out here: the ends min and max of u_i − λf′(1/(Nη_i)) (for a capped density less than the cap), halved until the \
             interval is shorter than δ(ε) = ε/(L√N), L the Lipschitz constant of the F_i, returning the weights at the \
             end where they sum to at most 1. {n} random rows of scores: {} divergences, N from {} to {}, λ from 0.01 to 10, \
             scores from a tenth to ten times λ apart, uniform and random reference masses η; accuracies ε from 10⁻¹ to \
             10⁻¹². The exact weights p* are Newton's, whose primal and dual values agree to {}.",
            DIVERGENCES.len(),
            sizes[0],
            sizes[sizes.len() - 1],
            significant(gap, 1)
        )],
        ..Findings::default()
    };
    let ratio = most(&|s| (s.printed - ROUNDING).max(0.0) / s.epsilon);
    findings.claims.push(Claim::new(
        "Theorem 4.9",
        "For any φ, x and ε > 0, Algorithm 2 outputs p with ‖∇ψ̄ − p‖ ≤ ε.",
        "‖p − p*‖ is at most ε plus 1e-13, what rounding may do, on every row and for every ε",
        format!(
            "The largest error is {} of the ε asked for. ε = 10⁻¹² takes {passes:.1} passes over the scores on average; \
             Newton's method needs {mean_newton:.1} on average and {newton} at most, for all digits.",
            significant(ratio, 2)
        ),
        ratio <= 1.0,
    ));
    let norm = most(&|s| s.norm);
    let sum = most(&|s| s.sum);
    findings.claims.push(Claim::new(
        "Theorem 4.9",
        "The output has ‖p‖ ≤ 1 (its proof: p ≥ 0 and Σp < 1).",
        "the largest ‖p‖ and Σp are at most 1 plus 1e-12",
        format!(
            "‖p‖ exceeds 1 by at most {}, Σp by at most {}; Σp falls short of 1 by up to {} of the ε asked for.",
            significant((norm - 1.0).max(0.0), 1),
            significant((sum - 1.0).max(0.0), 1),
            significant(most(&|s| (1.0 - s.sum) / s.epsilon), 2)
        ),
        norm <= 1.0 + 1e-12 && sum <= 1.0 + 1e-12,
    ));
    let ours = most(&|s| (s.ours - ROUNDING).max(0.0) / s.epsilon);
    let variant = Claim::new(
        "Theorem 4.9, for the variant in use",
        "The mixture of the weights at both ends that sums to 1 has the same guarantee, and lets no mass drift \
         along the constants (not in the paper).",
        "‖p − p*‖ is at most ε plus 1e-13 on every row and for every ε",
        format!("The largest error is {} of the ε asked for.", significant(ours, 2)),
        ours <= 1.0,
    );
    findings.claims.push(variant.ours());
    tables(&mut findings, &trials, sizes);
    findings.pictures.push(picture(&trials));
    Ok(findings)
}

/// One row of scores, all accuracies.
fn trial(seed: u64, divergence: usize, atoms: usize, row: usize) -> Result<Trial> {
    let mut rng = stream(seed, 200, row as u64);
    let lambda = 10f64.powf(-2.0 + 3.0 * rng.uniform());
    let spread = lambda * 10f64.powf(-1.0 + 2.0 * rng.uniform());
    let u: Vec<f64> = (0..atoms).map(|_| spread * rng.normal()).collect();
    let mut eta: Vec<f64> =
        (0..atoms).map(|_| if row.is_multiple_of(2) { 1.0 } else { 0.1 + rng.exponential() }).collect();
    let total: f64 = eta.iter().sum();
    eta.iter_mut().for_each(|e| *e /= total);
    let smooth = || SmoothMax::new(parse(DIVERGENCES[divergence])?, lambda)?.with_reference(&eta);
    let mut exact = vec![0.0; atoms];
    let mut newton = smooth()?;
    let top = newton.evaluate(&u, &mut exact)?;
    let gap = newton.certify(&u, &exact, &top)?.gap.abs() / (lambda + spread);
    let distance = |p: &[f64]| p.iter().zip(&exact).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
    let mut searches = Vec::new();
    for digits in DIGITS {
        let epsilon = 10f64.powi(-digits);
        let (p, passes, allowed) = algorithm_2(newton.divergence(), &u, &eta, lambda, epsilon);
        let mut q = vec![0.0; atoms];
        let found = smooth()?.with_method(Method::Bisection { epsilon })?.evaluate(&u, &mut q)?;
        searches.push(Search {
            epsilon,
            printed: distance(&p),
            printed_passes: passes,
            norm: p.iter().map(|p| p * p).sum::<f64>().sqrt(),
            sum: p.iter().sum(),
            allowed,
            ours: distance(&q),
            ours_passes: found.passes,
        });
    }
    Ok(Trial { divergence, atoms, newton: top.passes, gap, searches })
}

/// Algorithm 2: weights, halvings, halvings that the proof allows. Here τ is the threshold that scores are compared
/// to, minus the paper's; p_i(τ) = min{1, η_i (f*)'((u_i − τ)/λ)}.
fn algorithm_2(
    f: &dyn Divergence,
    u: &[f64],
    eta: &[f64],
    lambda: f64,
    epsilon: f64,
) -> (Vec<f64>, u32, f64) {
    let n = u.len() as f64;
    let weights = |tau: f64| -> Vec<f64> {
        u.iter().zip(eta).map(|(u, e)| (e * f.conj_prime((u - tau) / lambda)).min(1.0)).collect()
    };
    // Where each weight is 1/N; at most its cap.
    let ends =
        u.iter().zip(eta).map(|(u, e)| u - lambda * f.f_prime((1.0 / (n * e)).min(f.cap() * (1.0 - 1e-9))));
    let (mut lo, hi) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    let lipschitz = eta.iter().map(|e| f.clipped_lipschitz(*e)).fold(0.0, f64::max) / lambda;
    let delta = epsilon / (lipschitz * n.sqrt());
    let mut length = hi - lo;
    let allowed = (length / delta).log2().ceil().max(0.0);
    let mut passes = 0;
    // The length is halved, not measured: the ends have only so many digits.
    while length > delta {
        length *= 0.5;
        passes += 1;
        if weights(lo + length).iter().sum::<f64>() > 1.0 {
            lo += length;
        }
    }
    (weights(lo + length), passes, allowed)
}

fn tables(findings: &mut Findings, trials: &[Trial], sizes: &[usize]) {
    let mut passes = Table::new(
        "passes",
        "Mean passes over the scores: Algorithm 2 at three accuracies, Newton's method to rounding",
        &["divergence", "N", "ε = 1e-3", "ε = 1e-6", "ε = 1e-12", "Newton", "Newton at most"],
    )
    .on_page();
    let mut rows = Table::new(
        "rows",
        "Every row and accuracy",
        &[
            "divergence",
            "N",
            "ε",
            "error",
            "passes",
            "allowed",
            "norm",
            "sum",
            "error ours",
            "passes ours",
            "newton",
        ],
    );
    for (d, name) in DIVERGENCES.iter().enumerate() {
        for &n in sizes {
            let these: Vec<&Trial> = trials.iter().filter(|t| t.divergence == d && t.atoms == n).collect();
            let mean = |of: &dyn Fn(&Trial) -> u32| {
                these.iter().map(|t| f64::from(of(t))).sum::<f64>() / these.len() as f64
            };
            passes.row([
                (*name).into(),
                n.into(),
                mean(&|t| t.searches[2].printed_passes).into(),
                mean(&|t| t.searches[5].printed_passes).into(),
                mean(&|t| t.searches[11].printed_passes).into(),
                mean(&|t| t.newton).into(),
                these.iter().map(|t| t.newton).max().unwrap_or(0).into(),
            ]);
        }
    }
    for t in trials {
        for s in &t.searches {
            rows.row([
                DIVERGENCES[t.divergence].into(),
                t.atoms.into(),
                s.epsilon.into(),
                s.printed.into(),
                s.printed_passes.into(),
                s.allowed.into(),
                s.norm.into(),
                s.sum.into(),
                s.ours.into(),
                s.ours_passes.into(),
                t.newton.into(),
            ]);
        }
    }
    findings.tables.extend([passes, rows]);
}

fn picture(trials: &[Trial]) -> Picture {
    let mut accuracy = Panel::new(
        "Accuracy",
        Axis::log("ε asked for"),
        Axis::log("largest ‖p − p*‖ over all rows").over(1e-17, 10.0),
    );
    let mut work = Panel::new(
        "Work",
        Axis::linear("mean passes over the scores"),
        Axis::log("mean over rows of ‖p − p*‖").over(1e-17, 10.0),
    );
    let ends = [1e-12, 0.1];
    accuracy.add(Series::new("the guarantee", Style::dotted([84, 84, 84]), ends.map(|e| (e, e)).to_vec()));
    for (d, name) in DIVERGENCES.iter().enumerate() {
        let these: Vec<&Trial> = trials.iter().filter(|t| t.divergence == d).collect();
        let style = if d < 3 { Style::line(LINES[d]) } else { Style::dashed(LINES[d]) };
        let count = these.len() as f64;
        let at = |i: usize| these.iter().map(move |t| &t.searches[i]);
        let each = 0..DIGITS.count();
        let worst = each
            .clone()
            .map(|i| (10f64.powi(-(i as i32) - 1), at(i).map(|s| s.printed).fold(1e-17, f64::max)));
        accuracy.add(Series::new(*name, style.with_dots(), worst.collect()));
        let mean = each.map(|i| {
            let passes = at(i).map(|s| f64::from(s.printed_passes)).sum::<f64>() / count;
            (passes, at(i).map(|s| s.printed).sum::<f64>() / count)
        });
        work.add(Series::new(*name, style.with_dots(), mean.collect()));
    }
    let newton = trials.iter().map(|t| f64::from(t.newton)).sum::<f64>() / trials.len() as f64;
    work.add(Series::new(
        "Newton, to rounding",
        Style::dashed([84, 84, 84]),
        vec![(newton, 1e-17), (newton, 10.0)],
    ));
    let mut chart = Chart::new(2, 450.0, 330.0);
    chart.add(accuracy);
    chart.add(work.without_legend());
    Picture {
        name: "bisection",
        caption: "Algorithm 2. Left: the largest error over all rows against the accuracy asked for; the guarantee is the \
                  dotted diagonal. Right: mean error against passes over the scores, one bit a pass; the dashed vertical \
                  line is where Newton's method has all digits."
            .into(),
        alt: "Left panel: six lines of errors below the diagonal of the guarantee. Right panel: six lines of errors \
              that fall by half with each pass, from about one to 1e-14, and a vertical line for Newton's method far to \
              the left."
            .into(),
        drawing: chart.draw(),
    }
}
