//! Networks as robust models.

use super::or_stopped;
use super::problem::{renamed, risk};
use crate::errors::OrRaise;
use crate::observer::{outdated, read_checkpoint, watched_and_kept};
use crate::run::long;
use fenchel::optim::Observer;
use fenchel::robust::Method;
use fenchel::robust::loss::{self, Loss, check_labels};
use fenchel::transport::CheckpointFile;
use fenchel::{Error, Result};
use fenchel_neural::network::{Activation, Cnn, Image, Mlp, Network, parameters, scores};
use fenchel_neural::optimiser::Rule;
use fenchel_neural::robust::{
    Checkpoint, Epoch, Examples, Robust, Settings, Trained, Transport, Units, Watch,
};
use numpy::ndarray::{Array2, ArrayView2};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Rows that are evaluated between two looks at whether Ctrl-C was pressed.
const ROWS: usize = 1024;

/// What a network is made of.
#[derive(Debug, Clone, FromPyObject)]
#[pyo3(from_item_all)]
pub struct Make {
    inputs: usize,
    outputs: usize,
    /// Units of the hidden layers of a perceptron, and what follows each.
    hidden: Vec<usize>,
    activation: String,
    /// Channels, height and width, for convolutions.
    image: Option<(usize, usize, usize)>,
}

/// A network of one of the kinds.
enum Made {
    Mlp(Mlp),
    Cnn(Box<Cnn>),
}

impl Make {
    /// With these parameters, or those of the seed.
    fn network(&self, seed: u64, given: Option<&[f32]>) -> Result<Made> {
        let made = match self.image {
            None => {
                let activation: Activation = self.activation.parse()?;
                let mlp = Mlp::new(self.inputs, &self.hidden, self.outputs, seed)?;
                Made::Mlp(mlp.with_activation(activation))
            }
            Some((channels, height, width)) => {
                Made::Cnn(Box::new(Cnn::new(Image { channels, height, width }, self.outputs, seed)?))
            }
        };
        let Some(given) = given else { return Ok(made) };
        Ok(match made {
            Made::Mlp(network) => Made::Mlp(parameters::written(network, given)?),
            Made::Cnn(network) => Made::Cnn(Box::new(parameters::written(*network, given)?)),
        })
    }
}

/// What is to be minimised and how, as Python has checked and named it.
#[derive(Debug, Clone, FromPyObject)]
#[pyo3(from_item_all)]
pub struct Training {
    loss: String,
    /// Units of scores: what they are multiplied by, after which this is added.
    units: Option<(f64, f64)>,
    divergence: String,
    temperature: Option<f64>,
    move_price: Option<f64>,
    move_steps: u32,
    method: String,
    rho: Option<f64>,
    adam: bool,
    momentum: f64,
    batch_size: usize,
    epochs: u32,
    step: Option<f64>,
    patience: Option<u32>,
    watch: String,
    max_time: Option<f64>,
    seed: u64,
}

impl Training {
    /// The loss, of labels that it takes.
    fn loss(&self, outputs: usize, examples: &[&Examples]) -> Result<Arc<dyn Loss>> {
        let loss = loss::parse(&self.loss)?;
        let loss = loss.for_classes(outputs).unwrap_or(loss);
        // In the words of the loss alone, without units.
        examples.iter().try_for_each(|examples| check_labels(&*loss, examples.labels()))?;
        match self.units {
            Some((scale, shift)) => Ok(Arc::new(Units::new(loss, shift, scale)?)),
            None => Ok(loss),
        }
    }

    fn robust<'a>(&self, examples: &'a Examples, loss: Arc<dyn Loss>) -> Result<Robust<'a>> {
        let robust = Robust::new(examples, loss, risk(&self.divergence, self.temperature, None)?)?;
        let Some(price) = self.move_price else { return Ok(robust) };
        Ok(robust.perturbed(Transport::new(price)?.with_steps(self.move_steps)))
    }

    fn settings(&self) -> Result<Settings> {
        let known = [Method::Joint, Method::DualSgm, Method::BatchWeights, Method::SumOfExponentials];
        let method = known.into_iter().find(|method| method.name() == self.method);
        let watch = match self.watch.as_str() {
            "risk" => Watch::Risk,
            "loss" => Watch::Loss,
            "accuracy" => Watch::Accuracy,
            other => return Err(Error::unknown("watch", other, ["risk", "loss", "accuracy"])),
        };
        Ok(Settings {
            method: method.ok_or_else(|| Error::unknown("method", &self.method, known.map(Method::name)))?,
            rho: self.rho,
            rule: if self.adam { Rule::ADAM } else { Rule::Sgd { momentum: self.momentum } },
            batch: self.batch_size,
            epochs: self.epochs,
            step: self.step,
            patience: self.patience,
            watch,
            max_seconds: self.max_time,
            seed: self.seed,
        })
    }
}

