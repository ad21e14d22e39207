//! Passes over batches: nothing is tuned, and they come near the exact optimum in a few passes, whatever decides it.

use fenchel::divergence;
use fenchel::measure::Rng;
use fenchel::optim::{Flow, Progress, Silent, Status};
use fenchel::robust::loss::{self, Labels};
use fenchel::robust::{Examples, Linear, Options, Passes, Precision, Risk, Strength, Trained};

/// Skewed, heavy-tailed features of sizes 10^±size, labels with gross errors: few examples decide at small λ.
fn table(kind: Labels, n: usize, size: i32) -> Examples {
    let mut rng = Rng::new(21);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for i in 0..n {
        let common = rng.normal();
        let row = [
            common,
            (0.5 * common + rng.normal()).exp(),
            rng.normal() / (0.03 + rng.uniform()),
            rng.exponential(),
        ];
        let gross = if i % 500 == 0 { 4.0 * rng.exponential() } else { 0.0 };
        let score = 0.8 * row[0] - 0.2 * row[1] + 0.05 * row[2] + 0.3 * row[3] + 0.5 * rng.normal() + gross;
        y.push(match kind {
            Labels::Sign => {
                if score > 0.0 {
                    1.0
                } else {
                    -1.0
                }
            }
            Labels::Class => {
                if score < -0.3 {
                    0.0
                } else if score < 0.8 {
                    1.0
                } else {
                    2.0
                }
            }
            Labels::Count => (0.5 * score).min(4.0).exp().floor(),
            _ => score,
        });
        x.extend(row.iter().enumerate().map(|(j, x)| x * 10f64.powi(if j % 2 == 0 { size } else { -size })));
    }
    Examples::new(4, x, y).unwrap()
}

fn risk(name: &str, lambda: f64) -> Risk {
    Risk::new(divergence::parse(name).unwrap(), Strength::Penalty(lambda)).unwrap()
}

/// Within 10% after 5 passes and 1% after 50, for every batch size and strength, and the certificate where there is one
/// holds.
#[test]
fn few_passes_come_near_the_optimum() {
    let examples = table(Labels::Real, 4000, 0);
    for (name, lambdas) in [
        ("kl", &[0.1, 1.0, 10.0, 100.0][..]),
        ("chi2", &[0.1, 1.0, 10.0]),
        ("safe-kl-centered:0.05", &[0.1, 1.0]),
        ("hyperbolic", &[0.3, 3.0]),
        ("kl-cvar:0.1", &[0.3]),
        ("cvar:0.1", &[1.0]),
    ] {
        for lambda in lambdas {
            let risk = risk(name, *lambda);
            let tolerance = if risk.is_smooth() { 1e-9 } else { 1e-6 };
            let model =
                Linear::new(&examples, loss::parse("squared").unwrap(), risk, Options::default()).unwrap();
            let exact = model.fit(&Precision { tolerance, ..Precision::default() }, &mut Silent).unwrap();
            for batch in [10, 100, 1000] {
                let passes = Passes { batch, ..Passes::default() };
                let trained = model.passes(&passes, 1e-4, None, &mut Silent).unwrap();
                let case =
                    format!("{name} {lambda} {batch}: {:?}, best {}", trained.history, exact.objective);
                let best = |epochs: usize| {
                    trained.history.iter().take(epochs + 1).copied().fold(f64::INFINITY, f64::min)
                };
                assert!(best(5) <= 1.1 * exact.objective, "{case}");
                assert!(best(50) <= 1.01 * exact.objective, "{case}");
                // The same coefficients, but for rounding.
                assert!((trained.fit.objective / best(50) - 1.0).abs() < 1e-14, "{case}");
                assert!(trained.fit.lower_bound <= exact.objective * (1.0 + 2.0 * tolerance), "{case}");
                if model_is_smooth(name) {
                    assert_eq!(trained.fit.status, Status::Converged, "{case}");
                    assert!(trained.fit.objective <= (1.0 + 1e-4) * exact.objective, "{case}");
                }
            }
        }
    }
}

fn model_is_smooth(name: &str) -> bool {
    divergence::parse(name).unwrap().is_smooth() && !name.starts_with("kl-cvar")
}

