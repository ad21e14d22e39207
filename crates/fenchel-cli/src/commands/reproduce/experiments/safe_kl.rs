//! Figure 1 and section 2: the generator of the safe KL divergence, its conjugate, and their constants.

use super::super::findings::{Claim, Findings, Picture, Table};
use super::super::lab::Lab;
use super::{Experiment, LOG_SUM_EXP, Takes};
use crate::failure::Result;
use crate::picture::{Axis, Chart, LINES, Panel, Series, Style};
use crate::report::{plain, significant};
use fenchel::bounds::safe_strong_convexity;
use fenchel::divergence::{Divergence, Kl, SafeKl};
use fenchel::measure::stream;

/// The generator, drawn and checked.
pub const EXPERIMENT: Experiment = Experiment {
    name: "safe-kl",
    title: "Figure 1 and section 2: the generator of the safe KL divergence, its conjugate, its constants",
    paper: LOG_SUM_EXP,
    takes: Takes::Nothing,
    run,
};

/// ρ of the drawing; 0 is KL.
const DRAWN: [f64; 5] = [0.0, 0.1, 0.25, 0.5, 0.9];

/// Places that functions are compared at.
const PLACES: i32 = 400;

/// What rounding may do, in relation to the numbers.
const ROUNDING: f64 = 1e-12;

/// What was measured at one ρ.
struct Checked {
    rho: f64,
    /// The largest f_ρ − f_0 over t in [0, 10], as far as f_ρ is finite.
    excess: f64,
    /// How far f_ρ − f_0 is outside [0, ρt²] at most, in relation to 1 + f_ρ.
    outside: f64,
    /// How far f* is from the largest st − f(t) at most, in relation to 1 + |f*|.
    conjugate: f64,
    /// Whether (f*)' is above 0 and below 1/ρ everywhere, and f finite up to 1/ρ only.
    bounded: bool,
    /// The least slope of f' and the largest one of (f*)' between two places.
    convexity: f64,
    smoothness: f64,
}

/// `count` values of ρ from 1e-6 to 0.9, at equal ratios.
pub(super) fn rhos(count: usize) -> Vec<f64> {
    let last = count.max(2) - 1;
    let share = |i: usize| i as f64 / last as f64;
    (0..=last).map(|i| if i == last { 0.9 } else { 1e-6 * 9e5_f64.powf(share(i)) }).collect()
}

/// f_ρ as the paper prints it, on its domain.
fn printed(rho: f64, t: f64) -> f64 {
    let times_log = |x: f64, log: f64| if x > 0.0 { x * log } else { 0.0 };
    times_log(t, t.ln()) + 1.0 + times_log(1.0 - rho * t, (-rho * t).ln_1p()) / rho
}

/// The largest st − f(t) over t in [0, 1/ρ], by golden section: it is concave in t.
fn supremum(rho: f64, s: f64) -> f64 {
    let golden = 0.5 * (5_f64.sqrt() - 1.0);
    let value = |t: f64| s * t - printed(rho, t);
    let (mut low, mut high) = (0.0, 1.0 / rho);
    for _ in 0..120 {
        let (a, b) = (high - golden * (high - low), low + golden * (high - low));
        if value(a) < value(b) { low = a } else { high = b }
    }
    value(0.5 * (low + high))
}

