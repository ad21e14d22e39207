//! A divergence from a marginal generating function: what a user writes who thinks in distributions.

use std::fmt;
use std::sync::Arc;

use super::Divergence;
use crate::error::{Error, Result};

/// A real function that can be shared between threads.
pub type Function = Arc<dyn Fn(f64) -> f64 + Send + Sync>;

/// The divergence with (f*)' = max(F, 0) for a non-decreasing F, that is f(t) = ∫₁ᵗ F⁻¹.
///
/// F is the marginal generating function of Taşkesen, Shafieezadeh-Abadeh and Kuhn (2022): noise whose marginal
/// distribution functions are min{1, max{0, 1 − η_i F(−s)}} makes weights p_i = η_i F((u_i − τ)/λ)₊. Only F is
/// needed. What is not given is found by bracketing (F⁻¹), adaptive quadrature (f, f*) and differences (F');
/// all that the weights need is F itself, which should be cheap, and F', which speeds up the search.
///
/// ```
/// use fenchel::divergence::{Divergence, FromGenerator, Kl};
///
/// let mine = FromGenerator::new("my-kl", f64::exp)?.with_derivative(f64::exp);
/// assert!((mine.f(0.3) - Kl.f(0.3)).abs() < 1e-12);
/// assert!((mine.conj(-2.0) - Kl.conj(-2.0)).abs() < 1e-12);
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Clone)]
pub struct FromGenerator {
    name: String,
    generator: Function,
    inverse: Option<Function>,
    derivative: Option<Function>,
    integral: Option<Function>,
    cap: f64,
    lipschitz: f64,
    /// F⁻¹(1) = f'(1).
    at_one: f64,
    /// An s below which F < 2⁻⁶⁰.
    negligible: f64,
    /// f(1).
    level: f64,
}

impl fmt::Debug for FromGenerator {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("FromGenerator")
            .field("name", &self.name)
            .field("cap", &self.cap)
            .finish_non_exhaustive()
    }
}

impl FromGenerator {
    /// From F alone. F must be non-decreasing on the whole line and take the value 1; negative values count as 0.
    ///
    /// If F levels off, its limit is taken as the cap on p_i/η_i; see [`FromGenerator::with_cap`].
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if F is NaN or decreases at one of some hundred points looked at, or does not
    /// reach 1 from below.
    pub fn new(
        name: impl Into<String>,
        generator: impl Fn(f64) -> f64 + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::build(name.into(), Arc::new(generator))
    }

    fn build(name: String, generator: Function) -> Result<Self> {
        let what = format!("generating function of {name}");
        let decades = (-4..=8).map(|k| 10f64.powi(k));
        let grid: Vec<f64> = decades.clone().rev().map(|s| -s).chain([0.0]).chain(decades).collect();
        let mut last = (f64::NEG_INFINITY, 0.0);
        for s in grid.windows(2).flat_map(|w| (0..8).map(|k| w[0] + (w[1] - w[0]) * f64::from(k) / 8.0)) {
            let value = generator(s).max(0.0);
            if generator(s).is_nan() || value < last.0 * (1.0 - 1e-12) {
                let found = format!("{} at {s}, after {} at {}", generator(s), last.0, last.1);
                return Err(Error::invalid(what, found, "a non-decreasing function of the whole line"));
            }
            last = (value, s);
        }
        let limit = |s: f64| generator(s);
        let cap =
            if (limit(1e12) - limit(1e9)).abs() <= 1e-6 * limit(1e12) { limit(1e12) } else { f64::INFINITY };
        let at_one = invert(&*generator, 1.0, 0.0);
        if !at_one.is_finite() || generator(at_one) < 1.0 - 1e-6 {
            return Err(Error::invalid(what, "never 1", "a function that takes the value 1"));
        }
        let negligible = invert(&*generator, 2f64.powi(-60), at_one);
        let negligible = if negligible > at_one - 1e4 { negligible } else { f64::NEG_INFINITY };
        Ok(FromGenerator {
            name,
            generator,
            inverse: None,
            derivative: None,
            integral: None,
            cap,
            lipschitz: f64::INFINITY,
            at_one,
            negligible,
            level: 0.0,
        })
    }

    /// The marginal of one atom from the distribution function of its noise: with F_i and reference mass η_i,
    /// (f*)'(s) = (1 − F_i(−s))/η_i, and f(0) = 0, so that η_i f(p/η_i) = −∫ from 1−p to 1 of F_i⁻¹.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless 0 < η_i ≤ 1 and F_i is non-decreasing and crosses 1 − η_i.
    pub fn from_distribution(
        name: impl Into<String>,
        eta: f64,
        distribution: impl Fn(f64) -> f64 + Send + Sync + 'static,
    ) -> Result<Self> {
        if !(eta > 0.0 && eta <= 1.0) {
            return Err(Error::invalid(
                "reference mass of a marginal",
                eta,
                "a number above 0 and at most 1",
            ));
        }
        let mut built = Self::build(name.into(), Arc::new(move |s: f64| (1.0 - distribution(-s)) / eta))?;
        built.cap = 1.0 / eta;
        built.level = -built.f(0.0);
        if !built.level.is_finite() {
            return Err(Error::invalid("distribution of a marginal", "of infinite mean", "of finite mean"));
        }
        Ok(built)
    }

