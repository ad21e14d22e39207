//! From options to a problem: measures from names and files, with every mistake named.

use super::args::{Args, Method, Rule};
use crate::failure::{Failure, Result};
use crate::input::{Columns, Points, Rows, default_names, draw_points, read_points, read_rows};
use fenchel::measure::file::size_loaded;
use fenchel::measure::{self, Design, Source};
use fenchel::optim::Memory;
use fenchel::transport::{Asgd, Lambda, SemiDiscrete, Settings, Solver, StepRule};
use fenchel::{Error, cost, divergence};
use std::path::Path;
use std::sync::Arc;

/// Seed of the built-in problem's atoms: part of the problem, so not the user's seed.
const BUILT_IN_SEED: u64 = 2022;

/// Atoms of the built-in problem.
const BUILT_IN_ATOMS: usize = 10;

/// A problem with what is needed to report on it.
pub struct Problem {
    /// To be solved.
    pub semidiscrete: SemiDiscrete,
    /// Names of the coordinates.
    pub names: Vec<String>,
    /// ν, summing to one.
    pub masses: Vec<f64>,
    /// What was done to the coordinates, if anything.
    pub standardized: Option<Standardized>,
    /// Where the atoms come from.
    pub target: String,
    /// Which rows of the target's file are the atoms, if they were drawn.
    pub target_sample: Option<TargetSample>,
    /// The source's files, if it comes from files.
    pub source_file: Option<SourceFile>,
}

/// Rows drawn from the target's file.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct TargetSample {
    /// Rows of the file.
    pub rows: u64,
    /// Rows drawn.
    pub drawn: usize,
    /// Which, counted from 0.
    #[serde(skip)]
    pub which: Vec<u64>,
}

/// The files of a source.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct SourceFile {
    /// Rows of all files.
    pub rows: u64,
    /// Whether they are read when they are drawn; else they are in memory.
    pub streamed: bool,
}

/// The map x ↦ (x − mean)/scale that was applied to every point.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Standardized {
    /// Names of the coordinates.
    pub columns: Vec<String>,
    /// Mean of each coordinate of the target, weighted by ν.
    pub mean: Vec<f64>,
    /// Standard deviation of each; 1 for a coordinate that is constant.
    pub scale: Vec<f64>,
    /// Whether the source's points were mapped too (a named source is not).
    pub source: bool,
}

/// The method and its settings.
pub fn settings(args: &Args) -> Result<Settings> {
    let only_asgd = [
        ("--steps", args.steps.is_some()),
        ("--batch", args.batch.is_some()),
        ("--step-rule", args.step_rule.is_some()),
        ("--oracle-error", args.oracle_error.is_some()),
    ];
    if args.solver != Method::Asgd
        && let Some((name, _)) = only_asgd.iter().find(|(_, given)| *given)
    {
        return Err(Failure::new(format!("{name} is an option of another method; add --solver asgd")));
    }
    let solver = match args.solver {
        Method::Auto => Solver::Auto,
        Method::Asgd => {
            let default = Asgd::default();
            Solver::Asgd(Asgd {
                steps: args.steps.unwrap_or(default.steps),
                batch: args.batch.unwrap_or(default.batch),
                rule: args.step_rule.map_or(default.rule, StepRule::from),
                oracle_error: args.oracle_error.unwrap_or(default.oracle_error),
            })
        }
    };
    let settings = Settings {
        solver,
        tolerance: args.tolerance.unwrap_or(1e-3),
        seed: args.seed,
        threads: args.threads,
        max_seconds: Some(args.max_time),
        memory: Some(args.memory.bytes()),
        ..Settings::default()
    };
    settings.validate()?;
    Ok(settings)
}

impl From<Rule> for StepRule {
    fn from(rule: Rule) -> StepRule {
        match rule {
            Rule::Continuous => StepRule::Continuous,
            Rule::Lipschitz => StepRule::Lipschitz,
            Rule::SelfConcordant => StepRule::SelfConcordant,
            Rule::PracticalConstant => StepRule::PracticalConstant,
            Rule::PracticalDecaying => StepRule::PracticalDecaying,
        }
    }
}

