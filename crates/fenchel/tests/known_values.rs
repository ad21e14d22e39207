//! Smooth maxima known otherwise: 60-digit arithmetic, closed forms, and minimisation by other means.

use std::sync::Arc;

use fenchel::bounds::{self, Bracket};
use fenchel::divergence::{
    ChiSquare, Divergence, FromGenerator, Kl, MarginalMoments, PerAtom, SafeKl, Tsallis, parse,
};
use fenchel::smoothmax::{Certificate, Method, SmoothMax, SmoothMaximum};
use fenchel::{Error, Result};

/// Scores, reference masses, temperature.
const ROWS: [(&[f64], &[f64], f64); 4] = [
    (&[0.5, -0.25, 1.0], &[0.25, 0.5, 0.25], 1.0),
    (&[1.0, 0.9, 0.1, -2.0, 0.95], &[0.2; 5], 0.125),
    (&[3.0, -1.0, 0.0, 2.5, -40.0, 2.0], &[1e-20, 0.125, 0.25, 1e-10, 0.5, 0.125], 0.5),
    (&[100.0, 0.0, -1000.0], &[1e-30, 0.5, 0.5], 0.0625),
];

/// Divergence, row, value, weights: the threshold by bisection and the sums in 60 digits (mpmath), from the formulas
/// for f* and (f*)' alone. For `kl` with the logarithm of the total mass.
#[rustfmt::skip]
#[allow(clippy::excessive_precision)]
const GOLDEN: &[(&str, usize, f64, &[f64])] = &[
    ("kl", 0, 0.39281960051943204, &[0.27828376133786998, 0.26290388205394582, 0.45881235660818419]),
    ("safe-kl:0.1", 0, 0.3264629881163376, &[0.2824253789842636, 0.28372877857360835, 0.43384584244212805]),
    ("safe-kl-centered:0.7", 0, 0.29047040797532692, &[0.27159879612715164, 0.42854216149881835, 0.29985904237403001]),
    ("chi2", 0, 0.3203125, &[0.28125, 0.375, 0.34375]),
    ("tsallis:1.5", 0, 0.34474982912387563, &[0.28493406878825596, 0.33422205818030949, 0.38084387303143455]),
    ("tsallis:0.5", 0, 0.51380944159235107, &[0.20030005052130556, 0.14341350982104648, 0.65628643965764796]),
    ("tsallis:3", 0, 0.29613339812407429, &[0.27347035889340081, 0.41730582163821028, 0.30922381946838891]),
    ("tsallis:0.1", 0, 0.79898821441841959, &[0.043666455561979681, 0.032958456525841548, 0.92337508791217877]),
    ("hyperbolic", 0, 0.45598459679275418, &[0.30614445469822962, 0.14267496042045409, 0.55118058488131629]),
    ("marginal-moments:8", 0, 0.41291116896529391, &[0.26372867439822431, 0.24317528876571694, 0.49309603683605875]),
    ("kl-cvar:0.5", 0, 0.39281960051943204, &[0.27828376133786998, 0.26290388205394582, 0.45881235660818419]),
    ("kl-cvar:0.1", 0, 0.39281960051943204, &[0.27828376133786998, 0.26290388205394582, 0.45881235660818419]),
    ("kl", 1, 0.89277059509102122, &[0.47161010987143972, 0.21190808213574311, 0.00035209741511698341, 1.7803916172069328e-11, 0.31612971055989627]),
    ("safe-kl:0.1", 1, 0.88065444568539667, &[0.44702705985653384, 0.22905483016396676, 0.00042972075282175378, 2.1733634273340012e-11, 0.32348838920494401]),
    ("safe-kl-centered:0.7", 1, 0.74436860571332153, &[0.28550406968524572, 0.28524686281269591, 0.14384825916146719, 1.4649096600585013e-8, 0.28540079369149458]),
    ("chi2", 1, 0.86866666666666666, &[0.37333333333333334, 0.29333333333333336, 0.0, 0.0, 0.3333333333333333]),
    ("tsallis:1.5", 1, 0.88068791213629943, &[0.40312630821170397, 0.26591072882533312, 0.0, 0.0, 0.33096296296296291]),
    ("tsallis:0.5", 1, 0.91328268747856569, &[0.66419696458799763, 0.10994451622065232, 0.003330947801372544, 0.0003318727439113843, 0.22219569864606613]),
    ("tsallis:3", 1, 0.83968904258728926, &[0.3492114094262321, 0.31719910961432754, 0.0, 0.0, 0.33358948095944037]),
    ("tsallis:0.1", 1, 0.96474585814705293, &[0.93136661424141649, 0.021475259607089962, 0.0019333364795276287, 0.00050890100708351568, 0.044715888664882405]),
    ("hyperbolic", 1, 0.92642273532229228, &[0.49557353269050316, 0.18818540908481548, 0.0, 0.0, 0.31624105822468135]),
    ("marginal-moments:8", 1, 0.87985011188993719, &[0.50493195195585386, 0.18609362462663125, 0.006842228615547679, 0.00067119235005985357, 0.30146100245190736]),
    ("kl-cvar:0.5", 1, 0.89147285684610701, &[0.4, 0.24062695304505315, 0.00039981546395369083, 2.0216794270311493e-11, 0.35897323147077637]),
    ("kl-cvar:0.1", 1, 0.89277059509102121, &[0.47161010987143972, 0.21190808213574311, 0.00035209741511698341, 1.7803916172069328e-11, 0.31612971055989627]),
    ("kl", 2, 0.97946153339132348, &[5.6887573946663951e-19, 0.0023854568813932946, 0.035252549436390424, 2.0927768913097838e-9, 1.2725122555071673e-36, 0.96236199158943939]),
    ("safe-kl:0.1", 2, 0.73329643853430764, &[9.4730180593475567e-20, 0.0074926551221709443, 0.10664320507860991, 8.6864563999576963e-10, 4.021028897565434e-36, 0.88586413893057351]),
    ("safe-kl-centered:0.7", 2, -11.445970331515057, &[1.4285714284285714e-20, 0.17857142855357143, 0.35714285710714286, 1.4285714284285715e-10, 0.28571428564285714, 0.17857142855357143]),
    ("chi2", 2, 0.0468750007734375, &[4.7499999988749997e-20, 0.093749999909375, 0.43749999979375, 4.2499999989250002e-10, 0.0, 0.468749999871875]),
    ("tsallis:1.5", 2, 0.41933837096500736, &[9.2822893726592169e-20, 0.018051739903916204, 0.2738873623470754, 7.3622771632807317e-10, 0.0, 0.70806089701278068]),
    ("tsallis:0.5", 2, 2.0628028102192077, &[0.95978482635272324, 0.0019531249997548469, 0.0069444444435137187, 9.9999999969585301e-11, 6.7604110322987169e-5, 0.031249999993685203]),
    ("tsallis:3", 2, -0.4041516350195631, &[2.7907165508974684e-20, 0.19584614238551508, 0.48657597481361166, 2.6686011693244329e-10, 0.0, 0.31757788253401314]),
    ("tsallis:0.1", 2, 2.7282730483750554, &[0.99060307941667141, 0.0010794617031265721, 0.0029720632885941962, 8.7042337428770473e-12, 0.00030850188767383516, 0.0050368936952297568]),
    ("hyperbolic", 2, 1.2867349822280016, &[5.9338248825294871e-19, 0.0, 0.0, 2.1819419960481161e-9, 0.0, 0.999999997818058]),
    ("marginal-moments:8", 2, 0.88261261738241672, &[7.8463287577357191e-20, 0.011920836818328203, 0.071667576693733787, 7.7144821567657384e-10, 0.00014691761001626014, 0.91626466810647353]),
    ("kl-cvar:0.5", 2, -0.096573589654972655, &[1.9999999997999999e-20, 0.249999999875, 0.49999999995, 1.9999999998000001e-10, 1.3336148148354539e-34, 0.249999999975]),
    ("kl-cvar:0.1", 2, 0.97946153316418095, &[9.9999999989999995e-20, 0.0023854568840000668, 0.035252549474913596, 9.9999999990000004e-10, 1.2725122568977393e-36, 0.96236199264108634]),
    ("kl", 3, 95.682652950636164, &[1.0, 0.0, 0.0]),
    ("safe-kl:0.1", 3, -0.050035810956444143, &[1.0000000000000001e-29, 1.0, 0.0]),
    ("safe-kl-centered:0.7", 3, -285.73878200612056, &[1.4285714285714287e-30, 0.71428571428571429, 0.28571428571428571]),
    ("chi2", 3, -0.0625, &[8.0200000000000007e-28, 1.0, 0.0]),
    ("tsallis:1.5", 3, -0.051776695296636881, &[2.8595493891097577e-25, 1.0, 0.0]),
    ("tsallis:0.5", 3, 99.875021306818182, &[0.99999980307334711, 1.953125e-7, 1.6141528925619835e-9]),
    ("tsallis:3", 3, -0.09375, &[3.272104317815474e-29, 1.0, 0.0]),
    ("tsallis:0.1", 3, 99.949602568381809, &[0.99998718238090617, 1.198304624474253e-5, 8.3457284908945264e-7]),
    ("hyperbolic", 3, 95.731028753391571, &[1.0, 0.0, 0.0]),
    ("marginal-moments:8", 3, -0.057102375359435465, &[7.9999992181861059e-30, 0.99999999609403191, 3.9059680945030191e-9]),
    ("kl-cvar:0.5", 3, -0.043321698784996582, &[2.0000000000000002e-30, 1.0, 0.0]),
    ("kl-cvar:0.1", 3, -0.043321698784996582, &[1.0000000000000001e-29, 1.0, 0.0]),
];