/// What a training has come to: its numbers by name, the exception that ended it early, and why its checkpoint is an old one.
type Outcome<'py> = (Bound<'py, PyDict>, Option<Py<PyBaseException>>, Option<String>);

/// Rows and labels.
type Rows<'py> = (PyReadonlyArray2<'py, f32>, PyReadonlyArray1<'py, f64>);

/// Trains a network, from the parameters of the seed or from those that are given.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn network_train<'py>(
    py: Python<'py>,
    rows: Rows<'py>,
    held: Option<Rows<'py>>,
    make: Make,
    training: Training,
    initial: Option<PyReadonlyArray1<'py, f32>>,
    progress: Option<&Bound<'py, PyAny>>,
    checkpoint: Option<PathBuf>,
    resume: Option<PathBuf>,
) -> PyResult<Outcome<'py>> {
    let (train, held) =
        (examples(&rows).or_raise(py)?, held.as_ref().map(examples).transpose().or_raise(py)?);
    let initial: Option<Vec<f32>> = initial.map(|initial| initial.as_array().to_vec());
    let state = resume.as_deref().map(|path| read_checkpoint(path, Checkpoint::from_bytes));
    let state = state.transpose().or_raise(py)?;
    let file = checkpoint.map(|path| CheckpointFile::headed(path, Checkpoint::MARK, Vec::new()));
    let mut file = file.transpose().or_raise(py)?;
    let (trained, stopped) = watched_and_kept(py, progress, file.as_mut(), |observer| {
        let all: Vec<&Examples> = [&train].into_iter().chain(&held).collect();
        let mut robust = training.robust(&train, training.loss(make.outputs, &all)?)?;
        if let Some(held) = &held {
            robust = robust.validated(held)?;
        }
        let settings = training.settings()?;
        match make.network(training.seed, initial.as_deref())? {
            Made::Mlp(network) => run(&robust, network, &settings, state.as_ref(), observer),
            Made::Cnn(network) => run(&robust, *network, &settings, state.as_ref(), observer),
        }
    })?;
    let (trained, stopped) = or_stopped(py, trained.map_err(in_our_words), stopped)?;
    Ok((numbers_of(py, trained)?, stopped, outdated(file)))
}

/// Trains, or goes on; the parameters in place of the network.
fn run<N: Network>(
    robust: &Robust<'_>,
    network: N,
    settings: &Settings,
    state: Option<&Checkpoint>,
    observer: &mut dyn Observer,
) -> Result<Trained<Vec<f32>>> {
    let trained = match state {
        Some(state) => robust.resume(network, settings, state, observer),
        None => robust.train(network, settings, observer),
    }?;
    Ok(trained.map(|network| parameters::read(&network)))
}

/// Scores of rows, as many a row as the network has.
#[pyfunction]
pub fn network_scores<'py>(
    py: Python<'py>,
    make: Make,
    given: PyReadonlyArray1<'py, f32>,
    x: PyReadonlyArray2<'py, f32>,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let (given, x) = (given.as_array().to_vec(), x.as_array());
    let all = until_stopped(py, |stop| {
        let network = make.network(0, Some(&given))?;
        let mut all = Vec::with_capacity(x.nrows() * make.outputs);
        for features in blocks(x) {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            all.extend(match &network {
                Made::Mlp(network) => scores(network, &features),
                Made::Cnn(network) => scores(&**network, &features),
            }?);
        }
        Ok(all)
    })?;
    shaped(py, x.nrows(), make.outputs, all)
}

/// Losses of rows and, if they may move, where the worst case moves them to.
#[pyfunction]
#[allow(clippy::type_complexity)]
pub fn network_losses<'py>(
    py: Python<'py>,
    rows: Rows<'py>,
    make: Make,
    training: Training,
    given: PyReadonlyArray1<'py, f32>,
) -> PyResult<(Bound<'py, PyArray1<f64>>, Option<Bound<'py, PyArray2<f32>>>)> {
    let (given, x, y) = (given.as_array().to_vec(), rows.0.as_array(), rows.1.as_array().to_vec());
    let (losses, moved) = until_stopped(py, |stop| {
        let network = make.network(0, Some(&given))?;
        let (mut losses, mut moved) = (Vec::with_capacity(y.len()), Vec::new());
        for (features, labels) in blocks(x).zip(y.chunks(ROWS)) {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let part = Examples::new(make.inputs, features, labels.to_vec())?;
            let robust = training.robust(&part, training.loss(make.outputs, &[&part])?)?;
            let found = match &network {
                Made::Mlp(network) => evaluated(&robust, network, training.move_price.is_some()),
                Made::Cnn(network) => evaluated(&robust, &**network, training.move_price.is_some()),
            }?;
            losses.extend(found.0);
            moved.extend(found.1);
        }
        Ok((losses, moved))
    })?;
    let moved = match training.move_price {
        Some(_) => Some(shaped(py, x.nrows(), make.inputs, moved)?),
        None => None,
    };
    Ok((losses.into_pyarray(py), moved))
}

