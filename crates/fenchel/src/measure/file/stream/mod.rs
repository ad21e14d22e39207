//! Measures whose points stay in their files.
//!
//! A file is read once from end to end, which checks every number and finds moments and the sums of weights. After
//! that points are read where they are: [`FileSource`] draws rows, [`Drawn`] takes some of them as the atoms of a problem.

mod array;
mod draw;
mod handle;
mod moments;
#[cfg(feature = "parquet")]
mod parquet;
mod range;
mod sparse;
mod text;

pub use draw::Drawn;
pub(crate) use range::Label;
pub use range::Roles;

use self::handle::Handle;
use self::moments::Moments;
use self::sparse::Sparse;
use super::table::find_column;
use super::text::Choice;
use crate::measure::{Rng, Source};
use crate::{Error, Result};
use rayon::prelude::*;
use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

/// Rows that are read by one thread at a time.
const CHUNK: usize = 1024;

/// Which columns of a file mean what: names, or numbers counted from 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct Selection<'a> {
    /// The coordinates, in this order; where none are given, all columns that hold no weights and no reference.
    /// Columns that are not wanted may hold anything in text.
    pub columns: &'a [&'a str],
    /// The column of weights.
    pub weights: Option<&'a str>,
    /// The column of reference weights.
    pub reference: Option<&'a str>,
}

impl Selection<'_> {
    /// Indices of the coordinates, the weights and the reference.
    fn resolve(&self, path: &Path, names: Option<&[String]>, width: usize) -> Result<Vec<usize>> {
        let find = |column: &str| find_column(path, names, width, column);
        let masses =
            self.weights.iter().chain(&self.reference).map(|c| find(c)).collect::<Result<Vec<_>>>()?;
        let mut all = if self.columns.is_empty() {
            (0..width).filter(|k| !masses.contains(k)).collect()
        } else {
            self.columns.iter().map(|c| find(c)).collect::<Result<Vec<_>>>()?
        };
        if all.is_empty() {
            return Err(Error::file(path, "no column is left for the coordinates; at least one is wanted"));
        }
        all.extend(masses);
        Ok(all)
    }
}

/// Takes a row on the first pass: its line, if the file has lines, and its wanted numbers.
type Visit<'a> = &'a mut dyn FnMut(Option<u64>, &[f64]) -> Result<()>;

/// A row of the first pass.
struct Seen<'a> {
    row: u64,
    /// Where the file has lines.
    line: Option<u64>,
    /// Its coordinates.
    numbers: &'a [f64],
    /// 1 without weights.
    weight: f64,
}

/// Rows of wanted numbers in a file that has been checked.
trait Rows: std::fmt::Debug + Send + Sync {
    /// The rows of these numbers, in ascending order, into `out`.
    fn read(&self, rows: &[u64], out: &mut [f64]) -> Result<()>;
}

/// A file after the first pass.
struct Opened {
    handle: Arc<Handle>,
    rows: Box<dyn Rows>,
    names: Option<Vec<String>>,
    len: u64,
}

/// About how many bytes the numbers of a file take when they are loaded: 8 a number of NPY, IDX or Parquet, and as many as the file has
/// for text; none for a pipe, whose end nobody knows.
///
/// # Errors
/// A file that cannot be read, or an NPY, IDX or Parquet file with an unsound header.
pub fn size_loaded(path: impl AsRef<Path>) -> Result<Option<u64>> {
    let path = path.as_ref();
    if !super::found(path)?.is_file() {
        return Ok(None);
    }
    let handle = Handle::open(path)?;
    if let Some(layout) = array::header(&handle)? {
        return Ok(Some(layout.size_loaded()));
    }
    #[cfg(feature = "parquet")]
    {
        let mut head = vec![0; super::parquet::MAGIC.len().min(handle.len as usize)];
        handle.read_at(0, &mut head)?;
        if head == super::parquet::MAGIC {
            return parquet::size_loaded(handle).map(Some);
        }
    }
    Ok(Some(handle.len))
}

