//! `fenchel robust predict MODEL DATA`

use super::apply::{Applied, apply, class_of, predictions};
use super::args::PredictArgs;
use super::data::Data;
use super::model::Model;
use crate::failure::{Outcome, Result, print};
use crate::report;
use crate::results::quoted;
use fenchel::measure::file::write_atomically;

/// Reads, predicts, writes.
pub fn run(args: &PredictArgs) -> Result<Outcome> {
    let model = Model::load(&args.model)?;
    let data = Data::read(&args.data, &|all| model.needs(all))?;
    let applied = apply(&model, &data, &[])?;
    let text = csv(&model, data.len(), &applied)?;
    match &args.out {
        Some(path) => write_atomically(path, |out| out.write_all(text.as_bytes()))?,
        None => print(&text)?,
    }
    let empty = data.len() - applied.rows.len();
    if empty > 0 {
        let rows = if empty == 1 { "row has a missing cell and" } else { "rows have missing cells and" };
        eprintln!("note: {} {rows} no prediction", report::count(empty as u64));
    }
    Ok(Outcome::Done)
}

/// One line a row of the data: its number, the prediction, and what is known besides.
fn csv(model: &Model, rows: usize, applied: &Applied) -> Result<String> {
    let predictions = predictions(model, applied)?;
    let (linear, n) = (&model.linear, applied.rows.len());
    let columns = match model.classes.len() {
        classes if linear.has_probabilities() => classes,
        classes => classes.min(1),
    };
    let mut more = vec![0.0; n * columns];
    let mut head = String::from("row,prediction");
    if linear.has_probabilities() {
        linear.probabilities(&applied.features, &mut more)?;
        for class in &model.classes {
            head.push_str(&format!(",{}", quoted(&format!("P({class})"))));
        }
    } else if columns == 1 {
        linear.scores(&applied.features, &mut more)?;
        head.push_str(",score");
    }
    let mut text = head + "\n";
    let mut next = 0;
    for row in 0..rows {
        text.push_str(&format!("{row},"));
        if applied.rows.get(next) == Some(&row) {
            match class_of(model, predictions[next]) {
                Some(class) => text.push_str(&quoted(class)),
                None => text.push_str(&report::exact(predictions[next])),
            }
            for number in &more[next * columns..(next + 1) * columns] {
                text.push_str(&format!(",{}", report::exact(*number)));
            }
            next += 1;
        } else {
            text.push_str(&",".repeat(columns));
        }
        text.push('\n');
    }
    Ok(text)
}
