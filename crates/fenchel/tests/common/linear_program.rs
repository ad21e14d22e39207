//! Discrete transport, exactly.

/// min Σ c_ji π_ji over plans with marginals μ, ν, by successive shortest paths in the residual network
/// (Bellman and Ford, since costs of flow sent back are negative).
pub fn linear_program(c: &[Vec<f64>], mu: &[f64], nu: &[f64]) -> f64 {
    let (m, n) = (mu.len(), nu.len());
    let (mut supply, mut demand) = (mu.to_vec(), nu.to_vec());
    let mut flow = vec![vec![0.0; n]; m];
    let empty = 1e-15;
    loop {
        let mut to_point: Vec<f64> =
            supply.iter().map(|s| if *s > empty { 0.0 } else { f64::INFINITY }).collect();
        let mut to_atom = vec![f64::INFINITY; n];
        let (mut point_of_atom, mut atom_of_point) = (vec![usize::MAX; n], vec![usize::MAX; m]);
        let mut changed = true;
        while changed {
            changed = false;
            for j in 0..m {
                for i in 0..n {
                    if to_point[j] + c[j][i] < to_atom[i] - 1e-13 {
                        (to_atom[i], point_of_atom[i], changed) = (to_point[j] + c[j][i], j, true);
                    }
                    if flow[j][i] > empty && to_atom[i] - c[j][i] < to_point[j] - 1e-13 {
                        (to_point[j], atom_of_point[j], changed) = (to_atom[i] - c[j][i], i, true);
                    }
                }
            }
        }
        let Some(end) = (0..n)
            .filter(|&i| demand[i] > empty && to_atom[i].is_finite())
            .min_by(|&a, &b| to_atom[a].total_cmp(&to_atom[b]))
        else {
            return flow.iter().zip(c).flat_map(|(f, c)| f.iter().zip(c)).map(|(f, c)| f * c).sum();
        };
        let (mut path, mut atom, mut amount) = (Vec::new(), end, demand[end]);
        loop {
            let point = point_of_atom[atom];
            path.push((point, atom, 1.0));
            match atom_of_point[point] {
                usize::MAX => {
                    amount = amount.min(supply[point]);
                    supply[point] -= amount;
                    break;
                }
                back => {
                    amount = amount.min(flow[point][back]);
                    path.push((point, back, -1.0));
                    atom = back;
                }
            }
        }
        demand[end] -= amount;
        for (j, i, sign) in path {
            flow[j][i] = (flow[j][i] + sign * amount).max(0.0);
        }
    }
}
