//! Exact fits of robust linear models against methods that share nothing with them: normal equations, a linear program, a
//! conic program.

use clarabel::algebra::CscMatrix;
use clarabel::solver::{DefaultSettingsBuilder, DefaultSolver, IPSolver, SolverStatus, SupportedConeT};
use fenchel::divergence;
use fenchel::measure::Rng;
use fenchel::optim::{Silent, Status};
use fenchel::robust::{Examples, Fit, Linear, Options, Precision, Risk, Strength, loss};

/// Σ of coefficients times variables, less than or equal to a number.
type Line = (Vec<(usize, f64)>, f64);

/// minimise ⟨q, x⟩ + ½ Σ square_j x_j² with lines, second-order cones ‖(b, c)‖ ≤ a and exponential cones e^a ≤ c.
#[derive(Default)]
struct Program {
    cost: Vec<f64>,
    square: Vec<f64>,
    lines: Vec<Line>,
    /// Affine expressions: of three each, b − ⟨coefficients, x⟩.
    cones: Vec<[Line; 3]>,
    exponentials: Vec<[Line; 3]>,
}

impl Program {
    fn variable(&mut self, cost: f64) -> usize {
        self.cost.push(cost);
        self.square.push(0.0);
        self.cost.len() - 1
    }

    fn solve(self) -> f64 {
        let n = self.cost.len();
        let mut rows: Vec<Line> = self.lines.clone();
        rows.extend(self.cones.iter().flatten().chain(self.exponentials.iter().flatten()).cloned());
        let (mut i, mut j, mut v, mut b) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (row, (terms, right)) in rows.iter().enumerate() {
            for (column, value) in terms {
                i.push(row);
                j.push(*column);
                v.push(*value);
            }
            b.push(*right);
        }
        let a = CscMatrix::new_from_triplets(rows.len(), n, i, j, v);
        let diagonal: Vec<usize> = (0..n).collect();
        let p = CscMatrix::new_from_triplets(n, n, diagonal.clone(), diagonal, self.square.clone());
        let mut cones = vec![SupportedConeT::NonnegativeConeT(self.lines.len())];
        cones.extend(self.cones.iter().map(|_| SupportedConeT::SecondOrderConeT(3)));
        cones.extend(self.exponentials.iter().map(|_| SupportedConeT::ExponentialConeT()));
        let settings = DefaultSettingsBuilder::default().verbose(false).build().unwrap();
        let mut solver = DefaultSolver::new(&p, &self.cost, &a, &b, &cones, settings).unwrap();
        solver.solve();
        assert!(matches!(solver.solution.status, SolverStatus::Solved), "{:?}", solver.solution.status);
        solver.solution.obj_val
    }
}

/// Slope and constant of each straight piece of a loss, given the label.
type Pieces = dyn Fn(f64) -> Vec<(f64, f64)>;

/// A small table: skewed features, a label with a few gross errors.
struct Small {
    x: Vec<[f64; 3]>,
    y: Vec<f64>,
}

fn small(seed: u64, n: usize) -> Small {
    let mut rng = Rng::new(seed);
    let mut x = Vec::new();
    let mut y = Vec::new();
    for i in 0..n {
        let row = [rng.uniform() * 4.0 - 2.0, rng.exponential(), rng.uniform() - 0.3];
        let error = if i % 9 == 0 { 6.0 * rng.uniform() } else { rng.uniform() - 0.5 };
        y.push(1.0 + row[0] - 0.5 * row[1] + error);
        x.push(row);
    }
    Small { x, y }
}

impl Small {
    fn examples(&self) -> Examples {
        Examples::new(3, self.x.iter().flatten().copied().collect(), self.y.clone()).unwrap()
    }

    fn signs(mut self) -> Self {
        let middle = self.y.iter().sum::<f64>() / self.y.len() as f64;
        self.y.iter_mut().for_each(|y| *y = (*y - middle).signum());
        self
    }

