//! Threads of one's own.

use crate::failure::{Failure, Result};
use fenchel::Error;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// So many threads; all without a number.
pub fn pool(threads: Option<usize>) -> Result<ThreadPool> {
    if threads == Some(0) {
        return Err(Error::invalid("threads", 0, "at least 1").into());
    }
    let pool = ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build();
    pool.map_err(|e| Failure::new(format!("no threads could be started: {e}")))
}
