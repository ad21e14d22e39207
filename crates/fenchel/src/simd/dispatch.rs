//! From a level to code compiled for it.

// SAFETY of the calls below: `best()` has found the features on this machine.
#![allow(unsafe_code)]

use std::marker::PhantomData;

#[cfg(target_arch = "x86_64")]
use super::avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use super::avx512::Avx512;
use super::lanes::Kernel;
use super::level::{Level, best, level};
use super::portable::Portable;

macro_rules! run {
    ($run:ident, $run_avx2:ident, $run_avx512:ident, $t:ty) => {
        /// Run a kernel at a level, or at the best available one below it.
        #[inline]
        pub fn $run<K: Kernel<$t>>(level: Level, kernel: K) -> K::Out {
            #[cfg(target_arch = "x86_64")]
            match level.min(best()) {
                // SAFETY: the level is not above the best one, so its features are there.
                Level::Avx512 => return unsafe { $run_avx512(kernel) },
                // SAFETY: likewise.
                Level::Avx2 => return unsafe { $run_avx2(kernel) },
                Level::Scalar => {}
            }
            let _ = level;
            kernel.run(Portable(PhantomData))
        }

        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn $run_avx2<K: Kernel<$t>>(kernel: K) -> K::Out {
            // SAFETY: the caller has checked the features.
            kernel.run(unsafe { Avx2::new() })
        }

        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
        unsafe fn $run_avx512<K: Kernel<$t>>(kernel: K) -> K::Out {
            // SAFETY: the caller has checked the features.
            kernel.run(unsafe { Avx512::new() })
        }
    };
}

run!(run_f64, run_f64_avx2, run_f64_avx512, f64);
run!(run_f32, run_f32_avx2, run_f32_avx512, f32);

/// Run a closure compiled for the best instruction set of this machine.
///
/// The closure's body, and every function inlined into it, is compiled once for each [`Level`], so that
/// plain loops in it become wide ones. Branch-free loops over slices of equal length profit; calls that are
/// not inlined do not. Do not write `mul_add` in it: on the lowest level that is slow software.
///
/// ```
/// let x = [1.0_f32; 100];
/// let mut y = [2.0_f32; 100];
/// fenchel::simd::vectorize(|| {
///     for (y, x) in y.iter_mut().zip(&x) {
///         *y = *y * *y - *x;
///     }
/// });
/// assert_eq!(y[99], 3.0);
/// ```
#[inline]
pub fn vectorize<R>(body: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    match level() {
        // SAFETY: `level()` is never above what the machine has.
        Level::Avx512 => return unsafe { vectorize_avx512(body) },
        // SAFETY: likewise.
        Level::Avx2 => return unsafe { vectorize_avx2(body) },
        Level::Scalar => {}
    }
    body()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn vectorize_avx2<R>(body: impl FnOnce() -> R) -> R {
    body()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn vectorize_avx512<R>(body: impl FnOnce() -> R) -> R {
    body()
}
