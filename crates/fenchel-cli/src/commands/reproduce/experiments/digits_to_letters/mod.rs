//! Figure 2 of version 2: networks as potentials of transport between images, the dual against the safe semi-dual.

mod claims;
mod images;
mod output;
mod training;

use super::{Experiment, LOG_SUM_EXP, Takes};
use crate::commands::reproduce::findings::Findings;
use crate::commands::reproduce::lab::Lab;
use crate::failure::Result;
use crate::report::{count, plain, significant};
use fenchel_neural::network::Mlp;
use images::{Held, Images};
use training::{Known, Plan, Problem, RHOS, Run, Tuned, best_safe, certify, power, problems, train};

/// Why nothing is judged on drawn shapes.
const SMOKE: &str = "Drawn shapes show that everything runs; the claims are about images of digits and letters, and are judged on images given \
                     by --data.";

/// LSOT against the safe semi-dual.
pub const EXPERIMENT: Experiment = Experiment {
    name: "digits-to-letters",
    title: "Figure 2 (version 2): transport between images with networks, LSOT against the safe semi-dual",
    paper: LOG_SUM_EXP,
    takes: Takes::Images(&["source", "target"]),
    run,
};

/// Everything that was run.
struct Results<'a> {
    plan: &'a Plan,
    images: &'a Images,
    held: &'a Held,
    problems: &'a [Problem],
    /// For each problem, LSOT and then the safe semi-dual for each ρ.
    tuned: &'a [Vec<Tuned>],
    known: &'a [Known],
}

impl Results<'_> {
    /// The index of the smallest ε.
    fn last(&self) -> usize {
        self.problems.len() - 1
    }

    /// The semi-dual at the start, the same for all methods.
    fn start(&self, problem: usize) -> f64 {
        self.tuned[problem][0].runs[0].curve.first().map_or(f64::NAN, |point| point.1)
    }

    /// How far a run rises from the start at its end, as a share of the best safe run.
    fn rise(&self, problem: usize, run: &Run) -> f64 {
        let start = self.start(problem);
        (run.end.value - start) / (best_safe(&self.tuned[problem]).best().end.value - start)
    }
}

fn run(lab: &Lab) -> Result<Findings> {
    let plan = Plan {
        shares: lab.pick(&[0.3, 0.03], &[0.3, 0.03], &[0.3, 0.1, 0.03]),
        steps: lab.pick(&[1e-4, 1e-2], &[1e-5, 1e-4, 1e-3, 1e-2], &[1e-5, 1e-4, 1e-3, 1e-2]),
        batch: lab.pick(16, 64, 256),
        length: lab.pick(8, 400, 2400),
        every: lab.pick(4, 50, 200),
        train: lab.pick(100, 8000, 20_000),
        drawn: lab.pick(100, 2000, 8000),
        side: lab.pick(7, 28, 28),
        test: lab.pick(40, 500, 1000),
        certified: lab.pick(32, 512, 1024),
    };
    let images = Images::new(lab, &plan)?;
    let held = Held::new(&images)?;
    let problems = problems(lab, &plan, &images)?;
    let tuned = train(lab, &plan, &problems, &held)?;
    let known = certify(lab, &plan, &problems, &tuned)?;
    let results = Results {
        plan: &plan,
        images: &images,
        held: &held,
        problems: &problems,
        tuned: &tuned,
        known: &known,
    };
    let mut findings = Findings { setup: setup(lab, &results), ..Findings::default() };
    claims::judge(&mut findings, &results);
    output::tables(&mut findings, &results);
    output::pictures(&mut findings, &results)?;
    Ok(findings)
}

fn setup(lab: &Lab, results: &Results<'_>) -> Vec<String> {
    let Results { plan, images, problems, tuned, .. } = results;
    let list = |words: Vec<String>| words.join(", ");
    let [source, target] = &images.train;
    let mut text = Vec::new();
    if !images.real {
        text.push(format!("SMOKE TEST. {SMOKE}"));
    }
    text.push(format!(
        "Entropic transport with the Manhattan distance of pixels from 0 to 1, between {}: {} and {} images of {} × {} to train with, {} of \
         either side held back. Two networks, {} with ReLU, are potentials: LSOT (Seguy et al.) ascends the dual for KL, the other runs the \
         safe semi-dual (14) with α(x) a network, ρ = {}.",
        images.label,
        count(source.len() as u64),
        count(target.len() as u64),
        source.height(),
        source.width(),
        plan.test,
        Mlp::HIDDEN.map(|n| n.to_string()).join("-"),
        list(RHOS.iter().map(|rho| plain(*rho, 1)).collect())
    ));
    text.push(format!(
        "The text of the paper at hand has lost its ε, ρ and step sizes. Here ε is {} ({} of the standard deviation of costs). Every method runs with \
         step sizes {}, {} steps each with batches of {} and all pairs in a batch, from the same networks; steps are Adam’s, which the paper \
         does not say (with plain gradients networks leave the range of numbers at the larger of these steps under any objective). The best \
         step is that which ends highest without a failure. The seed is {}.",
        list(problems.iter().map(|p| significant(p.epsilon, 3)).collect()),
        list(problems.iter().map(|p| plain(p.share, 2)).collect()),
        list(plan.steps.iter().map(|step| power(*step)).collect()),
        count(plan.length),
        plan.batch,
        lab.seed()
    ));
    let runs = || tuned.iter().flatten().flat_map(|t| &t.runs);
    text.push(format!(
        "As in the paper, potentials are judged on the images held back: the semi-dual for KL of the two test sets, at v alone, whatever \
         objective it was trained for. A step whose weights (in double precision) or gradient (in single) are not finite is counted as an overflow and not taken; a run \
         that has one counts as failed, and one that takes no step between two looks is given up: {} of {} runs. Potentials of the best runs are \
         certified between the images to train with, which the paper does not do: an interval for the value W, and a bound for what ρ costs.",
        runs().filter(|run| run.failed()).count(),
        runs().count()
    ));
    text.push(format!(
        "Smaller than the paper’s: it trains with all of MNIST and EMNIST’s letters (60,000 and 124,800 images; here at most {}), evaluates on \
         all of their test sets (here {}), and shows more than 5,000 steps (here {}).",
        count(plan.train as u64),
        plan.test,
        count(plan.length)
    ));
    text
}
