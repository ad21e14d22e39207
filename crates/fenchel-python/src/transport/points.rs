//! Functions of points, for arrays of points.

use crate::arrays::expect_room;
use crate::callback::{Failure, first};
use crate::errors::OrRaise;
use crate::run::long;
use fenchel::Error;
use numpy::PyReadonlyArray2;
use pyo3::prelude::*;
use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};

/// `width` numbers for every point, by `f`, which gets the number of a point, that point and those after it (`block` in all,
/// row-major), and the room for their numbers. Exceptions of functions that `f` calls are in `failures`.
pub(super) fn each_block<T: Clone + Default + Send>(
    py: Python<'_>,
    x: &PyReadonlyArray2<'_, f64>,
    (width, block): (usize, usize),
    failures: &[Failure],
    f: impl Fn(usize, &[f64], &mut [T]) -> fenchel::Result<()> + Sync,
) -> PyResult<Vec<T>> {
    let x = x.as_array();
    expect_room::<T>(&[x.nrows(), width])?;
    if !x.is_standard_layout() {
        expect_room::<f64>(x.shape())?;
    }
    let x = x.as_standard_layout();
    let dim = x.ncols().max(1);
    let points = x.as_slice().unwrap_or(&[]);
    let mut out = vec![T::default(); x.nrows() * width];
    let stop = AtomicBool::new(false);
    let (result, stopped) = long(
        py,
        &stop,
        |_| Ok(()),
        || {
            let parts =
                out.par_chunks_mut((width * block).max(1)).zip(points.par_chunks(dim * block)).enumerate();
            parts.try_for_each(
                |(k, (out, x))| {
                    if stop.load(Ordering::Relaxed) { Ok(()) } else { f(k * block, x, out) }
                },
            )
        },
    )?;
    // Asked for in any case: the next call must not find it.
    let behind = first(failures);
    if let Some(exception) = stopped.or(behind) {
        return Err(exception);
    }
    result.or_raise(py)?;
    Ok(out)
}

/// The same for functions of one point.
pub(super) fn each_point<T: Clone + Default + Send>(
    py: Python<'_>,
    x: &PyReadonlyArray2<'_, f64>,
    width: usize,
    failures: &[Failure],
    f: impl Fn(&[f64], &mut [T]) -> fenchel::Result<()> + Sync,
) -> PyResult<Vec<T>> {
    each_block(py, x, (width, 1), failures, |i, x, out| {
        f(x, out).map_err(|error| match error {
            Error::NonFinite { what, at, value } => {
                Error::non_finite(what, format!("point {i}, {at}"), value)
            }
            error => error,
        })
    })
}
