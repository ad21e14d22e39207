//! The time of a run in several parts, kept also where the engine does not.

use fenchel::optim::{Flow, Observer, Progress, Status};
use std::time::Instant;

/// Seconds since the start, and how many there may be.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    limit: Option<f64>,
}

impl Clock {
    /// Starts now.
    pub fn new(limit: Option<f64>) -> Self {
        Clock { start: Instant::now(), limit }
    }

    /// Seconds that are left; none is unlimited.
    pub fn left(&self) -> Option<f64> {
        self.limit.map(|limit| (limit - self.start.elapsed().as_secs_f64()).max(0.0))
    }

    /// Runs what keeps no time itself with an observer that does; `late` makes of the result what it is when the time was
    /// spent.
    pub fn keep<T>(
        &self,
        observer: &mut dyn Observer,
        work: impl FnOnce(&mut dyn Observer) -> T,
        late: impl FnOnce(&mut T),
    ) -> T {
        let mut is_late = false;
        let mut found = work(&mut |progress: &Progress<'_>| {
            if observer.progress(progress) == Flow::Stop {
                return Flow::Stop;
            }
            is_late = self.left() == Some(0.0);
            if is_late { Flow::Stop } else { Flow::Continue }
        });
        if is_late {
            late(&mut found);
        }
        found
    }
}

/// How something ended that was stopped because the time was spent.
pub fn late(status: &mut Status) {
    if *status == Status::Interrupted {
        *status = Status::MaxTime;
    }
}
