//! Differences beside their bounds, over ρ.

use super::Input;
use super::softplus::Smoothness;
use crate::commands::reproduce::experiments::safe_kl::rhos;
use crate::commands::reproduce::findings::{Findings, Picture, Table};
use crate::commands::reproduce::lab::Lab;
use crate::failure::Result;
use crate::picture::{Axis, Chart, LINES, Panel, Series, Style};
use std::f64::consts::LN_2;

/// Scores of an example that is drawn.
fn example(kind: usize) -> (&'static str, Input) {
    let (name, phi): (_, Vec<f64>) = match kind {
        0 => ("ten scores, 0 to 2", (0..10).map(|i| f64::from(i) * 2.0 / 9.0).collect()),
        1 => {
            // Normal quantiles.
            let quantile = |i: u32| fenchel::measure::normal_quantile((f64::from(i) + 0.5) / 1000.0);
            ("a thousand normal scores", (0..1000).map(quantile).collect())
        }
        _ => {
            ("a thousand, one of them 10 above", (0..1000).map(|i| if i == 0 { 10.0 } else { 0.0 }).collect())
        }
    };
    let eta = vec![1.0 / phi.len() as f64; phi.len()];
    (name, Input { phi, eta, lambda: 1.0 })
}

/// The ends of a line that is straight.
fn ends(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    points.first().into_iter().chain(points.last()).copied().collect()
}

/// All pictures, and the table behind them.
pub(super) fn draw(lab: &Lab, findings: &mut Findings, softplus: &[Smoothness]) -> Result<()> {
    let rhos = rhos(lab.pick(13, 49, 97));
    let mut curves = Table::new("curves", "The curves of the pictures", &["scores", "curve", "ρ", "y"]);
    let mut partition = Chart::new(3, 330.0, 290.0);
    let mut rest = Chart::new(3, 330.0, 290.0);
    let (measured, printed) = (Style::line(LINES[0]), Style::dashed(LINES[2]));
    let (other, sharp) = (Style::dotted(LINES[3]), Style::dashed(LINES[4]));
    for kind in 0..3 {
        let (name, input) = example(kind);
        let (cases, _) = input.cases(&rhos)?;
        let mut line = |curve: &str, of: &dyn Fn(&super::Case) -> Option<f64>| {
            let points: Vec<(f64, f64)> = cases.iter().filter_map(|c| Some((c.rho, of(c)?))).collect();
            for (x, y) in &points {
                curves.row([name.into(), curve.into(), (*x).into(), (*y).into()]);
            }
            points
        };
        let gap = line("F − F_ρ", &|c| Some(c.gap));
        let moment = ends(line("2.4 (iii)", &|c| c.moment.map(|s| s.bound)));
        let maximum = ends(line("2.4 (iv)", &|c| c.maximum.map(|s| s.bound)));
        // ½ρ E e^{2(φ − F)}, of which (iii) has eight times, less ρ/2.
        let leading = ends(line("first order", &|c| c.moment.map(|s| (s.bound + 0.5 * c.rho) / 8.0)));
        let counted = line("LSE − quantity", &|c| Some(c.counted.difference));
        let tail = line("F_ρ − lower end of 2.6", &|c| Some(c.tail.difference));
        let mut panel = Panel::new(name, Axis::log("ρ"), Axis::log("F − F_ρ, and at most").over(1e-7, 10.0));
        panel.add(Series::new("to first order", Style::dash_dotted(LINES[6]), leading));
        panel.add(Series::new("F − F_ρ", measured, gap));
        panel.add(Series::new("(iii)", printed, moment));
        panel.add(Series::new("(iv)", other, maximum));
        partition.add(if kind == 0 { panel } else { panel.without_legend() });
        if kind == 1 {
            let mut panel =
                Panel::new("Corollary 2.5", Axis::log("ρ"), Axis::log("LSE less the quantity, and at most"));
            panel.add(Series::new("difference", measured, counted));
            panel.add(Series::new("ρ", printed, ends(rhos.iter().map(|r| (*r, *r)).collect())));
            rest.add(panel);
            let label = "F_ρ less the lower end, and at most";
            let mut panel = Panel::new("Proposition 2.6", Axis::log("ρ"), Axis::log(label));
            panel.add(Series::new("difference", measured, tail));
            panel.add(Series::new("log(2)/ρ", sharp, ends(rhos.iter().map(|r| (*r, LN_2 / r)).collect())));
            panel.add(Series::new(
                "1/ρ, as printed",
                printed,
                ends(rhos.iter().map(|r| (*r, 1.0 / r)).collect()),
            ));
            rest.add(panel);
        }
    }
    let label = "smoothness of log(1 + e^ℓ) / L";
    let mut panel = Panel::new(
        "Proposition C.2",
        Axis::linear("ℓ*").over(-10.5, 5.5),
        Axis::linear(label).over(0.0, 7.0),
    );
    let over = |of: fn(&Smoothness) -> f64| softplus.iter().map(|s| (s.lowest, of(s))).collect::<Vec<_>>();
    let dots = Style { width: 0.0, ..measured.with_dots() };
    panel.add(Series::new("as printed", printed, over(|s| s.printed)));
    panel.add(Series::new("sharp", sharp, over(|s| s.sharp)));
    panel.add(Series::new("measured", dots, over(|s| s.measured)));
    rest.add(panel);
    findings.tables.push(curves);
    findings.pictures.push(Picture {
        name: "log-partition",
        caption: "Proposition 2.4: how far the safe log-partition functional is below the plain one (solid), over ρ, for three \
                  inputs at λ = 1, and the bounds by moments (iii, dashed) and by the maximum (iv, dotted), each as far as ρ is \
                  small enough for it. The difference is O(ρ): ½ρ e^(F(2φ) − 2F(φ)) to first order (dash-dotted), a seventh of (iii) at most."
            .into(),
        alt: "Three panels on logarithmic axes. In each a solid line of the difference rises in proportion to ρ and bends \
              down for large ρ, below a dashed and a dotted line of the bounds, which end before ρ = 1."
            .into(),
        drawing: partition.draw(),
    });
    findings.pictures.push(Picture {
        name: "bounds",
        caption: "Left: Bouchard’s quantity for a thousand normal terms is below log-sum-exp by less than ρ (Corollary 2.5). \
                  Middle: the safe functional of the same scores above the lower end of Proposition 2.6; the upper end as printed \
                  and with log 2 for 1. Right: the smoothness of a softplus of functions that are bounded below by ℓ*, measured \
                  (dots), with the best constant and with that of Proposition C.2."
            .into(),
        alt: "Three panels. Left, a difference that rises with ρ below the diagonal. Middle, a difference that falls with ρ, \
              below two parallel lines. Right, dots on a dashed curve that falls to 1.3 at ℓ* = 0, just below the printed constant."
            .into(),
        drawing: rest.draw(),
    });
    Ok(())
}
