//! `fenchel robust evaluate MODEL DATA`

use super::apply::{apply, predictions};
use super::args::EvaluateArgs;
use super::data::{Data, Values, distinct, meant, shortened};
use super::labels;
use super::model::Model;
use super::statistics::{Quality, Rows, SHARES};
use super::table::{number, tails};
use super::tables::columns;
use crate::failure::{Outcome, Result, print};
use crate::report;
use crate::results::json;
use fenchel::robust::{Examples, Risk};
use serde::Serialize;

/// Groups that are shown; where there are more, those with the largest mean loss.
const SHOWN: usize = 30;

/// What is printed as JSON.
#[derive(Debug, Serialize)]
struct Record {
    model: String,
    data: String,
    target: String,
    loss: String,
    divergence: String,
    lambda: Option<f64>,
    radius: Option<f64>,
    move_price: Option<f64>,
    weights: Option<String>,
    rows_left_out: usize,
    #[serde(flatten)]
    all: Quality,
    by: Option<String>,
    groups: Option<Vec<Group>>,
}

/// The rows with one value in a column.
#[derive(Debug, Serialize)]
struct Group {
    /// The value; none where it is missing.
    value: Option<String>,
    /// None where no row has weight.
    #[serde(flatten)]
    quality: Option<Quality>,
}

/// Reads, evaluates, prints.
pub fn run(args: &EvaluateArgs) -> Result<Outcome> {
    let model = Model::load(&args.model)?;
    let data = Data::read(&args.data, &|all| {
        let mut needed = model.needs(all);
        let own = [Some(&model.target), model.weights.as_ref()].into_iter().flatten();
        needed.extend(own.filter_map(|name| all.iter().position(|n| n == name)));
        needed.extend(args.by.as_ref().and_then(|column| meant(all, column)));
        needed
    })?;
    let by = args.by.as_ref().map(|column| data.find("--by", column)).transpose()?;
    let record = evaluate(&model, &data, by, args)?;
    if args.json {
        print(&json(&record)?)?;
    } else {
        print(&record.table(&model))?;
    }
    Ok(Outcome::Done)
}

fn evaluate(model: &Model, data: &Data, by: Option<usize>, args: &EvaluateArgs) -> Result<Record> {
    let (linear, loss) = (&model.linear, model.linear.loss());
    let target = data.named(&model.target, "the model predicts it, and is held against it")?;
    let of_target = labels::read(data, target, loss)?;
    // Data without the column of weights are taken as they are.
    let weighted = model.weights.as_ref().filter(|name| data.names().contains(&name.as_str()));
    let weights = weighted.map(|name| data.named(name, "the model was fitted with it")).transpose()?;
    let of_weights = weights.map(|column| labels::read_weights(data, column)).transpose()?;
    let weights: Option<(usize, &Values)> = weights.zip(of_weights.as_ref());

    let mut besides = vec![(target, &of_target, "the label")];
    besides.extend(weights.map(|(column, values)| (column, values, "the weight")));
    let applied = apply(model, data, &besides)?;
    if applied.rows.is_empty() {
        return Err(labels::nothing_left(data));
    }
    let numbers = labels::encode(data, (target, &of_target), &applied.rows, loss, &model.classes)?;
    let masses = labels::weights(data, weights, &applied.rows)?;
    let predictions = predictions(model, &applied)?;
    let rows = applied.rows;
    let left_out = data.len() - rows.len();
    let examples = Examples::new(linear.width(), applied.features, numbers)?.weighted(masses)?;
    let losses = linear.losses(&examples)?;
    if let Some(at) = losses.iter().position(|loss| !loss.is_finite()) {
        let message = format!("the loss is {}: the model's score is out of range here", losses[at]);
        return Err(data.error(rows[at], target, message));
    }
    let risk = model.risk.risk()?;
    let moved = match &model.risk.moves {
        None => None,
        Some(moves) => Some(moves.perturbation()?.moves(linear, &examples)?),
    };
    let all = Rows {
        losses: &losses,
        worst: moved.as_ref().map_or(&losses, |moved| &moved.losses),
        labels: examples.labels(),
        predictions: &predictions,
        weights: examples.weights(),
    };
    let groups = by.map(|column| groups(model, &risk, (data, column), &rows, all)).transpose()?;
    Ok(Record {
        model: args.model.display().to_string(),
        data: data.label(),
        target: model.target.clone(),
        loss: loss.name(),
        divergence: model.risk.divergence.clone(),
        lambda: model.risk.lambda,
        radius: model.risk.radius,
        move_price: model.risk.moves.as_ref().map(|moves| moves.price),
        weights: weighted.cloned(),
        rows_left_out: left_out,
        all: all.quality(loss, &risk)?,
        by: by.map(|column| data.names()[column].to_owned()),
        groups,
    })
}