/// The rows of a file, or of several, as points that are read when they are drawn: row i with probability
/// w_i / Σ w, or 1/n without weights.
///
/// Opening reads the file once and checks all of it. After that it takes memory for an index, and for the points of a
/// draw. A batch that [`Sampler`](crate::measure::Sampler) draws is read in the order of the file. Row numbers come from
/// the same uniform numbers as those of a [`PointCloud`](crate::measure::PointCloud), so that Sobol' points are the same
/// whether a file is loaded or not.
///
/// ```
/// use fenchel::measure::file::{FileSource, Selection};
/// use fenchel::measure::{Design, Sampler, Source};
/// let path = std::env::temp_dir().join("fenchel-file-source-example.csv");
/// std::fs::write(&path, "x,y,mass\n0,1,2\n3,4,6\n").unwrap();
/// let selection = Selection { weights: Some("mass"), ..Selection::default() };
/// let source = FileSource::open(&path, &selection, 1 << 20)?;
/// assert_eq!((source.len(), source.dim()), (2, 2));
/// assert_eq!(source.moments().unwrap().0, [2.25, 3.25]);
/// let mut points = [0.0; 8];
/// Sampler::new(&source, Design::Sobol, 0, 0).fill(0, &mut points)?;
/// assert_eq!(points.chunks(2).filter(|p| p == &[3.0, 4.0]).count(), 3);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug)]
pub struct FileSource {
    parts: Vec<Part>,
    /// Of the coordinates in the (first) file, and of the masses behind them: names, if it has any, and where they are.
    names: Option<Vec<String>>,
    indices: Vec<usize>,
    dim: usize,
    label: String,
    moments: Moments,
    /// Sum of the weights; 0 without weights.
    mass: f64,
    len: u64,
    /// x ↦ (x − mean)/scale for every coordinate.
    map: Option<(Vec<f64>, Vec<f64>)>,
    /// Bytes that the rows of a draw may take on their way.
    memory: u64,
}

/// One of the files.
#[derive(Debug)]
struct Part {
    handle: Arc<Handle>,
    rows: Box<dyn Rows>,
    len: u64,
    /// Rows and weight of the parts before.
    first: u64,
    before: f64,
    /// The sum of the weights before some rows, and of all; none without weights.
    shares: Option<(Sparse<f64>, f64)>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Opened").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl FileSource {
    /// Opens delimited text, NPY, IDX (unless it is compressed) or (with the feature `parquet`) Parquet and reads it once. `memory` bounds the bytes that are kept for the file from then on.
    ///
    /// # Errors
    /// As [`Table::read`](super::Table::read), [`Table::select`](super::Table::select) and
    /// [`Table::weights`](super::Table::weights); a pipe, which cannot be read twice.
    pub fn open(path: impl AsRef<Path>, selection: &Selection<'_>, memory: u64) -> Result<Self> {
        Self::open_watched(path.as_ref(), selection, memory, &mut |_| ())
    }

