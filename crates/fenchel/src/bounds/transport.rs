//! What regularisation costs, and when a regularised problem has a solution.

use super::Bracket;
use crate::divergence::{Divergence, Row, Scratch};
use crate::error::{Error, Result};

/// How far regularisation moves things: W_λ − W of transport, and max u − smoothmax(u) for any scores, lie between
/// λ·min over p of Σ η_i f(p_i/η_i) (which is λf(1), mostly 0) and λ·max_i {η_i f(1/η_i) + f(0)(1 − η_i)}.
///
/// The upper side is Taşkesen, Shafieezadeh-Abadeh and Kuhn (2022), Proposition 3.3: λ max log(1/η_i) for `kl`,
/// λ max(1/η_i − 1) for `chi2`. Atoms with η_i = 0 are left out; η is a probability.
///
/// # Errors
/// [`Error::Unbounded`] where the upper side is infinite: for a divergence that caps p_i/η_i at less than 1/η_i.
/// [`Error::InvalidValue`] unless λ is finite and above 0.
pub fn regularisation_gap(div: &dyn Divergence, eta: &[f64], lambda: f64) -> Result<Bracket> {
    if !(lambda > 0.0 && lambda.is_finite()) {
        return Err(Error::invalid("lambda", lambda, "a finite number above 0"));
    }
    if !div.is_per_atom() {
        let atoms: Vec<usize> = (0..eta.len()).filter(|i| eta[*i] > 0.0).collect();
        if let Some(resolved) = div.for_atoms(&atoms)
            && resolved.for_atoms(&atoms).is_none()
        {
            return regularisation_gap(&*resolved, eta, lambda);
        }
    }
    let at = |i: usize, t: f64| div.marginal(i).map_or_else(|| div.f(t), |own| own.f(t));
    let cap = |i: usize| div.marginal(i).map_or_else(|| div.cap(), |own| own.cap());
    let kept = || (0..eta.len()).filter(|i| eta[*i] > 0.0);
    // Σ_j η_j f_j(0), from which atom i takes its own share.
    let at_zero: f64 = kept().map(|j| eta[j] * at(j, 0.0)).sum();
    let mut upper = f64::NEG_INFINITY;
    for i in kept() {
        let (t, cap) = (1.0 / eta[i], cap(i));
        if t > cap * (1.0 + 1e-12) {
            let reason = format!(
                "atom {i} cannot have all weight: {} caps its density at {cap}, and 1/eta is {t}",
                div.name()
            );
            return Err(Error::Unbounded { bound: "cost of regularisation", reason });
        }
        let others = if div.is_per_atom() {
            at_zero - eta[i] * at(i, 0.0)
        } else if eta[i] < 1.0 {
            (1.0 - eta[i]) * div.f_at_zero()
        } else {
            // f(0) may be infinite.
            0.0
        };
        upper = upper.max(eta[i] * at(i, t.min(cap)) + others);
    }
    if upper == f64::INFINITY {
        let reason = format!("{} is infinite where one atom has all weight", div.name());
        return Err(Error::Unbounded { bound: "cost of regularisation", reason });
    }
    let least = if div.is_per_atom() {
        // −smoothmax(0) at λ = 1.
        let (u, mut p) = (vec![0.0; eta.len()], vec![0.0; eta.len()]);
        let row = Row { u: &u, eta, eta_rest: 0.0, lambda: 1.0 };
        -div.solve(&row, None, &mut p, &mut Scratch::default()).value
    } else {
        div.f_at_one()
    };
    Ok(Bracket { lower: lambda * least, upper: lambda * upper })
}

/// Whether transport to the masses ν, regularised against the reference η, has a solution: ν_i must be 0 where η_i
/// is, and nowhere above cap·η_i, or else the dual is unbounded.
///
/// # Errors
/// [`Error::Infeasible`] naming the first atom that asks for too much; [`Error::Shape`] if lengths differ.
pub fn check_feasible(div: &dyn Divergence, nu: &[f64], eta: &[f64]) -> Result<()> {
    if nu.len() != eta.len() {
        return Err(Error::shape("reference", format!("as many as atoms, {}", nu.len()), eta.len()));
    }
    let shared = if div.is_per_atom() {
        f64::NAN
    } else {
        let atoms: Vec<usize> = (0..eta.len()).filter(|i| nu[*i] > 0.0 && eta[*i] > 0.0).collect();
        div.for_atoms(&atoms).map_or_else(|| div.cap(), |own| own.cap())
    };
    for (i, (nu, eta)) in nu.iter().zip(eta).enumerate() {
        if *nu > 0.0 && *eta == 0.0 {
            let reason = format!("its mass is {nu} but its reference mass is 0; it must be positive");
            return Err(Error::Infeasible { atom: i, reason });
        }
        let cap = div.marginal(i).map_or(shared, |own| own.cap());
        // Rounding of normalised masses is not infeasibility.
        if *nu > cap * eta * (1.0 + 1e-12) {
            let reason = format!(
                "its mass {nu} exceeds {cap} times its reference mass {eta}, the most that {} allows",
                div.name()
            );
            return Err(Error::Infeasible { atom: i, reason });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::divergence::parse;

    #[test]
    fn names_the_atom() {
        let div = parse("cvar:0.5").unwrap();
        let error = check_feasible(&*div, &[0.1, 0.9], &[0.6, 0.4]).unwrap_err();
        assert!(matches!(error, Error::Infeasible { atom: 1, .. }), "{error}");
        assert!(check_feasible(&*div, &[0.2, 0.8], &[0.6, 0.4]).is_ok());
        let error = check_feasible(&*parse("kl").unwrap(), &[0.1, 0.9], &[0.0, 1.0]).unwrap_err();
        assert!(matches!(error, Error::Infeasible { atom: 0, .. }), "{error}");
        assert!(check_feasible(&*parse("kl").unwrap(), &[0.0, 1.0], &[0.0, 1.0]).is_ok());
        let auto = parse("marginal-moments").unwrap();
        assert!(check_feasible(&*auto, &[0.0, 0.1, 0.9], &[0.5, 0.1, 0.4]).is_err());
        assert!(check_feasible(&*auto, &[0.2, 0.1, 0.7], &[0.5, 0.1, 0.4]).is_ok());
    }

    #[test]
    fn closed_forms_of_the_gap() {
        let eta = [0.5, 0.3, 0.2];
        let of = |name: &str| regularisation_gap(&*parse(name).unwrap(), &eta, 2.0);
        assert!((of("kl").unwrap().upper - 2.0 * 5f64.ln()).abs() < 1e-14);
        assert!((of("chi2").unwrap().upper - 8.0).abs() < 1e-14);
        assert_eq!(of("none").unwrap(), Bracket { lower: 0.0, upper: 0.0 });
        assert!(matches!(of("kl-cvar:0.5"), Err(Error::Unbounded { .. })));
        assert_eq!(of("cvar:0.1").unwrap().upper, 0.0);
        assert!(of("safe-kl:0.1").unwrap().lower > 0.0);
        assert!(matches!(of("marginal-moments"), Err(Error::Unbounded { .. })));
    }
}
