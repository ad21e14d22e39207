//! `fenchel max FILE`

use crate::failure::{Failure, Outcome, Result, print};
use crate::report;
use crate::results::{json, quoted};
use fenchel::measure::file::{Table, write_atomically};
use fenchel::smoothmax::SmoothMax;
use fenchel::{Error, divergence};
use std::path::PathBuf;

/// Weights shown in the table.
const SHOWN: usize = 5;

const EXAMPLES: &str = "\
Examples:
  fenchel max losses.csv --column loss
      log mean exp of the column: Kullback–Leibler divergence, λ = 1, uniform reference.

  fenchel max losses.csv --column loss --divergence cvar:0.05
      The mean of the worst 5% (conditional value at risk).

  fenchel max logits.npy --divergence tsallis:1.5 --lambda 0.5 --weights-out p.csv
      Sparse weights, written to p.csv.";

/// The smooth maximum of a column of numbers
///
/// The largest Σ p u − λ Σ η f(p/η) over probability vectors p, for the scores u of a column: between the
/// η-mean of the scores (λ large) and their maximum (λ small). It prints the value, the threshold τ (scores well
/// below it hardly count), the effective number of scores 1/Σp², and the largest weights p.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = EXAMPLES, after_help = "Examples: --help")]
pub struct Args {
    /// CSV, NPY or IDX file
    pub file: PathBuf,

    /// Column of the scores, by name or number from 1; needed if there are several
    #[arg(long, value_name = "COLUMN")]
    pub column: Option<String>,

    /// Divergence (`fenchel list divergences`)
    #[arg(long, value_name = "NAME", default_value = "kl")]
    pub divergence: String,

    /// Temperature λ, in units of the scores
    #[arg(long, value_name = "NUMBER", default_value = "1", allow_negative_numbers = true)]
    pub lambda: String,

    /// Column of the reference weights η (uniform without it; for kl they need not sum to 1)
    #[arg(long, value_name = "COLUMN")]
    pub reference: Option<String>,

    /// File for all weights, as CSV: index, score, weight
    #[arg(long, value_name = "FILE")]
    pub weights_out: Option<PathBuf>,

    /// The result as JSON on standard output instead of the table
    #[arg(long)]
    pub json: bool,
}

/// What is printed as JSON.
#[derive(serde::Serialize)]
struct Record {
    value: f64,
    threshold: f64,
    effective_number: f64,
    scores: usize,
    maximum: f64,
    mean: f64,
    divergence: String,
    lambda: f64,
    column: String,
    largest: Vec<Weight>,
}

/// A score and its weight.
#[derive(serde::Serialize)]
struct Weight {
    index: usize,
    score: f64,
    weight: f64,
}

/// Reads, evaluates, prints.
pub fn run(args: &Args) -> Result<Outcome> {
    let divergence = divergence::parse(&args.divergence)?;
    let lambda = match args.lambda.trim().parse::<f64>() {
        Ok(v) if v.is_finite() && v > 0.0 => v,
        _ => {
            return Err(
                Error::invalid("lambda", format!("'{}'", args.lambda), "a finite number above 0").into()
            );
        }
    };
    let Scores { column, u, eta } = scores(args)?;
    let mut smooth = SmoothMax::new(divergence.clone(), lambda)?;
    if let Some(masses) = &eta {
        smooth = smooth.with_reference(masses)?;
    }
    let mut p = vec![0.0; u.len()];
    let found = smooth.evaluate(&u, &mut p)?;

    if let Some(path) = &args.weights_out {
        write_atomically(path, |out| {
            writeln!(out, "index,{},weight", quoted(column.name()))?;
            u.iter().zip(&p).enumerate().try_for_each(|(i, (u, p))| writeln!(out, "{i},{u},{p}"))
        })?;
    }
    let mut order: Vec<usize> = (0..u.len()).filter(|i| p[*i] > 0.0).collect();
    order.sort_by(|a, b| p[*b].total_cmp(&p[*a]).then(a.cmp(b)));
    let largest =
        order.iter().take(SHOWN).map(|&index| Weight { index, score: u[index], weight: p[index] }).collect();
    let record = Record {
        value: found.value,
        threshold: found.threshold,
        effective_number: 1.0 / p.iter().map(|p| p * p).sum::<f64>(),
        scores: u.len(),
        maximum: maximum(&u, eta.as_deref()),
        mean: mean(&u, eta.as_deref()),
        divergence: divergence.name(),
        lambda,
        column: column.label(),
        largest,
    };
    if args.json {
        print(&json(&record)?)?;
    } else {
        print(&record.table(args))?;
    }
    Ok(Outcome::Done)
}

