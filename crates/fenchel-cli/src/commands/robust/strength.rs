//! How far the worst case may stray: the divergence and its strength, from options and from a model.

use super::args::FitArgs;
use super::moves::Moves;
use crate::failure::{Failure, Result};
use fenchel::Error;
use fenchel::divergence::{self, Divergence};
use fenchel::robust::{Risk, Strength};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The name of the divergence with which nothing strays.
const MEAN: &str = "mean";

/// The radius where nothing is said.
const RADIUS: f64 = 0.1;

/// As many strengths as a path may have that is only counted.
const MOST: usize = 1000;

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Wanted {
    divergence: Option<Arc<dyn Divergence>>,
    strength: Given,
}

/// A strength as it was given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Given {
    /// It changes nothing: for the mean, the largest loss, tail means.
    Nothing,
    /// A price in the unit of the losses.
    Lambda(f64),
    /// Times the mean loss of the ordinary fit.
    Relative(f64),
    /// How large the divergence may be.
    Radius(f64),
}

/// A risk as a model keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// The divergence, or `mean`.
    pub divergence: String,
    /// λ, if that was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f64>,
    /// The radius, if that was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub radius: Option<f64>,
    /// Where rows may be moved as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moves: Option<Moves>,
}

impl Wanted {
    /// What the options ask for.
    pub fn parse(args: &FitArgs) -> Result<Self> {
        if args.divergence.trim() == MEAN {
            let given = [("--lambda", args.lambda.is_some()), ("--radius", args.radius.is_some())];
            if let Some((option, _)) = given.iter().find(|(_, is)| *is) {
                let message = format!("--divergence mean has no strength; leave {option} out");
                return Err(Failure::new(message));
            }
            return Ok(Wanted { divergence: None, strength: Given::Nothing });
        }
        let divergence = divergence::parse(&args.divergence).map_err(with_mean)?;
        let strength = match (&args.lambda, args.radius) {
            (Some(text), _) => lambda(text)?,
            (None, radius) => Given::Radius(radius.unwrap_or(RADIUS)),
        };
        // Outside its domain it is a mistake even where it changes nothing.
        Risk::new(divergence.clone(), strength.with(1.0))?;
        let strength = if divergence.is_smooth() { strength } else { Given::Nothing };
        Ok(Wanted { divergence: Some(divergence), strength })
    }

    /// The strength.
    pub fn given(&self) -> Given {
        self.strength
    }

    /// The divergence; none for the mean.
    pub fn divergence(&self) -> Option<&Arc<dyn Divergence>> {
        self.divergence.as_ref()
    }

    /// The risk with one of the strengths, given the mean loss of the ordinary fit where it matters.
    pub fn risk(&self, given: Given, mean_loss: Option<f64>) -> Result<Risk> {
        let Some(divergence) = &self.divergence else { return Ok(Risk::mean()) };
        if let (Given::Relative(factor), Some(mean)) = (given, mean_loss)
            && !(factor * mean > 0.0 && (factor * mean).is_finite())
        {
            let value = format!("rel:{factor} times {mean}, the mean loss of the ordinary fit");
            return Err(Error::invalid(
                "lambda",
                value,
                "a finite number above 0; give --lambda as a number",
            )
            .into());
        }
        Ok(Risk::new(divergence.clone(), given.with(mean_loss.unwrap_or(1.0)))?)
    }

    /// The strengths that an option lists, of the kind of the one that was given, or so many about that one.
    pub fn several(&self, option: &str, text: &str) -> Result<Vec<Given>> {
        self.needed(option)?;
        let expected = format!(
            "strengths with commas between them, as in 0.1,1,10, or how many: a whole number from 2 to {MOST}"
        );
        let wrong =
            |value: &str| Failure::from(Error::invalid(option, format!("'{value}'"), expected.clone()));
        if let Ok(count) = text.trim().parse::<usize>() {
            return if (2..=MOST).contains(&count) { self.about(option, count) } else { Err(wrong(text)) };
        }
        let cells: Vec<&str> = text.split(',').collect();
        if cells.len() < 2 {
            return Err(wrong(text));
        }
        let mut all = Vec::with_capacity(cells.len());
        for cell in cells {
            let given = if self.strength.is_radius() { radius(cell) } else { lambda(cell) };
            let given = given.map_err(|failure| failure.at(option))?;
            if all.contains(&given) {
                return Err(Failure::new(format!("{option} has {} twice", cell.trim())));
            }
            all.push(given);
        }
        Ok(all)
    }