    /// F⁻¹ on (0, cap), where there is a formula for it.
    #[must_use]
    pub fn with_inverse(mut self, inverse: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Self {
        self.inverse = Some(Arc::new(inverse));
        self
    }

    /// F' where there is a formula for it.
    #[must_use]
    pub fn with_derivative(mut self, derivative: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Self {
        self.derivative = Some(Arc::new(derivative));
        self
    }

    /// f(t) = ∫₁ᵗ F⁻¹ on [0, cap] where there is a formula for it.
    #[must_use]
    pub fn with_integral(mut self, integral: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Self {
        self.integral = Some(Arc::new(integral));
        self
    }

    /// A Lipschitz constant of F, which step sizes and the guarantee of bisection need.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless it is above 0.
    pub fn with_lipschitz(mut self, lipschitz: f64) -> Result<Self> {
        if lipschitz.is_nan() || lipschitz <= 0.0 {
            let name = format!("Lipschitz constant of {}", self.name);
            return Err(Error::invalid(name, lipschitz, "a number above 0"));
        }
        self.lipschitz = lipschitz;
        Ok(self)
    }

    /// The largest density p_i/η_i: sup F, if it was not recognised.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if the cap is below 1 or NaN.
    pub fn with_cap(mut self, cap: f64) -> Result<Self> {
        if cap.is_nan() || cap < 1.0 {
            return Err(Error::invalid(format!("cap of {}", self.name), cap, "a number of at least 1"));
        }
        self.cap = cap;
        Ok(self)
    }
}

impl Divergence for FromGenerator {
    fn name(&self) -> String {
        self.name.clone()
    }
    fn f(&self, t: f64) -> f64 {
        if t < 0.0 || t > self.cap {
            return f64::INFINITY;
        }
        if let Some(f) = &self.integral {
            return f(t) + self.level;
        }
        // ∫₁ᵗ F⁻¹ = (t−1) F⁻¹(1) + ∫ |t − F₊| from F⁻¹(1) to F⁻¹(t).
        let line = (t - 1.0) * self.at_one + self.level;
        let end = self.f_prime(t);
        if t < 1.0 {
            line + integrate(&|s| (self.conj_prime(s) - t).max(0.0), end, self.at_one)
        } else {
            line + integrate(&|s| (t - self.conj_prime(s)).max(0.0), self.at_one, end)
        }
    }
    fn f_prime(&self, t: f64) -> f64 {
        if t > self.cap || t >= self.cap && (self.generator)(1e12) < self.cap {
            return f64::INFINITY;
        }
        if t == 1.0 {
            return self.at_one;
        }
        match &self.inverse {
            Some(inverse) => inverse(t),
            None => invert(&*self.generator, t, self.at_one),
        }
    }
    fn conj(&self, s: f64) -> f64 {
        // f*(F⁻¹(1)) = F⁻¹(1) − f(1).
        let here = self.at_one - self.level;
        if s == f64::NEG_INFINITY {
            -self.f(0.0)
        } else if s < self.at_one {
            here - integrate(&|r| self.conj_prime(r), s, self.at_one)
        } else {
            here + integrate(&|r| self.conj_prime(r), self.at_one, s)
        }
    }
    fn conj_prime(&self, s: f64) -> f64 {
        if s == f64::NEG_INFINITY { 0.0 } else { (self.generator)(s).clamp(0.0, self.cap) }
    }
    fn conj_second(&self, s: f64) -> f64 {
        let value = self.conj_prime(s);
        if value <= 0.0 || value >= self.cap || !s.is_finite() {
            return 0.0;
        }
        match &self.derivative {
            Some(derivative) => derivative(s),
            None => {
                let h = 1e-5 * (1.0 + s.abs());
                (self.conj_prime(s + h) - self.conj_prime(s - h)) / (2.0 * h)
            }
        }
    }
    fn cap(&self) -> f64 {
        self.cap
    }
    fn negligible_below(&self) -> f64 {
        self.negligible
    }
    fn lipschitz(&self) -> f64 {
        self.lipschitz
    }
}

/// The s with F(s) = t for non-decreasing F, searched outwards from `near`; −∞ if F exceeds t everywhere.
fn invert(generator: &(dyn Fn(f64) -> f64 + Send + Sync), t: f64, near: f64) -> f64 {
    let (mut lo, mut hi) = (near, near);
    let mut step = 1.0;
    if generator(near) >= t {
        while generator(lo) >= t {
            hi = lo;
            lo = near - step;
            step *= 4.0;
            if step > 1e100 {
                return f64::NEG_INFINITY;
            }
        }
    } else {
        while generator(hi) < t {
            lo = hi;
            hi = near + step;
            step *= 4.0;
            if step > 1e100 {
                return f64::INFINITY;
            }
        }
    }
    loop {
        let middle = lo + 0.5 * (hi - lo);
        if !(middle > lo && middle < hi) {
            return hi;
        }
        if generator(middle) >= t { hi = middle } else { lo = middle }
    }
}

/// ∫ g over [a, b], either end possibly infinite, by adaptive Gauss–Kronrod quadrature.
fn integrate(g: &dyn Fn(f64) -> f64, a: f64, b: f64) -> f64 {
    if a >= b || a.is_nan() || b.is_nan() {
        return 0.0;
    }
    // s = a + y/(1−y) or s = b − y/(1−y) maps an infinite range to [0, 1).
    let tail = |y: f64, from: f64, sign: f64| {
        let left = 1.0 - y;
        let value = g(from + sign * y / left) / (left * left);
        if value.is_finite() { value } else { 0.0 }
    };
    match (a.is_finite(), b.is_finite()) {
        (true, true) => adaptive(g, a, b),
        (true, false) => adaptive(&|y| tail(y, a, 1.0), 0.0, 1.0),
        (false, true) => adaptive(&|y| tail(y, b, -1.0), 0.0, 1.0),
        (false, false) => integrate(g, a, 0.0) + integrate(g, 0.0, b),
    }
}

fn adaptive(g: &dyn Fn(f64) -> f64, a: f64, b: f64) -> f64 {
    const MAX_PIECES: usize = 4000;
    let mut pieces = vec![(a, b)];
    let (mut total, mut count) = (0.0, 0);
    let scale = kronrod(g, a, b).0.abs();
    while let Some((lo, hi)) = pieces.pop() {
        count += 1;
        let (value, error) = kronrod(g, lo, hi);
        let middle = 0.5 * (lo + hi);
        let fine = error <= 1e-14 * (scale.max(f64::abs(total)) * (hi - lo) / (b - a) + value.abs());
        if fine || count > MAX_PIECES || !(middle > lo && middle < hi) {
            total += value;
        } else {
            pieces.push((middle, hi));
            pieces.push((lo, middle));
        }
    }
    total
}

/// 15-point Kronrod rule and its difference from the 7-point Gauss rule.
fn kronrod(g: &dyn Fn(f64) -> f64, a: f64, b: f64) -> (f64, f64) {
    const NODES: [f64; 8] = [
        0.991_455_371_120_812_6,
        0.949_107_912_342_758_5,
        0.864_864_423_359_769_1,
        0.741_531_185_599_394_4,
        0.586_087_235_467_691_1,
        0.405_845_151_377_397_2,
        0.207_784_955_007_898_47,
        0.0,
    ];
    const KRONROD: [f64; 8] = [
        0.022_935_322_010_529_224,
        0.063_092_092_629_978_55,
        0.104_790_010_322_250_18,
        0.140_653_259_715_525_92,
        0.169_004_726_639_267_9,
        0.190_350_578_064_785_4,
        0.204_432_940_075_298_89,
        0.209_482_141_084_727_82,
    ];
    const GAUSS: [f64; 4] =
        [0.129_484_966_168_869_7, 0.279_705_391_489_276_64, 0.381_830_050_505_118_9, 0.417_959_183_673_469_4];
    let (centre, half) = (0.5 * (a + b), 0.5 * (b - a));
    let (mut fine, mut coarse) = (0.0, 0.0);
    for (k, node) in NODES.iter().enumerate() {
        let value = if *node == 0.0 { g(centre) } else { g(centre - half * node) + g(centre + half * node) };
        fine += KRONROD[k] * value;
        if k % 2 == 1 {
            coarse += GAUSS[k / 2] * value;
        }
    }
    (half * fine, (half * (fine - coarse)).abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quadrature_handles_kinks_and_tails() {
        assert!((integrate(&|x: f64| x.exp(), f64::NEG_INFINITY, 1.0) - 1f64.exp()).abs() < 1e-13);
        assert!((integrate(&|x: f64| (x - 0.3).max(0.0), -1.0, 2.0) - 0.5 * 1.7 * 1.7).abs() < 1e-13);
        assert!(
            (integrate(&|x: f64| 1.0 / (1.0 + x * x), f64::NEG_INFINITY, f64::INFINITY)
                - std::f64::consts::PI)
                .abs()
                < 1e-12
        );
    }

    #[test]
    fn refuses_what_is_not_a_generating_function() {
        assert!(FromGenerator::new("down", |s: f64| -s).is_err());
        assert!(FromGenerator::new("nan", |s: f64| s.sqrt()).is_err());
        assert!(FromGenerator::new("low", |s: f64| 0.5 / (1.0 + (-s).exp())).is_err());
        assert!(FromGenerator::from_distribution("eta", 0.0, |s: f64| s).is_err());
    }
}
