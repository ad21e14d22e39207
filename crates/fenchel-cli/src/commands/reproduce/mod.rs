//! `fenchel reproduce`

mod data;
mod experiments;
mod files;
mod findings;
mod lab;
mod page;
mod statistics;

use crate::failure::{Failure, Outcome, Result, print};
use crate::progress::interrupted;
use crate::results::Directory;
use data::{Data, Takes};
use experiments::{EXPERIMENTS, Experiment};
use fenchel::Error;
use lab::{Effort, Lab};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

const NOTE: &str = "\
Examples:
  fenchel reproduce                       what there is
  fenchel reproduce figure-1 --quick      one of them, in less than two minutes
  fenchel reproduce all --out checked     all of them, in full
  fenchel reproduce robust-regression --data houses.csv
                                          one that takes a table of yours in place of its own

Files written to DIR/NAME:
  index.html     what the paper claims, what came out and whether it holds, with the pictures; needs nothing else
  claims.json    the same for programs
  *.csv          the numbers behind the pictures, the same for the same seed
  *.svg, *.png   the pictures

Exit code 0 if the experiments ran, whatever came out; 2 for bad input; 130 if interrupted, when nothing of the
experiment at hand is written.";

/// Claims of the papers, checked: lists the experiments, or runs some
///
/// An experiment runs what a paper ran or proved, judges each claim by a stated criterion from the numbers, and
/// writes data, pictures and a page. Claims that fail are shown as failing.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = NOTE, after_help = "Examples and the files that are written: --help")]
pub struct Args {
    /// Experiments to run, or `all`; without it they are listed
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,

    /// Smaller, in less than two minutes each
    #[arg(long)]
    pub quick: bool,

    /// Smaller still: whether it runs at all
    #[arg(long, hide = true, conflicts_with = "quick")]
    pub tiny: bool,

    /// Directory for the results, in a folder for each experiment; made if it is not there
    #[arg(long, value_name = "DIR", default_value = "fenchel-reproduce")]
    pub out: PathBuf,

    /// Seed of all randomness; the same seed gives the same numbers for any number of threads
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, default_value_t = 1)]
    pub seed: u64,

    /// Data in place of an experiment's own: a table with features and a label in each row (text, NPY), or folders of images
    /// in the format of MNIST, each with its own --data
    #[arg(long, value_name = "PATH", requires = "names")]
    pub data: Vec<PathBuf>,

    /// Column of the label in the table, by name or number [default: the last]
    #[arg(long, value_name = "COLUMN", requires = "data", allow_negative_numbers = true)]
    pub target: Option<String>,

    /// Threads [default: all]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub threads: Option<usize>,

    /// No progress and no table
    #[arg(long, short)]
    pub quiet: bool,
}

/// Lists, or runs one experiment after the other.
pub fn run(args: &Args) -> Result<Outcome> {
    if args.names.is_empty() {
        print(&list())?;
        return Ok(Outcome::Done);
    }
    let chosen = choose(&args.names)?;
    if args.threads == Some(0) {
        return Err(Error::invalid("threads", 0, "at least 1").into());
    }
    let data = read_data(args, &chosen)?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(args.threads.unwrap_or(0))
        .build()
        .map_err(|e| Failure::new(format!("threads cannot be started: {e}")))?;
    for experiment in chosen {
        // A directory that cannot be written should not cost an experiment.
        let directory = args.out.join(experiment.name);
        Directory::prepare(&directory)?;
        let effort = match (args.tiny, args.quick) {
            (true, _) => Effort::Tiny,
            (_, true) => Effort::Quick,
            _ => Effort::Full,
        };
        let start = Instant::now();
        let lab = Lab::new(experiment.name, args.seed, effort, args.quiet).on(data.clone());
        let found = pool.install(|| (experiment.run)(&lab));
        lab.finish();
        let findings = match found {
            // Whatever came back of a run that was cut short is not the experiment's.
            _ if interrupted() => {
                eprintln!("interrupted: nothing of {} was written", experiment.name);
                return Ok(Outcome::Interrupted);
            }
            found => found?,
        };
        let seconds = start.elapsed().as_secs_f64();
        let written = files::write(experiment, &findings, &lab, seconds, &directory)?;
        if !args.quiet {
            print(&files::table(experiment, &findings, seconds, &written))?;
        }
    }
    Ok(Outcome::Done)
}

fn list() -> String {
    let width = EXPERIMENTS.iter().map(|e| e.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    let mut paper = "";
    for e in EXPERIMENTS {
        if e.paper != paper {
            paper = e.paper;
            text.push_str(&format!("{}{paper}\n", if text.is_empty() { "" } else { "\n" }));
        }
        let data = match e.takes {
            Takes::Nothing => String::new(),
            takes => format!("; --data takes {}", takes.words()),
        };
        text.push_str(&format!("  {:width$}  {}{data}\n", e.name, e.title));
    }
    text + "\n`fenchel reproduce NAME` runs one, `fenchel reproduce all` runs them all; --quick for a first look.\n"
}

/// The data of the user's, if there are some, which every experiment has to take.
fn read_data(args: &Args, chosen: &[&Experiment]) -> Result<Option<Arc<Data>>> {
    if args.data.is_empty() {
        return Ok(None);
    }
    let takes = chosen[0].takes;
    if let Some(other) = chosen.iter().find(|e| e.takes == Takes::Nothing || e.takes != takes) {
        let with = EXPERIMENTS.iter().filter(|e| e.takes != Takes::Nothing);
        let with: Vec<String> = with.map(|e| format!("{} {}", e.name, e.takes.words())).collect();
        let takes = other.takes.words();
        let message =
            format!("--data: {} takes {takes}; those that take data: {}", other.name, with.join(", "));
        return Err(Failure::new(message));
    }
    Ok(Some(Arc::new(Data::read(takes, &args.data, args.target.as_deref())?)))
}

/// The experiments of these names, each once, in the order of the list if all are meant.
fn choose(names: &[String]) -> Result<Vec<&'static Experiment>> {
    let mut chosen: Vec<&'static Experiment> = Vec::new();
    for name in names {
        let known = EXPERIMENTS.iter().map(|e| e.name).chain(["all"]);
        let found: Vec<_> = EXPERIMENTS.iter().filter(|e| e.name == name || name == "all").collect();
        if found.is_empty() {
            return Err(Error::unknown("experiment", name, known).into());
        }
        chosen.extend(found);
    }
    let mut seen = std::collections::HashSet::new();
    chosen.retain(|e| seen.insert(e.name));
    Ok(chosen)
}
