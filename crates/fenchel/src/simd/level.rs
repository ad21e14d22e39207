//! Which instruction set runs, decided once.

use std::sync::atomic::{AtomicU8, Ordering};

/// An instruction set that the kernels are compiled for.
///
/// Results are the same bits for the same level on any machine; levels differ from each other in the last
/// places, because they sum in lanes of different widths and fuse multiplications differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Portable code, compiled for the baseline of the target (SSE2 on x86-64, NEON on AArch64).
    Scalar,
    /// x86-64 with AVX2 and FMA: 4 lanes of `f64`, 8 of `f32`.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ and VL: 8 lanes of `f64`, 16 of `f32`.
    Avx512,
}

impl Level {
    /// Every level, the slowest first.
    pub const ALL: [Level; 3] = [Level::Scalar, Level::Avx2, Level::Avx512];

    /// Whether this machine can run the level.
    pub fn is_available(self) -> bool {
        self <= best()
    }

    /// The name that the environment variable `FENCHEL_SIMD` takes: `scalar`, `avx2` or `avx512`.
    pub fn name(self) -> &'static str {
        match self {
            Level::Scalar => "scalar",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }

    #[inline]
    fn from_code(code: u8) -> Level {
        Level::ALL[usize::from(code).min(Level::ALL.len() - 1)]
    }
}

/// What has not been looked up yet.
const UNKNOWN: u8 = u8::MAX;
static BEST: AtomicU8 = AtomicU8::new(UNKNOWN);
static CHOSEN: AtomicU8 = AtomicU8::new(UNKNOWN);

/// The level that every kernel without a `_at` suffix runs at: the best one this machine has, or a lower one
/// if the environment variable `FENCHEL_SIMD` names it. It is read once, at the first use.
///
/// ```
/// use fenchel::simd::{Level, level};
/// assert!(level().is_available());
/// assert!(level() >= Level::Scalar);
/// ```
#[inline]
pub fn level() -> Level {
    let code = CHOSEN.load(Ordering::Relaxed);
    if code == UNKNOWN { choose() } else { Level::from_code(code) }
}

#[cold]
fn choose() -> Level {
    let wanted = std::env::var("FENCHEL_SIMD").ok();
    let wanted = wanted.and_then(|name| Level::ALL.into_iter().find(|l| l.name() == name.trim()));
    let level = wanted.unwrap_or(Level::Avx512).min(best());
    CHOSEN.store(level as u8, Ordering::Relaxed);
    level
}

/// The best level of this machine.
#[inline]
pub(super) fn best() -> Level {
    let code = BEST.load(Ordering::Relaxed);
    if code != UNKNOWN {
        return Level::from_code(code);
    }
    let level = detect();
    BEST.store(level as u8, Ordering::Relaxed);
    level
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Level {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    match (avx2, avx512) {
        (true, true) => Level::Avx512,
        (true, false) => Level::Avx2,
        (false, _) => Level::Scalar,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Level {
    Level::Scalar
}
