//! A fit to rows that stay in their files.

use super::args::FitArgs;
use super::encoding::{Column, Encoding, Missing};
use super::model::Model;
use super::output::Heavy;
use super::pictures;
use super::plan::Plan;
use super::problem::settings;
use super::records::{Basis, streamed_json};
use super::solver::{AUTO, Solver, Training};
use super::statistics::{self, Tail};
use super::strength::Setting;
use super::table::{self, Parts};
use super::watch::{Stage, Watch};
use crate::failure::{Failure, Outcome, Result, print};
use crate::input::Columns;
use crate::report;
use crate::results::Directory;
use crate::threads;
use fenchel::Error;
use fenchel::measure::file::{Roles, size_loaded, write_atomically};
use fenchel::optim::Memory;
use fenchel::robust::loss::Loss;
use fenchel::robust::{Fit, Linear, LinearModel, Options, Passes, Precision, Risk, StreamedExamples};
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes taken for each row, and for the program itself.
const ROW: u64 = 56;
const ITSELF: u64 = 24 << 20;

/// Of the memory this part is for buffers, and no more than so many bytes.
const PART: u64 = 8;
const BUFFERS: u64 = 256 << 20;

/// Fits to the files where they are, if they are too large for the memory allowed; nothing if they are not.
pub fn run(args: &FitArgs, plan: &Plan) -> Result<Option<Outcome>> {
    let (Some(memory), Some(target)) = (args.memory, &args.target) else { return Ok(None) };
    let Some(bytes) = size(&args.data)?.filter(|bytes| *bytes > memory.loaded()) else { return Ok(None) };
    let (loss, options) = settings(args)?;
    let in_memory = |what: &str| {
        let least = Memory::to_load(bytes);
        Failure::new(format!(
            "{what} needs all rows in memory: allow about {least} with --memory, or leave it out"
        ))
    };
    if !args.one_hot.is_empty() {
        return Err(in_memory("--one-hot"));
    }
    for (option, given) in [
        ("--path", plan.path.is_some()),
        ("--cross-validate", plan.validation.is_some()),
        ("--move-price", args.move_price.is_some()),
    ] {
        if given {
            return Err(in_memory(option));
        }
    }
    if args.missing != Missing::Refuse {
        return Err(in_memory("--missing other than refuse"));
    }
    let columns = Columns::parse_for("--columns", &args.columns)?;
    let without = Columns::parse_for("--without", &args.without)?;
    let [columns, without] =
        [&columns, &without].map(|c| c.names().iter().map(String::as_str).collect::<Vec<_>>());
    let roles = Roles { target, columns: &columns, without: &without, weights: args.weights.as_deref() };
    let pool = threads::pool(args.threads)?;
    let directory = Directory::prepare(&args.out)?;
    let fitted = pool.install(|| {
        let buffers = (memory.bytes() / PART).min(BUFFERS);
        let examples = StreamedExamples::open(&args.data, &roles, buffers).map_err(with_text)?;
        let fixed = ROW.saturating_mul(examples.len() as u64).saturating_add(ITSELF);
        if fixed.saturating_add(buffers) > memory.bytes() {
            let value = format!("{memory} for {} rows", report::count(examples.len() as u64));
            let least = (fixed / (PART - 1) * PART).min(fixed.saturating_add(BUFFERS)) + (1 << 20);
            return Err(Error::invalid("--memory", value, format!("at least {}", Memory::new(least))).into());
        }
        Fitted::new(args, examples, plan, (loss, options))
    })?;
    let files = fitted.write(&directory, args)?;
    if args.json {
        print(&fitted.json(args, &files)?)?;
    } else if !args.quiet {
        print(&fitted.table(args, &files)?)?;
    }
    Ok(Some(if fitted.fit.status.is_converged() { Outcome::Done } else { Outcome::NotConverged }))
}

/// Bytes of the numbers of all files; none if one is a pipe, which can be read only once.
fn size(paths: &[PathBuf]) -> Result<Option<u64>> {
    let mut total = 0_u64;
    for path in paths {
        let Some(bytes) = size_loaded(path)? else { return Ok(None) };
        total = total.saturating_add(bytes);
    }
    Ok(Some(total))
}

