//! Parameters of an estimator.

use fenchel::robust::loss::{Labels, Loss};
use fenchel::robust::{Method, Options, Passes, Precision, Sgd};
use fenchel::{Error, Result};
use pyo3::prelude::*;

/// As Python has checked and named them.
#[derive(Debug, Clone, FromPyObject)]
#[pyo3(from_item_all)]
pub struct Settings {
    pub loss: String,
    /// Classes, where the loss takes several.
    pub classes: Option<usize>,
    pub divergence: String,
    pub temperature: Option<f64>,
    /// Whether temperatures are multiples of the mean loss of the ordinary fit.
    pub relative: bool,
    pub radius: Option<f64>,
    pub fit_intercept: bool,
    pub standardize: bool,
    /// None is as little as makes coefficients unique.
    pub l2: Option<f64>,
    pub l1: f64,
    pub move_price: Option<f64>,
    pub solver: String,
    pub batch_size: Option<usize>,
    pub epochs: Option<u32>,
    pub step: Option<f64>,
    pub rho: Option<f64>,
    pub momentum: Option<f64>,
    pub averaging: bool,
    pub initial_threshold: Option<f64>,
    pub seed: u64,
    pub tol: f64,
    pub max_iter: u32,
    pub max_time: Option<f64>,
}

/// How the minimum is found.
#[derive(Debug, Clone, Copy)]
pub enum Solver {
    Exact,
    Passes(Passes),
    Gradients(Sgd),
}

impl Settings {
    /// Intercept and penalties, with this where l2 is not given.
    pub fn options(&self, l2: impl FnOnce() -> f64) -> Options {
        Options {
            intercept: self.fit_intercept,
            standardise: self.standardize,
            l2: self.l2.unwrap_or_else(l2),
            l1: self.l1,
        }
    }

    /// When an exact fit ends.
    pub fn precision(&self, max_seconds: Option<f64>) -> Precision {
        Precision { tolerance: self.tol, max_iterations: self.max_iter, max_seconds }
    }

    /// The solver of the name. Settings that it has no use for are refused.
    pub fn solver(&self) -> Result<Solver> {
        let name = self.solver.as_str();
        let method = Method::ALL.into_iter().find(|method| method.name() == name);
        let is_exact = ["auto", "exact"].contains(&name);
        if method.is_none() && !is_exact && name != "passes" {
            let known = ["auto", "exact", "passes"].into_iter();
            return Err(Error::unknown("solver", name, known.chain(Method::ALL.map(Method::name))));
        }
        let of_passes =
            [("batch_size", self.batch_size.is_some()), ("epochs", self.epochs.is_some())].into_iter();
        let of_gradients = [
            ("step", self.step.is_some()),
            ("rho", self.rho.is_some()),
            ("momentum", self.momentum.is_some()),
            ("averaging", self.averaging),
            ("initial_threshold", self.initial_threshold.is_some()),
        ]
        .into_iter();
        let given = |mut all: Box<dyn Iterator<Item = (&'static str, bool)>>| all.find(|given| given.1);
        let refuse = |name: &str, expected: String| Err(Error::invalid(name, "given", expected));
        if is_exact {
            if let Some((option, _)) = given(Box::new(of_passes.chain(of_gradients))) {
                let what = format!("left out for solver='{name}': it is for solvers that make passes");
                return refuse(option, what);
            }
            return Ok(Solver::Exact);
        }
        if self.move_price.is_some() {
            return refuse("move_price", format!("left out for solver='{name}': it takes exact fits"));
        }
        let default = Passes::default();
        let settings = Passes {
            batch: self.batch_size.unwrap_or(default.batch),
            epochs: self.epochs.unwrap_or(default.epochs),
            seed: self.seed,
            max_seconds: None, // what is left when it starts
        };
        let Some(method) = method else {
            if let Some((option, _)) = given(Box::new(of_gradients)) {
                let what = format!(
                    "left out for solver='{name}', which has nothing to tune: it is of stochastic gradients"
                );
                return refuse(option, what);
            }
            return Ok(Solver::Passes(settings));
        };
        if self.rho.is_some() && (method != Method::Joint || self.divergence != "kl") {
            return refuse(
                "rho",
                "left out: it is of safe KL, for solver='joint' with divergence='kl'".into(),
            );
        }
        if self.initial_threshold.is_some() && ![Method::Joint, Method::DualSgm].contains(&method) {
            let what = format!("left out: solver='{name}' has no threshold; joint and dual-sgm have");
            return refuse("initial_threshold", what);
        }
        Ok(Solver::Gradients(Sgd {
            method,
            batch: settings.batch,
            epochs: settings.epochs,
            seed: settings.seed,
            step: self.step,
            rho: self.rho,
            momentum: self.momentum.unwrap_or(Sgd::default().momentum),
            averaging: self.averaging,
            alpha: self.initial_threshold,
            max_seconds: None,
        }))
    }
}

/// What labels a loss takes.
pub fn kind(loss: &dyn Loss) -> &'static str {
    match loss.labels() {
        Labels::Sign => "sign",
        Labels::Class => "class",
        Labels::Count => "count",
        // Any number, and whatever else may come to be.
        _ => "real",
    }
}
