//! SIGCHLD as a file that `poll` can wait for.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

/// Becomes readable when a child has ended. Programs started by `Command` get an empty signal mask again.
pub(super) struct ChildSignals(OwnedFd);

impl ChildSignals {
    /// For a process with one thread.
    #[expect(unsafe_code, reason = "no safe wrapper for signalfd")]
    pub(super) fn new() -> io::Result<Self> {
        let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
        // SAFETY: the set is ours and initialised by `sigemptyset`; the descriptor that `signalfd` returns is owned by
        // nobody else.
        let fd = unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD);
            libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
            libc::signalfd(-1, set.as_ptr(), libc::SFD_NONBLOCK | libc::SFD_CLOEXEC)
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: checked above.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Takes what is waiting. Several ends may be one signal.
    pub(super) fn drain(&self) {
        let mut buffer = [0u8; 1024];
        while rustix::io::read(&self.0, &mut buffer).is_ok_and(|len| len > 0) {}
    }
}

impl AsFd for ChildSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
