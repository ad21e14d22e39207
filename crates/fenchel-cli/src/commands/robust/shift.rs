//! How the rows to come may differ, as it is typed and as the engine takes it.

use super::data::shortened;
use super::problem::Problem;
use super::strength::Wanted;
use crate::failure::{Failure, Result};
use fenchel::Error;
use fenchel::divergence::{self, Divergence};
use fenchel::robust::validation::Shift;
use fenchel::robust::{Risk, Strength};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The radius of a reweighting where nothing is said.
const RADIUS: f64 = 0.1;

/// A shift as it is typed.
#[derive(Debug, Clone)]
pub enum Spec {
    /// As the rows at hand.
    None,
    /// Reweighted within a radius of the divergence of the fit.
    Within(f64),
    /// Reweighted by a divergence of its own.
    Reweighted(Arc<dyn Divergence>),
    /// Other shares of the values of a column.
    Group(String),
    /// A column moved, by so many standard deviations if that is said.
    Feature(String),
}

impl Spec {
    /// Names that its column may have.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Spec::None | Spec::Within(_) | Spec::Reweighted(_) => Vec::new(),
            Spec::Group(column) => vec![column],
            Spec::Feature(text) => {
                [Some(&text[..]), text.rsplit_once(':').map(|parts| parts.0)].into_iter().flatten().collect()
            }
        }
    }

    /// What the text says.
    pub fn parse(text: &str) -> Result<Self> {
        let (kind, rest) = match text.trim().split_once(':') {
            Some((kind, rest)) => (kind, Some(rest.trim())),
            None => (text.trim(), None),
        };
        match (kind, rest) {
            ("none", None) => Ok(Spec::None),
            ("reweighted", None) => Ok(Spec::Within(RADIUS)),
            ("reweighted", Some(rest)) => match rest.parse::<f64>() {
                Ok(radius) if radius >= 0.0 && radius.is_finite() => Ok(Spec::Within(radius)),
                Ok(radius) => {
                    let expected = "a finite number, at least 0";
                    Err(Error::invalid("--shift: radius", radius, expected).into())
                }
                Err(_) => {
                    let f = divergence::parse(rest).map_err(|e| Failure::from(e).at("--shift"))?;
                    Ok(Spec::Reweighted(f))
                }
            },
            ("group" | "feature", None | Some("")) => {
                Err(Failure::new(format!("--shift {kind} needs a column, as in {kind}:age")))
            }
            ("group", Some(column)) => Ok(Spec::Group(column.to_owned())),
            ("feature", Some(column)) => Ok(Spec::Feature(column.to_owned())),
            _ => Err(Error::invalid(
                "--shift",
                format!("'{}'", shortened(text)),
                "none, reweighted, reweighted:RADIUS, reweighted:DIVERGENCE, group:COLUMN or feature:COLUMN",
            )
            .into()),
        }
    }

    /// The shift of these rows, and what to call it.
    pub fn of(&self, problem: &Problem, wanted: &Wanted) -> Result<(Shift, String)> {
        let risk = |f: &Arc<dyn Divergence>, radius: f64| {
            // Tail means and the largest loss have no radius.
            let strength = if f.is_smooth() { Strength::Radius(radius) } else { Strength::Penalty(1.0) };
            let within = if f.is_smooth() { format!(" within radius {radius}") } else { String::new() };
            let words = format!("the worst mean of held-out losses, {}{within}", f.name());
            Ok((Shift::Reweighted(Risk::new(f.clone(), strength)?), words))
        };
        match self {
            Spec::None => Ok((Shift::None, "the mean of held-out losses".to_owned())),
            Spec::Within(radius) => match wanted.divergence() {
                Some(f) => risk(f, *radius),
                None => Ok((Shift::None, "the mean of held-out losses".to_owned())),
            },
            Spec::Reweighted(f) => risk(f, RADIUS),
            Spec::Group(column) => {
                let at = problem.data.find("--shift", column)?;
                let words = format!("the largest mean held-out loss by {}", name(problem, at));
                Ok((Shift::Groups(groups(problem, at)), words))
            }
            Spec::Feature(text) => {
                let (column, amount) = amount(problem, text);
                let at = problem.data.find("--shift", column)?;
                let shift = Shift::tilted(&numbers(problem, at)?, amount)
                    .map_err(|e| problem.data.column_error(at, format!("--shift: {e}")))?;
                let way = if amount < 0.0 { "smaller" } else { "larger" };
                let plural = if amount.abs() == 1.0 { "" } else { "s" };
                let words = format!(
                    "the mean of held-out losses where {} is {way} by {} standard deviation{plural}",
                    name(problem, at),
                    amount.abs()
                );
                Ok((shift, words))
            }
        }
    }
}

fn name(problem: &Problem, column: usize) -> String {
    shortened(problem.data.names()[column])
}

/// A number for each value of a column; rows without one are a group of their own.
fn groups(problem: &Problem, column: usize) -> Vec<u32> {
    let texts = problem.data.texts(column);
    let mut known: BTreeMap<Option<&str>, u32> = BTreeMap::new();
    let of = |row: &usize| {
        let next = known.len() as u32;
        *known.entry(texts[*row].as_deref()).or_insert(next)
    };
    problem.rows.iter().map(of).collect()
}

/// The column, and by how much it moves: what stands after a last colon, unless that belongs to its name.
fn amount<'a>(problem: &Problem, text: &'a str) -> (&'a str, f64) {
    match text.rsplit_once(':') {
        Some((column, number)) if !problem.data.names().contains(&text) => match number.trim().parse() {
            Ok(amount) => (column, amount),
            Err(_) => (text, 1.0),
        },
        _ => (text, 1.0),
    }
}

/// The numbers of a column in the rows that are used.
fn numbers(problem: &Problem, column: usize) -> Result<Vec<f64>> {
    let (data, name) = (&problem.data, name(problem, column));
    let all = data.numbers(column);
    if let Some(row) = problem.rows.iter().find(|row| !all[**row].is_finite()) {
        let message = format!("'{name}' is no number here; --shift feature:{name} wants one in every row");
        return Err(data.error(*row, column, message));
    }
    Ok(problem.rows.iter().map(|row| all[*row]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts_as_typed() {
        assert!(matches!(Spec::parse("none"), Ok(Spec::None)));
        assert!(matches!(Spec::parse(" reweighted "), Ok(Spec::Within(r)) if r == RADIUS));
        assert!(matches!(Spec::parse("reweighted:0.5"), Ok(Spec::Within(0.5))));
        assert!(
            matches!(Spec::parse("reweighted:cvar:0.2"), Ok(Spec::Reweighted(f)) if f.name() == "cvar:0.2")
        );
        assert!(matches!(Spec::parse("group:a:b"), Ok(Spec::Group(c)) if c == "a:b"));
        assert!(matches!(Spec::parse("feature:a:2"), Ok(Spec::Feature(c)) if c == "a:2"));
        for (bad, part) in [
            ("", "group:COLUMN"),
            ("none:1", "group:COLUMN"),
            ("worse", "'worse'"),
            ("group", "group:age"),
            ("feature:", "feature:age"),
            ("reweighted:-1", "at least 0"),
            ("reweighted:nan", "at least 0"),
            ("reweighted:cvr", "cvr"),
        ] {
            let error = Spec::parse(bad).unwrap_err().to_string();
            assert!(error.contains(part), "{bad}: {error}");
        }
    }
}
