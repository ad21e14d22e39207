//! Section 3 as discrete choices: expected maxima under extreme value noise, and the extremal noise of Proposition 3.6.

use super::super::findings::{Claim, Findings, Picture, Table};
use super::super::lab::Lab;
use super::super::statistics::{Estimate, Running};
use super::{Experiment, SEMI_DISCRETE, Takes};
use crate::failure::Result;
use crate::picture::{Axis, Chart, LINES, Panel, Series, Style};
use crate::report::significant;
use fenchel::choice::{Extremal, ExtremeValue, GeneratingFunction, Multinomial, Nested, Smoothing, Tree};
use fenchel::measure::{Rng, stream};
use fenchel::smoothmax::SmoothMax;
use fenchel::{Error, divergence};
use std::sync::Arc;

/// Propositions 3.4 and 3.6 by drawing the noise.
pub const EXPERIMENT: Experiment = Experiment {
    name: "discrete-choice",
    title: "Section 3.1 and 3.3: expected maxima and choice frequencies, by drawing the noise",
    paper: SEMI_DISCRETE,
    takes: Takes::Nothing,
    run,
};

/// Why nothing is judged where nothing was drawn.
const NONE: &str = "no divergence has such noise";

/// Standard errors that a mean or a frequency may be off.
const ERRORS: f64 = 5.0;

/// What draws of choices gave.
struct Sampled {
    /// The maximum.
    mean: Estimate,
    /// Frequencies beside probabilities.
    choices: Vec<(f64, f64)>,
}

impl Sampled {
    /// From `draws` maxima with the atoms that have them.
    fn new(draws: usize, p: &[f64], mut draw: impl FnMut() -> Result<(f64, usize)>) -> Result<Self> {
        let mut counts = vec![0_u64; p.len()];
        let mut running = Running::default();
        for _ in 0..draws {
            let (top, chosen) = draw()?;
            counts[chosen] += 1;
            running.push(top);
        }
        let choices = p.iter().zip(counts).map(|(p, c)| (*p, c as f64 / draws as f64)).collect();
        Ok(Sampled { mean: running.estimate(), choices })
    }

    /// How far the mean is from a value, in its standard error.
    fn off(&self, value: f64) -> f64 {
        (self.mean.value - value).abs() / self.mean.error
    }

    /// The largest error of a frequency, in its standard error.
    fn worst(&self, draws: usize) -> f64 {
        let score = |(p, f): &(f64, f64)| {
            (f - p).abs() / ((p * (1.0 - p) + 1.0 / draws as f64) / draws as f64).sqrt()
        };
        self.choices.iter().map(score).fold(0.0, f64::max)
    }
}

fn run(lab: &Lab) -> Result<Findings> {
    let mut findings = Findings {
        setup: vec![format!(
            "Noise is drawn, and the means of max u_i + z_i and the frequencies of the argmax are held against the smooth \
             maximum and its gradient. A criterion allows {ERRORS} standard errors of a mean or a frequency."
        )],
        ..Findings::default()
    };
    let mut frequencies = Chart::new(2, 400.0, 320.0);
    frequencies.add(extreme_values(lab, &mut findings)?);
    frequencies.add(extremal(lab, &mut findings)?);
    findings.pictures.push(Picture {
        name: "frequencies",
        caption: "How often each alternative was chosen, over its probability: noise from multinomial, nested and cross-nested \
                  models (left), and the extremal noise of each divergence (right)."
            .to_owned(),
        alt: "Dots on the diagonal".to_owned(),
        drawing: frequencies.draw(),
    });
    dissimilarity(lab, &mut findings)?;
    Ok(findings)
}

fn diagonal(title: &str) -> Panel {
    let mut panel = Panel::new(title, Axis::log("probability"), Axis::log("frequency"));
    panel.add(Series::new("", Style::dotted([96, 96, 96]), vec![(1e-4, 1e-4), (1.0, 1.0)]));
    panel
}

fn dots(colour: [u8; 3]) -> Style {
    Style { width: 0.0, dots: true, ..Style::line(colour) }
}

