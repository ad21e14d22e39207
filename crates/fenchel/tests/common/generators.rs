//! The generators f and conjugates f* of the registry, written down once more from their formulas, and a
//! smooth maximum by searches alone: slow, sure, and sharing nothing with the crate.

/// f and f* of one divergence.
pub struct Generator {
    /// f(t), t ≥ 0; ∞ outside its domain.
    pub f: Box<dyn Fn(f64) -> f64>,
    /// f*(s).
    pub conj: Box<dyn Fn(f64) -> f64>,
    /// f* is infinite above.
    pub s_max: f64,
    /// End of f's domain.
    pub cap: f64,
}

fn generator(
    f: impl Fn(f64) -> f64 + 'static,
    conj: impl Fn(f64) -> f64 + 'static,
    s_max: f64,
    cap: f64,
) -> Generator {
    Generator { f: Box::new(f), conj: Box::new(conj), s_max, cap }
}

/// t log t, 0 at 0.
fn entropy(t: f64) -> f64 {
    if t > 0.0 { t * t.ln() } else { 0.0 }
}

/// The generator of a registry name, for a problem with `n` atoms.
pub fn of(name: &str, n: usize) -> Generator {
    let (base, parameter) = name.split_once(':').map_or((name, f64::NAN), |(b, p)| (b, p.parse().unwrap()));
    let inf = f64::INFINITY;
    match base {
        "none" => generator(|_| 0.0, move |s| if s <= 0.0 { 0.0 } else { inf }, 0.0, inf),
        "kl" => generator(|t| entropy(t) - t + 1.0, |s| s.exp() - 1.0, inf, inf),
        "safe-kl" | "safe-kl-centered" => {
            let rho = parameter;
            let shift = if base == "safe-kl" { 0.0 } else { 1.0 + (1.0 - rho) / rho * (-rho).ln_1p() };
            generator(
                move |t| entropy(t) + 1.0 + entropy(1.0 - rho * t) / rho - shift,
                move |s| (rho * s.exp()).ln_1p() / rho - 1.0 + shift,
                inf,
                1.0 / rho,
            )
        }
        "chi2" => generator(|t| t * t - t, |s| 0.25 * (s + 1.0).max(0.0).powi(2), inf, inf),
        "tsallis" => {
            let q = parameter;
            generator(
                move |t| (t.powf(q) - t) / (q - 1.0),
                move |s| {
                    let r = ((1.0 + (q - 1.0) * s) / q).max(0.0);
                    if r == 0.0 && q < 1.0 { inf } else { r.powf(q / (q - 1.0)) }
                },
                if q < 1.0 { 1.0 / (1.0 - q) } else { inf },
                inf,
            )
        }
        "hyperbolic" => {
            let k = 2f64.sqrt() - 1.0 - 1f64.asinh();
            generator(
                move |t| t * t.asinh() - (t * t + 1.0).sqrt() + 1.0 + k * t,
                move |s| (s - k).max(0.0).cosh() - 1.0,
                inf,
                inf,
            )
        }
        "marginal-moments" => {
            let n = if parameter.is_nan() { n as f64 } else { parameter };
            let slope = (n - 1.0).sqrt();
            generator(
                move |t| -(t * (n - t)).max(0.0).sqrt() + t * slope,
                move |s| {
                    let v = s - slope;
                    let w = (1.0 + v * v).sqrt();
                    if v < 0.0 { 0.5 * n / (w - v) } else { 0.5 * n * (v + w) }
                },
                inf,
                n,
            )
        }
        "cvar" => generator(|_| 0.0, move |s| s.max(0.0) / parameter, inf, 1.0 / parameter),
        "kl-cvar" => {
            let alpha = parameter;
            generator(
                |t| entropy(t) - t + 1.0,
                move |s| {
                    if s.exp() <= 1.0 / alpha {
                        s.exp() - 1.0
                    } else {
                        (s + alpha.ln()) / alpha + 1.0 / alpha - 1.0
                    }
                },
                inf,
                1.0 / alpha,
            )
        }
        other => panic!("no formula for {other}: add one here with the registry row"),
    }
}

impl Generator {
    /// smoothmax(u) = min over τ of τ + λ Σ η_i f*((u_i − τ)/λ), by golden section on τ.
    pub fn smoothmax(&self, u: &[f64], eta: &[f64], lambda: f64) -> f64 {
        let max = u.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        let min = u.iter().fold(f64::INFINITY, |a, &b| a.min(b));
        if self.s_max == 0.0 {
            return max;
        }
        let dual = |tau: f64| {
            let sum: f64 = u.iter().zip(eta).map(|(u, e)| e * (self.conj)((u - tau) / lambda)).sum();
            tau + lambda * sum
        };
        let low = if self.s_max.is_finite() { max - self.s_max * lambda } else { min - 8.0 * lambda };
        -super::maximise(|tau| -dual(tau), low.max(min - 40.0 * lambda), max + 8.0 * lambda).1
    }

    /// The same for two atoms, over p in [0, 1]: the maximum of p u_2 + (1−p) u_1 − λ Σ η_i f(p_i/η_i).
    pub fn smoothmax_of_two(&self, u: [f64; 2], eta: [f64; 2], lambda: f64) -> f64 {
        let low = (1.0 - self.cap * eta[0]).max(0.0);
        let high = (self.cap * eta[1]).min(1.0);
        let primal = |p: f64| {
            let penalty = eta[0] * (self.f)((1.0 - p) / eta[0]) + eta[1] * (self.f)(p / eta[1]);
            (1.0 - p) * u[0] + p * u[1] - lambda * penalty
        };
        let (_, inside) = super::maximise(primal, low, high);
        inside.max(primal(low)).max(primal(high))
    }
}
