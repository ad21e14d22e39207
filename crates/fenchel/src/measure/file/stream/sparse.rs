//! A value for every so-many-th row, as many as memory allows.

/// Values at rows 0, `every`, 2·`every`, …; when there are too many, every second one is forgotten.
#[derive(Debug, Clone)]
pub(super) struct Sparse<T> {
    every: u64,
    values: Vec<T>,
    most: usize,
}

impl<T: Copy> Sparse<T> {
    /// At most `bytes` of values.
    pub(super) fn new(bytes: u64) -> Self {
        let most = (bytes / size_of::<T>() as u64).clamp(16, 1 << 40) as usize;
        Sparse { every: 16, values: Vec::new(), most }
    }

    /// Rows come in order, each once.
    pub(super) fn push(&mut self, row: u64, value: T) {
        if !row.is_multiple_of(self.every) {
            return;
        }
        if self.values.len() == self.most {
            let mut even = false;
            self.values.retain(|_| {
                even = !even;
                even
            });
            self.every *= 2;
        }
        if row.is_multiple_of(self.every) {
            self.values.push(value);
        }
    }

    /// Rows of a stretch; the last may have fewer.
    pub(super) fn every(&self) -> u64 {
        self.every
    }

    /// The values at the beginnings of the stretches.
    pub(super) fn values(&self) -> &[T] {
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_at_their_rows() {
        for rows in [0, 1, 255, 256, 257, 10_000] {
            let mut sparse = Sparse::new(16 * 8);
            (0..rows).for_each(|row| sparse.push(row, row));
            assert!(sparse.values().len() <= 16);
            let wanted: Vec<u64> = (0..rows.div_ceil(sparse.every())).map(|k| k * sparse.every()).collect();
            assert_eq!(sparse.values(), wanted, "{rows}");
            assert!(sparse.values().len() >= 8 || rows < 8 * 16);
        }
    }
}
