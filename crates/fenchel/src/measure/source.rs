//! What one can draw from.

use super::file::FileSource;
use super::{PointCloud, Rng};
use std::fmt::Debug;

/// A probability measure on R^dim that can be drawn from.
///
/// A new source needs [`dim`](Source::dim), [`name`](Source::name) and [`draw`](Source::draw); the other methods
/// tell more about it where more is known and make everything built on it faster or more accurate.
pub trait Source: Debug + Send + Sync {
    /// Number of coordinates of a point.
    fn dim(&self) -> usize;

    /// Name with parameters, as the registry and the command line write it: `gaussian:2`.
    fn name(&self) -> String;

    /// Fills `out` (row-major, `out.len() / dim` points) with independent points.
    ///
    /// Points are drawn one after another: drawing n and then m points gives what drawing n + m gives.
    fn draw(&self, rng: &mut Rng, out: &mut [f64]);

    /// How many uniform numbers make a point, if there is a map from the unit cube; `None` if there is none.
    fn uniforms(&self) -> Option<usize> {
        None
    }

    /// Maps points of the open unit cube (row-major, [`uniforms`](Source::uniforms) numbers each) to points
    /// distributed as this source. Called only if `uniforms` is `Some`.
    fn map_uniforms(&self, _uniforms: &[f64], _out: &mut [f64]) {}

    /// The cloud, if the measure is a finite one: sums over its points are then exact.
    fn cloud(&self) -> Option<&PointCloud> {
        None
    }

    /// The files, if points are rows of files that are not in memory: many are then best read at once.
    fn file(&self) -> Option<&FileSource> {
        None
    }

    /// Whether points have to be drawn one block after another, in the order of their numbers: for sources that have a state of
    /// their own, or that only one thread at a time can draw from.
    fn in_order(&self) -> bool {
        false
    }

    /// Mean and variance of every coordinate, where they are known exactly.
    fn moments(&self) -> Option<(Vec<f64>, Vec<f64>)> {
        None
    }
}