/// What else can be done about a cell of text.
fn with_text(error: Error) -> Failure {
    let says = error.to_string();
    let failure = Failure::from(error);
    if says.contains("is not a number") || says.contains("holds text") {
        return failure.after(
            "; --without leaves a column out, and only with all rows in memory can text become features",
        );
    }
    if says.contains("is empty")
        || says.contains("is null")
        || says.contains("is NaN")
        || says.contains("'NaN'")
    {
        return failure.after("; rows with gaps can be left out only with all rows in memory");
    }
    failure
}

/// A fit, and what is said about it.
struct Fitted {
    examples: StreamedExamples,
    classes: Vec<String>,
    options: Options,
    fit: Fit,
    model: Model,
    /// The solver's name.
    solver: &'static str,
    /// What passes have come to, if it made them; else it took Newton's steps.
    training: Option<Training>,
    /// The mean loss of the ordinary fit, if λ is relative to it.
    ordinary: Option<f64>,
    largest: f64,
    worst_mean: f64,
    cvar: Vec<Tail>,
    heaviest: Vec<Heavy>,
}

impl Fitted {
    fn new(
        args: &FitArgs,
        examples: StreamedExamples,
        plan: &Plan,
        (loss, options): (Arc<dyn Loss>, Options),
    ) -> Result<Self> {
        let (examples, classes) = examples.classified(&*loss)?;
        let loss = loss.for_classes(classes.len()).unwrap_or(loss);
        let classes: Vec<String> = classes.iter().map(|class| report::exact(*class)).collect();
        let mut watch = Watch::new(args.quiet, args.max_time);
        let fitted = fit(args, &examples, plan, (&loss, options), &mut watch);
        watch.finish();
        let Solved { fit, risk, ordinary, solver, training } = fitted?;
        let linear = LinearModel::new(loss, fit.intercept.clone(), fit.coefficients.clone())?;
        let columns = examples.names().iter();
        let columns =
            columns.map(|name| Column { name: name.clone(), categories: None, fill: None }).collect();
        let encoding = Encoding { missing: Missing::Refuse, base_level: options.intercept, columns };
        let names =
            (examples.target().to_owned(), classes.clone(), examples.weighted_by().map(str::to_owned));
        let model = Model::new(names, Setting::of(&risk), encoding, linear);
        let own = examples.weights();
        let worst_mean =
            fit.weights.iter().zip(&fit.losses).filter(|(p, _)| **p > 0.0).map(|(p, l)| p * l).sum();
        let heavy = |row: usize| {
            let (loss, weight) = (fit.losses[row], fit.weights[row]);
            Heavy { row, file: None, line: None, loss, weight }
        };
        let heaviest = statistics::heaviest(&fit.weights, &fit.losses).into_iter().map(heavy).collect();
        Ok(Fitted {
            largest: statistics::largest(&fit.losses, own),
            cvar: statistics::tails(&fit.losses, own)?,
            heaviest,
            worst_mean,
            classes,
            options,
            model,
            solver,
            training,
            ordinary,
            fit,
            examples,
        })
    }

    /// Writes all files; each appears whole or not at all. The result itself comes last and lists the others.
    fn write(&self, directory: &Directory, args: &FitArgs) -> Result<Vec<PathBuf>> {
        let (model, weights) = (directory.join("model.json"), directory.join("weights.csv"));
        self.model.save(&model)?;
        write_atomically(&weights, |out| {
            writeln!(out, "row,loss,weight")?;
            let each = self.fit.losses.iter().zip(&self.fit.weights).enumerate();
            for (row, (loss, weight)) in each {
                writeln!(out, "{row},{},{}", report::exact(*loss), report::exact(*weight))?;
            }
            Ok(())
        })?;
        let mut files = vec![directory.join("result.json"), model, weights];
        // Pictures of another run would be taken for this one's.
        for name in ["losses", "path", "validation", "convergence"] {
            directory.remove_picture(name);
        }
        if !args.no_pictures {
            let (fit, own) = (&self.fit, self.examples.weights());
            let losses = pictures::losses_of(fit, &self.model, &fit.losses, own);
            files.extend(directory.draw("losses", &losses)?);
            if let Some(training) = &self.training {
                let passes = pictures::convergence_of(fit, &self.model, &training.history, args.tolerance);
                files.extend(directory.draw("convergence", &passes)?);
            }
        }
        directory.put("result.json", self.json(args, &files)?.as_bytes())?;
        Ok(files)
    }

