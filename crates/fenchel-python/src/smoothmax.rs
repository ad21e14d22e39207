//! Smooth maxima and entmax over an axis.

use crate::arrays::{Floating, Lanes, Number, axes, expect_room, number};
use crate::errors::{OrRaise, exception, invalid};
use crate::logspace::{returned, shaped};
use crate::run::{SMALL, long};
use fenchel::divergence::{Divergence, parse};
use fenchel::smoothmax::SmoothMax;
use fenchel::{Error, Result};
use numpy::ndarray::{ArrayD, IxDyn};
use numpy::{PyArrayDyn, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;
use rayon::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// `(value, weights, threshold)` of the smooth maxima along an axis.
#[pyfunction]
pub fn smoothmax<'py>(
    py: Python<'py>,
    u: &Bound<'py, PyAny>,
    divergence: &str,
    temperature: &Bound<'py, PyAny>,
    reference: Option<&Bound<'py, PyAny>>,
    axis: Option<&Bound<'py, PyAny>>,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let temperature = number(temperature, "temperature")?;
    if !(temperature > 0.0 && temperature.is_finite()) {
        return Err(invalid(py, "temperature", temperature, "a finite number above 0"));
    }
    let mut smooth = SmoothMax::new(parse(divergence).or_raise(py)?, temperature).or_raise(py)?;
    let mut shape = None;
    if let Some(reference) = reference {
        let eta = Floating::of(reference, "reference")?;
        // In its own precision a probability sums to 1 to within rounding.
        let (found, with) = match &eta {
            Floating::Double(eta) => (eta.shape(), smooth.with_reference(&in_order(eta))),
            Floating::Single(eta) => (eta.shape(), smooth.with_reference(&in_order(eta))),
        };
        (shape, smooth) = (Some(found.to_vec()), with.or_raise(py)?);
    }
    match Floating::of(u, "u")? {
        Floating::Double(u) => evaluated(py, &u, axis, smooth, shape),
        Floating::Single(u) => evaluated(py, &u, axis, smooth, shape),
    }
}

fn in_order<T: Number>(array: &PyReadonlyArrayDyn<'_, T>) -> Vec<T> {
    array.as_array().iter().copied().collect()
}

fn evaluated<'py, T: Number>(
    py: Python<'py>,
    u: &PyReadonlyArrayDyn<'py, T>,
    axis: Option<&Bound<'py, PyAny>>,
    smooth: SmoothMax,
    reference: Option<Vec<usize>>,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let rows = Rows::new(py, u, axis)?;
    if let Some(shape) = reference {
        rows.expect_reference(&shape).or_raise(py)?;
    }
    let bad = |u: T| !u.is_finite();
    let (weights, found) = rows.each(py, smooth, [T::ZERO; 2], bad, |smooth, u, p, found| {
        let top = smooth.evaluate(u, p)?;
        *found = [T::from_f64(top.value), T::from_f64(top.threshold)];
        Ok(())
    })?;
    let value = rows.reduced(py, found.iter().map(|found| found[0]).collect())?;
    let threshold = rows.reduced(py, found.iter().map(|found| found[1]).collect())?;
    Ok((value, rows.like_scores(py, weights), threshold))
}

/// The q-entmax along an axis; −∞ is a score that gets no weight.
#[pyfunction]
pub fn entmax<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyAny>,
    q: &Bound<'py, PyAny>,
    axis: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let q = number(q, "q")?;
    if !(q > 0.0 && q.is_finite()) {
        return Err(invalid(py, "q", q, "a finite number above 0"));
    }
    let divergence = match q {
        1.0 => parse("kl"),
        2.0 => parse("chi2"),
        q => parse(&format!("tsallis:{q:?}")),
    };
    let divergence = divergence.or_raise(py)?;
    match Floating::of(x, "x")? {
        Floating::Double(x) => entmax_of(py, &x, q, axis, divergence),
        Floating::Single(x) => entmax_of(py, &x, q, axis, divergence),
    }
}

fn entmax_of<'py, T: Number>(
    py: Python<'py>,
    x: &PyReadonlyArrayDyn<'py, T>,
    q: f64,
    axis: Option<&Bound<'py, PyAny>>,
    divergence: Arc<dyn Divergence>,
) -> PyResult<Bound<'py, PyAny>> {
    /// Smooth maxima for as many scores as are kept, and room for them.
    #[derive(Clone)]
    struct Kept<T> {
        smooth: Option<(usize, SmoothMax)>,
        scores: Vec<T>,
        weights: Vec<T>,
    }
    let rows = Rows::new(py, x, axis)?;
    let room = Kept { smooth: None, scores: Vec::new(), weights: Vec::new() };
    let bad = |x: T| x.is_nan() || x == T::INFINITY;
    let (weights, _) = rows.each(py, room, (), bad, |room, x, p, ()| {
        room.scores.clear();
        room.scores.extend(x.iter().copied().filter(|&x| x > T::NEG_INFINITY || x.is_nan()));
        let n = room.scores.len();
        if n == 0 {
            p.fill(T::NAN);
            return Ok(());
        }
        if room.smooth.as_ref().is_none_or(|(atoms, _)| *atoms != n) {
            // λ = N^{1−q}/q with a uniform reference.
            let lambda = (n as f64).powf(1.0 - q) / q;
            room.smooth = Some((n, SmoothMax::new(divergence.clone(), lambda)?));
        }
        let Some((_, smooth)) = &mut room.smooth else { return Ok(()) };
        room.weights.resize(n, T::ZERO);
        smooth.evaluate(&room.scores, &mut room.weights)?;
        let mut next = room.weights.iter();
        for (p, x) in p.iter_mut().zip(x) {
            let kept = *x > T::NEG_INFINITY;
            *p = if kept { next.next().copied().unwrap_or(T::NAN) } else { T::ZERO };
        }
        Ok(())
    })?;
    Ok(rows.like_scores(py, weights))
}

