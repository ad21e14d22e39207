//! The image of the cells: at every pixel the colours of the atoms, mixed by the weights p(x), on paper that is
//! the lighter the thinner the source is there.

use super::density::{Density, View};
use super::palette::{FILLS, Rgb, WHITE, from_linear, to_linear};
use rayon::prelude::*;

/// The weights p(x) of the atoms at a point of the plane.
pub type Weights<'a> = dyn Fn([f64; 2], &mut [f64]) + Sync + 'a;

/// How strongly a cell is coloured where the source has no mass, 0 to 1.
const FAINTEST: f64 = 0.15;

/// How light the line between two cells is, 0 to 1.
const BORDER: f64 = 0.75;

/// Pixels along the side of the square on which neighbours are found.
const SCAN: usize = 160;

/// Colours such that neighbouring cells differ.
pub fn colours(weights: &Weights<'_>, atoms: usize, view: View) -> Vec<Rgb> {
    let owner: Vec<usize> = (0..SCAN)
        .into_par_iter()
        .flat_map_iter(|row| {
            let mut p = vec![0.0; atoms];
            (0..SCAN)
                .map(|column| {
                    weights(pixel(view, SCAN, SCAN, column, row), &mut p);
                    largest(&p)
                })
                .collect::<Vec<_>>()
        })
        .collect();
    let mut neighbours: Vec<Vec<usize>> = vec![Vec::new(); atoms];
    let mut meet = |a: usize, b: usize| {
        if a != b && !neighbours[a].contains(&b) {
            neighbours[a].push(b);
            neighbours[b].push(a);
        }
    };
    // Up to three pixels apart: cells that touch only at a corner should differ as well.
    for row in 0..SCAN {
        for column in 0..SCAN {
            let here = owner[row * SCAN + column];
            for far in 1..=3 {
                if column + far < SCAN {
                    meet(here, owner[row * SCAN + column + far]);
                }
                if row + far < SCAN {
                    meet(here, owner[(row + far) * SCAN + column]);
                }
            }
        }
    }
    // The most entangled cells choose first: the colour fewest neighbours have, then the least used one.
    let mut order: Vec<usize> = (0..atoms).collect();
    order.sort_by_key(|i| std::cmp::Reverse(neighbours[*i].len()));
    let mut choice: Vec<Option<usize>> = vec![None; atoms];
    let mut used = [0usize; FILLS.len()];
    for i in order {
        let clashes = |c: usize| neighbours[i].iter().filter(|j| choice[**j] == Some(c)).count();
        let best = (0..FILLS.len()).min_by_key(|c| (clashes(*c), used[*c], *c)).unwrap_or(0);
        used[best] += 1;
        choice[i] = Some(best);
    }
    choice.into_iter().map(|c| FILLS[c.unwrap_or(0)]).collect()
}

/// The image, `width` by `height` pixels from the top left.
///
/// A thin light line runs where two atoms get the same share, so that soft cells have visible outlines.
pub fn shade(
    weights: &Weights<'_>,
    colours: &[Rgb],
    density: &Density,
    view: View,
    width: usize,
    height: usize,
) -> Vec<Rgb> {
    let light: Vec<[f64; 3]> = colours.iter().map(|c| to_linear(*c)).collect();
    let paper = to_linear(WHITE);
    let (mixed, owner): (Vec<[f64; 3]>, Vec<usize>) = (0..height)
        .into_par_iter()
        .flat_map_iter(|row| {
            let mut p = vec![0.0; light.len()];
            (0..width)
                .map(|column| {
                    let x = pixel(view, width, height, column, row);
                    weights(x, &mut p);
                    let strength = FAINTEST + (1.0 - FAINTEST) * density.at(x[0], x[1]).powf(0.4);
                    let colour = std::array::from_fn(|k| {
                        let mixed: f64 = p.iter().zip(&light).map(|(p, c)| p * c[k]).sum();
                        paper[k] + (mixed - paper[k]) * strength
                    });
                    (colour, largest(&p))
                })
                .collect::<Vec<_>>()
        })
        .unzip();
    (0..width * height)
        .map(|i| {
            let differs = |j: usize| j < owner.len() && owner[j] != owner[i];
            let border = (i % width + 1 < width && differs(i + 1)) || differs(i + width);
            let line = if border { BORDER } else { 0.0 };
            from_linear(std::array::from_fn(|k| mixed[i][k] + (paper[k] - mixed[i][k]) * line))
        })
        .collect()
}

/// Averages squares of `factor`² pixels in linear light.
pub fn shrink(pixels: &[Rgb], width: usize, factor: usize) -> Vec<Rgb> {
    let columns = width / factor;
    let rows = pixels.len() / width / factor;
    let share = 1.0 / (factor * factor) as f64;
    (0..rows * columns)
        .map(|i| {
            let (left, top) = (i % columns * factor, i / columns * factor);
            let mut sum = [0.0; 3];
            for r in top..top + factor {
                for pixel in &pixels[r * width + left..r * width + left + factor] {
                    let light = to_linear(*pixel);
                    (0..3).for_each(|k| sum[k] += light[k] * share);
                }
            }
            from_linear(sum)
        })
        .collect()
}

/// The centre of a pixel.
fn pixel(view: View, width: usize, height: usize, column: usize, row: usize) -> [f64; 2] {
    let (u, v) = ((column as f64 + 0.5) / width as f64, 1.0 - (row as f64 + 0.5) / height as f64);
    [view.x.0 + u * (view.x.1 - view.x.0), view.y.0 + v * (view.y.1 - view.y.0)]
}

/// Index of the largest weight, the first of equals.
fn largest(p: &[f64]) -> usize {
    (0..p.len()).fold(0, |best, i| if p[i] > p[best] { i } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIEW: View = View { x: (0.0, 4.0), y: (0.0, 1.0) };

    /// Four strips side by side.
    fn strips(x: [f64; 2], p: &mut [f64]) {
        p.fill(0.0);
        p[(x[0] as usize).min(3)] = 1.0;
    }

    #[test]
    fn neighbours_differ_in_colour() {
        let c = colours(&strips, 4, VIEW);
        for i in 0..3 {
            assert_ne!(c[i], c[i + 1]);
        }
    }

    #[test]
    fn full_colour_where_the_source_is_and_pale_where_not() {
        let block: Vec<f64> =
            (0..400).flat_map(|i| [0.315 + 0.02 * (i % 20) as f64, 0.315 + 0.02 * (i / 20) as f64]).collect();
        let density = Density::estimate(&block, None, VIEW);
        let fills = [FILLS[0], FILLS[1], FILLS[2], FILLS[3]];
        let image = shade(&strips, &fills, &density, VIEW, 44, 11);
        let (near, far) = (image[5 * 44 + 5], image[5 * 44 + 27]);
        assert!((0..3).all(|k| near[k].abs_diff(FILLS[0][k]) < 12), "{near:?}");
        assert!(far.iter().all(|v| *v > 225), "{far:?}");
    }

    #[test]
    fn shrinking_keeps_one_colour() {
        assert_eq!(shrink(&[[7, 90, 201]; 24], 6, 2), [[7, 90, 201]; 6]);
    }
}
