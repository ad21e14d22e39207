//! Features as the solvers see them: of one size, with a column of ones behind them.

use super::Examples;
use super::streamed::{Files, Page};
use crate::simd::{combine, dot};
use rayon::prelude::*;
use std::ops::Range;

/// Numbers in a block, about: half of what a second-level cache holds.
const NUMBERS: usize = 1 << 14;

/// Most tasks that a sum over examples is made of. Fixed, so that a sum has the same bits for any number of threads.
const TASKS: usize = 64;

/// Where the examples are.
#[derive(Debug, Clone)]
enum Store {
    /// In blocks, each column by column.
    Memory(Vec<f64>),
    Files(Files),
}

/// x̃_j = (x_j − centre_j)/scale_j, and 1 where there is an intercept.
#[derive(Debug, Clone)]
pub(crate) struct Design {
    store: Store,
    /// Number of examples, and of those in a block; the last one may have fewer.
    n: usize,
    height: usize,
    /// Features, and one more for an intercept.
    pub columns: usize,
    pub intercept: bool,
    pub centre: Vec<f64>,
    /// 0 for a column that is constant and says nothing that the intercept does not.
    pub scale: Vec<f64>,
}

impl Design {
    pub(crate) fn new(examples: &Examples, intercept: bool) -> Self {
        let (n, d) = (examples.len(), examples.width());
        let (centre, scale): (Vec<f64>, Vec<f64>) = examples.moments(intercept).into_iter().unzip();
        let columns = d + usize::from(intercept);
        let height = height(columns);
        let mut x = vec![0.0; n * columns];
        if columns > 0 {
            x.par_chunks_mut(height * columns).enumerate().for_each(|(b, block)| {
                let rows = block.len() / columns;
                for (j, column) in block.chunks_exact_mut(rows).enumerate() {
                    if j == d {
                        column.fill(1.0);
                    } else if scale[j] > 0.0 {
                        for (r, out) in column.iter_mut().enumerate() {
                            *out = (examples.row(b * height + r)[j] - centre[j]) / scale[j];
                        }
                    }
                }
            });
        }
        Design { store: Store::Memory(x), n, height, columns, intercept, centre, scale }
    }

    /// Of examples that stay in their files.
    pub(crate) fn streamed(files: Files, intercept: bool) -> Self {
        let (centre, scale): (Vec<f64>, Vec<f64>) = files.moments(intercept).into_iter().unzip();
        let columns = scale.len() + usize::from(intercept);
        let n = files.len();
        Design { store: Store::Files(files), n, height: height(columns), columns, intercept, centre, scale }
    }

    /// The files, if examples stay there.
    pub(crate) fn files(&self) -> Option<&Files> {
        match &self.store {
            Store::Memory(_) => None,
            Store::Files(files) => Some(files),
        }
    }

    /// Number of examples.
    pub(crate) fn len(&self) -> usize {
        self.n
    }

    /// Examples in a block, but for the last.
    pub(crate) fn height(&self) -> usize {
        self.height
    }

    /// Block number `b`: columns of its examples, one after another. Of files it is read into the page, with its labels.
    pub(crate) fn block<'b>(&'b self, b: usize, page: &'b mut Page) -> &'b [f64] {
        match &self.store {
            Store::Memory(x) => {
                let all = self.height * self.columns;
                &x[b * all..((b + 1) * all).min(x.len())]
            }
            Store::Files(files) => {
                files.turn(page, self.rows(b..b + 1));
                page.arrange(&self.centre, &self.scale, self.intercept);
                &page.x
            }
        }
    }

    /// The examples of some blocks.
    pub(crate) fn rows(&self, blocks: Range<usize>) -> Range<usize> {
        (blocks.start * self.height).min(self.n)..(blocks.end * self.height).min(self.n)
    }

    /// A page on which these blocks are to be read one after another.
    pub(crate) fn page(&self, blocks: &Range<usize>) -> Page {
        Page::until(self.rows(blocks.clone()).end)
    }

    /// Number of blocks.
    pub(crate) fn blocks(&self) -> usize {
        self.n.div_ceil(self.height)
    }

