//! Pid 1 of a sandbox: starts the operator, passes signals on, reaps, and tells the shim how it ended.
//!
//! It has the operator's user, but nobody inside can reach it: the kernel keeps signals of its own namespace away from
//! pid 1, and it is not dumpable, so its memory and files are closed to tracers and to `/proc`.

use std::io::{self, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{ExitCode, Stdio};
use std::time::SystemTime;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{DumpableBehavior, Signal, set_dumpable_behavior};

use super::super::protocol::{FromInit, Line, Lines, ToInit};
use super::super::sandbox::INIT_SOCKET_FD;
use super::program::{Everybody, IoCounters, Running};
use super::signals::ChildSignals;
use crate::executor::outcome::to_micros;

pub(super) fn run() -> ExitCode {
    // Whatever is wrong here shows as a run without an end, which the shim reports.
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve() -> io::Result<()> {
    let counters = IoCounters::open();
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let socket = take_socket()?;
    let mut lines = Lines::new(socket.try_clone()?);
    let tell = |message: &FromInit| -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        (&socket).write_all(&line)
    };
    let Line::Got(first) = lines.next_line() else { return Err(io::ErrorKind::BrokenPipe.into()) };
    let ToInit::Start(program) = serde_json::from_slice(&first)? else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let signals = ChildSignals::new()?;
    let started = Running::start(
        &program,
        Everybody::Namespace,
        Stdio::inherit(),
        Stdio::inherit(),
        Vec::new(),
        counters,
        // Inherited under its number already.
        None,
    );
    let mut running = match started {
        Ok(running) => running,
        Err(error) => return tell(&FromInit::NotStarted { reason: error.to_string() }),
    };
    tell(&FromInit::Started { at_us: to_micros(SystemTime::now()) })?;
    socket.set_nonblocking(true)?;
    loop {
        let ready = {
            let mut files = [
                PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN),
            ];
            match poll(&mut files, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            files.map(|file| !file.revents().is_empty())
        };
        if ready[0] {
            signals.drain();
            if let Some(end) = running.reap()? {
                return tell(&FromInit::Ended(end));
            }
        }
        if !ready[1] {
            continue;
        }
        loop {
            let line = match lines.next_line() {
                Line::Got(line) => line,
                Line::NothingYet => break,
                Line::End => {
                    // The shim is gone, and nobody is left to watch the run.
                    running.signal_everybody(Signal::KILL);
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
            };
            match serde_json::from_slice(&line) {
                Ok(ToInit::Terminate) => running.signal_everybody(Signal::TERM),
                Ok(ToInit::Kill) => running.signal_everybody(Signal::KILL),
                Ok(ToInit::Start(_)) | Err(_) => {}
            }
        }
    }
}

#[expect(unsafe_code, reason = "the socket is inherited by its number")]
fn take_socket() -> io::Result<UnixStream> {
    // SAFETY: the shim put the socket there before it started this program, and nothing here has taken it.
    let fd = unsafe { OwnedFd::from_raw_fd(INIT_SOCKET_FD) };
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
    Ok(UnixStream::from(fd))
}
