//! Smooth maxima and entmax over an axis.

use crate::arrays::{Floating, Lanes, Number, axes};
use crate::errors::{OrRaise, exception};
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
    temperature: f64,
    reference: Option<&Bound<'py, PyAny>>,
    axis: &Bound<'py, PyAny>,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    if !(temperature > 0.0 && temperature.is_finite()) {
        return Err(crate::errors::invalid(py, "temperature", temperature, "a finite number above 0"));
    }
    let mut smooth = SmoothMax::new(parse(divergence).or_raise(py)?, temperature).or_raise(py)?;
    if let Some(reference) = reference {
        let eta = Floating::of(reference, "reference")?;
        let numbers: Vec<f64> = match &eta {
            Floating::Double(eta) => eta.as_array().iter().copied().collect(),
            Floating::Single(eta) => eta.as_array().iter().map(|&x| f64::from(x)).collect(),
        };
        // In its own precision a probability sums to 1 to within rounding.
        smooth = match eta {
            Floating::Single(_) => {
                smooth.with_reference(&numbers.iter().map(|&x| x as f32).collect::<Vec<_>>())
            }
            Floating::Double(_) => smooth.with_reference(&numbers),
        }
        .or_raise(py)?;
    }
    match Floating::of(u, "u")? {
        Floating::Double(u) => evaluated(py, &u, axis, smooth),
        Floating::Single(u) => evaluated(py, &u, axis, smooth),
    }
}

fn evaluated<'py, T: Number>(
    py: Python<'py>,
    u: &PyReadonlyArrayDyn<'py, T>,
    axis: &Bound<'py, PyAny>,
    smooth: SmoothMax,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let rows = Rows::new(py, u, axis)?;
    let (weights, found) = rows.each(py, smooth, [T::ZERO; 2], |smooth, u, p, found| {
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
    q: f64,
    axis: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let divergence = if q == 2.0 { parse("chi2") } else { parse(&format!("tsallis:{q:?}")) }.or_raise(py)?;
    match Floating::of(x, "x")? {
        Floating::Double(x) => entmax_of(py, &x, q, axis, divergence),
        Floating::Single(x) => entmax_of(py, &x, q, axis, divergence),
    }
}

fn entmax_of<'py, T: Number>(
    py: Python<'py>,
    x: &PyReadonlyArrayDyn<'py, T>,
    q: f64,
    axis: &Bound<'py, PyAny>,
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
    let (weights, _) = rows.each(py, room, (), |room, x, p, ()| {
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
    fn new(py: Python<'_>, u: &'a PyReadonlyArrayDyn<'_, T>, axis: &Bound<'_, PyAny>) -> PyResult<Self> {
        if u.ndim() == 0 {
            let message = "scores: expected an array of at least one axis, found a number".to_owned();
            return Err(exception(py, "ShapeError", message));
        }
        let over = axes(py, Some(axis), u.ndim())?;
        let lanes = Lanes::new(u.ndim(), &over);
        let columns = over.iter().map(|&k| u.shape()[k]).product();
        let in_order = over.iter().copied().eq(u.ndim() - over.len()..u.ndim());
        let numbers = match u.as_slice() {
            Ok(slice) if in_order => slice.into(),
            _ => lanes.copied(&u.as_array()).into_raw_vec_and_offset().0.into(),
        };
        if columns == 0 {
            return Err(Error::shape("scores", "at least one along the axis", 0)).or_raise(py);
        }
        Ok(Rows { lanes, shape: u.shape().to_vec(), in_order, numbers, columns })
    }

    /// Calls `f` for every row, with a state for each thread and a place for a result for each row. Ends early, with
    /// an exception, after Ctrl-C.
    fn each<S: Clone + Send + Sync, R: Copy + Send>(
        &self,
        py: Python<'_>,
        state: S,
        empty: R,
        f: impl Fn(&mut S, &[T], &mut [T], &mut R) -> Result<()> + Sync,
    ) -> PyResult<(Vec<T>, Vec<R>)> {
        let columns = self.columns;
        let mut weights = vec![T::ZERO; self.numbers.len()];
        let mut found = vec![empty; self.numbers.len() / columns];
        let located = |i: usize, error: Error| match error {
            Error::NonFinite { what, at, value } => Error::non_finite(what, self.place(i, &at), value),
            error => error,
        };
        let stop = AtomicBool::new(false);
        let work = |state: &mut S, i: usize, weights: &mut [T], found: &mut R| {
            f(state, &self.numbers[i * columns..][..columns], weights, found).map_err(|e| located(i, e))
        };
        if self.numbers.len() < SMALL {
            let mut state = state;
            for (i, (weights, found)) in weights.chunks_mut(columns).zip(&mut found).enumerate() {
                work(&mut state, i, weights, found).or_raise(py)?;
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
        result.or_raise(py)?;
        Ok((weights, found))
    }

    /// Where in the array the number `at` of row `i` is.
    fn place(&self, i: usize, at: &str) -> String {
        let Ok(j) = at.parse::<usize>() else { return at.to_owned() };
        let index = self.lanes.index(&self.shape, i, j);
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
