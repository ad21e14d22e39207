//! Options of `fenchel robust` and its subcommands.

use super::encoding::Missing;
use fenchel::optim::Memory;
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

  fenchel robust mail.csv --target spam --loss logistic --columns 1-57 --l2 0.001 --standardize
      Two classes, whatever they are called.

  fenchel robust houses.csv --target price --path 0,0.01,0.03,0.1,0.3,1
  fenchel robust houses.csv --target price --lambda rel:1 --path 9
      How coefficients and losses change with the radius; with λ, in 9 steps about the one given.

  fenchel robust houses.csv --target price --cross-validate 5 --shift group:region --without region
      The radius that does best where the shares of regions may change.

  fenchel robust clicks.csv --target clicked --loss logistic --lambda 0.1 --solver passes --batch 1000
      By passes over batches of rows.

  fenchel robust day-*.npy --target 21 --lambda 0.5 --memory 1GB
      From files larger than memory.

  fenchel robust predict fenchel-out/model.json new.csv --out predictions.csv
  fenchel robust evaluate fenchel-out/model.json test.csv --by region
      The model at new rows; how large its losses are, overall and region by region.

Files written to --out:
  result.json   everything the fit found
  model.json    the model, to be loaded by predict and evaluate
  weights.csv   one line a row: row, loss, weight in the worst case, distance with --move-price
  losses.svg    how the losses are distributed, and how the worst case weighs them (and .png)
  path.csv, path.svg                with --path: a line and a point each strength
  validation.csv, validation.svg    with --cross-validate: the scores of the candidates
  convergence.svg                   with a solver that makes passes: the objective after each

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
    /// Rows to learn from: CSV, NPY, IDX or Parquet (if built with it); several files must have the same columns
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

    /// Fits for several strengths, each from the one before: COUNT of them about the one given, or a LIST
    ///
    /// A list, as in 0.01,0.1,1, is of λ (rel: is allowed) if there is --lambda, else of radii. A count gives strengths from a
    /// tenth to ten times the one given. The model that is saved is the one of --lambda or --radius all the same.
    #[arg(
        long,
        value_name = "COUNT|LIST",
        allow_negative_numbers = true,
        help_heading = "Several strengths"
    )]
    pub path: Option<String>,

    /// Chooses the strength by cross-validation in so many folds, among those of --path
    ///
    /// Without --path: among 7 about the one given. The chosen one is fitted to all rows and saved.
    #[arg(long, value_name = "FOLDS", allow_negative_numbers = true, help_heading = "Several strengths")]
    pub cross_validate: Option<usize>,

    /// What the rows to come may be like, which decides: none, reweighted, group:COLUMN, feature:COLUMN
    ///
    /// none: as those at hand; the score is the mean of held-out losses. reweighted: their worst mean within radius 0.1, or
    /// another: reweighted:0.5; or by a divergence that needs none: reweighted:cvar:0.1. group:COLUMN: the shares of the values
    /// of a column may change; the largest mean of a value. feature:COLUMN: the column is larger by one standard deviation, or
    /// by so many: feature:age:-0.5; a mean with importance weights.
    #[arg(
        long,
        value_name = "none|reweighted|group:COLUMN|feature:COLUMN",
        help_heading = "Several strengths"
    )]
    pub shift: Option<String>,

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

    /// Penalties are on coefficients of features with standard deviation 1
    ///
    /// Coefficients are shown in the units of the columns all the same. Without a penalty it changes nothing.
    #[arg(long, help_heading = "Problem")]
    pub standardize: bool,

    /// How the minimum is found (`fenchel list solvers`)
    ///
    /// auto is exact: Newton's method, for all rows at once. passes takes batches and has nothing to tune. The others are
    /// stochastic gradients of the literature, to be compared with.
    #[arg(long, value_name = "NAME", default_value = "auto", help_heading = "Solver")]
    pub solver: String,

    /// Rows in a batch, for solvers that make passes [default: 100]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, help_heading = "Solver")]
    pub batch: Option<usize>,

    /// Passes over the rows, at most [default: 50]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, help_heading = "Solver")]
    pub epochs: Option<u32>,

    /// Step size of stochastic gradients [default: the best of a few trials, then larger or smaller as passes end]
    ///
    /// For features of mean 0 and variance 1. One that is given is respected, whatever comes of it.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, help_heading = "Solver")]
    pub step: Option<f64>,

    /// ρ of safe KL, for --solver joint with kl: weights stay below 1/ρ times their share [default: 0.001]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, help_heading = "Solver")]
    pub rho: Option<f64>,

    /// Nesterov's momentum of stochastic gradients, at least 0 and below 1 [default: 0.9]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, help_heading = "Solver")]
    pub momentum: Option<f64>,

    /// Stochastic gradients result in the mean over the second half of their steps
    ///
    /// Without it: in the last iterate. Without a --step: in the best that ended a pass, of iterates and means.
    #[arg(long, help_heading = "Solver")]
    pub averaging: bool,

    /// Where the threshold α of joint and dual-sgm starts
    ///
    /// In units of the losses. It starts at 0 where weights are bounded (safe KL, cvar), else where it is best; without a --step
    /// it is then put there after each pass.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, help_heading = "Solver")]
    pub alpha: Option<f64>,

    /// Seed of folds and of the order of rows in passes [default: 0]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, help_heading = "Solver")]
    pub seed: Option<u64>,

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

    /// Memory that may be used; files too large for it are read where they are, again and again: `2GB`
    ///
    /// Loading and fitting take about eight times the size of the data. What does not fit is learnt from passes in
    /// batches, the ordinary fit by exact steps over all rows; 56 bytes a row are taken all the same. All columns that are
    /// used must hold numbers then, without gaps. Text is parsed anew in each pass: NPY and Parquet are faster.
    #[arg(long, value_name = "SIZE", allow_negative_numbers = true, help_heading = "Solver")]
    pub memory: Option<Memory>,

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
