//! Examples read where they are: in order, block by block, or in random order, page by page.

use crate::measure::Source;
use crate::measure::file::FileSource;
use crate::{Error, Result};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that are read at a time by a thread that goes through examples in order.
const PIECE: u64 = 1 << 22;

/// Pages in a window: the order is random within it.
const PAGES: usize = 32;

/// Rows of a page, at least and at most.
const LEAST: usize = 16;
const MOST: usize = 1 << 16;

/// Examples in files.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    /// Features, the label, and the weight if there is one.
    source: Arc<FileSource>,
    /// Without and with a centre.
    moments: Arc<[Vec<(f64, f64)>; 2]>,
    /// What labels stand for; empty: themselves.
    classes: Arc<Vec<(f64, f64)>>,
    memory: u64,
    /// The first thing that went wrong in a task, whose numbers are NaN from then on.
    fault: Arc<Mutex<Option<Error>>>,
}

/// Examples in order, as a task reads them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Page {
    /// Rows as they are in the files, and which.
    raw: Vec<f64>,
    here: Range<usize>,
    /// Where the task ends.
    until: usize,
    /// The features of a block, column by column, and its labels.
    pub x: Vec<f64>,
    pub labels: Vec<f64>,
    rows: Range<usize>,
    across: usize,
}

impl Page {
    /// For a task that ends before this row.
    pub(crate) fn until(row: usize) -> Self {
        Page { until: row, ..Page::default() }
    }

    /// The next task ends before this row.
    pub(crate) fn reach(&mut self, row: usize) {
        self.until = row;
    }

    /// The features of the block as a design has them.
    pub(crate) fn arrange(&mut self, centre: &[f64], scale: &[f64], intercept: bool) {
        let (n, d) = (self.rows.len(), scale.len());
        let raw = &self.raw[(self.rows.start - self.here.start) * self.across..];
        self.x.clear();
        self.x.resize(n * (d + usize::from(intercept)), 0.0);
        for (j, column) in self.x.chunks_exact_mut(n).enumerate() {
            if j == d {
                column.fill(1.0);
            } else if scale[j] > 0.0 {
                for (x, row) in column.iter_mut().zip(raw.chunks_exact(self.across)) {
                    *x = (row[j] - centre[j]) / scale[j];
                }
            }
        }
    }
}

impl Files {
    pub(crate) fn new(
        source: Arc<FileSource>,
        moments: [Vec<(f64, f64)>; 2],
        classes: Arc<Vec<(f64, f64)>>,
        memory: u64,
    ) -> Self {
        Files { source, moments: Arc::new(moments), classes, memory, fault: Arc::default() }
    }

    pub(crate) fn moments(&self, centred: bool) -> Vec<(f64, f64)> {
        self.moments[usize::from(centred)].clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.source.len() as usize
    }

    /// Rows that a thread reads at a time.
    pub(crate) fn stride(&self) -> usize {
        let share = self.memory / 4 / rayon::current_num_threads() as u64;
        (share.min(PIECE) / (8 * self.source.across() as u64)).max(1) as usize
    }

    /// Turns to some rows; where they cannot be read they are NaN, and [`Files::check`] says why.
    pub(crate) fn turn(&self, page: &mut Page, rows: Range<usize>) {
        page.across = self.source.across();
        if !(page.here.start <= rows.start && rows.end <= page.here.end) {
            let end = page.until.min(rows.start + self.stride()).max(rows.end);
            page.here = rows.start..end;
            page.raw.resize(page.here.len() * page.across, 0.0);
            if let Err(error) = self.source.read_from(rows.start as u64, &mut page.raw) {
                page.raw.fill(f64::NAN);
                self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        }
        let label = self.source.dim() - 1;
        let raw = &page.raw[(rows.start - page.here.start) * page.across..];
        page.labels.clear();
        page.labels.extend(raw.chunks_exact(page.across).take(rows.len()).map(|row| self.label(row[label])));
        page.rows = rows;
    }

    /// What a label stands for.
    fn label(&self, y: f64) -> f64 {
        if self.classes.is_empty() {
            return y;
        }
        let at = self.classes.binary_search_by(|(class, _)| class.total_cmp(&(y + 0.0)));
        at.map_or(f64::NAN, |at| self.classes[at].1)
    }

    /// Whether something could not be read.
    pub(crate) fn has_failed(&self) -> bool {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Whether all has been read as it should.
    ///
    /// # Errors
    /// A file can no longer be read, or is not what it was.
    pub(crate) fn check(&self) -> Result<()> {
        match self.fault.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None => self.source.check(),
        }
    }

    /// Rows in a page of a window, and pages in a window that is to hold batches of this size.
    pub(crate) fn pages(&self, columns: usize, batch: usize) -> (usize, usize) {
        let row = 8 * (columns as u64 + 1);
        let window = ((self.memory / 2 / row) as usize).max(4 * batch).min(self.len());
        let rows = (window / PAGES).clamp(LEAST, MOST);
        (rows, window.div_ceil(rows))
    }

    /// Reads pages of so many rows, by number, into `x` as a design has them, one example after another, and `labels`.
    pub(crate) fn gather(
        &self,
        pages: &[u32],
        rows: usize,
        (centre, scale, intercept): (&[f64], &[f64], bool),
        (x, labels): (&mut Vec<f64>, &mut Vec<f64>),
    ) -> Result<()> {
        let (d, across) = (scale.len(), self.source.across());
        let m = d + usize::from(intercept);
        x.resize(pages.len() * rows * m, 0.0);
        labels.resize(pages.len() * rows, 0.0);
        let slots = x.par_chunks_mut((rows * m).max(1)).zip(labels.par_chunks_mut(rows));
        slots.zip(pages).try_for_each_init(Vec::new, |raw: &mut Vec<f64>, ((x, labels), page)| {
            let first = *page as usize * rows;
            let n = rows.min(self.len() - first);
            raw.resize(n * across, 0.0);
            self.source.read_from(first as u64, raw)?;
            for ((x, label), row) in x.chunks_exact_mut(m).zip(labels).zip(raw.chunks_exact(across)) {
                *label = self.label(row[d]);
                for j in 0..d {
                    x[j] = if scale[j] > 0.0 { (row[j] - centre[j]) / scale[j] } else { 0.0 };
                }
                if intercept {
                    x[d] = 1.0;
                }
            }
            Ok(())
        })?;
        self.source.check()
    }
}
