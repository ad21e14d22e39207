//! Losses of one score by their conjugates, and the largest they become where the score may be moved at a price.

use super::Labels;
use crate::robust::corner::entropy;
use std::f64::consts::LN_2;

/// What a loss of one score is made of, so that its worst case over moved examples is known in closed form.
///
/// ```text
/// ℓ(z, y) = sup over a in [lo, hi] of  a r − square a²/2 + entropy H((a − lo)/(hi − lo))
/// r = z − y for labels that are numbers, margin − yz for labels ±1;  H(b) = −b log b − (1 − b) log(1 − b)
/// ```
///
/// With −∞ and ∞ as slopes there is no entropy.
///
/// ```
/// use fenchel::robust::loss::{Huber, Loss, Shape};
///
/// let shape = Shape { slopes: (-2.0, 2.0), square: 1.0, entropy: 0.0, margin: 0.0 };
/// assert_eq!(Huber::new(2.0)?.shape(), Some(shape));
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// The least and the largest slope in r.
    pub slopes: (f64, f64),
    /// How much of the square of the slope the conjugate has.
    pub square: f64,
    /// How much of the entropy.
    pub entropy: f64,
    /// Where the loss of labels ±1 turns: 1 for hinges, 0 for the logistic loss.
    pub margin: f64,
}

/// sup over s of ℓ(z + s, y) − s²/2τ, with what a second-order method wants of it.
///
/// It is the supremum over distributions of slopes a of E[a r] − E[ℓ*(a)] + τ E[a²]/2: convex in (z, τ).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Peak {
    pub value: f64,
    /// ∂/∂z, E\[a\].
    pub slope: f64,
    /// ∂/∂τ, E\[a²\]/2.
    pub push: f64,
    /// The Hessian is curvature (1, tilt)(1, tilt)ᵀ and tension where τ meets itself.
    pub curvature: f64,
    pub tilt: f64,
    pub tension: f64,
}

/// A shape at one τ, its corners rounded over a width: a binary entropy of the mean slope, width times, is added. Where the
/// square is what keeps slopes from the ends, so that they all go there at one τ, half of that is the mean of entropies.
///
/// With L = hi − lo, d = b − ½, T = (τ − square)L² and N = L(r + (τ − square)(lo + hi)/2), what is maximised is
/// N d + T d²/2 + entropy H(b), but for a constant. Hence d has the sign of N, and with x = log(b/(1 − b)), d = ½ tanh(x/2),
///
/// ```text
/// entropy · x − ½ T tanh(x/2) = N,
/// ```
///
/// which has one root of that sign: the left side is convex or concave there. Where T > 4 entropy there are two maximisers
/// at N = 0, x = ±X, and a corner between them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernel {
    shape: Shape,
    labels: Labels,
    tau: f64,
    width: f64,
    /// Of the shape, and for rounding.
    entropy: f64,
    /// How much lower than the entropies alone would have it.
    below: f64,
    /// T.
    bend: f64,
    flat: Option<Flat>,
}

/// The slopes between two maximisers.
#[derive(Debug, Clone, Copy)]
struct Flat {
    /// X, infinite without entropy.
    x: f64,
    /// b(1 − b) at both.
    product: f64,
    tension: f64,
}

impl Shape {
    fn span(&self) -> f64 {
        self.slopes.1 - self.slopes.0
    }

    fn is_bounded(&self) -> bool {
        self.span().is_finite()
    }

    /// Whether there is a corner at this τ, or at one not much larger.
    pub(crate) fn has_corner(&self, tau: f64) -> bool {
        self.is_bounded() && self.bend(1.1 * tau) >= 4.0 * self.entropy
    }

    fn bend(&self, tau: f64) -> f64 {
        (tau - self.square) * self.span() * self.span()
    }
}

impl Kernel {
    pub(crate) fn new(shape: Shape, labels: Labels, tau: f64, width: f64) -> Self {
        let below = width * LN_2;
        let mixed = if shape.entropy == 0.0 && shape.square > 0.0 { 0.5 * width } else { 0.0 };
        let (bend, h, width) = (shape.bend(tau), shape.entropy + mixed, width - mixed);
        let flat = (shape.is_bounded() && bend >= 4.0 * h && (bend > 4.0 * h || h == 0.0)).then(|| {
            if h == 0.0 {
                return Flat { x: f64::INFINITY, product: 0.0, tension: 0.0 };
            }
            let x = root(h, bend, 0.0);
            let (beta, product) = tail(x);
            let half = 0.5 - beta;
            // d² = ¼ − product, and how it grows with τ.
            let grows = h - bend * product;
            let growth = if grows > 0.0 { 2.0 * half * half * product / grows } else { 0.0 };
            Flat { x, product, tension: 0.5 * shape.span().powi(4) * growth }
        });
        Kernel { shape, labels, tau, width, entropy: h, below, bend, flat }
    }