/// Scores whose last axis is the one to go along.
struct Rows<'a, T: Clone> {
    lanes: Lanes,
    shape: Vec<usize>,
    /// Whether rows follow each other in the order of the axes.
    in_order: bool,
    /// Copied only where rows are not side by side.
    numbers: std::borrow::Cow<'a, [T]>,
    columns: usize,
}

impl<'a, T: Number> Rows<'a, T> {
    fn new(
        py: Python<'_>,
        u: &'a PyReadonlyArrayDyn<'_, T>,
        axis: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        if u.ndim() == 0 {
            let message = "scores: expected an array of at least one axis, found a number".to_owned();
            return Err(exception(py, "ShapeError", message));
        }
        let over = axes(py, axis, u.ndim())?;
        let lanes = Lanes::new(u.ndim(), &over);
        let columns = over.iter().map(|&k| u.shape()[k]).product();
        expect_room::<T>(u.shape())?;
        let in_order = over.iter().copied().eq(u.ndim() - over.len()..u.ndim());
        // (`PyArray::as_slice` is in the order of the memory, which columns may come first in.)
        let numbers = match u.as_array().to_slice() {
            Some(slice) if in_order => slice.into(),
            _ => lanes.copied(&u.as_array()).into_raw_vec_and_offset().0.into(),
        };
        if columns == 0 {
            return Err(Error::shape("scores", "at least one along the axis", 0)).or_raise(py);
        }
        Ok(Rows { lanes, shape: u.shape().to_vec(), in_order, numbers, columns })
    }

    /// Whether a reference of shape `shape` fits: masses in a row, or in the shape of the axes that a row goes along.
    fn expect_reference(&self, shape: &[usize]) -> Result<()> {
        let along = self.lanes.lane_shape(&self.shape);
        if shape == along || (shape.len() <= 1 && shape.iter().product::<usize>() == self.columns) {
            return Ok(());
        }
        Err(Error::shape(
            "reference",
            format!("as many masses as scores along the axis, {along:?}"),
            format!("{shape:?}"),
        ))
    }

    /// Calls `f` for every row, with a state for each thread and a place for a result for each row. Ends early, with
    /// an exception, after Ctrl-C. `bad` says of which scores `f` complains.
    fn each<S: Clone + Send + Sync, R: Copy + Send>(
        &self,
        py: Python<'_>,
        state: S,
        empty: R,
        bad: impl Fn(T) -> bool,
        f: impl Fn(&mut S, &[T], &mut [T], &mut R) -> Result<()> + Sync,
    ) -> PyResult<(Vec<T>, Vec<R>)> {
        let columns = self.columns;
        let mut weights = vec![T::ZERO; self.numbers.len()];
        let mut found = vec![empty; self.numbers.len() / columns];
        // The first of all in the array, whichever thread was the first to find one.
        let located = |error: Error| match (error, self.numbers.iter().position(|&x| bad(x))) {
            (Error::NonFinite { what, .. }, Some(k)) => {
                Error::non_finite(what, self.place(k), self.numbers[k].to_f64())
            }
            (error, _) => error,
        };
        let stop = AtomicBool::new(false);
        let work = |state: &mut S, i: usize, weights: &mut [T], found: &mut R| {
            f(state, &self.numbers[i * columns..][..columns], weights, found)
        };
        if self.numbers.len() < SMALL {
            let mut state = state;
            for (i, (weights, found)) in weights.chunks_mut(columns).zip(&mut found).enumerate() {
                work(&mut state, i, weights, found).map_err(located).or_raise(py)?;
            }
            return Ok((weights, found));
        }
        let least = SMALL.div_ceil(columns);
        let (result, stopped) = long(
            py,
            &stop,
            |_| Ok(()),
            || {
                weights
                    .par_chunks_mut(columns)
                    .zip(&mut found)
                    .enumerate()
                    .with_min_len(least)
                    .try_for_each_init(
                        || state.clone(),
                        |state, (i, (weights, found))| {
                            if stop.load(Ordering::Relaxed) {
                                return Ok(());
                            }
                            work(state, i, weights, found)
                        },
                    )
            },
        )?;
        if let Some(stopped) = stopped {
            return Err(stopped);
        }
        result.map_err(located).or_raise(py)?;
        Ok((weights, found))
    }

    /// Where in the array number `k` of the rows is.
    fn place(&self, k: usize) -> String {
        let index = self.lanes.index(&self.shape, k / self.columns, k % self.columns);
        if index.len() == 1 { index[0].to_string() } else { format!("{index:?}") }
    }

    fn reduced<'py>(&self, py: Python<'py>, numbers: Vec<T>) -> PyResult<Bound<'py, PyAny>> {
        returned(py, shaped(&self.lanes.reduced_shape(&self.shape, false), numbers))
    }

    /// Rows as an array of the shape of the scores.
    fn like_scores<'py>(&self, py: Python<'py>, numbers: Vec<T>) -> Bound<'py, PyAny> {
        let out = if self.in_order {
            shaped(&self.shape, numbers)
        } else {
            let mut out = ArrayD::from_elem(IxDyn(&self.shape), T::ZERO);
            self.lanes.write(&numbers, out.view_mut());
            out
        };
        PyArrayDyn::from_owned_array(py, out).into_any()
    }
}
