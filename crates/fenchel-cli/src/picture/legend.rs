//! The box that says what is what, and where it hides least.

use super::drawing::{Anchor, Area, Drawing};
use super::palette::{GRID, INK, Rgb, WHITE};

/// A filled diamond with a light rim.
pub fn diamond(page: &mut Drawing, at: (f64, f64), colour: Rgb) {
    for (r, fill) in [(7.0, WHITE), (5.5, colour)] {
        page.polygon(&[(at.0, at.1 - r), (at.0 + r, at.1), (at.0, at.1 + r), (at.0 - r, at.1)], fill, 1.0);
    }
}

/// What stands before a line of the legend.
#[derive(Debug, Clone, Copy)]
pub enum Mark {
    /// A thick line.
    Line(Rgb),
    /// A thin line of dashes.
    Dashes(Rgb),
    /// A line as a chart draws it: its pattern of dashes (none is unbroken), whether it has dots.
    Stroke(Rgb, Option<&'static str>, bool),
    /// A shaded area.
    Band(Rgb),
    /// A filled diamond.
    Diamond(Rgb),
    /// An empty disc.
    Ring(Rgb),
    /// A filled disc.
    Dot(Rgb),
}

/// Length of `lines`, in units of the page, that a box would hide.
fn hidden(lines: &[Vec<(f64, f64)>], at: Area) -> usize {
    let inside = |x: f64, y: f64| {
        (at.x - 8.0..at.x + at.w + 8.0).contains(&x) && (at.y - 8.0..at.y + at.h + 8.0).contains(&y)
    };
    lines
        .iter()
        .flat_map(|line| line.windows(2))
        .map(|ends| {
            let ((x, y), (u, v)) = (ends[0], ends[1]);
            // The same number of places for a point as for a short line, so that points count.
            let steps = ((u - x).hypot(v - y).min(4000.0) as usize).max(20);
            let share = |k: usize| k as f64 / steps as f64;
            (0..=steps).filter(|k| inside(x + (u - x) * share(*k), y + (v - y) * share(*k))).count()
        })
        .sum()
}

/// The keys in a box, where it hides least of the lines.
pub fn legend(page: &mut Drawing, area: Area, lines: &[Vec<(f64, f64)>], keys: &[(Mark, &str)]) {
    let longest = keys.iter().map(|(_, t)| t.chars().count()).max().unwrap_or(0) as f64;
    let (w, h) = (46.0 + 7.2 * longest, 10.0 + 18.0 * keys.len() as f64);
    let across = [area.w - w - 10.0, 10.0, 0.5 * (area.w - w)];
    let down = [10.0, area.h - h - 10.0];
    // Away from the frame only where that hides less.
    let middle = across.map(|x| (x, 0.5 * (area.h - h)));
    let places = across.iter().flat_map(|x| down.map(|y| (*x, y))).chain(middle);
    let places = places.map(|(x, y)| (area.x + x, area.y + y));
    let best = places.min_by_key(|(x, y)| hidden(lines, Area { x: *x, y: *y, w, h }));
    let (x, y) = best.unwrap_or((area.x, area.y));
    page.rect(Area { x, y, w, h }, Some((WHITE, 0.9)), Some((GRID, 1.0)));
    for (i, (mark, text)) in keys.iter().enumerate() {
        let middle = y + 14.0 + 18.0 * i as f64;
        let (from, to) = ((x + 8.0, middle), (x + 32.0, middle));
        match *mark {
            Mark::Line(c) => page.line(from, to, c, 2.2, None),
            Mark::Dashes(c) => page.line(from, to, c, 1.2, Some("6,4")),
            Mark::Band(c) => {
                page.rect(
                    Area { x: x + 8.0, y: middle - 6.0, w: 24.0, h: 12.0 },
                    Some((c, 0.35)),
                    Some((c, 1.0)),
                );
            }
            Mark::Diamond(c) => diamond(page, (x + 20.0, middle), c),
            Mark::Stroke(c, dashes, dots) => {
                page.line(from, to, c, 2.0, dashes);
                if dots {
                    page.disc((x + 20.0, middle), 2.8, c, None);
                }
            }
            Mark::Dot(c) => page.disc((x + 20.0, middle), 3.2, c, None),
            Mark::Ring(c) => page.disc((x + 20.0, middle), 3.6, WHITE, Some((c, 1.5))),
        }
        page.text((x + 40.0, middle + 4.2), text, 12, Anchor::Start, INK);
    }
}
