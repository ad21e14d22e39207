//! The loops, a picture at a time.

use nalgebra::{DMatrixView, DMatrixViewMut, Dyn};
use rayon::prelude::*;

/// Side of kernels, and of what is pooled.
pub(super) const KERNEL: usize = 3;
pub(super) const POOL: usize = 2;

/// Pictures whose gradients are summed one after another; sums of so many are added in their order, whoever made them.
const PICTURES: usize = 8;

/// No pixel: ReLU has cut it off.
const NONE: u8 = (POOL * POOL) as u8;

/// Channels in and out, and the pixels of a picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layer {
    pub(super) inputs: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) outputs: usize,
}

/// Gradients; that in x is empty where it is not asked for, those of parameters are 0.
pub(super) struct Slopes {
    pub(super) x: Vec<f32>,
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

/// A matrix of `rows` × `columns`, column by column.
fn matrix(values: &[f32], rows: usize, columns: usize) -> DMatrixView<'_, f32, Dyn, Dyn> {
    DMatrixView::from_slice_with_strides(values, rows, columns, 1, rows)
}

/// The transpose of one of `rows` × `columns`.
fn transposed(values: &[f32], rows: usize, columns: usize) -> DMatrixView<'_, f32, Dyn, Dyn> {
    DMatrixView::from_slice_with_strides(values, columns, rows, rows, 1)
}

/// c ← keep · c + a b, column by column.
fn multiply(
    c: &mut [f32],
    a: &DMatrixView<'_, f32, Dyn, Dyn>,
    b: &DMatrixView<'_, f32, Dyn, Dyn>,
    keep: f32,
) {
    let (rows, inner, columns) = (a.nrows(), a.ncols(), b.ncols());
    // From here on it is a product of blocks; of smaller ones nalgebra would make columns, and miscount strides of views.
    if rows > 5 && inner > 5 && columns > 5 {
        DMatrixViewMut::from_slice(c, rows, columns).gemm(1.0, a, b, keep);
        return;
    }
    for (j, c) in c.chunks_exact_mut(rows).enumerate() {
        for (i, c) in c.iter_mut().enumerate() {
            let sum: f32 = (0..inner).map(|k| a[(i, k)] * b[(k, j)]).sum();
            *c = if keep == 0.0 { sum } else { keep * *c + sum };
        }
    }
}

impl Layer {
    /// Rows and columns of what is pooled to; a row or column left over is not computed.
    fn pooled(&self) -> (usize, usize) {
        (super::shrunk(self.height), super::shrunk(self.width))
    }

    /// What a channel is pooled to.
    fn cells(&self) -> usize {
        let (rows, columns) = self.pooled();
        rows * columns
    }

    /// Pixels that are convolved.
    fn pixels(&self) -> usize {
        self.cells() * POOL * POOL
    }

    /// Weights of a kernel.
    fn taps(&self) -> usize {
        self.inputs * KERNEL * KERNEL
    }

    /// Calls `each(tap row of the unfolded picture, row of the picture)` with where rows of pixels begin, which are as long as each other.
    fn rows(&self, mut each: impl FnMut(usize, usize, usize)) {
        let (rows, columns) = self.pooled();
        let (rows, length, pixels) = (rows * POOL, columns * POOL, self.pixels());
        let mut tap = 0;
        for c in 0..self.inputs {
            for a in 0..KERNEL {
                for b in 0..KERNEL {
                    for i in 0..rows {
                        each(tap + i * length, (c * self.height + i + a) * self.width + b, length);
                    }
                    tap += pixels;
                }
            }
        }
    }

    /// Pixels × taps, column by column.
    fn unfold(&self, x: &[f32], to: &mut [f32]) {
        self.rows(|t, from, length| to[t..t + length].copy_from_slice(&x[from..from + length]));
    }

    /// Where the pixel `k` of a window lies, from its first.
    fn offset(&self, k: usize) -> usize {
        k / POOL * self.pooled().1 * POOL + k % POOL
    }

    /// Calls `each(index among what is pooled, first pixel)` for the windows of a channel.
    fn windows(&self, mut each: impl FnMut(usize, usize)) {
        let (rows, columns) = self.pooled();
        for i in 0..rows {
            for j in 0..columns {
                each(i * columns + j, (i * POOL * columns + j) * POOL);
            }
        }
    }

