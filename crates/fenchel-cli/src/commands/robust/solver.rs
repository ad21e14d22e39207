//! How the minimum is found: all rows at once, or passes over batches of them.

use super::args::FitArgs;
use super::strength::{Given, Wanted};
use super::watch::{Stage, Watch};
use crate::failure::{Failure, Result};
use fenchel::Error;
use fenchel::robust::{Fit, Linear, Method, Passes, Precision, Sgd, Trained};
use serde::Serialize;

/// The exact solver where rows fit in memory and for the mean, else passes.
pub const AUTO: &str = "auto";
const EXACT: &str = "exact";
const PASSES: &str = "passes";

/// A solver with its settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Solver {
    /// Newton's method.
    Exact,
    /// Passes with nothing to tune.
    Passes(Passes),
    /// Stochastic gradients.
    Gradients(Sgd),
}

/// What passes have come to, besides the fit.
#[derive(Debug, Clone, Serialize)]
pub struct Training {
    /// Rows in a batch.
    pub batch: usize,
    /// Passes allowed.
    pub epochs: u32,
    /// Passes made; the last may be cut short.
    pub passes: usize,
    /// Seed of the order of rows.
    pub seed: u64,
    /// Step size at the end, where there is one.
    pub step: Option<f64>,
    /// Whether it was given.
    pub step_given: bool,
    /// ρ of safe KL, where it is used.
    pub rho: Option<f64>,
    /// How much lower ρ makes the objective at the model.
    pub rho_bias: Option<f64>,
    /// Batches passed over because their gradient was no finite number.
    pub overflows: u64,
    /// The objective at the start and after each pass.
    #[serde(skip)]
    pub history: Vec<f64>,
}

/// Names of solvers, with a line on each.
pub fn registry() -> Vec<(&'static str, &'static str)> {
    let mut all = vec![
        (AUTO, "exact where rows fit in memory (--memory) and for the mean, else passes"),
        (EXACT, "Newton's method on all rows, with λ falling to its value"),
        (PASSES, "batches: rows of largest loss exactly, others in a quadratic model; nothing to tune"),
    ];
    all.extend(Method::ALL.map(|method| (method.name(), summary(method))));
    all
}

fn summary(method: Method) -> &'static str {
    match method {
        Method::Joint => "stochastic gradients in coefficients and threshold; safe KL in place of kl",
        Method::DualSgm => "the same without safe KL: kl overflows",
        Method::BatchWeights => {
            "stochastic gradients with the worst case of each batch: biased for small ones"
        }
        Method::Multilevel => "the same with batches of random size, which corrects the bias",
        Method::SumOfExponentials => "stochastic gradients of the mean of exp(loss/λ): overflows",
    }
}

impl Solver {
    /// The solver that the options describe, for a risk.
    pub fn parse(args: &FitArgs, wanted: &Wanted) -> Result<Self> {
        let name = args.solver.trim();
        let given = |options: &[&'static str]| {
            let all = [
                ("--batch", args.batch.is_some()),
                ("--epochs", args.epochs.is_some()),
                ("--step", args.step.is_some()),
                ("--rho", args.rho.is_some()),
                ("--momentum", args.momentum.is_some()),
                ("--averaging", args.averaging),
                ("--alpha", args.alpha.is_some()),
                ("--seed", args.seed.is_some() && args.cross_validate.is_none()),
            ];
            all.into_iter().find(|(option, given)| *given && options.contains(option)).map(|found| found.0)
        };
        if [AUTO, EXACT].contains(&name) {
            return match given(&[
                "--batch",
                "--epochs",
                "--step",
                "--rho",
                "--momentum",
                "--averaging",
                "--alpha",
                "--seed",
            ]) {
                None => Ok(Solver::Exact),
                Some("--seed") => Err(Failure::new(format!(
                    "--seed is for --cross-validate and for solvers that make passes; {name} draws nothing"
                ))),
                Some(option) => Err(Failure::new(format!(
                    "{option} is for solvers that make passes, such as --solver passes; {name} takes all rows at once"
                ))),
            };
        }
        let method = Method::ALL.into_iter().find(|method| method.name() == name);
        if method.is_none() && name != PASSES {
            return Err(Error::unknown("solver", name, registry().into_iter().map(|entry| entry.0)).into());
        }
        for (option, is_given) in [
            ("--path", args.path.is_some()),
            ("--cross-validate", args.cross_validate.is_some()),
            ("--move-price", args.move_price.is_some()),
        ] {
            if is_given {
                return Err(Failure::new(format!("{option} takes exact fits; leave --solver {name} out")));
            }
        }
        let settings = Passes {
            batch: args.batch.unwrap_or(Passes::default().batch),
            epochs: args.epochs.unwrap_or(Passes::default().epochs),
            seed: args.seed.unwrap_or_default(),
            max_seconds: None, // what is left when it starts
        };
        for (option, number) in [("--batch", settings.batch as u64), ("--epochs", u64::from(settings.epochs))]
        {
            if number == 0 {
                return Err(Error::invalid(option, 0, "at least 1").into());
            }
        }
        match method {
            None => {
                if let Some(option) = given(&["--step", "--rho", "--momentum", "--averaging", "--alpha"]) {
                    return Err(Failure::new(format!(
                        "{option} is of stochastic gradients, such as --solver joint; {PASSES} has nothing to tune"
                    )));
                }
                Ok(Solver::Passes(settings))
            }
            Some(method) => gradients(method, settings, args, wanted),
        }
    }