fn solve(
    div: Arc<dyn Divergence>,
    u: &[f64],
    eta: &[f64],
    lambda: f64,
) -> Result<(SmoothMaximum, Vec<f64>, Certificate)> {
    let mut solver = SmoothMax::new(div, lambda)?.with_reference(eta)?;
    let mut p = vec![0.0; u.len()];
    let top = solver.evaluate(u, &mut p)?;
    let sides = solver.certify(u, &p, &top)?;
    Ok((top, p, sides))
}

#[test]
fn sixty_digits() {
    for (name, row, value, weights) in GOLDEN {
        let (u, eta, lambda) = ROWS[*row];
        let (top, p, _) = solve(parse(name).unwrap(), u, eta, lambda).unwrap();
        let size = 1e-15 * (value.abs() + lambda * 100.0);
        assert!((top.value - value).abs() <= size, "{name} row {row}: {} {value}", top.value);
        for (i, (p, known)) in p.iter().zip(*weights).enumerate() {
            // Small weights to relative accuracy too. Entries of (s+1)₊ and sinh(s−k) cancel near their kink.
            assert!((p - known).abs() <= 2e-13 * known + 1e-300, "{name} row {row} atom {i}: {p} {known}");
        }
    }
}

/// min over τ of τ + λ Σ η f*((u − τ)/λ) by golden section: knows nothing of derivatives.
fn golden_section(div: &dyn Divergence, u: &[f64], eta: &[f64], lambda: f64) -> f64 {
    let dual = |tau: f64| {
        tau + lambda * u.iter().zip(eta).map(|(u, eta)| eta * div.conj((u - tau) / lambda)).sum::<f64>()
    };
    let (min, max) = u.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), u| (a.min(*u), b.max(*u)));
    let (mut lo, mut hi) = (min - 60.0 * lambda, max + 60.0 * lambda);
    if div.s_max().is_finite() {
        lo = lo.max(max - lambda * div.s_max());
    }
    let ratio = 0.5 * (5f64.sqrt() - 1.0);
    for _ in 0..200 {
        let (a, b) = (hi - ratio * (hi - lo), lo + ratio * (hi - lo));
        if dual(a) <= dual(b) { hi = b } else { lo = a }
    }
    dual(0.5 * (lo + hi))
}

