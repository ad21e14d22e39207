//! The experiments, one file each. To add one: a file with an `EXPERIMENT`, and its row in [`EXPERIMENTS`].

mod chebyshev_set;
mod corollary_4_10;
#[cfg(feature = "networks")]
mod digits_to_letters;
mod discrete_choice;
mod figure_1;
mod kernel_transport;
mod knapsack;
#[cfg(feature = "networks")]
mod label_noise;
mod polytope;
mod proposition_3_3;
mod robust_regression;
mod safe_kl;
mod safe_kl_bounds;
mod section_5;
mod table_1;
mod theorem_4_9;

use super::data::Takes;
use super::findings::Findings;
use super::lab::Lab;
use crate::failure::Result;

/// An experiment.
pub struct Experiment {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it checks, in one line.
    pub title: &'static str,
    /// The paper whose claims these are.
    pub paper: &'static str,
    /// What can take the place of its own data.
    pub takes: Takes,
    /// Runs it.
    pub run: fn(&Lab) -> Result<Findings>,
}

/// Semi-discrete optimal transport: hardness, regularization and numerical solution.
const SEMI_DISCRETE: &str = "Taşkesen, Shafieezadeh-Abadeh and Kuhn (2022), semi-discrete optimal transport";

/// Improved stochastic optimization of LogSumExp, in two versions with different experiments.
const LOG_SUM_EXP: &str =
    "Gladin, Kroshnin, Zhu and Dvurechensky (2025), stochastic optimisation of log-sum-exp";

/// All of them, in the order of the papers.
pub const EXPERIMENTS: &[Experiment] = &[
    knapsack::EXPERIMENT,
    discrete_choice::EXPERIMENT,
    chebyshev_set::EXPERIMENT,
    table_1::EXPERIMENT,
    proposition_3_3::EXPERIMENT,
    theorem_4_9::EXPERIMENT,
    corollary_4_10::EXPERIMENT,
    figure_1::EXPERIMENT,
    safe_kl::EXPERIMENT,
    safe_kl_bounds::EXPERIMENT,
    kernel_transport::EXPERIMENT,
    robust_regression::EXPERIMENT,
    #[cfg(feature = "networks")]
    digits_to_letters::EXPERIMENT,
    #[cfg(feature = "networks")]
    label_noise::EXPERIMENT,
];
