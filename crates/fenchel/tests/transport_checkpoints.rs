//! A solve that is taken up again ends with the bits with which it would have ended.

use fenchel::measure::file::{FileSource, Selection};
use fenchel::measure::{self, PointCloud, Rng, Source};
use fenchel::optim::{Flow, Observer, Progress, Silent, Status};
use fenchel::transport::{
    Asgd, Checkpoint, CheckpointFile, Lambda, SemiDiscrete, Settings, Solution, Solver, StepRule,
};
use fenchel::{cost, divergence};
use std::sync::Arc;

/// Keeps every state, and stops after some reports of progress.
#[derive(Default)]
struct Keeper {
    states: Vec<Vec<u8>>,
    reports: usize,
    stop_at: Option<usize>,
}

impl Observer for Keeper {
    fn progress(&mut self, _: &Progress<'_>) -> Flow {
        self.reports += 1;
        if self.stop_at == Some(self.reports) { Flow::Stop } else { Flow::Continue }
    }

    fn resumable(&mut self, save: &mut dyn FnMut() -> Vec<u8>) {
        self.states.push(save());
    }
}

/// All but the times, bit by bit: JSON writes numbers so that they are read back the same.
fn bits(mut solution: Solution) -> String {
    solution.seconds = 0.0;
    solution.history.iter_mut().for_each(|h| h.seconds = 0.0);
    serde_json::to_string(&solution).unwrap()
}

fn cloud(n: usize, dim: usize, weighted: bool) -> PointCloud {
    let mut rng = Rng::new(n as u64);
    let points = (0..n * dim).map(|_| rng.normal()).collect();
    if weighted {
        PointCloud::weighted(dim, points, (0..n).map(|_| rng.exponential()).collect()).unwrap()
    } else {
        PointCloud::new(dim, points).unwrap()
    }
}

fn problem(source: Arc<dyn Source>, atoms: PointCloud, divergence: &str, lambda: f64) -> SemiDiscrete {
    let (cost, divergence) = (cost::parse("sqeuclidean").unwrap(), divergence::parse(divergence).unwrap());
    SemiDiscrete::new(source, atoms, cost, divergence, Lambda::Relative(lambda)).unwrap()
}

fn settings(tolerance: f64) -> Settings {
    Settings { tolerance, max_seconds: None, max_samples: 1 << 14, ..Settings::default() }
}

fn solution_of(bits: &str) -> Solution {
    serde_json::from_str(bits).unwrap()
}

/// Stops a solve everywhere and takes it up again; takes up every state that it offers.
fn everywhere(problem: &SemiDiscrete, settings: &Settings) -> Solution {
    let mut keeper = Keeper::default();
    let solution = problem.solve(settings, &mut keeper).unwrap();
    let wanted = bits(solution);
    let checkpoint = |bytes: &[u8]| Checkpoint::from_bytes("memory", bytes).unwrap();
    assert!(keeper.states.len() >= 2, "{} states", keeper.states.len());
    for (k, state) in keeper.states.iter().enumerate() {
        let resumed = problem.resume(settings, &checkpoint(state), &mut Silent).unwrap();
        assert!(bits(resumed) == wanted, "state {k} of {}", keeper.states.len());
    }
    for stop_at in (1..=keeper.reports).step_by(1 + keeper.reports / 30) {
        let mut stopped = Keeper { stop_at: Some(stop_at), ..Keeper::default() };
        problem.solve(settings, &mut stopped).unwrap();
        let state = checkpoint(stopped.states.last().unwrap());
        let resumed = problem.resume(settings, &state, &mut Silent).unwrap();
        assert!(bits(resumed) == wanted, "stopped at {stop_at} of {}", keeper.reports);
    }
    // Stopped again and again, on other numbers of threads.
    let mut state: Option<Checkpoint> = None;
    for round in 1..=100 {
        let settings = Settings { threads: Some(1 + round % 3), ..*settings };
        // Patience grows: what lies between two states must be done in one go.
        let stop_at = 1 + round * keeper.reports / 8;
        let mut stopped = Keeper { stop_at: Some(stop_at), ..Keeper::default() };
        let solution = match &state {
            None => problem.solve(&settings, &mut stopped),
            Some(state) => problem.resume(&settings, state, &mut stopped),
        };
        let last = checkpoint(stopped.states.last().unwrap());
        assert!(state.as_ref().is_none_or(|before| before.seconds() <= last.seconds()));
        if stopped.reports < stop_at {
            assert!(bits(solution.unwrap()) == wanted);
            return solution_of(&wanted);
        }
        state = Some(last);
    }
    panic!("never ends")
}