/// Any loss.
#[test]
fn every_loss() {
    for entry in loss::registry() {
        let loss = loss::parse(entry.name).unwrap();
        let loss = loss.for_classes(3).unwrap_or(loss);
        let examples = table(loss.labels(), 2000, 0);
        let options = Options { l2: 1e-3, standardise: true, ..Options::default() };
        let model = Linear::new(&examples, loss.clone(), risk("kl", 0.5), options).unwrap();
        let exact = model.fit(&Precision { tolerance: 1e-6, ..Precision::default() }, &mut Silent).unwrap();
        let trained = model.passes(&Passes::default(), 1e-4, None, &mut Silent).unwrap();
        let off = trained.fit.objective / exact.objective - 1.0;
        assert!((-2e-6..0.01).contains(&off), "{}: {off} {:?}", loss.name(), trained.history);
    }
}

/// Units of the features change nothing, and a start far away little.
#[test]
fn scales_and_starts() {
    let objective = |size: i32, start: f64| {
        let examples = table(Labels::Real, 2000, size);
        let model =
            Linear::new(&examples, loss::parse("squared").unwrap(), risk("kl", 1.0), Options::default())
                .unwrap();
        let mut rng = Rng::new(8);
        let coefficients: Vec<f64> = (0..4)
            .map(|j| start * rng.normal() * 10f64.powi(if j % 2 == 0 { -size } else { size }))
            .collect();
        model
            .passes(&Passes::default(), 1e-6, Some((&[start], &coefficients)), &mut Silent)
            .unwrap()
            .fit
            .objective
    };
    let plain = objective(0, 0.0);
    for (size, start) in [(6, 0.0), (-6, 0.0), (0, 100.0), (6, 1000.0)] {
        let other = objective(size, start);
        assert!((other / plain - 1.0).abs() < 1e-4, "{size} {start}: {other} {plain}");
    }
}

#[test]
fn the_same_seed_gives_the_same_model() {
    let examples = table(Labels::Real, 500, 0);
    let model =
        Linear::new(&examples, loss::parse("squared").unwrap(), risk("kl", 1.0), Options::default()).unwrap();
    let run = |seed| {
        let passes = Passes { seed, epochs: 3, batch: 10, ..Passes::default() };
        model.passes(&passes, 1e-12, None, &mut Silent).unwrap()
    };
    assert_eq!(run(1).fit.coefficients, run(1).fit.coefficients);
    assert_ne!(run(1).history, run(2).history);
}

#[test]
fn passes_can_be_stopped_and_refuse_what_they_cannot() {
    let examples = table(Labels::Real, 500, 0);
    let model =
        |risk| Linear::new(&examples, loss::parse("squared").unwrap(), risk, Options::default()).unwrap();
    let mut calls = 0;
    let mut observer = |progress: &Progress<'_>| {
        calls += 1;
        assert!((0.0..=1.0).contains(&progress.fraction));
        if calls > 20 { Flow::Stop } else { Flow::Continue }
    };
    let stopped =
        model(risk("kl", 1.0)).passes(&Passes { batch: 10, ..Passes::default() }, 1e-15, None, &mut observer);
    let fit = stopped.unwrap().fit;
    assert!(fit.status == Status::Interrupted && fit.objective.is_finite());
    // Without end, but for the time.
    for seconds in [0.0, 0.2] {
        let forever = Passes { batch: 10, epochs: u32::MAX, max_seconds: Some(seconds), ..Passes::default() };
        let fit = model(risk("kl", 1.0)).passes(&forever, 1e-300, None, &mut Silent).unwrap().fit;
        assert!(fit.status == Status::MaxTime && fit.objective.is_finite() && fit.gap >= 0.0, "{fit:?}");
    }
    let says =
        |risk, passes: Passes| model(risk).passes(&passes, 1e-2, None, &mut Silent).unwrap_err().to_string();
    let passes = Passes::default();
    assert!(says(risk("kl", 1.0), Passes { batch: 0, ..passes }).contains("batch"));
    for seconds in [-1.0, f64::NAN] {
        let wrong = Passes { max_seconds: Some(seconds), ..passes };
        assert!(says(risk("kl", 1.0), wrong).contains("max_seconds"));
    }
    let own = divergence::parse("kl").unwrap();
    let own = divergence::PerAtom::new("own", vec![own; 500]).unwrap();
    let own = Risk::new(std::sync::Arc::new(own), Strength::Penalty(1.0)).unwrap();
    assert!(says(own, passes).contains("one divergence"));
}

