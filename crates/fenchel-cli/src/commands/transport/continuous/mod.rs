//! `fenchel transport` between two measures that points are drawn from.

mod output;
mod pictures;

use super::args::{Args, Method, Potential};
use super::problem::{Opened, SourceFile, Standardized, looks_like_a_file};
use crate::checkpoint;
use crate::failure::{Failure, Outcome, Result, print};
use crate::input::Columns;
use crate::progress::Display;
use crate::results::Directory;
use fenchel::transport::Lambda;
use fenchel::transport::continuous::{Checkpoint, Continuous, Objective, Settings, Sgd, Solver, Space};
use fenchel::{cost, divergence, measure};
use std::path::Path;
use std::sync::Arc;

/// A problem with what is needed to report on it.
struct Problem {
    continuous: Continuous,
    /// Names of the coordinates.
    names: Vec<String>,
    /// What was done to the coordinates, if anything.
    standardized: Option<Standardized>,
    source_file: Option<SourceFile>,
    target_file: Option<SourceFile>,
    /// Height and width, where points of the target are images.
    image: Option<(usize, usize)>,
}

/// Whether the options speak of two measures: by name of the target, or by `--potential`.
pub fn is_asked_for(args: &Args) -> bool {
    args.potential.is_some()
        || args.target.as_ref().is_some_and(|target| !looks_like_a_file(&target.to_string_lossy()))
}

/// Refuses options that only continuous transport has.
pub fn none_of_its_options(args: &Args) -> Result<()> {
    let its = [
        ("--kernel", args.kernel.is_some()),
        ("--bandwidth", args.bandwidth.is_some()),
        ("--rank", args.rank.is_some()),
        ("--objective", args.objective.is_some()),
        ("--step", args.step.is_some()),
    ];
    match its.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((name, _)) => {
            Err(Failure::new(format!("{name} is an option of continuous transport; add --potential kernel")))
        }
    }
}

/// Solves from the beginning, or goes on.
pub fn solve(args: &Args, arguments: &[Vec<String>], state: Option<(&Path, &[u8])>) -> Result<Outcome> {
    let settings = settings(args)?;
    let state = state.map(|(path, bytes)| Checkpoint::from_bytes(path, bytes)).transpose()?;
    let problem = problem(args)?;
    // A directory that cannot be written should not cost a solve.
    let directory = Directory::prepare(&args.out)?;
    let writer = args.checkpoint.as_ref().map(|path| checkpoint::file(path, arguments)).transpose()?;
    let mut display = Display::new(args.quiet).keeping(writer);
    let solved = match &state {
        None => problem.continuous.solve(&settings, &mut display),
        Some(state) => problem.continuous.resume(&settings, state, &mut display),
    };
    display.finish();
    display.saved()?;
    let (solution, coupling) = solved?;
    let checkpoint = args.checkpoint.as_deref();
    let mut report = output::Report {
        solution: &solution,
        coupling: &coupling,
        problem: &problem,
        checkpoint,
        files: Vec::new(),
    };
    output::write(&directory, &mut report, args)?;
    if args.json {
        print(&report.json()?)?;
    } else if !args.quiet {
        print(&output::printed(&report))?;
    }
    Ok(if solution.status.is_converged() { Outcome::Done } else { Outcome::NotConverged })
}

