//! From columns to features: numbers as they are, a feature for each value of a column of texts.

use super::data::{Data, Values, distinct, listed, shortened};
use crate::failure::{Failure, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What is done about missing cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// They are an error
    Refuse,
    /// Rows with one are left out
    Drop,
    /// Features get their mean there; labels and weights must not be missing
    Mean,
}

/// A column and the features that it becomes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its values in order, if each is a feature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub categories: Option<Vec<String>>,
    /// What stands for a missing cell: the mean of each feature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<Vec<f64>>,
}

/// How rows become features; kept in the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encoding {
    /// What is done about missing cells.
    pub missing: Missing,
    /// Whether the first category of a column has no feature.
    pub base_level: bool,
    /// The columns, in the order of the features.
    pub columns: Vec<Column>,
}

/// A column that is to be a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    /// Which.
    pub column: usize,
    /// Whether each of its values is a feature.
    pub one_hot: bool,
}

/// Rows where something is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gaps {
    /// The first: its row, and which of the columns asked about.
    pub first: (usize, usize),
    /// Missing cells.
    pub cells: usize,
    /// Rows that have one.
    pub rows: usize,
}

/// The rows that have a cell in every column, and what the others lack.
pub fn complete(n: usize, columns: &[&Values]) -> (Vec<usize>, Option<Gaps>) {
    let mut whole = Vec::with_capacity(n);
    let mut gaps: Option<Gaps> = None;
    for row in 0..n {
        let mut lacks = (0..columns.len()).filter(|k| columns[*k].is_missing(row));
        let Some(first) = lacks.next() else {
            whole.push(row);
            continue;
        };
        let gaps = gaps.get_or_insert(Gaps { first: (row, first), cells: 0, rows: 0 });
        gaps.cells += 1 + lacks.count();
        gaps.rows += 1;
    }
    (whole, gaps)
}

impl Gaps {
    /// What is missing, without the place.
    pub fn says(&self, name: &str) -> String {
        let of = match (self.cells, self.rows) {
            (1, _) => "the only such cell".to_owned(),
            (cells, 1) => format!("{cells} cells of this row are"),
            (cells, rows) => format!("{cells} cells in {rows} rows are"),
        };
        format!("'{}' is missing here ({of})", shortened(name))
    }
}

impl Column {
    /// How many features it becomes.
    fn width(&self, base_level: bool) -> usize {
        self.categories.as_ref().map_or(1, |all| all.len().saturating_sub(usize::from(base_level)))
    }

    /// Means of its features over these rows, each with its weight, as far as there are cells.
    fn means(&self, values: &Values, rows: &[usize], weights: &[f64], base_level: bool) -> Option<Vec<f64>> {
        let there: Vec<(usize, f64)> = rows
            .iter()
            .zip(weights)
            .filter(|(row, weight)| **weight > 0.0 && !values.is_missing(**row))
            .map(|(row, weight)| (*row, *weight))
            .collect();
        if there.is_empty() {
            return None;
        }
        // In units of the largest, so that no sum overflows.
        let most = there.iter().fold(0.0_f64, |most, (_, weight)| weight.max(most));
        let total: f64 = there.iter().map(|(_, weight)| weight / most).sum();
        let share = |weight: f64| weight / most / total;
        Some(match (values, &self.categories) {
            (Values::Numbers(x), _) => vec![there.iter().map(|(row, weight)| share(*weight) * x[*row]).sum()],
            (Values::Texts(texts), categories) => {
                let all = categories.iter().flatten().skip(usize::from(base_level));
                all.map(|category| {
                    let has = |row: usize| texts[row].as_ref() == Some(category);
                    there.iter().filter(|(row, _)| has(*row)).map(|(_, weight)| share(*weight)).sum()
                })
                .collect()
            }
        })
    }
}

impl Encoding {
    /// Learns the categories and means of the columns chosen from these rows and their weights.
    pub fn learn(
        data: &Data,
        (chosen, values): (&[Chosen], &[Values]),
        (rows, weights): (&[usize], &[f64]),
        (missing, base_level): (Missing, bool),
    ) -> Result<Self> {
        let mut columns = Vec::with_capacity(chosen.len());
        for (Chosen { column: at, .. }, values) in chosen.iter().zip(values) {
            let name = data.names()[*at].to_owned();
            let categories = match values {
                Values::Numbers(_) => None,
                Values::Texts(texts) => Some(distinct(rows.iter().filter_map(|row| texts[*row].as_deref()))),
            };
            let mut column = Column { name, categories, fill: None };
            if missing == Missing::Mean {
                let means = column.means(values, rows, weights, base_level).ok_or_else(|| {
                    let name = shortened(&column.name);
                    let message = format!(
                        "'{name}' has no mean: no row with weight has a cell; --without {name} leaves it out"
                    );
                    data.column_error(*at, message)
                })?;
                column.fill = Some(means);
            }
            columns.push(column);
        }
        Ok(Encoding { missing, base_level, columns })
    }

