//! Plans at new points against their formulas; results and plans saved and loaded to the bit; broken files.

mod common;

use common::{check, divergences, generators, potentials, problem, settings, solve, source, weighted};
use fenchel::cost::CostFn;
use fenchel::divergence::Kl;
use fenchel::optim::Status;
use fenchel::transport::{Lambda, Plan, SemiDiscrete, Solution};
use fenchel::{Error, cost, divergence};
use proptest::prelude::*;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

const ATOMS: [f64; 8] = [-0.9, 0.3, 0.2, 0.8, 0.5, -0.7, -0.1, -0.2];
const MASSES: [f64; 4] = [0.15, 0.35, 0.2, 0.3];
const ETA: [f64; 4] = [0.2, 0.3, 0.25, 0.25];
const LAMBDA: f64 = 0.3;
const POINTS: [[f64; 2]; 4] = [[0.0, 0.0], [1.5, -0.4], [-0.7, 0.9], [30.0, 80.0]];

fn solved(divergence: &str) -> (SemiDiscrete, Solution) {
    let p = problem(source("gaussian:2"), weighted(2, &ATOMS, &MASSES), "l2", divergence, LAMBDA);
    let p = p.reference(if divergence.ends_with(":1") { MASSES.to_vec() } else { ETA.to_vec() }).unwrap();
    let s = solve(&p, &settings(3e-2, 1));
    (p, s)
}

fn scores(phi: &[f64], x: &[f64; 2]) -> Vec<f64> {
    let l2 = |y: &[f64]| ((x[0] - y[0]).powi(2) + (x[1] - y[1]).powi(2)).sqrt();
    phi.iter().zip(ATOMS.chunks_exact(2)).map(|(p, y)| p - l2(y)).collect()
}

/// For every divergence: the c-transform is the smooth maximum of φ − c(x, ·) in the tests' own formulas, the
/// weights are its gradient in φ by central differences (for none and CVaR, where atoms tie, that of KL and KL-CVaR, with
/// the smoothing in the result), assignment is the argmax, the barycentric map Σ p_i y_i.
#[test]
fn plans_are_their_formulas() {
    for name in divergences() {
        if name == "safe-kl:0.9" || name == "safe-kl-centered:0.7" {
            continue; // 0.35 is 1.17 times its η, beyond the first's cap; nothing new in the second.
        }
        let eta = if name.ends_with(":1") { MASSES } else { ETA };
        let (p, s) = solved(name);
        let plan = p.plan(&s).unwrap();
        assert_eq!((plan.dim(), plan.atoms()), (2, 4));
        let f = generators::of(name, 4);
        let resolving = match name.split_once(':') {
            _ if s.smoothing.is_none() => name.to_owned(),
            _ if name == "none" => "kl".to_owned(),
            Some(("cvar", alpha)) => format!("kl-cvar:{alpha}"),
            _ => name.to_owned(),
        };
        let resolving = generators::of(&resolving, 4);
        let strength = s.smoothing.unwrap_or(LAMBDA);
        let phi = potentials(&s);
        for x in POINTS {
            let u = scores(&phi, &x);
            let psi = f.smoothmax(&u, &eta, LAMBDA);
            let found = plan.c_transform(&x).unwrap();
            assert!((found - psi).abs() <= 1e-9 * (1.0 + psi.abs()), "{name} {x:?}: {found} {psi}");
            let mut weights = [0.0; 4];
            plan.weights(&x, &mut weights).unwrap();
            let step = 1e-5;
            for i in 0..4 {
                let moved = |by: f64| {
                    let mut u = u.clone();
                    u[i] += by;
                    resolving.smoothmax(&u, &eta, strength)
                };
                let slope = (moved(step) - moved(-step)) / (2.0 * step);
                assert!((slope - weights[i]).abs() <= 1e-4, "{name} {x:?} {i}: {slope} {weights:?}");
            }
            let best = (0..4).fold(0, |a, b| if u[b] > u[a] { b } else { a });
            assert_eq!(plan.assign(&x).unwrap(), best, "{name}");
            let mut y = [0.0; 2];
            plan.barycentric(&x, &mut y).unwrap();
            for k in 0..2 {
                let mean: f64 = (0..4).map(|i| weights[i] * ATOMS[2 * i + k]).sum();
                assert!((y[k] - mean).abs() <= 1e-14, "{name}: {y:?}");
            }
        }
    }
}

