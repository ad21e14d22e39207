//! Points stored coordinate by coordinate, for vectorised loops over them.

use crate::{Error, Result};

/// `len` points of R^`dim`, coordinate-major: all first coordinates, then all second ones, ….
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Soa<T> {
    dim: usize,
    len: usize,
    data: Vec<T>,
}

impl<T: Copy + Default> Soa<T> {
    /// No points yet of R^`dim`.
    pub fn with_dim(dim: usize) -> Self {
        Self { dim, len: 0, data: Vec::new() }
    }

    /// From row-major points.
    ///
    /// # Errors
    /// `dim` = 0 or a length that is no multiple of it.
    pub fn from_rows(dim: usize, rows: &[T]) -> Result<Self> {
        if dim == 0 || !rows.len().is_multiple_of(dim) {
            return Err(Error::shape("points", format!("rows of {dim} numbers"), rows.len()));
        }
        let len = rows.len() / dim;
        let mut data = Vec::with_capacity(rows.len());
        for k in 0..dim {
            data.extend(rows.iter().skip(k).step_by(dim));
        }
        Ok(Self { dim, len, data })
    }

    /// Number of coordinates of a point.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no point.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Coordinate `k` of every point.
    #[inline]
    pub fn coordinate(&self, k: usize) -> &[T] {
        &self.data[k * self.len..(k + 1) * self.len]
    }

    /// Everything, coordinate-major.
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// Point `index` into `point`.
    pub fn get(&self, index: usize, point: &mut [T]) {
        for (k, x) in point.iter_mut().enumerate().take(self.dim) {
            *x = self.data[k * self.len + index];
        }
    }

    /// The points `indices`, in that order, into `into`, whose memory is reused.
    pub fn gather(&self, indices: &[u32], into: &mut Soa<T>) {
        into.dim = self.dim;
        into.len = indices.len();
        into.data.clear();
        for k in 0..self.dim {
            let from = self.coordinate(k);
            into.data.extend(indices.iter().map(|i| from[*i as usize]));
        }
    }

    /// Row-major again.
    pub fn to_rows(&self) -> Vec<T> {
        let mut rows = vec![T::default(); self.data.len()];
        for (index, point) in rows.chunks_exact_mut(self.dim.max(1)).enumerate() {
            self.get(index, point);
        }
        rows
    }
}

impl Soa<f64> {
    /// The same points rounded to single precision, after subtracting `centre`.
    ///
    /// Rounding after the shift keeps the digits of differences when all coordinates share a large offset.
    pub fn to_f32(&self, centre: &[f64]) -> Soa<f32> {
        let mut data = Vec::with_capacity(self.data.len());
        for k in 0..self.dim {
            data.extend(self.coordinate(k).iter().map(|x| (x - centre.get(k).unwrap_or(&0.0)) as f32));
        }
        Soa { dim: self.dim, len: self.len, data }
    }
}
