//! The solve over its samples: dual value with the certificate's band, and the marginal error.

use super::axes::{Axes, Scale};
use super::drawing::{Anchor, Area, Drawing};
use super::legend::{Mark, diamond, legend};
use super::palette::{BAND, BLUE, INK, MUTED, ORANGE, WHITE};
use fenchel::transport::Solution;

const LEFT: f64 = 84.0;
const WIDTH: f64 = 560.0;

/// Draws both panels.
pub fn convergence(solution: &Solution, title: &str, subtitle: &str) -> Drawing {
    let mut page = Drawing::new(LEFT + WIDTH + 28.0, 640.0);
    page.bold((LEFT, 30.0), title, 16, Anchor::Start, INK);
    for (i, line) in subtitle.lines().enumerate() {
        page.text((LEFT, 52.0 + 19.0 * i as f64), line, 13, Anchor::Start, MUTED);
    }
    let first = solution.history.iter().map(|h| h.samples).filter(|n| *n > 0).min();
    let first = first.unwrap_or(1).min(solution.samples.max(1));
    // A little room on both sides, in the logarithm.
    let x = Scale::log(first as f64 / 1.25, solution.samples.max(first) as f64 * 1.25);
    value_panel(&mut page, solution, Axes { area: Area { x: LEFT, y: 112.0, w: WIDTH, h: 220.0 }, x, y: x });
    error_panel(&mut page, solution, Axes { area: Area { x: LEFT, y: 370.0, w: WIDTH, h: 210.0 }, x, y: x });
    page.text((LEFT + WIDTH / 2.0, 622.0), "samples drawn", 14, Anchor::Middle, INK);
    page
}

fn value_panel(page: &mut Drawing, s: &Solution, mut axes: Axes) {
    let finite = |v: f64| v.is_finite().then_some(v);
    // A stage at another temperature than the last solved another problem.
    let last = s.lambda.or(s.smoothing);
    let at_end =
        |lambda: f64| s.asgd.is_some() || last.is_none_or(|last| (lambda - last).abs() <= 1e-9 * last);
    let ends = [finite(s.interval.lower), finite(s.interval.upper), finite(s.value)];
    let points: Vec<_> = s.history.iter().filter(|h| h.value.is_finite()).collect();
    // The first stages may be so far off that the interval would shrink to a line: they run off the panel. The
    // last quarter is always shown.
    let later = points[points.len() * 3 / 4..].iter().map(|h| (h.value - s.value).abs()).fold(0.0, f64::max);
    let reach = match s.interval.width() {
        w if w.is_finite() && w > 0.0 => later.max(12.0 * w),
        _ => f64::INFINITY,
    };
    let near = |v: f64| (v - s.value).abs() <= reach || !s.value.is_finite();
    let all = points.iter().map(|h| h.value).filter(|v| near(*v)).chain(ends.into_iter().flatten());
    let (lower, upper) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    let pad = 0.12 * (upper - lower);
    axes.y = Scale::linear(lower - pad, upper + pad);
    axes.grid(page);

    page.clip(axes.area, "value");
    let Area { x: left, y: top, w, h } = axes.area;
    // An end that nothing certifies runs off the panel.
    let up = finite(s.interval.upper).map_or(top, |v| axes.place(1.0, v).1);
    let down = finite(s.interval.lower).map_or(top + h, |v| axes.place(1.0, v).1);
    page.rect(Area { x: left, y: up, w, h: (down - up).max(0.0) }, Some((BAND, 0.35)), None);
    for y in [up, down] {
        page.line((left, y), (left + w, y), BAND, 1.2, None);
    }
    // The line comes in from the last stage outside.
    let from = points.iter().rposition(|h| !near(h.value)).unwrap_or(0);
    page.polyline(points[from..].iter().map(|h| axes.place(h.samples as f64, h.value)).collect(), BLUE, 1.8);
    if points.len() <= 60 {
        for h in &points[from..] {
            let fill = if at_end(h.lambda) { BLUE } else { WHITE };
            page.disc(axes.place(h.samples as f64, h.value), 3.6, fill, Some((BLUE, 1.5)));
        }
    }
    if let (Some(low), Some(high)) = (ends[0], ends[1]) {
        whisker(page, &axes, s.samples as f64, low, high);
    }
    if let Some(v) = ends[2] {
        diamond(page, axes.place(s.samples as f64, v), BLUE);
    }
    page.unclip();
    axes.frame(page, false);
    page.text((left, top - 9.0), "dual value (units of the cost)", 13, Anchor::Start, INK);
    let outside = if points.iter().all(|h| near(h.value)) { 0 } else { from + 1 };
    if outside > 0 {
        let note = format!("{outside} earlier {} outside", if outside == 1 { "stage" } else { "stages" });
        page.text((left + w, top - 9.0), &note, 11, Anchor::End, MUTED);
    }

    let annealed = points[from..].iter().any(|h| !at_end(h.lambda) && near(h.value));
    let mut keys =
        vec![(Mark::Line(BLUE), "on the solver's sample"), (Mark::Diamond(BLUE), "on fresh samples")];
    keys.push((Mark::Band(BAND), "95% interval"));
    if annealed && points.len() <= 60 {
        keys.insert(1, (Mark::Ring(BLUE), "at a larger λ"));
    }
    let mut lines = vec![points[from..].iter().map(|h| axes.place(h.samples as f64, h.value)).collect()];
    let x = s.samples as f64;
    lines.push(vec![axes.place(x, ends[0].unwrap_or(lower)), axes.place(x, ends[1].unwrap_or(upper))]);
    legend(page, axes.area, &lines, &keys);
}

