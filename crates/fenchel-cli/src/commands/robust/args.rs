//! Options of `fenchel robust` and its subcommands.

use super::encoding::Missing;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  fenchel robust houses.csv --target price
      Least squares, whatever the weights of rows within Kullback–Leibler divergence 0.1 of equal ones.

  fenchel robust houses.csv --target price --divergence mean
  fenchel robust houses.csv --target price --divergence cvar:0.1 --loss absolute
      Ordinary least squares; the least mean of the worst tenth of all absolute errors.

  fenchel robust houses.csv --target price --lambda rel:0.5 --without id --one-hot region,type
      At a price of half the mean loss of the ordinary fit; text columns as one feature a value.

  fenchel robust houses.csv --target price --lambda rel:0.5 --move-price 50 --standardize
      Rows may also be moved: a squared standard deviation costs 50.

  fenchel robust mail.csv --target spam --loss logistic --columns 1-57 --l2 0.001 --standardize
      Two classes, whatever they are called.

  fenchel robust predict fenchel-out/model.json new.csv --out predictions.csv
  fenchel robust evaluate fenchel-out/model.json test.csv --by region
      The model at new rows; how large its losses are, overall and region by region.

Files written to --out:
  result.json   everything the fit found
  model.json    the model, to be loaded by predict and evaluate
  weights.csv   one line a row: row, loss, weight in the worst case, distance with --move-price
  losses.svg    how the losses are distributed, and how the worst case weighs them (and .png)

Exit code 0 if the tolerance was reached, 1 if not (the result is written all the same), 2 for bad input.";

const PREDICT: &str = "\
Examples:
  fenchel robust predict fenchel-out/model.json new.csv
  fenchel robust predict fenchel-out/model.json new.csv --out predictions.csv

One line a row of the data: its number from 0 and the prediction, which is a number, an expected
count or the name of a class; for classes also their probabilities, or the score where the loss has
none. Where the model leaves out rows with missing cells, their predictions are empty.";

const EVALUATE: &str = "\
Examples:
  fenchel robust evaluate fenchel-out/model.json test.csv
  fenchel robust evaluate fenchel-out/model.json test.csv --by region --json

Rows weigh what the model's column of weights says, if the data have it; else all the same.";

/// Linear models for the worst case, fitted exactly
///
/// Fits coefficients that minimise the worst-case mean of the losses of all rows: over all weights p of the rows, Σ p ℓ less λ
/// times the divergence of p from their own weights, or within a radius of it. With `--divergence mean` it is the ordinary
/// fit, with cvar:0.1 the mean of the worst tenth, with none the largest loss. The answer comes with a certificate: a number
/// below which no coefficients get.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = EXAMPLES, after_help = "Examples and the files that are written: --help")]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true
)]
#[command(override_usage = "fenchel robust [OPTIONS] <DATA>... --target <COLUMN>
       fenchel robust predict <MODEL> <DATA>...
       fenchel robust evaluate <MODEL> <DATA>...")]
pub struct Args {
    /// What to do with a model; without it, one is fitted.
    #[command(subcommand)]
    pub action: Option<Action>,

    /// Options of a fit.
    #[command(flatten)]
    pub fit: FitArgs,
}

/// What can be done with a model.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Action {
    // Described where their options are.
    Predict(PredictArgs),
    Evaluate(EvaluateArgs),
}

/// Options of a fit.
#[derive(Debug, Clone, clap::Args)]
pub struct FitArgs {
    /// Rows to learn from: CSV, NPY or Parquet (if built with it); several files must have the same columns
    #[arg(value_name = "DATA")]
    pub data: Vec<PathBuf>,

    /// Column that is to be predicted: a name, or a number from 1
    #[arg(long, value_name = "COLUMN", help_heading = "Problem")]
    pub target: Option<String>,

    /// Loss (`fenchel list losses`)
    #[arg(long, value_name = "NAME", default_value = "squared", help_heading = "Problem")]
    pub loss: String,

    /// Divergence between weights (`fenchel list divergences`), or `mean` for the ordinary fit
    #[arg(long, value_name = "NAME", default_value = "kl", help_heading = "Problem")]
    pub divergence: String,

