//! Numbered samples: which points of a source are "point 5" under a seed.

use super::rng::stream;
use super::{Rng, Sobol, Source};
use crate::{Error, Result};
use rayon::prelude::*;

/// Points made by one stream; part of the meaning of a seed, so never changed.
const BLOCK: usize = 256;

/// How points are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Design {
    /// Independent draws.
    #[default]
    Iid,
    /// Scrambled Sobol' points mapped to the source: each is distributed as the source, together they are
    /// spread far more evenly. For a mean of smooth functions in few dimensions the error falls like 1/n.
    Sobol,
}

/// An endless numbered sample of a source: point i depends on (seed, purpose, i) alone, not on how many are
/// asked for at a time, in which order, or by how many threads.
#[derive(Debug, Clone)]
pub struct Sampler<'a> {
    source: &'a dyn Source,
    seed: u64,
    purpose: u64,
    /// The points of the cube, and the numbers of a point; `None` draws independently.
    sobol: Option<(Sobol, usize)>,
}

impl<'a> Sampler<'a> {
    /// A sample of `source`. Different purposes give unrelated samples under one seed.
    ///
    /// [`Design::Sobol`] falls back to [`Design::Iid`] if the source has no map from the unit cube or needs more
    /// than [`Sobol::MAX_DIM`] numbers a point; [`design`](Sampler::design) tells.
    pub fn new(source: &'a dyn Source, design: Design, seed: u64, purpose: u64) -> Self {
        let sobol = match (design, source.uniforms()) {
            (Design::Sobol, Some(each)) => {
                let key = stream(seed, purpose, u64::MAX).next_u64();
                Sobol::new(each, key).ok().map(|sobol| (sobol, each))
            }
            _ => None,
        };
        Self { source, seed, purpose, sobol }
    }

    /// The design in use.
    pub fn design(&self) -> Design {
        if self.sobol.is_some() { Design::Sobol } else { Design::Iid }
    }

    /// Points `start`, `start` + 1, … into `out` (row-major).
    ///
    /// # Errors
    /// The length of `out` is no multiple of the dimension, the source made a number that is not finite, or it is a
    /// file that can no longer be read.
    pub fn fill(&self, start: u64, out: &mut [f64]) -> Result<()> {
        let dim = self.source.dim();
        if !out.len().is_multiple_of(dim) {
            let expected = format!("a multiple of the dimension, {dim}");
            return Err(Error::shape("the buffer for points", expected, out.len()));
        }
        if let Some(file) = self.source.file() {
            return file.points(&self.levels(start, out.len() / dim), out);
        }
        // Up to the first block border, then whole blocks.
        let head = ((BLOCK as u64 - start % BLOCK as u64) as usize * dim).min(out.len());
        let (first, rest) = out.split_at_mut(head);
        self.fill_within_block(start, first);
        let border = start + (head / dim) as u64;
        let fill = |(block, chunk): (usize, &mut [f64])| {
            self.fill_within_block(border + (block * BLOCK) as u64, chunk);
        };
        if self.source.in_order() {
            rest.chunks_mut(BLOCK * dim).enumerate().for_each(fill);
        } else {
            rest.par_chunks_mut(BLOCK * dim).enumerate().for_each(fill);
        }
        match out.iter().position(|x| !x.is_finite()) {
            None => Ok(()),
            Some(at) => {
                let place = format!("point {}, coordinate {}", start + (at / dim) as u64, at % dim);
                Err(Error::non_finite(format!("source {}", self.source.name()), place, out[at]))
            }
        }
    }

    /// The uniform numbers of `n` points, for a source that takes one a point.
    fn levels(&self, start: u64, n: usize) -> Vec<f64> {
        let mut levels = vec![0.0; n];
        if let Some((sobol, _)) = &self.sobol {
            sobol.fill(start, &mut levels);
            return levels;
        }
        let mut rng = stream(self.seed, self.purpose, start / BLOCK as u64);
        for _ in 0..start % BLOCK as u64 {
            rng.next_u64();
        }
        for (i, level) in (start..).zip(&mut levels) {
            if i.is_multiple_of(BLOCK as u64) {
                rng = stream(self.seed, self.purpose, i / BLOCK as u64);
            }
            *level = rng.uniform();
        }
        levels
    }

    /// Points of a single block.
    fn fill_within_block(&self, start: u64, out: &mut [f64]) {
        let dim = self.source.dim();
        match &self.sobol {
            Some((sobol, each)) => {
                let mut cube = vec![0.0; out.len() / dim * each];
                sobol.fill(start, &mut cube);
                self.source.map_uniforms(&cube, out);
            }
            None => {
                let mut rng: Rng = stream(self.seed, self.purpose, start / BLOCK as u64);
                let skipped = (start % BLOCK as u64) as usize;
                if skipped > 0 && !out.is_empty() {
                    self.source.draw(&mut rng, &mut vec![0.0; skipped * dim]);
                }
                self.source.draw(&mut rng, out);
            }
        }
    }
}

/// Points `start`, …, `start` + `n` − 1 of the numbered sample of `source` into `out` (row-major, n·dim numbers):
/// [`Sampler`] for a single call.
///
/// # Errors
/// `out` is not n·dim long, or the source made a number that is not finite.
pub fn draw_points(
    source: &dyn Source,
    design: Design,
    seed: u64,
    purpose: u64,
    start: u64,
    n: usize,
    out: &mut [f64],
) -> Result<()> {
    if out.len() != n * source.dim() {
        return Err(Error::shape("the buffer for points", n * source.dim(), out.len()));
    }
    Sampler::new(source, design, seed, purpose).fill(start, out)
}