    /// So many strengths from a tenth to ten times the one that was given, each the same multiple of the one before.
    pub fn about(&self, option: &str, count: usize) -> Result<Vec<Given>> {
        self.needed(option)?;
        let decades = |k: usize| 2.0 * k as f64 / (count - 1) as f64 - 1.0;
        let all: Vec<Given> = (0..count).map(|k| self.strength.decades_above(decades(k))).collect();
        if all.iter().any(|given| !given.is_positive()) {
            let message = format!(
                "{option}: strengths that are not listed are multiples of the one that is given, which must not \
                 be 0; list them, as in --path 0,0.1,1"
            );
            return Err(Failure::new(message));
        }
        Ok(all)
    }

    /// Refuses an option that varies the strength where there is none.
    fn needed(&self, option: &str) -> Result<()> {
        if self.strength != Given::Nothing {
            return Ok(());
        }
        let name = self.divergence.as_ref().map_or(MEAN.to_owned(), |f| f.name());
        Err(Failure::new(format!("{option} varies λ or the radius, and --divergence {name} has neither")))
    }

    /// Strengths with their numbers, the mildest first, each of them fit for a risk.
    pub fn sorted(&self, given: &[Given], mean_loss: Option<f64>) -> Result<Vec<(Given, Strength)>> {
        let risks = given.iter().map(|given| Ok((*given, self.risk(*given, mean_loss)?.strength())));
        let mut all = risks.collect::<Result<Vec<_>>>()?;
        let mildness = |strength: &Strength| match strength {
            Strength::Penalty(lambda) => *lambda,
            Strength::Radius(radius) => -radius,
        };
        all.sort_by(|a, b| mildness(&b.1).total_cmp(&mildness(&a.1)));
        Ok(all)
    }
}

impl Given {
    /// The strength, with 1 where it changes nothing.
    fn with(self, mean_loss: f64) -> Strength {
        match self {
            Given::Nothing => Strength::Penalty(1.0),
            Given::Lambda(lambda) => Strength::Penalty(lambda),
            Given::Relative(factor) => Strength::Penalty(factor * mean_loss),
            Given::Radius(radius) => Strength::Radius(radius),
        }
    }

    /// So many powers of ten more of the same kind.
    fn decades_above(self, decades: f64) -> Self {
        let power = 10f64.powf(decades.abs());
        // A tenth of 0.1 is 0.01 to the bit.
        let times = |v: f64| if decades < 0.0 { v / power } else { v * power };
        match self {
            Given::Nothing => Given::Nothing,
            Given::Lambda(lambda) => Given::Lambda(times(lambda)),
            Given::Relative(share) => Given::Relative(times(share)),
            Given::Radius(radius) => Given::Radius(times(radius)),
        }
    }

    fn is_positive(self) -> bool {
        match self {
            Given::Nothing => false,
            Given::Lambda(v) | Given::Relative(v) | Given::Radius(v) => v > 0.0 && v.is_finite(),
        }
    }

    /// Whether it is a radius.
    pub fn is_radius(self) -> bool {
        matches!(self, Given::Radius(_))
    }

    /// The factor of the mean loss, if λ is relative to it.
    pub fn factor(self) -> Option<f64> {
        match self {
            Given::Relative(factor) => Some(factor),
            _ => None,
        }
    }
}

/// λ or the radius.
pub fn number(strength: Strength) -> f64 {
    match strength {
        Strength::Penalty(v) | Strength::Radius(v) => v,
    }
}

/// λ as it is typed.
fn lambda(text: &str) -> Result<Given> {
    let (number, relative) = match text.trim().strip_prefix("rel:") {
        Some(number) => (number, true),
        None => (text, false),
    };
    match number.trim().parse::<f64>() {
        Ok(v) if v > 0.0 && v.is_finite() => Ok(if relative { Given::Relative(v) } else { Given::Lambda(v) }),
        _ => Err(Error::invalid(
            "lambda",
            format!("'{text}'"),
            "a finite number above 0, or rel: and such a number, as in rel:0.5",
        )
        .into()),
    }
}

