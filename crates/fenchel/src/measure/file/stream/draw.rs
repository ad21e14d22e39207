//! Some rows of a file, drawn without reading it into memory.

use super::{CHUNK, FileSource, Selection};
use crate::measure::rng::{Rng, stream};
use crate::{Error, Result};
use rayon::prelude::*;
use std::collections::BinaryHeap;
use std::path::Path;

/// Stream of the random numbers that choose rows, and rows that share a generator.
const PURPOSE: u64 = u64::MAX - 1;
const BLOCK: u64 = 256;

/// m of the n rows of a file, drawn without replacement in proportion to their weights: a smaller measure that stands
/// for the file's.
///
/// Priority sampling (Duffield, Lund and Thorup 2007): row i has the priority w_i/u_i with u_i uniform; the m highest are
/// drawn, and with τ the next highest, row i then weighs max(w_i, τ). So every sum over rows is estimated without
/// bias. Rows that are heavy keep their weight; all others weigh the same. Without weights the rows are a simple random
/// sample. Rows without weight are not drawn, unless all are.
#[derive(Debug, Clone)]
pub struct Drawn {
    /// Which rows, counted from 0, ascending.
    pub rows: Vec<u64>,
    /// Rows of the file.
    pub of: u64,
    /// Number of coordinates.
    pub dim: usize,
    /// Names of the coordinates, if the file has a line of names.
    pub columns: Option<Vec<String>>,
    /// The coordinates, row-major.
    pub points: Vec<f64>,
    /// What the rows weigh; none without weights.
    pub weights: Option<Vec<f64>>,
    /// Reference weights η: those of the file (1 if it has none) times w'_i/w_i, where w' are the weights above, so that
    /// every row keeps its density dν/dη; none if the file has neither weights nor reference.
    pub reference: Option<Vec<f64>>,
    /// Mean and variance of every coordinate over all rows of the file, by weight.
    pub moments: (Vec<f64>, Vec<f64>),
}

impl Drawn {
    /// Draws `m` rows, or all if there are not so many; the same under the same `seed`. The file is read once from end to
    /// end, and the rows are then fetched; `memory` is as for [`FileSource::open`], without the rows themselves.
    ///
    /// # Errors
    /// As [`FileSource::open`]; `m` is 0.
    pub fn read(
        path: impl AsRef<Path>,
        selection: &Selection<'_>,
        m: usize,
        seed: u64,
        memory: u64,
    ) -> Result<Drawn> {
        let path = path.as_ref();
        if m == 0 {
            return Err(Error::invalid("the number of rows to draw", m, "at least 1"));
        }
        let mut best = Best { m, heap: BinaryHeap::new(), rng: stream(seed, PURPOSE, 0), seed };
        let source =
            FileSource::open_watched(path, selection, memory, &mut |seen| best.offer(seen.row, seen.weight))?;
        let (mut rows, threshold) = best.finish();
        let dim = source.dim;
        let width =
            dim + usize::from(selection.weights.is_some()) + usize::from(selection.reference.is_some());
        let part = &source.parts[0];
        let fetch = |rows: &[u64]| -> Result<Vec<f64>> {
            let mut numbers = vec![0.0; rows.len() * width];
            numbers
                .par_chunks_mut(CHUNK * width)
                .zip(rows.par_chunks(CHUNK))
                .try_for_each(|(numbers, rows)| part.rows.read(rows, numbers))?;
            part.handle.check()?;
            Ok(numbers)
        };
        let mut numbers = fetch(&rows)?;
        let weighted = selection.weights.is_some();
        if weighted && (rows.len() as u64) < source.len {
            let kept: Vec<bool> = numbers.chunks_exact(width).map(|n| n[dim] > 0.0).collect();
            let mut at = 0..;
            rows.retain(|_| at.next().is_some_and(|k| kept[k]));
            numbers = numbers
                .chunks_exact(width)
                .filter(|n| n[dim] > 0.0)
                .flat_map(|n| n.iter().copied())
                .collect();
        }
        let each = || numbers.chunks_exact(width);
        // What a row of weight w stands for.
        let times = |w: f64| if w > 0.0 && w < threshold { threshold / w } else { 1.0 };
        let weights = weighted.then(|| each().map(|n| n[dim].max(threshold)).collect());
        let reference = (weighted || selection.reference.is_some()).then(|| {
            each()
                .map(|n| {
                    let eta = if selection.reference.is_some() { n[width - 1] } else { 1.0 };
                    eta * if weighted { times(n[dim]) } else { 1.0 }
                })
                .collect()
        });
        let all = threshold == 0.0;
        Ok(Drawn {
            of: source.len,
            dim,
            columns: source.columns().map(<[String]>::to_vec),
            points: each().flat_map(|n| n[..dim].iter().copied()).collect(),
            weights,
            // All rows: the problem is the file's own.
            reference: reference.filter(|_| !(all && selection.reference.is_none())),
            moments: source.moments.finish(),
            rows,
        })
    }
}

/// The rows of highest priority so far, and one more.
struct Best {
    m: usize,
    /// The lowest priority is on top.
    heap: BinaryHeap<Entry>,
    rng: Rng,
    seed: u64,
}

/// log(w/u), −∞ without weight, and the row.
struct Entry(f64, u64);

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.0.total_cmp(&self.0).then(self.1.cmp(&other.1))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

impl Best {
    fn offer(&mut self, row: u64, weight: f64) {
        if row.is_multiple_of(BLOCK) {
            self.rng = stream(self.seed, PURPOSE, row / BLOCK);
        }
        let entry = Entry(weight.ln() - self.rng.uniform().ln(), row);
        if self.heap.len() <= self.m {
            self.heap.push(entry);
        } else if let Some(mut lowest) = self.heap.peek_mut()
            && entry < *lowest
        {
            *lowest = entry;
        }
    }

    /// The rows in ascending order, and τ; 0 if all rows of weight are among them.
    fn finish(mut self) -> (Vec<u64>, f64) {
        let threshold =
            if self.heap.len() > self.m { self.heap.pop().map_or(0.0, |next| next.0.exp()) } else { 0.0 };
        let mut rows: Vec<u64> = self.heap.into_iter().map(|entry| entry.1).collect();
        rows.sort_unstable();
        (rows, threshold)
    }
}
