//! The density of a measure in the plane, estimated from its points.

use super::palette::{Rgb, WHITE, from_linear, to_linear};

/// A rectangle of the plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// First coordinate, lower and upper end.
    pub x: (f64, f64),
    /// Second coordinate, lower and upper end.
    pub y: (f64, f64),
}

/// Cells of the grid along the longer side of the view.
const CELLS: usize = 400;

/// A kernel density estimate on a grid, scaled so that its maximum is 1.
#[derive(Debug)]
pub struct Density {
    left: f64,
    bottom: f64,
    cell: f64,
    columns: usize,
    rows: usize,
    values: Vec<f64>,
}

impl Density {
    /// Estimates from `points` (x, y, x, y, …) with weights, seen through `view`.
    pub fn estimate(points: &[f64], weights: Option<&[f64]>, view: View) -> Self {
        let (w, h) = (view.x.1 - view.x.0, view.y.1 - view.y.0);
        let cell = w.max(h) / CELLS as f64;
        // Kernel width by Scott's rule in the plane, a little sharper because measures may have edges.
        let n = (points.len() / 2).max(1) as f64;
        let width = (0.7 * spread(points) * n.powf(-1.0 / 6.0)).clamp(2.0 * cell, 24.0 * cell);
        // Points just outside the view count inside it.
        let margin = (3.0 * width / cell).ceil() as usize;
        let columns = (w / cell).ceil() as usize + 2 * margin;
        let rows = (h / cell).ceil() as usize + 2 * margin;
        let left = view.x.0 - margin as f64 * cell;
        let bottom = view.y.0 - margin as f64 * cell;
        let mut values = vec![0.0; columns * rows];
        for (i, point) in points.chunks_exact(2).enumerate() {
            let (c, r) = ((point[0] - left) / cell, (point[1] - bottom) / cell);
            if c >= 0.0 && r >= 0.0 && c < columns as f64 && r < rows as f64 {
                values[r as usize * columns + c as usize] += weights.map_or(1.0, |w| w[i]);
            }
        }
        blur(&mut values, columns, rows, width / cell);
        let largest = values.iter().fold(0.0, |m: f64, v| m.max(*v));
        if largest > 0.0 {
            values.iter_mut().for_each(|v| *v /= largest);
        }
        Density { left, bottom, cell, columns, rows, values }
    }

    /// An image of it, from white to `colour`, in `width` by `height` pixels.
    pub fn image(&self, view: View, colour: Rgb, (width, height): (usize, usize)) -> Vec<Rgb> {
        let (paper, full) = (to_linear(WHITE), to_linear(colour));
        let place =
            |(low, high): (f64, f64), i: usize, n: usize| low + (high - low) * (i as f64 + 0.5) / n as f64;
        let mut pixels = Vec::with_capacity(width * height);
        for row in (0..height).rev() {
            for column in 0..width {
                let strength = self.at(place(view.x, column, width), place(view.y, row, height)).powf(0.7);
                pixels.push(from_linear(std::array::from_fn(|k| paper[k] + (full[k] - paper[k]) * strength)));
            }
        }
        pixels
    }

    /// The density at a point of the view, relative to the largest.
    pub fn at(&self, x: f64, y: f64) -> f64 {
        let c = ((x - self.left) / self.cell - 0.5).clamp(0.0, (self.columns - 1) as f64);
        let r = ((y - self.bottom) / self.cell - 0.5).clamp(0.0, (self.rows - 1) as f64);
        let (c0, r0) = (c as usize, r as usize);
        let (c1, r1) = ((c0 + 1).min(self.columns - 1), (r0 + 1).min(self.rows - 1));
        let (fc, fr) = (c - c0 as f64, r - r0 as f64);
        let v = |c: usize, r: usize| self.values[r * self.columns + c];
        let (low, high) = (v(c0, r0) * (1.0 - fc) + v(c1, r0) * fc, v(c0, r1) * (1.0 - fc) + v(c1, r1) * fc);
        low * (1.0 - fr) + high * fr
    }
}

/// Root mean square of the two standard deviations.
fn spread(points: &[f64]) -> f64 {
    let n = (points.len() / 2).max(1) as f64;
    let mut variance = 0.0;
    for k in 0..2 {
        let mean = points.iter().skip(k).step_by(2).sum::<f64>() / n;
        variance += points.iter().skip(k).step_by(2).map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    }
    (0.5 * variance).sqrt()
}

/// Gaussian blur of standard deviation `sd` cells, first along rows, then along columns.
fn blur(values: &mut [f64], columns: usize, rows: usize, sd: f64) {
    let reach = (3.0 * sd).ceil() as usize;
    let kernel: Vec<f64> = (0..=reach).map(|i| (-0.5 * (i as f64 / sd).powi(2)).exp()).collect();
    let smooth = |line: &mut Vec<f64>, source: &dyn Fn(usize) -> f64, n: usize| {
        line.clear();
        line.extend((0..n).map(|i| {
            let (from, to) = (i.saturating_sub(reach), (i + reach).min(n - 1));
            (from..=to).map(|j| kernel[i.abs_diff(j)] * source(j)).sum::<f64>()
        }));
    };
    let mut line = Vec::new();
    for row in values.chunks_exact_mut(columns) {
        smooth(&mut line, &|j| row[j], columns);
        row.copy_from_slice(&line);
    }
    for c in 0..columns {
        smooth(&mut line, &|j| values[j * columns + c], rows);
        for (r, v) in line.iter().enumerate() {
            values[r * columns + c] = *v;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIEW: View = View { x: (-2.0, 2.0), y: (-2.0, 2.0) };

    #[test]
    fn highest_where_the_points_are() {
        let d = Density::estimate(&[1.0, -1.0, 1.0, -1.0, -1.0, 1.0], None, VIEW);
        assert!((d.at(1.0, -1.0) - 1.0).abs() < 0.1);
        assert!((d.at(-1.0, 1.0) - 0.5).abs() < 0.1);
        assert!(d.at(1.9, 1.9) < 1e-6);
    }

    #[test]
    fn weights_count() {
        let d = Density::estimate(&[1.0, -1.0, -1.0, 1.0], Some(&[1.0, 4.0]), VIEW);
        assert!((d.at(1.0, -1.0) - 0.25).abs() < 0.05);
    }

    #[test]
    fn one_point_or_none_in_view() {
        assert!(Density::estimate(&[0.0, 0.0], None, VIEW).at(0.005, 0.005) > 0.99);
        assert_eq!(Density::estimate(&[9.0, 9.0], None, VIEW).at(0.0, 0.0), 0.0);
    }
}