    fn json(&self, args: &FitArgs, files: &[PathBuf]) -> Result<String> {
        streamed_json(Basis {
            fit: &self.fit,
            model: &self.model,
            options: self.options,
            names: self.examples.names(),
            losses: (self.fit.mean_loss, self.ordinary, self.worst_mean, self.largest),
            cvar: &self.cvar,
            heaviest: &self.heaviest,
            data: label(args),
            streamed: true,
            rows: self.examples.len(),
            mean_distance: None,
            solver: (self.solver, self.training.as_ref()),
            tolerance: args.tolerance,
            files,
        })
    }

    fn table(&self, args: &FitArgs, files: &[PathBuf]) -> Result<String> {
        let (fit, n) = (&self.fit, self.examples.len());
        let mut rows = vec![
            ("status", table::status(fit.status, self.training.is_some(), args.tolerance)),
            ("objective", table::objective(fit)),
            ("mean loss", table::number(fit.mean_loss)),
            ("CVaR", table::tails(&self.cvar)),
            ("largest loss", table::number(self.largest)),
        ];
        if !self.model.risk.is_mean() {
            let effective = table::rows_worth(fit.effective_sample_size);
            rows.push(("effective sample size", format!("{effective} of {}", report::count(n as u64))));
            let heavy = self.heaviest.iter().map(|heavy| {
                let times = table::rows_worth(n as f64 * heavy.weight);
                format!("row {}: weighs {times} rows, loss {}", heavy.row + 1, table::number(heavy.loss))
            });
            rows.push(("heaviest rows", heavy.collect::<Vec<_>>().join("\n")));
        }
        let deviations: Vec<f64> = self.examples.moments(true).into_iter().map(|(_, d)| d).collect();
        let parts = Parts {
            linear: &self.model.linear,
            names: self.examples.names(),
            classes: &self.classes,
            deviations,
        };
        rows.push(("coefficients", parts.cell(self.options.intercept)));
        let how = if self.training.is_some() { "passes over files" } else { "Newton steps over files" };
        rows.push(("work", format!("{how}, {} steps in {}", fit.iterations, report::seconds(fit.seconds))));
        rows.push(("files", table::files(files)));
        let heading = format!(
            "{} from {} features, {} rows of {}, read where they are; {}",
            super::data::shortened(self.examples.target()),
            self.examples.width(),
            report::count(n as u64),
            label(args),
            self.model.words()
        );
        Ok(format!("{heading}\n\n{}", report::table(&rows)))
    }
}

/// A fit, its risk, the mean loss of the ordinary fit if λ is relative to it, and how it was found.
struct Solved {
    fit: Fit,
    risk: Risk,
    ordinary: Option<f64>,
    solver: &'static str,
    training: Option<Training>,
}

/// Fits as planned.
fn fit(
    args: &FitArgs,
    examples: &StreamedExamples,
    plan: &Plan,
    (loss, options): (&Arc<dyn Loss>, Options),
    watch: &mut Watch,
) -> Result<Solved> {
    let precision = |watch: &Watch| Precision {
        tolerance: args.tolerance,
        max_seconds: Some(watch.left()),
        ..Precision::default()
    };
    let mut ordinary = None;
    if plan.is_relative() {
        watch.begin(Stage::Fit);
        let linear = Linear::streamed(examples, loss.clone(), Risk::mean(), options)?;
        ordinary = Some(linear.fit(&precision(watch), watch)?.mean_loss);
    }
    let risk = plan.wanted.risk(plan.wanted.given(), ordinary)?;
    // The mean takes two steps over all rows.
    let solver = match plan.solver {
        Solver::Exact if args.solver == AUTO && risk.divergence().is_some() => {
            Solver::Passes(Passes::default())
        }
        solver => solver,
    };
    let linear = Linear::streamed(examples, loss.clone(), risk.clone(), options)?;
    let (mut fit, training) = solver.fit(&linear, &precision(watch), watch)?;
    fit.seconds = watch.seconds();
    Ok(Solved { fit, risk, ordinary, solver: solver.name(), training })
}

/// What to call the files.
fn label(args: &FitArgs) -> String {
    let first = args.data.first().map(|path| path.display().to_string()).unwrap_or_default();
    if args.data.len() > 1 { format!("{first} and {} more", args.data.len() - 1) } else { first }
}