#[test]
fn minimising_the_dual_blindly_gives_the_same_value() {
    let eta = [0.1, 0.2, 0.3, 0.15, 0.25];
    let rows = [[0.3, -0.2, 0.9, 0.1, 0.7], [2.0, 2.0, -1.0, 2.0, 0.0], [-3.0, 0.0, 5.0, 4.9, 4.8]];
    for entry in fenchel::divergence::registry() {
        for name in entry.examples {
            let div = parse(name).unwrap();
            let own = div.for_atoms(&[0, 1, 2, 3, 4]).unwrap_or(div.clone());
            for (u, lambda) in rows.iter().flat_map(|u| [(u, 0.2), (u, 1.0), (u, 7.0)]) {
                let (top, ..) = solve(div.clone(), u, &eta, lambda).unwrap();
                let blind = golden_section(&*own, u, &eta, lambda);
                assert!(
                    (top.value - blind).abs() < 1e-11 * (1.0 + lambda),
                    "{name} {lambda}: {} {blind}",
                    top.value
                );
            }
        }
    }
}

#[test]
fn no_grid_point_of_the_simplex_is_better() {
    let (u, eta, lambda) = ([0.4, -0.3, 0.1], [0.2, 0.5, 0.3], 0.7);
    let steps = 60;
    for entry in fenchel::divergence::registry() {
        for name in entry.examples {
            let div = parse(name).unwrap();
            let own = div.for_atoms(&[0, 1, 2]).unwrap_or(div.clone());
            let (top, ..) = solve(div, &u, &eta, lambda).unwrap();
            let mut best = f64::NEG_INFINITY;
            for i in 0..=steps {
                for j in 0..=steps - i {
                    let p = [i, j, steps - i - j].map(|k| f64::from(k) / f64::from(steps));
                    let cost: f64 = (0..3).map(|i| eta[i] * own.f(p[i] / eta[i])).sum();
                    best = best.max((0..3).map(|i| p[i] * u[i]).sum::<f64>() - lambda * cost);
                }
            }
            assert!(best <= top.value + 1e-14, "{name}: {best} above {}", top.value);
            // cvar:1 and kl-cvar:1 allow p = η only, which is on the grid; the others are near a grid point.
            assert!(best >= top.value - 0.03, "{name}: {best} far below {}", top.value);
        }
    }
}

