//! Where long work runs: in a pool of threads of this module, without the interpreter lock, watched for Ctrl-C.

use crate::errors::exception;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Work on fewer numbers is not worth releasing the interpreter lock for.
pub const SMALL: usize = 1 << 13;

/// How often Python is asked whether Ctrl-C was pressed.
const EVERY: Duration = Duration::from_millis(50);

/// The pool, made when it is first needed, and the number of threads asked for (0: as many as there are processors).
static POOL: Mutex<(Option<Arc<ThreadPool>>, usize)> = Mutex::new((None, 0));

/// The pool that everything of the engine runs in. Rayon's own global pool is never used: its size could be set once only,
/// and it would not survive a fork.
fn pool(py: Python<'_>) -> PyResult<Arc<ThreadPool>> {
    let made = {
        let mut slot = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = &slot.0 {
            return Ok(pool.clone());
        }
        build(slot.1).map(|pool| slot.0.insert(Arc::new(pool)).clone())
    };
    made.map_err(|error| not_started(py, error))
}

fn build(threads: usize) -> Result<ThreadPool, ThreadPoolBuildError> {
    ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("fenchel-{i}")).build()
}

fn not_started(py: Python<'_>, error: ThreadPoolBuildError) -> PyErr {
    exception(py, "FenchelError", format!("the threads to work in cannot be started: {error}"))
}

/// Sets the number of threads; 0 stands for the number of processors that this process may use. What was asked for before.
#[pyfunction]
pub fn set_num_threads(threads: usize) -> usize {
    let mut slot = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    let before = std::mem::replace(&mut slot.1, threads);
    if before != threads {
        slot.0 = None; // Its threads end once they have nothing to do.
    }
    before
}

/// The number of threads in use.
#[pyfunction]
pub fn num_threads(py: Python<'_>) -> PyResult<usize> {
    Ok(pool(py)?.current_num_threads())
}

/// In the child after a fork: the threads of the pool are not there, so it is left alone and another made when needed.
#[pyfunction]
pub fn after_fork() {
    // The lock may have been held in the parent; then there is no way to it, but no thread that could have left it so
    // runs Python code, because it is never held across a call to the interpreter.
    if let Ok(mut slot) = POOL.try_lock() {
        std::mem::forget(slot.0.take());
    }
}

/// Whether a function of Python that the engine called is what calls the engine now. Its thread must not wait for others of its
/// pool, which may all be waiting for functions of Python, nor take up their work meanwhile, which may call the same function.
fn is_called_back() -> bool {
    rayon::current_thread_index().is_some()
}

/// Runs short work: at once if it is `small`, else in the pool without the interpreter lock.
pub fn short<T: Send>(py: Python<'_>, small: bool, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    if small {
        return Ok(work());
    }
    if is_called_back() {
        return long(py, &AtomicBool::new(false), |_| Ok(()), work).map(|(result, _)| result);
    }
    let pool = pool(py)?;
    Ok(py.detach(|| pool.install(work)))
}

/// Runs long work in the pool and asks Python for signals meanwhile; after Ctrl-C `stop` is set, and the work is to return
/// soon with what there is. `meanwhile` is called now and then by this thread, with the interpreter lock; it can stop the work
/// by an exception, too.
///
/// The work's result, and the exception that stopped it, if one did.
pub fn long<T: Send>(
    py: Python<'_>,
    stop: &AtomicBool,
    meanwhile: impl FnMut(Python<'_>) -> PyResult<()>,
    work: impl FnOnce() -> T + Send,
) -> PyResult<(T, Option<PyErr>)> {
    let (sender, receiver) = channel();
    let job = move || {
        // Nobody to receive is impossible: the receiver waits below.
        let _ = sender.send(catch_unwind(AssertUnwindSafe(work)));
    };
    if is_called_back() {
        let pool = build(1).map_err(|error| not_started(py, error))?;
        return std::thread::scope(|scope| {
            scope.spawn(|| pool.install(job));
            awaited(py, stop, meanwhile, receiver)
        });
    }
    let pool = pool(py)?;
    pool.in_place_scope(|scope| {
        scope.spawn(|_| job());
        awaited(py, stop, meanwhile, receiver)
    })
}

/// What the work sends, and the exception that stopped it.
fn awaited<T: Send>(
    py: Python<'_>,
    stop: &AtomicBool,
    mut meanwhile: impl FnMut(Python<'_>) -> PyResult<()>,
    receiver: Receiver<std::thread::Result<T>>,
) -> PyResult<(T, Option<PyErr>)> {
    // A receiver is not `Sync`, but it may move to where the lock is not held and back.
    let receiver = Mutex::new(receiver);
    let mut stopped: Option<PyErr> = None;
    loop {
        let received = py.detach(|| {
            let receiver = receiver.lock().unwrap_or_else(PoisonError::into_inner);
            receiver.recv_timeout(EVERY)
        });
        if stopped.is_some() {
            // Ctrl-C pressed again cannot stop it sooner, and must not lose what there is.
            if let Err(error) = py.check_signals()
                && !error.is_instance_of::<PyKeyboardInterrupt>(py)
            {
                stopped = Some(error);
            }
        }
        match received {
            Ok(Ok(result)) => return Ok((result, stopped)),
            Err(RecvTimeoutError::Timeout) => {
                if stopped.is_none()
                    && let Err(error) = py.check_signals().and_then(|()| meanwhile(py))
                {
                    stop.store(true, Ordering::Relaxed);
                    stopped = Some(error);
                }
            }
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => {
                let message = "the engine failed; please report this".to_owned();
                return Err(exception(py, "FenchelError", message));
            }
        }
    }
}
