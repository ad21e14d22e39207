//! Log-sum-exp and its family: LSE(x) = log Σ e^{x_i}, its gradient the softmax, and what is built on them.
//!
//! | wanted | call |
//! |---|---|
//! | a slice | [`logsumexp`], [`logmeanexp`], with temperature [`logsumexp_temperature`], [`logmeanexp_temperature`] |
//! | weights, signs | [`logsumexp_weighted`], [`logsumexp_signed`] |
//! | rows, columns, any strides | [`logsumexp_rows`], [`logsumexp_columns`] of a [`MatrixView`] |
//! | two numbers | [`logaddexp`], [`logsubexp`] |
//! | the gradient | [`softmax`], [`softmax_temperature`], [`softmax_rows`], [`log_softmax`], [`log_softmax_rows`] |
//! | losses | [`cross_entropy`], [`info_nce`] |
//! | thermodynamics | [`ensemble`] |
//! | a stream, many threads or machines | [`LogSumExp`] |
//!
//! # Accuracy
//!
//! The numbers are scaled by a running maximum and summed in trees of eight registers, the trees by compensated
//! summation; parts with different maxima are merged as (maximum, scaled sum). The entries at the maximum are counted instead of summed, so that
//!
//! LSE(x) = M + log1p((k − 1) + Σ_{x_i < M} e^{x_i − M}),  k = #{i : x_i = M},
//!
//! loses nothing where one term dominates. With u the unit roundoff and p = softmax(x) the computed value is
//! within
//!
//! u·( |LSE(x)| + |LSE(x) − M| + H(p) + 10 ),  H(p) = −Σ p_i log p_i ≤ log n
//!
//! of the exact one, for every n up to 10^8 and beyond (the terms of order n·u² are far below u): one rounding
//! of the result, one of the logarithm, the rounding of each x_i − M (which the problem's own condition
//! Σ p_i|x_i| covers unless all scores are near 0), and a constant for the exponentials and the sum. For
//! `f32` the first three hold with its u. Where M and log Σ cancel, that is an absolute error, not a relative
//! one: the relative error of any algorithm that rounds its input is then as large (Blanchard, Higham and
//! Higham, "Accurately computing the log-sum-exp and softmax functions", IMA J. Numer. Anal. 2021).

mod accumulate;
mod ensemble;
mod loss;
mod matrix;
mod pair;
mod slice;
mod softmax;
mod state;
mod twofold;

pub use ensemble::{Ensemble, ensemble};
pub use loss::{cross_entropy, info_nce};
pub use matrix::{MatrixView, logsumexp_columns, logsumexp_rows};
pub use pair::{logaddexp, logsubexp};
pub use slice::{
    logmeanexp, logmeanexp_temperature, logsumexp, logsumexp_at, logsumexp_signed, logsumexp_temperature,
    logsumexp_weighted,
};
pub(crate) use softmax::softmax_into;
pub use softmax::{log_softmax, log_softmax_rows, softmax, softmax_rows, softmax_temperature};
pub use state::LogSumExp;
