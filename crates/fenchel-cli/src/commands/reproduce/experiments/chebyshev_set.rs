//! Section 3.2: best expected maxima over noise with a given covariance.

use super::super::findings::{Claim, Findings, Picture, Table};
use super::super::lab::Lab;
use super::super::statistics::{Estimate, Running};
use super::{Experiment, SEMI_DISCRETE, Takes};
use crate::failure::Result;
use crate::picture::{Axis, Chart, LINES, Panel, Series, Style};
use crate::report::significant;
use fenchel::choice::Chebyshev;
use fenchel::divergence;
use fenchel::measure::{Rng, stream};
use fenchel::smoothmax::SmoothMax;

/// Equation (23) against its semidefinite program and the dual of that, exact distributions and draws; equation (24) as
/// printed.
pub const EXPERIMENT: Experiment = Experiment {
    name: "chebyshev-set",
    title: "Section 3.2: the best expected maximum over noise with a given covariance, by its semidefinite program",
    paper: SEMI_DISCRETE,
    takes: Takes::Nothing,
    run,
};

fn run(lab: &Lab) -> Result<Findings> {
    let mut findings = Findings {
        setup: vec![
            "ψ(u) = max over p of ⟨u, p⟩ + tr (Σ^½ (diag p − ppᵀ) Σ^½)^½, equation (23) with λ²Σ read as the covariance Σ, by \
             Newton's method on the simplex, with the duality gap of each answer. As a semidefinite program: maximise \
             ⟨u, p⟩ + tr Z over p in the simplex and Z with [Σ Z; Zᵀ diag p − ppᵀ] positive semidefinite, which Schur's \
             complement makes linear. Its dual: minimise max over p of ⟨u, p⟩ + ½ tr X(diag p − ppᵀ), plus ½ tr X⁻¹Σ, over \
             positive definite X. No conic solver runs here: points of both programs are made from the answer, and \
             their values, sums over the points of the noise that attains ψ, enclose the maximum from below and above. Values \
             count as equal within 1e-9, relative to 1 + |ψ|; noises have standard deviations of about 1."
                .to_owned(),
        ],
        ..Findings::default()
    };
    large(lab, &mut findings)?;
    correlation(lab, &mut findings)?;
    Ok(findings)
}

/// Values relative to 1 + |ψ|, means and covariances count as equal within this.
const ACCURACY: f64 = 1e-9;

/// FFᵀ/n + I/10 with F standard normal.
fn covariance(n: usize, rng: &mut Rng) -> Vec<f64> {
    let f: Vec<f64> = (0..n * n).map(|_| rng.normal()).collect();
    let mut s = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..n {
            let dot: f64 = f[i * n..(i + 1) * n].iter().zip(&f[j * n..(j + 1) * n]).map(|(a, b)| a * b).sum();
            s[i * n + j] = dot / n as f64 + if i == j { 0.1 } else { 0.0 };
        }
    }
    s
}

/// The noise that comes with an answer, judged by sums over its points.
struct Judged {
    /// What the semidefinite program has at p and Z, the covariance of the noise with the choice: ⟨u, p⟩ + tr Z.
    program: f64,
    /// What its dual has at X; infinite if X is not positive definite.
    dual: f64,
    /// The expected maximum.
    attained: f64,
    /// How far means and covariances of the differences are from those asked for.
    moments: f64,
}

