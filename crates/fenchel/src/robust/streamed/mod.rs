//! Examples that stay in their files.

mod files;

pub(crate) use files::{Files, Page};

use super::loss::{Labels, Loss};
use super::risk::reference;
use crate::measure::Source;
use crate::measure::file::{FileSource, Label, Roles};
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// More labels than this are not told apart.
const MOST: usize = 1000;

/// Rows of features, a label and a weight each, in files that may be larger than memory.
///
/// [`Linear::streamed`](super::Linear::streamed) learns from them. Files are delimited text, NPY or (with the feature `parquet`)
/// Parquet, several as one after another. All cells that are wanted must be numbers. Opening reads the files once and
/// checks all of them; after that they are read where they are, once for every pass, and must stay what they are. Files of
/// text are parsed anew every time: where there is room on disk, NPY is several times faster.
///
/// What is kept of n examples is their weights, 8n bytes; fitting takes losses and worst-case weights of all, which makes 32n bytes, and
/// 20n more where the divergence has no closed form. Everything else is within the `memory` that is given for buffers, and
/// some matrices of d² numbers.
///
/// ```
/// use fenchel::measure::file::Roles;
/// use fenchel::optim::Silent;
/// use fenchel::robust::{Linear, Options, Passes, Risk, Strength, StreamedExamples, loss};
///
/// let path = std::env::temp_dir().join("fenchel-streamed-example.csv");
/// let rows: String = (0..500).map(|i| format!("{},{}\n", i % 20, 2 * (i % 20) + i % 7)).collect();
/// std::fs::write(&path, "x,y\n".to_owned() + &rows).unwrap();
/// let roles = Roles { target: "y", ..Roles::default() };
/// let examples = StreamedExamples::open(&[&path], &roles, 64 << 20)?;
/// assert_eq!((examples.len(), examples.names()), (500, &["x".to_owned()][..]));
///
/// let risk = Risk::new(fenchel::divergence::parse("kl")?, Strength::Penalty(2.0))?;
/// let model = Linear::streamed(&examples, loss::parse("squared")?, risk, Options::default())?;
/// let trained = model.passes(&Passes::default(), 1e-6, None, &mut Silent)?;
/// assert!(trained.fit.status.is_converged());
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct StreamedExamples {
    source: Arc<FileSource>,
    names: Vec<String>,
    target: String,
    weighted_by: Option<String>,
    weights: Vec<f64>,
    /// Mean and mean square deviation of each feature.
    moments: Vec<(f64, f64)>,
    /// Different labels, ascending, with the first place of each; none if there are too many.
    labels: Option<Vec<Met>>,
    negative: Option<Met>,
    /// What each of the labels stands for; empty: itself.
    classes: Arc<Vec<(f64, f64)>>,
    memory: u64,
}

/// A label, and where it was met first.
#[derive(Debug, Clone)]
struct Met {
    value: f64,
    path: PathBuf,
    row: u64,
    line: Option<u64>,
}

impl Met {
    fn refuse(&self, loss: &dyn Loss, expected: &str) -> Error {
        let row = if self.line.is_none() { format!(" of row {}", self.row + 1) } else { String::new() };
        let message = format!("the label {}{row} is not what {} takes: {expected}", self.value, loss.name());
        Error::File { path: self.path.clone(), line: self.line, column: None, message }
    }
}

/// What is found about labels on the first pass.
#[derive(Debug, Default)]
struct Kinds {
    labels: Vec<Met>,
    too_many: bool,
    negative: Option<Met>,
}

impl Kinds {
    fn see(&mut self, path: &Path, label: Label) {
        let met =
            || Met { value: label.value + 0.0, path: path.to_owned(), row: label.row, line: label.line };
        if label.value < 0.0 && self.negative.is_none() {
            self.negative = Some(met());
        }
        if self.too_many {
            return;
        }
        if let Err(at) = self.labels.binary_search_by(|met| met.value.total_cmp(&(label.value + 0.0))) {
            self.labels.insert(at, met());
            self.too_many = self.labels.len() > MOST;
        }
    }
}