/// Districts as those of the California census: 20,640 rows, incomes and ages, four ratios with tails to a hundred deviations of
/// which two go together, two coordinates along a coast, and prices with a ceiling. All of mean 0 and variance 1, times `unit`.
fn districts(unit: f64) -> Examples {
    let mut rng = Rng::new(4);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for i in 0..20_640 {
        let (wealth, north) = (rng.normal(), rng.normal());
        let income = 3.5 * (0.45 * wealth).exp();
        let rooms = 5.0 * (0.2 * rng.normal() + 0.1 * wealth).exp()
            + if i % 200 == 0 { 30.0 * rng.exponential() } else { 0.0 };
        let bedrooms = 0.2 * rooms * (0.1 * rng.normal()).exp();
        let occupation =
            3.0 * (0.2 * rng.normal()).exp() + if i % 4000 == 7 { 600.0 * rng.uniform() } else { 0.0 };
        let row = [
            income,
            rng.uniform(),
            rooms,
            bedrooms,
            (0.7 * rng.normal()).exp(),
            occupation,
            north,
            -0.92 * north + 0.39 * rng.normal(),
        ];
        let inland = row[6] + row[7];
        let price = 0.4 * income + 0.4 * row[1] - 0.5 * inland + 0.5 * (0.5 * rng.normal()).exp() - 0.3;
        y.push(price.clamp(0.15, 5.0));
        x.extend(row);
    }
    let raw = Examples::new(8, x, y).unwrap();
    let moments = raw.moments(true);
    let scaled = |(i, x): (usize, &f64)| unit * (x - moments[i % 8].0) / moments[i % 8].1;
    let x = raw.features().iter().enumerate().map(scaled).collect();
    Examples::new(8, x, raw.labels().to_vec()).unwrap()
}

/// What fits of `model` are off the exact optimum after 5 passes and after all, as a share, and the fit.
fn off(model: &Linear<'_>, passes: &Passes, start: &[f64], exact: f64, scores: usize) -> (f64, f64, Trained) {
    let start = Some((&start[..scores], &start[scores..]));
    let trained = model.passes(passes, 1e-3, start, &mut Silent).unwrap();
    let best = |epochs: usize| {
        let history = trained.history.iter().take(epochs + 1);
        history.copied().fold(f64::INFINITY, f64::min) / exact - 1.0
    };
    (best(5), best(50), trained)
}

fn start(seed: u64, size: f64, count: usize) -> Vec<f64> {
    let mut rng = Rng::new(seed);
    (0..count).map(|_| size * rng.normal()).collect()
}

/// From far away, as from 0: within 10% after 5 passes and 1% after 50, and the bound is one.
#[test]
fn far_starts() {
    let examples = districts(1.0);
    for (name, lambdas) in [
        ("kl", &[0.1, 1.0, 3.0, 10.0, 100.0][..]),
        ("chi2", &[0.1, 1.0, 3.0, 10.0, 100.0]),
        ("cvar:0.1", &[1.0]),
    ] {
        for (seed, lambda) in (0..).zip(lambdas) {
            let risk = risk(name, *lambda);
            let tolerance = if risk.is_smooth() { 1e-9 } else { 1e-6 };
            let model =
                Linear::new(&examples, loss::parse("squared").unwrap(), risk, Options::default()).unwrap();
            let exact = model.fit(&Precision { tolerance, ..Precision::default() }, &mut Silent).unwrap();
            for (batch, far) in [(10, 0.0), (10, 100.0), (100, 100.0), (1000, 100.0), (100, 1e6)] {
                let passes = Passes { batch, seed, ..Passes::default() };
                let from = start(seed, far, 9);
                let (soon, late, trained) = off(&model, &passes, &from, exact.objective, 1);
                let case = format!("{name} {lambda} {batch} {far}: {soon} {late} {:?}", trained.history);
                assert!(soon < 0.1 && late < 0.01, "{case}");
                assert!(trained.fit.lower_bound <= exact.objective * (1.0 + 2.0 * tolerance), "{case}");
                assert!(trained.fit.gap <= 0.01 * exact.objective, "{case}: gap {}", trained.fit.gap);
            }
        }
    }
}

