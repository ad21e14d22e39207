//! From numbers to places on the page: scales, ticks, frames.

use super::drawing::{Anchor, Area, Drawing};
use super::palette::{GRID, INK};

/// One axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    lower: f64,
    upper: f64,
    log: bool,
}

impl Scale {
    /// Linear over [lower, upper]; widened where that is no interval.
    pub fn linear(lower: f64, upper: f64) -> Self {
        let (lower, upper) = if lower.is_finite() && upper.is_finite() { (lower, upper) } else { (0.0, 1.0) };
        let least = 1e-12 * lower.abs().max(upper.abs()).max(1e-300);
        if upper - lower > least {
            Scale { lower, upper, log: false }
        } else {
            let pad = lower.abs().max(1.0) * 0.5;
            Scale { lower: lower - pad, upper: lower + pad, log: false }
        }
    }

    /// Logarithmic over [lower, upper], both above 0, widened to at least one decade.
    pub fn log(lower: f64, upper: f64) -> Self {
        let fit = |v: f64| if v.is_finite() && v > 0.0 { v.log10() } else { 0.0 };
        let (mut lower, mut upper) = (fit(lower), fit(upper));
        if upper - lower < 1.0 {
            let middle = 0.5 * (lower + upper);
            (lower, upper) = (middle - 0.5, middle + 0.5);
        }
        Scale { lower, upper, log: true }
    }

    /// Where `v` lies between the ends, 0 to 1; outside for numbers outside.
    pub fn at(&self, v: f64) -> f64 {
        let v = if self.log { v.max(f64::MIN_POSITIVE).log10() } else { v };
        // Halves first: the span itself may overflow.
        (0.5 * v - 0.5 * self.lower) / (0.5 * self.upper - 0.5 * self.lower)
    }

    /// The number at a share of the axis; the inverse of [`at`](Scale::at).
    pub fn value(&self, share: f64) -> f64 {
        let v = self.lower * (1.0 - share) + self.upper * share;
        if self.log { 10f64.powf(v) } else { v }
    }

    /// Round numbers to label, about `count` of them.
    pub fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        if self.log {
            return self.decades(count);
        }
        let count = count.max(1) as f64;
        let step = round_step(self.upper / count - self.lower / count);
        let (first, last) = ((self.lower / step).ceil() as i64, (self.upper / step).floor() as i64);
        // The exponent of the step says how many decimals its multiples need.
        let decimals = (-step.log10()).ceil().max(0.0) as usize;
        let largest = self.lower.abs().max(self.upper.abs());
        let scientific = largest >= 1e6 || decimals > 7;
        (first..=last)
            .map(|k| {
                let v = k as f64 * step;
                let label = if k == 0 {
                    "0".to_owned()
                } else if scientific {
                    let digits = (largest.log10().floor() - step.log10().floor()).clamp(0.0, 14.0) as usize;
                    format!("{v:.digits$e}")
                } else {
                    format!("{v:.decimals$}")
                };
                (v, label.replace('-', "−"))
            })
            .collect()
    }

    fn decades(&self, count: usize) -> Vec<(f64, String)> {
        let (first, last) = (self.lower.ceil() as i32, self.upper.floor() as i32);
        let every = ((last - first).max(0) as usize / count.max(1) + 1) as i32;
        let mut ticks: Vec<(f64, String)> =
            (first..=last).filter(|e| e % every == 0).map(|e| (10f64.powi(e), power_of_ten(e))).collect();
        if ticks.len() < 2 {
            // Less than two decades: multiples in between tell where one is.
            let from = self.lower.floor() as i32;
            ticks = (from..=last + 1)
                .flat_map(|e| [1.0, 2.0, 5.0].map(|m| (m * 10f64.powi(e), m, e)))
                .filter(|(v, ..)| (0.0..=1.0).contains(&self.at(*v)))
                .map(|(v, m, e)| {
                    (v, if m == 1.0 { power_of_ten(e) } else { format!("{m}·{}", power_of_ten(e)) })
                })
                .collect();
        }
        ticks
    }
}

/// The round step (1, 2 or 5 times a power of ten) next above `raw`.
fn round_step(raw: f64) -> f64 {
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|m| m * power >= raw * 0.999_999);
    step.unwrap_or(10.0) * power
}