fn error_panel(page: &mut Drawing, s: &Solution, mut axes: Axes) {
    let certified = s.marginal_error.l1;
    let shown = |v: f64| v.is_finite() && v > 0.0;
    let own = s.history.iter().map(|h| h.marginal_l1).filter(|v| shown(*v));
    let all = own.chain([certified, s.tolerance].into_iter().filter(|v| shown(*v)));
    let (lower, upper) = all.fold((f64::INFINITY, 0.0f64), |(a, b), v| (a.min(v), b.max(v)));
    // Errors far below the tolerance say nothing more; the panel is for what matters.
    let floor = lower.max(1e-4 * s.tolerance.min(certified.max(s.tolerance)));
    axes.y = Scale::log(floor / 1.6, upper.max(floor) * 1.6);
    axes.grid(page);
    page.clip(axes.area, "error");
    let Area { x: left, y: top, w, .. } = axes.area;
    let goal = axes.place(1.0, s.tolerance).1;
    page.line((left, goal), (left + w, goal), INK, 1.2, Some("6,4"));
    let points: Vec<_> = s.history.iter().filter(|h| shown(h.marginal_l1)).collect();
    page.polyline(points.iter().map(|h| axes.place(h.samples as f64, h.marginal_l1)).collect(), ORANGE, 1.8);
    if points.len() <= 60 {
        for h in &points {
            page.disc(axes.place(h.samples as f64, h.marginal_l1), 3.2, ORANGE, Some((ORANGE, 1.0)));
        }
    }
    if shown(certified) {
        diamond(page, axes.place(s.samples as f64, certified), ORANGE);
    }
    page.unclip();
    axes.frame(page, true);
    page.text((left, top - 9.0), "marginal error Σ|qᵢ − νᵢ| (share of the mass)", 13, Anchor::Start, INK);
    let keys = [
        (Mark::Line(ORANGE), "on the solver's sample"),
        (Mark::Diamond(ORANGE), "on fresh samples"),
        (Mark::Dashes(INK), "tolerance"),
    ];
    let mut lines = vec![points.iter().map(|h| axes.place(h.samples as f64, h.marginal_l1)).collect()];
    lines.push(vec![(left, goal), (left + w, goal)]);
    lines.push(vec![axes.place(s.samples as f64, certified); 2]);
    legend(page, axes.area, &lines, &keys);
}

/// An interval at one place.
fn whisker(page: &mut Drawing, axes: &Axes, x: f64, lower: f64, upper: f64) {
    let (low, high) = (axes.place(x, lower), axes.place(x, upper));
    page.line(low, high, BLUE, 1.5, None);
    for (at, y) in [low, high] {
        page.line((at - 4.0, y), (at + 4.0, y), BLUE, 1.5, None);
    }
}