/// The method and its settings.
fn settings(args: &Args) -> Result<Settings> {
    let others = [
        ("--target-sample", args.target_sample.is_some(), "draws atoms from a target's file"),
        ("--reference", args.reference.is_some(), "is for atoms"),
        ("--step-rule", args.step_rule.is_some(), "belongs to --solver asgd"),
        ("--oracle-error", args.oracle_error.is_some(), "belongs to --solver asgd"),
        ("--solver asgd", args.solver == Method::Asgd, "is for finitely many atoms"),
    ];
    if let Some((name, _, why)) = others.iter().find(|(_, given, _)| *given) {
        return Err(Failure::new(format!(
            "{name} {why}; continuous transport has none (it was chosen by --potential, or by a target that is a name)"
        )));
    }
    let of_kernels = [
        ("--kernel", args.kernel.is_some()),
        ("--bandwidth", args.bandwidth.is_some()),
        ("--rank", args.rank.is_some()),
        ("--objective", args.objective.is_some()),
    ];
    let of_gradients = [
        ("--steps", args.steps.is_some()),
        ("--batch", args.batch.is_some()),
        ("--step", args.step.is_some()),
    ];
    if args.potential != Some(Potential::Kernel)
        && let Some((name, _)) = of_kernels.iter().find(|(_, given)| *given)
    {
        return Err(Failure::new(format!("{name} needs --potential kernel")));
    }
    if args.objective.is_none()
        && let Some((name, _)) = of_gradients.iter().find(|(_, given)| *given)
    {
        return Err(Failure::new(format!(
            "{name} is for stochastic gradients; add --potential kernel --objective safe:0.03"
        )));
    }
    let default = Space::default();
    let space = Space {
        kernel: args.kernel.as_deref().map_or(Ok(default.kernel), str::parse)?,
        bandwidth: args.bandwidth,
        rank: args.rank.unwrap_or(default.rank),
    };
    let solver = match (args.potential, &args.objective) {
        (Some(Potential::Kernel), Some(objective)) => {
            let default = Sgd::default();
            Solver::Sgd(Sgd {
                objective: objective.parse::<Objective>()?,
                space,
                step: args.step,
                steps: args.steps.unwrap_or(default.steps),
                batch: args.batch.unwrap_or(default.batch),
            })
        }
        (Some(Potential::Kernel), None) => Solver::Kernel(space),
        _ => Solver::Samples,
    };
    let default = Settings::default();
    let settings = Settings {
        solver,
        tolerance: args.tolerance.unwrap_or(default.tolerance),
        seed: args.seed,
        threads: args.threads,
        max_seconds: Some(args.max_time),
        memory: Some(args.memory.bytes()),
        ..default
    };
    settings.validate()?;
    Ok(settings)
}

/// The problem that the options describe.
fn problem(args: &Args) -> Result<Problem> {
    // What costs nothing is checked before files are read.
    let divergence = divergence::parse(&args.divergence)?;
    let name = args.cost.as_deref().unwrap_or("sqeuclidean");
    let cost = cost::parse(name).map_err(|e| Failure::from(e).at(&format!("--cost {name}")))?;
    let lambda: Lambda = args.lambda.as_deref().unwrap_or("rel:0.1").parse()?;
    let columns = Columns::parse(&args.columns)?;
    let Some(target) = &args.target else {
        return Err(Failure::new("continuous transport needs --target: a name such as uniform:2, or a file"));
    };
    let open = |texts: &[String], weights| Opened::new(args, texts, weights, &columns);
    let text = [target.to_string_lossy().into_owned()];
    let target = open(&text, ("--weights", args.weights.as_deref()))?;
    let (dim, names, image) = (target.dim(), target.names(), target.image());
    let map = if args.standardize { target.standardized()? } else { None };
    if args.standardize && map.is_none() {
        return Err(Failure::new("--standardize needs --target with a file"));
    }
    let (source, source_file) = if args.source.is_empty() {
        if args.source_weights.is_some() {
            return Err(Failure::new("--source-weights needs --source with files"));
        }
        (measure::parse(&format!("gaussian:{dim}"))?, None)
    } else {
        open(&args.source, ("--source-weights", args.source_weights.as_deref()))?.finish(map.as_ref())?
    };
    if source.dim() != dim {
        return Err(Failure::new(format!(
            "the source {} has dimension {}, {} has {dim}; they must agree",
            source.name(),
            source.dim(),
            text[0]
        )));
    }
    let (target, target_file) = target.finish(map.as_ref())?;
    let standardized = map.map(|map| Standardized { source: source_file.is_some(), ..map });
    let continuous = Continuous::new(source, Arc::clone(&target), cost, divergence, lambda)?;
    Ok(Problem { continuous, names, standardized, source_file, target_file, image })
}
