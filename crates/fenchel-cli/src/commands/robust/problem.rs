//! From files to a fitted model.

use super::args::FitArgs;
use super::data::{Data, Values, meant, shortened};
use super::encoding::{self, Chosen, Encoding, Missing, complete};
use super::labels;
use super::moves::Moves;
use crate::failure::{Failure, Result};
use crate::input::Columns;
use crate::report;
use fenchel::Error;
use fenchel::robust::loss::{self, Loss};
use fenchel::robust::{Examples, Linear, Options, Risk};
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
    options: Options,
    /// Where rows may be moved.
    moves: Option<Moves>,
}

impl Problem {
    /// The problem that the options describe, with other columns that are needed.
    pub fn read(args: &FitArgs, others: &[&str]) -> Result<Self> {
        let (loss, options) = settings(args)?;
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

        let others: Vec<&str> = [target.as_str()]
            .into_iter()
            .chain(args.weights.as_deref())
            .chain(others.iter().copied())
            .collect();
        let data = Data::read(&args.data, &|all| needed(all, &names, &others))?;
        let target = data.find("--target", target)?;
        let weights = args.weights.as_ref().map(|column| data.find("--weights", column)).transpose()?;
        if weights == Some(target) {
            let name = shortened(data.names()[target]);
            return Err(Failure::new(format!("'{name}' cannot be both --target and --weights")));
        }
        let chosen = features(&data, &names, target, weights)?;
        Problem::of(data, (chosen, target, weights), args.missing, (loss, options, args.move_price))
    }

    /// The problem of these columns.
    fn of(
        data: Data,
        (chosen, target, weights): (Vec<Chosen>, usize, Option<usize>),
        missing: Missing,
        (loss, options, move_price): (Arc<dyn Loss>, Options, Option<f64>),
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
        let units = options.standardise.then(|| deviations(&examples));
        let moves = move_price.map(|price| Moves::new(price, &encoding, units));
        Ok(Problem { data, rows, examples, target, classes, weights, encoding, column, loss, options, moves })
    }

    /// A linear model of these rows, to be fitted with a risk.
    pub fn linear(&self, risk: Risk) -> Result<Linear<'_>> {
        let linear = Linear::new(&self.examples, self.loss.clone(), risk, self.options)?;
        Ok(match &self.moves {
            Some(moves) => linear.perturbed(&moves.perturbation()?)?,
            None => linear,
        })
    }

    /// The ordinary one: of rows as they are.
    pub fn ordinary(&self) -> Result<Linear<'_>> {
        Ok(Linear::new(&self.examples, self.loss.clone(), Risk::mean(), self.options)?)
    }

    /// How rows may be moved.
    pub fn moves(&self) -> Option<&Moves> {
        self.moves.as_ref()
    }

    /// The loss.
    pub fn loss(&self) -> &Arc<dyn Loss> {
        &self.loss
    }

    /// Refuses losses that are out of range.
    pub fn check(&self, losses: &[f64], whose: &str) -> Result<()> {
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
        deviations(&self.examples)
    }

    /// The options of the fit.
    pub fn options(&self) -> Options {
        self.options
    }
}

/// The standard deviation of each feature, by weight.
fn deviations(examples: &Examples) -> Vec<f64> {
    examples.moments(true).into_iter().map(|(_, deviation)| deviation).collect()
}

/// Loss and options; what costs nothing is checked before files are read.
pub fn settings(args: &FitArgs) -> Result<(Arc<dyn Loss>, Options)> {
    let loss = loss::parse(&args.loss)?;
    let options =
        Options { intercept: !args.no_intercept, standardise: args.standardize, l2: args.l2, l1: args.l1 };
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
    Ok((loss, options))
}

/// The columns that are used for anything.
fn needed(all: &[String], [columns, without, _]: &[Columns; 3], others: &[&str]) -> Vec<usize> {
    let mut used = vec![columns.names().is_empty(); all.len()];
    let mut mark = |name: &str, is: bool| meant(all, name).into_iter().for_each(|k| used[k] = is);
    columns.names().iter().for_each(|name| mark(name, true));
    without.names().iter().for_each(|name| mark(name, false));
    others.iter().for_each(|name| mark(name, true));
    (0..all.len()).filter(|k| used[*k]).collect()
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
    match Data::read(&args.data[..args.data.len().min(1)], &|_| Vec::new()) {
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