fn check(seed: u64, rho: f64, number: u64, pairs: usize) -> Result<Checked> {
    let f = SafeKl::new(rho)?;
    let (mut excess, mut outside, mut conjugate) = (0.0_f64, 0.0_f64, 0.0_f64);
    let end = f.cap().min(10.0);
    let mut bounded = f.f(f.cap()).is_finite() && f.f(f.cap() * (1.0 + 1e-9)).is_infinite();
    for i in 0..=PLACES {
        let share = f64::from(i) / f64::from(PLACES);
        let t = end * share;
        let above = printed(rho, t) - Kl.f(t);
        excess = excess.max(above);
        outside = outside.max((-above).max(above - rho * t * t) / (1.0 + f.f(t).abs()));
        // s + log ρ, in which (f*)' is a logistic function.
        let y = -30.0 + 60.0 * share;
        let s = y - rho.ln();
        let softplus = (rho * s.exp()).ln_1p() / rho - 1.0;
        let off = (supremum(rho, s) - softplus).abs().max((f.conj(s) - softplus).abs());
        conjugate = conjugate.max(off / (1.0 + softplus.abs()));
        let density = f.conj_prime(s);
        bounded &= density > 0.0 && density < f.cap();
    }
    let mut rng = stream(seed, 400, number);
    let (mut convexity, mut smoothness) = (f64::INFINITY, 0.0_f64);
    for _ in 0..pairs {
        // Near and far apart, in the middle and towards the ends.
        let apart = 10f64.powf(-3.0 + 3.0 * rng.uniform());
        let a = rng.uniform();
        let b = (a + apart * (rng.uniform() - 0.5)).clamp(1e-12, 1.0 - 1e-12);
        if (a - b).abs() > 1e-4 {
            let (t, u) = (a * f.cap(), b * f.cap());
            convexity = convexity.min((f.f_prime(t) - f.f_prime(u)) / (t - u));
        }
        let (y, z) = (12.0 * (a - 0.5), 12.0 * (a - 0.5) + 6.0 * apart * (0.1 + rng.uniform()));
        let (s, r) = (y - rho.ln(), z - rho.ln());
        smoothness = smoothness.max((f.conj_prime(r) - f.conj_prime(s)) / (r - s));
    }
    Ok(Checked { rho, excess, outside, conjugate, bounded, convexity, smoothness })
}

fn run(lab: &Lab) -> Result<Findings> {
    let rhos = rhos(lab.pick(5, 13, 25));
    let pairs = lab.pick(2_000, 100_000, 1_000_000);
    let checked = lab.each("values of ρ", rhos.len(), |i| check(lab.seed(), rhos[i], i as u64, pairs))?;
    let mut findings = Findings {
        setup: vec![format!(
            "The generator f_ρ(t) = t log t + 1 + ((1 − ρt)/ρ) log(1 − ρt), written out here as the paper prints it, beside \
             f_0(t) = t log t + 1 − t of KL, at {} values of ρ from {} to {}: at {} places each on [0, 10], as far as \
             f_ρ is finite there. Its conjugate is compared to the largest st − f_ρ(t), found by golden section, for \
             s + log ρ from −30 to 30. The constants of Lemma 2.7 are measured as the least slope of f_ρ′ and the largest \
             one of (f_ρ*)′ between {pairs} random pairs of places for each ρ.",
            rhos.len(),
            plain(rhos[0], 1),
            plain(rhos[rhos.len() - 1], 1),
            PLACES + 1,
        )],
        ..Findings::default()
    };
    claims(&mut findings, &checked)?;
    let mut table = Table::new(
        "constants",
        "Differences, and the constants of Lemma 2.7: as printed, sharp, measured",
        &[
            "ρ",
            "f_ρ − f_0 at most",
            "convex as printed",
            "sharp",
            "measured",
            "smooth as printed",
            "sharp s",
            "measured s",
        ],
    )
    .on_page();
    for c in &checked {
        let sharp = safe_strong_convexity(c.rho)?;
        table.row([
            c.rho.into(),
            c.excess.into(),
            c.rho.into(),
            sharp.into(),
            c.convexity.into(),
            (1.0 / c.rho).into(),
            (1.0 / sharp).into(),
            c.smoothness.into(),
        ]);
    }
    findings.tables.push(table);
    figure(&mut findings)?;
    findings.pictures.push(constants(&checked));
    Ok(findings)
}