/// Row j of `z` is taken with probability p_j; only differences from the first atom count.
fn judge(u: &[f64], s: &[f64], p: &[f64], z: &[f64]) -> Judged {
    let n = u.len();
    let (mut program, mut attained) = (0.0, 0.0);
    for (j, row) in z.chunks_exact(n).enumerate() {
        program += p[j] * (u[j] + row[j]);
        attained += p[j] * u.iter().zip(row).map(|(u, z)| u + z).fold(f64::NEG_INFINITY, f64::max);
    }
    let of = |j: usize, i: usize| z[j * n + i] - z[j * n];
    let expect = |value: &dyn Fn(usize) -> f64| p.iter().enumerate().map(|(j, p)| p * value(j)).sum::<f64>();
    let (m, mut moments) = (n - 1, 0.0_f64);
    let (mut x, mut asked) = (vec![0.0; m * m], vec![0.0; m * m]);
    for a in 1..n {
        moments = moments.max(expect(&|j| of(j, a)).abs());
        for b in 1..n {
            let at = (a - 1) * m + b - 1;
            asked[at] = s[a * n + b] - s[a * n] - s[b] + s[0];
            moments = moments.max((expect(&|j| of(j, a) * of(j, b)) - asked[at]).abs());
            // X takes 1_b − 1_0 to the difference of points b and 0; any symmetric matrix bounds from above.
            x[at] = 0.5 * (of(b, a) - of(0, a) + of(a, b) - of(0, b));
        }
    }
    Judged { program, dual: dual(u, &asked, p, &x), attained, moments }
}

/// ½ tr X⁻¹Σ plus an upper bound on max over p of ⟨u, p⟩ + ½ tr X(diag p − ppᵀ), which is concave: its tangent at `p`. `x`
/// and `s` belong to differences from the first atom.
fn dual(u: &[f64], s: &[f64], p: &[f64], x: &[f64]) -> f64 {
    let m = u.len() - 1;
    let (Some(left), Some(right)) = (cholesky(x, m), cholesky(s, m)) else { return f64::INFINITY };
    let (mut steepest, mut square) = (u[0], 0.0);
    for a in 0..m {
        let along: f64 = (0..m).map(|b| x[a * m + b] * p[b + 1]).sum();
        steepest = steepest.max(u[a + 1] + 0.5 * x[a * m + a] - along);
        square += p[a + 1] * along;
    }
    // tr X⁻¹Σ is the square of the norm of L⁻¹R, where X = LLᵀ and Σ = RRᵀ.
    let (mut solved, mut trace) = (right, 0.0);
    for i in 0..m {
        for k in 0..i {
            for j in 0..m {
                solved[i * m + j] -= left[i * m + k] * solved[k * m + j];
            }
        }
        for j in 0..m {
            solved[i * m + j] /= left[i * m + i];
            trace += solved[i * m + j] * solved[i * m + j];
        }
    }
    steepest + 0.5 * square + 0.5 * trace
}

/// L with `a` = LLᵀ, zeros above the diagonal, if there is one.
fn cholesky(a: &[f64], m: usize) -> Option<Vec<f64>> {
    let mut l = vec![0.0; m * m];
    for i in 0..m {
        for j in 0..=i {
            let rest = a[i * m + j] - (0..j).map(|k| l[i * m + k] * l[j * m + k]).sum::<f64>();
            if i == j && (rest <= 0.0 || rest.is_nan()) {
                return None;
            }
            l[i * m + j] = if i == j { rest.sqrt() } else { rest / l[j * m + j] };
        }
    }
    Some(l)
}