#[test]
fn sparsemax_and_entmax() {
    // Sparsemax (Martins and Astudillo 2016): the Euclidean projection on the simplex, λ = 1/(2N).
    for (logits, expected) in [
        (vec![0.5, 0.2, -0.1], vec![0.633_333_333_333_333_3, 1.0 / 3.0, 0.033_333_333_333_333_33]),
        (vec![3.0, 1.0, 0.2], vec![1.0, 0.0, 0.0]),
        (vec![0.0; 4], vec![0.25; 4]),
        (vec![1.0, 0.5, -1.0], vec![0.75, 0.25, 0.0]),
    ] {
        let n = logits.len() as f64;
        let mut p = vec![0.0_f64; logits.len()];
        SmoothMax::new(Arc::new(ChiSquare), 0.5 / n).unwrap().evaluate(&logits, &mut p).unwrap();
        for (p, known) in p.iter().zip(&expected) {
            assert!((p - known).abs() < 1e-15, "{p} {known}");
        }
    }
    // 1.5-entmax: p = (z/2 − τ)₊² with Σp = 1; solved by hand for z = (1, 0): (1/2 − τ)² + τ² = 1.
    let tau = (1.0 - 7f64.sqrt()) / 4.0;
    let n: f64 = 2.0;
    let mut p = [0.0; 2];
    let entmax = Tsallis::new(1.5).unwrap();
    SmoothMax::new(Arc::new(entmax), n.powf(-0.5) / 1.5).unwrap().evaluate(&[1.0, 0.0], &mut p).unwrap();
    assert!((p[0] - (0.5 - tau) * (0.5 - tau)).abs() < 1e-15 && (p[1] - tau * tau).abs() < 1e-15, "{p:?}");
}