/// The problem that the options describe.
pub fn problem(args: &Args) -> Result<Problem> {
    let built_in = args.target.is_none();
    // What costs nothing is checked before files are read.
    let divergence = divergence::parse(&args.divergence)?;
    let name = args.cost.as_deref().unwrap_or(if built_in { "linf" } else { "sqeuclidean" });
    let cost = cost::parse(name).map_err(|e| Failure::from(e).at(&format!("--cost {name}")))?;
    let lambda: Lambda =
        args.lambda.as_deref().unwrap_or(if built_in { "0.1" } else { "rel:0.1" }).parse()?;
    let columns = Columns::parse(&args.columns)?;

    let mut target = target(args, &columns)?;
    let dim = target.points.dim;
    let standardized = args.standardize.then(|| fit(&target));
    if let Some(map) = &standardized {
        map.apply(&mut target.points.values);
    }
    let atoms = target.points.cloud()?;
    let (source, source_file) = source(args, &columns, dim, standardized.as_ref())?;
    if source.dim() != dim {
        let place = args.target.as_deref().map_or("the built-in target".into(), Path::to_string_lossy);
        return Err(Failure::new(format!(
            "the source {} has dimension {}, {place} has {dim}; they must agree",
            source.name(),
            source.dim()
        )));
    }
    let masses = atoms.probabilities();
    let mut semidiscrete = SemiDiscrete::new(source, atoms, cost, divergence, lambda)?;
    if let Some(reference) = target.points.reference.take() {
        semidiscrete = semidiscrete.reference(reference)?;
    }
    Ok(Problem {
        semidiscrete,
        names: target.points.names,
        masses,
        standardized: standardized.map(|s| Standardized { source: source_file.is_some(), ..s }),
        target: args.target.as_ref().map_or("built-in".to_owned(), |p| p.display().to_string()),
        target_sample: target.sample,
        source_file,
    })
}

/// The atoms, and where they come from.
struct Target {
    points: Points,
    sample: Option<TargetSample>,
    /// Mean and variance of every coordinate, by weight, over all of the file.
    moments: Option<(Vec<f64>, Vec<f64>)>,
}

/// The target's file, or some of its rows, or the built-in atoms.
fn target(args: &Args, columns: &Columns) -> Result<Target> {
    let Some(path) = &args.target else {
        let of_the_target = [
            ("--target-sample", args.target_sample.is_some()),
            ("--weights", args.weights.is_some()),
            ("--reference", args.reference.is_some()),
            ("--standardize", args.standardize),
        ];
        if let Some((name, _)) = of_the_target.iter().find(|(_, given)| *given) {
            return Err(Failure::new(format!("{name} needs --target with a file")));
        }
        return Ok(Target { points: built_in_atoms()?, sample: None, moments: None });
    };
    let (weights, reference) = (args.weights.as_deref(), args.reference.as_deref());
    if let Some(m) = args.target_sample {
        let (points, drawn) = draw_points(path, columns, (weights, reference), (m, args.seed), args.memory)?;
        let sample = TargetSample { rows: drawn.of, drawn: drawn.rows.len(), which: drawn.rows };
        return Ok(Target { points, sample: Some(sample), moments: Some(drawn.moments) });
    }
    if let Some(bytes) = size_loaded(path)?
        && bytes > args.memory.loaded()
    {
        let message = format!(
            "as a target it takes about {} of memory, {} are allowed; draw some of its rows with --target-sample, \
             or allow more with --memory",
            Memory::to_load(bytes),
            args.memory
        );
        return Err(Error::file(path, message).into());
    }
    let points = read_points(path, columns, weights, reference, args.memory)?;
    let moments = if args.standardize { points.clone().cloud()?.moments() } else { None };
    Ok(Target { points, sample: None, moments })
}

/// Ten atoms drawn uniformly from [−1, 1]².
fn built_in_atoms() -> Result<Points> {
    let square = measure::UniformBox::new(&[-1.0; 2], &[1.0; 2])?;
    let mut values = vec![0.0; 2 * BUILT_IN_ATOMS];
    measure::draw_points(&square, Design::Iid, BUILT_IN_SEED, 0, 0, BUILT_IN_ATOMS, &mut values)?;
    Ok(Points::unnamed("built-in", 2, values))
}

/// The source, and what is known of its files if it comes from files.
fn source(
    args: &Args,
    columns: &Columns,
    dim: usize,
    standardized: Option<&Standardized>,
) -> Result<(Arc<dyn Source>, Option<SourceFile>)> {
    if args.source.is_empty() {
        if args.source_weights.is_some() {
            return Err(Failure::new("--source-weights needs --source with files"));
        }
        return Ok((measure::parse(&format!("gaussian:{dim}"))?, None));
    }
    Opened::new(args, &args.source, ("--source-weights", args.source_weights.as_deref()), columns)?
        .finish(standardized)
}

/// A measure that points are drawn from, before its coordinates are mapped.
pub struct Opened {
    rows: Option<Rows>,
    named: Option<Arc<dyn Source>>,
    label: String,
}