fn claims(findings: &mut Findings, checked: &[Checked]) -> Result<()> {
    let most = |of: &dyn Fn(&Checked) -> f64| checked.iter().map(of).fold(0.0, f64::max);
    let (first, last) = (&checked[0], &checked[checked.len() - 1]);
    let outside = most(&|c| c.outside);
    findings.claims.push(
        Claim::new(
            "After Definition 2.1, and Figure 1",
            "f_ρ(t) → f_0(t) = t log t + 1 − t as ρ → 0; f_ρ approximates KL with an accuracy that ρ regulates.",
            "f_ρ − f_0 lies between 0 and ρt² for all t in [0, 10] and all ρ, up to 1e-12 (1 + f_ρ), and is at most 1e-4 there \
             at the smallest ρ",
            format!(
                "On [0, 10] f_ρ − f_0 is at most {} at ρ = {} and {} at ρ = {} (on [0, 1/ρ]); it leaves [0, ρt²] by at most \
                 {} (1 + f_ρ).",
                significant(first.excess, 2),
                plain(first.rho, 1),
                significant(last.excess, 2),
                plain(last.rho, 1),
                significant(outside, 1)
            ),
            outside < ROUNDING && first.excess < 1e-4,
        )
        .because("A difference is outside of what the series of log(1 − ρt) allows: see the table."),
    );
    let conjugate = most(&|c| c.conjugate);
    findings.claims.push(
        Claim::new(
            "Lemma 2.3",
            "The conjugate of f_ρ is f_ρ*(s) = (1/ρ) log(1 + ρe^s) − 1, a rescaled softplus.",
            "it is the largest st − f_ρ(t) over t, and what the engine has, to 1e-9 (1 + |f_ρ*|) at every s and ρ",
            format!("The largest difference is {} (1 + |f_ρ*|).", significant(conjugate, 1)),
            conjugate < 1e-9,
        )
        .because("The largest st − f_ρ(t) is another number: see the table."),
    );
    findings.claims.push(
        Claim::new(
            "After Lemma 2.3",
            "f_ρ is infinite beyond 1/ρ, so that no density can exceed it; the optimal density, (f_ρ*)′ of the excess over \
             the threshold, lies strictly between 0 and 1/ρ.",
            "f_ρ is finite at 1/ρ and infinite beyond it, and 0 < (f_ρ*)′(s) < 1/ρ for s + log ρ from −30 to 30, beyond which \
             1/ρ is the nearest number",
            format!(
                "So for {} of {} values of ρ.",
                checked.iter().filter(|c| c.bounded).count(),
                checked.len()
            ),
            checked.iter().all(|c| c.bounded),
        )
        .because("A density reaches an end of its range, or f_ρ another domain."),
    );
    // In units of what is printed.
    let convexity = checked.iter().map(|c| c.convexity / c.rho).fold(f64::INFINITY, f64::min);
    let smoothness = most(&|c| c.smoothness * c.rho);
    let measured = format!(
        "The least slope of f_ρ′ is {} ρ, the largest of (f_ρ*)′ is {}/ρ.",
        significant(convexity, 5),
        significant(smoothness, 5)
    );
    findings.claims.push(
        Claim::new(
            "Lemma 2.7",
            "f_ρ is ρ-strongly convex and f_ρ* is (1/ρ)-smooth.",
            "no slope of f_ρ′ is below ρ and none of (f_ρ*)′ above 1/ρ",
            measured.clone(),
            convexity >= 1.0 && smoothness <= 1.0,
        )
        .because("A slope is outside: see the table."),
    );
    let sharp = safe_strong_convexity(first.rho)? / first.rho;
    let nearest = checked.iter().map(|c| c.convexity / c.rho).fold(0.0, f64::max);
    let flattest = checked.iter().map(|c| c.smoothness * c.rho).fold(f64::INFINITY, f64::min);
    let holds = convexity >= sharp * (1.0 - 1e-9)
        && smoothness <= (1.0 + 1e-9) / sharp
        && nearest < 1.01 * sharp
        && flattest > 0.99 / sharp;
    findings.claims.push(
        Claim::new(
            "Lemma 2.7, with the best constants",
            "f_ρ″(t) = 1/(t(1 − ρt)) is least at t = 1/(2ρ): f_ρ is 4ρ-strongly convex and f_ρ* is 1/(4ρ)-smooth, and no better \
             constants hold. The printed ones are right and four times too careful.",
            "no slope is outside these constants by more than 1e-9 of them, and for every ρ the extreme ones are within 1% of them",
            format!(
                "{measured} Over ρ the least slope of f_ρ′ varies up to {} ρ, the largest of (f_ρ*)′ down to {}/ρ.",
                significant(nearest, 5),
                significant(flattest, 5)
            ),
            holds,
        )
        .because("A slope is outside, or none comes near.")
        .ours(),
    );
    // For fixed t, over ρ.
    let mut falls = 0.0_f64;
    for pair in checked.windows(2) {
        let (lower, upper) = (SafeKl::new(pair[0].rho)?, SafeKl::new(pair[1].rho)?);
        for i in 0..=PLACES {
            let t = upper.cap().min(10.0) * f64::from(i) / f64::from(PLACES);
            falls = falls.max((lower.f(t) - upper.f(t)) / (1.0 + upper.f(t).abs()));
        }
    }
    findings.claims.push(
        Claim::new(
            "Behind Proposition 2.4 (i)",
            "f_ρ(t) grows with ρ at every t, from f_0(t) on: a dearer divergence, hence a lower maximum (not in the paper, \
             which argues by the conjugate).",
            "f_ρ(t) falls by no more than 1e-12 (1 + f_ρ) from one ρ to the next",
            format!("It falls by at most {} (1 + f_ρ).", significant(falls, 1)),
            falls < ROUNDING,
        )
        .because("It falls somewhere.")
        .ours(),
    );
    Ok(())
}

