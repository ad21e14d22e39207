//! The cells of the atoms over the source's density, in the plane.

use super::axes::{Axes, Scale};
use super::density::{Density, View};
use super::drawing::{Anchor, Area, Drawing, Image};
use super::palette::{INK, MUTED, SPECK, WHITE};
use super::shade::{Weights, colours, shade, shrink};

/// Longest side of the plot on the page.
const SIDE: f64 = 560.0;

/// More atoms than this are not drawn: their cells are smaller than a dot.
pub const MOST_ATOMS: usize = 20_000;

/// What the picture shows.
pub struct Cells<'a> {
    /// Coordinates of the atoms, x, y, x, y, …
    pub atoms: &'a [f64],
    /// ν, summing to one.
    pub masses: &'a [f64],
    /// p(x).
    pub weights: &'a Weights<'a>,
    /// Points of the source, x, y, x, y, …
    pub sample: &'a [f64],
    /// Weights of these points, where they are not equal.
    pub sample_weights: Option<&'a [f64]>,
    /// Whether the source is these points and nothing else, so that they are drawn.
    pub sample_is_source: bool,
    /// Names of the two coordinates.
    pub names: [&'a str; 2],
    /// First line above the plot.
    pub title: &'a str,
    /// Two lines below the title.
    pub subtitle: &'a str,
}

