//! Table 1 and Theorem 3.7: what each marginal generating function F generates.

use super::super::findings::{Claim, Findings, Picture, Table};
use super::super::lab::Lab;
use super::{Experiment, SEMI_DISCRETE, Takes};
use crate::failure::Result;
use crate::picture::{Axis, Chart, LINES, Panel, Series, Style};
use crate::report::significant;
use fenchel::divergence::{FromGenerator, parse};
use fenchel::measure::stream;
use fenchel::smoothmax::SmoothMax;
use std::sync::Arc;

/// The table, checked and drawn.
pub const EXPERIMENT: Experiment = Experiment {
    name: "table-1",
    title: "Table 1: marginal generating functions and the divergences they generate",
    paper: SEMI_DISCRETE,
    takes: Takes::Nothing,
    run,
};

/// Number of atoms of the t-distribution's row, and λ of the drawing.
const ATOMS: f64 = 4.0;

/// A row of the table: F and f with λ, as the paper prints them.
struct Model {
    example: &'static str,
    model: &'static str,
    divergence: &'static str,
    /// The registry's name of the divergence.
    name: &'static str,
    printed: &'static str,
    /// F(s) for λ.
    big_f: fn(f64, f64) -> f64,
    /// f(t) for λ.
    small_f: fn(f64, f64) -> f64,
    /// Where its argument may lie.
    t_max: f64,
    /// F as it has to be, where the printed one is wrong.
    mended: Option<fn(f64, f64) -> f64>,
    /// Why the printed one fails, if it does.
    reason: &'static str,
}

const MODELS: &[Model] = &[
    Model {
        example: "Example 3.8",
        model: "exponential",
        divergence: "Kullback–Leibler",
        name: "kl",
        printed: "F(s) = exp(s/λ − 1) generates f(t) = λ t log t",
        big_f: |s, l| (s / l - 1.0).exp(),
        small_f: |t, l| if t > 0.0 { l * t * t.ln() } else { 0.0 },
        t_max: 6.0,
        mended: None,
        reason: "",
    },
    Model {
        example: "Example 3.9",
        model: "uniform",
        divergence: "χ²",
        name: "chi2",
        printed: "F(s) = s/(2λ) + 1/2 generates f(t) = λ(t² − t)",
        big_f: |s, l| s / (2.0 * l) + 0.5,
        small_f: |t, l| l * (t * t - t),
        t_max: 6.0,
        mended: None,
        reason: "",
    },
    Model {
        example: "Example 3.10, q = 1.5",
        model: "Pareto, q = 1.5",
        divergence: "Tsallis",
        name: "tsallis:1.5",
        printed: "F(s) = (s(q − 1)/(λq) + 1/q)^{1/(q−1)} generates f(t) = λ(t^q − t)/(q − 1), here with q = 1.5",
        big_f: |s, l| (s * 0.5 / (l * 1.5) + 1.0 / 1.5).max(0.0).powi(2),
        small_f: |t, l| l * (t.powf(1.5) - t) / 0.5,
        t_max: 6.0,
        mended: None,
        reason: "",
    },
    Model {
        example: "Example 3.10, q = 0.5",
        model: "Pareto, q = 0.5",
        divergence: "Tsallis",
        name: "tsallis:0.5",
        printed: "F(s) = (s(q − 1)/(λq) + 1/q)^{1/(q−1)} generates f(t) = λ(t^q − t)/(q − 1), here with q = 0.5",
        // Infinite from s = 2λ·0.5/0.5 on.
        big_f: |s, l| {
            let base = 2.0 - s / l;
            if base > 0.0 { base.powi(-2) } else { f64::INFINITY }
        },
        small_f: |t, l| l * (t.sqrt() - t) / -0.5,
        t_max: 6.0,
        mended: None,
        reason: "",
    },
    Model {
        example: "Example 3.11",
        model: "hyperbolic cosine",
        divergence: "hyperbolic",
        name: "hyperbolic",
        printed: "F(s) = sinh(s/λ − k), k = √2 − 1 − asinh 1, generates f(t) = λ(t asinh t − √(t² + 1) + 1 + kt)",
        big_f: |s, l| (s / l - k()).sinh(),
        small_f: |t, l| l * (t * t.asinh() - (t * t + 1.0).sqrt() + 1.0 + k() * t),
        t_max: 6.0,
        mended: None,
        reason: "",
    },
    Model {
        example: "Example 3.12",
        model: "t, 2 degrees",
        divergence: "Chebyshev",
        name: "marginal-moments:4",
        printed: "F(s) = (N/2)(1 + (s − √(N−1))/√(λ² + (s − √(N−1))²)) generates the Chebyshev regularisation of \
                  Proposition 3.5, f(t) = −λ√(t(N − t)) + λt√(N − 1), here with N = 4",
        big_f: |s, l| of_t_distribution(s - (ATOMS - 1.0).sqrt(), l),
        small_f: |t, l| l * (t * (ATOMS - 1.0).sqrt() - (t * (ATOMS - t)).max(0.0).sqrt()),
        t_max: ATOMS,
        mended: Some(|s, l| of_t_distribution(s - l * (ATOMS - 1.0).sqrt(), l)),
        reason: "The printed F is right for λ = 1 only. The shift has to scale with λ like everything else, \
                 F(s) = (N/2)(1 + (s − λ√(N−1))/√(λ² + (s − λ√(N−1))²)), or ∫₀¹ F⁻¹ = (1 − λ)√(N−1), which the \
                 theorem wants to be 0. The weights do not depend on the shift; the value is off by that constant.",
    },
];

