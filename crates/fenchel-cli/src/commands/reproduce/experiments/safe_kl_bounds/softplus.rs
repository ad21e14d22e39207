//! Proposition C.2: how smooth log(1 + e^ℓ) is for a smooth ℓ.

use crate::commands::reproduce::findings::{Claim, Findings, Table};
use crate::commands::reproduce::lab::Lab;
use crate::failure::Result;
use crate::report::{plain, significant};
use fenchel::bounds::logistic_smoothness;
use fenchel::measure::{Rng, stream};

/// Lower bounds ℓ* of ℓ.
const LOWEST: [f64; 11] = [-100.0, -30.0, -10.0, -5.0, -3.0, -2.0, -1.0, -0.5, 0.0, 2.0, 5.0];

/// What was measured at one ℓ*, in units of L.
pub(super) struct Smoothness {
    /// ℓ*.
    pub lowest: f64,
    /// The constant of the paper.
    pub printed: f64,
    /// The best constant: the largest σ(ℓ) + 2σ′(ℓ)(ℓ − ℓ*) over ℓ ≥ ℓ*, which parabolas attain.
    pub sharp: f64,
    /// The largest slope of the gradient between two places.
    pub measured: f64,
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// ℓ along a line and its slope, less ℓ*, with L = 1 and the minimum 0: a parabola, a cosine, log cosh, and a hyperbola.
fn shape(kind: u64, x: f64) -> (f64, f64) {
    match kind {
        0 => (0.5 * x * x, x),
        1 => (1.0 - x.cos(), x.sin()),
        2 => (x.abs() + (-2.0 * x.abs()).exp().ln_1p() - std::f64::consts::LN_2, x.tanh()),
        _ => ((1.0 + x * x).sqrt() - 1.0, x / (1.0 + x * x).sqrt()),
    }
}

/// The largest σ(ℓ) + 2σ′(ℓ)(ℓ − ℓ*) over ℓ ≥ ℓ*.
fn sharp(lowest: f64) -> f64 {
    let at = |l: f64| logistic(l) * (1.0 + 2.0 * logistic(-l) * (l - lowest));
    (0..=400_000).map(|i| at(lowest.max(-40.0) + f64::from(i) * 1e-3 * 0.25)).fold(0.0, f64::max)
}

/// The largest |F′(x) − F′(y)|/(L|x − y|) over random pairs, F = log(1 + e^ℓ).
fn measured(rng: &mut Rng, lowest: f64, pairs: usize) -> f64 {
    let mut most = 0.0_f64;
    for _ in 0..pairs {
        let kind = rng.below(4);
        // ℓ(x) = ℓ* + L s² shape(x/s), of whatever length s.
        let length = 10f64.powf(-1.0 + 3.0 * rng.uniform());
        let smooth = 10f64.powf(-2.0 + 4.0 * rng.uniform());
        let slope = |x: f64| {
            let (value, slope) = shape(kind, x / length);
            logistic(lowest + smooth * length * length * value) * smooth * length * slope
        };
        // Where a parabola has values about 0, its softplus bends most; others anywhere.
        let value = lowest.max(-4.0) + 9.0 * rng.uniform() - lowest;
        let parabola = (2.0 * value / smooth).sqrt();
        let x = if rng.uniform() < 0.5 { parabola } else { 4.0 * length * rng.uniform() };
        let near = x.max(1.0 / smooth.sqrt());
        let y = x + near * 10f64.powf(-5.0 + 5.0 * rng.uniform()) * (rng.uniform() - 0.5);
        if (x - y).abs() > 1e-6 * x.abs() {
            most = most.max((slope(x) - slope(y)).abs() / (smooth * (x - y).abs()));
        }
    }
    most
}

/// All of it.
pub(super) fn smoothness(lab: &Lab, pairs: usize) -> Result<Vec<Smoothness>> {
    lab.each("softplus", LOWEST.len(), |i| {
        let lowest = LOWEST[i];
        Ok(Smoothness {
            lowest,
            printed: logistic_smoothness(1.0, lowest)?,
            sharp: sharp(lowest),
            measured: measured(&mut stream(lab.seed(), 420, i as u64), lowest, pairs),
        })
    })
}

/// The claims on it, and their table.
pub(super) fn claims(findings: &mut Findings, all: &[Smoothness]) {
    let share = |of: fn(&Smoothness) -> f64| all.iter().map(|s| s.measured / of(s)).fold(0.0, f64::max);
    let (of_printed, of_sharp) = (share(|s| s.printed), share(|s| s.sharp));
    let least = all.iter().map(|s| s.sharp / s.printed).fold(f64::INFINITY, f64::min);
    let at_zero = all.iter().find(|s| s.lowest == 0.0).map_or(f64::NAN, |s| s.sharp);
    findings.claims.push(
        Claim::new(
            "Proposition C.2",
            "If ℓ is L-smooth and ℓ ≥ ℓ*, then log(1 + e^ℓ) is smooth with 4L/3, or (4/3 − ℓ*/2) L if ℓ* < 0.",
            "no slope of its gradient between two places is above that constant",
            format!(
                "For ℓ* from {} to {} the largest slope of the gradient, of parabolas, cosines, log cosh and hyperbolas, is {} of \
                 the constant.",
                plain(LOWEST[0], 3).replace('-', "−"),
                plain(LOWEST[LOWEST.len() - 1], 3),
                significant(of_printed, 4)
            ),
            of_printed <= 1.0,
        )
        .because("A slope is above the constant: the table has the ℓ*."),
    );
    findings.claims.push(
        Claim::new(
            "Proposition C.2, with the best constant",
            "The largest σ(ℓ) + 2σ′(ℓ)(ℓ − ℓ*) over ℓ ≥ ℓ*, times L: parabolas attain it.",
            "no slope is above that by more than 1e-6 of it, and slopes come within 2% of it for every ℓ*",
            format!(
                "The largest slope is {} of it. It is {} L at ℓ* = 0, where 4/3 is printed, and at least {} of what is printed at \
                 every ℓ*.",
                significant(of_sharp, 6),
                significant(at_zero, 5),
                significant(least, 3)
            ),
            of_sharp <= 1.0 + 1e-6 && all.iter().all(|s| s.measured >= 0.98 * s.sharp),
        )
        .because("A slope is above it, or none comes near.")
        .ours(),
    );
    let steep: Vec<&Smoothness> = all.iter().filter(|s| s.lowest <= -10.0).collect();
    let factors = steep
        .iter()
        .map(|s| format!("{} at ℓ* = {}", significant(s.measured / -s.lowest, 3), plain(s.lowest, 3)));
    findings.claims.push(
        Claim::new(
            "Remark C.3",
            "The factor ½ before −ℓ* cannot be improved.",
            "for ℓ* ≤ −10 the largest slope is at least 0.49 · (−ℓ*) L",
            format!(
                "In units of −ℓ* L the largest slope is {}.",
                factors.collect::<Vec<_>>().join(", ").replace('-', "−")
            ),
            steep.iter().all(|s| s.measured >= -0.49 * s.lowest),
        )
        .because("No function that was tried has such a slope."),
    );
    let columns = &["ℓ*", "printed", "sharp", "measured"];
    let mut table = Table::new(
        "softplus",
        "Smoothness of log(1 + e^ℓ) in units of L: as printed, sharp, measured",
        columns,
    )
    .on_page();
    for s in all {
        table.row([s.lowest.into(), s.printed.into(), s.sharp.into(), s.measured.into()]);
    }
    findings.tables.push(table);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shapes have curvature at most 1, 1 at their minimum, and the slope that they say.
    #[test]
    fn shapes_are_smooth() {
        for kind in 0..4 {
            for i in -40..40 {
                let (x, h) = (f64::from(i) * 0.17, 1e-5);
                let slope = (shape(kind, x + h).0 - shape(kind, x - h).0) / (2.0 * h);
                assert!((slope - shape(kind, x).1).abs() < 1e-9, "{kind} {x}");
                let curvature = (shape(kind, x + h).1 - shape(kind, x - h).1) / (2.0 * h);
                assert!(curvature < 1.0 + 1e-9 && shape(kind, x).0 >= -1e-15, "{kind} {x} {curvature}");
            }
            assert!(shape(kind, 0.0).0.abs() < 1e-15 && (shape(kind, 1e-4).1 - 1e-4).abs() < 1e-10);
        }
    }

    /// At ℓ* = −2000 the maximum is all but at ℓ = 0: ½ + ½·1000·2.
    #[test]
    fn sharp_constants_known_by_hand() {
        assert!((sharp(-2000.0) / 1000.5 - 1.0).abs() < 1e-3, "{}", sharp(-2000.0));
        assert!(sharp(0.0) > 1.3 && sharp(0.0) < 4.0 / 3.0, "{}", sharp(0.0));
    }
}