/// KL weights are η_i e^{u_i/λ} normalised, to rounding.
#[test]
fn kl_weights() {
    let (p, s) = solved("kl");
    let plan = p.plan(&s).unwrap();
    for x in POINTS {
        let mut weights = [0.0; 4];
        plan.weights(&x, &mut weights).unwrap();
        let u = scores(&potentials(&s), &x);
        let top = u.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        let e: Vec<f64> = u.iter().zip(ETA).map(|(u, eta)| eta * ((u - top) / LAMBDA).exp()).collect();
        let total: f64 = e.iter().sum();
        for (w, e) in weights.iter().zip(&e) {
            assert!((w - e / total).abs() <= 1e-13, "{weights:?}");
        }
    }
}

/// Wrong lengths and points that are not finite are refused; an atom without mass has weight zero.
#[test]
fn plans_refuse_what_does_not_fit() {
    let (p, s) = solved("kl");
    let plan = p.plan(&s).unwrap();
    let mut four = [0.0; 4];
    assert!(matches!(plan.weights(&[0.0], &mut four), Err(Error::Shape { .. })));
    assert!(matches!(plan.weights(&[0.0, 0.0], &mut four[..3]), Err(Error::Shape { .. })));
    assert!(matches!(plan.barycentric(&[0.0, 0.0], &mut four), Err(Error::Shape { .. })));
    for bad in [f64::NAN, f64::INFINITY] {
        assert!(matches!(plan.assign(&[0.0, bad]), Err(Error::NonFinite { .. })));
        assert!(matches!(plan.c_transform(&[bad, 0.0]), Err(Error::NonFinite { .. })));
    }
    let other = problem(source("gaussian:2"), weighted(2, &ATOMS[..4], &MASSES[..2]), "l2", "kl", 1.0);
    assert!(matches!(other.plan(&s), Err(Error::Shape { .. })));
    let with_empty =
        problem(source("gaussian:2"), weighted(2, &ATOMS, &[0.5, 0.0, 0.5, 0.0]), "l2", "kl", 1.0);
    let s = solve(&with_empty, &settings(3e-2, 1));
    let plan = with_empty.plan(&s).unwrap();
    plan.weights(&[0.2, 0.8], &mut four).unwrap();
    assert!(four[1] == 0.0 && four[3] == 0.0 && (four[0] + four[2] - 1.0).abs() < 1e-15, "{four:?}");
    assert!([0, 2].contains(&plan.assign(&[0.2, 0.8]).unwrap()));
}

fn directory() -> &'static tempfile::TempDir {
    static DIRECTORY: OnceLock<tempfile::TempDir> = OnceLock::new();
    DIRECTORY.get_or_init(|| tempfile::tempdir().unwrap())
}

fn path(name: &str) -> PathBuf {
    directory().path().join(name)
}

/// Saved and loaded, a result is equal and a plan answers with the same bits, infinities and nulls included;
/// saved again, the files are the same.
#[test]
fn saved_and_loaded_to_the_bit() {
    for name in ["kl", "none", "safe-kl:0.1", "marginal-moments", "tsallis:1.5"] {
        let (p, mut s) = solved(name);
        let file = path("solution.json");
        s.save(&file).unwrap();
        assert_eq!(Solution::load(&file).unwrap(), s);
        s.interval.upper = f64::INFINITY;
        s.bounds.lower = f64::NEG_INFINITY;
        s.save(&file).unwrap();
        let again = Solution::load(&file).unwrap();
        assert_eq!(again, s);
        let plan = p.plan(&s).unwrap();
        let (one, two) = (path("one.json"), path("two.json"));
        plan.save(&one).unwrap();
        let loaded = Plan::load(&one).unwrap();
        loaded.save(&two).unwrap();
        assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
        for x in POINTS {
            let (mut a, mut b) = ([0.0; 4], [0.0; 4]);
            plan.weights(&x, &mut a).unwrap();
            loaded.weights(&x, &mut b).unwrap();
            assert_eq!(a, b, "{name}");
            assert_eq!(plan.c_transform(&x).unwrap(), loaded.c_transform(&x).unwrap(), "{name}");
        }
    }
}

