//! Figure 3 of version 2 (Figure 4 of version 1): images with wrong labels, learnt in the worst case over unbalanced transport.

mod claims;
mod images;
mod output;
mod training;

use super::{Experiment, LOG_SUM_EXP, Takes};
use crate::commands::reproduce::findings::Findings;
use crate::commands::reproduce::lab::{Effort, Lab};
use crate::failure::Result;
use crate::report::{count, plain};
use images::{Images, RATIO};
use training::{ASCENT, Approach, BETA, Case, KAPPA, Plan, RHO, Tuned, power, tune};

/// Empirical risk, sums of exponentials and safe KL on images with noise in the labels.
pub const EXPERIMENT: Experiment = Experiment {
    name: "label-noise",
    title: "Figure 3: images with wrong labels, the worst case over unbalanced transport by networks",
    paper: LOG_SUM_EXP,
    takes: Takes::Images(&["images"]),
    run,
};

/// Everything that was run.
struct Results<'a> {
    plan: &'a Plan,
    images: &'a Images,
    tuned: &'a [Tuned],
}

impl<'a> Results<'a> {
    /// The runs of a case.
    fn of(&self, approach: Approach, batch: usize) -> &'a Tuned {
        let case = Case { approach, batch };
        self.tuned.iter().find(|tuned| tuned.case == case).unwrap_or(&self.tuned[0])
    }

    /// The runs with batches of 1, which the paper has.
    fn single(&self, approach: Approach) -> &'a Tuned {
        self.of(approach, 1)
    }
}

/// What is run at this effort; what is drawn here is for trying out only, and never more than quick.
fn plan(lab: &Lab) -> Plan {
    let tiny = Plan {
        images: [20, 10, 10],
        batches: &[1, 10],
        steps: &[1e-3, 1e-2],
        first: 1,
        runs: [2, 2],
        epochs: 2,
    };
    let quick = Plan {
        images: [100, 200, 500],
        batches: &[1, 10],
        steps: &[1e-3, 1e-2, 1e-1],
        first: 1,
        runs: [3, 2],
        epochs: 6,
    };
    let full = Plan {
        images: [1000, 500, 1000],
        batches: &[1, 10, 100],
        steps: &[1e-4, 1e-3, 1e-2, 1e-1],
        first: 1,
        runs: [10, 3],
        epochs: 8,
    };
    match lab.effort() {
        Effort::Full if lab.folders().is_none() => quick,
        _ => lab.pick(tiny, quick, full),
    }
}

fn run(lab: &Lab) -> Result<Findings> {
    let plan = plan(lab);
    let images = Images::new(lab, &plan)?;
    let tuned = tune(lab, &plan, &images)?;
    let results = Results { plan: &plan, images: &images, tuned: &tuned };
    let mut findings = Findings { setup: setup(lab, &results), ..Findings::default() };
    claims::judge(&mut findings, &results);
    output::tables(&mut findings, &results);
    output::pictures(&mut findings, &results);
    Ok(findings)
}

fn setup(lab: &Lab, results: &Results<'_>) -> Vec<String> {
    let Results { plan, images, tuned } = results;
    let all = || tuned.iter().flat_map(|t| &t.trials).flat_map(|t| &t.runs);
    let list = |sizes: &[usize]| sizes.iter().map(|b| b.to_string()).collect::<Vec<_>>().join(", ");
    let known = (images.train.len() + images.validation.len()) as u64;
    vec![
        format!(
            "{}: {} × {} pixels, {} classes; {} images to learn from, {} to validate and {} to test with. Of the first two \
             together, {} of {} labels ({}%) are wrong: those of the images that a weak model, multinomial and linear in means over \
             blocks of pixels, finds hardest to tell, replaced by what it takes them for. Labels of the test are right. {}",
            images.name,
            images.image.height,
            images.image.width,
            images.classes,
            count(images.train.len() as u64),
            count(images.validation.len() as u64),
            count(images.test.len() as u64),
            count(images.replaced as u64),
            count(known),
            plain(100.0 * RATIO, 3),
            if images.real {
                "The claims are judged on these images."
            } else {
                "This is a smoke test: whether it all runs. No claim is judged on drawn shapes; --data FOLDER judges them on real \
                 images, and is larger."
            }
        ),
        format!(
            "F(θ) = κβ log((1/n) Σ e^(ℓ̂_i(θ)/κβ)), ℓ̂_i(θ) = sup over z of ℓ(θ; z, y_i) − κ‖z − x_i‖², ℓ the cross-entropy of a \
             network: two convolutions of 3 × 3 with 32 and 64 channels, each with ReLU and the largest of 2 × 2, and a hidden layer \
             of 128. κ = {}, β = {}, {ASCENT} steps of Nesterov’s ascent in z, pixels from 0 to 1. Compared are empirical risk \
             minimisation (ERM) on images as they are, the sum of exponentials, which is the baseline, and its safe \
             approximation jointly in θ and α with ρ = {}; all by stochastic gradients without momentum.",
            plain(KAPPA, 2),
            plain(BETA, 2),
            plain(RHO, 2)
        ),
        format!(
            "Batches of {}, of which the paper has 1; steps {}; {} passes. Every step is run {} time(s), the best of each case {} times \
             in all with batches of 1 and {} times with larger ones. The best is that with the fewest failures, then the lowest \
             objective at the end: F, and the mean loss for ERM. The paper learns from all images of its set, 60,000 before \
             validation ones are taken away, for a number of passes that its text does not have; here are fewer images and \
             fewer gradient steps, {} a run with batches of 1, and steps of the grid are larger for that. Version 1 prints the grid \
             1e-6, 1e-5, 1e-4, 1e-3. The seed is {}.",
            list(plan.batches),
            plan.steps.iter().map(|s| power(*s)).collect::<Vec<_>>().join(", "),
            plan.epochs,
            plan.first,
            plan.runs[0],
            plan.runs[1],
            count(images.train.len() as u64 * u64::from(plan.epochs)),
            lab.seed()
        ),
        format!(
            "A run has failed if weights, gradients, parameters or losses are no longer finite: {} of {} runs, with {} batches that \
             overflowed. It ends there, is counted, and is left out of means.",
            count(all().filter(|run| run.failed).count() as u64),
            count(all().count() as u64),
            count(all().map(|run| run.overflows).sum())
        ),
    ]
}