/// The constant of the hyperbolic divergence.
fn k() -> f64 {
    2f64.sqrt() - 1.0 - 1f64.asinh()
}

/// (N/2)(1 + v/√(λ² + v²)), without cancellation for v < 0.
fn of_t_distribution(v: f64, lambda: f64) -> f64 {
    let h = lambda.hypot(v);
    let sum = if v < 0.0 { lambda / h * (lambda / (h - v)) } else { 1.0 + v / h };
    0.5 * ATOMS * sum
}

/// F⁻¹(t) by bisection, for F that is not decreasing.
fn inverse(big_f: impl Fn(f64) -> f64, t: f64) -> f64 {
    let (mut lo, mut hi) = (-1.0, 1.0);
    while big_f(lo) > t && lo > -1e15 {
        lo *= 2.0;
    }
    while big_f(hi) < t && hi < 1e15 {
        hi *= 2.0;
    }
    for _ in 0..200 {
        let middle = 0.5 * (lo + hi);
        if big_f(middle) < t { lo = middle } else { hi = middle }
    }
    0.5 * (lo + hi)
}

/// ∫ g over (0, t), where g may be infinite at 0 and at t: tanh-sinh quadrature.
fn integral(g: impl Fn(f64) -> f64, t: f64) -> f64 {
    let h = 1.0 / 32.0;
    let mut sum = 0.0;
    for i in -110..=110 {
        let w = h * f64::from(i);
        let y = 0.5 * std::f64::consts::PI * w.sinh();
        // From the nearer end, so that no digit is lost there.
        let from_end = 1.0 / (1.0 + (2.0 * y.abs()).exp());
        let x = if y < 0.0 { t * from_end } else { t * (1.0 - from_end) };
        let weight = 0.25 * std::f64::consts::PI * w.cosh() / y.cosh().powi(2);
        if x > 0.0 && x < t && weight > 0.0 {
            sum += weight * 2.0 * g(x);
        }
    }
    h * t * 0.5 * sum
}

/// How far a row is from what it says.
struct Errors {
    at_one: f64,
    generator: f64,
    weights: f64,
    /// Of the generator, with F mended.
    mended: f64,
}

/// The values of λ.
const LAMBDAS: [f64; 3] = [0.1, 1.0, 7.0];