/// The first steps go to least squares, so that neither the start nor labels far from 0 are in the way: no start is.
#[test]
fn labels_far_from_zero() {
    let plain = table(Labels::Real, 4000, 0);
    let labels = plain.labels().iter().map(|y| y + 1e5).collect();
    let shifted = Examples::new(4, plain.features().to_vec(), labels).unwrap();
    for (name, lambda) in [("kl", 0.3), ("chi2", 0.3), ("cvar:0.1", 1.0)] {
        let fit = |examples: &Examples| {
            let model = Linear::new(
                examples,
                loss::parse("squared").unwrap(),
                risk(name, lambda),
                Options::default(),
            )
            .unwrap();
            let passes = Passes { epochs: 5, ..Passes::default() };
            model.passes(&passes, 1e-9, None, &mut Silent).unwrap().fit.objective
        };
        let (plain, shifted) = (fit(&plain), fit(&shifted));
        assert!((shifted / plain - 1.0).abs() < 0.02, "{name}: {shifted} {plain}");
    }
}

/// Bounds are there, and near, where risk, loss or penalty have corners; from any start, and where all losses are the same.
#[test]
fn corners() {
    for entry in loss::registry() {
        let loss = loss::parse(entry.name).unwrap();
        let loss = loss.for_classes(3).unwrap_or(loss);
        let examples = table(loss.labels(), 2000, 0);
        for (name, l1, l2) in [
            ("kl", 0.0, 0.0),
            ("kl", 0.01, 0.0),
            ("cvar:0.2", 0.0, 1e-3),
            ("cvar:0.2", 0.01, 0.0),
            ("none", 0.0, 1e-3),
        ] {
            let options = Options { l1, l2, standardise: true, ..Options::default() };
            let model = Linear::new(&examples, loss.clone(), risk(name, 0.5), options).unwrap();
            let exact =
                model.fit(&Precision { tolerance: 1e-6, ..Precision::default() }, &mut Silent).unwrap();
            for far in [0.0, 1.0, 100.0] {
                // e^100 is no loss to start from.
                if far == 100.0 && loss.name() == "poisson" {
                    continue;
                }
                let k = loss.scores();
                let from = start(8, far, 5 * k);
                let (soon, late, trained) = off(&model, &Passes::default(), &from, exact.objective, k);
                let case = format!("{} {name} l1 {l1} from {far}: {soon} {late}", loss.name());
                assert!(soon < 0.1 && late < 0.01, "{case}: {:?}", trained.history);
                let (fit, rounding) = (trained.fit, 3e-6 * exact.objective);
                assert!(fit.lower_bound <= exact.objective + rounding, "{case}: {}", fit.lower_bound);
                assert!(fit.objective >= exact.lower_bound - rounding, "{case}: {}", fit.objective);
                assert!(fit.gap <= 0.03 * exact.objective, "{case}: gap {}", fit.gap);
            }
        }
    }
}

/// Where all losses are the same at the start no example is worse than another, and coefficients have to be left all the same.
#[test]
fn ties_at_the_start() {
    let loss = loss::parse("multinomial").unwrap().for_classes(3).unwrap();
    let examples = table(Labels::Class, 2000, 0);
    let options = Options { l2: 1e-3, standardise: true, ..Options::default() };
    for name in ["cvar:0.2", "cvar:0.8"] {
        let model = Linear::new(&examples, loss.clone(), risk(name, 1.0), options).unwrap();
        let exact = model.fit(&Precision { tolerance: 1e-6, ..Precision::default() }, &mut Silent).unwrap();
        let trained = model.passes(&Passes::default(), 1e-3, None, &mut Silent).unwrap();
        let (first, last) = (trained.history[0], trained.fit.objective);
        assert!((first - 3f64.ln()).abs() < 1e-12 && exact.objective < 0.98 * first, "{name}: {first}");
        assert!(last < 1.002 * exact.objective, "{name}: {last} {}", exact.objective);
    }
}

