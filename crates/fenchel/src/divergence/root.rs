//! The root θ of a non-increasing mass(θ) = 1: Newton's method inside a bracket.

use super::sum::Mass;

/// |Σp − 1| at which rounding takes over.
const ROUNDING: f64 = 32.0 * f64::EPSILON;
/// Bisection over all double-precision numbers needs 64 halvings; the rest is room for Newton's steps.
const MAX_PASSES: u32 = 256;

/// Where the search ended.
pub(super) struct Root {
    pub theta: f64,
    pub passes: u32,
    /// Set if mass jumps over 1 between two neighbouring numbers: the last points with mass ≥ 1 and ≤ 1.
    pub jump: Option<(f64, f64)>,
}

/// Searches between `lo` and `hi` (either may be infinite) from `start`; Newton's method is applied to
/// (mass^κ − 1)/κ, to log mass for κ = 0. A step that leaves the bracket or does not halve the error is
/// followed by a halving of the bracket, of its length and of its number of floating-point numbers in turn.
pub(super) fn find_root(
    start: f64,
    mut lo: f64,
    mut hi: f64,
    power: f64,
    mut eval: impl FnMut(f64) -> Mass,
) -> Root {
    let mut theta = if start.is_nan() { 0.0 } else { start.clamp(lo, hi) };
    let (mut seen_lo, mut seen_hi) = (false, false);
    let mut last_error = f64::INFINITY;
    let mut reach = 1.0_f64;
    let mut by_length = true;
    for passes in 1..=MAX_PASSES {
        let mass = eval(theta);
        if (mass.sum - 1.0).abs() <= ROUNDING {
            return Root { theta, passes, jump: None };
        }
        if mass.sum < 1.0 {
            (hi, seen_hi) = (theta, true);
        } else {
            (lo, seen_lo) = (theta, true);
        }
        let error = mass.sum.ln().abs();
        let newton = theta + newton_step(mass, power);
        if newton == theta && error < 1e-6 {
            return Root { theta, passes, jump: None };
        }
        let mut next = newton;
        let good = error <= 0.5 * last_error || last_error.is_infinite();
        if !(good && newton > lo && newton < hi) {
            let bracketed = lo.is_finite() && hi.is_finite();
            next = if newton <= lo && lo.is_finite() && !seen_lo {
                lo
            } else if newton >= hi && hi.is_finite() && !seen_hi {
                hi
            } else if bracketed {
                by_length = !by_length;
                if by_length { lo + 0.5 * (hi - lo) } else { middle_number(lo, hi) }
            } else {
                let step = reach;
                reach = (reach * reach.max(16.0)).min(f64::MAX);
                if hi.is_finite() { hi - step } else { lo + step }
            };
        }
        last_error = error;
        let inside = (next > lo || next == lo && !seen_lo) && (next < hi || next == hi && !seen_hi);
        if !inside {
            if lo.next_up() >= hi {
                let jump = (seen_lo && seen_hi).then_some((lo, hi));
                return Root { theta, passes, jump };
            }
            next = middle_number(lo, hi);
        }
        if !next.is_finite() {
            return Root { theta, passes, jump: None };
        }
        theta = next;
    }
    Root { theta, passes: MAX_PASSES, jump: (seen_lo && seen_hi).then_some((lo, hi)) }
}

fn newton_step(mass: Mass, power: f64) -> f64 {
    let Mass { sum, slope } = mass;
    if power == 0.0 {
        sum * sum.ln() / slope
    } else if power == 1.0 {
        (sum - 1.0) / slope
    } else {
        // ((S^κ − 1)/κ) S^{1−κ} / slope, without cancellation near S = 1.
        -sum * (-power * sum.ln()).exp_m1() / (power * slope)
    }
}

/// The number half way between two others when all floating-point numbers are counted in order.
fn middle_number(lo: f64, hi: f64) -> f64 {
    let order = |x: f64| {
        let bits = x.to_bits() as i64;
        if bits < 0 { i64::MIN.wrapping_sub(bits) } else { bits }
    };
    let (a, b) = (order(lo), order(hi));
    let middle = (a as i128 + b as i128).div_euclid(2) as i64;
    f64::from_bits(if middle < 0 { i64::MIN.wrapping_sub(middle) } else { middle } as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_roots_of_any_magnitude() {
        for root in [-1e300, -3.5, -1e-200, 0.0, 1e-300, 7.0, 1e18] {
            let found = find_root(0.0, f64::NEG_INFINITY, f64::INFINITY, 1.0, |x| {
                let sum = if x < root {
                    2.0
                } else if x > root {
                    0.5
                } else {
                    1.0
                };
                Mass { sum, slope: 0.0 }
            });
            let (lo, hi) = found.jump.unwrap_or((found.theta, found.theta));
            assert!(lo <= root && root <= hi && lo.next_up() >= hi || lo == root, "{root}: {lo} {hi}");
            assert!(found.passes <= 256);
        }
    }

    #[test]
    fn newton_is_exact_in_its_own_power() {
        for power in [-0.5, 0.0, 0.5, 1.0, 2.0] {
            let found = find_root(-3.0, -1e9, 1e9, power, |x| {
                let r: f64 = 1.0 - 0.1 * (x - 2.0) * if power < 0.0 { -1.0 } else { 1.0 };
                if power == 0.0 {
                    Mass { sum: (2.0 - x).exp(), slope: (2.0 - x).exp() }
                } else {
                    let sum = r.powf(1.0 / power);
                    Mass { sum, slope: 0.1 / power.abs() * sum / r }
                }
            });
            assert!((found.theta - 2.0).abs() < 1e-12 && found.passes <= 3, "{power}: {}", found.passes);
        }
    }
}