/// |∫₀¹ F⁻¹|/λ, the largest over λ.
fn integral_error(big_f: fn(f64, f64) -> f64) -> f64 {
    LAMBDAS.into_iter().map(|l| integral(|x| inverse(|s| big_f(s, l), x), 1.0).abs() / l).fold(0.0, f64::max)
}

/// Largest difference of f and ∫₀ᵗ F⁻¹ over t and λ, relative to λ.
fn generator_error(big_f: fn(f64, f64) -> f64, model: &Model) -> f64 {
    let mut worst = 0.0_f64;
    for lambda in LAMBDAS {
        for i in 1..24 {
            let t = model.t_max * f64::from(i) / 24.0;
            let there = integral(|x| inverse(|s| big_f(s, lambda), x), t);
            worst = worst.max(((model.small_f)(t, lambda) - there).abs() / lambda);
        }
    }
    worst
}

/// Largest difference of the weights p_i = η_i F(u_i − τ)₊, found from F alone, from those of the divergence built in,
/// over random scores.
fn weight_error(big_f: fn(f64, f64) -> f64, model: &Model, seed: u64, rows: u64) -> Result<f64> {
    let mut worst = 0.0_f64;
    for row in 0..rows {
        let mut rng = stream(seed, 0, row);
        let lambda = 10f64.powf(-2.0 + 3.0 * rng.uniform());
        let spread = lambda * 10f64.powf(-1.0 + 2.0 * rng.uniform());
        let u: Vec<f64> = (0..ATOMS as usize).map(|_| spread * rng.normal()).collect();
        // With λ inside F, as in the paper: the temperature of the smooth maximum itself is 1.
        let own = FromGenerator::new("of F", move |s| big_f(s, lambda).max(0.0))?;
        let (mut p, mut q) = ([0.0; ATOMS as usize], [0.0; ATOMS as usize]);
        SmoothMax::new(Arc::new(own), 1.0)?.evaluate(&u, &mut p)?;
        SmoothMax::new(parse(model.name)?, lambda)?.evaluate(&u, &mut q)?;
        worst = p.iter().zip(&q).map(|(p, q)| (p - q).abs()).fold(worst, f64::max);
    }
    Ok(worst)
}

fn run(lab: &Lab) -> Result<Findings> {
    let rows = lab.pick(20, 200, 2000);
    let errors = lab.each("generators", MODELS.len(), |i| {
        let m = &MODELS[i];
        Ok(Errors {
            at_one: integral_error(m.big_f),
            generator: generator_error(m.big_f, m),
            weights: weight_error(m.big_f, m, lab.seed(), rows)?,
            mended: m.mended.map_or(f64::NAN, |f| generator_error(f, m).max(integral_error(f))),
        })
    })?;
    let mut findings = Findings {
        setup: vec![
            "Theorem 3.7: a strictly increasing F with ∫₀¹ F⁻¹ = 0 makes the marginal distribution functions \
             F_i(s) = min{1, max{0, 1 − η_i F(−s)}} of the disturbances, and the smooth transport problem they \
             generate is regularised by the divergence of f(t) = ∫₀ᵗ F⁻¹. Table 1 lists F and f of five models."
                .into(),
            format!(
                "Each row is checked in two ways, for λ of several magnitudes. F, as printed, is inverted by bisection \
                 and integrated by tanh-sinh quadrature, and the result compared to the printed f. And the weights \
                 that F alone makes, p_i = η_i F(u_i − τ)₊ with τ such that they sum to 1, are compared to those of the \
                 divergence built in, on {rows} random rows of scores."
            ),
        ],
        ..Findings::default()
    };
    let criterion = "f differs from ∫₀ᵗ F⁻¹ by less than 1e-9 λ, F⁻¹ integrates to 0 over (0, 1) to the same accuracy for \
                     every λ, and the weights agree to 1e-9";
    let mut table = Table::new(
        "errors",
        "Largest differences from what the table says",
        &["model", "divergence", "∫₀¹F⁻¹ / λ", "generator / λ", "weights", "mended generator / λ"],
    )
    .on_page();
    for (m, e) in MODELS.iter().zip(&errors) {
        let mut measured = format!(
            "f differs from ∫₀ᵗ F⁻¹ by at most {} λ; ∫₀¹ F⁻¹ is at most {} λ; weights differ by at most {}.",
            significant(e.generator, 2),
            significant(e.at_one, 2),
            significant(e.weights, 2)
        );
        if m.mended.is_some() {
            let text = format!(" With the F below: {} λ.", significant(e.mended, 2));
            measured.push_str(&text);
        }
        let holds = e.generator < 1e-9 && e.at_one < 1e-9 && e.weights < 1e-9;
        let place = format!("Table 1, {}: {}", m.example, m.model);
        findings.claims.push(Claim::new(&place, m.printed, criterion, measured, holds).because(m.reason));
        table.row([
            m.model.into(),
            m.divergence.into(),
            e.at_one.into(),
            e.generator.into(),
            e.weights.into(),
            e.mended.into(),
        ]);
    }
    findings.tables.push(table);
    draw(&mut findings);
    Ok(findings)
}

