//! Grey images in rows and columns, alone or in sequences such as from a source to a target.

use super::drawing::{Anchor, Area, Drawing, Image};
use super::palette::{INK, MUTED, Rgb};

/// Pixels of the raster in a unit of the page: what PNG files have, so that there the pixels of images stay sharp.
const FINE: usize = 2;
/// Units between tiles; between the images of a sequence, where an arrow is; and from one sequence to that beside it.
const GAP: usize = 8;
const ARROW: usize = 20;
const APART: usize = 32;
/// Units around everything.
const MARGIN: f64 = 16.0;
/// A side of a small image on the page, about.
const SIDE: f64 = 56.0;
/// Width of a letter of size 12, about.
const LETTER: f64 = 7.0;
/// Between the images: paper, a little darker than where an image has no ink.
const PAPER: Rgb = [255, 255, 255];
/// Where an image has no ink.
const BLANK: Rgb = [244, 244, 244];
/// Numbers that are none.
const NOTHING: Rgb = [203, 95, 18];

/// A picture of grey images of one size, in rows and columns: ink is dark, numbers outside of [0, 1] are cut off, what is not a
/// number is orange.
#[derive(Debug, Clone)]
pub struct Grid<'a> {
    height: usize,
    width: usize,
    columns: usize,
    tiles: Vec<Vec<&'a [f32]>>,
    title: String,
    rows: Vec<String>,
    heads: Vec<String>,
}

impl<'a> Grid<'a> {
    /// An empty picture of images of `height` × `width` pixels, so many tiles in a row.
    pub fn new(height: usize, width: usize, columns: usize) -> Self {
        Grid {
            height: height.max(1),
            width: width.max(1),
            columns: columns.max(1),
            tiles: Vec::new(),
            title: String::new(),
            rows: Vec::new(),
            heads: Vec::new(),
        }
    }

    /// With a line above all.
    pub fn titled(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// With a caption at the left of each row.
    #[cfg_attr(
        not(any(test, feature = "networks")),
        expect(dead_code, reason = "for experiments with networks")
    )]
    pub fn rows<S: Into<String>>(mut self, captions: impl IntoIterator<Item = S>) -> Self {
        self.rows = captions.into_iter().map(Into::into).collect();
        self
    }

    /// With a caption above each column.
    pub fn heads<S: Into<String>>(mut self, captions: impl IntoIterator<Item = S>) -> Self {
        self.heads = captions.into_iter().map(Into::into).collect();
        self
    }

    /// Adds an image: left to right, then down. Pixels that it lacks are left blank.
    pub fn add(&mut self, image: &'a [f32]) {
        self.tiles.push(vec![image]);
    }

    /// Adds an image and what becomes of it, with an arrow from one to the other.
    #[cfg_attr(
        not(any(test, feature = "networks")),
        expect(dead_code, reason = "for experiments with networks")
    )]
    pub fn pair(&mut self, from: &'a [f32], to: &'a [f32]) {
        self.tiles.push(vec![from, to]);
    }

    /// Draws it.
    pub fn draw(&self) -> Drawing {
        // A pixel is a whole number of raster pixels, so that all are of the same size.
        let zoom = ((SIDE * FINE as f64 / self.height.max(self.width) as f64).round() as usize).max(1);
        let longest = self.tiles.iter().map(Vec::len).max().unwrap_or(1).max(1);
        let (across, down) = (self.width * zoom, self.height * zoom);
        let tile = longest * across + (longest - 1) * ARROW * FINE;
        let columns = self.columns.min(self.tiles.len().max(1));
        let rows = self.tiles.len().div_ceil(columns).max(1);
        let (gap, aside) = (GAP * FINE, if longest > 1 { APART * FINE } else { GAP * FINE });
        let (wide, high) = (columns * tile + (columns - 1) * aside, rows * down + (rows - 1) * gap);

        let unit = |raster: usize| raster as f64 / FINE as f64;
        let left =
            MARGIN + self.rows.iter().map(|c| LETTER * c.chars().count() as f64 + 10.0).fold(0.0, f64::max);
        let top = MARGIN
            + if self.title.is_empty() { 0.0 } else { 26.0 }
            + if self.heads.is_empty() { 0.0 } else { 20.0 };
        let least = 2.0 * MARGIN + 8.5 * self.title.chars().count() as f64;
        let mut page = Drawing::new((left + unit(wide) + MARGIN).max(least), top + unit(high) + MARGIN);

        let mut pixels = vec![PAPER; wide * high];
        for (i, images) in self.tiles.iter().enumerate() {
            let (x, y) = (i % columns * (tile + aside), i / columns * (down + gap));
            for (k, image) in images.iter().enumerate() {
                let x = x + k * (across + ARROW * FINE);
                for row in 0..down {
                    let line = &mut pixels[(y + row) * wide + x..][..across];
                    for (column, pixel) in line.iter_mut().enumerate() {
                        *pixel =
                            image.get(row / zoom * self.width + column / zoom).map_or(BLANK, |v| grey(*v));
                    }
                }
            }
        }
        page.image(Image {
            width: wide,
            height: high,
            pixels,
            area: Area { x: left, y: top, w: unit(wide), h: unit(high) },
        });

        for (i, images) in self.tiles.iter().enumerate() {
            let (x, y) = (i % columns * (tile + aside), i / columns * (down + gap));
            for k in 1..images.len() {
                let from = left + unit(x + k * across + (k - 1) * ARROW * FINE);
                arrow(&mut page, (from, top + unit(y) + 0.5 * unit(down)));
            }
        }
        if !self.title.is_empty() {
            page.bold((MARGIN, MARGIN + 12.0), &self.title, 14, Anchor::Start, INK);
        }
        for (c, caption) in self.heads.iter().take(columns).enumerate() {
            let middle = left + unit(c * (tile + aside)) + 0.5 * unit(tile);
            page.text((middle, top - 7.0), caption, 12, Anchor::Middle, MUTED);
        }
        for (r, caption) in self.rows.iter().take(rows).enumerate() {
            let middle = top + unit(r * (down + gap)) + 0.5 * unit(down);
            page.text((left - 8.0, middle + 4.2), caption, 12, Anchor::End, MUTED);
        }
        page
    }
}