#[test]
fn smooth() {
    let source = measure::parse("gaussian:2").unwrap();
    let (problem, settings) = (problem(source, cloud(12, 2, true), "kl", 0.05), settings(5e-3));
    let solution = everywhere(&problem, &settings);
    assert_eq!(solution.status, Status::Converged);
    assert!(solution.history.len() >= 3, "several nets: {}", solution.history.len());
    // In the certificate as well: each of its eight nets is a place to stop.
    let mut keeper = Keeper::default();
    let solution = problem.solve(&settings, &mut keeper).unwrap();
    assert!(keeper.states.len() >= solution.history.len() + 8, "{} states", keeper.states.len());
}

#[test]
fn not_smooth() {
    let source = measure::parse("uniform:2").unwrap();
    everywhere(&problem(source, cloud(6, 2, false), "cvar:0.3", 0.1), &settings(2e-2));
}

#[test]
fn certificates_that_are_repeated() {
    let source = measure::parse("gaussian:6").unwrap();
    let solution = everywhere(&problem(source, cloud(20, 6, false), "chi2", 0.1), &settings(1e-2));
    assert!(solution.samples > 100_000 || solution.status == Status::Converged);
}

#[test]
fn finite_sources() {
    let solution =
        everywhere(&problem(Arc::new(cloud(5000, 2, true)), cloud(9, 2, false), "kl", 0.1), &settings(1e-2));
    assert_eq!(solution.status, Status::Converged);
}

#[test]
fn sources_in_files() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("source.csv");
    let text: String =
        cloud(2000, 2, false).points().chunks(2).map(|p| format!("{},{}\n", p[0], p[1])).collect();
    std::fs::write(&path, &text).unwrap();
    let open = || Arc::new(FileSource::open(&path, &Selection::default(), 1 << 16).unwrap());
    everywhere(&problem(open(), cloud(5, 2, false), "kl", 0.1), &settings(3e-2));
    // The file's numbers are part of the problem.
    let mut keeper = Keeper::default();
    let before = problem(open(), cloud(5, 2, false), "kl", 0.1);
    before.solve(&settings(3e-2), &mut keeper).unwrap();
    std::fs::write(&path, text.replacen('1', "2", 1)).unwrap();
    let after = problem(open(), cloud(5, 2, false), "kl", 0.1);
    let state = Checkpoint::from_bytes("memory", &keeper.states[0]).unwrap();
    let message = after.resume(&settings(3e-2), &state, &mut Silent).unwrap_err().to_string();
    assert!(message.contains("the source's points differ"), "{message}");
}

#[test]
fn stochastic() {
    for (rule, oracle_error, batch) in
        [(StepRule::PracticalDecaying, 0.0, 3), (StepRule::Lipschitz, 0.0, 1), (StepRule::Continuous, 0.5, 1)]
    {
        let solver = Solver::Asgd(Asgd { steps: 5000, batch, rule, oracle_error });
        let source = measure::parse("gaussian:2").unwrap();
        let settings = Settings { solver, ..settings(5e-2) };
        let solution = everywhere(&problem(source, cloud(4, 2, true), "kl", 0.2), &settings);
        assert!(solution.asgd.is_some() && solution.samples >= 5000 * batch as u64);
    }
}

#[test]
fn time_counts_on() {
    let source = measure::parse("gaussian:2").unwrap();
    let problem = problem(source, cloud(8, 2, false), "kl", 0.1);
    let mut keeper = Keeper::default();
    problem.solve(&settings(1e-2), &mut keeper).unwrap();
    let last = Checkpoint::from_bytes("memory", keeper.states.last().unwrap()).unwrap();
    assert!(last.seconds() > 0.0 && last.samples() > 0);
    let resumed = problem.resume(&settings(1e-2), &last, &mut Silent).unwrap();
    assert!(resumed.seconds >= last.seconds());
    // A budget that is spent already.
    let spent = Settings { max_seconds: Some(last.seconds() / 2.0), ..settings(1e-2) };
    let stopped = problem.resume(&spent, &last, &mut Silent).unwrap();
    assert!(matches!(stopped.status, Status::MaxTime | Status::Converged), "{:?}", stopped.status);
}