fn evaluated<N: Network>(robust: &Robust<'_>, network: &N, moves: bool) -> Result<(Vec<f64>, Vec<f32>)> {
    if !moves {
        return Ok((robust.losses(network)?, Vec::new()));
    }
    robust.moves(network).map(|moved| (moved.losses, moved.features))
}

/// Features and labels as the engine has them.
fn examples(rows: &Rows<'_>) -> Result<Examples> {
    let x = rows.0.as_array();
    Examples::new(x.ncols(), x.iter().copied().collect(), rows.1.as_array().to_vec()).map_err(renamed)
}

/// Rows one after another, some at a time.
fn blocks(x: ArrayView2<'_, f32>) -> impl Iterator<Item = Vec<f32>> {
    (0..x.nrows()).step_by(ROWS).map(move |first| {
        let last = (first + ROWS).min(x.nrows());
        x.slice(numpy::ndarray::s![first..last, ..]).iter().copied().collect()
    })
}

/// Work that looks at whether it is to stop: all of it, or why it ended before.
fn until_stopped<T: Send>(py: Python<'_>, work: impl FnOnce(&AtomicBool) -> Result<T> + Send) -> PyResult<T> {
    let stop = AtomicBool::new(false);
    match long(py, &stop, |_| Ok(()), || work(&stop))? {
        (_, Some(stopped)) => Err(stopped),
        (ended, None) => ended.map_err(in_our_words).or_raise(py),
    }
}

/// Rows as a matrix.
fn shaped<'py>(
    py: Python<'py>,
    rows: usize,
    columns: usize,
    numbers: Vec<f32>,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let found = numbers.len();
    let matrix = Array2::from_shape_vec((rows, columns), numbers);
    let matrix = matrix.map_err(|_| Error::shape("numbers", format!("{rows} rows of {columns}"), found));
    Ok(matrix.or_raise(py)?.into_pyarray(py))
}

/// A training as numbers by name; what was not measured is left out.
fn numbers_of<'py>(py: Python<'py>, trained: Trained<Vec<f32>>) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    out.set_item("parameters", trained.network.into_pyarray(py))?;
    out.set_item("status", trained.status.to_string())?;
    out.set_item("epoch", trained.epoch)?;
    out.set_item("objective", trained.objective)?;
    out.set_item("threshold", trained.threshold)?;
    out.set_item("step", trained.step)?;
    out.set_item("rho", trained.rho)?;
    out.set_item("steps", trained.steps)?;
    out.set_item("overflows", trained.overflows)?;
    let column =
        |of: &dyn Fn(&Epoch) -> Option<f64>| -> Option<Vec<f64>> { trained.history.iter().map(of).collect() };
    let columns = [
        ("history", column(&|epoch| Some(epoch.objective))),
        ("validation_risk", column(&|epoch| epoch.validation.map(|it| it.risk))),
        ("validation_loss", column(&|epoch| epoch.validation.map(|it| it.loss))),
        ("validation_accuracy", column(&|epoch| epoch.validation.and_then(|it| it.accuracy))),
    ];
    for (name, numbers) in columns {
        out.set_item(name, numbers.map(|numbers| numbers.into_pyarray(py)))?;
    }
    Ok(out)
}

/// Settings by the names of Python.
fn in_our_words(error: Error) -> Error {
    let named = |name: String| match name.as_str() {
        "batch" => "batch_size".to_owned(),
        "price of moving examples" => "move_price".to_owned(),
        "patience" => "n_iter_no_change".to_owned(),
        name => match name.strip_suffix(" of the image") {
            Some(part) => format!("{part} of image_shape"),
            None => name.to_owned(),
        },
    };
    match error {
        Error::InvalidValue { name, value, expected } => {
            Error::InvalidValue { name: named(name), value, expected }
        }
        error => error,
    }
}