/// The paper's Figure 1, and the same for the conjugate and its derivative.
fn figure(findings: &mut Findings) -> Result<()> {
    let mut curves = Table::new("curves", "The curves of Figure 1", &["curve", "ρ", "x", "y"]);
    let panel = |title: &str, x: &str, y: &str, to: (f64, f64)| {
        Panel::new(title, Axis::linear(x), Axis::linear(y).over(to.0, to.1))
    };
    let mut panels = [
        panel("Generator", "t", "f_ρ(t); a dot where its domain ends", (-0.2, 7.0)),
        panel("Conjugate", "s", "f_ρ*(s)", (-1.2, 7.0)),
        panel("Density", "s", "(f_ρ*)′(s)", (-0.2, 7.0)),
    ];
    for (i, rho) in DRAWN.into_iter().enumerate() {
        let f: Box<dyn Divergence> = if rho > 0.0 { Box::new(SafeKl::new(rho)?) } else { Box::new(Kl) };
        let name = if rho > 0.0 { format!("ρ = {}", plain(rho, 2)) } else { "KL".to_owned() };
        let style = Style::line(if rho > 0.0 { LINES[i] } else { LINES[6] });
        let grid = |from: f64, to: f64| (0..=300).map(move |j| from + (to - from) * f64::from(j) / 300.0);
        let end = f.cap().min(5.0);
        let lines: [(&str, Vec<(f64, f64)>); 3] = [
            ("f", grid(0.0, end).map(|t| (t, f.f(t))).collect()),
            ("f*", grid(-4.0, 4.0).map(|s| (s, f.conj(s))).collect()),
            ("(f*)'", grid(-4.0, 4.0).map(|s| (s, f.conj_prime(s))).collect()),
        ];
        for (panel, (curve, line)) in panels.iter_mut().zip(lines) {
            for (x, y) in &line {
                curves.row([curve.into(), rho.into(), (*x).into(), (*y).into()]);
            }
            if curve == "f" && f.cap() < 5.0 {
                let dot = Style { width: 0.0, ..style.with_dots() };
                panel.add(Series::new("", dot, vec![(end, f.f(end))]));
            }
            panel.add(Series::new(name.as_str(), style, line));
        }
    }
    let mut chart = Chart::new(3, 330.0, 300.0);
    let [generator, conjugate, density] = panels;
    [generator, conjugate.without_legend(), density.without_legend()].into_iter().for_each(|p| chart.add(p));
    findings.tables.push(curves);
    findings.pictures.push(Picture {
        name: "figure-1",
        caption: "Figure 1 of the paper (left), the conjugates (middle) and their derivatives (right): f_ρ is above the \
                  generator of KL and ends at t = 1/ρ, where its slope is infinite; the exponential function becomes a \
                  softplus, its derivative a logistic function below 1/ρ."
            .into(),
        alt: "Three panels with five curves each, for KL and four values of ρ: convex generators with a minimum near t = 1, \
              of which those of larger ρ end sooner; conjugates that bend from exponentials into straight lines; \
              derivatives that level off at 1/ρ."
            .into(),
        drawing: chart.draw(),
    });
    Ok(())
}