impl StreamedExamples {
    /// Opens files and reads them once; `memory` bounds the bytes of buffers and of an index of rows.
    ///
    /// # Errors
    /// A file that cannot be read, cells that are missing or no finite numbers, with file, line or row, and column; files with other
    /// columns than the first; negative weights, or none above 0; more than 2³² − 1 rows; a pipe, which cannot be read twice.
    pub fn open<P: AsRef<Path>>(paths: &[P], roles: &Roles<'_>, memory: u64) -> Result<Self> {
        let mut weights = Vec::new();
        let mut kinds = Kinds::default();
        let mut all: Option<(FileSource, Vec<String>)> = None;
        for path in paths {
            let path = path.as_ref();
            let source =
                FileSource::open_labelled(path, roles, memory / (16 * paths.len() as u64), &mut |label| {
                    kinds.see(path, label);
                    if roles.weights.is_some() {
                        weights.push(label.weight);
                    }
                })?;
            let names = source.header();
            all = Some(match all {
                None => (source, names),
                Some((first, known)) if known == names => (first.join(source)?, known),
                Some((first, known)) => {
                    let message = format!(
                        "has other columns than {} ({} and {}); files that are read together must agree",
                        first.name(),
                        names.join(", "),
                        known.join(", ")
                    );
                    return Err(Error::file(path, message));
                }
            });
        }
        let Some((source, mut names)) = all else { return Err(Error::shape("files", "at least one", 0)) };
        let n = u32::try_from(source.len()).map_err(|_| {
            Error::invalid(
                "rows",
                source.len(),
                format!("at most {}, as many as can be told apart", u32::MAX),
            )
        })? as usize;
        let weights = reference(&weights, n)?;
        let (mean, variance) = source.moments().unwrap_or_default();
        let weighted_by = if roles.weights.is_some() { names.pop() } else { None };
        let target = names.pop().unwrap_or_default();
        let moments: Vec<(f64, f64)> = mean.into_iter().zip(variance).take(names.len()).collect();
        if let Some(j) = moments.iter().position(|(mean, square)| !(mean.is_finite() && square.is_finite())) {
            let message =
                format!("'{}' has squares that are out of range; divide it by a constant", names[j]);
            return Err(Error::file(source.name(), message));
        }
        let Kinds { labels, too_many, negative } = kinds;
        Ok(StreamedExamples {
            source: Arc::new(source),
            names,
            target,
            weighted_by,
            weights,
            moments,
            labels: (!too_many).then_some(labels),
            negative,
            classes: Arc::default(),
            memory,
        })
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Never: there is at least one.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// How many features an example has.
    pub fn width(&self) -> usize {
        self.names.len()
    }

    /// The names of the features, as in the files; x1, x2, … by the number of the column where they have none.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The name of the label.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The name of the column of weights, if there is one.
    pub fn weighted_by(&self) -> Option<&str> {
        self.weighted_by.as_deref()
    }

    /// p̂, which sums to 1.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Mean and standard deviation of each feature, by weight; without `centred` 0 and the root of its mean square. The
    /// deviation of a feature that is constant, but for rounding, is 0.
    pub fn moments(&self, centred: bool) -> Vec<(f64, f64)> {
        let of = |(mean, square): &(f64, f64)| {
            if !centred {
                return (0.0, (square + mean * mean).sqrt());
            }
            // A constant leaves what rounding leaves.
            let deviation = square.sqrt();
            (*mean, if deviation <= 8.0 * f64::EPSILON * mean.abs() { 0.0 } else { deviation })
        };
        self.moments.iter().map(of).collect()
    }

    /// With labels as classes: −1 and 1 for two of them where the loss takes a sign, else 0, 1, …, in ascending order. What
    /// they were comes back. Labels of other losses stay.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for more than a thousand different labels, only one, or more than two for a sign.
    pub fn classified(mut self, loss: &dyn Loss) -> Result<(Self, Vec<f64>)> {
        let kind = loss.labels();
        if !matches!(kind, Labels::Sign | Labels::Class) {
            return Ok((self, Vec::new()));
        }
        let wanted = if kind == Labels::Sign { 2 } else { MOST };
        let found = self.labels.as_ref().map_or(MOST + 1, Vec::len);
        if found < 2 || found > wanted {
            let value = if found > MOST { format!("more than {MOST}") } else { found.to_string() };
            let expected = if kind == Labels::Sign {
                format!("2, as {} takes them", loss.name())
            } else {
                format!("2 to {MOST}")
            };
            return Err(Error::invalid(format!("classes in '{}'", self.target), value, expected));
        }
        let number = |at: usize| if kind == Labels::Sign { 2.0 * at as f64 - 1.0 } else { at as f64 };
        let met = self.labels.iter_mut().flatten();
        let mut classes = Vec::with_capacity(found);
        for (at, met) in met.enumerate() {
            classes.push((met.value, number(at)));
            met.value = number(at);
        }
        self.negative = None;
        let names = classes.iter().map(|(value, _)| *value).collect();
        self.classes = Arc::new(classes);
        Ok((self, names))
    }

    /// As [`Examples::suit`](super::Examples::suit).
    pub(super) fn suit(&self, loss: &dyn Loss) -> Result<()> {
        let classes = match loss.labels() {
            Labels::Real => return Ok(()),
            Labels::Count => {
                let refuse = |met: &Met| Err(met.refuse(loss, "a number of at least 0"));
                return self.negative.as_ref().map_or(Ok(()), refuse);
            }
            Labels::Sign => vec![-1.0, 1.0],
            Labels::Class => (0..loss.scores()).map(|c| c as f64).collect(),
        };
        let wanted = match loss.labels() {
            Labels::Sign => "-1 or 1".to_owned(),
            _ => format!("a class, 0 to {}", loss.scores() - 1),
        };
        let Some(labels) = &self.labels else {
            return Err(Error::invalid("labels", format!("more than {MOST} different ones"), wanted));
        };
        if let Some(met) = labels.iter().find(|met| !classes.contains(&met.value)) {
            return Err(met.refuse(loss, &wanted));
        }
        if let [only] = &labels[..] {
            let value = format!("{} in every row", only.value);
            return Err(Error::invalid("labels", value, "of at least two classes"));
        }
        Ok(())
    }

    /// What a design reads.
    pub(super) fn files(&self) -> Files {
        let moments = [false, true].map(|centred| self.moments(centred));
        Files::new(self.source.clone(), moments, self.classes.clone(), self.memory)
    }
}