    /// The supremum at a score and a label, derivatives in the score.
    pub(crate) fn at(&self, z: f64, y: f64) -> Peak {
        if self.labels != Labels::Sign {
            return self.peak(z - y);
        }
        let peak = self.peak(self.shape.margin - y * z);
        Peak { slope: -y * peak.slope, tilt: -y * peak.tilt, ..peak }
    }

    /// For a slope in the score: E[a²]/2 and E[ℓ*(a)] of a distribution with this mean, the best at τ. Where all are alike
    /// at one τ it is the one whose E[a²]/2 is nearest to `push`. Slopes out of range are taken to be the nearest.
    pub(crate) fn dual(&self, slope: f64, y: f64, push: f64) -> (f64, f64) {
        let Shape { slopes: (lo, hi), square, entropy: h, margin } = self.shape;
        let a = if self.labels == Labels::Sign { -y * slope } else { slope };
        let shift = if self.labels == Labels::Sign { -margin * a } else { a * y };
        let wanted = push;
        let mut push = 0.5 * a * a;
        let mut mixed = 0.0;
        if self.shape.is_bounded() {
            let from_lo = (a - lo) / (hi - lo);
            let beta = from_lo.min(1.0 - from_lo).max(0.0);
            mixed = entropy(beta);
            if h == 0.0 && square > 0.0 {
                let most = push + 0.5 * (hi - lo) * (hi - lo) * (beta * (1.0 - beta));
                push = wanted.max(push).min(most);
            } else if let Some(flat) = self.flat
                && beta * (1.0 - beta) > flat.product
            {
                push += 0.5 * (hi - lo) * (hi - lo) * (beta * (1.0 - beta) - flat.product);
                mixed = entropy(tail(flat.x).0);
            }
        }
        (push, square * push - h * mixed + shift)
    }

    /// The slope in the score nearest to one that there is.
    pub(crate) fn nearest(&self, slope: f64, y: f64) -> f64 {
        let (lo, hi) = self.shape.slopes;
        if self.labels == Labels::Sign { -y * (-y * slope).clamp(lo, hi) } else { slope.clamp(lo, hi) }
    }

    fn peak(&self, r: f64) -> Peak {
        let Shape { slopes: (lo, hi), square, .. } = self.shape;
        let h = self.entropy;
        let rest = square - self.tau;
        if !self.tau.is_finite() {
            return Peak {
                value: f64::INFINITY,
                slope: 0.0,
                push: 0.0,
                curvature: 0.0,
                tilt: 0.0,
                tension: 0.0,
            };
        }
        if !self.shape.is_bounded() {
            let is_finite = rest > 0.0 || (rest == 0.0 && r == 0.0);
            let (slope, curvature) = if rest > 0.0 { (r / rest, 1.0 / rest) } else { (0.0, 0.0) };
            let value = if is_finite { 0.5 * r * slope } else { f64::INFINITY };
            return Peak { value, slope, push: 0.5 * slope * slope, curvature, tilt: slope, tension: 0.0 };
        }
        let (span, width, bend) = (hi - lo, self.width, self.bend);
        let lean = span * (r - rest * 0.5 * (lo + hi));
        // From the end that is nearer, so that small parts keep their digits.
        let (end, turn) = if lean <= 0.0 { (lo, 1.0) } else { (hi, -1.0) };
        let size = lean.abs();
        let between = self.flat.filter(|flat| width > 0.0 && size <= width * flat.x);
        let x = match (between, self.flat) {
            (Some(_), _) => size / width,
            // Both are maximisers; one of them.
            (None, Some(flat)) if size == 0.0 || h + width == 0.0 => flat.x,
            _ => root(h + width, bend, size),
        };
        let (beta, product) = tail(x);
        let (missing, mixed) = match between {
            Some(flat) => (flat.product, entropy(tail(flat.x).0)),
            None => (beta * (1.0 - beta), entropy(beta)),
        };
        // E of b², b from the end.
        let square_of = beta - missing;
        let rounded = if width > 0.0 { width * entropy(beta) - self.below } else { 0.0 };
        let value = end * r - 0.5 * rest * end * end - beta * (size + 0.5 * bend)
            + 0.5 * bend * square_of
            + h * mixed
            + rounded;
        let slope = end + turn * span * beta;
        let push = 0.5 * (end * end + 2.0 * turn * end * span * beta + span * span * square_of);
        let (curvature, tilt, tension) = match between {
            Some(flat) => (span * span * product / width, 0.5 * (lo + hi), flat.tension),
            None => {
                let stiff = h + width - bend * product;
                let is_bent = product > 0.0 && stiff > 0.0;
                (if is_bent { span * span * product / stiff } else { 0.0 }, slope, 0.0)
            }
        };
        Peak { value, slope, push, curvature, tilt, tension }
    }
}