    /// As `open`; `watch` sees every row.
    fn open_watched(
        path: &Path,
        selection: &Selection<'_>,
        memory: u64,
        watch: &mut dyn FnMut(&Seen<'_>),
    ) -> Result<Self> {
        let choose = |names: Option<&[String]>, width: usize| selection.resolve(path, names, width);
        Self::open_chosen(
            path,
            &choose,
            [selection.weights, selection.reference].map(|m| m.is_some()),
            memory,
            watch,
        )
    }

    /// Opens the columns that `choose` lists: coordinates, and behind them weights and reference if they are there.
    fn open_chosen(
        path: &Path,
        choose: Choice<'_>,
        [weighted, referenced]: [bool; 2],
        memory: u64,
        watch: &mut dyn FnMut(&Seen<'_>),
    ) -> Result<Self> {
        let handle = Handle::open(path)?;
        let mut head = vec![0; 16.min(handle.len as usize)];
        handle.read_at(0, &mut head)?;
        if let Some(says) = super::foreign_format(&head) {
            return Err(Error::file(path, says));
        }
        let columns = RefCell::new(Vec::new());
        let choice = |names: Option<&[String]>, width: usize| {
            let wanted = choose(names, width)?;
            columns.borrow_mut().clone_from(&wanted);
            Ok(wanted)
        };
        let masses = usize::from(weighted) + usize::from(referenced);
        let mut moments = None;
        let mut shares = weighted.then(|| Sparse::new(memory / 32));
        let mut sums = [0.0; 2];
        let mut row = 0;
        let mut visit = |line: Option<u64>, numbers: &[f64]| {
            let dim = numbers.len() - masses;
            for (k, w) in numbers[dim..].iter().enumerate() {
                if *w < 0.0 {
                    let place = if line.is_none() { format!(" (row {})", row + 1) } else { String::new() };
                    let message = format!("the weight {w}{place} is negative; at least 0 is wanted");
                    let column = Some(columns.borrow()[dim + k] as u64 + 1);
                    return Err(Error::File { path: path.to_owned(), line, column, message });
                }
            }
            let weight = if weighted { numbers[dim] } else { 1.0 };
            if let Some(shares) = &mut shares {
                shares.push(row, sums[0]);
            }
            for (sum, w) in sums.iter_mut().zip(&numbers[dim..]) {
                *sum += w;
            }
            moments.get_or_insert_with(|| Moments::new(dim)).push(&numbers[..dim], weight);
            watch(&Seen { row, line, numbers: &numbers[..dim], weight });
            row += 1;
            Ok(())
        };
        let opened = match array::header(&handle)? {
            Some(layout) => array::open(handle, layout, &choice, &mut visit)?,
            #[cfg(feature = "parquet")]
            None if head.starts_with(super::parquet::MAGIC) => {
                parquet::open(handle, &choice, &mut visit, memory / 16)?
            }
            None => text::open(handle, &choice, &mut visit, memory / 16)?,
        };
        opened.handle.check()?;
        let columns = columns.into_inner();
        let dim = columns.len() - masses;
        for (sum, column) in sums.iter().zip(&columns[dim..]) {
            let message = if *sum == 0.0 {
                "every weight is zero; at least one must be above 0"
            } else if !sum.is_finite() {
                "the weights' sum overflows; divide them by a constant"
            } else {
                continue;
            };
            let column = Some(*column as u64 + 1);
            return Err(Error::File { path: path.to_owned(), line: None, column, message: message.into() });
        }
        let Opened { handle, rows, names, len } = opened;
        let mass = if weighted { sums[0] } else { 0.0 };
        let shares = shares.map(|s| (s, mass));
        Ok(FileSource {
            parts: vec![Part { handle, rows, len, first: 0, before: 0.0, shares }],
            names,
            indices: columns,
            dim,
            label: path.display().to_string(),
            moments: moments.unwrap_or_else(|| Moments::new(dim)),
            mass,
            len,
            map: None,
            memory,
        })
    }

    /// The rows of both.
    ///
    /// # Errors
    /// Another number of coordinates, or weights in one of them only.
    pub fn join(mut self, other: FileSource) -> Result<FileSource> {
        let wrong = |message: String| Error::file(&other.label, message);
        if other.dim != self.dim {
            let message = format!(
                "has {} coordinates, {} has {}; the files of one source must agree",
                other.dim, self.label, self.dim
            );
            return Err(wrong(message));
        }
        if self.parts[0].shares.is_some() != other.parts[0].shares.is_some() {
            return Err(wrong(format!("has weights, or {} has; both or neither must", self.label)));
        }
        for part in other.parts {
            let (first, before) = (part.first + self.len, part.before + self.mass);
            self.parts.push(Part { first, before, ..part });
        }
        self.len += other.len;
        self.mass += other.mass;
        if !self.mass.is_finite() {
            let message = "the weights' sum overflows; divide them by a constant";
            return Err(Error::file(self.label, message));
        }
        self.moments = self.moments.join(other.moments);
        Ok(self)
    }

    /// The same rows under another name.
    pub fn named(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The points (x − mean)/scale, coordinate by coordinate, in place of those of the file.
    ///
    /// # Errors
    /// Not one number a coordinate, numbers that are not finite, a scale that is not above 0.
    pub fn mapped(mut self, mean: &[f64], scale: &[f64]) -> Result<Self> {
        if mean.len() != self.dim || scale.len() != self.dim {
            let expected = format!("{} numbers, one a coordinate", self.dim);
            return Err(Error::shape(
                "mean and scale",
                expected,
                format!("{} and {}", mean.len(), scale.len()),
            ));
        }
        if let Some(k) = mean.iter().position(|m| !m.is_finite()) {
            return Err(Error::non_finite("mean", format!("index {k}"), mean[k]));
        }
        if let Some(k) = scale.iter().position(|s| !(s.is_finite() && *s > 0.0)) {
            return Err(Error::invalid(format!("scale {k}"), scale[k], "a finite number above 0"));
        }
        self.map = Some((mean.to_vec(), scale.to_vec()));
        Ok(self)
    }

    /// The names of the coordinates, if the (first) file has a line of names.
    pub fn columns(&self) -> Option<&[String]> {
        self.names.as_ref().map(|names| &names[..self.dim])
    }

    /// Number of rows.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Never: a file has at least one row.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The rows at the levels `uniforms` of the running share of the weights, whatever their order, into `out`.
    ///
    /// # Errors
    /// The file can no longer be read, or is not what it was when it was opened.
    pub(crate) fn points(&self, uniforms: &[f64], out: &mut [f64]) -> Result<()> {
        let most = 1 << 31;
        for (uniforms, out) in uniforms.chunks(most).zip(out.chunks_mut(most * self.dim)) {
            let mut order: Vec<u32> = (0..uniforms.len() as u32).collect();
            let level = |i: &u32| uniforms[*i as usize];
            order.par_sort_unstable_by(|a, b| level(a).total_cmp(&level(b)).then(a.cmp(b)));
            // Only so many rows are on their way at a time.
            let chunks = (self.memory / 16 / (8 * CHUNK * self.dim) as u64).clamp(1, 256) as usize;
            for group in order.chunks(chunks * CHUNK) {
                let read: Vec<Vec<f64>> = group
                    .par_chunks(CHUNK)
                    .map(|indices| {
                        let levels: Vec<f64> = indices.iter().map(level).collect();
                        self.ascending(&levels)
                    })
                    .collect::<Result<_>>()?;
                for (index, point) in group.iter().zip(read.iter().flat_map(|r| r.chunks_exact(self.dim))) {
                    out[*index as usize * self.dim..][..self.dim].copy_from_slice(point);
                }
            }
        }
        self.parts.iter().try_for_each(|part| part.handle.check())
    }

    /// The points at ascending levels.
    fn ascending(&self, levels: &[f64]) -> Result<Vec<f64>> {
        let mut out = vec![0.0; levels.len() * self.dim];
        let mut rest = (levels, out.as_mut_slice());
        for (k, part) in self.parts.iter().enumerate() {
            let here = match self.parts.get(k + 1) {
                None => rest.0.len(),
                Some(next) if next.shares.is_some() => {
                    rest.0.partition_point(|u| self.mass_at(*u) < next.before)
                }
                Some(next) => rest.0.partition_point(|u| self.row_at(*u) < next.first),
            };
            let (levels, later) = rest.0.split_at(here);
            let (points, left) = rest.1.split_at_mut(here * self.dim);
            rest = (later, left);
            match &part.shares {
                None => {
                    let rows: Vec<u64> = levels.iter().map(|u| self.row_at(*u) - part.first).collect();
                    part.rows.read(&rows, points)?;
                }
                Some((shares, total)) => {
                    let masses: Vec<f64> = levels
                        .iter()
                        .map(|u| (self.mass_at(*u) - part.before).clamp(0.0, total.next_down()))
                        .collect();
                    part.weighted(shares, &masses, self.dim, points)?;
                }
            }
        }
        if let Some((mean, scale)) = &self.map {
            for point in out.chunks_exact_mut(self.dim) {
                for ((x, m), s) in point.iter_mut().zip(mean).zip(scale) {
                    *x = (*x - m) / s;
                }
            }
        }
        Ok(out)
    }

    fn row_at(&self, level: f64) -> u64 {
        ((level * self.len as f64) as u64).min(self.len - 1)
    }

    fn mass_at(&self, level: f64) -> f64 {
        level * self.mass
    }
}

impl Part {
    /// For each of the ascending `masses` the first row at which the sum of the weights exceeds it.
    fn weighted(&self, shares: &Sparse<f64>, masses: &[f64], dim: usize, out: &mut [f64]) -> Result<()> {
        let stretch = |mass: f64| shares.values().partition_point(|before| *before <= mass).max(1) - 1;
        let mut numbers = Vec::new();
        let mut from = 0;
        while from < masses.len() {
            // Some stretches at a time.
            let mut rows: Vec<u64> = Vec::new();
            let mut to = from;
            while to < masses.len() {
                let begin = stretch(masses[to]) as u64 * shares.every();
                if rows.last().is_none_or(|last| *last < begin) {
                    if rows.len() >= 2 * CHUNK {
                        break;
                    }
                    rows.extend(begin..(begin + shares.every()).min(self.len));
                }
                to += 1;
            }
            numbers.resize(rows.len() * (dim + 1), 0.0);
            self.rows.read(&rows, &mut numbers)?;
            let mut next = from;
            let (mut sum, mut last) = (0.0, None);
            for (row, numbers) in rows.iter().zip(numbers.chunks_exact(dim + 1)) {
                if row.is_multiple_of(shares.every()) {
                    sum = shares.values()[(row / shares.every()) as usize];
                }
                sum += numbers[dim];
                while next < to && masses[next] < sum {
                    out[next * dim..][..dim].copy_from_slice(&numbers[..dim]);
                    next += 1;
                }
                last = Some(numbers);
            }
            if next < to || last.is_none() {
                return Err(self.handle.changed());
            }
            from = to;
        }
        Ok(())
    }
}

impl Source for FileSource {
    fn dim(&self) -> usize {
        self.dim
    }

    fn name(&self) -> String {
        self.label.clone()
    }

    /// Rows drawn one after another; a row that can no longer be read is NaN.
    fn draw(&self, rng: &mut Rng, out: &mut [f64]) {
        let uniforms: Vec<f64> = (0..out.len() / self.dim).map(|_| rng.uniform()).collect();
        self.map_uniforms(&uniforms, out);
    }

    fn uniforms(&self) -> Option<usize> {
        Some(1)
    }

    fn map_uniforms(&self, uniforms: &[f64], out: &mut [f64]) {
        if self.points(uniforms, out).is_err() {
            out.fill(f64::NAN);
        }
    }

    fn file(&self) -> Option<&FileSource> {
        Some(self)
    }

    fn moments(&self) -> Option<(Vec<f64>, Vec<f64>)> {
        let (mut mean, mut variance) = self.moments.clone().finish();
        if let Some((shift, scale)) = &self.map {
            for (((m, v), a), s) in mean.iter_mut().zip(&mut variance).zip(shift).zip(scale) {
                (*m, *v) = ((*m - a) / s, *v / (s * s));
            }
        }
        Some((mean, variance))
    }
}