/// A plan with a cost of the user's own needs that cost to be loaded.
#[test]
fn a_cost_of_ones_own() {
    let mine = || Arc::new(CostFn::new("mine", |x: &[f64], y: &[f64]| (x[0] - y[0]).abs().sqrt()));
    let kl = divergence::parse("kl").unwrap();
    let atoms = weighted(2, &ATOMS, &MASSES);
    let p = SemiDiscrete::new(source("gaussian:2"), atoms, mine(), kl, Lambda::Absolute(0.3)).unwrap();
    let s = solve(&p, &settings(3e-2, 1));
    assert_eq!((s.cost.as_str(), s.status), ("mine", Status::Converged));
    let (plan, file) = (p.plan(&s).unwrap(), path("own.json"));
    plan.save(&file).unwrap();
    assert!(matches!(Plan::load(&file), Err(Error::UnknownName { .. })));
    let loaded = Plan::load_with(&file, mine(), Arc::new(Kl)).unwrap();
    assert_eq!(plan.c_transform(&[0.3, 0.1]).unwrap(), loaded.c_transform(&[0.3, 0.1]).unwrap());
    // Nothing of a file that cannot be written.
    assert!(matches!(plan.save(path("nowhere/plan.json")), Err(Error::File { .. })));
    assert!(matches!(s.save(directory().path()), Err(Error::File { .. })));
}

/// Potentials from anywhere make the plan that a solution with them makes; as text it is the same plan again.
#[test]
fn potentials_from_anywhere() {
    let phi = [0.3, f64::NAN, -0.1, 0.2];
    let given = || phi.iter().map(|phi| Some(*phi).filter(|phi| phi.is_finite())).collect::<Vec<_>>();
    for name in ["kl", "chi2", "none"] {
        let make = |phi, lambda| {
            let (cost, div) = (cost::parse("l2").unwrap(), divergence::parse(name).unwrap());
            Plan::of_potential(&weighted(2, &ATOMS, &MASSES), phi, cost, div, lambda)
        };
        let plan = make(given(), LAMBDA).unwrap();
        let again = Plan::from_json(&plan.to_json().unwrap(), None).unwrap();
        let f = generators::of(name, 4);
        for x in POINTS {
            let mut u = scores(&phi, &x);
            u[1] = -1e9; // nothing goes there
            let psi = f.smoothmax(&u, &MASSES, LAMBDA);
            assert!((plan.c_transform(&x).unwrap() - psi).abs() <= 1e-9 * (1.0 + psi.abs()), "{name} {x:?}");
            let (mut p, mut q) = ([0.0; 4], [0.0; 4]);
            plan.weights(&x, &mut p).unwrap();
            again.weights(&x, &mut q).unwrap();
            assert_eq!((p, p[1]), (q, 0.0), "{name} {x:?}");
        }
        assert!(matches!(make(given()[..3].to_vec(), LAMBDA), Err(Error::Shape { .. })));
        assert!(matches!(make(vec![None; 4], LAMBDA), Err(Error::InvalidValue { .. })));
        assert!(matches!(make(vec![Some(f64::INFINITY); 4], LAMBDA), Err(Error::NonFinite { .. })));
        assert!(matches!(make(given(), 0.0), Err(Error::InvalidValue { .. })));
    }
    assert!(Plan::from_json("{}", None).is_err());
}

fn saved_plan() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let (p, s) = solved("safe-kl:0.1");
        p.plan(&s).unwrap().save(path("sound.json")).unwrap();
        std::fs::read_to_string(path("sound.json")).unwrap()
    })
}