    /// Price λ of the divergence, in units of the loss, or relative: `rel:0.5`
    ///
    /// rel: multiplies the mean loss of the ordinary fit, which is then fitted as well.
    #[arg(long, value_name = "NUMBER|rel:NUMBER", allow_negative_numbers = true, conflicts_with = "radius")]
    #[arg(help_heading = "Problem")]
    pub lambda: Option<String>,

    /// How large the divergence may be [default: 0.1, unless there is --lambda]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, help_heading = "Problem")]
    pub radius: Option<f64>,

    /// Price κ at which the worst case may also move rows, for each unit of squared distance; without it they stay
    ///
    /// In units of the loss. Distances are in the units of the columns, with --standardize in standard deviations. Labels
    /// stay, and so do features that --one-hot makes.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, help_heading = "Problem")]
    pub move_price: Option<f64>,

    /// Column that holds the rows' own weights p̂ (need not sum to 1; uniform without it)
    #[arg(long, value_name = "COLUMN", help_heading = "Problem")]
    pub weights: Option<String>,

    /// Columns that are features: names, numbers from 1, ranges; `1-8`, `age,income`
    ///
    /// Without it: all but the target and the weights.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', help_heading = "Problem")]
    pub columns: Vec<String>,

    /// Columns that are no features
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', help_heading = "Problem")]
    pub without: Vec<String>,

    /// Columns of which each value becomes a feature, 1 in its rows and 0 in others
    ///
    /// The first value, in order, has none if there is an intercept: others are compared with it.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', help_heading = "Problem")]
    pub one_hot: Vec<String>,

    /// What is done about missing cells
    #[arg(long, value_enum, default_value_t = Missing::Refuse, help_heading = "Problem")]
    pub missing: Missing,

    /// No constant term
    #[arg(long, help_heading = "Problem")]
    pub no_intercept: bool,

    /// Penalty, times the sum of the squares of all coefficients
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0, allow_negative_numbers = true)]
    #[arg(help_heading = "Problem")]
    pub l2: f64,

    /// Penalty, times the sum of the sizes of all coefficients
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0, allow_negative_numbers = true)]
    #[arg(help_heading = "Problem")]
    pub l1: f64,

    /// Penalties are on coefficients of features with standard deviation 1, and distances of --move-price in those
    ///
    /// Coefficients are shown in the units of the columns all the same. Without either it changes nothing.
    #[arg(long, help_heading = "Problem")]
    pub standardize: bool,

    /// Certified gap to reach, relative to the objective
    #[arg(long, value_name = "NUMBER", default_value_t = 1e-6, allow_negative_numbers = true)]
    #[arg(help_heading = "Solver")]
    pub tolerance: f64,

    /// Threads [default: all]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, help_heading = "Solver")]
    pub threads: Option<usize>,

    /// Time budget in seconds; the best result so far is written when it is spent
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0, allow_negative_numbers = true)]
    #[arg(help_heading = "Solver")]
    pub max_time: f64,

    /// Directory for the results; made if it is not there
    #[arg(long, value_name = "DIR", default_value = "fenchel-out", help_heading = "Output")]
    pub out: PathBuf,

    /// No pictures: for many runs in a row
    #[arg(long, help_heading = "Output")]
    pub no_pictures: bool,

    /// No progress and no table
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,

    /// The result as JSON on standard output instead of the table
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// What a model expects of new rows, as CSV
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = PREDICT)]
pub struct PredictArgs {
    /// The model.json of a fit
    pub model: PathBuf,

    /// Rows with the columns that the model needs; others may hold anything
    #[arg(required = true)]
    pub data: Vec<PathBuf>,

    /// File for the predictions; standard output without it
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// How large a model's losses are on rows with labels: on average, in the tail, in the worst case
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EVALUATE)]
pub struct EvaluateArgs {
    /// The model.json of a fit
    pub model: PathBuf,

    /// Rows with the target and the columns that the model needs; others may hold anything
    #[arg(required = true)]
    pub data: Vec<PathBuf>,

    /// Column by whose values rows are told apart: the same numbers for each
    #[arg(long, value_name = "COLUMN")]
    pub by: Option<String>,

    /// The numbers as JSON on standard output instead of the table
    #[arg(long)]
    pub json: bool,
}
