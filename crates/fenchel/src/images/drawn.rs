//! Drawn shapes: two families of ten classes, for trying out what is meant for digits and letters.

use super::ImageSet;
use crate::measure::{Rng, stream};
use crate::{Error, Result};
use rayon::prelude::*;
use std::f64::consts::{PI, TAU};

/// Pixels of a side.
const SIDE: usize = 28;

/// The stream of random numbers of the first family; the next is that of the second.
const DRAWN: u64 = 0x696d_6167_6510;

/// Corners of what is round.
const ROUND: usize = 40;

/// Ten classes of shapes; the families have none in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Filled: disc, half disc, crescent, ellipse, square, rectangle, triangle, pentagon, star, arrow.
    Solids,
    /// Drawn with a pen: ring, frame, vee, arc, cross, tee, ell, bars, zigzag, spiral.
    Strokes,
}

impl Family {
    /// The names of its classes, by label.
    pub fn classes(self) -> [&'static str; 10] {
        match self {
            Family::Solids => [
                "disc",
                "half disc",
                "crescent",
                "ellipse",
                "square",
                "rectangle",
                "triangle",
                "pentagon",
                "star",
                "arrow",
            ],
            Family::Strokes => {
                ["ring", "frame", "vee", "arc", "cross", "tee", "ell", "bars", "zigzag", "spiral"]
            }
        }
    }

    /// The outline of a class, within the unit disc: a closed line, or lines of a pen.
    fn lines(self, class: usize) -> Vec<Vec<[f64; 2]>> {
        let closed = |mut line: Vec<[f64; 2]>| {
            line.push(line[0]);
            vec![line]
        };
        match self {
            Family::Solids => vec![match class {
                0 => arc(1.0, 0.0, TAU, ROUND),
                1 => {
                    arc(1.0, 0.0, PI, ROUND / 2).into_iter().map(|[x, y]| [0.9 * x, 0.9 * y - 0.38]).collect()
                }
                2 => {
                    // Inside another circle, about (0.55, 0), through the ends of the outer arc.
                    let outer = arc(1.0, 0.28 * PI, 1.72 * PI, ROUND);
                    let [x, y] = outer[0];
                    let (radius, end) = ((x - 0.55).hypot(y), y.atan2(x - 0.55));
                    let inner = arc(radius, TAU - end, end, ROUND).into_iter().map(|[x, y]| [x + 0.55, y]);
                    outer.into_iter().chain(inner).collect()
                }
                3 => arc(1.0, 0.0, TAU, ROUND).into_iter().map(|[x, y]| [x, 0.6 * y]).collect(),
                4 => rectangle(0.7, 0.7),
                5 => rectangle(0.88, 0.46),
                6 => arc(1.0, -0.5 * PI, 1.5 * PI, 3),
                7 => arc(1.0, -0.5 * PI, 1.5 * PI, 5),
                8 => arc(1.0, -0.5 * PI, 1.5 * PI, 10)
                    .into_iter()
                    .enumerate()
                    .map(|(i, [x, y])| if i % 2 == 0 { [x, y] } else { [0.45 * x, 0.45 * y] })
                    .collect(),
                _ => vec![
                    [-0.95, -0.25],
                    [0.1, -0.25],
                    [0.1, -0.75],
                    [1.0, 0.0],
                    [0.1, 0.75],
                    [0.1, 0.25],
                    [-0.95, 0.25],
                ],
            }],
            Family::Strokes => match class {
                0 => closed(arc(0.95, 0.0, TAU, ROUND)),
                1 => closed(rectangle(0.7, 0.7)),
                2 => vec![vec![[-0.65, -0.75], [0.0, 0.85], [0.65, -0.75]]],
                3 => vec![arc(0.95, 0.3 * PI, 1.7 * PI, ROUND)],
                4 => vec![vec![[-0.7, -0.7], [0.7, 0.7]], vec![[-0.7, 0.7], [0.7, -0.7]]],
                5 => vec![vec![[-0.65, -0.75], [0.65, -0.75]], vec![[0.0, -0.75], [0.0, 0.95]]],
                6 => vec![vec![[-0.5, -0.85], [-0.5, 0.7], [0.65, 0.7]]],
                7 => vec![vec![[-0.45, -0.85], [-0.45, 0.85]], vec![[0.45, -0.85], [0.45, 0.85]]],
                8 => vec![vec![[-0.9, 0.4], [-0.45, -0.45], [0.0, 0.45], [0.45, -0.45], [0.9, 0.4]]],
                _ => {
                    let turn = |i: usize| (i as f64 / ROUND as f64, 1.75 * TAU * i as f64 / ROUND as f64);
                    vec![(0..=ROUND).map(turn).map(|(r, a)| [r * a.cos(), r * a.sin()]).collect()]
                }
            },
        }
    }
}

