//! NumPy arrays as lanes: what a function of some axes goes over.

use crate::errors::exception;
use fenchel::simd::Real;
use numpy::ndarray::{
    Array2, ArrayBase, ArrayView1, ArrayView2, ArrayViewD, ArrayViewMut2, ArrayViewMutD, Axis, Ix2, IxDyn,
    RawData,
};
use numpy::{Element, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyFloat, PyInt};

/// Memory for fewer numbers than this is not asked for beforehand.
const ROOM: usize = 1 << 20;

/// The two types of numbers that the engine computes with.
pub trait Number: Real + Element + Into<f64> {}
impl Number for f32 {}
impl Number for f64 {}

/// An array of one of the two types.
pub enum Floating<'py> {
    /// `float32`.
    Single(PyReadonlyArrayDyn<'py, f32>),
    /// `float64`.
    Double(PyReadonlyArrayDyn<'py, f64>),
}

impl<'py> Floating<'py> {
    /// The array itself if it is of one of the types, else what `fenchel._arrays.floating` makes of the object.
    pub fn of(object: &Bound<'py, PyAny>, name: &str) -> PyResult<Self> {
        if let Some(found) = Self::as_it_is(object)? {
            return Ok(found);
        }
        let py = object.py();
        static CONVERT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let converted = CONVERT.import(py, "fenchel._arrays", "floating")?.call1((object, name))?;
        Self::as_it_is(&converted)?
            .ok_or_else(|| exception(py, "InvalidTypeError", format!("{name} is not an array of numbers")))
    }

    fn as_it_is(object: &Bound<'py, PyAny>) -> PyResult<Option<Self>> {
        // Subclasses (masked arrays, matrices) have meanings of their own.
        if !object.is_exact_instance_of::<PyUntypedArray>() {
            return Ok(None);
        }
        if let Ok(array) = object.cast::<PyArrayDyn<f64>>() {
            return Ok(if array.is_aligned() { Some(Self::Double(array.try_readonly()?)) } else { None });
        }
        if let Ok(array) = object.cast::<PyArrayDyn<f32>>() {
            return Ok(if array.is_aligned() { Some(Self::Single(array.try_readonly()?)) } else { None });
        }
        Ok(None)
    }

    /// The same numbers in double precision.
    pub fn widened(self) -> PyReadonlyArrayDyn<'py, f64> {
        match self {
            Floating::Double(a) => a,
            Floating::Single(a) => {
                PyArrayDyn::from_owned_array(a.py(), a.as_array().mapv(f64::from)).readonly()
            }
        }
    }
}

/// Two arrays of one type of numbers.
pub enum Pair<'py> {
    /// Both in `float32`.
    Single(PyReadonlyArrayDyn<'py, f32>, PyReadonlyArrayDyn<'py, f32>),
    /// Both in `float64`.
    Double(PyReadonlyArrayDyn<'py, f64>, PyReadonlyArrayDyn<'py, f64>),
}

impl<'py> Pair<'py> {
    /// Both in `float32` if both are, else in `float64`; a plain number of Python takes the type of the other, as in NumPy.
    pub fn of(a: (&Bound<'py, PyAny>, &str), b: (&Bound<'py, PyAny>, &str)) -> PyResult<Self> {
        let narrowed = |a: &PyReadonlyArrayDyn<'py, f64>| {
            PyArrayDyn::from_owned_array(a.py(), a.as_array().mapv(|x| x as f32)).readonly()
        };
        Ok(match (Floating::of(a.0, a.1)?, Floating::of(b.0, b.1)?) {
            (Floating::Single(x), Floating::Single(y)) => Pair::Single(x, y),
            (Floating::Single(x), Floating::Double(y)) if is_plain(b.0) => Pair::Single(x, narrowed(&y)),
            (Floating::Double(x), Floating::Single(y)) if is_plain(a.0) => Pair::Single(narrowed(&x), y),
            (x, y) => Pair::Double(x.widened(), y.widened()),
        })
    }
}

/// Whether an object is a number of Python itself. (NumPy's `float64` is a kind of `float`, but has a type to keep.)
fn is_plain(object: &Bound<'_, PyAny>) -> bool {
    object.is_exact_instance_of::<PyFloat>()
        || object.is_exact_instance_of::<PyInt>()
        || object.is_exact_instance_of::<PyBool>()
}

/// Refuses an array of a shape that there is no memory for: where an allocation of Rust fails, the process ends.
pub fn expect_room<T>(shape: &[usize]) -> PyResult<()> {
    let count = shape.iter().try_fold(1_usize, |count, &n| count.checked_mul(n));
    let is_there = |count| {
        let mut room = Vec::<T>::new();
        // Unseen, an allocation that nothing is done with is left out, and has succeeded.
        let found = room.try_reserve_exact(count).is_ok();
        std::hint::black_box(&mut room);
        found
    };
    let fits = |count| count < ROOM || is_there(count);
    match count.filter(|&count| isize::try_from(count).is_ok()) {
        Some(count) if fits(count) => Ok(()),
        _ => Err(PyMemoryError::new_err(format!("there is no memory for an array of shape {shape:?}"))),
    }
}

