//! Options of `fenchel transport`.

use fenchel::optim::Memory;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  fenchel transport
      The built-in problem: a standard Gaussian in the plane to 10 points in [−1, 1]², l∞ cost,
      Kullback–Leibler divergence, λ = 0.1.

  fenchel transport --target shops.csv --weights size --lambda rel:0.01
      A standard Gaussian to the rows of shops.csv; the column `size` holds their weights ν.

  fenchel transport --source people-1.csv people-2.csv --target shops.csv --cost l2 --divergence none
      From the points of two files, without regularisation.

  fenchel transport --target houses.csv --columns 1-8 --standardize --tolerance 0.01 --json
      The first eight columns, each to mean 0 and standard deviation 1; the result on standard output.

  fenchel transport --source people.npy --target shops.csv --target-sample 10000 --memory 2GB
      From a file larger than memory to 10,000 rows drawn from another.

  fenchel transport --target shops.csv --checkpoint run.ckpt
  fenchel transport --resume run.ckpt
      The second goes on where the first was interrupted or killed.

  fenchel transport --source gaussian:2 --target uniform:2
  fenchel transport --source before.csv --target after.csv --potential kernel
      Both sides are measures that points are drawn from; the potentials are functions.

  fenchel transport --solver asgd --steps 1000000 --step-rule continuous
      Averaged stochastic gradient ascent with the step size of its convergence theorem.

Files written to --out:
  result.json        everything the solve found
  potentials.csv     one line an atom: index, coordinates, weight, potential
  plan.json          the plan, to be loaded and used at new points
  convergence.svg    dual value, interval and marginal error over the samples drawn (and .png)
  cells.svg          in the plane: where mass goes, over the source's density (and .png)
For continuous transport coupling.json in place of plan.json, and coupling.svg, on the line, in the plane and for images: where mass
goes. For networks u.network and v.network, the potentials.

Exit code 0 if the tolerance was reached, 1 if not (the result is written all the same), 2 for bad input.";

/// Optimal transport from anything one can draw from to finitely many points, with a certificate
///
/// Moves the mass of a source μ to weighted points (atoms) y with weights ν at the least expected cost, plus λ
/// times a divergence of the plan. The answer is a potential φ, one number an atom: mass at x goes where
/// φ − c(x, y) is largest, softly for λ > 0. It comes with a 95% interval for the regularised cost, bounds on
/// the unregularised one, and the distance of the plan's second marginal from ν, all measured on samples that
/// the solver has not seen.
///
/// Without --source and --target it solves a built-in problem in seconds.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = EXAMPLES, after_help = "Examples and the files that are written: --help")]
pub struct Args {
    /// Where mass comes from: NAME:DIMENSION (`fenchel list sources`) or files
    ///
    /// Files are CSV, NPY, IDX (also compressed by gzip) or Parquet (if built with it), one point a row, all of the same dimension: the measure is those points together.
    /// Files that are large against --memory are read where they are, as often as points are drawn.
    /// Without it: a standard Gaussian of the target's dimension.
    #[arg(long, value_name = "NAME|FILE", num_args = 1.., help_heading = "Problem")]
    pub source: Vec<String>,

    /// Where mass goes: a CSV, NPY, IDX or Parquet file, one atom a row; or NAME:DIMENSION, for continuous transport
    #[arg(long, value_name = "FILE|NAME", help_heading = "Problem")]
    pub target: Option<PathBuf>,

    /// Draw so many rows of the target as its atoms, without loading it
    ///
    /// Without replacement, in proportion to --weights: heavy rows are sure to be drawn and keep their weight, all
    /// others weigh the same, and every sum over rows is estimated without bias. Which rows depends on --seed.
    #[arg(long, value_name = "NUMBER", help_heading = "Problem")]
    #[arg(allow_negative_numbers = true)]
    pub target_sample: Option<usize>,

    /// Column of the target that holds the weights ν (need not sum to 1; uniform without it)
    #[arg(long, value_name = "COLUMN", help_heading = "Problem")]
    pub weights: Option<String>,

    /// Column of the target that holds the reference weights η of the divergence (uniform without it)
    #[arg(long, value_name = "COLUMN", help_heading = "Problem")]
    pub reference: Option<String>,

    /// Column of the source's files that holds their weights (uniform without it)
    #[arg(long, value_name = "COLUMN", help_heading = "Problem")]
    pub source_weights: Option<String>,

    /// Columns of the files that are coordinates: names, numbers from 1, ranges; `1-8`, `lat,lon`
    ///
    /// Without it: every column that holds no weights.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', help_heading = "Problem")]
    pub columns: Vec<String>,

    /// Shift and scale every coordinate by the target's mean and standard deviation
    ///
    /// The same map is applied to the points of source files; a named source is left as it is.
    #[arg(long, help_heading = "Problem")]
    pub standardize: bool,

    /// Cost c(x, y) (`fenchel list costs`) [default: sqeuclidean; linf for the built-in problem]
    #[arg(long, value_name = "NAME", help_heading = "Problem")]
    pub cost: Option<String>,

    /// Divergence that regularises the plan (`fenchel list divergences`)
    #[arg(long, value_name = "NAME", default_value = "kl", help_heading = "Problem")]
    pub divergence: String,

    /// Strength λ of the regularisation, in units of the cost, or relative: `rel:0.01`
    ///
    /// rel: multiplies the standard deviation of the costs.
    /// [default: rel:0.1; 0.1 for the built-in problem]
    #[arg(long, value_name = "NUMBER|rel:NUMBER", allow_negative_numbers = true, help_heading = "Problem")]
    pub lambda: Option<String>,

