//! From files to a fitted model.

use super::args::FitArgs;
use super::data::{Data, Values, shortened};
use super::encoding::{self, Chosen, Encoding, Missing, complete};
use super::labels;
use super::model::Model;
use super::moves::Moves;
use super::statistics;
use super::strength::{Setting, Wanted};
use crate::failure::{Failure, Result};
use crate::input::Columns;
use crate::progress::{Display, interrupted};
use crate::report;
use fenchel::Error;
use fenchel::optim::{Flow, Observer, Progress};
use fenchel::robust::loss::{self, Loss};
use fenchel::robust::{Examples, Fit, Linear, LinearModel, Options, Precision};
use std::sync::Arc;

/// Rows that are to be learnt from.
pub struct Problem {
    /// Where they come from.
    pub data: Data,
    /// Which of them, after those with missing cells were left out.
    pub rows: Vec<usize>,
    /// What they became.
    pub examples: Examples,
    /// The column of labels.
    pub target: String,
    /// The names of classes, in order; none for numbers.
    pub classes: Vec<String>,
    /// The column of weights.
    pub weights: Option<String>,
    /// How columns became features.
    pub encoding: Encoding,
    /// Where the labels are.
    column: usize,
    loss: Arc<dyn Loss>,
    wanted: Wanted,
    options: Options,
}

/// A fit, and the model that it leads to.
pub struct Fitted {
    /// What was found.
    pub fit: Fit,
    /// The model.
    pub model: Model,
    /// The model's loss of each row.
    pub losses: Vec<f64>,
    /// The mean loss of the ordinary fit, if λ is relative to it.
    pub ordinary: Option<f64>,
    /// That factor.
    pub factor: Option<f64>,
}

impl Problem {
    /// The problem that the options describe.
    pub fn read(args: &FitArgs) -> Result<Self> {
        // What costs nothing is checked before files are read.
        let wanted = Wanted::parse(args)?;
        let loss = loss::parse(&args.loss)?;
        let options = Options {
            intercept: !args.no_intercept,
            standardise: args.standardize,
            l2: args.l2,
            l1: args.l1,
        };
        for (option, value, least) in [
            ("--l2", args.l2, false),
            ("--l1", args.l1, false),
            ("--tolerance", args.tolerance, true),
            ("--max-time", args.max_time, true),
            ("--move-price", args.move_price.unwrap_or(1.0), true),
        ] {
            let fits = value.is_finite() && if least { value > 0.0 } else { value >= 0.0 };
            if !fits {
                let expected = if least { "a finite number above 0" } else { "a finite number, at least 0" };
                return Err(Error::invalid(option, value, expected).into());
            }
        }
        let names = [
            Columns::parse_for("--columns", &args.columns)?,
            Columns::parse_for("--without", &args.without)?,
            Columns::parse_for("--one-hot", &args.one_hot)?,
        ];
        let Some(target) = &args.target else { return Err(no_target(args)) };
        if args.data.is_empty() {
            return Err(Failure::new(format!(
                "a file of data is wanted, as in: fenchel robust data.csv --target {target}"
            )));
        }

        let data = Data::read(&args.data)?;
        let target = data.find("--target", target)?;
        let weights = args.weights.as_ref().map(|column| data.find("--weights", column)).transpose()?;
        if weights == Some(target) {
            let name = shortened(data.names()[target]);
            return Err(Failure::new(format!("'{name}' cannot be both --target and --weights")));
        }
        let chosen = features(&data, &names, target, weights)?;
        Problem::of(data, (chosen, target, weights), args.missing, (loss, wanted, options))
    }

    /// The problem of these columns.
    fn of(
        data: Data,
        (chosen, target, weights): (Vec<Chosen>, usize, Option<usize>),
        missing: Missing,
        (loss, wanted, options): (Arc<dyn Loss>, Wanted, Options),
    ) -> Result<Self> {
        let offer = |name: &str, text: &str| {
            if text.replace(',', ".").parse::<f64>().is_ok() {
                return format!(
                    "'{name}' holds '{text}', which is no number; decimals are written with a point"
                );
            }
            format!(
                "'{name}' holds text ('{text}'); --one-hot {name} makes each of its values a feature, \
                 --without {name} leaves it out"
            )
        };
        let values = chosen
            .iter()
            .map(|chosen| encoding::read(&data, *chosen, offer))
            .collect::<Result<Vec<Values>>>()?;
        let of_target = labels::read(&data, target, &*loss)?;
        let of_weights = weights.map(|column| labels::read_weights(&data, column)).transpose()?;
        let rows =
            rows(&data, (&chosen, &values), (target, &of_target), weights.zip(of_weights.as_ref()), missing)?;

        let masses = labels::weights(&data, weights.zip(of_weights.as_ref()), &rows)?;
        let encoding =
            Encoding::learn(&data, (&chosen, &values), (&rows, &masses), (missing, options.intercept))?;
        let (loss, classes) = labels::learn(&data, (target, &of_target), &rows, loss)?;
        encoding::fits(rows.len(), encoding.width(), loss.scores())?;
        let features = encoding.apply(&data, (&chosen, &values), &rows)?;
        let numbers = labels::encode(&data, (target, &of_target), &rows, &*loss, &classes)?;
        let examples = Examples::new(encoding.width(), features, numbers)?.weighted(masses)?;
        let name = |column: usize| data.names()[column].to_owned();
        let (column, target, weights) = (target, name(target), weights.map(name));
        Ok(Problem {
            data,
            rows,
            examples,
            target,
            classes,
            weights,
            encoding,
            column,
            loss,
            wanted,
            options,
        })
    }