/// b = 1/(1 + e^x) for x ≥ 0, and b(1 − b).
fn tail(x: f64) -> (f64, f64) {
    let tail = (-x).exp();
    let beta = tail / (1.0 + tail);
    (beta, beta / (1.0 + tail))
}

/// The root x ≥ 0 of ηx − ½ T tanh(x/2) = N ≥ 0; the larger one for N = 0 and T > 4η. Newton's method, from the side from
/// which its steps never pass the root: to all digits.
fn root(eta: f64, bend: f64, n: f64) -> f64 {
    if eta == 0.0 {
        // The ratio is d/½.
        return 2.0 * (2.0 * n / -bend).min(1.0).atanh();
    }
    let from_right = bend > 0.0;
    let far = (n + 0.5 * bend) / eta;
    let mut x = if from_right { far } else { far.max(n / (eta - 0.25 * bend)) };
    for _ in 0..200 {
        let (beta, product) = tail(x);
        let miss = eta * x - 0.5 * bend * (1.0 - 2.0 * beta) - n;
        let step = miss / (eta - bend * product);
        let passes = if from_right { step <= 0.0 } else { step >= 0.0 };
        if passes || !step.is_finite() {
            break;
        }
        x = (x - step).max(0.0);
        if step.abs() <= 1e-16 * x {
            break;
        }
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Rng;
    use crate::robust::loss::{Derivatives, Loss, parse, registry};
    use std::sync::Arc;

    fn shaped() -> Vec<(Arc<dyn Loss>, Shape)> {
        let mut names: Vec<String> = registry().iter().map(|entry| entry.name.to_owned()).collect();
        names.extend(["huber:0.1", "quantile:0.05", "quantile:0.8", "smoothed-hinge:0.1"].map(String::from));
        let all = names.iter().map(|name| parse(name).unwrap());
        all.filter_map(|loss| loss.shape().map(|shape| (loss, shape))).collect()
    }

    fn label(labels: Labels, rng: &mut Rng) -> f64 {
        match labels {
            Labels::Sign => (rng.uniform() - 0.5).signum(),
            _ => 3.0 * rng.normal(),
        }
    }

    /// Where nothing moves it is the loss itself.
    #[test]
    fn shapes_are_those_of_their_losses() {
        let mut rng = Rng::new(1);
        assert_eq!(shaped().len(), 11);
        for (loss, shape) in shaped() {
            for _ in 0..2000 {
                let y = label(loss.labels(), &mut rng);
                let z = y + 10f64.powf(4.0 * rng.uniform() - 2.0) * rng.normal();
                let (mut slope, mut curvature) = ([0.0], [0.0]);
                let to = Derivatives { slope: &mut slope, curvature: &mut curvature };
                let value = loss.derive(&[z], y, to);
                let peak = Kernel::new(shape, loss.labels(), 0.0, 0.0).at(z, y);
                let case = format!("{loss:?} {z} {y} {peak:?}");
                assert!((peak.value - value).abs() <= 1e-14 * (1.0 + value), "{case} {value}");
                assert!((peak.slope - slope[0]).abs() <= 1e-13 * (1.0 + slope[0].abs()), "{case}");
                assert!(
                    (peak.curvature - curvature[0]).abs() <= 1e-10 * (1.0 + curvature[0]),
                    "{case} {curvature:?}"
                );
                let (push, conjugate) = Kernel::new(shape, loss.labels(), 0.0, 0.0).dual(slope[0], y, 0.0);
                assert!(
                    (conjugate - loss.conjugate(&slope, y)).abs()
                        < 1e-12 * (1.0 + y.abs() * slope[0].abs() + conjugate.abs()),
                    "{case}"
                );
                assert!(push >= 0.5 * slope[0] * slope[0] - 1e-14, "{case}");
            }
        }
    }

    /// Rounded or not, at any τ: derivatives are differences, the mean slope and its square prove the value, and what is
    /// rounded is below what is not by at most width log 2.
    #[test]
    fn derivatives_and_duals() {
        let mut rng = Rng::new(2);
        let (mut seen, mut bends) = (0, 0);
        for (loss, shape) in shaped() {
            for _ in 0..4000 {
                let y = label(loss.labels(), &mut rng);
                let z = y + 3.0 * rng.normal();
                let mut tau = 10f64.powf(4.0 * rng.uniform() - 3.0);
                if !shape.is_bounded() {
                    tau = tau.min(0.3);
                }
                let width = if rng.uniform() < 0.3 { 0.0 } else { 10f64.powf(3.0 * rng.uniform() - 2.5) };
                let at = |z: f64, tau: f64| Kernel::new(shape, loss.labels(), tau, width).at(z, y);
                let (kernel, peak) = (Kernel::new(shape, loss.labels(), tau, 0.0), at(z, tau));
                let case = format!("{loss:?} z {z} y {y} τ {tau} w {width} {peak:?}");
                let exact = kernel.at(z, y);
                let size = 1.0 + z.abs() + y.abs() + exact.value.abs() + tau;
                let below = exact.value - peak.value;
                if shape.is_bounded() {
                    assert!(below >= -1e-13 * size && below <= width * LN_2 + 1e-13 * size, "{case} {below}");
                }
                assert!(exact.value >= loss.value(&[z], y) - 1e-13 * size, "{case}");
                let (push, conjugate) = kernel.dual(peak.slope, y, peak.push);
                let proven = peak.slope * z - conjugate + tau * push;
                assert!(proven <= exact.value + 1e-12 * size, "{case}: {proven} {exact:?}");
                // For another slope and another τ as well, at this one.
                let (other, push) = {
                    let (push, conjugate) = Kernel::new(shape, loss.labels(), 0.3 * tau, 0.0).dual(
                        0.7 * peak.slope,
                        y,
                        rng.normal(),
                    );
                    (0.7 * peak.slope * z - conjugate, push)
                };
                assert!(other + tau * push <= exact.value + 1e-12 * size, "{case}: {other} {push} {exact:?}");
                if width == 0.0 {
                    let bound = if peak.slope == exact.slope { 1e-12 } else { f64::INFINITY };
                    assert!((proven - exact.value).abs() <= bound * size, "{case}: {proven}");
                }
                // Differences, away from kinks.
                let h = 1e-5 * width.clamp(1e-2, 1.0) * tau.min(1.0);
                let around = [at(z + h, tau), at(z - h, tau), at(z, tau + h), at(z, tau - h)];
                if width == 0.0
                    && around.iter().any(|p| {
                        (p.curvature - peak.curvature).abs() > 0.01 * peak.curvature
                            || (p.slope - peak.slope).abs() > 0.1
                    })
                {
                    continue;
                }
                seen += 1;
                let [right, left, up, down] = around;
                let near = |name: &str, numeric: f64, exact: f64, scale: f64| {
                    assert!(
                        (numeric - exact).abs()
                            <= 2e-4 * (scale + exact.abs() + numeric.abs()) + 1e-13 * size / h,
                        "{case} {name}: {numeric} {exact}"
                    );
                };
                let of = |a: f64, b: f64| (a - b) / (2.0 * h);
                near("slope", of(right.value, left.value), peak.slope, 1e-3);
                near("push", of(up.value, down.value), peak.push, 1e-3);
                let bent = around.iter().any(|p| {
                    p.tilt != peak.tilt && (p.tilt - peak.tilt).abs() > 0.05
                        || (p.tension > 0.0) != (peak.tension > 0.0)
                        || (p.curvature - peak.curvature).abs() > 0.05 * peak.curvature
                });
                if bent {
                    continue;
                }
                bends += 1;
                let PeakParts { zz, zt, tt } = parts(&peak);
                near("zz", of(right.slope, left.slope), zz, 1e-2 + zz);
                near("zt", of(up.slope, down.slope), zt, 1e-2 + zz);
                near("tz", of(right.push, left.push), zt, 1e-2 + zz);
                near("tt", of(up.push, down.push), tt, 1e-2 + zz);
            }
        }
        assert!(seen > 35_000 && bends > 30_000, "{seen} {bends}");
    }

    struct PeakParts {
        zz: f64,
        zt: f64,
        tt: f64,
    }

    fn parts(p: &Peak) -> PeakParts {
        PeakParts { zz: p.curvature, zt: p.curvature * p.tilt, tt: p.curvature * p.tilt * p.tilt + p.tension }
    }
}