    /// max(0, the largest of a window of convolution and bias), and which pixel of the window that is.
    pub(super) fn forward(&self, x: &[f32], weight: &[f32], bias: &[f32]) -> (Vec<f32>, Vec<u8>) {
        let (size, pixels, taps) = (self.inputs * self.height * self.width, self.pixels(), self.taps());
        let cells = self.cells();
        let pictures = x.len() / size;
        let mut values = vec![0.0; pictures * self.outputs * cells];
        let mut from = vec![NONE; values.len()];
        let offsets: [usize; POOL * POOL] = std::array::from_fn(|k| self.offset(k));
        let room = || (vec![0.0_f32; pixels * taps], vec![0.0_f32; pixels * self.outputs]);
        let out = values.par_chunks_mut(self.outputs * cells).zip(from.par_chunks_mut(self.outputs * cells));
        out.zip(x.par_chunks(size)).for_each_init(room, |(unfolded, z), ((values, from), x)| {
            self.unfold(x, unfolded);
            multiply(z, &matrix(unfolded, pixels, taps), &matrix(weight, taps, self.outputs), 0.0);
            let channels = values.chunks_exact_mut(cells).zip(from.chunks_exact_mut(cells));
            for ((values, from), (z, bias)) in channels.zip(z.chunks_exact(pixels).zip(bias)) {
                self.windows(|at, first| {
                    let mut best = (z[first], 0_u8);
                    for (k, offset) in offsets.iter().enumerate().skip(1) {
                        let z = z[first + offset];
                        // What is not a number stays.
                        if z > best.0 || z.is_nan() {
                            best = (z, k as u8);
                        }
                    }
                    let z = best.0 + bias;
                    if z > 0.0 || z.is_nan() {
                        (values[at], from[at]) = (z, best.1);
                    }
                });
            }
        });
        (values, from)
    }

    /// Gradients of Σ slope · result, as far as asked for: in x, in parameters.
    pub(super) fn backward(
        &self,
        x: &[f32],
        weight: &[f32],
        slope: &[f32],
        from: &[u8],
        (in_x, in_parameters): (bool, bool),
    ) -> Slopes {
        let (size, pixels, taps) = (self.inputs * self.height * self.width, self.pixels(), self.taps());
        let cells = self.outputs * self.cells();
        let mut of_x = vec![0.0; if in_x { x.len() } else { 0 }];
        let mut parts: Vec<&mut [f32]> = of_x.chunks_mut(PICTURES * size).collect();
        let count = (x.len() / size).div_ceil(PICTURES);
        parts.resize_with(count, Default::default);
        let batches = x.par_chunks(PICTURES * size).zip(parts);
        let batches = batches.zip(slope.par_chunks(PICTURES * cells)).zip(from.par_chunks(PICTURES * cells));
        let sums: Vec<(Vec<f32>, Vec<f32>)> = batches
            .map(|(((x, of_x), slope), from)| {
                let (mut of_weight, mut of_bias) = (vec![0.0; taps * self.outputs], vec![0.0; self.outputs]);
                let (mut unfolded, mut z) = (vec![0.0; pixels * taps], vec![0.0; pixels * self.outputs]);
                let mut of_x = of_x.chunks_exact_mut(size);
                let pictures =
                    x.chunks_exact(size).zip(slope.chunks_exact(cells)).zip(from.chunks_exact(cells));
                for ((x, slope), from) in pictures {
                    self.spread(slope, from, &mut z, &mut of_bias);
                    if in_parameters {
                        self.unfold(x, &mut unfolded);
                        let (taps_first, z) =
                            (transposed(&unfolded, pixels, taps), matrix(&z, pixels, self.outputs));
                        multiply(&mut of_weight, &taps_first, &z, 1.0);
                    }
                    let Some(of_x) = of_x.next() else { continue };
                    multiply(
                        &mut unfolded,
                        &matrix(&z, pixels, self.outputs),
                        &transposed(weight, taps, self.outputs),
                        0.0,
                    );
                    self.rows(|t, to, length| {
                        let pair = of_x[to..to + length].iter_mut().zip(&unfolded[t..t + length]);
                        pair.for_each(|(x, u)| *x += u);
                    });
                }
                (of_weight, of_bias)
            })
            .collect();
        let (mut of_weight, mut of_bias) = (vec![0.0; taps * self.outputs], vec![0.0; self.outputs]);
        for (weight, bias) in &sums {
            of_weight.iter_mut().zip(weight).for_each(|(total, x)| *total += x);
            of_bias.iter_mut().zip(bias).for_each(|(total, x)| *total += x);
        }
        Slopes { x: of_x, weight: of_weight, bias: of_bias }
    }

    /// Slopes go to the pixels that results are from, and are summed up for the biases.
    fn spread(&self, slope: &[f32], from: &[u8], z: &mut [f32], of_bias: &mut [f32]) {
        let (cells, pixels) = (self.cells(), self.pixels());
        z.fill(0.0);
        let channels = slope.chunks_exact(cells).zip(from.chunks_exact(cells));
        for ((slope, from), (z, bias)) in channels.zip(z.chunks_exact_mut(pixels).zip(of_bias)) {
            self.windows(|at, first| {
                if from[at] != NONE {
                    z[first + self.offset(usize::from(from[at]))] = slope[at];
                    *bias += slope[at];
                }
            });
        }
    }
}