/// Gap, worst case and dual as N grows.
fn large(lab: &Lab, findings: &mut Findings) -> Result<()> {
    let sizes: &[usize] =
        lab.pick(&[2, 5, 10], &[2, 5, 10, 20, 50, 100, 200], &[2, 5, 10, 20, 50, 100, 200, 300]);
    let spreads = [0.1, 3.0, 100.0];
    let columns =
        ["atoms", "spread", "value", "gap", "iterations", "program", "dual", "attained", "moments_error"];
    let caption = "Random covariances: gaps, values of the semidefinite program and of its dual at feasible points, and the \
                   expected maximum, means and covariances of the distribution on N points that attains it.";
    let mut table = Table::new("sizes", caption, &columns).on_page();
    let results = lab.each("sizes", sizes.len() * spreads.len(), |i| {
        let (n, spread) = (sizes[i / spreads.len()], spreads[i % spreads.len()]);
        let mut rng = stream(lab.seed(), 720, i as u64);
        let s = covariance(n, &mut rng);
        let mut u: Vec<f64> = (0..n).map(|_| spread * rng.normal()).collect();
        // Two alternatives of one utility.
        u[n - 1] = u[0];
        let mut set = Chebyshev::new(&s)?;
        let (mut p, mut z) = (vec![0.0; n], vec![0.0; n * n]);
        let best = set.evaluate(&u, &mut p)?;
        set.worst_case(&mut z)?;
        Ok((n, spread, best, judge(&u, &s, &p, &z)))
    })?;
    let (mut gaps, mut moments) = (0.0_f64, 0.0_f64);
    let (mut programs, mut duals, mut maxima) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (n, spread, best, judged) in &results {
        let off = |value: f64| (value - best.value).abs() / (1.0 + best.value.abs());
        gaps = gaps.max(best.gap / (1.0 + best.value.abs()));
        moments = moments.max(judged.moments);
        programs = programs.max(off(judged.program));
        duals = duals.max(off(judged.dual));
        maxima = maxima.max(off(judged.attained));
        table.row([
            (*n).into(),
            (*spread).into(),
            best.value.into(),
            best.gap.into(),
            best.iterations.into(),
            judged.program.into(),
            judged.dual.into(),
            judged.attained.into(),
            judged.moments.into(),
        ]);
    }
    findings.tables.push(table);
    let largest = sizes[sizes.len() - 1];
    findings.claims.push(Claim::new(
        "Equation (23)",
        "The maximum has an exact reformulation as a semidefinite program.",
        "the program at the answer's p and the covariance Z of its noise and its choice, a point that is feasible since means \
         and covariances are off by at most 1e-9, and the dual at the matrix X of that noise have the value ψ; that a solver \
         started elsewhere gets there is not tried",
        format!(
            "{} programs of up to {largest} atoms: the program's values are off by at most {}, the dual's by {}, means and \
             covariances by {}.",
            results.len(),
            significant(programs, 2),
            significant(duals, 2),
            significant(moments, 2)
        ),
        programs <= ACCURACY && duals <= ACCURACY && moments <= ACCURACY,
    ));
    findings.claims.push(Claim::new(
        "Section 3.2",
        "The maximum over p can be computed (here, for N up to a few hundred).",
        "the duality gap at the answer, from the gradient there, is at most 1e-9, relative to 1 + |ψ|",
        format!("N up to {largest}: the largest gap is {}.", significant(gaps, 2)),
        gaps <= ACCURACY,
    ));
    findings.claims.push(Claim::new(
        "Section 3.2, equation (23)",
        "ψ is the supremum of E max u_i + z_i over all noise with mean 0 and covariance Σ.",
        "it is attained, by the distribution on N points that comes with the answer: that mean and covariance (of differences, \
         which alone count), and the expected maximum ψ; and nothing is above: the dual's value, which bounds all such noise, is ψ",
        format!(
            "Means and covariances are off by at most {}, expected maxima by {}, bounds by {}.",
            significant(moments, 2),
            significant(maxima, 2),
            significant(duals, 2)
        ),
        moments <= ACCURACY && maxima <= ACCURACY && duals <= ACCURACY,
    ));
    Ok(())
}