impl Opened {
    /// From a name, or from files with weights in a column. `weights` are the option that names it, and its value.
    pub fn new(
        args: &Args,
        texts: &[String],
        (option, weights): (&str, Option<&str>),
        columns: &Columns,
    ) -> Result<Self> {
        let [first, rest @ ..] = texts else { return Err(Failure::new("a measure needs a name or a file")) };
        if rest.is_empty() && !looks_like_a_file(first) {
            if weights.is_some() {
                return Err(Failure::new(format!("{option} is for files; {first} is a name")));
            }
            let source = measure::parse(first).map_err(|e| {
                Failure::from(e)
                    .after("; a file's name must end in .csv, .npy, .parquet or -ubyte, or the file exist")
            })?;
            return Ok(Opened { rows: None, named: Some(source), label: first.clone() });
        }
        let paths: Vec<&Path> = texts.iter().map(Path::new).collect();
        let label = if rest.is_empty() { first.clone() } else { format!("{first} and {} more", rest.len()) };
        let rows = read_rows(&paths, columns, weights, args.memory)?;
        Ok(Opened { rows: Some(rows), named: None, label })
    }

    /// Number of coordinates.
    pub fn dim(&self) -> usize {
        match (&self.rows, &self.named) {
            (Some(Rows::Loaded(points)), _) => points.dim,
            (Some(Rows::Streamed(file)), _) => file.dim(),
            (None, named) => named.as_ref().map_or(0, |source| source.dim()),
        }
    }

    /// Names of the coordinates.
    pub fn names(&self) -> Vec<String> {
        match &self.rows {
            Some(Rows::Loaded(points)) => points.names.clone(),
            _ => default_names(self.dim()),
        }
    }

    /// Height and width, where points are images.
    pub fn image(&self) -> Option<(usize, usize)> {
        match &self.rows {
            Some(Rows::Loaded(points)) => match points.shape[..] {
                [height, width] => Some((height, width)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The map that standardizes the points of files; none for a name.
    pub fn standardized(&self) -> Result<Option<Standardized>> {
        let moments = match &self.rows {
            None => return Ok(None),
            Some(Rows::Loaded(points)) => points.clone().cloud()?.moments(),
            Some(Rows::Streamed(file)) => file.moments(),
        };
        Ok(Some(standardizing(self.names(), moments)))
    }

    /// The measure, its points mapped if they come from files and fit; and what is known of the files.
    pub fn finish(self, map: Option<&Standardized>) -> Result<(Arc<dyn Source>, Option<SourceFile>)> {
        let map = map.filter(|map| map.mean.len() == self.dim());
        match (self.rows, self.named) {
            (Some(Rows::Loaded(mut points)), _) => {
                if let Some(map) = map {
                    map.apply(&mut points.values);
                }
                let cloud = points.cloud()?.named(self.label);
                let rows = cloud.len() as u64;
                Ok((Arc::new(cloud), Some(SourceFile { rows, streamed: false })))
            }
            (Some(Rows::Streamed(mut file)), _) => {
                if let Some(map) = map {
                    *file = file.mapped(&map.mean, &map.scale)?;
                }
                let rows = file.len();
                Ok((Arc::new(file.named(self.label)), Some(SourceFile { rows, streamed: true })))
            }
            (None, Some(source)) => Ok((source, None)),
            (None, None) => Err(Failure::new("a measure needs a name or a file")),
        }
    }
}

/// Whether an argument of --source or --target means a file: it exists, or is written like one.
pub fn looks_like_a_file(text: &str) -> bool {
    let path = Path::new(text);
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
    path.exists()
        || text.contains(std::path::MAIN_SEPARATOR)
        || ["csv", "npy", "parquet", "txt", "tsv", "gz"].contains(&extension.as_str())
        || text.ends_with("-ubyte")
}

/// Mean and standard deviation of the target's coordinates.
fn fit(target: &Target) -> Standardized {
    standardizing(target.points.names.clone(), target.moments.clone())
}

/// The map to mean 0 and standard deviation 1, from means and variances; the identity without.
fn standardizing(columns: Vec<String>, moments: Option<(Vec<f64>, Vec<f64>)>) -> Standardized {
    let dim = columns.len();
    let (mean, variance) = moments.unwrap_or((vec![0.0; dim], vec![1.0; dim]));
    let scale = mean
        .iter()
        .zip(&variance)
        .map(|(m, v)| {
            let sd = v.sqrt();
            // Below this it is the rounding error of a constant column.
            if sd.is_finite() && sd > 1e-12 * m.abs() && sd > 0.0 { sd } else { 1.0 }
        })
        .collect();
    Standardized { columns, mean, scale, source: false }
}

impl Standardized {
    fn apply(&self, values: &mut [f64]) {
        for point in values.chunks_exact_mut(self.mean.len()) {
            for ((x, m), s) in point.iter_mut().zip(&self.mean).zip(&self.scale) {
                *x = (*x - m) / s;
            }
        }
    }
}
