//! How losses are distributed, and how the worst case weighs them.

use super::axes::{Axes, Scale};
use super::drawing::{Anchor, Area, Drawing};
use super::legend::{Mark, legend};
use super::palette::{BAND, BLUE, INK, MUTED, ORANGE};

const LEFT: f64 = 84.0;
const WIDTH: f64 = 560.0;
const TOP: f64 = 112.0;
const HEIGHT: f64 = 300.0;

/// Bins, at most.
const MOST_BINS: usize = 48;

/// The losses of examples, with the weights that they have by themselves and in the worst case.
#[derive(Debug, Clone, Copy)]
pub struct Losses<'a> {
    /// One an example.
    pub losses: &'a [f64],
    /// Their own weights, which sum to 1.
    pub own: &'a [f64],
    /// Those of the worst case, unless they are the same.
    pub worst: Option<&'a [f64]>,
    /// What it is.
    pub title: &'a str,
    /// How it came about, in one or two lines.
    pub subtitle: &'a str,
}

/// Shares of weight by size of the loss.
#[derive(Debug, Clone, PartialEq)]
struct Histogram {
    /// One more than bins, rising.
    edges: Vec<f64>,
    log: bool,
    own: Vec<f64>,
    worst: Vec<f64>,
    /// Share of the examples' own weight below the first edge, counted in the first bin.
    below: f64,
}

impl Losses<'_> {
    /// Draws the histogram.
    pub fn draw(&self) -> Drawing {
        let mut page = Drawing::new(LEFT + WIDTH + 28.0, TOP + HEIGHT + 70.0);
        page.bold((LEFT, 30.0), self.title, 16, Anchor::Start, INK);
        for (i, line) in self.subtitle.lines().enumerate() {
            page.text((LEFT, 52.0 + 19.0 * i as f64), line, 13, Anchor::Start, MUTED);
        }
        let bins = self.histogram();
        let area = Area { x: LEFT, y: TOP, w: WIDTH, h: HEIGHT };
        let (first, last) = (bins.edges[0], bins.edges[bins.edges.len() - 1]);
        // With a little room for what lies at the end.
        let x = if bins.log {
            Scale::log(first, last * (last / first).powf(0.02))
        } else {
            Scale::linear(first, last + 0.02 * (last - first))
        };
        let (y, floor, log_y) = heights(&bins);
        let axes = Axes { area, x, y };
        axes.grid(&mut page);
        page.clip(area, "losses");
        let base = area.y + area.h;
        let top = |share: f64| if share > floor { axes.place(first, share).1 } else { base };
        for (k, share) in bins.own.iter().enumerate() {
            let (from, to) = (axes.place(bins.edges[k], 1.0).0, axes.place(bins.edges[k + 1], 1.0).0);
            let bar = Area { x: from, y: top(*share), w: to - from, h: base - top(*share) };
            page.rect(bar, Some((BAND, 0.55)), Some((BLUE, 0.6)));
        }
        let steps = |shares: &[f64]| {
            let mut line = vec![(axes.place(first, 1.0).0, base)];
            for (k, share) in shares.iter().enumerate() {
                line.extend([k, k + 1].map(|edge| (axes.place(bins.edges[edge], 1.0).0, top(*share))));
            }
            line.push((axes.place(last, 1.0).0, base));
            line
        };
        let mut lines = vec![steps(&bins.own)];
        let mut keys = vec![(Mark::Band(BLUE), "share of the rows")];
        if self.worst.is_some() {
            let line = steps(&bins.worst);
            page.polyline(line.clone(), ORANGE, 2.2);
            lines.push(line);
            keys.push((Mark::Line(ORANGE), "weight in the worst case"));
        }
        let mut mark = |weights: &[f64], colour| {
            let mean: f64 = self.losses.iter().zip(weights).map(|(loss, weight)| loss * weight).sum();
            let at = axes.place(mean.max(if bins.log { first } else { mean }), 1.0).0;
            page.line((at, area.y), (at, base), colour, 1.4, Some("6,4"));
            lines.push(vec![(at, area.y), (at, base)]);
        };
        mark(self.own, BLUE);
        keys.push((Mark::Dashes(BLUE), "mean"));
        if let Some(worst) = self.worst {
            mark(worst, ORANGE);
            keys.push((Mark::Dashes(ORANGE), "mean in the worst case"));
        }
        page.unclip();
        axes.frame(&mut page, true);
        let scale = if log_y { ", logarithmic" } else { "" };
        page.text((LEFT, TOP - 9.0), &format!("share of all weight in a bar{scale}"), 13, Anchor::Start, INK);
        if bins.below > 0.0 {
            let note = format!(
                "{} % lie below, and are in the first bar",
                crate::report::significant(100.0 * bins.below, 2)
            );
            page.text((LEFT + WIDTH, TOP - 9.0), &note, 11, Anchor::End, MUTED);
        }
        let middle = LEFT + WIDTH / 2.0;
        page.text((middle, TOP + HEIGHT + 44.0), "loss of a row", 14, Anchor::Middle, INK);
        legend(&mut page, area, &lines, &keys);
        page
    }

    /// Bins over all losses with weight; over their logarithms where they span more than a factor 1000.
    fn histogram(&self) -> Histogram {
        let weighs = |i: usize| self.own[i] > 0.0 || self.worst.is_some_and(|worst| worst[i] > 0.0);
        let mut sorted: Vec<f64> = (0..self.losses.len())
            .filter(|i| weighs(*i) && self.losses[*i].is_finite())
            .map(|i| self.losses[i])
            .collect();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = match (sorted.first(), sorted.last()) {
            (Some(least), Some(most)) => (*least, *most),
            _ => (0.0, 1.0),
        };
        let positive = &sorted[sorted.partition_point(|x| *x <= 0.0)..];
        // The few that are next to nothing would take most of a logarithmic axis.
        let quantile = |share: f64| {
            let at = (share * positive.len() as f64) as usize;
            positive.get(at).copied().unwrap_or(1.0).max(1e-8 * most)
        };
        let low = quantile(0.01);
        let log = least >= 0.0 && most > 1000.0 * quantile(0.05);
        let count = (2.0 * (sorted.len() as f64).sqrt()).clamp(5.0, MOST_BINS as f64) as usize;
        let (from, to) = match log {
            true => (low.log10(), most.log10()),
            // From 0 where that is near.
            false if least > 0.0 && least < 0.25 * most => (0.0, most),
            false if most > least => (least, most),
            false => (least - 0.5 * least.abs().max(1.0), most + 0.5 * most.abs().max(1.0)),
        };
        let edges: Vec<f64> = (0..=count)
            .map(|k| {
                let share = k as f64 / count as f64;
                let v = from * (1.0 - share) + to * share;
                if log { 10f64.powf(v) } else { v }
            })
            .collect();
        let mut found = Histogram { log, own: vec![0.0; count], worst: vec![0.0; count], below: 0.0, edges };
        for (i, loss) in self.losses.iter().enumerate() {
            let v = if log { loss.max(f64::MIN_POSITIVE).log10() } else { *loss };
            let at = (((v - from) / (to - from) * count as f64).max(0.0) as usize).min(count - 1);
            found.own[at] += self.own[i];
            if let Some(worst) = self.worst {
                found.worst[at] += worst[i];
            }
            if v < from {
                found.below += self.own[i];
            }
        }
        found
    }
}