/// Three alternatives, two of which share noise: exact, marginal moments, Gaussian.
fn correlation(lab: &Lab, findings: &mut Findings) -> Result<()> {
    let draws = lab.pick(5_000, 200_000, 2_000_000);
    let u = [0.2, 0.1, 0.0];
    let steps = 21;
    let results = lab.each("correlation", steps, |i| {
        let r = -0.95 + 1.9 * i as f64 / (steps - 1) as f64;
        let s = [1.0, 0.0, 0.0, 0.0, 1.0, r, 0.0, r, 1.0];
        let mut p = [0.0; 3];
        let best = Chebyshev::new(&s)?.evaluate(&u, &mut p)?;
        let mut rng = stream(lab.seed(), 721, i as u64);
        let mut maxima = Running::default();
        for _ in 0..draws {
            let g = [rng.normal(), rng.normal(), rng.normal()];
            let z = [g[0], g[1], r * g[1] + (1.0 - r * r).sqrt() * g[2]];
            maxima.push((0..3).map(|i| u[i] + z[i]).fold(f64::NEG_INFINITY, f64::max));
        }
        Ok((r, best, maxima.estimate()))
    })?;
    // R = D_f − √(N − 1): what (24) prints is the set that fixes variances only.
    let mut p = [0.0; 3];
    let printed = SmoothMax::new(divergence::parse("marginal-moments")?, 1.0)?.evaluate(&u, &mut p)?.value
        + 2f64.sqrt();
    let columns = ["correlation", "value", "gap", "gaussian", "gaussian_error", "marginal_moments"];
    let mut table =
        Table::new("correlation", "Three alternatives, of which two have correlated noise.", &columns);
    let (mut exact, mut gaussian, mut above) = (Vec::new(), Vec::new(), 0);
    for (r, best, Estimate { value: mean, error }) in &results {
        exact.push((*r, best.value));
        gaussian.push((*r, *mean));
        above += usize::from(*mean > best.value + best.gap + 5.0 * error);
        above += usize::from(best.value > printed + ACCURACY * (1.0 + printed.abs()));
        table.row([
            (*r).into(),
            best.value.into(),
            best.gap.into(),
            (*mean).into(),
            (*error).into(),
            printed.into(),
        ]);
    }
    findings.tables.push(table);
    findings.claims.push(Claim::new(
        "Section 3.2",
        "No noise with covariance Σ has a larger expected maximum; fixing variances only allows more.",
        "the mean maximum under Gaussian noise, the only one that is tried here, is not above ψ by 5 standard errors, and ψ is \
         not above the value of marginal moments",
        format!("{above} of {} comparisons say otherwise.", 2 * steps),
        above == 0,
    ));
    let uncorrelated = results[steps / 2].1;
    findings.claims.push(
        Claim::new(
            "Proposition 3.5, as printed",
            "For Σ = I the smooth c-transform is max ⟨u, p⟩ + λ Σ √(p_i(1 − p_i)).",
            "both maxima agree, for λ = 1",
            format!(
                "Equation (23) with Σ = I gives {}, (24) gives {}.",
                significant(uncorrelated.value, 6),
                significant(printed, 6)
            ),
            (uncorrelated.value - printed).abs() <= ACCURACY * (1.0 + printed.abs()),
        )
        .because(
            "tr √(diag p − ppᵀ) is not Σ √(p_i(1 − p_i)), which drops what is off the diagonal: (24) belongs to the set that fixes \
             means and variances of each z_i, and nothing about their dependence",
        ),
    );
    let mut panel = Panel::new(
        "Three alternatives, unit variances",
        Axis::linear("correlation of the noise of two of them"),
        Axis::linear("expected maximum"),
    );
    let flat = vec![(-0.95, printed), (0.95, printed)];
    panel.add(Series::new("variances fixed: equation (24)", Style::dashed(LINES[2]), flat));
    panel.add(Series::new("covariance fixed: equation (23)", Style::line(LINES[0]), exact));
    let dots = Style { width: 0.0, dots: true, ..Style::line(LINES[1]) };
    panel.add(Series::new("Gaussian noise, drawn", dots, gaussian));
    let mut chart = Chart::new(1, 560.0, 320.0);
    chart.add(panel);
    findings.pictures.push(Picture {
        name: "correlation",
        caption: "The best expected maximum over noise with a given covariance lies below that over noise with given variances, and \
                  above what Gaussian noise with that covariance has. The more two alternatives share, the less there is to choose."
            .to_owned(),
        alt: "A falling curve below a horizontal line, and dots below the curve".to_owned(),
        drawing: chart.draw(),
    });
    Ok(())
}
