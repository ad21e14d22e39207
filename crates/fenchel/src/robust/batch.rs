//! Examples in batches.

use super::objective::Objective;
use super::rows::Rows;
use crate::Result;
use crate::measure::Rng;

/// All examples, to be drawn in batches.
pub(crate) struct Batches<'a> {
    objective: &'a Objective<'a>,
    /// Features of the design, one example after another: batches are gathered from anywhere. Empty if they stay in files.
    rows: Vec<f64>,
    size: usize,
    /// How many have a weight; the others are never drawn.
    count: usize,
}

/// All examples that have a weight once, in random order: at once, or where they stay in files a window at a time.
pub(crate) struct Pass<'b> {
    batches: &'b Batches<'b>,
    rng: Rng,
    /// Examples of the window, in random order.
    pub order: Vec<u32>,
    /// Pages in random order, and how many have been read.
    pages: Vec<u32>,
    read: usize,
    window: Window,
}

/// Pages in memory.
#[derive(Default)]
struct Window {
    /// Rows of a page; 0: everything is here.
    height: usize,
    /// Pages that may be here, and where each of all pages is.
    pages: usize,
    places: Vec<u32>,
    /// Features one example after another, and labels.
    rows: Vec<f64>,
    labels: Vec<f64>,
}

impl<'a> Batches<'a> {
    pub(crate) fn new(objective: &'a Objective<'a>, size: usize) -> Self {
        let design = objective.design;
        let (n, m) = (design.len(), design.columns);
        let count = objective.eta.iter().filter(|eta| **eta > 0.0).count();
        if design.files().is_some() {
            return Batches { objective, rows: Vec::new(), size, count };
        }
        let mut rows = vec![0.0; n * m];
        let mut page = design.page(&(0..design.blocks()));
        for b in 0..design.blocks() {
            let block = design.block(b, &mut page);
            let height = block.len() / m;
            for (j, column) in block.chunks_exact(height).enumerate() {
                let first = b * design.height();
                column.iter().enumerate().for_each(|(r, x)| rows[(first + r) * m + j] = *x);
            }
        }
        Batches { objective, rows, size, count }
    }

    /// Examples in a batch.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// How many examples there are that have a weight.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Steps of a trial: a fifth of a pass, but some.
    pub(crate) fn trial_steps(&self) -> usize {
        (self.len().div_ceil(self.size) / 5).max(20)
    }

    /// Begins a pass; nothing is there before [`Pass::turn`].
    pub(crate) fn pass(&self, mut rng: Rng) -> Pass<'_> {
        let mut window = Window::default();
        let mut pages = vec![0];
        if let Some(files) = self.objective.design.files() {
            (window.height, window.pages) = files.pages(self.objective.design.columns, self.size);
            pages = (0..self.objective.eta.len().div_ceil(window.height) as u32).collect();
            window.places = vec![0; pages.len()];
            // Where all fit in a window the order is the one that they have in memory.
            if pages.len() > window.pages {
                rng.shuffle(&mut pages);
            }
        }
        Pass { batches: self, rng, order: Vec::new(), pages, read: 0, window }
    }

    /// p̂ of an example.
    pub(crate) fn eta(&self, i: u32) -> f64 {
        self.objective.eta[i as usize]
    }
}

impl Pass<'_> {
    /// All examples that there are.
    pub(crate) fn batches(&self) -> &Batches<'_> {
        self.batches
    }

    /// Turns to the next window; `false` where there is none.
    ///
    /// # Errors
    /// A file can no longer be read, or is not what it was.
    pub(crate) fn turn(&mut self) -> Result<bool> {
        if self.read == self.pages.len() {
            return Ok(false);
        }
        let n = self.batches.objective.eta.len() as u32;
        self.order.clear();
        let design = self.batches.objective.design;
        match design.files() {
            None => {
                self.order.extend(0..n);
                self.read = 1;
            }
            Some(files) => {
                let Window { height, pages, places, rows, labels } = &mut self.window;
                let to = (self.read + *pages).min(self.pages.len());
                // In the order of the files.
                let here = &mut self.pages[self.read..to];
                here.sort_unstable();
                files.gather(
                    here,
                    *height,
                    (&design.centre, &design.scale, design.intercept),
                    (rows, labels),
                )?;
                for (place, page) in here.iter().enumerate() {
                    places[*page as usize] = place as u32;
                    let first = page * *height as u32;
                    self.order.extend(first..n.min(first.saturating_add(*height as u32)));
                }
                self.read = to;
            }
        }
        self.order.retain(|i| self.batches.eta(*i) > 0.0);
        self.rng.shuffle(&mut self.order);
        Ok(true)
    }

    /// Features and label of an example of the window.
    fn example(&self, i: u32) -> (&[f64], f64) {
        let (m, i) = (self.batches.objective.design.columns, i as usize);
        if self.window.height == 0 {
            return (&self.batches.rows[i * m..(i + 1) * m], self.batches.objective.labels[i]);
        }
        let Window { height, places, rows, labels, .. } = &self.window;
        let at = places[i / height] as usize * height + i % height;
        (&rows[at * m..(at + 1) * m], labels[at])
    }

    /// Gathers features column by column, labels and weights of some examples of the window.
    pub(crate) fn fill(&self, ids: &[u32], to: &mut Rows) {
        to.ids.clear();
        to.y.clear();
        to.eta.clear();
        to.x.clear();
        self.append(ids, to);
    }

    /// The same behind the rows that are there.
    pub(crate) fn append(&self, ids: &[u32], to: &mut Rows) {
        let (old, m) = (to.ids.len(), self.batches.objective.design.columns);
        let n = old + ids.len();
        to.x.resize(n * m, 0.0);
        // From the last column, so that none is overwritten before it has moved.
        for j in (1..m).rev() {
            to.x.copy_within(j * old..(j + 1) * old, j * n);
        }
        for (r, i) in ids.iter().enumerate() {
            let (row, label) = self.example(*i);
            row.iter().enumerate().for_each(|(j, v)| to.x[j * n + old + r] = *v);
            to.y.push(label);
        }
        to.ids.extend(ids);
        to.eta.extend(ids.iter().map(|i| self.batches.eta(*i)));
    }
}
