//! Scrambled Sobol' points.

use super::rng::{open_unit, stream};
use super::sobol_table::JOE_KUO;
use crate::{Error, Result};

/// Number of direction numbers: points 0, …, 2^52 − 1.
const BITS: usize = 52;

/// The scrambled Sobol' sequence in the open unit cube: the first 2^k points spread evenly for every k.
///
/// Directions of Joe and Kuo (2008), scrambled by a random lower triangular matrix over GF(2) a dimension and a
/// random digital shift (Matoušek 1998; Owen 2003): every single point is exactly uniform, every projection on
/// one coordinate of the points 0, …, 2^k − 1 has one point in each interval [i/2^k, (i+1)/2^k), and an average
/// over them is an unbiased estimate whose variance is that of Owen's nested scrambling. 52 bits of resolution;
/// never 0 or 1. Any point can be reached directly, so that blocks may be made in any order, by any thread.
///
/// ```
/// use fenchel::measure::Sobol;
/// let sobol = Sobol::new(2, 7)?;
/// let (mut all, mut tail) = ([0.0; 16], [0.0; 6]);
/// sobol.fill(0, &mut all);
/// sobol.fill(5, &mut tail);
/// assert_eq!(all[10..], tail);
/// # Ok::<(), fenchel::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Sobol {
    dim: usize,
    /// Scrambled direction numbers, `BITS` × `dim`, and the digital shift; leading bit first.
    directions: Vec<u64>,
    shift: Vec<u64>,
}

impl Sobol {
    /// The largest number of dimensions.
    pub const MAX_DIM: usize = JOE_KUO.len() + 1;

    /// The sequence in `dim` dimensions whose scrambling is keyed by `seed`.
    ///
    /// # Errors
    /// `dim` = 0 or above [`MAX_DIM`](Sobol::MAX_DIM).
    pub fn new(dim: usize, seed: u64) -> Result<Self> {
        if dim == 0 || dim > Self::MAX_DIM {
            return Err(Error::invalid("dim", dim, format!("from 1 to {}", Self::MAX_DIM)));
        }
        let mut directions = vec![0; BITS * dim];
        let mut shift = vec![0; dim];
        for k in 0..dim {
            let mut rng = stream(seed, 0x50B0_1000, k as u64);
            // Column j of the matrix: a one at digit j, random digits below it.
            let columns: [u64; 64] = std::array::from_fn(|j| {
                let one = 1u64 << (63 - j);
                one | (rng.next_u64() & (one - 1))
            });
            for (j, direction) in plain_directions(k).into_iter().enumerate() {
                directions[j * dim + k] = times(&columns, direction);
            }
            shift[k] = rng.next_u64();
        }
        Ok(Self { dim, directions, shift })
    }

    /// Number of coordinates of a point.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Points `start`, `start` + 1, … into `out` (row-major). Indices wrap at 2^52.
    pub fn fill(&self, start: u64, out: &mut [f64]) {
        let mut index = start & ((1 << BITS) - 1);
        let mut state = self.shift.clone();
        let mut gray = index ^ (index >> 1);
        while gray != 0 {
            self.flip(gray.trailing_zeros() as usize, &mut state);
            gray &= gray - 1;
        }
        for point in out.chunks_exact_mut(self.dim) {
            for (x, bits) in point.iter_mut().zip(&state) {
                *x = open_unit(*bits);
            }
            // Gray code: the next point differs in one direction.
            index += 1;
            let flipped = index.trailing_zeros() as usize;
            if flipped < BITS {
                self.flip(flipped, &mut state);
            } else {
                index = 0;
                state.copy_from_slice(&self.shift);
            }
        }
    }

    #[inline]
    fn flip(&self, direction: usize, state: &mut [u64]) {
        for (s, d) in state.iter_mut().zip(&self.directions[direction * self.dim..]) {
            *s ^= d;
        }
    }
}

/// The unscrambled direction numbers of dimension `k`, as binary fractions with the leading digit at bit 63.
fn plain_directions(k: usize) -> [u64; BITS] {
    let mut v = [0u64; BITS];
    let Some((a, initial)) = k.checked_sub(1).map(|row| JOE_KUO[row]) else {
        return std::array::from_fn(|j| 1 << (63 - j));
    };
    let s = initial.len();
    for (j, m) in initial.iter().enumerate() {
        v[j] = u64::from(*m) << (63 - j);
    }
    for j in s..BITS {
        v[j] = v[j - s] ^ (v[j - s] >> s);
        for i in 1..s {
            if (a >> (s - 1 - i)) & 1 == 1 {
                v[j] ^= v[j - i];
            }
        }
    }
    v
}

/// The matrix with these columns times a vector of digits, over GF(2).
fn times(columns: &[u64; 64], mut vector: u64) -> u64 {
    let mut product = 0;
    while vector != 0 {
        let digit = vector.leading_zeros() as usize;
        product ^= columns[digit];
        vector ^= 1 << (63 - digit);
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first coordinates of the published sequence (Joe and Kuo's example, dimensions 1 to 4), unscrambled.
    #[test]
    fn directions_are_those_published() {
        let expected = [
            [0.0, 0.0, 0.0, 0.0],
            [0.5, 0.5, 0.5, 0.5],
            [0.75, 0.25, 0.25, 0.25],
            [0.25, 0.75, 0.75, 0.75],
            [0.375, 0.375, 0.625, 0.875],
            [0.875, 0.875, 0.125, 0.375],
            [0.625, 0.125, 0.875, 0.625],
            [0.125, 0.625, 0.375, 0.125],
        ];
        for k in 0..4 {
            let v = plain_directions(k);
            for (n, row) in expected.iter().enumerate() {
                let gray = n ^ (n >> 1);
                let x = (0..8).filter(|j| gray >> j & 1 == 1).fold(0, |x, j| x ^ v[j]);
                assert_eq!(x as f64 / 2f64.powi(64), row[k], "point {n}, dimension {k}");
            }
        }
    }

    #[test]
    fn one_point_in_each_dyadic_interval() {
        let dim = Sobol::MAX_DIM;
        for (seed, bits) in [(1, 0), (2, 5), (3, 10)] {
            let n = 1usize << bits;
            let mut points = vec![0.0; n * dim];
            Sobol::new(dim, seed).unwrap().fill(0, &mut points);
            for k in 0..dim {
                let mut seen = vec![false; n];
                for i in 0..n {
                    let cell = (points[i * dim + k] * n as f64) as usize;
                    assert!(!std::mem::replace(&mut seen[cell], true), "dimension {k}, cell {cell}");
                }
            }
        }
    }

    #[test]
    fn far_points_and_the_end_of_the_sequence() {
        let sobol = Sobol::new(3, 11).unwrap();
        for start in [(1u64 << 31) - 3, (1 << 40) + 12345, (1 << BITS) - 3] {
            let mut run = [0.0; 18];
            sobol.fill(start, &mut run);
            for i in 0..6 {
                let mut one = [0.0; 3];
                sobol.fill(start + i, &mut one);
                assert_eq!(one, run[3 * i as usize..][..3]);
                assert!(one.iter().all(|x| *x > 0.0 && *x < 1.0));
            }
        }
        assert!(Sobol::new(0, 1).is_err());
        assert!(Sobol::new(Sobol::MAX_DIM + 1, 1).is_err());
    }
}
