//! Fits with several strengths, one after another.

use super::fit::stopped;
use super::problem::Problem;
use super::statistics::{self, Tail};
use super::strength::{self, Given};
use super::watch::{Stage, Watch};
use crate::failure::Result;
use fenchel::optim::Status;
use fenchel::robust::{Linear, Precision, Strength};

/// Fits, the mildest strength first.
pub struct Path {
    /// Those that were made.
    pub points: Vec<Point>,
    /// How many were asked for.
    pub asked: usize,
}

/// A fit of a path, in numbers.
pub struct Point {
    /// λ or the radius that was asked for.
    pub strength: f64,
    /// λ: asked for, or what the radius leads to.
    pub lambda: f64,
    /// The radius: asked for, or what λ leads to.
    pub radius: f64,
    /// Risk and penalty.
    pub objective: f64,
    /// No coefficients are below this.
    pub lower_bound: f64,
    /// The difference.
    pub gap: f64,
    /// How the fit ended.
    pub status: Status,
    /// Mean of the losses.
    pub mean_loss: f64,
    /// Means of their tails.
    pub cvar: Vec<Tail>,
    /// How many rows of equal weight are as uneven as the worst case.
    pub effective_sample_size: f64,
    /// One a score.
    pub intercept: Vec<f64>,
    /// Those of one score after another.
    pub coefficients: Vec<f64>,
}

impl Path {
    /// Whether all fits were made and reached their tolerance.
    pub fn is_converged(&self) -> bool {
        self.points.len() == self.asked && self.points.iter().all(|point| point.status.is_converged())
    }

    /// Why it ended before its end, if it did.
    pub fn stopped(&self) -> Option<Status> {
        self.points.last().and_then(|point| stopped(point.status))
    }
}

/// Fits with these strengths, unless the run was stopped before.
pub fn fit(
    problem: &Problem,
    linear: &Linear<'_>,
    strengths: &[(Given, Strength)],
    is_stopped: bool,
    precision: &Precision,
    watch: &mut Watch,
) -> Result<Path> {
    let (asked, mut points) = (strengths.len(), Vec::new());
    if is_stopped {
        return Ok(Path { points, asked });
    }
    watch.begin(Stage::Path);
    let all: Vec<Strength> = strengths.iter().map(|strength| strength.1).collect();
    for (fit, strength) in linear.path(&all, precision, watch)?.into_iter().zip(&all) {
        points.push(Point {
            strength: strength::number(*strength),
            lambda: fit.lambda,
            radius: fit.radius,
            objective: fit.objective,
            lower_bound: fit.lower_bound,
            gap: fit.gap,
            status: fit.status,
            mean_loss: fit.mean_loss,
            cvar: statistics::tails(&fit.losses, problem.examples.weights())?,
            effective_sample_size: fit.effective_sample_size,
            intercept: fit.intercept,
            coefficients: fit.coefficients,
        });
    }
    Ok(Path { points, asked })
}
