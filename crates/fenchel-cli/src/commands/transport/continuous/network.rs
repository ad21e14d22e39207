//! Potentials that are networks.

use super::super::args::Args;
use super::{Extra, Found, Problem, Task};
use crate::failure::{Failure, Result};
use crate::progress::Display;
use crate::report::{count, significant};
use crate::results::Directory;
use crate::threads;
use fenchel::optim::Status;
use fenchel::transport::continuous::{self, Objective};
use fenchel_neural::network::Mlp;
use fenchel_neural::transport::{Bias, Checkpoint, NetworkPotential, NeuralTransport, Settings, Trained};
use std::path::{Path, PathBuf};

/// Share of the time for training; the rest is for what is known of it.
const SHARE: f64 = 0.7;

/// Seconds that a certificate has in any case: enough to say what it is about.
const LEAST: f64 = 1e-3;

/// The ρ of the safe objective if none is given: at most a factor 1/ρ = 30 of density is told apart.
const RHO: f64 = 0.03;

/// A training, before the problem is known.
pub struct Training {
    objective: Option<Objective>,
    hidden: Vec<usize>,
    settings: Settings,
    checkpoint: Option<Checkpoint>,
}

/// What is known of a training, as it is written.
#[derive(serde::Serialize)]
struct Record {
    objective: String,
    hidden: Vec<usize>,
    status: Status,
    steps: u64,
    /// The step that the potentials are from.
    step: u64,
    step_size: Option<f64>,
    /// Steps that were not taken because numbers were not finite, those of sizes that were tried included.
    overflows: u64,
    bias: Option<BiasRecord>,
}

/// What ρ costs.
#[derive(serde::Serialize)]
struct BiasRecord {
    /// The value of safe transport is at most so far above the value.
    upper: f64,
    /// The value is at least this, with 95% confidence.
    lower_value: f64,
}

impl Training {
    /// From the options; refuses what networks cannot take.
    pub fn new(args: &Args, state: Option<(&Path, &[u8])>) -> Result<Self> {
        let default = Settings::default();
        let settings = Settings {
            batch: args.batch.unwrap_or(default.batch),
            step: args.step,
            steps: args.steps.unwrap_or(default.steps),
            max_seconds: Some(SHARE * args.max_time),
            seed: args.seed,
            ..default
        };
        settings.validate()?;
        let hidden = if args.hidden.is_empty() { Mlp::HIDDEN.to_vec() } else { args.hidden.clone() };
        Mlp::new(1, &hidden, 1, 0).map_err(|e| Failure::from(e).at("--hidden"))?;
        Ok(Training {
            objective: args.objective.as_deref().map(str::parse).transpose()?,
            hidden,
            settings,
            checkpoint: state.map(|(path, bytes)| Checkpoint::from_bytes(path, bytes)).transpose()?,
        })
    }

    /// Trains, keeps the networks in files and finds out what is known of them.
    fn trained(
        &self,
        problem: &Problem,
        certificate: &continuous::Settings,
        directory: &Directory,
        display: &mut Display,
    ) -> Result<Found> {
        let continuous = problem.continuous.clone();
        let usual = match continuous.divergence().name().as_str() {
            "kl" => Objective::Safe { rho: RHO },
            _ => Objective::Dual,
        };
        let transport = NeuralTransport::new(continuous, self.objective.unwrap_or(usual))?;
        let networks = transport.perceptrons(&self.hidden, self.settings.seed)?;
        let trained = match &self.checkpoint {
            None => transport.train(networks, &self.settings, display),
            Some(checkpoint) => transport.resume(networks, &self.settings, checkpoint, display),
        }?;
        let files = saved(&trained, directory)?;
        let left = |spent: f64| {
            let max_seconds = certificate.max_seconds.map(|most| (most - spent).max(LEAST));
            continuous::Settings { max_seconds, ..*certificate }
        };
        let (mut solution, coupling) = transport.certify(&trained, &left(trained.seconds), display)?;
        let bias = match transport.objective() {
            Objective::Safe { .. } => {
                let bias = transport.bias(&trained.v, &left(solution.seconds), display)?;
                solution.seconds += bias.safe.seconds;
                Some(bias)
            }
            _ => None,
        };
        let extra = self.extra(&transport, &trained, bias.as_ref(), files)?;
        Ok(Found { solution, coupling, extra })
    }

    fn extra(
        &self,
        transport: &NeuralTransport,
        trained: &Trained<Mlp, Mlp>,
        bias: Option<&Bias>,
        files: Vec<PathBuf>,
    ) -> Result<Extra> {
        let ended = match trained.status {
            Status::Stalled => "no better for 20 looks in a row",
            Status::MaxIterations => "all steps were taken",
            Status::MaxTime => "the time for it was spent",
            Status::Interrupted => "interrupted",
            Status::Diverged | Status::Converged => "numbers left the range of finite ones",
        };
        let sizes: Vec<String> = self.hidden.iter().map(usize::to_string).collect();
        let mut training = format!(
            "{} of {} points a side, {ended}; layers of {}; best at step {}",
            count(trained.steps),
            self.settings.batch,
            sizes.join(", "),
            count(trained.step)
        );
        if trained.overflows > 0 {
            training.push_str(&format!("; {} overflowed and were not taken", count(trained.overflows)));
        }
        let mut rows = vec![("steps", training)];
        if let Some(bias) = bias {
            rows.push((
                "bias of ρ",
                format!(
                    "safe transport costs at most {} more; by it the value is at least {}, with 95% confidence",
                    significant(bias.upper(), 2),
                    significant(bias.lower_value(), 4)
                ),
            ));
        }
        let record = Record {
            objective: transport.objective().to_string(),
            hidden: self.hidden.clone(),
            status: trained.status,
            steps: trained.steps,
            step: trained.step,
            step_size: trained.rate,
            overflows: trained.overflows,
            bias: bias
                .map(|bias| BiasRecord { upper: bias.upper(), lower_value: bias.lower_value() })
                .filter(|bias| bias.upper.is_finite() && bias.lower_value.is_finite()),
        };
        let record = serde_json::to_value(&record)
            .map_err(|e| Failure::new(format!("the training cannot be written as JSON: {e}")))?;
        Ok(Extra { training: Some(record), rows, files })
    }
}

impl Task for Training {
    fn run(
        &self,
        problem: &Problem,
        settings: &continuous::Settings,
        directory: &Directory,
        display: &mut Display,
    ) -> Result<Found> {
        threads::pool(settings.threads)?.install(|| self.trained(problem, settings, directory, display))
    }
}

/// The files of both networks.
fn saved(trained: &Trained<Mlp, Mlp>, directory: &Directory) -> Result<Vec<PathBuf>> {
    let save = |name: &str, potential: &NetworkPotential<Mlp>| -> Result<PathBuf> {
        let path = directory.join(name);
        potential.save(&path)?;
        Ok(path)
    };
    Ok(vec![save("u.network", &trained.u)?, save("v.network", &trained.v)?])
}
