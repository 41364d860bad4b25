//! SIGCHLD as a file that `poll` can wait for.
//!
//! A handler and a pipe, not a blocked signal and `signalfd`: programs that are started inherit what is blocked, and
//! some shells wait for SIGCHLD.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::pipe::{PipeFlags, pipe_with};

/// Becomes readable when a child has ended.
pub(super) struct ChildSignals {
    from_handler: OwnedFd,
    _to_poll: OwnedFd,
}

/// What a parent may have ignored: shells do with what they start in the background.
const INHERITED: [libc::c_int; 16] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGCONT,
    libc::SIGXCPU,
    libc::SIGXFSZ,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGWINCH,
];

/// Where the handler writes.
static TO_POLL: AtomicI32 = AtomicI32::new(-1);

#[expect(unsafe_code, reason = "what may be called in a signal handler")]
extern "C" fn note_child(_signal: libc::c_int) {
    // SAFETY: `write` may be called here; the byte is a constant. The pipe does not block, and one byte in it is as
    // good as two. What follows the interruption must not see another error number.
    unsafe {
        let error = *libc::__errno_location();
        libc::write(TO_POLL.load(Ordering::Relaxed), [0u8].as_ptr().cast(), 1);
        *libc::__errno_location() = error;
    }
}

impl ChildSignals {
    /// Once in a process. Also unblocks and stops ignoring what the server's own parents had set, so that programs
    /// start as if from a terminal.
    #[expect(unsafe_code, reason = "no safe wrapper for sigaction")]
    pub(super) fn new() -> io::Result<Self> {
        let (from_handler, to_poll) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        TO_POLL.store(to_poll.as_raw_fd(), Ordering::Relaxed);
        // SAFETY: all zeroes is a valid action without flags; the handler does only what a handler may; `signal`
        // sets defaults; the set is
        // initialised by `sigemptyset`.
        let is_done = unsafe {
            let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
            action.sa_sigaction = note_child as *const () as libc::sighandler_t;
            action.sa_flags = libc::SA_RESTART | libc::SA_NOCLDSTOP;
            let mut none = MaybeUninit::<libc::sigset_t>::zeroed();
            libc::sigemptyset(none.as_mut_ptr());
            for signal in INHERITED {
                libc::signal(signal, libc::SIG_DFL);
            }
            libc::sigaction(libc::SIGCHLD, &raw const action, std::ptr::null_mut()) == 0
                && libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut()) == 0
        };
        if is_done { Ok(Self { from_handler, _to_poll: to_poll }) } else { Err(io::Error::last_os_error()) }
    }

    /// Takes what is waiting. Several ends may be one signal.
    pub(super) fn drain(&self) {
        let mut buffer = [0u8; 256];
        while rustix::io::read(&self.from_handler, &mut buffer).is_ok_and(|len| len > 0) {}
    }
}

impl AsFd for ChildSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.from_handler.as_fd()
    }
}