/// The colour of a pixel.
fn grey(value: f32) -> Rgb {
    if value.is_nan() {
        return NOTHING;
    }
    let ink = f64::from(value.clamp(0.0, 1.0));
    [0, 1, 2].map(|k| (f64::from(BLANK[k]) + ink * (f64::from(INK[k]) - f64::from(BLANK[k]))).round() as u8)
}

/// An arrow to the right in the room between two images, which begins at `at`.
fn arrow(page: &mut Drawing, at: (f64, f64)) {
    let (from, to) = (at.0 + 4.0, at.0 + ARROW as f64 - 4.0);
    page.line((from, at.1), (to - 4.0, at.1), MUTED, 1.5, None);
    page.polygon(&[(to, at.1), (to - 5.0, at.1 - 3.5), (to - 5.0, at.1 + 3.5)], MUTED, 1.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The raster of a page's PNG: width, height, and the colour at a place in units of the page.
    fn raster(page: &Drawing) -> (usize, usize, impl Fn(f64, f64) -> Rgb + use<>) {
        let bytes = page.png().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let (width, channels) = (info.width as usize, info.color_type.samples());
        let colour = move |x: f64, y: f64| {
            let at = ((y * FINE as f64) as usize * width + (x * FINE as f64) as usize) * channels;
            [pixels[at], pixels[at + 1], pixels[at + 2]]
        };
        (width, info.height as usize, colour)
    }

    #[test]
    fn pixels_are_where_they_belong() {
        // Three images of 2 × 2 in two columns: zoomed to 56 units, 28 a pixel, 8 apart.
        let images = [[0.0, 1.0, 0.5, f32::NAN], [1.0, 1.0, 1.0, 1.0], [-3.0, 7.0, 0.0, 0.0]];
        let mut grid = Grid::new(2, 2, 2);
        images.iter().for_each(|image| grid.add(image));
        let (width, height, colour) = raster(&grid.draw());
        assert_eq!((width, height), (2 * (16 + 56 + 8 + 56 + 16), 2 * (16 + 56 + 8 + 56 + 16)));
        let half = grey(0.5);
        for (x, y, wanted) in [
            (17.0, 17.0, BLANK),
            (43.0, 43.0, BLANK),
            (45.0, 17.0, INK),
            (71.0, 43.0, INK),
            (17.0, 45.0, half),
            (71.0, 71.0, NOTHING),
            (76.0, 30.0, PAPER),
            (81.0, 17.0, INK),
            (135.0, 71.0, INK),
            (17.0, 81.0, BLANK),
            (45.0, 81.0, INK),
            (100.0, 100.0, PAPER),
        ] {
            assert_eq!(colour(x, y), wanted, "{x} {y}");
        }
        assert!(half[0] > INK[0] && half[0] < BLANK[0]);
    }

    #[test]
    fn pairs_have_arrows_between_them() {
        let (dark, blank) = ([1.0; 6], [0.0; 6]);
        let mut grid = Grid::new(2, 3, 2).titled("from & to").rows(["first", "second"]).heads(["a < b"]);
        for _ in 0..3 {
            grid.pair(&dark, &blank);
        }
        let page = grid.draw();
        let svg = page.svg().unwrap();
        assert_eq!(svg.matches("<path").count(), 3, "{svg}");
        for text in ["from &amp; to", "first", "second", "a &lt; b"] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
        assert_eq!(svg.matches("<image").count(), 1);
        let (_, _, colour) = raster(&page);
        // The first row's image is beside its caption, below title and head.
        let left = MARGIN + LETTER * 6.0 + 10.0;
        assert_eq!(colour(left + 2.0, 64.0), INK);
        assert_eq!(colour(left + 57.0 + 20.0 + 2.0, 64.0), BLANK);
    }

    #[test]
    fn nothing_to_show_is_no_mistake() {
        for (height, width, columns) in [(0, 0, 0), (28, 28, 10), (1, 900, 3)] {
            let mut grid = Grid::new(height, width, columns).rows(["a row"]).heads(["a", "b"]);
            assert!(grid.draw().svg().unwrap().contains("<image"));
            // Images that lack pixels.
            grid.add(&[]);
            grid.pair(&[1.0], &[f32::INFINITY]);
            let svg = grid.draw().svg().unwrap();
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }
}