/// The scale of shares, the least share that it shows, and whether it is logarithmic: where a bar is a hundredth of another.
fn heights(bins: &Histogram) -> (Scale, f64, bool) {
    let all = bins.own.iter().chain(&bins.worst).copied().filter(|share| *share > 0.0);
    let most = all.fold(0.0_f64, f64::max);
    let least = bins.own.iter().copied().filter(|share| *share > 0.0).fold(f64::INFINITY, f64::min);
    if least < 0.01 * most {
        let floor = 0.6 * least;
        (Scale::log(floor, (1.6 * most).min(1.2)), floor, true)
    } else {
        (Scale::linear(0.0, 1.08 * most), 0.0, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bins(losses: &[f64], worst: Option<&[f64]>) -> Histogram {
        let own = vec![1.0 / losses.len() as f64; losses.len()];
        Losses { losses, own: &own, worst, title: "", subtitle: "" }.histogram()
    }

    #[test]
    fn every_row_is_in_a_bar() {
        for losses in
            [vec![1.0, 2.0, 2.5, 9.0], vec![0.0, 1e-9, 1.0, 1e5], vec![3.0; 5], vec![-1.0, 4.0], vec![0.0; 3]]
        {
            let n = losses.len();
            let mut worst = vec![0.0; n];
            worst[n - 1] = 1.0;
            let found = bins(&losses, Some(&worst));
            for shares in [&found.own, &found.worst] {
                assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{losses:?}");
            }
            assert!(found.edges.windows(2).all(|e| e[0] < e[1]), "{:?}", found.edges);
        }
    }

    #[test]
    fn wide_spans_are_logarithmic() {
        let wide: Vec<f64> = (0..1000).map(|k| 10f64.powf(f64::from(k) / 200.0 - 2.0)).collect();
        let found = bins(&wide, None);
        // Five decades evenly: all bars but the first, which holds the least hundredth as well, are alike.
        assert!(found.log && (found.below - 0.01).abs() < 2e-3, "{found:?}");
        let even = 0.99 / found.own.len() as f64;
        assert!(found.own[1..].iter().all(|share| (share - even).abs() < 3e-3), "{:?}", found.own);
        assert!(!bins(&[1.0, 10.0, 100.0, 900.0], None).log);
    }

    #[test]
    fn nothing_is_drawn_out_of_range() {
        for losses in [vec![0.0, 1e300], vec![0.0; 4], vec![-1e300, 1e300], vec![1e-320, 1e-310], vec![7.0]] {
            let n = losses.len();
            let own = vec![1.0 / n as f64; n];
            let mut worst = vec![0.0; n];
            worst[n - 1] = 1.0;
            for worst in [None, Some(&worst[..])] {
                let drawing = Losses { losses: &losses, own: &own, worst, title: "t", subtitle: "s" }.draw();
                let svg = drawing.svg().unwrap();
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{losses:?}: {svg}");
            }
        }
    }
}