#[test]
fn log_sum_exp_and_its_relatives() {
    let u: [f64; 3] = [1.0, 2.0, 3.0];
    let lse = (1f64.exp() + 2f64.exp() + 3f64.exp()).ln();
    let (top, p, _) = solve(Arc::new(Kl), &u, &[1.0; 3], 1.0).unwrap();
    assert!((top.value - lse).abs() < 1e-15 && (top.threshold - lse).abs() < 1e-15);
    assert!((p[0] - (1.0 - lse).exp()).abs() < 1e-16);
    // Tsallis tends to KL in value as q → 1.
    for (q, gap) in
        [1e-4, 1e-7, 1e-11, 1e-15].into_iter().flat_map(|gap| [(1.0 - gap, gap), (1.0 + gap, gap)])
    {
        let (near, weights, sides) = solve(Arc::new(Tsallis::new(q).unwrap()), &u, &[1.0; 3], 1.0).unwrap();
        let size = 10.0 * gap + 1e-14;
        assert!((near.value - (lse - 3f64.ln())).abs() < size, "{q}: {}", near.value);
        assert!((near.threshold + 1.0 - (lse - 3f64.ln())).abs() < size, "{q}: {}", near.threshold);
        assert!(weights.iter().zip(&p).all(|(near, p)| (near - p).abs() < size), "{q}: {weights:?}");
        assert!(sides.gap.abs() < 1e-14, "{q}: {sides:?}");
    }
    // CVaR of half: the mean of the upper half, an atom split where the level falls inside it.
    let (top, p, _) = solve(parse("cvar:0.5").unwrap(), &u, &[1.0; 3], 1.0).unwrap();
    assert!((top.value - (3.0 * 2.0 + 2.0) / 3.0).abs() < 1e-15 && top.threshold == 2.0);
    assert!((p[1] - 1.0 / 3.0).abs() < 1e-15 && p[0] == 0.0);
    // Ties share what is left in proportion to η.
    let (_, p, _) = solve(parse("cvar:0.5").unwrap(), &[1.0, 1.0, 0.0], &[1.0, 3.0, 4.0], 1.0).unwrap();
    assert_eq!(p, [0.25, 0.75, 0.0]);
    let (_, p, _) = solve(parse("none").unwrap(), &[1.0, 2.0, 2.0], &[1.0, 0.0, 1.0], 1.0).unwrap();
    assert_eq!(p, [0.0, 0.0, 1.0]);
    // One atom: p = 1, value u − λf(1).
    for name in ["marginal-moments", "kl-cvar:1", "hyperbolic", "tsallis:0.5", "safe-kl-centered:0.1"] {
        let (top, p, _) = solve(parse(name).unwrap(), &[7.5], &[0.3], 2.0).unwrap();
        assert!(p == [1.0] && (top.value - 7.5).abs() < 1e-14, "{name}: {top:?}");
    }
}

#[test]
fn generating_functions_give_the_built_in_divergences() {
    let hyperbolic = parse("hyperbolic").unwrap();
    let k = fenchel::divergence::Hyperbolic::K;
    let moments = MarginalMoments::new(5.0).unwrap();
    let safe = SafeKl::centered(0.2).unwrap();
    let pairs: Vec<(FromGenerator, Arc<dyn Divergence>)> = vec![
        (FromGenerator::new("exp", f64::exp).unwrap(), Arc::new(Kl)),
        (FromGenerator::new("ramp", |s: f64| 0.5 * (s + 1.0)).unwrap(), Arc::new(ChiSquare)),
        (FromGenerator::new("sinh", move |s: f64| (s - k).sinh()).unwrap(), hyperbolic),
        (FromGenerator::new("logistic", |s: f64| 1.0 / ((-s).exp() + 0.2)).unwrap(), Arc::new(safe)),
        (
            FromGenerator::new("moments", |s: f64| {
                let v = s - 2.0;
                if v < 0.0 {
                    2.5 / (1.0 + v * v).sqrt() / ((1.0 + v * v).sqrt() - v)
                } else {
                    2.5 * (1.0 + v / v.hypot(1.0))
                }
            })
            .unwrap(),
            Arc::new(moments),
        ),
    ];
    for (mine, built_in) in &pairs {
        let name = built_in.name();
        assert!(
            (mine.cap() - built_in.cap()).abs() < 1e-6 * built_in.cap() || mine.cap() == built_in.cap(),
            "{name}"
        );
        assert!((mine.f_at_zero() - built_in.f_at_zero()).abs() < 1e-10, "{name} f(0) {}", mine.f_at_zero());
        for t in [1e-6, 0.1, 0.9, 1.0, 1.7, 4.5] {
            assert!(
                (mine.f(t) - built_in.f(t)).abs() < 1e-11,
                "{name} f({t}) {} {}",
                mine.f(t),
                built_in.f(t)
            );
            assert!((mine.f_prime(t) - built_in.f_prime(t)).abs() < 1e-8, "{name} f'({t})");
        }
        for s in [-5.0, -0.3, 0.0, 0.4, 2.0, 6.0] {
            let size = 1e-11 * (1.0 + built_in.conj(s));
            assert!(
                (mine.conj(s) - built_in.conj(s)).abs() < size,
                "{name} f*({s}) {} {}",
                mine.conj(s),
                built_in.conj(s)
            );
        }
        let mine: Arc<dyn Divergence> = Arc::new(mine.clone());
        for (u, eta, lambda) in ROWS.iter().take(2) {
            let (a, p, sides) = solve(mine.clone(), u, eta, *lambda).unwrap();
            let (b, q, _) = solve(built_in.clone(), u, eta, *lambda).unwrap();
            assert!((a.value - b.value).abs() < 1e-10, "{name}: {} {}", a.value, b.value);
            assert!(sides.gap.abs() < 1e-10, "{name}: {sides:?}");
            for (p, q) in p.iter().zip(&q) {
                assert!((p - q).abs() < 1e-11, "{name}: {p} {q}");
            }
        }
    }
}