    /// How many features there are.
    pub fn width(&self) -> usize {
        self.columns.iter().map(|column| column.width(self.base_level)).sum()
    }

    /// Whether each feature is a column of numbers, not a value of one of text.
    pub fn numbers(&self) -> Vec<bool> {
        let of = |column: &Column| vec![column.categories.is_none(); column.width(self.base_level)];
        self.columns.iter().flat_map(of).collect()
    }

    /// The names of the features.
    pub fn names(&self) -> Vec<String> {
        let mut names = Vec::with_capacity(self.width());
        for column in &self.columns {
            match &column.categories {
                None => names.push(column.name.clone()),
                Some(all) => {
                    let own = all.iter().skip(usize::from(self.base_level));
                    names.extend(own.map(|category| format!("{}={category}", column.name)));
                }
            }
        }
        names
    }

    /// What is wrong with an encoding from a file, if anything.
    pub fn fault(&self) -> Option<String> {
        for column in &self.columns {
            let width = column.width(self.base_level);
            if column.categories.as_ref().is_some_and(Vec::is_empty) {
                return Some(format!("the column '{}' has no categories", shortened(&column.name)));
            }
            match &column.fill {
                Some(fill) if fill.len() != width || fill.iter().any(|x| !x.is_finite()) => {
                    return Some(format!(
                        "the means of '{}' are not {width} numbers",
                        shortened(&column.name)
                    ));
                }
                None if self.missing == Missing::Mean => {
                    return Some(format!("the column '{}' has no means", shortened(&column.name)));
                }
                _ => {}
            }
        }
        None
    }

    /// The columns of this encoding in other data, by name.
    pub fn find(&self, data: &Data) -> Result<Vec<Chosen>> {
        let needs = "the model was fitted with it";
        let of = |column: &Column| {
            let one_hot = column.categories.is_some();
            Ok(Chosen { column: data.named(&column.name, needs)?, one_hot })
        };
        self.columns.iter().map(of).collect()
    }

    /// The cells of these columns; a text where numbers were learnt is an error.
    pub fn values(data: &Data, chosen: &[Chosen]) -> Result<Vec<Values>> {
        let of = |chosen: &Chosen| {
            read(data, *chosen, |name, text| {
                format!("'{text}' is not a number; the model has learnt numbers in '{name}'")
            })
        };
        chosen.iter().map(of).collect()
    }

    /// The features of these rows, row by row.
    pub fn apply(
        &self,
        data: &Data,
        (chosen, values): (&[Chosen], &[Values]),
        rows: &[usize],
    ) -> Result<Vec<f64>> {
        let width = self.width();
        let mut features = vec![0.0; rows.len() * width];
        let mut from = 0;
        for ((column, chosen), values) in self.columns.iter().zip(chosen).zip(values) {
            let own = column.width(self.base_level);
            let slots = features.chunks_exact_mut(width.max(1)).map(move |row| &mut row[from..from + own]);
            let known = Known::new(column.categories.as_deref().unwrap_or_default());
            let category = |row: usize, text: &str| known.category(text, (data, row, chosen.column));
            match values {
                Values::Numbers(x) => {
                    for (slot, row) in slots.zip(rows) {
                        match (&column.fill, x[*row]) {
                            (Some(fill), x) if x.is_nan() => slot.copy_from_slice(fill),
                            (_, x) => slot[0] = x,
                        }
                    }
                }
                // A single category, which is the base level, has no feature but is checked all the same.
                Values::Texts(texts) if own == 0 => {
                    for row in rows {
                        if let Some(text) = &texts[*row] {
                            category(*row, text)?;
                        }
                    }
                }
                Values::Texts(texts) => {
                    for (slot, row) in slots.zip(rows) {
                        match (&texts[*row], &column.fill) {
                            (Some(text), _) => {
                                let at = category(*row, text)?;
                                if let Some(at) = at.checked_sub(usize::from(self.base_level)) {
                                    slot[at] = 1.0;
                                }
                            }
                            (None, Some(fill)) => slot.copy_from_slice(fill),
                            (None, None) => {}
                        }
                    }
                }
            }
            from += own;
        }
        Ok(features)
    }
}

/// The categories of a column, to look texts up in.
struct Known<'a> {
    all: &'a [String],
    at: HashMap<&'a str, usize>,
}

impl<'a> Known<'a> {
    fn new(all: &'a [String]) -> Self {
        Known { all, at: all.iter().enumerate().map(|(k, text)| (text.as_str(), k)).collect() }
    }