/// Examples of weight 0, whole batches of them, change nothing.
#[test]
fn weights_of_zero() {
    let examples = table(Labels::Real, 1000, 0);
    let weights = (0..1000).map(|i| if i % 5 == 0 { 1.0 } else { 0.0 }).collect();
    let examples = examples.weighted(weights).unwrap();
    let model =
        Linear::new(&examples, loss::parse("squared").unwrap(), risk("kl", 1.0), Options::default()).unwrap();
    let exact = model.fit(&Precision::default(), &mut Silent).unwrap();
    for seed in 0..5 {
        let passes = Passes { batch: 3, seed, ..Passes::default() };
        let trained = model.passes(&passes, 1e-4, None, &mut Silent).unwrap();
        let off = trained.fit.objective / exact.objective - 1.0;
        assert!((-1e-9..1e-2).contains(&off), "{seed}: {off} {:?}", trained.history);
    }
}

/// The mean, and a radius instead of a price, to the same accuracy.
#[test]
fn radius_and_mean() {
    let examples = districts(1.0);
    let ball = |name: &str, radius| {
        (
            name.to_owned(),
            radius,
            Risk::new(divergence::parse(name).unwrap(), Strength::Radius(radius)).unwrap(),
        )
    };
    for (name, radius, risk) in [
        ("mean".to_owned(), 0.0, Risk::mean()),
        ball("kl", 0.0),
        ball("kl", 0.01),
        ball("kl", 1.0),
        ball("chi2", 0.1),
        ball("chi2", 10.0),
        ball("safe-kl:0.05", 0.5),
        ball("cvar:0.1", 1.0),
    ] {
        let tolerance = if risk.is_smooth() { 1e-9 } else { 1e-6 };
        let model =
            Linear::new(&examples, loss::parse("squared").unwrap(), risk, Options::default()).unwrap();
        let exact = model.fit(&Precision { tolerance, ..Precision::default() }, &mut Silent).unwrap();
        for (batch, far) in [(10, 0.0), (100, 100.0), (1000, 0.0)] {
            let passes = Passes { batch, ..Passes::default() };
            let (soon, late, trained) = off(&model, &passes, &start(3, far, 9), exact.objective, 1);
            let case = format!("{name} {radius} {batch} {far}: {soon} {late} {:?}", trained.history);
            assert!(soon < 0.1 && late < 0.01, "{case}");
            assert!(trained.fit.lower_bound <= exact.objective * (1.0 + 2.0 * tolerance), "{case}");
            assert!(trained.fit.gap <= 0.01 * exact.objective, "{case}: gap {}", trained.fit.gap);
            assert!(trained.fit.radius <= radius * (1.0 + 1e-9) + 1e-12 || name == "cvar:0.1", "{case}");
        }
    }
}

/// Units of the features change nothing: not a bit where they are powers of 2, nothing but rounding where they are not.
#[test]
fn units_of_many_rows() {
    let fit = |unit: f64| {
        let examples = districts(unit);
        let model =
            Linear::new(&examples, loss::parse("squared").unwrap(), risk("kl", 0.1), Options::default())
                .unwrap();
        let mut from = start(1, 100.0, 9);
        from[1..].iter_mut().for_each(|x| *x /= unit);
        off(&model, &Passes::default(), &from, 1.0, 1).2
    };
    let plain = fit(1.0);
    for unit in [2f64.powi(-20), 2f64.powi(20)] {
        assert_eq!(fit(unit).history, plain.history);
    }
    for unit in [1e-6, 1e6] {
        let (other, plain) = (fit(unit).fit, &plain.fit);
        assert!(other.status.is_converged() && plain.status.is_converged());
        assert!((other.objective / plain.objective - 1.0).abs() < 1e-3, "{unit}: {}", other.objective);
    }
}