    /// θ, θ₀ as variables, with the terms of each example's score.
    fn scores(&self, program: &mut Program, l1: f64, l2: f64) -> Vec<Vec<(usize, f64)>> {
        let theta: Vec<usize> = (0..3).map(|_| program.variable(0.0)).collect();
        let constant = program.variable(0.0);
        for j in &theta {
            program.square[*j] = 2.0 * l2;
            if l1 > 0.0 {
                let size = program.variable(l1);
                program.lines.push((vec![(*j, 1.0), (size, -1.0)], 0.0));
                program.lines.push((vec![(*j, -1.0), (size, -1.0)], 0.0));
            }
        }
        let terms = |x: &[f64; 3]| (0..3).map(|k| (theta[k], x[k])).chain([(constant, 1.0)]).collect();
        self.x.iter().map(terms).collect()
    }

    /// A variable above each loss: of pieces (a, b) with loss ≥ a z + b y + c.
    fn above(
        &self,
        program: &mut Program,
        scores: &[Vec<(usize, f64)>],
        pieces: impl Fn(f64) -> Vec<(f64, f64)>,
    ) -> Vec<usize> {
        let mut losses = Vec::new();
        for (terms, y) in scores.iter().zip(&self.y) {
            let loss = program.variable(0.0);
            for (slope, constant) in pieces(*y) {
                let mut line: Vec<_> = terms.iter().map(|(j, x)| (*j, slope * x)).collect();
                line.push((loss, -1.0));
                program.lines.push((line, -constant));
            }
            losses.push(loss);
        }
        losses
    }

    /// A variable above each squared error.
    fn squares(&self, program: &mut Program, scores: &[Vec<(usize, f64)>]) -> Vec<usize> {
        let mut losses = Vec::new();
        for (terms, y) in scores.iter().zip(&self.y) {
            let loss = program.variable(0.0);
            // ‖(2(z − y), loss − 1)‖ ≤ loss + 1.
            let twice: Vec<_> = terms.iter().map(|(j, x)| (*j, -2.0 * x)).collect();
            program.cones.push([(vec![(loss, -1.0)], 1.0), (twice, -2.0 * y), (vec![(loss, -1.0)], -1.0)]);
            losses.push(loss);
        }
        losses
    }
}

fn cvar(program: &mut Program, losses: &[usize], alpha: f64) {
    let tau = program.variable(1.0);
    for loss in losses {
        let excess = program.variable(1.0 / (alpha * losses.len() as f64));
        program.lines.push((vec![(*loss, 1.0), (tau, -1.0), (excess, -1.0)], 0.0));
        program.lines.push((vec![(excess, -1.0)], 0.0));
    }
}

fn fit(examples: &Examples, name: &str, risk: Risk, options: Options, tolerance: f64) -> Fit {
    let model = Linear::new(examples, loss::parse(name).unwrap(), risk, options).unwrap();
    let fit = model.fit(&Precision { tolerance, ..Precision::default() }, &mut Silent).unwrap();
    assert_eq!(fit.status, Status::Converged, "{name}: {} {} {:?}", fit.objective, fit.gap, fit.status);
    assert!(
        fit.gap <= tolerance * fit.objective.abs() && fit.gap >= -1e-13 * fit.objective.abs(),
        "{name} {}",
        fit.gap
    );
    fit
}

fn risk(name: &str, strength: Strength) -> Risk {
    Risk::new(divergence::parse(name).unwrap(), strength).unwrap()
}

const PLAIN: Options = Options { intercept: true, standardise: false, l2: 0.0, l1: 0.0 };

#[test]
fn the_mean_is_least_squares() {
    let table = small(1, 60);
    let fit = fit(&table.examples(), "squared", Risk::mean(), PLAIN, 1e-12);
    // Normal equations by elimination.
    let mut a = [[0.0; 5]; 4];
    for (x, y) in table.x.iter().zip(&table.y) {
        let row = [x[0], x[1], x[2], 1.0, *y];
        for i in 0..4 {
            for j in 0..5 {
                a[i][j] += row[i] * row[j];
            }
        }
    }
    for i in 0..4 {
        let pivot = a[i];
        for (_, row) in a.iter_mut().enumerate().filter(|(k, _)| *k != i) {
            let factor = row[i] / pivot[i];
            row.iter_mut().zip(&pivot).for_each(|(x, p)| *x -= factor * p);
        }
    }
    let theta: Vec<f64> = (0..4).map(|i| a[i][4] / a[i][i]).collect();
    for (found, exact) in fit.coefficients.iter().chain(&fit.intercept).zip(&theta) {
        assert!((found - exact).abs() < 1e-9, "{:?} {theta:?}", fit.coefficients);
    }
}

