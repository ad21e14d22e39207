//! Log-sum-exp along the axes of a matrix.

use rayon::prelude::*;

use super::accumulate::{Accumulated, CHUNK};
use crate::simd::{Real, level};
use crate::{Error, Result};

/// A borrowed matrix: entry (i, j) lies at `i·row_stride + j·column_stride` of the slice.
#[derive(Debug, Clone, Copy)]
pub struct MatrixView<'a, T> {
    data: &'a [T],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a, T: Real> MatrixView<'a, T> {
    /// A slice as a matrix in row-major order.
    ///
    /// ```
    /// use fenchel::logspace::MatrixView;
    /// let m = MatrixView::new(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, 3)?;
    /// assert_eq!(m.get(1, 0), Some(4.0));
    /// assert_eq!(m.transposed().get(0, 1), Some(4.0));
    /// # Ok::<(), fenchel::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the slice does not have rows × columns numbers.
    pub fn new(data: &'a [T], rows: usize, columns: usize) -> Result<Self> {
        if rows.checked_mul(columns) != Some(data.len()) {
            let expected = format_args!("{rows} × {columns} numbers").to_string();
            return Err(Error::shape("matrix", expected, data.len()));
        }
        Ok(MatrixView { data, rows, columns, row_stride: columns, column_stride: 1 })
    }

    /// A matrix with any strides, counted in numbers; a stride of 0 repeats a row or a column.
    ///
    /// ```
    /// use fenchel::logspace::MatrixView;
    /// // Every other column of a 2 × 4 matrix.
    /// let data = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
    /// let m = MatrixView::strided(&data, (2, 2), (4, 2))?;
    /// assert_eq!(m.get(1, 1), Some(7.0));
    /// # Ok::<(), fenchel::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the last entry lies outside the slice.
    pub fn strided(data: &'a [T], shape: (usize, usize), strides: (usize, usize)) -> Result<Self> {
        let (rows, columns) = shape;
        let last = || {
            let row = (rows - 1).checked_mul(strides.0)?;
            row.checked_add((columns - 1).checked_mul(strides.1)?)
        };
        let fits = rows == 0 || columns == 0 || last().is_some_and(|last| last < data.len());
        if !fits {
            let expected =
                format!("room for {rows} × {columns} numbers at strides {} and {}", strides.0, strides.1);
            return Err(Error::shape("matrix", expected, format_args!("{} numbers", data.len())));
        }
        Ok(MatrixView { data, rows, columns, row_stride: strides.0, column_stride: strides.1 })
    }

    /// Rows and columns exchanged; nothing is copied.
    pub fn transposed(self) -> Self {
        MatrixView {
            data: self.data,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }

    /// (rows, columns).
    pub fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    /// The entry at row i, column j.
    pub fn get(&self, i: usize, j: usize) -> Option<T> {
        if i < self.rows && j < self.columns {
            self.data.get(i * self.row_stride + j * self.column_stride).copied()
        } else {
            None
        }
    }
}

/// Rows that lie across the memory are gathered this many at a time, to use what a cache line brings.
const TILE_ROWS: usize = 16;
/// Numbers gathered of each such row.
const TILE_COLUMNS: usize = 256;
/// Numbers of each such row that one task gathers.
const TILE_PART: usize = 32 * TILE_COLUMNS;

/// log Σ_j e^{x_ij} of every row i, written to `out`; the semantics of [`logsumexp`](super::logsumexp).
///
/// Many rows go to all threads; the result does not depend on their number.
///
/// ```
/// use fenchel::logspace::{MatrixView, logsumexp_rows};
/// let m = MatrixView::new(&[0.0, 0.0, 5.0, f64::NEG_INFINITY], 2, 2)?;
/// let mut out = [0.0; 2];
/// logsumexp_rows(m, &mut out)?;
/// assert_eq!(out, [2f64.ln(), 5.0]);
/// # Ok::<(), fenchel::Error>(())
/// ```
///
/// # Errors
/// If `out` does not have one place a row.
pub fn logsumexp_rows<T: Real>(x: MatrixView<'_, T>, out: &mut [T]) -> Result<()> {
    if out.len() != x.rows {
        return Err(Error::shape("out", format_args!("{} numbers, one a row", x.rows), out.len()));
    }
    if x.columns == 0 {
        out.fill(T::NEG_INFINITY);
        return Ok(());
    }
    let side_by_side = x.column_stride == 1 || x.columns == 1;
    // A multiple of the tile, so that tiles are cut the same way however many tasks there are.
    let rows_a_task = (CHUNK / x.columns).max(1).next_multiple_of(TILE_ROWS);
    let task = |(t, out): (usize, &mut [T])| {
        let first = t * rows_a_task;
        if side_by_side { contiguous(x, first, out) } else { gathered(x, first, out) }
    };
    if x.columns > CHUNK || x.rows.saturating_mul(x.columns) <= 2 * CHUNK {
        out.chunks_mut(rows_a_task).enumerate().for_each(task); // long rows are divided themselves
    } else {
        out.par_chunks_mut(rows_a_task).enumerate().for_each(task);
    }
    Ok(())
}

/// log Σ_i e^{x_ij} of every column j: [`logsumexp_rows`] of the transposed matrix.
///
/// # Errors
/// If `out` does not have one place a column.
pub fn logsumexp_columns<T: Real>(x: MatrixView<'_, T>, out: &mut [T]) -> Result<()> {
    if out.len() != x.columns {
        return Err(Error::shape("out", format_args!("{} numbers, one a column", x.columns), out.len()));
    }
    logsumexp_rows(x.transposed(), out)
}

fn contiguous<T: Real>(x: MatrixView<'_, T>, first: usize, out: &mut [T]) {
    let level = level();
    if x.row_stride == x.columns && x.columns <= CHUNK {
        Accumulated::of_rows(level, &x.data[first * x.columns..][..out.len() * x.columns], x.columns, out);
    } else {
        for (i, out) in out.iter_mut().enumerate() {
            let row = &x.data[(first + i) * x.row_stride..][..x.columns];
            *out = T::from_f64(Accumulated::of(level, row, None, 1.0).log_mean(1.0, 1.0).0);
        }
    }
}

fn gathered<T: Real>(x: MatrixView<'_, T>, first: usize, out: &mut [T]) {
    for (t, out) in out.chunks_mut(TILE_ROWS).enumerate() {
        let corner = (first + t * TILE_ROWS) * x.row_stride;
        let part = |start| gathered_part(x, corner, out.len(), start);
        let parts: Vec<_> = if x.columns <= TILE_PART {
            vec![part(0)]
        } else {
            (0..x.columns.div_ceil(TILE_PART)).into_par_iter().map(|k| part(k * TILE_PART)).collect()
        };
        for (i, out) in out.iter_mut().enumerate() {
            let mut sum = Accumulated::EMPTY;
            parts.iter().for_each(|part| sum.merge(&part[i], 1.0));
            *out = T::from_f64(sum.log_mean(1.0, 1.0).0);
        }
    }
}

/// The sums of some rows, whose first entry is `corner`, over the columns from `start` to the end of the part.
fn gathered_part<T: Real>(
    x: MatrixView<'_, T>,
    corner: usize,
    rows: usize,
    start: usize,
) -> [Accumulated; TILE_ROWS] {
    let level = level();
    let mut tile = [T::ZERO; TILE_ROWS * TILE_COLUMNS];
    let mut sums = [Accumulated::EMPTY; TILE_ROWS];
    let end = x.columns.min(start + TILE_PART);
    for start in (start..end).step_by(TILE_COLUMNS) {
        let width = TILE_COLUMNS.min(end - start);
        for j in 0..width {
            let column = corner + (start + j) * x.column_stride;
            for i in 0..rows {
                tile[i * TILE_COLUMNS + j] = x.data[column + i * x.row_stride];
            }
        }
        for (sum, row) in sums.iter_mut().zip(tile.chunks(TILE_COLUMNS)).take(rows) {
            sum.merge(&Accumulated::of(level, &row[..width], None, 1.0), 1.0);
        }
    }
    sums
}