    /// [`scores_of`] all examples.
    pub(crate) fn scores(&self, gamma: &[f64], out: &mut [f64]) {
        let k = gamma.len() / self.columns;
        out.par_chunks_mut(self.height * k).enumerate().for_each_init(
            Default::default,
            |(page, room), (b, out)| {
                scores_of(self.block(b, page), gamma, k, room, out);
            },
        );
    }

    /// Σ_i w_ic x_ij for c < k and all j, those of one c after another; `weigh` fills in the weights of an example.
    pub(crate) fn sums(&self, k: usize, weigh: impl Fn(usize, &mut [f64]) + Sync) -> Vec<f64> {
        let m = self.columns;
        let parts = self.tasks(m * k, |blocks| {
            let mut sum = vec![0.0; m * k];
            let (mut w, mut each) = (vec![0.0; self.height * k], vec![0.0; k]);
            let mut page = self.page(&blocks);
            for b in blocks {
                let x = self.block(b, &mut page);
                let rows = x.len() / m;
                for r in 0..rows {
                    weigh(b * self.height + r, &mut each);
                    each.iter().enumerate().for_each(|(c, v)| w[c * rows + r] = *v);
                }
                for (sum, w) in sum.chunks_exact_mut(m).zip(w.chunks_exact(rows)) {
                    sum.iter_mut().zip(x.chunks_exact(rows)).for_each(|(sum, x)| *sum += dot(w, x));
                }
            }
            sum
        });
        let mut total = vec![0.0; m * k];
        parts.iter().for_each(|part| total.iter_mut().zip(part).for_each(|(total, part)| *total += part));
        total
    }

    /// What tasks make of ranges of blocks, in order; each holds about `numbers` numbers meanwhile, of which there may not
    /// be too many.
    pub(crate) fn tasks<T: Send>(&self, numbers: usize, task: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
        let each = self.each(numbers);
        (0..self.blocks().div_ceil(each))
            .into_par_iter()
            .map(|t| task(t * each..((t + 1) * each).min(self.blocks())))
            .collect()
    }

    /// Blocks of a task of [`Design::tasks`].
    pub(crate) fn each(&self, numbers: usize) -> usize {
        let most = ((1 << 25) / numbers.max(1)).clamp(1, TASKS);
        self.blocks().div_ceil(most).max(1)
    }

    /// Parameters of a score in units of the design, from intercept and coefficients in the units of the features.
    pub(crate) fn to_design(&self, intercept: f64, coefficients: &[f64]) -> Vec<f64> {
        let d = self.scale.len();
        let mut gamma = vec![0.0; self.columns];
        let mut constant = intercept;
        for j in (0..d).filter(|j| self.scale[*j] > 0.0) {
            gamma[j] = coefficients[j] * self.scale[j];
            constant += coefficients[j] * self.centre[j];
        }
        if self.intercept {
            gamma[d] = constant;
        }
        gamma
    }

    /// Intercept and coefficients in the units of the features, from those in units of the design.
    pub(crate) fn to_user(&self, gamma: &[f64]) -> (f64, Vec<f64>) {
        let d = self.scale.len();
        let mut intercept = if self.intercept { gamma[d] } else { 0.0 };
        let mut coefficients = vec![0.0; d];
        for j in 0..d {
            if self.scale[j] > 0.0 {
                coefficients[j] = gamma[j] / self.scale[j];
                intercept -= gamma[j] * (self.centre[j] / self.scale[j]);
            }
        }
        (intercept, coefficients)
    }
}

/// Examples in a block.
fn height(columns: usize) -> usize {
    (NUMBERS / columns.max(1)).clamp(64, 1024) & !7
}

/// The k scores of examples whose features are `x`, column by column, under parameters γ, those of one score after another:
/// into `out`, which has the scores of one example after another. `room` is for one score of all.
pub(crate) fn scores_of(x: &[f64], gamma: &[f64], k: usize, room: &mut Vec<f64>, out: &mut [f64]) {
    if k == 1 {
        return combine(x, gamma, out);
    }
    room.resize(out.len() / k, 0.0);
    for (c, gamma) in gamma.chunks_exact(gamma.len() / k).enumerate() {
        combine(x, gamma, room);
        out.iter_mut().skip(c).step_by(k).zip(&*room).for_each(|(out, z)| *out = *z);
    }
}