/// 10ⁿ as people write it.
fn power_of_ten(exponent: i32) -> String {
    let digit = |c: char| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        c => char::from_u32('⁰' as u32 + c.to_digit(10).unwrap_or(0)).unwrap_or(c),
    };
    match exponent {
        0 => "1".to_owned(),
        1 => "10".to_owned(),
        e => format!("10{}", e.to_string().chars().map(digit).collect::<String>()),
    }
}

/// A frame with two axes.
#[derive(Debug, Clone, Copy)]
pub struct Axes {
    /// The inside of the frame.
    pub area: Area,
    /// Left to right.
    pub x: Scale,
    /// Bottom to top.
    pub y: Scale,
}

impl Axes {
    /// The place of a point on the page.
    pub fn place(&self, x: f64, y: f64) -> (f64, f64) {
        let Area { x: left, y: top, w, h } = self.area;
        (left + w * self.x.at(x), top + h * (1.0 - self.y.at(y)))
    }

    /// As many labels a length on both axes, so that equal scales get equal ticks.
    fn counts(&self) -> (usize, usize) {
        let Area { w, h, .. } = self.area;
        ((w / 90.0).ceil() as usize, (h / (if h > 0.7 * w { 90.0 } else { 45.0 })).ceil() as usize)
    }

    /// Grid lines at the ticks, to be drawn first.
    pub fn grid(&self, page: &mut Drawing) {
        let Area { x, y, w, h } = self.area;
        let (across, up) = self.counts();
        for (v, _) in self.x.ticks(across) {
            let at = self.place(v, 0.0).0;
            page.line((at, y), (at, y + h), GRID, 0.8, None);
        }
        for (v, _) in self.y.ticks(up) {
            let at = self.place(0.0, v).1;
            page.line((x, at), (x + w, at), GRID, 0.8, None);
        }
    }

    /// Frame, tick marks and numbers, to be drawn last. `below`: whether the numbers of x are shown.
    pub fn frame(&self, page: &mut Drawing, below: bool) {
        let Area { x, y, h, .. } = self.area;
        let (across, up) = self.counts();
        let bottom = y + h;
        page.rect(self.area, None, Some((INK, 1.0)));
        for (v, label) in self.x.ticks(across) {
            let at = self.place(v, 0.0).0;
            page.line((at, bottom), (at, bottom + 4.0), INK, 1.0, None);
            if below {
                page.text((at, bottom + 18.0), &label, 12, Anchor::Middle, INK);
            }
        }
        for (v, label) in self.y.ticks(up) {
            let at = self.place(0.0, v).1;
            page.line((x - 4.0, at), (x, at), INK, 1.0, None);
            page.text((x - 8.0, at + 4.2), &label, 12, Anchor::End, INK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let labels = |s: Scale| s.ticks(5).into_iter().map(|t| t.1).collect::<Vec<_>>();
        assert_eq!(labels(Scale::linear(-1.0, 1.0)), ["−1.0", "−0.5", "0", "0.5", "1.0"]);
        assert_eq!(labels(Scale::linear(0.0, 43.0)), ["0", "10", "20", "30", "40"]);
        assert_eq!(labels(Scale::log(1e-4, 1.0)), ["10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "1"]);
        // Widened to a decade around its middle, 3464.
        assert_eq!(labels(Scale::log(2e3, 6e3)), ["2·10³", "5·10³", "10⁴"]);
    }

    #[test]
    fn place_and_value_invert_each_other() {
        for s in [Scale::linear(-3.0, 8.0), Scale::log(1e-3, 1e5)] {
            for share in [0.0, 0.2, 0.9] {
                assert!((s.at(s.value(share)) - share).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn no_scale_is_degenerate() {
        let scales =
            [(0.0, 0.0), (5.0, 5.0), (1e300, 1e300), (f64::NAN, 1.0), (-1e308, 1e308), (1e-320, 1e-320)];
        for (lower, upper) in scales {
            for s in [Scale::linear(lower, upper), Scale::log(lower, upper)] {
                let ticks = s.ticks(5);
                assert!(ticks.len() < 40, "{s:?} {ticks:?}");
                assert!(s.at(s.value(0.5)).is_finite(), "{s:?}");
            }
        }
    }
}