#[test]
fn tails_are_linear_programs() {
    for (seed, alpha) in [(2, 0.1), (3, 0.34), (4, 1.0)] {
        let table = small(seed, 40);
        let examples = table.examples();
        let absolute = |y: f64| vec![(1.0, -y), (-1.0, y)];
        let quantile = |y: f64| vec![(-0.3, 0.3 * y), (0.7, -0.7 * y)];
        let pieces: [(&str, &Pieces); 2] = [("absolute", &absolute), ("quantile:0.3", &quantile)];
        for (name, pieces) in pieces {
            let mut program = Program::default();
            let scores = table.scores(&mut program, 0.02, 0.0);
            let losses = table.above(&mut program, &scores, pieces);
            cvar(&mut program, &losses, alpha);
            let exact = program.solve();
            let risk = risk(&format!("cvar:{alpha}"), Strength::Penalty(1.0));
            let found = fit(&examples, name, risk, Options { l1: 0.02, ..PLAIN }, 1e-6);
            assert!((found.objective - exact).abs() < 3e-6 * exact, "{name} {} {exact}", found.objective);
        }
        let mut program = Program::default();
        let scores = table.scores(&mut program, 0.0, 0.0);
        let losses = table.squares(&mut program, &scores);
        cvar(&mut program, &losses, alpha);
        let exact = program.solve();
        let found =
            fit(&examples, "squared", risk(&format!("cvar:{alpha}"), Strength::Penalty(1.0)), PLAIN, 1e-6);
        assert!((found.objective - exact).abs() < 3e-6 * exact, "{} {exact}", found.objective);
    }
}

#[test]
fn margins_are_a_quadratic_program() {
    let table = small(5, 50).signs();
    let examples = table.examples();
    for (l1, l2) in [(0.0, 0.05), (0.05, 0.0), (0.02, 0.02)] {
        let mut program = Program::default();
        let scores = table.scores(&mut program, l1, l2);
        let losses = table.above(&mut program, &scores, |y| vec![(-y, 1.0), (0.0, 0.0)]);
        cvar(&mut program, &losses, 0.5);
        let exact = program.solve();
        let found = fit(
            &examples,
            "hinge",
            risk("cvar:0.5", Strength::Penalty(1.0)),
            Options { l1, l2, ..PLAIN },
            1e-6,
        );
        assert!((found.objective - exact).abs() < 3e-6 * exact, "{} {exact}", found.objective);
    }
}

#[test]
fn the_largest_residual_is_a_linear_program() {
    let table = small(6, 40);
    let mut program = Program::default();
    let scores = table.scores(&mut program, 0.0, 0.0);
    let losses = table.above(&mut program, &scores, |y| vec![(1.0, -y), (-1.0, y)]);
    let most = program.variable(1.0);
    losses.iter().for_each(|loss| program.lines.push((vec![(*loss, 1.0), (most, -1.0)], 0.0)));
    let exact = program.solve();
    let found = fit(&table.examples(), "absolute", risk("none", Strength::Penalty(1.0)), PLAIN, 1e-6);
    assert!((found.objective - exact).abs() < 3e-6 * exact, "{} {exact}", found.objective);
}