/// Files that are no plan: the message names the file and what is wrong with it.
#[test]
fn broken_files() {
    let sound = saved_plan();
    let field = |from: &str, to: &str| {
        let text = sound.replacen(from, to, 1);
        assert_ne!(text, sound, "{from}");
        text
    };
    for (text, wanted) in [
        (String::new(), "line"),
        ("not a plan".into(), "line 1"),
        (sound[..sound.len() / 2].into(), "line"),
        ("{}".into(), "missing field"),
        (field("fenchel plan 1", "fenchel plan 9"), "fenchel plan 9"),
        (field("\"dim\": 2", "\"dim\": 0"), "dim"),
        (field("\"dim\": 2", "\"dim\": 3"), "points"),
        (field("\"dim\": 2", "\"dim\": -2"), "line"),
        (field("\"lambda\": 0.3", "\"lambda\": 0.0"), "lambda"),
        (field("\"lambda\": 0.3", "\"lambda\": -1"), "lambda"),
        (field("\"lambda\": 0.3", "\"lambda\": \"x\""), "line"),
        (field("\"cost\": \"l2\"", "\"cost\": \"l22\""), "did you mean"),
        (field("safe-kl:0.1", "safe-kl:3"), "rho"),
        (field("\"reference\": [", "\"reference\": [ 1.0,"), "reference"),
        (field("\"reference\": [", "\"reference\": [ -1.0, 1, 1, 1], \"was\": ["), "reference"),
        (field("\"reference\": [", "\"reference\": [ 0, 0, 0, 0], \"was\": ["), "reference"),
        (field("\"potential\": [", "\"potential\": [null, null, null, null], \"was\": ["), "potential"),
    ] {
        let file = path("broken.json");
        std::fs::write(&file, &text).unwrap();
        match Plan::load(&file) {
            Ok(_) => panic!("loaded in spite of {wanted}: {text}"),
            Err(error) => assert!(error.to_string().contains(wanted), "{error}: no {wanted} in it"),
        }
    }
    let error = Plan::load(path("missing.json")).unwrap_err().to_string();
    assert!(error.contains("missing.json") && error.contains("cannot be read"), "{error}");
    assert!(Solution::load(path("missing.json")).is_err());
}

/// Loads what is in the file; a plan that loads answers with finite numbers or an error, never a panic.
fn survives(bytes: &[u8]) {
    let file = tempfile::NamedTempFile::new_in(directory()).unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    if let Ok(s) = Solution::load(file.path()) {
        let _ = s.save(file.path());
    }
    let Ok(plan) = Plan::load(file.path()) else { return };
    let mut p = vec![0.0; plan.atoms()];
    let x = vec![0.3; plan.dim()];
    if plan.weights(&x, &mut p).is_ok() {
        assert!(p.iter().all(|p| *p >= 0.0), "{p:?}");
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{p:?}");
        assert!(plan.assign(&x).is_ok());
        assert!(!plan.c_transform(&x).unwrap().is_nan());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any bytes.
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        survives(&bytes);
    }

    /// A sound plan with a few bytes changed.
    #[test]
    fn changed_bytes_never_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
    ) {
        let mut bytes = saved_plan().as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        survives(&bytes);
    }

    /// A sound plan with a few numbers replaced by others of any magnitude.
    #[test]
    fn changed_numbers_never_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<f64>()), 1..4),
        small in any::<bool>(),
    ) {
        let mut words: Vec<String> = saved_plan().split_inclusive([',', '\n']).map(str::to_owned).collect();
        let numbers: Vec<usize> = (0..words.len())
            .filter(|&i| words[i].trim().trim_end_matches(',').parse::<f64>().is_ok())
            .collect();
        for (at, number) in changes {
            let number = if small { number.clamp(-2.0, 2.0) } else { number };
            let word = &mut words[numbers[at.index(numbers.len())]];
            *word = format!("{}{}", serde_json::json!(number), if word.contains(',') { "," } else { "\n" });
        }
        survives(words.concat().as_bytes());
    }
}

/// The checks of `survives` hold for the sound file itself.
#[test]
fn a_sound_file_survives() {
    survives(saved_plan().as_bytes());
    let (_, s) = solved("kl");
    check(&s);
    let _ = cost::parse("l2").unwrap();
}