/// What was read.
struct Scores {
    column: Column,
    u: Vec<f64>,
    eta: Option<Vec<f64>>,
}

/// A column by name, or by number from 1 where it has none.
enum Column {
    Named(String),
    Numbered(usize),
}

impl Column {
    /// A name for the head of a column.
    fn name(&self) -> &str {
        match self {
            Column::Named(name) => name,
            Column::Numbered(_) => "score",
        }
    }

    /// What to call it in a sentence.
    fn label(&self) -> String {
        match self {
            Column::Named(name) => name.clone(),
            Column::Numbered(number) => number.to_string(),
        }
    }
}

/// Reads the column of the scores and that of the reference.
fn scores(args: &Args) -> Result<Scores> {
    let reference = args.reference.as_deref();
    let found = |table: &Table, index: usize| match table.columns() {
        Some(names) => Column::Named(names[index].clone()),
        None => Column::Numbered(index + 1),
    };
    let table = match (Table::read(&args.file), &args.column) {
        (Ok(table), _) => table,
        (Err(error), None) => return Err(error.into()),
        // Columns that were not asked for may hold anything.
        (Err(_), Some(name)) => {
            let only = Table::read_columns(&args.file, &[name])?;
            let eta = reference.map(|r| Table::read_columns(&args.file, &[r])?.weights("1")).transpose()?;
            return Ok(Scores { column: found(&only, 0), u: only.values().to_vec(), eta });
        }
    };
    let index = match &args.column {
        Some(name) => table.column_index(name)?,
        None => {
            let taken = reference.map(|r| table.column_index(r)).transpose()?;
            let mut free = (0..table.width()).filter(|c| Some(*c) != taken);
            match (free.next(), free.next()) {
                (Some(only), None) => only,
                (None, _) => {
                    let path = args.file.display();
                    return Err(Failure::new(format!("{path}: no column is left for the scores")));
                }
                _ => {
                    let names =
                        table.columns().map_or_else(|| format!("1 to {}", table.width()), |n| n.join(", "));
                    let path = args.file.display();
                    return Err(Failure::new(format!(
                        "{path} has several columns; say which with --column ({names})"
                    )));
                }
            }
        }
    };
    Ok(Scores {
        column: found(&table, index),
        u: table.values().iter().skip(index).step_by(table.width()).copied().collect(),
        eta: reference.map(|r| table.weights(r)).transpose()?,
    })
}

/// The largest score with reference mass.
fn maximum(u: &[f64], eta: Option<&[f64]>) -> f64 {
    let counts = |i: usize| eta.is_none_or(|eta| eta[i] > 0.0);
    u.iter().enumerate().filter(|(i, _)| counts(*i)).map(|(_, u)| *u).fold(f64::NEG_INFINITY, f64::max)
}

/// The mean under the reference; each term is scaled before it is added, so that no sum overflows.
fn mean(u: &[f64], eta: Option<&[f64]>) -> f64 {
    match eta {
        None => u.iter().map(|v| v / u.len() as f64).sum(),
        Some(eta) => {
            let most = eta.iter().fold(0.0, |m: f64, v| m.max(*v));
            let total: f64 = eta.iter().map(|v| v / most).sum();
            u.iter().zip(eta).map(|(u, v)| u * (v / most / total)).sum()
        }
    }
}

impl Record {
    fn table(&self, args: &Args) -> String {
        let number = |v: f64| report::plain(v, 10);
        let mut rows = vec![
            ("value", number(self.value)),
            ("threshold", number(self.threshold)),
            ("maximum, mean", format!("{}, {}", number(self.maximum), number(self.mean))),
            (
                "effective number",
                format!(
                    "{} of {}",
                    report::significant(self.effective_number, 5),
                    report::count(self.scores as u64)
                ),
            ),
        ];
        let lines: Vec<String> = self
            .largest
            .iter()
            .map(|w| {
                format!(
                    "{}  at index {}, score {}",
                    report::significant(w.weight, 5),
                    w.index,
                    number(w.score)
                )
            })
            .collect();
        rows.push(("largest weights", lines.join("\n")));
        if let Some(path) = &args.weights_out {
            rows.push(("file", path.display().to_string()));
        }
        let lambda = report::plain(self.lambda, 6);
        format!(
            "smooth maximum of column {} of {}; divergence {}, λ = {lambda}\n\n{}",
            self.column,
            args.file.display(),
            self.divergence,
            report::table(&rows)
        )
    }
}