/// KL and χ², penalised, of squared errors.
fn conic(table: &Small, lambda: f64, kl: bool) -> f64 {
    let n = table.y.len() as f64;
    let mut program = Program::default();
    let scores = table.scores(&mut program, 0.0, 0.01);
    let losses = table.squares(&mut program, &scores);
    let tau = program.variable(1.0);
    if kl {
        // Σ e^{(ℓ_i − τ)/λ}/n ≤ 1.
        let mut sum = Vec::new();
        for loss in &losses {
            let weight = program.variable(0.0);
            let exponent = vec![(*loss, -1.0 / lambda), (tau, 1.0 / lambda)];
            program.exponentials.push([(exponent, 0.0), (vec![], 1.0), (vec![(weight, -1.0)], 0.0)]);
            sum.push((weight, 1.0 / n));
        }
        program.lines.push((sum, 1.0));
    } else {
        // τ + λ Σ v_i²/(4n), v_i ≥ (ℓ_i − τ)/λ + 1, v_i ≥ 0.
        for loss in &losses {
            let v = program.variable(0.0);
            program.square[v] = lambda / (2.0 * n);
            program.lines.push((vec![(*loss, 1.0 / lambda), (tau, -1.0 / lambda), (v, -1.0)], -1.0));
            program.lines.push((vec![(v, -1.0)], 0.0));
        }
    }
    program.solve()
}

#[test]
fn smooth_risks_are_conic_programs() {
    for (seed, lambda) in [(7, 30.0), (8, 1.0), (9, 0.1)] {
        let table = small(seed, 50);
        for (name, kl) in [("kl", true), ("chi2", false)] {
            let exact = conic(&table, lambda, kl);
            let options = Options { l2: 0.01, ..PLAIN };
            let found =
                fit(&table.examples(), "squared", risk(name, Strength::Penalty(lambda)), options, 1e-9);
            assert!(
                (found.objective - exact).abs() < 1e-6 * exact,
                "{name} {lambda}: {} {exact}",
                found.objective
            );
        }
    }
}

#[test]
fn a_radius_and_its_multiplier_agree() {
    let table = small(10, 80);
    let examples = table.examples();
    for name in ["kl", "chi2", "tsallis:1.5", "hyperbolic", "safe-kl:0.02", "kl-cvar:0.1"] {
        for lambda in [0.5, 5.0] {
            let penalised = fit(&examples, "squared", risk(name, Strength::Penalty(lambda)), PLAIN, 1e-10);
            let radius = penalised.radius;
            assert!(radius > 0.0);
            let ball = fit(&examples, "squared", risk(name, Strength::Radius(radius)), PLAIN, 1e-10);
            assert!((ball.lambda - lambda).abs() < 1e-4 * lambda, "{name}: {} {lambda}", ball.lambda);
            // Σ pℓ of both.
            let centre = divergence::parse(name).unwrap().f_at_one();
            let value = penalised.objective + lambda * (radius + centre);
            assert!((ball.objective - value).abs() < 1e-9 * value, "{name}: {} {value}", ball.objective);
        }
    }
}

#[test]
fn extremes_are_the_mean_and_the_largest() {
    let table = small(11, 60);
    let examples = table.examples();
    for name in ["kl", "chi2", "hyperbolic", "marginal-moments", "safe-kl-centered:0.01"] {
        let mean = fit(&examples, "squared", Risk::mean(), PLAIN, 1e-10);
        let weak = fit(&examples, "squared", risk(name, Strength::Penalty(1e9)), PLAIN, 1e-10);
        assert!((weak.objective - mean.objective).abs() < 1e-6 * mean.objective, "{name}");
        let none = fit(&examples, "squared", risk(name, Strength::Radius(0.0)), PLAIN, 1e-10);
        assert!((none.objective - mean.objective).abs() < 1e-9 * mean.objective, "{name}");
    }
    let largest = fit(&examples, "squared", risk("none", Strength::Penalty(1.0)), PLAIN, 1e-6);
    for name in ["kl", "chi2", "hyperbolic"] {
        let strong = fit(&examples, "squared", risk(name, Strength::Penalty(1e-5)), PLAIN, 1e-8);
        assert!(
            (strong.objective - largest.objective).abs() < 2e-4 * largest.objective,
            "{name} {}",
            strong.objective
        );
    }
    let wide = fit(&examples, "squared", risk("kl", Strength::Radius(1e3)), PLAIN, 1e-6);
    assert!((wide.objective - largest.objective).abs() < 3e-6 * largest.objective);
}
