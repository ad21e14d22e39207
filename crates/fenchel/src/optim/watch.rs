//! Asking whether a run may go on from within a step that many threads share.

use super::{Loop, Progress, Status};
use std::fmt;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

/// How often the observer is asked, at most.
const EVERY: Duration = Duration::from_millis(50);

/// A [`Loop`] lent to the workers of a step, as long as it lasts.
pub(crate) struct Watch<'w, 'l> {
    control: Mutex<&'w mut Loop<'l>>,
    progress: Progress<'w>,
    ended: OnceLock<Status>,
}

impl fmt::Debug for Watch<'_, '_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Watch").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl<'w, 'l> Watch<'w, 'l> {
    pub(crate) fn new(control: &'w mut Loop<'l>, progress: Progress<'w>) -> Self {
        Watch { control: Mutex::new(control), progress, ended: OnceLock::new() }
    }

    /// Whether the step may go on; to be called by its workers every few milliseconds. Once false, always false.
    pub(crate) fn goes_on(&self) -> bool {
        // Who finds the lock taken leaves the question to whoever holds it.
        if self.ended.get().is_none()
            && let Ok(mut control) = self.control.try_lock()
            && (control.asked.elapsed() >= EVERY || control.is_over())
            && let Some(status) = control.check(&self.progress)
        {
            let _ = self.ended.set(status);
        }
        self.ended.get().is_none()
    }

    /// Why the step was cut short, if it was.
    pub(crate) fn ended(&self) -> Option<Status> {
        self.ended.get().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Flow, Observer, Silent};
    use super::*;
    use rayon::prelude::*;
    use std::time::Instant;

    const PROGRESS: Progress<'_> =
        Progress { phase: "solving", fraction: 0.0, samples: 0, error: 1.0, target: 1.0, iterate: &[] };

    /// Many workers that would take a minute together end soon after the observer or the clock says so.
    #[test]
    fn workers_end_when_the_run_does() {
        let work = |observer: &mut dyn Observer, limit: Option<f64>| {
            let mut control = Loop::new(limit, observer);
            let watch = Watch::new(&mut control, PROGRESS);
            let start = Instant::now();
            (0..64).into_par_iter().for_each(|_| {
                while watch.goes_on() && start.elapsed().as_secs_f64() < 60.0 {
                    std::hint::spin_loop();
                }
            });
            assert!(start.elapsed().as_secs_f64() < 30.0);
            watch.ended()
        };
        let mut calls = 0;
        let mut stop = |_: &Progress<'_>| {
            calls += 1;
            if calls < 3 { Flow::Continue } else { Flow::Stop }
        };
        assert_eq!(work(&mut stop, None), Some(Status::Interrupted));
        assert_eq!(calls, 3, "asked again after it said stop");
        assert_eq!(work(&mut Silent, Some(0.2)), Some(Status::MaxTime));
    }

    #[test]
    fn a_limit_within_the_limit() {
        let mut silent = Silent;
        let mut control = Loop::new(Some(100.0), &mut silent);
        assert_eq!(control.within(200.0).limit(), 100.0);
        assert_eq!(control.within(f64::INFINITY).limit(), 100.0);
        assert_eq!(control.within(0.0).check(&PROGRESS), Some(Status::MaxTime));
        assert_eq!(control.check(&PROGRESS), None);
    }
}