/// The same numbers for the rows of each value of a column, in the order of values.
fn groups(
    model: &Model,
    risk: &Risk,
    (data, column): (&Data, usize),
    rows: &[usize],
    all: Rows<'_>,
) -> Result<Vec<Group>> {
    let texts = data.texts(column);
    let of = |at: usize| texts[rows[at]].as_deref();
    let values = distinct((0..rows.len()).filter_map(of));
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); values.len() + 1];
    let at: std::collections::HashMap<&str, usize> =
        values.iter().enumerate().map(|(k, value)| (value.as_str(), k)).collect();
    for i in 0..rows.len() {
        // Those without a value come last.
        members[of(i).and_then(|value| at.get(value).copied()).unwrap_or(values.len())].push(i);
    }
    let mut groups = Vec::with_capacity(members.len());
    for (k, members) in members.iter().enumerate().filter(|(_, members)| !members.is_empty()) {
        let pick = |numbers: &[f64]| members.iter().map(|i| numbers[*i]).collect::<Vec<f64>>();
        let (losses, labels) = (pick(all.losses), pick(all.labels));
        let (predictions, weights, worst) = (pick(all.predictions), pick(all.weights), pick(all.worst));
        let rows = Rows {
            losses: &losses,
            worst: &worst,
            labels: &labels,
            predictions: &predictions,
            weights: &weights,
        };
        let quality = if weights.iter().any(|weight| *weight > 0.0) {
            Some(rows.quality(model.linear.loss(), risk)?)
        } else {
            None
        };
        groups.push(Group { value: values.get(k).cloned(), quality });
    }
    Ok(groups)
}

impl Record {
    fn table(&self, model: &Model) -> String {
        let q = &self.all;
        let mut rows = vec![
            ("mean loss", number(q.mean_loss)),
            ("CVaR", tails(&q.cvar)),
            ("largest loss", number(q.largest_loss)),
        ];
        if model.risk.has_worst_case() {
            rows.push(("worst case", format!("{} ({})", number(q.worst_case), model.risk.words())));
        }
        if let Some(rmse) = q.rmse {
            let r2 = q.r2.map_or("unknown: labels do not vary".to_owned(), |r2| report::significant(r2, 4));
            rows.push(("RMSE, R²", format!("{}, {r2}", number(rmse))));
        }
        if let Some(accuracy) = q.accuracy {
            rows.push(("accuracy", report::significant(accuracy, 4)));
        }
        match (&self.weights, &model.weights) {
            (Some(column), _) => rows.push(("weights", shortened(column))),
            (None, Some(column)) => {
                let says = format!("all the same: the data have no column '{}'", shortened(column));
                rows.push(("weights", says));
            }
            (None, None) => {}
        }
        if self.rows_left_out > 0 {
            let left_out = report::count(self.rows_left_out as u64);
            rows.push(("left out", format!("{left_out} with a missing cell")));
        }
        let heading = format!(
            "{} of {}: {}, {} {} of {}",
            shortened(&self.target),
            self.model,
            model.words(),
            report::count(q.rows as u64),
            if q.rows == 1 { "row" } else { "rows" },
            self.data
        );
        let mut text = format!("{heading}\n\n{}", report::table(&rows));
        if let (Some(by), Some(groups)) = (&self.by, &self.groups) {
            text.push('\n');
            text.push_str(&group_table(by, groups, model.risk.has_worst_case()));
        }
        text
    }
}

/// One line a group.
fn group_table(by: &str, groups: &[Group], has_worst_case: bool) -> String {
    let mut shown: Vec<&Group> = groups.iter().collect();
    if shown.len() > SHOWN {
        let mean = |group: &Group| group.quality.as_ref().map_or(f64::NEG_INFINITY, |q| q.mean_loss);
        shown.sort_by(|a, b| mean(b).total_cmp(&mean(a)));
        shown.truncate(SHOWN);
    }
    let accurate = groups.iter().flat_map(|g| &g.quality).any(|q| q.accuracy.is_some());
    let mut head = vec![shortened(by), "rows".to_owned(), "mean".to_owned()];
    head.extend(SHARES.iter().map(|share| format!("{} %", 100.0 * share)));
    head.push("largest".to_owned());
    if has_worst_case {
        head.push("worst case".to_owned());
    }
    head.extend((if accurate { &["accuracy"][..] } else { &["RMSE", "R²"] }).iter().map(|s| (*s).to_owned()));
    let count = head.len();
    let mut lines = vec![head];
    for group in shown {
        let mut line = vec![group.value.as_deref().map_or("(missing)".to_owned(), shortened)];
        match &group.quality {
            None => line.push("no weight".to_owned()),
            Some(q) => {
                line.extend([report::count(q.rows as u64), number(q.mean_loss)]);
                line.extend(q.cvar.iter().map(|tail| number(tail.value)));
                line.push(number(q.largest_loss));
                if has_worst_case {
                    line.push(number(q.worst_case));
                }
                let last = if accurate { vec![q.accuracy] } else { vec![q.rmse, q.r2] };
                line.extend(last.into_iter().map(|v| v.map_or("–".to_owned(), number)));
            }
        }
        line.resize(count, String::new());
        lines.push(line);
    }
    let by = shortened(by);
    let mut text = format!("  by {by}; 50 %, …: mean of the largest losses of that share\n\n");
    text.push_str(&columns(&lines));
    if groups.len() > SHOWN {
        let all = report::count(groups.len() as u64);
        text.push_str(&format!(
            "  the {SHOWN} of {all} groups with the largest mean loss; all with --json\n"
        ));
    }
    text
}
