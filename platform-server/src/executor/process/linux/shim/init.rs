//! Pid 1 of a sandbox or a container: starts the operator, passes signals on, reaps, and tells the shim how it ended.
//!
//! It has the operator's user, but nobody inside can reach it: the kernel keeps signals of its own namespace away from
//! pid 1, and it is not dumpable, so its memory and files are closed to tracers and to `/proc`.

use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{ExitCode, Stdio};
use std::time::SystemTime;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{DumpableBehavior, Signal, set_dumpable_behavior};

use super::super::protocol::{FromInit, Line, Lines, ToInit};
use super::super::sandbox::INIT_SOCKET_FD;
use super::program::{Everybody, IoCounters, Running};
use super::signals::ChildSignals;
use crate::executor::container::linux::arguments::SOCKET_PLACE;
use crate::executor::outcome::to_micros;

/// What this is the init of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    /// The shim's socket and the operator's pipes were inherited.
    Sandbox,
    /// The shim waits at a socket, and hands over the operator's pipes there.
    Container,
}

pub(super) fn run(inside: Inside) -> ExitCode {
    // Whatever is wrong here shows as a run without an end, which the shim reports.
    match serve(inside) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve(inside: Inside) -> io::Result<()> {
    // To end everybody, it signals all whom it sees: anywhere else they would not be the run's alone.
    if !rustix::process::getpid().is_init() {
        return Err(io::Error::other("the init of a run has to be pid 1"));
    }
    let counters = IoCounters::open();
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let (socket, output, error) = match inside {
        Inside::Sandbox => (take_socket()?, Stdio::inherit(), Stdio::inherit()),
        Inside::Container => {
            let socket = UnixStream::connect(SOCKET_PLACE)?;
            let [output, error] = take_pipes(&socket)?;
            (socket, output.into(), error.into())
        }
    };
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
        output,
        error,
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
    let mut has_told = false;
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
            if let Some(end) = running.reap()?.filter(|_| !has_told) {
                has_told = true;
                tell(&FromInit::Ended(end))?;
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
                Ok(ToInit::Leave) if has_told => return Ok(()),
                Ok(ToInit::Terminate) => running.signal_everybody(Signal::TERM),
                Ok(ToInit::Kill) => running.signal_everybody(Signal::KILL),
                Ok(ToInit::Start(_) | ToInit::Leave) | Err(_) => {}
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

/// The operator's standard output and error, which come with the first byte.
fn take_pipes(socket: &UnixStream) -> io::Result<[OwnedFd; 2]> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0; 1];
    recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let files: Vec<OwnedFd> = control
        .drain()
        .flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(files) => files.collect(),
            _ => Vec::new(),
        })
        .collect();
    <[OwnedFd; 2]>::try_from(files).map_err(|_| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_pid_1_of_a_namespace_serves_nobody() {
        let refusal = serve(Inside::Container).unwrap_err();
        assert!(refusal.to_string().contains("pid 1"), "{refusal}");
    }
}