#[test]
fn a_distribution_for_each_atom() {
    // F_i(s) = min{1, 1 − η_i F(−s)}₊ for one F is the divergence of F with reference η, at λ = 1 … whose value
    // differs by a constant, as f_i(0) = 0 there: Σ η_i f(0).
    let eta: [f64; 3] = [0.2, 0.3, 0.5];
    let u = [0.4, 0.1, -0.6];
    let cdfs: Vec<_> = eta.map(|eta| move |s: f64| (1.0 - eta * 0.5 * (1.0 - s)).clamp(0.0, 1.0)).into();
    let per_atom = Arc::new(PerAtom::from_distributions("uniform noise", &eta, cdfs).unwrap());
    for lambda in [0.2, 1.0, 3.0] {
        let (a, p, sides) = solve(per_atom.clone(), &u, &eta, lambda).unwrap();
        let (b, q, _) = solve(Arc::new(ChiSquare), &u, &eta, lambda).unwrap();
        assert!(
            (a.value - b.value).abs() < 1e-11 && (a.threshold - b.threshold).abs() < 1e-11,
            "{a:?} {b:?}"
        );
        assert!(p.iter().zip(&q).all(|(p, q)| (p - q).abs() < 1e-12) && sides.gap.abs() < 1e-11);
    }
    // Uniform noise of different widths: p_i = 1 − F_i(−(u_i − τ)), value Σ u p + Σ ∫ from 1−p_i to 1 of F_i⁻¹.
    let widths = [1.0, 2.0, 0.5];
    let cdfs: Vec<_> = widths.map(|w| move |s: f64| (0.5 + s / (2.0 * w)).clamp(0.0, 1.0)).into();
    let per_atom = PerAtom::from_distributions("uniforms", &eta, cdfs).unwrap();
    assert_eq!(per_atom.reference(), Some(&eta[..]));
    let (top, p, sides) = solve(Arc::new(per_atom), &u, &eta, 1.0).unwrap();
    let mut total = 0.0;
    let mut value = 0.0;
    for i in 0..3 {
        let expected = 1.0 - (0.5 - (u[i] - top.threshold) / (2.0 * widths[i])).clamp(0.0, 1.0);
        assert!((p[i] - expected).abs() < 1e-12, "{} {expected}", p[i]);
        total += p[i];
        // F⁻¹(y) = w(2y − 1); its integral from 1−p to 1 is w p(1 − p).
        value += u[i] * p[i] + widths[i] * p[i] * (1.0 - p[i]);
    }
    assert!(
        (total - 1.0).abs() < 1e-15 && (value - top.value).abs() < 1e-11 && sides.gap.abs() < 1e-10,
        "{value} {top:?}"
    );
    // Bisection of Algorithm 2 works for these too, given Lipschitz constants.
    let marginals: Vec<Arc<dyn Divergence>> = (0..3)
        .map(|i| {
            let (eta, w) = (eta[i], widths[i]);
            let cdf = move |s: f64| (0.5 + s / (2.0 * w)).clamp(0.0, 1.0);
            let marginal = FromGenerator::from_distribution("uniform", eta, cdf).unwrap();
            Arc::new(marginal.with_lipschitz(1.0 / (2.0 * w * eta)).unwrap()) as Arc<dyn Divergence>
        })
        .collect();
    let again = PerAtom::new("uniforms", marginals).unwrap();
    let mut solver = SmoothMax::new(Arc::new(again), 1.0).unwrap().with_reference(&eta).unwrap();
    solver = solver.with_method(Method::Bisection { epsilon: 1e-6 }).unwrap();
    let mut q = vec![0.0; 3];
    let rough = solver.evaluate(&u, &mut q).unwrap();
    assert!(rough.weight_error.unwrap() <= 1e-6 && p.iter().zip(&q).all(|(p, q)| (p - q).abs() <= 1e-6));
    assert!(matches!(solver.evaluate(&[1.0], &mut [0.0]), Err(Error::Shape { .. })));
}