/// Points of a circle from one angle to another: both ends, or for a whole turn one of them.
fn arc(radius: f64, from: f64, to: f64, steps: usize) -> Vec<[f64; 2]> {
    let is_whole = (to - from - TAU).abs() < 1e-9;
    let angle = |i: usize| from + (to - from) * i as f64 / steps as f64;
    let points = (0..if is_whole { steps } else { steps + 1 }).map(angle);
    points.map(|a| [radius * a.cos(), radius * a.sin()]).collect()
}

fn rectangle(x: f64, y: f64) -> Vec<[f64; 2]> {
    vec![[-x, -y], [x, -y], [x, y], [-x, y]]
}

impl ImageSet {
    /// Draws `n` shapes of a family, 28 × 28, the classes in turn: image i has label i mod 10.
    ///
    /// Place, size, proportions, angle (up to 20°), darkness, the thickness of the pen and grain differ from image to image, by the
    /// seed. Image i is the same however many are drawn.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for no image.
    pub fn drawn(family: Family, n: usize, seed: u64) -> Result<Self> {
        if n == 0 {
            return Err(Error::invalid("number of images", n, "at least 1"));
        }
        let outlines: Vec<_> = (0..10).map(|class| family.lines(class)).collect();
        let purpose = DRAWN + u64::from(family == Family::Strokes);
        let draw = |i: usize| draw(family, &outlines[i % 10], &mut stream(seed, purpose, i as u64));
        let pixels: Vec<[f32; SIDE * SIDE]> = (0..n).into_par_iter().map(draw).collect();
        Self::new(SIDE, SIDE, pixels.into_flattened())?.with_labels((0..n).map(|i| (i % 10) as u8).collect())
    }
}

fn draw(family: Family, lines: &[Vec<[f64; 2]>], rng: &mut Rng) -> [f32; SIDE * SIDE] {
    let mut between = |from: f64, to: f64| from + (to - from) * rng.uniform();
    let size = between(7.0, 10.5);
    let proportion = between(0.85, 1.0);
    let (sin, cos) = between(-0.35, 0.35).sin_cos();
    // So that not even the pen leaves the image.
    let centre = [(); 2].map(|()| 0.5 * SIDE as f64 + between(-1.0, 1.0) * (12.0 - size));
    let pen = between(0.9, 1.5);
    let ink = between(0.75, 1.0);
    let grain = between(0.0, 0.06);
    let place = |[x, y]: [f64; 2]| {
        let (x, y) = (size * x * proportion, size * y);
        [centre[0] + cos * x - sin * y, centre[1] + sin * x + cos * y]
    };
    let lines: Vec<Vec<[f64; 2]>> =
        lines.iter().map(|line| line.iter().copied().map(place).collect()).collect();
    std::array::from_fn(|at| {
        let point = [(at % SIDE) as f64 + 0.5, (at / SIDE) as f64 + 0.5];
        let outside = match family {
            Family::Solids => outside_polygon(&lines[0], point),
            Family::Strokes => {
                let apart =
                    lines.iter().flat_map(|line| line.windows(2)).map(|ends| apart(ends[0], ends[1], point));
                apart.fold(f64::INFINITY, f64::min).sqrt() - pen
            }
        };
        // The share of the pixel that is covered.
        let covered = (0.5 - outside).clamp(0.0, 1.0);
        (ink * covered + grain * rng.normal()).clamp(0.0, 1.0) as f32
    })
}

/// The square of the distance of a point from a segment.
fn apart(a: [f64; 2], b: [f64; 2], point: [f64; 2]) -> f64 {
    let (along, from) = ([b[0] - a[0], b[1] - a[1]], [point[0] - a[0], point[1] - a[1]]);
    let length = along[0] * along[0] + along[1] * along[1];
    let share = ((from[0] * along[0] + from[1] * along[1]) / length).clamp(0.0, 1.0);
    (from[0] - share * along[0]).powi(2) + (from[1] - share * along[1]).powi(2)
}

/// The distance of a point from a polygon, below 0 inside.
fn outside_polygon(corners: &[[f64; 2]], point: [f64; 2]) -> f64 {
    let (mut nearest, mut inside) = (f64::INFINITY, false);
    for (i, &a) in corners.iter().enumerate() {
        let b = corners[(i + 1) % corners.len()];
        nearest = nearest.min(apart(a, b, point));
        // Edges that a ray to the right crosses.
        if (a[1] > point[1]) != (b[1] > point[1]) {
            let x = a[0] + (point[1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0]);
            inside ^= point[0] < x;
        }
    }
    if inside { -nearest.sqrt() } else { nearest.sqrt() }
}