    /// Fits, on so many threads; all without a number.
    pub fn fit(&self, args: &FitArgs) -> Result<Fitted> {
        if args.threads == Some(0) {
            return Err(Error::invalid("threads", 0, "at least 1").into());
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads.unwrap_or(0));
        let pool = pool.build().map_err(|e| Failure::new(format!("no threads could be started: {e}")))?;
        let (scores, width) = (self.loss.scores(), self.encoding.width());
        let zero = LinearModel::new(self.loss.clone(), vec![0.0; scores], vec![0.0; scores * width])?;
        self.check(&zero.losses(&self.examples)?, "of coefficients 0")?;
        let mut watch = Watch { display: Display::new(args.quiet), steps: 0, first: None };
        let fitted = pool.install(|| self.fit_here(args, &mut watch));
        watch.display.finish();
        fitted
    }

    fn fit_here(&self, args: &FitArgs, watch: &mut Watch) -> Result<Fitted> {
        let mut precision =
            Precision { tolerance: args.tolerance, max_seconds: Some(args.max_time), ..Precision::default() };
        let mut seconds = 0.0;
        let mut ordinary = None;
        if self.wanted.is_relative() {
            let mean = fenchel::robust::Risk::mean();
            let fit =
                Linear::new(&self.examples, self.loss.clone(), mean, self.options)?.fit(&precision, watch)?;
            seconds = fit.seconds;
            precision.max_seconds = Some((args.max_time - seconds).max(0.0));
            // To the bit what a run with --divergence mean tells.
            ordinary = Some(statistics::mean(&self.model(&fit)?.1, self.examples.weights())?);
        }
        watch.first = None;
        let risk = self.wanted.risk(ordinary)?;
        let setting = Setting { moves: self.moves(args), ..Setting::of(&risk) };
        let mut model = Linear::new(&self.examples, self.loss.clone(), risk, self.options)?;
        if let Some(moves) = &setting.moves {
            model = model.perturbed(&moves.perturbation()?)?;
        }
        let mut fit = model.fit(&precision, watch)?;
        fit.seconds += seconds;
        let (linear, losses) = self.model(&fit)?;
        let names = (self.target.clone(), self.classes.clone(), self.weights.clone());
        let model = Model::new(names, setting, self.encoding.clone(), linear);
        Ok(Fitted { fit, model, losses, ordinary, factor: self.wanted.factor() })
    }

    /// How rows may be moved.
    fn moves(&self, args: &FitArgs) -> Option<Moves> {
        let deviations = self.options.standardise.then(|| self.deviations());
        args.move_price.map(|price| Moves::new(price, &self.encoding, deviations))
    }

    /// The model of a fit, and its loss of each row: in the units of the columns, so that the model that is saved gives the
    /// same numbers again.
    fn model(&self, fit: &Fit) -> Result<(LinearModel, Vec<f64>)> {
        let linear = LinearModel::new(self.loss.clone(), fit.intercept.clone(), fit.coefficients.clone())?;
        let losses = linear.losses(&self.examples)?;
        self.check(&losses, "of the model")?;
        Ok((linear, losses))
    }

    /// Refuses losses that are out of range.
    fn check(&self, losses: &[f64], whose: &str) -> Result<()> {
        let Some(at) = losses.iter().position(|loss| !loss.is_finite()) else { return Ok(()) };
        let label = report::exact(self.examples.labels()[at]);
        let message =
            format!("the loss {whose} is out of range here, where the label is {label}; it must be finite");
        Err(self.data.error(self.rows[at], self.column, message))
    }

    /// The features that say nothing that the intercept does not, and so have no coefficient.
    pub fn constant(&self) -> Vec<usize> {
        let moments = self.examples.moments(self.options.intercept);
        (0..moments.len()).filter(|j| moments[*j].1 == 0.0).collect()
    }

    /// The standard deviation of each feature, by weight.
    pub fn deviations(&self) -> Vec<f64> {
        self.examples.moments(true).into_iter().map(|(_, deviation)| deviation).collect()
    }

    /// The options of the fit.
    pub fn options(&self) -> Options {
        self.options
    }
}