impl Cells<'_> {
    /// Draws it.
    pub fn draw(&self) -> Drawing {
        let view = self.view();
        let (vw, vh) = (view.x.1 - view.x.0, view.y.1 - view.y.0);
        let unit = SIDE / vw.max(vh);
        // Even sizes, so that the image can be halved.
        let even = |v: f64| (v / 8.0).round().max(1.0) * 8.0;
        let area = Area { x: 62.0, y: 112.0, w: even(vw * unit), h: even(vh * unit) };
        let mut page = Drawing::new((area.x + area.w + 26.0).max(640.0), area.y + area.h + 100.0);
        let axes = Axes { area, x: Scale::linear(view.x.0, view.x.1), y: Scale::linear(view.y.0, view.y.1) };

        page.image(self.image(view, area));
        page.clip(area, "plot");
        self.points(&mut page, &axes);
        page.unclip();
        axes.frame(&mut page, true);

        let centre = area.x + area.w / 2.0;
        page.bold((area.x, 30.0), self.title, 16, Anchor::Start, INK);
        for (i, line) in self.subtitle.lines().enumerate() {
            page.text((area.x, 52.0 + 19.0 * i as f64), line, 13, Anchor::Start, MUTED);
        }
        page.text((centre, area.y + area.h + 42.0), self.names[0], 14, Anchor::Middle, INK);
        page.text((area.x, area.y - 9.0), self.names[1], 14, Anchor::Start, INK);
        let below = area.y + area.h;
        let notes = [
            "Colour: the atoms that mass goes to, mixed by their shares; lines: two atoms have the same share.",
            "Strength of the colour: density of the source.  Dots: atoms, area in proportion to weight.",
        ];
        for (i, note) in notes.iter().enumerate() {
            page.text((area.x, below + 70.0 + 16.0 * i as f64), note, 11, Anchor::Start, MUTED);
        }
        page
    }

    /// All atoms and nearly all of the source, with a margin; never empty.
    fn view(&self) -> View {
        let side = |k: usize| {
            let mut source: Vec<f64> = self.sample.iter().skip(k).step_by(2).copied().collect();
            source.sort_by(f64::total_cmp);
            let quantile =
                |q: f64| source.get((q * (source.len().max(1) - 1) as f64).round() as usize).copied();
            let ends = [quantile(0.004), quantile(0.996)].into_iter().flatten();
            let all = self.atoms.iter().skip(k).step_by(2).copied().chain(ends);
            let (lower, upper) =
                all.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
            (lower, upper)
        };
        let (x, y) = (side(0), side(1));
        let longest = (x.1 - x.0).max(y.1 - y.0);
        // A pad that rounding does not swallow, even for a single point far from the origin.
        let magnitude = x.0.abs().max(x.1.abs()).max(y.0.abs()).max(y.1.abs());
        let pad = if longest > 1e-9 * magnitude { 0.06 * longest } else { 0.5 * magnitude.max(1.0) };
        // A side much shorter than the other would leave no room for the cells.
        let widen = |(a, b): (f64, f64)| {
            let extra = (0.5 * (0.4 * longest - (b - a))).max(0.0);
            (a - pad - extra, b + pad + extra)
        };
        View { x: widen(x), y: widen(y) }
    }

    fn image(&self, view: View, area: Area) -> Image {
        let atoms = self.masses.len();
        let density = Density::estimate(self.sample, self.sample_weights, view);
        let fills = colours(self.weights, atoms, view);
        let (w, h) = (area.w as usize, area.h as usize);
        if atoms <= 40 {
            // Twice as fine, then averaged: borders come out smooth.
            let fine = shade(self.weights, &fills, &density, view, 2 * w, 2 * h);
            return Image { width: w, height: h, pixels: shrink(&fine, 2 * w, 2), area };
        }
        let coarser = if atoms <= 400 {
            1
        } else if atoms <= 4_000 {
            2
        } else {
            4
        };
        let (w, h) = (w / coarser, h / coarser);
        Image { width: w, height: h, pixels: shade(self.weights, &fills, &density, view, w, h), area }
    }

    /// The source's points if it is made of few, and the atoms.
    fn points(&self, page: &mut Drawing, axes: &Axes) {
        if self.sample_is_source && self.sample.len() <= 2 * 2_000 {
            for point in self.sample.chunks_exact(2) {
                page.disc(axes.place(point[0], point[1]), 1.1, SPECK, None);
            }
        }
        let most = self.masses.iter().fold(0.0, |m: f64, v| m.max(*v));
        // Dots shrink with their number: ten are easy to see, a thousand must not hide the cells.
        let radius = (22.0 / (self.masses.len() as f64).powf(0.4)).clamp(1.2, 9.5);
        let label = self.masses.len() <= 30;
        for (i, (atom, mass)) in self.atoms.chunks_exact(2).zip(self.masses).enumerate() {
            let at = axes.place(atom[0], atom[1]);
            if *mass > 0.0 {
                let r = (radius * (mass / most).sqrt()).max(0.3 * radius).max(1.2);
                page.disc(at, r, INK, Some((WHITE, (0.2 * radius).clamp(0.4, 1.6))));
                if label && r >= 7.0 {
                    page.text((at.0, at.1 + 3.6), &i.to_string(), 10, Anchor::Middle, WHITE);
                } else if label {
                    page.text((at.0 + r + 3.0, at.1 - r), &i.to_string(), 10, Anchor::Start, INK);
                }
            } else {
                // Without mass there is no cell; a ring says that the atom was seen.
                page.disc(at, radius * 0.5, WHITE, Some((INK, 1.0)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(_: [f64; 2], p: &mut [f64]) {
        p.fill(1.0 / p.len() as f64);
    }

    #[test]
    fn degenerate_data_are_drawn() {
        for (atoms, sample) in [
            (vec![0.0, 0.0], vec![0.0, 0.0]),
            (vec![1e9, 1e9, 1e9, 1e9], vec![1e9, 1e9]),
            (vec![0.0, 0.0, 5.0, 0.0], vec![1.0, 0.0, 2.0, 0.0]),
            (vec![-1e300, 1e300, 1e300, 0.0], vec![0.0, 1e300]),
        ] {
            let masses = vec![2.0 / atoms.len() as f64; atoms.len() / 2];
            let cells = Cells {
                atoms: &atoms,
                masses: &masses,
                weights: &one,
                sample: &sample,
                sample_weights: None,
                sample_is_source: true,
                names: ["a", "b"],
                title: "",
                subtitle: "",
            };
            let view = cells.view();
            assert!(view.x.1 > view.x.0 && view.y.1 > view.y.0, "{view:?}");
            assert!(cells.draw().svg().unwrap().contains("<image"));
        }
    }
}
