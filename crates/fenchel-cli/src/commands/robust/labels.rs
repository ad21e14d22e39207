//! From the column of labels to what a loss takes: numbers, counts, signs, classes.

use super::data::{Data, Values, distinct, listed, shortened};
use crate::failure::{Failure, Result};
use crate::report;
use fenchel::robust::loss::{Labels, Loss};
use std::collections::HashMap;
use std::sync::Arc;

/// Whether labels are the names of classes.
pub fn are_classes(loss: &dyn Loss) -> bool {
    matches!(loss.labels(), Labels::Sign | Labels::Class)
}

/// The cells of the column; a text where the loss takes numbers is an error.
pub fn read(data: &Data, column: usize, loss: &dyn Loss) -> Result<Values> {
    if are_classes(loss) {
        return Ok(Values::Texts(data.texts(column)));
    }
    if let Some((row, text)) = data.first_text(column) {
        let message = format!(
            "the label '{text}' is not a number, as {} wants it (classes: --loss logistic or multinomial)",
            loss.name()
        );
        return Err(data.error(row, column, message));
    }
    Ok(Values::Numbers(data.numbers(column)))
}

/// The classes of these rows, in order: none if labels are numbers. The loss comes back for as many.
pub fn learn(
    data: &Data,
    (column, values): (usize, &Values),
    rows: &[usize],
    loss: Arc<dyn Loss>,
) -> Result<(Arc<dyn Loss>, Vec<String>)> {
    let Values::Texts(texts) = values else { return Ok((loss, Vec::new())) };
    let classes = distinct(rows.iter().filter_map(|row| texts[*row].as_deref()));
    let name = loss.name();
    if let [only] = &classes[..] {
        let message = format!("every label is '{}'; {name} wants at least two classes", shortened(only));
        return Err(data.column_error(column, message));
    }
    if loss.labels() == Labels::Sign && classes.len() > 2 {
        let message = format!(
            "the labels have {} classes ({}); {name} takes two, --loss multinomial takes more",
            classes.len(),
            listed(&classes)
        );
        return Err(data.column_error(column, message));
    }
    Ok((loss.for_classes(classes.len()).unwrap_or(loss), classes))
}

/// The labels of these rows as the loss takes them. Classes must be known.
pub fn encode(
    data: &Data,
    (column, values): (usize, &Values),
    rows: &[usize],
    loss: &dyn Loss,
    classes: &[String],
) -> Result<Vec<f64>> {
    let mut labels = Vec::with_capacity(rows.len());
    match values {
        Values::Numbers(numbers) => {
            for &row in rows {
                if loss.labels() == Labels::Count && numbers[row] < 0.0 {
                    let (label, name) = (report::exact(numbers[row]), loss.name());
                    let message = format!("the label {label} is below 0; {name} wants counts");
                    return Err(data.error(row, column, message));
                }
                labels.push(numbers[row]);
            }
        }
        Values::Texts(texts) => {
            let at: HashMap<&str, usize> =
                classes.iter().enumerate().map(|(k, class)| (class.as_str(), k)).collect();
            for &row in rows {
                let text = texts[row].as_deref().unwrap_or_default();
                let Some(&class) = at.get(text) else {
                    let message = format!(
                        "the label '{}' is none of the model's classes: {}",
                        shortened(text),
                        listed(classes)
                    );
                    return Err(data.error(row, column, message));
                };
                labels.push(number(loss, class));
            }
        }
    }
    Ok(labels)
}

/// The label of a class, counted from 0.
fn number(loss: &dyn Loss, class: usize) -> f64 {
    match (loss.labels(), class) {
        (Labels::Sign, 0) => -1.0,
        (Labels::Sign, _) => 1.0,
        _ => class as f64,
    }
}

/// The class of a label that a model predicts.
pub fn class(loss: &dyn Loss, label: f64) -> usize {
    match loss.labels() {
        Labels::Sign => usize::from(label > 0.0),
        _ => label as usize,
    }
}

/// The rows' own weights; all the same without a column.
pub fn weights(data: &Data, column: Option<(usize, &Values)>, rows: &[usize]) -> Result<Vec<f64>> {
    let Some((column, Values::Numbers(numbers))) = column else { return Ok(vec![1.0; rows.len()]) };
    if let Some(&row) = rows.iter().find(|row| numbers[**row] < 0.0) {
        let weight = report::exact(numbers[row]);
        let message = format!("the weight {weight} is negative; at least 0 is wanted");
        return Err(data.error(row, column, message));
    }
    let weights: Vec<f64> = rows.iter().map(|row| numbers[*row]).collect();
    if weights.iter().all(|weight| *weight == 0.0) {
        return Err(data.column_error(column, "every weight is zero; at least one must be above 0"));
    }
    Ok(weights)
}

/// The cells of a column of weights.
pub fn read_weights(data: &Data, column: usize) -> Result<Values> {
    if let Some((row, text)) = data.first_text(column) {
        let message = format!("the weight '{text}' is not a number; a number is wanted");
        return Err(data.error(row, column, message));
    }
    Ok(Values::Numbers(data.numbers(column)))
}

/// What is said where a label or weight is missing and may not be.
pub fn missing(what: &str, says: &str) -> String {
    format!("{what} {says}; --missing drop leaves such rows out")
}

/// A failure because nothing is left.
pub fn nothing_left(data: &Data) -> Failure {
    data.file_error("every row has a missing cell; --without leaves columns out")
}

#[cfg(test)]
mod tests {
    use super::*;
    use fenchel::robust::loss::parse;

    #[test]
    fn classes_and_labels_invert_each_other() {
        for (name, classes) in [("hinge", 2), ("logistic", 2), ("multinomial", 4)] {
            let loss = parse(name).unwrap();
            let loss = loss.for_classes(classes).unwrap_or(loss);
            for k in 0..classes {
                assert_eq!(class(&*loss, number(&*loss, k)), k, "{name}");
            }
        }
        assert_eq!(number(&*parse("hinge").unwrap(), 0), -1.0);
    }
}