/// The columns that are features.
fn features(
    data: &Data,
    [columns, without, one_hot]: &[Columns; 3],
    target: usize,
    weights: Option<usize>,
) -> Result<Vec<Chosen>> {
    let find = |option: &str, names: &Columns| {
        names.names().iter().map(|name| data.find(option, name)).collect::<Result<Vec<usize>>>()
    };
    let (columns, without, one_hot) =
        (find("--columns", columns)?, find("--without", without)?, find("--one-hot", one_hot)?);
    let name = |column: usize| shortened(data.names()[column]);
    for (k, column) in columns.iter().enumerate() {
        let taken = [(Some(target), "--target"), (weights, "--weights")];
        if let Some((_, option)) = taken.iter().find(|(taken, _)| *taken == Some(*column)) {
            let name = name(*column);
            let message =
                format!("--columns has '{name}', which is {option}; it cannot be a feature as well");
            return Err(Failure::new(message));
        }
        if columns[..k].contains(column) {
            return Err(Failure::new(format!("--columns has '{}' twice", name(*column))));
        }
    }
    let all: Vec<usize> = if columns.is_empty() {
        (0..data.names().len()).filter(|column| *column != target && Some(*column) != weights).collect()
    } else {
        columns
    };
    let all: Vec<usize> = all.into_iter().filter(|column| !without.contains(column)).collect();
    if let Some(column) = one_hot.iter().find(|column| !all.contains(column)) {
        return Err(Failure::new(format!("--one-hot has '{}', which is no feature", name(*column))));
    }
    for column in &all {
        data.unique(*column)?;
    }
    Ok(all.into_iter().map(|column| Chosen { column, one_hot: one_hot.contains(&column) }).collect())
}

/// The rows that are used, all of which have what they need.
fn rows(
    data: &Data,
    (chosen, values): (&[Chosen], &[Values]),
    (target, of_target): (usize, &Values),
    weights: Option<(usize, &Values)>,
    missing: Missing,
) -> Result<Vec<usize>> {
    let mut asked: Vec<(usize, &Values, Option<&str>)> = Vec::new();
    if missing != Missing::Mean {
        asked.extend(chosen.iter().zip(values).map(|(chosen, values)| (chosen.column, values, None)));
    }
    asked.push((target, of_target, Some("the label")));
    asked.extend(weights.map(|(column, values)| (column, values, Some("the weight"))));
    let (rows, gaps) = complete(data.len(), &asked.iter().map(|asked| asked.1).collect::<Vec<_>>());
    match gaps {
        None => Ok(rows),
        Some(_) if missing == Missing::Drop && !rows.is_empty() => Ok(rows),
        Some(_) if missing == Missing::Drop => Err(labels::nothing_left(data)),
        Some(gaps) => {
            let (row, (column, _, what)) = (gaps.first.0, &asked[gaps.first.1]);
            let says = gaps.says(data.names()[*column]);
            let message = match what {
                Some(what) => labels::missing(what, &says),
                None => format!("{says}; --missing drop leaves such rows out, --missing mean fills in means"),
            };
            Err(data.error(row, *column, message))
        }
    }
}

/// What is said where there is no --target, with the columns that it could be.
fn no_target(args: &FitArgs) -> Failure {
    let example = "as in: fenchel robust data.csv --target y";
    match Data::read(&args.data[..args.data.len().min(1)]) {
        Ok(data) => {
            let names: Vec<String> = data.names().iter().map(|name| (*name).to_owned()).collect();
            let (label, names) = (data.label(), super::data::listed(&names));
            Failure::new(format!("{label}: which column is to be predicted? Say it with --target ({names})"))
        }
        Err(_) if args.data.is_empty() => Failure::new(format!(
            "a file of data and the column to be predicted are wanted, {example}\ntry --help for what can be said here"
        )),
        Err(failure) => failure,
    }
}

/// Shows how far a fit is, and stops it at Ctrl-C.
struct Watch {
    display: Display,
    steps: u64,
    /// The first gap that was known.
    first: Option<f64>,
}

impl Observer for Watch {
    fn progress(&mut self, progress: &Progress<'_>) -> Flow {
        self.steps += 1;
        let known = progress.error.is_finite() && progress.error > 0.0;
        if known && self.first.is_none() {
            self.first = Some(progress.error);
        }
        // Gaps fall by factors.
        let share = match self.first {
            Some(first) if known && first > progress.target => {
                (first / progress.error).ln() / (first / progress.target).ln()
            }
            _ => 0.0,
        };
        let steps = self.steps;
        self.display.say(share, || {
            let gap = if known {
                let (error, target) =
                    (report::significant(progress.error, 2), report::significant(progress.target, 2));
                format!("  gap {error} → {target}")
            } else {
                String::new()
            };
            format!("fitting  step {steps}{gap}")
        });
        if interrupted() { Flow::Stop } else { Flow::Continue }
    }
}
