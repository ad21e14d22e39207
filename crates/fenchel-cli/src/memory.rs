//! Room that is given back.

/// Asks for blocks of this size and more from the system, one by one.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: i32 = 1 << 20;

/// Large blocks go back to the system as soon as they are free. By default glibc takes those of up to 32 MB from a heap
/// of its own, where vectors over a million atoms that come and go leave holes: half as much again as is in use.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "a call into the C library")]
pub fn give_back() {
    // SAFETY: it sets a number, before there is a second thread. Where it fails all stays as it was.
    unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) };
}

/// Other systems do as they think best.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn give_back() {}