/// A number given as an argument.
pub fn number(object: &Bound<'_, PyAny>, name: &str) -> PyResult<f64> {
    object.extract().map_err(|_| {
        let shown = object.repr().map_or_else(|_| "an object".into(), |text| text.to_string());
        let shown: String = shown.chars().take(60).collect();
        exception(object.py(), "InvalidTypeError", format!("{name} is {shown}; it must be a number"))
    })
}

/// The axes of an array of `ndim` axes that `axis` names (all, where it is none), in ascending order.
pub fn axes(py: Python<'_>, axis: Option<&Bound<'_, PyAny>>, ndim: usize) -> PyResult<Vec<usize>> {
    let wrong = |message: String| exception(py, "InvalidInputError", message);
    let Some(axis) = axis else {
        return Ok((0..ndim).collect());
    };
    let named: Vec<isize> = match axis.extract::<isize>() {
        Ok(one) => vec![one],
        Err(_) => axis.extract().map_err(|_| {
            let message = format!("axis is {axis}; it must be a whole number, a tuple of them, or None");
            exception(py, "InvalidTypeError", message)
        })?,
    };
    let mut found = Vec::with_capacity(named.len());
    for k in named {
        if ndim == 0 && (k == 0 || k == -1) {
            continue; // a number counts as an array of length 1, as in NumPy's own sums
        }
        let at = if k < 0 { k + ndim as isize } else { k };
        if at < 0 || at >= ndim as isize {
            let ndim = ndim.max(1);
            return Err(wrong(format!(
                "axis is {k}; it must be from {} to {} for an array of {ndim} axes",
                -(ndim as isize),
                ndim as isize - 1
            )));
        }
        found.push(at as usize);
    }
    found.sort_unstable();
    if found.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(wrong(format!("axis names axis {} twice", repeated(&found))));
    }
    Ok(found)
}

fn repeated(sorted: &[usize]) -> usize {
    sorted.windows(2).find(|pair| pair[0] == pair[1]).map_or(0, |pair| pair[0])
}

/// Axes that are kept come first, those that a lane goes over last.
#[derive(Debug, Clone)]
pub struct Lanes {
    order: Vec<usize>,
    kept: usize,
}

impl Lanes {
    /// Lanes over the axes `over` of an array of `ndim` axes.
    pub fn new(ndim: usize, over: &[usize]) -> Self {
        let mut order: Vec<usize> = (0..ndim).filter(|k| !over.contains(k)).collect();
        let kept = order.len();
        order.extend(over);
        Lanes { order, kept }
    }

    /// The shape of a reduction of an array of shape `shape`: without its axes, or with them of length 1.
    pub fn reduced_shape(&self, shape: &[usize], keepdims: bool) -> Vec<usize> {
        let over = &self.order[self.kept..];
        let axes = shape.iter().enumerate();
        if keepdims {
            axes.map(|(k, &n)| if over.contains(&k) { 1 } else { n }).collect()
        } else {
            axes.filter(|(k, _)| !over.contains(k)).map(|(_, &n)| n).collect()
        }
    }

    /// The lengths of the axes that a lane goes over.
    pub fn lane_shape(&self, shape: &[usize]) -> Vec<usize> {
        self.order[self.kept..].iter().map(|&k| shape[k]).collect()
    }