    /// Which category a text in a cell is; an error where it is none.
    fn category(&self, text: &str, (data, row, column): (&Data, usize, usize)) -> Result<usize> {
        self.at.get(text).copied().ok_or_else(|| {
            let name = shortened(data.names()[column]);
            let (text, known) = (shortened(text), listed(self.all));
            let message =
                format!("'{text}' is a value of '{name}' that the model has not seen; it knows {known}");
            data.error(row, column, message)
        })
    }
}

/// The cells of a column as they become features. `refuse` says what is wrong with a text among numbers.
pub fn read(data: &Data, chosen: Chosen, refuse: impl Fn(&str, &str) -> String) -> Result<Values> {
    if chosen.one_hot {
        return Ok(Values::Texts(data.texts(chosen.column)));
    }
    if let Some((row, text)) = data.first_text(chosen.column) {
        let name = shortened(data.names()[chosen.column]);
        return Err(data.error(row, chosen.column, refuse(&name, &text)));
    }
    Ok(Values::Numbers(data.numbers(chosen.column)))
}

/// Refuses features that cannot be held in memory together with what a fit needs: so many numbers.
pub fn fits(rows: usize, features: usize, scores: usize) -> Result<()> {
    const MOST: u64 = 4 << 30;
    let parameters = (features as u64 + 1).saturating_mul(scores as u64);
    // A few Hessians; features twice, and first and second derivatives of each row.
    let hessians = parameters.saturating_mul(parameters).saturating_mul(6);
    let of_rows = (rows as u64).saturating_mul((features + 4 * scores * scores) as u64);
    let bytes = hessians.saturating_add(of_rows.saturating_mul(2)).saturating_mul(8);
    if bytes <= MOST {
        return Ok(());
    }
    let [needs, most] = [bytes, MOST].map(fenchel::optim::Memory::new);
    let each = if scores == 1 { String::new() } else { format!(", with {scores} scores each,") };
    Err(Failure::new(format!(
        "{features} features of {rows} rows{each} would take about {needs} of memory; {most} are allowed: leave some out"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(x: &[f64]) -> Values {
        Values::Numbers(x.to_vec())
    }

    fn texts(x: &[Option<&str>]) -> Values {
        Values::Texts(x.iter().map(|t| t.map(str::to_owned)).collect())
    }

    #[test]
    fn gaps_are_counted_row_by_row() {
        let (a, b) = (numbers(&[1.0, f64::NAN, f64::NAN]), texts(&[None, Some("x"), None]));
        let (whole, gaps) = complete(3, &[&a, &b]);
        assert!(whole.is_empty());
        let gaps = gaps.unwrap();
        assert_eq!(gaps, Gaps { first: (0, 1), cells: 4, rows: 3 });
        assert!(gaps.says("b").contains("'b' is missing here (4 cells in 3 rows are)"));
        assert_eq!(complete(1, &[&a]), (vec![0], None));
        assert_eq!(complete(2, &[]), (vec![0, 1], None));
    }

    #[test]
    fn means_are_weighted_and_of_what_is_there() {
        let column = |categories: Option<&[&str]>| Column {
            name: "c".into(),
            categories: categories.map(|all| all.iter().map(|c| (*c).to_owned()).collect()),
            fill: None,
        };
        let x = numbers(&[1.0, f64::NAN, 4.0, 9.0]);
        assert_eq!(column(None).means(&x, &[0, 1, 2], &[1.0, 5.0, 2.0], true), Some(vec![3.0]));
        let x = texts(&[Some("a"), None, Some("b"), Some("c")]);
        let three = column(Some(&["a", "b", "c"]));
        assert_eq!(three.means(&x, &[0, 1, 2, 3], &[2.0, 9.0, 1.0, 1.0], true), Some(vec![0.25, 0.25]));
        assert_eq!(three.means(&x, &[0, 1, 2, 3], &[2.0, 9.0, 1.0, 1.0], false), Some(vec![0.5, 0.25, 0.25]));
        assert_eq!(column(None).means(&numbers(&[f64::NAN]), &[0], &[1.0], true), None);
        assert_eq!(column(None).means(&numbers(&[1.0]), &[0], &[0.0], true), None);
    }

    #[test]
    fn what_would_not_fit_is_refused() {
        assert!(fits(1_000_000, 100, 1).is_ok());
        assert!(fits(50, 5000, 1).is_ok());
        let message = fits(100_000, 20_000, 1).unwrap_err().to_string();
        assert!(message.contains("20000 features") && message.contains("GiB"), "{message}");
        assert!(fits(20_640, 8, 3842).is_err());
    }
}