    /// Fits.
    pub fn fit(
        &self,
        linear: &Linear<'_>,
        precision: &Precision,
        watch: &mut Watch,
    ) -> Result<(Fit, Option<Training>)> {
        watch.begin(if *self == Solver::Exact { Stage::Fit } else { Stage::Passes });
        let Precision { tolerance, max_seconds, .. } = *precision;
        let ((batch, epochs, seed), step_given, trained) = match self {
            Solver::Exact => return Ok((linear.fit(precision, watch)?, None)),
            Solver::Passes(passes) => {
                let passes = Passes { max_seconds, ..*passes };
                let trained = linear.passes(&passes, tolerance, None, watch)?;
                ((passes.batch, passes.epochs, passes.seed), false, trained)
            }
            Solver::Gradients(sgd) => {
                let sgd = Sgd { max_seconds, ..*sgd };
                let trained = linear.sgd(&sgd, tolerance, None, watch)?;
                ((sgd.batch, sgd.epochs, sgd.seed), sgd.step.is_some(), trained)
            }
        };
        let Trained { fit, step, rho, rho_bias, overflows, history } = trained;
        let passes = history.len().saturating_sub(1);
        let training =
            Training { batch, epochs, passes, seed, step, step_given, rho, rho_bias, overflows, history };
        Ok((fit, Some(training)))
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Solver::Exact => EXACT,
            Solver::Passes(_) => PASSES,
            Solver::Gradients(sgd) => sgd.method.name(),
        }
    }
}

/// Stochastic gradients as the options have them.
fn gradients(method: Method, settings: Passes, args: &FitArgs, wanted: &Wanted) -> Result<Solver> {
    let is_kl = wanted.divergence().is_some_and(|f| f.name() == "kl");
    if let Some(step) = args.step.filter(|step| !(*step > 0.0 && step.is_finite())) {
        return Err(Error::invalid("--step", step, "a finite number above 0").into());
    }
    if let Some(rho) = args.rho {
        if !(rho > 0.0 && rho < 1.0) {
            return Err(Error::invalid("--rho", rho, "a number above 0 and below 1").into());
        }
        if method != Method::Joint || !is_kl {
            return Err(Failure::new(format!(
                "--rho is of safe KL, which is for --solver {} with --divergence kl; leave it out",
                Method::Joint.name()
            )));
        }
    }
    if let Some(momentum) = args.momentum.filter(|momentum| !(0.0..1.0).contains(momentum)) {
        return Err(Error::invalid("--momentum", momentum, "a number of at least 0 and below 1").into());
    }
    if let Some(alpha) = args.alpha {
        if !alpha.is_finite() {
            return Err(Error::invalid("--alpha", alpha, "a finite number").into());
        }
        if ![Method::Joint, Method::DualSgm].contains(&method) {
            return Err(Failure::new(format!(
                "--alpha is where the threshold of joint and dual-sgm starts; --solver {} has none",
                method.name()
            )));
        }
    }
    if method == Method::SumOfExponentials {
        if !is_kl {
            return Err(Failure::new(format!("--solver {} takes --divergence kl only", method.name())));
        }
        penalised(method.name(), wanted)?;
    }
    let Passes { batch, epochs, seed, .. } = settings;
    Ok(Solver::Gradients(Sgd {
        method,
        batch,
        epochs,
        seed,
        step: args.step,
        rho: args.rho,
        momentum: args.momentum.unwrap_or(Sgd::default().momentum),
        averaging: args.averaging,
        alpha: args.alpha,
        ..Sgd::default()
    }))
}

/// Refuses the mean and radii.
fn penalised(solver: &str, wanted: &Wanted) -> Result<()> {
    match (wanted.divergence(), wanted.given()) {
        (None, _) => Err(Failure::new(format!("--solver {solver} takes a divergence, not the mean"))),
        (_, Given::Radius(_)) => Err(Failure::new(format!(
            "--solver {solver} takes a price, not a radius; give --lambda, such as the λ that an exact fit reports"
        ))),
        _ => Ok(()),
    }
}