#[test]
fn bounds_hold() {
    let u: Vec<f64> = (0..50).map(|i| (f64::from(i) * 2.399).sin() * 3.0).collect();
    let eta = vec![1.0 / 50.0; 50];
    let value =
        |name: &str, u: &[f64], lambda: f64| solve(parse(name).unwrap(), u, &eta, lambda).unwrap().0.value;
    let max = u.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
    for lambda in [0.5, 1.0, 4.0] {
        let plain = value("kl", &u, lambda);
        let twice: Vec<f64> = u.iter().map(|u| 2.0 * u).collect();
        let double = value("kl", &twice, lambda);
        let mut last = plain;
        let mut used = 0;
        for rho in [1e-9, 1e-6, 1e-4, 1e-3, 1e-2, 0.05, 0.1, 0.3, 0.6, 0.9] {
            let safe = value(&format!("safe-kl:{rho}"), &u, lambda);
            let centered = value(&format!("safe-kl-centered:{rho}"), &u, lambda);
            let slack = 1e-13 * (max.abs() + lambda);
            assert!(
                safe <= last + slack && centered <= plain + slack && safe <= centered,
                "decreasing in rho"
            );
            last = safe;
            for bracket in [
                bounds::safe_bracket_by_moment(plain, double, rho, lambda),
                bounds::safe_bracket_by_maximum(plain, max, rho, lambda),
                bounds::cvar_bracket(value(&format!("cvar:{rho}"), &u, lambda), rho, lambda),
            ]
            .into_iter()
            .flatten()
            {
                used += 1;
                assert!(bracket.contains(safe, slack), "{rho} {lambda}: {safe} not in {bracket:?}");
            }
            // Counted terms.
            let rho = rho * 10.0;
            let terms: Vec<f64> = u.iter().map(|u| u / lambda).collect();
            let counted = value("kl", &terms, 1.0) + 50f64.ln();
            let bouchard = bounds::bouchard(&terms, rho).unwrap();
            assert!(
                bounds::bouchard_bracket(bouchard, rho).unwrap().contains(counted, 1e-13),
                "{bouchard} {counted}"
            );
            let direct = |alpha: f64| {
                alpha - 1.0 + terms.iter().map(|a| (rho * (a - alpha).exp()).ln_1p()).sum::<f64>() / rho
            };
            let by_grid =
                (0..2000).map(|k| direct(counted - 10.0 + 0.01 * f64::from(k))).fold(f64::INFINITY, f64::min);
            assert!(bouchard <= by_grid + 1e-12 && by_grid <= bouchard + 1e-3, "{bouchard} {by_grid}");
        }
        assert!(used > 18, "{used}");
        // What regularisation costs at most.
        for name in [
            "kl",
            "chi2",
            "tsallis:1.5",
            "tsallis:0.5",
            "tsallis:3",
            "hyperbolic",
            "none",
            "safe-kl:0.01",
            "marginal-moments",
        ] {
            let gap: Bracket = bounds::regularisation_gap(&*parse(name).unwrap(), &eta, lambda).unwrap();
            assert!(
                gap.contains(max - value(name, &u, lambda), 1e-12 * (1.0 + gap.upper)),
                "{name}: {gap:?}"
            );
            // Attained where one score is far above all others.
            let mut peak = vec![0.0; 50];
            peak[7] = 1e6 * lambda;
            let cost = peak[7] - value(name, &peak, lambda);
            assert!((cost - gap.upper).abs() <= 2e-5 * (lambda + gap.upper), "{name}: {cost} {gap:?}");
        }
        assert!(matches!(
            bounds::regularisation_gap(&*parse("safe-kl:0.5").unwrap(), &eta, lambda),
            Err(Error::Unbounded { .. })
        ));
    }
    // log(1 + e^ℓ) for ℓ = a x²/2 (L = a): its second derivative stays below 4a/3, and ℓ − m below (4/3 + m/2)a.
    for lower in [0.0, -1.0, -20.0] {
        let constant = bounds::logistic_smoothness(1.0, lower).unwrap();
        for k in 0..4000 {
            let x = 0.005 * f64::from(k);
            let sigma = 1.0 / (1.0 + (-(0.5 * x * x + lower)).exp());
            assert!(sigma + sigma * (1.0 - sigma) * x * x <= constant + 1e-12, "{lower} {x}");
        }
    }
    assert!(
        (bounds::safe_strong_convexity(0.1).unwrap() * SafeKl::new(0.1).unwrap().lipschitz() - 1.0).abs()
            < 1e-15
    );
}