    /// Accuracy to reach, relative to the standard deviation of the costs
    ///
    /// Bounds the marginal error Σ|q − ν| and, times that standard deviation, the width of the value's interval.
    /// [default: 0.001; 0.01 for continuous transport]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, help_heading = "Solver")]
    pub tolerance: Option<f64>,

    /// Continuous transport: both sides are measures that points are drawn from, and the potentials are functions
    ///
    /// The default where the target is a name. A target's file then is a sample to draw from, and may be larger than memory.
    #[arg(long, value_enum, help_heading = "Continuous transport")]
    pub potential: Option<Potential>,

    /// Kernel of the potentials: gaussian, matern:0.5, matern:1.5, matern:2.5, laplace [default: gaussian]
    #[arg(long, value_name = "NAME", help_heading = "Continuous transport")]
    pub kernel: Option<String>,

    /// Bandwidth of the kernel, in the unit of the points [default: chosen on the data]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, help_heading = "Continuous transport")]
    pub bandwidth: Option<f64>,

    /// Functions that stand for the kernel, at most [default: 256]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, help_heading = "Continuous transport")]
    pub rank: Option<usize>,

    /// Sizes of the hidden layers of the networks, such as 256,128 [default: 256,128]
    #[cfg(feature = "networks")]
    #[arg(long, value_name = "SIZES", value_delimiter = ',', allow_negative_numbers = true)]
    #[arg(help_heading = "Continuous transport")]
    pub hidden: Vec<usize>,

    /// Stochastic gradients, on this objective: dual, safe:ρ, safe-constant:ρ [default for networks: safe:0.03]
    ///
    /// dual is the method of Genevay et al. in the kernel's space, of Seguy et al. for networks, which overflows at steps that are not
    /// small. safe:ρ bounds every gradient by 1/ρ. safe-constant:ρ, of kernels only, has one number for α in place of a function, and cannot
    /// come close.
    #[arg(long, value_name = "NAME", help_heading = "Continuous transport")]
    pub objective: Option<String>,

    /// Step size [default: found by short runs]
    ///
    /// Of kernels C of C/√i, in cost units; of networks that of Adam.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, help_heading = "Continuous transport")]
    pub step: Option<f64>,

    /// Method
    #[arg(long, value_enum, default_value_t = Method::Auto, help_heading = "Solver")]
    pub solver: Method,

    /// asgd, --objective, networks: number of steps [default: 100000; 5000 for networks]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, help_heading = "Solver")]
    pub steps: Option<u64>,

    /// asgd, --objective, networks: samples a step [default: 1; 256 for networks]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, help_heading = "Solver")]
    pub batch: Option<usize>,

    /// asgd: step size [default: practical-decaying]
    #[arg(long, value_enum, value_name = "RULE", help_heading = "Solver")]
    pub step_rule: Option<Rule>,

    /// asgd: accuracy ε̄ of the weights, ε̄/(2√t) at step t; 0 is exact [default: 0]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, help_heading = "Solver")]
    pub oracle_error: Option<f64>,

    /// Seed of all randomness; the same seed gives the same result for any number of threads
    #[arg(
        long,
        value_name = "NUMBER",
        allow_negative_numbers = true,
        default_value_t = 0,
        help_heading = "Solver"
    )]
    pub seed: u64,

    /// Threads [default: all]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, help_heading = "Solver")]
    pub threads: Option<usize>,

    /// Memory budget, such as 512MiB or 2GB
    ///
    /// Source files whose numbers would take more than an eighth of it are not loaded but read where they are; a target
    /// must fit into an eighth, or be drawn from with --target-sample.
    #[arg(long, value_name = "SIZE", default_value = "4GiB", allow_negative_numbers = true)]
    #[arg(help_heading = "Solver")]
    pub memory: Memory,

    /// Time budget in seconds; the best result so far is written when it is spent
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0, allow_negative_numbers = true)]
    #[arg(help_heading = "Solver")]
    pub max_time: f64,

    /// File for the state of the run, written every second or so and on Ctrl-C
    ///
    /// From it --resume goes on. It is always whole, even if the process is killed.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub checkpoint: Option<PathBuf>,

    /// Go on from a checkpoint, with the options of the run that wrote it
    ///
    /// The result has the bits of an uninterrupted run; the time that was spent counts. The file is written further.
    /// Options for threads, time and output may be given anew; others must agree. To be called in the same directory.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub resume: Option<PathBuf>,

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

/// What the potentials of continuous transport are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Potential {
    /// Exact transport between growing samples, extended to all points
    Samples,
    /// Sums of a kernel, of a fixed number of functions
    Kernel,
    /// Networks: where dimensions are many, as for images
    #[cfg(feature = "networks")]
    Network,
}

/// The methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Method {
    /// Growing samples, decreasing regularisation, second-order steps: nothing to choose
    Auto,
    /// Averaged stochastic gradient ascent
    Asgd,
}

/// The step sizes of asgd; T is the number of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Rule {
    /// 1/(2(2+ε̄)²√T), for continuous marginal distributions
    Continuous,
    /// 1/(2(2+ε̄)²√T + L), for Lipschitz continuous ones
    Lipschitz,
    /// 1/(2G²√T), G = max(√2·M/λ, 2+ε̄), for self-concordant ones
    SelfConcordant,
    /// 1/(4√T)
    PracticalConstant,
    /// 1/(4√t) at step t
    PracticalDecaying,
}