    /// The same lanes of `array` in the order and direction in which their numbers lie, for what does not depend on it.
    pub fn in_memory_order<'a, T>(mut self, mut array: ArrayViewD<'a, T>) -> (Self, ArrayViewD<'a, T>) {
        let over = &mut self.order[self.kept..];
        for &k in &*over {
            if array.strides()[k] < 0 {
                array.invert_axis(Axis(k));
            }
        }
        over.sort_by_key(|&k| -array.strides()[k]);
        (self, array)
    }

    /// Lane `i` of an array, in its own axes.
    pub fn lane<'a, T>(&self, array: ArrayViewD<'a, T>, i: usize) -> ArrayViewD<'a, T> {
        let at = self.index(array.shape(), i, 0);
        let mut lane = array.permuted_axes(IxDyn(&self.order));
        for &k in &self.order[..self.kept] {
            lane = lane.index_axis_move(Axis(0), at[k]);
        }
        lane
    }

    /// The array with its lanes along one last axis, where one stride leads through each of them, and the axes that are kept
    /// fused into as few as can be, at least one; none where the axes of a lane cannot be fused.
    pub fn view<'a, T>(&self, array: ArrayViewD<'a, T>) -> Option<ArrayViewD<'a, T>> {
        self.views(array.clone(), array).map(|(_, view)| view)
    }

    /// The same for two arrays of one shape; axes are fused where they can be in both, so that the views have one shape, too.
    pub fn views<S: RawData, R: RawData>(
        &self,
        a: ArrayBase<S, IxDyn>,
        b: ArrayBase<R, IxDyn>,
    ) -> Option<(ArrayBase<S, IxDyn>, ArrayBase<R, IxDyn>)> {
        let (mut a, mut b) = (a.permuted_axes(IxDyn(&self.order)), b.permuted_axes(IxDyn(&self.order)));
        for k in (self.kept + 1..self.order.len()).rev() {
            if !(fusible(&a, k) && fusible(&b, k)) {
                return None;
            }
            (a, b) = (fused(a, k), fused(b, k));
        }
        if self.order.len() == self.kept {
            // No axes to go over: lanes of one number.
            (a, b) = (a.insert_axis(Axis(self.kept)), b.insert_axis(Axis(self.kept)));
        }
        for k in (1..self.kept).rev() {
            if fusible(&a, k) && fusible(&b, k) {
                (a, b) = (fused(a, k), fused(b, k));
            }
        }
        Some(if self.kept == 0 { (a.insert_axis(Axis(0)), b.insert_axis(Axis(0))) } else { (a, b) })
    }

    /// The index, in an array of shape `shape`, of number j of lane i.
    pub fn index(&self, shape: &[usize], i: usize, j: usize) -> Vec<usize> {
        let mut index = vec![0; shape.len()];
        for (mut rest, axes) in [(i, &self.order[..self.kept]), (j, &self.order[self.kept..])] {
            for &k in axes.iter().rev() {
                index[k] = rest % shape[k];
                rest /= shape[k];
            }
        }
        index
    }

    /// A copy with the lanes as rows of a matrix.
    pub fn copied<T: Clone>(&self, array: &ArrayViewD<'_, T>) -> Array2<T> {
        let ordered = array.view().permuted_axes(IxDyn(&self.order));
        let columns = ordered.shape()[self.kept..].iter().product::<usize>();
        let rows = ordered.shape()[..self.kept].iter().product::<usize>();
        Array2::from_shape_vec((rows, columns), ordered.iter().cloned().collect())
            .expect("there are as many numbers as the shape they come from says")
    }

    /// Writes rows, as [`copied`](Self::copied) makes them, back to where they belong.
    pub fn write<T: Copy>(&self, rows: &[T], array: ArrayViewMutD<'_, T>) {
        let mut ordered = array.permuted_axes(IxDyn(&self.order));
        for (place, number) in ordered.iter_mut().zip(rows) {
            *place = *number;
        }
    }
}

/// Whether one stride leads through axes k − 1 and k.
fn fusible<S: RawData>(array: &ArrayBase<S, IxDyn>, k: usize) -> bool {
    let (outer, inner) = (array.shape()[k - 1], array.shape()[k]);
    outer <= 1 || inner <= 1 || array.strides()[k - 1] == inner as isize * array.strides()[k]
}

/// The array with axes k − 1 and k as one.
fn fused<S: RawData>(mut array: ArrayBase<S, IxDyn>, k: usize) -> ArrayBase<S, IxDyn> {
    let (outer, inner) = (Axis(k - 1), Axis(k));
    let merged = array.merge_axes(outer, inner);
    debug_assert!(merged, "asked before");
    array.remove_axis(outer)
}

/// Calls `f` for the matrices that a view of [`Lanes`] consists of, with their part of `out`: one number a lane.
pub fn each_matrix<T>(
    view: ArrayViewD<'_, T>,
    out: &mut [T],
    f: &mut dyn FnMut(ArrayView2<'_, T>, &mut [T]),
) {
    match view.view().into_dimensionality::<Ix2>() {
        Ok(matrix) => f(matrix, out),
        Err(_) => {
            let parts = view.len_of(Axis(0));
            let each = out.len().checked_div(parts).unwrap_or(0);
            for (part, out) in view.outer_iter().zip(out.chunks_mut(each.max(1))) {
                each_matrix(part, out, f);
            }
        }
    }
}

/// The same for functions that write a lane for every lane.
pub fn each_matrix_pair<T>(
    view: ArrayViewD<'_, T>,
    mut out: ArrayViewMutD<'_, T>,
    f: &mut dyn FnMut(ArrayView2<'_, T>, ArrayViewMut2<'_, T>),
) {
    match (view.view().into_dimensionality::<Ix2>(), out.view_mut().into_dimensionality::<Ix2>()) {
        (Ok(matrix), Ok(out)) => f(matrix, out),
        _ => {
            for (part, out) in view.outer_iter().zip(out.outer_iter_mut()) {
                each_matrix_pair(part, out, f);
            }
        }
    }
}

/// The numbers of a lane side by side: where they are, or gathered in `room`.
pub fn side_by_side<'a, T: Number>(lane: &'a ArrayView1<'_, T>, room: &'a mut Vec<T>) -> &'a [T] {
    match lane.as_slice() {
        Some(slice) => slice,
        None => {
            room.clear();
            room.extend(lane.iter());
            room
        }
    }
}