#[test]
fn bad_input_is_named() {
    let message = |name: &str| parse(name).unwrap_err().to_string();
    for (name, wanted) in [
        ("sfae-kl:0.1", "did you mean 'safe-kl'"),
        ("safe-kl", "safe-kl:0.1"),
        ("safe-kl:", "above 0 and below 1"),
        ("safe-kl:1", "above 0 and below 1"),
        ("safe-kl:nan", "above 0 and below 1"),
        ("safe-kl-centered:0", "above 0 and below 1"),
        ("cvar:1.5", "at most 1"),
        ("kl-cvar:-1", "at most 1"),
        ("tsallis:1", "other than 1"),
        ("tsallis:inf", "other than 1"),
        ("tsallis:x", "'x'"),
        ("kl:2", "no parameter"),
        ("marginal-moments:0.5", "at least 1"),
        ("", "unknown divergence ''"),
    ] {
        assert!(message(name).contains(wanted), "{name}: {}", message(name));
    }
    let kl = || parse("kl").unwrap();
    assert!(SmoothMax::new(kl(), 0.0).unwrap_err().to_string().contains("lambda"));
    assert!(SmoothMax::new(kl(), f64::NAN).is_err() && SmoothMax::new(kl(), f64::INFINITY).is_err());
    let with = |eta: &[f64]| SmoothMax::new(kl(), 1.0).unwrap().with_reference(eta).unwrap_err().to_string();
    assert!(with(&[]).contains("at least one") && with(&[0.0, 0.0]).contains("0 everywhere"));
    assert!(with(&[1.0, -0.5]).contains("reference[1]") && with(&[1.0, f64::NAN]).contains("at 1"));
    let mut solver = SmoothMax::new(kl(), 1.0).unwrap();
    let mut p = [0.0; 2];
    assert!(
        solver.evaluate(&[1.0, f64::NAN], &mut p).unwrap_err().to_string().contains("scores at 1 is NaN")
    );
    assert!(solver.evaluate(&[1.0, f64::INFINITY], &mut p).is_err());
    assert!(solver.evaluate(&[1.0; 3], &mut p).unwrap_err().to_string().contains("weights"));
    assert!(solver.evaluate::<f64>(&[], &mut []).is_err());
    assert!(solver.with_method(Method::Bisection { epsilon: 0.0 }).is_err());
    let mut solver = SmoothMax::new(kl(), 1.0).unwrap().with_reference(&[1.0, 1.0]).unwrap();
    assert!(solver.evaluate(&[1.0; 3], &mut [0.0; 3]).unwrap_err().to_string().contains("reference"));
    assert!(solver.hessian_product(&[1.0; 3], &[1.0; 3], &mut [0.0; 3]).is_err());
}