/// Second derivatives in units of ρ, and the constants over ρ.
fn constants(checked: &[Checked]) -> Picture {
    let mut chart = Chart::new(2, 450.0, 280.0);
    let inside = |x: f64| 1.0 / (x * (1.0 - x));
    let logistic = |y: f64| 1.0 / (1.0 + (-y).exp());
    let unit = (1..200).map(|i| f64::from(i) / 200.0);
    let wide = (0..=240).map(|i| -6.0 + f64::from(i) / 20.0);
    let level = |name: &str, style: Style, from: f64, to: f64, y: f64| {
        Series::new(name, style, vec![(from, y), (to, y)])
    };
    let (sharp, loose) = (Style::dashed(LINES[4]), Style::dotted(LINES[2]));
    let mut bend =
        Panel::new("Curvature of f_ρ", Axis::linear("ρt"), Axis::log("f_ρ″(t)/ρ").over(0.5, 100.0));
    bend.add(Series::new(
        "f_ρ″/ρ, for every ρ",
        Style::line(LINES[0]),
        unit.map(|x| (x, inside(x))).collect(),
    ));
    bend.add(level("4", sharp, 0.0, 1.0, 4.0));
    bend.add(level("1, as printed", loose, 0.0, 1.0, 1.0));
    chart.add(bend);
    let slope = |y: f64| logistic(y) * logistic(-y);
    let mut bow = Panel::new(
        "Curvature of f_ρ*",
        Axis::linear("s + log ρ"),
        Axis::linear("ρ (f_ρ*)″(s)").over(0.0, 1.1),
    );
    bow.add(Series::new(
        "ρ (f_ρ*)″, for every ρ",
        Style::line(LINES[0]),
        wide.map(|y| (y, slope(y))).collect(),
    ));
    bow.add(level("1/4", sharp, -6.0, 6.0, 0.25));
    bow.add(level("1, as printed", loose, -6.0, 6.0, 1.0));
    chart.add(bow);
    let over = |of: &dyn Fn(&Checked) -> f64| checked.iter().map(|c| (c.rho, of(c))).collect::<Vec<_>>();
    let dots = Style { width: 0.0, ..Style::line(LINES[0]).with_dots() };
    for (title, label, measured, best, print) in [
        (
            "Strong convexity",
            "least slope of f_ρ′",
            over(&|c| c.convexity),
            over(&|c| 4.0 * c.rho),
            over(&|c| c.rho),
        ),
        (
            "Smoothness",
            "largest slope of (f_ρ*)′",
            over(&|c| c.smoothness),
            over(&|c| 0.25 / c.rho),
            over(&|c| 1.0 / c.rho),
        ),
    ] {
        let mut panel = Panel::new(title, Axis::log("ρ"), Axis::log(label));
        panel.add(Series::new("measured", dots, measured));
        panel.add(Series::new("sharp", sharp, best));
        panel.add(Series::new("as printed", loose, print));
        chart.add(panel);
    }
    Picture {
        name: "constants",
        caption: "Lemma 2.7. Above: second derivatives of f_ρ and of its conjugate, which are the same curve for every ρ in \
                  these units, with the best constants (dashed) and those printed (dotted). Below: the extreme slopes between \
                  random pairs of places, over ρ, beside both."
            .into(),
        alt: "Four panels. Above, a convex curve that touches the level 4 from above and a bell that touches the level 1/4 \
              from below, each far from the level 1. Below, measured constants on the dashed lines 4ρ and 1/(4ρ), apart from \
              the dotted lines ρ and 1/ρ."
            .into(),
        drawing: chart.draw(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_rho_reach_from_end_to_end() {
        let all = rhos(13);
        assert_eq!((all.len(), all[0], all[12]), (13, 1e-6, 0.9));
        let ratio = all[1] / all[0];
        assert!(all.windows(2).all(|w| (w[1] / w[0] / ratio - 1.0).abs() < 1e-9), "{all:?}");
    }

    /// At ρ = ½ and s = log 2 the maximum is at t = 1 by symmetry: 1 + ρe^s = 2.
    #[test]
    fn golden_section_finds_a_known_maximum() {
        let s = 2f64.ln();
        assert!((supremum(0.5, s) - (2.0 * s - 1.0)).abs() < 1e-14, "{}", supremum(0.5, s));
        assert!((printed(0.5, 1.0) - (1.0 - s)).abs() < 1e-15 && printed(0.5, 2.0) == 1.0 + 2.0 * s);
    }
}