#[test]
fn another_problem_is_refused_by_name() {
    let gaussian = || measure::parse("gaussian:2").unwrap();
    let base = problem(gaussian(), cloud(7, 2, true), "kl", 0.1);
    let mut keeper = Keeper::default();
    let own = settings(2e-2);
    base.solve(&own, &mut keeper).unwrap();
    let state = Checkpoint::from_bytes("memory", &keeper.states[0]).unwrap();
    let refused = |problem: &SemiDiscrete, settings: &Settings, parts: &[&str]| {
        let message = problem.resume(settings, &state, &mut Silent).unwrap_err().to_string();
        for part in parts {
            assert!(message.contains(part), "no '{part}' in: {message}");
        }
    };
    refused(&base, &Settings { seed: 1, ..own }, &["the seed was 0, now 1"]);
    refused(&base, &Settings { tolerance: 0.5, ..own }, &["the tolerance was 0.02, now 0.5"]);
    refused(&base, &Settings { memory: Some(1 << 30), ..own }, &["the budget of samples and memory was"]);
    refused(
        &base,
        &Settings { solver: Solver::Asgd(Asgd::default()), ..own },
        &["the solver was auto, now asgd"],
    );
    let uniform = measure::parse("uniform:2").unwrap();
    let parts = ["the source was gaussian:2, now uniform:2", "the source's points differ"];
    refused(&problem(uniform, cloud(7, 2, true), "kl", 0.1), &own, &parts);
    refused(
        &problem(gaussian(), cloud(8, 2, true), "kl", 0.1),
        &own,
        &["the atoms differ", "the weights differ"],
    );
    refused(&problem(gaussian(), cloud(7, 2, false), "kl", 0.1), &own, &["the weights differ"]);
    refused(&problem(gaussian(), cloud(7, 2, true), "chi2", 0.1), &own, &["the divergence was kl, now chi2"]);
    refused(&problem(gaussian(), cloud(7, 2, true), "kl", 0.2), &own, &["λ was"]);
    let reference =
        problem(gaussian(), cloud(7, 2, true), "kl", 0.1).reference((1..8).map(f64::from).collect());
    refused(&reference.unwrap(), &own, &["the reference weights differ"]);
    // Threads and time may be others.
    let other = Settings { threads: Some(1), max_seconds: Some(1e6), ..own };
    assert!(base.resume(&other, &state, &mut Silent).is_ok());
}

#[test]
fn bytes_that_are_no_checkpoint() {
    let source = measure::parse("gaussian:1").unwrap();
    let mut keeper = Keeper::default();
    problem(source, cloud(3, 1, false), "kl", 0.1).solve(&settings(5e-2), &mut keeper).unwrap();
    let bytes = keeper.states.last().unwrap();
    let message = |bytes: &[u8]| Checkpoint::from_bytes("state", bytes).unwrap_err().to_string();
    for length in 0..bytes.len() {
        let says = message(&bytes[..length]);
        assert!(says.starts_with("state: is "), "{length}: {says}");
    }
    let longer = [bytes.as_slice(), &[0; 8]].concat();
    assert!(message(&longer).contains("damaged"));
    for at in 0..bytes.len() {
        for change in [1, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= change;
            message(&damaged);
        }
    }
    let mut newer = bytes.clone();
    newer["fenchel checkpoint ".len()] = b'7';
    assert!(message(&newer).contains("of another version"));
    assert!(message(b"x,y\n1,2\n").contains("is no checkpoint"));
}

/// A file has the last state, with what is to stand before it; nothing of another's is overwritten. A first state that cannot be
/// written is a failure, a later one leaves the file as it was.
#[test]
fn files_of_states() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.ckpt");
    let p = problem(measure::parse("gaussian:2").unwrap(), cloud(5, 2, false), "kl", 0.5);
    let mut keeper = Keeper::default();
    p.solve(&settings(0.1), &mut keeper).unwrap();
    let [first, .., last] = keeper.states.as_slice() else { panic!("{} states", keeper.states.len()) };
    let mut file = CheckpointFile::new(&path).unwrap();
    assert!(!path.exists());
    file.take(first.clone());
    assert_eq!(&std::fs::read(&path).unwrap(), first, "the first is written at once");
    file.take(last.clone());
    file.flush();
    assert_eq!(&std::fs::read(&path).unwrap(), last);
    Checkpoint::from_bytes(&path, last).unwrap();
    assert!(file.failure().is_none() && file.outdated().is_none());

    // Again over a checkpoint, and with a head; not over anything else.
    CheckpointFile::new(&path).unwrap();
    let refused = CheckpointFile::headed(&path, b"mine", b"mine\n".to_vec()).unwrap_err();
    assert!(refused.to_string().contains("not overwritten"), "{refused}");
    let headed = directory.path().join("headed.ckpt");
    let mut file = CheckpointFile::headed(&headed, b"mine", b"mine\n".to_vec()).unwrap();
    file.take(b"state".to_vec());
    assert_eq!(std::fs::read(&headed).unwrap(), b"mine\nstate");
    CheckpointFile::headed(&headed, b"mine", Vec::new()).unwrap();
    assert!(CheckpointFile::new(&headed).is_err());

    // Where nothing can be written (any more).
    let gone = directory.path().join("gone");
    let mut nowhere = CheckpointFile::new(gone.join("run.ckpt")).unwrap();
    nowhere.take(first.clone());
    assert!(nowhere.failure().is_some());
    std::fs::create_dir(&gone).unwrap();
    let mut late = CheckpointFile::new(gone.join("run.ckpt")).unwrap();
    late.take(first.clone());
    std::fs::remove_dir_all(&gone).unwrap();
    late.take(last.clone());
    late.flush();
    assert!(late.failure().is_none() && late.outdated().is_some());
    std::fs::create_dir(&gone).unwrap();
    late.take(last.clone());
    late.flush();
    assert!(late.outdated().is_none(), "it is the last again");
}