type Model = (&'static str, Arc<dyn GeneratingFunction>);

fn models() -> Result<Vec<Model>> {
    let shares = [
        Tree::nest(0.4, [Tree::leaf(0), Tree::share(1, 0.3), Tree::share(2, 0.5)]),
        Tree::nest(0.7, [Tree::share(1, 0.7), Tree::share(2, 0.5), Tree::leaf(3)]),
        Tree::leaf(4),
    ];
    let inner = Tree::nest(0.5, [Tree::leaf(3), Tree::leaf(4)]);
    let deep = [Tree::leaf(0), Tree::nest(0.6, [Tree::leaf(1), inner, Tree::leaf(2)])];
    Ok(vec![
        ("multinomial", Arc::new(Multinomial::weighted(&[0.1, 0.4, 0.2, 0.1, 0.2])?)),
        ("nested", Arc::new(Nested::of(&[(0.3, &[0, 1, 2]), (0.8, &[3, 4])])?)),
        ("three levels", Arc::new(Nested::tree(&deep)?)),
        ("cross-nested", Arc::new(Nested::tree(&shares)?)),
    ])
}

/// Means and frequencies under extreme value noise.
fn extreme_values(lab: &Lab, findings: &mut Findings) -> Result<Panel> {
    let draws = lab.pick(5_000, 200_000, 2_000_000);
    let (models, rows) = (models()?, 3);
    let columns = ["model", "lambda", "value", "mean", "standard_error"];
    let mut table =
        Table::new("extreme-values", "Expected maxima under extreme value noise.", &columns).on_page();
    let mut panel = diagonal("Extreme value noise");
    let sampled = lab.each("extreme value noise", models.len() * rows, |i| {
        let lambda = [0.3, 1.0, 4.0][i % rows];
        let mut rng = stream(lab.seed(), 710, i as u64);
        let mut model = ExtremeValue::new(models[i / rows].1.clone(), lambda)?;
        let u: Vec<f64> = (0..5).map(|_| lambda * rng.normal()).collect();
        let (mut p, mut z) = (vec![0.0; 5], vec![0.0; 5]);
        let value = model.maximum(&u, &mut p)?;
        let sampled = Sampled::new(draws, &p, || {
            model.sample(&mut rng, &mut z)?;
            Ok(argmax(&u, &z))
        })?;
        Ok((lambda, value, sampled))
    })?;
    let (mut off, mut frequency) = (0.0_f64, 0.0_f64);
    for (i, (lambda, value, s)) in sampled.iter().enumerate() {
        off = off.max(s.off(*value));
        frequency = frequency.max(s.worst(draws));
        table.row([
            models[i / rows].0.into(),
            (*lambda).into(),
            (*value).into(),
            s.mean.value.into(),
            s.mean.error.into(),
        ]);
    }
    for (k, (name, _)) in models.iter().enumerate() {
        let points =
            sampled[k * rows..(k + 1) * rows].iter().flat_map(|s| s.2.choices.iter().copied()).collect();
        panel.add(Series::new(*name, dots(LINES[k]), points));
    }
    findings.tables.push(table);
    findings.claims.push(Claim::new(
        "Section 3.1, equation (21)",
        "The smooth c-transform of a generalised extreme value distribution is λ log G(e^u), up to λγ, which is taken out here.",
        "the mean of max u_i + z_i over draws is within 5 standard errors, for multinomial, nested, three-level and cross-nested G",
        format!("{draws} draws each: at most {} standard errors off.", significant(off, 2)),
        off <= ERRORS,
    ));
    findings.claims.push(Claim::new(
        "Section 3.1",
        "Its gradient is the vector of choice probabilities.",
        "every frequency is within 5 standard errors",
        format!("At most {} standard errors off.", significant(frequency, 2)),
        frequency <= ERRORS,
    ));
    findings.claims.push(as_printed(lab, draws)?);
    Ok(panel)
}

/// Proposition 3.4 with its factor N: noise of that G against its formula.
fn as_printed(lab: &Lab, draws: usize) -> Result<Claim> {
    let eta = [0.1, 0.4, 0.2, 0.1, 0.2];
    let model = |masses: &[f64]| -> Result<ExtremeValue> {
        Ok(ExtremeValue::new(Arc::new(Multinomial::weighted(masses)?), 1.0)?)
    };
    let mut rng = stream(lab.seed(), 713, 0);
    let u: Vec<f64> = (0..5).map(|_| rng.normal()).collect();
    let (mut p, mut z) = (vec![0.0; 5], vec![0.0; 5]);
    let value = model(&eta)?.maximum(&u, &mut p)?;
    let mut printed = model(&eta.map(|e| 5.0 * e))?;
    let s = Sampled::new(draws, &p, || {
        printed.sample(&mut rng, &mut z)?;
        Ok(argmax(&u, &z))
    })?;
    Ok(Claim::new(
        "Proposition 3.4, as printed",
        "With G(s) = e^(−γ) N Σ η_i s_i^(1/λ) the smooth c-transform is λ log Σ η_i e^(u_i/λ).",
        "the mean of the maximum, with the noise of that G for N = 5, is within 5 standard errors",
        format!(
            "The mean is {} above the printed value, ± {}.",
            significant(s.mean.value - value, 5),
            significant(s.mean.error, 1)
        ),
        s.off(value) <= ERRORS,
    )
    .because("the factor N adds λ log N, here log 5 = 1.609; without it the statement holds, as above for `multinomial`"))
}

fn argmax(u: &[f64], z: &[f64]) -> (f64, usize) {
    let mut best = (f64::NEG_INFINITY, 0);
    for (i, (u, z)) in u.iter().zip(z).enumerate() {
        if u + z > best.0 {
            best = (u + z, i);
        }
    }
    best
}

/// Draws from the extremal noise of every divergence that has one.
fn extremal(lab: &Lab, findings: &mut Findings) -> Result<Panel> {
    let draws = lab.pick(5_000, 200_000, 2_000_000);
    let eta = [0.1, 0.4, 0.2, 0.3];
    let names: Vec<&str> = divergence::registry().iter().flat_map(|e| e.examples.iter().copied()).collect();
    let results = lab.each("extremal noise", names.len(), |i| {
        let mut rng = stream(lab.seed(), 711, i as u64);
        let u: Vec<f64> = (0..4).map(|_| rng.normal()).collect();
        let smooth = SmoothMax::new(divergence::parse(names[i])?, 0.7)?.with_reference(&eta)?;
        let best = match Extremal::new(smooth, &u) {
            Ok(best) => best,
            // Divergences whose noise has atoms have no unique choice.
            Err(Error::InvalidValue { .. }) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        let mut z = vec![0.0; 4];
        let (mut wrong, mut columns) = (0_u64, vec![Vec::new(); 4]);
        let sampled = Sampled::new(draws, best.probabilities(), || {
            let chosen = best.sample(&mut rng, &mut z)?;
            let (top, found) = argmax(&u, &z);
            wrong += u64::from(found != chosen && u[chosen] + z[chosen] < top - 1e-9);
            columns.iter_mut().zip(&z).for_each(|(column, z)| column.push(*z));
            Ok((top, found))
        })?;
        let distance =
            columns.iter_mut().enumerate().map(|(i, c)| kolmogorov(&best, i, c)).fold(0.0, f64::max);
        let independent = independent(&best, &u, &mut rng, draws);
        let light = (0..4).all(|i| has_variance(&best, i));
        Ok(Some((best.value(), sampled, wrong, distance, independent, light)))
    })?;
    let columns = ["divergence", "value", "mean", "standard_error", "independent", "distance"];
    let caption = "Expected maxima under the extremal noise, and under independent noise with the same marginals; largest \
                   distance of an empirical marginal.";
    let mut table = Table::new("extremal", caption, &columns).on_page();
    let mut panel = diagonal("Extremal noise");
    let (mut frequency, mut off, mut marginal, mut wrong, mut better) = (0.0_f64, 0.0_f64, 0.0_f64, 0, 0);
    let (mut count, mut heavy, mut empty) = (0, 0, 0);
    for (name, result) in names.iter().zip(&results) {
        let Some((value, s, misses, distance, independent, light)) = result else { continue };
        count += 1;
        frequency = frequency.max(s.worst(draws));
        // Without a variance a mean says nothing.
        heavy += usize::from(!light);
        if *light {
            off = off.max(s.off(*value));
            empty += usize::from(!independent.value.is_finite());
            better += usize::from(independent.value > value + ERRORS * independent.error);
        }
        marginal = marginal.max(*distance);
        wrong += misses;
        panel.add(Series::new("", dots(LINES[0]), s.choices.clone()));
        // Where the density is capped independent noise is −∞ everywhere in some draws, and has no mean to write.
        let alone = if independent.value.is_finite() { independent.value } else { f64::NAN };
        let mean = if *light { (s.mean.value, s.mean.error, alone) } else { (f64::NAN, f64::NAN, f64::NAN) };
        table.row([
            (*name).into(),
            (*value).into(),
            mean.0.into(),
            mean.1.into(),
            mean.2.into(),
            (*distance).into(),
        ]);
    }
    findings.tables.push(table);
    findings.claims.push(Claim::new(
        "Proposition 3.6, proof",
        "Under θ* atom i is chosen with probability p*_i.",
        "every frequency is within 5 standard errors, and in every draw the atom meant to be chosen is the argmax",
        format!(
            "{count} divergences, {draws} draws each: at most {} standard errors off; {wrong} draws chose another atom.",
            significant(frequency, 2)
        ),
        frequency <= ERRORS && wrong == 0,
    ).unless(count == 0, NONE));
    findings.claims.push(Claim::new(
        "Proposition 3.6",
        "θ* attains the smooth c-transform, which is the maximum over all noise with these marginals.",
        "the mean of the maximum is within 5 standard errors of the smooth maximum, and independent noise is not above it",
        format!(
            "At most {} standard errors off; independent noise is above for {better} divergences (for {empty} of them, \
             capped, it is −∞ in some draws, so that nothing is shown). {heavy} divergences with noise of infinite \
             variance are left out here.",
            significant(off, 2)
        ),
        off <= ERRORS && better == 0,
    ).unless(count == 0, NONE));
    // Dvoretzky, Kiefer, Wolfowitz: exceeded with probability 2e-11 a marginal.
    let allowed = (2e11_f64.ln() / (2.0 * draws as f64)).sqrt();
    findings.claims.push(Claim::new(
        "Proposition 3.6, Theorem 3.7",
        "θ* has the marginals F_i(s) = 1 − η_i F(−s), cut to [0, 1].",
        "the empirical distribution function of every z_i is within the bound of Dvoretzky, Kiefer and Wolfowitz",
        format!("The largest distance is {}, the bound {}.", significant(marginal, 2), significant(allowed, 2)),
        marginal <= allowed,
    ).unless(count == 0, NONE));
    Ok(panel)
}

/// Largest distance of the empirical distribution function from F_i.
fn kolmogorov(best: &Extremal, i: usize, column: &mut [f64]) -> f64 {
    column.sort_by(f64::total_cmp);
    let n = column.len() as f64;
    let mut worst = 0.0_f64;
    for (k, z) in column.iter().enumerate().filter(|(_, z)| z.is_finite()) {
        let f = best.distribution(i, *z);
        worst = worst.max((f - k as f64 / n).abs()).max((f - (k + 1) as f64 / n).abs());
    }
    worst
}

/// Mean of the maximum of independent noise.
fn independent(best: &Extremal, u: &[f64], rng: &mut Rng, draws: usize) -> Estimate {
    let mut running = Running::default();
    for _ in 0..draws {
        let noisy = u.iter().enumerate().map(|(i, u)| u + best.quantile(i, rng.uniform()));
        running.push(noisy.fold(f64::NEG_INFINITY, f64::max));
    }
    running.estimate()
}

/// Whether the upper tail of z_i is light enough for a variance: ε z² must fall with ε, for the z that is exceeded with
/// probability ε.
fn has_variance(best: &Extremal, i: usize) -> bool {
    let tail = |survival: f64| survival * best.quantile(i, survival).powi(2);
    tail(1e-10) < 0.5 * tail(1e-6)
}

/// The red bus and the blue bus: what correlation does.
fn dissimilarity(lab: &Lab, findings: &mut Findings) -> Result<()> {
    let draws = lab.pick(5_000, 100_000, 1_000_000);
    let steps = 20;
    let results = lab.each("dissimilarity", steps, |i| {
        let rho = (i + 1) as f64 / steps as f64;
        let mut rng = stream(lab.seed(), 712, i as u64);
        let mut model = ExtremeValue::new(Arc::new(Nested::of(&[(1.0, &[0]), (rho, &[1, 2])])?), 1.0)?;
        let (u, mut p, mut z) = ([0.0; 3], [0.0; 3], [0.0; 3]);
        let value = model.maximum(&u, &mut p)?;
        let s = Sampled::new(draws, &p, || {
            model.sample(&mut rng, &mut z)?;
            Ok(argmax(&u, &z))
        })?;
        Ok((rho, value, p[0], s))
    })?;
    let mut table = Table::new(
        "dissimilarity",
        "One car and two buses.",
        &["rho", "value", "mean", "error", "car", "frequency"],
    );
    let (mut value, mut mean, mut car, mut seen) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (rho, v, p, s) in &results {
        value.push((*rho, *v));
        mean.push((*rho, s.mean.value));
        car.push((*rho, *p));
        seen.push((*rho, s.choices[0].1));
        table.row([
            (*rho).into(),
            (*v).into(),
            s.mean.value.into(),
            s.mean.error.into(),
            (*p).into(),
            s.choices[0].1.into(),
        ]);
    }
    findings.tables.push(table);
    let mut chart = Chart::new(2, 400.0, 280.0);
    for (title, y, exact, drawn) in [
        ("Expected maximum", "log (1 + 2^ρ) and means", value, mean),
        ("Probability of the car", "1/(1 + 2^ρ) and frequencies", car, seen),
    ] {
        let mut panel = Panel::new(title, Axis::linear("dissimilarity ρ of the two buses"), Axis::linear(y));
        panel.add(Series::new("formula", Style::line(LINES[0]), exact));
        panel.add(Series::new("drawn", dots(LINES[1]), drawn));
        chart.add(panel);
    }
    findings.pictures.push(Picture {
        name: "two-buses",
        caption: "A car and two buses of equal utility, nested logit: as the buses' noise becomes the same (ρ → 0) they count as \
                  one, and the car's share grows from a third to a half."
            .to_owned(),
        alt: "Two curves over the dissimilarity with dots from draws on them".to_owned(),
        drawing: chart.draw(),
    });
    Ok(())
}