/// F and f of every model at λ = 1, and the distribution functions they make.
fn draw(findings: &mut Findings) {
    let mut curves =
        Table::new("curves", "The curves of the picture, λ = 1, N = 4", &["model", "curve", "x", "y"]);
    let panel = |title: &str, x: Axis, y: &str, to: (f64, f64)| {
        Panel::new(title, x, Axis::linear(y).over(to.0, to.1))
    };
    let mut panels = [
        panel("Generating functions", Axis::linear("s / λ"), "F(s)", (-0.1, 6.0)),
        panel(
            "Marginal distributions",
            Axis::linear("s / λ"),
            "F_i(s) = 1 − F(−s)/N, clipped",
            (-0.02, 1.05),
        ),
        panel("Divergence generators", Axis::linear("t"), "f(t) / λ", (-0.6, 6.0)),
    ];
    for (i, m) in MODELS.iter().enumerate() {
        let big_f = m.mended.unwrap_or(m.big_f);
        let style = if i < 3 { Style::line(LINES[i]) } else { Style::dashed(LINES[i]) };
        let grid = |from: f64, to: f64| (0..=300).map(move |j| from + (to - from) * f64::from(j) / 300.0);
        let lines = [
            grid(-3.0, 5.0)
                .map(|s| (s, big_f(s, 1.0).max(0.0)))
                .filter(|p| p.1.is_finite())
                .collect::<Vec<_>>(),
            grid(-8.0, 4.0).map(|s| (s, (1.0 - big_f(-s, 1.0) / ATOMS).clamp(0.0, 1.0))).collect(),
            grid(0.0, m.t_max.min(5.0)).map(|t| (t, (m.small_f)(t, 1.0))).collect(),
        ];
        for ((panel, line), curve) in panels.iter_mut().zip(lines).zip(["F", "distribution", "f"]) {
            for (x, y) in &line {
                curves.row([m.model.into(), curve.into(), (*x).into(), (*y).into()]);
            }
            let name = if curve == "f" { m.divergence.to_owned() } else { m.model.to_owned() };
            let name = if m.name.starts_with("tsallis") && curve == "f" {
                format!("{name}, {}", &m.model[8..])
            } else {
                name
            };
            panel.add(Series::new(name, style, line));
        }
    }
    let mut chart = Chart::new(3, 330.0, 300.0);
    let [first, second, third] = panels;
    [first, second.without_legend(), third].into_iter().for_each(|p| chart.add(p));
    findings.tables.push(curves);
    findings.pictures.push(Picture {
        name: "table-1",
        caption: "Table 1, drawn at λ = 1: the marginal generating functions F (left), the distribution functions of \
                  the disturbances that they make for N = 4 and η_i = 1/4 (middle), and the generators f of the \
                  divergences (right). The t-distribution's F is the mended one; at λ = 1 it is the printed one."
            .into(),
        alt: "Three panels with six curves each: increasing generating functions, distribution functions from 0 to \
              1, convex generators that vanish at t = 1."
            .into(),
        drawing: chart.draw(),
    });
}