/// A radius as it is typed in a list.
fn radius(text: &str) -> Result<Given> {
    match text.trim().parse::<f64>() {
        Ok(v) if v >= 0.0 && v.is_finite() => Ok(Given::Radius(v)),
        _ => {
            let expected = if text.trim().starts_with("rel:") {
                "a number: these are radii; with --lambda they are prices, which may be rel:"
            } else {
                "a finite number, at least 0"
            };
            Err(Error::invalid("radius", format!("'{}'", text.trim()), expected).into())
        }
    }
}

/// The names of divergences, and that of the mean.
fn with_mean(error: Error) -> Failure {
    let failure = Failure::from(error.clone());
    if matches!(error, Error::UnknownName { .. }) {
        failure.after(", or mean for the ordinary fit")
    } else {
        failure
    }
}

impl Setting {
    /// What is kept of a risk.
    pub fn of(risk: &Risk) -> Self {
        let Some(divergence) = risk.divergence() else {
            return Setting { divergence: MEAN.to_owned(), lambda: None, radius: None, moves: None };
        };
        let (lambda, radius) = match risk.strength() {
            _ if !divergence.is_smooth() => (None, None),
            Strength::Penalty(lambda) => (Some(lambda), None),
            Strength::Radius(radius) => (None, Some(radius)),
        };
        Setting { divergence: divergence.name(), lambda, radius, moves: None }
    }

    /// The risk again.
    pub fn risk(&self) -> Result<Risk> {
        if self.is_mean() {
            return Ok(Risk::mean());
        }
        let strength = match (self.lambda, self.radius) {
            (Some(lambda), None) => Strength::Penalty(lambda),
            (None, Some(radius)) => Strength::Radius(radius),
            (None, None) => Strength::Penalty(1.0),
            (Some(_), Some(_)) => return Err(Failure::new("there is a lambda and a radius; one is wanted")),
        };
        Ok(Risk::new(divergence::parse(&self.divergence)?, strength)?)
    }

    /// Whether nothing strays.
    pub fn is_mean(&self) -> bool {
        self.divergence == MEAN
    }

    /// Whether the worst case is another than the mean of the losses.
    pub fn has_worst_case(&self) -> bool {
        !self.is_mean() || self.moves.is_some()
    }

    /// Divergence and strength in words.
    pub fn words(&self) -> String {
        let weights = match self.strength_in_words() {
            Some(strength) => format!("divergence {}, {strength}", self.divergence),
            None if self.is_mean() => "ordinary mean".to_owned(),
            None => format!("divergence {}", self.divergence),
        };
        self.moves.as_ref().map_or(weights.clone(), |moves| format!("{weights}, {}", moves.words()))
    }

    /// λ or the radius in words, if there is one.
    pub fn strength_in_words(&self) -> Option<String> {
        let number = |v: f64| crate::report::plain(v, 4);
        let lambda = self.lambda.map(|lambda| format!("λ = {}", number(lambda)));
        lambda.or(self.radius.map(|radius| format!("radius {}", number(radius))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strengths_as_typed() {
        assert_eq!(lambda("0.5").unwrap(), Given::Lambda(0.5));
        assert_eq!(lambda(" rel:2 ").unwrap(), Given::Relative(2.0));
        for bad in ["", "rel:", "0", "-1", "inf", "rel:nan", "rel:0", "x"] {
            assert!(lambda(bad).unwrap_err().to_string().contains("rel:"), "{bad}");
        }
    }

    #[test]
    fn a_setting_is_the_risk_again() {
        for (name, strength) in [
            ("kl", Strength::Penalty(0.3)),
            ("safe-kl:0.1", Strength::Radius(0.0)),
            ("cvar:0.25", Strength::Penalty(7.0)),
            ("none", Strength::Radius(7.0)),
        ] {
            let risk = Risk::new(divergence::parse(name).unwrap(), strength).unwrap();
            let again = Setting::of(&risk).risk().unwrap();
            let of = |risk: &Risk| {
                let mut p = [0.0; 4];
                let worst = risk.of(&[1.0, 2.0, 2.5, 9.0], &[], &mut p).unwrap();
                (worst.value, p)
            };
            assert_eq!(of(&again), of(&risk), "{name}");
        }
        assert!(Setting::of(&Risk::mean()).risk().unwrap().divergence().is_none());
        let both = Setting { divergence: "kl".into(), lambda: Some(1.0), radius: Some(1.0), moves: None };
        assert!(both.risk().is_err());
    }
}
